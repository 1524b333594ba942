//! Which category index serves, and which one when the configured file is no good.

use crate::{
    category::{Index, IndexError},
    config::Config,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the data folder that keeps a copy of the last index that was good.
const FOLDER: &str = "category";
const LAST_GOOD: &str = "last-good.weir";

/// No index can be had.
#[derive(Debug, thiserror::Error)]
#[error("the category file {} cannot be used: {reason}; there is no earlier one in {}", file.display(), kept.display())]
pub struct CategoryError {
    file: PathBuf,
    reason: String,
    kept: PathBuf,
}

/// Opens the configured file and keeps a copy of it. A file that is missing, damaged or foreign is
/// refused with the reason in the log, and the last good one serves instead. Without a configured
/// file the built-in starter set serves.
pub(super) fn open(config: &Config) -> Result<Index, CategoryError> {
    if !config.feeds.is_empty() {
        // Until the feeds were fetched for the first time there is none.
        return Ok(Index::open(&of_feeds(config)).unwrap_or_else(|_| Index::built_in()));
    }
    let Some(file) = &config.category.file else { return Ok(Index::built_in()) };
    let kept = config.data.dir.join(FOLDER).join(LAST_GOOD);
    load(file, &kept).or_else(|error| {
        tracing::error!(file = %file.display(), %error, "the category file is refused");
        Index::open(&kept)
            .inspect(|_| tracing::warn!(file = %kept.display(), "the last good category file serves"))
            .map_err(|_| CategoryError { file: file.clone(), reason: error.to_string(), kept: kept.clone() })
    })
}

/// The index made of the configured feeds.
pub(super) fn of_feeds(config: &Config) -> PathBuf {
    config.data.dir.join(FOLDER).join("feeds.weir")
}

/// Opens the configured file for a daemon that has an index: `None` where it is refused, and the
/// one in use stays.
pub(super) fn reload(config: &Config) -> Option<Index> {
    let file = config.category.file.as_ref()?;
    load(file, &config.data.dir.join(FOLDER).join(LAST_GOOD))
        .inspect_err(|error| {
            tracing::error!(file = %file.display(), %error, "the category file is refused; the one in use stays");
        })
        .ok()
}

/// Checks `file` and serves from a copy of it, which nobody writes into: a file overwritten in
/// place would take the last good one along, and the daemon that has it mapped. Without room for a
/// copy the file itself serves.
fn load(file: &Path, kept: &Path) -> Result<Index, IndexError> {
    let index = Index::open(file)?;
    Ok(keep(file, kept).unwrap_or_else(|error| {
        tracing::warn!(file = %kept.display(), %error, "the category file could not be kept as the last good one");
        index
    }))
}

/// Copies `file` as `kept` and opens the copy.
fn keep(file: &Path, kept: &Path) -> Result<Index, IndexError> {
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder)?;
    }
    let next = kept.with_extension("next");
    let copied = fs::copy(file, &next).map_err(IndexError::from).and_then(|_| Index::open(&next));
    if copied.is_err() {
        // Half a copy is of no use and takes room.
        let _ = fs::remove_file(&next);
    }
    let index = copied?;
    fs::rename(&next, kept)?;
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        let mut config = Config::default();
        config.data.dir = dir.join("data");
        config.category.file = Some(dir.join("categories.weir"));
        config
    }

    fn write_good(dir: &Path) {
        fs::write(dir.join("new"), Index::built_in().as_octets()).expect("written");
        fs::rename(dir.join("new"), dir.join("categories.weir")).expect("renamed");
    }

    #[test]
    fn the_last_good_file_serves_when_the_configured_one_is_damaged_or_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(dir.path());
        assert!(open(&config).is_err(), "no file and no earlier one");
        write_good(dir.path());
        assert_eq!(open(&config).expect("good").len(), Index::built_in().len());
        let file = dir.path().join("categories.weir");
        fs::write(&file, b"no index").expect("overwritten in place");
        assert_eq!(open(&config).expect("the last good").len(), Index::built_in().len());
        fs::remove_file(&file).expect("there");
        assert_eq!(open(&config).expect("the last good").len(), Index::built_in().len());
        fs::write(&file, b"no index").expect("written");
        assert_eq!(open(&config).expect("the last good").len(), Index::built_in().len());
        assert!(reload(&config).is_none(), "a running daemon keeps what it has");
    }

    #[test]
    fn without_a_file_the_starter_set_serves() {
        assert!(open(&Config::default()).expect("built in").len() > 1000);
    }
}
