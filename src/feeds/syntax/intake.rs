//! Where all syntaxes put what they find.

use super::{
    ImportReport, ParseError, ParseOptions,
    lines::{Line, Lines},
    names::Word,
    plain::{is_comment, without_comment},
};
use crate::model::{
    AddressRule, AddressTrigger, DomainName, Effect, FixedAnswer, HostsMeaning, ListSyntax, NameReach, NameRule,
    Pattern, Rule,
};
use ipnet::IpNet;
use std::{collections::HashSet, io::BufRead};

/// What is seen of a list while it is read.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'t> {
    /// A rule of the line that comes next.
    Rule(&'t Rule),
    /// A rule of a list that has no lines: JSON and YAML.
    RuleAlone(&'t Rule),
    /// A line that is no comment, counted from 1.
    Line(u64, &'t str),
}

/// Hears what is seen; where it says false, reading stops.
pub type Watch<'a> = dyn FnMut(Seen<'_>) -> bool + 'a;

/// Lines at the beginning of a list whose comments may be headers.
const HEADER_LINES: u64 = 400;
/// A cancelled rule or a rule that may be cancelled is told by its text.
type TextHash = u64;

/// Takes rules and what is no rule.
pub(super) struct Intake<'a> {
    pub(super) options: &'a ParseOptions,
    pub(super) syntax: ListSyntax,
    pub(super) report: ImportReport,
    /// Regular expressions taken so far.
    pub(super) regexes: u64,
    sink: &'a mut dyn FnMut(Rule),
    /// Hashes of the rules that were given to the sink.
    seen: HashSet<u64, ahash::RandomState>,
    hasher: ahash::RandomState,
    held: Held,
    full: bool,
    /// Hears of everything, and nothing is kept.
    watch: Option<&'a mut Watch<'a>>,
    stopped: bool,
}

impl<'a> Intake<'a> {
    pub(super) fn new(syntax: ListSyntax, options: &'a ParseOptions, sink: &'a mut dyn FnMut(Rule)) -> Self {
        Intake {
            options,
            syntax,
            report: ImportReport { syntax: Some(syntax), ..ImportReport::default() },
            regexes: 0,
            sink,
            seen: HashSet::default(),
            hasher: ahash::RandomState::new(),
            held: Held::default(),
            full: false,
            watch: None,
            stopped: false,
        }
    }

    /// Keeps nothing, but tells of each rule and line; `nothing` gets no rule.
    pub(super) fn watched(
        syntax: ListSyntax,
        options: &'a ParseOptions,
        nothing: &'a mut dyn FnMut(Rule),
        watch: &'a mut Watch<'a>,
    ) -> Self {
        Intake { watch: Some(watch), ..Intake::new(syntax, options, nothing) }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Tells who watches, if anybody does; whether that is so.
    fn tell(&mut self, seen: Seen<'_>) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        self.stopped |= !self.stopped && !watch(seen);
        true
    }

    fn tell_rule(&mut self, rule: &Rule) -> bool {
        self.tell(match self.syntax {
            ListSyntax::Json | ListSyntax::Yaml => Seen::RuleAlone(rule),
            _ => Seen::Rule(rule),
        })
    }

    /// Hands every line to its syntax, comments and blank ones included.
    pub(super) fn lines(
        &mut self,
        octets: impl BufRead,
        mut line: impl FnMut(&mut Self, u64, &str),
    ) -> Result<(), ParseError> {
        let mut lines = Lines::new(octets);
        let before = self.report.lines;
        while let Some(next) = lines.next()? {
            match next {
                Line::Text(text) => {
                    let (number, comments) = (self.report.lines + 1, self.report.comments);
                    line(self, number, text);
                    if self.is_watched() && self.report.comments == comments {
                        self.tell(Seen::Line(number, text));
                    }
                }
                Line::Bad(shown, reason) => match readable(&shown) {
                    Some(text) if is_comment(text) => self.comment(self.report.lines + 1, text),
                    Some(text) => line(self, self.report.lines + 1, text),
                    None => self.report.invalid(self.report.lines + 1, &shown, reason),
                },
            }
            self.report.lines += 1;
            self.check_bounds()?;
        }
        self.report.octets += lines.octets;
        debug_assert_eq!(self.report.lines - before, lines.number);
        Ok(())
    }

    /// Fails where the list has more lines or rules than allowed.
    pub(super) fn check_bounds(&self) -> Result<(), ParseError> {
        if self.stopped {
            Err(ParseError::Stopped)
        } else if self.report.lines > self.options.lines_max {
            Err(ParseError::TooManyLines(self.options.lines_max))
        } else if self.full || self.held.len() as u64 > self.options.rules_max {
            Err(ParseError::TooManyRules(self.options.rules_max))
        } else {
            Ok(())
        }
    }

    /// Gives a rule to the sink, unless it was there already.
    pub(super) fn rule(&mut self, rule: Rule) {
        if self.full || self.tell_rule(&rule) {
            return;
        }
        let hash = self.hasher.hash_one(&rule);
        if self.seen.contains(&hash) {
            self.report.duplicates += 1;
            return;
        }
        if self.seen.len() as u64 >= self.options.rules_max {
            self.full = true;
            return;
        }
        self.seen.insert(hash);
        self.count(&rule);
        (self.sink)(rule);
    }

    fn count(&mut self, rule: &Rule) {
        let counts = &mut self.report.rules;
        let effect = match rule {
            Rule::Name(rule) => {
                match rule.pattern {
                    Pattern::Exact(_) | Pattern::Suffix(_) | Pattern::Below(_) => counts.names += 1,
                    Pattern::Wildcard(_) => counts.wildcards += 1,
                    Pattern::Regex(_) => counts.regexes += 1,
                }
                counts.important += u64::from(rule.important);
                counts.conditional += u64::from(rule.conditions.is_some());
                &rule.effect
            }
            Rule::NameServer(rule) => {
                counts.name_servers += 1;
                &rule.effect
            }
            Rule::Address(rule) => {
                counts.addresses += 1;
                &rule.effect
            }
        };
        match effect {
            Effect::Block => {}
            Effect::Allow | Effect::NoAnswer => counts.exceptions += 1,
            Effect::Answer(_) => counts.answers += 1,
        }
    }

    /// A rule about a name as a plain list has it.
    pub(super) fn plain(&mut self, pattern: Pattern, effect: Effect) {
        self.rule(Rule::Name(NameRule::plain(pattern, effect)));
    }

    /// A rule about the addresses of answers.
    pub(super) fn net(&mut self, net: IpNet, effect: Effect) {
        self.rule(Rule::Address(AddressRule { trigger: AddressTrigger::Answer, net, effect }));
    }

    /// What a bare name stands for, where the syntax itself has `by_syntax`.
    pub(super) fn reach(&self, name: DomainName, by_syntax: NameReach) -> Pattern {
        let reach = match self.options.reach {
            NameReach::BySyntax => by_syntax,
            reach => reach,
        };
        if reach == NameReach::Suffix { Pattern::Suffix(name) } else { Pattern::Exact(name) }
    }

    /// Takes a word that should be a name, an address or a network.
    pub(super) fn word(&mut self, line: u64, text: &str, word: Word, by_syntax: NameReach, effect: Effect) {
        match word {
            Word::Name(name) => {
                let pattern = self.reach(name, by_syntax);
                self.plain(pattern, effect);
            }
            Word::Net(net) => self.net(net, effect),
            Word::Own => self.report.own_names += 1,
            Word::Url => self.report.url(line, text),
            Word::Invalid(reason) => self.report.invalid(line, text, reason),
        }
    }

    /// Takes a comment.
    pub(super) fn comment(&mut self, line: u64, text: &str) {
        self.report.comments += 1;
        if line <= HEADER_LINES {
            self.report.header(text);
        }
    }

    /// What an address in a hosts file means; `None`: nothing.
    pub(super) fn hosts_effect(&self, ip: std::net::IpAddr) -> Option<Effect> {
        if super::names::is_null(ip) {
            return Some(Effect::Block);
        }
        match self.options.hosts {
            HostsMeaning::Block => Some(Effect::Block),
            HostsMeaning::Skip => None,
            HostsMeaning::Record => {
                let records = vec![super::names::address_data(ip)];
                Some(Effect::Answer(Box::new(FixedAnswer::Records(records))))
            }
        }
    }

    /// Keeps a rule until the end of the list, because a later line may cancel it. `text` is what such a line
    /// would repeat.
    pub(super) fn hold(&mut self, text: &str, rule: Rule) {
        if self.tell_rule(&rule) {
            return;
        }
        let text = self.hasher.hash_one(text);
        self.held.push(text, rule);
    }

    /// Cancels the rule with this text, wherever it stands.
    pub(super) fn cancel(&mut self, text: &str) {
        let text = self.hasher.hash_one(text);
        if self.held.cancelled.len() as u64 >= self.options.rules_max {
            self.full = true;
        } else {
            self.held.cancelled.insert(text);
        }
    }

    /// Cancels rules with this answer for a name and what is below it; important ones only if told so.
    pub(super) fn cancel_answer(&mut self, name: DomainName, answer: FixedAnswer, important: bool) {
        if self.held.without_answers.len() < ANSWER_EXCEPTIONS_MAX {
            self.held.without_answers.push(WithoutAnswer { name, answer, important });
        } else {
            self.report.unsupported("dnsrewrite exceptions past 1,000");
        }
    }

    /// Gives what was held back, and the report.
    pub(super) fn finish(mut self) -> Result<ImportReport, ParseError> {
        let held = std::mem::take(&mut self.held);
        let cancelled = held.each(|rule| self.rule(rule));
        self.report.cancelled += cancelled;
        self.check_bounds()?;
        Ok(self.report)
    }
}

/// What can be read of a line that as a whole cannot, because its comment is too long or in an old character set.
fn readable(shown: &str) -> Option<&str> {
    let shown = shown.trim();
    let text = match shown.is_empty() || is_comment(shown) {
        true => return Some(shown).filter(|text| !text.is_empty()),
        false => without_comment(shown),
    };
    (text.len() < shown.len() && !text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
}

/// Exceptions from rules with answers: each is compared with each such rule.
const ANSWER_EXCEPTIONS_MAX: usize = 1000;

/// Rules that may be cancelled. Nearly all are names that are blocked with what is below them: these take the
/// octets of their name and nine more.
#[derive(Default)]
struct Held {
    texts: Vec<TextHash>,
    /// Names in wire format, one after the other; a rule of another form is a single octet that no name
    /// begins with.
    names: Vec<u8>,
    others: Vec<Rule>,
    cancelled: HashSet<TextHash, ahash::RandomState>,
    without_answers: Vec<WithoutAnswer>,
}

/// No rule gives this answer for the name and what is below it.
struct WithoutAnswer {
    name: DomainName,
    answer: FixedAnswer,
    /// Not even an important rule.
    important: bool,
}

/// Stands for a rule of `others`.
const OTHER: u8 = 0xff;

impl Held {
    fn len(&self) -> usize {
        self.texts.len()
    }

    fn push(&mut self, text: TextHash, rule: Rule) {
        self.texts.push(text);
        match rule {
            Rule::Name(NameRule {
                pattern: Pattern::Suffix(name),
                effect: Effect::Block,
                important: false,
                conditions: None,
            }) => self.names.extend_from_slice(name.as_wire()),
            rule => {
                self.names.push(OTHER);
                self.others.push(rule);
            }
        }
    }

    /// Gives the rules that are not cancelled in their order, and says how many are.
    fn each(self, mut give: impl FnMut(Rule)) -> u64 {
        let Held { texts, names, others, cancelled, without_answers } = self;
        let mut others = others.into_iter();
        let mut rest = names.as_slice();
        let mut count = 0;
        for text in texts {
            let rule = if rest.first() == Some(&OTHER) {
                rest = &rest[1..];
                others.next().and_then(|rule| narrowed(rule, &without_answers))
            } else {
                let mut end = 0;
                while let Some(&length) = rest.get(end).filter(|length| **length > 0) {
                    end += 1 + usize::from(length);
                }
                let (name, after) = rest.split_at((end + 1).min(rest.len()));
                rest = after;
                let name = DomainName::from_wire(name).ok();
                name.map(|name| Rule::Name(NameRule::plain(Pattern::Suffix(name), Effect::Block)))
            };
            match rule {
                Some(rule) if !cancelled.contains(&text) => give(rule),
                _ => count += 1,
            }
        }
        count
    }
}

/// A rule without the names for which its answer is cancelled, if anything is left of it.
fn narrowed(mut rule: Rule, exceptions: &[WithoutAnswer]) -> Option<Rule> {
    let Rule::Name(NameRule { pattern, effect: Effect::Answer(given), conditions, important: weighty }) = &mut rule
    else {
        return Some(rule);
    };
    for WithoutAnswer { name: top, answer, important } in exceptions {
        if answer != &**given || *weighty && !important {
            continue;
        }
        let name = match pattern {
            Pattern::Exact(name) | Pattern::Suffix(name) | Pattern::Below(name) => Some(name.as_name()),
            Pattern::Wildcard(_) | Pattern::Regex(_) => None,
        };
        match name {
            Some(name) if name.is_at_or_below(top.as_name()) => return None,
            Some(name) if !top.as_name().is_at_or_below(name) => {}
            _ => conditions.get_or_insert_default().names_except.push(top.clone()),
        }
    }
    Some(rule)
}
