//! Category feeds, kept fresh: lists with a category and archives of many, and the index made of them.
//!
//! `<data>/feeds/<name>/` holds the last good copy of each. When one has changed, the index is built beside the one
//! that serves, and takes its place; one that lost more than half of its names does not.

use crate::{
    category::{self, BuildOptions, BuildReport, Index, Phase},
    feeds::{Fetched, Fetcher, ParseOptions, Progress, Trust, Validators, parse},
    model::{Effect, ListSyntax, Pattern, Rule, Timestamp},
};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often it is looked for what is due.
const PERIOD: Duration = Duration::from_secs(5);
/// How often long work says how far it is.
const TELL_PERIOD: Duration = Duration::from_secs(10);
/// Seconds to the next try after the first error; doubled with each further one, a day at most.
const BACK_OFF_S: i64 = 60;
const BACK_OFF_MAX_S: i64 = 86_400;
/// Names below which an index may shrink as it likes.
const SHRINK_NAMES_MIN: u64 = 1_000;
const STATE: &str = "state.json";
const LISTS: &str = "lists";

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

/// How a feed stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct FeedState {
    origin: String,
    validators: Validators,
    next: i64,
    errors: u32,
}

/// Fetches feeds as they become due, one after the other, and builds the index anew when one has changed.
pub async fn keep_feeds(parts: FeedParts, stop: CancellationToken) {
    if parts.feeds.is_empty() {
        return;
    }
    let parts = Arc::new(parts);
    let mut states = parts.read_states();
    let mut build = !parts.out.exists();
    loop {
        for feed in &parts.feeds {
            let state = states.entry(feed.name.clone()).or_default();
            let now = (parts.clock)().0;
            if state.next > now && state.origin == feed.origin_text() {
                continue;
            }
            let Some(outcome) = stop.run_until_cancelled(parts.bring(feed, state.clone())).await else { return };
            let refresh = i64::from(feed.refresh_s);
            match outcome {
                Ok(validators) => {
                    build |= validators.is_some();
                    state.origin = feed.origin_text();
                    state.validators = validators.unwrap_or_else(|| state.validators.clone());
                    (state.next, state.errors) = (now + refresh, 0);
                }
                Err(error) => {
                    state.errors = state.errors.saturating_add(1);
                    let pause = (BACK_OFF_S << (state.errors - 1).min(16)).min(BACK_OFF_MAX_S);
                    state.next = now + pause;
                    state.origin = feed.origin_text();
                    tracing::warn!(
                        feed = feed.name,
                        errors = state.errors,
                        error,
                        "a category feed could not be refreshed"
                    );
                }
            }
            let word = if state.errors == 0 { "done" } else { "failed" };
            metrics::counter!("weir_feed_refreshes_total", "outcome" => word).increment(1);
            parts.write_states(&states);
        }
        if build {
            let work = parts.clone();
            match tokio::task::spawn_blocking(move || work.build()).await {
                Ok(Ok(Some((index, report)))) => {
                    tracing::info!(names = index.len(), octets = report.octets, "the category index was built");
                    parts.categories.store(Arc::new(index));
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::error!(error, "the category index could not be built; the one in use stays"),
                Err(error) => tracing::error!(%error, "building the category index stopped short"),
            }
            build = false;
        }
        let failing = states.values().filter(|state| state.errors > 0).count();
        metrics::gauge!("weir_feed_failing").set(failing as f64);
        if stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_none() {
            return;
        }
    }
}

impl CategoryFeed {
    fn origin_text(&self) -> String {
        match &self.origin {
            FeedOrigin::Url(url) => url.clone(),
            FeedOrigin::File(file) => file.display().to_string(),
        }
    }
}

impl FeedParts {
    fn read_states(&self) -> BTreeMap<String, FeedState> {
        let octets = fs::read(self.dir.join(STATE)).unwrap_or_default();
        serde_json::from_slice(&octets).unwrap_or_default()
    }

    fn write_states(&self, states: &BTreeMap<String, FeedState>) {
        let path = self.dir.join(STATE);
        let new = path.with_extension("new");
        let octets = serde_json::to_vec(states).unwrap_or_default();
        if let Err(error) = fs::write(&new, octets).and_then(|()| fs::rename(&new, &path)) {
            tracing::error!(%error, "how category feeds stand could not be kept");
        }
    }

    /// Brings a feed; `None`: it is what it was.
    async fn bring(self: &Arc<Self>, feed: &CategoryFeed, state: FeedState) -> Result<Option<Validators>, String> {
        let folder = self.dir.join(&feed.name);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let there = folder.join(LISTS).exists() && state.origin == feed.origin_text();
        let known = if there { state.validators } else { Validators::default() };
        let (path, gzipped, validators) = match &feed.origin {
            FeedOrigin::Url(url) => {
                let path = folder.join("inbox");
                let fetched = self.fetcher.fetch(url, Trust::Operator, &known, &path, &Progress::default()).await;
                match fetched.map_err(|error| error.to_string())? {
                    Fetched::Unchanged => return Ok(None),
                    Fetched::Body { validators, gzipped, .. } => (path, gzipped, validators),
                }
            }
            FeedOrigin::File(file) => {
                let about = file.metadata().map_err(|error| format!("{}: {error}", file.display()))?;
                let changed = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                let stamp = format!("{}-{}", changed.unwrap_or_default().as_nanos(), about.len());
                let validators = Validators { etag: Some(stamp), last_modified: None };
                if known == validators {
                    return Ok(None);
                }
                (file.clone(), false, validators)
            }
        };
        let (feed, octets_max) = (feed.clone(), self.octets_max);
        let took = tokio::task::spawn_blocking(move || take(&feed, &folder, &path, gzipped, octets_max)).await;
        took.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Some(validators))
    }

    /// Builds the index; `None` where there is nothing to build it from, or it lost too much.
    fn build(&self) -> Result<Option<(Index, BuildReport)>, String> {
        let sources: Vec<PathBuf> =
            self.feeds.iter().map(|feed| self.dir.join(&feed.name).join(LISTS)).filter(|path| path.exists()).collect();
        if sources.is_empty() {
            return Ok(None);
        }
        if let Some(folder) = self.out.parent() {
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let next = self.out.with_extension("next");
        let options = BuildOptions {
            out: next.clone(),
            sources,
            built_at: (self.clock)(),
            memory_budget: BuildOptions::MEMORY_BUDGET,
        };
        let started = Instant::now();
        let mut telling = Telling { done: 0, total: 0, told: started, started };
        let report = category::build(&options, &mut telling).map_err(|error| error.to_string())?;
        metrics::histogram!("weir_feed_build_seconds").record(started.elapsed().as_secs_f64());
        let before = Index::open(&self.out).map_or(0, |index| index.len());
        if before >= SHRINK_NAMES_MIN && report.names.saturating_mul(2) < before {
            let names = report.names;
            tracing::error!(names, before, "the category index lost more than half of its names; the one in use stays");
            return Ok(None);
        }
        fs::rename(&next, &self.out).map_err(|error| error.to_string())?;
        let index = Index::open(&self.out).map_err(|error| error.to_string())?;
        Ok(Some((index, report)))
    }
}

/// Takes a feed over as the index is built from it. What is no list, or no archive, is refused.
fn take(feed: &CategoryFeed, folder: &Path, from: &Path, gzipped: bool, octets_max: u64) -> io::Result<()> {
    let file = BufReader::new(File::open(from)?);
    let octets: Box<dyn Read> = if gzipped && feed.category.is_some() {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let next = folder.join("next");
    if next.exists() {
        fs::remove_dir_all(&next)?;
    }
    match &feed.category {
        Some(slug) => {
            fs::create_dir_all(next.join(slug))?;
            let mut out = BufWriter::new(File::create(next.join(slug).join("domains"))?);
            let options = ParseOptions { syntax: feed.syntax, octets_max, ..ParseOptions::default() };
            let mut failed = None;
            let mut names = 0u64;
            parse(octets, &options, &mut |rule| {
                let Rule::Name(rule) = rule else { return };
                let (Pattern::Exact(name) | Pattern::Suffix(name) | Pattern::Below(name)) = &rule.pattern else {
                    return;
                };
                if rule.effect == Effect::Block && rule.conditions.is_none() && failed.is_none() {
                    names += 1;
                    failed = writeln!(out, "{name}").err();
                }
            })
            .map_err(io::Error::other)?;
            if let Some(error) = failed {
                return Err(error);
            }
            if names == 0 {
                return Err(io::Error::other("the feed has no names"));
            }
            out.flush()?;
        }
        None => {
            fs::create_dir_all(&next)?;
            let path = next.join("archive.tar.gz");
            io::copy(&mut { octets }, &mut File::create(&path)?)?;
            check_archive(&path, octets_max)?;
        }
    }
    let lists = folder.join(LISTS);
    if lists.exists() {
        fs::remove_dir_all(&lists)?;
    }
    fs::rename(&next, &lists)
}

/// Reads an archive to its end.
fn check_archive(path: &Path, octets_max: u64) -> io::Result<()> {
    let unpacked =
        flate2::bufread::MultiGzDecoder::new(BufReader::new(File::open(path)?)).take(octets_max.saturating_mul(8));
    let mut files = 0;
    for entry in tar::Archive::new(unpacked).entries()? {
        let mut entry = entry?;
        io::copy(&mut entry, &mut io::sink())?;
        files += 1;
    }
    if files == 0 { Err(io::Error::other("the archive is empty")) } else { Ok(()) }
}

/// Tells the log how far a build is.
struct Telling {
    done: u64,
    total: u64,
    told: Instant,
    started: Instant,
}

impl category::Progress for Telling {
    fn begin(&mut self, octets: u64) {
        self.total = octets;
        tracing::info!(octets, "the category index is being built");
    }

    fn source(&mut self, _: &str) {}

    fn advance(&mut self, octets: u64) {
        self.done += octets;
        if self.told.elapsed() >= TELL_PERIOD {
            self.told = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            tracing::info!(octets = self.done, of = self.total, seconds, "the category index is still being built");
        }
    }

    fn phase(&mut self, phase: Phase) {
        tracing::info!(?phase, seconds = self.started.elapsed().as_secs(), "the category index is still being built");
    }

    fn finish(&mut self) {}
}
