//! Days that were counted before.

use super::{DaySums, Of};
use jiff::{civil::Date, tz::TimeZone};
use lru::LruCache;
use std::sync::Arc;

/// Days kept.
const DAYS_MAX: usize = 4096;
/// Names, clients and so on in all of them: about 100 octets each.
const KEYS_MAX: usize = 1_000_000;

/// Whose day, by which clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    of: Of,
    zone: String,
    date: Date,
}

impl Key {
    pub(super) fn new(of: &Of, zone: &TimeZone, date: Date) -> Self {
        // A zone without a name is told by its rules.
        let zone = zone.iana_name().map_or_else(|| format!("{zone:?}"), str::to_owned);
        Key { of: of.clone(), zone, date }
    }
}

/// A bounded number of days, the last used.
pub(super) struct Cache {
    days: LruCache<Key, (u64, Arc<DaySums>), ahash::RandomState>,
    keys: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Cache { days: LruCache::unbounded_with_hasher(ahash::RandomState::new()), keys: 0 }
    }
}

impl Cache {
    /// A day as it was counted when its files had this length.
    pub(super) fn get(&mut self, key: &Key, octets: u64) -> Option<Arc<DaySums>> {
        self.days.get(key).filter(|(known, _)| *known == octets).map(|(_, sums)| sums.clone())
    }

    pub(super) fn put(&mut self, key: Key, octets: u64, sums: Arc<DaySums>) {
        self.keys += sums.keys();
        if let Some((_, old)) = self.days.put(key, (octets, sums)) {
            self.keys -= old.keys();
        }
        while self.days.len() > DAYS_MAX || self.keys > KEYS_MAX {
            let Some((_, (_, old))) = self.days.pop_lru() else { return };
            self.keys -= old.keys();
        }
    }
}
