//! Adding many entries at once.
//!
//! A CSV line is `domain[,subdomains[,log_requests[,comment[,expires]]]]`; a first line that names these columns
//! in any order is a header. Good lines are added a thousand a batch; queries see them together,
//! when the last batch is published. A crash in between leaves the batches before it: importing the
//! same file again completes it.

use super::{
    domains::{EntryReply, Place, list_of, show},
    policies::named,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        fields::ROOT,
        input::{Both, Expiry, Flag, ListedName, Nullable, Text, Upload},
        reply::{Bare, LineError, List, Single},
        scope::{Own, Scope},
    },
    model::*,
    store::{Revision, Unique},
};
use schemars::JsonSchema;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error as ValueError},
};
use std::collections::HashMap;

/// Lines of one import.
const LINES_MAX: usize = 100_000;
/// Entries written with one batch.
const ENTRIES_AT_ONCE: usize = 1_000;
/// Bad lines that are reported one by one.
const ERRORS_MAX: usize = 1_000;
/// Entries shown in the list envelope; `total` counts all.
const SHOWN_MAX: usize = 1_000;

/// What to import, and how.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Import {
    /// True replaces entries that exist.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    overwrite: Option<Flag>,
    /// A CSV or text file, one domain a line.
    #[serde(default)]
    csv: Option<Upload>,
    /// A JSON array of entries, as the whole body.
    #[serde(default, rename = "[]")]
    rows: Option<Vec<JsonRow>>,
}

const _: () = assert!(matches!(ROOT.as_bytes(), b"[]"), "the name above is the one of a body that is an array");

#[derive(Deserialize, JsonSchema)]
struct JsonRow {
    domain: String,
    #[serde(default)]
    subdomains: Option<Flag>,
    #[serde(default)]
    log_requests: Option<Flag>,
    #[serde(default)]
    comment: Text<250>,
    /// When it ends; absent or null: never.
    #[serde(default)]
    expires: Nullable<Expiry>,
}

/// An entry to add.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    domain: DomainName,
    subdomains: bool,
    log_requests: bool,
    comment: String,
    expires: Option<Timestamp>,
}

/// Good lines, and what was wrong with the others.
#[derive(Debug, Default, PartialEq)]
struct Lines {
    good: Vec<Line>,
    bad: Vec<(usize, String)>,
}

impl Lines {
    fn bad(&mut self, number: usize, error: impl std::fmt::Display) {
        if self.bad.len() < ERRORS_MAX {
            self.bad.push((number, error.to_string()));
        }
    }
}

/// The import of a policy's list; answers the list envelope.
pub(super) async fn import<S: Scope>(
    call: Call<S>,
    Both(place, input): Both<Place, Import>,
) -> Result<List<EntryReply>, ApiError> {
    let (entries, errors) = run(&call, &place, input).await?;
    let total = entries.len();
    let policy = named(&call.view, place.policyid)?.value;
    let shown = entries.iter().take(SHOWN_MAX).map(|entry| show(entry, Some(&policy))).collect();
    Ok(List::new(total, shown).with_errors(errors))
}

/// The import of the global list; answers a bare array.
pub(super) async fn import_global(
    call: Call<Own>,
    Both(place, input): Both<Place, Import>,
) -> Result<Bare<EntryReply>, ApiError> {
    let (entries, _) = run(&call, &place, input).await?;
    let policy = named(&call.view, place.policyid)?.value;
    Ok(Bare(entries.iter().map(|entry| Single::new(show(entry, Some(&policy)))).collect()))
}

async fn run<S: Scope>(
    call: &Call<S>,
    place: &Place,
    input: Import,
) -> Result<(Vec<ListEntry>, Vec<LineError>), ApiError> {
    named(&call.view, place.policyid)?;
    let mut lines = match (input.csv, input.rows) {
        (Some(csv), _) => of_csv(&csv.0, call.now)?,
        (None, Some(rows)) => of_rows(rows, call.now)?,
        (None, None) => return Err(ApiError::field("csv", "is required")),
    };
    let overwrite = input.overwrite.is_some_and(|flag| flag.0);
    let mut entries = Vec::with_capacity(lines.good.len());
    let mut last = Revision(0);
    let good = std::mem::take(&mut lines.good);
    for chunk in good.chunks(ENTRIES_AT_ONCE) {
        let (revision, (written, present)) = call
            .write_part(|mut batch| {
                let policy = named(&call.view, place.policyid)?;
                let list = list_of(&policy.value);
                let action = Action::from(place.action);
                let mut written = Vec::with_capacity(chunk.len());
                let mut present = Vec::new();
                for line in chunk {
                    let key = Unique::entry(list, action, line.domain.as_name());
                    let old = call.view.unique::<ListEntry>(Unique::Entry, &key);
                    let entry = ListEntry {
                        id: old.as_ref().map_or_else(|| EntryId(call.next_id::<ListEntry>()), |row| row.value.id),
                        owner: policy.value.owner,
                        list,
                        action,
                        domain: line.domain.clone(),
                        subdomains: line.subdomains,
                        log_requests: line.log_requests,
                        comment: line.comment.clone(),
                        expires: line.expires,
                        created: old.as_ref().map_or(call.now, |row| row.value.created),
                    };
                    match old {
                        Some(_) if !overwrite => {
                            present.push(line.number);
                            continue;
                        }
                        Some(old) if old.value == entry => {}
                        Some(old) => batch = batch.update(&old, &entry),
                        None => batch = batch.create(&entry),
                    }
                    written.push(entry);
                }
                if !batch.is_empty() {
                    batch = batch.expect(&policy);
                }
                Ok((batch, (written, present)))
            })
            .await?;
        last = last.max(revision);
        entries.extend(written);
        for number in present {
            lines.bad(number, "the list has this domain already");
        }
    }
    call.published(last).await?;
    lines.bad.sort();
    Ok((entries, lines.bad.into_iter().map(|(line, error)| LineError { line, error }).collect()))
}

/// Keeps the first line of each domain.
fn keep_first(lines: Lines) -> Lines {
    let Lines { good, bad } = lines;
    let mut kept = Lines { good: Vec::with_capacity(good.len()), bad };
    let mut seen: HashMap<DomainName, usize> = HashMap::with_capacity(good.len());
    for line in good {
        match seen.get(&line.domain) {
            Some(first) => kept.bad(line.number, format!("the domain stands in line {first} already")),
            None => {
                seen.insert(line.domain.clone(), line.number);
                kept.good.push(line);
            }
        }
    }
    kept
}

fn of_rows(rows: Vec<JsonRow>, now: Timestamp) -> Result<Lines, ApiError> {
    if rows.len() > LINES_MAX {
        return Err(ApiError::bad_request(format!("At most {LINES_MAX} entries are imported at once")));
    }
    let mut lines = Lines::default();
    for (index, row) in rows.into_iter().enumerate() {
        let expires = match row.expires {
            Nullable::Absent | Nullable::Null => Ok(None),
            Nullable::Value(expiry) => expiry.at(now).map(Some),
        };
        match (row.domain.parse::<ListedName>(), expires) {
            (Ok(listed), Ok(expires)) => lines.good.push(Line {
                number: index + 1,
                domain: listed.name,
                subdomains: row.subdomains.is_none_or(|flag| flag.0),
                log_requests: row.log_requests.is_none_or(|flag| flag.0),
                comment: row.comment.0,
                expires,
            }),
            (Err(error), _) => lines.bad(index + 1, error),
            (_, Err(problem)) => lines.bad(index + 1, format!("expires: {problem}")),
        }
    }
    Ok(keep_first(lines))
}

/// The columns, in the order they have without a header.
const COLUMNS: [&str; 5] = ["domain", "subdomains", "log_requests", "comment", "expires"];

fn of_csv(octets: &[u8], now: Timestamp) -> Result<Lines, ApiError> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(octets);
    let mut lines = Lines::default();
    let mut columns: Option<[Option<usize>; COLUMNS.len()]> = None;
    let mut count = 0;
    let mut record = csv::ByteRecord::new();
    let (mut at, mut number) = (0, 1);
    while reader.read_byte_record(&mut record).map_err(|error| ApiError::field("csv", error))? {
        count += 1;
        if count > LINES_MAX + 1 {
            return Err(ApiError::bad_request(format!("At most {LINES_MAX} lines are imported at once")));
        }
        // The reader's own line counter does not see blank lines ahead of a record.
        let start = record.position().map_or(at, |position| position.byte() as usize);
        let start = start + octets[start..].iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        number += octets[at..start].iter().filter(|octet| **octet == b'\n').count();
        at = start;
        let Ok(record) = csv::StringRecord::from_byte_record(record.clone()) else {
            lines.bad(number, "the line is not valid UTF-8");
            continue;
        };
        let columns = match &columns {
            Some(columns) => columns,
            None => match header(&record) {
                Some(named) => {
                    columns = Some(named);
                    continue;
                }
                None => columns.insert([0, 1, 2, 3, 4].map(Some)),
            },
        };
        let first = record.get(0).unwrap_or_default();
        if first.starts_with('#') || record.iter().all(str::is_empty) {
            continue;
        }
        match line(number, &record, columns, now) {
            Ok(line) => lines.good.push(line),
            Err(error) => lines.bad(number, error),
        }
    }
    Ok(keep_first(lines))
}

/// The places of the columns, where the record names them.
fn header(record: &csv::StringRecord) -> Option<[Option<usize>; COLUMNS.len()]> {
    let at = |column: &str| record.iter().position(|cell| cell.eq_ignore_ascii_case(column));
    at("domain").map(|_| COLUMNS.map(at))
}

fn line(
    number: usize,
    record: &csv::StringRecord,
    columns: &[Option<usize>; COLUMNS.len()],
    now: Timestamp,
) -> Result<Line, String> {
    let cell = |column: usize| columns[column].and_then(|at| record.get(at)).unwrap_or_default();
    let flag = |column: usize| match cell(column) {
        "" => Ok(true),
        text => {
            let deserializer: serde::de::value::StrDeserializer<'_, ValueError> = text.into_deserializer();
            let read = Flag::deserialize(deserializer).map(|flag| flag.0);
            read.map_err(|error| format!("{}: {error}", COLUMNS[column]))
        }
    };
    let listed: ListedName = cell(0).parse().map_err(|error| format!("domain: {error}"))?;
    let comment = cell(3);
    if comment.chars().count() > 250 {
        return Err("comment: must have at most 250 characters".to_owned());
    }
    let (subdomains, log_requests) = (flag(1)?, flag(2)?);
    let expires = match cell(4) {
        "" => None,
        text => {
            let deserializer: serde::de::value::StrDeserializer<'_, ValueError> = text.into_deserializer();
            let read = Expiry::deserialize(deserializer).map_err(|error| error.to_string());
            Some(read.and_then(|expiry| expiry.at(now)).map_err(|problem| format!("expires: {problem}"))?)
        }
    };
    Ok(Line { number, domain: listed.name, subdomains, log_requests, comment: comment.to_owned(), expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let lines = of_csv(text.as_bytes(), Timestamp(1_000)).expect("reads");
        let good = lines.good.iter().map(|line| {
            let Line { number, domain, subdomains, log_requests, comment, expires } = line;
            let end = expires.map(|at| format!(" until {}", at.0)).unwrap_or_default();
            format!("{number} {domain} {subdomains} {log_requests} {comment}{end}")
        });
        (good.collect(), lines.bad.iter().map(|(number, error)| format!("{number} {error}")).collect())
    }

    #[test]
    fn good_lines_are_taken_and_bad_ones_told_with_their_numbers() {
        let (good, bad) = read(
            "\u{feff}a.example\r\n\r\n# note\r\n*.B.example,false,0,\"why, so\"\r\nnot a name\r\na.example\r\nc.example,maybe\r\n",
        );
        assert_eq!(good, ["1 a.example true true ", "4 b.example false false why, so"]);
        assert_eq!(
            bad,
            [
                "5 domain: the name contains ' '",
                "7 subdomains: must be true or false",
                "6 the domain stands in line 1 already"
            ]
        );
    }

    #[test]
    fn a_header_may_order_the_columns() {
        let (good, bad) = read("comment,Domain\nfirst,a.example\n,b.example\n");
        assert_eq!(
            (good.as_slice(), bad.len()),
            (&["2 a.example true true first".to_owned(), "3 b.example true true ".to_owned()][..], 0)
        );
    }

    #[test]
    fn a_line_may_say_when_its_entry_ends() {
        let (good, bad) =
            read("domain,expires\na.example,60\nb.example,1970-01-01T01:00:00Z\nc.example,\nd.example,never\n");
        assert_eq!(
            good,
            ["2 a.example true true  until 1060", "3 b.example true true  until 3600", "4 c.example true true "]
        );
        assert_eq!(bad, ["5 expires: must be a number of seconds or a moment as 2026-01-31T09:00:00Z"]);
    }

    #[test]
    fn too_many_lines_are_refused() {
        let text: String = (0..LINES_MAX + 2).map(|number| format!("n{number}.example\n")).collect();
        assert_eq!(
            of_csv(text.as_bytes(), Timestamp(0)).map(|_| ()).map_err(|error| error.status().as_u16()),
            Err(400)
        );
    }
}
