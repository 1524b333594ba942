//! sled, held to its word.
//!
//! What sled 0.34.7 does not do by itself and this file does: `flush` starts the write-back of the
//! written range but is no fsync, so the database file is synced on a handle of our own; new files
//! are made durable by syncing their directory; a snapshot that was half written when the machine
//! stopped would be read at the next start and called corruption, so it is removed first; a write
//! error makes a `Db` refuse everything from then on, so it is opened again.

use super::keys;
use super::record::Revision;
use super::stage::Counters;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// The layout of keys and values that this program writes.
const FORMAT: u32 = 1;

/// How long a database that was just closed is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the disk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("the disk is full")]
    Full,
    /// What sled itself calls corrupt, or what no program of ours writes.
    #[error("{0}")]
    Damaged(String),
    /// Sound, but rows in it make no sense to this program: a fault of ours, nothing to repair.
    #[error("{0}")]
    Unreadable(String),
    #[error("the database has format {found}; this program knows formats up to {FORMAT}")]
    Newer { found: u32 },
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        DiskError::from_io(error)
    }
}

impl DiskError {
    pub(super) fn from_io(error: io::Error) -> Self {
        if is_full(&error) { DiskError::Full } else { DiskError::Io(error) }
    }

    pub(super) fn into_io(self) -> io::Error {
        match self {
            DiskError::Io(e) => e,
            DiskError::Full => io::ErrorKind::StorageFull.into(),
            other => io::Error::other(other.to_string()),
        }
    }
}

impl From<sled::Error> for DiskError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(e) => DiskError::from_io(e),
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => DiskError::Damaged(error.to_string()),
            other => DiskError::Io(io::Error::other(other.to_string())),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// What is to be written: values by key, `None` to remove one. Of two for a key the later counts.
#[derive(Default)]
pub(super) struct Edits(Vec<(Vec<u8>, Option<sled::IVec>)>);

impl Edits {
    pub(super) fn insert(&mut self, key: impl Into<Vec<u8>>, value: &[u8]) {
        self.0.push((key.into(), Some(value.into())));
    }

    pub(super) fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.0.push((key.into(), None));
    }

    pub(super) fn append(&mut self, mut later: Edits) {
        self.0.append(&mut later.0);
    }

    fn into_batch(self) -> sled::Batch {
        let mut batch = sled::Batch::default();
        for (key, value) in self.0 {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch
    }
}

/// An open database.
pub(super) struct Disk {
    db: sled::Db,
    /// The file sled appends to, opened once more for syncing.
    file: File,
}

impl Disk {
    /// Opens the database in `dir`, making it if it is not there.
    pub(super) fn open(dir: &Path, cache_octets: u64) -> Result<Self, DiskError> {
        fs::create_dir_all(dir)?;
        remove_half_written(dir)?;
        let db = guarded(|| open_patiently(&sled::Config::new().path(dir).cache_capacity(cache_octets)))?;
        let file = File::options().read(true).write(true).open(dir.join("db"))?;
        let disk = Disk { db, file };
        disk.check_format()?;
        disk.sync()?;
        // sled syncs neither its configuration nor the folders of its new files.
        for path in [dir.join("conf"), dir.join("blobs"), dir.to_owned()] {
            File::open(path)?.sync_all()?;
        }
        if let Some(parent) = dir.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(disk)
    }

    fn check_format(&self) -> Result<(), DiskError> {
        match self.number(keys::FORMAT)? {
            None if self.db.is_empty() => {
                let mut edits = Edits::default();
                edits.insert(keys::FORMAT, &u64::from(FORMAT).to_be_bytes());
                edits.insert(keys::IDENTITY, uuid::Uuid::new_v4().as_bytes());
                self.apply(edits)
            }
            None => Err(DiskError::Damaged("the database has rows but no format version".to_owned())),
            Some(found) if found > u64::from(FORMAT) => {
                Err(DiskError::Newer { found: u32::try_from(found).unwrap_or(u32::MAX) })
            }
            Some(_) => Ok(()),
        }
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, DiskError> {
        let Some(value) = self.db.get(key)? else { return Ok(None) };
        let octets = value.as_ref().try_into().map_err(|_| DiskError::Damaged("a number is cut off".to_owned()))?;
        Ok(Some(u64::from_be_bytes(octets)))
    }

    /// The last committed revision.
    pub(super) fn revision(&self) -> Result<Revision, DiskError> {
        Ok(Revision(self.number(keys::REVISION)?.unwrap_or(0)))
    }

    /// The hash of the last logged change; zeros before the first.
    pub(super) fn chain(&self) -> Result<[u8; 32], DiskError> {
        match self.db.get(keys::CHAIN)?.as_deref().map(<[u8; 32]>::try_from) {
            None => Ok([0; 32]),
            Some(Ok(hash)) => Ok(hash),
            Some(Err(_)) => Err(DiskError::Damaged("the hash of the change log is cut off".to_owned())),
        }
    }

    /// What tells this database from others that were or will be in its place.
    pub(super) fn identity(&self) -> Result<[u8; 16], DiskError> {
        let octets = self.db.get(keys::IDENTITY)?;
        let octets = octets.as_deref().and_then(|octets| octets.try_into().ok());
        octets.ok_or_else(|| DiskError::Damaged("the database has no identity".to_owned()))
    }

    /// The lowest id never given out, by table number.
    pub(super) fn counters(&self) -> Result<Counters, DiskError> {
        let mut counters = [1; 256];
        for item in self.scan(keys::COUNTERS) {
            let (key, value) = item?;
            let (Ok([_, table]), Ok(next)) = (<[u8; 2]>::try_from(&key[..]), <[u8; 4]>::try_from(&value[..])) else {
                return Err(DiskError::Damaged("a counter is cut off".to_owned()));
            };
            counters[usize::from(table)] = u32::from_be_bytes(next);
        }
        Ok(counters)
    }

    /// Everything whose key begins with `tag`, in key order.
    pub(super) fn scan(&self, tag: &[u8]) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), DiskError>> + use<> {
        self.db.scan_prefix(tag).map(|item| item.map_err(DiskError::from))
    }

    /// Everything from one key to another, both included, in key order.
    pub(super) fn range(
        &self,
        first: &[u8],
        last: &[u8],
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), DiskError>> + use<> {
        self.db.range(first.to_vec()..=last.to_vec()).map(|item| item.map_err(DiskError::from))
    }

    /// Writes a batch without waiting for it: durable after the next `commit`.
    pub(super) fn apply(&self, edits: Edits) -> Result<(), DiskError> {
        Ok(self.db.apply_batch(edits.into_batch())?)
    }

    /// Writes the edits, all or nothing, and returns when they are durable. After an error the
    /// database is of no more use: drop it and open it again.
    pub(super) fn commit(&self, edits: Edits) -> Result<(), DiskError> {
        self.apply(edits)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.db.flush()?;
        self.file.sync_data()?;
        Ok(())
    }
}

/// Refuses when the disk of `dir` has less room than this.
pub(super) fn check_room(dir: &Path, free_octets_min: u64) -> Result<(), DiskError> {
    let stat = rustix::fs::statvfs(dir).map_err(io::Error::from)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < free_octets_min { Err(DiskError::Full) } else { Ok(()) }
}

/// sled reads the newest `snap.*`, even one that a crash left half written under its temporary name.
fn remove_half_written(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %path.display(), "removing a half-written snapshot of the database");
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Opens the database. Nobody else can have it, as the data folder is ours, but threads of a
/// database that was just closed may hold its file for a moment longer.
fn open_patiently(config: &sled::Config) -> Result<sled::Db, DiskError> {
    let started = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(e))
                if e.to_string().contains("could not acquire lock") && started.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return Ok(opened?),
        }
    }
}

/// Runs what reads the database: sled checks its invariants with assertions, so on damaged files it
/// may panic instead of answering.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, DiskError>) -> Result<T, DiskError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(DiskError::Damaged(text.unwrap_or("the database engine gave up").to_owned()))
    })
}
