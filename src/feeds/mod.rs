//! Subscribed lists: how they are fetched, read and kept.
//!
//! `syntax` is pure: octets of any syntax a list may be written in come down to [`model::Rule`]s through a
//! sink, with a report of what was understood and what was not. `transfer` asks a name server for a response
//! policy zone, which gives the same rules.
//!
//! `fetch` brings one list over HTTPS, from addresses that `guard` lets it speak to. `library` keeps the last good copy of
//! every list on disk, with its compiled form, so that a restart serves without a network; `state` says how a list
//! stands and when it is looked at again. When that is done is for `jobs`. `search` looks
//! for rules in the copies.
//!
//! Nothing here trusts what it reads: octets, lines, rules, the length of a line and the time of a transfer
//! have bounds, and a list that passes one is refused whole, because half a list is worse than yesterday's.
//!
//! [`model::Rule`]: crate::model::Rule

mod fetch;
mod guard;
mod library;
mod progress;
mod search;
mod state;
pub mod syntax;
mod transfer;

pub use fetch::{FetchError, FetchOptions, Fetched, Fetcher, FetcherError, Hosts, Trust, Validators};
pub use guard::refusal;
pub use library::{Bounds, Copied, Draft, Library, LibraryError};
pub use progress::{Far, Progress};
pub use search::{Findings, FoundRule, Part, Sought};
pub use state::{ERRORS_MAX, Held, ListState, Recipe, Standing, Version, origin_text};
pub use syntax::{ImportReport, ParseError, ParseOptions, RuleCounts, Sample, parse};
pub use transfer::{Primary, Transfer, TransferError, TransferKey, TransferLimits, ZoneCopy, notice, transfer};
