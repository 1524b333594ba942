//! The answer cache: shards of least-recently-used answers under a budget of octets.
//!
//! A key is the hash, then name, type and flags in one run of octets, so that looking up builds the
//! key on the stack, hashes once and compares once. Time is an argument everywhere.

use super::{
    answer::Answer,
    way::{Subnet, Way},
};
use crate::model::Name;
use ahash::RandomState;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

const HASH_OCTETS: usize = 8;
/// Number of a partition, and a network.
const WAY_OCTETS_MAX: usize = 4 + 18;
const KEY_OCTETS_MAX: usize = HASH_OCTETS + crate::model::NAME_OCTETS_MAX + 3 + WAY_OCTETS_MAX;
/// What an entry costs beside its key and answer: list and table nodes, reference counts.
const ENTRY_OCTETS: usize = 160;
const SHARDS_MAX: usize = 64;
/// A shard should hold at least this much, so that large answers find room.
const SHARD_OCTETS_MIN: usize = 256 << 10;
/// Hits since it was stored that make an answer worth refreshing early.
const POPULAR_HITS: u32 = 3;
/// How old the order of least recent use may be.
const PROMOTE_EVERY: Duration = Duration::from_secs(1);

/// A question as the cache knows it, on the stack.
pub(super) struct CacheKey {
    octets: [u8; KEY_OCTETS_MAX],
    length: usize,
}

impl CacheKey {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn hash(&self) -> u64 {
        prefix(&self.octets)
    }

    /// Appends what keeps answers of this way apart.
    #[cold]
    fn add_way(&mut self, way: Way) {
        let subnet = way.subnet.map(Subnet::octets);
        for part in [&way.partition.to_be_bytes()[..], subnet.as_ref().map_or(&[], |octets| &octets[..])] {
            self.octets[self.length..self.length + part.len()].copy_from_slice(part);
            self.length += part.len();
        }
    }
}

fn prefix(octets: &[u8]) -> u64 {
    octets.first_chunk().map_or(0, |hash| u64::from_le_bytes(*hash))
}

/// Takes the hash that every key begins with.
#[derive(Default)]
pub(super) struct PrefixHasher(u64);

impl Hasher for PrefixHasher {
    fn write(&mut self, octets: &[u8]) {
        self.0 = prefix(octets);
    }
    // The length prefix of a slice.
    fn write_usize(&mut self, _: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

struct Entry {
    answer: Arc<Answer>,
    /// Until then it is the answer.
    fresh_until: Instant,
    /// Until then it may stand in while upstreams fail. Before `fresh_until`: never.
    usable_until: Instant,
    /// From then on it may be fetched anew ahead of time.
    refresh_at: Instant,
    promote_at: Instant,
    hits: u32,
    /// Failures in a row.
    failures: u8,
    refreshing: bool,
    octets: usize,
}

/// Aligned so that two shards never share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    entries: Option<LruCache<Box<[u8]>, Entry, BuildHasherDefault<PrefixHasher>>>,
    octets: usize,
    hits: u64,
    misses: u64,
    stale: u64,
    evicted: u64,
}

impl Shard {
    fn entries(&mut self) -> &mut LruCache<Box<[u8]>, Entry, BuildHasherDefault<PrefixHasher>> {
        self.entries.get_or_insert_with(|| LruCache::unbounded_with_hasher(BuildHasherDefault::default()))
    }
}

/// What the cache knows of a question.
pub(super) enum Found {
    /// The answer. `refresh`: it is popular and about to end, and this caller should fetch it anew.
    Fresh { answer: Arc<Answer>, refresh: bool },
    /// An answer past its life that may stand in while upstreams fail.
    Expired,
    /// Nothing usable.
    Missing,
}

/// Sums over all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) octets: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) stale: u64,
    pub(super) evicted: u64,
}

/// What the cache is told once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) octets: usize,
    pub(super) stale_max: Duration,
    pub(super) failure_min: Duration,
    pub(super) failure_max: Duration,
    pub(super) prefetch: bool,
}

pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    keyed: RandomState,
    shard_octets: usize,
    limits: Limits,
}

impl Cache {
    pub(super) fn new(limits: Limits) -> Self {
        let mut shards = 1;
        while shards < SHARDS_MAX && limits.octets / (shards * 2) >= SHARD_OCTETS_MIN {
            shards *= 2;
        }
        Cache {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            keyed: RandomState::new(),
            shard_octets: limits.octets / shards,
            limits,
        }
    }

    /// The key of a question.
    #[inline]
    pub(super) fn key(
        &self,
        name: Name<'_>,
        qtype: u16,
        dnssec_ok: bool,
        checking_disabled: bool,
        way: Way,
    ) -> CacheKey {
        let mut key = CacheKey { octets: [0; KEY_OCTETS_MAX], length: 0 };
        let wire = name.as_wire();
        let end = HASH_OCTETS + wire.len();
        key.octets[HASH_OCTETS..end].copy_from_slice(wire);
        key.octets[end..end + 2].copy_from_slice(&qtype.to_be_bytes());
        key.octets[end + 2] = u8::from(dnssec_ok) | u8::from(checking_disabled) << 1;
        key.length = end + 3;
        if way != Way::default() {
            key.add_way(way);
        }
        let hash = self.keyed.hash_one(&key.octets[HASH_OCTETS..key.length]);
        key.octets[..HASH_OCTETS].copy_from_slice(&hash.to_le_bytes());
        key
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        // The table inside a shard uses the low and the topmost bits.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)]
    }

    /// Looks a question up and counts it. One lock, no allocation.
    pub(super) fn find(&self, key: &CacheKey, now: Instant) -> Found {
        self.look(key, now, true)
    }

    /// The same for somebody whose first look was counted.
    pub(super) fn find_again(&self, key: &CacheKey, now: Instant) -> Found {
        self.look(key, now, false)
    }

    #[inline]
    fn look(&self, key: &CacheKey, now: Instant, counted: bool) -> Found {
        let mut shard = self.shard(key.hash()).lock();
        let shard = &mut *shard;
        let mut promote = false;
        let found = match shard.entries.as_mut().and_then(|entries| entries.peek_mut(key.as_slice())) {
            Some(entry) if now < entry.fresh_until => {
                entry.hits = entry.hits.saturating_add(1);
                promote = entry.must_promote(now);
                Found::Fresh { answer: entry.answer.clone(), refresh: self.limits.prefetch && entry.must_refresh(now) }
            }
            Some(entry) if now < entry.usable_until => {
                promote = entry.must_promote(now);
                Found::Expired
            }
            _ => Found::Missing,
        };
        if let (true, Some(entries)) = (promote, shard.entries.as_mut()) {
            entries.promote(key.as_slice());
        }
        match &found {
            _ if !counted => {}
            Found::Fresh { answer, .. } if answer.stale => shard.stale += 1,
            Found::Fresh { .. } => shard.hits += 1,
            _ => shard.misses += 1,
        }
        found
    }

    /// The answer if it is fresh, neither counted nor made more recent.
    pub(super) fn peek(&self, key: &CacheKey, now: Instant) -> Option<Arc<Answer>> {
        let shard = self.shard(key.hash()).lock();
        let entry = shard.entries.as_ref()?.peek(key.as_slice())?;
        (now < entry.fresh_until).then(|| entry.answer.clone())
    }

    /// Keeps an answer for its lifetime; one without lifetime only replaces what was there.
    pub(super) fn put(&self, key: &CacheKey, answer: &Arc<Answer>, now: Instant) {
        let fresh_until = answer.stored_at + Duration::from_secs(u64::from(answer.ttl_s));
        if fresh_until <= now {
            return self.remove(key);
        }
        let life = Duration::from_secs(u64::from(answer.ttl_s));
        let times = Times {
            fresh_until,
            usable_until: fresh_until + self.limits.stale_max,
            refresh_at: fresh_until - life / 10,
            stored: now,
        };
        self.insert(key, answer.clone(), times, 0);
    }

    /// Notes that a question could not be resolved, and gives what to say meanwhile: the answer
    /// past its life if there is one, else `failure`, for a time that doubles with each failure in
    /// a row (RFC 9520, section 3.2; RFC 8767, section 5).
    pub(super) fn fail(&self, key: &CacheKey, failure: Answer, now: Instant) -> Arc<Answer> {
        let mut failures = 1;
        {
            let mut shard = self.shard(key.hash()).lock();
            let known = shard.entries.as_mut().and_then(|entries| entries.get_mut(key.as_slice()));
            if let Some(entry) = known {
                if now < entry.fresh_until && !entry.answer.is_failure() {
                    // A refresh ahead of time failed; nothing is lost yet.
                    return entry.answer.clone();
                }
                if now < entry.fresh_until + self.limits.failure_max {
                    failures = entry.failures.saturating_add(1);
                }
                if now < entry.usable_until && !entry.answer.is_failure() {
                    entry.failures = failures;
                    return entry.stand_in(now + self.period(failures));
                }
            }
        }
        let mut failure = failure;
        let period = self.period(failures);
        failure.stored_at = now;
        failure.ttl_s = period.as_secs() as u32;
        let failure = Arc::new(failure);
        let until = now + period;
        let times = Times { fresh_until: until, usable_until: now, refresh_at: until, stored: now };
        self.insert(key, failure.clone(), times, failures);
        failure
    }

    /// The answer past its life, marked as such and given out until `until` (or until a better one
    /// comes).
    pub(super) fn stand_in(&self, key: &CacheKey, now: Instant, until: Instant) -> Option<Arc<Answer>> {
        let mut shard = self.shard(key.hash()).lock();
        let shard = &mut *shard;
        let entry = shard.entries.as_mut()?.get_mut(key.as_slice())?;
        if entry.answer.is_failure() || now >= entry.usable_until {
            return None;
        }
        shard.stale += 1;
        Some(if now < entry.fresh_until { entry.answer.clone() } else { entry.stand_in(until) })
    }

    fn period(&self, failures: u8) -> Duration {
        let doubled = self.limits.failure_min * (1 << (failures.clamp(1, 16) - 1));
        doubled.min(self.limits.failure_max)
    }

    fn insert(&self, key: &CacheKey, answer: Arc<Answer>, times: Times, failures: u8) {
        let octets = ENTRY_OCTETS + size_of::<Entry>() + key.length + answer.octets();
        if octets > self.shard_octets {
            return self.remove(key);
        }
        let Times { fresh_until, usable_until, refresh_at, stored } = times;
        let promote_at = stored + PROMOTE_EVERY;
        let entry = Entry {
            answer,
            fresh_until,
            usable_until,
            refresh_at,
            promote_at,
            hits: 0,
            failures,
            refreshing: false,
            octets,
        };
        let mut shard = self.shard(key.hash()).lock();
        let shard = &mut *shard;
        shard.octets += octets;
        if let Some(old) = shard.entries().put(key.as_slice().into(), entry) {
            shard.octets -= old.octets;
        }
        while shard.octets > self.shard_octets {
            let Some((_, old)) = shard.entries().pop_lru() else { break };
            shard.octets -= old.octets;
            shard.evicted += 1;
        }
    }

    fn remove(&self, key: &CacheKey) {
        let mut shard = self.shard(key.hash()).lock();
        if let Some(old) = shard.entries.as_mut().and_then(|entries| entries.pop(key.as_slice())) {
            shard.octets -= old.octets;
        }
    }

    /// Forgets everything, or a name with all below it. Returns how many answers were forgotten.
    pub(super) fn flush(&self, name: Option<Name<'_>>) -> usize {
        let mut flushed = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Some(entries) = shard.entries.as_mut() else { continue };
            let mut freed = 0;
            entries.retain(|key, entry| {
                let keep = match (name, name_of(key)) {
                    (Some(name), Some(known)) => !known.is_at_or_below(name),
                    _ => false,
                };
                if !keep {
                    freed += entry.octets;
                    flushed += 1;
                }
                keep
            });
            shard.octets -= freed;
        }
        flushed
    }

    pub(super) fn totals(&self) -> Totals {
        self.shards.iter().fold(Totals::default(), |sum, shard| {
            let shard = shard.lock();
            Totals {
                entries: sum.entries + shard.entries.as_ref().map_or(0, LruCache::len) as u64,
                octets: sum.octets + shard.octets as u64,
                hits: sum.hits + shard.hits,
                misses: sum.misses + shard.misses,
                stale: sum.stale + shard.stale,
                evicted: sum.evicted + shard.evicted,
            }
        })
    }
}

/// The name in a key.
fn name_of(key: &[u8]) -> Option<Name<'_>> {
    let rest = key.get(HASH_OCTETS..)?;
    let mut at = 0;
    while *rest.get(at)? != 0 {
        at += 1 + usize::from(rest[at]);
    }
    Some(Name::from_lower_wire(&rest[..=at]))
}

struct Times {
    fresh_until: Instant,
    usable_until: Instant,
    refresh_at: Instant,
    stored: Instant,
}

impl Entry {
    /// Whether the caller should fetch it anew: once per life, in its last tenth, if it is popular.
    fn must_refresh(&mut self, now: Instant) -> bool {
        let wanted = now >= self.refresh_at && !self.refreshing && self.hits >= POPULAR_HITS;
        self.refreshing |= wanted;
        wanted
    }

    /// Whether it is time to move it to the front of its list. Doing so at every hit would touch
    /// both its neighbours each time.
    fn must_promote(&mut self, now: Instant) -> bool {
        let due = now >= self.promote_at;
        if due {
            self.promote_at = now + PROMOTE_EVERY;
        }
        due
    }

    fn stand_in(&mut self, until: Instant) -> Arc<Answer> {
        if !self.answer.stale {
            self.answer = Arc::new(self.answer.to_stale());
        }
        self.fresh_until = until;
        self.refresh_at = until;
        self.answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::answer::{ede, rcode},
        *,
    };
    use crate::model::DomainName;
    use hickory_proto::rr::{RData, Record, rdata};

    const LIMITS: Limits = Limits {
        octets: 1 << 20,
        stale_max: Duration::from_secs(3600),
        failure_min: Duration::from_secs(5),
        failure_max: Duration::from_secs(300),
        prefetch: true,
    };

    fn name(text: &str) -> DomainName {
        DomainName::from_text(text).expect("a name")
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(name: &DomainName, ttl: u32, now: Instant) -> Arc<Answer> {
        let owner = super::super::encode::to_hickory(name.as_name()).expect("a name");
        let record = Record::from_rdata(owner, ttl, RData::A(rdata::A::new(192, 0, 2, 1)));
        Arc::new(Answer::local(name.as_name(), rcode::NOERROR, &[record], &[], now))
    }

    fn failure(now: Instant) -> Answer {
        Answer::empty(rcode::SERVFAIL, Some(ede::NETWORK_ERROR), now)
    }

    fn fresh(cache: &Cache, key: &CacheKey, now: Instant) -> Option<Arc<Answer>> {
        match cache.find(key, now) {
            Found::Fresh { answer, .. } => Some(answer),
            _ => None,
        }
    }

    #[test]
    fn an_answer_is_found_until_its_life_ends_and_then_stands_by() {
        let (cache, now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        let key = cache.key(name.as_name(), 1, false, false, Way::default());
        cache.put(&key, &answer(&name, 60, now), now);
        assert!(fresh(&cache, &key, now + s(59)).is_some());
        assert!(matches!(cache.find(&key, now + s(60)), Found::Expired));
        assert!(matches!(cache.find(&key, now + s(60 + 3600)), Found::Missing));
        let totals = cache.totals();
        assert_eq!((totals.entries, totals.hits, totals.misses), (1, 1, 2));
    }

    #[test]
    fn type_and_flags_are_part_of_the_question() {
        let (cache, now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        cache.put(&cache.key(name.as_name(), 1, false, false, Way::default()), &answer(&name, 60, now), now);
        for (qtype, dnssec_ok, checking_disabled, known) in
            [(1, false, false, true), (28, false, false, false), (1, true, false, false), (1, false, true, false)]
        {
            let key = cache.key(name.as_name(), qtype, dnssec_ok, checking_disabled, Way::default());
            assert_eq!(fresh(&cache, &key, now).is_some(), known, "{qtype} {dnssec_ok} {checking_disabled}");
        }
    }

    #[test]
    fn an_answer_without_life_is_not_kept_and_ends_the_one_before() {
        let (cache, now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        let key = cache.key(name.as_name(), 1, false, false, Way::default());
        cache.put(&key, &answer(&name, 60, now), now);
        cache.put(&key, &answer(&name, 0, now), now);
        assert!(matches!(cache.find(&key, now), Found::Missing));
        assert_eq!(cache.totals().octets, 0);
    }

    #[test]
    fn failures_are_remembered_twice_as_long_each_time() {
        let (cache, mut now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        let key = cache.key(name.as_name(), 1, false, false, Way::default());
        for period in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(cache.fail(&key, failure(now), now).is_failure());
            assert!(fresh(&cache, &key, now + s(period - 1)).is_some(), "{period}");
            now += s(period);
            assert!(matches!(cache.find(&key, now), Found::Missing), "{period}");
        }
        cache.put(&key, &answer(&name, 60, now), now);
        now += s(60 + 3600);
        cache.fail(&key, failure(now), now);
        assert!(fresh(&cache, &key, now + s(5)).is_none(), "a success in between starts again at 5 s");
    }

    #[test]
    fn a_failing_refresh_serves_the_old_answer_as_stale() {
        let (cache, now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        let key = cache.key(name.as_name(), 1, false, false, Way::default());
        cache.put(&key, &answer(&name, 60, now), now);
        assert!(!cache.fail(&key, failure(now), now + s(59)).stale, "it has not ended yet");
        let served = cache.fail(&key, failure(now), now + s(61));
        assert_eq!((served.stale, served.ede), (true, Some(ede::STALE_ANSWER)));
        let again = fresh(&cache, &key, now + s(65)).expect("served while failing");
        assert!(again.stale && Arc::ptr_eq(&served, &again));
        assert!(matches!(cache.find(&key, now + s(66)), Found::Expired));
        assert_eq!(cache.totals().stale, 1);
    }

    #[test]
    fn popular_answers_ask_to_be_refreshed_once_in_their_last_tenth() {
        let (cache, now, name) = (Cache::new(LIMITS), Instant::now(), name("www.example"));
        let key = cache.key(name.as_name(), 1, false, false, Way::default());
        cache.put(&key, &answer(&name, 100, now), now);
        let refresh = |at| matches!(cache.find(&key, now + s(at)), Found::Fresh { refresh: true, .. });
        assert_eq!([10, 50, 89, 90, 91, 99].map(refresh), [false, false, false, true, false, false]);
    }

    #[test]
    fn the_least_recently_used_answers_leave_when_the_budget_is_full() {
        let cache = Cache::new(Limits { octets: 64 << 10, ..LIMITS });
        let mut now = Instant::now();
        let first = name("first.example");
        let first_key = cache.key(first.as_name(), 1, false, false, Way::default());
        cache.put(&first_key, &answer(&first, 600, now), now);
        for index in 0..1000 {
            let name = name(&format!("n{index}.example"));
            cache.put(&cache.key(name.as_name(), 1, false, false, Way::default()), &answer(&name, 60, now), now);
            now += Duration::from_millis(20);
            assert!(fresh(&cache, &first_key, now).is_some(), "what is asked for stays");
        }
        let totals = cache.totals();
        assert!(totals.octets <= 64 << 10 && totals.entries > 50 && totals.evicted > 500, "{totals:?}");
        let oldest = name("n0.example");
        assert!(fresh(&cache, &cache.key(oldest.as_name(), 1, false, false, Way::default()), now).is_none());
    }

    #[test]
    fn flushing_a_name_takes_what_is_below_it() {
        let (cache, now) = (Cache::new(LIMITS), Instant::now());
        for text in ["example", "www.example", "notexample", "test"] {
            let name = name(text);
            cache.put(&cache.key(name.as_name(), 1, false, false, Way::default()), &answer(&name, 60, now), now);
        }
        assert_eq!(cache.flush(Some(name("example").as_name())), 2);
        assert_eq!(cache.totals().entries, 2);
        assert_eq!(cache.flush(None), 2);
        let totals = cache.totals();
        assert_eq!((totals.entries, totals.octets), (0, 0));
    }
}
