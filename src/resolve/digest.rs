//! What of an upstream's message becomes an answer.
//!
//! Only records on the chain that starts at the question are kept, in the order of the chain; what
//! else an upstream puts beside them is not believed. A negative answer keeps the SOA of a zone its
//! name is in, for its lifetime, and the proofs if the client wants them.

use super::{answer::Answer, encode};
use crate::model::Name;
use hickory_proto::{
    dnssec::{Proof, rdata::DNSSECRData},
    op::{Message, ResponseCode},
    rr::{DNSClass, Name as HickoryName, RData, Record, RecordType},
};
use std::time::Instant;

/// Longest chain of aliases followed.
const CHAIN_MAX: usize = 32;
/// Names an answer may lead to: each is judged for every client, so there must be an end.
const LEADS_MAX: usize = 512;
/// Proof records kept of an authority section.
const PROOFS_MAX: usize = 24;
/// DNAME (RFC 6672).
const DNAME: u16 = 39;

/// Bounds on lifetimes, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) min_s: u32,
    pub(super) max_s: u32,
    pub(super) negative_max_s: u32,
}

/// Seconds a denial without SOA is kept. RFC 2308, section 5, would have none kept, lest two caches hand it to
/// each other for ever; but some upstreams strip every SOA, and asking them anew for each query of a popular name
/// without, say, an HTTPS record is how a cache is drowned. A reply from the cache shows no lifetime that
/// another could take over, so the loop stays as short as this.
const BARE_DENIAL_S: u32 = 30;

/// How far a message can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Its records carry proofs. `insecure`: it denies something in an unsigned zone.
    Validated { insecure: bool },
    /// As far as its way here: whether the upstream said AD and nobody between could have.
    Channel { authentic: bool },
}

/// Why a message is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A signature does not fit.
    Bogus,
    /// The aliases run in a circle or on for too long.
    Loop,
    /// It does not fit a message, or leads to more names than anybody looks at.
    Size,
}

/// The question a message answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) name: Name<'a>,
    pub(super) qtype: RecordType,
    pub(super) dnssec_ok: bool,
}

/// Makes the answer.
pub(super) fn digest(
    asked: Asked<'_>,
    message: &Message,
    trust: Trust,
    lifetimes: Lifetimes,
    now: Instant,
) -> Result<Answer, Unusable> {
    let start = encode::to_hickory(asked.name).ok_or(Unusable::Size)?;
    let chain = Chain::follow(&start, asked.qtype, asked.dnssec_ok, &message.answers).ok_or(Unusable::Loop)?;
    let mut answers = chain.records;
    let code = u16::from(message.metadata.response_code);
    let negative = !chain.complete || message.metadata.response_code == ResponseCode::NXDomain;

    let mut authorities = Vec::new();
    let mut soa_found = false;
    if negative && let Some(soa) = soa_of(message, &chain.end, lifetimes) {
        soa_found = true;
        authorities.push(soa);
    }
    if asked.dnssec_ok {
        authorities.extend(proofs(message, soa_found));
    }
    for record in answers.iter_mut().chain(&mut authorities) {
        // RFC 2181, section 8: a TTL with the top bit set is 0.
        let ttl = if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
        let negative_soa = negative && record.record_type() == RecordType::SOA;
        record.ttl = if negative_soa { ttl } else { ttl.max(lifetimes.min_s).min(lifetimes.max_s) };
    }

    let authentic = match trust {
        Trust::Channel { authentic } => authentic,
        Trust::Validated { insecure } => match summary(answers.iter().chain(&authorities)) {
            Proof::Bogus => return Err(Unusable::Bogus),
            Proof::Secure => !insecure,
            _ => false,
        },
    };
    let mut encoded = encode::encode(asked.name, &answers, &authorities).map_err(|_| Unusable::Size)?;
    if negative && !soa_found {
        encoded.ttl_s = if answers.is_empty() { BARE_DENIAL_S } else { encoded.ttl_s.min(BARE_DENIAL_S) };
    }
    if encoded.contents.lead_count() > LEADS_MAX {
        return Err(Unusable::Size);
    }
    let mut answer = Answer::assemble(code, encoded, now);
    answer.authentic = authentic;
    Ok(answer)
}

/// Where the chain ends without the records asked for and without a word on why: the next question.
pub(super) fn dangling(start: &HickoryName, qtype: RecordType, message: &Message) -> Option<HickoryName> {
    if message.metadata.response_code != ResponseCode::NoError {
        return None;
    }
    let chain = Chain::follow(start, qtype, false, &message.answers)?;
    let explained = message.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    (!chain.complete && chain.end != *start && !explained).then_some(chain.end)
}

struct Chain {
    records: Vec<Record>,
    end: HickoryName,
    complete: bool,
}

impl Chain {
    /// `None`: it never ends.
    fn follow(start: &HickoryName, qtype: RecordType, signatures: bool, answers: &[Record]) -> Option<Chain> {
        let mut chain = Chain { records: Vec::with_capacity(answers.len()), end: start.clone(), complete: false };
        let mut seen = vec![start.clone()];
        loop {
            let wanted = |record: &&Record| {
                record.dns_class == DNSClass::IN
                    && record.name == chain.end
                    && (record.record_type() == qtype || qtype == RecordType::ANY)
            };
            let before = chain.records.len();
            chain.records.extend(answers.iter().filter(wanted).cloned());
            if chain.records.len() > before {
                chain.complete = true;
                if signatures && qtype != RecordType::ANY {
                    chain.records.extend(signatures_of(answers, &chain.end, qtype));
                }
                return Some(chain);
            }
            let Some(next) = chain.step(answers, signatures) else { return Some(chain) };
            if seen.contains(&next) || seen.len() > CHAIN_MAX {
                return None;
            }
            seen.push(next.clone());
            chain.end = next;
        }
    }

    /// Takes the alias at the end of the chain and returns its target.
    fn step(&mut self, answers: &[Record], signatures: bool) -> Option<HickoryName> {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.dns_class == DNSClass::IN && record.name == self.end => {
                Some((record, &target.0))
            }
            _ => None,
        });
        let redirect = answers.iter().find_map(|record| {
            let target = dname_target(record)?;
            let below = record.dns_class == DNSClass::IN && record.name != self.end && record.name.zone_of(&self.end);
            below.then(|| Some((record, substitute(&self.end, &record.name, &target)?)))?
        });
        if let Some((record, _)) = &redirect {
            self.records.push((*record).clone());
            if signatures {
                self.records.extend(signatures_of(answers, &record.name, RecordType::from(DNAME)));
            }
        }
        match (alias, redirect) {
            // The CNAME beside a DNAME is made by the server and unsigned: it must say the same.
            (Some((record, target)), Some((_, substituted))) if *target == substituted => {
                // Its proof is that of the DNAME.
                let mut made = record.clone();
                made.proof = self
                    .records
                    .iter()
                    .rev()
                    .find(|record| !is_rrsig(record))
                    .map_or(Proof::Indeterminate, |r| r.proof);
                self.records.push(made);
                Some(substituted)
            }
            (_, Some((record, substituted))) => {
                let cname = RData::CNAME(hickory_proto::rr::rdata::CNAME(substituted.clone()));
                let mut made = Record::from_rdata(self.end.clone(), record.ttl, cname);
                made.proof = record.proof;
                self.records.push(made);
                Some(substituted)
            }
            (Some((record, target)), None) => {
                self.records.push(record.clone());
                if signatures {
                    self.records.extend(signatures_of(answers, &self.end, RecordType::CNAME));
                }
                Some(target.clone())
            }
            (None, None) => None,
        }
    }
}

/// The name below `owner` moved below `target` (RFC 6672, section 2.2).
fn substitute(name: &HickoryName, owner: &HickoryName, target: &HickoryName) -> Option<HickoryName> {
    let kept = usize::from(name.num_labels()).checked_sub(usize::from(owner.num_labels()))?;
    let labels = name.iter().take(kept).chain(target.iter());
    let mut substituted = HickoryName::from_labels(labels).ok()?;
    substituted.set_fqdn(true);
    Some(substituted)
}

fn dname_target(record: &Record) -> Option<HickoryName> {
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
    match &record.data {
        RData::Unknown { code, rdata } if u16::from(*code) == DNAME => {
            HickoryName::read(&mut BinDecoder::new(&rdata.anything)).ok()
        }
        _ => None,
    }
}

fn is_rrsig(record: &Record) -> bool {
    matches!(record.data, RData::DNSSEC(DNSSECRData::RRSIG(_)))
}

fn covers(record: &Record, covered: impl Fn(RecordType) -> bool) -> bool {
    matches!(&record.data, RData::DNSSEC(DNSSECRData::RRSIG(signature)) if covered(signature.input().type_covered))
}

fn signatures_of<'a>(
    records: &'a [Record],
    owner: &'a HickoryName,
    qtype: RecordType,
) -> impl Iterator<Item = Record> + 'a {
    records.iter().filter(move |record| record.name == *owner && covers(record, |covered| covered == qtype)).cloned()
}

/// The SOA of a zone `name` is in, living as long as the denial (RFC 2308, section 5).
fn soa_of(message: &Message, name: &HickoryName, lifetimes: Lifetimes) -> Option<Record> {
    let (record, minimum) = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.dns_class == DNSClass::IN && record.name.zone_of(name) => Some((record, soa.minimum)),
        _ => None,
    })?;
    let mut soa = record.clone();
    soa.ttl = soa.ttl.min(minimum).max(lifetimes.min_s).min(lifetimes.negative_max_s);
    Some(soa)
}

/// NSEC and NSEC3 with their signatures, and the SOA's if that is kept.
fn proofs(message: &Message, soa: bool) -> impl Iterator<Item = Record> + '_ {
    let proof = |kind: RecordType| matches!(kind, RecordType::NSEC | RecordType::NSEC3);
    message
        .authorities
        .iter()
        .filter(move |record| {
            record.dns_class == DNSClass::IN
                && (proof(record.record_type())
                    || covers(record, |covered| proof(covered) || (soa && covered == RecordType::SOA)))
        })
        .take(PROOFS_MAX)
        .cloned()
}

/// The weakest proof of the records that can have one.
fn summary<'a>(records: impl Iterator<Item = &'a Record>) -> Proof {
    let mut weakest = None;
    for record in records.filter(|record| !is_rrsig(record)) {
        weakest = Some(match (weakest, record.proof) {
            (_, Proof::Bogus) | (Some(Proof::Bogus), _) => Proof::Bogus,
            (None | Some(Proof::Secure), Proof::Secure) => Proof::Secure,
            _ => Proof::Insecure,
        });
    }
    weakest.unwrap_or(Proof::Insecure)
}

/// Whether a response code is an answer rather than a failure of the one who sent it.
pub(super) fn is_answer(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain | ResponseCode::YXDomain)
}

/// Whether a message only points elsewhere: the sender does not recurse for us.
pub(super) fn is_referral(message: &Message) -> bool {
    message.metadata.response_code == ResponseCode::NoError
        && message.answers.is_empty()
        && !message.metadata.authoritative
        && !message.authorities.iter().any(|record| record.record_type() == RecordType::SOA)
        && message.authorities.iter().any(|record| record.record_type() == RecordType::NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use hickory_proto::{
        op::{MessageType, OpCode},
        rr::rdata::{self, NULL, SOA, svcb::SVCB},
        serialize::binary::BinEncodable,
    };
    use std::str::FromStr;

    const LIFETIMES: Lifetimes = Lifetimes { min_s: 0, max_s: 86_400, negative_max_s: 3600 };

    fn n(text: &str) -> HickoryName {
        HickoryName::from_str(text).expect("a name")
    }

    fn a(owner: &str, ttl: u32) -> Record {
        Record::from_rdata(n(owner), ttl, RData::A(rdata::A::new(192, 0, 2, 1)))
    }

    fn cname(owner: &str, target: &str) -> Record {
        Record::from_rdata(n(owner), 300, RData::CNAME(rdata::CNAME(n(target))))
    }

    fn dname(owner: &str, target: &str) -> Record {
        let rdata = NULL::with(n(target).to_bytes().expect("encodes"));
        Record::from_rdata(n(owner), 300, RData::Unknown { code: RecordType::from(DNAME), rdata })
    }

    fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
        Record::from_rdata(n(owner), ttl, RData::SOA(SOA::new(n("ns."), n("host."), 1, 2, 3, 4, minimum)))
    }

    fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.insert_answers(answers);
        message.insert_authorities(authorities);
        message
    }

    fn digest_a(message: &Message) -> Result<Answer, Unusable> {
        let name = DomainName::from_text("www.example").expect("a name");
        let asked = Asked { name: name.as_name(), qtype: RecordType::A, dnssec_ok: false };
        digest(asked, message, Trust::Channel { authentic: false }, LIFETIMES, Instant::now())
    }

    fn targets(answer: &Answer) -> Vec<String> {
        answer.targets().map(|name| name.to_string()).collect()
    }

    #[test]
    fn only_the_chain_from_the_question_is_kept() {
        let answers = vec![
            a("bank.test.", 60),
            a("edge.cdn.test.", 60),
            cname("Www.Example.", "a.cdn.test."),
            cname("a.cdn.test.", "edge.cdn.test."),
            cname("bank.test.", "evil.test."),
        ];
        let answer = digest_a(&message(ResponseCode::NoError, answers, vec![a("www.example.", 9)])).expect("an answer");
        assert_eq!(answer.counts, [3, 0, 0]);
        assert_eq!(targets(&answer), ["a.cdn.test", "edge.cdn.test"]);
        assert_eq!((answer.ttl_s, answer.addresses().count()), (60, 1));
    }

    #[test]
    fn a_dname_leads_below_its_target_with_or_without_the_cname() {
        for made in [vec![], vec![cname("www.example.", "www.other.test.")], vec![cname("www.example.", "evil.test.")]]
        {
            let mut answers = vec![dname("example.", "other.test."), a("www.other.test.", 60), a("evil.test.", 60)];
            answers.extend(made);
            let answer = digest_a(&message(ResponseCode::NoError, answers, vec![])).expect("an answer");
            assert_eq!(answer.counts, [3, 0, 0]);
            assert_eq!(targets(&answer), ["other.test", "www.other.test"]);
        }
    }

    #[test]
    fn aliases_in_a_circle_are_no_answer() {
        let answers = vec![cname("www.example.", "b.example."), cname("b.example.", "www.example.")];
        assert_eq!(digest_a(&message(ResponseCode::NoError, answers, vec![])).err(), Some(Unusable::Loop));
        let chain = (0..40).map(|i| cname(&format!("n{i}.test."), &format!("n{}.test.", i + 1)));
        let answers = std::iter::once(cname("www.example.", "n0.test.")).chain(chain).collect();
        assert_eq!(digest_a(&message(ResponseCode::NoError, answers, vec![])).err(), Some(Unusable::Loop));
    }

    #[test]
    fn denials_live_as_long_as_the_soa_says_within_bounds() {
        for (code, soa, ttl_s, authorities) in [
            (ResponseCode::NXDomain, soa("example.", 900, 300), 300, 1),
            (ResponseCode::NoError, soa("example.", 100, 300), 100, 1),
            (ResponseCode::NXDomain, soa(".", 999_999, 999_999), 3600, 1),
            // The SOA of a zone the name is not in says nothing.
            (ResponseCode::NXDomain, soa("test.", 900, 300), BARE_DENIAL_S, 0),
        ] {
            let answer = digest_a(&message(code, vec![], vec![soa])).expect("an answer");
            assert_eq!((answer.ttl_s, answer.counts), (ttl_s, [0, authorities, 0]));
            assert_eq!(answer.rcode, u16::from(code));
        }
    }

    #[test]
    fn a_chain_that_ends_in_a_bare_denial_lives_no_longer_than_either() {
        for (ttl, expected) in [(60, BARE_DENIAL_S), (7, 7), (0, 0)] {
            let link = Record::from_rdata(n("www.example."), ttl, RData::CNAME(rdata::CNAME(n("gone.test."))));
            let answer = digest_a(&message(ResponseCode::NXDomain, vec![link], vec![])).expect("an answer");
            assert_eq!(answer.ttl_s, expected);
        }
    }

    #[test]
    fn a_denial_at_the_end_of_a_chain_keeps_the_chain() {
        let answers = vec![cname("www.example.", "gone.test.")];
        let answer =
            digest_a(&message(ResponseCode::NXDomain, answers, vec![soa("test.", 60, 60)])).expect("an answer");
        assert_eq!((answer.counts, answer.ttl_s), ([1, 1, 0], 60));
        assert_eq!(targets(&answer), ["gone.test"]);
    }

    #[test]
    fn targets_of_service_records_are_targets() {
        let name = DomainName::from_text("www.example").expect("a name");
        let asked = Asked { name: name.as_name(), qtype: RecordType::HTTPS, dnssec_ok: false };
        let service = |target: &str| {
            let data = RData::HTTPS(rdata::HTTPS(SVCB::new(1, n(target), vec![])));
            Record::from_rdata(n("www.example."), 60, data)
        };
        let message = message(ResponseCode::NoError, vec![service("."), service("svc.test.")], vec![]);
        let answer = digest(asked, &message, Trust::Channel { authentic: true }, LIFETIMES, Instant::now());
        let answer = answer.expect("an answer");
        assert_eq!(targets(&answer), ["svc.test"]);
        assert!(answer.authentic);
    }

    #[test]
    fn proofs_decide_when_validated() {
        for (proof, expected) in [
            (Proof::Secure, Ok(true)),
            (Proof::Insecure, Ok(false)),
            (Proof::Indeterminate, Ok(false)),
            (Proof::Bogus, Err(Unusable::Bogus)),
        ] {
            let mut record = a("www.example.", 60);
            record.proof = proof;
            let message = message(ResponseCode::NoError, vec![record, a("junk.test.", 1)], vec![]);
            let name = DomainName::from_text("www.example").expect("a name");
            let asked = Asked { name: name.as_name(), qtype: RecordType::A, dnssec_ok: false };
            let trust = Trust::Validated { insecure: false };
            let answer = digest(asked, &message, trust, LIFETIMES, Instant::now());
            assert_eq!(answer.map(|answer| answer.authentic), expected, "{proof:?}");
        }
    }

    #[test]
    fn a_chain_without_its_end_names_the_next_question() {
        let start = n("www.example.");
        let open = message(ResponseCode::NoError, vec![cname("www.example.", "a.test.")], vec![]);
        assert_eq!(dangling(&start, RecordType::A, &open), Some(n("a.test.")));
        assert_eq!(dangling(&start, RecordType::CNAME, &open), None);
        let denied = message(ResponseCode::NoError, vec![cname("www.example.", "a.test.")], vec![soa("test.", 1, 1)]);
        assert_eq!(dangling(&start, RecordType::A, &denied), None);
        assert_eq!(dangling(&start, RecordType::A, &message(ResponseCode::NoError, vec![], vec![])), None);
    }
}
