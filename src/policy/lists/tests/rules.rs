//! Which rule wins, table by table.

use super::*;

#[test]
fn names_match_at_below_or_both() {
    let table = table([(BLOCK, list(&["|at.example", "||both.example", "*.below.example", "||zip"]))]);
    for (asked, expected) in [
        ("at.example", "1 Block |at.example^"),
        ("x.at.example", ""),
        ("both.example", "1 Block ||both.example^"),
        ("x.y.both.example", "1 Block ||both.example^"),
        ("below.example", ""),
        ("x.below.example", "1 Block *.below.example^"),
        ("any.zip", "1 Block ||zip^"),
        ("example", ""),
        (".", ""),
    ] {
        assert_eq!(ask(&table, &[1], asked), expected, "{asked}");
    }
}

#[test]
fn important_exceptions_important_blocks_exceptions_then_blocks_decide() {
    let all = ["||n.example", "@@||n.example", "!||n.example", "@@!||n.example"];
    for (count, expected) in [
        (1, "1 Block ||n.example^"),
        (2, "2 Except @@||n.example^"),
        (3, "3 Block ||n.example^$important"),
        (4, "4 Except @@||n.example^$important"),
    ] {
        let table = table(all[..count].iter().map(|rule| (BLOCK, list(&[rule]))));
        assert_eq!(ask(&table, &[1, 2, 3, 4], "x.n.example"), expected);
    }
    // However specific the weaker rule is.
    let deep = table([(BLOCK, list(&["|a.b.n.example"])), (BLOCK, list(&["@@||example"]))]);
    assert_eq!(ask(&deep, &[1, 2], "a.b.n.example"), "2 Except @@||example^");
    assert_eq!(ask(&deep, &[1], "a.b.n.example"), "1 Block |a.b.n.example^");
}

#[test]
fn an_answer_outranks_blocks_and_among_equals_the_longer_name_wins_then_the_lower_id() {
    let table = table([
        (BLOCK, list(&["||example", "||b.example", "n-"])),
        (BLOCK, list(&["||example=nx", "||b.example", "|n-a.test", "||b.example=null", "!||hard.example"])),
    ]);
    for (asked, expected) in [
        ("x.example", "2 Answer ||example^$dnsrewrite=NXDOMAIN"),
        ("x.b.example", "2 Answer ||b.example^$dnsrewrite=0.0.0.0"),
        ("n-x.example", "2 Answer ||example^$dnsrewrite=NXDOMAIN"),
        ("n-a.test", "2 Block |n-a.test^"),
        ("hard.example", "2 Block ||hard.example^$important"),
        ("n-b.test", "1 Block n-"),
    ] {
        assert_eq!(ask(&table, &[2, 1], asked), expected, "{asked}");
    }
}

#[test]
fn an_exception_from_answers_leaves_blocks_and_important_answers() {
    let table = table([
        (BLOCK, list(&["||a.example=nx", "||a.example", "||b.example=nx", "!||c.example=nx", "d.*=nx", "!d.*=nx"])),
        (BLOCK, list(&["@@||a.example=", "@@/^b/=", "@@||c.example=", "@@||d.example="])),
        (BLOCK, list(&["@@!||c.example="])),
        (ZONE, list(&["||b.example=nx", "||z.example=nx", "@@||z.example="])),
        (ALLOW, list(&["@@||a.example="])),
    ]);
    for (selection, asked, expected) in [
        (&[1][..], "a.example", "1 Answer ||a.example^$dnsrewrite=NXDOMAIN"),
        (&[1, 2], "a.example", "1 Block ||a.example^"),
        (&[1, 2], "b.example", ""),
        (&[2, 4], "b.example", ""),
        (&[1, 2], "c.example", "1 Answer ||c.example^$important,dnsrewrite=NXDOMAIN"),
        (&[1, 2, 3], "c.example", ""),
        (&[1, 2], "x.d.example", "1 Answer d.*$important,dnsrewrite=NXDOMAIN"),
        // A zone and an allow list have no such exceptions: theirs let through.
        (&[4], "z.example", "4 Except @@||z.example^$dnsrewrite"),
        (&[1, 5], "a.example", "5 Allow @@||a.example^$dnsrewrite"),
    ] {
        assert_eq!(ask(&table, selection, asked), expected, "{selection:?} {asked}");
    }
}

#[test]
fn records_of_one_pattern_are_summed_and_an_alias_or_code_wins_over_them() {
    let records = "$dnsrewrite=192.0.2.1 192.0.2.2";
    for (rules, expected) in [
        (&["||a.example=192.0.2.1", "||a.example=192.0.2.2"][..], format!("1 Answer ||a.example^{records}")),
        (&["a.*=192.0.2.1", "a.*=192.0.2.2"], format!("1 Answer a.*{records}")),
        (&["/^a/=192.0.2.1", "/^a/=192.0.2.2"], format!("1 Answer /^a/{records}")),
        (&["a.*=192.0.2.1", "a.*=b.example"], "1 Answer a.*$dnsrewrite=b.example".to_owned()),
        (&["||a.example=192.0.2.1", "||a.example=b.example"], "1 Answer ||a.example^$dnsrewrite=b.example".to_owned()),
        (&["||a.example=nx", "||a.example=192.0.2.1"], "1 Answer ||a.example^$dnsrewrite=NXDOMAIN".to_owned()),
        (&["||a.example=192.0.2.1", "||a.example=nx"], "1 Answer ||a.example^$dnsrewrite=NXDOMAIN".to_owned()),
        (&["||a.example=b.example", "||a.example=nx"], "1 Answer ||a.example^$dnsrewrite=b.example".to_owned()),
        (&["||example=b.example", "||a.example=192.0.2.1"], "1 Answer ||a.example^$dnsrewrite=192.0.2.1".to_owned()),
    ] {
        let table = table([(BLOCK, list(rules))]);
        assert_eq!(ask(&table, &[1], "a.example"), expected, "{rules:?}");
        // The same after a restart.
        let mut octets = Vec::new();
        list(rules).write(&mut octets).expect("memory");
        let again = CompiledList::read(&octets, KEY).expect("what was written");
        let table = ListTable::build([(ListSourceId(1), BLOCK, Arc::new(again))]);
        assert_eq!(ask(&table, &[1], "a.example"), expected, "{rules:?}");
    }
}

#[test]
fn several_selections_are_searched_as_one() {
    let table = table([
        (BLOCK, list(&["||a.example"])),
        (BLOCK, list(&["@@||a.example"])),
        (ZONE, list(&["||z.example=nx"])),
        (ZONE, list(&["||z.example=drop"])),
    ]);
    let find = |selections: &[&[u32]], asked: &str| {
        let selections: Vec<ListSelection> = selections.iter().map(|numbers| table.select(&ids(numbers))).collect();
        let asked = name(asked);
        let suffixes = Suffixes::new(asked.as_name(), KEY);
        told(&table, table.find(&selections, &suffixes, A, &Who::nobody()), &suffixes)
    };
    assert_eq!(find(&[&[1], &[1, 2]], "a.example"), "2 Except @@||a.example^");
    assert_eq!(find(&[&[1, 2], &[1]], "a.example"), "2 Except @@||a.example^");
    assert_eq!(find(&[&[1, 4], &[1, 3]], "z.example"), "4 Answer ||z.example^$dnsrewrite=drop");
    assert_eq!(find(&[], "z.example"), "");
}

#[test]
fn an_allow_list_allows_and_an_exception_cancels_only_what_blocks() {
    let table = table([
        (BLOCK, list(&["||example", "!||hard.example"])),
        (ALLOW, list(&["||ok.example", "||ok.hard.example", "@@||also.example=nx"])),
        (BLOCK, list(&["@@||ok.example", "@@!||ok.hard.example"])),
    ]);
    for (selection, asked, expected) in [
        (&[1, 2, 3][..], "ok.example", "2 Allow ||ok.example^"),
        (&[1, 3], "ok.example", "3 Except @@||ok.example^"),
        (&[1, 2], "ok.hard.example", "1 Block ||hard.example^$important"),
        (&[1, 2, 3], "ok.hard.example", "2 Allow ||ok.hard.example^"),
        (&[1, 2], "also.example", "2 Allow @@||also.example^"),
        (&[1, 2], "other.example", "1 Block ||example^"),
        (&[2], "other.example", ""),
    ] {
        assert_eq!(ask(&table, selection, asked), expected, "{selection:?} {asked}");
    }
}

#[test]
fn of_the_zones_the_first_with_a_match_counts() {
    let table = table([
        (ZONE, list(&["||a.example=nx", "@@|ok.a.example"])),
        (ZONE, list(&["|x.a.example=drop", "||b.example=nx", "||ok.a.example=nx"])),
        (BLOCK, list(&["|x.a.example"])),
    ]);
    for (selection, asked, expected) in [
        (&[1, 2][..], "x.a.example", "1 Answer ||a.example^$dnsrewrite=NXDOMAIN"),
        (&[2, 1], "x.a.example", "2 Answer |x.a.example^$dnsrewrite=drop"),
        (&[1, 2], "ok.a.example", "1 Except @@|ok.a.example^"),
        (&[2, 1], "ok.a.example", "2 Answer ||ok.a.example^$dnsrewrite=NXDOMAIN"),
        (&[1, 2], "b.example", "2 Answer ||b.example^$dnsrewrite=NXDOMAIN"),
        // What the zones come to is compared with the other lists: an answer outranks a block.
        (&[1, 2, 3], "x.a.example", "1 Answer ||a.example^$dnsrewrite=NXDOMAIN"),
    ] {
        assert_eq!(ask(&table, selection, asked), expected, "{selection:?} {asked}");
    }
}

#[test]
fn an_override_stands_for_what_the_rules_of_a_zone_say() {
    let rules = ["||a.example=nx", "@@|ok.a.example"];
    for (instead, effect, answer) in [
        (ZoneOverride::Passthru, ListEffect::Except, None),
        (ZoneOverride::NxDomain, ListEffect::Answer, Some(FixedAnswer::NxDomain)),
        (ZoneOverride::NoData, ListEffect::Answer, Some(FixedAnswer::NoData)),
        (ZoneOverride::Drop, ListEffect::Answer, Some(FixedAnswer::Drop)),
        (ZoneOverride::Block, ListEffect::Block, None),
    ] {
        let table = table([(ListProfile { zone_override: Some(instead), ..ZONE }, list(&rules))]);
        for asked in ["a.example", "ok.a.example"] {
            let asked = name(asked);
            let suffixes = Suffixes::new(asked.as_name(), KEY);
            let hit = table.find(&table.select(&ids(&[1])), &suffixes, A, &Who::nobody()).expect("a hit");
            assert_eq!((hit.effect(), table.answer(hit)), (effect, answer.as_ref()), "{instead:?} {asked:?}");
        }
    }
}

#[test]
fn a_disabled_zone_decides_nothing_but_says_what_it_would() {
    let disabled = ListProfile { zone_override: Some(ZoneOverride::Disabled), ..ZONE };
    let table = table([(disabled, list(&["||a.example=nx"])), (ZONE, list(&["||a.example"]))]);
    assert_eq!(ask(&table, &[1, 2], "a.example"), "2 Block ||a.example^");
    let selection = table.select(&ids(&[1, 2]));
    let asked = name("a.example");
    let suffixes = Suffixes::new(asked.as_name(), KEY);
    let noted = table.find_noted(&selection, &suffixes, A, &Who::nobody());
    assert_eq!(told(&table, noted, &suffixes), "1 Answer ||a.example^$dnsrewrite=NXDOMAIN,override=disabled");
    assert!(selection.has_noted() && !table.select(&ids(&[2])).has_noted());
}

#[test]
fn patterns_and_expressions_match_where_their_literals_are() {
    let rules = ["||ads.*.example^", "-track-", "/^(.+\\.)?stat[0-9]+\\./", "/^[0-9]+$/", "a*", "|x*y|", "@@/TRACKER/"];
    let table = table([(BLOCK, list(&rules))]);
    for (asked, expected) in [
        ("v.ads.a.example", "1 Block ||ads.*.example^"),
        ("vads.a.test", "1 Block a*"),
        ("my-track-er.test", "1 Block -track-"),
        ("b.stat77.test", "1 Block /^(.+\\.)?stat[0-9]+\\./"),
        ("12345", "1 Block /^[0-9]+$/"),
        ("x.z.y", "1 Block |x*y|"),
        ("my-tracker.test", "1 Except @@/TRACKER/"),
        ("nope.test", ""),
    ] {
        assert_eq!(ask(&table, &[1], asked), expected, "{asked}");
    }
}

#[test]
fn a_dot_within_a_label_is_no_end_of_a_label() {
    let table = table([(BLOCK, list(&["||ads.exa*e^"]))]);
    let odd = DomainName::from_wire(b"\x05x.ads\x07example\x00").expect("valid wire");
    let suffixes = Suffixes::new(odd.as_name(), KEY);
    assert_eq!(table.find(&table.select(&ids(&[1])), &suffixes, A, &Who::nobody()), None);
}

#[test]
fn conditions_are_about_types_names_and_clients() {
    let only = |types: &[u16]| Conditions { types: types.to_vec(), ..Conditions::default() };
    let but = |names: &[&str]| Conditions {
        names_except: names.iter().map(|text| name(text)).collect(),
        ..Conditions::default()
    };
    let clients = |only: &[&str], except: &[&str]| {
        let terms = |texts: &[&str]| -> Vec<ClientTerm> {
            let term = |text: &&str| text.parse().map_or_else(|_| ClientTerm::Name((*text).into()), ClientTerm::Net);
            texts.iter().map(term).collect()
        };
        Conditions { clients: terms(only), clients_except: terms(except), ..Conditions::default() }
    };
    let tags = Conditions { tags: vec!["user_child".into()], ..Conditions::default() };
    let invert = Conditions { invert: true, ..only(&[16]) };
    let table = table([
        (BLOCK, compiled([when("||type.example", only(&[AAAA]))])),
        (BLOCK, compiled([when("||but.example", but(&["ok.but.example"]))])),
        (BLOCK, compiled([when("||kid.example", clients(&["tom", "10.0.0.0/8"], &["10.9.0.0/16"]))])),
        (BLOCK, compiled([when("tag-*", tags)])),
        (BLOCK, compiled([when("||good.example", invert)])),
    ]);
    let at = |address: &str| Who::at(address.parse().expect("an address"));
    let tom = Who { names: [Some("Tom"), None, None], ..at("192.0.2.1") };
    let groups = [Arc::from("Staff"), Arc::from("USER_child")];
    let child = Who { groups: &groups, ..at("192.0.2.1") };
    for (list, asked, qtype, who, expected) in [
        (1, "type.example", A, at("192.0.2.1"), ""),
        (1, "type.example", AAAA, at("192.0.2.1"), "1 Block ||type.example^$dnstype=AAAA"),
        (2, "x.but.example", A, at("192.0.2.1"), "2 Block ||but.example^$denyallow=ok.but.example"),
        (2, "x.ok.but.example", A, at("192.0.2.1"), ""),
        (3, "kid.example", A, at("192.0.2.1"), ""),
        (3, "kid.example", A, tom, "3 Block ||kid.example^$client='tom'|10.0.0.0/8|~10.9.0.0/16"),
        (3, "kid.example", A, at("::ffff:10.1.1.1"), "3 Block ||kid.example^$client='tom'|10.0.0.0/8|~10.9.0.0/16"),
        (3, "kid.example", A, at("10.9.1.1"), ""),
        (4, "tag-x.test", A, child, "4 Block tag-*$ctag=user_child"),
        (4, "tag-x.test", A, tom, ""),
        (5, "bad.test", 16, tom, "5 Block ||good.example^$dnstype=TXT,invert"),
        (5, "x.good.example", 16, tom, ""),
        (5, "bad.test", A, tom, ""),
    ] {
        assert_eq!(ask_as(&table, &[list], asked, qtype, &who), expected, "{list} {asked} {qtype}");
    }
    let asks = |list: u32| table.select(&ids(&[list])).asks_who();
    assert_eq!([1, 2, 3, 4, 5].map(asks), [false, false, true, true, false]);
}

#[test]
fn addresses_are_found_by_range_of_the_lists_that_count() {
    let net = |trigger, net: &str, effect: &str| {
        Rule::Address(AddressRule { trigger, net: net.parse().expect("a range"), effect: rule(effect).effect })
    };
    use AddressTrigger::{Answer, Client, NameServer};
    let table = table([
        (BLOCK, compiled([net(Answer, "192.0.2.0/24", "x"), net(Answer, "::ffff:198.51.100.0/120", "x")])),
        (BLOCK, compiled([net(Answer, "192.0.2.7/32", "@@x"), net(NameServer, "203.0.113.0/24", "x")])),
        (ZONE, compiled([net(Client, "10.0.0.0/8", "x=drop"), Rule::Name(rule("@@|a.example"))])),
    ]);
    let find = |selection: &[u32], trigger, address: &str| {
        let hit =
            table.find_address(&table.select(&ids(selection)), trigger, address.parse().expect("an address"), false);
        let root = DomainName::root();
        told(&table, hit, &Suffixes::new(root.as_name(), KEY))
    };
    assert_eq!(find(&[1], Answer, "192.0.2.7"), "1 Block 192.0.2.0/24 (answer)");
    assert_eq!(find(&[1, 2], Answer, "192.0.2.7"), "2 Except @@192.0.2.7/32 (answer)");
    assert_eq!(find(&[2], Answer, "192.0.2.8"), "");
    assert_eq!(find(&[1], Answer, "198.51.100.1"), "1 Block 198.51.100.0/24 (answer)");
    assert_eq!(find(&[1], NameServer, "203.0.113.1"), "");
    assert_eq!(find(&[2], NameServer, "203.0.113.1"), "2 Block 203.0.113.0/24 (name server)");
    // Within a zone the client's address goes before the name; targets are looked up without it.
    let who = Who::at("10.1.1.1".parse().expect("an address"));
    assert_eq!(ask_as(&table, &[3], "a.example", A, &who), "3 Answer 10.0.0.0/8 (client)$dnsrewrite=drop");
    assert_eq!(ask(&table, &[3], "a.example"), "3 Except @@|a.example^");
    let asked = name("a.example");
    let suffixes = Suffixes::new(asked.as_name(), KEY);
    let target = table.find_for(&table.select(&ids(&[3])), Sought::Target(&suffixes), A, &who);
    assert_eq!(told(&table, target, &suffixes), "3 Except @@|a.example^");
    let has = |list: u32| table.select(&ids(&[list]));
    assert!(has(1).has_answer_addresses() && !has(3).has_answer_addresses() && has(2).has_name_servers());
}

#[test]
fn rules_about_name_servers_are_not_rules_about_names() {
    let rules = ["||ns.example", "dns-*"].map(|text| Rule::NameServer(rule(text)));
    let table = table([(ZONE, compiled(rules)), (BLOCK, list(&["||other.example"]))]);
    let selection = table.select(&ids(&[1, 2]));
    for (asked, expected) in [
        ("a.ns.example", "1 Block ||ns.example^ (name server)"),
        ("dns-1.test", "1 Block dns-* (name server)"),
        ("other.example", ""),
    ] {
        let asked = name(asked);
        let suffixes = Suffixes::new(asked.as_name(), KEY);
        let hit = table.find_for(&selection, Sought::NameServer(&suffixes), A, &Who::nobody());
        assert_eq!(told(&table, hit, &suffixes), expected);
    }
    assert_eq!(ask(&table, &[1, 2], "a.ns.example"), "");
    assert_eq!(ask(&table, &[1, 2], "dns-1.test"), "");
}

#[test]
fn records_of_one_name_are_one_answer_and_an_alias_goes_before_them() {
    let record = |last: u8| RecordData { rtype: A, rdata: Box::new([192, 0, 2, last]) };
    let answer = |pattern: &str, answer: FixedAnswer| {
        Rule::Name(NameRule { effect: Effect::Answer(Box::new(answer)), ..rule(pattern) })
    };
    let records = |last: u8| FixedAnswer::Records(vec![record(last)]);
    let table = table([(
        BLOCK,
        compiled([
            answer("|a.example", records(1)),
            answer("|a.example", records(2)),
            answer("|a.example", records(3)),
            answer("|b.example", records(1)),
            answer("|b.example", FixedAnswer::Alias(name("c.example"))),
            answer("|b.example", records(2)),
        ]),
    )]);
    let found = |asked: &str| {
        let asked = name(asked);
        let suffixes = Suffixes::new(asked.as_name(), KEY);
        let hit = table.find(&table.select(&ids(&[1])), &suffixes, A, &Who::nobody()).expect("a hit");
        table.answer(hit).expect("an answer").clone()
    };
    let FixedAnswer::Records(mut all) = found("a.example") else { panic!("records") };
    all.sort_by(|a, b| a.rdata.cmp(&b.rdata));
    assert_eq!(all, [record(1), record(2), record(3)]);
    assert_eq!(found("b.example"), FixedAnswer::Alias(name("c.example")));
}

#[test]
fn what_became_of_the_rules_is_counted() {
    let mut builder = ListBuilder::new(KEY);
    for text in ["||a.example^", "||a.example", "|b.example", "||a*b^", "||a*b^", "/x(?!y)/", "/ab+/", "a^b"] {
        builder.push(Rule::Name(rule(text)));
    }
    let net = "192.0.2.1/32".parse().expect("a range");
    for _ in 0..2 {
        builder.push(Rule::Address(AddressRule { trigger: AddressTrigger::Answer, net, effect: Effect::Block }));
    }
    let (list, counted) = builder.finish();
    let expected = Counted {
        names: 2,
        patterns: 1,
        regexes: 1,
        addresses: 1,
        duplicates: 3,
        too_complex: 2,
        refused: vec!["/x(?!y)/".to_owned(), "a^b".to_owned()],
    };
    assert_eq!(counted, expected);
    assert_eq!(list.counted(), &expected);
    assert!(!list.is_empty() && compiled([]).is_empty());
}

#[test]
fn rules_that_would_be_tried_against_every_name_are_few() {
    let mut builder = ListBuilder::new(KEY);
    for number in 0..100 {
        builder.push(Rule::Name(rule(&format!("/^[0-9]{{{}}}$/", number + 1))));
    }
    for number in 0..2_000 {
        builder.push(Rule::Name(rule(&format!("|{number}*longest-literal^"))));
    }
    let (_, counted) = builder.finish();
    assert_eq!((counted.regexes, counted.patterns, counted.too_complex), (64, 1_024, 36 + 976));
}

#[test]
fn a_selection_outlives_its_table_and_no_list_is_an_empty_one() {
    let one = table([(BLOCK, list(&["||a.example"])), (BLOCK, list(&["||b.example"]))]);
    let selection = one.select(&ids(&[2]));
    // In this table the second list has another place.
    let other = ListTable::build([
        (ListSourceId(2), BLOCK, list(&["||new.example"])),
        (ListSourceId(9), BLOCK, list(&["||b.example"])),
    ]);
    let find = |asked: &str| {
        let asked = name(asked);
        let suffixes = Suffixes::new(asked.as_name(), KEY);
        told(&other, other.find(&selection, &suffixes, A, &Who::nobody()), &suffixes)
    };
    assert_eq!(find("new.example"), "2 Block ||new.example^");
    assert_eq!(find("b.example"), "");
    assert!(one.select(&[]).is_empty() && !selection.is_empty());
    assert_eq!(ask(&one, &[], "a.example"), "");
    assert_eq!(ask(&one, &[7], "a.example"), "", "a list that is not there");
    assert_eq!(ask(&ListTable::empty(), &[1], "a.example"), "");
}

#[test]
fn decisions_are_counted_by_list_and_go_on_in_the_next_table() {
    let first = table([(BLOCK, list(&["||a.example"])), (BLOCK, list(&["||b.example"]))]);
    let asked = name("b.example");
    let suffixes = Suffixes::new(asked.as_name(), KEY);
    let hit = first.find(&first.select(&ids(&[1, 2])), &suffixes, A, &Who::nobody()).expect("a hit");
    first.count(hit);
    let mut next = table([(BLOCK, list(&[])), (BLOCK, list(&[]))]);
    next.continue_counting(&first);
    first.count(hit);
    assert_eq!(next.hits().map(|(id, hits)| (id.0, hits)).collect::<Vec<_>>(), [(1, 0), (2, 2)]);
}

#[test]
fn lists_that_cannot_be_in_the_table_are_named() {
    let other_key = ListBuilder::new(NameKey(12)).finish().0;
    let lists = [
        (ListSourceId(1), BLOCK, list(&["||a.example"])),
        (ListSourceId(1), BLOCK, list(&["||b.example"])),
        (ListSourceId(2), BLOCK, Arc::new(other_key)),
    ];
    let table = ListTable::build(lists);
    assert_eq!(table.left_out(), ids(&[1, 2]));
    assert_eq!((table.names(), table.key()), (1, Some(KEY)));
}
