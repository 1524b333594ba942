//! Imports: an export becomes a database, whole or not at all.

use super::disk::{Disk, DiskError, Edits};
use super::export::{ExportReport, FORMAT, Header, Line, VERSION, list_exports};
use super::keys::{self, RowKey};
use super::open;
use super::record::{self, Revision};
use super::stage::Counters;
use super::tables::{AnyRow, Table};
use super::{OpenError, files};
use crate::model::FILE_OCTETS_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Octets of the longest line taken: a file in base64, and its name.
const LINE_OCTETS_MAX: usize = FILE_OCTETS_MAX * 2;

/// Rows written in one batch.
const ROWS_AT_ONCE: usize = 2_000;

/// What to do with a database that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and import nothing.
    Keep,
    /// Put it aside as `store.replaced-<n>`.
    Replace,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is a database already.
    #[error("{} has a database already", dir.display())]
    NotEmpty {
        /// The data folder.
        dir: PathBuf,
    },
    /// The file is no complete export of a version this program knows.
    #[error("{} is no good export: {reason}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        reason: String,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database could not be written.
    #[error("the import could not be written: {0}")]
    Write(io::Error),
}

/// Makes the database of a data folder out of an export: the same rows with the same ids and
/// revisions, and no id that was ever given out comes again. The change log begins anew. The export
/// is checked before anything is touched. No daemon may be using the folder.
pub fn import(path: &Path, data_dir: &Path, existing: Existing) -> Result<ExportReport, ImportError> {
    let _lock = open::take(data_dir)?;
    let store_dir = data_dir.join("store");
    if existing == Existing::Keep && store_dir.join("db").exists() {
        return Err(ImportError::NotEmpty { dir: data_dir.to_owned() });
    }
    let built = build(path, data_dir)?;
    if store_dir.exists() {
        put_aside(&store_dir, "replaced").map_err(ImportError::Write)?;
    }
    put_in_place(data_dir).map_err(ImportError::Write)?;
    Ok(built)
}

fn draft_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("store.importing")
}

/// Gives the imported database its name.
pub(super) fn put_in_place(data_dir: &Path) -> io::Result<()> {
    fs::rename(draft_dir(data_dir), data_dir.join("store"))?;
    File::open(data_dir)?.sync_all()
}

/// Renames a database to `<name>.<why>-<n>`.
pub(super) fn put_aside(dir: &Path, why: &str) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let aside = dir.with_extension(format!("{why}-{number}"));
        if !aside.exists() {
            fs::rename(dir, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}

/// Builds the database beside its place. The caller has locked the folder.
pub(super) fn build(path: &Path, data_dir: &Path) -> Result<ExportReport, ImportError> {
    // Once to see that it is whole, once to take it.
    read(path, &mut |_| Ok(()))?;
    let draft = draft_dir(data_dir);
    let clear = || match fs::remove_dir_all(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ImportError::Write(e)),
        _ => Ok(()),
    };
    clear()?;
    let built = fill(path, data_dir, &draft);
    if built.is_err() {
        clear()?;
    }
    built
}

fn fill(path: &Path, data_dir: &Path, draft: &Path) -> Result<ExportReport, ImportError> {
    let failed = |e: DiskError| ImportError::Write(e.into_io());
    DirBuilder::new().recursive(true).mode(0o700).create(draft).map_err(ImportError::Write)?;
    let disk = Disk::open(draft, 32 * 1024 * 1024).map_err(failed)?;
    let mut counters: Counters = [1; 256];
    let mut edits = Edits::default();
    let mut waiting = 0;
    let mut revision = Revision(0);
    let report = read(path, &mut |item| {
        match item {
            Item::Header(header) => {
                revision = header.revision;
                for (name, next) in &header.counters {
                    if let Some(table) = Table::from_name(name) {
                        counters[table as usize] = *next;
                    }
                }
            }
            Item::Row { row, octets } => {
                let counter = &mut counters[row.table() as usize];
                *counter = (*counter).max(row.id().saturating_add(1));
                keys::put_row(&mut edits, RowKey::of_any(&row), &octets);
                waiting += 1;
                if waiting == ROWS_AT_ONCE {
                    waiting = 0;
                    disk.apply(std::mem::take(&mut edits)).map_err(failed)?;
                }
            }
            Item::File(octets) => {
                files::put(&files::folder(data_dir), &octets).map_err(ImportError::Write)?;
            }
        }
        Ok(())
    })?;
    // Never behind an export that is there: `Store::open` would take that for lost changes.
    let newest = list_exports(data_dir).map_err(ImportError::Write)?.first().map_or(Revision(0), |(newest, _)| *newest);
    for &table in Table::ALL {
        edits.insert(keys::counter(table), &counters[table as usize].to_be_bytes());
    }
    edits.insert(keys::REVISION, &revision.max(newest).0.to_be_bytes());
    disk.commit(edits).map_err(failed)?;
    Ok(report)
}

/// One line of an export, checked.
enum Item {
    Header(Header),
    Row { row: Box<AnyRow>, octets: Vec<u8> },
    File(Vec<u8>),
}

/// Reads an export from end to end, checking all of it.
fn read(path: &Path, take: &mut dyn FnMut(Item) -> Result<(), ImportError>) -> Result<ExportReport, ImportError> {
    let bad = |reason: String| ImportError::Bad { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|e| bad(e.to_string()))?;
    let octets = file.metadata().map_err(|e| bad(e.to_string()))?.len();
    let decoder = zstd::Decoder::new(file).map_err(|e| bad(e.to_string()))?;
    let mut lines = Lines { from: BufReader::new(decoder), hasher: blake3::Hasher::new(), line: Vec::new(), number: 0 };
    let header: Header = lines.next().and_then(|line| parse(line.unwrap_or_default())).map_err(&bad)?;
    if header.format != FORMAT || header.version > VERSION {
        return Err(bad(format!("its format is {} {}", header.format, header.version)));
    }
    let mut report = ExportReport { revision: header.revision, rows: 0, files: 0, octets };
    take(Item::Header(header))?;
    let mut seen = HashSet::new();
    loop {
        let hash = lines.hasher.finalize();
        let number = lines.number + 1;
        let at = |reason: String| bad(format!("line {number}: {reason}"));
        let Some(line) = lines.next().map_err(at)? else { return Err(bad("it is cut off".to_owned())) };
        match parse::<Line>(line).map_err(at)? {
            Line::Row { table, revision, row } => {
                let row = table_named(&table)
                    .and_then(|t| AnyRow::from_json(t, row).map_err(|e| e.to_string()))
                    .map_err(at)?;
                let mut octets = row.encode();
                record::set_revision(&mut octets, revision);
                check_row(&row, &mut seen).map_err(at)?;
                report.rows += 1;
                take(Item::Row { row: Box::new(row), octets })?;
            }
            Line::Octets { table, octets } => {
                let octets = BASE64.decode(octets).map_err(|e| at(e.to_string()))?;
                let row = table_named(&table)
                    .and_then(|t| AnyRow::decode(t, &octets).map_err(|e| e.to_string()))
                    .map_err(at)?;
                check_row(&row.value, &mut seen).map_err(at)?;
                report.rows += 1;
                take(Item::Row { row: Box::new(row.value), octets })?;
            }
            Line::File { file, data } => {
                let octets = BASE64.decode(data).map_err(|e| at(e.to_string()))?;
                if *blake3::hash(&octets).as_bytes() != file.0 {
                    return Err(at("the file has other octets than its name says".to_owned()));
                }
                report.files += 1;
                take(Item::File(octets))?;
            }
            Line::Trailer { rows, files, blake3 } => {
                if rows != report.rows || files != report.files || blake3 != hash.to_hex().as_str() {
                    return Err(at("the checksum is another".to_owned()));
                }
                return match lines.next().map_err(at)? {
                    None => Ok(report),
                    Some(_) => Err(at("something follows the last line".to_owned())),
                };
            }
        }
    }
}

/// No two rows share an id or a unique value.
fn check_row(row: &AnyRow, seen: &mut HashSet<[u8; 16]>) -> Result<(), String> {
    let mut new = |parts: &[&[u8]]| {
        let mut hasher = blake3::Hasher::new();
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        seen.insert(digest)
    };
    if !new(&[b"id", format!("{:?}", RowKey::of_any(row).id_key()).as_bytes()]) {
        return Err(format!("{} {} is there twice", row.table(), row.id()));
    }
    for (unique, value) in row.unique() {
        if !new(&[b"unique", &[unique as u8], &value]) {
            return Err(format!("{} {}: its {unique} is there twice", row.table(), row.id()));
        }
    }
    Ok(())
}

fn table_named(name: &str) -> Result<Table, String> {
    Table::from_name(name).ok_or_else(|| format!("table {name} is not known"))
}

fn parse<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|e| e.to_string())
}

/// Lines of bounded length, hashed as they pass.
struct Lines<R: BufRead> {
    from: R,
    hasher: blake3::Hasher,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<&[u8]>, String> {
        self.line.clear();
        self.number += 1;
        let limit = LINE_OCTETS_MAX as u64;
        let taken = self.from.by_ref().take(limit).read_until(b'\n', &mut self.line).map_err(|e| e.to_string())?;
        self.hasher.update(&self.line);
        match self.line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(&self.line)),
            Some(_) if taken as u64 == limit => Err("it is too long".to_owned()),
            Some(_) => Err("it is cut off".to_owned()),
        }
    }
}
