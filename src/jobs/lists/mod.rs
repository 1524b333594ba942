//! Subscribed lists, kept fresh.
//!
//! [`Lists`] is the handle: the API asks it how a list stands, asks for a refresh and hands it uploads. Its loop
//! ([`keep`](Lists::keep)) follows the rows of lists and starts what is due, two at a time (`refresh`). Whenever a list changed, a table
//! of all of them is built beside the one that serves and handed to the publisher (`table`), one at a time: what changes
//! meanwhile goes into the next. `search` looks for rules in what is kept of a list.

mod figures;
mod notices;
mod refresh;
mod search;
mod shelf;
mod table;
mod transfer;

pub use refresh::RefreshError;
pub use search::SearchError;
pub use shelf::{ListStatus, Shelf};
pub use transfer::list_secret_context;

use crate::{
    feeds::{Bounds, Fetcher, Library, Recipe},
    model::{ListSource, ListSourceId, Timestamp},
    policy::ListTable,
    publish::Publisher,
    store::{Revision, Store},
};
use parking_lot::Mutex;
use refresh::Ask;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Lists that are brought at once.
const AT_ONCE_MAX: usize = 2;
/// How often it is looked for what is due, unless somebody asks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a change waits for the table it is in.
const TABLE_PATIENCE: Duration = Duration::from_secs(100);
/// Every how many turns what belongs to no list is looked for on disk.
const TURNS_TO_SWEEP: u64 = 3_600;

/// What may be kept of lists.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// The folder that files of system lists are in; `None`: there are no lists by file.
    pub folder: Option<PathBuf>,
    /// Octets of a list, unpacked.
    pub octets_max: u64,
    /// Rules of one list.
    pub rules_max: u64,
    /// Rules of all lists of a customer.
    pub rules_max_per_customer: u64,
    /// Rules of all lists of an MSP.
    pub rules_max_per_msp: u64,
    /// Rules of all lists of the system.
    pub rules_max_of_system: u64,
}

impl Default for ListOptions {
    fn default() -> Self {
        ListOptions {
            folder: None,
            octets_max: 512 << 20,
            rules_max: 10_000_000,
            rules_max_per_customer: 1_000_000,
            rules_max_per_msp: 5_000_000,
            rules_max_of_system: 30_000_000,
        }
    }
}

impl ListOptions {
    /// Bounds of any list.
    pub fn bounds(&self) -> Bounds {
        Bounds { octets_max: self.octets_max, rules_max: self.rules_max }
    }
}

/// What keeping lists takes.
pub struct ListParts {
    /// Sources.
    pub store: Store,
    /// Who takes tables.
    pub publisher: Publisher,
    /// How the lists stood at the start.
    pub shelf: Shelf,
    /// Who fetches.
    pub fetcher: Fetcher,
    /// Bounds.
    pub options: ListOptions,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// The subscribed lists. Cheap to clone.
#[derive(Clone)]
pub struct Lists(Arc<Inner>);

struct Inner {
    store: Store,
    publisher: Publisher,
    library: Library,
    fetcher: Fetcher,
    options: ListOptions,
    clock: fn() -> Timestamp,
    shelf: Mutex<HashMap<ListSourceId, shelf::Shelved>>,
    /// What is to be done with lists as soon as there is room.
    asked: Mutex<HashMap<ListSourceId, Ask>>,
    turns: Semaphore,
    /// Uploads do not wait for what the network is slow to bring.
    upload_turns: Semaphore,
    /// One piece of work on a list at a time.
    own_turns: Mutex<HashMap<ListSourceId, Arc<tokio::sync::Mutex<()>>>>,
    /// Who may tell that a zone has changed.
    zones: Mutex<notices::Zones>,
    searches: Arc<Semaphore>,
    /// Something may be due.
    due: Notify,
    /// The number of the last change that a table must have.
    changes: AtomicU64,
    /// A change came.
    changed: Notify,
    /// The number of the last change that the table has which serves.
    built: watch::Sender<u64>,
    table: Mutex<Arc<ListTable>>,
}

impl Lists {
    /// The handle; nothing is done before [`keep`](Self::keep) runs but what is asked for by calls that wait for it.
    pub fn new(parts: ListParts) -> Self {
        let ListParts { store, publisher, shelf, fetcher, options, clock } = parts;
        let Shelf { library, lists, table } = shelf;
        Lists(Arc::new(Inner {
            store,
            publisher,
            library,
            fetcher,
            options,
            clock,
            shelf: Mutex::new(lists),
            asked: Mutex::default(),
            turns: Semaphore::new(AT_ONCE_MAX),
            upload_turns: Semaphore::new(1),
            own_turns: Mutex::default(),
            zones: Mutex::default(),
            searches: Arc::new(Semaphore::new(search::AT_ONCE_MAX)),
            due: Notify::new(),
            changes: AtomicU64::new(0),
            changed: Notify::new(),
            built: watch::channel(0).0,
            table: Mutex::new(table),
        }))
    }

    /// Who fetches, for those who want to know beforehand whether a URL may be fetched.
    pub fn fetcher(&self) -> &Fetcher {
        &self.0.fetcher
    }

    /// Whether there may be lists by file.
    pub fn has_folder(&self) -> bool {
        self.0.options.folder.is_some()
    }

    /// How a list stands.
    pub fn status(&self, source: &ListSource) -> ListStatus {
        let table = self.0.table.lock().clone();
        let hits = table.hits().find(|(id, _)| *id == source.id).map(|(_, hits)| hits);
        let shelf = self.0.shelf.lock();
        let shelved = shelf.get(&source.id);
        let state = shelved.map(|shelved| shelved.state.clone()).unwrap_or_default();
        ListStatus {
            standing: state.standing(source.enabled),
            far: shelved.and_then(|shelved| shelved.work.as_ref()).map(|progress| progress.far()),
            hits: hits.unwrap_or(0),
            in_table: hits.is_some(),
            state,
        }
    }

    /// Brings a list as soon as there is room, whenever it is due. With `confirm` a version that was held back is taken, and
    /// where there is none, whatever its origin has.
    pub fn refresh(&self, id: ListSourceId, confirm: bool) {
        self.ask(id, if confirm { Ask::Confirm } else { Ask::Refresh });
    }

    /// A new path for a file that somebody sends; leftovers go at the next start.
    pub fn upload_path(&self) -> PathBuf {
        self.0.library.upload_path()
    }

    fn own_turn(&self, id: ListSourceId) -> Arc<tokio::sync::Mutex<()>> {
        self.0.own_turns.lock().entry(id).or_default().clone()
    }

    /// Looks at the rows of lists at once.
    pub fn look(&self) {
        self.0.due.notify_one();
    }

    fn ask(&self, id: ListSourceId, ask: Ask) {
        let mut asked = self.0.asked.lock();
        let stronger = asked.get(&id).is_none_or(|before| *before < ask);
        if stronger {
            asked.insert(id, ask);
        }
        drop(asked);
        self.0.due.notify_one();
    }

    /// Follows the rows of lists until the token is cancelled; what is under way is then given up.
    pub async fn keep(self, stop: CancellationToken) {
        let tables = tokio::spawn(self.clone().build_tables(stop.clone()));
        let mut work: JoinSet<ListSourceId> = JoinSet::new();
        let mut busy: HashSet<ListSourceId> = HashSet::new();
        let mut sources: HashMap<ListSourceId, ListSource> = HashMap::new();
        let mut seen: Option<Revision> = None;
        for turn in 0u64.. {
            while let Some(done) = work.try_join_next() {
                match done {
                    Ok(id) => drop(busy.remove(&id)),
                    Err(error) => tracing::error!(%error, "the work on a list stopped short"),
                }
            }
            if work.is_empty() {
                busy.clear();
            }
            let revision = self.0.store.revision();
            if seen != Some(revision) {
                let rows = self.0.store.all::<ListSource>().map(|row| (row.value.id, row.value));
                let next: HashMap<_, _> = rows.collect();
                self.follow(&sources, &next, seen.is_none());
                self.follow_zones(&next);
                (sources, seen) = (next, Some(revision));
            }
            self.catch_up();
            if turn % TURNS_TO_SWEEP == 0 {
                self.sweep(sources.keys().copied().collect());
            }
            for (id, ask) in self.due(&sources) {
                if !busy.contains(&id) {
                    self.0.asked.lock().remove(&id);
                    busy.insert(id);
                    let (lists, source) = (self.clone(), sources[&id].clone());
                    work.spawn(async move {
                        lists.bring(&source, ask).await;
                        id
                    });
                }
            }
            self.figures(&sources, busy.len());
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.due.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
                Some(done) = work.join_next() => if let Ok(id) = done { busy.remove(&id); },
            }
        }
        work.shutdown().await;
        let _ = tables.await;
    }

    /// What is to be done now, and with which lists.
    fn due(&self, sources: &HashMap<ListSourceId, ListSource>) -> Vec<(ListSourceId, Ask)> {
        let now = (self.0.clock)();
        let mut asked = self.0.asked.lock();
        asked.retain(|id, _| sources.contains_key(id));
        let shelf = self.0.shelf.lock();
        let of = |source: &ListSource| {
            let state = shelf.get(&source.id).map(|shelved| &shelved.state);
            let due = state.is_some_and(|state| state.is_due(source, now));
            asked.get(&source.id).copied().or_else(|| due.then_some(Ask::Scheduled))
        };
        sources.values().filter_map(|source| Some((source.id, of(source)?))).collect()
    }

    /// Takes over what changed in the rows.
    fn follow(&self, before: &HashMap<ListSourceId, ListSource>, now: &HashMap<ListSourceId, ListSource>, first: bool) {
        let mut shelf = self.0.shelf.lock();
        let gone: Vec<ListSourceId> = before.keys().filter(|id| !now.contains_key(id)).copied().collect();
        for id in &gone {
            shelf.remove(id);
            self.0.own_turns.lock().remove(id);
        }
        let mut table_changes = !gone.is_empty();
        let mut again = Vec::new();
        for source in now.values() {
            let shelved =
                shelf.entry(source.id).or_insert_with(|| shelf::Shelved::new(self.0.library.state(source.id)));
            let recipe = Recipe::of(source);
            let told = before.get(&source.id).is_some_and(|before| Recipe::of(before) == recipe);
            if !told && shelved.state.serves() && shelved.state.recipe.as_ref().is_some_and(|made| *made != recipe) {
                again.push(source.id);
            }
            let profile = |source: &ListSource| (source.enabled, table::profile(source));
            let new = before.get(&source.id).is_none_or(|before| profile(before) != profile(source));
            table_changes |= new && !first && shelved.state.serves();
        }
        drop(shelf);
        for id in again {
            self.ask(id, Ask::Reread);
        }
        if table_changes {
            self.table_changed();
        }
        if !gone.is_empty() {
            self.sweep(now.keys().copied().collect());
        }
    }

    /// Removes what belongs to no list.
    fn sweep(&self, known: HashSet<ListSourceId>) {
        let library = self.0.library.clone();
        tokio::task::spawn_blocking(move || match library.sweep(&known) {
            Ok(0) => {}
            Ok(folders) => tracing::info!(folders, "removed what belonged to no list"),
            Err(error) => tracing::warn!(%error, "what belongs to no list could not be removed"),
        });
    }

    /// Lets the next table be built; gives the number of the change.
    fn table_changed(&self) -> u64 {
        let number = self.0.changes.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.changed.notify_one();
        number
    }

    /// Returns when the table with this change serves; false where that takes too long.
    async fn table_has(&self, number: u64) -> bool {
        let mut built = self.0.built.subscribe();
        let waiting = built.wait_for(|built| *built >= number);
        tokio::time::timeout(TABLE_PATIENCE, waiting).await.is_ok_and(|done| done.is_ok())
    }
}
