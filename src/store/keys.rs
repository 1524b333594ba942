//! The keys of the one sled tree. Each begins with a tag octet; numbers are big-endian, so that
//! order on disk is order of meaning.
//!
//! | tag | then | value |
//! |---|---|---|
//! | `m` | name | format version, identity, revision, head of the change log's chain |
//! | `n` | table (1) | the lowest id never given out in it (4) |
//! | `r` | owner kind (1) and id (4), table (1), parent (4), id (4) | revision (8), version (1), postcard |
//! | `c` | revision (8), piece (4) | a piece of the logged change |
//!
//! No value is longer than `VALUE_OCTETS_MAX`: the rest of a longer row stands behind it, under its
//! key with the number of the piece (1) appended.
//!
//! The indexes by id and by unique value are not on disk: they follow from the rows, which are all
//! read at open.

use super::disk::Edits;
use super::record::{Record, Revision};
use super::tables::{AnyRow, Table};
use crate::model::Account;

/// The key of the format version.
pub(super) const FORMAT: &[u8] = b"mformat";
/// The key of the database's own id: 16 random octets.
pub(super) const IDENTITY: &[u8] = b"midentity";
/// The key of the revision.
pub(super) const REVISION: &[u8] = b"mrevision";
/// The key of the hash of the last logged change.
pub(super) const CHAIN: &[u8] = b"mchain";
/// What row keys begin with.
pub(super) const ROWS: &[u8] = b"r";
/// What counter keys begin with.
pub(super) const COUNTERS: &[u8] = b"n";
/// What keys of the change log begin with.
pub(super) const CHANGES: &[u8] = b"c";

/// An account as keys have it: kind and id, the system's 0.
pub(super) fn account_octets(account: Account) -> (u8, u32) {
    match account {
        Account::System => (0, 0),
        Account::Msp(id) => (1, id.0),
        Account::Customer(id) => (2, id.0),
    }
}

/// Octets of a value, at most. A leaf of sled has up to 20 values, and what is larger than 128 KiB
/// sled writes to a file of its own that nobody syncs.
pub(super) const VALUE_OCTETS_MAX: usize = 6 * 1024;

/// Writes a row.
pub(super) fn put_row(edits: &mut Edits, key: RowKey, value: &[u8]) {
    for (number, piece) in value.chunks(VALUE_OCTETS_MAX).enumerate() {
        edits.insert(key.piece(number), piece);
    }
}

/// Removes a row of this length.
pub(super) fn remove_row(edits: &mut Edits, key: RowKey, octets: usize) {
    for number in 0..octets.div_ceil(VALUE_OCTETS_MAX) {
        edits.remove(key.piece(number));
    }
}

/// Where a row stands: owner, table, parent and id in one ordered number (112 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey(u128);

/// Octets of a place.
pub(super) const OCTETS: usize = 14;

impl RowKey {
    pub(super) fn new(owner: Account, table: Table, parent: u32, id: u32) -> Self {
        let (kind, owner) = account_octets(owner);
        RowKey(
            u128::from(kind) << 104
                | u128::from(owner) << 72
                | u128::from(table as u8) << 64
                | u128::from(parent) << 32
                | u128::from(id),
        )
    }

    pub(super) fn of<R: Record>(row: &R) -> Self {
        Self::new(row.owner(), R::TABLE, row.parent(), row.id())
    }

    pub(super) fn of_any(row: &AnyRow) -> Self {
        Self::new(row.owner(), row.table(), row.parent(), row.id())
    }

    /// The first and the last possible key of a table's rows under an owner.
    pub(super) fn range(owner: Account, table: Table) -> (Self, Self) {
        (Self::new(owner, table, 0, 0), Self::new(owner, table, u32::MAX, u32::MAX))
    }

    /// The same under a parent.
    pub(super) fn range_under(owner: Account, table: Table, parent: u32) -> (Self, Self) {
        (Self::new(owner, table, parent, 0), Self::new(owner, table, parent, u32::MAX))
    }

    pub(super) fn next(self) -> Self {
        RowKey(self.0 + 1)
    }

    pub(super) fn table(self) -> Option<Table> {
        Table::from_number((self.0 >> 64) as u8)
    }

    pub(super) fn id(self) -> u32 {
        self.0 as u32
    }

    /// The row's place as octets without a tag.
    pub(super) fn bare_octets(self) -> [u8; OCTETS] {
        let mut octets = [0; OCTETS];
        octets.copy_from_slice(&self.0.to_be_bytes()[16 - OCTETS..]);
        octets
    }

    /// Reads `bare_octets`.
    pub(super) fn from_bare_octets(octets: [u8; OCTETS]) -> Self {
        let mut number = [0; 16];
        number[16 - OCTETS..].copy_from_slice(&octets);
        RowKey(u128::from_be_bytes(number))
    }

    /// Account and table as one number.
    pub(super) fn place(self) -> Place {
        Place((self.0 >> 64) as u64)
    }

    /// The key as sled has it.
    fn octets(self) -> [u8; 1 + OCTETS] {
        let mut octets = [ROWS[0]; 1 + OCTETS];
        octets[1..].copy_from_slice(&self.bare_octets());
        octets
    }

    /// The key of a piece of the row, the first 0.
    fn piece(self, number: usize) -> Vec<u8> {
        let mut key = self.octets().to_vec();
        if number > 0 {
            key.push(number as u8);
        }
        key
    }

    /// Reads a key of sled: where the row stands, and the number of the piece.
    pub(super) fn from_octets(octets: &[u8]) -> Option<(Self, usize)> {
        let (row, rest) = octets.get(1..)?.split_first_chunk()?;
        let piece = match rest {
            [] => 0,
            [piece] => usize::from(*piece),
            _ => return None,
        };
        Some((RowKey::from_bare_octets(*row), piece))
    }

    /// What finds the row by its number alone; for a singleton, by its owner.
    pub(super) fn id_key(self) -> IdKey {
        let table = self.table().map_or(0, |table| table as u8);
        match self.table() {
            Some(table) if table.is_singleton() => IdKey(u64::from(table as u8) << 56 | (self.0 >> 72) as u64),
            _ => IdKey(u64::from(table) << 56 | u64::from(self.id())),
        }
    }
}

/// Table and id in one ordered number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct IdKey(u64);

impl IdKey {
    pub(super) fn new(table: Table, id: u32) -> Self {
        IdKey(u64::from(table as u8) << 56 | u64::from(id))
    }

    /// The first and the last possible key of a table.
    pub(super) fn range(table: Table) -> (Self, Self) {
        let first = u64::from(table as u8) << 56;
        (IdKey(first), IdKey(first | ((1 << 56) - 1)))
    }

    pub(super) fn next(self) -> Self {
        IdKey(self.0 + 1)
    }
}

/// Account and table: what `Batch::expect_unchanged` watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u64);

impl Place {
    pub(super) fn new(owner: Account, table: Table) -> Self {
        RowKey::new(owner, table, 0, 0).place()
    }
}

/// The key of a table's counter.
pub(super) fn counter(table: Table) -> [u8; 2] {
    [COUNTERS[0], table as u8]
}

/// The key of a piece of a logged change.
pub(super) fn change(revision: Revision, chunk: u32) -> [u8; 13] {
    let mut key = [0; 13];
    key[0] = CHANGES[0];
    key[1..9].copy_from_slice(&revision.0.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// Revision and chunk of a key of the change log.
pub(super) fn change_parts(key: &[u8]) -> Option<(Revision, u32)> {
    let key: &[u8; 13] = key.try_into().ok()?;
    Some((Revision(u64::from_be_bytes(*key[1..].first_chunk()?)), u32::from_be_bytes(*key[9..].first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CustomerId, MspId};

    #[test]
    fn keys_survive_the_way_to_octets_and_keep_their_order() {
        let keys = [
            RowKey::new(Account::System, Table::Customer, 0, 1),
            RowKey::new(Account::System, Table::ListEntry, 0, u32::MAX),
            RowKey::new(Account::Msp(MspId(1)), Table::Msp, 0, 1),
            RowKey::new(Account::Customer(CustomerId(1)), Table::ListEntry, 2, 9),
            RowKey::new(Account::Customer(CustomerId(1)), Table::ListEntry, 3, 1),
            RowKey::new(Account::Customer(CustomerId(256)), Table::Policy, 0, 1),
        ];
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].octets() < pair[1].octets());
        }
        for key in keys {
            assert_eq!(RowKey::from_octets(&key.octets()), Some((key, 0)));
            assert_eq!(RowKey::from_octets(&key.piece(2)), Some((key, 2)));
        }
        assert_eq!(keys[3].table(), Some(Table::ListEntry));
        assert_eq!(keys[3].id(), 9);
        assert_eq!(change_parts(&change(Revision(7), 3)), Some((Revision(7), 3)));
    }
}
