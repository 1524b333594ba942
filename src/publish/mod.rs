//! Store changes become snapshots.
