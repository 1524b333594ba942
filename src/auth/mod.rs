//! Who signs in.
//!
//! A request proves its caller with an OAuth 1.0a signature or a bearer token; both lead to an
//! administrator, who acts for an account in a role. Secrets are kept so that the store alone gives
//! none away: passwords as argon2id, tokens as SHA-256, signature secrets sealed under a key outside
//! it. What a caller may do with whose rows is the API's business, not decided here.
//!
//! Read `caller`, then `authenticate` (from credentials to caller), `oauth1`, `form` and `nonce` (how
//! signatures are judged), `secret` and `keys` (how secrets are made and kept), `first_start`, `licence` (signed files).

mod authenticate;
mod caller;
mod first_start;
pub mod form;
pub mod keys;
pub(crate) mod licence;
mod nonce;
mod oauth1;
mod secret;

pub use authenticate::{Authenticator, Refusal};
pub use caller::{Caller, Credential};
pub use first_start::{CLI_TOKEN_FILE, CREDENTIALS_FILE, FirstStart, FirstStartError, first_start};
pub use licence::{LicenceError, LicenceKey, LicenceKeyError};
pub use nonce::{NONCES_PER_KEY_MAX, Nonces, Verdict, WINDOW_S};
pub use oauth1::{Claim, ClientKeys, Fault, SignatureMethod, SignedRequest, sign};
pub use secret::{
    PASSWORD_OCTETS_MAX, SecretError, digest, hash_password, hash_password_blocking, random_hex, verify_password,
};
