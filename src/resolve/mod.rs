//! Answers to questions: from the cache, else from upstreams.
//!
//! [`Resolver::cached`] is the query path's way: synchronous, one short lock, no allocation. What it
//! does not know goes to [`Resolver::resolve`], which asks each question once however many wait for
//! it, and always answers: a failure is a SERVFAIL with its extended error code, remembered for a
//! while so that failing names do not become a flood (RFC 9520). Answers past their life stand in
//! while upstreams fail (RFC 8767), popular ones are refreshed before they end.
//!
//! Upstreams are asked through hickory's transports one message at a time, not through its
//! `NameServerPool`: the pool turns denials into errors that have lost the AD bit, the extended
//! error and the sections, and its order of servers is not the operator's.
//!
//! Answers are kept apart by the [`Way`] a question goes: tenants may have upstreams of their own, whose answers nobody
//! else gets. Upstreams hear nothing of a client unless its policy says so (RFC 7871), and then never its address.
//!
//! Read `options`, `upstream` (how operators write them), `answer` (octets with TTL offsets),
//! `encode` and `digest` (message to answer), `cache`, then `flight` (questions under way), `route`
//! (which upstreams), `forward` (several servers as one), `server`, `link`, `bootstrap`, `validate`,
//! `recurse`, then `way` and `tenants` (upstreams of tenants).

mod answer;
mod bootstrap;
mod cache;
mod digest;
mod encode;
mod flight;
mod forward;
mod link;
mod options;
mod pipe;
mod recurse;
mod route;
mod server;
mod tenants;
mod upstream;
mod validate;
mod way;

#[cfg(test)]
mod tests;

pub use answer::{Answer, STALE_TTL_S, Scope, TooBig, ede, rcode};
pub use options::{Options, ResolveError};
pub use route::Key;
pub use server::ServerStats;
pub use upstream::{Endpoint, Upstream, UpstreamError};
pub use way::{Subnet, Way};

use crate::model::{DomainName, Name};
use cache::{Cache, Found, Limits, Totals};
use flight::{Boarding, Flights};
use metrics::{Counter, Gauge};
use route::Routes;
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tenants::AllRoutes;
use tokio::{runtime::Handle, sync::mpsc};

/// Refreshes waiting to be started at most; more are left to the next client.
const REFRESHES_MAX: usize = 1024;
const PUBLISH_EVERY: Duration = Duration::from_secs(5);
/// How long a stale answer is given out at once after a client waited for it in vain.
const STAND_IN: Duration = Duration::from_secs(5);

/// The resolver: cache and upstreams. A cheap handle.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    cache: Arc<Cache>,
    flights: Arc<Flights>,
    routes: Arc<AllRoutes>,
    /// What it was set up with, for other upstreams to be set up the same way.
    options: Options,
    refreshes: mpsc::Sender<Key>,
    stale_after: Duration,
    gauges: Gauges,
}

/// What a resolver has done and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Answers in the cache, failures included.
    pub entries: u64,
    /// Octets they take.
    pub bytes: u64,
    /// Questions [`Resolver::cached`] answered.
    pub hits: u64,
    /// Questions it could not answer.
    pub misses: u64,
    /// Questions answered with something past its life.
    pub stale: u64,
    /// Answers that left early because the cache was full.
    pub evicted: u64,
    /// Questions under way.
    pub inflight: usize,
    /// Every server asked so far, in the order of the options.
    pub servers: Vec<ServerStats>,
}

impl Resolver {
    /// Sets up cache and upstreams; nothing is sent yet. Must be called within a tokio runtime,
    /// which upstream queries then run on, and after the metrics recorder is installed.
    pub fn new(options: &Options) -> Result<Self, ResolveError> {
        let handle = Handle::try_current().map_err(|_| ResolveError::Runtime)?;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let cache = Arc::new(Cache::new(Limits {
            octets: options.cache_bytes,
            stale_max: seconds(options.stale_max_s),
            failure_min: seconds(options.failure_min_s.max(1)),
            failure_max: seconds(options.failure_max_s.max(options.failure_min_s).max(1)),
            prefetch: options.prefetch,
        }));
        let routes = Arc::new(AllRoutes::new(Routes::new(options)?));
        let flights = Flights::new(options.inflight_max.max(1), handle.clone(), routes.clone(), cache.clone());
        let (refreshes, requests) = mpsc::channel(REFRESHES_MAX);
        let inner = Arc::new(Inner {
            cache,
            flights: Arc::new(flights),
            routes,
            options: options.clone(),
            refreshes,
            stale_after: Duration::from_millis(u64::from(options.stale_after_ms)),
            gauges: Gauges::new(),
        });
        // Ends with the last handle, which owns the sending side.
        handle.spawn(upkeep(Arc::downgrade(&inner), requests));
        Ok(Resolver(inner))
    }

    /// The answer from the cache, if it is there at `now`. Callable from any thread. Allocates
    /// nothing but the one key that starts a refresh of a popular answer in its last tenth of life.
    ///
    /// An answer past its life comes back only while its refresh fails, marked stale.
    pub fn cached(
        &self,
        name: Name<'_>,
        qtype: u16,
        dnssec_ok: bool,
        checking_disabled: bool,
        now: Instant,
    ) -> Option<Arc<Answer>> {
        self.cached_by(Way::default(), name, qtype, dnssec_ok, checking_disabled, now)
    }

    /// The same for a client whose questions go another way.
    #[inline]
    pub fn cached_by(
        &self,
        way: Way,
        name: Name<'_>,
        qtype: u16,
        dnssec_ok: bool,
        checking_disabled: bool,
        now: Instant,
    ) -> Option<Arc<Answer>> {
        let Inner { cache, refreshes, .. } = &*self.0;
        if way.subnet.is_some() {
            let everybody = Way { subnet: Some(Subnet::EVERYBODY), ..way };
            if let Some(answer) = cache.peek(&cache.key(name, qtype, dnssec_ok, checking_disabled, everybody), now) {
                return Some(answer);
            }
        }
        match cache.find(&cache.key(name, qtype, dnssec_ok, checking_disabled, way), now) {
            Found::Fresh { answer, refresh } => {
                if refresh {
                    let key = Key { name: name.to_owned(), qtype, dnssec_ok, checking_disabled, way };
                    _ = refreshes.try_send(key);
                }
                Some(answer)
            }
            Found::Expired | Found::Missing => None,
        }
    }

    /// Makes sure that questions of a partition can be asked: of `upstreams` (none: the server's own) and of the
    /// servers of `zones`, all as tenants write them. A partition's number always stands for the same servers.
    /// Servers that tenants may not name ([`tenant_upstream`](Self::tenant_upstream)) are not asked.
    pub fn prepare(
        &self,
        partition: u32,
        upstreams: &[String],
        zones: &[(DomainName, Vec<String>)],
    ) -> Result<(), ResolveError> {
        self.0.routes.prepare(&self.0.options, partition, upstreams, zones)
    }

    /// Reads a server as a tenant may name it: an address with or without a port, `tls://` or `https://` with the
    /// address; none of this machine unless the configuration allows it. `Err` says what is wrong with it.
    pub fn tenant_upstream(&self, text: &str) -> Result<Upstream, String> {
        tenants::checked(text, &self.0.options.tenant_allow)
    }

    /// The answer, from upstreams if need be. Never an error: see the module. May be called from any
    /// runtime; dropping the future does not stop the query, whose answer goes to the cache.
    pub async fn resolve(&self, key: Key) -> Arc<Answer> {
        self.resolve_at(key, Instant::now()).await
    }

    async fn resolve_at(&self, key: Key, now: Instant) -> Arc<Answer> {
        let Inner { cache, flights, .. } = &*self.0;
        let cache_key = || cache.key(key.name.as_name(), key.qtype, key.dnssec_ok, key.checking_disabled, key.way);
        if key.way.subnet.is_some() {
            let way = Way { subnet: Some(Subnet::EVERYBODY), ..key.way };
            let known = cache.key(key.name.as_name(), key.qtype, key.dnssec_ok, key.checking_disabled, way);
            if let Some(answer) = cache.peek(&known, now) {
                return answer;
            }
        }
        let expired = match cache.find_again(&cache_key(), now) {
            Found::Fresh { answer, .. } => return answer,
            Found::Expired => true,
            Found::Missing => false,
        };
        let landing = match flights.board(key.clone(), cache_key(), now, false) {
            Boarding::Known(answer) => return answer,
            Boarding::Under(landing) => landing,
            Boarding::Full => {
                return Arc::new(Answer::empty(rcode::SERVFAIL, Some(ede::NETWORK_ERROR), now));
            }
        };
        if !expired {
            return flight::land(landing).await;
        }
        match tokio::time::timeout(self.0.stale_after, flight::land(landing.clone())).await {
            Ok(answer) => answer,
            Err(_) => {
                let now = now + self.0.stale_after;
                match cache.stand_in(&cache_key(), now, now + STAND_IN) {
                    Some(answer) => answer,
                    None => flight::land(landing).await,
                }
            }
        }
    }

    /// Forgets everything, or `name` with all below it, and what validation knows of keys. Returns
    /// how many answers were forgotten.
    pub fn flush(&self, name: Option<Name<'_>>) -> usize {
        self.0.routes.flush();
        self.0.cache.flush(name)
    }

    /// Asks these upstreams from now on instead of those of the options (`None`: those again). Zones keep
    /// theirs. Answers of the upstreams before are forgotten. After an error nothing has changed.
    pub fn set_upstreams(&self, upstreams: Option<Vec<Upstream>>) -> Result<(), ResolveError> {
        let mut options = self.0.options.clone();
        if let Some(upstreams) = upstreams {
            options.upstreams = upstreams;
        }
        self.0.routes.set_own(Routes::new(&options)?);
        self.0.cache.flush(None);
        Ok(())
    }

    /// The servers asked about everything that no zone has, in the order they are asked: an address
    /// (with its port where that is not 53), or as operators write it where it is no plain one.
    pub fn upstreams(&self) -> Vec<String> {
        self.0.routes.own().upstreams()
    }

    /// What it has done and holds. Visits every part of the cache: not for the query path.
    pub fn stats(&self) -> Stats {
        let Totals { entries, octets, hits, misses, stale, evicted } = self.0.cache.totals();
        Stats {
            entries,
            bytes: octets,
            hits,
            misses,
            stale,
            evicted,
            inflight: self.0.flights.count(),
            servers: self.0.routes.own().stats(),
        }
    }

    /// Waits for the questions under way to be answered, for a shutdown: those asked later are waited for
    /// as well.
    pub async fn drain(&self) {
        self.0.flights.drain().await;
    }
}

/// Starts refreshes and publishes the cache's numbers, until the resolver is gone.
async fn upkeep(inner: Weak<Inner>, mut requests: mpsc::Receiver<Key>) {
    let mut publish = tokio::time::interval(PUBLISH_EVERY);
    loop {
        let request = tokio::select! {
            request = requests.recv() => match request {
                Some(key) => Some(key),
                None => return,
            },
            _ = publish.tick() => None,
        };
        let Some(inner) = inner.upgrade() else { return };
        match request {
            Some(key) => {
                let Key { name, qtype, dnssec_ok, checking_disabled, way } = &key;
                let cache_key = inner.cache.key(name.as_name(), *qtype, *dnssec_ok, *checking_disabled, *way);
                inner.flights.board(key, cache_key, Instant::now(), true);
            }
            None => inner.gauges.publish(inner.cache.totals()),
        }
    }
}

/// The cache's numbers. Counted inside its locks and published now and then: a hit touches no
/// counter that other threads write.
struct Gauges {
    entries: Gauge,
    bytes: Gauge,
    hits: Counter,
    misses: Counter,
    stale: Counter,
}

impl Gauges {
    fn new() -> Self {
        Gauges {
            entries: metrics::gauge!("weir_cache_entries"),
            bytes: metrics::gauge!("weir_cache_bytes"),
            hits: metrics::counter!("weir_cache_hits_total"),
            misses: metrics::counter!("weir_cache_misses_total"),
            stale: metrics::counter!("weir_cache_stale_total"),
        }
    }

    fn publish(&self, totals: Totals) {
        self.entries.set(totals.entries as f64);
        self.bytes.set(totals.octets as f64);
        self.hits.absolute(totals.hits);
        self.misses.absolute(totals.misses);
        self.stale.absolute(totals.stale);
    }
}
