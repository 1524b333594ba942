//! Field types that read what clients really send: forms and queries give text, JSON gives values,
//! old clients give text in JSON too.
//!
//! Each type checks its bounds while it is read, so that the error names the field, and describes
//! itself to OpenAPI.

use super::error::ApiError;
use crate::model::{DomainName, ID_MAX};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::{borrow::Cow, fmt};

/// What an operation takes: one type, or `Both` of two.
pub trait Input: Sized + Send + 'static {
    /// Reads it from the fields of path, query and body put together.
    fn read(fields: &Value) -> Result<Self, ApiError>;
    /// Object schemas whose properties are its fields.
    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema>;
}

impl<T: de::DeserializeOwned + JsonSchema + Send + 'static> Input for T {
    fn read(fields: &Value) -> Result<Self, ApiError> {
        serde_path_to_error::deserialize(fields).map_err(|error| {
            let path = error.path().to_string();
            let message = error.into_inner().to_string();
            match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
                Some(name) if path == "." => ApiError::field(name, "is required"),
                Some(name) => ApiError::field(&format!("{path}.{name}"), "is required"),
                None => ApiError::field(path.trim_start_matches("[]"), message),
            }
        })
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![T::json_schema(generator)]
    }
}

/// Two inputs read from the same fields, such as an entry's place and its content.
pub struct Both<A, B>(pub A, pub B);

impl<A: Input, B: Input> Input for Both<A, B> {
    fn read(fields: &Value) -> Result<Self, ApiError> {
        Ok(Both(A::read(fields)?, B::read(fields)?))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        let mut schemas = A::schemas(generator);
        schemas.extend(B::schemas(generator));
        schemas
    }
}

/// No fields at all.
#[derive(Deserialize, JsonSchema)]
pub struct Nothing {}

/// Which rows of a list.
#[derive(Deserialize, JsonSchema)]
pub struct Page {
    /// Rows to skip, from zero.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    offset: Number<0, { i32::MAX as i64 }>,
    /// Page size; 100 where it is absent, and 0 gives no rows.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    limit: Option<Number<0, { i32::MAX as i64 }>>,
}

impl Page {
    /// Rows to skip.
    pub fn offset(&self) -> usize {
        self.offset.0 as usize
    }

    /// Rows to give.
    pub fn limit(&self) -> usize {
        self.limit.as_ref().map_or(100, |limit| limit.0 as usize)
    }
}

/// A value as it arrives.
enum Raw<'de> {
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
    fn integer(&self) -> Option<i64> {
        match self {
            Raw::Integer(number) => Some(*number),
            Raw::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn text<E: de::Error>(self) -> Result<String, E> {
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

/// Text of at most `MAX` characters, which may be empty. Control characters other than tabs and
/// line ends are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<const MAX: usize>(pub String);

field_type!([const MAX: usize] Text<MAX>, "Text", { "type": "string", "maxLength": MAX }, |raw| {
    let text = raw.text::<D::Error>()?;
    if text.chars().count() > MAX {
        Err(format!("must have at most {MAX} characters").into())
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        Err("must not contain control characters".into())
    } else {
        Ok(Text(text))
    }
});

/// A display name: 1 to `MAX` characters, blanks at its ends cut off, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<const MAX: usize>(pub String);

field_type!([const MAX: usize] Label<MAX>, "Label", { "type": "string", "minLength": 1, "maxLength": MAX }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if text.is_empty() {
        Err("must not be empty".into())
    } else if text.chars().count() > MAX {
        Err(format!("must have at most {MAX} characters").into())
    } else if text.chars().any(char::is_control) {
        Err("must not contain control characters".into())
    } else {
        Ok(Label(text))
    }
});

/// An e-mail address, as far as its look goes: something, `@`, something, at most 254 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(pub String);

field_type!([] Email, "Email", { "type": "string", "format": "email", "maxLength": 254 }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    if is_email(&text) { Ok(Email(text)) } else { Err("must be an e-mail address".into()) }
});

/// An e-mail address, or empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalEmail(pub String);

field_type!([] OptionalEmail, "OptionalEmail", { "type": "string", "maxLength": 254 }, |raw| {
    let text = match raw {
        Raw::Null => String::new(),
        raw => raw.text::<D::Error>()?.trim().to_owned(),
    };
    let good = text.is_empty() || is_email(&text);
    if good { Ok(OptionalEmail(text)) } else { Err("must be an e-mail address, or empty for none".into()) }
});

fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}

/// A password of 6 characters to 1,024 octets. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

field_type!([] Password, "Password", {
    "type": "string", "format": "password", "minLength": 6, "maxLength": 1024
}, |raw| {
    let text = raw.text::<D::Error>()?;
    if text.chars().count() < 6 {
        Err("must have at least 6 characters".into())
    } else if text.len() > 1024 {
        Err("must have at most 1024 octets".into())
    } else {
        Ok(Password(text))
    }
});

/// A UUID in its usual form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidText(pub uuid::Uuid);

field_type!([] UuidText, "UuidText", { "type": "string", "format": "uuid" }, |raw| {
    raw.text::<D::Error>()?.trim().parse().map(UuidText).map_err(|_| "must be a UUID".into())
});

/// An IANA time zone; empty is the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(pub String);

field_type!([] TimeZone, "TimeZone", { "type": "string", "examples": ["Europe/London"] }, |raw| {
    let text = raw.text::<D::Error>()?.trim().to_owned();
    let known = text.is_empty() || text.len() <= 64 && jiff::tz::TimeZone::get(&text).is_ok();
    if known { Ok(TimeZone(text)) } else { Err("must be an IANA time zone such as Europe/London".into()) }
});

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub jiff::civil::Date);

field_type!([] Date, "Date", { "type": "string", "format": "date" }, |raw| {
    let text = raw.text::<D::Error>()?;
    jiff::civil::Date::strptime("%Y-%m-%d", text.trim()).map(Date).map_err(|_| "must be a day as YYYY-MM-DD".into())
});

/// A name of a list: any case, U-labels or A-labels. A leading dot or `*.` asks for the names below
/// it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedName {
    /// The name.
    pub name: DomainName,
    /// Whether the text itself asked for subdomains.
    pub subdomains: bool,
}

impl std::str::FromStr for ListedName {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let bare = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
        let name = DomainName::from_text(bare).map_err(|error| Cow::Owned(error.to_string()))?;
        if name.as_name().is_root() {
            return Err("the root is no domain to list".into());
        }
        if name.as_name().labels().any(|label| label.contains(&b'*')) {
            return Err("an asterisk may only stand for the whole first label".into());
        }
        Ok(ListedName { name, subdomains: bare.len() < text.len() })
    }
}

field_type!([] ListedName, "ListedName", { "type": "string", "examples": ["blocked.example"] }, |raw| {
    raw.text::<D::Error>()?.parse()
});

/// A name to try out, or a URL it is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOrUrl(pub DomainName);

field_type!([] NameOrUrl, "NameOrUrl", { "type": "string", "examples": ["www.example.com"] }, |raw| {
    let text = raw.text::<D::Error>()?;
    DomainName::from_text(host_of(text.trim())).map(NameOrUrl).map_err(|error| Cow::Owned(error.to_string()))
});

/// The host of a URL; anything else as it is.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// One IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpText(pub std::net::IpAddr);

field_type!([] IpText, "IpText", { "type": "string", "examples": ["192.0.2.22"] }, |raw| {
    let parsed: Result<std::net::IpAddr, _> = raw.text::<D::Error>()?.trim().parse();
    parsed.map(|ip| IpText(ip.to_canonical())).map_err(|_| "must be an IP address".into())
});

/// One address or CIDR range, host bits cut off. Mapped IPv4 becomes IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range(pub ipnet::IpNet);

/// Several of them, at most 256, between commas or blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(pub Vec<ipnet::IpNet>);

fn range(text: &str) -> Result<ipnet::IpNet, Cow<'static, str>> {
    use std::net::IpAddr;
    let bad = || Cow::Borrowed("must be an IP address or a CIDR range such as 192.0.2.0/24");
    let (address, length) = match text.split_once('/') {
        Some((address, length)) if length.bytes().all(|c| c.is_ascii_digit()) => (address, Some(length)),
        Some(_) => return Err(bad()),
        None => (text, None),
    };
    let written: IpAddr = address.parse().map_err(|_| bad())?;
    let full = if written.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.map_or(Ok(full), str::parse).map_err(|_| bad())?;
    let (address, length) = match written.to_canonical() {
        IpAddr::V4(v4) if written.is_ipv6() => (IpAddr::V4(v4), length.checked_sub(96).ok_or_else(bad)?),
        address => (address, length),
    };
    let net = ipnet::IpNet::new(address, length).map_err(|_| bad())?.trunc();
    if net.prefix_len() == 0 {
        return Err("must not be every address there is".into());
    }
    if address.is_unspecified() && net.prefix_len() == net.max_prefix_len() || address.is_multicast() {
        return Err("must be an address that queries can come from".into());
    }
    Ok(net)
}

field_type!([] Range, "Range", { "type": "string", "examples": ["203.0.113.45", "2001:db8::/48"] }, |raw| {
    range(raw.text::<D::Error>()?.trim()).map(Range)
});

field_type!([] Ranges, "Ranges", { "type": "string", "examples": ["203.0.113.45, 2001:db8::/48"] }, |raw| {
    let text = raw.text::<D::Error>()?;
    let pieces = text.split([',', ' ', ';', '\t', '\n', '\r']).filter(|piece| !piece.is_empty());
    let ranges: Result<Vec<_>, _> = pieces.take(257).map(range).collect();
    ranges.and_then(|mut ranges| {
        ranges.sort();
        ranges.dedup();
        match ranges.len() {
            0 => Err("must not be empty".into()),
            1..=256 => Ok(Ranges(ranges)),
            _ => Err("must be at most 256 ranges".into()),
        }
    })
});

/// A file: a part of a multipart body, or text. Octets that are no UTF-8 travel as base64 inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload(pub Vec<u8>);

/// The key under which octets that are no text are handed on.
const BASE64: &str = "base64";

impl Upload {
    /// The value that reads as this file.
    pub(super) fn into_value(octets: Vec<u8>) -> Value {
        match String::from_utf8(octets) {
            Ok(text) => Value::String(text),
            Err(error) => serde_json::json!({ BASE64: STANDARD.encode(error.as_bytes()) }),
        }
    }
}

impl<'de> Deserialize<'de> for Upload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum File {
            Text(String),
            Octets { base64: String },
        }
        match File::deserialize(deserializer).map_err(|_| de::Error::custom("must be a file"))? {
            File::Text(text) => Ok(Upload(text.into_bytes())),
            File::Octets { base64 } => STANDARD.decode(base64).map(Upload).map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Upload {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Upload".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentMediaType": "application/octet-stream" })
    }
}

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

/// Makes an enum that is read from words, in any case.
macro_rules! choices {
    ($($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$word_doc])* $variant),+ }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer).unwrap_or_default();
                $(if text.trim().eq_ignore_ascii_case($word) { return Ok($name::$variant); })+
                Err(serde::de::Error::custom(concat!("must be one of:" $(, " ", $word)+)))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    )+};
}
pub(super) use choices;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: Input>(value: Value) -> Result<T, String> {
        T::read(&value).map_err(|error| error.message().to_owned())
    }

    #[derive(Deserialize, JsonSchema)]
    struct One<T> {
        x: T,
    }

    fn field<T: de::DeserializeOwned + JsonSchema + Send + 'static>(x: Value) -> Result<T, String> {
        read::<One<T>>(json!({ "x": x })).map(|one| one.x)
    }

    #[test]
    fn flags_and_numbers_are_read_from_values_and_from_text() {
        for yes in [json!(true), json!(1), json!("true"), json!("1"), json!("True")] {
            assert_eq!(field(yes), Ok(Flag(true)));
        }
        for no in [json!(false), json!(0), json!("false"), json!("0"), json!(" FALSE ")] {
            assert_eq!(field(no), Ok(Flag(false)));
        }
        for bad in [json!("yes"), json!(2), json!(null), json!([]), json!({}), json!("")] {
            assert_eq!(field::<Flag>(bad), Err("x: must be true or false".into()));
        }
        assert_eq!(field(json!("17")), Ok(Id(17)));
        assert_eq!(field(json!(17.0)), Ok(Id(17)));
        for bad in [json!(0), json!("-1"), json!(2147483648u64), json!("1x"), json!(1.5), json!(true)] {
            assert_eq!(field::<Id>(bad), Err("x: must be an id from 1 to 2147483647".into()));
        }
        assert_eq!(field(json!("DEFAULT")), Ok(PolicyRef::Default));
        assert_eq!(field(json!("3")), Ok(PolicyRef::Id(3)));
    }

    #[test]
    fn an_error_names_the_field_wherever_it_is() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only read")]
        struct Outer {
            rows: Vec<One<Flag>>,
        }
        assert_eq!(
            read::<Outer>(json!({ "rows": [{ "x": 1 }, { "x": "maybe" }] })).err(),
            Some("rows[1].x: must be true or false".into())
        );
        assert_eq!(read::<Outer>(json!({ "rows": [{}] })).err(), Some("rows[0].x: is required".into()));
        assert_eq!(read::<One<Flag>>(json!({ "y": 1 })).err(), Some("x: is required".into()));
    }

    #[test]
    fn absent_null_and_given_are_three_things() {
        #[derive(Deserialize, JsonSchema)]
        struct Holder {
            #[serde(default)]
            x: Nullable<Id>,
        }
        for (value, expected) in [
            (json!({}), Nullable::Absent),
            (json!({ "x": null }), Nullable::Null),
            (json!({ "x": "null" }), Nullable::Null),
            (json!({ "x": "" }), Nullable::Null),
            (json!({ "x": "4" }), Nullable::Value(Id(4))),
            (json!({ "x": 4 }), Nullable::Value(Id(4))),
        ] {
            assert_eq!(read::<Holder>(value).expect("reads").x, expected);
        }
        assert_eq!(read::<Holder>(json!({ "x": "four" })).err(), Some("x: must be an id from 1 to 2147483647".into()));
    }

    #[test]
    fn text_has_its_bounds() {
        assert_eq!(field(json!("")), Ok(Text::<3>(String::new())));
        assert_eq!(field(json!("äöü")), Ok(Text::<3>("äöü".into())));
        assert_eq!(field::<Text<3>>(json!("abcd")), Err("x: must have at most 3 characters".into()));
        assert_eq!(field::<Text<3>>(json!("a\u{0}")), Err("x: must not contain control characters".into()));
        assert_eq!(field::<Text<3>>(json!(5)), Err("x: must be text".into()));
        assert_eq!(field(json!(" a ")), Ok(Label::<3>("a".into())));
        assert_eq!(field::<Label<3>>(json!("  ")), Err("x: must not be empty".into()));
        assert!(field::<Email>(json!("a@b")).is_ok());
        for bad in ["", "a", "@b", "a@", "a b@c"] {
            assert!(field::<Email>(json!(bad)).is_err(), "{bad}");
        }
        assert!(field::<TimeZone>(json!("Europe/London")).is_ok());
        assert!(field::<TimeZone>(json!("Mars/Olympus")).is_err());
        assert!(field::<Password>(json!("12345")).is_err());
    }

    #[test]
    fn listed_names_may_ask_for_their_subdomains() {
        for (text, name, subdomains) in [
            ("Blocked.Example.", "blocked.example", false),
            (".blocked.example", "blocked.example", true),
            ("*.blocked.example", "blocked.example", true),
            ("bücher.example", "xn--bcher-kva.example", false),
        ] {
            let listed: ListedName = field(json!(text)).expect("valid");
            assert_eq!((listed.name.to_string().as_str(), listed.subdomains), (name, subdomains));
        }
        for bad in [".", "", "..a", "a..b", "http://a.example/", "a.*.b", "192.0.2.1", "*"] {
            assert!(field::<ListedName>(json!(bad)).is_err(), "{bad}");
        }
        for (text, host) in [
            ("https://user:pw@www.example.com:8443/path?q#f", "www.example.com"),
            ("www.example.com/path", "www.example.com"),
            ("example.com:53", "example.com"),
        ] {
            assert_eq!(field::<NameOrUrl>(json!(text)).expect("valid").0.to_string(), host);
        }
        assert!(field::<NameOrUrl>(json!("http://[2001:db8::1]/")).is_err());
    }

    #[test]
    fn ranges_lose_their_host_bits() {
        for (text, net) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ] {
            assert_eq!(field::<Range>(json!(text)).expect("valid").0.to_string(), net);
        }
        for bad in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "0.0.0.0/0",
            "0.0.0.0",
            "224.0.0.1",
            "a",
            "::ffff:1.2.3.4/8",
        ] {
            assert!(field::<Range>(json!(bad)).is_err(), "{bad}");
        }
        let ranges: Ranges = field(json!("192.0.2.7, 192.0.2.7 198.51.100.0/24")).expect("valid");
        assert_eq!(ranges.0.len(), 2);
    }
}
