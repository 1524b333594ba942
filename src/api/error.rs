//! What a caller is told when an operation does not go through: one status, one sentence.

use crate::store::{CommitError, Unique};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// An answer other than success. `message` is for the caller, `cause` for the log only.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    cause: Option<String>,
    retry_after_s: Option<u64>,
    allow: Option<String>,
    current: Option<Box<serde_json::Value>>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError { status, message: message.into(), cause: None, retry_after_s: None, allow: None, current: None }
    }

    /// 400: a field is missing or unusable. The message begins with its name.
    pub fn field(name: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("{name}: {problem}"))
    }

    /// 400: the request as a whole cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: no credentials, or none that we know.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: known, but not allowed to do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is no such thing within the caller's reach; the same words whether it exists
    /// elsewhere or not.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}"))
    }

    /// 405, with the methods that work.
    pub fn method_not_allowed(allow: String) -> Self {
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "This method does not work here");
        error.allow = Some(allow);
        error
    }

    /// 409: taken, or in use.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 412: the object is no longer the one of `If-Match`.
    pub fn precondition_failed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "The object has changed since it was read")
    }

    /// 413.
    pub fn too_large(octets_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {octets_max} octets"))
    }

    /// 413 for a file that is taken to disk.
    pub fn file_too_large(octets_max: u64) -> Self {
        let text = format!("The file is larger than {octets_max} octets, which is all that [lists] upload_max allows");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// 415.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be application/json, application/x-www-form-urlencoded, multipart/form-data or text/csv",
        )
    }

    /// 415: the body is packed.
    pub fn packed_body() -> Self {
        let message = "Content-Encoding: must be identity; bodies are taken as they are";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 503: the bodies of others fill the room there is for them.
    pub fn no_room() -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too much is being sent at once; try again soon");
        error.retry_after_s = Some(1);
        error
    }

    /// 422: the request can be read, but does not go with an earlier one.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 429, with the time after which another try may succeed.
    pub fn too_many_requests(retry_after_s: u64) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        error.retry_after_s = Some(retry_after_s.max(1));
        error
    }

    /// 500: our fault. Only the log hears why.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed to do this");
        error.cause = Some(cause.to_string());
        error
    }

    /// 503: not now.
    pub fn unavailable(message: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.cause = Some(cause.to_string());
        error.retry_after_s = Some(5);
        error
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// With the object as it is now, for callers that were too late.
    #[must_use]
    pub fn with_current(self, object: serde_json::Value) -> Self {
        ApiError { current: Some(Box::new(object)), ..self }
    }

    /// What the caller is told, without the `Error: ` the envelope begins with.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What only the log is told.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The error envelope.
    pub fn into_response(self) -> Response<Bytes> {
        let mut body = json!({ "code": self.status.as_u16(), "error": format!("Error: {}", self.message) });
        if let Some(current) = self.current {
            body["current"] = *current;
        }
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("OAuth realm=\"weir\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => Self::conflict("Somebody else changed this in the meantime; try again"),
            CommitError::Duplicate { unique } => {
                let (field, problem) = match unique {
                    Unique::AdminEmail => ("email", "another administrator has this address"),
                    Unique::CustomerUuid | Unique::MspUuid => ("uuid_str", "this UUID is taken"),
                    Unique::CloudKey => ("keyid", "the customer has another key with this code"),
                    Unique::Recategorisation => ("domain", "somebody else put it into categories in the meantime"),
                    Unique::PolicyName
                    | Unique::ListSourceName
                    | Unique::LocationName
                    | Unique::GroupName
                    | Unique::RoleName => ("name", "this name is taken"),
                    Unique::Entry => ("domain", "the list has this domain already"),
                    Unique::LocalRecord => ("name", "the policy has a record of this name and type already"),
                    Unique::ForwardZone => ("zone", "the customer has this zone already"),
                    _ => ("request", "this value is taken"),
                };
                Self::conflict(format!("{field}: {problem}"))
            }
            CommitError::TooLarge { .. } | CommitError::BatchTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This change is larger than is stored at once")
            }
            CommitError::Full | CommitError::Io(_) | CommitError::Closed => {
                Self::unavailable("Changes cannot be saved at the moment; filtering goes on", error)
            }
            CommitError::Twice { .. } => Self::internal(error),
        }
    }
}

impl From<crate::auth::SecretError> for ApiError {
    fn from(error: crate::auth::SecretError) -> Self {
        Self::internal(error)
    }
}
