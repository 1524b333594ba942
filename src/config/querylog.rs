//! `[querylog]`: a line for every query, if wanted.

use super::value::{between, optional_path};
use serde::Deserialize;
use std::path::PathBuf;

/// The query log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryLog {
    /// Keep one. Default false.
    pub enabled: bool,
    /// Its folder, with one file a day (UTC). Default `querylog` in the data folder.
    #[serde(deserialize_with = "optional_path")]
    pub dir: Option<PathBuf>,
    /// Days a file is kept, 1 to 3,660. Default 35.
    #[serde(deserialize_with = "between::<_, u32, 1, 3660>")]
    pub retention_days: u32,
}

impl Default for QueryLog {
    fn default() -> Self {
        QueryLog { enabled: false, dir: None, retention_days: 35 }
    }
}
