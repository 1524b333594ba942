//! The ways in: who signs in with a password, and what they get for it.

use super::{
    access_token::SigningKey,
    codes::{Codes, Grant},
    event::{Outcome, SignInEvent, SignInHook, Way},
    lockout::Lockout,
    second_factor::{self, Judged},
    secret::{self, SecretError},
};
use crate::{
    model::*,
    store::{Actor, Batch, CommitError, Row, Store, Unique},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{net::IpAddr, sync::Arc};

/// The hash that a password is compared with where there is no such user: the same work, and no
/// password belongs to it.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How often a change is tried anew because somebody else was faster.
pub(super) const ATTEMPTS_MAX: u32 = 8;
/// How long a sign-in page may stand open, seconds.
const FORM_S: i64 = 3600;
/// How long the second step of a sign-in may take, seconds.
const TICKET_S: i64 = 300;

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// One of the two; nobody is told which.
    #[error("the user name or the password is wrong")]
    Wrong,
    /// The password of this administrator is right, the code was not given.
    #[error("One-time code required")]
    CodeRequired(AdminId),
    /// The code is wrong, or was used.
    #[error("the one-time code is wrong")]
    WrongCode,
    /// The customer is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// After too many failures.
    #[error("too many failed attempts; try again in {0} seconds")]
    Locked(u64),
    /// Too many others are at the door.
    #[error("too many passwords are being checked; try again soon")]
    Busy,
    /// It could not be checked.
    #[error("the credentials cannot be checked: {0}")]
    Failed(String),
}

impl From<SecretError> for Denied {
    fn from(error: SecretError) -> Self {
        if error == SecretError::BUSY { Denied::Busy } else { Denied::Failed(error.to_string()) }
    }
}

impl From<CommitError> for Denied {
    fn from(error: CommitError) -> Self {
        Denied::Failed(error.to_string())
    }
}

impl Denied {
    fn outcome(&self) -> Outcome {
        match self {
            Denied::Wrong => Outcome::Wrong,
            Denied::CodeRequired(_) => Outcome::CodeRequired,
            Denied::WrongCode => Outcome::WrongCode,
            Denied::Suspended => Outcome::Suspended,
            Denied::Locked(_) => Outcome::Locked,
            Denied::Busy => Outcome::Busy,
            Denied::Failed(_) => Outcome::Failed,
        }
    }
}

/// Somebody at the door.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    /// How they try.
    pub way: Way,
    /// Who they say they are.
    pub user_name: &'a str,
    /// From where.
    pub address: IpAddr,
    /// When.
    pub now: Timestamp,
}

/// The ways in, over the rows of a store. Cheap to clone; all clones share codes and lockouts.
#[derive(Clone)]
pub struct Ways(Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) key: Arc<SigningKey>,
    pub(super) codes: Codes,
    /// Whoever lost a race once queues.
    pub(super) turn: tokio::sync::Mutex<()>,
    lockout: Lockout,
    told: SignInHook,
}

/// What a sign-in page carries between its two steps, sealed.
#[derive(Serialize, Deserialize)]
struct Ticket {
    admin: AdminId,
    password: [u8; 32],
    binding: [u8; 32],
    expires: i64,
}

#[derive(Serialize, Deserialize)]
struct Form {
    binding: [u8; 32],
    expires: i64,
}

impl Ways {
    /// Over the administrators of `store`; `told` hears of every attempt. Lockouts that stood before a restart stand
    /// at `now`.
    pub fn new(store: Store, key: Arc<SigningKey>, told: SignInHook, now: Timestamp) -> Self {
        Ways(Arc::new(Inner {
            key,
            codes: Codes::default(),
            turn: tokio::sync::Mutex::default(),
            lockout: Lockout::open(&store, now),
            told,
            store,
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The key of access tokens.
    pub fn key(&self) -> &Arc<SigningKey> {
        &self.0.key
    }

    /// Checks user name, password and, where one is set, the second factor.
    pub async fn sign_in(&self, knock: Knock<'_>, password: &str, code: Option<&str>) -> Result<Row<Admin>, Denied> {
        let known = self.by_name(knock.user_name);
        let result = self.admit(knock, known.as_ref(), Some(password), code).await;
        self.tell(knock, known.as_ref(), &result);
        result
    }

    /// The second step of a sign-in: the ticket of the first, and the code.
    pub async fn sign_in_with_ticket(
        &self,
        knock: Knock<'_>,
        ticket: &str,
        binding: &str,
        code: &str,
    ) -> Result<Row<Admin>, Denied> {
        let ticket: Option<Ticket> = self.unsealed(b"sign_in/ticket", ticket);
        let ticket = ticket.filter(|ticket| ticket.expires > knock.now.0 && ticket.binding == secret::digest(binding));
        let known = ticket.and_then(|ticket| {
            let row = self.0.store.find::<Admin>(ticket.admin.0)?;
            (secret::digest(&row.value.password_hash) == ticket.password).then_some(row)
        });
        let user_name = known.as_ref().map_or(String::new(), |row| row.value.email.clone());
        let knock = Knock { user_name: &user_name, ..knock };
        let result = match &known {
            None => Err(Denied::Wrong),
            known => self.admit(knock, known.as_ref(), None, Some(code)).await,
        };
        self.tell(knock, known.as_ref(), &result);
        result
    }

    /// Checks the current password of somebody who is signed in already.
    pub async fn confirm(
        &self,
        admin: &Row<Admin>,
        password: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let knock = Knock { way: Way::PasswordChange, user_name: &admin.value.email, address, now };
        let result = match self.0.lockout.begin(knock.user_name, address, now.0) {
            Err(seconds) => Err(Denied::Locked(seconds)),
            Ok(attempt) => match self.fits(Some(admin), password).await {
                Ok(()) => {
                    attempt.succeeded();
                    Ok(())
                }
                Err(denied) => {
                    if denied == Denied::Wrong {
                        attempt.failed(now.0);
                    }
                    Err(denied)
                }
            },
        };
        self.tell(knock, Some(admin), &result);
        result
    }

    /// Whether a password is somebody's; it takes as long where there is nobody.
    async fn fits(&self, known: Option<&Row<Admin>>, password: &str) -> Result<(), Denied> {
        let hash = known.map_or(NOBODY, |row| &row.value.password_hash);
        let right = secret::verify_password(password.to_owned(), hash.to_owned()).await?;
        if right && known.is_some() { Ok(()) } else { Err(Denied::Wrong) }
    }

    async fn admit(
        &self,
        knock: Knock<'_>,
        known: Option<&Row<Admin>>,
        password: Option<&str>,
        code: Option<&str>,
    ) -> Result<Row<Admin>, Denied> {
        let attempt = self.0.lockout.begin(knock.user_name, knock.address, knock.now.0).map_err(Denied::Locked)?;
        if let Some(password) = password
            && let Err(denied) = self.fits(known, password).await
        {
            if denied == Denied::Wrong {
                attempt.failed(knock.now.0);
            }
            return Err(denied);
        }
        let Some(row) = known else { return Err(Denied::Wrong) };
        if is_suspended(&self.0.store, row.value.account) {
            return Err(Denied::Suspended);
        }
        if self.0.store.find::<SecondFactor>(row.value.id.0).is_some() {
            // A right password alone neither counts nor forgives: codes cannot be guessed by turns.
            let Some(code) = code.filter(|code| !code.is_empty()) else {
                return Err(Denied::CodeRequired(row.value.id));
            };
            if !self.use_code(row.value.id, code, knock.now).await? {
                attempt.failed(knock.now.0);
                return Err(Denied::WrongCode);
            }
        }
        attempt.succeeded();
        Ok(row.clone())
    }

    /// Whether a code is good; it is used then. An administrator without a second factor needs none.
    async fn use_code(&self, admin: AdminId, code: &str, now: Timestamp) -> Result<bool, Denied> {
        let store = &self.0.store;
        for _ in 0..ATTEMPTS_MAX {
            let Some(row) = store.find::<SecondFactor>(admin.0) else { return Ok(true) };
            let judged = second_factor::judge(store, &row.value, code, now);
            match judged.map_err(|error| Denied::Failed(error.to_string()))? {
                Judged::Wrong => return Ok(false),
                Judged::Good(used) => {
                    let batch = Batch::new(Actor::Admin(admin), "use_one_time_code", now).update(&row, &used);
                    match store.commit(batch).await {
                        Ok(_) => return Ok(true),
                        // Somebody used a code at the same time, perhaps this one.
                        Err(CommitError::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(false)
    }

    pub(super) fn by_name(&self, user_name: &str) -> Option<Row<Admin>> {
        self.0.store.find_unique::<Admin>(Unique::AdminEmail, &Unique::admin_email(user_name.trim()))
    }

    /// Where each attempt ends.
    fn tell<T>(&self, knock: Knock<'_>, known: Option<&Row<Admin>>, result: &Result<T, Denied>) {
        if let Err(Denied::Failed(cause)) = result {
            tracing::error!(cause, "a sign-in could not be checked");
        }
        let outcome = result.as_ref().err().map_or(Outcome::Admitted, Denied::outcome);
        self.ended(SignInEvent {
            at: knock.now,
            way: knock.way,
            user_name: knock.user_name.chars().take(254).collect(),
            admin: known.map(|row| row.value.id),
            account: known.map(|row| row.value.account),
            address: knock.address,
            outcome,
        });
    }

    /// Counts an attempt and tells of it.
    pub fn ended(&self, event: SignInEvent) {
        metrics::counter!("weir_sign_ins_total", "outcome" => event.outcome.label()).increment(1);
        (self.0.told)(&event);
    }

    /// A code for somebody who signed in, to be fetched by the client.
    pub fn issue_code(&self, grant: Grant) -> Result<String, SecretError> {
        self.0.codes.issue(grant)
    }

    /// What ties a form to the browser that has `binding` in a cookie.
    pub fn form_token(&self, binding: &str, now: Timestamp) -> String {
        self.sealed(b"sign_in/form", &Form { binding: secret::digest(binding), expires: now.0 + FORM_S })
    }

    /// Whether a form was made for that browser, not long ago.
    pub fn is_form_token(&self, token: &str, binding: &str, now: Timestamp) -> bool {
        let form: Option<Form> = self.unsealed(b"sign_in/form", token);
        form.is_some_and(|form| form.expires > now.0 && form.binding == secret::digest(binding))
    }

    /// What carries a right password over to the second step, for the browser of `binding`.
    pub fn ticket(&self, admin: AdminId, binding: &str, now: Timestamp) -> Option<String> {
        let row = self.0.store.find::<Admin>(admin.0)?.value;
        let password = secret::digest(&row.password_hash);
        let ticket = Ticket { admin, password, binding: secret::digest(binding), expires: now.0 + TICKET_S };
        Some(self.sealed(b"sign_in/ticket", &ticket))
    }

    fn sealed<T: Serialize>(&self, context: &[u8], value: &T) -> String {
        let octets = postcard::to_stdvec(value).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.0.store.seal(context, &octets).0)
    }

    fn unsealed<T: DeserializeOwned>(&self, context: &[u8], text: &str) -> Option<T> {
        let sealed = SealedSecret(URL_SAFE_NO_PAD.decode(text).ok()?);
        postcard::from_bytes(&self.0.store.unseal(context, &sealed).ok()?).ok()
    }
}

/// Whether an account's keys and sessions rest; an account that is gone has none.
pub(super) fn is_suspended(store: &Store, account: Account) -> bool {
    let Account::Customer(customer) = account else { return false };
    store.find::<Customer>(customer.0).is_none_or(|row| row.value.suspended)
}

/// Adds the end of all sessions of an administrator to a batch: access and refresh tokens die.
pub fn end_sessions(store: &Store, mut batch: Batch, account: Account, admin: AdminId) -> Batch {
    for session in store.rows_under::<Session>(account, admin.0) {
        batch = batch.delete(&session);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobodys_hash_costs_what_a_real_one_costs_and_no_password_belongs_to_it() {
        let real = secret::hash_password("x".into()).await.expect("hashes");
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(NOBODY), parameters(&real));
        assert_eq!(NOBODY.len(), real.len());
        let hash = argon2::password_hash::phc::PasswordHash::new(NOBODY).expect("is well formed");
        assert!(hash.hash.is_some() && hash.salt.is_some());
        assert_eq!(secret::verify_password(String::new(), NOBODY.into()).await, Ok(false));
    }
}
