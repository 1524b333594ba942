//! Packets in and replies out, each reply read back by hickory-proto.

use super::*;
use crate::model::DomainName;
use hickory_proto::{
    op::{Edns as HickoryEdns, Message, MessageType, OpCode, Query as HickoryQuery},
    rr::{
        Name as HickoryName, RData, RecordType,
        rdata::opt::{EdnsCode, EdnsOption as HickoryOption},
    },
};
use proptest::prelude::*;
use std::net::IpAddr;

// -- Packets in

#[test]
fn an_ordinary_query_is_read_in_place() {
    let packet =
        packet(0x1234, 0x0130, [1, 0, 0, 1], &[question("wWw.Example", 28, 1), opt(1400, 0, true, b"")].concat());
    let query = parse(&packet).expect("an ordinary query");
    assert_eq!((query.id, query.qtype, query.qclass), (0x1234, rtype::AAAA, class::IN));
    assert_eq!(query.name.name().to_string(), "www.example");
    assert_eq!(query.question, &packet[12..29], "the capitals are kept");
    assert!(query.flags.recursion_desired() && query.flags.authentic_data() && query.flags.checking_disabled());
    assert_eq!(query.edns, Some(Edns { udp_size: 1400, version: 0, dnssec_ok: true, options: b"" }));
    assert_eq!(query.head().udp_limit(), 1232);
}

#[test]
fn every_packet_gets_what_it_deserves() {
    let q = || question("a.example", 1, 1);
    let with =
        |more: &[&[u8]]| [&[q()], &more.iter().map(|part| part.to_vec()).collect::<Vec<_>>()[..]].concat().concat();
    let tsig = b"\x03key\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x03abc";
    let pointed = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00";
    let ixfr = question("a.example", rtype::IXFR, 1);
    for (case, flags, counts, body, expected) in [
        ("a question alone", 0x0100, [1, 0, 0, 0], q(), "query"),
        ("class ANY and type 65535", 0, [1, 0, 0, 0], question("a", 65_535, 255), "query"),
        ("Z, TC, AA and an rcode set", 0x0647, [1, 0, 0, 0], q(), "query"),
        ("octets behind the question", 0, [1, 0, 0, 0], with(&[b"garbage"]), "query"),
        ("octets behind the OPT", 0, [1, 0, 0, 1], with(&[&opt(512, 0, false, b""), b"x"]), "query edns"),
        ("an OPT behind a TSIG", 0, [1, 0, 0, 2], with(&[tsig, &opt(512, 0, false, b"")]), "query edns"),
        ("an additional record with a pointer", 0, [1, 0, 0, 1], with(&[pointed]), "query"),
        ("unknown options", 0, [1, 0, 0, 1], with(&[&opt(512, 0, false, b"\xff\xfe\x00\x01x")]), "query edns"),
        ("an empty extended error", 0, [1, 0, 0, 1], with(&[&opt(512, 0, false, b"\0\x0f\0\x02\0\0")]), "query edns"),
        ("a response", 0x8000, [1, 0, 0, 0], q(), "drop"),
        ("a response of another opcode", 0xa800, [0, 0, 0, 0], vec![], "drop"),
        ("NOTIFY", 0x2000, [1, 1, 0, 0], q(), "notimp"),
        ("UPDATE", 0x2800, [1, 0, 1, 0], q(), "notimp"),
        ("STATUS", 0x1000, [0, 0, 0, 0], vec![], "notimp"),
        ("opcode 15 and rubbish", 0x7800, [9, 9, 9, 9], vec![0xff; 9], "notimp"),
        ("no question", 0, [0, 0, 0, 0], vec![], "formerr"),
        ("two questions", 0, [2, 0, 0, 0], [q(), q()].concat(), "formerr"),
        ("a compressed name", 0, [1, 0, 0, 0], b"\xc0\x0c\x00\x01\x00\x01".to_vec(), "formerr"),
        ("a name ending in a pointer", 0, [1, 0, 0, 0], b"\x01a\xc0\x0c\x00\x01\x00\x01".to_vec(), "formerr"),
        ("a label type of RFC 2673", 0, [1, 0, 0, 0], b"\x41\x08\x00\x00\x01\x00\x01".to_vec(), "formerr"),
        ("a name of 257 octets", 0, [1, 0, 0, 0], [&b"\x01a".repeat(128)[..], &[0, 0, 1, 0, 1]].concat(), "formerr"),
        ("an answer", 0, [1, 1, 0, 0], with(&[pointed]), "formerr question"),
        ("an authority record", 0, [1, 0, 1, 0], with(&[pointed]), "formerr question"),
        ("IXFR with its SOA", 0, [1, 0, 1, 0], [ixfr.clone(), pointed.to_vec()].concat(), "notimp question"),
        ("IXFR with an answer", 0, [1, 1, 1, 0], [ixfr, pointed.to_vec()].concat(), "formerr question"),
        ("a record announced and missing", 0, [1, 0, 0, 1], q(), "formerr question"),
        ("65535 records announced", 0, [1, 0, 0, 65_535], with(&[pointed]), "formerr question"),
        (
            "two OPT records",
            0,
            [1, 0, 0, 2],
            with(&[&opt(512, 0, false, b""), &opt(512, 0, false, b"")]),
            "formerr question",
        ),
        ("an OPT below the root", 0, [1, 0, 0, 1], with(&[b"\x01a", &opt(512, 0, false, b"")]), "formerr question"),
        ("an option cut off", 0, [1, 0, 0, 1], with(&[&opt(512, 0, false, b"\0\x03\0\x09x")]), "formerr question edns"),
        (
            "a cookie of 7 octets",
            0,
            [1, 0, 0, 1],
            with(&[&opt(512, 0, false, b"\0\x0a\0\x071234567")]),
            "formerr question edns",
        ),
        ("EDNS version 1", 0, [1, 0, 0, 1], with(&[&opt(512, 1, false, b"")]), "badvers question edns"),
        (
            "EDNS version 255, odd options",
            0,
            [1, 0, 0, 1],
            with(&[&opt(512, 255, true, b"odd")]),
            "badvers question edns",
        ),
    ] {
        let packet = packet(7, flags, counts, &body);
        assert_eq!(verdict(&packet), expected, "{case}");
    }
}

#[test]
fn a_query_cut_off_anywhere_is_dropped_or_a_format_error() {
    let options = b"\x00\x0a\x00\x08ABCDEFGH\xfd\xe9\x00\x06abcdef";
    let whole =
        packet(1, 0x0100, [1, 0, 0, 1], &[question("www.example.com", 1, 1), opt(1232, 0, true, options)].concat());
    for length in 0..whole.len() {
        match parse(&whole[..length]) {
            Err(Fault::Drop) => assert!(length < 12, "{length}"),
            Err(Fault::FormErr(head)) => {
                assert!(length >= 12, "{length}");
                assert_eq!(head.id, 1);
                assert_eq!(!head.question.is_empty(), length >= 33, "{length}");
            }
            other => panic!("{length}: {other:?}"),
        }
    }
    assert!(parse(&whole).is_ok());
}

#[test]
fn the_udp_limit_is_between_512_and_1232() {
    for (size, limit) in [(0, 512), (511, 512), (512, 512), (800, 800), (1232, 1232), (4096, 1232), (65_535, 1232)] {
        let packet = packet(1, 0, [1, 0, 0, 1], &[question("a", 1, 1), opt(size, 0, false, b"")].concat());
        assert_eq!(parse(&packet).expect("a query").head().udp_limit(), limit, "{size}");
    }
    assert_eq!(parse(&packet(1, 0, [1, 0, 0, 0], &question("a", 1, 1))).expect("a query").head().udp_limit(), 512);
}

proptest! {
    #[test]
    fn random_octets_never_panic_and_always_have_a_reply(mut octets in proptest::collection::vec(any::<u8>(), 0..600), query: bool, rcode in 0u16..24) {
        if query && octets.len() >= 12 {
            // Without this nearly everything is a response or another opcode.
            octets[2] &= 0x07;
            octets[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        }
        let mut buffer = [0; 512];
        let head = match parse(&octets) {
            Ok(query) => query.head(),
            Err(Fault::FormErr(head) | Fault::NotImp(head) | Fault::BadVers(head)) => head,
            Err(Fault::Drop) => return Ok(()),
        };
        let mut reply = ReplyWriter::start(&mut buffer, 512, &head, rcode);
        reply.answer_address(60, IpAddr::from([192, 0, 2, 1]));
        let length = reply.finish(&Extras { ede: Some((ede::BLOCKED, "blocked")), ..Extras::default() });
        prop_assert!((12..=512).contains(&length));
    }

    #[test]
    fn what_hickory_writes_is_read_the_same(
        labels in proptest::collection::vec("[a-zA-Z0-9]{1,20}", 1..8), id: u16, qtype in 1u16..300, size in 512u16.., edns: bool, dnssec: bool,
    ) {
        prop_assume!(qtype != 41);
        let name = HickoryName::from_ascii(labels.join(".") + ".").expect("a name");
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(HickoryQuery::query(name, RecordType::from(qtype)));
        if edns {
            let mut opt = HickoryEdns::new();
            opt.set_max_payload(size).set_dnssec_ok(dnssec).set_version(0);
            message.set_edns(opt);
        }
        let packet = message.to_vec().expect("it encodes");
        let query = parse(&packet).expect("an ordinary query");
        prop_assert_eq!((query.id, query.qtype, query.qclass), (id, qtype, 1));
        prop_assert_eq!(query.name.name().to_string(), labels.join(".").to_lowercase());
        prop_assert_eq!(query.edns.map(|edns| (edns.udp_size, edns.dnssec_ok)), edns.then_some((size, dnssec)));
    }
}

// -- Replies out

#[test]
fn an_address_reply_reads_back_as_written() {
    let packet =
        packet(77, 0x0110, [1, 0, 0, 1], &[question("bLocked.Example", 1, 1), opt(1232, 0, true, b"")].concat());
    let query = parse(&packet).expect("a query");
    let mut buffer = [0xaa; 1232];
    let mut reply = ReplyWriter::start(&mut buffer, 1232, &query.head(), rcode::NOERROR);
    reply.authoritative();
    reply.answer_address(60, IpAddr::from([192, 0, 2, 1]));
    reply.answer_address(60, "2001:db8::1".parse().expect("an address"));
    let length = reply.finish(&Extras {
        ede: Some((ede::FILTERED, "Gambling")),
        cookie: Some(b"0123456789abcdef"),
        keepalive: Some(100),
    });
    assert_eq!(&buffer[12..33], &packet[12..33], "the question as it was sent");

    let message = Message::from_vec(&buffer[..length]).expect("it decodes");
    let flags = &message.metadata;
    assert_eq!((flags.id, flags.message_type, flags.op_code), (77, MessageType::Response, OpCode::Query));
    assert!(flags.authoritative && flags.recursion_desired && flags.recursion_available && flags.checking_disabled);
    assert!(!flags.truncation && !flags.authentic_data);
    assert_eq!(shown(&message), ["bLocked.Example. 60 192.0.2.1", "bLocked.Example. 60 2001:db8::1"]);
    let edns = message.edns.as_ref().expect("an OPT");
    assert!(edns.flags().dnssec_ok && edns.flags().z == 0);
    assert_eq!((edns.max_payload(), edns.version(), edns.rcode_high()), (1232, 0, 0));
    assert_eq!(option(&message, 15), Some(b"\x00\x11Gambling".to_vec()));
    assert_eq!(option(&message, 11), Some(b"\x00\x64".to_vec()));
    assert_eq!(option(&message, 10), Some(b"0123456789abcdef".to_vec()));
}

#[test]
fn a_client_without_edns_gets_no_opt() {
    let packet = packet(1, 0, [1, 0, 0, 0], &question("a.example", 1, 1));
    let message = reply_to(&packet, rcode::NXDOMAIN, |_| (), &Extras { ede: Some((15, "text")), ..Extras::default() });
    assert!(message.edns.is_none());
    assert_eq!(u16::from(message.metadata.response_code), rcode::NXDOMAIN);
    assert!(!message.metadata.recursion_desired);
}

#[test]
fn faults_are_answered_with_what_could_be_read() {
    let q = question("a.example", 1, 1);
    for (flags, counts, body, code, questions, edns) in [
        (0x2800, [1, 0, 0, 0], q.clone(), rcode::NOTIMP, 0, false),
        (0x0100, [2, 0, 0, 0], q.clone(), rcode::FORMERR, 0, false),
        (0x0100, [1, 0, 0, 1], q.clone(), rcode::FORMERR, 1, false),
        (0x0120, [1, 0, 0, 1], [q.clone(), opt(4096, 9, true, b"")].concat(), rcode::BADVERS, 1, true),
        (0x0100, [1, 0, 0, 1], [q, opt(4096, 0, false, b"\0")].concat(), rcode::FORMERR, 1, true),
    ] {
        let packet = packet(3, flags, counts, &body);
        let message = reply_to(&packet, code, |_| (), &Extras::default());
        assert_eq!(u16::from(message.metadata.response_code), code);
        assert_eq!(
            (message.metadata.id, message.queries.len(), message.edns.is_some()),
            (3, questions, edns),
            "{code}"
        );
        assert_eq!(u8::from(message.metadata.op_code), (flags >> 11) as u8);
        assert!(!message.metadata.authentic_data, "AD is not copied");
    }
}

#[test]
fn an_extended_rcode_without_opt_becomes_servfail() {
    let packet = packet(1, 0, [1, 0, 0, 0], &question("a", 1, 1));
    let message = reply_to(&packet, rcode::BADCOOKIE, |_| (), &Extras::default());
    assert_eq!(u16::from(message.metadata.response_code), rcode::SERVFAIL);
}

#[test]
fn a_negative_reply_carries_its_soa() {
    let packet = packet(1, 0, [1, 0, 0, 0], &question("www.blocked.example", 1, 1));
    let (mname, rname) = (name("weir.invalid"), name("hostmaster.weir.invalid"));
    let soa =
        Soa { mname: mname.as_name(), rname: rname.as_name(), serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 };
    let message = reply_to(&packet, rcode::NXDOMAIN, |reply| reply.soa(At::suffix(4), 60, &soa), &Extras::default());
    let record = message.authorities.first().expect("an SOA");
    assert_eq!((record.name.to_string().as_str(), record.ttl), ("blocked.example.", 60));
    let RData::SOA(read) = &record.data else { panic!("{record}") };
    assert_eq!(
        (read.mname.to_string(), read.rname.to_string()),
        ("weir.invalid.".into(), "hostmaster.weir.invalid.".into())
    );
    assert_eq!((read.serial, read.refresh, read.retry, read.expire, read.minimum), (1, 2, 3, 4, 5));
}

#[test]
fn addresses_can_follow_a_cname() {
    let packet = packet(1, 0, [1, 0, 0, 0], &question("www.search.example", 1, 1));
    let target = name("safe.search.example");
    let message = reply_to(
        &packet,
        rcode::NOERROR,
        |reply| {
            let owner = reply.answer_cname(At::QUESTION, 300, target.as_name());
            reply.answer_address_at(owner, 30, IpAddr::from([192, 0, 2, 7]));
        },
        &Extras::default(),
    );
    assert_eq!(shown(&message), ["www.search.example. 300 safe.search.example.", "safe.search.example. 30 192.0.2.7"]);
}

#[test]
fn a_copied_answer_ages_and_a_stale_one_has_a_fixed_ttl() {
    let packet = packet(1, 0, [1, 0, 0, 0], &question("a.example", 1, 1));
    let body = [record(100, [1, 1, 1, 1]), record(5, [2, 2, 2, 2])].concat();
    for (ttl, expected) in [
        (Ttl::Aged(0), [100, 5]),
        (Ttl::Aged(4), [96, 1]),
        (Ttl::Aged(5), [95, 1]),
        (Ttl::Aged(4_000_000_000), [1, 1]),
        (Ttl::Fixed(30), [30, 30]),
    ] {
        let message = reply_to(
            &packet,
            rcode::NOERROR,
            |reply| reply.copy_body([1, 1, 0], &body, &[6, 22], ttl),
            &Extras::default(),
        );
        let ttls = [message.answers[0].ttl, message.authorities[0].ttl];
        assert_eq!(ttls, expected, "{ttl:?}");
        assert_eq!(message.answers[0].name.to_string(), "a.example.");
    }
}

#[test]
fn what_does_not_fit_becomes_a_truncated_reply_without_records() {
    let body = record(60, [9; 4]).repeat(40);
    for (opt_record, limit, records) in [
        (vec![], 512, 30),
        (vec![], 512, 31),
        (opt(512, 0, false, b""), 512, 29),
        (opt(512, 0, false, b""), 512, 30),
        (opt(800, 0, false, b""), 800, 40),
    ] {
        let counts = [1, 0, 0, !opt_record.is_empty() as u16];
        let packet = packet(1, 0, counts, &[question("a.example", 1, 1), opt_record.clone()].concat());
        let query = parse(&packet).expect("a query");
        assert_eq!(query.head().udp_limit(), limit);
        let octets = records * 16;
        let fits = 27 + octets + if opt_record.is_empty() { 0 } else { 11 } <= limit;
        let mut buffer = [0; 1232];
        let mut reply = ReplyWriter::start(&mut buffer, limit, &query.head(), rcode::NOERROR);
        reply.authentic();
        reply.copy_body([records as u16, 0, 0], &body[..octets], &[], Ttl::Aged(1));
        let length = reply.finish(&Extras::default());
        assert!(length <= limit);
        let message = Message::from_vec(&buffer[..length]).expect("it decodes");
        assert_eq!(message.metadata.truncation, !fits, "{records} records");
        assert_eq!(message.metadata.authentic_data, fits);
        assert_eq!(message.answers.len(), if fits { records } else { 0 });
        assert_eq!(message.edns.is_some(), !opt_record.is_empty(), "the OPT stays");
    }
}

#[test]
fn for_lack_of_room_the_error_text_goes_before_the_records() {
    let packet = packet(1, 0, [1, 0, 0, 1], &[question("a.example", 1, 1), opt(512, 0, false, b"")].concat());
    let records = |count: usize| record(60, [9; 4]).repeat(count);
    let text = "x".repeat(60);
    // 27 octets are header and question, 11 the OPT, 6 the error without its text.
    for (count, error) in [(20, Some(62)), (25, Some(62)), (26, Some(2)), (29, Some(2)), (30, Some(62))] {
        let message = reply_to(
            &packet,
            rcode::NOERROR,
            |reply| reply.copy_body([count as u16, 0, 0], &records(count), &[], Ttl::Aged(0)),
            &Extras { ede: Some((3, &text)), ..Extras::default() },
        );
        assert_eq!(message.metadata.truncation, count == 30, "{count}");
        assert_eq!(option(&message, 15).map(|data| data.len()), error, "{count}");
    }
}

#[test]
fn error_texts_are_cut_between_characters() {
    let packet = packet(1, 0, [1, 0, 0, 1], &[question("a", 1, 1), opt(1232, 0, false, b"")].concat());
    for (text, octets) in [("ä".repeat(100), 200), ("ä".repeat(101), 200), (format!("x{}", "ä".repeat(100)), 199)] {
        let message =
            reply_to(&packet, rcode::REFUSED, |_| (), &Extras { ede: Some((18, &text)), ..Extras::default() });
        let data = option(&message, 15).expect("an extended error");
        assert_eq!(data.len(), 2 + octets);
        assert!(std::str::from_utf8(&data[2..]).is_ok());
    }
}

#[test]
fn rooms_too_small_for_a_header_do_not_panic() {
    let packet = packet(1, 0, [1, 0, 0, 1], &[question("a.example", 1, 1), opt(1232, 0, false, b"")].concat());
    let query = parse(&packet).expect("a query");
    for room in 0..60 {
        let mut buffer = vec![0; room];
        let mut reply = ReplyWriter::start(&mut buffer, 512, &query.head(), rcode::NOERROR);
        reply.answer_address(60, IpAddr::from([192, 0, 2, 1]));
        let length = reply.finish(&Extras { ede: Some((15, "text")), ..Extras::default() });
        assert!(length <= room);
        assert!(room < 27 || Message::from_vec(&buffer[..length]).is_ok(), "{room}");
    }
}

// -- Helpers

fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a name")
}

/// A question with the capitals of the text.
fn question(text: &str, qtype: u16, qclass: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in text.split('.') {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets.extend([qtype.to_be_bytes(), qclass.to_be_bytes()].concat());
    octets
}

fn opt(size: u16, version: u8, dnssec_ok: bool, options: &[u8]) -> Vec<u8> {
    let [s0, s1] = size.to_be_bytes();
    let [l0, l1] = (options.len() as u16).to_be_bytes();
    let flags = if dnssec_ok { 0xff } else { 0x7f };
    [&[0, 0, 41, s0, s1, 0, version, flags, 0xff, l0, l1], options].concat()
}

fn record(ttl: u32, address: [u8; 4]) -> Vec<u8> {
    [&b"\xc0\x0c\x00\x01\x00\x01"[..], &ttl.to_be_bytes(), &[0, 4], &address].concat()
}

fn packet(id: u16, flags: u16, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = [id, flags].iter().chain(&counts).flat_map(|field| field.to_be_bytes()).collect();
    octets.extend(body);
    octets
}

fn verdict(packet: &[u8]) -> String {
    let (word, head) = match parse(packet) {
        Ok(query) => return if query.edns.is_some() { "query edns".into() } else { "query".into() },
        Err(Fault::Drop) => return "drop".into(),
        Err(Fault::FormErr(head)) => ("formerr", head),
        Err(Fault::NotImp(head)) => ("notimp", head),
        Err(Fault::BadVers(head)) => ("badvers", head),
    };
    assert_eq!(head.id, 7);
    let question = if head.question.is_empty() { "" } else { " question" };
    let edns = if head.opt.is_some() { " edns" } else { "" };
    format!("{word}{question}{edns}")
}

fn reply_to(packet: &[u8], code: u16, fill: impl FnOnce(&mut ReplyWriter<'_>), extras: &Extras<'_>) -> Message {
    let head = match parse(packet) {
        Ok(query) => query.head(),
        Err(Fault::FormErr(head) | Fault::NotImp(head) | Fault::BadVers(head)) => head,
        Err(Fault::Drop) => panic!("nothing to answer"),
    };
    let mut buffer = [0xaa; 1232];
    let mut reply = ReplyWriter::start(&mut buffer, head.udp_limit(), &head, code);
    fill(&mut reply);
    let length = reply.finish(extras);
    Message::from_vec(&buffer[..length]).expect("hickory reads the reply")
}

fn shown(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {} {}", record.name, record.ttl, record.data)).collect()
}

fn option(message: &Message, code: u16) -> Option<Vec<u8>> {
    match message.edns.as_ref()?.option(EdnsCode::from(code))? {
        HickoryOption::Unknown(_, data) => Some(data.clone()),
        other => panic!("{other:?}"),
    }
}
