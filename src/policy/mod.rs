//! Rows to snapshot, snapshot and question to decision.
