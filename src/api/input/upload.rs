//! Files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::borrow::Cow;

/// A file: a part of a multipart body, or text. Octets that are no UTF-8 travel as base64 inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload(pub Vec<u8>);

/// The key under which octets that are no text are handed on.
const BASE64: &str = "base64";

impl Upload {
    /// The value that reads as this file.
    pub(in crate::api) fn into_value(octets: Vec<u8>) -> Value {
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
        // An absent file is told by the deserializer itself.
        let value = Value::deserialize(deserializer)?;
        match File::deserialize(value).map_err(|_| de::Error::custom("must be a file"))? {
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
