//! How all lists stand, and the table at a start.

use super::table;
use crate::{
    feeds::{Bounds, Far, Library, ListState, Progress, Recipe, Standing},
    model::{ListSource, ListSourceId},
    policy::{ListTable, NameKey},
    store::Store,
};
use std::{collections::HashMap, sync::Arc, time::Instant};

/// A list's place on the shelf.
pub(super) struct Shelved {
    pub state: ListState,
    /// What is being done to it.
    pub work: Option<Arc<Progress>>,
}

impl Shelved {
    pub(super) fn new(state: ListState) -> Self {
        Shelved { state, work: None }
    }
}

/// How a list stands, for people.
#[derive(Clone, Debug)]
pub struct ListStatus {
    /// In a word.
    pub standing: Standing,
    /// All that is known.
    pub state: ListState,
    /// How far the work on it is; `None`: nothing is being done.
    pub far: Option<Far>,
    /// Queries it decided since the daemon started.
    pub hits: u64,
    /// Whether its rules decide.
    pub in_table: bool,
}

/// The lists as the last run left them.
pub struct Shelf {
    pub(super) library: Library,
    pub(super) lists: HashMap<ListSourceId, Shelved>,
    pub(super) table: Arc<ListTable>,
}

impl Shelf {
    /// Reads all lists from disk, without a network. A list whose copy cannot be read is missing from the table, and the
    /// log says why. Blocks for as long as that takes: about a second for five million names.
    pub fn open(library: Library, store: &Store, bounds: Bounds) -> Self {
        let started = Instant::now();
        let sources: Vec<ListSource> = store.all::<ListSource>().map(|row| row.value).collect();
        let lists: HashMap<ListSourceId, Shelved> =
            sources.iter().map(|source| (source.id, Shelved::new(library.state(source.id)))).collect();
        let serving = sources.iter().filter(|source| lists[&source.id].state.serves());
        let recipes: Vec<(ListSource, Recipe)> = serving
            .map(|source| {
                let made = lists[&source.id].state.recipe.clone();
                (source.clone(), made.unwrap_or_else(|| Recipe::of(source)))
            })
            .collect();
        let table = table::build(&library, &recipes, bounds, None);
        if !recipes.is_empty() {
            tracing::info!(
                lists = table.lists().count(),
                names = table.names(),
                took_ms = started.elapsed().as_millis() as u64,
                "subscribed lists were loaded"
            );
        }
        Shelf { library, lists, table: Arc::new(table) }
    }

    /// The table of all lists.
    pub fn table(&self) -> Arc<ListTable> {
        self.table.clone()
    }

    /// What names are hashed under.
    pub fn key(&self) -> NameKey {
        self.library.key()
    }
}
