//! Values as the file writes them: numbers within bounds, sizes with a unit, texts with a meaning.
//!
//! Each refusal says what would have been right, because the person reading it has only the file.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, marker::PhantomData, net::SocketAddr, path::PathBuf};

/// An amount of memory or disk in octets. Written as a whole number of octets or as text with a
/// unit: `"512 KiB"`, `"64MiB"`, `"1.5 GiB"`, `"64 MB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Units, longest first where one ends in another.
const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl ByteSize {
    /// So many times 1,048,576 octets.
    pub const fn mib(count: u64) -> Self {
        ByteSize(count << 20)
    }

    /// The size as an index type; a size beyond the address space becomes the largest one.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is no size; write octets, or a number with a unit such as \"64 MiB\"");
        let text = text.trim();
        let unit = UNITS.iter().find(|(unit, _)| {
            text.len() >= unit.len()
                && text.is_char_boundary(text.len() - unit.len())
                && text[text.len() - unit.len()..].eq_ignore_ascii_case(unit)
        });
        let (number, factor) = match unit {
            Some((unit, factor)) => (text[..text.len() - unit.len()].trim_end(), *factor),
            None => (text, 1),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(ByteSize).ok_or_else(refuse);
        }
        let number = number.parse::<f64>().map_err(|_| refuse())?;
        let octets = number * factor as f64;
        // Above 2^53 a fraction has no meaning any more; such a size is a slip.
        if !(0.0..9.0e15).contains(&octets) { Err(refuse()) } else { Ok(ByteSize(octets as u64)) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS[..4].iter().rev().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{} {unit}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of octets, or a text such as \"64 MiB\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<ByteSize, E> {
                let value = u64::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))?;
                Ok(ByteSize(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<ByteSize, E> {
                ByteSize::from_text(value).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A whole number from `MIN` to `MAX`, for `#[serde(deserialize_with)]`.
pub(super) fn between<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    struct Visitor<T, const MIN: u64, const MAX: u64>(PhantomData<T>);
    impl<T: TryFrom<u64>, const MIN: u64, const MAX: u64> de::Visitor<'_> for Visitor<T, MIN, MAX> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {MIN} to {MAX}")
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
            match u64::try_from(value) {
                Ok(value) => self.visit_u64(value),
                Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
            }
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
            let refuse = || E::invalid_value(de::Unexpected::Unsigned(value), &self);
            if !(MIN..=MAX).contains(&value) {
                return Err(refuse());
            }
            T::try_from(value).map_err(|_| refuse())
        }
    }
    deserializer.deserialize_any(Visitor::<T, MIN, MAX>(PhantomData))
}

/// One text and what it must mean: `expected` names it, `parse` reads it or says why not.
struct Text<T, F> {
    expected: &'static str,
    parse: F,
    of: PhantomData<T>,
}

impl<T, F: Fn(&str) -> Result<T, String>> de::Visitor<'_> for Text<T, F> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        (self.parse)(value).map_err(E::custom)
    }
}

impl<'de, T, F: Fn(&str) -> Result<T, String>> de::DeserializeSeed<'de> for Text<T, F> {
    type Value = T;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A text read by `parse`.
pub(super) fn text<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Text { expected, parse, of: PhantomData })
}

/// A list of texts read by `parse`; one text alone stands for a list of one.
pub(super) fn texts<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
{
    struct List<T, F>(Text<T, F>);
    impl<'de, T, F: Fn(&str) -> Result<T, String>> de::Visitor<'de> for List<T, F> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list, each item {}", self.0.expected)
        }
        fn visit_str<E: de::Error>(self, value: &str) -> Result<Vec<T>, E> {
            Ok(vec![(self.0.parse)(value).map_err(E::custom)?])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let Text { expected, parse, .. } = self.0;
            let mut list = Vec::new();
            while let Some(item) = items.next_element_seed(Text { expected, parse: &parse, of: PhantomData })? {
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(List(Text { expected, parse, of: PhantomData }))
}

const ADDRESS: &str = "an address with a port, such as \"127.0.0.1:5353\" or \"[::1]:5353\"";

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not {ADDRESS}"))
}

/// An address with a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    text(deserializer, ADDRESS, parse_address)
}

/// A list of addresses with ports.
pub(super) fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    texts(deserializer, ADDRESS, parse_address)
}

/// A list of addresses and prefixes.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    const NETWORK: &str = "an address or a prefix, such as \"192.0.2.0/24\"";
    texts(deserializer, NETWORK, |text| {
        let network: Option<IpNet> =
            text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
        network.map(|network| network.trunc()).ok_or_else(|| format!("{text:?} is not {NETWORK}"))
    })
}

const PATH: &str = "the path of a file or folder";

pub(super) fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err(format!("the text is empty; expected {PATH}")) } else { Ok(PathBuf::from(text)) }
}

/// A path.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    text(deserializer, PATH, parse_path)
}

/// A path that may be left out.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_octets_or_numbers_with_a_unit() {
        for (text, octets) in [
            ("0", 0),
            ("1500", 1500),
            ("1 B", 1),
            ("64 MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("1.5 GiB", 3 << 29),
            ("64 MB", 64_000_000),
            ("2 kB", 2_000),
        ] {
            assert_eq!(ByteSize::from_text(text), Ok(ByteSize(octets)), "{text}");
        }
        for text in ["", "MiB", "-1", "1 XiB", "99999999999999 TiB", "nan", "inf GiB", "é"] {
            assert!(ByteSize::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_show_the_largest_unit_that_divides_them() {
        for (octets, text) in [(64 << 20, "64 MiB"), (1000, "1000 B"), (1 << 30, "1 GiB"), (0, "0 B")] {
            assert_eq!(ByteSize(octets).to_string(), text);
        }
    }
}
