//! Configurations of other resolvers, and response policy zones.

use super::*;

#[test]
fn dnsmasq_says_names_and_what_they_get() {
    table(
        &options(Some(ListSyntax::Dnsmasq)),
        &[
            ("address=/a.example/#", &["block suffix a.example"]),
            ("address=/a.example/0.0.0.0", &["block suffix a.example"]),
            ("address=/a.example/::", &["block suffix a.example"]),
            ("address=/a.example/", &["block suffix a.example"]),
            (
                "address=/a.example/b.example/192.0.2.1",
                &["answer 192.0.2.1 suffix a.example", "answer 192.0.2.1 suffix b.example"],
            ),
            ("address=/*.a.example/#", &["block below a.example"]),
            ("address=/zip/#", &["block suffix zip"]),
            ("address=/#/192.0.2.1", &["invalid: the rule is too wide"]),
            ("address=/a.example/what", &["invalid: this is no address"]),
            ("server=/a.example/", &["block suffix a.example"]),
            ("local=/a.example/b.example/", &["block suffix a.example", "block suffix b.example"]),
            ("server=/a.example/#", &["allow suffix a.example"]),
            ("server=/a.example/192.0.2.53", &["1 unsupported: server with an address"]),
            ("server=192.0.2.53", &["1 unsupported: server without names"]),
            ("bogus-nxdomain=192.0.2.0/24", &["answer NxDomain net 192.0.2.0/24"]),
            ("address=/a.example/# # why", &["block suffix a.example"]),
            ("cache-size=1000", &["1 unsupported: cache-size"]),
            ("# comment", &[]),
        ],
    );
    let exact = ParseOptions { reach: NameReach::Exact, ..options(Some(ListSyntax::Dnsmasq)) };
    table(&exact, &[("address=/a.example/#", &["block exact a.example"])]);
}

#[test]
fn unbound_says_zones_and_data() {
    table(
        &options(Some(ListSyntax::Unbound)),
        &[
            ("local-zone: \"a.example.\" always_nxdomain", &["block suffix a.example"]),
            ("  local-zone: a.example always_null # why", &["block suffix a.example"]),
            ("local-zone: \"a.example\" static", &["block suffix a.example"]),
            ("local-zone: \"a.example\" always_nodata", &["answer NoData suffix a.example"]),
            ("local-zone: \"a.example\" always_refuse", &["answer Refused suffix a.example"]),
            ("local-zone: \"a.example\" refuse", &["answer Refused suffix a.example"]),
            ("local-zone: \"a.example\" deny", &["answer Drop suffix a.example"]),
            ("local-zone: \"a.example\" transparent", &["allow suffix a.example"]),
            ("local-zone: \"a.example\" redirect", &["answer NoData suffix a.example"]),
            ("local-zone: \"a.example\" redirect\nlocal-data: \"a.example A 0.0.0.0\"", &["block suffix a.example"]),
            (
                "local-data: \"a.example 60 IN A 192.0.2.1\"\nlocal-zone: \"a.example\" redirect",
                &["answer 192.0.2.1 suffix a.example"],
            ),
            (
                "local-data: \"a.example A 192.0.2.1\"\nlocal-data: 'a.example IN 60 AAAA 2001:db8::1'",
                &["answer 192.0.2.1+2001:db8::1 exact a.example"],
            ),
            ("local-data: \"a.example CNAME b.example.\"", &["answer Alias(b.example) exact a.example"]),
            ("local-data: 'a.example TXT \"some text\"'", &["answer 16:\\tsome text exact a.example"]),
            (
                "local-data-ptr: \"192.0.2.1 a.example\"",
                &["answer 12:\\x01a\\x07example\\x00 exact 1.2.0.192.in-addr.arpa"],
            ),
            ("local-data: \"a.example NOPE x\"", &["invalid: this is no record"]),
            ("local-zone: \"a.example\" magic", &["1 unsupported: local-zone magic"]),
            ("local-zone-tag: a.example \"x\"", &["1 unsupported: local-zone-tag"]),
            ("access-control-tag: 192.0.2.0/24 \"x\"", &["1 unsupported: access-control-tag"]),
            ("server:", &[]),
            (
                "view:\n  name: x\n  local-zone: a.example static\nserver:\n  local-zone: b.example static",
                &[
                    "block suffix b.example",
                    "1 unsupported: name",
                    "1 unsupported: options of a view",
                    "1 unsupported: view",
                ],
            ),
            ("# comment", &[]),
        ],
    );
}

/// A zone with these lines below its apex.
fn zone(lines: &str) -> String {
    format!(
        "$TTL 60\n$ORIGIN rpz.example.\n@ IN SOA localhost. root.localhost. (\n 7 ; serial\n 60 60\n 60 60 )\n NS localhost.\n{lines}"
    )
}

#[test]
fn zones_say_triggers_and_actions() {
    for (line, expected) in [
        ("a.example CNAME .", "answer NxDomain exact a.example"),
        ("a.example.rpz.example. 60 IN CNAME .", "answer NxDomain exact a.example"),
        ("*.a.example IN 60 CNAME .", "answer NxDomain below a.example"),
        ("a.example CNAME *.", "answer NoData exact a.example"),
        ("a.example CNAME rpz-passthru.", "allow exact a.example"),
        ("a.example CNAME RPZ-Passthru", "allow exact a.example"),
        ("a.example CNAME a.example.", "allow exact a.example"),
        ("a.example CNAME rpz-drop.", "answer Drop exact a.example"),
        ("a.example CNAME rpz-tcp-only.", "answer Truncate exact a.example"),
        ("a.example CNAME garden.example.", "answer Alias(garden.example) exact a.example"),
        ("a.example CNAME garden", "answer Alias(garden.rpz.example) exact a.example"),
        ("a.example CNAME *.garden.example.", "answer AliasBelow(garden.example) exact a.example"),
        ("a.example A 192.0.2.1\n AAAA 2001:db8::1", "answer 192.0.2.1+2001:db8::1 exact a.example"),
        ("a.example TXT \"one; two\" three", "answer 16:\\x08one; two\\x05three exact a.example"),
        ("a.example MX 10 mail.example.", "answer 15:\\x00\\n\\x04mail\\x07example\\x00 exact a.example"),
        ("32.7.2.0.192.rpz-client-ip CNAME rpz-drop.", "answer Drop client 192.0.2.7/32"),
        ("24.0.2.0.192.rpz-ip CNAME .", "answer NxDomain net 192.0.2.0/24"),
        ("128.1.zz.db8.2001.rpz-ip CNAME .", "answer NxDomain net 2001:db8::1/128"),
        ("48.zz.1.db8.2001.rpz-nsip CNAME .", "answer NxDomain ns-net 2001:db8:1::/48"),
        ("128.8.7.6.5.4.3.2.1.rpz-ip CNAME .", "answer NxDomain net 1:2:3:4:5:6:7:8/128"),
        ("ns.a.example.rpz-nsdname CNAME .", "ns answer NxDomain exact ns.a.example"),
        ("*.a.example.rpz-nsdname CNAME .", "ns answer NxDomain below a.example"),
    ] {
        let (rules, report) = read(zone(line).as_bytes(), &options(None));
        assert_eq!(rules, [expected], "{line}\n{report:?}");
        assert_eq!((report.syntax, report.serial), (Some(ListSyntax::Rpz), Some(7)), "{line}");
        assert_eq!(report.zone.map(|zone| zone.to_string()).as_deref(), Some("rpz.example"));
    }
}

#[test]
fn what_a_zone_cannot_say_is_told() {
    for (line, expected) in [
        ("a.example NS b.example.", "1 unsupported: NS below the apex"),
        ("a.example DNAME b.example.", "1 unsupported: DNAME"),
        ("a.example RRSIG A 8 2 60 1 2 3 x. y", "1 unsupported: DNSSEC records"),
        ("$INCLUDE other", "1 unsupported: $INCLUDE"),
        ("* CNAME .", "invalid: the rule is too wide"),
        ("a.other.example. CNAME .", "invalid: the record is not of the zone"),
        ("33.7.2.0.192.rpz-ip CNAME .", "invalid: the trigger is no network"),
        ("a.example CNAME", "invalid: this is no data of the record's type"),
        ("a.example A x", "invalid: this is no data of the record's type"),
        ("a.example WHAT x", "invalid: this is no record"),
        ("a.example TXT \"open", "invalid: a quotation mark is not closed"),
        ("a.example CNAME . )", "invalid: a parenthesis is closed that was not opened"),
        ("a.example CNAME ( .\nb.example CNAME .", "invalid: a parenthesis is not closed"),
    ] {
        let (rules, report) = read(zone(line).as_bytes(), &options(None));
        assert!(rules.is_empty(), "{line}: {rules:?}");
        assert_eq!(left_out(&report), [expected], "{line}");
    }
    let (rules, report) = read(zone("24.7.2.0.192.rpz-ip CNAME .").as_bytes(), &options(None));
    assert_eq!(rules, ["answer NxDomain net 192.0.2.0/24"]);
    assert_eq!(report.warnings["host bits of a network were set"], 1);
}

#[test]
fn a_zone_without_origin_has_names_as_they_stand() {
    let list = b"@ SOA localhost. root.localhost. 5 1 1 1 1\n  NS localhost.\na.example CNAME .\n*.a.example CNAME .\n";
    let (rules, report) = read(list, &options(None));
    assert_eq!(rules, ["answer NxDomain exact a.example", "answer NxDomain below a.example"]);
    assert_eq!(report.serial, Some(5));
    let named = ParseOptions { zone: DomainName::from_text("x.rpz").ok(), ..options(Some(ListSyntax::Rpz)) };
    let (rules, _) = read(b"a.example CNAME .\nb.example.x.rpz. CNAME .", &named);
    assert_eq!(rules, ["answer NxDomain exact a.example", "answer NxDomain exact b.example"]);
    let (_, report) = read(b"own.rpz. SOA a. b. 9 1 1 1 1\na.example CNAME .", &options(Some(ListSyntax::Rpz)));
    assert_eq!(report.zone.map(|zone| zone.to_string()).as_deref(), Some("own.rpz"));
}

#[test]
fn a_zone_is_known_by_its_soa_record_wherever_origins_lead() {
    let dumped = "$ORIGIN .\n$TTL 60\nrpz.example IN SOA a. b. (\n 7 1 1 1 1 )\n NS localhost.\n$ORIGIN rpz.example.\n\
                  a.example CNAME .\n$ORIGIN com.rpz.example.\nb CNAME .\n*.b CNAME .\n";
    let later = "@ 60 SOA a. b. 7 1 1 1 1\na.example CNAME .\n$ORIGIN com.\nb CNAME .\n*.b CNAME .\n";
    for (list, zone) in [(dumped, Some("rpz.example")), (later, None)] {
        let (rules, report) = read(list.as_bytes(), &options(Some(ListSyntax::Rpz)));
        let expected =
            ["answer NxDomain exact a.example", "answer NxDomain exact b.com", "answer NxDomain below b.com"];
        assert_eq!(rules, expected, "{list}");
        assert_eq!(report.zone.map(|zone| zone.to_string()).as_deref(), zone);
    }
}
