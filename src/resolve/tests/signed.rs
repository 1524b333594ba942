//! Validation, against a signed root zone with an unsigned zone `plain` below it.

use super::{
    super::*,
    key, plain,
    upstream::{Fake, Reaction, a, answers, n, reply, soa},
};
use hickory_proto::{
    dnssec::{
        Algorithm, SigningKey, TBS, TrustAnchors,
        crypto::Ed25519SigningKey,
        rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG, sig::SigInput},
    },
    op::{Message, ResponseCode},
    rr::{DNSClass, RData, Record, RecordType, SerialNumber, rdata},
};
use std::time::SystemTime;

async fn validating() -> (Fake, Resolver) {
    let zone = Signed::new();
    let mut anchors = TrustAnchors::empty();
    anchors.insert(zone.key.public_key());
    let fake = Fake::start(move |question, _| Reaction::Say(zone.reply(question))).await;
    let options = Options { dnssec: true, trust_anchors: Some(Arc::new(anchors)), ..plain(&[&fake]) };
    let resolver = Resolver::new(&options).expect("a resolver");
    (fake, resolver)
}

#[tokio::test]
async fn signatures_are_for_those_who_ask_for_them() {
    let zone = Signed::new();
    let fake = Fake::start(move |question, _| Reaction::Say(zone.reply(question))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let plain = resolver.resolve(key("www.example")).await;
    assert_eq!((plain.counts, plain.authentic), ([1, 0, 0], false));
    let signed = resolver.resolve(Key { dnssec_ok: true, ..key("www.example") }).await;
    assert_eq!(signed.counts, [2, 0, 0]);
}

#[tokio::test]
async fn valid_answers_are_authentic_and_forged_ones_are_refused() {
    let (fake, resolver) = validating().await;
    let valid = resolver.resolve(key("www.example")).await;
    assert_eq!((valid.rcode, valid.authentic, valid.counts), (0, true, [1, 0, 0]));
    assert!(fake.seen.lock().iter().all(|(query, _)| query.metadata.checking_disabled), "the verdict is ours");

    let forged = resolver.resolve(key("forged.example")).await;
    assert_eq!((forged.rcode, forged.ede, forged.counts), (2, Some(ede::DNSSEC_BOGUS), [0; 3]));
    let unchecked = resolver.resolve(Key { checking_disabled: true, ..key("forged.example") }).await;
    assert_eq!((unchecked.rcode, unchecked.authentic, unchecked.counts), (0, false, [1, 0, 0]));
}

#[tokio::test]
async fn denials_need_their_proof() {
    let (_fake, resolver) = validating().await;
    let denied = resolver.resolve(key("gone")).await;
    assert_eq!((denied.rcode, denied.authentic, denied.counts), (3, true, [0, 1, 0]));
    let proved = resolver.resolve(Key { dnssec_ok: true, ..key("gone") }).await;
    assert_eq!((proved.rcode, proved.authentic, proved.counts), (3, true, [0, 6, 0]));
    let unproved = resolver.resolve(key("unproved")).await;
    assert_eq!((unproved.rcode, unproved.ede), (2, Some(ede::DNSSEC_BOGUS)));
}

#[tokio::test]
async fn unsigned_zones_are_answered_but_not_authentic() {
    let (fake, resolver) = validating().await;
    let answer = resolver.resolve(key("www.plain")).await;
    assert_eq!((answer.rcode, answer.authentic, answer.counts), (0, false, [1, 0, 0]));
    let before = fake.count();
    let denied = resolver.resolve(Key { qtype: 28, ..key("www.plain") }).await;
    assert_eq!((denied.rcode, denied.authentic, denied.counts), (0, false, [0, 1, 0]));
    let next = resolver.resolve(key("other.plain")).await;
    assert_eq!((next.rcode, next.counts), (0, [1, 0, 0]));
    assert!(fake.count() - before <= 6, "the way to the zone is remembered: {}", fake.count() - before);
}

#[tokio::test]
async fn an_unsigned_answer_in_a_signed_zone_is_refused() {
    let (_fake, resolver) = validating().await;
    let stripped = resolver.resolve(key("stripped.example")).await;
    assert_eq!((stripped.rcode, stripped.ede), (2, Some(ede::DNSSEC_BOGUS)));
}

/// A root zone signed with one key, holding an address for every name but those below.
struct Signed {
    key: DNSKEY,
    secret: Ed25519SigningKey,
}

impl Signed {
    fn new() -> Self {
        let secret = Ed25519SigningKey::generate_pkcs8().expect("a key");
        let secret = Ed25519SigningKey::from_pkcs8(&secret).expect("a key");
        let key = DNSKEY::from_key(&secret.to_public_key().expect("a public key"));
        Signed { key, secret }
    }

    fn reply(&self, question: &Message) -> Message {
        let query = &question.queries[0];
        let (name, kind) = (query.name().to_ascii(), query.query_type());
        let signed = question.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        let with_signatures = |records: Vec<Record>| {
            let sign = |record: Record| {
                let signature = (signed && !name.starts_with("stripped.")).then(|| self.sign(&record));
                [record].into_iter().chain(signature)
            };
            records.into_iter().flat_map(sign).collect::<Vec<_>>()
        };
        let denied = |code, proofs: Vec<Record>| {
            let mut reply = reply(question, code);
            reply.add_authorities(with_signatures(vec![soa(".", 60)]));
            reply.add_authorities(if signed { with_signatures(proofs) } else { vec![] });
            reply
        };
        let here = [RecordType::NS, RecordType::SOA, RecordType::DNSKEY];
        match (name.as_str(), kind) {
            (".", RecordType::DNSKEY) => {
                let key = RData::DNSSEC(DNSSECRData::DNSKEY(self.key.clone()));
                answers(question, with_signatures(vec![Record::from_rdata(n("."), 600, key)]))
            }
            ("plain.", RecordType::NS) => {
                answers(question, [Record::from_rdata(n("plain."), 600, RData::NS(rdata::NS(n("ns.plain."))))])
            }
            ("plain.", RecordType::DS) => {
                denied(ResponseCode::NoError, vec![nsec("plain.", "zzz.", &[RecordType::NS])])
            }
            (_, RecordType::A) if name.ends_with(".plain.") => answers(question, [a(&name, 60)]),
            (_, _) if name.ends_with(".plain.") => {
                let mut reply = reply(question, ResponseCode::NoError);
                reply.add_authority(soa("plain.", 60));
                reply
            }
            ("gone.", _) => {
                let proofs = vec![nsec("example.", "plain.", &[RecordType::A]), nsec(".", "example.", &here)];
                denied(ResponseCode::NXDomain, proofs)
            }
            ("unproved.", _) => denied(ResponseCode::NXDomain, vec![]),
            (_, RecordType::A) => {
                let mut records = with_signatures(vec![a(&name, 60)]);
                if name.starts_with("forged.") {
                    records[0].data = RData::A(rdata::A::new(203, 0, 113, 9));
                }
                answers(question, records)
            }
            _ => denied(ResponseCode::NoError, vec![nsec(&name, "zzz.", &[RecordType::A])]),
        }
    }

    fn sign(&self, record: &Record) -> Record {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() as u32;
        let input = SigInput {
            type_covered: record.record_type(),
            algorithm: Algorithm::ED25519,
            num_labels: record.name.num_labels(),
            original_ttl: record.ttl,
            sig_expiration: SerialNumber::new(now + 3600),
            sig_inception: SerialNumber::new(now - 3600),
            key_tag: self.key.calculate_key_tag().expect("a tag"),
            signer_name: n("."),
        };
        let tbs = TBS::from_input(&record.name, DNSClass::IN, &input, std::iter::once(record)).expect("encodes");
        let signature = self.secret.sign(&tbs).expect("signs");
        let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature)));
        Record::from_rdata(record.name.clone(), record.ttl, data)
    }
}

fn nsec(owner: &str, next: &str, types: &[RecordType]) -> Record {
    let data = NSEC::new_cover_self(n(next), types.iter().copied());
    Record::from_rdata(n(owner), 60, RData::DNSSEC(DNSSECRData::NSEC(data)))
}
