//! Counters and logs: what operators see without asking a query.
//!
//! The query path counts through handles made once ([`QueryCounters`]); everything else uses the
//! `metrics` macros by name. Labels are bounded: verdict, transport, rcode, operation, server.
//!
//! Read `queries`, `recorder`, `logging`.

mod logging;
mod queries;
mod recorder;

pub use logging::{LogError, install_logging};
pub use metrics_exporter_prometheus::PrometheusHandle;
pub use queries::{QueryCounters, QueryVerdict};
pub use recorder::install_metrics;
