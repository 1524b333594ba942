//! One TCP listener: connections accepted, counted and served.

use super::{
    Shared,
    bound::{send_at_once, unmapped},
    connections::{Connections, Full},
    stream,
};
use crate::{
    answer::Answerer,
    identify::{Origin, Transport},
};
use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

/// How long accepting rests after a failure: the usual one is that no file descriptor is free, which lasts.
const REST: Duration = Duration::from_millis(100);

/// A listener and what its connections are answered with.
pub(super) struct Acceptor<A> {
    listener: TcpListener,
    port: u16,
    answerer: A,
    shared: Arc<Shared>,
    connections: Arc<Connections>,
}

impl<A: Answerer> Acceptor<A> {
    /// Hands the listener to the runtime.
    pub(super) fn new(
        listener: StdListener,
        local: SocketAddr,
        answerer: A,
        shared: &Arc<Shared>,
        connections: &Arc<Connections>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let _guard = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let (shared, connections) = (shared.clone(), connections.clone());
        Ok(Acceptor { listener, port: local.port(), answerer, shared, connections })
    }

    /// Accepts until the listeners stop.
    pub(super) async fn run(self) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.shared.closing.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    self.shared.counters.receive.increment(1);
                    tracing::warn!(%error, port = self.port, "accepting a TCP connection failed");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Gives the connection a place and a task, or closes it.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let counters = &self.shared.counters;
        let client = unmapped(peer.ip());
        let place = match self.connections.open(client, &self.shared.closing) {
            Ok(place) => place,
            Err(Full::All) => return counters.connections_full.increment(1),
            Err(Full::Client) => return counters.client_full.increment(1),
        };
        // Fails only where the connection is gone already.
        let Ok(local) = stream.local_addr() else { return };
        let local = SocketAddr::new(unmapped(local.ip()), local.port());
        send_at_once(&stream);
        let origin = Origin { client, client_port: peer.port(), local, transport: Transport::Tcp };
        let (answerer, shared) = (self.answerer.clone(), self.shared.clone());
        let task = async move {
            let open = OpenGauge::new(shared.counters.connections.clone());
            stream::serve(stream, origin, answerer, shared, place).await;
            drop(open);
        };
        self.shared.tasks.spawn(task);
    }
}

/// Counts a connection as open for as long as it lives, also if its task panics.
struct OpenGauge(metrics::Gauge);

impl OpenGauge {
    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1);
        OpenGauge(gauge)
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
