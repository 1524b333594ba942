//! `Idempotency-Key`: a POST that is sent again is answered again, not done again
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! A key is remembered for a day, or until a hundred others of the same administrator came since; so it is over a
//! restart, because keys stand in a journal, every record of it sealed. An answer that shows a secret is kept in memory
//! only. Whoever sends a request again whose answer is not there any more, or which a crash cut off, is told so (409):
//! with one key nothing is done twice.

use super::error::ApiError;
use crate::{
    model::{AdminId, SealedSecret, Timestamp},
    store::{Journal, Store},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use lru::LruCache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{num::NonZeroUsize, sync::Arc};

/// The header.
pub const HEADER: &str = "idempotency-key";
/// Characters of a key, at most.
const KEY_OCTETS_MAX: usize = 255;
/// Keys remembered of an administrator.
const KEYS_MAX: usize = 100;
/// Administrators whose keys are remembered.
const ADMINS_MAX: usize = 10_000;
/// An answer larger than this is not kept.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// Octets of all answers that are kept, at most; the oldest go first.
const ANSWERS_OCTETS_MAX: usize = if cfg!(test) { 1024 * 1024 } else { 64 * 1024 * 1024 };
/// How long a key is remembered.
const LIFE_S: i64 = 24 * 60 * 60;
/// The journal's name in the data folder.
const JOURNAL: &str = "idempotency-keys";
/// What its records are sealed for.
const SEALED_FOR: &[u8] = b"api/idempotency_key";
/// Octets of a journal that are not worth beginning it anew.
const SLACK_OCTETS: u64 = 4 * 1024 * 1024;
/// An answer with a field whose name has one of these in it is not written to disk.
const SECRET_WORDS: [&str; 5] = ["secret", "token", "key", "password", "codes"];

type Fingerprint = [u8; 32];
/// A key, hashed.
type KeyPrint = [u8; 16];

/// What is known of a key.
struct Known {
    fingerprint: Fingerprint,
    since: Timestamp,
    state: State,
}

/// How far its request is.
#[derive(Clone)]
enum State {
    UnderWay,
    Answered(Kept),
    Gone(Gone),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Gone {
    /// It was large, or others needed its place.
    Large,
    /// It showed a secret, and the daemon began anew since.
    Secret,
    /// The daemon ended while the request was under way.
    CutOff,
}

impl Gone {
    fn told(self) -> ApiError {
        ApiError::conflict(match self {
            Gone::Large => "Idempotency-Key: the request was done; its answer is not kept any more",
            Gone::Secret => "Idempotency-Key: the request was done; its answer showed a secret and is not shown again",
            Gone::CutOff => {
                "Idempotency-Key: the server stopped during the request; look whether it was done, and use a new key"
            }
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    #[serde(with = "octets")]
    body: Bytes,
}

mod octets {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(octets: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(octets)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(Bytes::from)
    }
}

impl Kept {
    fn of(response: &Response<Bytes>) -> Kept {
        let headers = response.headers().iter();
        Kept {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
            body: response.body().clone(),
        }
    }

    fn shown(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.clone())) {
                response.headers_mut().append(name, value);
            }
        }
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        response
    }
}

/// A record of the journal.
#[derive(Serialize, Deserialize)]
struct Record {
    admin: u32,
    key: KeyPrint,
    what: What,
}

#[derive(Serialize, Deserialize)]
enum What {
    Begun {
        fingerprint: Fingerprint,
        since: i64,
    },
    Answered(Kept),
    Gone(Gone),
    /// Nothing was done; the key is free again.
    Freed,
}

type Keys = LruCache<KeyPrint, Known>;

/// The keys of all administrators.
pub struct Replays {
    inner: Mutex<Inner>,
    store: Store,
}

struct Inner {
    admins: LruCache<AdminId, Keys>,
    /// Octets of answers kept since they were last counted, at most.
    octets: usize,
    journal: Option<Journal>,
    journal_octets_min: u64,
}

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
    key: KeyPrint,
    done: bool,
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

fn bounded<K: std::hash::Hash + Eq, V>(entries_max: usize) -> LruCache<K, V> {
    LruCache::new(NonZeroUsize::new(entries_max).unwrap_or(NonZeroUsize::MIN))
}

/// Whether an answer shows a secret, by the names of its fields; what cannot be read does.
fn shows_secret(body: &[u8]) -> bool {
    fn within(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| {
                let name = name.to_ascii_lowercase();
                let secret = SECRET_WORDS.iter().any(|word| name.contains(word));
                secret && !value.is_null() && !value.is_boolean() || within(value)
            }),
            serde_json::Value::Array(values) => values.iter().any(within),
            _ => false,
        }
    }
    serde_json::from_slice(body).map_or(true, |value| within(&value))
}

impl Replays {
    /// Those that the journal of `store` has, and written there from now on.
    pub fn open(store: Store, now: Timestamp) -> Self {
        let mut inner = Inner { admins: bounded(ADMINS_MAX), octets: 0, journal: None, journal_octets_min: 0 };
        match store.journal(JOURNAL) {
            Err(error) => {
                tracing::warn!(%error, "idempotency keys of before the start cannot be read and are forgotten")
            }
            Ok((journal, _, records)) => {
                for octets in records {
                    let octets = store.unseal(SEALED_FOR, &SealedSecret(octets)).ok();
                    let record = octets.and_then(|octets| postcard::from_bytes(&octets).ok());
                    if let Some(record) = record {
                        inner.load(record, now);
                    }
                }
                inner.journal = Some(journal);
                inner.make_room(&store);
                inner.begin_journal(&store);
            }
        }
        Replays { inner: Mutex::new(inner), store }
    }

    /// Takes a key for a request. Waits for the disk.
    pub fn begin(
        self: &Arc<Self>,
        admin: AdminId,
        key: &str,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Turn, ApiError> {
        let key = key_print(key);
        let file = {
            let mut inner = self.inner.lock();
            let keys = inner.admins.get_or_insert_mut(admin, || bounded(KEYS_MAX));
            match keys.get(&key) {
                Some(known) if known.since.0 + LIFE_S > now.0 => {
                    if known.fingerprint != fingerprint {
                        return Err(ApiError::unprocessable("Idempotency-Key: was used with another request"));
                    }
                    return match &known.state {
                        State::UnderWay => {
                            Err(ApiError::conflict("Idempotency-Key: the first request is still under way"))
                        }
                        State::Gone(gone) => Err(gone.told()),
                        State::Answered(kept) => Ok(Turn::Again(Box::new(kept.shown()))),
                    };
                }
                _ => {}
            }
            keys.put(key, Known { fingerprint, since: now, state: State::UnderWay });
            inner.write(&self.store, admin, key, What::Begun { fingerprint, since: now.0 });
            inner.journal.as_ref().and_then(Journal::handle)
        };
        // On disk before anything is done: what is done is durable too.
        if let Some(file) = file
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "an idempotency key may not be on the disk");
        }
        Ok(Turn::First(Pending { replays: self.clone(), admin, key, done: false }))
    }
}

impl Inner {
    fn known(&mut self, admin: AdminId, key: &KeyPrint) -> Option<&mut Known> {
        self.admins.peek_mut(&admin)?.peek_mut(key)
    }

    fn load(&mut self, record: Record, now: Timestamp) {
        let (admin, key) = (AdminId(record.admin), record.key);
        match record.what {
            What::Begun { since, .. } if since + LIFE_S <= now.0 => {}
            What::Begun { fingerprint, since } => {
                let keys = self.admins.get_or_insert_mut(admin, || bounded(KEYS_MAX));
                // What does not follow did not come to its end.
                keys.put(key, Known { fingerprint, since: Timestamp(since), state: State::Gone(Gone::CutOff) });
            }
            What::Answered(kept) => {
                self.octets += kept.body.len();
                if let Some(known) = self.known(admin, &key) {
                    known.state = State::Answered(kept);
                }
            }
            What::Gone(gone) => {
                if let Some(known) = self.known(admin, &key) {
                    known.state = State::Gone(gone);
                }
            }
            What::Freed => {
                if let Some(keys) = self.admins.peek_mut(&admin) {
                    keys.pop(&key);
                }
            }
        }
    }

    fn write(&mut self, store: &Store, admin: AdminId, key: KeyPrint, what: What) {
        let Some(journal) = &mut self.journal else { return };
        let sealed = sealed(store, &Record { admin: admin.0, key, what });
        if let Err(error) = journal.append(&sealed) {
            tracing::warn!(%error, "idempotency keys cannot be written down; a restart forgets them");
        }
        if journal.octets() > 2 * self.journal_octets_min + SLACK_OCTETS {
            self.begin_journal(store);
        }
    }

    /// Begins the journal anew with what is known.
    fn begin_journal(&mut self, store: &Store) {
        let Some(journal) = &mut self.journal else { return };
        let mut records = Vec::new();
        for (admin, keys) in self.admins.iter().rev() {
            for (key, known) in keys.iter().rev() {
                let mut record = |what| records.push(sealed(store, &Record { admin: admin.0, key: *key, what }));
                record(What::Begun { fingerprint: known.fingerprint, since: known.since.0 });
                match &known.state {
                    State::UnderWay => {}
                    State::Answered(kept) if shows_secret(&kept.body) => record(What::Gone(Gone::Secret)),
                    State::Answered(kept) => record(What::Answered(kept.clone())),
                    State::Gone(gone) => record(What::Gone(*gone)),
                }
            }
        }
        if let Err(error) = journal.rewrite(records) {
            tracing::warn!(%error, "the journal of idempotency keys could not be begun anew");
        }
        self.journal_octets_min = journal.octets();
    }

    /// Lets the answers go that were not asked for for longest, where all together are too large.
    fn make_room(&mut self, store: &Store) {
        if self.octets <= ANSWERS_OCTETS_MAX {
            return;
        }
        // Answers went with their keys in the meantime: count them anew.
        let answers = |known: &Known| match &known.state {
            State::Answered(kept) => kept.body.len(),
            _ => 0,
        };
        self.octets = self.admins.iter().flat_map(|(_, keys)| keys.iter()).map(|(_, known)| answers(known)).sum();
        let mut gone = Vec::new();
        for (admin, keys) in self.admins.iter_mut().rev() {
            for (key, known) in keys.iter_mut().rev() {
                // More than is needed, so that this is not done for every answer.
                if self.octets <= ANSWERS_OCTETS_MAX / 4 * 3 {
                    break;
                }
                let octets = answers(known);
                if octets > 0 {
                    known.state = State::Gone(Gone::Large);
                    self.octets -= octets;
                    gone.push((*admin, *key));
                }
            }
        }
        for (admin, key) in gone {
            self.write(store, admin, key, What::Gone(Gone::Large));
        }
    }
}

fn sealed(store: &Store, record: &Record) -> Vec<u8> {
    store.seal(SEALED_FOR, &postcard::to_stdvec(record).unwrap_or_default()).0
}

fn key_print(key: &str) -> KeyPrint {
    *blake3::hash(key.as_bytes()).as_bytes().first_chunk().expect("a hash has 32 octets")
}

impl Pending {
    /// Keeps the answer of a request that was done, for those who send it again. What was refused changed nothing
    /// and is judged anew.
    pub fn done(mut self, answer: &Result<Response<Bytes>, ApiError>) {
        let Ok(response) = answer else { return };
        self.done = true;
        let octets = response.body().len();
        let (state, what) = if octets > ANSWER_OCTETS_MAX {
            (State::Gone(Gone::Large), What::Gone(Gone::Large))
        } else {
            let kept = Kept::of(response);
            let secret = shows_secret(response.body());
            let what = if secret { What::Gone(Gone::Secret) } else { What::Answered(kept.clone()) };
            (State::Answered(kept), what)
        };
        let replays = &*self.replays;
        let mut inner = replays.inner.lock();
        let Some(known) = inner.known(self.admin, &self.key) else { return };
        known.state = state;
        inner.write(&replays.store, self.admin, self.key, what);
        inner.octets += octets.min(ANSWER_OCTETS_MAX);
        inner.make_room(&replays.store);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut inner = self.replays.inner.lock();
        if let Some(keys) = inner.admins.peek_mut(&self.admin) {
            keys.pop(&self.key);
        }
        inner.write(&self.replays.store, self.admin, self.key, What::Freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Desk {
        replays: Arc<Replays>,
        store: Store,
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Desk {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::open(folder.path(), crate::store::Options::default()).expect("opens");
            Desk { replays: Arc::new(Replays::open(store.clone(), Timestamp(0))), store, folder }
        }

        fn begin(&self, key: &str, body: &[u8], now: i64) -> Result<Turn, ApiError> {
            self.replays.begin(AdminId(1), key, fingerprint("POST", "/x", body), Timestamp(now))
        }

        fn first(&self, key: &str, now: i64) -> Pending {
            match self.begin(key, b"a", now) {
                Ok(Turn::First(pending)) => pending,
                _ => panic!("{key} is known"),
            }
        }

        fn do_it(&self, key: &str, answer: &str, now: i64) {
            self.first(key, now).done(&Ok(Response::new(Bytes::copy_from_slice(answer.as_bytes()))));
        }

        /// What a request that is sent again is told.
        fn again(&self, key: &str, now: i64) -> (u16, String) {
            match self.begin(key, b"a", now) {
                Ok(Turn::Again(answer)) => (200, String::from_utf8_lossy(answer.body()).into_owned()),
                Ok(Turn::First(_)) => (0, String::new()),
                Err(error) => (error.status().as_u16(), error.message().to_owned()),
            }
        }

        fn restart(&mut self, now: i64) {
            self.replays = Arc::new(Replays::open(self.store.clone(), Timestamp(now)));
        }
    }

    #[test]
    fn what_was_done_is_answered_again_and_what_was_not_is_free_again() {
        let desk = Desk::new();
        let pending = desk.first("k", 0);
        assert_eq!(desk.again("k", 1).0, 409);
        pending.done(&Err(ApiError::field("x", "is wrong")));
        drop(desk.first("k", 2));
        desk.do_it("k", "{}", 3);
        assert_eq!(desk.again("k", 4), (200, "{}".to_owned()));
        assert_eq!(desk.begin("k", b"b", 5).err().map(|error| error.status().as_u16()), Some(422));
        assert_eq!(desk.again("k", 3 + LIFE_S).0, 0, "a day later");
        let other = desk.replays.begin(AdminId(2), "k", fingerprint("POST", "/x", b"b"), Timestamp(5));
        assert!(matches!(other, Ok(Turn::First(_))), "keys are an administrator's own");
    }

    #[test]
    fn a_restart_forgets_no_key_and_writes_no_secret() {
        let mut desk = Desk::new();
        desk.do_it("plain", r#"{"name":"visible","key_name":null,"2fa_enabled":true}"#, 10);
        desk.do_it("secret", r#"{"data":[{"consumer_secret":"hush"}]}"#, 10);
        desk.do_it("large", &"x".repeat(ANSWER_OCTETS_MAX + 1), 10);
        drop(desk.first("refused", 10));
        assert_eq!(desk.again("secret", 11), (200, r#"{"data":[{"consumer_secret":"hush"}]}"#.to_owned()));
        std::mem::forget(desk.first("cut off", 10));
        for now in [12, 13] {
            desk.restart(now);
            assert!(desk.again("plain", now).1.contains("visible"), "{now}");
            assert_eq!(desk.begin("plain", b"b", now).err().map(|error| error.status().as_u16()), Some(422));
            for (key, words) in [("secret", "showed a secret"), ("large", "not kept"), ("cut off", "look whether")] {
                let (status, told) = desk.again(key, now);
                assert!(status == 409 && told.contains(words), "{now} {key}: {status} {told}");
            }
            assert_eq!(desk.again("refused", now).0, 0, "it was not done");
        }
        let octets = std::fs::read(desk.folder.path().join(JOURNAL)).expect("is there");
        for word in ["hush", "visible", "plain"] {
            assert!(!octets.windows(word.len()).any(|some| some == word.as_bytes()), "{word} stands in the journal");
        }
        desk.restart(10 + LIFE_S);
        assert_eq!(desk.again("plain", 10 + LIFE_S).0, 0, "a day later");
    }

    #[test]
    fn answers_take_a_bounded_room_and_the_oldest_go_first() {
        let mut desk = Desk::new();
        let answer = format!("\"{}\"", "x".repeat(ANSWER_OCTETS_MAX - 2));
        let admins = ANSWERS_OCTETS_MAX / ANSWER_OCTETS_MAX / KEYS_MAX + 2;
        for admin in 1..=admins {
            for number in 0..KEYS_MAX {
                let print = fingerprint("POST", "/x", b"a");
                let id = AdminId(admin.try_into().expect("is small"));
                match desk.replays.begin(id, &number.to_string(), print, Timestamp(0)) {
                    Ok(Turn::First(pending)) => pending.done(&Ok(Response::new(Bytes::from(answer.clone())))),
                    _ => panic!("is new"),
                }
            }
        }
        assert!(desk.replays.inner.lock().octets <= ANSWERS_OCTETS_MAX);
        assert!(desk.again("0", 1).1.contains("not kept"));
        desk.restart(2);
        assert!(desk.replays.inner.lock().octets <= ANSWERS_OCTETS_MAX);
        assert!(desk.again("0", 2).1.contains("not kept"), "it is not done again");
    }
}
