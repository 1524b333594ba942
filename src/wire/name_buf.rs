//! The queried name on the stack, lower-case.

use crate::model::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, Name};
use std::fmt;

/// A name copied out of a packet: lower-case wire format, at most 255 octets.
#[derive(Clone)]
pub struct NameBuf {
    octets: [u8; NAME_OCTETS_MAX],
    length: u8,
}

impl NameBuf {
    /// Reads the uncompressed name at the start of `octets`. `None` where it is cut off, holds a
    /// compression pointer or another label type, or is longer than 255 octets.
    pub fn read(octets: &[u8]) -> Option<NameBuf> {
        let length = scan(octets)?;
        Some(NameBuf::lowered(&octets[..length]))
    }

    /// A copy of the name.
    pub fn of(name: Name<'_>) -> NameBuf {
        NameBuf::lowered(name.as_wire())
    }

    /// The name's labels in front of those of `apex`; `None` where that is longer than a name may be.
    pub fn below(name: Name<'_>, apex: Name<'_>) -> Option<NameBuf> {
        let (labels, apex) = (name.as_wire().split_last()?.1, apex.as_wire());
        let mut octets = [0; NAME_OCTETS_MAX];
        octets.get_mut(..labels.len())?.copy_from_slice(labels);
        octets.get_mut(labels.len()..labels.len() + apex.len())?.copy_from_slice(apex);
        Some(NameBuf { octets, length: (labels.len() + apex.len()) as u8 })
    }

    /// Takes octets that [`scan`] has accepted.
    #[inline(always)]
    pub(super) fn lowered(wire: &[u8]) -> NameBuf {
        let mut octets = [0; NAME_OCTETS_MAX];
        let (lanes, tail) = wire.as_chunks::<8>();
        let (places, _) = octets.as_chunks_mut::<8>();
        for (place, lane) in places.iter_mut().zip(lanes) {
            *place = lower(u64::from_ne_bytes(*lane)).to_ne_bytes();
        }
        for (place, octet) in octets[lanes.len() * 8..].iter_mut().zip(tail) {
            *place = octet.to_ascii_lowercase();
        }
        NameBuf { octets, length: wire.len() as u8 }
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> Name<'_> {
        Name::from_lower_wire(self.as_wire())
    }

    /// The wire octets, root label included: 1 to 255.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..self.length as usize]
    }

    /// For each label, first to last without the root, the offset of its length octet in
    /// [`as_wire`](Self::as_wire): the suffix that begins there is one of the name's ancestors.
    #[inline]
    pub fn label_offsets(&self) -> impl Iterator<Item = u8> {
        let wire = self.as_wire();
        let next = |at: usize| at + 1 + wire[at] as usize;
        std::iter::successors(Some(0), move |&at| Some(next(at))).take_while(|&at| wire[at] != 0).map(|at| at as u8)
    }
}

/// Eight octets with upper-case letters made lower-case. Length octets are at most 63 and so
/// never taken for letters (65 to 90). The name goes through here straight from the packet to its place:
/// copying first and lowering in place was measured at half the speed.
#[inline(always)]
fn lower(octets: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = octets & (0x7f * EACH);
    // The top bit of each octet says whether it is at least `A`, and whether it is above `Z`.
    let from_a = low + (0x80 - b'A' as u64) * EACH;
    let above_z = low + (0x7f - b'Z' as u64) * EACH;
    let upper = (from_a ^ above_z) & !octets & (0x80 * EACH);
    octets | upper >> 2
}

/// Octets of the name at the start of `octets`, root label included: 1 to 255; `None` where
/// [`NameBuf::read`] says so.
#[inline]
pub(super) fn scan(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let label = *octets.get(at)? as usize;
        if label == 0 {
            return Some(at + 1);
        }
        at += 1 + label;
        // The root must still fit behind the label.
        if label > LABEL_OCTETS_MAX || at >= NAME_OCTETS_MAX {
            return None;
        }
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name(), f)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_lower_case_with_its_label_offsets() {
        let name = NameBuf::read(b"\x03WwW\x07eXample\x03cOm\x00\x00\x01").expect("a name");
        assert_eq!(name.as_wire(), b"\x03www\x07example\x03com\x00");
        assert_eq!(name.label_offsets().collect::<Vec<_>>(), [0, 4, 12]);
        let root = NameBuf::read(b"\x00").expect("the root");
        assert!(root.name().is_root() && root.label_offsets().next().is_none());
    }

    #[test]
    fn every_octet_is_lowered_as_ascii_and_in_every_place() {
        for octet in 0..=255_u8 {
            for place in 0..8 {
                let mut octets = [b'Z', b'a', 0, 0xff, b'@', b'[', b'A', 63];
                octets[place] = octet;
                let lowered = lower(u64::from_ne_bytes(octets)).to_ne_bytes();
                assert_eq!(lowered, octets.map(|octet| octet.to_ascii_lowercase()), "{octet} at {place}");
            }
        }
    }

    #[test]
    fn each_label_offset_begins_an_ancestor() {
        let name = NameBuf::read(b"\x01a\x02Bc\x03com\x00").expect("a name");
        let by_offset: Vec<Name<'_>> =
            name.label_offsets().map(|at| Name::from_lower_wire(&name.as_wire()[at as usize..])).collect();
        let by_walk: Vec<Name<'_>> = name.name().ancestors().filter(|ancestor| !ancestor.is_root()).collect();
        assert_eq!(by_offset, by_walk);
    }

    #[test]
    fn names_at_the_bounds_are_read_and_longer_ones_are_not() {
        let mut longest = b"\x01a".repeat(127);
        longest.push(0);
        let name = NameBuf::read(&longest).expect("255 octets, 127 labels");
        assert_eq!((name.as_wire().len(), name.label_offsets().count()), (255, 127));
        let mut four = [&[63][..], &[b'x'; 63]].concat().repeat(3);
        four.extend([&[61][..], &[b'x'; 61], &[0]].concat());
        assert_eq!(NameBuf::read(&four).expect("255 octets").as_wire().len(), 255);

        let mut longer = b"\x01a".repeat(128);
        longer.push(0);
        for wire in [&longer[..], b"", b"\x03ww", b"\x01a", b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x40a\x00", b"\x80"] {
            assert!(NameBuf::read(wire).is_none(), "{wire:?}");
        }
    }
}
