//! What the daemon tells about itself: its log, and figures for Prometheus.
//!
//! Rooms count through the `metrics` crate; this room installs the recorder, describes every figure
//! and renders the page. The query path counts into plain numbers of its own ([`QueryCounters`])
//! that reach the page when it is rendered. Labels are bounded: a figure never has a client's
//! address, a name or a tenant as a label.
//!
//! Read `queries` (the hot path's counters), `figures` (what there is), `recorder` (the page),
//! `process` (figures of the operating system), `logging`.

mod figures;
mod logging;
mod process;
mod queries;
mod recorder;

pub use figures::FIGURES;
pub use logging::install_logging;
pub use queries::{QueryCounters, QueryVerdict};
pub use recorder::{Metrics, install_metrics, write_rows};
