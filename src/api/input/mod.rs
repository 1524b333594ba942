//! Field types that read what clients really send: forms and queries give text, JSON gives values,
//! old clients give text in JSON too.
//!
//! Each type checks its bounds while it is read, so that the error names the field, and describes
//! itself to OpenAPI. Read `raw` (a value as it arrives), then the types: `plain`, `words`, `names`,
//! `ranges`, `upload`, `document`, `period`, `expiry`.

mod document;
mod expiry;
mod names;
mod period;
mod plain;
mod ranges;
mod raw;
#[cfg(test)]
mod tests;
mod upload;
mod words;

pub use document::JsonObject;
pub use expiry::Expiry;
pub use names::{ListedName, NameOrUrl};
pub use period::Period;
pub use plain::{AccountRef, Flag, Id, Many, Nullable, Number, PolicyRef, flag, whole, whole_each};
pub use ranges::{IpText, Range, Ranges};
pub use upload::Upload;
pub(in crate::api) use words::choices;
pub use words::{
    Date, Email, Emails, Label, Link, NewPassword, OptionalEmail, Password, Text, TimeOfDay, TimeZone, UuidText, Words,
};

use super::error::ApiError;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, de};
use serde_json::Value;

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
                None => ApiError::field(path.trim_start_matches("[]"), in_words(&message).unwrap_or(message)),
            }
        })
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![T::json_schema(generator)]
    }
}

/// What is wrong with a value, in words for people; `None` for what says it already.
fn in_words(message: &str) -> Option<String> {
    let (told, expected) = message.rsplit_once(", expected ")?;
    if told.starts_with("unknown field ") {
        let known = expected.trim_start_matches("one of ").replace('`', "");
        return Some(format!("is not a field here; there are: {known}"));
    }
    if !told.starts_with("invalid type: ") && !told.starts_with("invalid value: ") {
        return None;
    }
    let words = match expected {
        "a sequence" => "must be a list",
        "a map" => "must be an object",
        "a string" => "must be text",
        "a boolean" => "must be true or false",
        "u8" => "must be a whole number from 0 to 255",
        "u16" => "must be a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "must be a whole number that is not negative",
        "i32" | "i64" => "must be a whole number",
        expected if expected.starts_with("struct ") => "must be an object",
        _ => return None,
    };
    Some(words.to_owned())
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

/// An input whose faults the operation answers itself, where a standard says how.
pub struct Lenient<T>(pub Result<T, ApiError>);

impl<T: Input> Input for Lenient<T> {
    fn read(fields: &Value) -> Result<Self, ApiError> {
        Ok(Lenient(T::read(fields)))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        T::schemas(generator)
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
