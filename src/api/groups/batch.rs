//! Several requests in one.
//!
//! They run at the same time, eight at once, in no order; each is counted, judged and answered by itself, with
//! the rights of whoever sent the batch.

use crate::api::{
    call::Call, error::ApiError, fields::ROOT, input::choices, operation::operations, reply::Reply, scope::Own,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, Response, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, fmt};

operations! {
    batch {
        /// Runs several requests.
        /// The body has one request under each key; the answer has that request's answer under the same key.
        POST "/batch" up to 4 MiB for [System, Sales, Msp, Customer] => batch_request = run;
    }
}

/// Requests of one batch.
const REQUESTS_MAX: usize = 50;
/// Of those, at once.
const AT_ONCE_MAX: usize = 8;
/// Octets of all answers together; what comes after that is left out.
const ANSWER_OCTETS_MAX: usize = 32 * 1024 * 1024;

choices! {
    /// Methods of the API.
    pub enum Verb {
        /// Reads.
        Get = "GET",
        /// Creates or changes.
        Post = "POST",
        /// Changes.
        Put = "PUT",
        /// Deletes.
        Delete = "DELETE",
    }
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Method {
        match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// One request of a batch.
#[derive(Deserialize, JsonSchema)]
struct Inner {
    method: Verb,
    /// Path below the base path, with or without slashes at its ends, and a query if need be.
    path: String,
    /// Fields of query or body.
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
}

/// The requests under their keys, in the order they came.
struct Requests(Vec<(String, Inner)>);

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Requests;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("requests under keys")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Requests, A::Error> {
                let mut requests = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    // What signs the batch in its query is no request of it.
                    if key.starts_with("oauth_") {
                        map.next_value::<de::IgnoredAny>()?;
                        continue;
                    }
                    if requests.len() == REQUESTS_MAX {
                        return Err(de::Error::custom(format!("at most {REQUESTS_MAX} requests stand in a batch")));
                    }
                    requests.push((key, map.next_value()?));
                }
                Ok(Requests(requests))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Described as the body it is, which has no fields of its own.
impl JsonSchema for Requests {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Requests".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<Inner>();
        let body = json!({
            "type": "object", "additionalProperties": inner, "minProperties": 1, "maxProperties": REQUESTS_MAX
        });
        json_schema!({ "type": "object", "properties": { ROOT: body }, "required": [ROOT] })
    }
}

/// The answer to one request: its status, and its body. A file comes as base64.
#[derive(Serialize, JsonSchema)]
struct Answered {
    /// HTTP status.
    code: u16,
    /// What the request alone would have been answered with.
    response: Value,
}

/// The answers under the keys of their requests.
struct Answers(Map<String, Value>);

impl Reply for Answers {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        let body = serde_json::to_vec(&self.0).map_err(ApiError::internal)?;
        let mut response = Response::new(Bytes::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let answered = generator.subschema_for::<Answered>();
        json_schema!({ "type": "object", "additionalProperties": answered })
    }
}

async fn run(call: Call<Own>, Requests(requests): Requests) -> Result<Answers, ApiError> {
    if requests.is_empty() {
        return Err(ApiError::bad_request("The batch has no request"));
    }
    let call = &call;
    let running = requests.into_iter().map(|(key, inner)| async move {
        let response = call.run_within(inner.method.into(), &inner.path, inner.parameters.unwrap_or_default()).await;
        (key, response)
    });
    let mut running = stream::iter(running).buffered(AT_ONCE_MAX);
    let mut answers = Map::new();
    let mut octets = 0;
    while let Some((key, response)) = running.next().await {
        octets += response.body().len();
        let answered = match octets <= ANSWER_OCTETS_MAX {
            true => answered(&response),
            false => Answered {
                code: 413,
                response: json!({ "code": 413, "error": "Error: The answers of the batch are too long together" }),
            },
        };
        answers.insert(key, serde_json::to_value(answered).map_err(ApiError::internal)?);
    }
    Ok(Answers(answers))
}

fn answered(response: &Response<Bytes>) -> Answered {
    let code = response.status().as_u16();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let json = serde_json::from_slice(response.body()).ok().filter(|_| kind.starts_with("application/json"));
    let file = || json!({ "code": code, "content_type": kind, "base64": STANDARD.encode(response.body()) });
    Answered { code, response: json.unwrap_or_else(file) }
}
