//! A table by name that a change copies a little of.

use super::{NameKey, Suffixes};
use crate::model::{DomainName, Name};
use hashbrown::HashTable;
use std::sync::Arc;

/// Slots a shard holds on average before the table is spread over twice as many.
const SHARD_SLOTS: usize = 256;

#[derive(Clone, Debug)]
struct Slot<V> {
    name: DomainName,
    value: V,
}

/// Values by name, found by hashes computed once for a name and all its ancestors. Clones share
/// their shards; a change copies one shard (about 256 names), whatever the table's length.
#[derive(Clone, Debug)]
pub struct NameMap<V> {
    key: NameKey,
    shards: Vec<Arc<HashTable<Slot<V>>>>,
    names: usize,
    /// Bit `n` is set when a name of `n` labels (64 or more: bit 63) was put in since the shards were laid out.
    depths: u64,
}

impl<V> NameMap<V> {
    /// An empty table whose hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        NameMap { key, shards: Vec::new(), names: 0, depths: 0 }
    }

    /// Names in the table.
    pub fn len(&self) -> usize {
        self.names
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// The value of the ancestor of `labels` labels. `suffixes` must be hashed with this table's key.
    #[inline]
    pub fn at(&self, suffixes: &Suffixes<'_>, labels: usize) -> Option<&V> {
        if self.depths >> labels.min(63) & 1 == 0 {
            return None;
        }
        let (hash, name) = (suffixes.hash(labels), suffixes.ancestor(labels));
        let slot = self.shards[shard_of(hash, self.shards.len())].find(hash, |slot| slot.name.as_name() == name)?;
        Some(&slot.value)
    }

    /// The value of the longest name that is the whole name or an ancestor, with its labels.
    pub fn longest(&self, suffixes: &Suffixes<'_>) -> Option<(usize, &V)> {
        if self.names == 0 {
            return None;
        }
        (0..=suffixes.label_count()).rev().find_map(|labels| Some((labels, self.at(suffixes, labels)?)))
    }

    /// Slots counted one by one: as many as names.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }
}

impl<V: Clone> NameMap<V> {
    /// The name's value; a name that is not there gets `value`.
    pub fn or_insert(&mut self, name: &DomainName, value: V) -> &mut V {
        if self.names >= self.shards.len() * SHARD_SLOTS {
            self.grow();
        }
        let key = self.key;
        let hash = key.hash(name.as_name());
        self.depths |= 1 << name.as_name().label_count().min(63);
        let shard = shard_of(hash, self.shards.len());
        let table = Arc::make_mut(&mut self.shards[shard]);
        let is_same = |slot: &Slot<V>| slot.name == *name;
        let entry = table.entry(hash, is_same, |slot| key.hash(slot.name.as_name()));
        let names = &mut self.names;
        let slot = entry.or_insert_with(|| {
            *names += 1;
            Slot { name: name.clone(), value }
        });
        &mut slot.into_mut().value
    }

    /// Takes the name out unless `keep` says otherwise, which may also change the value. A name that is
    /// not there leaves the table as it is.
    pub fn retain(&mut self, name: Name<'_>, keep: impl FnOnce(&mut V) -> bool) {
        if self.names == 0 {
            return;
        }
        let hash = self.key.hash(name);
        let shard = shard_of(hash, self.shards.len());
        let table = Arc::make_mut(&mut self.shards[shard]);
        let Ok(mut found) = table.find_entry(hash, |slot| slot.name.as_name() == name) else { return };
        if !keep(&mut found.get_mut().value) {
            found.remove();
            self.names -= 1;
        }
    }

    fn grow(&mut self) {
        let shards = (self.shards.len() * 2).max(1);
        let mut tables: Vec<HashTable<Slot<V>>> = (0..shards).map(|_| HashTable::new()).collect();
        let key = self.key;
        for slot in self.shards.iter().flat_map(|shard| shard.iter()) {
            let hash = key.hash(slot.name.as_name());
            tables[shard_of(hash, shards)].insert_unique(hash, slot.clone(), |slot| key.hash(slot.name.as_name()));
        }
        self.shards = tables.into_iter().map(Arc::new).collect();
    }
}

/// The table within a shard uses the low bits and the top seven; the shard is chosen by the middle.
fn shard_of(hash: u64, shards: usize) -> usize {
    (hash >> 32) as usize & (shards - 1)
}
