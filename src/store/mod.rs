//! The rows, in sled.
//!
//! All changes are a [`Batch`]: rows to make, replace and delete, with what must still hold. One
//! thread decides batches in order, writes each whole or not at all as the next [`Revision`], together
//! with a log of what it changed, and answers when that is durable. Readers see an image of all rows in
//! memory, which a batch enters whole and only then: reading never waits for the disk and goes on
//! when the disk is full or broken.
//!
//! Read `record`, `tables`, `unique` and `records` (what a row is), `batch` (what a change is), then `view` and `read`
//! (the image), `stage` and `writer` (how a batch is committed), `keys`, `changelog` and `disk`
//! (how it looks in sled), `open`, `load` and
//! `image` (after a crash, without a human, quickly), `history` (audit), `export` and
//! `import` (backups), `files` (what is too large for a row), `journal` (what is no row at all), `seal` (secrets).

mod batch;
mod changelog;
mod disk;
mod export;
mod files;
mod history;
mod image;
mod import;
mod journal;
mod keys;
mod load;
mod open;
mod read;
mod record;
mod records;
mod seal;
mod stage;
mod tables;
#[cfg(test)]
mod tests;
mod unique;
mod view;
mod writer;

pub use batch::{Actor, Batch, CommitError, Incident};
pub use changelog::{Change, Committed};
pub use export::{ExportReport, export, export_name, exports_dir, list_exports};
pub use history::{Changes, HistoryError, Verified};
pub use import::{Existing, ImportError, import};
pub use journal::Journal;
pub use open::{OpenError, OpenReport, Options};
pub use read::{All, AllRows, Rows};
pub use record::{DecodeError, Record, Revision, Row};
pub use seal::UnsealError;
pub use tables::{AnyRow, Table};
pub use unique::Unique;

use crate::model::SealedSecret;
use crossbeam_channel::{Receiver, Sender};
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Octets of a row as stored, at most.
pub const ROW_OCTETS_MAX: usize = 16 * 1024;

/// Octets of a batch with its images before and after, at most: some 100,000 list entries.
pub const BATCH_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// Batches that wait for the writer, at most; who comes later waits.
const WAITING_MAX: usize = 1024;

/// Commits a subscriber may be behind before the writer waits for it.
const FEED_MAX: usize = 1024;

/// A handle of the store. Cheap to clone; the last one to go closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    requests: mpsc::Sender<writer::Request>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// The revision of the image on disk.
    imaged: Mutex<Revision>,
    /// The lowest id never handed out, by table number.
    next_ids: Vec<AtomicU32>,
    report: OpenReport,
    sealer: seal::Sealer,
    data_dir: PathBuf,
    /// Locked while the store is open.
    lock: Mutex<Option<std::fs::File>>,
}

/// What the handles and the writer share.
struct Shared {
    view: RwLock<view::View>,
    /// `None` after an error, until it is opened again, and when the store is closed.
    disk: RwLock<Option<disk::Disk>>,
    /// Where it is.
    dir: PathBuf,
    /// What tells it from others that were or will be there.
    identity: [u8; 16],
    options: Options,
    fingerprints: view::Fingerprints,
    subscribers: Mutex<Vec<Sender<Committed>>>,
}

impl Shared {
    /// Tells the subscribers, in revision order; waits for one that is far behind.
    fn feed(&self, committed: &[Committed]) {
        // Not under the lock: sending may wait.
        let subscribers = self.subscribers.lock().clone();
        for subscriber in subscribers {
            let gone = committed.iter().any(|one| subscriber.send(one.clone()).is_err());
            if gone {
                self.subscribers.lock().retain(|other| !other.same_channel(&subscriber));
            }
        }
    }
}

impl Store {
    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The revision that readers see.
    pub fn revision(&self) -> Revision {
        self.shared().view.read().revision
    }

    /// Rows of all tables together.
    pub fn len(&self) -> usize {
        self.shared().view.read().len()
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened at open.
    pub fn open_report(&self) -> &OpenReport {
        &self.0.report
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// An id for a new row: never given out before, in this run or an earlier one that used it.
    pub fn next_id<R: Record>(&self) -> u32 {
        self.0.next_ids[R::TABLE as usize].fetch_add(1, Ordering::Relaxed)
    }

    /// Commits a batch and returns its revision once it is durable and visible. If the future is
    /// dropped, the batch may be committed all the same. A batch without writes is only checked.
    pub async fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        self.reserve_ids(&batch);
        let (reply, answer) = oneshot::channel();
        // Nobody listens any more if the caller went away: that is its business.
        let reply = Box::new(move |result| drop(reply.send(result)));
        let request = writer::Request::Commit(Box::new(batch), reply);
        self.0.requests.send(request).await.map_err(|_| CommitError::Closed)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// The same from a thread that may block, inside or outside a runtime.
    pub fn commit_blocking(&self, batch: Batch) -> Result<Revision, CommitError> {
        self.reserve_ids(&batch);
        let (reply, answer) = crossbeam_channel::bounded(1);
        let reply = Box::new(move |result| drop(reply.send(result)));
        let mut request = writer::Request::Commit(Box::new(batch), reply);
        loop {
            match self.0.requests.try_send(request) {
                Ok(()) => break,
                Err(mpsc::error::TrySendError::Full(back)) => request = back,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(CommitError::Closed),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        answer.recv().unwrap_or(Err(CommitError::Closed))
    }

    /// Ids that a caller chose itself are not handed out later.
    fn reserve_ids(&self, batch: &Batch) {
        for write in &batch.writes {
            if let Some((key, ..)) = &write.after {
                self.0.next_ids[write.table as usize].fetch_max(key.id().saturating_add(1), Ordering::Relaxed);
            }
        }
    }

    /// Every batch committed from now on, in revision order. A batch that `revision` or a reader
    /// already shows may still arrive: ignore what is not newer than what you have. The reader
    /// must keep reading and must not commit: the writer waits when 1,024 batches are unread.
    pub fn subscribe(&self) -> Receiver<Committed> {
        let (sender, receiver) = crossbeam_channel::bounded(FEED_MAX);
        self.shared().subscribers.lock().push(sender);
        receiver
    }

    /// Encrypts a secret that must be recovered. `context` says where it belongs (table, row,
    /// field) and must be given again to open it.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> SealedSecret {
        self.0.sealer.seal(context, plain)
    }

    /// Decrypts what `seal` made.
    pub fn unseal(&self, context: &[u8], sealed: &SealedSecret) -> Result<Vec<u8>, UnsealError> {
        self.0.sealer.unseal(context, sealed)
    }

    /// Writes all rows into one file, from which the next start is quick, unless they are there
    /// already. Does not hold up readers or commits. `close` does it too.
    pub fn write_image(&self) -> std::io::Result<()> {
        self.0.write_image()
    }

    /// Finishes what is waiting and closes the database. Reading goes on; commits are refused.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    fn write_image(&self) -> std::io::Result<()> {
        let mut imaged = self.imaged.lock();
        let shared = &self.shared;
        if shared.view.read().revision != *imaged {
            let snapshot = image::Snapshot::of(&shared.view.read());
            let revision = snapshot.revision;
            disk::check_room(&shared.dir, shared.options.free_octets_min).map_err(disk::DiskError::into_io)?;
            image::write(&shared.dir, shared.identity, snapshot)?;
            *imaged = revision;
        }
        Ok(())
    }

    fn close(&self) {
        let Some(writer) = self.writer.lock().take() else { return };
        let mut request = writer::Request::Close;
        while let Err(mpsc::error::TrySendError::Full(back)) = self.requests.try_send(request) {
            request = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        if writer.join().is_err() {
            tracing::error!("the writer of the store failed");
        }
        if let Err(e) = self.write_image() {
            tracing::warn!(error = %e, "the image of the rows was not written; the next start takes longer");
        }
        *self.shared.disk.write() = None;
        *self.lock.lock() = None;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
