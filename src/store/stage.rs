//! Deciding one batch: does what it expects hold, and what does it change?

use super::batch::{Batch, CommitError, Condition};
use super::changelog::{Change, Committed, Entry, EntryWrite};
use super::disk::{DiskError, Edits};
use super::keys::{self, IdKey, RowKey};
use super::record::Revision;
use super::tables::{AnyRow, Table};
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
    moves: Vec<(Option<RowKey>, Option<(RowKey, Arc<[u8]>)>)>,
    freed: Vec<UniqueKey>,
    taken: Vec<(UniqueKey, IdKey)>,
}

impl Effects {
    /// Puts the changes on top of those of earlier batches.
    pub(super) fn merge_into(&self, pending: &mut Pending) {
        pending.revision = Some(self.revision);
        for (before, after) in &self.moves {
            if let Some(key) = before {
                pending.remove(*key);
                pending.touch(*key, self.revision);
            }
            if let Some((key, octets)) = after {
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
        effects.moves.push((before, after.zip(write.after)));
    }
    Ok((effects, committed))
}

/// Checks a batch against the tip and works out its effects; `None` if it has none. `counters`
/// change only if it passes.
pub(super) fn stage(
    batch: Batch,
    tip: &Tip<'_>,
    fingerprints: &Fingerprints,
    counters: &mut Counters,
) -> Result<Option<Staged>, CommitError> {
    check_conditions(&batch, tip)?;
    if batch.writes.is_empty() {
        return Ok(None);
    }
    let revision = tip.revision().next();
    let mut edits = Edits::default();
    let mut entry =
        Entry { actor: batch.actor, operation: batch.operation.into_owned(), time: batch.now, writes: vec![] };
    let mut changes = Vec::with_capacity(batch.writes.len());
    let mut moves = Vec::with_capacity(batch.writes.len());
    let mut freed = Vec::new();
    let mut taken = Vec::new();
    let mut seen = HashSet::new();
    let mut raised = *counters;
    let mut octets = 0;
    for write in batch.writes {
        let table = write.table;
        let twice = |id| CommitError::Twice { table, id };
        if !seen.insert(write.key.id_key()) {
            return Err(twice(write.key.id()));
        }
        let before = match write.expected {
            Some(expected) => Some(expect_row(tip, table, write.key, expected)?),
            None if tip.place_of(write.key.id_key()).is_some() => {
                return Err(CommitError::Conflict { table, id: write.key.id() });
            }
            None => None,
        };
        let before_row = match &before {
            Some(octets) => Some(read(table, octets)?),
            None => None,
        };
        if let Some(row) = &before_row {
            freed.extend(row.unique().into_iter().map(|(unique, value)| fingerprints.of(unique, &value)));
            keys::remove_row(&mut edits, write.key, before.as_ref().map_or(0, |octets| octets.len()));
        }
        let mut after_row = None;
        let mut after = None;
        if let Some((key, row, mut value)) = write.after {
            // A singleton that changes its owner is found under another key: that one must be free too.
            if key.id_key() != write.key.id_key()
                && (!seen.insert(key.id_key()) || tip.place_of(key.id_key()).is_some())
            {
                return Err(twice(key.id()));
            }
            if value.len() > super::ROW_OCTETS_MAX {
                return Err(CommitError::TooLarge { table, id: key.id(), bytes: value.len() });
            }
            value[..8].copy_from_slice(&revision.0.to_be_bytes());
            for (unique, value) in row.unique() {
                taken.push((unique, fingerprints.of(unique, &value), key.id_key()));
            }
            keys::put_row(&mut edits, key, &value);
            let raised = &mut raised[table as usize];
            *raised = (*raised).max(key.id().saturating_add(1));
            after = Some((key, Arc::<[u8]>::from(value)));
            after_row = Some(row);
        }
        octets += before.as_ref().map_or(0, |v| v.len()) + 2 * after.as_ref().map_or(0, |(_, v)| v.len()) + 64;
        entry.writes.push(EntryWrite { table, before, after: after.as_ref().map(|(_, value)| value.clone()) });
        changes.push(Change { before: before_row, after: after_row });
        moves.push((entry.writes.last().is_some_and(|w| w.before.is_some()).then_some(write.key), after));
        if octets > super::BATCH_OCTETS_MAX {
            return Err(CommitError::BatchTooLarge { bytes: octets });
        }
    }
    let free: HashSet<UniqueKey> = freed.iter().copied().collect();
    let mut given = HashSet::new();
    for &(unique, key, _) in &taken {
        if !given.insert(key) || (tip.holder(key).is_some() && !free.contains(&key)) {
            return Err(CommitError::Duplicate { unique });
        }
    }
    let taken = taken.into_iter().map(|(_, key, holder)| (key, holder)).collect();
    for &table in Table::ALL {
        let number = table as usize;
        if raised[number] > counters[number] {
            edits.insert(keys::counter(table), &raised[number].to_be_bytes());
        }
    }
    edits.insert(keys::REVISION, &revision.0.to_be_bytes());
    entry.write_to(revision, &mut edits);
    *counters = raised;
    let committed = Committed {
        revision,
        actor: entry.actor,
        operation: entry.operation.into(),
        time: entry.time,
        changes: changes.into(),
    };
    Ok(Some(Staged { edits, committed, octets, effects: Effects { revision, moves, freed, taken } }))
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
        Some(octets) if super::record::revision_of(octets) == expected => Ok(octets.clone()),
        _ => Err(CommitError::Conflict { table, id: key.id() }),
    }
}

fn read(table: Table, octets: &[u8]) -> Result<AnyRow, CommitError> {
    AnyRow::decode(table, octets).map(|row| row.value).map_err(|e| CommitError::Io(e.to_string()))
}
