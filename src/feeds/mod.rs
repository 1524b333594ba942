//! Subscribed lists: how they are read.
//!
//! `syntax` is pure: octets of any syntax a list may be written in come down to [`model::Rule`]s through a
//! sink, with a report of what was understood and what was not. `transfer` asks a name server for a response
//! policy zone, which gives the same rules.
//!
//! Nothing here trusts what it reads: octets, lines, rules, the length of a line and the time of a transfer
//! have bounds, and a list that passes one is refused whole, because half a list is worse than yesterday's.
//!
//! [`model::Rule`]: crate::model::Rule

pub mod syntax;
mod transfer;

pub use transfer::{Primary, Transfer, TransferError, TransferKey, TransferLimits, ZoneCopy, transfer};
