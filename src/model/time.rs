//! Instants as rows keep them.

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z. No row needs finer time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);
