//! Wiring: builds the parts in order, passes each only what it needs, and takes them down again.
//!
//! The order is what keeps the promise that no query is answered unfiltered: store, first start,
//! category index, snapshot, resolver; and only then sockets. Nothing is global.
//!
//! Read `run`, `parts`, `category`, `filtering`, `notify`.

mod category;
mod filtering;
mod notify;
mod parts;
mod run;

pub use run::{DaemonError, run};
