//! What operations answer: the contract's envelopes. `code` in the body is the HTTP status, always.

use super::error::ApiError;
use crate::model::Timestamp;
use crate::stats::Spool;
use crate::store::Revision;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// An answer an operation can give.
pub trait Reply: Send + 'static {
    /// The answer as HTTP.
    fn into_response(self) -> Result<Response<Bytes>, ApiError>;
    /// Its JSON, for OpenAPI.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// The status of every success; the contract knows no 201 or 204.
const OK: u16 = 200;

pub(super) fn json<T: Serialize>(value: &T) -> Result<Response<Bytes>, ApiError> {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A noun of the contract: what its `object` field says.
pub trait Object {
    /// The word, such as `policy`.
    fn object(&self) -> &'static str;
}

/// One noun: `{object, code, ...}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Single<T> {
    /// Kind of the object.
    object: &'static str,
    /// HTTP status.
    code: u16,
    #[serde(flatten)]
    value: T,
    #[serde(skip)]
    #[schemars(skip)]
    revision: Option<Revision>,
}

impl<T: Object> Single<T> {
    /// The envelope of `value`.
    pub fn new(value: T) -> Self {
        Single { object: value.object(), code: OK, value, revision: None }
    }

    /// The same, with the revision of its row as the entity tag.
    #[must_use]
    pub fn at(self, revision: Revision) -> Self {
        Single { revision: Some(revision), ..self }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Reply for Single<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        let mut response = json(&self)?;
        if let Some(tag) = self.revision.and_then(|revision| HeaderValue::try_from(entity_tag(revision)).ok()) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// The entity tag of a row's revision.
pub(super) fn entity_tag(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// The revision an entity tag stands for.
pub(super) fn revision_of_tag(tag: &str) -> Option<Revision> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok().map(Revision)
}

/// One row of a list: `{object, ...}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Item<T> {
    /// Kind of the object.
    object: &'static str,
    #[serde(flatten)]
    value: T,
}

impl<T: Object> From<T> for Item<T> {
    fn from(value: T) -> Self {
        Item { object: value.object(), value }
    }
}

/// A line of an import that was left out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LineError {
    /// Counted from 1, the header included.
    pub line: usize,
    /// What is wrong with it.
    pub error: String,
}

/// A page of nouns: `{object: "list", code, count, total, data}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct List<T> {
    /// `list`.
    object: &'static str,
    /// HTTP status.
    code: u16,
    /// Rows in `data`.
    count: usize,
    /// Rows there are without paging.
    total: usize,
    data: Vec<Item<T>>,
    /// Only after an import: the lines left out, the first thousand of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<LineError>>,
}

impl<T: Object> List<T> {
    /// The envelope of one page of `total` rows.
    pub fn new(total: usize, data: Vec<T>) -> Self {
        let data: Vec<Item<T>> = data.into_iter().map(Item::from).collect();
        List { object: "list", code: OK, count: data.len(), total, data, errors: None }
    }

    /// The same for an import, with what was left out.
    #[must_use]
    pub fn with_errors(self, errors: Vec<LineError>) -> Self {
        List { errors: Some(errors), ..self }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Reply for List<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// A list of plain rows, with what it is about: `{object: "list", code, count, ..., data}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listing<A, T> {
    /// `list`.
    object: &'static str,
    /// HTTP status.
    code: u16,
    /// Rows in `data`.
    count: usize,
    #[serde(flatten)]
    about: A,
    data: Vec<T>,
}

impl<A, T> Listing<A, T> {
    /// The envelope of these rows.
    pub fn new(about: A, data: Vec<T>) -> Self {
        Listing { object: "list", code: OK, count: data.len(), about, data }
    }
}

impl<A, T> Reply for Listing<A, T>
where
    A: Serialize + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + Send + 'static,
{
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// A list under a word of its own: `{object, code, data}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Labelled<T> {
    /// Kind of the list.
    object: &'static str,
    /// HTTP status.
    code: u16,
    data: Vec<T>,
}

impl<T> Labelled<T> {
    /// The envelope of these rows.
    pub fn new(object: &'static str, data: Vec<T>) -> Self {
        Labelled { object, code: OK, data }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Reply for Labelled<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// A file to take away. It travels beside an empty body, as an extension of the response, and is
/// read while it is sent.
pub struct Spooled {
    /// What it is called.
    pub file_name: String,
    /// Its octets.
    pub spool: Spool,
}

impl Reply for Spooled {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        let mut response = Response::new(Bytes::new());
        // Names are ours: digits, letters, points and hyphens.
        let disposition = format!("attachment; filename=\"{}\"", self.file_name);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(ApiError::internal)?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.spool.octets()));
        response.extensions_mut().insert(self.spool);
        Ok(response)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "x-content-types": ["application/gzip"] })
    }
}

/// A bare array of nouns with their codes, as the global import answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Bare<T>(pub Vec<Single<T>>);

impl<T: Serialize + JsonSchema + Send + 'static> Reply for Bare<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// `{code, deleted: true, id}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Deleted<I = u32> {
    /// HTTP status.
    code: u16,
    /// Always true.
    deleted: bool,
    /// What it was.
    id: I,
}

impl<I> Deleted<I> {
    /// The envelope.
    pub fn new(id: I) -> Self {
        Deleted { code: OK, deleted: true, id }
    }
}

impl<I: Serialize + JsonSchema + Send + 'static> Reply for Deleted<I> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// An answer made by hand, with a status, headers or a body of its own: a page, a redirect. `T` is
/// what it says where it is JSON.
pub struct Made<T> {
    response: Response<Bytes>,
    json: std::marker::PhantomData<fn() -> T>,
}

impl<T> From<Response<Bytes>> for Made<T> {
    fn from(response: Response<Bytes>) -> Self {
        Made { response, json: std::marker::PhantomData }
    }
}

impl<T: Serialize> Made<T> {
    /// `value` as JSON.
    pub fn json(value: &T) -> Result<Self, ApiError> {
        json(value).map(Self::from)
    }
}

impl<T: JsonSchema + 'static> Reply for Made<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        Ok(self.response)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// What went through, told in fields of its own beside `code`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done<T> {
    /// HTTP status.
    code: u16,
    #[serde(flatten)]
    value: T,
}

impl<T> Done<T> {
    /// The envelope of `value`.
    pub fn new(value: T) -> Self {
        Done { code: OK, value }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Reply for Done<T> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// `{code, recategorize: true}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Recategorized {
    /// HTTP status.
    code: u16,
    /// Always true.
    recategorize: bool,
}

impl Recategorized {
    /// The envelope.
    pub fn new() -> Self {
        Recategorized { code: OK, recategorize: true }
    }
}

impl Reply for Recategorized {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// `{object, code, reset: true}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reset {
    /// Kind of the object.
    object: &'static str,
    /// HTTP status.
    code: u16,
    /// Always true.
    reset: bool,
}

impl Reset {
    /// The envelope of what was reset.
    pub fn new(object: &'static str) -> Self {
        Reset { object, code: OK, reset: true }
    }
}

impl Reply for Reset {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// Kinds of files that an operation gives.
pub trait Media: Send + 'static {
    /// Their media types.
    const TYPES: &'static [&'static str];
}

/// A file.
pub struct Download<M> {
    octets: Vec<u8>,
    content_type: &'static str,
    file_name: Option<String>,
    kind: std::marker::PhantomData<fn() -> M>,
}

impl<M: Media> Download<M> {
    /// Octets of one of the media types of `M`, to be saved under a name or, without one, shown.
    pub fn new(octets: Vec<u8>, content_type: &'static str, file_name: Option<String>) -> Self {
        Download { octets, content_type, file_name, kind: std::marker::PhantomData }
    }
}

impl<M: Media> Reply for Download<M> {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        let mut response = Response::new(Bytes::from(self.octets));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(name) = self.file_name {
            let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
            let value =
                HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).map_err(ApiError::internal)?;
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        // Nothing in a file is run or fetched, whatever it is.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"),
        );
        Ok(response)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "x-content-types": M::TYPES })
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC, as every time of the contract is written.
pub fn time_text(time: Timestamp) -> String {
    match jiff::Timestamp::from_second(time.0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        // Outside the years 0 to 9999: no clock of ours says so.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Thing {
        id: u32,
    }

    impl Object for Thing {
        fn object(&self) -> &'static str {
            "thing"
        }
    }

    fn body<R: Reply>(reply: R) -> String {
        String::from_utf8(reply.into_response().expect("serialises").into_body().to_vec()).expect("text")
    }

    #[test]
    fn envelopes_are_those_of_the_contract() {
        assert_eq!(body(Single::new(Thing { id: 1 })), r#"{"object":"thing","code":200,"id":1}"#);
        assert_eq!(
            body(List::new(7, vec![Thing { id: 1 }])),
            r#"{"object":"list","code":200,"count":1,"total":7,"data":[{"object":"thing","id":1}]}"#
        );
        assert_eq!(body(Bare(vec![Single::new(Thing { id: 1 })])), r#"[{"object":"thing","code":200,"id":1}]"#);
        assert_eq!(body(Deleted::new(48)), r#"{"code":200,"deleted":true,"id":48}"#);
    }

    #[test]
    fn times_are_written_in_utc_and_tags_survive() {
        assert_eq!(time_text(Timestamp(1_769_510_487)), "2026-01-27 10:41:27");
        assert_eq!(revision_of_tag(&entity_tag(Revision(12))), Some(Revision(12)));
        assert_eq!(revision_of_tag("*"), None);
    }
}
