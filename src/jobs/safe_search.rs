//! The nightly look at search engines: whether the hosts they are led to are still there, and whether Google searches under
//! domains that are not in our table.

use crate::{
    feeds::{Fetched, Fetcher, Progress, Trust, Validators},
    model::Timestamp,
    policy::SearchEngines,
    resolve::{Key, Resolver},
    wire::rtype,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(24 * 3600);
/// From start to the first.
const FIRST: Duration = Duration::from_secs(600);
/// Octets of Google's list, as it comes and unpacked.
const OCTETS_MAX: u64 = 256 << 10;
/// How long fetching it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Domains that a list of them has at least.
const DOMAINS_MIN: usize = 20;
/// Domains of a list that are looked at.
const DOMAINS_MAX: usize = 5_000;
/// Seconds that a comparison is good for, for people who ask.
const GOOD_FOR_S: i64 = 3_600;
/// The same for one that failed.
const FAILED_FOR_S: i64 = 60;

/// What looking at search engines takes.
pub struct SafeSearchParts {
    /// Who resolves their hosts.
    pub resolver: Resolver,
    /// Who fetches Google's list.
    pub fetcher: Fetcher,
    /// Where it is; empty: nowhere.
    pub google_domains: String,
    /// Where it lies while it is read.
    pub file: PathBuf,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// How Google's list of its domains compares with the table of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleDomains {
    /// When it was fetched.
    pub at: Timestamp,
    /// Domains of the list that are not in the table: searches there are not filtered.
    pub new: Vec<String>,
    /// Domains of the table that are not on the list.
    pub gone: Vec<String>,
    /// Why there is no comparison.
    pub error: Option<String>,
}

/// What is known of search engines beyond the table. Cheap to clone.
#[derive(Clone)]
pub struct SafeSearch(Arc<Inner>);

struct Inner {
    parts: SafeSearchParts,
    last: Mutex<Option<GoogleDomains>>,
    turn: tokio::sync::Mutex<()>,
}

impl SafeSearch {
    /// The handle; nothing is asked before somebody asks, or [`keep`](Self::keep) runs.
    pub fn new(parts: SafeSearchParts) -> Self {
        let fetcher = parts.fetcher.within(OCTETS_MAX, PATIENCE);
        let parts = SafeSearchParts { fetcher, ..parts };
        SafeSearch(Arc::new(Inner { parts, last: Mutex::default(), turn: tokio::sync::Mutex::default() }))
    }

    /// Where Google's list comes from; `None`: it is not compared.
    pub fn source(&self) -> Option<&str> {
        Some(self.0.parts.google_domains.as_str()).filter(|url| !url.is_empty())
    }

    /// Resolves every filtered host once a day, compares Google's domains, and tells what is not as it should be.
    pub async fn keep(self, stop: CancellationToken) {
        let mut wait = FIRST;
        while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            wait = PERIOD;
            let missing = missing(&self.0.parts.resolver).await;
            metrics::gauge!("weir_safe_search_targets_missing").set(missing.len() as f64);
            match missing.is_empty() {
                true => tracing::info!("every filtered host of the search engines resolves"),
                false => tracing::warn!(hosts = %missing.join(", "), "filtered hosts of search engines do not resolve"),
            }
            *self.0.last.lock() = None;
            self.google_domains().await;
        }
    }

    /// Compares Google's domains with the table, unless that was done within the hour; `None`: it is turned off.
    pub async fn google_domains(&self) -> Option<GoogleDomains> {
        let url = self.source()?;
        let _turn = self.0.turn.lock().await;
        let now = (self.0.parts.clock)();
        let good_for = |last: &GoogleDomains| if last.error.is_some() { FAILED_FOR_S } else { GOOD_FOR_S };
        let last = self.0.last.lock().clone();
        if let Some(last) = last.filter(|last| (0..good_for(last)).contains(&(now.0 - last.at.0))) {
            return Some(last);
        }
        let compared = match self.fetch(url).await {
            Ok(listed) => compare(&listed, now),
            Err(error) => GoogleDomains { at: now, new: Vec::new(), gone: Vec::new(), error: Some(error) },
        };
        tell(&compared);
        *self.0.last.lock() = Some(compared.clone());
        Some(compared)
    }

    async fn fetch(&self, url: &str) -> Result<BTreeSet<String>, String> {
        let SafeSearchParts { fetcher, file, .. } = &self.0.parts;
        let fetched = fetcher.fetch(url, Trust::Operator, &Validators::default(), file, &Progress::default()).await;
        let path = file.clone();
        let read = move || {
            let listed = match fetched.map_err(|error| error.to_string())? {
                Fetched::Body { gzipped, .. } => listed(&path, gzipped).map_err(|error| error.to_string())?,
                Fetched::Unchanged => return Err("the server says that nothing changed since never".to_owned()),
            };
            // It is overwritten by the next one where it stays.
            let _ = std::fs::remove_file(&path);
            match listed.len() {
                0..DOMAINS_MIN => Err(format!("what came has {} domains of Google only", listed.len())),
                _ => Ok(listed),
            }
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// The domains of Google in a file: one a line, with a dot in front or without.
fn listed(path: &Path, gzipped: bool) -> io::Result<BTreeSet<String>> {
    let file = BufReader::new(File::open(path)?);
    let octets: Box<dyn Read> =
        if gzipped { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut listed = BTreeSet::new();
    for line in BufReader::new(octets.take(OCTETS_MAX)).split(b'\n').take(DOMAINS_MAX) {
        let line = String::from_utf8_lossy(&line?).trim().trim_start_matches('.').to_ascii_lowercase();
        let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-' || octet == b'.';
        if line.starts_with("google.") && line.len() <= 253 && line.bytes().all(plain) {
            listed.insert(line);
        }
    }
    Ok(listed)
}

fn compare(listed: &BTreeSet<String>, at: Timestamp) -> GoogleDomains {
    let engine = SearchEngines::get().all().iter().find(|engine| engine.id == "google");
    let hosts = engine.into_iter().flat_map(|engine| engine.hosts()).map(ToString::to_string);
    let known: BTreeSet<String> = hosts.filter(|host| host.starts_with("google.")).collect();
    let new = listed.difference(&known).cloned().collect();
    let gone = known.difference(listed).cloned().collect();
    GoogleDomains { at, new, gone, error: None }
}

/// Tells log and figures.
fn tell(compared: &GoogleDomains) {
    let GoogleDomains { new, gone, error, .. } = compared;
    metrics::gauge!("weir_safe_search_google_failed").set(f64::from(u8::from(error.is_some())));
    if let Some(error) = error {
        tracing::warn!(error, "Google's domains could not be compared with those known here");
        return;
    }
    metrics::gauge!("weir_safe_search_google_domains", "kind" => "new").set(new.len() as f64);
    metrics::gauge!("weir_safe_search_google_domains", "kind" => "gone").set(gone.len() as f64);
    if !new.is_empty() {
        tracing::warn!(domains = %new.join(", "), "Google searches under domains that safe search does not know");
    }
    if !gone.is_empty() {
        tracing::warn!(domains = %gone.join(", "), "Google names domains no more that safe search knows");
    }
    if new.is_empty() && gone.is_empty() {
        tracing::info!("Google's domains are those that safe search knows");
    }
}

/// The hosts without an IPv4 address.
async fn missing(resolver: &Resolver) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, target) in SearchEngines::get().all().iter().flat_map(|engine| engine.targets()) {
        let key = Key::plain(target.name.clone(), rtype::A);
        if resolver.resolve(key).await.addresses().next().is_none() {
            missing.push(target.name.to_string());
        }
    }
    missing
}
