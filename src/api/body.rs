//! Reading a request's body within bounds of size and time.

use super::error::ApiError;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// Octets of a refused request's body that are still read, for the answer to be seen.
const DISCARDED_OCTETS_MAX: usize = 32 * 1024 * 1024;
/// How long they may take.
const DISCARD_PATIENCE: Duration = Duration::from_secs(10);

/// Octets in one place of a room.
const PLACE_OCTETS: usize = 1024;
/// Places for the bodies of callers that are known, at least; two of the largest find room in any case.
const KNOWN_PLACES: usize = 128 * 1024;
/// Places for the bodies of all others: strangers cannot fill the memory, nor keep out those who are known.
const UNKNOWN_PLACES: usize = 32 * 1024;

/// Room for the bodies of all requests that are under way.
pub(super) struct Rooms {
    pub(super) known: Arc<Semaphore>,
    pub(super) unknown: Arc<Semaphore>,
}

impl Rooms {
    /// For bodies of at most so many octets.
    pub(super) fn new(body_octets_max: usize) -> Self {
        let known =
            (body_octets_max.div_ceil(PLACE_OCTETS).saturating_mul(2)).clamp(KNOWN_PLACES, Semaphore::MAX_PERMITS);
        Rooms { known: Arc::new(Semaphore::new(known)), unknown: Arc::new(Semaphore::new(UNKNOWN_PLACES)) }
    }
}

/// The body of a request, until it is read; its places are taken until the request is answered.
pub(super) struct Incoming<'a, B> {
    body: Option<B>,
    headers: &'a HeaderMap,
    places: Option<OwnedSemaphorePermit>,
}

impl<'h, B> Incoming<'h, B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) fn new(body: B, headers: &'h HeaderMap) -> Self {
        Incoming { body: Some(body), headers, places: None }
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

    /// All of it, or 413, or 503 where the room is full. Empty where it was read before.
    pub(super) async fn read(&mut self, octets_max: usize, room: &Arc<Semaphore>) -> Result<Bytes, ApiError> {
        if self.announced().is_some_and(|octets| octets > octets_max as u64) {
            return Err(ApiError::too_large(octets_max));
        }
        let Some(body) = &mut self.body else { return Ok(Bytes::new()) };
        let places = &mut self.places;
        let collected = async {
            let mut octets = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| ApiError::bad_request("The body broke off"))?;
                let Ok(data) = frame.into_data() else { continue };
                if octets.len() + data.len() > octets_max {
                    return Err(ApiError::too_large(octets_max));
                }
                let (taken, needed) = (octets.len(), octets.len() + data.len());
                let more = needed.div_ceil(PLACE_OCTETS) - taken.div_ceil(PLACE_OCTETS);
                let more = u32::try_from(more).map_err(|_| ApiError::no_room())?;
                let more = room.clone().try_acquire_many_owned(more).map_err(|_| ApiError::no_room())?;
                match places {
                    Some(places) => places.merge(more),
                    None => *places = Some(more),
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn bodies_take_places_until_they_are_answered_and_who_finds_none_is_turned_away() {
        let headers = HeaderMap::new();
        let body = || Incoming::new(Full::new(Bytes::from(vec![0; 3000])), &headers);
        let room = Arc::new(Semaphore::new(7));
        let (mut one, mut other, mut third) = (body(), body(), body());
        assert_eq!(one.read(4000, &room).await.map(|octets| octets.len()).ok(), Some(3000));
        assert_eq!(other.read(4000, &room).await.map(|octets| octets.len()).ok(), Some(3000));
        let refused = third.read(4000, &room).await.err();
        assert_eq!(refused.map(|error| error.status().as_u16()), Some(503));
        assert_eq!(body().read(2999, &room).await.err().map(|error| error.status().as_u16()), Some(413));
        drop(one);
        assert!(body().read(4000, &room).await.is_ok());
        assert_eq!(room.available_permits(), 4);
    }
}
