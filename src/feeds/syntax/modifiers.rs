//! Modifiers of Adblock rules: what stands behind `$`.

use super::{names, rewrite};
use crate::{
    model::{ClientTerm, Conditions, FixedAnswer},
    wire::parse_type,
};

/// Values of one modifier: clients, tags, names.
const VALUES_MAX: usize = 2000;
/// Characters of a client's name or of a tag.
const VALUE_CHARACTERS_MAX: usize = 250;

/// What the modifiers of a rule say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modifiers {
    pub(super) important: bool,
    pub(super) badfilter: bool,
    pub(super) conditions: Conditions,
    /// `dnsrewrite` is there; with an answer unless the rule is an exception from all answers.
    pub(super) rewrite: Option<Option<FixedAnswer>>,
}

impl Modifiers {
    /// Whether a pattern that matches every name may stand: the rule applies to some clients, types or all
    /// names but some.
    pub(super) fn narrows(&self) -> bool {
        self.conditions != Conditions::default()
    }
}

/// Why a rule with these modifiers is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It needs what is not there, by this name.
    Unsupported(String),
    /// It is no rule, for this reason.
    Invalid(String),
}

impl From<rewrite::Refused> for Refused {
    fn from(refused: rewrite::Refused) -> Self {
        match refused {
            rewrite::Refused::Unsupported(name) => Refused::Unsupported(name),
            rewrite::Refused::Invalid(reason) => Refused::Invalid(reason),
        }
    }
}

/// Cuts modifiers at commas that are not escaped.
pub(super) fn split(options: &str) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, octet) in options.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                parts.push(&options[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&options[from..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Reads the modifiers of a rule.
pub(super) fn parse(options: &str, exception: bool) -> Result<Modifiers, Refused> {
    let mut modifiers = Modifiers::default();
    for part in split(options) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (part.trim(), None),
        };
        let conditions = &mut modifiers.conditions;
        match (name.to_ascii_lowercase().as_str(), value) {
            ("important", None) => modifiers.important = true,
            ("badfilter", None) => modifiers.badfilter = true,
            ("dnstype", Some(value)) => types(value, conditions)?,
            ("denyallow", Some(value)) => {
                for name in terms(value)? {
                    if name.negated {
                        return Err(Refused::Invalid("denyallow takes no ~".to_owned()));
                    }
                    let name = names::name(&name.text);
                    conditions.names_except.push(name.map_err(|reason| Refused::Invalid(reason.into_owned()))?);
                }
            }
            ("client", Some(value)) => {
                for term in terms(value)? {
                    let list = if term.negated { &mut conditions.clients_except } else { &mut conditions.clients };
                    list.push(match names::net(&term.text) {
                        Some(net) if !term.quoted => ClientTerm::Net(net),
                        _ => ClientTerm::Name(lower(&term.text)),
                    });
                }
            }
            ("ctag", Some(value)) => {
                for term in terms(value)? {
                    let list = if term.negated { &mut conditions.tags_except } else { &mut conditions.tags };
                    list.push(lower(&term.text));
                }
            }
            ("dnsrewrite", Some(value)) if !value.is_empty() => {
                modifiers.rewrite = Some(Some(rewrite::dnsrewrite(&unescaped(value))?));
            }
            ("dnsrewrite", _) if exception => modifiers.rewrite = Some(None),
            ("dnsrewrite", _) => return Err(Refused::Invalid("dnsrewrite has no value".to_owned())),
            ("dnstype" | "denyallow" | "client" | "ctag", None) => {
                return Err(Refused::Invalid(format!("{name} has no value")));
            }
            ("important" | "badfilter", Some(_)) => {
                return Err(Refused::Invalid(format!("{name} takes no value")));
            }
            (other, _) => return Err(Refused::Unsupported(other.trim_start_matches('~').to_owned())),
        }
    }
    Ok(modifiers)
}

/// `T` and `~T`, joined by `|`; if any is plain, those with `~` say nothing.
fn types(value: &str, conditions: &mut Conditions) -> Result<(), Refused> {
    for term in terms(value)? {
        let Some(rtype) = parse_type(&term.text) else {
            return Err(Refused::Invalid(format!("there is no type {}", rewrite::shown(&term.text))));
        };
        let list = if term.negated { &mut conditions.types_except } else { &mut conditions.types };
        if !list.contains(&rtype) {
            list.push(rtype);
        }
    }
    if !conditions.types.is_empty() {
        conditions.types_except.clear();
    }
    Ok(())
}

/// One of the values that `|` joins.
struct Term {
    negated: bool,
    quoted: bool,
    text: String,
}

/// Values joined by `|`, each with `~` in front or not and quoted or not; `\` takes the next character as it is.
fn terms(value: &str) -> Result<Vec<Term>, Refused> {
    let invalid = |reason: &str| Err(Refused::Invalid(reason.to_owned()));
    let mut terms = Vec::new();
    let mut chars = value.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let negated = chars.next_if_eq(&'~').is_some();
        let quote = chars.next_if(|c| matches!(c, '\'' | '"'));
        let mut text = String::new();
        let mut ended = false;
        while let Some(&c) = chars.peek() {
            if quote.is_none() && c == '|' {
                break;
            }
            chars.next();
            match c {
                '\\' => text.extend(chars.next()),
                c if Some(c) == quote => {
                    ended = true;
                    break;
                }
                c => text.push(c),
            }
        }
        if quote.is_some() && !ended {
            return invalid("a quotation mark is not closed");
        }
        let text = if quote.is_some() { text } else { text.trim().to_owned() };
        if text.is_empty() || text.chars().count() > VALUE_CHARACTERS_MAX {
            return invalid("a value of a modifier is empty or too long");
        }
        terms.push(Term { negated, quoted: quote.is_some(), text });
        match chars.next() {
            None => return Ok(terms),
            Some('|') if terms.len() < VALUES_MAX => {}
            Some('|') => return invalid("a modifier has too many values"),
            Some(_) => return invalid("a modifier's values are not joined by |"),
        }
    }
}

/// Each character in lower case, as names of clients are compared.
fn lower(text: &str) -> Box<str> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Without the `\` in front of characters that mean something between modifiers.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek().is_some_and(|next| matches!(next, ',' | '|' | '\'' | '"')) {
            text.extend(chars.next());
        } else {
            text.push(c);
        }
    }
    text
}
