//! One list, compiled.

use super::{builder::Counted, rules::ListRules};
use crate::policy::NameKey;
use std::{fmt, sync::Arc};

/// Small numbers, one a name, in as few octets as the largest needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// 0 (all are number 0), 1, 2 or 4.
    pub width: usize,
    pub octets: Vec<u8>,
}

impl Numbers {
    /// Takes numbers below `count`.
    pub(super) fn new(numbers: &[u32], count: usize) -> Self {
        let width = Self::width_for(count);
        let mut octets = Vec::with_capacity(numbers.len() * width);
        for number in numbers {
            octets.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        Numbers { width, octets }
    }

    pub(super) fn width_for(count: usize) -> usize {
        match count {
            0..=1 => 0,
            2..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> u32 {
        let mut number = [0; 4];
        number[..self.width].copy_from_slice(&self.octets[index * self.width..][..self.width]);
        u32::from_le_bytes(number)
    }
}

/// A list as [`ListTable::build`](super::ListTable::build) takes it: 8 to 12 octets a name. The table does not keep the names of it, so it
/// can be dropped once the table stands.
pub struct CompiledList {
    pub(super) key: NameKey,
    /// Ascending, each once.
    pub(super) fingerprints: Vec<u64>,
    /// What the list says of each: the number of a run in `says`.
    pub(super) numbers: Numbers,
    pub(super) rules: Arc<ListRules>,
}

impl CompiledList {
    /// What became of the list's rules when it was built.
    pub fn counted(&self) -> &Counted {
        &self.rules.written.counted
    }

    /// The key its names are hashed under.
    pub fn key(&self) -> NameKey {
        self.key
    }

    /// Whether it has no rule at all.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty() && self.rules.written.loose.is_empty() && self.rules.written.nets.is_empty()
    }
}

impl fmt::Debug for CompiledList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledList").field("counted", self.counted()).finish_non_exhaustive()
    }
}
