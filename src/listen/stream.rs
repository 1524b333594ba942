//! One connection: queries with a length in front, answered concurrently and in any order
//! (RFC 7766, sections 6.2.1.1 and 7). It is generic over the stream, so that TLS can use it.
//!
//! The connection's task reads; one more task writes. A query on its way holds a permit from the
//! moment it was read until its reply is written: the reader waits when all are taken, and the queue to
//! the writer can never be full.

use super::{Shared, connections::Place, fallback, limit::Verdict};
use crate::{
    answer::{Answerer, Outcome},
    identify::Origin,
    wire::{HEADER_OCTETS, MESSAGE_OCTETS_MAX},
};
use metrics::Counter;
use std::{cell::RefCell, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
    time::Instant,
};

/// Octets of a query taken; no query we serve needs half of it, and ten thousand connections must fit into memory.
const QUERY_OCTETS_MAX: usize = 4096;
/// Octets of replies written with one call, as long as more are waiting.
const WRITE_OCTETS: usize = 16 * 1024;
/// How long a client over its rate is held before its connection is closed.
const RATE_PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// Where replies are written before they are queued with their real length.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; MESSAGE_OCTETS_MAX].into());
}

/// A reply on its way to the writer.
struct Queued {
    reply: Vec<u8>,
    /// Given back when the reply is written.
    _permit: OwnedSemaphorePermit,
}

/// Why a connection ends.
enum End {
    /// The client is done, or we are: replies on their way are still written.
    Drain,
    /// It misbehaves, or is gone.
    Abort,
}

/// Serves a connection until either side closes it.
pub(super) async fn serve<S, A>(stream: S, origin: Origin, answerer: A, shared: Arc<Shared>, place: Place)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    A: Answerer,
{
    let (reader, writer) = tokio::io::split(stream);
    let (replies, queue) = mpsc::channel(shared.settings.tcp.in_flight_max.max(1));
    let writer = write_replies(writer, queue, shared.settings.tcp.write, shared.counters.slow_reader.clone());
    let mut writer = tokio::spawn(writer);
    let mut connection =
        Connection { frames: Frames::new(reader), origin, answerer, shared, place, replies, waiting: JoinSet::new() };
    let end = tokio::select! {
        end = connection.read_queries() => end,
        _ = &mut writer => End::Abort,
    };
    let Connection { replies, mut waiting, place, .. } = connection;
    drop(replies);
    if matches!(end, End::Drain) {
        while waiting.join_next().await.is_some() {}
        let _ = writer.await;
    } else {
        writer.abort();
    }
    drop(place);
}

struct Connection<S, A> {
    frames: Frames<S>,
    origin: Origin,
    answerer: A,
    shared: Arc<Shared>,
    place: Place,
    replies: mpsc::Sender<Queued>,
    /// Queries that wait for their answers; dropped with the connection.
    waiting: JoinSet<()>,
}

impl<S: AsyncRead, A: Answerer> Connection<S, A> {
    async fn read_queries(&mut self) -> End {
        let closing = self.place.slot.closing.clone();
        loop {
            let next = tokio::select! {
                biased;
                _ = closing.cancelled() => return End::Drain,
                next = self.next_query() => next,
            };
            if let Err(end) = next {
                return end;
            }
            while self.waiting.try_join_next().is_some() {}
        }
    }

    /// Reads one query and answers it or has it answered.
    async fn next_query(&mut self) -> Result<(), End> {
        let counters = &self.shared.counters;
        let frame = loop {
            let deadline = Instant::now() + self.place.idle();
            match tokio::time::timeout_at(deadline, self.frames.next()).await {
                Ok(Ok(frame)) => break frame,
                Ok(Err(FrameError::End)) => return Err(End::Drain),
                Ok(Err(FrameError::Empty)) => {
                    counters.empty_message.increment(1);
                    return Err(End::Drain);
                }
                Ok(Err(FrameError::Oversized)) => {
                    counters.oversized.increment(1);
                    return Err(End::Drain);
                }
                Ok(Err(FrameError::Broken)) => return Err(End::Abort),
                // Idle is who has neither a query on its way nor sends one.
                Err(_) if self.frames.is_empty() && !self.place.slot.is_idle() => {}
                Err(_) => return Err(End::Drain),
            }
        };
        self.place.touch();
        // Only the semaphore's closing could fail this, and nobody closes it.
        let Ok(permit) = self.place.slot.in_flight.clone().acquire_owned().await else { return Err(End::Abort) };
        self.keep_rate().await?;
        let query = self.frames.take(frame);
        if query.len() < HEADER_OCTETS || query[2] & 0x80 != 0 {
            counters.malformed.increment(1);
            return Ok(());
        }
        let now = std::time::Instant::now();
        let (answerer, origin, shared) = (&self.answerer, &self.origin, &self.shared);
        let reply = ROOM.with_borrow_mut(|room| match answerer.begin(origin, query, room, now) {
            Outcome::Reply(octets) => Ok(room[..octets.min(room.len())].to_vec()),
            Outcome::Drop => Ok(Vec::new()),
            Outcome::Resolve(pending) => match shared.waiting.clone().try_acquire_owned() {
                Ok(waiting) => Err((pending, waiting)),
                Err(_) => {
                    counters.waiting_full.increment(1);
                    Ok(fallback::too_many_waiting(query, room).map_or(Vec::new(), |octets| room[..octets].to_vec()))
                }
            },
        });
        match reply {
            Ok(reply) => send(&self.replies, reply, permit).await,
            Err((pending, waiting)) => {
                let (answerer, replies) = (self.answerer.clone(), self.replies.clone());
                self.waiting.spawn(async move {
                    let reply = answerer.finish(pending).await;
                    drop(waiting);
                    send(&replies, reply, permit).await;
                });
            }
        }
        Ok(())
    }

    /// Holds a client that is over its rate until it is not.
    async fn keep_rate(&self) -> Result<(), End> {
        let Some(limiter) = &self.shared.limiter else { return Ok(()) };
        let patience = Instant::now() + RATE_PATIENCE;
        let mut counted = false;
        let check =
            || limiter.check(self.origin.client, self.origin.transport, limiter.tick(std::time::Instant::now()));
        while let Verdict::Over { wait, .. } = check() {
            if !std::mem::replace(&mut counted, true) {
                self.shared.counters.rate_limit.increment(1);
            }
            if Instant::now() + wait > patience {
                return Err(End::Drain);
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

/// Hands a reply to the writer; one that is empty or cannot have a length is not sent.
async fn send(replies: &mpsc::Sender<Queued>, reply: Vec<u8>, permit: OwnedSemaphorePermit) {
    if !reply.is_empty() && reply.len() <= MESSAGE_OCTETS_MAX {
        // Fails only when the writer is gone, and the connection with it.
        let _ = replies.send(Queued { reply, _permit: permit }).await;
    }
}

/// Writes replies with their lengths in front until no more can come.
async fn write_replies<S: AsyncWrite>(
    mut stream: WriteHalf<S>,
    mut queue: mpsc::Receiver<Queued>,
    patience: Duration,
    slow: Counter,
) {
    let mut octets = Vec::new();
    let mut permits = Vec::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some(Queued { reply, _permit }) = next {
            octets.extend((reply.len() as u16).to_be_bytes());
            octets.extend(reply);
            permits.push(_permit);
            next = if octets.len() < WRITE_OCTETS { queue.try_recv().ok() } else { None };
        }
        let written = async {
            stream.write_all(&octets).await?;
            stream.flush().await
        };
        match tokio::time::timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                slow.increment(1);
                return;
            }
        }
        permits.clear();
        octets.clear();
        octets.shrink_to(WRITE_OCTETS);
    }
    let _ = tokio::time::timeout(patience, stream.shutdown()).await;
}

/// The messages of a stream.
struct Frames<S> {
    stream: ReadHalf<S>,
    buffer: Box<[u8]>,
    /// Octets of the buffer that are read and not taken.
    filled: std::ops::Range<usize>,
}

/// A message that stands whole at the front of the buffer: its octets without the length.
struct Frame(usize);

enum FrameError {
    /// The client sends no more.
    End,
    /// A message without octets.
    Empty,
    /// A message longer than we take.
    Oversized,
    /// The stream failed, or ended within a message.
    Broken,
}

impl<S: AsyncRead> Frames<S> {
    fn new(stream: ReadHalf<S>) -> Self {
        Frames { stream, buffer: vec![0; 2 + QUERY_OCTETS_MAX].into(), filled: 0..0 }
    }

    /// Whether nothing is there that was not taken.
    fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Reads until a message is whole. Nothing is lost if it is dropped before.
    async fn next(&mut self) -> Result<Frame, FrameError> {
        loop {
            let filled = &self.buffer[self.filled.clone()];
            if let Some(length) = filled.first_chunk::<2>() {
                match u16::from_be_bytes(*length) as usize {
                    0 => return Err(FrameError::Empty),
                    length if length > QUERY_OCTETS_MAX => return Err(FrameError::Oversized),
                    length if filled.len() >= 2 + length => return Ok(Frame(length)),
                    _ => {}
                }
            }
            if self.filled.start > 0 {
                self.buffer.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.len();
            }
            match self.stream.read(&mut self.buffer[self.filled.end..]).await {
                Ok(0) if self.filled.is_empty() => return Err(FrameError::End),
                Ok(0) | Err(_) => return Err(FrameError::Broken),
                Ok(octets) => self.filled.end += octets,
            }
        }
    }

    /// The message's octets; the next call of [`next`](Self::next) gives the following message.
    fn take(&mut self, frame: Frame) -> &[u8] {
        let start = self.filled.start + 2;
        self.filled.start = start + frame.0;
        &self.buffer[start..start + frame.0]
    }
}
