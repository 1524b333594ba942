//! The record of queries: one JSON line each, a file a UTC day.
//!
//! The query path makes a [`QueryEvent`] and drops it into a bounded channel; it never waits, and what
//! finds no room is counted. One thread writes. A dead or full disk costs lines, never answers.
//!
//! Read `event`, then `writer`.

mod event;
mod writer;

pub use event::QueryEvent;
pub use writer::{EventSender, Options, QueryLog};
