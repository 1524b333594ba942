//! Requests already seen, so that a signature works once.

use ahash::RandomState;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};

/// How far a timestamp may be from our clock, seconds, either way.
pub const WINDOW_S: i64 = 300;
const BUCKET_S: i64 = 60;
/// Requests one key may make within the window.
pub const NONCES_PER_KEY_MAX: u32 = 100_000;
/// Requests all keys may make within the window.
const NONCES_MAX: usize = 1_000_000;

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
/// Ask only after the signature was found good: otherwise a stranger could fill it. It begins empty
/// at start, so a request captured less than a window before a restart could be sent again after it.
pub struct Nonces {
    hasher: RandomState,
    buckets: Mutex<VecDeque<Bucket>>,
}

struct Bucket {
    minute: i64,
    seen: HashSet<u64, RandomState>,
    per_key: HashMap<u32, u32, RandomState>,
}

impl Default for Nonces {
    fn default() -> Self {
        Nonces { hasher: RandomState::new(), buckets: Mutex::new(VecDeque::new()) }
    }
}

impl Nonces {
    /// Judges and remembers one nonce of one key.
    pub fn check(&self, key: u32, timestamp: i64, nonce: &str, now: i64) -> Verdict {
        if now.abs_diff(timestamp) > WINDOW_S as u64 {
            return Verdict::Stale;
        }
        let mut buckets = self.buckets.lock();
        let oldest = (now - WINDOW_S).div_euclid(BUCKET_S);
        buckets.retain(|bucket| bucket.minute >= oldest);
        let (mut of_key, mut of_all) = (0, 0);
        for bucket in buckets.iter() {
            of_key += bucket.per_key.get(&key).copied().unwrap_or(0);
            of_all += bucket.seen.len();
        }
        let minute = timestamp.div_euclid(BUCKET_S);
        let at = match buckets.iter().position(|bucket| bucket.minute == minute) {
            Some(at) => at,
            None => {
                let seen = HashSet::with_hasher(RandomState::new());
                let per_key = HashMap::with_hasher(RandomState::new());
                buckets.push_back(Bucket { minute, seen, per_key });
                buckets.len() - 1
            }
        };
        let bucket = &mut buckets[at];
        let print = self.hasher.hash_one((key, timestamp, nonce));
        if bucket.seen.contains(&print) {
            return Verdict::Replayed;
        }
        if of_key >= NONCES_PER_KEY_MAX || of_all >= NONCES_MAX {
            return Verdict::Full;
        }
        bucket.seen.insert(print);
        *bucket.per_key.entry(key).or_insert(0) += 1;
        Verdict::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(nonces.buckets.lock().len() <= 12);
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
