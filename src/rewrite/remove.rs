//! Records out of an answer.

use crate::{
    model::Name,
    wire::{Body, HEADER_OCTETS, RecordAt, SVC_ECH, names_in, rtype, service_parameters},
};
use std::collections::HashMap;

/// Offsets that a compression pointer reaches (RFC 1035, section 4.1.4).
const POINTER_MAX: usize = 0x3fff;
/// The parameter that names those a client must understand (RFC 9460, section 8).
const SVC_MANDATORY: u16 = 0;

/// An answer's sections after something was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// Records in the answer, authority and additional sections.
    pub counts: [u16; 3],
    /// The sections as they follow the question.
    pub body: Vec<u8>,
    /// Where in `body` the TTL fields are, in order.
    pub ttl_offsets: Vec<u16>,
    /// Set where nothing is left of what was asked for: then there are aliases at most, authority and
    /// additional section are empty, and an SOA record must say that there is nothing. Its owner is the name at this
    /// offset into the message: the one that the aliases lead to.
    pub denied_at: Option<usize>,
}

/// Takes records out of the answer for a question of `qtype` about `name`: those with the numbers in `remove`, and
/// with `strip_ech` the ECH configurations of HTTPS and SVCB records. All others stay, octet for octet but for
/// compression pointers.
///
/// - A chain of aliases ends before a removed CNAME or DNAME record; all that is behind goes too.
/// - Signatures of RRsets that have changed go too: nobody could verify them. The caller leaves out AD.
/// - Where no record of `qtype` is left in the answer section, the answer becomes a denial
///   ([`denied_at`](Remainder::denied_at)).
///
/// `None` where the octets are no such sections.
pub fn remove(
    name: Name<'_>,
    qtype: u16,
    counts: [u16; 3],
    octets: &[u8],
    remove: &[u16],
    strip_ech: bool,
) -> Option<Remainder> {
    let body = Body::new(name, octets);
    let records: Vec<RecordAt> = body.records(counts).collect();
    if records.len() != counts.iter().map(|&count| usize::from(count)).sum::<usize>() {
        return None;
    }
    let mut gone = vec![false; records.len()];
    for &number in remove {
        *gone.get_mut(usize::from(number))? = true;
    }

    let is_alias = |record: &RecordAt| record.section == 0 && matches!(record.rtype, rtype::CNAME | rtype::DNAME);
    let cut = records.iter().find(|record| gone[usize::from(record.number)] && is_alias(record));
    if let Some(cut) = cut {
        let from = step_begins(&body, &records, usize::from(cut.number));
        for record in records[from..].iter().filter(|record| record.section == 0) {
            gone[usize::from(record.number)] = true;
        }
    }

    let left = |record: &&RecordAt| record.section == 0 && !gone[usize::from(record.number)];
    let denied = gone.contains(&true) && !records.iter().filter(left).any(|record| record.rtype == qtype);
    if denied {
        for record in records.iter().filter(|record| record.section != 0) {
            gone[usize::from(record.number)] = true;
        }
    }

    let mut changed: Vec<(Box<[u8]>, u16)> = Vec::new();
    for record in &records {
        if record.rtype != rtype::RRSIG && (gone[usize::from(record.number)] || strip_ech && has_ech(&body, record)) {
            changed.push((body.name(record.start)?.0.as_wire().into(), record.rtype));
        }
    }
    for record in records.iter().filter(|record| record.rtype == rtype::RRSIG) {
        let covered = covered(&body, record)?;
        let owner = body.name(record.start)?.0;
        gone[usize::from(record.number)] |=
            changed.iter().any(|(name, number)| *number == covered && **name == *owner.as_wire());
    }

    let remainder = rebuild(&body, &records, &gone, strip_ech)?;
    Some(Remainder { denied_at: remainder.denied_at.filter(|_| denied), ..remainder })
}

/// The sections without the records that are gone. `denied_at` is where the aliases in it lead to.
fn rebuild(body: &Body<'_>, records: &[RecordAt], gone: &[bool], strip_ech: bool) -> Option<Remainder> {
    let mut mover = Mover::new(body);
    let mut end_at = HEADER_OCTETS;
    for record in records.iter().filter(|record| !gone[usize::from(record.number)]) {
        let data_at = mover.record(record, strip_ech && has_ech(body, record))?;
        if record.rtype == rtype::CNAME && record.section == 0 {
            end_at = body.base() + data_at;
        }
    }
    let Mover { counts, octets, ttl_offsets, .. } = mover;
    Some(Remainder { counts, body: octets, ttl_offsets, denied_at: Some(end_at) })
}

/// The first record of the step of a chain that the alias `at` is part of: the CNAME made from a DNAME stands behind
/// that and its signatures.
fn step_begins(body: &Body<'_>, records: &[RecordAt], at: usize) -> usize {
    let of_dname = |record: &RecordAt| match record.rtype {
        rtype::DNAME => true,
        rtype::RRSIG => covered(body, record) == Some(rtype::DNAME),
        _ => false,
    };
    let before = records[..at].iter().rev().take_while(|record| of_dname(record)).count();
    if records[at].rtype == rtype::DNAME { at } else { at - before }
}

/// The type a signature covers (RFC 4034, section 3.1.1).
fn covered(body: &Body<'_>, record: &RecordAt) -> Option<u16> {
    body.octets().get(record.data.start..record.data.end)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Whether an HTTPS or SVCB record has an ECH configuration.
fn has_ech(body: &Body<'_>, record: &RecordAt) -> bool {
    matches!(record.rtype, rtype::HTTPS | rtype::SVCB)
        && body
            .behind_name(record.data.start + 2)
            .is_some_and(|at| service_parameters(body.octets(), at..record.data.end).any(|(key, _)| key == SVC_ECH))
}

/// Moves records from one body into another, and the pointers in them with the names they lead to.
struct Mover<'b> {
    body: &'b Body<'b>,
    counts: [u16; 3],
    octets: Vec<u8>,
    ttl_offsets: Vec<u16>,
    /// Where labels stand in the new message, by where they stood in the old one.
    moved: HashMap<usize, u16>,
}

impl<'b> Mover<'b> {
    fn new(body: &'b Body<'b>) -> Self {
        Mover {
            body,
            counts: [0; 3],
            octets: Vec::with_capacity(body.octets().len()),
            ttl_offsets: Vec::new(),
            moved: HashMap::new(),
        }
    }

    /// Adds a record and says where its data begins now.
    fn record(&mut self, record: &RecordAt, without_ech: bool) -> Option<usize> {
        let behind = self.name(record.start)?;
        self.copy(behind, record.ttl)?;
        self.ttl_offsets.push(u16::try_from(self.octets.len()).ok()?);
        self.copy(record.ttl, record.data.start)?;
        let data_at = self.octets.len();
        let mut at = record.data.start;
        if let Some(names) = names_in(record.rtype).and_then(|names| self.checked(names, record)) {
            self.copy(at, names.0)?;
            at = names.0;
            for _ in 0..names.1 {
                at = self.name(at)?;
            }
        }
        if without_ech {
            self.parameters(at, record.data.end)?;
        } else {
            self.copy(at, record.data.end)?;
        }
        let length = u16::try_from(self.octets.len() - data_at).ok()?;
        self.octets[data_at - 2..data_at].copy_from_slice(&length.to_be_bytes());
        self.counts[record.section] += 1;
        Some(data_at)
    }

    /// Where the names of a record's data begin, and how many; `None` where the data is not formed that way.
    fn checked(&self, names: crate::wire::NamesIn, record: &RecordAt) -> Option<(usize, usize)> {
        let mut at = record.data.start + names.fixed;
        for _ in 0..names.strings {
            at += 1 + usize::from(*self.body.octets().get(at)?);
        }
        let mut end = at;
        for _ in 0..names.names {
            end = self.body.behind_name(end)?;
        }
        (end <= record.data.end).then_some((at, names.names))
    }

    /// Adds the parameters of an HTTPS or SVCB record without ECH.
    fn parameters(&mut self, from: usize, to: usize) -> Option<()> {
        for (key, value) in service_parameters(self.body.octets(), from..to) {
            match key {
                SVC_ECH => {}
                // A key that is said to be mandatory must be there: else the record is malformed.
                SVC_MANDATORY => {
                    let keys = self.body.octets()[value].chunks_exact(2).filter(|key| **key != SVC_ECH.to_be_bytes());
                    let keys: Vec<u8> = keys.flatten().copied().collect();
                    if !keys.is_empty() {
                        self.octets.extend(SVC_MANDATORY.to_be_bytes());
                        self.octets.extend(u16::try_from(keys.len()).ok()?.to_be_bytes());
                        self.octets.extend(keys);
                    }
                }
                _ => self.copy(value.start - 4, value.end)?,
            }
        }
        Some(())
    }

    fn copy(&mut self, from: usize, to: usize) -> Option<()> {
        self.octets.extend_from_slice(self.body.octets().get(from..to)?);
        Some(())
    }

    /// Adds the name at an offset into the old body and says what is behind it there. Labels stay labels; a pointer
    /// stays one where what it leads to has moved too, and becomes those labels where that is gone.
    fn name(&mut self, at: usize) -> Option<usize> {
        let mut at = self.body.base() + at;
        let mut lowest = at;
        let mut behind = None;
        loop {
            let pointed = behind.is_some();
            if pointed && self.body.is_in_question(at) {
                self.octets.extend((0xc000 | u16::try_from(at).ok()?).to_be_bytes());
                break;
            }
            let octet = self.body.octet(at)?;
            match octet {
                0 => {
                    self.octets.push(0);
                    behind.get_or_insert(at + 1);
                    break;
                }
                1..=63 => {
                    if let Some(new) = self.moved.get(&at).filter(|_| pointed) {
                        self.octets.extend((0xc000 | new).to_be_bytes());
                        break;
                    }
                    let new = self.body.base() + self.octets.len();
                    if new <= POINTER_MAX {
                        self.moved.entry(at).or_insert(new as u16);
                    }
                    let from = at - self.body.base();
                    self.copy(from, from + 1 + usize::from(octet))?;
                    at += 1 + usize::from(octet);
                }
                0xc0.. => {
                    let target = usize::from(u16::from_be_bytes([octet & 0x3f, self.body.octet(at + 1)?]));
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
        Some(behind? - self.body.base())
    }
}

#[cfg(test)]
mod tests;
