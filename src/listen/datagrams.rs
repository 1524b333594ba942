//! One UDP thread: a batch in, a batch out, and what must wait handed to the runtime.

use super::{
    Shared,
    bound::unmapped,
    fallback,
    limit::{Tick, Verdict},
    udp::{Batch, RECEIVE_WAIT, prepare, send_one},
};
use crate::{
    answer::{Answerer, Outcome},
    identify::{Origin, Transport},
    wire::HEADER_OCTETS,
};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::runtime::Handle;

/// A thread's socket and what it answers with.
pub(super) struct Worker<A> {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    answerer: A,
    shared: Arc<Shared>,
    runtime: Handle,
}

/// What becomes of one datagram.
enum Step<P> {
    Send(usize),
    Wait(P, tokio::sync::OwnedSemaphorePermit),
    Nothing,
}

impl<A: Answerer> Worker<A> {
    /// Prepares the socket, which is bound to `local`.
    pub(super) fn new(
        socket: UdpSocket,
        local: SocketAddr,
        answerer: A,
        shared: &Arc<Shared>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        prepare(&socket, local.is_ipv6(), local.ip().is_unspecified())?;
        let local = SocketAddr::new(unmapped(local.ip()), local.port());
        Ok(Worker { socket: Arc::new(socket), local, answerer, shared: shared.clone(), runtime: runtime.clone() })
    }

    /// Serves until the listeners stop.
    pub(super) fn run(self) {
        let mut batch = Batch::new(self.local.ip().is_unspecified());
        while !self.shared.stop.load(Ordering::Relaxed) {
            let count = match batch.receive(&self.socket) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => {
                    self.shared.counters.receive.increment(1);
                    tracing::warn!(%error, listen = %self.local, "receiving over UDP failed");
                    std::thread::sleep(RECEIVE_WAIT);
                    continue;
                }
            };
            let now = Instant::now();
            let tick = self.shared.limiter.as_ref().map(|limiter| limiter.tick(now));
            for index in 0..count {
                match self.step(&mut batch, index, now, tick) {
                    Step::Send(octets) => batch.queue(index, octets),
                    Step::Wait(pending, permit) => self.wait(&batch, index, pending, permit),
                    Step::Nothing => {}
                }
            }
            let refused = batch.send(&self.socket);
            if refused > 0 {
                self.shared.counters.send.increment(refused as u64);
            }
        }
    }

    /// Looks at one datagram and answers it if that is possible at once.
    fn step(&self, batch: &mut Batch, index: usize, now: Instant, tick: Option<Tick>) -> Step<A::Pending> {
        let counters = &self.shared.counters;
        let Some((datagram, reply)) = batch.exchange(index) else { return Step::Nothing };
        let query = datagram.octets;
        // Responses are dropped before anything else, whoever they are from: answering them would let two servers
        // answer each other for ever.
        let refused = if query.len() < HEADER_OCTETS || query[2] & 0x80 != 0 {
            Some(&counters.malformed)
        } else if datagram.cut {
            Some(&counters.oversized)
        } else if datagram.peer.port() == 0 {
            Some(&counters.port_zero)
        } else {
            None
        };
        if let Some(counter) = refused {
            counter.increment(1);
            return Step::Nothing;
        }
        let client = datagram.peer.ip();
        if let (Some(limiter), Some(tick)) = (&self.shared.limiter, tick)
            && let Verdict::Over { slip, .. } = limiter.check(client, Transport::Udp, tick)
        {
            counters.rate_limit.increment(1);
            return match slip.then(|| fallback::come_over_tcp(query, reply)).flatten() {
                Some(octets) => Step::Send(octets),
                None => Step::Nothing,
            };
        }
        let local = datagram.local.map_or(self.local, |address| SocketAddr::new(address, self.local.port()));
        let origin = Origin { client, client_port: datagram.peer.port(), local, transport: Transport::Udp };
        // A panic must not take the thread along: its socket would go on receiving for nobody.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.answerer.begin(&origin, query, reply, now)));
        match outcome {
            Ok(Outcome::Reply(octets)) => Step::Send(octets.min(reply.len())),
            Ok(Outcome::Resolve(pending)) => match self.shared.waiting.clone().try_acquire_owned() {
                Ok(permit) => Step::Wait(pending, permit),
                Err(_) => {
                    counters.waiting_full.increment(1);
                    fallback::too_many_waiting(query, reply).map_or(Step::Nothing, Step::Send)
                }
            },
            Ok(Outcome::Drop) => Step::Nothing,
            Err(_) => {
                counters.panic.increment(1);
                Step::Nothing
            }
        }
    }

    /// Lets the runtime finish the query and send its reply.
    fn wait(&self, batch: &Batch, index: usize, pending: A::Pending, permit: tokio::sync::OwnedSemaphorePermit) {
        let (peer, source) = (batch.peer(index), batch.source(index));
        let (socket, answerer, shared) = (self.socket.clone(), self.answerer.clone(), self.shared.clone());
        let task = async move {
            let reply = answerer.finish(pending).await;
            if !reply.is_empty() && send_one(&socket, &peer, &source, &reply).is_err() {
                shared.counters.send.increment(1);
            }
            drop(permit);
        };
        self.shared.tasks.spawn_on(task, &self.runtime);
    }
}
