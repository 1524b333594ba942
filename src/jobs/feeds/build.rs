//! The index, built beside the one that serves, and what a feed would give it.

use super::{
    Feeds, TELL_PERIOD,
    state::FeedReport,
    take::{Failed, LISTS},
};
use crate::{
    category::{self, BuildOptions, BuildReport, Catalogue, Index, Phase},
    feeds::{ImportReport, Progress, Sample},
    model::Timestamp,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Lists of an archive that are named although no category has them.
const UNKNOWN_MAX: usize = 50;
/// Bad lines of a feed that are kept.
const SAMPLES_MAX: usize = 5;

/// What reading a list gave before its names were looked at.
#[derive(Default)]
pub(super) struct Read {
    /// What was understood of it; `None`: it is an archive.
    pub of_list: Option<ImportReport>,
    /// Rules that no category can say.
    pub left_out: u64,
}

/// Reads a version as the index would. Fails where it gives no name.
pub(super) fn check(next: &Path, out: &Path, read: Read, progress: &Progress) -> Result<FeedReport, Failed> {
    let options = BuildOptions {
        out: out.to_owned(),
        sources: vec![next.to_owned()],
        built_at: Timestamp(0),
        memory_budget: BuildOptions::MEMORY_BUDGET,
    };
    let report = category::build(&options, &mut Told { progress, quiet: true }).map_err(|error| match error {
        category::BuildError::Nothing(_) => Failed { text: "the feed has no names".to_owned(), wait_s: None },
        error => error.into(),
    })?;
    // It was for counting only; one that stays is overwritten.
    let _ = fs::remove_file(out);
    Ok(counted(&report, read))
}

fn counted(built: &BuildReport, read: Read) -> FeedReport {
    let mut report = FeedReport { left_out: read.left_out, ..FeedReport::default() };
    for source in built.used() {
        report.lines += source.lines;
        report.names += source.names;
        report.duplicates += source.duplicates;
        report.invalid += source.invalid;
        let room = SAMPLES_MAX.saturating_sub(report.samples.len());
        let samples = source.samples.iter().take(room);
        report.samples.extend(samples.map(|sample| Sample {
            line: sample.line,
            text: sample.text.clone(),
            reason: format!("{}: {}", source.name, sample.reason),
        }));
        for name in Catalogue::get().names(source.categories) {
            *report.categories.entry(name.to_owned()).or_default() += source.names;
        }
    }
    report.unknown = built.unknown().take(UNKNOWN_MAX).map(|source| source.name.clone()).collect();
    if let Some(list) = read.of_list {
        report.syntax = list.syntax;
        report.lines = list.lines;
        report.duplicates = list.duplicates;
        report.invalid += list.invalid;
        report.samples = list.invalid_samples;
        report.left_out += list.unsupported.values().sum::<u64>();
    }
    report
}

impl Feeds {
    /// Builds the index of the copies there are and lets it serve; false where that failed.
    pub(super) async fn build(self) -> bool {
        let progress = Arc::new(Progress::default());
        *self.0.building.lock() = Some(progress.clone());
        let started = Instant::now();
        let feeds = self.clone();
        let outcome = tokio::task::spawn_blocking(move || feeds.next_index(&progress)).await;
        let outcome = outcome.unwrap_or_else(|error| Err(error.into()));
        let took_ms = started.elapsed().as_millis() as u64;
        let done = match outcome {
            Ok((index, built)) => {
                let (names, octets) = (index.len(), index.octets());
                self.0.parts.categories.store(Arc::new(index));
                self.0.kept.lock().built = built;
                self.write();
                metrics::histogram!("weir_feed_build_seconds").record(started.elapsed().as_secs_f64());
                metrics::counter!("weir_feed_builds_total", "outcome" => "done").increment(1);
                tracing::info!(names, octets, took_ms, "the category index was built and serves");
                *self.0.build_error.lock() = None;
                true
            }
            Err(error) => {
                metrics::counter!("weir_feed_builds_total", "outcome" => "failed").increment(1);
                tracing::error!(
                    error = error.text,
                    took_ms,
                    "the category index could not be built; the one in use stays"
                );
                *self.0.build_error.lock() = Some(error.text);
                false
            }
        };
        *self.0.building.lock() = None;
        done
    }

    /// Builds the index and puts it in the place of the one on disk; says what it is made of.
    fn next_index(&self, progress: &Progress) -> Result<(Index, BTreeMap<String, String>), Failed> {
        let _turn = self.0.exchange.lock();
        let made_of = self.sources();
        let copy = |name: &String| self.0.parts.dir.join(name).join(LISTS);
        let sources: Vec<PathBuf> = made_of.keys().map(copy).filter(|path| path.exists()).collect();
        if sources.is_empty() {
            return Err(io::Error::other("there is no copy of any feed").into());
        }
        let out = &self.0.parts.out;
        if let Some(folder) = out.parent() {
            fs::create_dir_all(folder)?;
        }
        let next = out.with_extension("next");
        let options = BuildOptions {
            out: next.clone(),
            sources,
            built_at: (self.0.parts.clock)(),
            memory_budget: BuildOptions::MEMORY_BUDGET,
        };
        category::build(&options, &mut Telling::new(progress))?;
        // What is damaged must not take the place of what is not.
        Index::open(&next)?;
        fs::rename(&next, out)?;
        Ok((Index::open(out)?, made_of))
    }
}

/// Hands on how far a build is.
struct Told<'a> {
    progress: &'a Progress,
    quiet: bool,
}

impl category::Progress for Told<'_> {
    fn begin(&mut self, octets: u64) {
        self.progress.begin("reading", octets);
    }

    fn source(&mut self, _: &str) {}

    fn advance(&mut self, octets: u64) {
        self.progress.advance(octets);
    }

    fn phase(&mut self, phase: Phase) {
        let name = match phase {
            Phase::Sorting => "sorting",
            Phase::Writing if self.quiet => "counting",
            Phase::Writing => "writing",
        };
        self.progress.begin(name, 0);
    }

    fn finish(&mut self) {}
}

/// The same, and tells the log.
struct Telling<'a> {
    told: Told<'a>,
    last: Instant,
    started: Instant,
}

impl<'a> Telling<'a> {
    fn new(progress: &'a Progress) -> Self {
        let now = Instant::now();
        Telling { told: Told { progress, quiet: false }, last: now, started: now }
    }

    fn tell(&mut self) {
        if self.last.elapsed() >= TELL_PERIOD {
            self.last = Instant::now();
            let far = self.told.progress.far();
            let seconds = self.started.elapsed().as_secs();
            tracing::info!(
                doing = far.phase,
                octets = far.done,
                of = far.total,
                seconds,
                "the category index is still being built"
            );
        }
    }
}

impl category::Progress for Telling<'_> {
    fn begin(&mut self, octets: u64) {
        self.told.begin(octets);
        tracing::info!(octets, "the category index is being built");
    }

    fn source(&mut self, _: &str) {}

    fn advance(&mut self, octets: u64) {
        self.told.advance(octets);
        self.tell();
    }

    fn phase(&mut self, phase: Phase) {
        self.told.phase(phase);
        self.tell();
    }

    fn finish(&mut self) {}
}
