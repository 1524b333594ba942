//! The thread between the store and the snapshot.

use super::rows::deciding;
use crate::{
    model::DomainName,
    policy::{ListTable, NameKey, Presets, Snapshot, World, Zones},
    store::{Committed, Revision, Store},
};
use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Batches folded into one snapshot at most, so that a long import does not keep waiting callers.
const BATCHES_MAX: usize = 256;

/// What the first snapshot holds, for the start-up line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Customers.
    pub customers: usize,
    /// Policies.
    pub policies: usize,
    /// Entries of all lists.
    pub entries: usize,
    /// Address ranges.
    pub ranges: usize,
    /// How long it took.
    pub took: Duration,
}

/// Keeps a snapshot in step with the store. Dropping the last handle ends nothing: the thread ends
/// when the store closes.
#[derive(Clone)]
pub struct Publisher {
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: watch::Receiver<Revision>,
    loaded: Loaded,
    lists: Sender<NewLists>,
}

/// Names of this installation, which no row has.
#[derive(Clone, Debug, Default)]
pub struct OwnNames {
    /// Its hosts: no policy takes them away.
    pub hosts: Vec<DomainName>,
    /// Below which name self-tests are; `None`: there are none.
    pub self_test: Option<DomainName>,
}

/// The time zones that schedules go by: those of the system, and its own for customers without one.
pub fn time_zones() -> Zones {
    Zones::new(jiff::tz::db().clone(), jiff::tz::TimeZone::system())
}

/// A table of subscribed lists on its way into the snapshot, and who waits for it.
type NewLists = (Arc<ListTable>, oneshot::Sender<()>);

impl Publisher {
    /// Compiles the first snapshot from all rows and starts the thread that follows the store.
    ///
    /// `key` is the secret of the name hashes, `presets` the category sets of the levels, `own` the names of this
    /// installation. No list is subscribed to.
    pub fn start(
        store: &Store,
        key: NameKey,
        presets: Presets,
        own: OwnNames,
    ) -> std::io::Result<(Publisher, JoinHandle<()>)> {
        Self::start_with(store, key, presets, own, Arc::new(ListTable::empty()))
    }

    /// The same with a table of subscribed lists, whose names are hashed under `key`.
    pub fn start_with(
        store: &Store,
        key: NameKey,
        presets: Presets,
        own: OwnNames,
        lists: Arc<ListTable>,
    ) -> std::io::Result<(Publisher, JoinHandle<()>)> {
        let started = Instant::now();
        // Subscribing first means that nothing committed while loading is missed.
        let feed = store.subscribe();
        let mut world = World::new(key, presets);
        world.set_lists(lists);
        world.set_zones(time_zones());
        world.set_own_hosts(&own.hosts);
        world.set_self_test(own.self_test);
        let rows = store.all_rows();
        let revision = rows.revision;
        for row in rows {
            if let Some(row) = deciding(&row.value) {
                world.upsert(None, &row);
            }
        }
        let first = world.snapshot(revision.0);
        let loaded = Loaded {
            customers: first.customers.len(),
            policies: first.policies.len(),
            entries: first.entries,
            ranges: first.ranges.len(),
            took: started.elapsed(),
        };
        gauges(&first, loaded.took);
        let snapshot = Arc::new(ArcSwap::new(first));
        let (sender, published) = watch::channel(revision);
        let (lists, new_lists) = unbounded();
        let publisher = Publisher { snapshot: snapshot.clone(), published, loaded, lists };
        let thread = thread::Builder::new()
            .name("publish".into())
            .spawn(move || follow(&feed, &new_lists, world, revision, &snapshot, &sender))?;
        Ok((publisher, thread))
    }

    /// The pointer the query path reads.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        self.snapshot.clone()
    }

    /// What the first snapshot held.
    pub fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// The revision whose effects queries see.
    pub fn published(&self) -> Revision {
        *self.published.borrow()
    }

    /// Lets queries be decided by another table of subscribed lists: the next snapshot has it, and policies that choose
    /// among its lists. Returns when that snapshot serves, or the thread has ended.
    pub async fn set_lists(&self, lists: Arc<ListTable>) {
        let (done, waiting) = oneshot::channel();
        if self.lists.send((lists, done)).is_ok() {
            let _ = waiting.await;
        }
    }

    /// Returns when a snapshot of at least `revision` serves queries, or the thread has ended.
    pub async fn wait_for(&self, revision: Revision) {
        let _ = self.published.clone().wait_for(|published| *published >= revision).await;
    }
}

fn follow(
    feed: &Receiver<Committed>,
    new_lists: &Receiver<NewLists>,
    mut world: World,
    mut revision: Revision,
    snapshot: &ArcSwap<Snapshot>,
    published: &watch::Sender<Revision>,
) {
    // While no handle is left nobody brings lists, and the feed goes on.
    let (_nobody, never) = unbounded();
    let mut new_lists = new_lists;
    loop {
        let (mut batch, mut waiting) = (None, None);
        select! {
            recv(feed) -> committed => match committed {
                Ok(committed) => batch = Some(committed),
                Err(_) => return,
            },
            recv(new_lists) -> lists => match lists {
                Ok((lists, done)) => {
                    world.set_lists(lists);
                    waiting = Some(done);
                }
                Err(_) => new_lists = &never,
            },
        }
        let started = Instant::now();
        let mut touched = waiting.is_some();
        for committed in batch.into_iter().chain(feed.try_iter().take(BATCHES_MAX - 1)) {
            // A batch that the first snapshot already holds may still arrive.
            if committed.revision <= revision {
                continue;
            }
            revision = committed.revision;
            for change in committed.changes.iter() {
                let before = change.before.as_ref().and_then(deciding);
                match (change.after.as_ref().and_then(deciding), before) {
                    (Some(after), before) => world.upsert(before.as_ref(), &after),
                    (None, Some(before)) => world.remove(&before),
                    (None, None) => continue,
                }
                touched = true;
            }
        }
        if touched {
            let next = world.snapshot(revision.0);
            gauges(&next, started.elapsed());
            // The old snapshot is taken apart here and not by a query, unless one still holds it.
            drop(snapshot.swap(next));
        }
        let _ = published.send(revision);
        if let Some(done) = waiting {
            let _ = done.send(());
        }
    }
}

fn gauges(snapshot: &Snapshot, took: Duration) {
    metrics::gauge!("weir_snapshot_revision").set(snapshot.revision as f64);
    metrics::gauge!("weir_policies").set(snapshot.policies.len() as f64);
    metrics::gauge!("weir_customers").set(snapshot.customers.len() as f64);
    metrics::gauge!("weir_list_entries").set(snapshot.entries as f64);
    metrics::histogram!("weir_snapshot_compile_seconds").record(took.as_secs_f64());
}
