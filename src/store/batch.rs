//! What a caller asks the store to change, all of it or nothing.

use super::keys::{Place, RowKey};
use super::record::{Record, Revision, Row};
use super::tables::{AnyRow, Table};
use super::unique::Unique;
use crate::model::{Account, AdminId, DeviceId, LocationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, net::IpAddr};

/// Who changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The daemon itself: first start, work on a timer.
    Daemon,
    /// Somebody with access to the data folder.
    CommandLine,
    /// A signed-in administrator.
    Admin(AdminId),
    /// A device's agent.
    Device(DeviceId),
    /// Whoever holds the key of a location with a dynamic address.
    Location(LocationId),
    /// Nobody we know: enrolment, a blocked person's request.
    Anonymous,
}

/// Something that happened without a row being changed, such as a sign-in that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// In whose trail it stands.
    pub account: Account,
    /// Whom it is about, at most 250 characters.
    pub subject: String,
    /// What there is to say, at most 250 characters.
    pub detail: String,
}

/// One change of one row, its octets ready.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) table: Table,
    /// Where the row stood; the same as `after`'s key unless its owner or parent changes.
    pub(super) key: RowKey,
    /// What must be there: nothing, or the row of this revision.
    pub(super) expected: Option<Revision>,
    /// What will be there: new key, row and octets (their revision still 0).
    pub(super) after: Option<(RowKey, AnyRow, Vec<u8>)>,
}

/// Something that must hold for the batch to be committed.
#[derive(Debug)]
pub(super) enum Condition {
    Row(Table, RowKey, Revision),
    Place(Place, Table, Revision),
    Table(Table, Revision),
}

/// A set of changes that is committed as one revision, or not at all.
///
/// A row is written at most once in a batch. Conditions and expected revisions are checked by the
/// writer, against everything committed before.
#[derive(Debug)]
#[must_use = "a batch changes nothing until it is committed"]
pub struct Batch {
    pub(super) actor: Actor,
    pub(super) operation: Cow<'static, str>,
    pub(super) now: Timestamp,
    pub(super) address: Option<IpAddr>,
    pub(super) incident: Option<Incident>,
    pub(super) writes: Vec<Write>,
    pub(super) conditions: Vec<Condition>,
}

impl Batch {
    /// An empty batch. `operation` names what was done in the audit trail (`create_policy`).
    pub fn new(actor: Actor, operation: impl Into<Cow<'static, str>>, now: Timestamp) -> Self {
        Batch {
            actor,
            operation: operation.into(),
            now,
            address: None,
            incident: None,
            writes: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// Notes in the audit trail where the actor came from.
    pub fn from(self, address: IpAddr) -> Self {
        Batch { address: Some(address), ..self }
    }

    /// Notes something in the audit trail, with or without changes of rows.
    pub fn note(self, incident: Incident) -> Self {
        Batch { incident: Some(incident), ..self }
    }

    /// Adds a row; conflicts if its id (a singleton: its owner) has one already.
    pub fn create<R: Record>(mut self, row: &R) -> Self {
        let key = RowKey::of(row);
        self.writes.push(Write { table: R::TABLE, key, expected: None, after: Some(after(row)) });
        self
    }

    /// Adds a row of any table.
    pub fn create_any(mut self, row: &AnyRow) -> Self {
        let key = RowKey::of_any(row);
        let after = Some((key, row.clone(), row.encode()));
        self.writes.push(Write { table: row.table(), key, expected: None, after });
        self
    }

    /// Replaces a row, which may change its owner and parent but not its id; conflicts if somebody
    /// else changed or deleted it since it was read.
    pub fn update<R: Record>(mut self, old: &Row<R>, new: &R) -> Self {
        debug_assert_eq!(old.value.id(), new.id(), "a row keeps its id");
        let key = RowKey::of(&old.value);
        self.writes.push(Write { table: R::TABLE, key, expected: Some(old.revision), after: Some(after(new)) });
        self
    }

    /// Removes a row; conflicts if somebody else changed or deleted it since it was read.
    pub fn delete<R: Record>(mut self, row: &Row<R>) -> Self {
        self.writes.push(Write {
            table: R::TABLE,
            key: RowKey::of(&row.value),
            expected: Some(row.revision),
            after: None,
        });
        self
    }

    /// Leaves a row alone, but conflicts if somebody else changed or deleted it since it was read.
    pub fn expect<R: Record>(mut self, row: &Row<R>) -> Self {
        self.conditions.push(Condition::Row(R::TABLE, RowKey::of(&row.value), row.revision));
        self
    }

    /// Conflicts if any row of this table under `owner` was written after `since`, the store's
    /// revision before the rows were looked at: "no location uses this policy" still holds.
    pub fn expect_unchanged<R: Record>(mut self, owner: Account, since: Revision) -> Self {
        self.conditions.push(Condition::Place(Place::new(owner, R::TABLE), R::TABLE, since));
        self
    }

    /// The same for all rows of the table, whoever owns them.
    pub fn expect_table_unchanged<R: Record>(mut self, since: Revision) -> Self {
        self.conditions.push(Condition::Table(R::TABLE, since));
        self
    }

    /// Rows it writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it writes nothing, not even a note.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.incident.is_none()
    }
}

fn after<R: Record>(row: &R) -> (RowKey, AnyRow, Vec<u8>) {
    (RowKey::of(row), row.clone().into_any(), super::record::encode(row))
}

/// Why a batch was not committed. Nothing of it is visible then, to anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed, deleted or made the row in between: read again and decide again.
    #[error("somebody else changed {table} {id} in the meantime")]
    Conflict {
        /// Its table.
        table: Table,
        /// Its id; 0 where a whole table was expected unchanged.
        id: u32,
    },
    /// Another row has this value.
    #[error("this {unique} is taken")]
    Duplicate {
        /// Which.
        unique: Unique,
    },
    /// A row or value is larger than the store takes.
    #[error("{table} {id} is {bytes} octets long as stored; at most {} are kept", super::ROW_OCTETS_MAX)]
    TooLarge {
        /// Its table.
        table: Table,
        /// Its id.
        id: u32,
        /// Octets it has.
        bytes: usize,
    },
    /// The batch as a whole is larger than the store takes.
    #[error("this change is {bytes} octets long; at most {} are taken at once", super::BATCH_OCTETS_MAX)]
    BatchTooLarge {
        /// Octets it has.
        bytes: usize,
    },
    /// The same row is written twice; a fault of the caller.
    #[error("{table} {id} is changed twice at once")]
    Twice {
        /// Its table.
        table: Table,
        /// Its id.
        id: u32,
    },
    /// There is no room on the disk. Works again when there is.
    #[error("the disk is full")]
    Full,
    /// The disk failed; whether the change survives a restart is not known.
    #[error("the disk failed: {0}")]
    Io(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}
