//! `Idempotency-Key`: a POST that is sent again is answered again, not done again
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! Answers are kept in memory, because some show secrets once; after a restart a key is new again. A day later, or when
//! a hundred others of the same administrator came since, it is too.

use super::error::ApiError;
use crate::model::{AdminId, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lru::LruCache;
use parking_lot::Mutex;
use std::{num::NonZeroUsize, sync::Arc};

/// The header.
pub const HEADER: &str = "idempotency-key";
/// Characters of a key, at most.
const KEY_OCTETS_MAX: usize = 255;
/// Keys remembered of an administrator.
const KEYS_MAX: usize = 100;
/// Administrators whose keys are remembered.
const ADMINS_MAX: usize = 10_000;
/// An answer larger than this is not kept: its request is done again.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// How long a key is remembered.
const LIFE_S: i64 = 24 * 60 * 60;

type Fingerprint = [u8; 32];

/// What is known of a key.
struct Known {
    fingerprint: Fingerprint,
    since: Timestamp,
    /// `None` while the request is under way.
    answer: Option<Kept>,
}

#[derive(Clone)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

type Keys = LruCache<Box<str>, Known>;

/// The keys of all administrators.
pub struct Replays(Mutex<LruCache<AdminId, Keys>>);

/// What to do with a request that has a key.
pub enum Turn {
    /// Answer this: it was done before.
    Again(Box<Response<Bytes>>),
    /// Do it, and tell the outcome.
    First(Pending),
}

/// A request under way. Dropped without an outcome, its key is free again.
pub struct Pending {
    replays: Arc<Replays>,
    admin: AdminId,
    key: Box<str>,
    kept: bool,
}

/// What the key is checked against: the same key on another request is a mistake.
pub fn fingerprint(method: &str, path_and_query: &str, body: &[u8]) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    for part in [method.as_bytes(), path_and_query.as_bytes(), body] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The key of a request, if it has one; quotes around it are the header's syntax, not the key's.
pub fn key_of(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if (1..=KEY_OCTETS_MAX).contains(&key.len()) {
        Ok(Some(key))
    } else {
        Err(ApiError::field("Idempotency-Key", format!("must have 1 to {KEY_OCTETS_MAX} printable characters")))
    }
}

impl Default for Replays {
    fn default() -> Self {
        Replays(Mutex::new(LruCache::new(NonZeroUsize::new(ADMINS_MAX).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl Replays {
    /// Takes a key for a request.
    pub fn begin(
        self: &Arc<Self>,
        admin: AdminId,
        key: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Turn, ApiError> {
        let mut admins = self.0.lock();
        let keys =
            admins.get_or_insert_mut(admin, || LruCache::new(NonZeroUsize::new(KEYS_MAX).unwrap_or(NonZeroUsize::MIN)));
        match keys.get(key) {
            Some(known) if known.since.0 + LIFE_S > now.0 => {
                if known.fingerprint != fingerprint {
                    return Err(ApiError::unprocessable("Idempotency-Key: was used with another request"));
                }
                let Some(kept) = &known.answer else {
                    return Err(ApiError::conflict("Idempotency-Key: the first request is still under way"));
                };
                let mut response = Response::new(kept.body.clone());
                *response.status_mut() = kept.status;
                *response.headers_mut() = kept.headers.clone();
                response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
                return Ok(Turn::Again(Box::new(response)));
            }
            _ => {}
        }
        keys.put(key.into(), Known { fingerprint, since: now, answer: None });
        Ok(Turn::First(Pending { replays: self.clone(), admin, key: key.into(), kept: false }))
    }
}

impl Pending {
    /// Keeps the answer of a request that was done, for those who send it again. What was refused changed nothing
    /// and is judged anew.
    pub fn done(mut self, answer: &Result<Response<Bytes>, ApiError>) {
        let Ok(response) = answer else { return };
        if response.body().len() > ANSWER_OCTETS_MAX {
            return;
        }
        let mut admins = self.replays.0.lock();
        if let Some(known) = admins.peek_mut(&self.admin).and_then(|keys| keys.peek_mut(&self.key)) {
            known.answer = Some(Kept {
                status: response.status(),
                headers: response.headers().clone(),
                body: response.body().clone(),
            });
            self.kept = true;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // `done` held the lock only where it kept the answer.
        if let Some(keys) = self.replays.0.lock().peek_mut(&self.admin) {
            keys.pop(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(replays: &Arc<Replays>, body: &[u8], now: i64) -> Result<Turn, ApiError> {
        replays.begin(AdminId(1), "k", fingerprint("POST", "/x", body), Timestamp(now))
    }

    #[test]
    fn what_was_done_is_answered_again_and_what_was_not_is_free_again() {
        let replays = Arc::<Replays>::default();
        let Ok(Turn::First(pending)) = begin(&replays, b"a", 0) else { panic!("new") };
        assert_eq!(begin(&replays, b"a", 1).err().map(|error| error.status().as_u16()), Some(409));
        pending.done(&Err(ApiError::field("x", "is wrong")));
        let Ok(Turn::First(pending)) = begin(&replays, b"a", 2) else { panic!("free again") };
        drop(pending);
        let Ok(Turn::First(pending)) = begin(&replays, b"a", 3) else { panic!("free again") };
        pending.done(&Ok(Response::new(Bytes::from_static(b"done"))));
        let Ok(Turn::Again(answer)) = begin(&replays, b"a", 4) else { panic!("known") };
        assert_eq!(answer.body().as_ref(), b"done");
        assert_eq!(begin(&replays, b"b", 5).err().map(|error| error.status().as_u16()), Some(422));
        assert!(matches!(begin(&replays, b"b", 3 + LIFE_S), Ok(Turn::First(_))), "a day later");
        let other = replays.begin(AdminId(2), "k", fingerprint("POST", "/x", b"b"), Timestamp(5));
        assert!(matches!(other, Ok(Turn::First(_))), "keys are an administrator's own");
    }
}
