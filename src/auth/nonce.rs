//! Requests already seen, so that a signature works once, whatever restarts.
//!
//! Nonces of the window stand in a journal as well, and are read from it at a start. It outlives the process, not a
//! machine that loses its power. So each key also has a mark on disk, later than all its timestamps that were let in;
//! where the machine began anew and the daemon had not stopped in order, a key has to show timestamps behind its mark.
//! Nobody else has to, and a key nobody used has none: clocks that are off by less than the window go on working.

use crate::store::{Journal, Store};
use ahash::RandomState;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    sync::Arc,
};

/// How far a timestamp may be from our clock, seconds, either way.
pub const WINDOW_S: i64 = 300;
const BUCKET_S: i64 = 60;
/// Requests one key may make within the window.
pub const NONCES_PER_KEY_MAX: u32 = 100_000;
/// Requests all keys may make within the window.
const NONCES_MAX: usize = 1_000_000;
/// The journal's name in the data folder.
const JOURNAL: &str = "nonces";
/// How far ahead of a timestamp a mark is set, seconds: a key costs a write to the disk that often.
const MARK_AHEAD_S: i64 = 60;
/// Octets of a journal that are not worth beginning it anew.
const SLACK_OCTETS: u64 = 1024 * 1024;
/// In the place of a key: no key has this number.
const EVERYBODY: u32 = 0;
/// What tells one run of the machine from the next.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The first octet of a record.
mod record {
    /// Then the boot id: the machine's run in which what follows was written.
    pub const BOOT: u8 = 0;
    /// Then key, timestamp and print of a nonce.
    pub const NONCE: u8 = 1;
    /// Then key and mark.
    pub const MARK: u8 = 2;
    /// Then key and floor.
    pub const FLOOR: u8 = 3;
    /// The daemon stopped in order.
    pub const CLOSED: u8 = 4;
}

/// What the table says of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Never seen; remembered now.
    Fresh,
    /// Seen with this timestamp and key.
    Replayed,
    /// The timestamp is outside the window.
    Stale,
    /// No room to remember it, so it cannot be let in.
    Full,
}

/// Nonces of the last window, one bucket a minute so that forgetting is dropping a bucket.
///
/// Ask only after the signature was found good: otherwise a stranger could fill it.
#[derive(Default)]
pub struct Nonces(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    buckets: VecDeque<Bucket>,
    /// Of keys that were let in: what no timestamp has reached.
    marks: HashMap<u32, i64, RandomState>,
    /// Of keys, and of all under [`EVERYBODY`]: what a timestamp must reach, because before it is not known what was
    /// let in.
    floors: HashMap<u32, i64, RandomState>,
    journal: Option<Journal>,
    journal_octets_min: u64,
}

struct Bucket {
    minute: i64,
    seen: HashMap<u64, (u32, i64), RandomState>,
    per_key: HashMap<u32, u32, RandomState>,
}

impl Nonces {
    /// Those of the journal of `store`, and written there from now on.
    pub fn open(store: &Store, now: i64) -> Nonces {
        let boot = std::fs::read(BOOT_ID).unwrap_or_default();
        Nonces::open_in(store, now, &boot)
    }

    fn open_in(store: &Store, now: i64, boot: &[u8]) -> Nonces {
        let mut inner = Inner::default();
        match store.journal(JOURNAL) {
            Err(error) => {
                tracing::warn!(%error, "signed requests seen before cannot be read: those signed until now are refused");
                inner.floors.insert(EVERYBODY, now);
            }
            Ok((journal, was_there, records)) => {
                inner.journal = Some(journal);
                let trusted = was_there && inner.load(&records, boot, now);
                if !was_there {
                    inner.floors.insert(EVERYBODY, now);
                } else if !trusted {
                    let marks = inner.marks.clone();
                    inner.floors.extend(marks);
                }
                inner.begin_journal(boot, now);
            }
        }
        Nonces(Mutex::new(inner))
    }

    /// Judges and remembers one nonce of one key.
    pub fn check(&self, key: u32, timestamp: i64, nonce: &str, now: i64) -> Verdict {
        if now.abs_diff(timestamp) > WINDOW_S as u64 {
            return Verdict::Stale;
        }
        let mut inner = self.0.lock();
        let floors = [key, EVERYBODY].map(|of| inner.floors.get(&of).copied());
        if floors.into_iter().flatten().any(|floor| timestamp < floor) {
            return Verdict::Stale;
        }
        let print = print(key, timestamp, nonce);
        let verdict = inner.remember(key, timestamp, print, now);
        let mark = inner.marks.get(&key).copied();
        let durable = (verdict == Verdict::Fresh).then(|| inner.write(key, timestamp, print, mark)).flatten();
        drop(inner);
        if let Some(file) = durable
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "a mark of signed requests may not be on the disk");
        }
        verdict
    }
}

impl Drop for Nonces {
    fn drop(&mut self) {
        let Some(journal) = &mut self.0.get_mut().journal else { return };
        // Only now is everything before it on the disk.
        if let Some(file) = journal.handle()
            && file.sync_data().is_ok()
            && journal.append(&[record::CLOSED]).is_ok()
        {
            let _ = file.sync_data();
        }
    }
}

impl Inner {
    fn remember(&mut self, key: u32, timestamp: i64, print: u64, now: i64) -> Verdict {
        let oldest = (now - WINDOW_S).div_euclid(BUCKET_S);
        self.buckets.retain(|bucket| bucket.minute >= oldest);
        let (mut of_key, mut of_all) = (0, 0);
        for bucket in &self.buckets {
            of_key += bucket.per_key.get(&key).copied().unwrap_or(0);
            of_all += bucket.seen.len();
        }
        let minute = timestamp.div_euclid(BUCKET_S);
        let at = match self.buckets.iter().position(|bucket| bucket.minute == minute) {
            Some(at) => at,
            None => {
                self.buckets.push_back(Bucket { minute, seen: HashMap::default(), per_key: HashMap::default() });
                self.buckets.len() - 1
            }
        };
        let bucket = &mut self.buckets[at];
        if bucket.seen.contains_key(&print) {
            return Verdict::Replayed;
        }
        if of_key >= NONCES_PER_KEY_MAX || of_all >= NONCES_MAX {
            return Verdict::Full;
        }
        bucket.seen.insert(print, (key, timestamp));
        *bucket.per_key.entry(key).or_insert(0) += 1;
        Verdict::Fresh
    }

    /// Writes down what was let in; the file, where it has to be made durable before anybody is answered.
    fn write(&mut self, key: u32, timestamp: i64, print: u64, mark: Option<i64>) -> Option<Arc<File>> {
        let journal = self.journal.as_mut()?;
        let passed = mark.is_none_or(|mark| timestamp >= mark);
        let mut written = journal.append(&nonce_record(key, timestamp, print));
        if passed {
            let mark = timestamp + MARK_AHEAD_S;
            self.marks.insert(key, mark);
            written = written.and_then(|()| journal.append(&time_record(record::MARK, key, mark)));
        }
        if let Err(error) = written {
            tracing::warn!(%error, "signed requests cannot be written down: after a restart, those signed before it are refused");
        }
        let handle = passed.then(|| journal.handle()).flatten();
        if journal.octets() > 2 * self.journal_octets_min + SLACK_OCTETS {
            let boot = std::fs::read(BOOT_ID).unwrap_or_default();
            self.begin_journal(&boot, timestamp);
        }
        handle
    }

    /// Takes what a journal has; whether that is all there was.
    fn load(&mut self, records: &[Vec<u8>], boot: &[u8], now: i64) -> bool {
        let (mut same_run, mut closed) = (false, false);
        for octets in records {
            closed = false;
            match octets.split_first() {
                Some((&record::BOOT, then)) => same_run = !boot.is_empty() && then == boot,
                Some((&record::CLOSED, _)) => closed = true,
                Some((&record::NONCE, then)) => {
                    if let Some((key, timestamp, print)) = nonce_of(then)
                        && now.abs_diff(timestamp) <= WINDOW_S as u64
                    {
                        self.remember(key, timestamp, print, now);
                    }
                }
                Some((&record::MARK, then)) => {
                    self.marks.extend(key_and_time(then));
                }
                Some((&record::FLOOR, then)) => {
                    self.floors.extend(key_and_time(then));
                }
                _ => {}
            }
        }
        same_run || closed
    }

    /// Begins the journal anew with what still counts.
    fn begin_journal(&mut self, boot: &[u8], now: i64) {
        let Some(journal) = &mut self.journal else { return };
        self.marks.retain(|_, mark| *mark >= now - WINDOW_S);
        self.floors.retain(|_, floor| *floor >= now - WINDOW_S);
        let first = [&[record::BOOT], boot].concat();
        let seen = self.buckets.iter().flat_map(|bucket| &bucket.seen);
        let nonces = seen.map(|(print, (key, timestamp))| nonce_record(*key, *timestamp, *print));
        let marks = self.marks.iter().map(|(key, mark)| time_record(record::MARK, *key, *mark));
        let floors = self.floors.iter().map(|(key, floor)| time_record(record::FLOOR, *key, *floor));
        if let Err(error) = journal.rewrite(std::iter::once(first).chain(nonces).chain(marks).chain(floors)) {
            tracing::warn!(%error, "the journal of signed requests could not be begun anew");
        }
        self.journal_octets_min = journal.octets();
    }
}

/// What is kept of a nonce.
fn print(key: u32, timestamp: i64, nonce: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key.to_le_bytes()).update(&timestamp.to_le_bytes()).update(nonce.as_bytes());
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("eight octets"))
}

fn nonce_record(key: u32, timestamp: i64, print: u64) -> Vec<u8> {
    [&[record::NONCE][..], &key.to_le_bytes(), &timestamp.to_le_bytes(), &print.to_le_bytes()].concat()
}

fn nonce_of(octets: &[u8]) -> Option<(u32, i64, u64)> {
    let (key, rest) = octets.split_first_chunk()?;
    let (timestamp, rest) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*key), i64::from_le_bytes(*timestamp), u64::from_le_bytes(*rest.first_chunk()?)))
}

fn time_record(kind: u8, key: u32, time: i64) -> Vec<u8> {
    [&[kind][..], &key.to_le_bytes(), &time.to_le_bytes()].concat()
}

fn key_and_time(octets: &[u8]) -> Option<(u32, i64)> {
    let (key, rest) = octets.split_first_chunk()?;
    Some((u32::from_le_bytes(*key), i64::from_le_bytes(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn a_nonce_works_once_for_its_key_and_time() {
        let nonces = Nonces::default();
        for (key, timestamp, nonce, now, verdict) in [
            (1, 1000, "a", 1000, Verdict::Fresh),
            (1, 1000, "a", 1100, Verdict::Replayed),
            (1, 1001, "a", 1100, Verdict::Fresh),
            (2, 1000, "a", 1100, Verdict::Fresh),
            (1, 1000, "b", 1300, Verdict::Fresh),
            (1, 1000, "a", 1300, Verdict::Replayed),
            (1, 1000, "a", 1301, Verdict::Stale),
            (1, 1700, "a", 1400, Verdict::Fresh),
            (1, 1701, "c", 1400, Verdict::Stale),
        ] {
            assert_eq!(nonces.check(key, timestamp, nonce, now), verdict, "{key} {timestamp} {nonce} at {now}");
        }
        assert!(nonces.0.lock().buckets.len() <= 12);
    }

    #[test]
    fn a_signature_works_once_whatever_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), store::Options::default()).expect("opens");
        let nonces = Nonces::open_in(&store, 1000, b"run 1");
        assert_eq!(nonces.check(1, 999, "a", 1000), Verdict::Stale, "nothing is known of the time before");
        for (key, timestamp) in [(1, 1000), (1, 1290), (2, 1010)] {
            assert_eq!(nonces.check(key, timestamp, "a", 1000), Verdict::Fresh);
        }
        // Killed: the journal has no end, and the machine goes on.
        std::mem::forget(nonces);
        let nonces = Nonces::open_in(&store, 1030, b"run 1");
        for (key, timestamp, nonce, verdict) in [
            (1, 1000, "a", Verdict::Replayed),
            (1, 1290, "a", Verdict::Replayed),
            (2, 1010, "a", Verdict::Replayed),
            (1, 1001, "a", Verdict::Fresh),
            (2, 1001, "b", Verdict::Fresh),
            (2, 999, "b", Verdict::Stale),
        ] {
            assert_eq!(nonces.check(key, timestamp, nonce, 1030), verdict, "{key} {timestamp} {nonce}");
        }
        // Stopped in order, then the machine began anew.
        drop(nonces);
        let nonces = Nonces::open_in(&store, 1060, b"run 2");
        assert_eq!(nonces.check(1, 1001, "a", 1060), Verdict::Replayed);
        assert_eq!(nonces.check(1, 1002, "a", 1060), Verdict::Fresh, "clocks may be behind");
        // The power was cut: the disk may lack what was let in last, so each key begins behind its mark.
        std::mem::forget(nonces);
        let nonces = Nonces::open_in(&store, 1090, b"run 3");
        for (key, timestamp, verdict) in [
            (1, 1349, Verdict::Stale),
            (1, 1350, Verdict::Fresh),
            (2, 1069, Verdict::Stale),
            (2, 1070, Verdict::Fresh),
            (3, 1001, Verdict::Fresh),
            (3, 999, Verdict::Stale),
        ] {
            assert_eq!(nonces.check(key, timestamp, "c", 1090), verdict, "{key} {timestamp}");
        }
        drop(nonces);
        std::fs::remove_file(folder.path().join(JOURNAL)).expect("is there");
        let nonces = Nonces::open_in(&store, 1200, b"run 3");
        assert_eq!(nonces.check(3, 1199, "c", 1200), Verdict::Stale, "the journal is lost");
    }

    #[test]
    fn one_key_cannot_crowd_out_another() {
        let nonces = Nonces::default();
        for number in 0..NONCES_PER_KEY_MAX {
            assert_eq!(nonces.check(1, 1000, &number.to_string(), 1000), Verdict::Fresh);
        }
        assert_eq!(nonces.check(1, 1100, "more", 1100), Verdict::Full);
        assert_eq!(nonces.check(2, 1100, "more", 1100), Verdict::Fresh);
    }
}
