//! Rules of a list, looked for by people.

use super::Lists;
use crate::{
    feeds::{Findings, LibraryError, Part, Recipe, Sought},
    model::ListSource,
};
use std::time::{Duration, Instant};

/// Lists that are looked through at once.
pub(super) const AT_ONCE_MAX: usize = 2;
/// How long a search waits for those before it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a list is looked through; then what was found is all there is.
const SEARCH_TIME: Duration = Duration::from_secs(10);

/// Why a list was not looked through.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Others are looking; seconds after which it is worth asking again.
    #[error("other lists are being searched; ask again in {0} seconds")]
    Busy(u64),
    /// Its copy cannot be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The search stopped short.
    #[error("the search stopped short")]
    Stopped,
}

impl Lists {
    /// Looks for rules in the last good copy of a list. Takes ten seconds at most; `Findings::complete` says whether that was
    /// enough.
    pub async fn search(
        &self,
        source: &ListSource,
        sought: Sought,
        offset: usize,
        limit: usize,
    ) -> Result<Findings, SearchError> {
        let turn = tokio::time::timeout(PATIENCE, self.0.searches.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SearchError::Busy(SEARCH_TIME.as_secs())) };
        let recipe = self.0.shelf.lock().get(&source.id).and_then(|shelved| shelved.state.recipe.clone());
        let recipe = recipe.unwrap_or_else(|| Recipe::of(source));
        let (library, bounds, id) = (self.0.library.clone(), self.0.options.bounds(), source.id);
        let search = move || {
            // Held until the search is over, also where nobody waits for it any more.
            let _turn = turn;
            let until = Instant::now() + SEARCH_TIME;
            let part = Part { offset, limit, go_on: &mut || Instant::now() < until };
            library.search(id, &recipe, bounds, &sought, part)
        };
        Ok(tokio::task::spawn_blocking(search).await.map_err(|_| SearchError::Stopped)??)
    }
}
