//! The queried name on the stack, lower-case, with the places of its labels.

use crate::model::{LABEL_OCTETS_MAX, LABELS_MAX, NAME_OCTETS_MAX, Name};
use std::fmt;

/// A name copied out of a packet: lower-case wire format, at most 255 octets, and where each of
/// its labels begins, so that suffixes can be hashed without reading the name again.
#[derive(Clone)]
pub struct NameBuf {
    octets: [u8; NAME_OCTETS_MAX],
    length: u8,
    offsets: [u8; LABELS_MAX],
    labels: u8,
}

impl NameBuf {
    /// Reads the uncompressed name at the start of `octets`. `None` where it is cut off, holds a
    /// compression pointer or another label type, or is longer than 255 octets.
    #[inline]
    pub fn read(octets: &[u8]) -> Option<NameBuf> {
        let mut name = NameBuf { octets: [0; NAME_OCTETS_MAX], length: 0, offsets: [0; LABELS_MAX], labels: 0 };
        let mut at = 0;
        let mut labels = 0;
        loop {
            let label = *octets.get(at)? as usize;
            if label == 0 {
                break;
            }
            // With the label and the root behind it, the name must still fit.
            if label > LABEL_OCTETS_MAX || at + 1 + label + 1 > NAME_OCTETS_MAX {
                return None;
            }
            name.offsets[labels] = at as u8;
            labels += 1;
            at += 1 + label;
        }
        let length = at + 1;
        // Length octets are at most 63 and so never taken for upper-case letters (65 to 90).
        let copy = &mut name.octets[..length];
        copy.copy_from_slice(&octets[..length]);
        copy.make_ascii_lowercase();
        name.length = length as u8;
        name.labels = labels as u8;
        Some(name)
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
    pub fn label_offsets(&self) -> &[u8] {
        &self.offsets[..self.labels as usize]
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
        assert_eq!(name.label_offsets(), [0, 4, 12]);
        let root = NameBuf::read(b"\x00").expect("the root");
        assert!(root.name().is_root() && root.label_offsets().is_empty());
    }

    #[test]
    fn each_label_offset_begins_an_ancestor() {
        let name = NameBuf::read(b"\x01a\x02Bc\x03com\x00").expect("a name");
        let by_offset: Vec<Name<'_>> =
            name.label_offsets().iter().map(|&at| Name::from_lower_wire(&name.as_wire()[at as usize..])).collect();
        let by_walk: Vec<Name<'_>> = name.name().ancestors().filter(|ancestor| !ancestor.is_root()).collect();
        assert_eq!(by_offset, by_walk);
    }

    #[test]
    fn names_at_the_bounds_are_read_and_longer_ones_are_not() {
        let mut longest = b"\x01a".repeat(127);
        longest.push(0);
        let name = NameBuf::read(&longest).expect("255 octets, 127 labels");
        assert_eq!((name.as_wire().len(), name.label_offsets().len()), (255, 127));
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
