//! What came out of reading a list, besides its rules.

use crate::model::{DomainName, ListSyntax};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bad lines of a list that are kept to be shown.
pub(super) const SAMPLES_MAX: usize = 5;
/// Characters of a bad line that are kept.
const SAMPLE_CHARACTERS_MAX: usize = 200;
/// Characters of a header's value that are kept.
const HEADER_CHARACTERS_MAX: usize = 250;
/// Different names of what is not supported that are counted one by one.
const NAMES_MAX: usize = 100;
/// Characters of such a name.
const NAME_CHARACTERS_MAX: usize = 40;
/// Under which all further names are counted.
const OTHERS: &str = "(others)";

/// What was understood of a list, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// How it is written, said or found out; `None` before anything was read.
    pub syntax: Option<ListSyntax>,
    /// Its title, as its own header says; at most 250 characters, like all texts of headers.
    pub title: Option<String>,
    /// Its version, as its header says.
    pub version: Option<String>,
    /// When it is stale, as its header says (`4 days`).
    pub expires: Option<String>,
    /// When it was changed, as its header says.
    pub last_modified: Option<String>,
    /// Its home page, as its header says.
    pub homepage: Option<String>,
    /// How many entries its header says it has.
    pub claimed: Option<u64>,
    /// Serial number of a zone (RFC 1035, section 3.3.13).
    pub serial: Option<u32>,
    /// Name of a zone.
    pub zone: Option<DomainName>,
    /// Octets, unpacked.
    pub octets: u64,
    /// Lines; of JSON, entries.
    pub lines: u64,
    /// Lines that are comments, headers of the list included.
    pub comments: u64,
    /// Its rules, without duplicates.
    pub rules: RuleCounts,
    /// Rules it has again; dropped.
    pub duplicates: u64,
    /// Rules that `$badfilter` and `@@…$dnsrewrite` cancelled.
    pub cancelled: u64,
    /// Names that every hosts file has for the machine itself, and null addresses; dropped.
    pub own_names: u64,
    /// Entries the list itself has switched off; dropped.
    pub disabled: u64,
    /// Lines that are no rule of any syntax.
    pub invalid: u64,
    /// The first five of them.
    pub invalid_samples: Vec<Sample>,
    /// URLs: they stand for pages, never for their host; dropped.
    pub urls_skipped: u64,
    /// The first five of them.
    pub url_samples: Vec<Sample>,
    /// Rules left out because of what they need, by the name of that: a modifier, an option, a type of record.
    /// At most 100 names and `(others)`.
    pub unsupported: BTreeMap<String, u64>,
    /// Rules that were taken, but not quite as written, by the reason.
    pub warnings: BTreeMap<String, u64>,
    /// Lists that a configuration names, at most 100: they are no rules, but may be subscribed to.
    pub sources: Vec<String>,
    /// Other names of the categories of an archive: alias and category.
    pub aliases: Vec<(String, String)>,
}

/// Rules by kind. Each is a name, a wildcard, a regular expression, an address or a name server; the other
/// figures say how many of them are of that sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCounts {
    /// Names, with what is below them or without.
    pub names: u64,
    /// Patterns that are looked for in names.
    pub wildcards: u64,
    /// Regular expressions.
    pub regexes: u64,
    /// Addresses and networks.
    pub addresses: u64,
    /// Names of name servers.
    pub name_servers: u64,
    /// Of all these, exceptions.
    pub exceptions: u64,
    /// Of all these, those with an answer of their own.
    pub answers: u64,
    /// Of all these, those that outrank exceptions.
    pub important: u64,
    /// Of all these, those that apply under conditions.
    pub conditional: u64,
}

impl RuleCounts {
    /// All rules.
    pub fn total(&self) -> u64 {
        self.names + self.wildcards + self.regexes + self.addresses + self.name_servers
    }
}

/// A line that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Its number, counted from 1.
    pub line: u64,
    /// Its first 200 characters, control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Sample {
    fn new(line: u64, text: &str, reason: impl Into<String>) -> Self {
        let shown = text.trim().chars().take(SAMPLE_CHARACTERS_MAX);
        let text = shown.flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_unicode());
            let kept = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(kept)
        });
        Sample { line, text: text.collect(), reason: reason.into() }
    }
}

impl ImportReport {
    pub(super) fn invalid(&mut self, line: u64, text: &str, reason: impl Into<String>) {
        self.invalid += 1;
        if self.invalid_samples.len() < SAMPLES_MAX {
            self.invalid_samples.push(Sample::new(line, text, reason));
        }
    }

    pub(super) fn url(&mut self, line: u64, text: &str) {
        self.urls_skipped += 1;
        if self.url_samples.len() < SAMPLES_MAX {
            self.url_samples.push(Sample::new(line, text, "this is a URL, not a name"));
        }
    }

    pub(super) fn unsupported(&mut self, name: &str) {
        count(&mut self.unsupported, name);
    }

    pub(super) fn warn(&mut self, reason: &str) {
        count(&mut self.warnings, reason);
    }

    pub(super) fn source(&mut self, text: &str) {
        if self.sources.len() < NAMES_MAX {
            self.sources.push(text.chars().take(1000).collect());
        }
    }

    /// Takes `Key: value` of a comment where it is one of the headers; the first of a kind stays.
    pub(super) fn header(&mut self, comment: &str) {
        let comment = comment.trim_start_matches(['#', '!', ';']).trim();
        let Some((key, value)) = comment.split_once(':') else { return };
        let value = value.trim();
        if key.len() > 40 || value.is_empty() {
            return;
        }
        let key: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let place = match key.as_str() {
            "title" => &mut self.title,
            "version" => &mut self.version,
            "expires" => &mut self.expires,
            "lastmodified" | "updated" | "lastupdated" | "timeupdated" | "date" => &mut self.last_modified,
            "homepage" | "projecthomepage" => &mut self.homepage,
            "numberofentries"
            | "entries"
            | "domains"
            | "numberofuniquedomains"
            | "numberofdomains"
            | "totaldomains"
            | "blocked" => {
                let digits: String = value.chars().filter(|c| !matches!(c, ',' | '.' | '_' | ' ')).collect();
                self.claimed = self.claimed.or(digits.parse().ok());
                return;
            }
            _ => return,
        };
        if place.is_none() {
            *place = Some(value.chars().take(HEADER_CHARACTERS_MAX).filter(|c| !c.is_control()).collect());
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    let name: String = name.chars().take(NAME_CHARACTERS_MAX).flat_map(char::escape_default).collect();
    let full = counts.len() >= NAMES_MAX && !counts.contains_key(&name);
    *counts.entry(if full { OTHERS.to_owned() } else { name }).or_default() += 1;
}
