//! Reading a request's body within bounds of size and time.

use super::error::ApiError;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// Octets of a refused request's body that are still read, for the answer to be seen.
const DISCARDED_OCTETS_MAX: usize = 32 * 1024 * 1024;
/// How long they may take.
const DISCARD_PATIENCE: Duration = Duration::from_secs(10);

/// The body of a request, until it is read.
pub(super) struct Incoming<'a, B> {
    body: Option<B>,
    headers: &'a HeaderMap,
}

impl<'h, B> Incoming<'h, B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) fn new(body: B, headers: &'h HeaderMap) -> Self {
        Incoming { body: Some(body), headers }
    }

    /// Octets it says it has.
    pub(super) fn announced(&self) -> Option<u64> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The next octets; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        let body = self.body.as_mut()?;
        loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(octets) = frame.into_data() {
                        return Some(Ok(octets));
                    }
                }
                Some(Err(_)) => return Some(Err(ApiError::bad_request("The body broke off"))),
                None => {
                    self.body = None;
                    return None;
                }
            }
        }
    }

    /// All of it, or 413. Empty where it was read before.
    pub(super) async fn read(&mut self, octets_max: usize) -> Result<Bytes, ApiError> {
        if self.announced().is_some_and(|octets| octets > octets_max as u64) {
            return Err(ApiError::too_large(octets_max));
        }
        let Some(body) = &mut self.body else { return Ok(Bytes::new()) };
        let collected = async {
            let mut octets = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| ApiError::bad_request("The body broke off"))?;
                let Ok(data) = frame.into_data() else { continue };
                if octets.len() + data.len() > octets_max {
                    return Err(ApiError::too_large(octets_max));
                }
                octets.extend_from_slice(&data);
            }
            Ok(octets.freeze())
        };
        let collected = tokio::time::timeout(BODY_PATIENCE, collected).await;
        let octets = collected.map_err(|_| ApiError::bad_request("The body took too long to arrive"))??;
        self.body = None;
        Ok(octets)
    }

    /// Reads what is left of a refused request's body and throws it away: a caller that is still
    /// sending would see a broken stream instead of the answer (HTTP/2), or not listen yet (HTTP/1).
    pub(super) async fn discard(self) {
        let Some(mut body) = self.body else { return };
        let read = async {
            let mut left = DISCARDED_OCTETS_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_PATIENCE, read).await;
    }
}
