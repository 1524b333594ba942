//! Authorisation codes (RFC 6749, section 4.1.2): what was granted, until it is fetched.
//!
//! They live in memory for a minute. A code that was used is remembered longer: if it comes again,
//! somebody has stolen it, and the session it gave ends.

use super::secret::{SecretError, digest, random_hex};
use crate::model::{AdminId, CredentialId, Timestamp};
use lru::LruCache;
use parking_lot::Mutex;
use std::{net::IpAddr, num::NonZeroUsize};

/// How long a code works, seconds.
pub const CODE_S: i64 = 60;
/// Codes remembered, used ones included; the oldest go first.
const CODES_MAX: usize = 10_000;

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who signed in.
    pub admin: AdminId,
    /// SHA-256 of the password's hash at that time: a new password makes the code void.
    pub password: [u8; 32],
    /// The client it is for.
    pub client: &'static str,
    /// The URI it was sent to.
    pub redirect_uri: String,
    /// base64url of the SHA-256 of the verifier (RFC 7636).
    pub challenge: String,
    /// Whether the verifier was shown, and fits, when the code was asked for.
    pub proved: bool,
    /// Where the person is.
    pub address: IpAddr,
    /// When it was given.
    pub issued: Timestamp,
}

enum Entry {
    Fresh(Grant),
    /// Used, for this session where it is known already; and whether it came again since.
    Spent(Option<CredentialId>, bool),
}

/// Why a code gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoGrant {
    /// Not one of ours, or too old.
    Unknown,
    /// Used before, for this session.
    Replayed(Option<CredentialId>),
}

/// The codes.
pub(super) struct Codes(Mutex<LruCache<[u8; 32], Entry>>);

impl Default for Codes {
    fn default() -> Self {
        Codes(Mutex::new(LruCache::new(NonZeroUsize::MIN.saturating_add(CODES_MAX - 1))))
    }
}

impl Codes {
    /// A new code for a grant.
    pub(super) fn issue(&self, grant: Grant) -> Result<String, SecretError> {
        let code = random_hex(64)?;
        self.0.lock().put(digest(&code), Entry::Fresh(grant));
        Ok(code)
    }

    /// Looks at what a code stands for without using it.
    pub(super) fn peek(&self, code: &str, now: Timestamp) -> Option<Grant> {
        match self.0.lock().peek(&digest(code)) {
            Some(Entry::Fresh(grant)) if !is_old(grant, now) => Some(grant.clone()),
            _ => None,
        }
    }

    /// Uses a code up, whatever comes of it.
    pub(super) fn take(&self, code: &str, now: Timestamp) -> Result<Grant, NoGrant> {
        let mut codes = self.0.lock();
        let entry = codes.get_mut(&digest(code)).ok_or(NoGrant::Unknown)?;
        match std::mem::replace(entry, Entry::Spent(None, false)) {
            Entry::Fresh(grant) if is_old(&grant, now) => Err(NoGrant::Unknown),
            Entry::Fresh(grant) => Ok(grant),
            Entry::Spent(session, _) => {
                *entry = Entry::Spent(session, true);
                Err(NoGrant::Replayed(session))
            }
        }
    }

    /// Notes which session a used code gave; true if the code came again meanwhile.
    pub(super) fn spent(&self, code: &str, session: CredentialId) -> bool {
        match self.0.lock().get_mut(&digest(code)) {
            Some(entry @ Entry::Spent(..)) => {
                let again = matches!(entry, Entry::Spent(_, true));
                *entry = Entry::Spent(Some(session), again);
                again
            }
            _ => false,
        }
    }
}

fn is_old(grant: &Grant, now: Timestamp) -> bool {
    now.0 >= grant.issued.0 + CODE_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(issued: i64) -> Grant {
        Grant {
            admin: AdminId(1),
            password: [0; 32],
            client: "2",
            redirect_uri: "http://127.0.0.1/".into(),
            challenge: String::new(),
            proved: false,
            address: IpAddr::from([192, 0, 2, 1]),
            issued: Timestamp(issued),
        }
    }

    #[test]
    fn a_code_works_once_within_a_minute_and_is_known_when_it_comes_again() {
        let codes = Codes::default();
        let code = codes.issue(grant(100)).expect("random");
        assert_eq!(codes.peek(&code, Timestamp(159)), Some(grant(100)));
        assert_eq!(codes.take(&code, Timestamp(159)), Ok(grant(100)));
        assert_eq!(codes.peek(&code, Timestamp(159)), None);
        assert!(!codes.spent(&code, CredentialId(9)));
        assert_eq!(codes.take(&code, Timestamp(159)), Err(NoGrant::Replayed(Some(CredentialId(9)))));
        assert!(codes.spent(&code, CredentialId(9)), "it came again before the session was noted");
        let late = codes.issue(grant(100)).expect("random");
        assert_eq!(codes.take(&late, Timestamp(160)), Err(NoGrant::Unknown));
        assert_eq!(codes.take("x", Timestamp(100)), Err(NoGrant::Unknown));
    }
}
