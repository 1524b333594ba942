//! Signing in, in one or two steps.

use super::frame;
use crate::api::error::ApiError;
use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// User name and password.
    Password {
        /// What was typed before.
        user_name: String,
    },
    /// A one-time code or a backup code.
    Code {
        /// What says that the password was right.
        ticket: String,
    },
}

/// The sign-in page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% match step %}
{% when Step::Password with { user_name } %}<p>to go on to {{ client }}</p>
{% when Step::Code with { ticket } %}<p>Your password is right. Now the six digits your authenticator app shows, or one of your backup codes.</p>
{% endmatch %}
{% if let Some(error) = error %}<p class="error" role="alert" id="error">{{ error }}</p>{% endif %}
<form method="post" action="/restapi/oauth/authorize">
{% for (name, value) in hidden %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}
{% match step %}
{% when Step::Password with { user_name } %}
<label for="username">User name</label>
<input id="username" name="username" type="text" inputmode="email" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required value="{{ user_name }}"{% if user_name.is_empty() %} autofocus{% endif %}{% if error.is_some() %} aria-describedby="error"{% endif %}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required{% if !user_name.is_empty() %} autofocus{% endif %}{% if error.is_some() %} aria-describedby="error"{% endif %}>
{% when Step::Code with { ticket } %}
<input type="hidden" name="ticket" value="{{ ticket }}">
<label for="otp">One-time code</label>
<input id="otp" name="otp" type="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="32" required autofocus{% if error.is_some() %} aria-describedby="error"{% endif %}>
{% endmatch %}
<button type="submit">Sign in</button>
</form>
"#
)]
pub struct SignInPage<'a> {
    /// What is asked for.
    pub step: Step,
    /// The program people sign in for.
    pub client: &'a str,
    /// What the form carries along.
    pub hidden: Vec<(&'static str, String)>,
    /// What went wrong before.
    pub error: Option<String>,
}

impl SignInPage<'_> {
    /// The page; its form may lead on to `target`.
    pub fn show(&self, status: StatusCode, target: &str) -> Result<Response<Bytes>, ApiError> {
        frame::page(status, "Sign in", self, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_comes_back_escaped() {
        let page = SignInPage {
            step: Step::Password { user_name: "\"><script>alert(1)</script>".into() },
            client: "Weir",
            hidden: vec![("state", "a\"b<c".into())],
            error: Some("<b>".into()),
        };
        let shown = page.show(StatusCode::OK, "http://127.0.0.1:1").expect("renders");
        let text = String::from_utf8(shown.body().to_vec()).expect("text");
        assert!(!text.contains("<script") && !text.contains("<b>") && !text.contains("a\"b"), "{text}");
        let policy = shown.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert!(policy.contains("form-action 'self' http://127.0.0.1:1;"), "{policy}");
    }
}
