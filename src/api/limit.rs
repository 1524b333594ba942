//! How many requests a minute, by address and by key.

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};
use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

/// Requests a second, and how many may come at once. A zero in either switches the limit off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Sustained.
    pub per_second: u32,
    /// At once, after a rest.
    pub burst: u32,
}

/// One limit for many keys.
pub struct Limit<K: Hash + Eq + Clone>(Option<Keyed<K>>);

struct Keyed<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    clock: DefaultClock,
    calls: AtomicU32,
}

/// Calls after which keys that have rested are forgotten.
const SWEEP_CALLS: u32 = 10_000;
/// Keys above which they are forgotten sooner.
const KEYS_MAX: usize = 100_000;

impl<K: Hash + Eq + Clone> Limit<K> {
    /// The limit.
    pub fn new(rate: Rate) -> Self {
        let quota = NonZeroU32::new(rate.per_second)
            .zip(NonZeroU32::new(rate.burst))
            .map(|(per_second, burst)| Quota::per_second(per_second).allow_burst(burst));
        Limit(quota.map(|quota| Keyed {
            limiter: RateLimiter::hashmap(quota),
            clock: DefaultClock::default(),
            calls: AtomicU32::new(0),
        }))
    }

    /// Counts one request; `Err` is the number of seconds to wait.
    pub fn check(&self, key: &K) -> Result<(), u64> {
        let Some(keyed) = &self.0 else { return Ok(()) };
        let calls = keyed.calls.fetch_add(1, Ordering::Relaxed);
        // Rested keys of the last ten thousand calls at most: that bounds the table by calls, not by hostility.
        if calls % SWEEP_CALLS == SWEEP_CALLS - 1 || calls % 256 == 255 && keyed.limiter.len() > KEYS_MAX {
            keyed.limiter.retain_recent();
            keyed.limiter.shrink_to_fit();
        }
        keyed.limiter.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(keyed.clock.now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_asks_too_much_waits_and_others_do_not() {
        let limit = Limit::new(Rate { per_second: 1, burst: 3 });
        for _ in 0..3 {
            assert_eq!(limit.check(&1), Ok(()));
        }
        assert_eq!(limit.check(&1), Err(1));
        assert_eq!(limit.check(&2), Ok(()));
        let off = Limit::new(Rate { per_second: 0, burst: 0 });
        assert!((0..1000).all(|_| off.check(&1).is_ok()));
    }
}
