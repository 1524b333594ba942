//! Numbered short sequences, each different one kept once.

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hash};

/// Sequences one after the other: number `n` is what lies between `ends[n - 1]` and `ends[n]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Runs<T> {
    ends: Vec<u32>,
    items: Vec<T>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Runs { ends: Vec::new(), items: Vec::new() }
    }
}

impl<T> Runs<T> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The sequence of this number; empty where there is none.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &[T] {
        let Some(&end) = self.ends.get(number as usize) else { return &[] };
        let start = if number == 0 { 0 } else { self.ends[number as usize - 1] };
        &self.items[start as usize..end as usize]
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// Whether every sequence lies where it must. Runs from elsewhere are to be asked this before anything else.
    pub(super) fn is_sound(&self) -> bool {
        self.ends.is_sorted() && self.ends.last().copied().unwrap_or(0) as usize == self.items.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.ends.capacity() * 4 + self.items.capacity() * size_of::<T>()
    }
}

impl<T: Clone> Runs<T> {
    /// Puts one more sequence at the end, whether or not it is there already.
    pub(super) fn push(&mut self, run: &[T]) -> u32 {
        self.items.extend_from_slice(run);
        self.ends.push(self.items.len() as u32);
        self.ends.len() as u32 - 1
    }
}

/// Runs while they are collected.
pub(super) struct Interner<T> {
    runs: Runs<T>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner { runs: Runs::default(), numbers: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// The number of this sequence, which is put in if it is new.
    pub(super) fn number(&mut self, run: &[T]) -> u32 {
        let Interner { runs, numbers, hasher } = self;
        let hash = hasher.hash_one(run);
        let is_same = |number: &u32| runs.get(*number) == run;
        if let Some(&number) = numbers.find(hash, is_same) {
            return number;
        }
        let number = runs.push(run);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(runs.get(*number)));
        number
    }

    pub(super) fn runs(&self) -> &Runs<T> {
        &self.runs
    }

    pub(super) fn into_runs(mut self) -> Runs<T> {
        self.runs.ends.shrink_to_fit();
        self.runs.items.shrink_to_fit();
        self.runs
    }
}

/// Values while they are numbered.
pub(super) struct Numbered<T> {
    values: Vec<T>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered { values: Vec::new(), numbers: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Eq + Hash> Numbered<T> {
    /// The number of this value and whether it is new.
    pub(super) fn put(&mut self, value: T) -> (u32, bool) {
        let Numbered { values, numbers, hasher } = self;
        let hash = hasher.hash_one(&value);
        if let Some(&number) = numbers.find(hash, |number| values[*number as usize] == value) {
            return (number, false);
        }
        let number = values.len() as u32;
        values.push(value);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(&values[*number as usize]));
        (number, true)
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn into_values(mut self) -> Vec<T> {
        self.values.shrink_to_fit();
        self.values
    }
}
