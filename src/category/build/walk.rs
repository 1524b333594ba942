//! Finding the lists among the files and folders given, and what each is called.

use super::{BuildError, ledger::Ledger};
use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Folders inside folders that are entered.
const DEPTH_MAX: usize = 6;
/// Skipped files that are named in the report.
const SKIPPED_NAMED_MAX: usize = 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What a file is by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A list; the folders it lies in and its own name.
    List(Vec<String>, Packing),
    /// A tar archive of lists.
    Archive(Packing),
    /// What collections have beside their `domains` files, of no use here: URLs, expressions, usage.
    Companion,
    /// Something else.
    Other,
}

/// A file to read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) role: InputRole,
    pub(super) packing: Packing,
    /// As it lies on disk.
    pub(super) octets: u64,
}

/// What to do with an input.
#[derive(Debug)]
pub(super) enum InputRole {
    /// Read it as lines of this source.
    List(u32),
    /// Read the lists in it.
    Archive,
}

/// Files that were found and not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// `urls`, `expressions` and `usage` files of collections.
    pub companions: u64,
    /// Files of other kinds.
    pub others: u64,
    /// The first of those.
    pub named: Vec<PathBuf>,
}

impl Skipped {
    pub(super) fn other(&mut self, path: &Path) {
        self.others += 1;
        if self.named.len() < SKIPPED_NAMED_MAX {
            self.named.push(path.to_owned());
        }
    }
}

/// What will be read, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) inputs: Vec<Input>,
    pub(super) skipped: Skipped,
}

impl Plan {
    pub(super) fn octets(&self) -> u64 {
        self.inputs.iter().map(|input| input.octets).sum()
    }
}

/// Finds everything to read below the given paths. Lists that are unknown or ignored are noted in the
/// ledger and not read.
pub(super) fn plan(sources: &[PathBuf], ledger: &mut Ledger) -> Result<Plan, BuildError> {
    let mut walk = Walk { plan: Plan::default(), ledger, seen: HashSet::new(), links: Vec::new() };
    for source in sources {
        let real = attempt(source, fs::canonicalize(source))?;
        // Lists go by the names they are given under, which a link may choose.
        let source = attempt(source, std::path::absolute(source))?;
        if real.is_dir() {
            walk.folder(&real, &source, &real, 0)?;
        } else {
            walk.file(&source, &real, true)?;
        }
    }
    walk.ledger.aliases(&std::mem::take(&mut walk.links));
    let Walk { mut plan, ledger, .. } = walk;
    plan.inputs.retain(|input| match input.role {
        InputRole::List(source) => !ledger.at(source).categories.is_empty(),
        InputRole::Archive => true,
    });
    Ok(plan)
}

struct Walk<'a> {
    plan: Plan,
    ledger: &'a mut Ledger,
    /// Folders and files already taken, by their real paths.
    seen: HashSet<PathBuf>,
    /// Symbolic links inside the tree: the link, and the real path it leads to.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Walk<'_> {
    /// Takes what lies in the folder `real`, which the caller knows as `path`, below the folder `root`.
    fn folder(&mut self, root: &Path, path: &Path, real: &Path, depth: usize) -> Result<(), BuildError> {
        if !self.seen.insert(real.to_owned()) {
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in attempt(real, fs::read_dir(real))? {
            names.push(attempt(real, entry)?.file_name());
        }
        names.sort();
        for name in names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
            let (path, mut real) = (path.join(name), real.join(name));
            if attempt(&real, fs::symlink_metadata(&real))?.is_symlink() {
                real = match fs::canonicalize(&real) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.plan.skipped.other(&path);
                        continue;
                    }
                    target => attempt(&real, target)?,
                };
                if real.starts_with(root) {
                    self.links.push((path, real));
                    continue;
                }
            }
            if !real.is_dir() {
                self.file(&path, &real, false)?;
            } else if depth < DEPTH_MAX {
                self.folder(root, &path, &real, depth + 1)?;
            } else {
                self.plan.skipped.other(&path);
            }
        }
        Ok(())
    }

    /// Takes the file `real`, which the caller knows as `path`; one given by name is a list whatever
    /// its ending.
    fn file(&mut self, path: &Path, real: &Path, by_name: bool) -> Result<(), BuildError> {
        let (role, packing) = match role(path) {
            Role::List(names, packing) => (InputRole::List(self.ledger.number(&names)), packing),
            Role::Archive(packing) => (InputRole::Archive, packing),
            Role::Companion => {
                self.plan.skipped.companions += 1;
                return Ok(());
            }
            Role::Other if by_name => {
                let names = names_of(&path.with_extension(""));
                (InputRole::List(self.ledger.number(&names)), Packing::Plain)
            }
            Role::Other => {
                self.plan.skipped.other(path);
                return Ok(());
            }
        };
        let metadata = attempt(path, fs::metadata(real))?;
        if !metadata.is_file() {
            self.plan.skipped.other(path);
        } else if self.seen.insert(real.to_owned()) {
            self.plan.inputs.push(Input { path: path.to_owned(), role, packing, octets: metadata.len() });
        }
        Ok(())
    }
}

fn attempt<T>(path: &Path, result: io::Result<T>) -> Result<T, BuildError> {
    result.map_err(|cause| BuildError::Read { path: path.to_owned(), cause })
}

/// What a file is, by its name alone: `name.txt` or another list ending, `domains` in a folder with
/// the list's name, `.tar`; each plain, `.gz` or `.zst`.
pub(super) fn role(path: &Path) -> Role {
    let Some(file) = path.file_name().and_then(|name| name.to_str()) else { return Role::Other };
    let (rest, packing) = match file.rsplit_once('.') {
        Some((rest, "gz")) => (rest, Packing::Gzip),
        Some((rest, "zst")) => (rest, Packing::Zstd),
        Some((_, "tgz")) => return Role::Archive(Packing::Gzip),
        _ => (file, Packing::Plain),
    };
    let (stem, ending) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let part = if ending.bytes().all(|octet| octet.is_ascii_digit()) { stem } else { rest };
    match part {
        "domains" => return Role::List(path.parent().map(names_of).unwrap_or_default(), packing),
        "urls" | "expressions" | "usage" | "very_restrictive_expression" | "global_usage" => return Role::Companion,
        _ => {}
    }
    match ending {
        "tar" => Role::Archive(packing),
        "txt" | "list" | "hosts" | "domains" => Role::List(names_of(&path.with_file_name(stem)), packing),
        // `ads.gz`: nothing else a packed file without a second ending could be.
        "" if packing != Packing::Plain => Role::List(names_of(&path.with_file_name(stem)), packing),
        _ => Role::Other,
    }
}

/// The path of the source a link or its target stands for: a list file, or a folder with one.
pub(super) fn source_path(path: &Path) -> Option<Vec<String>> {
    match role(path) {
        Role::List(names, _) => Some(names),
        Role::Companion | Role::Archive(_) => None,
        Role::Other => Some(names_of(path)),
    }
}

fn names_of(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_what_it_is() {
        let list = |names: &str, packing| Role::List(names.split('/').map(str::to_owned).collect(), packing);
        for (path, expected) in [
            ("ads.txt", list("ads", Packing::Plain)),
            ("x/ads.txt.zst", list("x/ads", Packing::Zstd)),
            ("ads.gz", list("ads", Packing::Gzip)),
            ("ads.txt.gz", list("ads", Packing::Gzip)),
            ("BL/adult/domains", list("BL/adult", Packing::Plain)),
            ("adult/domains.gz", list("adult", Packing::Gzip)),
            ("adult/domains.0", list("adult", Packing::Plain)),
            ("adult/domains.12.gz", list("adult", Packing::Gzip)),
            ("bl.tar.gz", Role::Archive(Packing::Gzip)),
            ("bl.tgz", Role::Archive(Packing::Gzip)),
            ("bl.tar", Role::Archive(Packing::Plain)),
            ("bl.tar.zst", Role::Archive(Packing::Zstd)),
            ("adult/urls", Role::Companion),
            ("adult/urls.gz", Role::Companion),
            ("adult/usage", Role::Companion),
            ("adult/expressions", Role::Companion),
            ("README.md", Role::Other),
            ("LICENSE", Role::Other),
            ("picture.png", Role::Other),
        ] {
            assert_eq!(role(Path::new(path)), expected, "{path}");
        }
    }
}
