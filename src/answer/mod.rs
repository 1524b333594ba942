//! The hot path: a query in, a reply out.
//!
//! [`Plane`] holds all that a query may read: the snapshot, the category index, the resolver with
//! its cache, and the counters and event sender it drops a word into. `begin` is synchronous and
//! answers blocked and cached names without an allocation; `finish` awaits the upstream for the
//! rest. [`Plane::explain`] takes the same way and keeps every step.
//!
//! Read `seam`, `plane`, `begin`, `observe`, `reply`, `inspect` (what an answer leads to), `listed` (what lists say of
//! its name servers), `fixed` (prescribed answers), `self_test`, `ways` (upstreams and DNS64 of policies), `finish`, `zones`,
//! `explain`.

mod begin;
mod explain;
mod finish;
mod fixed;
mod inspect;
mod listed;
mod observe;
mod plane;
mod reply;
mod seam;
mod self_test;
mod ways;
mod zones;

#[cfg(test)]
mod tests;

pub use explain::{Answered, Explanation, Party};
pub use finish::Pending;
pub use plane::{Notices, Parts, Plane, UnknownClients};
pub use seam::{Answerer, Outcome};
pub use zones::LocalZones;
