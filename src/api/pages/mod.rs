//! The few pages the API shows people itself: signing in, and setting a new password.
//!
//! They work without scripts, load nothing from anywhere, and follow the browser's light or dark
//! colours. `frame` is what all have around them; a page a file.

mod frame;
mod new_password;
mod sign_in;

pub use new_password::{NewPasswordPage, Stage};
pub use sign_in::{SignInPage, Step};

use super::error::ApiError;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A page with a heading and a sentence.
#[derive(askama::Template)]
#[template(ext = "html", source = "<p>{{ text }}</p>")]
struct Message<'a> {
    text: &'a str,
}

/// A page that says one thing.
pub fn message(status: StatusCode, title: &str, text: &str) -> Result<Response<Bytes>, ApiError> {
    frame::page(status, title, &Message { text }, "")
}

/// A redirect. What is said on the way is nobody else's.
pub fn redirect(status: StatusCode, location: &str) -> Result<Response<Bytes>, ApiError> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(location).map_err(ApiError::internal)?);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
