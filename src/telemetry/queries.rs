//! Queries by verdict, protocol and response code, at the cost of one addition.

use crate::{identify::Transport, wire::rcode_name};
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryVerdict {
    /// Answered from upstream or the cache.
    Allowed,
    /// Answered as the policy's blocks look.
    Blocked,
    /// Answered here: own names, local zones, ANY.
    Local,
    /// REFUSED: an unknown client, a suspended customer.
    Refused,
    /// Not answered on purpose.
    Dropped,
    /// No DNS query.
    Malformed,
    /// Answered with a search engine's filtered host.
    SafeSearch,
    /// SERVFAIL: no upstream answered, or none validly.
    Failed,
}

impl QueryVerdict {
    const ALL: [QueryVerdict; 8] = [
        QueryVerdict::Allowed,
        QueryVerdict::Blocked,
        QueryVerdict::Local,
        QueryVerdict::Refused,
        QueryVerdict::Dropped,
        QueryVerdict::Malformed,
        QueryVerdict::SafeSearch,
        QueryVerdict::Failed,
    ];

    /// Its name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            QueryVerdict::Allowed => "allowed",
            QueryVerdict::Blocked => "blocked",
            QueryVerdict::Local => "local",
            QueryVerdict::Refused => "refused",
            QueryVerdict::Dropped => "dropped",
            QueryVerdict::Malformed => "malformed",
            QueryVerdict::SafeSearch => "safe_search",
            QueryVerdict::Failed => "failed",
        }
    }
}

const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];

/// Response codes with a counter of their own; the rest share one.
const RCODES: [u16; 8] = [0, 1, 2, 3, 4, 5, 16, 23];
/// Stands for the rest.
const OTHER: u16 = u16::MAX;
const RCODE_SLOTS: usize = RCODES.len() + 1;
const SLOTS: usize = QueryVerdict::ALL.len() * TRANSPORTS.len() * RCODE_SLOTS;

/// Tables that threads are spread over, so that busy threads do not pull one cache line back and
/// forth between their cores.
const SHARDS: usize = 16;

/// The position of a counter in a shard.
fn slot(verdict: QueryVerdict, transport: Transport, rcode: u16) -> usize {
    let rcode = match rcode {
        0..=5 => rcode as usize,
        16 => 6,
        23 => 7,
        _ => 8,
    };
    (verdict as usize * TRANSPORTS.len() + transport as usize) * RCODE_SLOTS + rcode
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard([AtomicU64; SLOTS]);

/// A cheap handle on the counters of queries. Counting never waits and never allocates.
#[derive(Clone, Debug)]
pub struct QueryCounters(Arc<[Shard]>);

impl Default for QueryCounters {
    fn default() -> Self {
        QueryCounters((0..SHARDS).map(|_| Shard([const { AtomicU64::new(0) }; SLOTS])).collect())
    }
}

impl QueryCounters {
    /// Counters that are all 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one query. For a query without a reply `rcode` is 0.
    #[inline]
    pub fn count(&self, verdict: QueryVerdict, transport: Transport, rcode: u16) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        // A thread that is ending has lost its number.
        let shard = SHARD.try_with(|shard| *shard).unwrap_or(0);
        self.0[shard].0[slot(verdict, transport, rcode)].fetch_add(1, Ordering::Relaxed);
    }

    /// Queries of one verdict, protocol and response code so far.
    pub fn total(&self, verdict: QueryVerdict, transport: Transport, rcode: u16) -> u64 {
        let slot = slot(verdict, transport, rcode);
        self.0.iter().map(|shard| shard.0[slot].load(Ordering::Relaxed)).sum()
    }

    /// Hands the totals to the recorder; those that are still 0 stay off the page.
    pub(super) fn publish(&self) {
        for verdict in QueryVerdict::ALL {
            for transport in TRANSPORTS {
                for rcode in RCODES.into_iter().chain([OTHER]) {
                    let total = self.total(verdict, transport, rcode);
                    if total > 0 {
                        let labels =
                            [("verdict", verdict.name()), ("protocol", transport.name()), ("rcode", rcode_name(rcode))];
                        metrics::counter!("weir_queries_total", &labels).absolute(total);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_a_counter_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for (index, verdict) in QueryVerdict::ALL.into_iter().enumerate() {
            assert_eq!(index, verdict as usize);
            for (index, transport) in TRANSPORTS.into_iter().enumerate() {
                assert_eq!(index, transport as usize);
                for rcode in RCODES.into_iter().chain([OTHER]) {
                    assert!(seen.insert(slot(verdict, transport, rcode)));
                }
            }
        }
        assert_eq!(seen.len(), SLOTS);
        assert!(seen.into_iter().all(|slot| slot < SLOTS));
    }

    #[test]
    fn counts_of_all_threads_add_up() {
        let counters = QueryCounters::default();
        std::thread::scope(|scope| {
            for _ in 0..SHARDS * 2 {
                scope.spawn(|| (0..1000).for_each(|_| counters.count(QueryVerdict::Blocked, Transport::Tcp, 3)));
            }
        });
        assert_eq!(counters.total(QueryVerdict::Blocked, Transport::Tcp, 3), 1000 * SHARDS as u64 * 2);
        assert_eq!(counters.total(QueryVerdict::Blocked, Transport::Udp, 3), 0);
        counters.count(QueryVerdict::Allowed, Transport::Udp, 9);
        counters.count(QueryVerdict::Allowed, Transport::Udp, 4095);
        assert_eq!(counters.total(QueryVerdict::Allowed, Transport::Udp, 7), 2, "rare codes share one counter");
    }
}
