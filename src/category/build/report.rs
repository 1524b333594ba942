//! What a build did.

use super::{SourceCounts, walk::Skipped};
use crate::category::Catalogue;
use std::{fmt, path::PathBuf, time::Duration};

/// The result of a build; its text is the summary for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildReport {
    /// The index file.
    pub out: PathBuf,
    /// Every source by name: read, ignored and unknown ones.
    pub sources: Vec<SourceCounts>,
    /// Files that were found and not read.
    pub skipped: Skipped,
    /// Different names in the index, the test names under `weir.test` included.
    pub names: u64,
    /// (name, source) pairs they came from.
    pub listings: u64,
    /// Octets of the index file.
    pub octets: u64,
    /// How long the build took, if the caller measured it: a build reads no clock.
    pub took: Option<Duration>,
    /// The most memory the process ever held, octets; `None` where the system does not tell.
    pub peak_memory: Option<u64>,
}

impl BuildReport {
    /// Sources the catalogue does not know; their lists are not in the index.
    pub fn unknown(&self) -> impl Iterator<Item = &SourceCounts> {
        self.sources.iter().filter(|source| source.categories.is_empty() && source.ignored.is_none())
    }

    /// Sources the catalogue leaves out.
    pub fn ignored(&self) -> impl Iterator<Item = &SourceCounts> {
        self.sources.iter().filter(|source| source.ignored.is_some())
    }

    /// Sources that are in the index.
    pub fn used(&self) -> impl Iterator<Item = &SourceCounts> {
        self.sources.iter().filter(|source| !source.categories.is_empty())
    }

    /// Octets of the index for each name.
    pub fn octets_per_name(&self) -> f64 {
        self.octets as f64 / self.names.max(1) as f64
    }
}

impl fmt::Display for BuildReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.used().map(|source| source.name.chars().count()).max().unwrap_or(0).max("source".len());
        if self.used().next().is_some() {
            let [lines, names, duplicates, invalid] = ["lines", "names", "duplicates", "invalid"];
            let [suffixes, addresses] = ["suffixes", "addresses"];
            writeln!(
                f,
                "{:width$} {lines:>10} {names:>10} {duplicates:>10} {invalid:>8} {suffixes:>8} {addresses:>9}  categories",
                "source"
            )?;
        }
        for source in self.used() {
            let SourceCounts { name, lines, names, duplicates, invalid, suffixes, addresses, .. } = source;
            let categories: Vec<&str> = Catalogue::get().names(source.categories).collect();
            writeln!(
                f,
                "{name:width$} {lines:>10} {names:>10} {duplicates:>10} {invalid:>8} {suffixes:>8} {addresses:>9}  {}",
                categories.join(", ")
            )?;
            if !source.aliases.is_empty() {
                writeln!(f, "{:width$} also called {}", "", source.aliases.join(", "))?;
            }
            for sample in &source.samples {
                writeln!(f, "{:width$} line {}: {}: {}", "", sample.line, sample.text, sample.reason)?;
            }
        }
        for source in self.ignored() {
            writeln!(f, "ignored: {}: {}", source.name, source.ignored.as_deref().unwrap_or_default())?;
        }
        for source in self.unknown() {
            writeln!(f, "skipped: {}: no category has a source of this name", source.name)?;
        }
        if self.skipped.companions > 0 {
            writeln!(f, "skipped: {} files of URLs, expressions and descriptions", self.skipped.companions)?;
        }
        for path in &self.skipped.named {
            writeln!(f, "skipped: {}: not a list", path.display())?;
        }
        let unnamed = self.skipped.others - self.skipped.named.len() as u64;
        if unnamed > 0 {
            writeln!(f, "skipped: {unnamed} more files that are not lists")?;
        }
        write!(f, "{} entries, {} different names", self.listings, self.names)?;
        if self.octets > 0 {
            write!(f, ", {} bytes, {:.1} bytes a name", self.octets, self.octets_per_name())?;
        }
        if let Some(took) = self.took {
            write!(f, ", {:.1} seconds", took.as_secs_f64())?;
        }
        if let Some(octets) = self.peak_memory {
            write!(f, ", {} MiB of memory at the peak", octets >> 20)?;
        }
        Ok(())
    }
}

/// The most memory this process ever held (`VmHWM` of proc(5)), octets.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?;
    kibibytes.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}
