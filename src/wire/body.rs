//! The sections of an answer, record by record, and the names in them.

use super::{
    codes::{HEADER_OCTETS, rtype},
    name_buf::NameBuf,
};
use crate::model::{NAME_OCTETS_MAX, Name};
use std::ops::Range;

/// The sections of a message as they follow its question: what compression pointers count from is known, so that
/// names can be read and records taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    question: &'a [u8],
    octets: &'a [u8],
}

/// One record. Places are offsets into the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// Its number over all sections, from 0.
    pub number: u16,
    /// 0 answers, 1 authority, 2 additional.
    pub section: usize,
    /// Where its owner begins.
    pub start: usize,
    /// Its type.
    pub rtype: u16,
    /// Where its TTL stands; type and class are the four octets before it, the length of its data is behind.
    pub ttl: usize,
    /// Its data. The record ends with it.
    pub data: Range<usize>,
}

/// How the data of a type begins, as far as names stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesIn {
    /// Octets before the names.
    pub fixed: usize,
    /// Character strings behind those.
    pub strings: usize,
    /// Names behind those.
    pub names: usize,
}

/// Where names stand in data of this type, among the types that an encoder of ours writes names in
/// (<https://www.rfc-editor.org/rfc/rfc3597#section-4>); `None`: the data is octets to us.
pub fn names_in(number: u16) -> Option<NamesIn> {
    let (fixed, strings, names) = match number {
        rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME | rtype::NSEC => (0, 0, 1),
        rtype::SOA => (0, 0, 2),
        rtype::MX | rtype::SVCB | rtype::HTTPS => (2, 0, 1),
        rtype::SRV => (6, 0, 1),
        rtype::NAPTR => (4, 3, 1),
        rtype::RRSIG => (18, 0, 1),
        _ => return None,
    };
    Some(NamesIn { fixed, strings, names })
}

impl<'a> Body<'a> {
    /// The sections `octets` behind a question about `question`, which begins at 12.
    pub fn new(question: Name<'a>, octets: &'a [u8]) -> Self {
        Body { question: question.as_wire(), octets }
    }

    /// The sections' octets.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Where in the message the sections begin.
    pub fn base(&self) -> usize {
        HEADER_OCTETS + self.question.len() + 4
    }

    /// Whether an offset into the message lies in the queried name.
    pub fn is_in_question(&self, at: usize) -> bool {
        (HEADER_OCTETS..HEADER_OCTETS + self.question.len()).contains(&at)
    }

    /// The octet at an offset into the message, of the queried name or the sections.
    pub fn octet(&self, at: usize) -> Option<u8> {
        match self.octets.get(at.wrapping_sub(self.base())) {
            Some(&octet) if at >= self.base() => Some(octet),
            _ if self.is_in_question(at) => Some(self.question[at - HEADER_OCTETS]),
            _ => None,
        }
    }

    /// The records of sections with these counts, in order; ends early where the octets do.
    pub fn records(&self, counts: [u16; 3]) -> impl Iterator<Item = RecordAt> + use<'a> {
        let octets = self.octets;
        let sections = (0..3).flat_map(move |section| std::iter::repeat_n(section, counts[section].into()));
        let mut at = 0;
        sections.zip(0..).map_while(move |(section, number)| {
            let record = record_at(octets, at, number, section)?;
            at = record.data.end;
            Some(record)
        })
    }

    /// The record at an offset into the sections, as if it stood alone in the first; `None` where the octets are none.
    pub(super) fn record(&self, at: usize) -> Option<RecordAt> {
        record_at(self.octets, at, 0, 0)
    }

    /// The name at an offset into the sections, decompressed and in lower case, and the offset behind it. `None` where
    /// the octets are no name; pointers must lead backwards.
    pub fn name(&self, at: usize) -> Option<(NameBuf, usize)> {
        let mut octets = [0; NAME_OCTETS_MAX];
        let mut length = 0;
        let mut at = self.base() + at;
        let mut lowest = at;
        let mut behind = None;
        loop {
            let octet = self.octet(at)?;
            match octet {
                0 => {
                    let name = NameBuf::read(octets.get(..=length)?)?;
                    return Some((name, behind.unwrap_or(at + 1) - self.base()));
                }
                1..=63 => {
                    for offset in 0..=usize::from(octet) {
                        *octets.get_mut(length)? = self.octet(at + offset)?;
                        length += 1;
                    }
                    at += 1 + usize::from(octet);
                }
                0xc0.. => {
                    let target = usize::from(u16::from_be_bytes([octet & 0x3f, self.octet(at + 1)?]));
                    behind.get_or_insert(at + 2);
                    if target >= lowest {
                        return None;
                    }
                    lowest = target;
                    at = target;
                }
                _ => return None,
            }
        }
    }

    /// The offset behind the name at an offset into the sections, pointers not followed.
    pub fn behind_name(&self, at: usize) -> Option<usize> {
        behind_name(self.octets, at)
    }
}

fn behind_name(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return octets.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

fn record_at(octets: &[u8], start: usize, number: u16, section: usize) -> Option<RecordAt> {
    let behind = behind_name(octets, start)?;
    let fields = octets.get(behind..behind + 10)?;
    let field = |at: usize| u16::from_be_bytes([fields[at], fields[at + 1]]);
    let data = behind + 10..behind + 10 + usize::from(field(8));
    (data.end <= octets.len()).then_some(RecordAt { number, section, start, rtype: field(0), ttl: behind + 4, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"\x03www\x07example\x00";

    #[test]
    fn names_are_read_through_pointers_that_lead_backwards() {
        // Base 29: `a.www.example` at 0, a pointer to it at 4, one to itself at 6, one to the class at 8.
        let body = Body::new(Name::from_lower_wire(NAME), b"\x01A\xc0\x0c\xc0\x1d\xc0\x23\xc0\x1a\x41");
        let text = |at: usize| body.name(at).map(|(name, behind)| (name.name().to_string(), behind));
        assert_eq!(body.base(), 29);
        assert_eq!(text(0), Some(("a.www.example".into(), 4)));
        assert_eq!(text(4), Some(("a.www.example".into(), 6)));
        for at in [6, 8, 10, 11] {
            assert_eq!(text(at), None, "{at}");
        }
    }

    #[test]
    fn records_end_where_the_octets_do() {
        let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
        let octets = [&record[..], record, &record[..9]].concat();
        let records: Vec<RecordAt> = Body::new(Name::from_lower_wire(NAME), &octets).records([1, 0, 2]).collect();
        assert_eq!(records.len(), 2);
        assert_eq!((records[0].section, records[1].section, records[1].number), (0, 2, 1));
        assert_eq!((records[1].ttl, records[1].data.clone()), (22, 28..32));
    }
}
