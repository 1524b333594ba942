//! Rules that stand at no name, ready to match.

use super::{required, rules::Loose, wildcard::Wildcard};
use crate::policy::Suffixes;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

/// Characters of a regular expression.
const REGEX_CHARACTERS_MAX: usize = 1_000;
/// Octets a compiled regular expression may take.
const REGEX_OCTETS_MAX: usize = 256 << 10;
/// Octets of states a thread may keep for matching one; more, and they are made anew or done without.
const SCRATCH_OCTETS_MAX: usize = 32 << 10;
/// Nested groups of one.
const NESTED_MAX: u32 = 50;
/// Octets of the literal of a wildcard pattern below which it is tried against every name.
const LITERAL_OCTETS_MIN: usize = 2;

/// A rule ready to match.
#[derive(Debug)]
pub(super) struct Matcher {
    kind: Kind,
    inverts: bool,
    literals: Box<[Box<[u8]>]>,
}

#[derive(Debug)]
enum Kind {
    Wildcard(Wildcard),
    Regex(Regex),
    Name(Loose),
}

impl Matcher {
    /// `None`: the pattern is not understood, too large, or can match nothing.
    pub(super) fn new(pattern: &Loose, inverts: bool) -> Option<Self> {
        let (kind, literals) = match pattern {
            Loose::Wildcard(text) => {
                let wildcard = Wildcard::new(text)?;
                let literal = wildcard.literal().filter(|literal| literal.len() >= LITERAL_OCTETS_MIN);
                let literals: Vec<Box<[u8]>> = literal.map(Box::from).into_iter().collect();
                (Kind::Wildcard(wildcard), literals)
            }
            Loose::Regex(text) => {
                let literals = required::literals(&parse_regex(text)?).unwrap_or_default();
                (Kind::Regex(compile_regex(text)?), literals)
            }
            Loose::Exact(_) | Loose::Suffix(_) | Loose::Below(_) => (Kind::Name(pattern.clone()), Vec::new()),
        };
        // What applies to names that do not match is not told by a literal that is there.
        let literals = if inverts { Box::default() } else { literals.into_boxed_slice() };
        Some(Matcher { kind, inverts, literals })
    }

    /// Literals of which one is in every name that matches. None: the rule is tried against every name.
    pub(super) fn literals(&self) -> &[Box<[u8]>] {
        &self.literals
    }

    /// Whether the rule is about this name; `text` is the name in lower case without the last dot.
    pub(super) fn matches(&self, suffixes: &Suffixes<'_>, text: &[u8]) -> bool {
        let found = match &self.kind {
            Kind::Wildcard(wildcard) => wildcard.matches(text),
            Kind::Regex(regex) => regex.is_match(text),
            Kind::Name(Loose::Exact(name)) => suffixes.name() == name.as_name(),
            Kind::Name(Loose::Suffix(name)) => suffixes.name().is_at_or_below(name.as_name()),
            Kind::Name(Loose::Below(name)) => {
                suffixes.name() != name.as_name() && suffixes.name().is_at_or_below(name.as_name())
            }
            Kind::Name(Loose::Wildcard(_) | Loose::Regex(_)) => false,
        };
        found != self.inverts
    }
}

/// The expression taken apart; `None`: not understood (as look-around and back-references are), or too long.
pub(super) fn parse_regex(text: &str) -> Option<Hir> {
    if text.chars().count() > REGEX_CHARACTERS_MAX {
        return None;
    }
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.unicode(false).utf8(false).nest_limit(NESTED_MAX).build().parse(text).ok()
}

/// A regular expression of a list or a policy: on octets, without regard to case, in linear time. `None`: not
/// understood, or too large.
pub(in crate::policy) fn compile_regex(text: &str) -> Option<Regex> {
    if text.chars().count() > REGEX_CHARACTERS_MAX {
        return None;
    }
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).case_insensitive(true).nest_limit(NESTED_MAX);
    builder.size_limit(REGEX_OCTETS_MAX).dfa_size_limit(SCRATCH_OCTETS_MAX).build().ok()
}
