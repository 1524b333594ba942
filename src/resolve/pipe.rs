//! Queries and answers over one stream, many at a time and answered in any order (RFC 7766, section 6.2.1).

use super::link::ACTIVE_MAX;
use hickory_net::NetError;
use hickory_proto::op::{DnsRequest, DnsResponse, Message};
use parking_lot::Mutex;
use std::{collections::HashMap, io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{mpsc, oneshot},
};

/// Framed queries that wait to be written at most; whoever comes later waits for room.
const QUEUE: usize = 64;
/// Octets of queries that are put into one write.
const WRITE_MAX: usize = 16 * 1024;
/// Draws of an id until a free one is found: at [`ACTIVE_MAX`] of 65,536 ids taken, one in sixteen fails.
const DRAWS: u32 = 64;

/// Who waits for the answer with an id, taken out by the answer; the id stays in use until the query is dropped.
/// `None` once the stream has ended.
type Waiting = Mutex<Option<HashMap<u16, Option<oneshot::Sender<DnsResponse>>>>>;

/// The sending end of a stream; the stream is closed when the last one is dropped.
#[derive(Clone)]
pub(super) struct Pipe {
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
}

/// An id in use. Dropped with the query, answered or not.
struct Place<'a> {
    waiting: &'a Waiting,
    id: u16,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.remove(&self.id);
        }
    }
}

impl Pipe {
    /// Takes a connected stream over, and reads and writes it in a task of its own.
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let answers = waiting.clone();
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(stream);
            let ended = tokio::select! {
                ended = write(writer, queued) => ended,
                ended = read(reader, &answers) => ended,
            };
            // Who waits for an answer learns by the drop that there will be none.
            answers.lock().take();
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to an upstream ended");
            }
        });
        Pipe { queue, waiting }
    }

    /// Sends a query under an id of the stream's own and waits for the answer; the caller bounds the time.
    ///
    /// # Errors
    ///
    /// [`NetError::Io`] if the stream ended before the answer, [`NetError::Busy`] with [`ACTIVE_MAX`] queries under
    /// way, [`NetError::Proto`] if the query cannot be encoded.
    pub(super) async fn ask(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let mut framed = vec![0; 2];
        framed.extend(request.to_vec()?);
        let length = u16::try_from(framed.len() - 2).map_err(|_| NetError::from("the query is too long"))?;
        framed[..2].copy_from_slice(&length.to_be_bytes());
        let (place, answer) = self.place()?;
        framed[2..4].copy_from_slice(&place.id.to_be_bytes());
        self.queue.send(framed).await.map_err(|_| ended())?;
        let mut response = answer.await.map_err(|_| ended())?;
        response.metadata.id = request.metadata.id;
        Ok(response)
    }

    fn place(&self) -> Result<(Place<'_>, oneshot::Receiver<DnsResponse>), NetError> {
        let mut slot = self.waiting.lock();
        let waiting = slot.as_mut().ok_or_else(ended)?;
        if waiting.len() >= ACTIVE_MAX {
            return Err(NetError::Busy);
        }
        let free = (0..DRAWS).map(|_| Message::query().metadata.id).find(|id| !waiting.contains_key(id));
        let id = free.ok_or(NetError::Busy)?;
        let (answered, answer) = oneshot::channel();
        waiting.insert(id, Some(answered));
        Ok((Place { waiting: &self.waiting, id }, answer))
    }
}

fn ended() -> NetError {
    NetError::from(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"))
}

/// Writes what is queued, several queries at once when they wait. Ends when all senders are gone.
async fn write(mut stream: impl AsyncWrite + Unpin, mut queued: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(mut octets) = queued.recv().await {
        while octets.len() < WRITE_MAX
            && let Ok(more) = queued.try_recv()
        {
            octets.extend(more);
        }
        stream.write_all(&octets).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}

/// Hands every answer to who asked. What cannot be read is skipped, and so is what nobody waits for (any more).
async fn read(stream: impl AsyncRead + Unpin, waiting: &Waiting) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let length = stream.read_u16().await?;
        let mut octets = vec![0; usize::from(length)];
        stream.read_exact(&mut octets).await?;
        let Ok(response) = DnsResponse::from_buffer(octets) else { continue };
        let asker = waiting.lock().as_mut().and_then(|waiting| waiting.get_mut(&response.metadata.id)?.take());
        if let Some(asker) = asker {
            _ = asker.send(response);
        }
    }
}
