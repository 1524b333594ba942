//! Regular expressions: Pi-hole's lists of them, and what may be one at all.
//!
//! They are matched in linear time (`regex` crate), so what that cannot do is left out and told:
//! look-around, back-references, approximate matching of TRE, and expressions that compile to too much.
//! <https://docs.pi-hole.net/regex/pi-hole/>

use super::{intake::Intake, names, rewrite};
use crate::{
    model::{Conditions, Effect, FixedAnswer, NameRule, Pattern, RecordData, Rule},
    wire::parse_type,
};
use regex::bytes::{Regex, RegexBuilder};

/// Octets a compiled expression may take. Names are ASCII, so this is room for some thousand alternatives.
pub const REGEX_OCTETS_MAX: usize = 256 << 10;
/// Nesting of an expression.
const NEST_MAX: u32 = 64;
/// Characters of an expression.
const REGEX_CHARACTERS_MAX: usize = 4096;
/// Expressions of a list: each costs a compilation now, and memory and time in every policy with the list.
const REGEXES_MAX: u64 = 20_000;

/// Why an expression is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It needs what is not there.
    Unsupported(&'static str),
    /// It is none.
    Invalid(String),
}

/// Compiles an expression as rules of lists mean it: on the octets of a name in lower case without its last
/// dot, unanchored, without regard to case.
pub(super) fn compile(text: &str) -> Result<Regex, Refused> {
    if text.len() > REGEX_CHARACTERS_MAX {
        return Err(Refused::Unsupported("regex size"));
    }
    if is_approximate(text) {
        return Err(Refused::Unsupported("regex approximate matching"));
    }
    let built = RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(true)
        .nest_limit(NEST_MAX)
        .size_limit(REGEX_OCTETS_MAX)
        .dfa_size_limit(REGEX_OCTETS_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Refused::Unsupported("regex size"),
        error => {
            let text = error.to_string();
            if text.contains("look-around") {
                Refused::Unsupported("regex look-around")
            } else if text.contains("backreferences") {
                Refused::Unsupported("regex back-reference")
            } else {
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Refused::Invalid(format!("the regular expression is not valid: {reason}"))
            }
        }
    })
}

/// Whether braces hold what TRE calls approximate matching settings: `{+1}`, `{~2}`, `{#3}`, `{1i + 1d < 3}`.
fn is_approximate(text: &str) -> bool {
    let mut escaped = false;
    let mut class = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '{' if !class => {
                let inside = text[at + 1..].split('}').next().unwrap_or_default();
                if inside.contains(['+', '~', '#', '<']) || inside.starts_with('-') {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Takes an expression, unless it is none or matches every name under no condition.
pub(super) fn pattern(
    intake: &mut Intake<'_>,
    number: u64,
    line: &str,
    expression: &str,
    conditional: bool,
) -> Option<Pattern> {
    if intake.regexes >= REGEXES_MAX {
        intake.report.unsupported("regexes past 20,000");
        return None;
    }
    match compile(expression) {
        Ok(regex) if !conditional && (regex.is_match(b"") || regex.is_match(b".")) => {
            intake.report.invalid(number, line, "the regular expression matches every name");
            None
        }
        Ok(_) => {
            intake.regexes += 1;
            Some(Pattern::Regex(expression.into()))
        }
        Err(Refused::Unsupported(what)) => {
            intake.report.unsupported(what);
            None
        }
        Err(Refused::Invalid(reason)) => {
            intake.report.invalid(number, line, reason);
            None
        }
    }
}

/// Takes a line of Pi-hole's: `expression[;option…]`.
pub(super) fn line(intake: &mut Intake<'_>, number: u64, line: &str) {
    // No name has a blank, so no expression needs one with such a mark behind it.
    let expression = line.find(" #").or_else(|| line.find("\t#")).map_or(line, |at| line[..at].trim_end());
    let mut parts = expression.split(';');
    let expression = parts.next().unwrap_or_default().trim();
    let mut conditions = Conditions::default();
    let mut effect = Effect::Block;
    for option in parts.map(str::trim).filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let taken = match name.trim().to_ascii_lowercase().as_str() {
            "querytype" => types(value, &mut conditions),
            "invert" => {
                conditions.invert = true;
                Ok(())
            }
            "reply" => reply(value.trim(), &mut effect),
            other => return intake.report.unsupported(other),
        };
        if let Err(reason) = taken {
            return intake.report.invalid(number, line, reason);
        }
    }
    let conditions = (conditions != Conditions::default()).then(|| Box::new(conditions));
    if let Some(pattern) = pattern(intake, number, line, expression, conditions.is_some()) {
        intake.rule(Rule::Name(NameRule { pattern, effect, important: false, conditions }));
    }
}

/// `querytype=[!]T[,T…]`.
fn types(value: &str, conditions: &mut Conditions) -> Result<(), String> {
    let value = value.trim();
    let (list, names) = match value.strip_prefix('!') {
        Some(names) => (&mut conditions.types_except, names),
        None => (&mut conditions.types, value),
    };
    for name in names.split(',').map(str::trim) {
        list.push(parse_type(name).ok_or_else(|| format!("there is no type {}", rewrite::shown(name)))?);
    }
    Ok(())
}

/// `reply=…`; addresses of both families may be given one after the other.
fn reply(value: &str, effect: &mut Effect) -> Result<(), String> {
    let answer = match value.to_ascii_lowercase().as_str() {
        "nodata" => FixedAnswer::NoData,
        "nxdomain" => FixedAnswer::NxDomain,
        "refused" => FixedAnswer::Refused,
        "none" => FixedAnswer::Drop,
        // Pi-hole's own address, where its page of blocked names is: how blocks look here says the policy.
        "ip" => {
            *effect = Effect::Block;
            return Ok(());
        }
        address => {
            let ip = names::ip(address).ok_or_else(|| format!("there is no reply {}", rewrite::shown(value)))?;
            let data: RecordData = names::address_data(ip);
            if let Effect::Answer(answer) = effect
                && let FixedAnswer::Records(records) = &mut **answer
            {
                records.push(data);
                return Ok(());
            }
            FixedAnswer::Records(vec![data])
        }
    };
    *effect = Effect::Answer(Box::new(answer));
    Ok(())
}
