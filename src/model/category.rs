//! Categories by number, and sets of them as one machine word.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A category's number in the contract: 0 to 63, of which 0 to 39 and 41 to 53 are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategoryId(u8);

impl CategoryId {
    /// The category with this number; `None` from 64 on.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 64 { Some(CategoryId(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for CategoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of categories: bit `n` stands for category `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategorySet(pub u64);

impl CategorySet {
    /// No category.
    pub const EMPTY: CategorySet = CategorySet(0);

    /// The set with one more member.
    #[must_use]
    pub const fn with(self, id: CategoryId) -> Self {
        CategorySet(self.0 | 1 << id.0)
    }

    /// The set with one member fewer.
    #[must_use]
    pub const fn without(self, id: CategoryId) -> Self {
        CategorySet(self.0 & !(1 << id.0))
    }

    /// Members of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        CategorySet(self.0 | other.0)
    }

    /// Members common to both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        CategorySet(self.0 & other.0)
    }

    /// Whether `id` is a member.
    pub const fn contains(self, id: CategoryId) -> bool {
        self.0 >> id.0 & 1 == 1
    }

    /// Whether there is no member.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = CategoryId> {
        (0..64).map(CategoryId).filter(move |&id| self.contains(id))
    }

    /// The member with the lowest number.
    pub fn first(self) -> Option<CategoryId> {
        (self.0 != 0).then(|| CategoryId(self.0.trailing_zeros() as u8))
    }
}

impl FromIterator<CategoryId> for CategorySet {
    fn from_iter<I: IntoIterator<Item = CategoryId>>(ids: I) -> Self {
        ids.into_iter().fold(CategorySet::EMPTY, CategorySet::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let ids = [0, 5, 53, 63].map(|n| CategoryId::new(n).expect("below 64"));
        let set: CategorySet = ids.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), ids);
        assert_eq!(set.first(), CategoryId::new(0));
        assert!(!set.without(ids[0]).contains(ids[0]));
        assert_eq!(CategoryId::new(64), None);
    }
}
