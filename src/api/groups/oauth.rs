//! OAuth 2: tokens for codes and refresh tokens, and what the server says of itself.
//!
//! These answers follow the standards word by word, also where they refuse (RFC 6749, section 5.2);
//! `code`, the HTTP status, is there beside it.

use super::oauth_authorize;
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Lenient, Nothing, Text},
        operation::operations,
        reply::Made,
        scope::Public,
    },
    auth::{Client, NoTokens, TokenPair, is_own_callback},
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

operations! {
    oauth2 {
        /// Signs an administrator in (authorization code with PKCE).
        /// With HTTP Basic credentials and `code_verifier` the answer is the token pair; with HTTP Basic alone it
        /// redirects to `redirect_uri` with a code. Without credentials it shows the sign-in page, which does that
        /// too. `otp` is the one-time or backup code where a second factor is set.
        GET "/oauth/authorize" for [Anyone] => oauth_authorize = oauth_authorize::authorize;
        /// Takes the sign-in page's form.
        /// The page sends it; its form token and cookie are needed.
        POST "/oauth/authorize" for [Anyone] => oauth_sign_in = oauth_authorize::sign_in;
        /// Swaps an authorization code for tokens, where the verifier was shown at the authorization endpoint.
        GET "/oauth/callback" for [Anyone] => oauth_callback = callback;
        /// Swaps an authorization code or a refresh token for tokens.
        /// A refresh token works once. One that comes again ends its session.
        POST "/oauth/token" for [Anyone] => oauth_token = token;
        /// Swaps a refresh token for a new pair.
        POST "/token/refresh" also "/oauth/token/refresh" for [Anyone] => oauth_refresh = refresh;
        /// Ends the session of an access or refresh token (RFC 7009).
        POST "/oauth/revoke" for [Anyone] => oauth_revoke = revoke;
        /// Says where these endpoints are and what they take (RFC 8414).
        GET "/.well-known/oauth-authorization-server" for [Anyone] => oauth_metadata = metadata;
        /// Gives the public keys of access tokens (RFC 7517).
        GET "/.well-known/jwks.json" for [Anyone] => oauth_keys = keys;
    }
}

/// Tokens.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tokens {
    /// HTTP status.
    code: u16,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds the access token works.
    expires_in: i64,
    /// A JWT, to be sent as `Authorization: Bearer`.
    access_token: String,
    /// Renews both, once, within 30 days.
    refresh_token: String,
}

impl From<TokenPair> for Tokens {
    fn from(pair: TokenPair) -> Self {
        Tokens {
            code: 200,
            token_type: "Bearer",
            expires_in: pair.expires_in,
            access_token: pair.access_token,
            refresh_token: pair.refresh_token,
        }
    }
}

/// A refusal as RFC 6749, section 5.2, has it.
pub(super) fn refusal<T>(status: StatusCode, error: &str, description: &str) -> Made<T> {
    // The characters that section 5.2 allows.
    let allowed = |c: char| c == ' ' || c.is_ascii_graphic() && c != '"' && c != '\\';
    let description: String = description.chars().filter(|c| allowed(*c)).collect();
    let body = json!({ "code": status.as_u16(), "error": error, "error_description": description });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"weir\""));
    }
    Made::from(response)
}

fn bad<T>(error: &str, description: &str) -> Made<T> {
    refusal(StatusCode::BAD_REQUEST, error, description)
}

/// The answer to a request for tokens.
pub(super) fn answer(result: Result<TokenPair, NoTokens>) -> Result<Made<Tokens>, ApiError> {
    match result {
        Ok(pair) => Made::json(&Tokens::from(pair)),
        Err(NoTokens::Invalid(why)) => Ok(bad("invalid_grant", why)),
        Err(NoTokens::Commit(error)) => Err(error.into()),
        Err(NoTokens::Secret(error)) => Err(error.into()),
    }
}

#[derive(Deserialize, JsonSchema)]
struct Callback {
    /// The authorization code.
    #[serde(default)]
    code: Option<Text<256>>,
    /// What was sent to the authorization endpoint.
    #[serde(default)]
    #[expect(dead_code, reason = "the client compares it; the server only passes it on")]
    state: Option<Text<2048>>,
    /// Where the authorization endpoint has not seen it.
    #[serde(default)]
    code_verifier: Option<Text<128>>,
    /// Where the person was sent back without a code.
    #[serde(default)]
    error: Option<Text<64>>,
}

async fn callback(call: Call<Public>, input: Lenient<Callback>) -> Result<Made<Tokens>, ApiError> {
    let input = match input.0 {
        Ok(input) => input,
        Err(error) => return Ok(bad("invalid_request", error.message())),
    };
    if let Some(error) = input.error {
        return Ok(bad(&error.0, "the authorization endpoint gave no code"));
    }
    let Some(Text(code)) = input.code else { return Ok(bad("invalid_request", "code: is required")) };
    let origin = &call.head().origin;
    let verifier = input.code_verifier.map(|verifier| verifier.0);
    // A code whose verifier only the client knows stays good for the client.
    if let Some(grant) = call.ways().peek_code(&code, call.now)
        && (!grant.proved && verifier.is_none() || !is_own_callback(&grant.redirect_uri, origin))
    {
        return Ok(bad("invalid_grant", "the client must send this code with its code_verifier to /oauth/token"));
    }
    let issuer = origin.url();
    answer(call.ways().redeem(&code, None, None, verifier.as_deref(), call.asking(&issuer)).await)
}

#[derive(Deserialize, JsonSchema)]
struct TokenRequest {
    /// `authorization_code` or `refresh_token`.
    #[serde(default)]
    grant_type: Option<Text<64>>,
    /// `2`.
    #[serde(default)]
    client_id: Option<Text<64>>,
    /// For `authorization_code`.
    #[serde(default)]
    code: Option<Text<256>>,
    /// For `authorization_code`: as it was at the authorization endpoint.
    #[serde(default)]
    redirect_uri: Option<Text<2048>>,
    /// For `authorization_code`.
    #[serde(default)]
    code_verifier: Option<Text<128>>,
    /// For `refresh_token`.
    #[serde(default)]
    refresh_token: Option<Text<512>>,
}

/// The client that a request names, in its body or as the user of HTTP Basic without a password.
fn client_of(call: &Call<Public>, named: Option<&str>) -> Result<Option<&'static Client>, ()> {
    // With a password it is a person's, sent along by a script that knows no better.
    let basic = call.head().basic().and_then(Result::ok).filter(|basic| basic.password.is_empty());
    match named.or(basic.as_ref().map(|basic| basic.user.as_str())) {
        None => Ok(None),
        Some(id) => Client::find(id).map(Some).ok_or(()),
    }
}

async fn token(call: Call<Public>, input: Lenient<TokenRequest>) -> Result<Made<Tokens>, ApiError> {
    let input = match input.0 {
        Ok(input) => input,
        Err(error) => return Ok(bad("invalid_request", error.message())),
    };
    let text = |value: Option<Text<64>>| value.map(|value| value.0);
    let client_id = text(input.client_id);
    match text(input.grant_type).as_deref() {
        None => Ok(bad("invalid_request", "grant_type: is required")),
        Some("authorization_code") => {
            let Ok(client) = client_of(&call, client_id.as_deref()) else { return Ok(unknown_client()) };
            let (Some(client), Some(Text(code))) = (client, input.code) else {
                let missing = if client.is_none() { "client_id" } else { "code" };
                return Ok(bad("invalid_request", &format!("{missing}: is required")));
            };
            let (Some(Text(uri)), Some(Text(verifier))) = (&input.redirect_uri, &input.code_verifier) else {
                let missing = if input.redirect_uri.is_none() { "redirect_uri" } else { "code_verifier" };
                return Ok(bad("invalid_request", &format!("{missing}: is required")));
            };
            let issuer = call.head().origin.url();
            let asking = call.asking(&issuer);
            answer(call.ways().redeem(&code, Some(client), Some(uri), Some(verifier), asking).await)
        }
        Some("refresh_token") => renew(&call, client_id, input.refresh_token).await,
        Some(_) => Ok(bad("unsupported_grant_type", "grant_type: must be authorization_code or refresh_token")),
    }
}

fn unknown_client<T>() -> Made<T> {
    refusal(StatusCode::UNAUTHORIZED, "invalid_client", "client_id: no such client")
}

#[derive(Deserialize, JsonSchema)]
struct Refresh {
    /// The refresh token.
    #[serde(default)]
    refresh_token: Option<Text<512>>,
    /// `2`.
    #[serde(default)]
    client_id: Option<Text<64>>,
}

async fn refresh(call: Call<Public>, input: Lenient<Refresh>) -> Result<Made<Tokens>, ApiError> {
    match input.0 {
        Ok(input) => renew(&call, input.client_id.map(|id| id.0), input.refresh_token).await,
        Err(error) => Ok(bad("invalid_request", error.message())),
    }
}

async fn renew(
    call: &Call<Public>,
    client_id: Option<String>,
    token: Option<Text<512>>,
) -> Result<Made<Tokens>, ApiError> {
    let Ok(client) = client_of(call, client_id.as_deref()) else { return Ok(unknown_client()) };
    let Some(Text(token)) = token else { return Ok(bad("invalid_request", "refresh_token: is required")) };
    let issuer = call.head().origin.url();
    answer(call.ways().renew(&token, client, call.asking(&issuer)).await)
}

#[derive(Deserialize, JsonSchema)]
struct Revoke {
    /// An access or refresh token.
    #[serde(default)]
    token: Option<Text<8192>>,
    /// `access_token` or `refresh_token`; both are tried.
    #[serde(default)]
    #[expect(dead_code, reason = "a hint that is not needed")]
    token_type_hint: Option<Text<64>>,
    /// `2`.
    #[serde(default)]
    client_id: Option<Text<64>>,
}

/// A session is ended, or there was none.
#[derive(Debug, Serialize, JsonSchema)]
struct Revoked {
    /// HTTP status.
    code: u16,
    /// Always true.
    revoked: bool,
}

async fn revoke(call: Call<Public>, input: Lenient<Revoke>) -> Result<Made<Revoked>, ApiError> {
    let input = match input.0 {
        Ok(input) => input,
        Err(error) => return Ok(bad("invalid_request", error.message())),
    };
    if client_of(&call, input.client_id.as_ref().map(|id| id.0.as_str())).is_err() {
        return Ok(unknown_client());
    }
    let Some(Text(token)) = input.token else { return Ok(bad("invalid_request", "token: is required")) };
    call.ways().revoke(&token, call.asking("")).await?;
    Made::json(&Revoked { code: 200, revoked: true })
}

/// What RFC 8414 lists.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
struct ServerDocument(Value);

async fn metadata(call: Call<Public>, _: Nothing) -> Result<Made<ServerDocument>, ApiError> {
    let issuer = call.head().origin.url();
    let at = |path: &str| format!("{issuer}/restapi{path}");
    Made::json(&ServerDocument(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "service_documentation": at("/openapi.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    })))
}

async fn keys(call: Call<Public>, _: Nothing) -> Result<Made<ServerDocument>, ApiError> {
    Made::json(&ServerDocument(call.ways().key().key_set()))
}
