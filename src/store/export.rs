//! Exports: every row as a line of JSON, for backups and for the day the database is damaged.
//!
//! A zstd stream of lines. First a header (format, version, revision, time, counters), then one
//! line a row and one a file, last a trailer with their numbers and the BLAKE3 of everything before
//! it. The file appears under its name only when it is complete and on disk. Sealed secrets stay
//! sealed: a backup needs `secret.key` as well.

use super::Store;
use super::disk::{self, DiskError};
use super::record::{self, Revision, Row};
use super::tables::{AnyRow, Table};
use crate::model::{FileDigest, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// What the header calls itself.
pub(super) const FORMAT: &str = "weir-export";
/// The version written; older ones are read.
pub(super) const VERSION: u32 = 1;
/// What ends the names of exports in `<data>/exports`.
const SUFFIX: &str = ".jsonl.zst";
const PREFIX: &str = "weir-";

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) revision: Revision,
    pub(super) time: Timestamp,
    /// The lowest id never given out, by table name.
    pub(super) counters: BTreeMap<String, u32>,
}

/// Any line but the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Row {
        table: String,
        revision: Revision,
        row: serde_json::Value,
    },
    /// A row that does not survive the way through JSON: revision, version and postcard, base64.
    Octets {
        table: String,
        octets: String,
    },
    File {
        file: FileDigest,
        data: String,
    },
    Trailer {
        rows: u64,
        files: u64,
        blake3: String,
    },
}

/// What was exported or imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// The revision of the rows.
    pub revision: Revision,
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Octets of the export, compressed.
    pub octets: u64,
}

/// Writes every row of one revision, and the files they name, to a new file at `path`, which it
/// replaces. Commits go on meanwhile. Takes some seconds a million rows: call it where that is fine.
pub fn export(store: &Store, path: &Path, now: Timestamp) -> io::Result<ExportReport> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Leaves the database the room it needs; an export is smaller than the database.
    disk::check_room(folder, store.shared().options.free_octets_min).map_err(DiskError::into_io)?;
    let draft = path.with_extension("new");
    let report = write(store, &draft, now).and_then(|report| {
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()?;
        Ok(report)
    });
    if report.is_err() {
        // What failed is reported; the draft would only be in the way.
        let _ = fs::remove_file(&draft);
    }
    report
}

fn write(store: &Store, draft: &Path, now: Timestamp) -> io::Result<ExportReport> {
    let rows = store.all_rows();
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let mut out = Hashing { out: zstd::Encoder::new(BufWriter::new(file), 3)?, hasher: blake3::Hasher::new() };
    let counters = Table::ALL
        .iter()
        .map(|&table| (table.name().to_owned(), store.0.next_ids[table as usize].load(Ordering::Relaxed)))
        .collect();
    let mut report = ExportReport { revision: rows.revision, rows: 0, files: 0, octets: 0 };
    out.line(&Header { format: FORMAT.to_owned(), version: VERSION, revision: rows.revision, time: now, counters })?;
    let mut files = BTreeSet::new();
    for row in rows {
        files.extend(row.value.files());
        out.line(&line(&row)?)?;
        report.rows += 1;
    }
    for file in files {
        if let Some(octets) = store.file(file)? {
            out.line(&Line::File { file, data: BASE64.encode(octets) })?;
            report.files += 1;
        }
    }
    let blake3 = out.hasher.finalize().to_hex().to_string();
    out.line(&Line::Trailer { rows: report.rows, files: report.files, blake3 })?;
    let file = out.out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    report.octets = file.metadata()?.len();
    Ok(report)
}

/// A row as JSON if it comes back the same, else as octets.
fn line(row: &Row<AnyRow>) -> io::Result<Line> {
    let table = row.value.table();
    let json = row.value.to_json()?;
    if AnyRow::from_json(table, json.clone()).is_ok_and(|back| back == row.value) {
        return Ok(Line::Row { table: table.name().to_owned(), revision: row.revision, row: json });
    }
    let mut octets = row.value.encode();
    record::set_revision(&mut octets, row.revision);
    Ok(Line::Octets { table: table.name().to_owned(), octets: BASE64.encode(octets) })
}

/// Hashes what it passes on.
struct Hashing<W: Write> {
    out: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut octets = serde_json::to_vec(line)?;
        octets.push(b'\n');
        self.hasher.update(&octets);
        self.out.write_all(&octets)
    }
}

/// Where a data folder keeps its exports.
pub fn exports_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("exports")
}

/// The name of the export of a revision in `exports_dir`.
pub fn export_name(revision: Revision) -> String {
    format!("{PREFIX}{:020}{SUFFIX}", revision.0)
}

/// The exports of a data folder, newest revision first.
pub fn list_exports(data_dir: &Path) -> io::Result<Vec<(Revision, PathBuf)>> {
    let entries = match fs::read_dir(exports_dir(data_dir)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut exports = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(revision) = digits.and_then(|digits| digits.parse().ok()) {
            exports.push((Revision(revision), entry.path()));
        }
    }
    exports.sort_unstable_by(|a, b| b.cmp(a));
    Ok(exports)
}
