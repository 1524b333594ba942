//! Files that are too large for memory: they are written to disk as they come, once the caller is known.

use super::{body::Incoming, error::ApiError, fields::Content};
use crate::model::AdminId;
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Body;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// How long a file may take to arrive.
const FILE_PATIENCE: Duration = Duration::from_secs(900);
/// How long a caller may be silent.
const SILENCE_PATIENCE: Duration = Duration::from_secs(30);
/// Files that arrive at once; one of each administrator.
const AT_ONCE_MAX: usize = 8;
/// Octets of a field beside the file.
const FIELD_OCTETS_MAX: usize = 64 * 1024;
/// Parts a multipart body may have.
const PARTS_MAX: usize = 100;
/// What the part with the file is called.
const NAMES: [&str; 2] = ["file", "csv"];

/// A file that came as a body or a part of one; it is removed when nobody holds it any more.
pub struct Received {
    path: PathBuf,
    octets: u64,
    digest: [u8; 32],
}

impl Received {
    /// The file, to be read.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Its octets.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// BLAKE3 of it.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // What stays goes with the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Who is sending a file.
#[derive(Clone, Default)]
pub struct Sending(Arc<Mutex<HashSet<AdminId>>>);

/// One of them; leaving is dropping it.
pub struct Place {
    sending: Sending,
    admin: AdminId,
}

impl Sending {
    /// Lets an administrator send a file; 429 where too many are being sent.
    pub fn enter(&self, admin: AdminId) -> Result<Place, ApiError> {
        let mut sending = self.0.lock();
        if sending.len() >= AT_ONCE_MAX || !sending.insert(admin) {
            return Err(ApiError::too_many_requests(10));
        }
        Ok(Place { sending: self.clone(), admin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sending.0.lock().remove(&self.admin);
    }
}

/// A file on its way.
struct Inbox {
    received: Received,
    file: tokio::fs::File,
    sum: blake3::Hasher,
}

impl Inbox {
    async fn new(path: &Path) -> Result<Self, ApiError> {
        let received = Received { path: path.to_owned(), octets: 0, digest: [0; 32] };
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path).await.map_err(ApiError::internal)?;
        Ok(Inbox { received, file, sum: blake3::Hasher::new() })
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), ApiError> {
        self.received.octets += octets.len() as u64;
        self.sum.update(octets);
        self.file.write_all(octets).await.map_err(ApiError::internal)
    }

    async fn done(mut self) -> Result<Arc<Received>, ApiError> {
        self.file.flush().await.map_err(ApiError::internal)?;
        self.received.digest = *self.sum.finalize().as_bytes();
        Ok(Arc::new(self.received))
    }
}

/// Whether a body of this kind is, or may hold, a file.
pub(super) fn is_file(content: &Content) -> bool {
    matches!(content, Content::File | Content::Csv | Content::Multipart(_))
}

/// Writes the file of a body to `path`; gives it and the fields beside it. No file where the body has none.
pub(super) async fn receive<B>(
    body: &mut Incoming<'_, B>,
    content: &Content,
    path: &Path,
    octets_max: u64,
) -> Result<(Option<Arc<Received>>, Map<String, Value>), ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if body.announced().is_some_and(|octets| octets > octets_max) {
        return Err(ApiError::file_too_large(octets_max));
    }
    let receiving = async {
        match content {
            Content::Multipart(boundary) => parts(body, boundary, path, octets_max).await,
            _ => whole(body, path, octets_max).await.map(|file| (file, Map::new())),
        }
    };
    let received = tokio::time::timeout(FILE_PATIENCE, receiving).await;
    received.map_err(|_| ApiError::bad_request("The body took too long to arrive"))?
}

/// The next octets of a body that may have so many more.
async fn next<B>(body: &mut Incoming<'_, B>, left: &mut u64, octets_max: u64) -> Result<Option<Bytes>, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let piece = tokio::time::timeout(SILENCE_PATIENCE, body.next()).await;
    let piece = piece.map_err(|_| ApiError::bad_request("The body took too long to arrive"))?;
    let Some(piece) = piece.transpose()? else { return Ok(None) };
    *left = left.checked_sub(piece.len() as u64).ok_or_else(|| ApiError::file_too_large(octets_max))?;
    Ok(Some(piece))
}

async fn whole<B>(body: &mut Incoming<'_, B>, path: &Path, octets_max: u64) -> Result<Option<Arc<Received>>, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut inbox = Inbox::new(path).await?;
    let mut left = octets_max;
    while let Some(piece) = next(body, &mut left, octets_max).await? {
        inbox.write(&piece).await?;
    }
    let file = inbox.done().await?;
    Ok((file.octets() > 0).then_some(file))
}

async fn parts<B>(
    body: &mut Incoming<'_, B>,
    boundary: &str,
    path: &Path,
    octets_max: u64,
) -> Result<(Option<Arc<Received>>, Map<String, Value>), ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    // The form's own lines are no part of the file.
    let left = octets_max.saturating_add((PARTS_MAX * FIELD_OCTETS_MAX) as u64);
    let refused: Arc<Mutex<Option<ApiError>>> = Arc::default();
    let told = refused.clone();
    let pieces = stream::unfold((body, left), move |(body, mut left)| {
        let told = told.clone();
        async move {
            match next(body, &mut left, octets_max).await {
                Ok(piece) => piece.map(|piece| (Ok(piece), (body, left))),
                Err(error) => {
                    let text = error.message().to_owned();
                    *told.lock() = Some(error);
                    Some((Err(io::Error::other(text)), (body, 0)))
                }
            }
        }
    });
    // What the body itself was refused for says more than that the form broke off.
    let bad = |error: multer::Error| {
        let refused = refused.lock().take();
        refused.unwrap_or_else(|| ApiError::bad_request(format!("The multipart body cannot be read: {error}")))
    };
    let mut form = multer::Multipart::new(Box::pin(pieces), boundary);
    let (mut file, mut fields) = (None, Map::new());
    let mut count = 0;
    while let Some(mut part) = form.next_field().await.map_err(bad)? {
        count += 1;
        if count > PARTS_MAX {
            return Err(ApiError::bad_request(format!("The multipart body has more than {PARTS_MAX} parts")));
        }
        let name = part.name().unwrap_or_default().to_owned();
        if file.is_none() && NAMES.contains(&name.as_str()) {
            let mut inbox = Inbox::new(path).await?;
            while let Some(piece) = part.chunk().await.map_err(bad)? {
                if inbox.received.octets + piece.len() as u64 > octets_max {
                    return Err(ApiError::file_too_large(octets_max));
                }
                inbox.write(&piece).await?;
            }
            file = Some(inbox.done().await?);
            continue;
        }
        let mut text = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(bad)? {
            if text.len() + piece.len() > FIELD_OCTETS_MAX {
                return Err(ApiError::field(&name, format!("has more than {FIELD_OCTETS_MAX} octets")));
            }
            text.extend_from_slice(&piece);
        }
        let text = String::from_utf8(text).map_err(|_| ApiError::field(&name, "is not valid UTF-8"))?;
        fields.insert(name, Value::String(text));
    }
    Ok((file, fields))
}
