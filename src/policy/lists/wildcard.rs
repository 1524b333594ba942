//! Adblock patterns: literals and `*`, held at the beginning, at a label, or at the end.
//!
//! Matching goes through the name once: whatever follows a `*` is looked for from where the last literal ended, and the
//! first place found is as good as any later one, so nothing is ever tried again.

use crate::model::DomainName;
use memchr::memmem;

/// Where the first literal must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Anywhere,
    /// Where the name begins.
    Name,
    /// Where a label begins.
    Label,
}

/// A pattern ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    start: Start,
    /// The last literal ends where the name ends.
    end: bool,
    /// None is empty. No literal at all: every name matches.
    literals: Box<[Box<[u8]>]>,
}

impl Wildcard {
    /// Reads a pattern. `None`: no name can match, as with `^` or `|` in the middle.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (mut start, text) = if let Some(rest) = text.strip_prefix("||") {
            (Start::Label, rest)
        } else if let Some(rest) = text.strip_prefix('|') {
            (Start::Name, rest)
        } else {
            (Start::Anywhere, text)
        };
        let (mut rest, mut end, mut open) = (text, false, false);
        loop {
            if let Some(shorter) = rest.strip_suffix(['^', '|']) {
                // What stands to the right of an end can only be empty.
                (rest, end, open) = (shorter, true, false);
            } else if let Some(shorter) = rest.strip_suffix('*') {
                (rest, open) = (shorter, true);
            } else {
                break;
            }
        }
        if rest.contains(['^', '|']) {
            return None;
        }
        if rest.starts_with('*') || rest.is_empty() {
            // `||^` and `|^` would be the end of a name right at its beginning, which no name has.
            if rest.is_empty() && start != Start::Anywhere && end && !open {
                return None;
            }
            start = Start::Anywhere;
        }
        let literals: Box<[Box<[u8]>]> =
            rest.split('*').filter(|literal| !literal.is_empty()).map(|literal| literal.as_bytes().into()).collect();
        Some(Wildcard { start, end: end && !open && !literals.is_empty(), literals })
    }

    /// The literal that tells best when the pattern may match; `None`: there is none.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        self.literals.iter().map(|literal| &**literal).max_by_key(|literal| literal.len())
    }

    /// Whether the name matches: text in lower case without the last dot.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let mut at = 0;
        for (index, literal) in self.literals.iter().enumerate() {
            let start = if index == 0 { self.start } else { Start::Anywhere };
            let rest = &name[at..];
            if self.end && index + 1 == self.literals.len() {
                let Some(before) = rest.strip_suffix(&**literal) else { return false };
                return match start {
                    Start::Anywhere => true,
                    Start::Name => before.is_empty(),
                    Start::Label => before.last().is_none_or(|octet| *octet == b'.'),
                };
            }
            let found = match start {
                Start::Anywhere => memmem::find(rest, literal),
                Start::Name => rest.starts_with(literal).then_some(0),
                Start::Label => labels(rest).find(|&begin| rest[begin..].starts_with(literal)),
            };
            let Some(found) = found else { return false };
            at += found + literal.len();
        }
        true
    }
}

/// Where labels begin.
fn labels(name: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(memchr::memchr_iter(b'.', name).map(|dot| dot + 1))
}

/// A pattern that is a name in disguise.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// `|name^`.
    Exact(DomainName),
    /// `||name^`.
    Suffix(DomainName),
    /// `*.name^`.
    Below(DomainName),
}

/// The name, where the pattern matches what a rule at a name matches.
pub(super) fn plain(text: &str) -> Option<Plain> {
    let held = text.strip_suffix(['^', '|'])?;
    let held = held.strip_suffix(['^', '|']).unwrap_or(held);
    let (name, make): (&str, fn(DomainName) -> Plain) = if let Some(name) = held.strip_prefix("||*.") {
        (name, Plain::Below)
    } else if let Some(name) = held.strip_prefix("*.") {
        (name, Plain::Below)
    } else if let Some(name) = held.strip_prefix("||") {
        (name, Plain::Suffix)
    } else if let Some(name) = held.strip_prefix('|') {
        (name, Plain::Exact)
    } else {
        return None;
    };
    if name.ends_with('.') || name.contains('*') {
        return None;
    }
    DomainName::from_text(name).ok().map(make)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries every way a pattern could match.
    fn brute(pattern: &[u8], name: &[u8], at: usize) -> bool {
        match pattern {
            [] => true,
            [b'*', rest @ ..] => (at..=name.len()).any(|at| brute(rest, name, at)),
            [b'^' | b'|', rest @ ..] => at == name.len() && brute(rest, name, at),
            [octet, rest @ ..] => name.get(at) == Some(octet) && brute(rest, name, at + 1),
        }
    }

    fn expected(pattern: &str, name: &str) -> bool {
        let name = name.as_bytes();
        let label = |at: &usize| *at == 0 || name[*at - 1] == b'.';
        if let Some(rest) = pattern.strip_prefix("||") {
            (0..name.len()).filter(label).any(|at| brute(rest.as_bytes(), name, at))
        } else if let Some(rest) = pattern.strip_prefix('|') {
            brute(rest.as_bytes(), name, 0)
        } else {
            (0..=name.len()).any(|at| brute(pattern.as_bytes(), name, at))
        }
    }

    fn matches(pattern: &str, name: &str) -> bool {
        Wildcard::new(pattern).is_some_and(|wildcard| wildcard.matches(name.as_bytes()))
    }

    #[test]
    fn anchors_and_stars_mean_what_adblock_says() {
        for (pattern, yes, no) in [
            ("||ads.*.example^", "x.ads.a.b.example", "bads.a.example"),
            ("||ads.", "ads.example", "bads.example"),
            ("|ads", "ads.example", "x.ads"),
            ("tracker^", "a.tracker", "tracker.example"),
            ("-ads-", "a-ads-b", "ads-b"),
            ("|a*b*c|", "a.bb.c", "a.c.b"),
            ("||a*a^", "a.a", "a"),
            ("*", "anything", ""),
            ("foo*^", "foobar", "bar"),
            ("foo^*", "xfoo", "foobar"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(no.is_empty() || !matches(pattern, no), "{pattern} {no}");
        }
        assert_eq!(Wildcard::new("a^b"), None);
    }

    #[test]
    fn names_in_disguise_are_found() {
        let name = DomainName::from_text("a.example").expect("valid");
        assert_eq!(plain("||a.example^"), Some(Plain::Suffix(name.clone())));
        assert_eq!(plain("|a.example^|"), Some(Plain::Exact(name.clone())));
        assert_eq!(plain("||*.a.example^"), Some(Plain::Below(name.clone())));
        assert_eq!(plain("*.a.example^"), Some(Plain::Below(name)));
        for text in ["||a.example", "a.example^", "||a.*.example^", "||.example^", "*.example", "||a.example.^"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_trying_every_way(pattern in "(\\|\\||\\||)[ab.*]{0,6}[\\^|*]{0,2}", name in "[ab]{1,3}(\\.[ab]{1,3}){0,3}") {
            prop_assert_eq!(matches(&pattern, &name), expected(&pattern, &name), "{} {}", pattern, name);
        }

        #[test]
        fn a_pattern_is_found_only_where_its_literal_is(pattern in "(\\|\\||\\||)[ab.*]{0,6}[\\^|*]{0,2}", name in "[ab.]{1,8}") {
            if let Some(wildcard) = Wildcard::new(&pattern) && wildcard.matches(name.as_bytes()) && let Some(literal) = wildcard.literal() {
                prop_assert!(memmem::find(name.as_bytes(), literal).is_some());
            }
        }
    }
}
