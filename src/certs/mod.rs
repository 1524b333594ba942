//! Certificates of this node's TLS listeners.
//!
//! A [`CertStore`] answers every handshake with the certificate in force; `reload` swaps it without
//! dropping a connection, and a certificate that cannot be loaded leaves the one before in force.
//! By default the certificate is self-signed, made at the first start and renewed at a start or
//! reload before it expires; otherwise it comes from two PEM files.
//!
//! Administrators can make certificate authorities, which are rows, and choose the active one: people
//! trust it once, and it signs what the API and the block page show. The API shows such a certificate
//! instead of the self-signed one; files that the configuration names stay the operator's word.
//!
//! Read `pem` (files to a certificate and its key), `validity` (until when), `self_signed` (making
//! one), `authority` (certificates made through the API), `store` (the certificate in force).

mod authority;
mod pem;
mod self_signed;
mod store;
mod validity;

pub use authority::{active, make_authority, sign_for};
pub use pem::{CertError, Loaded, load};
pub use self_signed::CERTIFICATE_FILE as SELF_SIGNED_CERTIFICATE_FILE;
pub use store::{ACTIVE_FILE, CertSource, CertStore};
pub use validity::Validity;
