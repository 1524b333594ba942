//! Deciding one batch: does what it expects hold, and what does it change?

use super::batch::{Batch, CommitError, Condition, Write};
use super::changelog::{Change, Committed, Entry, EntryWrite, Hash};
use super::disk::{DiskError, Edits};
use super::keys::{self, IdKey, RowKey};
use super::record::{self, Revision};
use super::tables::{AnyRow, Table};
use super::unique::Unique;
use super::view::{Fingerprints, Pending, Tip, UniqueKey};
use std::collections::HashSet;
use std::sync::Arc;

/// The lowest id never given out, by table number.
pub(super) type Counters = [u32; 256];

/// A batch that passed: what it does to the disk, to the view and to subscribers.
pub(super) struct Staged {
    pub(super) edits: Edits,
    pub(super) committed: Committed,
    pub(super) effects: Effects,
    pub(super) octets: usize,
}

/// What a batch does to the view.
pub(super) struct Effects {
    revision: Revision,
    moves: Vec<Move>,
    freed: Vec<UniqueKey>,
    taken: Vec<(UniqueKey, IdKey)>,
}

/// Where a row leaves and where it, or a new one, comes to stand.
struct Move {
    from: Option<RowKey>,
    to: Option<(RowKey, Arc<[u8]>)>,
}

impl Effects {
    /// Puts the changes on top of those of earlier batches.
    pub(super) fn merge_into(&self, pending: &mut Pending) {
        pending.revision = Some(self.revision);
        for Move { from, to } in &self.moves {
            if let Some(key) = from {
                pending.remove(*key);
                pending.touch(*key, self.revision);
            }
            if let Some((key, octets)) = to {
                pending.put(*key, octets.clone());
                pending.touch(*key, self.revision);
            }
        }
        self.freed.iter().for_each(|&unique| pending.give(unique, None));
        self.taken.iter().for_each(|&(unique, holder)| pending.give(unique, Some(holder)));
    }
}

/// The effects of a change that the log already has.
pub(super) fn replay(
    revision: Revision,
    entry: Entry,
    fingerprints: &Fingerprints,
) -> Result<(Effects, Committed), DiskError> {
    let committed = entry.committed(revision)?;
    let mut effects = Effects { revision, moves: vec![], freed: vec![], taken: vec![] };
    for (write, change) in entry.writes.into_iter().zip(committed.changes.iter()) {
        let before = change.before.as_ref().map(RowKey::of_any);
        let after = change.after.as_ref().map(RowKey::of_any);
        for (unique, value) in change.before.iter().flat_map(AnyRow::unique) {
            effects.freed.push(fingerprints.of(unique, &value));
        }
        if let (Some(row), Some(key)) = (&change.after, after) {
            effects
                .taken
                .extend(row.unique().iter().map(|(unique, value)| (fingerprints.of(*unique, value), key.id_key())));
        }
        effects.moves.push(Move { from: before, to: after.zip(write.after) });
    }
    Ok((effects, committed))
}

/// Checks a batch against the tip and works out its effects; `None` if it has none. `counters`
/// and `chain` (the hash of the last logged change) change only if it passes.
pub(super) fn stage(
    batch: Batch,
    tip: &Tip<'_>,
    fingerprints: &Fingerprints,
    counters: &mut Counters,
    chain: &mut Hash,
) -> Result<Option<Staged>, CommitError> {
    check_conditions(&batch, tip)?;
    if batch.is_empty() {
        return Ok(None);
    }
    let revision = tip.revision().next();
    let mut stage = Stage {
        tip,
        fingerprints,
        edits: Edits::default(),
        effects: Effects { revision, moves: vec![], freed: vec![], taken: vec![] },
        logged: vec![],
        changes: Vec::with_capacity(batch.writes.len()),
        seen: HashSet::new(),
        wanted: vec![],
        counters: *counters,
        octets: 0,
    };
    batch.writes.into_iter().try_for_each(|write| stage.write(write))?;
    stage.check_uniques()?;
    let Stage { mut edits, effects, logged, changes, counters: raised, octets, .. } = stage;
    for &table in Table::ALL {
        let next = raised[table as usize];
        if next > counters[table as usize] {
            edits.insert(keys::counter(table), &next.to_be_bytes());
        }
    }
    *counters = raised;
    edits.insert(keys::REVISION, &revision.0.to_be_bytes());
    let operation = batch.operation.into_owned();
    let entry = Entry {
        previous: *chain,
        actor: batch.actor,
        operation,
        time: batch.now,
        address: batch.address,
        incident: batch.incident,
        writes: logged,
    };
    *chain = entry.write_to(revision, &mut edits);
    edits.insert(keys::CHAIN, &*chain);
    let Entry { actor, operation, time, address, incident, .. } = entry;
    let operation = operation.into();
    let committed = Committed { revision, actor, operation, time, address, incident, changes: changes.into() };
    Ok(Some(Staged { edits, committed, effects, octets }))
}

/// A batch on its way.
struct Stage<'a> {
    tip: &'a Tip<'a>,
    fingerprints: &'a Fingerprints,
    edits: Edits,
    effects: Effects,
    logged: Vec<EntryWrite>,
    changes: Vec<Change>,
    /// Rows written so far.
    seen: HashSet<IdKey>,
    /// Unique values that rows will have.
    wanted: Vec<(Unique, UniqueKey)>,
    counters: Counters,
    octets: usize,
}

impl Stage<'_> {
    fn write(&mut self, write: Write) -> Result<(), CommitError> {
        let Write { table, key, expected, after } = write;
        if !self.seen.insert(key.id_key()) {
            return Err(CommitError::Twice { table, id: key.id() });
        }
        let mut change = Change { before: None, after: None };
        let before = match expected {
            Some(expected) => {
                let octets = expect_row(self.tip, table, key, expected)?;
                change.before = Some(self.remove(table, key, &octets)?);
                Some(octets)
            }
            None if self.tip.place_of(key.id_key()).is_some() => {
                return Err(CommitError::Conflict { table, id: key.id() });
            }
            None => None,
        };
        let mut placed = None;
        if let Some((new_key, row, octets)) = after {
            // A singleton that changes its owner is found under another key: that one must be free too.
            let moved = new_key.id_key() != key.id_key();
            if moved && (!self.seen.insert(new_key.id_key()) || self.tip.place_of(new_key.id_key()).is_some()) {
                return Err(CommitError::Conflict { table, id: new_key.id() });
            }
            placed = Some((new_key, self.put(table, new_key, &row, octets)?));
            change.after = Some(row);
        }
        let after = placed.as_ref().map(|(_, octets)| octets.clone());
        let length = |octets: &Option<Arc<[u8]>>| octets.as_ref().map_or(0, |octets| octets.len());
        // Rows are written once as rows and once as log.
        self.octets += length(&before) + 2 * length(&after) + 64;
        if self.octets > super::BATCH_OCTETS_MAX {
            return Err(CommitError::BatchTooLarge { bytes: self.octets });
        }
        self.effects.moves.push(Move { from: before.is_some().then_some(key), to: placed });
        self.logged.push(EntryWrite { table, before, after });
        self.changes.push(change);
        Ok(())
    }

    fn remove(&mut self, table: Table, key: RowKey, octets: &[u8]) -> Result<AnyRow, CommitError> {
        let row = AnyRow::decode(table, octets).map_err(|e| CommitError::Io(e.to_string()))?.value;
        for (unique, value) in row.unique() {
            self.effects.freed.push(self.fingerprints.of(unique, &value));
        }
        keys::remove_row(&mut self.edits, key, octets.len());
        Ok(row)
    }

    fn put(&mut self, table: Table, key: RowKey, row: &AnyRow, mut octets: Vec<u8>) -> Result<Arc<[u8]>, CommitError> {
        if octets.len() > super::ROW_OCTETS_MAX {
            return Err(CommitError::TooLarge { table, id: key.id(), bytes: octets.len() });
        }
        record::set_revision(&mut octets, self.effects.revision);
        for (unique, value) in row.unique() {
            let fingerprint = self.fingerprints.of(unique, &value);
            self.wanted.push((unique, fingerprint));
            self.effects.taken.push((fingerprint, key.id_key()));
        }
        keys::put_row(&mut self.edits, key, &octets);
        let counter = &mut self.counters[table as usize];
        *counter = (*counter).max(key.id().saturating_add(1));
        Ok(octets.into())
    }

    /// What the batch frees it may take itself, whatever the order.
    fn check_uniques(&self) -> Result<(), CommitError> {
        let freed: HashSet<UniqueKey> = self.effects.freed.iter().copied().collect();
        let mut taken = HashSet::new();
        for &(unique, key) in &self.wanted {
            if !taken.insert(key) || (self.tip.holder(key).is_some() && !freed.contains(&key)) {
                return Err(CommitError::Duplicate { unique });
            }
        }
        Ok(())
    }
}

fn check_conditions(batch: &Batch, tip: &Tip<'_>) -> Result<(), CommitError> {
    for condition in &batch.conditions {
        match *condition {
            Condition::Row(table, key, expected) => {
                expect_row(tip, table, key, expected)?;
            }
            Condition::Place(place, table, since) if tip.place_changed(place) > since => {
                return Err(CommitError::Conflict { table, id: 0 });
            }
            Condition::Table(table, since) if tip.table_changed(table) > since => {
                return Err(CommitError::Conflict { table, id: 0 });
            }
            Condition::Place(..) | Condition::Table(..) => {}
        }
    }
    Ok(())
}

fn expect_row(tip: &Tip<'_>, table: Table, key: RowKey, expected: Revision) -> Result<Arc<[u8]>, CommitError> {
    match tip.row(key) {
        Some(octets) if record::revision_of(octets) == expected => Ok(octets.clone()),
        _ => Err(CommitError::Conflict { table, id: key.id() }),
    }
}
