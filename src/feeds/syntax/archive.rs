//! Archives of categories as UT1, squidGuard and e2guardian have them: a folder a category, with `domains`
//! (names with what is below them), `urls` and `expressions` (about URLs: counted and left out), and symbolic
//! links for other names of a category. <https://dsi.ut-capitole.fr/blacklists/index_en.php>

use super::{ImportReport, ParseError, ParseOptions, intake::Intake, lines::Lines, plain, unpack};
use crate::model::{ListKind, ListSyntax, Rule};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    path::{Component, Path, PathBuf},
};

/// Categories of an archive.
const CATEGORIES_MAX: usize = 2000;
/// Aliases of an archive.
const ALIASES_MAX: usize = 2000;
/// Characters of a category's name.
const NAME_CHARACTERS_MAX: usize = 100;
/// Octets of the catalogue of an archive.
const USAGE_OCTETS_MAX: u64 = 4 << 20;

/// A category of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveCategory {
    /// Its other names.
    pub aliases: Vec<String>,
    /// What it is for, if the archive's `global_usage` says.
    pub kind: Option<ListKind>,
    /// Its English name and description, as `global_usage` has them.
    pub title: Option<String>,
    /// What the description says, in English.
    pub description: Option<String>,
    /// What was read; `urls_skipped` and `unsupported` tell of its other files.
    pub report: ImportReport,
}

/// Reads the names of all categories of an archive (packed or not) and gives them to the sink with the name of
/// their category: the folder they lie in, without the one all folders lie in. Aliases are told in the result,
/// not given again. Fails like [`parse`](super::parse).
pub fn categories(
    archive: impl Read,
    options: &ParseOptions,
    sink: &mut dyn FnMut(&str, Rule),
) -> Result<BTreeMap<String, ArchiveCategory>, ParseError> {
    let mut octets = unpack::open(archive, options.octets_max)?;
    if !super::detect::is_tar(octets.start()?) {
        return Err(ParseError::NotAList("it is no tar archive".to_owned()));
    }
    let mut all: BTreeMap<String, ArchiveCategory> = BTreeMap::new();
    let mut taken = Taken::default();
    let mut usage = String::new();
    let aliases = each(octets, options, &mut |name, file, octets| {
        if file == File::Usage {
            octets.take(USAGE_OCTETS_MAX).read_to_string(&mut usage)?;
            return Ok(());
        }
        if !all.contains_key(name) && all.len() >= CATEGORIES_MAX {
            return Err(ParseError::NotAList(format!("it has more than {CATEGORIES_MAX} categories")));
        }
        let category = all.entry(name.to_owned()).or_default();
        let options = taken.left(options, category.report.octets);
        let mut give = |rule| sink(name, rule);
        let mut intake = Intake::new(ListSyntax::Ut1, &options, &mut give);
        intake.report = std::mem::take(&mut category.report);
        let before = (intake.report.rules.total(), intake.report.lines, intake.report.octets);
        intake.report.syntax = Some(ListSyntax::Ut1);
        take(&mut intake, file, octets)?;
        category.report = intake.finish()?;
        let report = &category.report;
        taken.rules += report.rules.total() - before.0;
        taken.lines += report.lines - before.1;
        taken.octets += report.octets - before.2;
        Ok(())
    })?;
    for (alias, name) in aliases {
        if let Some(category) = all.get_mut(&name) {
            category.aliases.push(alias);
        }
    }
    describe(&usage, &mut all);
    Ok(all)
}

/// What all files of an archive have taken of its bounds.
#[derive(Default)]
struct Taken {
    lines: u64,
    rules: u64,
    octets: u64,
}

impl Taken {
    /// What is left for a file of a category of which so many octets were read before, which count again.
    fn left(&self, options: &ParseOptions, own: u64) -> ParseOptions {
        ParseOptions {
            // The lines of a category are counted over all its files, so the bound stays that of all.
            lines_max: options.lines_max,
            rules_max: options.rules_max.saturating_sub(self.rules),
            octets_max: options.octets_max.saturating_sub(self.octets).saturating_add(own),
            ..options.clone()
        }
    }
}

/// Reads an archive as one list of all its names.
pub(super) fn read(octets: unpack::Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let options = intake.options;
    let aliases = each(octets, options, &mut |_, file, octets| match file {
        File::Usage => Ok(()),
        file => take(intake, file, octets),
    })?;
    intake.report.aliases = aliases;
    Ok(())
}

/// A file of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Domains,
    Urls,
    Expressions,
    /// `global_usage`, which describes the categories.
    Usage,
}

/// Takes a file of a category.
fn take(intake: &mut Intake<'_>, file: File, octets: &mut dyn Read) -> Result<(), ParseError> {
    if file == File::Domains {
        // Files in the archive may be packed on their own; what they unpack to counts towards the same bound.
        let left = intake.options.octets_max.saturating_sub(intake.report.octets);
        let octets = unpack::open(octets, left)?;
        return intake.lines(octets.into_read(), plain::line);
    }
    let mut lines = Lines::new(BufReader::new(octets));
    while lines.next()?.is_some() {
        match file {
            File::Urls => intake.report.urls_skipped += 1,
            _ => intake.report.unsupported("expressions of URLs"),
        }
    }
    Ok(())
}

/// Takes a file: the name of its category, what it is, and its octets.
type Take<'t> = dyn FnMut(&str, File, &mut dyn Read) -> Result<(), ParseError> + 't;

/// Hands every file of a category over, and returns the aliases with the categories they stand for.
fn each(
    octets: unpack::Octets<'_>,
    options: &ParseOptions,
    take: &mut Take<'_>,
) -> Result<Vec<(String, String)>, ParseError> {
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut archive = tar::Archive::new(octets.into_read());
    let mut files = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        files += 1;
        if files > options.lines_max {
            return Err(ParseError::TooManyLines(options.lines_max));
        }
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            if let Some(target) = entry.link_name()?.filter(|_| links.len() < ALIASES_MAX) {
                let target = if kind.is_symlink() { resolved(&path, &target) } else { target.into_owned() };
                links.push((path, target));
            }
        } else if kind.is_file()
            && let Some((name, file)) = role(&path)
        {
            take(&name, file, &mut entry)?;
        }
    }
    let aliases = links.iter().filter_map(|(alias, target)| {
        let (alias, target) = (category_of_link(alias)?, category_of_link(target)?);
        (alias != target).then_some((alias, target))
    });
    let mut aliases: Vec<(String, String)> = aliases.collect();
    aliases.sort();
    aliases.dedup();
    Ok(aliases)
}

/// What a file is, and of which category. Big files may be cut (`domains.0`), and packed (`domains.gz`).
fn role(path: &Path) -> Option<(String, File)> {
    let file = path.file_name()?.to_str()?;
    let file = file.strip_suffix(".gz").unwrap_or(file);
    let (stem, ending) = file.split_once('.').unwrap_or((file, ""));
    if !ending.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let file = match stem {
        "global_usage" => return Some((String::new(), File::Usage)),
        "domains" => File::Domains,
        "urls" => File::Urls,
        "expressions" | "very_restrictive_expression" => File::Expressions,
        _ => return None,
    };
    Some((category(path.parent()?)?, file))
}

/// The category of a folder: its path without the folder that holds all of them.
fn category(folder: &Path) -> Option<String> {
    let parts: Vec<&str> = folder
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let name = if parts.len() > 1 { parts[1..].join("/") } else { parts.first()?.to_string() };
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX && !name.contains(char::is_control);
    fits.then_some(name)
}

/// The category a link or its target stands for: a folder, or the list in it.
fn category_of_link(path: &Path) -> Option<String> {
    match role(path) {
        Some((name, File::Domains)) => Some(name),
        Some(_) => None,
        None => category(path),
    }
}

/// Where a symbolic link leads to, within the archive.
fn resolved(link: &Path, target: &Path) -> PathBuf {
    let mut path = link.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in target.components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path
}

/// Takes what `global_usage` says: paragraphs of `KEY: value`, each beginning with `NAME:`.
fn describe(usage: &str, all: &mut BTreeMap<String, ArchiveCategory>) {
    let mut name = String::new();
    for line in usage.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if key.trim() == "NAME" {
            value.clone_into(&mut name);
            continue;
        }
        let Some(category) = all.get_mut(&name).filter(|_| !value.is_empty()) else { continue };
        let text = || Some(value.chars().take(1000).filter(|c| !c.is_control()).collect());
        match key.trim() {
            "DEFAULT_TYPE" => {
                category.kind = match value {
                    "black" => Some(ListKind::Block),
                    "white" => Some(ListKind::Allow),
                    _ => None,
                };
            }
            "NAME EN" => category.title = text(),
            "DESC EN" => category.description = text(),
            _ => {}
        }
    }
}
