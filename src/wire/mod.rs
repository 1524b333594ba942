//! DNS messages in place: a query is read where it was received and its reply is written where it
//! will be sent, without an allocation.
//!
//! [`parse`] takes one packet and says either what was asked ([`Query`]) or what the packet
//! deserves instead ([`Fault`]): silence, FORMERR, NOTIMP or BADVERS. Both have a [`Head`], which
//! is all a [`ReplyWriter`] needs to begin the reply. Only the ordinary query is read here: one question
//! and perhaps an OPT record. Everything larger (zones, signatures, upstream answers) is
//! hickory-proto's work.
//!
//! Read `codes`, `name_buf`, `edns`, `query`, `reply`, then `section` (records of stored answers).

mod codes;
mod edns;
mod name_buf;
mod query;
mod reply;
mod section;
#[cfg(test)]
mod tests;

pub use codes::*;
pub use edns::*;
pub use name_buf::*;
pub use query::*;
pub use reply::*;
pub use section::*;
