//! Unbound's configuration: `local-zone` and `local-data`.
//! <https://unbound.docs.nlnetlabs.nl/en/latest/manpages/unbound.conf.html>
//!
//! A zone stands for its name and everything below it, data for its name alone, unless its zone is a
//! `redirect`. Data may stand before or behind its zone, so it is kept until the end. What such lists say
//! for "blocked" (`always_nxdomain`, `always_null`, `static`, null addresses) is a block; how a block looks
//! is the policy's to say.

use super::{
    ParseError, ParseOptions,
    intake::Intake,
    master,
    names::{self, Word},
    rewrite,
    unpack::Octets,
};
use crate::model::{DomainName, Effect, FixedAnswer, NameReach, Pattern, RecordData};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Headings of sections: what follows belongs to the last one (unbound.conf(5)).
const SECTIONS: [&str; 6] = ["server", "view", "stub-zone", "forward-zone", "auth-zone", "remote-control"];

/// What is known at the end only.
#[derive(Default)]
struct Data {
    redirects: BTreeSet<DomainName>,
    /// The section is a view, whose options hold for some clients only.
    in_view: bool,
    records: BTreeMap<DomainName, Entry>,
}

#[derive(Default)]
struct Entry {
    alias: Option<DomainName>,
    records: Vec<RecordData>,
    null: bool,
}

/// Reads a configuration.
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let mut data = Data::default();
    let options: &ParseOptions = intake.options;
    let mut full = false;
    intake.lines(octets.into_read(), |intake, number, text| {
        full |= (data.records.len() + data.redirects.len()) as u64 > options.rules_max;
        if !full {
            line(intake, &mut data, number, text);
        }
    })?;
    if full {
        return Err(ParseError::TooManyRules(options.rules_max));
    }
    for (name, entry) in data.records {
        let effect = match entry {
            Entry { alias: Some(alias), .. } => Effect::Answer(Box::new(FixedAnswer::Alias(alias))),
            Entry { records, null: true, .. } if records.is_empty() => Effect::Block,
            Entry { records, .. } => Effect::Answer(Box::new(FixedAnswer::Records(records))),
        };
        let pattern = if data.redirects.remove(&name) { Pattern::Suffix(name) } else { Pattern::Exact(name) };
        intake.plain(pattern, effect);
    }
    // A redirect without data answers without records.
    for name in data.redirects {
        intake.plain(Pattern::Suffix(name), Effect::Answer(Box::new(FixedAnswer::NoData)));
    }
    Ok(())
}

fn line(intake: &mut Intake<'_>, data: &mut Data, number: u64, line: &str) {
    let text = line.trim();
    if text.is_empty() {
        return;
    }
    if text.starts_with('#') {
        return intake.comment(number, text);
    }
    let Some((option, value)) = text.split_once(':') else {
        return intake.report.invalid(number, text, "this is no option of Unbound");
    };
    let words = words(value);
    if words.is_empty() && SECTIONS.contains(&option.trim()) {
        data.in_view = option.trim() == "view";
    }
    match (option.trim(), &words[..]) {
        // Headings of sections say nothing by themselves.
        ("server", []) => {}
        ("local-zone" | "local-data" | "local-data-ptr", _) if data.in_view => {
            intake.report.unsupported("options of a view");
        }
        ("local-zone", [name, kind]) => zone(intake, data, number, text, name, &kind.to_ascii_lowercase()),
        ("local-data", [record]) => local_data(intake, data, number, text, record),
        ("local-data-ptr", [record]) => pointer(intake, data, number, text, record),
        ("local-zone" | "local-data" | "local-data-ptr", _) => {
            intake.report.invalid(number, text, "the option has another number of values");
        }
        (option, _) if !option.is_empty() && !option.contains(char::is_whitespace) => intake.report.unsupported(option),
        _ => intake.report.invalid(number, text, "this is no option of Unbound"),
    }
}

fn zone(intake: &mut Intake<'_>, data: &mut Data, number: u64, line: &str, name: &str, kind: &str) {
    let answer = |answer| Some(Effect::Answer(Box::new(answer)));
    let effect = match kind {
        "always_nxdomain" | "always_null" | "static" | "inform_always_nxdomain" | "block_a" => Some(Effect::Block),
        "always_nodata" => answer(FixedAnswer::NoData),
        "always_refuse" | "refuse" => answer(FixedAnswer::Refused),
        "deny" | "always_deny" | "inform_deny" => answer(FixedAnswer::Drop),
        "transparent" | "always_transparent" | "typetransparent" | "inform" => Some(Effect::Allow),
        "redirect" | "inform_redirect" => None,
        // Only about zones Unbound itself has.
        "nodefault" => return,
        kind => return intake.report.unsupported(&format!("local-zone {kind}")),
    };
    let word = names::word(name, true);
    match (effect, word) {
        (Some(effect), word) => intake.word(number, line, word, NameReach::Suffix, effect),
        (None, Word::Name(name)) => {
            data.redirects.insert(name);
        }
        (None, word) => intake.word(number, line, word, NameReach::Suffix, Effect::Block),
    }
}

fn local_data(intake: &mut Intake<'_>, data: &mut Data, number: u64, line: &str, record: &str) {
    let tokens: Vec<&str> = record.split_ascii_whitespace().collect();
    let Some(fields) = tokens.split_first().and_then(|(_, rest)| master::fields(rest)) else {
        return intake.report.invalid(number, line, "this is no record");
    };
    let name = match names::word(tokens[0], true) {
        Word::Name(name) => name,
        word => return intake.word(number, line, word, NameReach::Exact, Effect::Block),
    };
    let value = tokens[1 + fields.before..].join(" ");
    let entry = data.records.entry(name).or_default();
    if fields.rtype == 5 {
        match names::name(&value) {
            Ok(target) => entry.alias = Some(target),
            Err(reason) => intake.report.invalid(number, line, reason),
        }
        return;
    }
    match names::ip(&value) {
        Some(ip) if matches!(fields.rtype, 1 | 28) && names::is_null(ip) => entry.null = true,
        _ => match rewrite::record(fields.rtype, value.trim_matches('"')) {
            Ok(record) if entry.records.len() < RECORDS_MAX => entry.records.push(record),
            Ok(_) => intake.report.unsupported("more than 100 records of a name"),
            Err(reason) => intake.report.invalid(number, line, reason),
        },
    }
}

/// Records of one name.
const RECORDS_MAX: usize = 100;

/// `local-data-ptr: "192.0.2.1 TTL name"`.
fn pointer(intake: &mut Intake<'_>, data: &mut Data, number: u64, line: &str, record: &str) {
    let mut words = record.split_ascii_whitespace();
    let ip = words.next().and_then(names::ip);
    let target = words.last().map(names::name);
    match (ip, target) {
        (Some(ip), Some(Ok(target))) => {
            let Ok(name) = DomainName::from_text(&reverse(ip)) else { return };
            let rdata = Box::from(target.as_wire());
            data.records.entry(name).or_default().records.push(RecordData { rtype: 12, rdata });
        }
        _ => intake.report.invalid(number, line, "this is no address with a name"),
    }
}

/// The name of an address (RFC 1035, section 3.5; RFC 3596, section 2.5).
fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let digits = ip.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            format!("{}ip6.arpa", digits.collect::<String>())
        }
    }
}

/// The values of an option: words and quoted texts, up to a comment.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '#' => break,
            '"' | '\'' => rest[1..].split_once(first).unwrap_or((&rest[1..], "")),
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}
