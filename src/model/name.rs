//! Domain names as the query path compares them: uncompressed wire format, lower case.
//!
//! RFC 1035 section 3.1 gives the form, RFC 4343 the case rule. A name here always ends in the
//! root label, is 1 to 255 octets long and has labels of 1 to 63 octets.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Borrow, fmt, str::FromStr};

/// Octets of the longest name in wire format, root label included (RFC 1035, section 2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Octets of the longest label (RFC 1035, section 2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// Labels of the longest name, the root not counted.
pub const LABELS_MAX: usize = 127;

/// Why a text or a run of octets is no domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// Two dots in a row, or one at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label is {0} octets long; at most 63 are allowed")]
    LabelTooLong(usize),
    /// More than 255 octets in wire format.
    #[error("the name is {0} octets long; at most 255 are allowed")]
    TooLong(usize),
    /// A character host names cannot carry.
    #[error("the name contains {0:?}")]
    Character(char),
    /// A Unicode name that UTS 46 refuses.
    #[error("the internationalised name is not valid (UTS 46)")]
    Idna,
    /// An IP address where a name belongs.
    #[error("this is an IP address, not a name")]
    Address,
    /// Wire octets that are cut off, compressed, or do not end in the root label.
    #[error("the octets are not a name in wire format")]
    Wire,
}

/// An owned domain name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<[u8]>);

/// A borrowed domain name: lower-case wire format ending in the root label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<'a>(&'a [u8]);

impl DomainName {
    /// The root.
    pub fn root() -> Self {
        DomainName(Box::new([0]))
    }

    /// Reads a name as people write it: any case, U-labels or A-labels, with or without the final
    /// dot. Host-name characters, `_` and `*` are taken; escapes and addresses are not.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text == "." {
            return Ok(Self::root());
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > 1024 {
            return Err(NameError::TooLong(text.len()));
        }
        if text.parse::<std::net::IpAddr>().is_ok() {
            return Err(NameError::Address);
        }
        let ascii;
        let text = if text.is_ascii() {
            text
        } else {
            ascii = idna::domain_to_ascii(text).map_err(|_| NameError::Idna)?;
            ascii.as_str()
        };
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            if label.len() > LABEL_OCTETS_MAX {
                return Err(NameError::LabelTooLong(label.len()));
            }
            wire.push(label.len() as u8);
            for c in label.chars() {
                if !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')) {
                    return Err(NameError::Character(c));
                }
                wire.push(c.to_ascii_lowercase() as u8);
            }
        }
        wire.push(0);
        if wire.len() > NAME_OCTETS_MAX {
            return Err(NameError::TooLong(wire.len()));
        }
        Ok(DomainName(wire.into()))
    }

    /// Takes a name in uncompressed wire format, root label included; upper case becomes lower.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        check_wire(wire)?;
        Ok(DomainName(wire.to_ascii_lowercase().into()))
    }

    /// The wire octets, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The name borrowed.
    pub fn as_name(&self) -> Name<'_> {
        Name(&self.0)
    }
}

fn check_wire(wire: &[u8]) -> Result<(), NameError> {
    if wire.len() > NAME_OCTETS_MAX {
        return Err(NameError::TooLong(wire.len()));
    }
    let mut at = 0;
    loop {
        match wire.get(at) {
            Some(0) if at + 1 == wire.len() => return Ok(()),
            Some(&length) if (1..=LABEL_OCTETS_MAX as u8).contains(&length) => at += 1 + length as usize,
            _ => return Err(NameError::Wire),
        }
    }
}

impl<'a> Name<'a> {
    /// The root.
    pub const ROOT: Name<'static> = Name(&[0]);

    /// Takes octets that are already a lower-case name in wire format with its root label.
    /// The caller vouches for that (the query parser does); debug builds check it.
    pub fn from_lower_wire(wire: &'a [u8]) -> Self {
        debug_assert!(check_wire(wire).is_ok() && !wire.iter().any(u8::is_ascii_uppercase));
        Name(wire)
    }

    /// The wire octets, root label included.
    pub fn as_wire(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is the root.
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// The name without its first label; the root has none.
    pub fn parent(self) -> Option<Name<'a>> {
        match self.0[0] {
            0 => None,
            length => Some(Name(&self.0[1 + length as usize..])),
        }
    }

    /// The name itself, then each parent, longest first, the root last.
    pub fn ancestors(self) -> impl Iterator<Item = Name<'a>> {
        std::iter::successors(Some(self), |name| name.parent())
    }

    /// The labels, first to last, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        self.ancestors().take_while(|name| !name.is_root()).map(|name| &name.0[1..1 + name.0[0] as usize])
    }

    /// Labels without the root: 0 to 127.
    pub fn label_count(self) -> usize {
        self.ancestors().count() - 1
    }

    /// Whether this is `other` or below it.
    pub fn is_at_or_below(self, other: Name<'_>) -> bool {
        self.0.ends_with(other.0) && self.ancestors().any(|name| name.0.len() == other.0.len())
    }

    /// An owned copy.
    pub fn to_owned(self) -> DomainName {
        DomainName(self.0.into())
    }
}

impl fmt::Display for Name<'_> {
    /// Master-file text without the final dot; octets that are no host-name characters are escaped
    /// (RFC 1035, section 5.1). The root is `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(f, "\\{}", octet as char)?,
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_name().fmt(f)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DomainName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::from_text(text)
    }
}

impl Borrow<[u8]> for DomainName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Text where the format is for people (JSON, TOML), wire octets where it is not.
impl Serialize for DomainName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            DomainName::from_text(&text).map_err(de::Error::custom)
        } else {
            let octets = <&'de [u8]>::deserialize(deserializer)?;
            DomainName::from_wire(octets).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::from_text(text).expect("a valid name")
    }

    #[test]
    fn text_becomes_lower_case_wire_format() {
        assert_eq!(name("Www.EXAMPLE.com.").as_wire(), b"\x03www\x07example\x03com\x00");
        assert_eq!(name("bücher.example").to_string(), "xn--bcher-kva.example");
        assert_eq!(name("_dmarc.example").to_string(), "_dmarc.example");
        assert_eq!(name(".").as_wire(), b"\x00");
    }

    #[test]
    fn bad_text_is_refused_with_its_reason() {
        for (text, error) in [
            ("", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a b.example", NameError::Character(' ')),
            ("http://a.example/", NameError::Character(':')),
            ("192.0.2.1", NameError::Address),
            ("2001:db8::1", NameError::Address),
            (&"a".repeat(64), NameError::LabelTooLong(64)),
            (&["abcdefg"; 32].join("."), NameError::TooLong(257)),
        ] {
            assert_eq!(DomainName::from_text(text), Err(error), "{text}");
        }
        assert!(DomainName::from_text(&format!("{}.aaaaa", ["abcdefg"; 31].join("."))).is_ok(), "255 octets fit");
    }

    #[test]
    fn wire_that_is_cut_off_or_compressed_is_refused() {
        for wire in [&b""[..], b"\x03www", b"\x03www\x00\x00", b"\xc0\x0c", b"\x40"] {
            assert_eq!(DomainName::from_wire(wire), Err(NameError::Wire), "{wire:?}");
        }
    }

    #[test]
    fn ancestors_run_from_the_name_to_the_root() {
        let name = name("a.b.example");
        let all: Vec<String> = name.as_name().ancestors().map(|n| n.to_string()).collect();
        assert_eq!(all, ["a.b.example", "b.example", "example", "."]);
        assert_eq!(name.as_name().label_count(), 3);
    }

    #[test]
    fn below_is_decided_at_label_boundaries() {
        let top = name("example.com");
        assert!(name("www.example.com").as_name().is_at_or_below(top.as_name()));
        assert!(top.as_name().is_at_or_below(top.as_name()));
        assert!(!name("badexample.com").as_name().is_at_or_below(top.as_name()));
        assert!(!name("com").as_name().is_at_or_below(top.as_name()));
        // A label may contain what looks like a length octet and a name.
        let odd = DomainName::from_wire(b"\x0dx\x07example\x03com\x03net\x00").expect("valid wire");
        assert!(!odd.as_name().is_at_or_below(name("com.net").as_name()));
    }

    #[test]
    fn octets_outside_host_names_are_shown_escaped() {
        let odd = DomainName::from_wire(b"\x05a.b\\\x07\x03com\x00").expect("valid wire");
        assert_eq!(odd.to_string(), "a\\.b\\\\\\007.com");
    }
}
