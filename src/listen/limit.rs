//! How much a client may ask: a token bucket for each, in a table of fixed size.

use crate::identify::Transport;
use ahash::RandomState;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// Clients remembered: 65,536 buckets in sets of eight, 1.1 MB.
const SETS: usize = 8192;
const WAYS: usize = 8;
/// A query costs one token; buckets count thousandths.
const QUERY: u32 = 1000;

/// What each client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Queries a second in the long run; at least 1.
    pub queries_per_second: u32,
    /// Queries at once after a pause; at least 1, at most 4,000,000.
    pub burst: u32,
    /// Every how many datagrams over the rate one is answered with an empty truncated reply, so
    /// that a real client behind a forged address can come over TCP; 0 for never.
    pub slip: u32,
}

/// Token buckets by client: an IPv4 address or an IPv6 /56, which is what one subscriber gets.
/// A client has two, one for UDP and one for transports that prove its address: whoever forges
/// its address over UDP cannot use up what it may ask over TCP.
///
/// The table never grows. Where a new client finds its set full, the one whose bucket is fullest is forgotten,
/// which costs nothing: it would start again with a full one. So an attacker who forges many addresses cannot free those
/// that ask too much. The hash is keyed, so that no one can choose whose set to fill.
pub struct RateLimiter {
    sets: Box<[Mutex<Set>]>,
    hasher: RandomState,
    start: Instant,
    rate: Rate,
    exempt: Vec<IpNet>,
}

/// Milliseconds since the limiter's start; wraps after 49 days, which costs one client one refill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u32);

/// Whether a query may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Pass,
    /// The client is over its rate.
    Over {
        /// Over UDP: answer this one truncated, instead of not at all.
        slip: bool,
        /// Over TCP: when the next query may be answered.
        wait: Duration,
    },
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The client; 0 for a free place.
    key: u64,
    tokens: u32,
    filled: u32,
}

#[derive(Default)]
struct Set {
    buckets: [Bucket; WAYS],
    over: u32,
}

impl RateLimiter {
    /// An empty table for this rate; zeros in it count as ones. Clients within `exempt` always pass.
    pub fn new(rate: Rate, exempt: Vec<IpNet>) -> Self {
        let rate = Rate {
            queries_per_second: rate.queries_per_second.max(1),
            burst: rate.burst.clamp(1, u32::MAX / QUERY),
            slip: rate.slip,
        };
        let sets = (0..SETS).map(|_| Mutex::default()).collect();
        RateLimiter { sets, hasher: RandomState::new(), start: Instant::now(), rate, exempt }
    }

    /// This moment for [`check`](Self::check); one reading serves a whole batch.
    pub fn tick(&self, now: Instant) -> Tick {
        Tick(now.saturating_duration_since(self.start).as_millis() as u32)
    }

    /// Takes a token from the client's bucket, if it has one. Never allocates.
    #[inline]
    pub fn check(&self, client: IpAddr, transport: Transport, tick: Tick) -> Verdict {
        if self.exempt.iter().any(|range| range.contains(&client)) {
            return Verdict::Pass;
        }
        let key = client_key(client) | ((transport != Transport::Udp) as u64) << 2;
        let mut set = self.sets[self.hasher.hash_one(key) as usize % SETS].lock();
        let index = match set.buckets.iter().position(|bucket| bucket.key == key) {
            Some(index) => index,
            None => self.admit(&mut set, key, tick),
        };
        let bucket = &mut set.buckets[index];
        bucket.tokens = self.filled(bucket, tick);
        if is_later(tick.0, bucket.filled) {
            bucket.filled = tick.0;
        }
        if bucket.tokens >= QUERY {
            bucket.tokens -= QUERY;
            return Verdict::Pass;
        }
        let wait_ms = (QUERY - bucket.tokens).div_ceil(self.rate.queries_per_second);
        set.over = set.over.wrapping_add(1);
        let slip = self.rate.slip != 0 && set.over.is_multiple_of(self.rate.slip);
        Verdict::Over { slip, wait: Duration::from_millis(wait_ms as u64) }
    }

    /// What the bucket holds at this moment.
    #[inline]
    fn filled(&self, bucket: &Bucket, tick: Tick) -> u32 {
        if !is_later(tick.0, bucket.filled) {
            return bucket.tokens;
        }
        // A token every 1000/rate milliseconds is `rate` thousandths each millisecond.
        let more = tick.0.wrapping_sub(bucket.filled) as u64 * self.rate.queries_per_second as u64;
        (bucket.tokens as u64 + more).min((self.rate.burst * QUERY) as u64) as u32
    }

    /// Gives the client a full bucket in place of a free one or else of the fullest.
    #[cold]
    fn admit(&self, set: &mut Set, key: u64, tick: Tick) -> usize {
        let fill = |bucket: &Bucket| if bucket.key == 0 { u32::MAX } else { self.filled(bucket, tick) };
        let index = (0..WAYS).max_by_key(|&index| fill(&set.buckets[index])).unwrap_or(0);
        set.buckets[index] = Bucket { key, tokens: self.rate.burst * QUERY, filled: tick.0 };
        index
    }
}

/// Whether a tick is after another. Threads read their clocks one after the other, so a tick may be a little before
/// the last one a bucket saw: whatever seems to be almost a whole turn of the clock ahead is taken for that.
fn is_later(tick: u32, before: u32) -> bool {
    const MINUTE: u32 = 60_000;
    (1..u32::MAX - MINUTE).contains(&tick.wrapping_sub(before))
}

/// One number for a client, never 0, with the third bit free: an IPv4 address, or the first 56 bits of an IPv6 one.
pub(super) fn client_key(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(address) => (address.to_bits() as u64) << 8 | 2,
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 & !0xff | 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(queries_per_second: u32, burst: u32, slip: u32) -> RateLimiter {
        RateLimiter::new(Rate { queries_per_second, burst, slip }, Vec::new())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Queries passed of `count` asked at this millisecond.
    fn passed(limiter: &RateLimiter, client: &str, at_ms: u32, count: usize) -> usize {
        (0..count).filter(|_| limiter.check(ip(client), Transport::Udp, Tick(at_ms)) == Verdict::Pass).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter(100, 20, 0);
        for (at_ms, asked, expected) in [
            (0, 30, 20),
            (0, 1, 0),
            (9, 5, 0),
            (10, 5, 1),
            (20, 5, 1),
            (70, 9, 5),
            (10_000, 30, 20),
            // A thread that read its clock a moment earlier takes nothing and gives nothing.
            (9_999, 5, 0),
            (10_010, 5, 1),
        ] {
            assert_eq!(passed(&limiter, "192.0.2.1", at_ms, asked), expected, "at {at_ms} ms");
        }
    }

    #[test]
    fn the_wait_says_when_the_next_query_passes() {
        for (rate, wait_ms) in [(1, 1000), (3, 334), (100, 10), (5000, 1)] {
            let limiter = limiter(rate, 1, 0);
            assert_eq!(passed(&limiter, "192.0.2.1", 0, 1), 1);
            let expected = Verdict::Over { slip: false, wait: Duration::from_millis(wait_ms) };
            assert_eq!(limiter.check(ip("192.0.2.1"), Transport::Udp, Tick(0)), expected, "{rate} a second");
            assert_eq!(passed(&limiter, "192.0.2.1", wait_ms as u32 - 1, 1), 0);
            assert_eq!(passed(&limiter, "192.0.2.1", wait_ms as u32, 1), 1);
        }
    }

    #[test]
    fn clients_are_ipv4_addresses_and_ipv6_subscribers() {
        let limiter = limiter(1, 2, 0);
        assert_eq!(passed(&limiter, "192.0.2.1", 0, 5), 2);
        assert_eq!(passed(&limiter, "192.0.2.2", 0, 5), 2);
        assert_eq!(passed(&limiter, "2001:db8:0:1100::1", 0, 5), 2);
        assert_eq!(passed(&limiter, "2001:db8:0:11ff::9", 0, 5), 0, "the same /56");
        assert_eq!(passed(&limiter, "2001:db8:0:1200::1", 0, 5), 2);
        assert_eq!(passed(&limiter, "::c000:0201", 0, 5), 2, "an IPv6 address with the bits of an IPv4 one");
    }

    #[test]
    fn forged_datagrams_use_up_nothing_of_a_proved_address() {
        let limiter = limiter(1, 2, 0);
        for client in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(passed(&limiter, client, 0, 5), 2);
            let over_tcp = |_: &usize| limiter.check(ip(client), Transport::Tcp, Tick(0)) == Verdict::Pass;
            assert_eq!((0..5).filter(over_tcp).count(), 2, "{client}");
            assert_ne!(limiter.check(ip(client), Transport::Tls, Tick(0)), Verdict::Pass, "one for all of them");
        }
    }

    #[test]
    fn every_nth_query_over_the_rate_slips() {
        let limiter = limiter(1, 1, 3);
        let slips: Vec<bool> = (0..8)
            .map(|_| {
                matches!(limiter.check(ip("192.0.2.1"), Transport::Udp, Tick(0)), Verdict::Over { slip: true, .. })
            })
            .collect();
        assert_eq!(slips, [false, false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_flood_of_addresses_does_not_free_a_client_that_keeps_asking() {
        let limiter = limiter(1, 5, 0);
        assert_eq!(passed(&limiter, "203.0.113.1", 0, 5), 5);
        let mut freed = 0;
        for round in 0..20_u32 {
            for address in 0..20_000_u32 {
                let forged = std::net::Ipv4Addr::from_bits(0x0a00_0000 + round * 20_000 + address);
                limiter.check(forged.into(), Transport::Udp, Tick(round));
            }
            freed += passed(&limiter, "203.0.113.1", round, 1);
        }
        assert_eq!(freed, 0);
    }

    #[test]
    fn the_clock_may_wrap() {
        let limiter = limiter(1000, 10, 0);
        assert_eq!(passed(&limiter, "192.0.2.1", u32::MAX - 1, 20), 10);
        assert_eq!(passed(&limiter, "192.0.2.1", 3, 20), 5);
        assert_eq!(passed(&limiter, "192.0.2.1", 3_000_000_000, 20), 10, "weeks later");
    }
}
