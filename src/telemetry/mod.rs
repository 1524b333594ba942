//! What the daemon tells about itself: its log, and figures for Prometheus.
//!
//! Rooms count through the `metrics` crate; this room installs the recorder, describes every figure
//! and renders the page. The query path counts into plain numbers of its own ([`QueryCounters`])
//! that reach the page when it is rendered. Labels are bounded: a figure never has a client's
//! address, a name or a tenant as a label.
//!
//! Read `queries` (the hot path's counters), `figures` (what there is), `page` (the recorder),
//! `process` (figures of the operating system), `logs`.

mod figures;
mod logs;
mod page;
mod process;
mod queries;

pub use figures::FIGURES;
pub use logs::start_logs;
pub use page::Telemetry;
pub use queries::{QueryCounters, QueryVerdict};
