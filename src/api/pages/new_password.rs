//! Setting a new password with what was mailed.

use super::frame;
use crate::api::error::ApiError;
use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};

/// How far it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The password is asked for.
    Asking,
    /// It is set.
    Set,
}

/// The page a mailed link leads to.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% if stage == Stage::Set %}<p role="status">Your new password is set. Wherever you were signed in, you are signed out.</p>
{% else %}{% if let Some(error) = error %}<p class="error" role="alert" id="error">{{ error }}</p>{% endif %}
<form method="post" action="/restapi/auth/passwordreset">
{% if token.is_empty() %}
<label for="token">Code from the mail</label>
<input id="token" name="token" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="128" required autofocus>
{% else %}
<input type="hidden" name="token" value="{{ token }}">
{% endif %}
<label for="new_password">New password, at least 8 characters</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" minlength="8" maxlength="1024" required{% if error.is_some() %} aria-describedby="error"{% endif %}>
<button type="submit">Set password</button>
</form>
{% endif %}"#
)]
pub struct NewPasswordPage<'a> {
    /// How far it has got.
    pub stage: Stage,
    /// The mailed token, where it is known.
    pub token: &'a str,
    /// What went wrong before.
    pub error: Option<&'a str>,
}

impl NewPasswordPage<'_> {
    /// The page.
    pub fn show(&self, status: StatusCode) -> Result<Response<Bytes>, ApiError> {
        frame::page(status, "New password", self, "")
    }
}
