//! Which literals a regular expression cannot do without.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More alternatives than these, and the literals are not worth looking for.
const LITERALS_MAX: usize = 32;
/// A shorter literal is in too many names.
const OCTETS_MIN: usize = 2;

/// Literals in lower case of which at least one is in every name that matches, without regard to case. `None`: no good
/// ones are known.
pub(super) fn literals(expression: &Hir) -> Option<Vec<Box<[u8]>>> {
    let all = of(expression).best?;
    let long = all.iter().all(|literal| literal.len() >= OCTETS_MIN);
    long.then(|| all.into_iter().map(Vec::into_boxed_slice).collect())
}

#[derive(Default)]
struct Needs {
    /// The expression is this literal and nothing else.
    exact: Option<Vec<u8>>,
    /// One of these is in every match.
    best: Option<Vec<Vec<u8>>>,
}

impl Needs {
    fn literal(literal: Vec<u8>) -> Self {
        let best = (!literal.is_empty()).then(|| vec![literal.clone()]);
        Needs { exact: Some(literal), best }
    }
}

fn of(expression: &Hir) -> Needs {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => Needs::literal(Vec::new()),
        HirKind::Literal(literal) => Needs::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => letter(class).map_or_else(Needs::default, |letter| Needs::literal(vec![letter])),
        HirKind::Repetition(repetition) => {
            let inner = of(&repetition.sub);
            match (repetition.min, repetition.max) {
                (0, _) => Needs::default(),
                (1, Some(1)) => inner,
                _ => Needs { exact: None, best: inner.best },
            }
        }
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                match of(part).best {
                    Some(best) if all.len() + best.len() <= LITERALS_MAX => all.extend(best),
                    _ => return Needs::default(),
                }
            }
            Needs { exact: None, best: Some(all) }
        }
    }
}

fn concat(parts: &[Hir]) -> Needs {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut run = Vec::new();
    let mut whole = true;
    for part in parts {
        let needs = of(part);
        match needs.exact {
            Some(literal) => run.extend(literal),
            None => {
                whole = false;
                offer(&mut best, Needs::literal(std::mem::take(&mut run)).best);
                offer(&mut best, needs.best);
            }
        }
    }
    if whole {
        return Needs::literal(run);
    }
    offer(&mut best, Needs::literal(run).best);
    Needs { exact: None, best }
}

/// Keeps the better set: the one whose shortest literal is longer, then the smaller one.
fn offer(best: &mut Option<Vec<Vec<u8>>>, new: Option<Vec<Vec<u8>>>) {
    let worth = |set: &[Vec<u8>]| (set.iter().map(Vec::len).min().unwrap_or(0), std::cmp::Reverse(set.len()));
    if let Some(new) = new
        && best.as_deref().is_none_or(|best| worth(&new) > worth(best))
    {
        *best = Some(new);
    }
}

/// The letter, where a class is one letter in both cases.
fn letter(class: &Class) -> Option<u8> {
    let mut letters = Vec::with_capacity(2);
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                letters.push((u32::from(range.start()), u32::from(range.end())));
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                letters.push((u32::from(range.start()), u32::from(range.end())));
            }
        }
    }
    let single = |&(start, end): &(u32, u32)| (start == end).then(|| u8::try_from(start).ok()).flatten();
    match &letters[..] {
        [one] => single(one).map(|octet| octet.to_ascii_lowercase()),
        [one, two] => {
            let (one, two) = (single(one)?.to_ascii_lowercase(), single(two)?.to_ascii_lowercase());
            (one == two).then_some(one)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::lists::matcher::parse_regex;

    fn needed(text: &str) -> Vec<String> {
        let expression = parse_regex(text).expect("valid");
        let all = literals(&expression).unwrap_or_default();
        all.iter().map(|literal| String::from_utf8_lossy(literal).into_owned()).collect()
    }

    #[test]
    fn the_longest_literal_of_a_sequence_is_taken() {
        for (text, expected) in [
            (r"^ad([sxv]?[0-9]*|system)[_.-]", &["ad"][..]),
            (r"(^|\.)doubleclick\.", &["doubleclick."]),
            (r"^(.+\.)?TRACK(er)+\d\.example$", &[".example"]),
            (r"(?i)Analytics", &["analytics"]),
            (r"(telemetry|metrics)\.", &["telemetry", "metrics"]),
            (r"^[0-9]+$", &[]),
            (r"a|tracker", &[]),
            (r"(ads)?", &[]),
        ] {
            assert_eq!(needed(text), expected, "{text}");
        }
    }
}
