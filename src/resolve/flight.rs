//! Questions under way: equal ones are asked once.
//!
//! The one who asks first starts a task of its own and waits for it like everybody else, so that it
//! may go away without taking the answer from the others.

use super::{
    answer::{Answer, Scope, ede, rcode},
    cache::{Cache, CacheKey},
    route::Key,
    tenants::AllRoutes,
    way::{Subnet, Way},
};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Instant};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::task::TaskTracker;

type Landing = watch::Receiver<Option<Arc<Answer>>>;

/// What is shared by all questions under way.
pub(super) struct Flights {
    under_way: Mutex<HashMap<Key, Landing>>,
    most: usize,
    handle: Handle,
    tasks: TaskTracker,
    routes: Arc<AllRoutes>,
    cache: Arc<Cache>,
}

/// What became of a question.
pub(super) enum Boarding {
    /// It was answered in between.
    Known(Arc<Answer>),
    /// It is under way.
    Under(Landing),
    /// Too many are.
    Full,
}

impl Flights {
    pub(super) fn new(most: usize, handle: Handle, routes: Arc<AllRoutes>, cache: Arc<Cache>) -> Self {
        Flights { under_way: Mutex::default(), most, handle, tasks: TaskTracker::new(), routes, cache }
    }

    /// Joins an equal question or starts one. `refresh` starts it even if the answer is known.
    pub(super) fn board(self: &Arc<Self>, key: Key, cache_key: CacheKey, now: Instant, refresh: bool) -> Boarding {
        let (sender, landing) = watch::channel(None);
        {
            let mut under_way = self.under_way.lock();
            if let Some(landing) = under_way.get(&key) {
                return Boarding::Under(landing.clone());
            }
            // A flight lands in the cache before it leaves this table.
            if let Some(answer) = self.cache.peek(&cache_key, now).filter(|_| !refresh) {
                return Boarding::Known(answer);
            }
            if under_way.len() >= self.most {
                return Boarding::Full;
            }
            under_way.insert(key.clone(), landing.clone());
        }
        let flight = Flight { flights: self.clone(), key };
        let task = Box::pin(async move {
            let answer = flight.fly(&cache_key, now).await;
            _ = sender.send(Some(answer));
            drop(flight);
        });
        self.tasks.spawn_on(task, &self.handle);
        Boarding::Under(landing)
    }

    pub(super) fn count(&self) -> usize {
        self.under_way.lock().len()
    }

    /// Waits until none is under way.
    pub(super) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits for the answer. A flight that was lost (its task panicked or the runtime ends) fails.
pub(super) async fn land(mut landing: Landing) -> Arc<Answer> {
    match landing.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(answer)) => answer.clone(),
        _ => Arc::new(Answer::empty(rcode::SERVFAIL, Some(ede::NETWORK_ERROR), Instant::now())),
    }
}

struct Flight {
    flights: Arc<Flights>,
    key: Key,
}

impl Flight {
    async fn fly(&self, cache_key: &CacheKey, now: Instant) -> Arc<Answer> {
        let partition = self.key.way.partition;
        let Some(routes) = self.flights.routes.of(partition) else {
            // Nobody else may be asked what these would be.
            return Arc::new(Answer::empty(rcode::SERVFAIL, Some(ede::NOT_READY), now));
        };
        let outcome = routes.answer(&self.key, now).await;
        let still = self.flights.routes.of(partition);
        if !still.is_some_and(|still| Arc::ptr_eq(&routes, &still)) {
            // Other upstreams were chosen meanwhile: what these said is not kept for anybody else.
            return Arc::new(outcome.unwrap_or_else(|failure| failure));
        }
        match outcome {
            Ok(answer) => {
                let answer = Arc::new(answer);
                match self.key.way.subnet {
                    Some(_) if answer.scope == Scope::Everybody => {
                        self.flights.cache.put(&self.key_of_everybody(), &answer, answer.stored_at);
                    }
                    _ => self.flights.cache.put(cache_key, &answer, answer.stored_at),
                }
                answer
            }
            Err(failure) => {
                let now = failure.stored_at;
                self.flights.cache.fail(cache_key, failure, now)
            }
        }
    }
}

impl Flight {
    /// The key of an answer that is not for one network only.
    fn key_of_everybody(&self) -> CacheKey {
        let Key { name, qtype, dnssec_ok, checking_disabled, way } = &self.key;
        let way = Way { subnet: Some(Subnet::EVERYBODY), ..*way };
        self.flights.cache.key(name.as_name(), *qtype, *dnssec_ok, *checking_disabled, way)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.key);
    }
}
