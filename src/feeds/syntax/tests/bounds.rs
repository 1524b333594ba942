//! Nothing that comes breaks the reader: neither packed bombs nor any octets at all.

use super::*;
use proptest::prelude::*;

fn refused(list: &[u8], options: &ParseOptions) -> String {
    parse(list, options, &mut |_| {}).expect_err("a refusal").to_string()
}

#[test]
fn packed_lists_are_unpacked() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"a.example\n").expect("memory");
    let gzip = encoder.finish().expect("memory");
    for packed in [&gzip[..], &zstd::encode_all(&b"a.example\n"[..], 3).expect("memory"), &XZ] {
        assert_eq!(read(packed, &options(None)).0, ["block suffix a.example"]);
    }
    let twice = [&gzip[..], &gzip[..]].concat();
    assert_eq!(read(&twice, &options(None)).1.lines, 2);
}

#[test]
fn bombs_and_what_is_larger_than_allowed_are_refused() {
    let zeros = vec![b'\n'; 8 << 20];
    let bomb = zstd::encode_all(&zeros[..], 3).expect("memory");
    assert!(bomb.len() < 4096);
    let small = ParseOptions { octets_max: 1 << 20, ..options(None) };
    assert_eq!(refused(&bomb, &small), "the list is larger than 1048576 octets");
    assert_eq!(refused(&zeros, &small), "the list is larger than 1048576 octets");
    let few = ParseOptions { lines_max: 2, ..options(None) };
    assert_eq!(refused(b"a\nb\nc\n", &few), "the list has more than 2 lines");
    for list in [
        "a.example\nb.example\na.example\nc.example",
        "||a.example^\n||b.example^\n||c.example^",
        "[\"a.example\",\"b.example\",\"c.example\"]",
    ] {
        let few = ParseOptions { rules_max: 2, ..options(None) };
        assert_eq!(refused(list.as_bytes(), &few), "the list has more than 2 rules", "{list}");
    }
    assert!(refused(&bomb[..bomb.len() - 9], &options(None)).starts_with("the list cannot be read"));
}

#[test]
fn what_is_no_list_is_refused() {
    for (octets, expected) in [
        (&b"<!DOCTYPE html><html>"[..], "this is no list: it is a web page"),
        (b"\n <HTML>", "this is no list: it is a web page"),
        (b"PK\x03\x04aaaa", "the list cannot be read: failed to fill whole buffer"),
        (b"PK\x05\x06aaaa", "the list cannot be read: the zip archive has no text file"),
        (b"\xff\xfea\0.\0b\0", "this is no list: it is UTF-16; lists are UTF-8"),
        (&[0; 4096], "this is no list: it is not text"),
    ] {
        assert_eq!(refused(octets, &options(None)), expected);
    }
}

#[test]
fn five_bad_lines_are_kept_cut_and_made_harmless() {
    let list = format!("\u{1b}[31m{} x\n", "y".repeat(300)).repeat(7);
    let (_, report) = read(list.as_bytes(), &options(Some(ListSyntax::Domains)));
    assert_eq!((report.invalid, report.invalid_samples.len()), (7, 5));
    let sample = &report.invalid_samples[0];
    assert!(sample.line == 1 && sample.text.starts_with("\\u{1b}[31my") && sample.text.len() < 210, "{sample:?}");
}

#[test]
fn what_is_unsupported_has_at_most_a_hundred_names() {
    let list: String = (0..300).map(|number| format!("||a.example^$modifier{number}\n")).collect();
    let (_, report) = read(list.as_bytes(), &options(Some(ListSyntax::Adblock)));
    assert_eq!((report.unsupported.len(), report.unsupported["(others)"]), (101, 200));
}

#[test]
fn a_report_survives_being_stored() {
    let (_, report) = read(b"! Title: x\n||a.example^\nb c\n||d^$x\n", &options(None));
    let octets = postcard::to_allocvec(&report).expect("a report");
    assert_eq!(postcard::from_bytes::<ImportReport>(&octets).expect("a report"), report);
}

/// `a.example` and a line feed, packed with xz.
const XZ: [u8; 68] = [
    253, 55, 122, 88, 90, 0, 0, 4, 230, 214, 180, 70, 2, 0, 33, 1, 22, 0, 0, 0, 116, 47, 229, 163, 1, 0, 9, 97, 46,
    101, 120, 97, 109, 112, 108, 101, 10, 0, 0, 0, 174, 143, 222, 0, 143, 197, 132, 247, 0, 1, 34, 10, 21, 26, 225,
    103, 31, 182, 243, 125, 1, 0, 0, 0, 0, 4, 89, 90,
];

/// Octets that look like lists more often than chance.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "||",
        "@@",
        "a.example",
        "^",
        "$",
        "important",
        ",",
        "=",
        "dnsrewrite=",
        "client='",
        "/",
        "\\",
        "|",
        "*",
        ".",
        "\n",
        "\r",
        " ",
        "\t",
        "0.0.0.0 ",
        "address=/",
        "local-zone: ",
        "local-data: \"",
        "\"",
        "CNAME ",
        "SOA ",
        "@ ",
        "$ORIGIN ",
        "(",
        ")",
        ";",
        "#",
        "!",
        "{",
        "}",
        "[",
        "]",
        ":",
        "\"value\":",
        "- ",
        "user_rules:\n",
        "é",
        "\u{feff}",
        "192.0.2.1",
        "24.zz.rpz-ip ",
        "TXT ",
        "~",
        "badfilter",
        "denyallow=",
        "1",
        "domain,x\n",
        "''",
    ]);
    let pieces = prop_oneof![
        8 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_octets_end_in_rules_or_an_error(octets in octets(), syntax in 0..13usize, magic in 0..8usize) {
        let syntaxes = [
            ListSyntax::Hosts, ListSyntax::Domains, ListSyntax::Adblock, ListSyntax::Regex, ListSyntax::Dnsmasq,
            ListSyntax::Unbound, ListSyntax::Rpz, ListSyntax::Ut1, ListSyntax::Csv, ListSyntax::Json, ListSyntax::Yaml,
        ];
        let magic: &[u8] = [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"", b"", b"", b"", b""][magic];
        let list = [magic, &octets].concat();
        let options = ParseOptions { octets_max: 1 << 20, ..options(syntaxes.get(syntax).copied()) };
        let mut count = 0;
        let report = parse(&list[..], &options, &mut |_| count += 1);
        if let Ok(report) = report {
            prop_assert_eq!(report.rules.total(), count);
        }
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        tar.extend(&octets);
        let _ = parse(&tar[..], &options, &mut |_| {});
    }
}
