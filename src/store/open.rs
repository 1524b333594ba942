//! Opening the data folder: one process at a time, and after a crash without a human.

use super::disk::{self, Disk, DiskError};
use super::load::{Loaded, load};
use super::record::Revision;
use super::view::Fingerprints;
use super::{Inner, Shared, Store, export, import, seal, writer};
use parking_lot::{Mutex, RwLock};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a daemon that is just leaving is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How the store is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Octets of sled's own cache. Rows are read from memory anyway; this serves writes.
    pub cache_octets: u64,
    /// Batches kept in the change log.
    pub changes_kept: u64,
    /// Commits are refused when the disk has less room than this, octets: sled writes whole
    /// segments of 512 KiB and stops for good at what it cannot write.
    pub free_octets_min: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_octets: 32 * 1024 * 1024, changes_kept: 1_000_000, free_octets_min: 16 * 1024 * 1024 }
    }
}

/// What happened at open, for the log and for whoever reports.
#[derive(Clone, Debug, Default)]
pub struct OpenReport {
    /// The store had no row: first start.
    pub created: bool,
    /// The key for sealed secrets is new: what was sealed before cannot be opened.
    pub secret_key_created: bool,
    /// Where the damaged database was put, if it was.
    pub damaged_moved_to: Option<PathBuf>,
    /// The export that was imported in its place; `None` if there was none.
    pub imported_from: Option<PathBuf>,
    /// Rows read.
    pub rows: usize,
    /// Time it took.
    pub took: Duration,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the folder.
    #[error("the data folder {} is in use{}", dir.display(), pid.map_or(String::new(), |pid| format!(" by process {pid}")))]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process, if it said.
        pid: Option<u32>,
    },
    /// Written by a later version of this program.
    #[error("the database in {} has format {found}, which is newer than this program", dir.display())]
    Newer {
        /// Where.
        dir: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Rows that this program cannot read, in a database that is otherwise sound.
    #[error("the database in {} cannot be read: {reason}", dir.display())]
    Unreadable {
        /// Where.
        dir: PathBuf,
        /// Which row, and what is wrong.
        reason: String,
    },
    /// The database is damaged, and there is no good export to go on from.
    #[error("the database in {} is damaged and there is no good export: {reason}", dir.display())]
    Damaged {
        /// Where.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The disk is full.
    #[error("there is no room on the disk of {}", dir.display())]
    Full {
        /// Where.
        dir: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Opens the store in a data folder, making what is missing. Waits up to 5 s for a process
    /// that is just leaving. Reads all rows: about a second a million.
    ///
    /// A damaged database, and one that is behind an export, is put aside and the newest good
    /// export imported in its place; the report says so.
    pub fn open(dir: &Path, options: Options) -> Result<Store, OpenError> {
        let started = Instant::now();
        let lock = take(dir)?;
        let mut report = OpenReport::default();
        let (sealer, new_key) = seal::Sealer::open(&dir.join("secret.key"))?;
        report.secret_key_created = new_key;
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| failed(dir)(io::Error::other("no random octets")))?;
        let fingerprints = Fingerprints::new(u64::from_be_bytes(seed));
        let (disk, loaded) = match open_and_load(dir, &options, &fingerprints) {
            Err(OpenError::Damaged { reason, .. }) => {
                restore(dir, reason, &mut report)?;
                open_and_load(dir, &options, &fingerprints)?
            }
            other => other?,
        };
        let Loaded { view, counters, imaged } = loaded;
        let chain = disk.chain().map_err(|e| open_error(&dir.join("store"), e))?;
        let identity = disk.identity().map_err(|e| open_error(&dir.join("store"), e))?;
        report.created = view.revision == Revision(0);
        report.rows = view.len();
        let shared = Arc::new(Shared {
            view: RwLock::new(view),
            disk: RwLock::new(Some(disk)),
            dir: dir.join("store"),
            identity,
            options,
            fingerprints,
            subscribers: Mutex::new(Vec::new()),
        });
        let (requests, receiver) = mpsc::channel(super::WAITING_MAX);
        let thread = writer::Writer::new(shared.clone(), receiver, counters, chain);
        let writer =
            std::thread::Builder::new().name("store".to_owned()).spawn(|| thread.run()).map_err(failed(dir))?;
        report.took = started.elapsed();
        Ok(Store(Arc::new(Inner {
            shared,
            requests,
            writer: Mutex::new(Some(writer)),
            imaged: Mutex::new(imaged),
            next_ids: counters.into_iter().map(AtomicU32::new).collect(),
            report,
            sealer,
            data_dir: dir.to_owned(),
            lock: Mutex::new(Some(lock)),
        })))
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }
}

/// Makes the data folder if it is not there, and takes it for this process.
pub(super) fn take(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
    lock(dir)
}

fn open_and_load(dir: &Path, options: &Options, fingerprints: &Fingerprints) -> Result<(Disk, Loaded), OpenError> {
    let store_dir = dir.join("store");
    let fail = |e| open_error(&store_dir, e);
    let disk = Disk::open(&store_dir, options.cache_octets).map_err(fail)?;
    let loaded = disk::guarded(|| load(&disk, &store_dir, fingerprints)).map_err(fail)?;
    let newest = export::list_exports(dir).map_err(failed(dir))?.first().map_or(Revision(0), |(newest, _)| *newest);
    let revision = loaded.view.revision;
    if revision < newest {
        let reason = format!("it ends at revision {revision}, and there is an export of revision {newest}");
        return Err(OpenError::Damaged { dir: store_dir, reason });
    }
    Ok((disk, loaded))
}

/// Imports the newest good export in place of a damaged database, which is put aside.
fn restore(dir: &Path, reason: String, report: &mut OpenReport) -> Result<(), OpenError> {
    let store_dir = dir.join("store");
    tracing::error!(dir = %store_dir.display(), %reason, "the database is damaged; looking for an export to go on from");
    for (revision, path) in export::list_exports(dir).map_err(failed(dir))? {
        match import::build(&path, dir) {
            Ok(built) => {
                let aside = import::put_aside(&store_dir, "damaged").map_err(failed(&store_dir))?;
                import::put_in_place(dir).map_err(failed(&store_dir))?;
                tracing::error!(
                    export = %path.display(), %revision, rows = built.rows, damaged = %aside.display(),
                    "went on from an export: changes made after it are lost"
                );
                report.damaged_moved_to = Some(aside);
                report.imported_from = Some(path);
                return Ok(());
            }
            Err(e) => tracing::error!(export = %path.display(), error = %e, "this export cannot be used"),
        }
    }
    Err(OpenError::Damaged { dir: store_dir, reason })
}

fn open_error(dir: &Path, error: DiskError) -> OpenError {
    let dir = dir.to_owned();
    match error {
        DiskError::Full => OpenError::Full { dir },
        DiskError::Newer { found } => OpenError::Newer { dir, found },
        DiskError::Damaged(reason) => OpenError::Damaged { dir, reason },
        DiskError::Unreadable(reason) => OpenError::Unreadable { dir, reason },
        DiskError::Io(source) => OpenError::Io { path: dir, source },
    }
}

/// Takes the folder for this process and leaves its number for others to read.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    // On a full disk the number is missing, nothing else.
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
