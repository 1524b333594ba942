//! Records to octets, with the places of their TTLs and what they lead to.

use crate::{
    model::Name,
    wire::{Body, Contents},
};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name as HickoryName, Record, RecordType},
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable},
};

/// The sections of a message after its question.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) counts: [u16; 3],
    pub(super) body: Box<[u8]>,
    pub(super) ttl_offsets: Box<[u16]>,
    /// The smallest TTL of all records; 0 without records.
    pub(super) ttl_s: u32,
    pub(super) contents: Contents,
}

/// Records that make no message: too many octets, or data that cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unencodable;

/// Encodes `answers` and `authorities` behind a question about `name`. Owners equal to `name` in any
/// letter case become pointers to it.
pub(super) fn encode(name: Name<'_>, answers: &[Record], authorities: &[Record]) -> Result<Encoded, Unencodable> {
    let question = to_hickory(name).ok_or(Unencodable)?;
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(question.clone(), RecordType::A));
    let mirrored = |record: &Record| {
        let mut record = record.clone();
        if record.name == question {
            record.name = question.clone();
        }
        record
    };
    message.add_answers(answers.iter().map(mirrored));
    message.add_authorities(authorities.iter().map(mirrored));
    let octets = message.to_vec().map_err(|_| Unencodable)?;
    // The encoder drops records that do not fit and says so in the TC bit.
    if octets.len() < 12 || octets[2] & 0x02 != 0 {
        return Err(Unencodable);
    }
    let count = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let counts = [count(6), count(8), count(10)];
    let body = octets.get(12 + name.as_wire().len() + 4..).ok_or(Unencodable)?;
    let ttl_offsets = ttl_offsets(body, counts.iter().map(|&count| usize::from(count)).sum()).ok_or(Unencodable)?;
    Ok(Encoded {
        counts,
        body: body.into(),
        ttl_offsets,
        ttl_s: answers.iter().chain(authorities).map(|record| record.ttl).min().unwrap_or(0),
        contents: Contents::read(&Body::new(name, body), counts),
    })
}

/// Where the TTL fields of `records` records are; `None` if `body` is not exactly that many.
fn ttl_offsets(body: &[u8], records: usize) -> Option<Box<[u16]>> {
    let mut offsets = Vec::with_capacity(records);
    let mut at = 0;
    for _ in 0..records {
        loop {
            match *body.get(at)? {
                0 => break at += 1,
                length @ 1..=63 => at += 1 + usize::from(length),
                0xc0.. => break at += 2,
                _ => return None,
            }
        }
        offsets.push(u16::try_from(at + 4).ok()?);
        let length = u16::from_be_bytes([*body.get(at + 8)?, *body.get(at + 9)?]);
        at += 10 + usize::from(length);
    }
    (at == body.len()).then(|| offsets.into())
}

/// The name as hickory holds it.
pub(super) fn to_hickory(name: Name<'_>) -> Option<HickoryName> {
    HickoryName::read(&mut BinDecoder::new(name.as_wire())).ok()
}

/// The name as this program holds it: lower case.
pub(super) fn from_hickory(name: &HickoryName) -> Option<crate::model::DomainName> {
    crate::model::DomainName::from_wire(&name.to_bytes().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use hickory_proto::rr::{RData, rdata};
    use std::{net::IpAddr, str::FromStr};

    fn name(text: &str) -> DomainName {
        DomainName::from_text(text).expect("a name")
    }

    fn a(owner: &str, ttl: u32) -> Record {
        Record::from_rdata(HickoryName::from_str(owner).expect("a name"), ttl, RData::A(rdata::A::new(192, 0, 2, 1)))
    }

    #[test]
    fn owners_equal_to_the_question_are_pointers_whatever_their_case() {
        let encoded = encode(name("www.example").as_name(), &[a("WWW.Example.", 5)], &[]).expect("encodes");
        assert_eq!(&encoded.body[..2], b"\xc0\x0c");
        assert_eq!(&*encoded.ttl_offsets, [6]);
        assert_eq!(encoded.ttl_s, 5);
        let addresses: Vec<(u16, IpAddr)> = encoded.contents.addresses(&encoded.body).collect();
        assert_eq!(addresses, [(0, "192.0.2.1".parse().expect("an address"))]);
    }

    #[test]
    fn ttls_are_found_behind_names_of_every_form() {
        let records = [a("a.example.", 1), a("other.test.", 2), a("b.other.test.", 3), a(".", 4)];
        let encoded = encode(name("a.example").as_name(), &records, &[a("example.", 5)]).expect("encodes");
        let ttls: Vec<u32> = encoded
            .ttl_offsets
            .iter()
            .map(|&at| u32::from_be_bytes(encoded.body[at as usize..][..4].try_into().expect("four octets")))
            .collect();
        assert_eq!(ttls, [1, 2, 3, 4, 5]);
        assert_eq!(encoded.counts, [4, 1, 0]);
    }

    #[test]
    fn more_than_a_message_holds_is_refused() {
        let records: Vec<Record> = (0..6000).map(|n| a(&format!("n{n}.example."), 1)).collect();
        assert_eq!(encode(name("a.example").as_name(), &records, &[]).err(), Some(Unencodable));
    }

    #[test]
    fn a_damaged_body_has_no_offsets() {
        assert_eq!(ttl_offsets(b"\xc0\x0c\x00\x01\x00\x01", 1), None);
        assert_eq!(ttl_offsets(b"\x80", 1), None);
        assert_eq!(ttl_offsets(b"x", 0), None);
        assert_eq!(ttl_offsets(b"", 0), Some(Box::default()));
    }
}
