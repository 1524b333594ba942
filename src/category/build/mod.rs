//! Lists to index: what `weir category build` does.
//!
//! Files are found and named (`walk`), opened and cut into lines (`read`), lines become names (`line`),
//! names become (fingerprint, source) records that are sorted in bounded memory (`spill`), and the sorted
//! records are written as an index beside the wanted file, which is then renamed over it. `ledger`
//! counts what happened to each source; `report` and `progress` show it.
//!
//! A list that cannot be read ends the build and leaves the old file in place: an index that silently
//! lacks a list is worse than yesterday's.

mod ledger;
mod line;
mod progress;
mod read;
mod report;
mod spill;
mod walk;

pub use ledger::{Sample, SourceCounts};
pub use line::is_own_name;
pub use progress::{Bar, Phase, Progress, Silent};
pub use report::BuildReport;
pub use walk::Skipped;

use super::{
    Catalogue,
    encode::{Outline, Writer},
    format::{FingerprintKey, Fingerprinter, random_key},
    starter,
    suffix::is_public_suffix,
};
use crate::model::{CategorySet, DomainName, Timestamp};
use ledger::Ledger;
use line::Item;
use spill::Sorter;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// What to build from what.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The index file to make or replace.
    pub out: PathBuf,
    /// Files and folders of lists.
    pub sources: Vec<PathBuf>,
    /// Time of the build, kept in the file.
    pub built_at: Timestamp,
    /// Octets of names held in memory before they are sorted and written to a temporary file beside
    /// `out`; at least 1 MiB is used.
    pub memory_budget: usize,
}

impl BuildOptions {
    /// Octets a build uses for sorting unless told otherwise.
    pub const MEMORY_BUDGET: usize = 64 << 20;
}

/// Why there is no new index. The old file, if any, is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A list, archive or folder could not be read to its end.
    #[error("{path} cannot be read: {cause}", path = path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system or the decoder said.
        #[source]
        cause: io::Error,
    },
    /// The index or a temporary file beside it could not be written.
    #[error("{path} cannot be written: {cause}", path = path.display())]
    Write {
        /// The index file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// No list gave a name; the report says what was found.
    #[error("no list gave a name, so nothing was written\n{0}")]
    Nothing(Box<BuildReport>),
}

/// Builds the index file. `progress` hears of octets read and of the phases. Every index also has the
/// test names under `weir.test`.
pub fn build(options: &BuildOptions, progress: &mut dyn Progress) -> Result<BuildReport, BuildError> {
    let key = random_key();
    let write_error = |cause| BuildError::Write { path: options.out.clone(), cause };
    let mut intake = Intake {
        ledger: Ledger::new(Catalogue::get()),
        sorter: Sorter::new(&options.out, options.memory_budget),
        fingerprinter: Fingerprinter::new(&key),
        labels_min: u8::MAX,
        labels_max: 0,
        skipped: Skipped::default(),
        out: &options.out,
    };

    let plan = walk::plan(&options.sources, &mut intake.ledger)?;
    intake.skipped = plan.skipped.clone();
    progress.begin(plan.octets());
    for input in &plan.inputs {
        read::read(input, &mut intake, progress)?;
    }

    progress.phase(Phase::Sorting);
    let sets = intake.test_names().map_err(write_error)?;
    let skipped = std::mem::take(&mut intake.skipped);
    let mut report = BuildReport { out: options.out.clone(), skipped, ..BuildReport::default() };
    intake.sorter.finish().map_err(write_error)?;
    let ledger = &mut intake.ledger;
    let counted = intake.sorter.groups(
        &sets,
        |source| ledger.duplicate(source),
        |_, _, listings| {
            report.names += 1;
            report.listings += u64::from(listings);
            Ok(())
        },
    );
    counted.map_err(write_error)?;
    report.sources = intake.ledger.counts();
    report.peak_memory = report::peak_memory();
    if report.used().all(|source| source.names == 0) {
        return Err(BuildError::Nothing(Box::new(report)));
    }

    progress.phase(Phase::Writing);
    let outline = intake.outline(key, options.built_at, &report);
    let temporary = Temporary::beside(&options.out).map_err(write_error)?;
    report.octets = write(&temporary, outline, &mut intake.sorter, &sets).map_err(write_error)?;
    temporary.rename_over(&options.out).map_err(write_error)?;
    progress.finish();
    report.peak_memory = report::peak_memory();
    Ok(report)
}

/// Writes the index to disk and returns its octets.
fn write(temporary: &Temporary, outline: Outline, sorter: &mut Sorter, sets: &[CategorySet]) -> io::Result<u64> {
    let file = BufWriter::with_capacity(256 << 10, File::create_new(&temporary.0)?);
    let mut writer = Writer::new(file, outline)?;
    sorter.groups(sets, |_| (), |fingerprint, set, _| writer.push(fingerprint, set))?;
    let mut file = writer.finish()?;
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(file.get_ref().metadata()?.len())
}

/// What the readers fill.
struct Intake<'a> {
    ledger: Ledger,
    sorter: Sorter,
    fingerprinter: Fingerprinter,
    labels_min: u8,
    labels_max: u8,
    skipped: Skipped,
    out: &'a Path,
}

impl Intake<'_> {
    /// Takes one line of a source.
    fn line(&mut self, source: u32, line: read::Line<'_>) -> Result<(), BuildError> {
        let counts = self.ledger.at(source);
        counts.lines += 1;
        let number = counts.lines;
        let mut names = Vec::new();
        match line {
            read::Line::TooLong(start) => counts.invalid(number, start, "the line is too long"),
            read::Line::Text(text) => line::parse(text, |item| match item {
                Item::Name(name) => names.push(name),
                Item::Address => counts.addresses += 1,
                Item::Invalid(reason) => counts.invalid(number, text, &reason),
            }),
        }
        names.into_iter().try_for_each(|name| self.name(source, &name))
    }

    fn name(&mut self, source: u32, name: &DomainName) -> Result<(), BuildError> {
        if is_public_suffix(name.as_name()) {
            self.ledger.at(source).suffixes += 1;
            return Ok(());
        }
        self.ledger.at(source).names += 1;
        self.push(name, source).map_err(|cause| BuildError::Write { path: self.out.to_owned(), cause })
    }

    fn push(&mut self, name: &DomainName, source: u32) -> io::Result<()> {
        let labels = name.as_name().label_count() as u8;
        (self.labels_min, self.labels_max) = (self.labels_min.min(labels), self.labels_max.max(labels));
        self.sorter.push(self.fingerprinter.of(name.as_name()), source)
    }

    /// Adds the test names under `weir.test`, each as if from a source of its category. Returns the
    /// categories of all sources by number, those included.
    fn test_names(&mut self) -> io::Result<Vec<CategorySet>> {
        let mut sets = self.ledger.sets();
        for (name, set) in starter::test_names() {
            self.push(&name, sets.len() as u32)?;
            sets.push(set);
        }
        Ok(sets)
    }

    fn outline(&self, key: FingerprintKey, built_at: Timestamp, report: &BuildReport) -> Outline {
        Outline {
            built_at,
            key,
            names: report.names,
            listings: report.listings,
            labels_min: self.labels_min,
            labels_max: self.labels_max,
        }
    }
}

/// A file under a temporary name beside the final one, removed unless it is renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(out: &Path) -> io::Result<Temporary> {
        let name = out.file_name().ok_or_else(|| io::Error::other("this is no file name"))?;
        let unique = u64::from_le_bytes(random_key().as_chunks::<8>().0[0]);
        Ok(Temporary(out.with_file_name(format!(".{}.{unique:016x}.new", name.to_string_lossy()))))
    }

    fn rename_over(&self, out: &Path) -> io::Result<()> {
        fs::rename(&self.0, out)?;
        // The rename itself reaches the disk with the folder.
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
