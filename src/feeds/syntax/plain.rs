//! Hosts files, lists of names, Adblock and regular expressions: one line, one rule (or a few), and each line
//! may be of another of these syntaxes. The syntax of the list decides only what is open otherwise: what a
//! bare name and a `*.name` stand for, and whether `\.` makes a line a regular expression.

use super::{
    ParseError, adblock,
    intake::Intake,
    names::{self, Word},
    regexes,
    unpack::Octets,
};
use crate::model::{Effect, ListSyntax, NameReach, Pattern};
use std::net::{IpAddr, Ipv4Addr};

/// Reads a list of lines.
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    intake.lines(octets.into_read(), line)
}

/// Takes one line.
pub(super) fn line(intake: &mut Intake<'_>, number: u64, line: &str) {
    let text = line.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.is_empty() {
        return;
    }
    if is_comment(text) {
        return intake.comment(number, text);
    }
    if intake.syntax == ListSyntax::Regex && !is_other_than_regex(text) {
        return regexes::line(intake, number, text);
    }
    if adblock::is_cosmetic(text) {
        return intake.report.unsupported("cosmetic rule");
    }
    if adblock::is_rule(intake.syntax, text) {
        return adblock::line(intake, number, text);
    }
    let text = match intake.syntax {
        ListSyntax::Adblock => without_comment(adblock::without_comment(text)),
        _ => without_comment(text),
    };
    let mut words = text.split_ascii_whitespace();
    let Some(first) = words.next() else { return };
    // Systems have long taken `0` for 0.0.0.0.
    let ip = names::ip(first).or_else(|| (first == "0").then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    if let Some(ip) = ip
        && let Some(second) = words.next()
    {
        return hosts(intake, number, ip, std::iter::once(second).chain(words));
    }
    match text.strip_prefix('=') {
        // AdGuard's form of a name alone, in lists of services.
        Some(name) => match names::word(name.trim(), false) {
            Word::Name(name) => intake.plain(Pattern::Exact(name), Effect::Block),
            word => intake.word(number, line, word, NameReach::Exact, Effect::Block),
        },
        None if text.contains(char::is_whitespace) => {
            intake.report.invalid(number, line, "there is more than a name");
        }
        None => name(intake, number, text),
    }
}

/// `!`, `#`, `;`, `// ` and `[Adblock Plus 2.0]`. A generic cosmetic rule (`##.ad`) counts as one, too: a heading of
/// a hosts file looks the same.
pub(super) fn is_comment(text: &str) -> bool {
    match text.as_bytes()[0] {
        b'!' | b'#' | b';' => true,
        b'/' => text.starts_with("// "),
        b'[' => ["adblock", "adguard", "ublock"]
            .iter()
            .any(|product| text.get(1..1 + product.len()).is_some_and(|start| start.eq_ignore_ascii_case(product))),
        _ => false,
    }
}

/// What stands before a `#` (hosts(5)), or before a `;` or `//` that begins a word: no name or address has them.
pub(super) fn without_comment(text: &str) -> &str {
    let begins_word = |at: usize| at > 0 && text.as_bytes()[at - 1].is_ascii_whitespace();
    let mut marks = text.match_indices(['#', ';', '/']).map(|(at, _)| at);
    let comment = marks.find(|at| match &text.as_bytes()[*at..] {
        [b'#', ..] => true,
        [b';', ..] | [b'/', b'/', ..] => begins_word(*at),
        _ => false,
    });
    comment.map_or(text, |at| text[..at].trim_end())
}

/// `address name…`: every name alone (unless the list's reach says otherwise).
fn hosts<'t>(intake: &mut Intake<'_>, number: u64, ip: IpAddr, words: impl Iterator<Item = &'t str>) {
    let effect = intake.hosts_effect(ip);
    for text in words {
        match (names::word(text, false), &effect) {
            (Word::Own, _) => intake.report.own_names += 1,
            (_, None) => intake.report.unsupported("hosts line with an address"),
            (word, Some(effect)) => intake.word(number, text, word, NameReach::Exact, effect.clone()),
        }
    }
}

/// A name, `*.name` or `.name`.
///
/// A plain list means `*.name` and `.name` with the name itself (as blocky and most publishers of wildcard
/// lists have it), unless names stand for themselves alone: then `*.name` is what is below the name (routedns'
/// `domain`). An Adblock list means what is below.
fn name(intake: &mut Intake<'_>, number: u64, text: &str) {
    let by_syntax = match intake.syntax {
        ListSyntax::Hosts | ListSyntax::Adblock => NameReach::Exact,
        _ => NameReach::Suffix,
    };
    if let Some(rest) = text.strip_prefix("*.") {
        return match (names::word(rest, true), intake.options.reach) {
            (Word::Name(name), NameReach::Exact) => intake.plain(Pattern::Below(name), Effect::Block),
            (word, _) => intake.word_as_suffix(number, text, word),
        };
    }
    if let Some(rest) = text.strip_prefix('.') {
        return intake.word_as_suffix(number, text, names::word(rest, true));
    }
    intake.word(number, text, names::word(text, false), by_syntax, Effect::Block);
}

/// Whether a line of a list of regular expressions is of another syntax all the same.
fn is_other_than_regex(text: &str) -> bool {
    let rule = text.strip_prefix("@@").unwrap_or(text);
    rule.starts_with("||") || (rule.starts_with('/') && rule.len() > 1) || {
        let mut words = text.split_ascii_whitespace();
        words.next().is_some_and(|first| names::ip(first).is_some()) && words.next().is_some()
    }
}

impl Intake<'_> {
    fn word_as_suffix(&mut self, number: u64, text: &str, word: Word) {
        match word {
            Word::Name(name) => self.plain(Pattern::Suffix(name), Effect::Block),
            Word::Net(_) => self.report.invalid(number, text, "this is an address, not a name"),
            word => self.word(number, text, word, NameReach::Suffix, Effect::Block),
        }
    }
}
