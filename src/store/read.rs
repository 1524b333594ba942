//! Reading: by id, by owner, by unique value, in order.

use super::Store;
use super::keys::{IdKey, RowKey};
use super::record::{self, Record, Revision, Row};
use super::tables::AnyRow;
use super::unique::Unique;
use crate::model::{Account, Customer};
use std::marker::PhantomData;
use std::sync::Arc;

/// Rows taken from the view with one look at its lock.
const ROWS_AT_ONCE: usize = 64;

impl Store {
    /// The row of this id, whoever owns it. Singletons have no id of their own: use `get`.
    pub fn find<R: Record>(&self, id: u32) -> Option<Row<R>> {
        let octets = {
            let view = self.shared().view.read();
            view.row(view.place_of(IdKey::new(R::TABLE, id))?)?.clone()
        };
        decode(&octets)
    }

    /// The row of this id if `owner` owns it. A singleton's id is 1.
    pub fn get<R: Record>(&self, owner: Account, id: u32) -> Option<Row<R>> {
        if R::SINGLETON {
            let octets = {
                let view = self.shared().view.read();
                let key = view.place_of(RowKey::new(owner, R::TABLE, 0, id).id_key())?;
                view.row(key).filter(|_| key.id() == id)?.clone()
            };
            return decode(&octets);
        }
        self.find(id).filter(|row: &Row<R>| row.value.owner() == owner)
    }

    /// The account and those above it, the system last.
    pub fn account_and_above(&self, account: Account) -> Vec<Account> {
        let mut chain = vec![account];
        if let Account::Customer(id) = account
            && let Some(msp) = self.find::<Customer>(id.0).and_then(|row| row.value.msp)
        {
            chain.push(Account::Msp(msp));
        }
        if account != Account::System {
            chain.push(Account::System);
        }
        chain
    }

    /// A singleton in force for an account: its own, or that of the nearest account above that has one.
    pub fn in_force<R: Record>(&self, account: Account) -> Option<Row<R>> {
        self.account_and_above(account).into_iter().find_map(|owner| self.get::<R>(owner, 1))
    }

    /// The row that has this value; see `Record::unique` and the key functions of `Unique`.
    pub fn find_unique<R: Record>(&self, unique: Unique, value: &[u8]) -> Option<Row<R>> {
        let octets = {
            let view = self.shared().view.read();
            let holder = view.holder(self.shared().fingerprints.of(unique, value))?;
            let key = view.place_of(holder).filter(|key| key.table() == Some(R::TABLE))?;
            view.row(key)?.clone()
        };
        // The index knows a fingerprint; the row knows the value.
        decode(&octets)
            .filter(|row: &Row<R>| row.value.unique().iter().any(|(kind, own)| *kind == unique && own == value))
    }

    /// The rows of an owner, by parent, then id. Each is current when it is reached; rows made or
    /// deleted meanwhile may or may not be met. Skipping is cheap.
    pub fn rows<R: Record>(&self, owner: Account) -> Rows<R> {
        Rows::new(self.clone(), RowKey::range(owner, R::TABLE))
    }

    /// The rows of an owner under one parent, by id; otherwise as `rows`.
    pub fn rows_under<R: Record>(&self, owner: Account, parent: u32) -> Rows<R> {
        Rows::new(self.clone(), RowKey::range_under(owner, R::TABLE, parent))
    }

    /// The rows of every owner, by id (singletons: by owner); otherwise as `rows`.
    pub fn all<R: Record>(&self) -> All<R> {
        let (next, last) = IdKey::range(R::TABLE);
        All { store: self.clone(), next, last, taken: Vec::new().into_iter(), row: PhantomData }
    }

    /// How many rows `rows` meets.
    pub fn count_rows<R: Record>(&self, owner: Account) -> usize {
        self.shared().view.read().range(RowKey::range(owner, R::TABLE)).count()
    }

    /// How many rows `rows_under` meets.
    pub fn count_rows_under<R: Record>(&self, owner: Account, parent: u32) -> usize {
        self.shared().view.read().range(RowKey::range_under(owner, R::TABLE, parent)).count()
    }

    /// How many rows `all` meets.
    pub fn count_all<R: Record>(&self) -> usize {
        self.shared().view.read().id_range(IdKey::range(R::TABLE)).count()
    }

    /// Every row of one revision: by owner, then table, parent and id. Later commits do not show.
    pub fn all_rows(&self) -> AllRows {
        let view = self.shared().view.read();
        let rows: Vec<(RowKey, Arc<[u8]>)> = view.all().map(|(key, octets)| (key, octets.clone())).collect();
        AllRows { revision: view.revision, rows: rows.into_iter() }
    }
}

/// Rows are checked when they enter the view; one that cannot be read all the same is a fault of
/// ours, reported and left out.
fn decode<R: Record>(octets: &[u8]) -> Option<Row<R>> {
    record::decode(octets).map_err(|e| tracing::error!(error = %e, "a row is left out")).ok()
}

/// Rows in key order.
pub struct Rows<R> {
    store: Store,
    next: RowKey,
    last: RowKey,
    taken: std::vec::IntoIter<Arc<[u8]>>,
    row: PhantomData<fn() -> R>,
}

impl<R: Record> Rows<R> {
    fn new(store: Store, (next, last): (RowKey, RowKey)) -> Self {
        Rows { store, next, last, taken: Vec::new().into_iter(), row: PhantomData }
    }

    /// Takes the next rows from the view, leaving out the first `skip`.
    fn refill(&mut self, skip: usize) {
        if self.next > self.last {
            return;
        }
        let view = self.store.shared().view.read();
        let rows: Vec<_> = view
            .range((self.next, self.last))
            .skip(skip)
            .take(ROWS_AT_ONCE)
            .map(|(key, octets)| (key, octets.clone()))
            .collect();
        drop(view);
        self.next = next_of(&rows).unwrap_or(self.last).next();
        self.taken = octets_of(rows);
    }
}

impl<R: Record> Iterator for Rows<R> {
    type Item = Row<R>;

    fn next(&mut self) -> Option<Row<R>> {
        self.nth(0)
    }

    fn nth(&mut self, n: usize) -> Option<Row<R>> {
        nth(self, n, |rows| &mut rows.taken, Self::refill)
    }
}

/// Rows of a table in id order.
pub struct All<R> {
    store: Store,
    next: IdKey,
    last: IdKey,
    taken: std::vec::IntoIter<Arc<[u8]>>,
    row: PhantomData<fn() -> R>,
}

impl<R: Record> All<R> {
    /// Takes the next rows from the view, leaving out the first `skip`.
    fn refill(&mut self, skip: usize) {
        if self.next > self.last {
            return;
        }
        let view = self.store.shared().view.read();
        let rows: Vec<_> = view
            .id_range((self.next, self.last))
            .skip(skip)
            .take(ROWS_AT_ONCE)
            .filter_map(|(id, key)| Some((id, view.row(key)?.clone())))
            .collect();
        drop(view);
        self.next = next_of(&rows).unwrap_or(self.last).next();
        self.taken = octets_of(rows);
    }
}

impl<R: Record> Iterator for All<R> {
    type Item = Row<R>;

    fn next(&mut self) -> Option<Row<R>> {
        self.nth(0)
    }

    fn nth(&mut self, n: usize) -> Option<Row<R>> {
        nth(self, n, |rows| &mut rows.taken, Self::refill)
    }
}

/// The key reached, if there may be more after it.
fn next_of<K: Copy>(rows: &[(K, Arc<[u8]>)]) -> Option<K> {
    rows.last().filter(|_| rows.len() == ROWS_AT_ONCE).map(|(key, _)| *key)
}

fn octets_of<K>(rows: Vec<(K, Arc<[u8]>)>) -> std::vec::IntoIter<Arc<[u8]>> {
    rows.into_iter().map(|(_, octets)| octets).collect::<Vec<_>>().into_iter()
}

/// The row after `n` others, which are passed over without being read.
fn nth<I, R: Record>(
    rows: &mut I,
    n: usize,
    taken: impl Fn(&mut I) -> &mut std::vec::IntoIter<Arc<[u8]>>,
    refill: impl Fn(&mut I, usize),
) -> Option<Row<R>> {
    let mut skip = n;
    loop {
        let left = taken(rows).len();
        if let Some(octets) = taken(rows).nth(skip) {
            if let Some(row) = decode(&octets) {
                return Some(row);
            }
            skip = 0;
            continue;
        }
        refill(rows, skip - left);
        skip = 0;
        if taken(rows).len() == 0 {
            return None;
        }
    }
}

/// Every row of one revision.
pub struct AllRows {
    /// The revision.
    pub revision: Revision,
    rows: std::vec::IntoIter<(RowKey, Arc<[u8]>)>,
}

impl Iterator for AllRows {
    type Item = Row<AnyRow>;

    fn next(&mut self) -> Option<Row<AnyRow>> {
        loop {
            let (key, octets) = self.rows.next()?;
            let row = key.table().map(|table| AnyRow::decode(table, &octets));
            match row {
                Some(Ok(row)) => return Some(row),
                Some(Err(e)) => tracing::error!(error = %e, "a row is left out"),
                None => {}
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.rows.len()))
    }
}
