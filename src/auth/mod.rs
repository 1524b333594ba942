//! Who signs in.
//!
//! A request proves its caller with an OAuth 1.0a signature, an access token or an API token; all lead
//! to an administrator, who acts for an account in a role. People sign in with a password and, where
//! they set one, a second factor; what they get is a session: a short-lived access token and a refresh
//! token that renews it. Secrets are kept so that the store alone gives none away: passwords as
//! argon2id, tokens as SHA-256, signature secrets sealed under a key outside it. What a caller may do
//! with whose rows is the API's business, not decided here.
//!
//! Read `caller`, then `authenticate` (from credentials to caller), `oauth1`, `form` and `nonce` (how
//! signatures are judged), `ways` (passwords, and who is told of an attempt), `lockout`,
//! `second_factor`, `client` and `codes` (who may ask for tokens), `sessions`, `access_token`, `reset`
//! (forgotten passwords), `secret`, `keys` and `private_file` (how secrets are made and kept),
//! `first_start`, `licence` (signed files).

mod access_token;
mod authenticate;
mod caller;
mod client;
mod codes;
mod event;
mod first_start;
pub mod form;
pub mod keys;
pub(crate) mod licence;
mod lockout;
mod nonce;
mod oauth1;
mod private_file;
mod reset;
mod second_factor;
mod secret;
mod sessions;
mod trail;
mod ways;

pub use access_token::{ACCESS_TOKEN_S, Claims, SIGNING_KEY_FILE, SigningKey, SigningKeyError};
pub use authenticate::{Authenticator, Refusal, permissions_of};
pub use caller::{Caller, Credential};
pub use client::{Client, Origin, is_own_callback, may_redirect_to};
pub use codes::{CODE_S, Grant};
pub use event::{Outcome, SignInEvent, SignInHook, Way};
pub use first_start::{CLI_TOKEN_FILE, CREDENTIALS_FILE, FirstStart, FirstStartError, first_start};
pub use licence::{LicenceError, LicenceKey, LicenceKeyError};
pub use nonce::{NONCES_PER_KEY_MAX, Nonces, Verdict, WINDOW_S};
pub use oauth1::{Claim, ClientKeys, Fault, SignatureMethod, SignedRequest, sign};
pub use reset::{RESET_S, ResetMail};
#[cfg(test)]
pub(crate) use second_factor::code_at;
pub use second_factor::{BACKUP_CODES, TurnOnError, turn_on};
pub use secret::{
    PASSWORD_OCTETS_MAX, SecretError, digest, hash_password, hash_password_blocking, random_hex, verify_password,
};
pub use sessions::{Asking, NoTokens, REFRESH_TOKEN_S, TokenPair, challenge_of};
pub use trail::sign_in_trail;
pub use ways::{Denied, Knock, Ways, end_sessions};
