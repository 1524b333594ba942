//! Files too large for rows (logos), named by the BLAKE3 of their octets in `<data>/files`.
//!
//! A file is written before the row that names it and swept a day after the last such row went.

use super::Store;
use super::batch::CommitError;
use super::disk;
use super::tables::AnyRow;
use crate::model::{FILE_OCTETS_MAX, FileDigest, Picture};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a file may wait for its row.
const UNUSED_AGE: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Keeps a file, durably, and returns its name. The same octets are kept once.
    pub fn put_file(&self, octets: &[u8]) -> Result<FileDigest, CommitError> {
        if octets.len() > FILE_OCTETS_MAX {
            return Err(CommitError::BatchTooLarge { bytes: octets.len() });
        }
        disk::check_room(self.data_dir(), self.shared().options.free_octets_min)
            .and_then(|()| Ok(put(&folder(self.data_dir()), octets)?))
            .map_err(|e| CommitError::from(&e))
    }

    /// The octets of a file; `None` if there is none, or not with these octets any more.
    pub fn file(&self, digest: FileDigest) -> io::Result<Option<Vec<u8>>> {
        get(&folder(self.data_dir()), digest)
    }

    /// Removes files that no row names and that are older than a day; returns how many.
    pub fn sweep_files(&self) -> io::Result<usize> {
        let used: HashSet<FileDigest> = self.all_rows().flat_map(|row| row.value.files()).collect();
        let mut swept = 0;
        for (digest, path) in list(&folder(self.data_dir()))? {
            let age = fs::metadata(&path)?.modified()?.elapsed().unwrap_or_default();
            if digest.is_none_or(|digest| !used.contains(&digest)) && age > UNUSED_AGE {
                fs::remove_file(&path)?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl AnyRow {
    /// The files it names.
    pub fn files(&self) -> Vec<FileDigest> {
        let picture = match self {
            AnyRow::BlockPage(row) => &row.logo,
            AnyRow::Branding(row) => &row.logo,
            _ => &None,
        };
        picture.iter().map(|Picture { file, .. }| *file).collect()
    }
}

pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("files")
}

pub(super) fn put(folder: &Path, octets: &[u8]) -> io::Result<FileDigest> {
    let digest = FileDigest(*blake3::hash(octets).as_bytes());
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if get(folder, digest)?.is_some() {
        return Ok(digest);
    }
    let draft = folder.join(format!("{digest}.{}.new", uuid::Uuid::new_v4()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&draft, folder.join(digest.to_string()))?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // The draft is of no use; that it may stay behind is of no harm, `sweep_files` finds it.
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| digest)
}

pub(super) fn get(folder: &Path, digest: FileDigest) -> io::Result<Option<Vec<u8>>> {
    match fs::read(folder.join(digest.to_string())) {
        Ok(octets) => Ok(Some(octets).filter(|octets| *blake3::hash(octets).as_bytes() == digest.0)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn list(folder: &Path) -> io::Result<Vec<(Option<FileDigest>, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_str().and_then(|name| name.parse().ok()), entry.path()))
        })
        .collect()
}
