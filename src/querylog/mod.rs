//! The record flow: one small event a query, from the query path into files.
//!
//! [`EventSender`] takes events without ever waiting: the buffer between the query path and the
//! writer is bounded, and an event that finds it full is counted and gone. One thread writes lines
//! of JSON into a file a day (UTC) and deletes files past their time. A full or dead disk loses
//! events, which is counted and told once a minute, and never holds up an answer.
//!
//! [`LogReader`] reads the files back: the lines of a span of time, in the order they were written,
//! a piece of a file at a time and no longer than its caller has patience.
//!
//! Read `event` (what is recorded), `sender` (the buffer), `line` (how it looks in the file),
//! `writer` (the thread), `days` (the files), `logged` (a line read back), `read`.

mod days;
mod event;
mod line;
mod logged;
mod read;
mod sender;
mod writer;

pub use event::{Ended, QueryEvent};
pub use logged::{LoggedQuery, Outcome};
pub use read::{Line, LogReader, ReadError, Span};
pub use sender::EventSender;
pub use writer::{Options, QueryLog};
