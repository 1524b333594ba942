//! Who signs in.
pub mod form;
mod nonce;
mod oauth1;
mod secret;

pub use nonce::{NONCES_PER_KEY_MAX, Nonces, Verdict, WINDOW_S};
pub use oauth1::{Claim, ClientKeys, Fault, SignatureMethod, SignedRequest, sign};
pub use secret::{SecretError, digest, hash_password, hash_password_blocking, random_hex, verify_password};
