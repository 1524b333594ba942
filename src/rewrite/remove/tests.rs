//! Messages as hickory writes and reads them, with records taken out in between.

use super::*;
use crate::model::DomainName;
use hickory_proto::{
    dnssec::{
        Algorithm,
        rdata::{DNSSECRData, RRSIG, SigInput},
    },
    op::{Message, MessageType, OpCode, Query},
    rr::{
        Name as HickoryName, RData, Record, RecordType, SerialNumber,
        rdata::{
            self,
            svcb::{Alpn, EchConfigList, IpHint, Mandatory, SVCB, SvcParamKey, SvcParamValue},
        },
    },
    serialize::binary::BinEncodable,
};
use proptest::prelude::*;
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

const QUESTION: &str = "www.example.";

fn n(text: &str) -> HickoryName {
    HickoryName::from_str(text).expect("a name")
}

fn a(owner: &str, last: u8) -> Record {
    Record::from_rdata(n(owner), 300, RData::A(Ipv4Addr::new(192, 0, 2, last).into()))
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(n(owner), 300, RData::CNAME(rdata::CNAME(n(target))))
}

fn dname(owner: &str, target: &str) -> Record {
    let data = rdata::NULL::with(n(target).to_bytes().expect("encodes"));
    Record::from_rdata(n(owner), 300, RData::Unknown { code: RecordType::from(39), rdata: data })
}

fn mx(owner: &str, target: &str) -> Record {
    Record::from_rdata(n(owner), 300, RData::MX(rdata::MX::new(5, n(target))))
}

fn soa(owner: &str) -> Record {
    let soa = rdata::SOA::new(n("ns.example."), n(&format!("host.{owner}")), 1, 2, 3, 4, 5);
    Record::from_rdata(n(owner), 60, RData::SOA(soa))
}

fn rrsig(owner: &str, covered: u16) -> Record {
    let input = SigInput {
        type_covered: RecordType::from(covered),
        algorithm: Algorithm::ED25519,
        num_labels: 2,
        original_ttl: 300,
        sig_expiration: SerialNumber::new(9),
        sig_inception: SerialNumber::new(1),
        key_tag: 7,
        signer_name: n("example."),
    };
    Record::from_rdata(n(owner), 300, RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, vec![7; 64]))))
}

fn https(owner: &str, parameters: Vec<(SvcParamKey, SvcParamValue)>) -> Record {
    let service = SVCB::new(1, n("svc.example."), parameters);
    Record::from_rdata(n(owner), 300, RData::HTTPS(rdata::HTTPS(service)))
}

fn ech() -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![1, 2, 3])))
}

/// Counts and sections behind a question about `www.example`.
fn encode(sections: [&[Record]; 3]) -> ([u16; 3], Vec<u8>) {
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(n(QUESTION), RecordType::A));
    message.add_answers(sections[0].iter().cloned());
    message.add_authorities(sections[1].iter().cloned());
    message.add_additionals(sections[2].iter().cloned());
    let octets = message.to_vec().expect("encodes");
    assert_eq!(octets[2] & 2, 0, "it fits");
    (sections.map(|section| section.len() as u16), octets[12 + 13 + 4..].to_vec())
}

/// The records of these sections, in text, as a client reads them.
fn decode(counts: [u16; 3], body: &[u8]) -> [Vec<String>; 3] {
    let mut octets = vec![0, 7, 0x81, 0x80, 0, 1];
    octets.extend(counts.into_iter().flat_map(u16::to_be_bytes));
    octets.extend(b"\x03www\x07example\x00\x00\x01\x00\x01");
    octets.extend(body);
    let message = Message::from_vec(&octets).expect("a message");
    let texts = |records: &[Record]| records.iter().map(|record| format!("{record:?}")).collect();
    [texts(&message.answers), texts(&message.authorities), texts(&message.additionals)]
}

fn name() -> DomainName {
    DomainName::from_text(QUESTION).expect("a name")
}

/// Removes by number and reads what is left; the second is the type asked for.
fn without(sections: [&[Record]; 3], qtype: u16, numbers: &[u16], strip: bool) -> (Remainder, [Vec<String>; 3]) {
    let (counts, body) = encode(sections);
    let remainder = remove(name().as_name(), qtype, counts, &body, numbers, strip).expect("sections");
    let left = decode(remainder.counts, &remainder.body);
    for (&at, _) in remainder.ttl_offsets.iter().zip(left.iter().flatten()) {
        let ttl = u32::from_be_bytes(remainder.body[at.into()..][..4].try_into().expect("four octets"));
        assert!(matches!(ttl, 60 | 300), "{ttl} at {at}");
    }
    assert_eq!(remainder.ttl_offsets.len(), left.iter().flatten().count());
    (remainder, left)
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{record:?}")).collect()
}

#[test]
fn records_go_and_the_others_stay() {
    let answers = [mx(QUESTION, "a.mail.test."), mx(QUESTION, "b.mail.test."), mx(QUESTION, "c.b.mail.test.")];
    for (numbers, left) in
        [(&[][..], vec![0, 1, 2]), (&[0], vec![1, 2]), (&[1, 1], vec![0, 2]), (&[0, 1], vec![2]), (&[2, 0], vec![1])]
    {
        let (remainder, records) = without([&answers, &[], &[]], rtype::MX, numbers, false);
        let expected: Vec<Record> = left.iter().map(|&index: &usize| answers[index].clone()).collect();
        assert_eq!(records[0], texts(&expected), "{numbers:?}");
        assert_eq!(remainder.denied_at, None);
    }
    let (counts, body) = encode([&answers, &[], &[]]);
    let whole = remove(name().as_name(), rtype::MX, counts, &body, &[], false).expect("sections");
    assert_eq!((whole.body, whole.counts), (body, counts), "octet for octet where nothing goes");
}

#[test]
fn nothing_left_is_a_denial_without_authority() {
    let (remainder, left) = without([&[a(QUESTION, 1)], &[soa("example.")], &[a("x.example.", 2)]], 1, &[0], false);
    assert_eq!((remainder.denied_at, left), (Some(12), [vec![], vec![], vec![]]));
}

#[test]
fn a_chain_ends_before_a_removed_alias() {
    let chain = [
        cname(QUESTION, "a.test."),
        rrsig(QUESTION, 5),
        dname("test.", "other."),
        rrsig("test.", 39),
        cname("a.test.", "a.other."),
        a("a.other.", 1),
        rrsig("a.other.", 1),
    ];
    for (number, left) in [(0, 0), (2, 2), (4, 2), (5, 5)] {
        let (remainder, records) = without([&chain, &[soa("other.")], &[]], 1, &[number], false);
        assert_eq!(records[0], texts(&chain[..left]), "{number}");
        assert!(records[1].is_empty());
        // The denial is of the name that the last alias leads to.
        let denied_at = remainder.denied_at.expect("nothing left");
        let name = name();
        let body = Body::new(name.as_name(), &remainder.body);
        let end = match left {
            0 => name.to_string(),
            _ => body.name(denied_at - body.base()).expect("a name").0.name().to_string(),
        };
        assert_eq!(end, ["www.example", "", "a.test", "", "", "a.other"][left], "{number}");
    }
}

#[test]
fn signatures_of_changed_sets_go_and_no_others() {
    let answers =
        [a(QUESTION, 1), a(QUESTION, 2), rrsig("WWW.Example.", 1), rrsig(QUESTION, 28), rrsig("b.example.", 1)];
    let (remainder, left) = without([&answers, &[soa("example.")], &[]], 1, &[0], false);
    assert_eq!(left[0], texts(&[answers[1].clone(), answers[3].clone(), answers[4].clone()]));
    assert_eq!((remainder.denied_at, left[1].len()), (None, 1));
}

#[test]
fn ech_goes_and_every_other_parameter_stays() {
    let alpn = || (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h2".into()])));
    let mandatory = |keys| (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys)));
    let hint = || {
        let hint = IpHint(vec![Ipv6Addr::LOCALHOST.into()]);
        (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(hint))
    };
    for (before, after) in [
        (vec![ech()], vec![]),
        (vec![alpn(), ech(), hint()], vec![alpn(), hint()]),
        (vec![mandatory(vec![SvcParamKey::EchConfigList]), alpn(), ech()], vec![alpn()]),
        (
            vec![mandatory(vec![SvcParamKey::Alpn, SvcParamKey::EchConfigList]), alpn(), ech()],
            vec![mandatory(vec![SvcParamKey::Alpn]), alpn()],
        ),
        (vec![alpn(), hint()], vec![alpn(), hint()]),
    ] {
        let changes = before.len() != after.len();
        let answers = [https(QUESTION, before), rrsig(QUESTION, 65), https("svc.example.", vec![alpn()])];
        let (remainder, left) = without([&answers, &[], &[]], rtype::HTTPS, &[], true);
        let mut expected = vec![https(QUESTION, after), rrsig(QUESTION, 65), answers[2].clone()];
        if changes {
            expected.remove(1);
        }
        assert_eq!((remainder.denied_at, &left[0]), (None, &texts(&expected)));
    }
}

#[test]
fn what_is_no_section_is_not_rewritten() {
    let (counts, body) = encode([&[a(QUESTION, 1), mx("x.example.", "y.x.example.")], &[], &[]]);
    let name = name();
    let remove = |counts, body: &[u8], numbers: &[u16]| remove(name.as_name(), 1, counts, body, numbers, true);
    assert_eq!(remove([3, 0, 0], &body, &[0]), None);
    assert_eq!(remove(counts, &body, &[2]), None);
    for cut in 0..body.len() {
        assert_eq!(remove(counts, &body[..cut], &[0]), None, "{cut}");
    }
    for at in 0..body.len() {
        // Any octet may be wrong: nothing panics.
        let mut damaged = body.clone();
        for octet in [0, 1, 0x3f, 0xc0, 0xff] {
            damaged[at] = octet;
            let _ = remove(counts, &damaged, &[0]);
        }
    }
}

/// A name out of few labels, so that names share their ends.
fn some_name() -> impl Strategy<Value = HickoryName> {
    let label = prop::sample::select(vec!["a", "b", "www", "Www", "example", "a-label-that-is-rather-long"]);
    let labels = prop::collection::vec(label, 0..5);
    (labels, prop::sample::select(vec!["", "example.", "test.", "b.test."])).prop_map(|(labels, end)| {
        let text = labels.iter().fold(String::new(), |text, label| text + label + ".") + end;
        n(if text.is_empty() { "." } else { &text })
    })
}

fn some_data() -> impl Strategy<Value = RData> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(Ipv4Addr::from(octets).into())),
        any::<[u8; 16]>().prop_map(|octets| RData::AAAA(Ipv6Addr::from(octets).into())),
        some_name().prop_map(|name| RData::CNAME(rdata::CNAME(name))),
        some_name().prop_map(|name| RData::NS(rdata::NS(name))),
        some_name().prop_map(|name| RData::PTR(rdata::PTR(name))),
        (any::<u16>(), some_name()).prop_map(|(preference, name)| RData::MX(rdata::MX::new(preference, name))),
        (any::<u16>(), some_name()).prop_map(|(port, name)| RData::SRV(rdata::SRV::new(1, 2, port, name))),
        (some_name(), some_name()).prop_map(|(a, b)| RData::SOA(rdata::SOA::new(a, b, 1, 2, 3, 4, 5))),
        some_name().prop_map(|name| {
            let strings: [Box<[u8]>; 3] = [b"u".as_slice().into(), b"sip".as_slice().into(), Box::default()];
            let [flags, services, pattern] = strings;
            RData::NAPTR(rdata::NAPTR::new(1, 2, flags, services, pattern, name))
        }),
        "[a-z]{0,40}".prop_map(|text| RData::TXT(rdata::TXT::new(vec![text]))),
        (any::<bool>(), some_name()).prop_map(|(with_ech, name)| {
            let service = SVCB::new(1, name, if with_ech { vec![ech()] } else { vec![] });
            RData::HTTPS(rdata::HTTPS(service))
        }),
        prop::collection::vec(any::<u8>(), 1..40)
            .prop_map(|octets| RData::Unknown { code: RecordType::from(65280), rdata: rdata::NULL::with(octets) }),
    ]
}

fn some_records(most: usize) -> impl Strategy<Value = Vec<Record>> {
    let record =
        (some_name(), any::<u32>(), some_data()).prop_map(|(name, ttl, data)| Record::from_rdata(name, ttl, data));
    prop::collection::vec(record, 0..most)
}

proptest! {
    #[test]
    fn without_any_subset_the_others_are_exactly_what_they_were(
        answers in some_records(12),
        authorities in some_records(4),
        additionals in some_records(4),
        picks in prop::collection::vec(any::<bool>(), 20),
    ) {
        let (counts, octets) = encode([&answers, &authorities, &additionals]);
        let name = name();
        let body = Body::new(name.as_name(), &octets);
        let records: Vec<RecordAt> = body.records(counts).collect();
        let gone = &picks[..records.len()];
        let remainder = rebuild(&body, &records, gone, false).expect("sections");
        let mut expected = decode(counts, &octets);
        let mut picks = gone.iter();
        for section in &mut expected {
            section.retain(|_| !picks.next().expect("one a record"));
        }
        prop_assert_eq!(decode(remainder.counts, &remainder.body), expected);
        prop_assert!(remainder.body.len() <= octets.len());
        let places: Vec<u16> =
            Body::new(name.as_name(), &remainder.body).records(remainder.counts).map(|at| at.ttl as u16).collect();
        prop_assert_eq!(remainder.ttl_offsets, places);
    }

    #[test]
    fn no_octets_make_it_fall_over(octets in prop::collection::vec(any::<u8>(), 0..200), answers in 0_u16..4) {
        let name = name();
        let counts = [answers, 1, 0];
        crate::wire::Contents::read(&Body::new(name.as_name(), &octets), counts);
        let _ = remove(name.as_name(), 1, counts, &octets, &[0], true);
    }
}
