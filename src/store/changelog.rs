//! The change log: each batch as it was committed, beside the rows it changed and in the same
//! atomic write. It is the audit trail, and what a reader that fell behind catches up from.
//!
//! Each entry carries the BLAKE3 hash of the one before, and the hash of the last stands beside the
//! revision: an entry that was changed, taken out or put in afterwards breaks the chain. Whoever can rewrite the whole
//! database can make a new chain; that shows in the head, which `weir audit verify` prints to be kept elsewhere.

use super::batch::{Actor, Incident};
use super::disk::{Disk, DiskError, Edits};
use super::keys;
use super::record::Revision;
use super::tables::{AnyRow, Table};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

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
    /// From where, if somebody came over the network.
    pub address: Option<IpAddr>,
    /// What happened, where that is no change of rows.
    pub incident: Option<Incident>,
    /// The rows it changed.
    pub changes: Arc<[Change]>,
}

/// The hash of a logged change.
pub(super) type Hash = [u8; 32];

/// What the next entry carries of this one.
pub(super) fn hash_of(revision: Revision, octets: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("weir change log v1");
    hasher.update(&revision.0.to_be_bytes()).update(octets);
    *hasher.finalize().as_bytes()
}

/// A batch as the log has it: rows as octets.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    /// The hash of the entry before; zeros in the first of a database.
    pub(super) previous: Hash,
    pub(super) actor: Actor,
    pub(super) operation: String,
    pub(super) time: Timestamp,
    pub(super) address: Option<IpAddr>,
    pub(super) incident: Option<Incident>,
    pub(super) writes: Vec<EntryWrite>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EntryWrite {
    pub(super) table: Table,
    pub(super) before: Option<Arc<[u8]>>,
    pub(super) after: Option<Arc<[u8]>>,
}

impl Entry {
    /// Writes the entry, in pieces, and gives its hash.
    pub(super) fn write_to(&self, revision: Revision, edits: &mut Edits) -> Hash {
        let octets = postcard::to_stdvec(self).expect("an entry has no maps or sequences of unknown length");
        for (chunk, piece) in octets.chunks(keys::VALUE_OCTETS_MAX).enumerate() {
            edits.insert(keys::change(revision, chunk as u32), piece);
        }
        hash_of(revision, &octets)
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
            address: self.address,
            incident: self.incident.clone(),
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

/// Reads the log from a revision on, as octets.
pub(super) struct Octets<I: Iterator> {
    pieces: std::iter::Peekable<I>,
}

type Piece = Result<(sled::IVec, sled::IVec), DiskError>;

/// The entries after `since`, in order.
pub(super) fn entries(
    disk: &Disk,
    since: Revision,
) -> impl Iterator<Item = Result<(Revision, Entry), DiskError>> + use<> {
    octets(disk, since).map(|item| item.and_then(|(revision, octets)| Ok((revision, decode(&octets)?))))
}

/// Reads an entry.
pub(super) fn decode(octets: &[u8]) -> Result<Entry, DiskError> {
    let damaged = |e| DiskError::Damaged(format!("the change log has a change that cannot be read: {e}"));
    postcard::from_bytes(octets).map_err(damaged)
}

/// The entries after `since`, in order, as they are hashed.
pub(super) fn octets(disk: &Disk, since: Revision) -> Octets<impl Iterator<Item = Piece> + use<>> {
    let first = keys::change(since.next(), 0);
    let last = keys::change(Revision(u64::MAX), u32::MAX);
    Octets { pieces: disk.range(&first, &last).peekable() }
}

impl<I: Iterator<Item = Piece>> Iterator for Octets<I> {
    type Item = Result<(Revision, Vec<u8>), DiskError>;

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
        Some(Ok((revision, octets)))
    }
}
