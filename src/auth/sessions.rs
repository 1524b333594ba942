//! Sessions: a pair of tokens, the second of which renews both.
//!
//! A refresh token works once: each renewal gives the next one. All tokens of a session share a
//! part, so that one that was used before is known for what it is, stolen, and ends the session.

use super::{
    access_token::{ACCESS_TOKEN_S, Claims},
    client::Client,
    codes::{Grant, NoGrant},
    event::{Outcome, SignInEvent, Way},
    secret::{SecretError, digest, random_hex},
    ways::{ATTEMPTS_MAX, Ways, is_suspended},
};
use crate::{
    model::*,
    store::{Actor, Batch, CommitError, Row, Unique},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::net::IpAddr;

/// How long a refresh token works, seconds.
pub const REFRESH_TOKEN_S: i64 = 30 * 86_400;
/// Sessions of one administrator; the one renewed longest ago goes when another is opened.
const SESSIONS_MAX: usize = 200;

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// The session.
    pub session: CredentialId,
    /// A JWT.
    pub access_token: String,
    /// How long it works, seconds.
    pub expires_in: i64,
    /// What renews both, once.
    pub refresh_token: String,
}

/// Why a client gets no tokens.
#[derive(Debug, thiserror::Error)]
pub enum NoTokens {
    /// The code or token is not known, no longer valid, or was used before.
    #[error("{0}")]
    Invalid(&'static str),
    /// They could not be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// They could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Who asks for tokens, and where.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The server as the client reached it: the tokens' issuer.
    pub issuer: &'a str,
    /// From where.
    pub address: IpAddr,
    /// When.
    pub now: Timestamp,
}

/// A new refresh token of a family; `None` begins one.
fn refresh_token(session: CredentialId, family: Option<&str>) -> Result<(String, [u8; 32]), SecretError> {
    let family = match family {
        Some(family) => family.to_owned(),
        None => random_hex(48)?,
    };
    let token = format!("{session}.{family}.{}", random_hex(48)?);
    Ok((token, digest(&family)))
}

/// Session and family of a refresh token, if it looks like one.
fn parts(token: &str) -> Option<(CredentialId, &str)> {
    let mut parts = token.split('.');
    let session = parts.next()?.parse().ok()?;
    Some((session, parts.next()?))
}

/// base64url of the SHA-256 of a verifier (RFC 7636, section 4.2).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(verifier))
}

impl Ways {
    /// Opens a session for somebody who signed in, as `admin` was then.
    pub async fn open_session(
        &self,
        admin: AdminId,
        password: [u8; 32],
        client: &'static str,
        asking: Asking<'_>,
    ) -> Result<TokenPair, NoTokens> {
        let store = &self.inner().store;
        let id = CredentialId(store.next_id::<Session>());
        let (token, family_digest) = refresh_token(id, None)?;
        let mut attempt = 1;
        let mut _turn = None;
        loop {
            let row = store.find::<Admin>(admin.0).ok_or(NoTokens::Invalid("the administrator is gone"))?;
            if digest(&row.value.password_hash) != password {
                return Err(NoTokens::Invalid("the password has changed"));
            }
            if is_suspended(store, row.value.account) {
                return Err(NoTokens::Invalid("the account is suspended"));
            }
            let session = Session {
                id,
                admin,
                account: row.value.account,
                client: client.to_owned(),
                address: Some(asking.address),
                refresh_digest: digest(&token),
                family_digest,
                created: asking.now,
                renewed: asking.now,
                expires: Timestamp(asking.now.0 + REFRESH_TOKEN_S),
            };
            let batch = Batch::new(Actor::Admin(admin), "sign_in", asking.now).expect(&row).create(&session);
            let batch = self.note_activity(self.make_room(batch, &row.value, asking.now), admin, asking);
            match store.commit(batch).await {
                Ok(_) => return Ok(self.pair(&row.value, &session, token, asking)?),
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    if _turn.is_none() {
                        _turn = Some(self.inner().turn.lock().await);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Swaps an authorisation code for tokens (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
    /// `client` and `redirect_uri` are compared where they are given.
    pub async fn redeem(
        &self,
        code: &str,
        client: Option<&Client>,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        asking: Asking<'_>,
    ) -> Result<TokenPair, NoTokens> {
        let grant = match self.inner().codes.take(code, asking.now) {
            Ok(grant) => grant,
            Err(NoGrant::Replayed(Some(session))) => {
                self.end_session(session, "code_replayed", asking).await?;
                return Err(NoTokens::Invalid("the code was used before"));
            }
            Err(NoGrant::Replayed(None)) => return Err(NoTokens::Invalid("the code was used before")),
            Err(NoGrant::Unknown) => return Err(NoTokens::Invalid("the code is not known or has expired")),
        };
        if client.is_some_and(|client| client.id != grant.client) {
            return Err(NoTokens::Invalid("the code was given to another client"));
        }
        if redirect_uri.is_some_and(|uri| uri != grant.redirect_uri) {
            return Err(NoTokens::Invalid("redirect_uri is not the one the code was asked for with"));
        }
        match verifier {
            Some(verifier) if challenge_of(verifier) != grant.challenge => {
                return Err(NoTokens::Invalid("code_verifier does not fit the code_challenge"));
            }
            None if !grant.proved => return Err(NoTokens::Invalid("code_verifier is missing")),
            _ => {}
        }
        let opening = Asking { address: grant.address, ..asking };
        let pair = self.open_session(grant.admin, grant.password, grant.client, opening).await?;
        if self.inner().codes.spent(code, pair.session) {
            self.end_session(pair.session, "code_replayed", asking).await?;
            return Err(NoTokens::Invalid("the code was used twice"));
        }
        Ok(pair)
    }

    /// What a code stands for; it is not used by that.
    pub fn peek_code(&self, code: &str, now: Timestamp) -> Option<Grant> {
        self.inner().codes.peek(code, now)
    }

    /// Swaps a refresh token for the next pair. One that was used before ends its session.
    pub async fn renew(&self, token: &str, client: Option<&Client>, asking: Asking<'_>) -> Result<TokenPair, NoTokens> {
        const UNKNOWN: NoTokens = NoTokens::Invalid("the refresh token is not known or has expired");
        let store = &self.inner().store;
        let (id, family) = parts(token).ok_or(UNKNOWN)?;
        let mut attempt = 1;
        loop {
            let row = store.find::<Session>(id.0).filter(|row| row.value.family_digest == digest(family));
            let row = row.ok_or(UNKNOWN)?;
            let event = |outcome| SignInEvent {
                at: asking.now,
                way: Way::Refresh,
                user_name: String::new(),
                admin: Some(row.value.admin),
                account: Some(row.value.account),
                address: asking.address,
                outcome,
            };
            if row.value.refresh_digest != digest(token) {
                self.end_session(id, "refresh_token_reused", asking).await?;
                self.ended(event(Outcome::Reused));
                return Err(NoTokens::Invalid("the refresh token was used before; the session is ended"));
            }
            if row.value.expires <= asking.now || client.is_some_and(|client| client.id != row.value.client) {
                return Err(UNKNOWN);
            }
            let admin = store.find::<Admin>(row.value.admin.0).ok_or(UNKNOWN)?;
            if is_suspended(store, admin.value.account) {
                self.ended(event(Outcome::Suspended));
                return Err(NoTokens::Invalid("the account is suspended"));
            }
            let (next, family_digest) = refresh_token(id, Some(family))?;
            let renewed = Session {
                refresh_digest: digest(&next),
                family_digest,
                renewed: asking.now,
                expires: Timestamp(asking.now.0 + REFRESH_TOKEN_S),
                ..row.value.clone()
            };
            let batch = Batch::new(Actor::Admin(renewed.admin), "oauth_refresh", asking.now);
            match store.commit(batch.expect(&admin).update(&row, &renewed)).await {
                Ok(_) => {
                    self.ended(event(Outcome::Admitted));
                    return Ok(self.pair(&admin.value, &renewed, next, asking)?);
                }
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends the session of a refresh or access token (RFC 7009). What is no token of ours is none
    /// to begin with.
    pub async fn revoke(&self, token: &str, asking: Asking<'_>) -> Result<(), CommitError> {
        let store = &self.inner().store;
        let by_refresh = store.find_unique::<Session>(Unique::RefreshToken, &digest(token)).map(|row| row.value.id);
        let by_access = || self.inner().key.read(token, asking.now)?.session();
        match by_refresh.or_else(by_access) {
            Some(session) => self.end_session(session, "oauth_revoke", asking).await,
            None => Ok(()),
        }
    }

    /// Ends a session. One that is gone stays so.
    async fn end_session(&self, id: CredentialId, why: &'static str, asking: Asking<'_>) -> Result<(), CommitError> {
        let store = &self.inner().store;
        while let Some(row) = store.find::<Session>(id.0) {
            let batch = Batch::new(Actor::Admin(row.value.admin), why, asking.now).delete(&row);
            match store.commit(batch).await {
                // Renewed at this moment: it ends all the same.
                Err(CommitError::Conflict { .. }) => {}
                result => return result.map(|_| ()),
            }
        }
        Ok(())
    }

    /// Removes sessions that have expired, and the oldest beyond the bound.
    fn make_room(&self, mut batch: Batch, admin: &Admin, now: Timestamp) -> Batch {
        let mut open: Vec<Row<Session>> = Vec::new();
        for row in self.inner().store.rows_under::<Session>(admin.account, admin.id.0) {
            if row.value.expires <= now {
                batch = batch.delete(&row);
            } else {
                open.push(row);
            }
        }
        open.sort_by_key(|row| (row.value.renewed, row.value.id));
        let surplus = (open.len() + 1).saturating_sub(SESSIONS_MAX);
        open.iter().take(surplus).fold(batch, |batch, row| batch.delete(row))
    }

    fn note_activity(&self, batch: Batch, admin: AdminId, asking: Asking<'_>) -> Batch {
        let new = AdminActivity { admin, last_login: Some(asking.now), last_address: Some(asking.address) };
        match self.inner().store.find::<AdminActivity>(admin.0) {
            Some(old) => batch.update(&old, &new),
            None => batch.create(&new),
        }
    }

    fn pair(
        &self,
        admin: &Admin,
        session: &Session,
        refresh_token: String,
        asking: Asking<'_>,
    ) -> Result<TokenPair, SecretError> {
        let store = &self.inner().store;
        let (vue_role, msp_id, user_id, account_name) = match admin.account {
            Account::System => (if admin.role == Role::Sales { 2 } else { 1 }, None, None, None),
            Account::Msp(id) => (3, Some(id.0), None, store.find::<Msp>(id.0).map(|row| row.value.name)),
            Account::Customer(id) => (4, None, Some(id.0), store.find::<Customer>(id.0).map(|row| row.value.name)),
        };
        let claims = Claims {
            iss: asking.issuer.to_owned(),
            sub: admin.id.to_string(),
            aud: Claims::audience(),
            exp: asking.now.0 + ACCESS_TOKEN_S,
            iat: asking.now.0,
            nbf: asking.now.0,
            scopes: Vec::new(),
            jti: random_hex(32)?,
            sid: session.id.to_string(),
            client_id: session.client.clone(),
            vue_role,
            name: admin.full_name.clone(),
            email: admin.email.clone(),
            second_factor: u8::from(store.find::<SecondFactor>(admin.id.0).is_some()),
            msp_id,
            user_id,
            account_name,
        };
        let access_token = self.inner().key.sign(&claims).ok_or(SecretError::new("the access token was not signed"))?;
        Ok(TokenPair { session: session.id, access_token, expires_in: ACCESS_TOKEN_S, refresh_token })
    }
}
