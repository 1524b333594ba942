//! Reading the change log: the audit trail, and catching up after an interruption.

use super::Store;
use super::changelog::{self, Committed};
use super::disk::DiskError;
use super::record::Revision;

/// Entries read from the disk at once.
const ENTRIES_AT_ONCE: usize = 64;

/// Why the change log cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
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

impl Store {
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
