//! The names of all lists in one table: a hash leads to the number of what the lists say.
//!
//! Buckets of one cache line hold eight slots; a slot holds the number in its low bits and above it as many low bits of
//! the hash as fit. A name's bucket follows from the high bits of its hash, a full bucket runs over into the next.

/// Of ten slots, this many are filled on average.
const FILLED_OF_TEN: u64 = 7;
const SLOTS: usize = 8;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket([u64; SLOTS]);

/// What turns the hash of a name into that of a name server of this name.
pub(super) fn of_server(fingerprint: u64) -> u64 {
    fingerprint ^ 0x6e61_6d65_7365_7276
}

/// Numbers by hash.
#[derive(Debug, Default)]
pub(super) struct Union {
    buckets: Vec<Bucket>,
    homes: u64,
    number_bits: u32,
    names: u64,
}

/// Room for `names` names whose numbers are below `numbers`, filled in ascending order of hashes.
pub(super) struct UnionBuilder(Union);

impl UnionBuilder {
    pub(super) fn new(names: u64, numbers: usize) -> Self {
        let homes = (names * 10).div_ceil(SLOTS as u64 * FILLED_OF_TEN).max(1);
        // The number 0 in a slot is no name.
        let number_bits = u64::BITS - (numbers as u64 + 1).leading_zeros();
        let mut buckets = Vec::with_capacity(homes as usize + 8);
        buckets.resize(homes as usize, Bucket([0; SLOTS]));
        UnionBuilder(Union { buckets, homes, number_bits, names: 0 })
    }

    pub(super) fn put(&mut self, fingerprint: u64, number: u32) {
        let union = &mut self.0;
        let slot = union.tag(fingerprint) | (u64::from(number) + 1);
        let mut at = union.home(fingerprint);
        loop {
            if at == union.buckets.len() {
                union.buckets.push(Bucket([0; SLOTS]));
            }
            if let Some(free) = union.buckets[at].0.iter_mut().find(|slot| **slot == 0) {
                *free = slot;
                break;
            }
            at += 1;
        }
        union.names += 1;
    }

    pub(super) fn finish(self) -> Union {
        self.0
    }
}

impl Union {
    /// The number of this hash.
    #[inline]
    pub(super) fn get(&self, fingerprint: u64) -> Option<u32> {
        let wanted = self.tag(fingerprint);
        let mask = (1 << self.number_bits) - 1;
        for bucket in self.buckets.get(self.home(fingerprint)..)? {
            let mut found = 0;
            for slot in bucket.0 {
                // No early exit: eight comparisons without a branch beat a branch nobody can predict.
                found = if slot & !mask == wanted && slot != 0 { slot & mask } else { found };
            }
            if found != 0 {
                return Some((found - 1) as u32);
            }
            // Slots fill from the front: an empty last one says that nothing ran over.
            if bucket.0[SLOTS - 1] == 0 {
                return None;
            }
        }
        None
    }

    pub(super) fn len(&self) -> u64 {
        self.names
    }

    pub(super) fn octets(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    #[inline]
    fn tag(&self, fingerprint: u64) -> u64 {
        fingerprint << self.number_bits
    }

    #[inline]
    fn home(&self, fingerprint: u64) -> usize {
        (((fingerprint >> 32) * self.homes) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn what_was_put_in_is_found_and_nothing_else(
            names in prop::collection::btree_map(any::<u64>(), 0u32..1000, 0..400),
            close in prop::collection::btree_map(0u64..64, 0u32..1000, 0..40),
            asked in prop::collection::vec(any::<u64>(), 50),
        ) {
            // Some share their home and run over, also behind the last bucket.
            let close = close.into_iter().flat_map(|(name, number)| [(name, number), (u64::MAX - name, number)]);
            let names: BTreeMap<u64, u32> = names.into_iter().chain(close).collect();
            let mut union = UnionBuilder::new(names.len() as u64, 1000);
            for (name, number) in &names {
                union.put(*name, *number);
            }
            let union = union.finish();
            for (name, number) in &names {
                prop_assert_eq!(union.get(*name), Some(*number));
            }
            for name in asked.into_iter().chain(0..80) {
                prop_assert_eq!(union.get(name), names.get(&name).copied());
            }
            prop_assert_eq!(union.len(), names.len() as u64);
        }
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert_eq!(Union::default().get(0), None);
        assert_eq!(UnionBuilder::new(0, 0).finish().get(7), None);
    }
}
