//! The records of a stored answer, read without an allocation.

use super::{body::Body, codes::rtype, name_buf::NameBuf};
use crate::model::{NAME_OCTETS_MAX, Name};
use std::ops::Range;

/// Octets of the longest data that holds names which may be compressed: an SOA record's.
const EXPANDED_OCTETS_MAX: usize = 2 * NAME_OCTETS_MAX + 20;

/// The first records of an answer, as they follow its question.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    body: Body<'a>,
    at: usize,
    left: usize,
}

/// One record of an answer.
#[derive(Clone, Debug)]
pub struct StoredRecord<'a> {
    /// Whose it is, in lower case.
    pub owner: NameBuf,
    /// Its type.
    pub rtype: u16,
    /// Its TTL as stored, seconds.
    pub ttl: u32,
    body: Body<'a>,
    data: Range<usize>,
}

/// Room for data whose names are written out.
pub struct Expanded([u8; EXPANDED_OCTETS_MAX]);

impl Default for Expanded {
    fn default() -> Self {
        Expanded([0; EXPANDED_OCTETS_MAX])
    }
}

impl<'a> Sections<'a> {
    /// The first `count` records of `body`, which follows a question about `name`.
    pub fn new(name: Name<'a>, body: &'a [u8], count: u16) -> Self {
        Sections { body: Body::new(name, body), at: 0, left: usize::from(count) }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = StoredRecord<'a>;

    /// The next record; ends at the first one that cannot be read.
    fn next(&mut self) -> Option<StoredRecord<'a>> {
        self.left = self.left.checked_sub(1)?;
        let body = self.body;
        let record = body.record(self.at)?;
        let (owner, _) = body.name(record.start)?;
        let ttl = u32::from_be_bytes(*body.octets().get(record.ttl..)?.first_chunk()?);
        self.at = record.data.end;
        Some(StoredRecord { owner, rtype: record.rtype, ttl, body, data: record.data })
    }
}

impl StoredRecord<'_> {
    /// Its data with every name written out, in `room` where there was one to write out. `None` if it is damaged.
    pub fn data<'s>(&'s self, room: &'s mut Expanded) -> Option<&'s [u8]> {
        let (names_at, names, tail) = match self.rtype {
            rtype::NS | rtype::CNAME | rtype::PTR => (0, 1, 0),
            rtype::MX => (2, 1, 0),
            rtype::SOA => (0, 2, 20),
            _ => return self.body.octets().get(self.data.clone()),
        };
        let mut length = 0;
        let mut put = |octets: &[u8]| {
            let place = room.0.get_mut(length..length + octets.len())?;
            place.copy_from_slice(octets);
            length += octets.len();
            Some(())
        };
        let mut at = self.data.start + names_at;
        put(self.body.octets().get(self.data.start..at)?)?;
        for _ in 0..names {
            let (name, end) = self.body.name(at)?;
            put(name.as_wire())?;
            at = end;
        }
        put(self.body.octets().get(at..at + tail)?)?;
        (at + tail == self.data.end).then_some(&room.0[..length])
    }

    /// The name in its data, for types whose data is one name: CNAME, NS, PTR.
    pub fn target(&self) -> Option<NameBuf> {
        matches!(self.rtype, rtype::CNAME | rtype::NS | rtype::PTR)
            .then(|| self.body.name(self.data.start))
            .flatten()
            .map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn records(name: &DomainName, body: &[u8], count: u16) -> Vec<(String, u16, u32, Vec<u8>)> {
        Sections::new(name.as_name(), body, count)
            .map(|record| {
                let mut room = Expanded::default();
                let data = record.data(&mut room).map(<[u8]>::to_vec).unwrap_or_default();
                (record.owner.to_string(), record.rtype, record.ttl, data)
            })
            .collect()
    }

    #[test]
    fn names_are_written_out_wherever_their_pointers_lead() {
        let name = DomainName::from_text("Www.Example").expect("a name");
        // www.example CNAME edge.example (a pointer into the question); its MX points into that CNAME.
        let mut body = Vec::from(*b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04Edge\xc0\x10");
        body.extend_from_slice(b"\xc0\x29\x00\x0f\x00\x01\x00\x00\x00\x05\x00\x04\x00\x0a\xc0\x29");
        body.extend_from_slice(b"\xc0\x29\x00\x10\x00\x01\x00\x00\x00\x05\x00\x03\x02\xc0\x0c");
        let edge = b"\x04edge\x07example\x00".to_vec();
        assert_eq!(
            records(&name, &body, 3),
            [
                ("www.example".to_owned(), 5, 60, edge.clone()),
                ("edge.example".to_owned(), 15, 5, [b"\x00\x0a".to_vec(), edge].concat()),
                ("edge.example".to_owned(), 16, 5, b"\x02\xc0\x0c".to_vec()),
            ]
        );
        assert_eq!(records(&name, &body, 1).len(), 1);
    }

    #[test]
    fn damaged_octets_end_the_walk() {
        let name = DomainName::from_text("a.example").expect("a name");
        for body in [
            &b"\xc0\x1b\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00"[..],
            b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01",
            b"\xc0",
            b"\x41",
            b"",
        ] {
            assert_eq!(records(&name, body, 2), [], "{body:?}");
        }
    }
}
