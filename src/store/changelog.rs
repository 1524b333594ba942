//! The change log: each batch as it was committed, beside the rows it changed and in the same
//! atomic write. It is the audit trail, and what a reader that fell behind catches up from.

use super::batch::Actor;
use super::disk::{Disk, DiskError, Edits};
use super::keys;
use super::record::Revision;
use super::tables::{AnyRow, Table};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pieces removed with one commit, at most: should somebody keep much less than before.
const PIECES_FORGOTTEN: usize = 4_000;

/// What happened to one row. At least one side is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The row before; `None` if it was made.
    pub before: Option<AnyRow>,
    /// The row after; `None` if it was deleted.
    pub after: Option<AnyRow>,
}

impl Change {
    /// The table of the row.
    pub fn table(&self) -> Option<Table> {
        self.after.as_ref().or(self.before.as_ref()).map(AnyRow::table)
    }
}

/// A committed batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its number.
    pub revision: Revision,
    /// Who did it.
    pub actor: Actor,
    /// What was done (`create_policy`).
    pub operation: Arc<str>,
    /// When, by the clock of the caller.
    pub time: Timestamp,
    /// The rows it changed.
    pub changes: Arc<[Change]>,
}

/// A batch as the log has it: rows as octets.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) actor: Actor,
    pub(super) operation: String,
    pub(super) time: Timestamp,
    pub(super) writes: Vec<EntryWrite>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EntryWrite {
    pub(super) table: Table,
    pub(super) before: Option<Arc<[u8]>>,
    pub(super) after: Option<Arc<[u8]>>,
}

impl Entry {
    /// Writes the entry, in pieces.
    pub(super) fn write_to(&self, revision: Revision, edits: &mut Edits) {
        let octets = postcard::to_stdvec(self).expect("an entry has no maps or sequences of unknown length");
        for (chunk, piece) in octets.chunks(keys::VALUE_OCTETS_MAX).enumerate() {
            edits.insert(keys::change(revision, chunk as u32), piece);
        }
    }

    /// The entry with its rows read.
    pub(super) fn committed(&self, revision: Revision) -> Result<Committed, DiskError> {
        let read = |write: &EntryWrite, octets: &Option<Arc<[u8]>>| match octets {
            None => Ok(None),
            Some(octets) => AnyRow::decode(write.table, octets)
                .map(|row| Some(row.value))
                .map_err(|e| DiskError::Damaged(e.to_string())),
        };
        let changes: Result<Vec<Change>, DiskError> = self
            .writes
            .iter()
            .map(|write| Ok(Change { before: read(write, &write.before)?, after: read(write, &write.after)? }))
            .collect();
        Ok(Committed {
            revision,
            actor: self.actor,
            operation: self.operation.as_str().into(),
            time: self.time,
            changes: changes?.into(),
        })
    }
}

/// Removes the entries up to a revision, some thousand pieces at a time.
pub(super) fn forget(disk: &Disk, last: Revision, edits: &mut Edits) -> Result<(), DiskError> {
    for piece in disk.range(&keys::change(Revision(0), 0), &keys::change(last, u32::MAX)).take(PIECES_FORGOTTEN) {
        edits.remove(piece?.0.to_vec());
    }
    Ok(())
}

/// Reads the log from a revision on.
pub(super) struct Entries<I: Iterator> {
    pieces: std::iter::Peekable<I>,
}

type Piece = Result<(sled::IVec, sled::IVec), DiskError>;

/// The entries after `since`, in order.
pub(super) fn entries(disk: &Disk, since: Revision) -> Entries<impl Iterator<Item = Piece> + use<>> {
    let first = keys::change(since.next(), 0);
    let last = keys::change(Revision(u64::MAX), u32::MAX);
    Entries { pieces: disk.range(&first, &last).peekable() }
}

impl<I: Iterator<Item = Piece>> Iterator for Entries<I> {
    type Item = Result<(Revision, Entry), DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, piece) = match self.pieces.next()? {
            Ok(pair) => pair,
            Err(e) => return Some(Err(e)),
        };
        let damaged = |what: &str| Some(Err(DiskError::Damaged(format!("the change log {what}"))));
        let Some((revision, 0)) = keys::change_parts(&key) else { return damaged("lacks the first piece of a change") };
        let mut octets = piece.to_vec();
        while let Some(Ok((key, _))) = self.pieces.peek() {
            match keys::change_parts(key) {
                Some((same, _)) if same == revision => {}
                _ => break,
            }
            if let Some(Ok((_, piece))) = self.pieces.next() {
                octets.extend_from_slice(&piece);
            }
        }
        match postcard::from_bytes(&octets) {
            Ok(entry) => Some(Ok((revision, entry))),
            Err(e) => damaged(&format!("has a change that cannot be read: {e}")),
        }
    }
}
