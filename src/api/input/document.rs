//! JSON documents that are kept as they are.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Octets a document may have, written without blanks.
pub const DOCUMENT_OCTETS_MAX: usize = 8 * 1024;

/// A JSON object, given as such or as its text, of at most 8 KiB without blanks.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonObject(pub Map<String, Value>);

impl JsonObject {
    /// Its text without blanks.
    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|error| de::Error::custom(format!("must be a JSON document: {error}")))?,
            value => value,
        };
        let Value::Object(object) = value else { return Err(de::Error::custom("must be a JSON object or its text")) };
        let document = JsonObject(object);
        if document.text().len() > DOCUMENT_OCTETS_MAX {
            return Err(de::Error::custom(format!("must have at most {DOCUMENT_OCTETS_MAX} octets")));
        }
        Ok(document)
    }
}

impl JsonSchema for JsonObject {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "JsonObject".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "string"], "examples": [{ "filter": [] }] })
    }
}
