//! One line of a list.
//!
//! A line is a name, or a hosts entry (an address and names), with an optional comment behind `#`. Names
//! may be written with a leading `.` or `*.`, which says nothing new: a name in a category always stands
//! for everything below it.

use crate::model::{DomainName, NameError};
use std::{borrow::Cow, net::IpAddr};

/// What a line holds; a hosts entry may hold several.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Name(DomainName),
    /// An address, or a range of them.
    Address,
    /// Neither, for this reason.
    Invalid(Cow<'static, str>),
}

/// Names that every hosts file has for the machine itself.
const OWN_NAMES: [&str; 12] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
    "lo0",
];

/// Whether the word is a name that every hosts file has for the machine itself, in any case.
pub fn is_own_name(word: &str) -> bool {
    // The longest has 21 characters; nearly all names of lists are done with the first comparison.
    word.len() <= 21 && OWN_NAMES.iter().any(|own| own.eq_ignore_ascii_case(word))
}

/// Reads a line without its end. Blank lines and comments hold nothing.
pub(super) fn parse(line: &[u8], mut take: impl FnMut(Item)) {
    let Ok(line) = std::str::from_utf8(line) else {
        return take(Item::Invalid("the line is not UTF-8".into()));
    };
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', '!', ';']) {
        return;
    }
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#')).peekable();
    let Some(first) = words.next() else { return };
    if is_address(first) {
        if words.peek().is_none() {
            return take(Item::Address);
        }
        for word in words.filter(|word| !is_own_name(word)) {
            take(if is_address(word) { Item::Address } else { name(word) });
        }
    } else if words.next().is_some() {
        take(Item::Invalid("there is more than a name".into()));
    } else if !is_own_name(first) {
        take(name(first));
    }
}

/// Whether the word is an address, one with a zone (`fe80::1%lo0`), or a range in CIDR form.
fn is_address(word: &str) -> bool {
    if !word.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
        return false;
    }
    let address = word.split_once('%').map_or(word, |(address, _)| address);
    address.parse::<IpAddr>().is_ok() || address.parse::<ipnet::IpNet>().is_ok()
}

fn name(word: &str) -> Item {
    let word = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')).unwrap_or(word);
    match DomainName::from_text(word) {
        Ok(name) if name.as_name().labels().any(|label| label.contains(&b'*')) => {
            Item::Invalid("the name has a wildcard inside".into())
        }
        Ok(name) if name.as_name().labels().last().is_some_and(|label| label.iter().all(u8::is_ascii_digit)) => {
            Item::Invalid("the name ends in a number".into())
        }
        Ok(name) if name.as_name().is_root() => Item::Invalid(NameError::Empty.to_string().into()),
        Ok(name) => Item::Name(name),
        Err(NameError::Address) => Item::Address,
        Err(error) => Item::Invalid(error.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(line: &[u8]) -> Vec<String> {
        let mut items = Vec::new();
        parse(line, |item| {
            items.push(match item {
                Item::Name(name) => name.to_string(),
                Item::Address => "address".to_owned(),
                Item::Invalid(reason) => format!("invalid: {reason}"),
            });
        });
        items
    }

    #[test]
    fn lines_become_names_addresses_or_reasons() {
        for (line, expected) in [
            ("example.com", &["example.com"][..]),
            ("  WWW.Example.COM.  ", &["www.example.com"]),
            (".example.com", &["example.com"]),
            ("*.example.com", &["example.com"]),
            ("bücher.example", &["xn--bcher-kva.example"]),
            ("example.com # why", &["example.com"]),
            ("_x.example", &["_x.example"]),
            ("", &[]),
            ("# comment", &[]),
            ("! comment", &[]),
            ("localhost", &[]),
            ("0.0.0.0 ads.example", &["ads.example"]),
            ("127.0.0.1\tA.example b.example # two", &["a.example", "b.example"]),
            ("::1 localhost ip6-loopback", &[]),
            ("fe80::1%lo0 localhost", &[]),
            ("0.0.0.0 0.0.0.0", &["address"]),
            ("192.0.2.1", &["address"]),
            ("2001:db8::/32", &["address"]),
            ("192.0.2.0/24", &["address"]),
            ("example.com/path", &["invalid: the name contains '/'"]),
            ("http://example.com", &["invalid: the name contains ':'"]),
            ("example.com:443", &["invalid: the name contains ':'"]),
            ("me@example.com", &["invalid: the name contains '@'"]),
            ("two words", &["invalid: there is more than a name"]),
            ("a..example", &["invalid: the name has an empty label"]),
            ("ads.*.example", &["invalid: the name has a wildcard inside"]),
            ("10.0.0", &["invalid: the name ends in a number"]),
            (".", &["invalid: the name is empty"]),
        ] {
            assert_eq!(items(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(items(b"caf\xe9.example"), ["invalid: the line is not UTF-8"]);
    }
}
