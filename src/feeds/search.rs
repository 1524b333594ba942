//! Rules of a list that somebody looks for, as they are written in its last good copy.

use super::{
    Bounds, Library, LibraryError, Recipe, ZoneCopy,
    library::options,
    syntax::{self, Seen},
};
use crate::{
    model::{DomainName, Effect, ListSourceId, NameRule, Pattern, RecordData, Rule},
    policy::{NameKey, Suffixes, is_about},
    wire::type_name,
};
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Characters of a rule that are shown.
const SHOWN_CHARACTERS: usize = 1_000;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// In lower case.
    text: String,
    name: Option<DomainName>,
    address: Option<IpAddr>,
}

impl Sought {
    /// Rules that contain a text, whatever the case; if it is a name or an address, also those that match it. Nothing:
    /// all rules.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let address = text.parse().ok();
        let name = DomainName::from_text(text).ok().filter(|_| address.is_none() && text.contains('.'));
        Sought { text: text.to_lowercase(), name, address }
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.text)
    }
}

/// A rule that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRule {
    /// Its line, counted from 1; of a transferred zone, its number among the records. `None`: the list has no lines
    /// (JSON, YAML).
    pub line: Option<u64>,
    /// The line as it is written, at most 1,000 characters of it; where there are no lines, the rule in Adblock's syntax.
    pub text: String,
}

/// A page of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The rules.
    pub rules: Vec<FoundRule>,
    /// All that were found, those before the page included.
    pub total: usize,
    /// Lines looked at; where there are none, rules.
    pub lines: u64,
    /// The list was looked through to its end: no more than `total` are there.
    pub complete: bool,
}

/// Which part of what is found is wanted, and for how long it is looked for.
pub struct Part<'a> {
    /// Rules to skip.
    pub offset: usize,
    /// Rules to give.
    pub limit: usize,
    /// Asked at every line; false: stop.
    pub go_on: &'a mut dyn FnMut() -> bool,
}

struct Search<'a, 'p> {
    sought: &'a Sought,
    suffixes: Option<Suffixes<'a>>,
    part: Part<'p>,
    found: Findings,
    /// A rule of the line that is being read matches.
    matches: bool,
}

impl Search<'_, '_> {
    fn rule(&mut self, rule: &Rule) {
        let Sought { address, .. } = self.sought;
        self.matches |= match rule {
            Rule::Name(rule) | Rule::NameServer(rule) => {
                self.suffixes.as_ref().is_some_and(|suffixes| is_about(rule, suffixes))
            }
            Rule::Address(rule) => address.is_some_and(|address| rule.net.contains(&address.to_canonical())),
        };
    }

    /// Ends a line, or a rule that has none; whether to go on.
    fn end(&mut self, line: Option<u64>, text: &str) -> bool {
        self.found.lines += 1;
        let matches = std::mem::take(&mut self.matches);
        if !text.trim().is_empty() && (matches || self.sought.is_in(text)) {
            if self.found.total >= self.part.offset {
                let text = text.chars().filter(|c| !c.is_control() || *c == '\t').take(SHOWN_CHARACTERS).collect();
                self.found.rules.push(FoundRule { line, text });
            }
            self.found.total += 1;
        }
        self.found.rules.len() < self.part.limit && (self.part.go_on)()
    }

    fn zone(&mut self, zone: &ZoneCopy, name: &DomainName, options: &syntax::ParseOptions) -> bool {
        let mut records: Vec<_> = zone.records.iter().map(|record| (&record.owner, &record.data)).collect();
        records.sort_unstable_by(|a, b| (a.0, a.1.rtype, &a.1.rdata).cmp(&(b.0, b.1.rtype, &b.1.rdata)));
        for (number, record) in (1..).zip(records) {
            let mut rules = Vec::new();
            // One record has no bound to pass.
            if syntax::zone(name, zone.serial, std::iter::once(record), options, &mut |rule| rules.push(rule)).is_ok() {
                rules.iter().for_each(|rule| self.rule(rule));
            }
            let text = format!("{} {}", record.0, record_text(record.1));
            if !self.end(Some(number), &text) {
                return false;
            }
        }
        true
    }
}

impl Library {
    /// Looks for rules in the last good copy of a list, line by line, until the page is full. Nothing is found where there
    /// is no copy. Blocks for as long as reading the list takes, at most until the part is not wanted any more.
    pub fn search(
        &self,
        id: ListSourceId,
        recipe: &Recipe,
        bounds: Bounds,
        sought: &Sought,
        part: Part<'_>,
    ) -> Result<Findings, LibraryError> {
        let suffixes = sought.name.as_ref().map(|name| Suffixes::new(name.as_name(), NameKey(0)));
        if part.limit == 0 || !self.has_copy(id) {
            return Ok(Findings { complete: part.limit > 0, ..Findings::default() });
        }
        let mut search = Search { sought, suffixes, part, found: Findings::default(), matches: false };
        let options = options(recipe, bounds);
        search.found.complete = match &options.zone {
            Some(name) => search.zone(&self.zone(id)?, name, &options),
            None => {
                let mut watch = |seen: Seen<'_>| match seen {
                    Seen::Rule(rule) => {
                        search.rule(rule);
                        true
                    }
                    Seen::Line(number, text) => search.end(Some(number), text),
                    Seen::RuleAlone(rule) => {
                        search.rule(rule);
                        search.end(None, &rule_text(rule))
                    }
                };
                syntax::watch(self.last_copy(id)?, &options, &mut watch)?
            }
        };
        Ok(search.found)
    }
}

/// A rule in Adblock's syntax, without its conditions.
fn rule_text(rule: &Rule) -> String {
    let pattern = |rule: &NameRule| match &rule.pattern {
        Pattern::Exact(name) => format!("|{name}^"),
        Pattern::Suffix(name) => format!("||{name}^"),
        Pattern::Below(name) => format!("*.{name}^"),
        Pattern::Wildcard(text) => text.to_string(),
        Pattern::Regex(text) => format!("/{text}/"),
    };
    let (text, effect) = match rule {
        Rule::Name(rule) => (pattern(rule), &rule.effect),
        Rule::NameServer(rule) => (format!("{} (name server)", pattern(rule)), &rule.effect),
        Rule::Address(rule) => (rule.net.to_string(), &rule.effect),
    };
    match effect {
        Effect::Allow | Effect::NoAnswer => format!("@@{text}"),
        Effect::Block | Effect::Answer(_) => text,
    }
}

/// Type and data of a record; data without a form of its own as RFC 3597, section 5, has it.
fn record_text(record: &RecordData) -> String {
    let octets = &record.rdata[..];
    let data = match record.rtype {
        1 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        28 => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        2 | 5 | 12 => DomainName::from_wire(octets).ok().map(|name| format!("{name}.")),
        _ => None,
    };
    let data = data.unwrap_or_else(|| {
        let mut text = format!("\\# {} ", octets.len());
        for octet in octets {
            let _ = write!(text, "{octet:02x}");
        }
        text
    });
    format!("{} {data}", type_name(record.rtype))
}

#[cfg(test)]
mod tests;
