//! What happened to each source.

use super::{
    super::{Catalogue, Source, catalogue},
    walk::source_path,
};
use crate::model::CategorySet;
use std::{collections::HashMap, path::PathBuf};

/// Bad lines of a source that are kept to be shown.
const SAMPLES_MAX: usize = 5;
/// Characters of a bad line that are kept.
const SAMPLE_CHARACTERS_MAX: usize = 80;

/// A line that is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its number, counted from 1 over all files of the source.
    pub line: u64,
    /// Its beginning, control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The counts of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Its name as the collection spells it.
    pub name: String,
    /// Its categories; empty for a source that is unknown or ignored.
    pub categories: CategorySet,
    /// Why it was left out.
    pub ignored: Option<String>,
    /// Other names the collection has for it (symbolic links); not read again.
    pub aliases: Vec<String>,
    /// Lines read, comments and blank ones included.
    pub lines: u64,
    /// Different names.
    pub names: u64,
    /// Names it gave again.
    pub duplicates: u64,
    /// Lines that are no names.
    pub invalid: u64,
    /// Names that are public suffixes, dropped.
    pub suffixes: u64,
    /// Addresses and address ranges, dropped.
    pub addresses: u64,
    /// The first bad lines, at most five.
    pub samples: Vec<Sample>,
}

impl SourceCounts {
    pub(super) fn invalid(&mut self, line: u64, text: &[u8], reason: &str) {
        self.invalid += 1;
        if self.samples.len() < SAMPLES_MAX {
            let text = String::from_utf8_lossy(&text[..text.len().min(4 * SAMPLE_CHARACTERS_MAX)]);
            let text = text.trim().chars().take(SAMPLE_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
            self.samples.push(Sample { line, text, reason: reason.to_owned() });
        }
    }
}

/// All sources of a build by number.
pub(super) struct Ledger {
    catalogue: &'static Catalogue,
    numbers: HashMap<String, u32>,
    sources: Vec<SourceCounts>,
}

impl Ledger {
    pub(super) fn new(catalogue: &'static Catalogue) -> Self {
        Ledger { catalogue, numbers: HashMap::new(), sources: Vec::new() }
    }

    /// The number of the source that lies under these folders, its own name last.
    pub(super) fn number(&mut self, path: &[String]) -> u32 {
        let name = self.name(path);
        let normal = catalogue::normal(&name);
        if let Some(&number) = self.numbers.get(&normal) {
            return number;
        }
        let mut source = SourceCounts { name, ..SourceCounts::default() };
        apply(&mut source, self.catalogue.by_source(&normal));
        let number = self.sources.len() as u32;
        self.sources.push(source);
        self.numbers.insert(normal, number);
        number
    }

    /// A source's name: the last two parts of its path joined if the catalogue knows that
    /// (`sex/education`), else the last one.
    fn name(&self, path: &[String]) -> String {
        let joined = path.last_chunk::<2>().map(|[folder, name]| format!("{folder}/{name}"));
        let joined = joined.filter(|name| self.catalogue.by_source(name) != Source::Unknown);
        joined.unwrap_or_else(|| path.last().cloned().unwrap_or_default())
    }

    /// Takes links between lists or their folders, as (link, target). A target that is no source is
    /// nobody's alias.
    pub(super) fn aliases(&mut self, links: &[(PathBuf, PathBuf)]) {
        for (alias, target) in links {
            let (Some(alias), Some(target)) = (source_path(alias), source_path(target)) else { continue };
            if let Some(&source) = self.numbers.get(&catalogue::normal(&self.name(&target))) {
                self.alias(source, &alias);
            }
        }
    }

    /// Notes that a source has another name. Its own name says what it is; only where the catalogue
    /// does not know that, the other one does.
    fn alias(&mut self, source: u32, path: &[String]) {
        let Some(alias) = path.last() else { return };
        let standing = self.catalogue.by_source(alias);
        let source = &mut self.sources[source as usize];
        if catalogue::normal(&source.name) == catalogue::normal(alias) || source.aliases.contains(alias) {
            return;
        }
        if source.categories.is_empty() && source.ignored.is_none() {
            apply(source, standing);
        }
        source.aliases.push(alias.clone());
    }

    /// The counts of a source.
    pub(super) fn at(&mut self, source: u32) -> &mut SourceCounts {
        &mut self.sources[source as usize]
    }

    /// Moves one name of a source to its duplicates.
    pub(super) fn duplicate(&mut self, source: u32) {
        if let Some(counts) = self.sources.get_mut(source as usize) {
            counts.names -= 1;
            counts.duplicates += 1;
        }
    }

    /// The categories of each source by number.
    pub(super) fn sets(&self) -> Vec<CategorySet> {
        self.sources.iter().map(|source| source.categories).collect()
    }

    /// All sources by name.
    pub(super) fn counts(&self) -> Vec<SourceCounts> {
        let mut sources = self.sources.clone();
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        sources
    }
}

fn apply(source: &mut SourceCounts, standing: Source<'_>) {
    match standing {
        Source::Feeds(set) => source.categories = set,
        Source::Ignored(reason) => source.ignored = Some(reason.to_owned()),
        Source::Unknown => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    fn ledger() -> Ledger {
        Ledger::new(Catalogue::get())
    }

    #[test]
    fn nested_folders_are_known_joined_before_alone() {
        let mut ledger = ledger();
        let sex_education = ledger.number(&path("BL/sex/education"));
        let education = ledger.number(&path("BL/education"));
        assert_ne!(sex_education, education);
        assert_eq!(ledger.number(&path("Education")), education);
        assert_eq!(ledger.at(sex_education).name, "sex/education");
        assert_eq!(ledger.at(education).name, "education");
    }

    #[test]
    fn an_alias_gives_a_meaning_only_to_a_source_without_one() {
        let mut ledger = ledger();
        let forums = ledger.number(&path("forums"));
        let before = ledger.sets()[0];
        ledger.alias(forums, &path("mail"));
        assert_eq!((ledger.sets()[0], ledger.at(forums).aliases.clone()), (before, vec!["mail".to_owned()]));

        let unknown = ledger.number(&path("x17"));
        assert!(ledger.at(unknown).categories.is_empty());
        ledger.alias(unknown, &path("porn"));
        assert_eq!(ledger.at(unknown).categories.iter().map(|id| id.number()).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn five_bad_lines_are_kept_and_made_harmless() {
        let mut counts = SourceCounts::default();
        for line in 1..=7 {
            counts.invalid(line, &b"\x1b[31mred\xff ".repeat(40), "because");
        }
        assert_eq!((counts.invalid, counts.samples.len()), (7, 5));
        assert!(counts.samples[0].text.starts_with("\\u{1b}[31mred"), "{}", counts.samples[0].text);
    }
}
