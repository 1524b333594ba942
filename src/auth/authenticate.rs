//! From the credentials of a request to the administrator they belong to.

use super::{
    access_token::SigningKey,
    caller::{Caller, Credential},
    keys,
    nonce::{Nonces, Verdict},
    oauth1::{Claim, Fault, SignedRequest},
    secret,
    ways::is_suspended,
};
use crate::{
    model::{Admin, AdminId, ApiToken, CustomRole, Permissions, Session, SignatureKeys, Timestamp, TokenScope},
    store::{Store, Unique},
};
use std::sync::Arc;

/// Why a request has no caller. What is shown tells nobody which part of a key was right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It carries no credentials.
    #[error("credentials are required")]
    Missing,
    /// It carries credentials we cannot read.
    #[error("{0}")]
    Malformed(#[from] Fault),
    /// The key or token is not known, its signature is wrong, or it is no longer valid.
    #[error("the credentials are not valid")]
    Unknown,
    /// It was signed too long ago, or our clocks disagree.
    #[error("oauth_timestamp is more than 300 seconds from the server's clock")]
    Stale,
    /// The same signed request came before.
    #[error("oauth_nonce was used before")]
    Replayed,
    /// The key has made more requests than can be remembered.
    #[error("too many signed requests")]
    Busy,
    /// The customer is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// A key of ours cannot be read; the log says why.
    #[error("the credentials cannot be checked")]
    Broken,
}

/// Judges credentials against the store. Cheap to clone; all clones share one table of nonces.
#[derive(Clone)]
pub struct Authenticator {
    store: Store,
    key: Arc<SigningKey>,
    nonces: Arc<Nonces>,
}

impl Authenticator {
    /// Over the keys of `store`, and access tokens signed with `key`; signed requests of before `now` count as well.
    /// One at a time may be there for a store.
    pub fn new(store: Store, key: Arc<SigningKey>, now: Timestamp) -> Self {
        let nonces = Arc::new(Nonces::open(&store, now.0));
        Authenticator { store, key, nonces }
    }

    /// The caller of a request at the time `now`. A bearer token is taken from the `Authorization`
    /// header only (RFC 6750, section 2.1); a signature wherever RFC 5849 lets it stand.
    pub fn authenticate(&self, request: &SignedRequest<'_>, now: Timestamp) -> Result<Caller, Refusal> {
        let caller = match request.authorization.and_then(bearer) {
            // Only an access token has dots in it.
            Some(token) if token.contains('.') => self.by_access_token(token, now)?,
            Some(token) => self.by_token(token, now)?,
            None => self.by_signature(&Claim::of(request)?.ok_or(Refusal::Missing)?, now)?,
        };
        self.not_suspended(&caller)?;
        Ok(caller)
    }

    fn by_token(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let digest = secret::digest(token);
        let row = self.store.find_unique::<ApiToken>(Unique::ApiToken, &digest).ok_or(Refusal::Unknown)?.value;
        if row.expires.is_some_and(|expires| expires <= now) {
            return Err(Refusal::Unknown);
        }
        let reads_only = row.scope == TokenScope::ReadOnly;
        Ok(Caller { reads_only, ..self.caller(row.admin, Credential::ApiToken(row.id))? })
    }

    /// An access token lives as long as its session, whatever it says itself.
    fn by_access_token(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let claims = self.key.read(token, now).ok_or(Refusal::Unknown)?;
        let session = claims.session().and_then(|id| self.store.find::<Session>(id.0)).ok_or(Refusal::Unknown)?.value;
        if session.admin.to_string() != claims.sub || session.expires <= now {
            return Err(Refusal::Unknown);
        }
        self.caller(session.admin, Credential::Session(session.id))
    }

    fn by_signature(&self, claim: &Claim, now: Timestamp) -> Result<Caller, Refusal> {
        let key = claim.consumer_key.as_bytes();
        let row = self.store.find_unique::<SignatureKeys>(Unique::ConsumerKey, key).ok_or(Refusal::Unknown)?.value;
        if row.access_token != claim.token {
            return Err(Refusal::Unknown);
        }
        let keys = keys::open(&self.store, &row).map_err(|error| {
            tracing::error!(credential = %row.id, %error, "stored signature keys cannot be opened");
            Refusal::Broken
        })?;
        if !claim.verify(&keys.consumer_secret, &keys.access_token_secret) {
            return Err(Refusal::Unknown);
        }
        match self.nonces.check(row.id.0, claim.timestamp, &claim.nonce, now.0) {
            Verdict::Fresh => self.caller(row.admin, Credential::SignatureKeys(row.id)),
            Verdict::Stale => Err(Refusal::Stale),
            Verdict::Replayed => Err(Refusal::Replayed),
            Verdict::Full => Err(Refusal::Busy),
        }
    }

    fn caller(&self, admin: AdminId, credential: Credential) -> Result<Caller, Refusal> {
        let admin = self.store.find::<Admin>(admin.0).ok_or(Refusal::Unknown)?.value;
        let Admin { id, role, account, .. } = admin;
        let permissions = permissions_of(&self.store, &admin);
        Ok(Caller { admin: id, role, account, permissions, credential, reads_only: false })
    }

    fn not_suspended(&self, caller: &Caller) -> Result<(), Refusal> {
        if is_suspended(&self.store, caller.account) { Err(Refusal::Suspended) } else { Ok(()) }
    }
}

/// What an administrator may do of what its role allows. A role that is gone allows nothing.
pub fn permissions_of(store: &Store, admin: &Admin) -> Permissions {
    match admin.custom_role {
        None => Permissions::ALL,
        Some(id) => store.find::<CustomRole>(id.0).map_or(Permissions::NONE, |row| row.value.permissions),
    }
}

/// What follows `Bearer ` in an `Authorization` header, the scheme in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}
