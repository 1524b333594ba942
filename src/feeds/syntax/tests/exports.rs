//! Tables, JSON and YAML of other products, and archives.

use super::*;

#[test]
fn tables_are_read_by_the_title_of_a_column() {
    for (list, expected) in [
        (
            "domain,comment\na.example,\"one, two\"\n*.b.example,",
            &["block suffix a.example", "block suffix b.example"][..],
        ),
        ("rank;hostname\n1;a.example", &["block suffix a.example"]),
        ("comment\tValue\nx\ta.example", &["block suffix a.example"]),
        ("domain\na.example", &["block suffix a.example"]),
        ("value,description\n192.0.2.1,x", &["block net 192.0.2.1/32"]),
        (
            "uuid,type,value,to_ids\n1,domain,a.example,1\n2,hostname,b.example,1\n3,ip-dst,192.0.2.1,1\n4,url,http://c/,1\n5,domain,d.example,0\n6,md5,0,1",
            &[
                "block suffix a.example",
                "block exact b.example",
                "block net 192.0.2.1/32",
                "1 unsupported: md5",
                "1 url",
                "1 disabled",
            ],
        ),
        ("domain,action\na.example,allow\nb.example,block", &["allow suffix a.example", "block suffix b.example"]),
        ("domain,x\n\"open,1\n", &["invalid: a quotation mark is not closed"]),
        ("domain,x\n,1\n", &["invalid: the row has no name"]),
    ] {
        table(&options(Some(ListSyntax::Csv)), &[(list, expected)]);
    }
    table(
        &options(Some(ListSyntax::Csv)),
        &[("1,a.example\n2,b.example", &["block suffix a.example", "block suffix b.example"])],
    );
    let refused = parse(&b"colour,size\nred,1\n"[..], &options(Some(ListSyntax::Csv)), &mut |_| {});
    assert!(matches!(refused, Err(ParseError::NotAList(_))), "{refused:?}");
}

#[test]
fn json_of_other_products_is_read() {
    for (list, expected) in [
        (
            r#"["a.example", "*.b.example", "||c.example^", 7, null]"#,
            &["block suffix a.example", "block suffix b.example", "block suffix c.example"][..],
        ),
        // Umbrella.
        (
            r#"{"status":{"code":200},"meta":{"total":3},"data":[{"id":"1","destination":"a.example","type":"domain","comment":"x"},
                {"id":"2","destination":"192.0.2.1","type":"ipv4"},{"id":"3","destination":"b.example/x","type":"url"}]}"#,
            &["block suffix a.example", "block net 192.0.2.1/32", "1 url"],
        ),
        // Cloudflare.
        (
            r#"{"result":{"id":"f1","name":"my list","type":"DOMAIN","items":[{"value":"a.example","description":"x"},{"value":"b.example"}]}}"#,
            &["block suffix a.example", "block suffix b.example"],
        ),
        // NextDNS.
        (
            r#"{"denylist":[{"id":"a.example","active":true},{"id":"b.example","active":false}],"allowlist":[{"id":"c.example","active":true}]}"#,
            &["block suffix a.example", "allow suffix c.example", "1 disabled"],
        ),
        // Control D.
        (
            r#"{"group":{"group":"x","action":{"do":0,"status":1}},"rules":[{"PK":"a.example","action":{"do":0,"status":1}},
                {"PK":"*.b.example","action":{"do":1,"status":1}},{"PK":"c.example","action":{"do":2,"via":"192.0.2.1","status":1}},
                {"PK":"d.example","action":{"do":2,"via":"e.example","status":1}},{"PK":"f.example","action":{"do":3,"via":"LHR","status":1}},
                {"PK":"g.example","action":{"do":0,"status":0}}]}"#,
            &[
                "block suffix a.example",
                "allow suffix b.example",
                "answer 192.0.2.1 suffix c.example",
                "answer Alias(e.example) suffix d.example",
                "1 unsupported: redirect to another place",
                "1 disabled",
            ],
        ),
        // MISP.
        (
            r#"{"Event":{"info":"x","Attribute":[{"type":"domain","value":"a.example","to_ids":true},{"type":"hostname","value":"b.example","to_ids":true},
                {"type":"ip-dst","value":"192.0.2.1","to_ids":true},{"type":"domain","value":"c.example","to_ids":false},
                {"type":"domain|ip","value":"d.example|192.0.2.2","to_ids":true},{"type":"sha256","value":"00","to_ids":true}]}}"#,
            &[
                "block suffix a.example",
                "block exact b.example",
                "block net 192.0.2.1/32",
                "block suffix d.example",
                "1 unsupported: sha256",
                "1 disabled",
            ],
        ),
        // STIX.
        (
            r#"{"type":"bundle","objects":[{"type":"indicator","pattern":"[domain-name:value = 'a.example' OR ipv4-addr:value = '192.0.2.1']"}]}"#,
            &["block suffix a.example", "block net 192.0.2.1/32"],
        ),
        (
            "{\"value\":\"a.example\"}\n{\"value\":\"b.example\"}\n",
            &["block suffix a.example", "block suffix b.example"],
        ),
        ("\u{feff}[\"a.example\"]", &["block suffix a.example"]),
        ("[\"\", \"x y\"]", &["invalid: the name is empty", "invalid: the name contains ' '"]),
    ] {
        table(&options(Some(ListSyntax::Json)), &[(list, expected)]);
    }
    for broken in ["{\"a\":", "[\"a.example\"", "nonsense", &"[".repeat(100_000)] {
        let refused = parse(broken.as_bytes(), &options(Some(ListSyntax::Json)), &mut |_| {});
        assert!(matches!(refused, Err(ParseError::NotAList(_))), "{refused:?}");
    }
}

#[test]
fn the_configuration_of_adguard_home_is_read() {
    let list = r#"
http:
  address: 0.0.0.0:80
dns:
  bind_hosts: [0.0.0.0]
filters:
  - enabled: true
    url: https://lists.example/one.txt
    name: One
  - enabled: false
    url: https://lists.example/two.txt
    name: Two
user_rules:
  - '||a.example^'
  - "@@||b.example^$important"
  - 192.0.2.1 c.example
filtering:
  rewrites:
    - domain: d.example
      answer: 192.0.2.1
      enabled: true
    - domain: '*.e.example'
      answer: f.example
    - domain: g.example
      answer: A
schema_version: 29
"#;
    let (mut rules, report) = read(list.as_bytes(), &options(None));
    rules.sort();
    assert_eq!(
        rules,
        [
            "allow exact g.example",
            "allow suffix b.example important",
            "answer 192.0.2.1 exact d.example",
            "answer Alias(f.example) below e.example",
            "block exact c.example",
            "block suffix a.example",
        ]
    );
    assert_eq!(
        (report.syntax, &report.sources[..]),
        (Some(ListSyntax::Yaml), &["https://lists.example/one.txt".to_owned()][..])
    );
    let refused = parse(&b"user_rules: [unclosed"[..], &options(Some(ListSyntax::Yaml)), &mut |_| {});
    assert!(matches!(refused, Err(ParseError::NotAList(_))), "{refused:?}");
    let (rules, _) = read(b"a: &a [x]\nb: &b [*a, *a]\nuser_rules: *b\n", &options(Some(ListSyntax::Yaml)));
    assert!(rules.is_empty());
}

/// A tar archive of files and symbolic links.
fn archive(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, octets) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(octets.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *octets).expect("a file");
    }
    for (path, target) in links {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, target).expect("a link");
    }
    builder.into_inner().expect("an archive")
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).expect("memory");
    encoder.finish().expect("memory")
}

fn collection() -> Vec<u8> {
    let usage = b"NAME: adult\nDEFAULT_TYPE: black\nDESC EN: Pages for adults\nNAME EN: Adult\n\nNAME: bank\nDEFAULT_TYPE: white\n";
    let packed = gzip(b"casino.example\n");
    archive(
        &[
            ("blacklists/adult/domains", b"a.example\n198.51.100.7\nb.example\n"),
            ("blacklists/adult/domains.1", b"c.example\n"),
            ("blacklists/adult/urls", b"d.example/x\ne.example/y\n"),
            ("blacklists/adult/expressions", b"(sex|xxx)\n"),
            ("blacklists/adult/usage", b"black\n"),
            ("blacklists/gambling/domains.gz", &packed),
            ("blacklists/global_usage", usage),
        ],
        &[("blacklists/porn", "adult"), ("blacklists/bets/domains", "../gambling/domains")],
    )
}

#[test]
fn an_archive_gives_the_names_of_all_its_categories() {
    for archive in [collection(), gzip(&collection()), zstd::encode_all(&collection()[..], 3).expect("memory")] {
        let (rules, report) = read(&archive, &options(None));
        assert_eq!(
            rules,
            [
                "block suffix a.example",
                "block net 198.51.100.7/32",
                "block suffix b.example",
                "block suffix c.example",
                "block suffix casino.example",
            ]
        );
        assert_eq!((report.urls_skipped, report.unsupported["expressions of URLs"]), (2, 1));
        let pair = |alias: &str, name: &str| (alias.to_owned(), name.to_owned());
        assert_eq!(report.aliases, [pair("bets", "gambling"), pair("porn", "adult")]);
    }
}

#[test]
fn an_archive_gives_its_categories_one_by_one() {
    let mut names = Vec::new();
    let sink = &mut |category: &str, rule| names.push(format!("{category}: {}", shown(&rule)));
    let found = categories(&gzip(&collection())[..], &ParseOptions::default(), sink).expect("an archive");
    assert_eq!(names[0], "adult: block suffix a.example");
    assert_eq!(names[4], "gambling: block suffix casino.example");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["adult", "gambling"]);
    let adult = &found["adult"];
    assert_eq!((&adult.aliases[..], adult.report.rules.total()), (&["porn".to_owned()][..], 4));
    assert_eq!((adult.kind, adult.title.as_deref()), (Some(crate::model::ListKind::Block), Some("Adult")));
    assert_eq!(adult.description.as_deref(), Some("Pages for adults"));
    let options = ParseOptions { rules_max: 4, ..ParseOptions::default() };
    let refused = categories(&collection()[..], &options, &mut |_, _| {});
    assert!(matches!(refused, Err(ParseError::TooManyRules(_))), "{refused:?}");
}
