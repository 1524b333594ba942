//! AdGuard Home's configuration: its own rules and rewrites are rules here; the lists it names are told in the
//! report. <https://github.com/AdguardTeam/AdGuardHome/wiki/Configuration>
//!
//! The document is read as events: an alias is an event of its own and never expands.

use super::{ParseError, adblock, intake::Intake, names, plain, unpack};
use crate::model::{Effect, FixedAnswer, NameRule, Pattern, RecordData, Rule};
use saphyr_parser::{Event, Parser};

/// Octets of the largest configuration.
const OCTETS_MAX: u64 = 16 << 20;
/// Collections inside collections.
const DEPTH_MAX: usize = 32;

/// An open collection.
struct Level {
    /// The key it stands under.
    key: String,
    mapping: bool,
    /// The key whose value comes next.
    pending: Option<String>,
    fields: Vec<(String, String)>,
}

/// Reads a configuration.
pub(super) fn read(octets: unpack::Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let octets = unpack::whole(octets.into_read(), OCTETS_MAX.min(intake.options.octets_max))?;
    let text = std::str::from_utf8(&octets).map_err(|_| ParseError::NotAList("it is not UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}');
    intake.report.octets = octets.len() as u64;
    intake.report.lines = text.lines().count() as u64;
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| ParseError::NotAList(format!("it is no YAML: {error}")))?;
        let line = span.start.line() as u64;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if levels.len() >= DEPTH_MAX {
                    return Err(ParseError::NotAList("it is nested too deep".to_owned()));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                let key = under(&mut levels);
                levels.push(Level { key, mapping, pending: None, fields: Vec::new() });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some(level) = levels.pop().filter(|level| level.mapping) {
                    object(intake, line, &level);
                }
            }
            Event::Scalar(text, ..) => match levels.last_mut() {
                Some(level) if level.mapping => match level.pending.take() {
                    None => level.pending = Some(text.into_owned()),
                    Some(key) => level.fields.push((key, text.chars().take(4096).collect())),
                },
                Some(level) if level.key == "user_rules" => plain::line(intake, line, &text),
                _ => {}
            },
            Event::Alias(_) => {
                under(&mut levels);
            }
            _ => {}
        }
        intake.check_bounds()?;
    }
    Ok(())
}

/// The key a new value stands under: its own, or that of its sequence.
fn under(levels: &mut [Level]) -> String {
    match levels.last_mut() {
        Some(level) if level.mapping => level.pending.take().unwrap_or_default(),
        Some(level) => level.key.clone(),
        None => String::new(),
    }
}

fn object(intake: &mut Intake<'_>, line: u64, level: &Level) {
    let field = |name: &str| level.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let enabled = field("enabled") != Some("false");
    match level.key.as_str() {
        "rewrites" if enabled => {
            if let (Some(name), Some(answer)) = (field("domain"), field("answer")) {
                rewrite(intake, line, name, answer);
            }
        }
        "rewrites" => intake.report.disabled += 1,
        "filters" | "whitelist_filters" => {
            if let Some(url) = field("url").filter(|_| enabled) {
                intake.report.source(url);
            }
        }
        "persistent" | "clients" => intake.report.unsupported("clients"),
        _ => {}
    }
}

/// `domain: *.example.com`, `answer:` an address, a name, or `A` and `AAAA` for "as it is".
fn rewrite(intake: &mut Intake<'_>, line: u64, domain: &str, answer: &str) {
    let effect = match answer.trim() {
        "A" | "AAAA" => Effect::Allow,
        answer => match (names::ip(answer), names::name(answer)) {
            (Some(ip), _) => {
                let records: Vec<RecordData> = vec![names::address_data(ip)];
                Effect::Answer(Box::new(FixedAnswer::Records(records)))
            }
            // The name itself as answer: it stays as it is.
            (None, Ok(target)) if names::name(domain).as_ref() == Ok(&target) => Effect::Allow,
            (None, Ok(target)) => Effect::Answer(Box::new(FixedAnswer::Alias(target))),
            (None, Err(reason)) => return intake.report.invalid(line, answer, reason),
        },
    };
    let pattern = match domain.trim().strip_prefix("*.") {
        Some(below) => names::name(below).map(Pattern::Below),
        None if domain.contains('*') => match adblock::shape(&format!("|{}^", domain.trim()), false) {
            adblock::Shape::Pattern(pattern) => Ok(pattern),
            _ => Err("this is no pattern".into()),
        },
        None => names::name(domain).map(Pattern::Exact),
    };
    match pattern {
        Ok(pattern) => intake.rule(Rule::Name(NameRule::plain(pattern, effect))),
        Err(reason) => intake.report.invalid(line, domain, reason),
    }
}
