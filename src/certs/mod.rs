//! Certificates of this node's TLS listeners.
//!
//! A [`CertStore`] answers every handshake with the certificate in force; `reload` swaps it without
//! dropping a connection, and a certificate that cannot be loaded leaves the one before in force.
//! By default the certificate is self-signed, made at the first start and renewed at a start or
//! reload before it expires; otherwise it comes from two PEM files.
//!
//! Read `pem` (files to a certificate and its key), `validity` (until when), `self_signed` (making
//! one), `store` (the certificate in force).

mod pem;
mod self_signed;
mod store;
mod validity;

pub use pem::{CertError, Loaded, load};
pub use self_signed::CERTIFICATE_FILE as SELF_SIGNED_CERTIFICATE_FILE;
pub use store::{CertSource, CertStore};
pub use validity::Validity;
