//! Who holds how many connections, and which of them goes when there are too many.

use super::{TcpSettings, limit::client_key};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// All open connections. Cost of opening one: a look at those of its client.
pub(super) struct Connections {
    open: Mutex<Open>,
    connections_max: usize,
    per_client_max: usize,
    in_flight_max: usize,
    idle: Duration,
    start: Instant,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_client: HashMap<u64, Vec<Arc<Slot>>, ahash::RandomState>,
}

/// What others may know of a connection.
pub(super) struct Slot {
    client: u64,
    /// One permit for each query on its way.
    pub(super) in_flight: Arc<Semaphore>,
    in_flight_max: usize,
    /// Milliseconds since the table's start at which it was last used.
    used_ms: AtomicU64,
    /// Tells the connection to close.
    pub(super) closing: CancellationToken,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// The client has too many, each with queries on their way.
    Client,
}

/// An open connection's place, given back when dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    pub(super) slot: Arc<Slot>,
}

impl Connections {
    pub(super) fn new(settings: &TcpSettings) -> Arc<Self> {
        Arc::new(Connections {
            open: Mutex::default(),
            connections_max: settings.connections_max,
            per_client_max: settings.connections_per_client_max,
            in_flight_max: settings.in_flight_max.clamp(1, Semaphore::MAX_PERMITS),
            idle: settings.idle,
            start: Instant::now(),
        })
    }

    /// Takes a place. A client that has all it may have loses the connection without queries on their way that was
    /// used longest ago; if there is none, the new one is refused.
    pub(super) fn open(self: &Arc<Self>, client: IpAddr, parent: &CancellationToken) -> Result<Place, Full> {
        let client = client_key(client);
        let mut open = self.open.lock();
        if open.total >= self.connections_max {
            return Err(Full::All);
        }
        let slots = open.by_client.entry(client).or_default();
        let alive = || slots.iter().filter(|slot| !slot.closing.is_cancelled());
        if alive().count() >= self.per_client_max {
            let oldest = alive().filter(|slot| slot.is_idle()).min_by_key(|slot| slot.used_ms.load(Ordering::Relaxed));
            match oldest {
                Some(slot) => slot.closing.cancel(),
                None => return Err(Full::Client),
            }
        }
        let slot = Arc::new(Slot {
            client,
            in_flight: Arc::new(Semaphore::new(self.in_flight_max)),
            in_flight_max: self.in_flight_max,
            used_ms: AtomicU64::new(self.now_ms()),
            closing: parent.child_token(),
        });
        slots.push(slot.clone());
        open.total += 1;
        Ok(Place { connections: self.clone(), slot })
    }

    /// How long an unused connection may stay now: shorter when three quarters are taken
    /// (RFC 7766, section 6.2.3 lets a busy server do so).
    fn idle(&self) -> Duration {
        let crowded = self.open.lock().total > self.connections_max / 4 * 3;
        if crowded { self.idle / 5 } else { self.idle }
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

impl Slot {
    /// Whether no query is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.available_permits() == self.in_flight_max
    }
}

impl Place {
    /// Notes that the connection is in use.
    pub(super) fn touch(&self) {
        self.slot.used_ms.store(self.connections.now_ms(), Ordering::Relaxed);
    }

    /// How long it may stay unused from now on.
    pub(super) fn idle(&self) -> Duration {
        self.connections.idle()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.total -= 1;
        if let Some(slots) = open.by_client.get_mut(&self.slot.client) {
            slots.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
            if slots.is_empty() {
                open.by_client.remove(&self.slot.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections_max: usize, connections_per_client_max: usize) -> Arc<Connections> {
        Connections::new(&TcpSettings { connections_max, connections_per_client_max, ..TcpSettings::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_are_limited_and_come_back() {
        let connections = connections(2, 2);
        let parent = CancellationToken::new();
        let first = connections.open(ip("192.0.2.1"), &parent).ok();
        let _second = connections.open(ip("192.0.2.2"), &parent).ok();
        assert_eq!(connections.open(ip("192.0.2.3"), &parent).err(), Some(Full::All));
        drop(first);
        assert!(connections.open(ip("192.0.2.3"), &parent).is_ok());
        assert_eq!(connections.open.lock().by_client.len(), 1, "clients without connections are forgotten");
    }

    #[test]
    fn a_client_with_too_many_loses_the_idle_one_used_longest_ago() {
        let connections = connections(100, 3);
        let parent = CancellationToken::new();
        let places: Vec<Place> = (0..3).map(|_| connections.open(ip("192.0.2.1"), &parent).expect("room")).collect();
        for (place, used_ms) in places.iter().zip([5, 7, 9]) {
            place.slot.used_ms.store(used_ms, Ordering::Relaxed);
        }
        let _busy = places[0].slot.in_flight.clone().try_acquire_owned().expect("a permit");
        let _fourth = connections.open(ip("192.0.2.1"), &parent).expect("the second makes room");
        let closing: Vec<bool> = places.iter().map(|place| place.slot.closing.is_cancelled()).collect();
        assert_eq!(closing, [false, true, false]);
        assert!(connections.open(ip("192.0.2.2"), &parent).is_ok(), "others are not concerned");
    }

    #[test]
    fn a_client_whose_connections_are_all_busy_is_refused() {
        let connections = connections(100, 1);
        let parent = CancellationToken::new();
        let place = connections.open(ip("192.0.2.1"), &parent).expect("room");
        let busy = place.slot.in_flight.clone().try_acquire_owned().expect("a permit");
        assert_eq!(connections.open(ip("192.0.2.1"), &parent).err(), Some(Full::Client));
        drop(busy);
        assert!(connections.open(ip("192.0.2.1"), &parent).is_ok());
    }

    #[test]
    fn unused_connections_stay_shorter_when_most_are_taken() {
        let connections = connections(4, 4);
        let parent = CancellationToken::new();
        let places: Vec<Place> = (0..3).map(|_| connections.open(ip("192.0.2.1"), &parent).expect("room")).collect();
        assert_eq!(places[0].idle(), Duration::from_secs(10));
        let _fourth = connections.open(ip("192.0.2.1"), &parent).expect("room");
        assert_eq!(places[0].idle(), Duration::from_secs(2));
    }
}
