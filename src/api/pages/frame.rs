//! What all pages have around them: style, language, and a policy that lets nothing else in.

use crate::{api::error::ApiError, auth::random_hex};
use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }} · Weir</title>
<style nonce="{{ nonce }}">
:root { color-scheme: light dark; --ground: #eef2f5; --card: #fff; --text: #15212b; --soft: #51616e; --line: #8494a1;
  --blue: #0b5cad; --on-blue: #fff; --bad: #a3161a; --bad-ground: #fdecec; }
@media (prefers-color-scheme: dark) { :root { --ground: #10171d; --card: #19232c; --text: #e8eef3; --soft: #a9b7c2;
  --line: #6b7c8a; --blue: #7ab8f5; --on-blue: #0b1a27; --bad: #ffb3b0; --bad-ground: #4a1d1f; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; padding: 2rem; background: var(--card); border-radius: .75rem;
  box-shadow: 0 1px 2px #0003, 0 8px 24px #0000001a; }
.name { margin: 0 0 1.25rem; font-weight: 700; letter-spacing: .02em; color: var(--blue); }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0 0 1.25rem; color: var(--soft); }
label { display: block; margin: 0 0 .25rem; font-weight: 600; }
input { width: 100%; margin: 0 0 1rem; padding: .625rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
button { width: 100%; margin-top: .5rem; padding: .75rem; font: inherit; font-weight: 600; color: var(--on-blue);
  background: var(--blue); border: 1px solid transparent; border-radius: .5rem; cursor: pointer; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }
.error { padding: .625rem .75rem; color: var(--bad); background: var(--bad-ground); border-radius: .5rem; }
</style>
</head>
<body>
<main>
<p class="name">Weir</p>
<h1>{{ title }}</h1>
{{ body|safe }}
</main>
</body>
</html>
"#
)]
struct Frame<'a> {
    title: &'a str,
    nonce: &'a str,
    /// A page's own part, escaped by its own template.
    body: &'a str,
}

/// A page. Its forms may be sent to this server and, by redirect, to `target`: a source of a content
/// security policy, or nothing.
pub(super) fn page(
    status: StatusCode,
    title: &str,
    body: &impl Template,
    target: &str,
) -> Result<Response<Bytes>, ApiError> {
    let nonce = random_hex(32)?;
    let body = body.render().map_err(ApiError::internal)?;
    let text = Frame { title, nonce: &nonce, body: &body }.render().map_err(ApiError::internal)?;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' {target}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).map_err(ApiError::internal)?);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    Ok(response)
}
