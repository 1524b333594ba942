//! Path, query and body put together into one set of fields.
//!
//! Where a name stands in several places the path wins, then the query, then the body. A name
//! that is repeated in a form or query, or ends in `[]`, becomes an array. A JSON body that is an
//! array stands under `[]`.

use super::error::ApiError;
use super::input::Upload;
use crate::auth::form;
use bytes::Bytes;
use serde_json::{Map, Value};

/// The name of a body that is an array.
pub const ROOT: &str = "[]";
/// Values a JSON body may have: in memory one takes fifty times its place in the text.
const VALUES_MAX: usize = 1_000_000;
/// Parts a multipart body may have.
const PARTS_MAX: usize = 100;

/// The kinds of body that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` or a `+json` type.
    Json,
    /// `multipart/form-data`, with its boundary.
    Multipart(String),
    /// `text/csv` or `text/plain`: a file under `csv`.
    Csv,
    /// No content type: JSON where it begins like JSON, else a form. Old clients leave it out.
    Unmarked,
    /// `application/octet-stream` and packed files: a file under `file`.
    File,
    /// Anything else.
    Unknown,
}

impl Content {
    /// What a `Content-Type` header announces.
    pub fn of(header: Option<&str>) -> Content {
        let Some(header) = header else { return Content::Unmarked };
        let essence = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" => Content::Unmarked,
            "application/x-www-form-urlencoded" => Content::Form,
            "application/json" | "text/json" => Content::Json,
            "text/csv" | "text/plain" => Content::Csv,
            "application/octet-stream"
            | "application/gzip"
            | "application/x-gzip"
            | "application/zstd"
            | "application/x-xz"
            | "application/zip"
            | "application/x-zip-compressed" => Content::File,
            "multipart/form-data" => multer::parse_boundary(header).map_or(Content::Unknown, Content::Multipart),
            other if other.starts_with("application/") && other.ends_with("+json") => Content::Json,
            _ => Content::Unknown,
        }
    }
}

/// Fields read from the body.
pub async fn of_body(content: &Content, body: Bytes) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match content {
        Content::Form => of_form(&body),
        Content::Json => of_json(&body),
        Content::Multipart(boundary) => of_multipart(boundary, body).await,
        Content::File => Ok(Map::from_iter([("file".to_owned(), Upload::into_value(body.to_vec()))])),
        Content::Csv => Ok(Map::from_iter([("csv".to_owned(), Upload::into_value(body.to_vec()))])),
        Content::Unmarked => match body.iter().find(|octet| !octet.is_ascii_whitespace()) {
            Some(b'{' | b'[') => of_json(&body),
            _ => of_form(&body),
        },
        Content::Unknown => Err(ApiError::unsupported_media_type()),
    }
}

/// What `Prefer: handling=strict` asks (RFC 7240, section 4.4): that no field of the body is unknown.
pub fn refuse_unknown(fields: &Map<String, Value>, known: &[String]) -> Result<(), ApiError> {
    match fields.keys().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(ApiError::field(name, "is not a field of this operation")),
    }
}

/// Fields of a query string or form.
pub fn of_form(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let pairs = form::pairs(text).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        add(&mut fields, name, Value::String(value));
    }
    Ok(fields)
}

fn add(fields: &mut Map<String, Value>, name: String, value: Value) {
    let (name, many) = match name.strip_suffix("[]").filter(|name| !name.is_empty()) {
        Some(name) => (name.to_owned(), true),
        None => (name, false),
    };
    match fields.get_mut(&name) {
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            fields.insert(name, if many { Value::Array(vec![value]) } else { value });
        }
    }
}

/// `serde_json` itself stops at 128 levels.
fn of_json(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let body = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("The body is not valid UTF-8"))?;
    if !has_values_up_to(body, VALUES_MAX) {
        return Err(ApiError::bad_request(format!("The body has more than {VALUES_MAX} values")));
    }
    let value = serde_json::from_str(body.trim_start_matches('\u{feff}'));
    match value.map_err(|error| ApiError::bad_request(format!("The body is not valid JSON: {error}")))? {
        Value::Object(fields) => Ok(fields),
        array @ Value::Array(_) => Ok(Map::from_iter([(ROOT.to_owned(), array)])),
        Value::Null => Ok(Map::new()),
        _ => Err(ApiError::bad_request("The body must be a JSON object or array")),
    }
}

/// Whether a JSON text has at most so many values, counted without reading it: each begins the text, or stands behind a
/// comma or the beginning of an array or object.
fn has_values_up_to(text: &str, values_max: usize) -> bool {
    let (mut values, mut in_string, mut escaped) = (1, false, false);
    for octet in text.bytes() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values <= values_max
}

async fn of_multipart(boundary: &str, body: Bytes) -> Result<Map<String, Value>, ApiError> {
    let bad = |error: multer::Error| ApiError::bad_request(format!("The multipart body cannot be read: {error}"));
    let stream = futures_util::stream::iter([Ok::<Bytes, std::io::Error>(body)]);
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut fields = Map::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(bad)? {
        count += 1;
        if count > PARTS_MAX {
            return Err(ApiError::bad_request(format!("The multipart body has more than {PARTS_MAX} parts")));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let octets = part.bytes().await.map_err(bad)?.to_vec();
        let value = if is_file {
            Upload::into_value(octets)
        } else {
            let text = String::from_utf8(octets);
            Value::String(text.map_err(|_| ApiError::field(&name, "is not valid UTF-8"))?)
        };
        add(&mut fields, name, value);
    }
    Ok(fields)
}

/// Body, query and path in one; later ones win.
pub fn merge(
    mut body: Map<String, Value>,
    query: Map<String, Value>,
    path: impl IntoIterator<Item = (String, String)>,
) -> Value {
    body.extend(query);
    body.extend(path.into_iter().map(|(name, value)| (name, Value::String(value))));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn read(content_type: Option<&str>, body: &[u8]) -> Result<Value, u16> {
        let fields = of_body(&Content::of(content_type), Bytes::copy_from_slice(body)).await;
        fields.map(Value::Object).map_err(|error| error.status().as_u16())
    }

    #[tokio::test]
    async fn every_kind_of_body_gives_the_same_fields() {
        let expected = Ok(json!({ "name": "Büro", "limit": "5" }));
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nBüro\r\n--x\r\n\
                         Content-Disposition: form-data; name=\"limit\"; filename=\"l\"\r\n\r\n5\r\n--x--\r\n";
        for (content_type, body) in [
            (Some("application/x-www-form-urlencoded"), "name=B%C3%BCro&limit=5"),
            (Some("application/json; charset=utf-8"), r#"{"name":"Büro","limit":"5"}"#),
            (Some("application/vnd.weir+json"), r#"{"name":"Büro","limit":"5"}"#),
            (Some("multipart/form-data; boundary=x"), multipart),
            (None, "name=B%C3%BCro&limit=5"),
            (None, r#" {"name":"Büro","limit":"5"}"#),
        ] {
            assert_eq!(read(content_type, body.as_bytes()).await, expected, "{content_type:?}");
        }
        assert_eq!(read(Some("application/json"), b"[1]").await, Ok(json!({ "[]": [1] })));
        assert_eq!(read(Some("text/csv"), b"a.example\n").await, Ok(json!({ "csv": "a.example\n" })));
        assert_eq!(read(Some("image/png"), b"").await, Ok(json!({})));
    }

    #[tokio::test]
    async fn bodies_that_cannot_be_read_are_refused() {
        let deep = "[".repeat(200);
        for (content_type, body, status) in [
            (Some("image/png"), &b"x"[..], 415),
            (Some("multipart/form-data"), b"x", 415),
            (Some("multipart/form-data; boundary=x"), b"x", 400),
            (Some("application/json"), b"{", 400),
            (Some("application/json"), b"5", 400),
            (Some("application/json"), b"\"\xff\"", 400),
            (Some("application/json"), deep.as_bytes(), 400),
            (Some("application/x-www-form-urlencoded"), b"a=%ff", 400),
        ] {
            assert_eq!(read(content_type, body).await, Err(status), "{content_type:?}");
        }
    }

    #[test]
    fn values_are_counted_as_they_stand_and_not_within_text() {
        for (text, values) in [("1", 1), ("[1,2,[],{}]", 7), (r#"{"a,[{":"\\\",[","b":"\\"}"#, 3), ("", 1), ("[,,", 4)]
        {
            assert!(has_values_up_to(text, values) && !has_values_up_to(text, values - 1), "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_of_millions_of_values_is_refused_before_they_are_made() {
        let body = format!("[{}1]", "[],".repeat(VALUES_MAX / 2));
        assert_eq!(read(Some("application/json"), body.as_bytes()).await, Err(400));
    }

    #[test]
    fn repeated_names_become_arrays_and_the_path_wins() {
        let form = of_form(b"a=1&a=2&b[]=3&c=4").expect("reads");
        assert_eq!(Value::Object(form.clone()), json!({ "a": ["1", "2"], "b": ["3"], "c": "4" }));
        let query = of_form(b"c=5&d=6").expect("reads");
        let merged = merge(form, query, [("d".to_owned(), "7".to_owned())]);
        assert_eq!(merged, json!({ "a": ["1", "2"], "b": ["3"], "c": "5", "d": "7" }));
    }
}
