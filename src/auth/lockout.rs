//! Who guesses passwords waits: longer each time, by account and by address.
//!
//! Accounts are counted by the user name as typed, whether there is one or not, so that a lock says
//! nothing about it. Both tables are bounded; what was not seen for longest is forgotten. Failures stand in a journal
//! as well, by the hash of a name or an address: a restart is no new beginning for somebody who guesses.

use crate::{
    model::Timestamp,
    store::{Journal, Store},
};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
};

/// Names and addresses remembered, each.
const ENTRIES_MAX: usize = 10_000;
/// Failures of an account before it waits.
const NAME_FAILURES: u32 = 5;
/// Failures of an address before it waits. Offices share one.
const ADDRESS_FAILURES: u32 = 20;
/// Attempts at once while nothing failed: what is tried side by side is counted only when it ends.
const AT_ONCE_MAX: u32 = 32;
/// The first wait; each failure doubles it.
const WAIT_S: i64 = 30;
/// The longest wait, short enough that nobody is locked out for a day by somebody else.
const WAIT_MAX_S: i64 = 15 * 60;
/// Failures are forgotten after this long without another.
const FORGET_S: i64 = 3600;
/// The journal's name in the data folder.
const JOURNAL: &str = "lockouts";
/// Octets of a journal, at most; then it is begun anew with what counts, some 800 KiB.
const JOURNAL_OCTETS_MAX: u64 = 4 * 1024 * 1024;
/// The tables, in records.
const NAMES: u8 = 0;
const ADDRESSES: u8 = 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    failures: u32,
    pending: u32,
    until: i64,
    last: i64,
}

/// One table.
struct Table {
    free: u32,
    entries: Mutex<LruCache<u64, Entry>>,
}

impl Table {
    fn new(free: u32) -> Self {
        Table { free, entries: Mutex::new(LruCache::new(NonZeroUsize::MIN.saturating_add(ENTRIES_MAX - 1))) }
    }

    /// Begins an attempt, or says how many seconds to wait.
    fn begin(&self, key: u64, now: i64) -> Result<(), u64> {
        let mut entries = self.entries.lock();
        let entry = entries.get_or_insert_mut(key, Entry::default);
        if entry.pending == 0 && now.saturating_sub(entry.last) > FORGET_S {
            *entry = Entry::default();
        }
        if entry.until > now {
            return Err((entry.until - now).unsigned_abs());
        }
        let room = match entry.failures {
            0 => AT_ONCE_MAX,
            failures => self.free.saturating_sub(failures).max(1),
        };
        if entry.pending >= room {
            return Err(1);
        }
        entry.pending += 1;
        Ok(())
    }

    /// Ends an attempt; what is known then.
    fn end(&self, key: u64, change: impl FnOnce(&mut Entry, u32)) -> Option<Entry> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&key)?;
        entry.pending = entry.pending.saturating_sub(1);
        change(entry, self.free);
        Some(*entry)
    }
}

/// An entry in the journal.
fn record(table: u8, key: u64, entry: Entry) -> Vec<u8> {
    let Entry { failures, until, last, .. } = entry;
    [&[table][..], &key.to_le_bytes(), &failures.to_le_bytes(), &until.to_le_bytes(), &last.to_le_bytes()].concat()
}

fn read(record: &[u8], now: i64) -> Option<(u8, u64, Entry)> {
    let (table, rest) = record.split_first()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (failures, rest) = rest.split_first_chunk()?;
    let (until, rest) = rest.split_first_chunk()?;
    let entry = Entry {
        failures: u32::from_le_bytes(*failures),
        pending: 0,
        // Whatever the clock said then, nobody waits for longer than this.
        until: i64::from_le_bytes(*until).min(now + WAIT_MAX_S),
        last: i64::from_le_bytes(*rest.first_chunk()?).min(now),
    };
    Some((*table, u64::from_le_bytes(*key), entry))
}

fn fail(entry: &mut Entry, free: u32, now: i64) {
    entry.failures = entry.failures.saturating_add(1);
    entry.last = now;
    if entry.failures >= free {
        let doublings = (entry.failures - free).min(16);
        entry.until = now + (WAIT_S << doublings).min(WAIT_MAX_S);
    }
}

/// The tables of accounts and addresses.
pub struct Lockout {
    names: Table,
    addresses: Table,
    /// Taken before a table, never after.
    journal: Mutex<Option<Journal>>,
}

/// An attempt under way. Dropped, it counts for nothing.
pub struct Attempt<'a> {
    lockout: &'a Lockout,
    name: u64,
    /// Loopback is not counted: everybody behind a proxy comes from there.
    address: Option<u64>,
    done: bool,
}

impl Default for Lockout {
    fn default() -> Self {
        Lockout { names: Table::new(NAME_FAILURES), addresses: Table::new(ADDRESS_FAILURES), journal: Mutex::new(None) }
    }
}

impl Lockout {
    /// With what the journal of `store` has, and written there from now on.
    pub fn open(store: &Store, now: Timestamp) -> Lockout {
        let lockout = Lockout::default();
        match store.journal(JOURNAL) {
            Err(error) => {
                tracing::warn!(%error, "failed sign-ins of before the start cannot be read and are forgotten")
            }
            Ok((journal, _, records)) => {
                for (table, key, entry) in records.iter().filter_map(|record| read(record, now.0)) {
                    let table = if table == NAMES { &lockout.names } else { &lockout.addresses };
                    if entry.failures == 0 || now.0.saturating_sub(entry.last) > FORGET_S {
                        table.entries.lock().pop(&key);
                    } else {
                        table.entries.lock().put(key, entry);
                    }
                }
                *lockout.journal.lock() = Some(journal);
                lockout.begin_journal();
            }
        }
        lockout
    }

    /// Writes down what is known of a name and an address.
    fn write(&self, changed: impl IntoIterator<Item = Vec<u8>>) {
        let full = {
            let mut journal = self.journal.lock();
            let Some(journal) = &mut *journal else { return };
            for record in changed {
                if let Err(error) = journal.append(&record) {
                    tracing::warn!(%error, "failed sign-ins cannot be written down; a restart forgets them");
                }
            }
            journal.octets() > JOURNAL_OCTETS_MAX
        };
        if full {
            self.begin_journal();
        }
    }

    /// Begins the journal anew with the entries that count.
    fn begin_journal(&self) {
        let mut journal = self.journal.lock();
        let Some(journal) = &mut *journal else { return };
        let mut records = Vec::new();
        for (number, table) in [(NAMES, &self.names), (ADDRESSES, &self.addresses)] {
            let entries = table.entries.lock();
            // As they were used, the latest last.
            let counting = entries.iter().rev().filter(|(_, entry)| entry.failures > 0);
            records.extend(counting.map(|(key, entry)| record(number, *key, *entry)));
        }
        if let Err(error) = journal.rewrite(records) {
            tracing::warn!(%error, "the journal of failed sign-ins could not be begun anew");
        }
    }

    /// Begins an attempt to sign in, or says how many seconds to wait before the next.
    pub fn begin(&self, name: &str, address: IpAddr, now: i64) -> Result<Attempt<'_>, u64> {
        let address = address.to_canonical();
        // As names are looked up: whoever puts blanks around one means the same account.
        let name = hash(name.trim().to_lowercase().as_bytes());
        let address = (!address.is_loopback()).then(|| hash(network(address).to_string().as_bytes()));
        if let Some(address) = address {
            self.addresses.begin(address, now)?;
        }
        let begun = self.names.begin(name, now);
        if let (Err(_), Some(address)) = (begun, address) {
            self.addresses.end(address, |_, _| {});
        }
        begun.map(|()| Attempt { lockout: self, name, address, done: false })
    }
}

impl Attempt<'_> {
    /// Counts it as a failure.
    pub fn failed(mut self, now: i64) {
        self.done = true;
        let Lockout { names, addresses, .. } = self.lockout;
        let name = names.end(self.name, |entry, free| fail(entry, free, now));
        let name = name.map(|entry| record(NAMES, self.name, entry));
        let address = self.address.and_then(|address| {
            let entry = addresses.end(address, |entry, free| fail(entry, free, now))?;
            Some(record(ADDRESSES, address, entry))
        });
        self.lockout.write(name.into_iter().chain(address));
    }

    /// Forgets the account's failures. Those of the address stay: one good password is no licence
    /// to guess others.
    pub fn succeeded(mut self) {
        self.done = true;
        let mut forgiven = None;
        self.lockout.names.end(self.name, |entry, _| {
            forgiven = (entry.failures > 0).then(|| record(NAMES, self.name, Entry::default()));
            *entry = Entry { pending: entry.pending, ..Entry::default() };
        });
        self.lockout.write(forgiven);
        if let Some(address) = self.address {
            self.lockout.addresses.end(address, |_, _| {});
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.lockout.names.end(self.name, |_, _| {});
            if let Some(address) = self.address {
                self.lockout.addresses.end(address, |_, _| {});
            }
        }
    }
}

/// The same for ever, since it stands in the journal.
fn hash(octets: &[u8]) -> u64 {
    u64::from_le_bytes(blake3::hash(octets).as_bytes()[..8].try_into().expect("eight octets"))
}

/// An IPv4 address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn fail_once(lockout: &Lockout, name: &str, address: IpAddr, now: i64) -> Result<(), u64> {
        lockout.begin(name, address, now).map(|attempt| attempt.failed(now))
    }

    #[test]
    fn an_account_waits_longer_each_time_and_a_success_forgives() {
        let lockout = Lockout::default();
        for _ in 0..5 {
            assert_eq!(fail_once(&lockout, "A@weir.test", HERE, 100), Ok(()));
        }
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, 100), Err(30));
        assert_eq!(fail_once(&lockout, "\u{a0} a@WEIR.test\t", HERE, 100), Err(30), "blanks make no other account");
        assert_eq!(fail_once(&lockout, "b@weir.test", HERE, 100), Ok(()), "others do not wait");
        let mut now = 130;
        for wait in [60, 120, 240, 480, 900, 900] {
            assert_eq!(fail_once(&lockout, "a@weir.test", HERE, now), Ok(()));
            assert_eq!(fail_once(&lockout, "a@weir.test", HERE, now), Err(wait));
            now += wait as i64;
        }
        lockout.begin("a@weir.test", HERE, now).expect("may try").succeeded();
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, now), Ok(()));
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, now), Ok(()));
    }

    #[test]
    fn a_restart_lets_nobody_guess_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), crate::store::Options::default()).expect("opens");
        let there: IpAddr = [192, 0, 2, 1].into();
        let lockout = Lockout::open(&store, Timestamp(90));
        for _ in 0..6 {
            let _ = fail_once(&lockout, "a@weir.test", there, 100);
        }
        assert_eq!(fail_once(&lockout, "b@weir.test", there, 100), Ok(()));
        lockout.begin("b@weir.test", there, 100).expect("may try").succeeded();
        for number in 0..13 {
            assert_eq!(fail_once(&lockout, &format!("{number}@weir.test"), there, 100), Ok(()));
        }
        drop(lockout);
        let octets = std::fs::read(folder.path().join(JOURNAL)).expect("is there");
        assert!(!octets.windows(9).any(|some| some == b"weir.test"), "no names stand in it");
        let lockout = Lockout::open(&store, Timestamp(110));
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, 110), Err(20));
        assert_eq!(fail_once(&lockout, "b@weir.test", HERE, 110), Ok(()), "who got in is forgiven");
        assert_eq!(fail_once(&lockout, "new@weir.test", there, 110), Ok(()), "the twentieth of this address");
        assert_eq!(fail_once(&lockout, "new@weir.test", there, 110), Err(30));
        // The clock was wrong and has been set back.
        let lockout = Lockout::open(&store, Timestamp(-1_000_000));
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, -1_000_000), Err(900));
        let lockout = Lockout::open(&store, Timestamp(10_000));
        assert_eq!(fail_once(&lockout, "a@weir.test", HERE, 10_000), Ok(()));
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries() {
        let lockout = Lockout::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for number in 0..20 {
            let from = format!("2001:db8::{number:x}");
            assert_eq!(fail_once(&lockout, &format!("{number}@weir.test"), address(&from), 100), Ok(()));
        }
        assert_eq!(fail_once(&lockout, "new@weir.test", address("2001:db8::ffff"), 100), Err(30));
        assert_eq!(fail_once(&lockout, "new@weir.test", address("2001:db8:0:1::1"), 100), Ok(()));
    }

    #[test]
    fn what_is_tried_side_by_side_is_bounded_and_what_is_dropped_does_not_count() {
        let lockout = Lockout::default();
        let attempts: Vec<_> = (0..32).map(|_| lockout.begin("a", HERE, 100).expect("may try")).collect();
        assert_eq!(lockout.begin("a", HERE, 100).err(), Some(1));
        drop(attempts);
        assert!(lockout.begin("a", HERE, 100).is_ok());
        for number in 0..30_000 {
            drop(lockout.begin(&number.to_string(), HERE, 100));
        }
        assert!(lockout.names.entries.lock().len() <= ENTRIES_MAX);
    }
}
