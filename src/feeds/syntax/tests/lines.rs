//! Hosts files, names, Adblock, regular expressions.

use super::*;

#[test]
fn hosts_lines_give_each_of_their_names() {
    let hosts = options(Some(ListSyntax::Hosts));
    table(
        &hosts,
        &[
            ("0.0.0.0 Ads.example.com", &["block exact ads.example.com"]),
            ("127.0.0.1\ta.example  b.example # two", &["block exact a.example", "block exact b.example"]),
            ("127.9.9.9 a.example #[WebBug]", &["block exact a.example"]),
            ("::1 a.example", &["block exact a.example"]),
            (":: a.example", &["block exact a.example"]),
            ("192.0.2.7 a.example", &["block exact a.example"]),
            ("fe80::1%lo0 localhost", &["1 own"]),
            ("255.255.255.255 broadcasthost", &["1 own"]),
            ("::1 ip6-localhost ip6-loopback", &["2 own"]),
            ("0.0.0.0 0.0.0.0", &["1 own"]),
            ("0.0.0.0 192.0.2.1", &["block net 192.0.2.1/32"]),
            ("0.0.0.0 a.example/b", &["1 url"]),
            ("0.0.0.0 com", &["invalid: the name has one label only"]),
            ("# comment", &[]),
            ("", &[]),
            ("plain.example", &["block exact plain.example"]),
            ("||mixed.example^", &["block suffix mixed.example"]),
            ("two words", &["invalid: there is more than a name"]),
        ],
    );
    let record = ParseOptions { hosts: HostsMeaning::Record, ..hosts.clone() };
    table(
        &record,
        &[
            ("192.0.2.7 a.example", &["answer 192.0.2.7 exact a.example"]),
            ("2001:db8::7 a.example", &["answer 2001:db8::7 exact a.example"]),
            ("0.0.0.0 a.example", &["block exact a.example"]),
        ],
    );
    let skip = ParseOptions { hosts: HostsMeaning::Skip, ..hosts.clone() };
    table(&skip, &[("192.0.2.7 a.example", &["1 unsupported: hosts line with an address"])]);
    let suffix = ParseOptions { reach: NameReach::Suffix, ..hosts };
    table(&suffix, &[("0.0.0.0 a.example", &["block suffix a.example"])]);
}

#[test]
fn names_and_wildcards_mean_what_the_reach_says() {
    let rows: &[(&str, ListSyntax, [&str; 3])] = &[
        ("a.example", ListSyntax::Domains, ["suffix a.example", "exact a.example", "suffix a.example"]),
        ("*.a.example", ListSyntax::Domains, ["suffix a.example", "below a.example", "suffix a.example"]),
        (".a.example", ListSyntax::Domains, ["suffix a.example", "suffix a.example", "suffix a.example"]),
        ("= a.example", ListSyntax::Domains, ["exact a.example", "exact a.example", "exact a.example"]),
        ("|a.example^", ListSyntax::Domains, ["exact a.example", "exact a.example", "exact a.example"]),
        ("||a.example^", ListSyntax::Domains, ["suffix a.example", "suffix a.example", "suffix a.example"]),
        ("a.example", ListSyntax::Adblock, ["exact a.example", "exact a.example", "suffix a.example"]),
        ("*.a.example^", ListSyntax::Adblock, ["below a.example", "below a.example", "below a.example"]),
        ("a.example", ListSyntax::Ut1, ["suffix a.example", "exact a.example", "suffix a.example"]),
    ];
    for (line, syntax, expected) in rows {
        for (reach, expected) in [NameReach::BySyntax, NameReach::Exact, NameReach::Suffix].into_iter().zip(expected) {
            let options = ParseOptions { reach, ..options(Some(*syntax)) };
            table(&options, &[(line, &[&format!("block {expected}")])]);
        }
    }
    table(
        &options(Some(ListSyntax::Domains)),
        &[
            ("*.zip", &["block suffix zip"]),
            ("zip", &["invalid: the name has one label only"]),
            ("198.51.100.7", &["block net 198.51.100.7/32"]),
            ("198.51.100.7/24", &["block net 198.51.100.0/24"]),
            ("2001:db8::/32", &["block net 2001:db8::/32"]),
            ("0.0.0.0/0", &["invalid: this is every address"]),
            ("a.example # why", &["block suffix a.example"]),
            ("a.example#why", &["block suffix a.example"]),
            ("a.example ; why", &["block suffix a.example"]),
            ("a.example\t// why", &["block suffix a.example"]),
            ("// why", &[]),
            ("0 a.example ; why", &["block exact a.example"]),
            ("https://a.example/b", &["1 url"]),
            ("a.example:8080", &["1 url"]),
            ("BÜCHER.example", &["block suffix xn--bcher-kva.example"]),
            ("/^ads[0-9]/", &["block regex ^ads[0-9]"]),
            ("ads*.a.example", &["block wildcard ads*.a.example"]),
            ("\u{feff}a.example", &["block suffix a.example"]),
        ],
    );
}

#[test]
fn adblock_patterns_become_the_smallest_rule_that_says_the_same() {
    table(
        &options(Some(ListSyntax::Adblock)),
        &[
            ("||a.example^", &["block suffix a.example"]),
            ("||A.Example^", &["block suffix a.example"]),
            ("||a.example^|", &["block suffix a.example"]),
            ("||a.example|", &["block suffix a.example"]),
            ("||a.example^*", &["block suffix a.example"]),
            ("@@||a.example^|", &["allow suffix a.example"]),
            ("|a.example^", &["block exact a.example"]),
            ("|a.example|", &["block exact a.example"]),
            ("||*.a.example^", &["block below a.example"]),
            ("*.a.example^", &["block below a.example"]),
            (".a.example^", &["block below a.example"]),
            ("||a.example.^", &["block suffix a.example"]),
            ("||google.^", &["block wildcard ||google.^"]),
            ("||zip^", &["block suffix zip"]),
            ("||bücher.example^", &["block suffix xn--bcher-kva.example"]),
            ("||a.example", &["block wildcard ||a.example"]),
            ("@@||a.example", &["allow wildcard ||a.example"]),
            ("a.example^", &["block wildcard a.example^"]),
            (".a.example", &["block wildcard .a.example"]),
            ("*.a.example", &["block below a.example"]),
            ("-ads-", &["block wildcard -ads-"]),
            ("banner", &["block wildcard banner"]),
            ("||ad.*.a.example^", &["block wildcard ||ad.*.a.example^"]),
            ("||ads**x.example^", &["block wildcard ||ads*x.example^"]),
            ("||ads.*^", &["block wildcard ||ads.*^"]),
            ("//ads.example^", &["block exact ads.example"]),
            ("://*.ads.example", &["block wildcard .ads.example"]),
            ("||a.example^ # why", &["block suffix a.example"]),
            ("||a.example^\t! it's why", &["block suffix a.example"]),
            ("a.example ! why", &["block exact a.example"]),
            ("@@/^good\\./ # not http://bad/", &["allow regex ^good\\."]),
            ("/^ads[ #]?x/$important # \"why\"", &["block regex ^ads[ #]?x important"]),
            ("/^a[/$]b/$important", &["block regex ^a[/$]b important"]),
            ("||a.[0-9].example^", &["invalid: the name contains '['"]),
            ("://ads.", &["block wildcard |ads."]),
            ("|https://ads.example^", &["block exact ads.example"]),
            ("||203.0.113.9^", &["block net 203.0.113.9/32"]),
            ("||203.0.113.", &["block net 203.0.113.0/24"]),
            ("@@||203.0.113.9^", &["allow net 203.0.113.9/32"]),
            ("||a.example/path^", &["1 url"]),
            ("||a.example^path", &["1 unsupported: pattern with a separator inside"]),
            ("/banner/ads/", &["1 url"]),
            ("/^ads?[0-9]+\\.example$/", &["block regex ^ads?[0-9]+\\.example$"]),
            ("@@/^good\\./$important", &["allow regex ^good\\. important"]),
            ("/\\d\\D/", &["block regex \\d\\D"]),
            ("||", &["invalid: the rule is too wide"]),
            ("*", &["invalid: the rule is too wide"]),
            ("||*^", &["invalid: the rule is too wide"]),
            ("|a", &["invalid: the rule is too wide"]),
            ("/.*/", &["invalid: the regular expression matches every name"]),
            ("*$denyallow=com|net", &["block wildcard * not-names=com,net"]),
            ("a.example##.ad", &["1 unsupported: cosmetic rule"]),
            ("a.example#@#.ad", &["1 unsupported: cosmetic rule"]),
            ("a.example$$script", &["1 unsupported: cosmetic rule"]),
            ("! comment", &[]),
            ("[Adblock Plus 2.0]", &[]),
            ("0.0.0.0 a.example", &["block exact a.example"]),
            ("a.example", &["block exact a.example"]),
        ],
    );
}

#[test]
fn every_modifier_is_taken_or_its_rule_is_left_out() {
    table(
        &options(Some(ListSyntax::Adblock)),
        &[
            ("||a.example^$important", &["block suffix a.example important"]),
            ("||a.example^$dnstype=AAAA", &["block suffix a.example types=28"]),
            ("||a.example^$dnstype=a|https", &["block suffix a.example types=1,65"]),
            ("||a.example^$dnstype=~A|~cname", &["block suffix a.example not-types=1,5"]),
            ("||a.example^$dnstype=~A|TXT", &["block suffix a.example types=16"]),
            ("||a.example^$dnstype=NOPE", &["invalid: there is no type NOPE"]),
            ("||a.example^$dnstype", &["invalid: dnstype has no value"]),
            (
                "||a.example^$denyallow=b.a.example|c.a.example",
                &["block suffix a.example not-names=b.a.example,c.a.example"],
            ),
            ("||a.example^$denyallow=~b.example", &["invalid: denyallow takes no ~"]),
            ("||a.example^$client=192.0.2.1", &["block suffix a.example clients=192.0.2.1/32"]),
            (
                "||a.example^$client=192.0.2.7/24|~2001:db8::1",
                &["block suffix a.example clients=192.0.2.0/24 not-clients=2001:db8::1/128"],
            ),
            (
                "||a.example^$client='Frank\\'s laptop'|~\"Mary\\, Kids\"",
                &["block suffix a.example clients=frank's laptop not-clients=mary, kids"],
            ),
            ("||a.example^$client=~'a|b'", &["block suffix a.example not-clients=a|b"]),
            ("||a.example^$client='a # b' # it's why", &["block suffix a.example clients=a # b"]),
            ("||a.example^$client=Frank\\'s ! why", &["block suffix a.example clients=frank's"]),
            ("||a.example^$client=ΟΔΟΣ", &["block suffix a.example clients=οδοσ"]),
            ("||a.example^$dnsrewrite=NOERROR;TXT;one # two", &["answer 16:\\tone # two suffix a.example"]),
            ("||a.example^$dnsrewrite=192.0.2.1 # why", &["answer 192.0.2.1 suffix a.example"]),
            ("||a.example^$client='open", &["invalid: a quotation mark is not closed"]),
            ("||a.example^$ctag=device_pc|~user_child", &["block suffix a.example tags=device_pc not-tags=user_child"]),
            ("||a.example^$dnsrewrite=192.0.2.1", &["answer 192.0.2.1 suffix a.example"]),
            (
                "|a.example^$dnsrewrite=NOERROR;CNAME;b.example,important",
                &["answer Alias(b.example) exact a.example important"],
            ),
            ("||a.example^$dnsrewrite=NXDOMAIN", &["answer NxDomain suffix a.example"]),
            ("||a.example^$dnsrewrite=NOERROR;TXT;one\\,two", &["answer 16:\\x07one,two suffix a.example"]),
            ("||a.example^$dnsrewrite=", &["invalid: dnsrewrite has no value"]),
            ("||a.example^$dnsrewrite=NOTIMP", &["1 unsupported: dnsrewrite=NOTIMP"]),
            ("||a.example^$respgeo=DE", &["1 unsupported: respgeo"]),
            ("||a.example^$third-party", &["1 unsupported: third-party"]),
            ("||a.example^$~third-party", &["1 unsupported: third-party"]),
            ("||a.example^$domain=b.example", &["1 unsupported: domain"]),
            ("*$removeparam=utm_source", &["1 unsupported: removeparam"]),
            ("||a.example^$important,script", &["1 unsupported: script"]),
            ("||203.0.113.9^$client=a", &["1 unsupported: modifiers of an address"]),
        ],
    );
}

#[test]
fn badfilter_cancels_the_rule_with_the_same_text_before_and_after_it() {
    let adblock = options(Some(ListSyntax::Adblock));
    table(
        &adblock,
        &[
            ("||a.example^\n||b.example^\n||a.example^$badfilter", &["block suffix b.example", "1 cancelled"]),
            ("||a.example^$badfilter\n||A.example^", &["1 cancelled"]),
            ("||a.example^$important\n||a.example^$badfilter", &["block suffix a.example important"]),
            ("||a.example^$important,dnstype=A\n||a.example^$dnstype=A,badfilter,important", &["1 cancelled"]),
            ("@@||a.example^\n||a.example^$badfilter", &["allow suffix a.example"]),
            ("||a.example^\n||a.example^$badfilter  # why", &["1 cancelled"]),
            ("||a.example^ # why\n||a.example^$badfilter ! it's \"wrong\"", &["1 cancelled"]),
            ("/^ads/\n/^ads/$badfilter", &["1 cancelled"]),
            ("0.0.0.0 a.example\n||a.example^$badfilter", &["block exact a.example"]),
        ],
    );
}

#[test]
fn an_exception_from_rewrites_takes_the_answer_and_leaves_the_block() {
    table(
        &options(Some(ListSyntax::Adblock)),
        &[
            (
                "||a.example^$dnsrewrite=192.0.2.1\n||a.example^\n@@||a.example^$dnsrewrite",
                &["answer 192.0.2.1 suffix a.example", "block suffix a.example", "no answer suffix a.example"],
            ),
            ("@@|a.example^$dnsrewrite,important,dnstype=A", &["no answer exact a.example important types=1"]),
            (
                "||a.example^$dnsrewrite=192.0.2.1\n||a.example^$dnsrewrite=192.0.2.2\n@@||a.example^$dnsrewrite=192.0.2.1",
                &["answer 192.0.2.2 suffix a.example", "1 cancelled"],
            ),
            (
                "||a.example^$dnsrewrite=192.0.2.1\n@@||b.a.example^$dnsrewrite=192.0.2.1",
                &["answer 192.0.2.1 suffix a.example not-names=b.a.example"],
            ),
            (
                "||a.example^$dnsrewrite=192.0.2.1\n@@||b.example^$dnsrewrite=192.0.2.1",
                &["answer 192.0.2.1 suffix a.example"],
            ),
            (
                "||a.example^$dnsrewrite=192.0.2.1,important\n@@||a.example^$dnsrewrite=192.0.2.1",
                &["answer 192.0.2.1 suffix a.example important"],
            ),
            (
                "||a.example^$dnsrewrite=192.0.2.1,important\n@@||a.example^$dnsrewrite=192.0.2.1,important",
                &["1 cancelled"],
            ),
            (
                "||a.example^$dnsrewrite=192.0.2.1\n@@|a.example^$dnsrewrite=192.0.2.1",
                &["answer 192.0.2.1 suffix a.example", "1 unsupported: dnsrewrite exception for a pattern"],
            ),
        ],
    );
}

#[test]
fn regular_expressions_of_pi_hole_have_options() {
    table(
        &options(Some(ListSyntax::Regex)),
        &[
            ("(\\.|^)ads\\.example$", &["block regex (\\.|^)ads\\.example$"]),
            ("^ads[[:digit:]]+\\.", &["block regex ^ads[[:digit:]]+\\."]),
            ("^a\\.;querytype=A", &["block regex ^a\\. types=1"]),
            ("^a\\.;querytype=A,AAAA", &["block regex ^a\\. types=1,28"]),
            ("^a\\.;querytype=!A,AAAA", &["block regex ^a\\. not-types=1,28"]),
            (".*;querytype=ANY", &["block regex .* types=255"]),
            ("^(.+\\.)?good\\.example$;invert", &["block regex ^(.+\\.)?good\\.example$ invert"]),
            ("^a\\.;reply=nodata", &["answer NoData regex ^a\\."]),
            ("^a\\.;reply=NXDOMAIN", &["answer NxDomain regex ^a\\."]),
            ("^a\\.;reply=refused", &["answer Refused regex ^a\\."]),
            ("^a\\.;reply=none", &["answer Drop regex ^a\\."]),
            ("^a\\.;reply=ip", &["block regex ^a\\."]),
            ("^a\\.;reply=192.0.2.1;reply=2001:db8::1", &["answer 192.0.2.1+2001:db8::1 regex ^a\\."]),
            ("^a\\.;reply=what", &["invalid: there is no reply what"]),
            ("^a\\.;other=1", &["1 unsupported: other"]),
            ("^(?!good)", &["1 unsupported: regex look-around"]),
            ("(?<=a)b", &["1 unsupported: regex look-around"]),
            ("(a)\\1", &["1 unsupported: regex back-reference"]),
            ("google{+1}", &["1 unsupported: regex approximate matching"]),
            ("(amazon){~2}", &["1 unsupported: regex approximate matching"]),
            ("((a{1000}){1000}){1000}", &["1 unsupported: regex size"]),
            (".*", &["invalid: the regular expression matches every name"]),
            ("||a.example^", &["block suffix a.example"]),
            ("0.0.0.0 a.example", &["block exact a.example"]),
            ("# comment", &[]),
            ("^a\\. # why; not", &["block regex ^a\\."]),
        ],
    );
    let (rules, report) = read(b"a(b", &options(Some(ListSyntax::Regex)));
    assert!(rules.is_empty() && report.invalid == 1, "{report:?}");
}

#[test]
fn the_syntax_is_found_out_from_the_lines() {
    let rows: &[(&str, ListSyntax)] = &[
        ("", ListSyntax::Domains),
        ("# names\na.example\nb.example\n", ListSyntax::Domains),
        ("*.a.example\n*.b.example", ListSyntax::Domains),
        ("127.0.0.1 localhost\n0.0.0.0 a.example", ListSyntax::Hosts),
        ("[Adblock Plus]\n", ListSyntax::Adblock),
        ("! Title: x\n||a.example^\nb.example", ListSyntax::Adblock),
        ("||a.example^$third-party\na.example##.ad", ListSyntax::Adblock),
        ("(^|\\.)a\\.example$\n^ads[0-9]", ListSyntax::Regex),
        ("address=/a.example/#", ListSyntax::Dnsmasq),
        ("server:\nlocal-zone: \"a.example\" static", ListSyntax::Unbound),
        ("; zone\n$TTL 30\n@ SOA a b 1 2 3 4 5\na.example CNAME .", ListSyntax::Rpz),
        ("domain,comment\na.example,x", ListSyntax::Csv),
        ("[\"a.example\"]", ListSyntax::Json),
        ("  {\"data\": []}", ListSyntax::Json),
        ("http:\n  address: 0.0.0.0\nuser_rules:\n  - '||a.example^'\n", ListSyntax::Yaml),
    ];
    for (list, expected) in rows {
        assert_eq!(read(list.as_bytes(), &options(None)).1.syntax, Some(*expected), "{list}");
    }
}

#[test]
fn headers_are_read_whatever_begins_a_comment() {
    for (mark, syntax) in [("!", ListSyntax::Adblock), ("#", ListSyntax::Hosts), (";", ListSyntax::Rpz)] {
        let list = format!(
            "{mark} Title: A list\n{mark} Expires: 4 days\n{mark}  Last modified: today\n{mark} Version: 7\n\
             {mark} Homepage: https://a.example/\n{mark} Number of entries: 1,234\n{mark} Title: second\n"
        );
        let (_, report) = read(list.as_bytes(), &options(Some(syntax)));
        let header = |text: &str| Some(text.to_owned());
        assert_eq!(report.title, header("A list"), "{mark}");
        assert_eq!(report.expires, header("4 days"));
        assert_eq!(report.last_modified, header("today"));
        assert_eq!(report.version, header("7"));
        assert_eq!(report.homepage, header("https://a.example/"));
        assert_eq!((report.claimed, report.comments, report.lines), (Some(1234), 7, 7));
    }
}

#[test]
fn duplicates_and_line_ends_of_all_kinds_are_counted() {
    let (rules, report) = read(b"a.example\r\nb.example\ra.example.\n\nA.EXAMPLE", &options(None));
    assert_eq!(rules, ["block suffix a.example", "block suffix b.example"]);
    assert_eq!((report.lines, report.duplicates, report.octets), (5, 2, 42));
}

#[test]
fn a_comment_in_an_old_character_set_or_without_end_takes_no_rule_away() {
    let mut list = b"# \xe4\n0.0.0.0 a.example # \xfc\n0.0.0.0 b\xfc.example\n0.0.0.0 c.example # ".to_vec();
    list.extend([b'x'; 100_000]);
    let (rules, report) = read(&list, &options(Some(ListSyntax::Hosts)));
    assert_eq!(rules, ["block exact a.example", "block exact c.example"]);
    assert_eq!((report.comments, report.invalid, report.lines), (1, 1, 4));
}
