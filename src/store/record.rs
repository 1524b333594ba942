//! What a row is: a value of a table, under an owner, at a revision.

use super::tables::{AnyRow, Table};
use super::unique::Unique;
use crate::model::Account;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// The number of a committed batch: 1 for the first, without gaps. 0 is the empty store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A noun that is kept as rows of one table.
///
/// Encoded, a row is its version octet and the postcard form of the value: an enum of versions,
/// written out. When a noun changes its shape, the table's `VERSION` goes up and `decode` keeps
/// reading the older versions.
pub trait Record: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static {
    /// Where its rows stand.
    const TABLE: Table;

    /// Tables of singletons have at most one row an owner, always with id 1; `find` does not
    /// see them, because such an id alone names nothing.
    const SINGLETON: bool = false;

    /// The version `encode` writes.
    const VERSION: u8 = 1;

    /// The account whose row this is. A change of owner moves the row.
    fn owner(&self) -> Account;

    /// The row it stands under within the owner (an address: its location); 0 for none.
    fn parent(&self) -> u32 {
        0
    }

    /// Its number in the table, 1 to 2,147,483,647, never used twice.
    fn id(&self) -> u32;

    /// Values no other row may have, each at most 1 KiB.
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![]
    }

    /// Reads any version this program or an older one has written.
    fn decode(version: u8, octets: &[u8]) -> Result<Self, DecodeError> {
        if version != Self::VERSION {
            return Err(DecodeError { table: Self::TABLE, reason: format!("version {version} is not known") });
        }
        postcard::from_bytes(octets).map_err(|e| DecodeError { table: Self::TABLE, reason: e.to_string() })
    }

    /// The row as one of any table.
    fn into_any(self) -> AnyRow;

    /// The row of this table, if `row` is one.
    fn from_any(row: &AnyRow) -> Option<&Self>;
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<R> {
    /// The noun.
    pub value: R,
    /// The batch that last wrote it; what `Batch::update` and `Batch::delete` expect to find.
    pub revision: Revision,
}

/// Octets that are no row of their table.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a row of table {table} cannot be read: {reason}")]
pub struct DecodeError {
    /// The table.
    pub table: Table,
    /// What is wrong with them.
    pub reason: String,
}

/// The octets of a row: revision (8, big-endian), version (1), postcard.
pub(super) fn encode<R: Record>(value: &R) -> Vec<u8> {
    let mut octets = vec![0; HEAD_OCTETS];
    octets[8] = R::VERSION;
    postcard::to_extend(value, octets).expect("a row has no maps or sequences of unknown length")
}

/// Octets before the postcard part.
pub(super) const HEAD_OCTETS: usize = 9;

/// The revision of an encoded row.
pub(super) fn revision_of(octets: &[u8]) -> Revision {
    octets.first_chunk().map_or(Revision(0), |head| Revision(u64::from_be_bytes(*head)))
}

/// Writes the revision into an encoded row.
pub(super) fn set_revision(octets: &mut [u8], revision: Revision) {
    if let Some(head) = octets.first_chunk_mut() {
        *head = revision.0.to_be_bytes();
    }
}

/// Reads an encoded row.
pub(super) fn decode<R: Record>(octets: &[u8]) -> Result<Row<R>, DecodeError> {
    let too_short = || DecodeError { table: R::TABLE, reason: "it is cut off".to_owned() };
    let version = *octets.get(8).ok_or_else(too_short)?;
    Ok(Row { value: R::decode(version, &octets[HEAD_OCTETS..])?, revision: revision_of(octets) })
}
