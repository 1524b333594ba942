//! The octets of an index file. All numbers are little-endian.
//!
//! ```text
//! offset  octets  header (128)
//!      0       8  magic "weir-cat"
//!      8       4  format version, 1
//!     12       1  labels of the shallowest stored name
//!     13       1  labels of the deepest stored name
//!     14       2  zero
//!     16       8  length of the file
//!     24       8  when it was built, seconds since 1970
//!     32      16  key of the fingerprints, random for every build
//!     48       8  names
//!     56       8  listings: (name, source) pairs the names came from
//!     64       8  home buckets
//!     72       8  all buckets
//!     80       4  category sets
//!     84       4  most buckets a probe reads
//!     88       8  zero
//!     96      32  BLAKE3 of everything behind the header, then the header up to here
//!
//!    128      64  a bucket: 8 slots of 8 octets, filled from the front; slot = tag (48 bits) << 16 | set number
//!                 ...
//!              16  a category set: the set as 64 bits, then how many names have it; numbered from 1
//!                 ...
//! ```
//!
//! A name's fingerprint is the XXH3-64 of its lower-case wire format, keyed. Its home bucket is
//! `fingerprint * home buckets >> 64`; its tag is the low 48 bits. The home bucket rises with the
//! fingerprint, so names sorted by fingerprint are written in one pass. A name that finds its bucket
//! full goes to the next one; buckets behind the home buckets take what runs over at the end. A probe
//! reads from the home bucket to the first one that is not full.
//!
//! Home bucket and tag together are the 64 bits again from 65,536 buckets on. A probe compares about
//! five tags, so a name that is not stored is taken for one that is once in 5 * 10^13 probes, and
//! nobody without the key can look for such a name.

use super::index::IndexError;
use crate::model::{Name, Timestamp};
use xxhash_rust::xxh3::{SecretInput, xxh3_64_with_secret_input};

pub(super) const MAGIC: [u8; 8] = *b"weir-cat";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_OCTETS: usize = 128;
pub(super) const CHECKSUM_AT: usize = 96;
pub(super) const BUCKET_OCTETS: usize = 64;
pub(super) const SLOT_OCTETS: usize = 8;
pub(super) const SLOTS: usize = BUCKET_OCTETS / SLOT_OCTETS;
pub(super) const SET_OCTETS: usize = 16;
/// Different category sets a file can hold: set numbers have 16 bits, and 0 is an empty slot.
pub(super) const SETS_MAX: usize = u16::MAX as usize;
const TAG_MASK: u64 = (1 << 48) - 1;

/// Key of the fingerprints. Who does not know it cannot make a name collide with a stored one.
pub type FingerprintKey = [u8; 16];

/// A key nobody can guess.
pub(super) fn random_key() -> FingerprintKey {
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).expect("the system's random numbers do not fail once it runs");
    key
}

/// Hashes names under one key.
pub(super) struct Fingerprinter(SecretInput<[u8; 192]>);

impl Fingerprinter {
    pub(super) fn new(key: &FingerprintKey) -> Self {
        let mut secret = [0; 192];
        blake3::Hasher::new_derive_key("weir category index fingerprints v1")
            .update(key)
            .finalize_xof()
            .fill(&mut secret);
        Fingerprinter(SecretInput::new(secret))
    }

    /// The fingerprint of a name in lower-case wire format, root label included.
    #[inline]
    pub(super) fn of_wire(&self, wire: &[u8]) -> u64 {
        xxh3_64_with_secret_input(wire, &self.0)
    }

    pub(super) fn of(&self, name: Name<'_>) -> u64 {
        self.of_wire(name.as_wire())
    }
}

/// The bucket where a probe begins.
#[inline]
pub(super) fn home_bucket(fingerprint: u64, home_buckets: u64) -> u64 {
    ((u128::from(fingerprint) * u128::from(home_buckets)) >> 64) as u64
}

/// The part of a fingerprint that a slot keeps.
#[inline]
pub(super) fn tag(fingerprint: u64) -> u64 {
    fingerprint & TAG_MASK
}

/// Home buckets for so many names: two thirds of the slots are used, 12 octets a name.
pub(super) fn home_buckets_for(names: u64) -> u64 {
    (names * 3).div_ceil(16).max(1)
}

/// The header's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) labels_min: u8,
    pub(super) labels_max: u8,
    pub(super) octets: u64,
    pub(super) built_at: Timestamp,
    pub(super) key: FingerprintKey,
    pub(super) names: u64,
    pub(super) listings: u64,
    pub(super) home_buckets: u64,
    pub(super) buckets: u64,
    pub(super) sets: u32,
    pub(super) probe_max: u32,
    pub(super) checksum: [u8; 32],
}

impl Header {
    /// The octets, the checksum included as it stands.
    pub(super) fn encode(&self) -> [u8; HEADER_OCTETS] {
        let mut out = [0; HEADER_OCTETS];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12] = self.labels_min;
        out[13] = self.labels_max;
        out[16..24].copy_from_slice(&self.octets.to_le_bytes());
        out[24..32].copy_from_slice(&self.built_at.0.to_le_bytes());
        out[32..48].copy_from_slice(&self.key);
        out[48..56].copy_from_slice(&self.names.to_le_bytes());
        out[56..64].copy_from_slice(&self.listings.to_le_bytes());
        out[64..72].copy_from_slice(&self.home_buckets.to_le_bytes());
        out[72..80].copy_from_slice(&self.buckets.to_le_bytes());
        out[80..84].copy_from_slice(&self.sets.to_le_bytes());
        out[84..88].copy_from_slice(&self.probe_max.to_le_bytes());
        out[CHECKSUM_AT..].copy_from_slice(&self.checksum);
        out
    }

    /// Reads the header of `file` and checks everything about the file, its checksum last. What it
    /// accepts can be probed without leaving the file.
    pub(super) fn check(file: &[u8]) -> Result<Header, IndexError> {
        let given = file.len() as u64;
        if file.get(..MAGIC.len()).is_none_or(|magic| magic != MAGIC) {
            return Err(IndexError::Magic);
        }
        let Some((header, body)) = file.split_at_checked(HEADER_OCTETS) else {
            return Err(IndexError::Length { given, expected: HEADER_OCTETS as u64 });
        };
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(IndexError::Version(version));
        }
        let octets = u64_at(header, 16);
        if octets != given {
            return Err(IndexError::Length { given, expected: octets });
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(body).update(&header[..CHECKSUM_AT]);
        if hasher.finalize() != header[CHECKSUM_AT..HEADER_OCTETS] {
            return Err(IndexError::Checksum);
        }
        let read = Header {
            labels_min: header[12],
            labels_max: header[13],
            octets,
            built_at: Timestamp(u64_at(header, 24) as i64),
            key: header[32..48].try_into().expect("16 octets"),
            names: u64_at(header, 48),
            listings: u64_at(header, 56),
            home_buckets: u64_at(header, 64),
            buckets: u64_at(header, 72),
            sets: u32_at(header, 80),
            probe_max: u32_at(header, 84),
            checksum: header[CHECKSUM_AT..].try_into().expect("32 octets"),
        };
        read.consistent()?;
        Ok(read)
    }

    /// Whether the counts agree with each other and with the length.
    fn consistent(&self) -> Result<(), IndexError> {
        let body = (self.buckets.checked_mul(BUCKET_OCTETS as u64))
            .and_then(|octets| octets.checked_add(u64::from(self.sets) * SET_OCTETS as u64))
            .and_then(|octets| octets.checked_add(HEADER_OCTETS as u64));
        if body != Some(self.octets) {
            return Err(IndexError::Layout("the counts do not add up to the length"));
        }
        if self.home_buckets == 0 || self.home_buckets > self.buckets {
            return Err(IndexError::Layout("there are fewer buckets than home buckets"));
        }
        if u64::from(self.probe_max) > self.buckets {
            return Err(IndexError::Layout("a probe would read more buckets than there are"));
        }
        if self.sets as usize > SETS_MAX {
            return Err(IndexError::Layout("there are more category sets than numbers for them"));
        }
        if self.labels_min > self.labels_max || self.labels_max > 127 {
            return Err(IndexError::Layout("the depths of names are impossible"));
        }
        Ok(())
    }

    /// Where the category sets begin.
    pub(super) fn sets_at(&self) -> usize {
        HEADER_OCTETS + self.buckets as usize * BUCKET_OCTETS
    }
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(octets[at..at + 4].try_into().expect("4 octets"))
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(octets[at..at + 8].try_into().expect("8 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_reads_back_as_it_was_written() {
        let mut header = Header {
            labels_min: 2,
            labels_max: 9,
            octets: 128 + 3 * 64 + 16,
            built_at: Timestamp(1_790_000_000),
            key: *b"0123456789abcdef",
            names: 7,
            listings: 11,
            home_buckets: 2,
            buckets: 3,
            sets: 1,
            probe_max: 2,
            checksum: [0; 32],
        };
        let body = [0x5a; 3 * 64 + 16];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&body).update(&header.encode()[..CHECKSUM_AT]);
        header.checksum = hasher.finalize().into();
        let file = [&header.encode()[..], &body].concat();
        assert_eq!(Header::check(&file).expect("a sound file"), header);
    }

    #[test]
    fn home_buckets_rise_with_the_fingerprint_and_fill_the_range() {
        for buckets in [1, 2, 3, 1_000_003] {
            assert_eq!(home_bucket(0, buckets), 0);
            assert_eq!(home_bucket(u64::MAX, buckets), buckets - 1);
        }
        assert!(home_bucket(1 << 63, 10) == 5 && home_bucket((1 << 63) - 1, 10) == 4);
    }

    #[test]
    fn another_key_gives_other_fingerprints() {
        let (one, two) = (Fingerprinter::new(&[1; 16]), Fingerprinter::new(&[2; 16]));
        let name = crate::model::DomainName::from_text("example.com").expect("a name");
        assert_ne!(one.of(name.as_name()), two.of(name.as_name()));
    }
}
