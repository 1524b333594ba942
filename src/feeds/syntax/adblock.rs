//! Adblock rules for DNS, in AdGuard's dialect, of which Pi-hole's is a part.
//! <https://adguard-dns.io/kb/general/dns-filtering-syntax/>
//!
//! Nearly all rules are `||name^`. A rule with a modifier that is not known says something about web pages
//! and is left out, which makes lists for browsers safe to load.

use super::{
    intake::Intake,
    modifiers::{self, Modifiers},
    names::{self, Word},
    regexes,
};
use crate::model::{AddressRule, AddressTrigger, DomainName, Effect, ListSyntax, NameRule, Pattern, Rule};
use ipnet::{IpNet, Ipv4Net};
use std::{borrow::Cow, net::Ipv4Addr};

/// Characters of the longest pattern; a name has at most 253.
const PATTERN_MAX: usize = 512;
/// Characters of the shortest pattern that applies to everybody and everything.
const PATTERN_MIN: usize = 3;

/// Whether a line is about elements of web pages.
pub(super) fn is_cosmetic(text: &str) -> bool {
    if text.starts_with('/') || text.starts_with('|') {
        return false;
    }
    let marks = ["##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#%#", "#@%#", "#$?#", "$$", "$@$"];
    let first = text.find(['#', '$']);
    first.is_some_and(|at| {
        marks.iter().any(|mark| text[at..].starts_with(mark)) && !text[..at].contains(char::is_whitespace)
    })
}

/// Whether a line is of this syntax rather than a bare name or a hosts line.
pub(super) fn is_rule(syntax: ListSyntax, text: &str) -> bool {
    if text.starts_with("@@") || text.starts_with('|') {
        return true;
    }
    // A hosts line may have anything in its comment.
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    if names::net(first).is_some() {
        return false;
    }
    if text.starts_with('/') && text.len() > 1 && regex_end(text).is_some() {
        return true;
    }
    let rest = if syntax == ListSyntax::Adblock { first } else { first.strip_prefix("*.").unwrap_or(first) };
    if rest.contains(['^', '$', '*', '|']) {
        return true;
    }
    // In an Adblock list a word that is no name is looked for in names.
    syntax == ListSyntax::Adblock && !text.contains([' ', '\t', '=']) && !rest.trim_end_matches('.').contains('.')
        || syntax == ListSyntax::Adblock && rest.starts_with(['.', '-'])
}

/// Where the expression of `/…/` and `/…/$modifiers` ends, whatever comment stands behind.
fn regex_end(rule: &str) -> Option<usize> {
    let (mut class, mut escaped) = (false, false);
    for (at, c) in rule.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '/' if !class && at > 1 => {
                let rest = &rule[at + 1..];
                let comment = rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with(['#', '!']);
                if rest.is_empty() || rest.starts_with('$') || comment {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    if rule.len() > 2 && rule.ends_with('/') {
        return Some(rule.len() - 1);
    }
    rule.rfind("/$").filter(|end| *end > 0)
}

/// A rule without the comment behind it: from a `#` or `!` after a blank. AdGuard knows none, but real lists have them,
/// and a name has no blanks. An expression, a quoted client and the text of a TXT record may have the marks themselves.
pub(super) fn without_comment(line: &str) -> &str {
    let start = if line.starts_with("@@") { 2 } else { 0 };
    let rule = &line[start..];
    let from = start + rule.starts_with('/').then(|| regex_end(rule)).flatten().unwrap_or(0);
    let (mut quote, mut escaped, mut before) = (None, false, '/');
    for (at, c) in line[from..].char_indices().map(|(at, c)| (from + at, c)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if quote == Some(c) => quote = None,
            _ if quote.is_some() => {}
            '\'' | '"' if matches!(before, '=' | '|' | '~') => quote = Some(c),
            '#' | '!' if before.is_whitespace() && !line[..at].to_ascii_uppercase().contains(";TXT;") => {
                return line[..at].trim_end();
            }
            _ => {}
        }
        before = c;
    }
    line
}

/// Takes one line.
pub(super) fn line(intake: &mut Intake<'_>, number: u64, line: &str) {
    let line = without_comment(line);
    let (exception, rule) = match line.strip_prefix("@@") {
        Some(rule) => (true, rule),
        None => (false, line),
    };
    let regex = rule.starts_with('/').then(|| regex_end(rule)).flatten();
    let (pattern, options) = match regex {
        Some(end) => (&rule[1..end], rule[end + 1..].strip_prefix('$')),
        None => match rule.find('$') {
            Some(at) => (&rule[..at], Some(&rule[at + 1..])),
            None => (rule, None),
        },
    };
    let modifiers = match modifiers::parse(options.unwrap_or_default(), exception) {
        Ok(modifiers) => modifiers,
        Err(modifiers::Refused::Unsupported(name)) => return intake.report.unsupported(&name),
        Err(modifiers::Refused::Invalid(reason)) => return intake.report.invalid(number, line, reason),
    };
    if let Some(what) = url(pattern, regex.is_some()) {
        return match what {
            true => intake.report.url(number, line),
            false => intake.report.unsupported("pattern with a separator inside"),
        };
    }
    let text = text_of(exception, regex.is_some(), pattern, options);
    if modifiers.badfilter {
        return intake.cancel(&text);
    }
    if exception && let Some(Some(_)) = modifiers.rewrite {
        return except_answer(intake, number, line, pattern, modifiers);
    }
    let wide = modifiers.narrows();
    let pattern = match regex {
        Some(_) => regexes::pattern(intake, number, line, pattern, wide),
        None => match shape(pattern, wide) {
            Shape::Pattern(pattern) => Some(pattern),
            Shape::Net(net) => return address(intake, exception, modifiers, &text, net),
            Shape::Own => return intake.report.own_names += 1,
            Shape::Invalid(reason) => return intake.report.invalid(number, line, reason),
        },
    };
    if let Some(pattern) = pattern {
        let effect = match (exception, modifiers.rewrite) {
            (true, Some(_)) => Effect::NoAnswer,
            (true, None) => Effect::Allow,
            (false, Some(Some(answer))) => Effect::Answer(Box::new(answer)),
            (false, _) => Effect::Block,
        };
        let Modifiers { important, conditions, .. } = modifiers;
        let conditions = (conditions != Default::default()).then(|| Box::new(conditions));
        intake.hold(&text, Rule::Name(NameRule { pattern, effect, important, conditions }));
    }
}

/// Whether a pattern is about URLs (`Some(true)`), or about a separator in the midst of one, which names do
/// not have (`Some(false)`).
fn url(pattern: &str, regex: bool) -> Option<bool> {
    if regex {
        let mut class = false;
        for c in pattern.chars() {
            match c {
                '[' => class = true,
                ']' => class = false,
                '/' if !class => return Some(true),
                _ => {}
            }
        }
        return None;
    }
    // `://name` is a name's beginning.
    let rest = after_scheme(pattern).unwrap_or(pattern);
    if rest.contains(['/', '?', ':', '@', '=', '&']) {
        let address = rest.trim_start_matches('|').trim_end_matches(['^', '|', '*']);
        return names::net(address).is_none().then_some(true);
    }
    let inside = rest.trim_start_matches(['^', '|']).trim_end_matches(['^', '|', '*']);
    inside.contains(['^', '|']).then_some(false)
}

/// What stands behind `//`, `://`, `|https://` and the like: there a name begins.
fn after_scheme(pattern: &str) -> Option<&str> {
    if let Some(rest) = pattern.strip_prefix("//") {
        return Some(rest);
    }
    let (scheme, rest) = pattern.split_once("://")?;
    matches!(scheme.trim_start_matches('|'), "" | "*" | "http" | "https" | "http*" | "ws" | "wss").then_some(rest)
}

/// What a line with `$badfilter` repeats: the rule with its modifiers in order, in lower case.
fn text_of(exception: bool, regex: bool, pattern: &str, options: Option<&str>) -> String {
    let mut text = String::with_capacity(pattern.len() + 4);
    text.push_str(if exception { "@@" } else { "" });
    text.push_str(if regex { "/" } else { "" });
    // The case of an expression's letters counts: `\d` is not `\D`.
    if regex {
        text.push_str(pattern)
    } else {
        text.extend(pattern.chars().map(|c| c.to_ascii_lowercase()))
    }
    let mut options: Vec<&str> = options.map(modifiers::split).unwrap_or_default();
    options.retain(|option| !option.trim().eq_ignore_ascii_case("badfilter"));
    options.sort_unstable();
    for option in options {
        text.push(',');
        text.push_str(option.trim());
    }
    text
}

/// `@@…$dnsrewrite=value`: not this answer of other rules of the list for the name and what is below it.
fn except_answer(intake: &mut Intake<'_>, number: u64, line: &str, pattern: &str, modifiers: Modifiers) {
    if modifiers.conditions != Default::default() {
        return intake.report.unsupported("dnsrewrite exception with conditions");
    }
    match (shape(pattern, false), modifiers.rewrite.flatten()) {
        (Shape::Pattern(Pattern::Suffix(name)), Some(answer)) => {
            intake.cancel_answer(name, answer, modifiers.important);
        }
        (Shape::Invalid(reason), _) => intake.report.invalid(number, line, reason),
        _ => intake.report.unsupported("dnsrewrite exception for a pattern"),
    }
}

/// `||192.0.2.1^`: answers with this address.
fn address(intake: &mut Intake<'_>, exception: bool, modifiers: Modifiers, text: &str, net: IpNet) {
    if modifiers.conditions != Default::default() || modifiers.rewrite.is_some() {
        return intake.report.unsupported("modifiers of an address");
    }
    if modifiers.important {
        intake.report.warn("an address is never important");
    }
    let effect = if exception { Effect::Allow } else { Effect::Block };
    intake.hold(text, Rule::Address(AddressRule { trigger: AddressTrigger::Answer, net, effect }));
}

/// What a pattern is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Pattern(Pattern),
    Net(IpNet),
    Own,
    Invalid(Cow<'static, str>),
}

/// Where a pattern begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Front {
    Anywhere,
    Label,
    Name,
}

/// Reads a pattern; `narrow` says whether the rule has conditions that keep a wide one from applying to
/// everything.
pub(super) fn shape(pattern: &str, narrow: bool) -> Shape {
    let lower = pattern.trim().to_lowercase();
    let mut body = lower.as_str();
    if body.len() > PATTERN_MAX {
        return Shape::Invalid("the pattern is too long".into());
    }
    if !narrow && (body.len() < PATTERN_MIN || body.bytes().all(|octet| b"|*^.".contains(&octet))) {
        return Shape::Invalid("the rule is too wide".into());
    }
    // AdGuard's `*.name` has no `^`, but is meant for what is below the name.
    if let Some(name) = body.strip_prefix("*.").filter(|name| name.contains('.'))
        && let Word::Name(name) = names::word(name, false)
    {
        return Shape::Pattern(Pattern::Below(name));
    }
    let mut front = Front::Anywhere;
    if let Some(rest) = after_scheme(body) {
        (front, body) = (Front::Name, rest);
    } else if let Some(rest) = body.strip_prefix("||") {
        (front, body) = (Front::Label, rest);
    } else if let Some(rest) = body.strip_prefix(['|', '^']) {
        (front, body) = (Front::Name, rest);
    }
    // `^*` and `^|` say no more than `^`.
    let trimmed = body.trim_end_matches('*');
    let end = trimmed.ends_with(['^', '|']);
    body = trimmed.trim_end_matches(['^', '|']);
    let below = front == Front::Label && body.starts_with("*.");
    if body.starts_with('*') {
        body = body.trim_start_matches('*');
        front = Front::Anywhere;
    }
    if !end && front == Front::Anywhere && body.is_empty() && !narrow {
        return Shape::Invalid("the rule is too wide".into());
    }
    if let Some(net) = net(body, front) {
        return net;
    }
    // A name anchored at both ends. `||google.^` is no rule about the top-level domain.
    let cut = body.ends_with('.') && !body.trim_end_matches('.').contains('.');
    if end && !cut && !body.contains('*') {
        let (name, reach): (&str, fn(DomainName) -> Pattern) = match (front, body.strip_prefix('.')) {
            (Front::Name, None) => (body, Pattern::Exact),
            (Front::Label, None) => (body, Pattern::Suffix),
            (Front::Anywhere | Front::Label, Some(name)) => (name, Pattern::Below),
            _ => ("", Pattern::Exact),
        };
        debug_assert!(!below || body.starts_with('.'));
        if !name.is_empty() {
            return match names::word(name, true) {
                Word::Name(name) => Shape::Pattern(reach(name)),
                Word::Net(net) => Shape::Net(net),
                Word::Own => Shape::Own,
                Word::Url => Shape::Invalid("this is a URL, not a name".into()),
                Word::Invalid(reason) => Shape::Invalid(reason),
            };
        }
    }
    let body = match ascii(body) {
        Ok(body) => body,
        Err(reason) => return Shape::Invalid(reason),
    };
    let mut text = String::with_capacity(body.len() + 3);
    text.push_str(match front {
        Front::Anywhere => "",
        Front::Label => "||",
        Front::Name => "|",
    });
    for c in body.chars() {
        if !(c == '*' && text.ends_with('*')) {
            text.push(c);
        }
    }
    text.push_str(if end { "^" } else { "" });
    if text.is_empty() {
        text.push('*');
    }
    Shape::Pattern(Pattern::Wildcard(text.into()))
}

/// An address, or the beginning of one: `||203.0.113.` is a network, as AdGuard compares patterns with the
/// addresses of answers, too.
fn net(body: &str, front: Front) -> Option<Shape> {
    if let Some(net) = names::net(body) {
        return Some(match names::word(body, true) {
            Word::Own => Shape::Own,
            Word::Invalid(reason) => Shape::Invalid(reason),
            _ => Shape::Net(net),
        });
    }
    let octets = body.trim_end_matches('*');
    if octets.is_empty() || !octets.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return None;
    }
    // Digits alone are looked for in names; with a dot at the end they are the first octets of an address.
    let octets = octets.strip_suffix('.')?;
    let octets: Option<Vec<u8>> = octets.split('.').map(|octet| octet.parse().ok()).collect();
    let octets = octets.filter(|octets| octets.len() < 4 && front != Front::Anywhere)?;
    let mut address = [0; 4];
    address[..octets.len()].copy_from_slice(&octets);
    let net = Ipv4Net::new(Ipv4Addr::from(address), 8 * octets.len() as u8).ok()?;
    Some(match address[0] {
        0 | 127 => Shape::Own,
        _ => Shape::Net(IpNet::V4(net)),
    })
}

/// A pattern with its labels in ASCII.
fn ascii(body: &str) -> Result<Cow<'_, str>, Cow<'static, str>> {
    let allowed = |text: &str| match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.*".contains(*c))) {
        Some(c) => Err(Cow::from(format!("the pattern contains {c:?}"))),
        None => Ok(()),
    };
    if body.is_ascii() {
        return allowed(body).map(|()| body.into());
    }
    let mut labels = Vec::new();
    for label in body.split('.') {
        labels.push(match label {
            label if label.is_ascii() => label.to_owned(),
            label if label.contains('*') => return Err("a label with other letters has a wildcard".into()),
            label => idna::domain_to_ascii(label).map_err(|_| "the internationalised name is not valid (UTS 46)")?,
        });
    }
    let body = labels.join(".");
    allowed(&body).map(|()| body.into())
}
