//! `[data]` and `[category]`: the files this node lives on.

use super::value::{between, optional_path, path};
use serde::Deserialize;
use std::path::PathBuf;

/// The node's own folder: store, certificates, keys, first credentials, exports, query log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The folder, made at the first start with mode 0700. One daemon only. Default `"./weir-data"`.
    #[serde(deserialize_with = "path")]
    pub dir: PathBuf,
    /// Hourly exports of the store that are kept, 1 to 10,000. Default 24.
    #[serde(deserialize_with = "between::<_, usize, 1, 10_000>")]
    pub export_keep: usize,
}

impl Default for Data {
    fn default() -> Self {
        Data { dir: PathBuf::from("./weir-data"), export_keep: 24 }
    }
}

/// What names are about.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Category {
    /// The index that `weir category build` wrote, read again at SIGHUP. Default none: a small
    /// built-in set.
    #[serde(deserialize_with = "optional_path")]
    pub file: Option<PathBuf>,
}
