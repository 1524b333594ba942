//! Category feeds, kept fresh: lists with a category and archives of many, and the index made of them.
//!
//! [`Feeds`] is the handle: the API asks it how feeds stand and asks for a refresh. Its loop ([`keep`](Feeds::keep)) brings what is
//! due, two at a time (`take`), and whenever one has changed builds the index beside the one that serves (`build`). How a
//! feed stands is in `state`.
//!
//! `<data>/feeds/<name>/lists` is the last good copy of each feed, `held` a version that lost more than half of the names and
//! waits for somebody to confirm it, `<data>/feeds/state.json` how they stand.

mod build;
mod state;
mod take;

pub use state::{FeedHeld, FeedReport, FeedState};

use crate::{
    category::Index,
    feeds::{Far, Fetcher, Progress, Standing},
    model::{ListSyntax, Timestamp},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use state::{Kept, Made};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use take::Brought;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Feeds that are brought at once.
const AT_ONCE_MAX: usize = 2;
/// How often it is looked for what is due, unless somebody asks.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a change waits for feeds that are on their way, so that one index has them all.
const COMPANY_PATIENCE: Duration = Duration::from_secs(30);
/// From a build that failed to the next.
const BUILD_PAUSE: Duration = Duration::from_secs(60);
/// How often long work says how far it is.
const TELL_PERIOD: Duration = Duration::from_secs(10);
const STATE: &str = "state.json";

/// Where a category feed comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedOrigin {
    /// Fetched.
    Url(String),
    /// A file of this machine.
    File(PathBuf),
}

/// A feed of categories.
#[derive(Clone, Debug)]
pub struct CategoryFeed {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// Where it comes from.
    pub origin: FeedOrigin,
    /// The slug of the category its names belong to; `None`: it is an archive (tar, gzipped) of lists by category.
    pub category: Option<String>,
    /// How it is written; `None`: found out.
    pub syntax: Option<ListSyntax>,
    /// Seconds between refreshes.
    pub refresh_s: u32,
}

impl CategoryFeed {
    fn origin_text(&self) -> String {
        match &self.origin {
            FeedOrigin::Url(url) => url.clone(),
            FeedOrigin::File(file) => file.display().to_string(),
        }
    }

    fn made(&self) -> Made {
        Made { category: self.category.clone(), syntax: self.syntax }
    }
}

/// What keeping feeds takes.
pub struct FeedParts {
    /// The folder of copies.
    pub dir: PathBuf,
    /// The index made of them.
    pub out: PathBuf,
    /// The feeds.
    pub feeds: Vec<CategoryFeed>,
    /// Who fetches.
    pub fetcher: Fetcher,
    /// Octets of a feed, unpacked.
    pub octets_max: u64,
    /// The index that serves.
    pub categories: Arc<ArcSwap<Index>>,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// How a feed stands, for people.
#[derive(Clone, Debug)]
pub struct FeedStatus {
    /// The feed as it is configured.
    pub feed: CategoryFeed,
    /// In a word.
    pub standing: Standing,
    /// All that is known.
    pub state: FeedState,
    /// How far the work on it is; `None`: nothing is being done.
    pub far: Option<Far>,
    /// Whether its names are in the index that serves.
    pub serving: bool,
}

/// How the index stands that is made of feeds.
#[derive(Clone, Debug)]
pub struct FeedIndex {
    /// Names in the index that serves.
    pub names: u64,
    /// When that was built.
    pub built: Timestamp,
    /// How far the building of the next one is; `None`: none is being built.
    pub far: Option<Far>,
    /// Why the last one could not be built.
    pub error: Option<String>,
}

/// The category feeds. Cheap to clone.
#[derive(Clone)]
pub struct Feeds(Arc<Inner>);

struct Inner {
    parts: FeedParts,
    kept: Mutex<Kept>,
    /// What is being done to feeds, by name.
    work: Mutex<HashMap<String, Arc<Progress>>>,
    /// What somebody asked for, by name: with `true`, to take it even if it lost most of its names.
    asked: Mutex<BTreeMap<String, bool>>,
    building: Mutex<Option<Arc<Progress>>>,
    build_error: Mutex<Option<String>>,
    turns: Semaphore,
    due: Notify,
    /// Held while copies are exchanged, and while an index is built from them.
    exchange: Mutex<()>,
}

impl Feeds {
    /// The handle; reads how the feeds stood. Nothing is done before [`keep`](Self::keep) runs.
    pub fn new(parts: FeedParts) -> Self {
        let octets = fs::read(parts.dir.join(STATE)).unwrap_or_default();
        let mut kept: Kept = serde_json::from_slice(&octets).unwrap_or_default();
        for feed in &parts.feeds {
            let state = kept.feeds.entry(feed.name.clone()).or_default();
            state.follow(&feed.origin_text(), &feed.made());
            if !take::mend(&parts.dir.join(&feed.name)) {
                state.lost();
            }
        }
        // An index that is missing or damaged does not serve; it is built anew of the copies.
        if parts.categories.load().source() != Some(parts.out.as_path()) {
            kept.built.clear();
        }
        Feeds(Arc::new(Inner {
            parts,
            kept: Mutex::new(kept),
            work: Mutex::default(),
            asked: Mutex::default(),
            building: Mutex::default(),
            build_error: Mutex::default(),
            turns: Semaphore::new(AT_ONCE_MAX),
            due: Notify::new(),
            exchange: Mutex::new(()),
        }))
    }

    /// How all feeds stand, in the order of the configuration.
    pub fn all(&self) -> Vec<FeedStatus> {
        self.0.parts.feeds.iter().map(|feed| self.of(feed)).collect()
    }

    /// How a feed stands; `None`: there is none of this name.
    pub fn status(&self, name: &str) -> Option<FeedStatus> {
        self.0.parts.feeds.iter().find(|feed| feed.name == name).map(|feed| self.of(feed))
    }

    /// How the index stands.
    pub fn index(&self) -> FeedIndex {
        let index = self.0.parts.categories.load();
        FeedIndex {
            names: index.len(),
            built: index.built_at(),
            far: self.0.building.lock().as_ref().map(|progress| progress.far()),
            error: self.0.build_error.lock().clone(),
        }
    }

    /// Brings a feed as soon as there is room. With `confirm` a version that was held back is taken, and where there is none,
    /// whatever its origin has. False where there is no feed of this name.
    pub fn refresh(&self, name: &str, confirm: bool) -> bool {
        if !self.0.parts.feeds.iter().any(|feed| feed.name == name) {
            return false;
        }
        *self.0.asked.lock().entry(name.to_owned()).or_default() |= confirm;
        self.0.due.notify_one();
        true
    }

    fn of(&self, feed: &CategoryFeed) -> FeedStatus {
        let (state, serving) = {
            let kept = self.0.kept.lock();
            (kept.state(&feed.name), kept.built.contains_key(&feed.name))
        };
        let waiting = self.0.asked.lock().contains_key(&feed.name).then(|| Progress::default().far());
        let far = self.0.work.lock().get(&feed.name).map(|progress| progress.far());
        FeedStatus { feed: feed.clone(), standing: state.standing(), state, far: far.or(waiting), serving }
    }

    /// Brings feeds as they become due and builds the index anew when one has changed, until the token is cancelled.
    pub async fn keep(self, stop: CancellationToken) {
        if self.0.parts.feeds.is_empty() {
            return;
        }
        self.forget_others();
        let mut work: JoinSet<String> = JoinSet::new();
        let mut builds: JoinSet<bool> = JoinSet::new();
        let mut busy: HashSet<String> = HashSet::new();
        // Since when the index is not what the copies are, and when it may be built.
        let mut stale: Option<Instant> = None;
        let mut build_from = Instant::now();
        loop {
            while let Some(done) = work.try_join_next() {
                match done {
                    Ok(name) => drop(busy.remove(&name)),
                    Err(error) => tracing::error!(%error, "the work on a category feed stopped short"),
                }
            }
            if work.is_empty() {
                busy.clear();
                self.0.work.lock().clear();
            }
            while let Some(done) = builds.try_join_next() {
                if !done.unwrap_or(false) {
                    build_from = Instant::now() + BUILD_PAUSE;
                }
            }
            for (feed, confirm) in self.due() {
                if busy.insert(feed.name.clone()) {
                    self.0.asked.lock().remove(&feed.name);
                    let feeds = self.clone();
                    work.spawn(async move {
                        feeds.bring(&feed, confirm).await;
                        feed.name
                    });
                }
            }
            stale = if self.is_stale() { stale.or_else(|| Some(Instant::now())) } else { None };
            let patience = if busy.is_empty() { Duration::ZERO } else { COMPANY_PATIENCE };
            let ripe = stale.is_some_and(|since| since.elapsed() >= patience) && Instant::now() >= build_from;
            if ripe && builds.is_empty() {
                builds.spawn(self.clone().build());
            }
            self.figures();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.due.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
                Some(done) = work.join_next() => if let Ok(name) = done { busy.remove(&name); },
                Some(done) = builds.join_next() => if !done.unwrap_or(false) { build_from = Instant::now() + BUILD_PAUSE; },
            }
        }
        work.shutdown().await;
        builds.shutdown().await;
    }

    /// What is to be brought now, and whether somebody confirmed it.
    fn due(&self) -> Vec<(CategoryFeed, bool)> {
        let now = (self.0.parts.clock)();
        let (asked, kept) = (self.0.asked.lock(), self.0.kept.lock());
        let of = |feed: &CategoryFeed| {
            let scheduled = kept.state(&feed.name).next.is_none_or(|next| next <= now);
            asked.get(&feed.name).copied().or_else(|| scheduled.then_some(false))
        };
        self.0.parts.feeds.iter().filter_map(|feed| Some((feed.clone(), of(feed)?))).collect()
    }

    /// Whether the index is made of other copies than there are.
    fn is_stale(&self) -> bool {
        let sources = self.sources();
        let kept = self.0.kept.lock();
        !sources.is_empty() && kept.built != sources
    }

    /// What there is of each feed: its stamp by its name.
    fn sources(&self) -> BTreeMap<String, String> {
        let kept = self.0.kept.lock();
        let names = self.0.parts.feeds.iter().map(|feed| &feed.name);
        names.filter_map(|name| Some((name.clone(), kept.feeds.get(name)?.stamp()?))).collect()
    }

    /// Brings a feed and notes what came of it.
    async fn bring(&self, feed: &CategoryFeed, confirm: bool) {
        let progress = Arc::new(Progress::default());
        self.0.work.lock().insert(feed.name.clone(), progress.clone());
        let Ok(_turn) = self.0.turns.acquire().await else { return };
        let started = Instant::now();
        tracing::info!(feed = feed.name, "a category feed is being refreshed");
        let work = self.version(feed, confirm, &progress);
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = tokio::time::sleep(TELL_PERIOD) => {
                    let far = progress.far();
                    let seconds = started.elapsed().as_secs();
                    tracing::info!(feed = feed.name, doing = far.phase, octets = far.done, of = far.total, seconds,
                        "a category feed is still being refreshed");
                }
            }
        };
        let now = (self.0.parts.clock)();
        let mut state = self.0.kept.lock().state(&feed.name);
        let word = match &outcome {
            Ok(Brought::Unchanged(_)) => "unchanged",
            Ok(Brought::Adopted(_)) => "changed",
            Ok(Brought::Held(_)) => "held",
            Err(_) => "failed",
        };
        let took_ms = started.elapsed().as_millis() as u64;
        match outcome {
            Ok(Brought::Unchanged(validators)) => state.unchanged(validators, feed.refresh_s, now),
            Ok(Brought::Adopted(version)) => state.adopted(*version, feed.made(), feed.refresh_s, now),
            Ok(Brought::Held(version)) => {
                let (names, before) = (version.report.names, state.names);
                state.held_back(*version, feed.refresh_s, now);
                tracing::warn!(
                    feed = feed.name,
                    names,
                    before,
                    "a category feed lost more than half of its names and waits to be confirmed; the last good copy serves"
                );
            }
            Err(error) => {
                state.failed(&error.text, error.wait_s, now);
                tracing::warn!(
                    feed = feed.name,
                    errors = state.errors,
                    error = error.text,
                    serving = state.stamp().is_some(),
                    "a category feed could not be refreshed; the last good copy serves, if there is one"
                );
            }
        }
        if word != "failed" {
            tracing::info!(
                feed = feed.name,
                outcome = word,
                names = state.names,
                took_ms,
                "a category feed was refreshed"
            );
        }
        metrics::counter!("weir_feed_refreshes_total", "feed" => feed.name.clone(), "outcome" => word).increment(1);
        self.0.kept.lock().feeds.insert(feed.name.clone(), state);
        self.write();
        self.0.work.lock().remove(&feed.name);
    }

    /// Keeps how the feeds stand.
    fn write(&self) {
        let path = self.0.parts.dir.join(STATE);
        let new = path.with_extension("new");
        // Held for the writing: the younger state must not be overwritten by the older one.
        let kept = self.0.kept.lock();
        let octets = serde_json::to_vec(&*kept).unwrap_or_default();
        let written = fs::create_dir_all(&self.0.parts.dir)
            .and_then(|()| fs::write(&new, octets))
            .and_then(|()| fs::rename(&new, &path));
        if let Err(error) = written {
            tracing::error!(%error, "how category feeds stand could not be kept");
        }
    }

    /// Removes what is of feeds that are configured no more.
    fn forget_others(&self) {
        let mut kept = self.0.kept.lock();
        let gone: Vec<String> = kept.feeds.keys().filter(|name| self.is_unknown(name)).cloned().collect();
        for name in gone {
            tracing::info!(feed = name, "a category feed is configured no more; its copy is removed");
            let removed = fs::remove_dir_all(self.0.parts.dir.join(&name));
            if let Err(error) = removed.or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }) {
                tracing::warn!(feed = name, %error, "the copy of a category feed could not be removed");
            }
            kept.feeds.remove(&name);
        }
    }

    fn is_unknown(&self, name: &str) -> bool {
        !self.0.parts.feeds.iter().any(|feed| feed.name == name)
    }

    /// Tells how the feeds stand.
    fn figures(&self) {
        let now = (self.0.parts.clock)();
        let mut counts = [0u32; Standing::ALL.len()];
        for FeedStatus { feed, standing, state, .. } in self.all() {
            if let Some(place) = Standing::ALL.iter().position(|known| *known == standing) {
                counts[place] += 1;
            }
            metrics::gauge!("weir_feed_names", "feed" => feed.name.clone()).set(state.names as f64);
            metrics::gauge!("weir_feed_errors", "feed" => feed.name.clone()).set(state.errors);
            if let Some(fetched) = state.fetched {
                metrics::gauge!("weir_feed_age_seconds", "feed" => feed.name).set((now.0 - fetched.0).max(0) as f64);
            }
        }
        for (standing, count) in Standing::ALL.iter().zip(counts) {
            if *standing != Standing::Disabled {
                metrics::gauge!("weir_feed_sources", "state" => standing.name()).set(count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
