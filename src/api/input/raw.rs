//! A value as it arrives, whatever its type.

use serde::{Deserialize, Deserializer, de};
use std::{borrow::Cow, fmt};

/// A value as it arrives.
pub(super) enum Raw<'de> {
    Null,
    Flag(bool),
    Integer(i64),
    Text(Cow<'de, str>),
    Other,
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Raw<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw<'de>, E> {
                Ok(Raw::Flag(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw<'de>, E> {
                Ok(Raw::Integer(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw<'de>, E> {
                Ok(i64::try_from(value).map_or(Raw::Other, Raw::Integer))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Raw<'de>, E> {
                let whole = value.fract() == 0.0 && value.abs() < 9e15;
                Ok(if whole { Raw::Integer(value as i64) } else { Raw::Other })
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw<'de>, E> {
                Ok(Raw::Text(Cow::Owned(value.to_owned())))
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Raw<'de>, E> {
                Ok(Raw::Text(Cow::Borrowed(value)))
            }
            fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
                Ok(Raw::Null)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Raw<'de>, A::Error> {
                while items.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Raw::Other)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut items: A) -> Result<Raw<'de>, A::Error> {
                while items.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Raw::Other)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Raw<'_> {
    /// The number it is, or writes.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Raw::Integer(number) => Some(*number),
            Raw::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The text it is.
    pub(super) fn text<E: de::Error>(self) -> Result<String, E> {
        match self {
            Raw::Text(text) => Ok(text.into_owned()),
            _ => Err(E::custom("must be text")),
        }
    }
}

/// The two halves of a field type: how it is read from a `Raw`, and its schema.
macro_rules! field_type {
    ([$($generics:tt)*] $type:ty, $name:literal, $schema:tt, |$raw:ident| $read:expr) => {
        impl<'de, $($generics)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let $raw = Raw::deserialize(deserializer)?;
                let read: Result<Self, Cow<'static, str>> = $read;
                read.map_err(|problem| de::Error::custom(problem))
            }
        }

        impl<$($generics)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(super) use field_type;
