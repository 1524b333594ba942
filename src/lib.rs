//! Weir: a DNS resolver that filters every query by the policy of whoever asks, and the management
//! API through which providers, their customers and their devices are run.
//!
//! Three flows, two one-way doors:
//!
//! ```text
//! change   people ─▶ api ─▶ store ─▶ publish ─▶ [Snapshot]
//! query    client ─▶ listen ─▶ answer: wire ▸ identify ▸ decide ▸ resolve ▸ rewrite ─▶ reply
//! record   [QueryEvent] ─▶ querylog ─▶ stats ─▶ reports
//! ```
//!
//! The query path reads the snapshot, the category index, the answer cache and the upstream; never
//! the store, the API or a lock that those hold. The rooms stand here in reading order; imports go
//! upwards only (`tests/tidy.rs`). `ARCHITECTURE.md` tells the rest.

// Row 1: values.
pub mod model;
// Row 2: pure.
pub mod category;
pub mod identify;
pub mod wire;
// Row 3: rows to snapshot, snapshot and question to decision.
pub mod policy;
// Row 4: how an answer looks.
pub mod rewrite;
// Row 5: files at start; counters.
pub mod config;
pub mod telemetry;
// Row 6: one kind of I/O each.
pub mod feeds;
pub mod mail;
pub mod querylog;
pub mod resolve;
pub mod sightings;
pub mod store;
// Row 7: over row 6.
pub mod auth;
pub mod certs;
pub mod stats;
// Row 8: store changes to snapshots; the hot path; sums to documents.
pub mod answer;
pub mod publish;
pub mod reports;
// Row 9: sockets, and work on a timer.
pub mod jobs;
pub mod listen;
// Row 10: the management API.
pub mod api;
// Row 12: wiring.
pub mod cli;
pub mod daemon;
