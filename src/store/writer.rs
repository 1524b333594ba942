//! The one thread that writes.
//!
//! It takes every batch that is waiting, decides each against all before it and gives it its own
//! revision, writes them to sled as one atomic group, syncs once, and only then makes them visible,
//! answers the callers and feeds the subscribers, in this order. Fifty callers at once pay for one
//! write and one sync.

use super::Shared;
use super::batch::{Batch, CommitError};
use super::changelog::{self, Committed, Hash};
use super::disk::{self, Disk, DiskError, Edits};
use super::record::Revision;
use super::stage::{Counters, replay, stage};
use super::view::{Pending, Tip};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches committed with one sync, at most.
const GROUP_BATCHES_MAX: usize = 256;

/// Octets of a group from which no more batches join it.
const GROUP_OCTETS: usize = 8 * 1024 * 1024;

/// What the writer is asked.
pub(super) enum Request {
    Commit(Box<Batch>, Reply),
    Close,
}

/// Where the answer goes.
pub(super) type Reply = Box<dyn FnOnce(Result<Revision, CommitError>) + Send>;

/// Decides and writes; owns nothing but the counters and the head of the chain as they are on disk.
pub(super) struct Writer {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    counters: Counters,
    /// The hash of the last logged change.
    chain: Hash,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, requests: mpsc::Receiver<Request>, counters: Counters, chain: Hash) -> Self {
        Writer { shared, requests, counters, chain }
    }

    /// Serves requests until the store is closed.
    pub(super) fn run(mut self) {
        let mut closing = false;
        while !closing {
            let mut group = Vec::new();
            let mut next = self.requests.blocking_recv();
            loop {
                match next {
                    Some(Request::Commit(batch, reply)) => group.push((batch, reply)),
                    Some(Request::Close) | None => {
                        closing = true;
                        break;
                    }
                }
                if group.len() == GROUP_BATCHES_MAX {
                    break;
                }
                next = match self.requests.try_recv() {
                    Ok(request) => Some(request),
                    Err(_) => break,
                };
            }
            let mut group = group.into_iter();
            while group.len() > 0 {
                self.commit(&mut group);
            }
        }
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            if let Request::Commit(_, reply) = request {
                reply(Err(CommitError::Closed));
            }
        }
        *self.shared.disk.write() = None;
    }

    /// Commits as many of the waiting batches as one sync should carry.
    fn commit(&mut self, waiting: &mut impl Iterator<Item = (Box<Batch>, Reply)>) {
        if let Err(e) = self.make_ready() {
            tracing::error!(error = %e, "changes are refused; reading goes on");
            return waiting.for_each(|(_, reply)| reply(Err(CommitError::from(&e))));
        }
        let mut counters = self.counters;
        let mut chain = self.chain;
        let mut pending = Pending::default();
        let mut staged = Vec::new();
        let mut replies = Vec::new();
        let mut octets = 0;
        let view = self.shared.view.read();
        while octets < GROUP_OCTETS {
            let Some((batch, reply)) = waiting.next() else { break };
            let tip = Tip { view: &view, pending: &pending };
            match stage(*batch, &tip, &self.shared.fingerprints, &mut counters, &mut chain) {
                Ok(Some(one)) => {
                    octets += one.octets;
                    one.effects.merge_into(&mut pending);
                    staged.push(one);
                    replies.push(reply);
                }
                Ok(None) => reply(Ok(tip.revision())),
                Err(e) => reply(Err(e)),
            }
        }
        drop(view);
        if staged.is_empty() {
            return;
        }
        let mut edits = Edits::default();
        let mut committed = Vec::with_capacity(staged.len());
        for one in staged {
            edits.append(one.edits);
            committed.push(one.committed);
        }
        match self.write(edits, &committed) {
            Ok(()) => {
                self.counters = counters;
                self.chain = chain;
                self.shared.view.write().apply(pending);
                for (reply, committed) in replies.into_iter().zip(&committed) {
                    reply(Ok(committed.revision));
                }
                self.shared.feed(&committed);
            }
            Err(e) => {
                tracing::error!(error = %e, "changes could not be written to disk; reading goes on");
                *self.shared.disk.write() = None;
                replies.into_iter().for_each(|reply| reply(Err(CommitError::from(&e))));
            }
        }
    }

    /// Writes the group as one, and removes from the log what is too old.
    fn write(&self, mut edits: Edits, committed: &[Committed]) -> Result<(), DiskError> {
        let disk = self.shared.disk.read();
        let disk = disk.as_ref().ok_or(DiskError::Full)?;
        let newest = committed.last().map_or(0, |committed| committed.revision.0);
        if let Some(old) = newest.checked_sub(self.shared.options.changes_kept).filter(|&old| old > 0) {
            changelog::forget(disk, Revision(old), &mut edits)?;
        }
        disk.commit(edits)
    }

    /// Makes sure that there is room, and that the database is open: after an error it is opened
    /// again, and what had reached the disk of the refused changes is taken over.
    fn make_ready(&mut self) -> Result<(), DiskError> {
        disk::check_room(&self.shared.dir, self.shared.options.free_octets_min)?;
        if self.shared.disk.read().is_some() {
            return Ok(());
        }
        let disk = Disk::open(&self.shared.dir, self.shared.options.cache_octets)?;
        let since = self.shared.view.read().revision;
        let mut taken_over = Vec::new();
        let mut pending = Pending::default();
        for entry in changelog::entries(&disk, since) {
            let (revision, entry) = entry?;
            let (effects, committed) = replay(revision, entry, &self.shared.fingerprints)?;
            effects.merge_into(&mut pending);
            taken_over.push(committed);
        }
        self.counters = disk.counters()?;
        self.chain = disk.chain()?;
        self.shared.view.write().apply(pending);
        *self.shared.disk.write() = Some(disk);
        tracing::warn!(changes = taken_over.len(), "the database is open again; changes are taken");
        self.shared.feed(&taken_over);
        Ok(())
    }
}

impl From<&DiskError> for CommitError {
    fn from(error: &DiskError) -> Self {
        match error {
            DiskError::Full => CommitError::Full,
            other => CommitError::Io(other.to_string()),
        }
    }
}
