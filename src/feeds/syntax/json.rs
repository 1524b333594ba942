//! JSON of other products: Umbrella's destination lists, Cloudflare Gateway's lists, NextDNS' allow and deny
//! lists, Control D's folders of rules, MISP's and STIX' attributes, and plain arrays of names.
//!
//! The document is walked without being kept: an object is looked at when it ends, by its own fields.

use super::{ParseError, adblock, intake::Intake, names, plain, unpack::Octets};
use crate::model::{Effect, FixedAnswer, NameReach, NameRule, Pattern, Rule};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, Read},
    rc::Rc,
};

/// Characters of a field that are kept.
const FIELD_CHARACTERS_MAX: usize = 4096;

/// Reads a document; several one after the other are taken as well (JSON lines).
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let shared = Shared { intake, stopped: None };
    let shared = Rc::new(RefCell::new(shared));
    let count = Rc::new(Cell::new(0));
    let octets = WithoutMark { inner: octets.into_read(), started: false, count: Rc::clone(&count) };
    let mut stream = serde_json::Deserializer::from_reader(io::BufReader::new(octets));
    let result = loop {
        match stream.end() {
            Ok(()) => break Ok(()),
            Err(error) if error.is_io() => break Err(error),
            Err(_) => {}
        }
        let node = Node { shared: Rc::clone(&shared), key: Rc::from(""), allow: false };
        if let Err(error) = node.deserialize(&mut stream) {
            break Err(error);
        }
    };
    let mut shared = shared.borrow_mut();
    shared.intake.report.octets = count.get();
    if let Some(stopped) = shared.stopped.take() {
        return Err(stopped);
    }
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.is_io() => Err(io::Error::from(error).into()),
        Err(error) => Err(ParseError::NotAList(format!("it is no JSON: {error}"))),
    }
}

/// Without a byte order mark; what is read is counted.
struct WithoutMark<R> {
    inner: R,
    started: bool,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for WithoutMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.started, true) {
            let mut mark = Vec::new();
            (&mut self.inner).take(3).read_to_end(&mut mark)?;
            self.count.set(mark.len() as u64);
            if mark != b"\xef\xbb\xbf" {
                let given = mark.len().min(buffer.len());
                buffer[..given].copy_from_slice(&mark[..given]);
                return Ok(given);
            }
        }
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

struct Shared<'i, 'o> {
    intake: &'i mut Intake<'o>,
    stopped: Option<ParseError>,
}

/// A value of the document; `key` is that of the object or, inside an array, that of the array.
struct Node<'i, 'o> {
    shared: Rc<RefCell<Shared<'i, 'o>>>,
    key: Rc<str>,
    /// It stands in a list of names that are let through.
    allow: bool,
}

/// What a value is to the object it stands in.
enum Leaf {
    Text(String),
    Bool(bool),
    Number(i64),
    Object(Fields),
    Other,
}

/// The fields of an object that may make a rule of it.
#[derive(Default)]
struct Fields {
    value: Option<String>,
    kind: Option<String>,
    active: Option<bool>,
    /// Control D's name, and what its rule does.
    pk: Option<String>,
    action: Option<i64>,
    status: Option<i64>,
    via: Option<String>,
    /// STIX' pattern.
    pattern: Option<String>,
    allow: bool,
}

impl Fields {
    fn set(&mut self, key: &str, leaf: Leaf) {
        match (key, leaf) {
            // An id is a name in NextDNS' lists, and a number elsewhere.
            ("value" | "destination" | "domain" | "hostname" | "host" | "id", Leaf::Text(text))
                if key != "id" || self.value.is_none() && text.contains('.') =>
            {
                self.value = Some(text);
            }
            ("type" | "ioc_type", Leaf::Text(text)) => self.kind = Some(text.to_ascii_lowercase()),
            ("active" | "enabled" | "to_ids", Leaf::Bool(active)) => self.active = Some(active),
            ("active" | "enabled" | "to_ids", Leaf::Number(active)) => self.active = Some(active != 0),
            ("status", Leaf::Number(status)) => self.status = Some(status),
            ("do", Leaf::Number(action)) => self.action = Some(action),
            ("via", Leaf::Text(text)) => self.via = Some(text),
            ("PK", Leaf::Text(text)) => self.pk = Some(text),
            ("pattern", Leaf::Text(text)) => self.pattern = Some(text),
            ("action", Leaf::Object(action)) => {
                self.action = action.action;
                self.via = action.via;
                self.status = self.status.or(action.status);
            }
            ("action", Leaf::Text(text)) => {
                self.allow = matches!(text.to_ascii_lowercase().as_str(), "allow" | "bypass");
            }
            _ => {}
        }
    }
}

/// Whether a list of this name lets through.
fn allows(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["allowlist", "allow_list", "whitelist", "allowed", "allow", "exceptions"].contains(&key.as_str())
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Leaf;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Leaf, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Leaf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Leaf, E> {
        Ok(Leaf::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Leaf, E> {
        Ok(Leaf::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Leaf, E> {
        Ok(i64::try_from(value).map_or(Leaf::Other, Leaf::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_unit<E>(self) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Leaf, E> {
        Ok(Leaf::Text(value.chars().take(FIELD_CHARACTERS_MAX).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Leaf, A::Error> {
        loop {
            let node = Node { shared: Rc::clone(&self.shared), key: Rc::clone(&self.key), allow: self.allow };
            match items.next_element_seed(node)? {
                None => return Ok(Leaf::Other),
                Some(Leaf::Text(text)) if names_are_here(&self.key) => self.text(&text).map_err(A::Error::custom)?,
                Some(_) => {}
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Leaf, A::Error> {
        let mut own = Fields::default();
        while let Some(key) = fields.next_key::<String>()? {
            let allow = self.allow || allows(&key);
            let node = Node { shared: Rc::clone(&self.shared), key: Rc::from(key.as_str()), allow };
            own.set(&key, fields.next_value_seed(node)?);
        }
        own.allow |= self.allow;
        if self.key.as_ref() == "action" {
            return Ok(Leaf::Object(own));
        }
        self.object(own).map_err(A::Error::custom)?;
        Ok(Leaf::Other)
    }
}

/// Whether texts of an array under this key are names or rules.
fn names_are_here(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let keys = [
        "",
        "domains",
        "domain",
        "hosts",
        "hostnames",
        "names",
        "items",
        "data",
        "entries",
        "rules",
        "denylist",
        "deny_list",
        "blocklist",
        "block_list",
        "blacklist",
        "blocked",
        "deny",
        "block",
        "destinations",
    ];
    keys.contains(&key.as_str()) || allows(&key)
}

impl Node<'_, '_> {
    /// A text of an array.
    fn text(&self, text: &str) -> Result<(), &'static str> {
        self.with(|intake, number| {
            if !self.allow && adblock::is_rule(crate::model::ListSyntax::Domains, text) {
                return plain::line(intake, number, text);
            }
            let effect = if self.allow { Effect::Allow } else { Effect::Block };
            intake.exported(number, text.trim(), NameReach::Suffix, effect);
        })
    }

    /// An object that has ended.
    fn object(&self, fields: Fields) -> Result<(), &'static str> {
        if let Some(name) = &fields.pk {
            return self.with(|intake, number| control_d(intake, number, name, &fields));
        }
        if let Some(pattern) = fields.pattern.as_deref().filter(|_| fields.kind.as_deref() == Some("indicator")) {
            return self.with(|intake, number| stix(intake, number, pattern));
        }
        let Some(value) = fields.value.as_deref() else { return Ok(()) };
        let entry =
            Entry { value, kind: fields.kind.as_deref(), allow: fields.allow, active: fields.active.unwrap_or(true) };
        self.with(|intake, number| take(intake, number, &entry))
    }

    fn with(&self, act: impl FnOnce(&mut Intake<'_>, u64)) -> Result<(), &'static str> {
        let mut shared = self.shared.borrow_mut();
        let number = shared.intake.report.lines + 1;
        shared.intake.report.lines = number;
        act(shared.intake, number);
        let bounds = shared.intake.check_bounds();
        bounds.map_err(|error| {
            shared.stopped = Some(error);
            "a bound was reached"
        })
    }
}

/// A name, address or URL of an export.
pub(super) struct Entry<'t> {
    pub(super) value: &'t str,
    /// What it is, in lower case, if that is said.
    pub(super) kind: Option<&'t str>,
    pub(super) allow: bool,
    pub(super) active: bool,
}

/// Takes an entry of an export.
pub(super) fn take(intake: &mut Intake<'_>, number: u64, entry: &Entry<'_>) {
    let reach = match entry.kind {
        None | Some("domain" | "domains" | "domain-name" | "fqdn" | "dns" | "name") => NameReach::Suffix,
        Some("hostname" | "host") => NameReach::Exact,
        Some("ip" | "ipv4" | "ipv6" | "ip-dst" | "ip-src" | "cidr" | "ipv4-addr" | "ipv6-addr") => NameReach::Suffix,
        Some("domain|ip" | "hostname|port" | "ip-dst|port") => NameReach::Suffix,
        Some(kind) if kind.starts_with("ur") || kind == "link" => return intake.report.url(number, entry.value),
        Some(kind) => return intake.report.unsupported(kind),
    };
    if !entry.active {
        intake.report.disabled += 1;
        return;
    }
    let effect = if entry.allow { Effect::Allow } else { Effect::Block };
    let value = match entry.kind {
        Some("domain|ip" | "hostname|port" | "ip-dst|port") => entry.value.split('|').next().unwrap_or_default(),
        _ => entry.value,
    };
    intake.exported(number, value.trim(), reach, effect);
}

/// A rule of Control D: 0 blocks, 1 lets through, 2 answers `via`, 3 redirects to another place.
fn control_d(intake: &mut Intake<'_>, number: u64, name: &str, fields: &Fields) {
    if fields.status == Some(0) {
        intake.report.disabled += 1;
        return;
    }
    let effect = match (fields.action, fields.via.as_deref()) {
        (None | Some(0), _) => Effect::Block,
        (Some(1), _) => Effect::Allow,
        (Some(2), Some(via)) => match (names::ip(via), names::name(via)) {
            (Some(ip), _) => Effect::Answer(Box::new(FixedAnswer::Records(vec![names::address_data(ip)]))),
            (None, Ok(target)) => Effect::Answer(Box::new(FixedAnswer::Alias(target))),
            (None, Err(reason)) => return intake.report.invalid(number, via, reason),
        },
        _ => return intake.report.unsupported("redirect to another place"),
    };
    if name.contains('*') && !name.starts_with("*.") {
        return match adblock::shape(&format!("|{name}^"), false) {
            adblock::Shape::Pattern(pattern @ Pattern::Wildcard(_)) => {
                intake.rule(Rule::Name(NameRule::plain(pattern, effect)));
            }
            _ => intake.report.invalid(number, name, "this is no name"),
        };
    }
    intake.exported(number, name.trim(), NameReach::Suffix, effect);
}

/// `[domain-name:value = 'a.example' OR ipv4-addr:value = '192.0.2.1']` of STIX 2.1, section 9.
fn stix(intake: &mut Intake<'_>, number: u64, pattern: &str) {
    let mut any = false;
    for part in pattern.split(" OR ") {
        let part = part.trim_matches(['[', ']', ' ', '(', ')']);
        let Some((object, value)) = part.split_once('=') else { continue };
        let kind = object.trim().strip_suffix(":value").unwrap_or("pattern of STIX");
        if part.contains(" AND ") || part.contains(" FOLLOWEDBY ") {
            continue;
        }
        any = true;
        let value = value.trim().trim_matches('\'');
        take(intake, number, &Entry { value, kind: Some(kind), allow: false, active: true });
    }
    if !any {
        intake.report.unsupported("pattern of STIX");
    }
}
