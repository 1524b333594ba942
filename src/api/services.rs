//! What handlers reach beside the store.

use super::filtering::Filtering;
use crate::{stats::Stats, telemetry::Metrics};
use std::sync::Arc;

/// The parts of the daemon that operations act on. Tests give the API parts of their own.
#[derive(Clone)]
pub struct Services {
    /// The query path.
    pub filtering: Arc<dyn Filtering>,
    /// What `/metrics` shows; without it there is no such page.
    pub metrics: Option<Metrics>,
    /// What the query log knows; empty where there is none.
    pub stats: Stats,
}
