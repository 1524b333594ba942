//! Which category index serves, and which one when the configured file is no good.

use crate::{category::Index, config::Config};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder of the data folder that keeps a link to the last index that was good.
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

/// Opens the configured file and keeps a link to it. A file that is missing, damaged or foreign is
/// refused with the reason in the log, and the last good one serves instead. Without a configured
/// file the built-in starter set serves.
pub(super) fn open(config: &Config) -> Result<Index, CategoryError> {
    let Some(file) = &config.category.file else { return Ok(Index::built_in()) };
    let kept = config.data.dir.join(FOLDER).join(LAST_GOOD);
    match Index::open(file) {
        Ok(index) => {
            if let Err(error) = keep(file, &kept) {
                tracing::warn!(file = %kept.display(), %error, "the category file could not be kept as the last good one");
            }
            Ok(index)
        }
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the category file is refused");
            Index::open(&kept)
                .inspect(|_| tracing::warn!(file = %kept.display(), "the last good category file serves"))
                .map_err(|_| CategoryError { file: file.clone(), reason: error.to_string(), kept: kept.clone() })
        }
    }
}

/// Opens the configured file for a daemon that has an index: `None` where it is refused, and the
/// one in use stays.
pub(super) fn reload(config: &Config) -> Option<Index> {
    let file = config.category.file.as_ref()?;
    match Index::open(file) {
        Ok(index) => {
            let kept = config.data.dir.join(FOLDER).join(LAST_GOOD);
            if let Err(error) = keep(file, &kept) {
                tracing::warn!(file = %kept.display(), %error, "the category file could not be kept as the last good one");
            }
            Some(index)
        }
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the category file is refused; the one in use stays");
            None
        }
    }
}

/// Links `file` as `kept`, or copies it where the two are on different disks.
fn keep(file: &Path, kept: &Path) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder)?;
    }
    let next = kept.with_extension("next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if fs::hard_link(&file, &next).is_err() {
        fs::copy(&file, &next)?;
    }
    fs::rename(&next, kept)
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
