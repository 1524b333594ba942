//! The table of all lists, built beside the one that serves.

use super::Lists;
use crate::{
    feeds::{Bounds, Library, Recipe},
    model::{ListSource, ListSyntax},
    policy::{ListProfile, ListTable},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How a list is used.
pub(super) fn profile(source: &ListSource) -> ListProfile {
    let zone = matches!(Recipe::of(source).syntax, Some(ListSyntax::Rpz));
    ListProfile { kind: source.kind, zone, zone_override: source.zone_override }
}

/// Builds a table of the copies of these lists, each read as its recipe says. A copy that cannot be read is left out, and the
/// log says why.
pub(super) fn build(
    library: &Library,
    lists: &[(ListSource, Recipe)],
    bounds: Bounds,
    before: Option<&ListTable>,
) -> ListTable {
    let loaded = lists.iter().filter(|(source, _)| source.enabled).filter_map(|(source, recipe)| {
        match library.load(source.id, recipe, bounds) {
            Ok(Some(list)) => {
                let mut profile = profile(source);
                // A zone may have been found out from its text.
                profile.zone |= library.state(source.id).report.is_some_and(|r| r.syntax == Some(ListSyntax::Rpz));
                Some((source.id, profile, Arc::new(list)))
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(list = source.id.0, %error, "the copy of a list cannot be read; its rules do not apply");
                None
            }
        }
    });
    let mut table = ListTable::build(loaded);
    if let Some(before) = before {
        table.continue_counting(before);
    }
    if !table.left_out().is_empty() {
        tracing::error!(lists = table.left_out().len(), "more lists than a table holds: the newest do not apply");
    }
    table
}

impl Lists {
    /// Builds a table whenever a list changed, and hands it to the publisher.
    pub(super) async fn build_tables(self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.0.changed.notified()).await.is_some() {
            let number = self.0.changes.load(Ordering::SeqCst);
            if number <= *self.0.built.borrow() {
                continue;
            }
            let started = Instant::now();
            let lists = self.clone();
            match tokio::task::spawn_blocking(move || lists.next_table()).await {
                Ok(table) => {
                    self.0.publisher.set_lists(table.clone()).await;
                    let took = started.elapsed();
                    metrics::histogram!("weir_list_table_build_seconds").record(took.as_secs_f64());
                    tracing::info!(
                        lists = table.lists().count(),
                        names = table.names(),
                        octets = table.octets(),
                        took_ms = took.as_millis() as u64,
                        "the table of subscribed lists was built"
                    );
                    *self.0.table.lock() = table;
                    self.0.built.send_replace(number);
                }
                Err(error) => tracing::error!(%error, "building the table of subscribed lists stopped short"),
            }
        }
    }

    fn next_table(&self) -> Arc<ListTable> {
        let sources: Vec<ListSource> = self.0.store.all::<ListSource>().map(|row| row.value).collect();
        let recipes: Vec<(ListSource, Recipe)> = {
            let shelf = self.0.shelf.lock();
            let made = |source: &ListSource| {
                let state = &shelf.get(&source.id)?.state;
                state.serves().then(|| state.recipe.clone().unwrap_or_else(|| Recipe::of(source)))
            };
            sources.iter().filter_map(|source| Some((source.clone(), made(source)?))).collect()
        };
        let before = self.0.table.lock().clone();
        Arc::new(build(&self.0.library, &recipes, self.bounds(), Some(&before)))
    }
}
