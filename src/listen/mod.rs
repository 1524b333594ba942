//! Sockets: queries come in over UDP and TCP and go to an [`crate::answer::Answerer`],
//! replies go back the way the queries came.
//!
//! [`Bound`] is one address with its sockets, bound here or inherited from the service manager.
//! [`Listeners::start`] takes them all. UDP is plain threads: each has its own
//! `SO_REUSEPORT` socket, receives a batch with one system call, answers what can be answered at once,
//! and sends the replies with one more; what must wait becomes a task of the runtime. TCP is
//! accept loops of the runtime; a connection answers its queries concurrently and in any order. The
//! client that asks too much is slowed down by one [`RateLimiter`] over all transports, and
//! everything that waits is bounded: datagrams that find no room get SERVFAIL,
//! connections are closed.
//!
//! Read `bound`, `limit`, `udp` (the only `unsafe` of this room), `datagrams`, `connections`,
//! `stream`, `tcp`, `fallback`, `counters`.

mod bound;
mod connections;
mod counters;
mod datagrams;
mod fallback;
mod limit;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use bound::{BindError, Bound};
pub use limit::{Rate, RateLimiter, Tick, Verdict};

use crate::answer::Answerer;
use counters::Counters;
use ipnet::IpNet;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the listeners may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Queries that may wait for an answer at the same time, over all transports; more get SERVFAIL.
    pub waiting_max: usize,
    /// The rate limit of each client; `None` switches it off.
    pub rate: Option<Rate>,
    /// Clients the rate limit does not count.
    pub exempt: Vec<IpNet>,
    /// TCP's limits.
    pub tcp: TcpSettings,
}

/// The limits of TCP connections.
#[derive(Clone, Debug)]
pub struct TcpSettings {
    /// Connections open at the same time, over all listeners.
    pub connections_max: usize,
    /// Connections of one client (an IPv4 address, an IPv6 /56) at the same time.
    pub connections_per_client_max: usize,
    /// Queries of one connection that may be on their way at the same time.
    pub in_flight_max: usize,
    /// How long a connection without queries on their way is kept (RFC 7766, section 6.2.3), and
    /// how long a query may take to arrive. A fifth of it when most connections are taken.
    pub idle: Duration,
    /// How long a client may take to accept replies.
    pub write: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { waiting_max: 10_000, rate: None, exempt: Vec::new(), tcp: TcpSettings::default() }
    }
}

impl Default for TcpSettings {
    fn default() -> Self {
        TcpSettings {
            connections_max: 10_000,
            connections_per_client_max: 64,
            in_flight_max: 64,
            idle: Duration::from_secs(10),
            write: Duration::from_secs(5),
        }
    }
}

/// What all listeners share.
struct Shared {
    settings: Settings,
    limiter: Option<RateLimiter>,
    counters: Counters,
    /// One permit for each query that waits for its answer.
    waiting: Arc<Semaphore>,
    /// Tells UDP threads to end: they look at it at least every [`udp::RECEIVE_WAIT`].
    stop: AtomicBool,
    /// Tells tasks to end.
    closing: CancellationToken,
    /// Connections, accept loops and waiting datagrams.
    tasks: TaskTracker,
}

/// Running listeners.
pub struct Listeners {
    shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<()>>,
    local: Vec<SocketAddr>,
}

impl Listeners {
    /// Starts threads and tasks on these sockets. The metrics recorder must be in place before.
    /// Fails if a socket option or a thread is refused.
    pub fn start<A: Answerer>(
        bound: Vec<Bound>,
        answerer: A,
        settings: Settings,
        runtime: &Handle,
    ) -> io::Result<Listeners> {
        let shared = Arc::new(Shared {
            limiter: settings.rate.map(|rate| RateLimiter::new(rate, settings.exempt.clone())),
            counters: Counters::new(),
            waiting: Arc::new(Semaphore::new(settings.waiting_max.min(Semaphore::MAX_PERMITS))),
            stop: AtomicBool::new(false),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settings,
        });
        let connections = connections::Connections::new(&shared.settings.tcp);
        let mut listeners = Listeners { shared, threads: Vec::new(), local: Vec::new() };
        for Bound { local, udp, tcp } in bound {
            listeners.local.push(local);
            for socket in udp {
                let worker = datagrams::Worker::new(socket, local, answerer.clone(), &listeners.shared, runtime)?;
                let name = format!("udp-{}", listeners.threads.len());
                listeners.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
            }
            if let Some(listener) = tcp {
                let acceptor =
                    tcp::Acceptor::new(listener, local, answerer.clone(), &listeners.shared, &connections, runtime)?;
                listeners.shared.tasks.spawn_on(acceptor.run(), runtime);
            }
        }
        Ok(listeners)
    }

    /// The addresses listened on, with the ports the system chose where 0 was asked for.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local
    }

    /// Takes no more queries, and waits at most this long for those on their way to be answered. True if
    /// none was left behind.
    pub async fn stop(mut self, patience: Duration) -> bool {
        self.ask_to_stop();
        let threads = std::mem::take(&mut self.threads);
        let tasks = &self.shared.tasks;
        let drained = async {
            // Threads end within one wait for datagrams; they may start tasks until then.
            let joined =
                tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
            let _ = joined.await;
            tasks.close();
            tasks.wait().await;
        };
        tokio::time::timeout(patience, drained).await.is_ok()
    }

    fn ask_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.closing.cancel();
    }
}

/// Listeners that are dropped take no more queries either; nobody waits for the rest.
impl Drop for Listeners {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}
