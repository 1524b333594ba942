//! Master files (RFC 1035, section 5.1), read leniently: records of any order of TTL and class, over several
//! lines in parentheses, with the owner of the record before.

use crate::{model::DomainName, wire::parse_type};

/// Words of the longest record; those of one that never ends are not kept.
const WORDS_MAX: usize = 1000;

/// A record in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its owner as written; `@` is the origin.
    pub(super) owner: String,
    pub(super) rtype: u16,
    /// Words of its data, escapes and quotation marks as written.
    pub(super) rdata: Vec<String>,
}

/// What a line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Nothing: it is blank, or its record goes on.
    Nothing,
    /// A comment alone.
    Comment,
    Record(Entry),
    /// `$ORIGIN`.
    Origin(String),
    /// Another directive.
    Directive(String),
    Invalid(&'static str),
}

/// The words and parentheses of a file so far.
#[derive(Default)]
pub(super) struct Master {
    owner: Option<String>,
    words: Vec<String>,
    /// The record began with a blank: its owner is that of the one before.
    inherits: bool,
    depth: usize,
}

impl Master {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) -> Item {
        if self.depth == 0 {
            self.words.clear();
            self.inherits = line.starts_with([' ', '\t']);
        }
        let began = self.words.len();
        let comment = match self.cut(line) {
            Ok(comment) => comment,
            Err(reason) => {
                *self = Master { owner: self.owner.take(), ..Master::default() };
                return Item::Invalid(reason);
            }
        };
        if self.depth > 0 {
            return Item::Nothing;
        }
        if self.words.is_empty() {
            return if comment && began == 0 { Item::Comment } else { Item::Nothing };
        }
        let words = std::mem::take(&mut self.words);
        self.item(words)
    }

    /// Whether the last record goes on, as a parenthesis is open.
    pub(super) fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn item(&mut self, mut words: Vec<String>) -> Item {
        if words[0].starts_with('$') && !self.inherits {
            return match (words[0].to_ascii_uppercase().as_str(), words.len()) {
                ("$ORIGIN", 2) => Item::Origin(words.remove(1)),
                ("$TTL", 2) => Item::Nothing,
                _ => Item::Directive(words.remove(0)),
            };
        }
        let owner = match (self.inherits, &self.owner) {
            (false, _) => words.remove(0),
            (true, Some(owner)) => owner.clone(),
            (true, None) => "@".to_owned(),
        };
        self.owner = Some(owner.clone());
        match fields(&words) {
            Some(fields) => Item::Record(Entry { owner, rtype: fields.rtype, rdata: words.split_off(fields.before) }),
            None => Item::Invalid("this is no record"),
        }
    }

    /// Cuts a line into words; says whether it ended in a comment.
    fn cut(&mut self, line: &str) -> Result<bool, &'static str> {
        let mut word = String::new();
        let mut quoted = false;
        let mut chars = line.chars();
        let mut comment = false;
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    word.push(c);
                    word.extend(chars.next());
                }
                '"' => {
                    quoted = !quoted;
                    word.push(c);
                }
                _ if quoted => word.push(c),
                ';' => {
                    comment = true;
                    break;
                }
                '(' | ')' => {
                    self.end(&mut word)?;
                    self.depth = match c {
                        '(' => self.depth + 1,
                        _ => self.depth.checked_sub(1).ok_or("a parenthesis is closed that was not opened")?,
                    };
                }
                c if c.is_whitespace() => self.end(&mut word)?,
                c => word.push(c),
            }
        }
        if quoted {
            return Err("a quotation mark is not closed");
        }
        self.end(&mut word)?;
        Ok(comment)
    }

    fn end(&mut self, word: &mut String) -> Result<(), &'static str> {
        if word.is_empty() {
            return Ok(());
        }
        if self.words.len() >= WORDS_MAX {
            return Err("the record is too long");
        }
        self.words.push(std::mem::take(word));
        Ok(())
    }
}

/// What stands between owner and data.
pub(super) struct Fields {
    pub(super) rtype: u16,
    /// Words before the data.
    pub(super) before: usize,
}

/// Reads `[TTL] [class] type` in any order of the first two.
pub(super) fn fields(words: &[impl AsRef<str>]) -> Option<Fields> {
    for (at, word) in words.iter().enumerate().take(3) {
        let word = word.as_ref();
        let is_ttl = word.starts_with(|c: char| c.is_ascii_digit());
        let is_class = ["IN", "CH", "HS"].iter().any(|class| class.eq_ignore_ascii_case(word));
        if !is_ttl && !is_class {
            return Some(Fields { rtype: parse_type(word)?, before: at + 1 });
        }
    }
    None
}

/// A name of a master file below an origin, `@` included. Without an origin, a relative name is taken as it is.
pub(super) fn name(text: &str, origin: Option<&DomainName>) -> Result<DomainName, String> {
    let refused = |error: crate::model::NameError| error.to_string();
    let root = DomainName::root();
    match (text, origin) {
        ("@", origin) => Ok(origin.unwrap_or(&root).clone()),
        (text, Some(origin)) if !text.ends_with('.') => {
            let relative = DomainName::from_text(text).map_err(refused)?;
            let wire = relative.as_wire();
            DomainName::from_wire(&[&wire[..wire.len() - 1], origin.as_wire()].concat()).map_err(refused)
        }
        (text, _) => DomainName::from_text(text).map_err(refused),
    }
}

/// Strings of a TXT record as on the wire (RFC 1035, sections 3.3.14 and 5.1).
pub(super) fn strings(words: &[String]) -> Option<Box<[u8]>> {
    let mut wire = Vec::new();
    for word in words {
        let text = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
        let mut string = Vec::new();
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            string.push(match octet {
                b'\\' => match octets.next()? {
                    digit @ b'0'..=b'9' => {
                        let digits = [digit, octets.next()?, octets.next()?];
                        std::str::from_utf8(&digits).ok()?.parse().ok()?
                    }
                    other => other,
                },
                octet => octet,
            });
        }
        wire.push(u8::try_from(string.len()).ok()?);
        wire.extend(string);
    }
    (!wire.is_empty()).then(|| wire.into())
}
