//! Forgotten passwords: a token that is mailed, works once, and is kept as its SHA-256.

use super::{
    event::{Outcome, SignInEvent, Way},
    secret::{digest, random_hex},
    sessions::NoTokens,
    ways::{ATTEMPTS_MAX, Ways, end_sessions},
};
use crate::{
    mail::Relay,
    model::*,
    store::{Actor, Batch, CommitError, Store, Unique},
};
use std::net::IpAddr;

/// How long a mailed token works, seconds.
pub const RESET_S: i64 = 3600;
/// A new mail is made after this long, seconds, so that nobody's mailbox is filled.
const PAUSE_S: i64 = 300;

/// What is to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetMail {
    /// To whom.
    pub to: String,
    /// Through which relay.
    pub relay: Relay,
    /// The token.
    pub token: String,
}

impl Ways {
    /// Makes the token for whoever has this address as their user name; it takes the place of an
    /// earlier one. `None` where there is nobody, no relay, or a mail went out minutes ago.
    pub async fn forgotten(&self, email: &str, now: Timestamp) -> Result<Option<ResetMail>, NoTokens> {
        let Some(admin) = self.by_name(email) else { return Ok(None) };
        let store = &self.inner().store;
        let Some(relay) = relay_of(store, admin.value.account) else {
            tracing::warn!("a password was forgotten, but no mail server is set");
            return Ok(None);
        };
        let old = store.find::<PasswordReset>(admin.value.id.0);
        if old.as_ref().is_some_and(|row| row.value.expires.0 - RESET_S + PAUSE_S > now.0) {
            return Ok(None);
        }
        let token = random_hex(64)?;
        let row = PasswordReset {
            admin: admin.value.id,
            account: admin.value.account,
            digest: digest(&token),
            expires: Timestamp(now.0 + RESET_S),
        };
        let batch = Batch::new(Actor::Anonymous, "password_forgotten", now).expect(&admin);
        let batch = match &old {
            Some(old) => batch.update(old, &row),
            None => batch.create(&row),
        };
        match store.commit(batch).await {
            Ok(_) => Ok(Some(ResetMail { to: admin.value.email, relay, token })),
            // Somebody asked at the same time: that mail goes out.
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a new password, already hashed, for whoever holds the mailed token. The token is used up
    /// and every session of theirs ends.
    pub async fn reset(&self, token: &str, hash: &str, address: IpAddr, now: Timestamp) -> Result<AdminId, NoTokens> {
        const UNKNOWN: NoTokens = NoTokens::Invalid("the link was used before or has expired");
        let store = &self.inner().store;
        let mut attempt = 1;
        loop {
            let row = store.find_unique::<PasswordReset>(Unique::ResetToken, &digest(token)).ok_or(UNKNOWN)?;
            if row.value.expires <= now {
                return Err(UNKNOWN);
            }
            let admin = store.find::<Admin>(row.value.admin.0).ok_or(UNKNOWN)?;
            let id = admin.value.id;
            let new = Admin { password_hash: hash.to_owned(), ..admin.value.clone() };
            let batch = Batch::new(Actor::Admin(id), "password_reset", now).update(&admin, &new).delete(&row);
            match store.commit(end_sessions(store, batch, admin.value.account, id)).await {
                Ok(_) => {
                    self.ended(SignInEvent {
                        at: now,
                        way: Way::PasswordReset,
                        user_name: admin.value.email,
                        admin: Some(id),
                        account: Some(new.account),
                        address,
                        outcome: Outcome::Admitted,
                    });
                    return Ok(id);
                }
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a mailed token still works.
    pub fn is_reset_token(&self, token: &str, now: Timestamp) -> bool {
        let row = self.inner().store.find_unique::<PasswordReset>(Unique::ResetToken, &digest(token));
        row.is_some_and(|row| row.value.expires > now)
    }
}

/// The relay of an account: its own, its MSP's, or the system's.
fn relay_of(store: &Store, account: Account) -> Option<Relay> {
    let row = store.in_force::<MailServer>(account).filter(|row| !row.value.server.is_empty())?;
    Some(Relay { server: row.value.server, sender: row.value.sender })
}
