//! What a node needs to know before its store is open: addresses, folders, upstreams, limits.
//! Everything else is rows, changed through the API.
//!
//! The file is TOML with one table a section; every key has a default, unknown keys are refused, and
//! all faults are reported together with line and caret. Variables `WEIR_SECTION__KEY` override the
//! file. `config/example.toml` shows every key with its default.
//!
//! The sections, in the order of the file: `dns`, `resolve`, `cache`, `api`, `data` (with
//! `[category]`), `feeds`, `lists`, `safe_search`, `querylog`, `policy`, `services` (`[license]` and `[powerbi]`), `log` (with `[metrics]`). How a file becomes a [`Config`]:
//! `document` (positions, environment), `value` (kinds of values), `words` (what a refusal says),
//! `check` (contradictions), `faults` (how it is shown).

mod api;
mod cache;
mod check;
mod data;
mod dns;
mod document;
mod faults;
mod feeds;
mod lists;
mod log;
mod policy;
mod querylog;
mod resolve;
mod safe_search;
mod services;
mod value;
mod words;

pub use api::{Api, ApiTls};
pub use cache::Cache;
pub use data::{Category, Data};
pub use dns::{Dns, RateLimit, Tcp, UnknownClients};
pub use faults::Faults;
pub use feeds::{Feed, FeedSyntax};
pub use lists::Lists;
pub use log::{Log, LogFormat, LogLevel, Metrics};
pub use policy::{Inheritance, Policy};
pub use querylog::QueryLog;
pub use resolve::{Resolve, UpstreamCheck, Zone};
pub use safe_search::SafeSearch;
pub use services::{License, PowerBi, PublicKey};
pub use value::ByteSize;

use document::{Document, PREFIX};
use faults::{Fault, Source};
use serde::Deserialize;
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// Octets of the largest configuration file read.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// A node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where queries come in.
    pub dns: Dns,
    /// Where answers come from.
    pub resolve: Resolve,
    /// Answers kept.
    pub cache: Cache,
    /// The management API.
    pub api: Api,
    /// The node's folder.
    pub data: Data,
    /// What names are about.
    pub category: Category,
    /// Lists of names by category, kept fresh.
    pub feeds: Vec<Feed>,
    /// Subscribed lists.
    pub lists: Lists,
    /// Search engines.
    pub safe_search: SafeSearch,
    /// A line for every query.
    pub querylog: QueryLog,
    /// What holds for every policy.
    pub policy: Policy,
    /// The licence.
    pub license: License,
    /// Embedded Power BI reports.
    pub powerbi: PowerBi,
    /// The daemon's own log.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
}

impl Config {
    /// Reads a file, or takes the defaults where there is none, then applies the variables
    /// `WEIR_SECTION__KEY` of `env`. Paths in either are relative to the file's folder; without a
    /// file they stay as they are, relative to the working directory. `upstream` says whether a
    /// text names a server.
    ///
    /// ```
    /// let env = [("WEIR_DNS__TCP__IDLE_TIMEOUT_S".into(), "5".into())];
    /// let config = weir::config::Config::load(None, env, |_| Ok(())).expect("a known key and a good value");
    /// assert_eq!(config.dns.tcp.idle_timeout_s, 5);
    /// ```
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        upstream: UpstreamCheck,
    ) -> Result<Config, Faults> {
        let name = path.map_or_else(String::new, |path| path.display().to_string());
        let mut faults = Vec::new();
        let text = match path.map(read_file) {
            None => String::new(),
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                faults.push(Fault::new(format!("cannot read {name}: {error}"), None));
                String::new()
            }
        };
        let mut config = Self::from_texts(name, text, overrides(env), faults, upstream)?;
        if let Some(folder) = path.and_then(Path::parent) {
            config.resolve_paths(folder);
        }
        Ok(config)
    }

    /// Reads a text as a file of that name would be, without environment; paths stay as written and
    /// any text may name a server.
    pub fn parse(name: &str, text: &str) -> Result<Config, Faults> {
        Self::from_texts(name.to_owned(), text.to_owned(), Vec::new(), Vec::new(), |_| Ok(()))
    }

    fn from_texts(
        name: String,
        text: String,
        variables: Vec<(String, String)>,
        mut faults: Vec<Fault>,
        upstream: UpstreamCheck,
    ) -> Result<Config, Faults> {
        let mut sources = vec![Source { name, text, start: 0 }];
        for (name, value) in variables {
            let start = sources.last().map_or(0, |source| source.start + source.text.len() + 1);
            let text = format!("{name}={value}");
            sources.push(Source { name: format!("environment variable {name}"), text, start });
        }
        let mut document = Document::parse(&sources[0], &mut faults);
        let broken_lines: Vec<usize> = faults.iter().filter_map(|fault| line(&sources[0].text, fault)).collect();
        for variable in &sources[1..] {
            document.set(variable);
        }
        let mut more = Vec::new();
        let config = document.read(&mut more);
        // What follows from a line that is no TOML is no news.
        more.retain(|fault| line(&sources[0].text, fault).is_none_or(|line| !broken_lines.contains(&line)));
        faults.append(&mut more);
        let contradictions = check::contradictions(&config, &document, upstream);
        // A value with a fault inside was cut down; what it contradicts now says nothing.
        let told = |fault: &Fault| {
            fault.span.as_ref().is_some_and(|span| {
                faults
                    .iter()
                    .filter_map(|told| told.span.as_ref())
                    .any(|told| span.start <= told.start && told.end <= span.end)
            })
        };
        let contradictions: Vec<Fault> = contradictions.into_iter().filter(|fault| !told(fault)).collect();
        faults.extend(contradictions);
        if faults.is_empty() { Ok(config) } else { Err(Faults::new(sources.clone(), faults)) }
    }

    /// Makes relative paths start from `folder`.
    fn resolve_paths(&mut self, folder: &Path) {
        // Taken apart and put together again, so that `./` goes.
        let from = |path: &mut PathBuf| *path = folder.join(&*path).components().collect();
        from(&mut self.data.dir);
        self.category.file.as_mut().map(from);
        self.lists.folder.as_mut().map(from);
        self.feeds.iter_mut().filter_map(|feed| feed.file.as_mut()).for_each(from);
        self.querylog.dir.as_mut().map(from);
        if let Some(PublicKey::File(file)) = &mut self.license.public_key {
            from(file);
        }
        if let ApiTls::Files { certificate, key } = &mut self.api.tls {
            from(certificate);
            from(key);
        }
    }

    /// What works but is probably not meant, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        check::warnings(self)
    }

    /// The query log's folder.
    pub fn querylog_dir(&self) -> PathBuf {
        self.querylog.dir.clone().unwrap_or_else(|| self.data.dir.join("querylog"))
    }
}

/// The line a fault of the file begins in, from 0.
fn line(file: &str, fault: &Fault) -> Option<usize> {
    let start = fault.span.as_ref()?.start;
    file.as_bytes().get(..start).map(|before| before.iter().filter(|octet| **octet == b'\n').count())
}

fn read_file(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_OCTETS_MAX {
        return Err(io::Error::other(format!("it has {length} octets; at most {FILE_OCTETS_MAX} are read")));
    }
    fs::read_to_string(path)
}

/// The variables that mean a key: prefix and separator in their names. Sorted by name.
fn overrides(env: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = env
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| rest.contains("__")))
        .collect();
    variables.sort();
    variables
}

#[cfg(test)]
mod tests;
