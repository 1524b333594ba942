//! Mail that goes out: notices, links for forgotten passwords, reports.
//!
//! A [`Mailer`] hands a [`Mail`] to a relay. Whoever sends does not wait in a request: mail is handed
//! over on a task of its own, and a failure is logged and counted.
//!
//! [`Smtp`] is the mailer of the daemon. Read `relay` (where mail goes), `compose` (a mail as octets),
//! `bounded` (a connection that gives up), `smtp`.

mod bounded;
mod compose;
mod relay;
mod smtp;
#[cfg(test)]
mod tests;

pub use relay::{RelayHost, RelayHostError};
pub use smtp::Smtp;

use futures_util::future::BoxFuture;

/// The relay and the sender's address, as the account's mail server settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Host, with or without `:port`; port 25 where none is given.
    pub server: String,
    /// From address.
    pub sender: String,
}

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub file_name: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Recipients, at least 1.
    pub to: Vec<String>,
    /// Subject, one line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address or header is no valid one.
    #[error("{0} is no valid mail address")]
    Address(String),
    /// The mail has no recipient, too many of them, or too many octets.
    #[error("the mail cannot be sent: {0}")]
    Mail(&'static str),
    /// Too many mails wait already.
    #[error("too many mails wait to be sent")]
    Busy,
    /// The relay did not take it.
    #[error("the relay {server} did not take the mail: {reason}")]
    Relay {
        /// The relay.
        server: String,
        /// What it said.
        reason: String,
    },
}

/// Hands mail over.
pub trait Mailer: Send + Sync {
    /// Hands one mail to a relay; returns when it took or refused it.
    fn send(&self, relay: Relay, mail: Mail) -> BoxFuture<'static, Result<(), MailError>>;
}
