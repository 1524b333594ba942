//! Tables with a header: the column of names is known by its title. Cloudflare's lists, MISP's and Umbrella's
//! exports, and what people keep in spreadsheets.
//!
//! A record is a line: a field with a line break inside makes its line invalid, so that one quotation mark
//! that is never closed does not swallow the list.

use super::{
    ParseError,
    intake::Intake,
    names::{self, Word},
    unpack::Octets,
};
use crate::model::{Effect, NameReach};

/// Titles of a column of names, the surest first.
const NAME_TITLES: [&str; 14] = [
    "domain",
    "domains",
    "domain_name",
    "hostname",
    "hostnames",
    "fqdn",
    "host",
    "destination",
    "indicator",
    "ioc_value",
    "ioc",
    "value",
    "name",
    "entry",
];
/// Titles that make one column alone a header.
const SURE_TITLES: usize = 7;
/// Columns looked at.
const COLUMNS_MAX: usize = 100;

/// Which column says what.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    delimiter: char,
    name: usize,
    kind: Option<usize>,
    action: Option<usize>,
    active: Option<usize>,
}

/// Reads a table.
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let mut columns: Option<Columns> = None;
    let mut refused = None;
    intake.lines(octets.into_read(), |intake, number, line| {
        let text = line.trim();
        if text.is_empty() || refused.is_some() {
            return;
        }
        match &columns {
            Some(columns) => row(intake, number, text, columns),
            None if text.starts_with('#') => intake.comment(number, text),
            None => {
                columns = header(text);
                if columns.is_none() {
                    // No header: the first column with a name in it.
                    columns = guess(text);
                    match &columns {
                        Some(columns) => row(intake, number, text, columns),
                        None => refused = Some(text.chars().take(100).collect::<String>()),
                    }
                }
            }
        }
    })?;
    match refused {
        Some(header) => Err(ParseError::NotAList(format!("the table has no column of names: {header}"))),
        None => Ok(()),
    }
}

/// Whether a line is the header of a table with a column of names.
pub(super) fn is_header(line: &str) -> bool {
    header(line).is_some()
}

fn header(line: &str) -> Option<Columns> {
    let delimiter = delimiter(line);
    let titles: Vec<String> = fields(line, delimiter)?.iter().map(|title| title.trim().to_ascii_lowercase()).collect();
    let known = if titles.len() == 1 { &NAME_TITLES[..SURE_TITLES] } else { &NAME_TITLES[..] };
    let find = |names: &[&str]| names.iter().find_map(|name| titles.iter().position(|title| title == name));
    Some(Columns {
        delimiter,
        name: find(known)?,
        kind: find(&["type", "ioc_type", "indicator_type"]),
        action: find(&["action"]),
        active: find(&["to_ids", "active", "enabled", "status"]),
    })
}

fn guess(line: &str) -> Option<Columns> {
    let delimiter = delimiter(line);
    let fields = fields(line, delimiter)?;
    let name = fields.iter().position(|field| matches!(names::word(field, false), Word::Name(_) | Word::Net(_)))?;
    Some(Columns { delimiter, name, kind: None, action: None, active: None })
}

fn delimiter(line: &str) -> char {
    [',', ';', '\t'].into_iter().max_by_key(|delimiter| line.matches(*delimiter).count()).unwrap_or(',')
}

fn row(intake: &mut Intake<'_>, number: u64, line: &str, columns: &Columns) {
    let Some(fields) = fields(line, columns.delimiter) else {
        return intake.report.invalid(number, line, "a quotation mark is not closed");
    };
    let field = |column: Option<usize>| {
        column.and_then(|column| fields.get(column)).map(|field| field.trim().to_ascii_lowercase())
    };
    let Some(value) = fields.get(columns.name).map(|value| value.trim()).filter(|value| !value.is_empty()) else {
        return intake.report.invalid(number, line, "the row has no name");
    };
    let active = field(columns.active);
    let kind = field(columns.kind);
    let entry = super::json::Entry {
        value,
        kind: kind.as_deref(),
        allow: matches!(
            field(columns.action).as_deref(),
            Some("allow" | "allowed" | "bypass" | "permit" | "whitelist")
        ),
        active: !matches!(active.as_deref(), Some("0" | "false" | "no" | "inactive" | "disabled")),
    };
    super::json::take(intake, number, &entry);
}

/// The fields of a line (RFC 4180); `None` if a quotation mark is not closed.
fn fields(line: &str, delimiter: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        let mut field = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        let mut ended = !quoted;
        while let Some(&c) = chars.peek() {
            if ended && c == delimiter {
                break;
            }
            chars.next();
            match c {
                '"' if quoted && !ended => match chars.next_if_eq(&'"') {
                    Some(_) => field.push('"'),
                    None => ended = true,
                },
                c => field.push(c),
            }
        }
        if !ended {
            return None;
        }
        fields.push(field);
        if chars.next().is_none() || fields.len() >= COLUMNS_MAX {
            return Some(fields);
        }
    }
}

impl Intake<'_> {
    /// A name of an export of another product, with or without `*.`.
    pub(super) fn exported(&mut self, line: u64, text: &str, reach: NameReach, effect: Effect) {
        let (name, reach) = match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            Some(name) => (name, NameReach::Suffix),
            None => (text, reach),
        };
        // A single label is meant only where everything below it is.
        let single = name.len() < text.len();
        self.word(line, text, names::word(name, single), reach, effect);
    }
}
