//! DNS messages in place: a query is read where it was received and its reply is written where it
//! will be sent, without an allocation.
//!
//! [`parse`] takes one packet and says either what was asked ([`Query`]) or what the packet
//! deserves instead ([`Fault`]): silence, FORMERR, NOTIMP or BADVERS. Both have a [`Head`], which
//! is all a [`ReplyWriter`] needs to begin the reply. Only the ordinary query is read here: one question
//! and perhaps an OPT record. Everything larger (zones, signatures, upstream messages) is
//! hickory-proto's work. What a policy looks at in an answer is read from the answer's octets: a [`Body`]
//! has records and names, [`Sections`] are its records one by one, [`Contents`] is what they lead to.
//!
//! Read `codes`, `name_buf`, `edns`, `query`, `reply`, then `body` and what stands on it: `section` (records of stored
//! answers, their names written out) and `contents` with `private`.

mod body;
mod codes;
mod contents;
mod edns;
mod name_buf;
mod private;
mod query;
mod reply;
mod section;
#[cfg(test)]
mod tests;

pub use body::*;
pub use codes::*;
pub use contents::*;
pub use edns::*;
pub use name_buf::*;
pub use private::*;
pub use query::*;
pub use reply::*;
pub use section::*;
