//! Answers as octets, ready to be sent.

use super::encode::{self, Encoded};
use crate::{model::Name, wire::Contents};
use hickory_proto::rr::Record;
use std::{net::IpAddr, time::Instant};

/// Seconds a stale record claims to live (RFC 8767, section 4).
pub const STALE_TTL_S: u32 = 30;

/// Response codes used here (RFC 1035, section 4.1.1).
pub mod rcode {
    /// The name exists.
    pub const NOERROR: u16 = 0;
    /// The resolver failed.
    pub const SERVFAIL: u16 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u16 = 3;
}

/// Extended error codes used here (RFC 8914, section 4).
pub mod ede {
    /// Served past its lifetime.
    pub const STALE_ANSWER: u16 = 3;
    /// The signatures do not fit.
    pub const DNSSEC_BOGUS: u16 = 6;
    /// Denied past its lifetime.
    pub const STALE_NXDOMAIN_ANSWER: u16 = 19;
    /// The servers to ask are not set up.
    pub const NOT_READY: u16 = 14;
    /// No server answered.
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// A server could not be spoken to.
    pub const NETWORK_ERROR: u16 = 23;
}

/// The answer to one question, without header, question and OPT record.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Response code of up to 12 bits: the low four belong into the header, the others into OPT.
    pub rcode: u16,
    /// Whether every record was proved authentic: by validation here, or by the AD bit of an
    /// upstream behind TLS or on this machine. The header's AD bit for a client that asked for it.
    pub authentic: bool,
    /// Records in the answer, authority and additional sections.
    pub counts: [u16; 3],
    /// The three sections as they follow the question. Compression pointers are offsets into a
    /// message whose question starts at 12 and has the name this answer was made for; owners equal
    /// to that name point there, so the letter case of the client's question shows in the answer.
    pub body: Box<[u8]>,
    /// Where in `body` the TTL fields are, in order.
    pub ttl_offsets: Box<[u16]>,
    /// When the TTLs in `body` began to run.
    pub stored_at: Instant,
    /// Lifetime in seconds from `stored_at` on: the smallest TTL. 0: not for a cache.
    pub ttl_s: u32,
    /// Whether its lifetime has passed and upstreams fail (RFC 8767).
    pub stale: bool,
    /// Extended error code to send with it (RFC 8914).
    pub ede: Option<u16>,
    /// Names and addresses the answer leads to: what a policy must look at as well.
    pub contents: Contents,
    /// The name lies in a zone with upstreams of its own, whose addresses may be private.
    pub forwarded: bool,
    /// For whom it is, where upstreams heard of the client's network.
    pub scope: Scope,
}

/// For whom an answer is (RFC 7871, section 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// For everybody.
    #[default]
    Everybody,
    /// For the network that the upstream heard of.
    Network,
}

/// The answer does not fit: send it truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer needs {needed} octets")]
pub struct TooBig {
    /// Octets header, question and all sections take.
    pub needed: usize,
}

impl Answer {
    /// An answer without records.
    pub fn empty(rcode: u16, ede: Option<u16>, now: Instant) -> Self {
        Self::assemble(rcode, Encoded::default(), now).with_ede(ede)
    }

    /// An answer made here: `answers` and `authorities` as they stand, for a question about `name`.
    /// Records that do not fit a message of 64 KiB make it SERVFAIL.
    pub fn local(name: Name<'_>, rcode: u16, answers: &[Record], authorities: &[Record], now: Instant) -> Self {
        match encode::encode(name, answers, authorities) {
            Ok(encoded) => Self::assemble(rcode, encoded, now),
            Err(_) => Self::empty(rcode::SERVFAIL, None, now),
        }
    }

    /// The same with an extended error code.
    pub fn with_ede(mut self, ede: Option<u16>) -> Self {
        self.ede = ede;
        self
    }

    pub(super) fn assemble(rcode: u16, encoded: Encoded, now: Instant) -> Self {
        Answer {
            rcode,
            authentic: false,
            counts: encoded.counts,
            body: encoded.body,
            ttl_offsets: encoded.ttl_offsets,
            stored_at: now,
            ttl_s: encoded.ttl_s,
            stale: false,
            ede: None,
            contents: encoded.contents,
            forwarded: false,
            scope: Scope::Everybody,
        }
    }

    /// Names the question was led to, in the order of the records: CNAME and DNAME targets along the chain, then
    /// targets of HTTPS, MX and other records.
    pub fn targets(&self) -> impl Iterator<Item = Name<'_>> {
        self.contents.leads().map(|(_, name)| name)
    }

    /// Addresses of A and AAAA records and of hints, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.contents.addresses(&self.body).map(|(_, address)| address)
    }

    /// Whether resolving failed.
    pub fn is_failure(&self) -> bool {
        self.rcode == rcode::SERVFAIL
    }

    /// Seconds left to live at `now`, at least 1; 30 for a stale answer.
    pub fn ttl_left_s(&self, now: Instant) -> u32 {
        if self.stale { STALE_TTL_S } else { self.ttl_s.saturating_sub(self.age_s(now)).max(1) }
    }

    /// Writes header, `question` and all sections into `reply` and returns the octets written.
    ///
    /// `flags` is the header's second word without the response code, whose low four bits are added
    /// here. `question` is the question section as asked: the name may differ from the one the
    /// answer was made for in letter case only. OPT is the caller's, as are the codes above 15.
    /// `limit` is the largest message allowed; more is [`TooBig`], and `reply` is then undefined.
    pub fn write(
        &self,
        reply: &mut [u8],
        id: u16,
        flags: u16,
        question: &[u8],
        limit: usize,
        now: Instant,
    ) -> Result<usize, TooBig> {
        let body_at = 12 + question.len();
        let needed = body_at + self.body.len();
        if needed > limit.min(reply.len()) {
            return Err(TooBig { needed });
        }
        let flags = (flags & !0xf) | (self.rcode & 0xf);
        let words = [id, flags, 1, self.counts[0], self.counts[1], self.counts[2]];
        for (slot, word) in reply[..12].chunks_exact_mut(2).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        reply[12..body_at].copy_from_slice(question);
        self.write_body(&mut reply[body_at..needed], now);
        Ok(needed)
    }

    /// Copies the sections into `body`, which is exactly as long as `self.body`, and counts their
    /// TTLs down to `now` (at least 1; 30 in a stale answer; a TTL of 0 stays).
    pub fn write_body(&self, body: &mut [u8], now: Instant) {
        body.copy_from_slice(&self.body);
        let age_s = self.age_s(now);
        if age_s == 0 && !self.stale {
            return;
        }
        for &at in &self.ttl_offsets {
            let at = at as usize;
            let Some(field) = body.get_mut(at..at + 4) else { continue };
            let stored = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
            let left = match (self.stale, stored) {
                (true, _) => STALE_TTL_S,
                (false, 0) => 0,
                (false, stored) => stored.saturating_sub(age_s).max(1),
            };
            field.copy_from_slice(&left.to_be_bytes());
        }
    }

    fn age_s(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.stored_at).as_secs().min(u64::from(u32::MAX)) as u32
    }

    /// A copy that says it is stale.
    pub(super) fn to_stale(&self) -> Answer {
        let ede = if self.rcode == rcode::NXDOMAIN { ede::STALE_NXDOMAIN_ANSWER } else { ede::STALE_ANSWER };
        Answer { stale: true, ede: Some(ede), ..self.clone() }
    }

    /// Octets this answer takes in memory.
    pub(super) fn octets(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.ttl_offsets.len() * 2 + self.contents.octets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use hickory_proto::{
        op::Message,
        rr::{Name as HickoryName, RData, rdata},
    };
    use std::{str::FromStr, time::Duration};

    const QUESTION: &[u8] = b"\x03wWw\x07eXample\x03com\x00\x00\x01\x00\x01";

    fn answer(now: Instant) -> Answer {
        let owner = HickoryName::from_str("www.example.com.").expect("a name");
        let records = [
            Record::from_rdata(owner.clone(), 300, RData::A(rdata::A::new(192, 0, 2, 1))),
            Record::from_rdata(owner, 60, RData::A(rdata::A::new(192, 0, 2, 2))),
        ];
        let name = DomainName::from_text("www.example.com").expect("a name");
        Answer::local(name.as_name(), rcode::NOERROR, &records, &[], now)
    }

    fn ttls(answer: &Answer, now: Instant) -> Vec<u32> {
        let mut reply = [0; 512];
        let length = answer.write(&mut reply, 7, 0x8180, QUESTION, 512, now).expect("it fits");
        let message = Message::from_vec(&reply[..length]).expect("a message");
        assert_eq!((message.id, message.answers.len()), (7, 2));
        message.answers.iter().map(|record| record.ttl).collect()
    }

    #[test]
    fn ttls_count_down_to_one() {
        let stored = Instant::now();
        let answer = answer(stored);
        assert_eq!(answer.ttl_s, 60);
        for (age_s, expected) in [(0, [300, 60]), (10, [290, 50]), (59, [241, 1]), (3600, [1, 1])] {
            assert_eq!(ttls(&answer, stored + Duration::from_secs(age_s)), expected, "{age_s}");
        }
        assert_eq!(ttls(&answer.to_stale(), stored + Duration::from_secs(3600)), [30, 30]);
    }

    #[test]
    fn owners_mirror_the_letter_case_of_the_question() {
        let now = Instant::now();
        let mut reply = [0; 512];
        let length = answer(now).write(&mut reply, 0, 0x8180, QUESTION, 512, now).expect("it fits");
        let message = Message::from_vec(&reply[..length]).expect("a message");
        assert!(message.answers.iter().all(|record| record.name.to_ascii() == "wWw.eXample.com."));
    }

    #[test]
    fn what_exceeds_the_limit_is_refused_with_its_size() {
        let now = Instant::now();
        let answer = answer(now);
        let needed = 12 + QUESTION.len() + answer.body.len();
        let mut reply = [0; 512];
        assert_eq!(answer.write(&mut reply, 0, 0, QUESTION, needed - 1, now), Err(TooBig { needed }));
        assert_eq!(answer.write(&mut reply, 0, 0, QUESTION, needed, now), Ok(needed));
        assert_eq!(answer.write(&mut reply[..needed - 1], 0, 0, QUESTION, 4096, now), Err(TooBig { needed }));
    }

    #[test]
    fn an_empty_answer_is_a_header_and_a_question() {
        let now = Instant::now();
        let mut reply = [0; 64];
        let answer = Answer::empty(rcode::SERVFAIL, Some(ede::NETWORK_ERROR), now);
        assert_eq!(answer.write(&mut reply, 1, 0x8180, QUESTION, 512, now), Ok(12 + QUESTION.len()));
        assert_eq!(reply[3], 0x82);
        assert_eq!((answer.ttl_s, answer.ede), (0, Some(23)));
    }
}
