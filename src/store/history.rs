//! Reading the change log: the audit trail, and catching up after an interruption.

use super::Store;
use super::changelog::{self, Committed};
use super::disk::{Disk, DiskError};
use super::record::Revision;

/// Entries read from the disk at once.
const ENTRIES_AT_ONCE: usize = 64;

/// Why the change log cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// An entry does not follow from the one before it: the log was changed afterwards.
    #[error("the change log is broken at revision {revision}: {reason}")]
    Broken {
        /// Where.
        revision: Revision,
        /// How it shows.
        reason: &'static str,
    },
    /// The disk failed, or the database is closed after a failure.
    #[error("the change log cannot be read: {0}")]
    Io(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl From<DiskError> for HistoryError {
    fn from(error: DiskError) -> Self {
        HistoryError::Io(error.to_string())
    }
}

/// A change log that was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its oldest entry; 0 where there is none.
    pub first: Revision,
    /// Its newest entry.
    pub last: Revision,
    /// The hash of the newest entry: a later log that was not rewritten reaches it again.
    pub head: [u8; 32],
}

impl Store {
    /// Checks that every entry of the log follows from the one before, and that the last is the one
    /// the database knows as such. Reads the whole log: seconds where it is long.
    pub fn verify_changes(&self) -> Result<Verified, HistoryError> {
        let disk = self.shared().disk.read();
        let disk = disk.as_ref().ok_or(HistoryError::Closed)?;
        loop {
            let (head, last) = (disk.chain()?, disk.revision()?);
            // Both move together with each batch: read between two of them, they belong together.
            if disk.chain()? == head {
                return verify(disk, last, head);
            }
        }
    }

    /// The logged batches after `since`, oldest first. The log keeps the newest
    /// `Options::changes_kept` and begins anew with an import: a first revision that is not
    /// `since.next()` shows a gap. Ends at the revision that is visible when it gets there.
    pub fn changes_since(&self, since: Revision) -> Changes {
        Changes { store: self.clone(), reached: since, read: Vec::new().into_iter(), failed: false }
    }

    /// The batch of one revision, if the log has it. For walking backwards: revisions have no gaps.
    pub fn change(&self, revision: Revision) -> Result<Option<Committed>, HistoryError> {
        let Some(before) = revision.0.checked_sub(1) else { return Ok(None) };
        let first = self.read_changes(Revision(before), 1)?.into_iter().next();
        Ok(first.filter(|committed| committed.revision == revision))
    }

    fn read_changes(&self, since: Revision, count: usize) -> Result<Vec<Committed>, HistoryError> {
        let visible = self.revision();
        let disk = self.shared().disk.read();
        let disk = disk.as_ref().ok_or(HistoryError::Closed)?;
        let mut read = Vec::new();
        for entry in changelog::entries(disk, since).take(count) {
            let (revision, entry) = entry?;
            if revision > visible {
                break;
            }
            read.push(entry.committed(revision)?);
        }
        Ok(read)
    }
}

fn verify(disk: &Disk, last: Revision, head: changelog::Hash) -> Result<Verified, HistoryError> {
    let mut verified = Verified { first: Revision(0), last: Revision(0), head: [0; 32] };
    for item in changelog::octets(disk, Revision(0)) {
        let (revision, octets) = item?;
        if revision > last {
            break;
        }
        let previous = changelog::decode(&octets)?.previous;
        let broken = |reason| Err(HistoryError::Broken { revision, reason });
        if verified.first == Revision(0) {
            verified.first = revision;
            if revision == Revision(1) && previous != [0; 32] {
                return broken("the first entry names one before it");
            }
        } else if revision != verified.last.next() {
            return broken("the entry before it is missing");
        } else if previous != verified.head {
            return broken("it does not follow from the entry before it");
        }
        verified = Verified { last: revision, head: changelog::hash_of(revision, &octets), ..verified };
    }
    match verified.head == head && (verified.last == last || verified.last == Revision(0)) {
        true => Ok(verified),
        false => Err(HistoryError::Broken { revision: last, reason: "the last entry is not the one that was written" }),
    }
}

/// Logged batches, oldest first. After an error it ends.
pub struct Changes {
    store: Store,
    reached: Revision,
    read: std::vec::IntoIter<Committed>,
    failed: bool,
}

impl Iterator for Changes {
    type Item = Result<Committed, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.read.len() == 0 {
            match self.store.read_changes(self.reached, ENTRIES_AT_ONCE) {
                Ok(read) => self.read = read.into_iter(),
                Err(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
        }
        let committed = self.read.next()?;
        self.reached = committed.revision;
        Some(Ok(committed))
    }
}
