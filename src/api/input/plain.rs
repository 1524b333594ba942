//! Flags, numbers, ids, and what may be null.

use super::raw::{Raw, field_type};
use crate::model::ID_MAX;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// Yes or no: `true`, `false`, `1`, `0`, and these as text in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

field_type!([] Flag, "Flag", { "type": "boolean" }, |raw| {
    let text = match &raw {
        Raw::Flag(flag) => if *flag { "1" } else { "0" },
        Raw::Integer(1) => "1",
        Raw::Integer(0) => "0",
        Raw::Text(text) => text.trim(),
        _ => "",
    };
    match text {
        "1" => Ok(Flag(true)),
        "0" => Ok(Flag(false)),
        text if text.eq_ignore_ascii_case("true") => Ok(Flag(true)),
        text if text.eq_ignore_ascii_case("false") => Ok(Flag(false)),
        _ => Err("must be true or false".into()),
    }
});

/// Reads a plain `bool` as [`Flag`] is read, for documents that are shown as they are given.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Flag::deserialize(deserializer).map(|flag| flag.0)
}

/// Reads a plain number that may come as text, for documents that are shown as they are given.
pub fn whole<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<N, D::Error> {
    let number = Raw::deserialize(deserializer)?.integer().and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| de::Error::custom("must be a whole number"))
}

/// The same for a list of numbers.
pub fn whole_each<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<Vec<N>, D::Error> {
    struct One<N>(N);
    impl<'de, N: TryFrom<i64>> Deserialize<'de> for One<N> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            whole(deserializer).map(One)
        }
    }
    Ok(Vec::<One<N>>::deserialize(deserializer)?.into_iter().map(|one| one.0).collect())
}

/// Several values; one that stands alone counts as such, since a form cannot tell it from a list of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Many<T>(pub Vec<T>);

impl<'de, T: de::DeserializeOwned> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Array(values) => values,
            one => vec![one],
        };
        values.into_iter().map(T::deserialize).collect::<Result<_, _>>().map(Many).map_err(de::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Many{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number<const MIN: i64, const MAX: i64>(pub i64);

field_type!([const MIN: i64, const MAX: i64] Number<MIN, MAX>, "Number", {
    "type": "integer", "minimum": MIN, "maximum": MAX
}, |raw| match raw.integer() {
    Some(number) if (MIN..=MAX).contains(&number) => Ok(Number(number)),
    _ => Err(format!("must be a whole number from {MIN} to {MAX}").into()),
});

/// The id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub u32);

field_type!([] Id, "Id", { "type": "integer", "minimum": 1, "maximum": ID_MAX }, |raw| {
    let id = raw.integer().and_then(|number| u32::try_from(number).ok()).filter(|id| (1..=ID_MAX).contains(id));
    id.map(Id).ok_or_else(|| format!("must be an id from 1 to {ID_MAX}").into())
});

/// An account by its id or its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRef {
    /// By number.
    Id(u32),
    /// By `uuid_str`.
    Uuid(uuid::Uuid),
}

field_type!([] AccountRef, "AccountRef", {
    "type": ["integer", "string"], "minimum": 1, "maximum": ID_MAX, "format": "uuid"
}, |raw| match (&raw, raw.integer()) {
    (_, Some(number)) if (1..=i64::from(ID_MAX)).contains(&number) => Ok(AccountRef::Id(number as u32)),
    (Raw::Text(text), None) if text.len() == 36 => {
        text.parse().map(AccountRef::Uuid).map_err(|_| "must be an id or a UUID".into())
    }
    _ => Err("must be an id or a UUID".into()),
});

/// A policy by its id, or the default one of the account in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyRef {
    /// `default`.
    #[default]
    Default,
    /// By number.
    Id(u32),
}

field_type!([] PolicyRef, "PolicyRef", {
    "type": ["integer", "string"], "minimum": 1, "maximum": ID_MAX, "pattern": "^([0-9]+|default)$"
}, |raw| match (&raw, raw.integer()) {
    (_, Some(number)) if (1..=i64::from(ID_MAX)).contains(&number) => Ok(PolicyRef::Id(number as u32)),
    (Raw::Text(text), None) if text.eq_ignore_ascii_case("default") => Ok(PolicyRef::Default),
    _ => Err("must be a policy id or default".into()),
});

/// A field that may be absent, null (also as the text `null`), or a value. Needs `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nullable<T> {
    /// Not given.
    #[default]
    Absent,
    /// Given as nothing.
    Null,
    /// Given.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use de::IntoDeserializer;
        let value = match Raw::deserialize(deserializer)? {
            Raw::Null => return Ok(Nullable::Null),
            Raw::Text(text) if text.is_empty() || text.eq_ignore_ascii_case("null") => return Ok(Nullable::Null),
            Raw::Text(text) => T::deserialize(text.into_owned().into_deserializer()),
            Raw::Integer(number) => T::deserialize(number.into_deserializer()),
            Raw::Flag(flag) => T::deserialize(flag.into_deserializer()),
            Raw::Other => Err(de::Error::custom("must be a single value or null")),
        };
        value.map(Nullable::Value)
    }
}

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [T::json_schema(generator), { "type": "null" }] })
    }
}
