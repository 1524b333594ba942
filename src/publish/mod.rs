//! Store changes become snapshots.
//!
//! One thread takes the store's change feed, keeps the [`World`](crate::policy::World) in step and swaps a new snapshot
//! in for every batch of changes it found waiting. A change that bears on no decision only moves
//! the revision on. The thread never stops for a bad row; it keeps the last snapshot and says so.

mod publisher;
mod rows;

pub use publisher::{Loaded, OwnNames, Publisher, time_zones};
