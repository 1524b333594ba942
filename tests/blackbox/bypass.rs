//! The bypass table: everything that is tried to get at a blocked name, each trick once under a policy that blocks
//! `example-blocked.test`, some networks, private addresses and ECH, and once under one that lets all of it through.
//!
//! The upstream serves every trick. Its records carry marks that no reply of ours has: a trick is closed where the
//! reply has none of its marks, and open where it has one. `cargo test --test blackbox bypass -- --nocapture`
//! prints the table.

use crate::{
    client::{Client, id},
    daemon::Place,
    dns::{
        Upstream, a, asked_name, cname, denial, dname, ede_code, frame, n, query, receive_frame, reply_with, socket,
    },
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::{
            self, NULL,
            svcb::{EchConfigList, IpHint, SVCB, SvcParamKey, SvcParamValue},
        },
    },
    serialize::binary::BinEncodable,
};
use serde_json::json;
use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The name that is blocked with all below.
const BLOCKED: &str = "example-blocked.test";
/// What the upstream's address records say: its plain address, and one of its own for each family.
const MARK_V4: Ipv4Addr = crate::dns::UPSTREAM_ADDRESS;
const MARK_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x77);
/// What its other records say.
const MARK: &[u8] = b"came-through";
/// An ECH configuration.
const ECH: &[u8] = b"ech-came-through";

/// What a trick gets where nothing is blocked.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// The upstream's answer.
    Answer,
    /// The same as where it is blocked: no resolver serves such questions.
    Never,
    /// The upstream's answer, there and where the policy blocks: the name is only alike.
    Always,
}

/// One attempt.
struct Trick {
    what: String,
    name: String,
    qtype: RecordType,
    packet: Vec<u8>,
    tcp: bool,
    open: Open,
    /// Octets that must not come through, beside the usual ones.
    marks: Vec<Vec<u8>>,
}

fn data(qtype: u16, octets: &[u8]) -> RData {
    RData::Unknown { code: RecordType::from(qtype), rdata: NULL::with(octets.to_vec()) }
}

fn service(priority: u16, target: &str, parameters: Vec<(SvcParamKey, SvcParamValue)>) -> SVCB {
    SVCB::new(priority, n(target), parameters)
}

fn ech() -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(ECH.to_vec())))
}

fn hint(address: &str) -> (SvcParamKey, SvcParamValue) {
    match address.parse().unwrap() {
        IpAddr::V4(address) => (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![address.into()]))),
        IpAddr::V6(address) => (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(vec![address.into()]))),
    }
}

/// A record of this type with a mark in it.
fn marked(owner: &str, qtype: RecordType) -> Record {
    let target = || n("came-through.open.test.");
    let data = match qtype {
        RecordType::A => RData::A(MARK_V4.into()),
        RecordType::AAAA => RData::AAAA(MARK_V6.into()),
        RecordType::CNAME => RData::CNAME(rdata::CNAME(target())),
        RecordType::NS => RData::NS(rdata::NS(target())),
        RecordType::PTR => RData::PTR(rdata::PTR(target())),
        RecordType::MX => RData::MX(rdata::MX::new(1, target())),
        RecordType::SRV => RData::SRV(rdata::SRV::new(1, 2, 3, target())),
        RecordType::SOA => RData::SOA(rdata::SOA::new(target(), target(), 1, 2, 3, 4, 5)),
        RecordType::HTTPS => RData::HTTPS(rdata::HTTPS(service(1, "came-through.open.test.", vec![]))),
        RecordType::SVCB => RData::SVCB(service(1, "came-through.open.test.", vec![])),
        RecordType::NAPTR => {
            let empty = Box::<[u8]>::default;
            RData::NAPTR(rdata::NAPTR::new(1, 2, b"s".as_slice().into(), empty(), empty(), target()))
        }
        RecordType::TXT => RData::TXT(rdata::TXT::new(vec!["came-through".into()])),
        other => {
            let other = u16::from(other);
            let front: &[u8] = match other {
                13 => b"\x00\x0c",
                37 => b"\0\x01\0\0\x08",
                43 => b"\0\x01\x08\x02",
                46 => b"\0\x01\x08\x03\0\0\x01\x2c\x7f\0\0\0\x60\0\0\0\0\x07\0",
                48 => b"\x01\x01\x03\x08",
                52 => b"\x03\x01\x01",
                257 => b"\0\x05issue",
                _ => b"",
            };
            data(other, &[front, MARK].concat())
        }
    };
    Record::from_rdata(n(owner), 300, data)
}

/// Address records as the first label says: dashes for dots, `z` for colons.
fn address_in(label: &str) -> Option<IpAddr> {
    label.replace('-', ".").parse().ok().or_else(|| label.replace('z', ":").parse().ok())
}

fn addresses(owner: &str, qtype: RecordType, address: IpAddr) -> Vec<Record> {
    let data = match (qtype, address) {
        (RecordType::A, IpAddr::V4(address)) => RData::A(address.into()),
        (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(address.into()),
        (RecordType::HTTPS, address) => RData::HTTPS(rdata::HTTPS(service(1, ".", vec![hint(&address.to_string())]))),
        (RecordType::SVCB, address) => RData::SVCB(service(1, ".", vec![hint(&address.to_string())])),
        _ => return Vec::new(),
    };
    vec![Record::from_rdata(n(owner), 300, data)]
}

/// A chain of so many aliases that leads over `BLOCKED` at step `at` to a marked record.
fn chain(owner: &str, qtype: RecordType, steps: usize, at: usize) -> Vec<Record> {
    let mut names = vec![owner.to_owned()];
    for step in 1..=steps {
        names.push(if step == at { format!("s{step}.{BLOCKED}.") } else { format!("s{step}.of-{steps}.open.test.") });
    }
    let mut records: Vec<Record> = names.windows(2).map(|pair| cname(&pair[0], &pair[1], 300)).collect();
    records.push(marked(names.last().unwrap(), qtype));
    records
}

/// What the upstream says of a name, by its last label but two: `<trick>.<kind>.trick.test`.
fn records(name: &str, qtype: RecordType) -> Vec<Record> {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let [.., trick, kind, "trick", "test"] = labels[..] else {
        // The name may have no plain text: the upstream fills it in.
        return vec![marked(".", qtype)];
    };
    let number = |text: &str| text.parse::<usize>().unwrap();
    let blocked = format!("ads.{BLOCKED}.");
    match (kind, qtype) {
        ("chain", _) => {
            let (steps, at) = trick.split_once('-').unwrap();
            chain(name, qtype, number(steps), number(at))
        }
        // The tree below `<trick>.dname.trick.test` is that below the blocked name.
        ("dname", _) if labels.len() > 4 => {
            let below = &labels[..labels.len() - 4].join(".");
            let mut records = vec![dname(&format!("{trick}.dname.trick.test."), &format!("{BLOCKED}."))];
            if trick == "both" {
                records.push(cname(name, &format!("{below}.{BLOCKED}."), 300));
            }
            records.push(marked(&format!("{below}.{BLOCKED}."), qtype));
            records
        }
        ("dname", RecordType::A) => vec![a(name, 300)],
        ("target", RecordType::HTTPS | RecordType::SVCB) => {
            let service = match trick {
                "alias" => service(0, &blocked, vec![]),
                "second" => service(2, &blocked, vec![]),
                _ => service(1, &blocked, vec![hint(&MARK_V4.to_string())]),
            };
            let wrapped = |service| match qtype {
                RecordType::HTTPS => RData::HTTPS(rdata::HTTPS(service)),
                _ => RData::SVCB(service),
            };
            let mut records = vec![Record::from_rdata(n(name), 300, wrapped(service))];
            if trick == "second" {
                records.insert(0, marked(name, qtype));
            }
            records
        }
        ("target", _) => {
            let target = n(&blocked);
            let data = match qtype {
                RecordType::MX => RData::MX(rdata::MX::new(1, target)),
                RecordType::SRV => RData::SRV(rdata::SRV::new(1, 2, 3, target)),
                RecordType::NS => RData::NS(rdata::NS(target)),
                RecordType::PTR => RData::PTR(rdata::PTR(target)),
                RecordType::CNAME => RData::CNAME(rdata::CNAME(target)),
                RecordType::NAPTR => {
                    let empty = Box::<[u8]>::default;
                    RData::NAPTR(rdata::NAPTR::new(1, 2, b"s".as_slice().into(), empty(), empty(), target))
                }
                other => {
                    let front: &[u8] = if u16::from(other) == 39 { b"" } else { b"\0\x05" };
                    self::data(u16::from(other), &[front, &target.to_bytes().unwrap()].concat())
                }
            };
            vec![Record::from_rdata(n(name), 300, data)]
        }
        ("address", _) => address_in(trick).map_or(Vec::new(), |address| addresses(name, qtype, address)),
        // The address stands at the end of a chain.
        ("far", _) => {
            let end = "end.open.test.";
            let mut records = vec![cname(name, end, 300)];
            records.extend(address_in(trick).map_or(Vec::new(), |address| addresses(end, qtype, address)));
            records
        }
        ("ech", RecordType::HTTPS) => {
            let service = service(1, ".", vec![ech()]);
            vec![Record::from_rdata(n(name), 300, RData::HTTPS(rdata::HTTPS(service)))]
        }
        ("ech", RecordType::SVCB) => vec![Record::from_rdata(n(name), 300, RData::SVCB(service(1, ".", vec![ech()])))],
        ("denied", _) => vec![cname(name, &blocked, 300)],
        _ => vec![marked(name, qtype)],
    }
}

fn upstream() -> Upstream {
    Upstream::scripted(|query| {
        let name = asked_name(query);
        let mut records = records(&name, query.queries[0].query_type());
        for record in records.iter_mut().filter(|record| record.name.is_root()) {
            record.name = query.queries[0].name().clone();
        }
        let mut reply = reply_with(query, records);
        if name.ends_with("denied.trick.test.") {
            let denied = denial(query, ResponseCode::NXDomain, 60);
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.insert_authorities(denied.authorities);
        }
        Some(reply)
    })
}

/// The octets of a question.
fn question(labels: &[&[u8]], qtype: u16, class: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in labels {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(*label);
    }
    octets.push(0);
    octets.extend([qtype, class].into_iter().flat_map(u16::to_be_bytes));
    octets
}

/// The labels of a name as people write it: `\\DDD` is an octet in decimal, `\\` and another character that character
/// (RFC 1035, section 5.1).
fn labels_of(text: &str) -> Vec<Vec<u8>> {
    let mut labels = vec![Vec::new()];
    let mut rest = text.strip_suffix('.').unwrap_or(text).as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        match octet {
            b'.' => labels.push(Vec::new()),
            b'\\' if behind[0].is_ascii_digit() => {
                labels.last_mut().unwrap().push(std::str::from_utf8(&behind[..3]).unwrap().parse().unwrap());
                rest = &behind[3..];
            }
            b'\\' => {
                labels.last_mut().unwrap().push(behind[0]);
                rest = &behind[1..];
            }
            other => labels.last_mut().unwrap().push(other),
        }
    }
    labels
}

/// Header fields and what follows; the id is 4711.
fn packet(flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut octets = vec![0x12, 0x67];
    octets.extend([flags].into_iter().chain(counts).flat_map(u16::to_be_bytes));
    octets.extend(parts.concat());
    octets
}

/// An OPT record with these fields.
fn opt(size: u16, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let length = u16::try_from(options.len()).unwrap();
    [&[0, 0, 41][..], &size.to_be_bytes(), &[0, version], &flags.to_be_bytes(), &length.to_be_bytes(), options].concat()
}

/// All tricks, in the order of the table.
fn tricks() -> Vec<Trick> {
    let mut tricks = Vec::new();
    let mut add = |what: &str, name: &str, qtype: RecordType, packet: Vec<u8>, open: Open| {
        tricks.push(Trick { what: what.into(), name: name.into(), qtype, packet, tcp: false, open, marks: Vec::new() });
    };
    let ask = |name: &str, qtype: RecordType| {
        let labels = labels_of(name);
        let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
        let question = question(&labels, u16::from(qtype), 1);
        packet(0x0100, [1, 0, 0, 1], &[&question, &opt(1232, 0, 0, b"")])
    };
    let ads = format!("ads.{BLOCKED}");
    let labels: [&[u8]; 3] = [b"ads", b"example-blocked", b"test"];
    let plain = question(&labels, 1, 1);
    let edns = opt(1232, 0, 0, b"");

    // Spellings of the name.
    for (what, name) in [
        ("the name", BLOCKED),
        ("below the name", "ads.example-blocked.test"),
        ("deep below", "a.b.c.d.e.f.example-blocked.test"),
        ("mixed case", "aDs.ExAmPlE-bLoCkEd.TeSt"),
        ("upper case", "ADS.EXAMPLE-BLOCKED.TEST"),
        ("final dot", "ads.example-blocked.test."),
        ("escaped letter", r"\097ds.example-blocked.test"),
        ("escaped letters", r"ads.\101\120ample-blocked.\116est"),
        ("escaped capital", r"ads.\069xample-blocked.test"),
        ("underscore below", "_dns._udp.example-blocked.test"),
        ("wildcard below", "*.example-blocked.test"),
        ("space below", r"a\032b.example-blocked.test"),
        ("zero octet below", r"a\000b.example-blocked.test"),
        ("escaped dot below", r"a\046b.example-blocked.test"),
        ("8-bit octets below", r"\255\254.example-blocked.test"),
    ] {
        add(what, name, RecordType::A, ask(name, RecordType::A), Open::Answer);
    }
    for (what, name) in [
        ("dot inside a label", r"ads\.example-blocked.test"),
        ("dots inside one label", r"ads\.example-blocked\.test"),
        ("zero octet and more behind", r"example-blocked.test\000.open.test"),
        ("full-width letters", "ｅxample-blocked.test"),
        ("Kelvin sign for k", "example-bloc\u{212a}ed.test"),
        ("ideographic full stop", "ads。example-blocked.test"),
        ("soft hyphen", "exam\u{ad}ple-blocked.test"),
        ("zero width space", "example\u{200b}-blocked.test"),
        ("U-label as octets", "bücher-blocked.test"),
        ("U-label in capitals", "BÜCHER-blocked.test"),
    ] {
        add(what, name, RecordType::A, ask(name, RecordType::A), Open::Answer);
    }
    for (what, name) in
        [("A-label", "xn--bcher-blocked-wob.test"), ("A-label in capitals", "WWW.XN--BCHER-BLOCKED-WOB.TEST")]
    {
        add(what, name, RecordType::A, ask(name, RecordType::A), Open::Answer);
    }
    let homograph = "4-3.chain.trick.test";
    let homograph = format!("xn--xample-blocked-zvl.{homograph}");
    add("homograph as an alias", &homograph, RecordType::A, ask(&homograph, RecordType::A), Open::Answer);
    let mut longest = BLOCKED.to_owned();
    while longest.len() < 253 {
        longest = format!("{}.{longest}", "x".repeat((253 - longest.len() - 1).min(60)));
    }
    add("255 octets", &format!("xxx….{BLOCKED}"), RecordType::A, ask(&longest, RecordType::A), Open::Answer);
    let many = format!("{}{BLOCKED}", "a.".repeat(116));
    add("118 labels", &format!("a.a.a….{BLOCKED}"), RecordType::A, ask(&many, RecordType::A), Open::Answer);

    // Every type.
    for qtype in [
        2, 5, 6, 10, 11, 12, 13, 15, 16, 17, 18, 28, 29, 33, 35, 36, 37, 39, 43, 44, 46, 48, 52, 64, 65, 99, 256, 257,
        65_280,
    ] {
        let qtype = RecordType::from(qtype);
        add("type", &ads, qtype, ask(&ads, qtype), Open::Answer);
    }
    for (what, qtype) in
        [("ANY", 255), ("AXFR", 252), ("IXFR", 251), ("MAILB", 253), ("TKEY", 249), ("type 0", 0), ("OPT", 41)]
    {
        let packet = packet(0x0100, [1, 0, 0, 1], &[&question(&labels, qtype, 1), &edns]);
        add(what, &ads, RecordType::from(qtype), packet, Open::Never);
    }

    // Aliases and other names that lead there.
    for (steps, at) in [(1, 1), (2, 1), (2, 2), (5, 3), (12, 12), (30, 29)] {
        let name = format!("{steps}-{at}.chain.trick.test");
        let what = format!("alias {at} of {steps}");
        add(&what, &name, RecordType::A, ask(&name, RecordType::A), Open::Answer);
    }
    for qtype in [RecordType::AAAA, RecordType::HTTPS, RecordType::TXT, RecordType::MX] {
        add("alias", "3-2.chain.trick.test", qtype, ask("3-2.chain.trick.test", qtype), Open::Answer);
    }
    add(
        "alias to a denied name",
        "x.denied.trick.test",
        RecordType::A,
        ask("x.denied.trick.test", RecordType::A),
        Open::Answer,
    );
    for name in ["www.alone.dname.trick.test", "www.both.dname.trick.test", "a.b.both.dname.trick.test"] {
        add("DNAME", name, RecordType::A, ask(name, RecordType::A), Open::Answer);
    }
    for (what, trick) in [("alias mode", "alias"), ("service mode", "service"), ("second record", "second")] {
        for qtype in [RecordType::HTTPS, RecordType::SVCB] {
            let name = format!("{trick}.target.trick.test");
            add(what, &name, qtype, ask(&name, qtype), Open::Answer);
        }
    }
    for qtype in [2, 5, 12, 15, 18, 33, 35, 36, 39] {
        let qtype = RecordType::from(qtype);
        add("target", "x.target.trick.test", qtype, ask("x.target.trick.test", qtype), Open::Answer);
    }

    // Addresses: networks of a list, private ones, in every form.
    let mut with_address = |what: &str, kind: &str, qtype: RecordType, address: &str| {
        let parsed: IpAddr = address.parse().unwrap();
        let label = match parsed {
            IpAddr::V4(_) => address.replace('.', "-"),
            IpAddr::V6(parsed) => parsed.segments().map(|segment| format!("{segment:x}")).join("z"),
        };
        let name = format!("{label}.{kind}.trick.test");
        let mark = match parsed {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let packet = query(&name, qtype).to_vec().unwrap();
        let marks = vec![mark];
        let (what, name) = (format!("{what} {address}"), format!("….{kind}.trick.test"));
        tricks.push(Trick { what, name, qtype, packet, tcp: false, open: Open::Answer, marks });
    };
    for (what, v4, v6) in [
        ("listed", "198.51.100.7", "2001:db8:bad::7"),
        ("private", "10.77.66.55", "fd12:3456::55"),
        ("private", "192.168.77.66", "::ffff:10.77.66.55"),
        ("private", "172.31.77.66", "2002:a4d:4237::1"),
        ("carriers'", "100.64.77.66", "64:ff9b::10.77.66.55"),
        ("link-local", "169.254.169.254", "fe80::55"),
        ("loopback", "127.77.66.55", "::1"),
        ("this host", "0.77.66.55", "::ffff:0:10.77.66.55"),
        ("site-local", "10.0.0.138", "fec0::55"),
    ] {
        with_address(what, "address", RecordType::A, v4);
        with_address(what, "address", RecordType::AAAA, v6);
    }
    with_address("listed behind NAT64", "address", RecordType::AAAA, "64:ff9b::c633:6407");
    with_address("listed in 6to4", "address", RecordType::AAAA, "2002:c633:6407::1");
    for address in ["198.51.100.7", "10.77.66.55", "2001:db8:bad::7", "fd12:3456::55", "64:ff9b::10.77.66.55"] {
        with_address("hint", "address", RecordType::HTTPS, address);
        with_address(
            "behind an alias",
            "far",
            if address.contains(':') { RecordType::AAAA } else { RecordType::A },
            address,
        );
    }
    with_address("hint", "address", RecordType::SVCB, "198.51.100.7");
    for qtype in [RecordType::HTTPS, RecordType::SVCB] {
        let packet = query("x.ech.trick.test", qtype).to_vec().unwrap();
        let (what, name) = ("ECH configuration".into(), "x.ech.trick.test".into());
        tricks.push(Trick { what, name, qtype, packet, tcp: false, open: Open::Answer, marks: vec![ECH.to_vec()] });
    }

    // Forms of the message.
    let mut add = |what: &str, packet: Vec<u8>, open: Open| {
        let (what, name, qtype) = (what.to_owned(), ads.clone(), RecordType::A);
        tricks.push(Trick { what, name, qtype, packet, tcp: false, open, marks: Vec::new() });
    };
    let one = [1, 0, 0, 0];
    for (what, flags, open) in [
        ("RD=0", 0x0000, Open::Answer),
        ("Z=1", 0x0140, Open::Answer),
        ("AA=1", 0x0500, Open::Answer),
        ("TC=1", 0x0300, Open::Answer),
        ("RA=1", 0x0180, Open::Answer),
        ("CD=1", 0x0110, Open::Answer),
        ("AD=1", 0x0120, Open::Answer),
        ("rcode 5 in a query", 0x0105, Open::Answer),
        ("opcode IQUERY", 0x0900, Open::Never),
        ("opcode STATUS", 0x1100, Open::Never),
        ("opcode 3", 0x1900, Open::Never),
        ("opcode NOTIFY", 0x2100, Open::Never),
        ("opcode UPDATE", 0x2900, Open::Never),
        ("opcode DSO", 0x3100, Open::Never),
    ] {
        add(what, packet(flags, one, &[&plain]), open);
    }
    for (what, class) in [("class CH", 3), ("class HS", 4), ("class NONE", 254), ("class ANY", 255), ("class 0", 0)] {
        add(what, packet(0x0100, one, &[&question(&labels, 1, class)]), Open::Never);
    }
    let other = question(&[b"open", b"test"], 1, 1);
    add("two questions, blocked first", packet(0x0100, [2, 0, 0, 0], &[&plain, &other]), Open::Never);
    add("two questions, blocked second", packet(0x0100, [2, 0, 0, 0], &[&other, &plain]), Open::Never);
    add("no question counted", packet(0x0100, [0, 0, 0, 0], &[&plain]), Open::Never);
    add(
        "pointer in the question",
        packet(0x0100, one, &[b"\x03ads\x0fexample-blocked\xc0\x22\0\x01\0\x01\x04test\0"]),
        Open::Never,
    );
    add("pointer to itself", packet(0x0100, one, &[b"\x03ads\xc0\x0c\0\x01\0\x01"]), Open::Never);
    add("extended label", packet(0x0100, one, &[b"\x41\x03ads\x0fexample-blocked\x04test\0\0\x01\0\x01"]), Open::Never);
    let answer = b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x02\xc0\x0c";
    add("an answer in the query", packet(0x0100, [1, 1, 0, 0], &[&plain, answer]), Open::Never);
    add("an authority in the query", packet(0x0100, [1, 0, 1, 0], &[&plain, answer]), Open::Never);
    add("an additional record", packet(0x0100, [1, 0, 0, 1], &[&plain, answer]), Open::Answer);
    add("octets behind the message", packet(0x0100, one, &[&plain, b"open\x04test\0"]), Open::Answer);
    for (what, octets, open) in [
        ("EDNS size 0", opt(0, 0, 0, b""), Open::Answer),
        ("EDNS size 65535", opt(65_535, 0, 0, b""), Open::Answer),
        ("EDNS version 1", opt(1232, 1, 0, b""), Open::Never),
        ("EDNS DO", opt(1232, 0, 0x8000, b""), Open::Answer),
        ("EDNS all flags", opt(1232, 0, 0xffff, b""), Open::Answer),
        ("EDNS client subnet", opt(1232, 0, 0, b"\0\x08\0\x07\0\x01\x18\0\xc0\0\x02"), Open::Answer),
        ("EDNS cookie", opt(1232, 0, 0, b"\0\x0a\0\x08ABCDEFGH"), Open::Answer),
        ("EDNS cookie of 3 octets", opt(1232, 0, 0, b"\0\x0a\0\x03ABC"), Open::Never),
        ("EDNS padding", opt(1232, 0, 0, &[&b"\0\x0c\0\x40"[..], &[0; 64]].concat()), Open::Answer),
        ("EDNS NSID, chain, unknown", opt(1232, 0, 0, b"\0\x03\0\0\0\x0d\0\x01\0\xfd\xe9\0\x02xx"), Open::Answer),
        ("EDNS option cut off", opt(1232, 0, 0, b"\xfd\xe9\0\x09x"), Open::Never),
    ] {
        add(what, packet(0x0100, [1, 0, 0, 1], &[&plain, &octets]), open);
    }
    add("EDNS twice", packet(0x0100, [1, 0, 0, 2], &[&plain, &edns, &edns]), Open::Never);
    for (what, name, qtype) in [
        ("TCP", ads.as_str(), RecordType::A),
        ("TCP, mixed case", "aDs.ExAmPlE-bLoCkEd.TeSt", RecordType::AAAA),
        ("TCP, alias", "2-2.chain.trick.test", RecordType::A),
        ("TCP, target", "service.target.trick.test", RecordType::HTTPS),
    ] {
        let packet = query(name, qtype).to_vec().unwrap();
        let (what, name) = (what.into(), name.into());
        tricks.push(Trick { what, name, qtype, packet, tcp: true, open: Open::Answer, marks: Vec::new() });
    }

    // Names that are only alike: closing these would be wrong.
    for name in [
        "notexample-blocked.test",
        "example-blocked.test.open.test",
        "example-blocked.tes",
        "example-blocked-test.test",
        "blocked.test",
        "xn--xample-blocked-zvl.test",
    ] {
        let packet = query(name, RecordType::A).to_vec().unwrap();
        let (what, name) = ("only alike".into(), name.into());
        let qtype = RecordType::A;
        tricks.push(Trick { what, name, qtype, packet, tcp: false, open: Open::Always, marks: Vec::new() });
    }
    tricks
}

/// Sends a packet from an address and gives the reply.
fn attempt(udp: SocketAddr, tcp: SocketAddr, from: &str, trick: &Trick) -> Vec<u8> {
    if trick.tcp {
        let from: Ipv4Addr = from.parse().unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&tcp.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        stream.write_all(&frame(&trick.packet)).unwrap();
        return receive_frame(&mut stream).unwrap();
    }
    let socket = socket(from);
    socket.send_to(&trick.packet, udp).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{} {}: {error}", trick.what, trick.name));
    buffer[..length].to_vec()
}

/// What came: response code, extended error and records, for people.
fn told(octets: &[u8]) -> String {
    let Ok(reply) = Message::from_vec(octets) else { return "unreadable".into() };
    let code = format!("{:?}", reply.metadata.response_code).to_uppercase();
    let error = ede_code(&reply).map_or(String::new(), |code| format!(" EDE {code}"));
    let records: Vec<String> = reply.answers.iter().map(|record| record.record_type().to_string()).collect();
    format!("{code}{error} {}", if records.is_empty() { "-".into() } else { records.join(",") })
}

fn holds(octets: &[u8], mark: &[u8]) -> bool {
    octets.windows(mark.len()).any(|window| window.eq_ignore_ascii_case(mark))
}

impl Trick {
    /// Whether something of the upstream's answer is in a reply. The question is no part of it, nor is an address that
    /// stands in no record.
    fn came_through(&self, octets: &[u8]) -> bool {
        let Ok(reply) = Message::from_vec(octets) else { return true };
        let question: usize = reply.queries.iter().map(|question| question.to_bytes().unwrap().len()).sum();
        let rest = &octets[12 + question..];
        let blocked = [&b"\x0fexample-blocked"[..]];
        let (v4, v6) = (MARK_V4.octets(), MARK_V6.octets());
        let usual = [MARK, &v4[..], &v6[..]].into_iter().chain(blocked);
        // Owners equal to the question are pointers: what is left are targets.
        usual.chain(self.marks.iter().map(Vec::as_slice)).any(|mark| holds(rest, mark))
    }
}

async fn customer(admin: &Client, name: &str, range: &str, answers: serde_json::Value) -> u64 {
    let form = format!("accountname={name}&email={name}%40weir.test&license=L&password=secret1");
    let customer = id(&admin.form("/users", &form).await.ok());
    let form = format!("name=office&ip={}", range.replace('/', "%2F"));
    admin.form(&format!("/users/{customer}/locations/staticip"), &form).await.ok();
    let path = format!("/users/{customer}/policies/default/filter");
    admin.post(&path, json!({ "answers": answers })).await.ok();
    customer
}

#[tokio::test]
async fn every_way_around_the_filter_is_closed_and_open_where_nothing_is_blocked() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let networks = ["198.51.100.0/24", "2001:db8:bad::/48"];
    let answers = json!({ "blocked_networks": networks, "strip_ech": true });
    let closed = customer(&admin, "closed", "127.30.0.0/16", answers).await;
    customer(&admin, "open", "127.31.0.0/16", json!({ "rebinding_protection": false })).await;
    for name in [BLOCKED, "bücher-blocked.test"] {
        admin.post(&format!("/users/{closed}/policies/default/domains/block"), json!({ "domain": name })).await.ok();
    }

    let tricks = tricks();
    let mut faults = Vec::new();
    println!("{:<34} {:<10} {:<34} {:<30} open", "name", "type", "trick", "blocked");
    // Twice, and the open policy first: what it left in the cache is closed as well.
    for round in 0..2 {
        for trick in &tricks {
            let open = attempt(daemon.udp, daemon.tcp, "127.31.0.1", trick);
            let blocked = attempt(daemon.udp, daemon.tcp, "127.30.0.1", trick);
            let line = format!(
                "{:<34} {:<10} {:<34} {:<30} {}",
                trick.name,
                trick.qtype.to_string(),
                trick.what,
                told(&blocked),
                told(&open)
            );
            if round == 0 {
                println!("{line}");
            }
            if trick.came_through(&blocked) != (trick.open == Open::Always) {
                faults.push(format!("where it is blocked: {line}"));
            }
            if trick.came_through(&open) == (trick.open == Open::Never) {
                faults.push(format!("where it is open: {line}"));
            }
            let explained = Message::from_vec(&blocked).is_ok_and(|reply| ede_code(&reply) == Some(17));
            let has_edns = Message::from_vec(&trick.packet).is_ok_and(|query| query.edns.is_some());
            let is_ech = trick.what.starts_with("ECH");
            if trick.open == Open::Answer && has_edns && !explained && !is_ech {
                faults.push(format!("without a word on why: {line}"));
            }
        }
    }
    let never = tricks.iter().filter(|trick| trick.open == Open::Never).count();
    let alike = tricks.iter().filter(|trick| trick.open == Open::Always).count();
    println!(
        "{} queries: {} closed here and open there, {never} served to nobody, {alike} only alike",
        tricks.len(),
        tricks.len() - never - alike
    );
    assert!(tricks.len() >= 60, "{}", tricks.len());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(!daemon.log().contains("panic"), "nothing fell over inside");
}
