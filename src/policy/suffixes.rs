//! A name with the hash of every ancestor, computed once and used for all lists.

use crate::model::{LABELS_MAX, Name};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The secret that name hashes start from. Random per process, so that nobody can make names that
/// fall into one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameKey(pub u64);

impl NameKey {
    /// The hash of one name; equal to the entry for it in [`Suffixes`].
    pub fn hash(self, name: Name<'_>) -> u64 {
        Suffixes::new(name, self).hashes[name.label_count()]
    }
}

/// The ancestors of a name, hashed. A hash chains from the root, so each label is read once.
pub struct Suffixes<'a> {
    name: Name<'a>,
    count: usize,
    /// `starts[n]` and `hashes[n]` belong to the ancestor of `n` labels.
    starts: [u8; LABELS_MAX + 1],
    hashes: [u64; LABELS_MAX + 1],
}

impl<'a> Suffixes<'a> {
    /// Hashes `name` and everything above it.
    pub fn new(name: Name<'a>, key: NameKey) -> Self {
        let wire = name.as_wire();
        let mut forward = [0u8; LABELS_MAX + 1];
        let mut count = 0;
        let mut at = 0;
        while wire[at] != 0 {
            forward[count] = at as u8;
            count += 1;
            at += 1 + wire[at] as usize;
        }
        let mut suffixes = Suffixes { name, count, starts: [0; LABELS_MAX + 1], hashes: [0; LABELS_MAX + 1] };
        suffixes.starts[0] = at as u8;
        suffixes.hashes[0] = key.0;
        let mut end = at;
        for labels in 1..=count {
            let start = forward[count - labels] as usize;
            suffixes.starts[labels] = start as u8;
            suffixes.hashes[labels] = xxh3_64_with_seed(&wire[start..end], suffixes.hashes[labels - 1]);
            end = start;
        }
        suffixes
    }

    /// The whole name.
    pub fn name(&self) -> Name<'a> {
        self.name
    }

    /// Labels of the whole name, the root not counted.
    pub fn label_count(&self) -> usize {
        self.count
    }

    /// The ancestor of `labels` labels; `labels` is at most [`label_count`](Self::label_count).
    pub fn ancestor(&self, labels: usize) -> Name<'a> {
        Name::from_lower_wire(&self.name.as_wire()[self.starts[labels] as usize..])
    }

    /// The hash of the ancestor of `labels` labels.
    pub fn hash(&self, labels: usize) -> u64 {
        self.hashes[labels]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn an_ancestor_hashes_like_the_name_it_is() {
        let key = NameKey(7);
        let deep = DomainName::from_text("a.b.example.com").expect("valid");
        let suffixes = Suffixes::new(deep.as_name(), key);
        assert_eq!(suffixes.label_count(), 4);
        for (labels, text) in [(0, "."), (1, "com"), (2, "example.com"), (4, "a.b.example.com")] {
            let name = DomainName::from_text(text).expect("valid");
            assert_eq!(suffixes.ancestor(labels), name.as_name());
            assert_eq!(suffixes.hash(labels), key.hash(name.as_name()));
        }
        assert_ne!(suffixes.hash(2), NameKey(8).hash(suffixes.ancestor(2)));
    }

    #[test]
    fn label_boundaries_are_part_of_the_hash() {
        let key = NameKey(7);
        let one = DomainName::from_wire(b"\x03a\x01b\x00").expect("valid");
        let two = DomainName::from_wire(b"\x01a\x01b\x00").expect("valid");
        assert_ne!(key.hash(one.as_name()), key.hash(two.as_name()));
    }
}
