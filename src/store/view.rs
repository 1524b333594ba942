//! Every row in memory, as octets: what readers see.
//!
//! Readers never touch the disk, so they neither wait for it nor fail with it, and they see a
//! batch only when it is durable, whole. A row costs its octets and about 100 more.

use super::keys::{IdKey, Place, RowKey};
use super::record::Revision;
use super::tables::Table;
use super::unique::Unique;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The rows and their indexes, as of one revision.
#[derive(Default)]
pub(super) struct View {
    pub(super) revision: Revision,
    rows: BTreeMap<RowKey, Arc<[u8]>>,
    ids: BTreeMap<IdKey, RowKey>,
    uniques: HashMap<UniqueKey, IdKey, ahash::RandomState>,
    /// The revisions that last wrote a place and a table, since open.
    places: HashMap<Place, Revision, ahash::RandomState>,
    tables: HashMap<Table, Revision, ahash::RandomState>,
}

/// A keyed 128-bit fingerprint of a unique value: 16 octets instead of the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct UniqueKey(u128);

/// Makes the fingerprints; keyed anew at every start, so that nobody can prepare two values with the same one.
pub(super) struct Fingerprints(u64);

impl Fingerprints {
    pub(super) fn new(key: u64) -> Self {
        Fingerprints(key)
    }

    pub(super) fn of(&self, unique: Unique, value: &[u8]) -> UniqueKey {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(self.0);
        hasher.update(&[unique as u8]);
        hasher.update(value);
        UniqueKey(hasher.digest128())
    }
}

/// What one batch, or several, change in a view.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) revision: Option<Revision>,
    rows: HashMap<RowKey, Option<Arc<[u8]>>, ahash::RandomState>,
    ids: HashMap<IdKey, Option<RowKey>, ahash::RandomState>,
    uniques: HashMap<UniqueKey, Option<IdKey>, ahash::RandomState>,
    places: HashMap<Place, Revision, ahash::RandomState>,
    tables: HashMap<Table, Revision, ahash::RandomState>,
}

impl View {
    pub(super) fn row(&self, key: RowKey) -> Option<&Arc<[u8]>> {
        self.rows.get(&key)
    }

    pub(super) fn place_of(&self, id: IdKey) -> Option<RowKey> {
        self.ids.get(&id).copied()
    }

    pub(super) fn holder(&self, unique: UniqueKey) -> Option<IdKey> {
        self.uniques.get(&unique).copied()
    }

    pub(super) fn range(&self, (first, last): (RowKey, RowKey)) -> impl Iterator<Item = (RowKey, &Arc<[u8]>)> {
        self.rows.range(first..=last).map(|(key, octets)| (*key, octets))
    }

    pub(super) fn id_range(&self, (first, last): (IdKey, IdKey)) -> impl Iterator<Item = (IdKey, RowKey)> {
        self.ids.range(first..=last).map(|(id, key)| (*id, *key))
    }

    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = (RowKey, &Arc<[u8]>)> {
        self.rows.iter().map(|(key, octets)| (*key, octets))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes all rows of the disk at once. `rows` are in key order.
    pub(super) fn load(
        &mut self,
        revision: Revision,
        rows: Vec<(RowKey, Arc<[u8]>)>,
        uniques: Vec<(UniqueKey, IdKey)>,
    ) {
        let mut ids: Vec<(IdKey, RowKey)> = rows.iter().map(|(key, _)| (key.id_key(), *key)).collect();
        ids.sort_unstable();
        self.revision = revision;
        self.ids = ids.into_iter().collect();
        self.uniques = uniques.into_iter().collect();
        self.rows = rows.into_iter().collect();
    }

    /// Makes the changes visible.
    pub(super) fn apply(&mut self, pending: Pending) {
        for (key, octets) in pending.rows {
            match octets {
                Some(octets) => self.rows.insert(key, octets),
                None => self.rows.remove(&key),
            };
        }
        for (id, key) in pending.ids {
            match key {
                Some(key) => self.ids.insert(id, key),
                None => self.ids.remove(&id),
            };
        }
        for (unique, id) in pending.uniques {
            match id {
                Some(id) => self.uniques.insert(unique, id),
                None => self.uniques.remove(&unique),
            };
        }
        self.places.extend(pending.places);
        self.tables.extend(pending.tables);
        self.revision = pending.revision.unwrap_or(self.revision);
    }
}

/// A view with changes on top that are not durable yet: what the writer decides by.
pub(super) struct Tip<'a> {
    pub(super) view: &'a View,
    pub(super) pending: &'a Pending,
}

impl Tip<'_> {
    pub(super) fn revision(&self) -> Revision {
        self.pending.revision.unwrap_or(self.view.revision)
    }

    pub(super) fn row(&self, key: RowKey) -> Option<&Arc<[u8]>> {
        self.pending.rows.get(&key).map_or_else(|| self.view.row(key), Option::as_ref)
    }

    pub(super) fn place_of(&self, id: IdKey) -> Option<RowKey> {
        self.pending.ids.get(&id).copied().unwrap_or_else(|| self.view.place_of(id))
    }

    pub(super) fn holder(&self, unique: UniqueKey) -> Option<IdKey> {
        self.pending.uniques.get(&unique).copied().unwrap_or_else(|| self.view.holder(unique))
    }

    pub(super) fn place_changed(&self, place: Place) -> Revision {
        self.pending.places.get(&place).or_else(|| self.view.places.get(&place)).copied().unwrap_or_default()
    }

    pub(super) fn table_changed(&self, table: Table) -> Revision {
        self.pending.tables.get(&table).or_else(|| self.view.tables.get(&table)).copied().unwrap_or_default()
    }
}

impl Pending {
    pub(super) fn put(&mut self, key: RowKey, octets: Arc<[u8]>) {
        self.ids.insert(key.id_key(), Some(key));
        self.rows.insert(key, Some(octets));
    }

    pub(super) fn remove(&mut self, key: RowKey) {
        self.ids.insert(key.id_key(), None);
        self.rows.insert(key, None);
    }

    pub(super) fn give(&mut self, unique: UniqueKey, holder: Option<IdKey>) {
        self.uniques.insert(unique, holder);
    }

    pub(super) fn touch(&mut self, key: RowKey, revision: Revision) {
        self.places.insert(key.place(), revision);
        if let Some(table) = key.table() {
            self.tables.insert(table, revision);
        }
    }
}
