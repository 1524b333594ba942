//! The authorization endpoint: who signs in, by HTTP Basic or on a page, and where they go then.

use super::oauth::{Tokens, answer};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Lenient, Text},
        pages::{self, SignInPage, Step},
        reply::Made,
        scope::Public,
    },
    auth::{Client, Denied, Grant, Knock, Way, challenge_of, digest, form, may_redirect_to, random_hex},
    model::Admin,
    store::Row,
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a client asks for. Absence is judged by the handler, which may have to tell the client.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Authorize {
    /// `code`.
    #[serde(default)]
    response_type: Option<Text<64>>,
    /// `2`.
    #[serde(default)]
    client_id: Option<Text<64>>,
    /// This server's `/restapi/oauth/callback`, or a loopback address of the person's own machine.
    #[serde(default)]
    redirect_uri: Option<Text<2048>>,
    /// Comes back with the code.
    #[serde(default)]
    state: Option<Text<2048>>,
    /// base64url of the verifier's SHA-256, without padding.
    #[serde(default)]
    code_challenge: Option<Text<128>>,
    /// `S256`.
    #[serde(default)]
    code_challenge_method: Option<Text<16>>,
    /// With it, and HTTP Basic, the answer is the token pair.
    #[serde(default)]
    code_verifier: Option<Text<512>>,
    /// A one-time or backup code.
    #[serde(default)]
    otp: Option<Text<64>>,
}

/// The sign-in page's form, beside what the client asks for.
#[derive(Deserialize, JsonSchema)]
pub(super) struct SignIn {
    /// What ties the form to the browser.
    #[serde(default)]
    form_token: Text<512>,
    #[serde(default)]
    username: Text<254>,
    #[serde(default)]
    password: Text<1024>,
    /// What the first step gave, where this is the second.
    #[serde(default)]
    ticket: Text<512>,
}

/// What a client asks for, found good.
struct Asked {
    client: &'static Client,
    redirect_uri: String,
    state: Option<String>,
    challenge: String,
    verifier: Option<String>,
}

/// What is wrong with what a client asks for.
struct Flaw {
    field: &'static str,
    problem: &'static str,
    /// Where to tell the client, with which code of RFC 6749, section 4.1.2.1, and its state. Nobody
    /// is sent to a URI that is not the client's.
    tell: Option<(String, &'static str, Option<String>)>,
}

fn text<const MAX: usize>(value: &Option<Text<MAX>>) -> Option<&str> {
    value.as_ref().map(|text| text.0.as_str()).filter(|text| !text.is_empty())
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
}

fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
}

impl Authorize {
    fn check(&self, call: &Call<Public>) -> Result<Asked, Flaw> {
        let untold = |field, problem| Flaw { field, problem, tell: None };
        let client = text(&self.client_id).ok_or_else(|| untold("client_id", "is required"))?;
        let client = Client::find(client).ok_or_else(|| untold("client_id", "no such client"))?;
        let redirect_uri = text(&self.redirect_uri).ok_or_else(|| untold("redirect_uri", "is required"))?.to_owned();
        if !may_redirect_to(&redirect_uri, &call.head().origin) {
            return Err(untold(
                "redirect_uri",
                "must be this server's /restapi/oauth/callback or an http URI of a loopback address",
            ));
        }
        let state = text(&self.state).map(str::to_owned);
        let told =
            |field, problem, error| Flaw { field, problem, tell: Some((redirect_uri.clone(), error, state.clone())) };
        match text(&self.response_type) {
            Some("code") => {}
            None => return Err(told("response_type", "is required", "invalid_request")),
            Some(_) => return Err(told("response_type", "must be code", "unsupported_response_type")),
        }
        let challenge = match text(&self.code_challenge) {
            None => return Err(told("code_challenge", "is required", "invalid_request")),
            Some(challenge) if !is_challenge(challenge) => {
                return Err(told("code_challenge", "must be 43 characters of base64url", "invalid_request"));
            }
            Some(challenge) => challenge.to_owned(),
        };
        if text(&self.code_challenge_method) != Some("S256") {
            return Err(told("code_challenge_method", "must be S256", "invalid_request"));
        }
        let verifier = match text(&self.code_verifier) {
            Some(verifier) if !is_verifier(verifier) => {
                return Err(told(
                    "code_verifier",
                    "must have 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
                    "invalid_request",
                ));
            }
            Some(verifier) if challenge_of(verifier) != challenge => {
                return Err(told("code_verifier", "does not fit the code_challenge", "invalid_request"));
            }
            verifier => verifier.map(str::to_owned),
        };
        Ok(Asked { client, redirect_uri: redirect_uri.clone(), state: state.clone(), challenge, verifier })
    }
}

/// Where somebody goes back to, with the parameters of an answer.
fn target(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut target = uri.to_owned();
    for (name, value) in parameters {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(name);
        target.push('=');
        form::encode(value, &mut target);
    }
    target
}

pub(super) async fn authorize(call: Call<Public>, input: Lenient<Authorize>) -> Result<Made<Tokens>, ApiError> {
    let input = input.0?;
    match call.head().basic() {
        Some(Ok(basic)) => by_basic(&call, input, &basic.user, &basic.password).await,
        Some(Err(())) => Ok(challenge(ApiError::unauthorized("The Authorization header cannot be read"))),
        None if call.head().takes_page() => match input.check(&call) {
            Ok(asked) => {
                let step = Step::Password { user_name: String::new() };
                show(&call, &asked, step, None, StatusCode::OK).map(Made::from)
            }
            Err(flaw) => show_flaw(&call, flaw).map(Made::from),
        },
        None => Ok(challenge(ApiError::unauthorized("User name and password are required, as HTTP Basic"))),
    }
}

/// A refusal that asks for HTTP Basic.
fn challenge<T>(error: ApiError) -> Made<T> {
    let mut response = error.into_response();
    let basic = HeaderValue::from_static("Basic realm=\"weir\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    Made::from(response)
}

async fn by_basic(
    call: &Call<Public>,
    input: Authorize,
    user_name: &str,
    password: &str,
) -> Result<Made<Tokens>, ApiError> {
    let asked = input.check(call).map_err(|flaw| ApiError::field(flaw.field, flaw.problem))?;
    let knock = Knock { way: Way::Basic, user_name, address: call.address, now: call.now };
    let admin = match call.ways().sign_in(knock, password, text(&input.otp)).await {
        Ok(admin) => admin,
        Err(Denied::Suspended) => return Err(ApiError::forbidden("The account is suspended")),
        Err(Denied::Locked(seconds)) => return Err(ApiError::too_many_requests(seconds)),
        Err(Denied::Busy) => return Err(ApiError::too_many_requests(1)),
        Err(Denied::Failed(_)) => return Err(ApiError::internal("a sign-in could not be checked")),
        Err(Denied::CodeRequired(_)) => return Ok(challenge(ApiError::unauthorized("One-time code required"))),
        Err(Denied::WrongCode) => return Ok(challenge(ApiError::unauthorized("The one-time code is wrong"))),
        Err(Denied::Wrong) => {
            return Ok(challenge(ApiError::unauthorized("The user name or the password is wrong")));
        }
    };
    if asked.verifier.is_none() {
        return leave(call, &asked, &admin, StatusCode::FOUND).map(Made::from);
    }
    let issuer = call.head().origin.url();
    let password = digest(&admin.value.password_hash);
    answer(call.ways().open_session(admin.value.id, password, asked.client.id, call.asking(&issuer)).await)
}

/// Sends somebody who signed in back to the client, with a code.
fn leave(
    call: &Call<Public>,
    asked: &Asked,
    admin: &Row<Admin>,
    status: StatusCode,
) -> Result<Response<Bytes>, ApiError> {
    let code = call.ways().issue_code(Grant {
        admin: admin.value.id,
        password: digest(&admin.value.password_hash),
        client: asked.client.id,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        proved: asked.verifier.is_some(),
        address: call.address,
        issued: call.now,
    })?;
    let issuer = call.head().origin.url();
    let mut parameters = vec![("code", code.as_str()), ("iss", &issuer)];
    parameters.extend(asked.state.as_deref().map(|state| ("state", state)));
    pages::redirect(status, &target(&asked.redirect_uri, &parameters))
}

fn show_flaw(call: &Call<Public>, flaw: Flaw) -> Result<Response<Bytes>, ApiError> {
    let description = format!("{}: {}", flaw.field, flaw.problem);
    let Some((uri, error, state)) = flaw.tell else {
        let text = format!("The program that sent you here asks for something it cannot have. {description}.");
        return pages::message(StatusCode::BAD_REQUEST, "This link does not work", &text);
    };
    let issuer = call.head().origin.url();
    let mut parameters = vec![("error", error), ("error_description", description.as_str()), ("iss", &issuer)];
    parameters.extend(state.as_deref().map(|state| ("state", state)));
    pages::redirect(StatusCode::FOUND, &target(&uri, &parameters))
}

/// The cookie's name. With the prefix, no other host can set it.
fn cookie_name(call: &Call<Public>) -> &'static str {
    if call.head().origin.tls { "__Host-weir-sign-in" } else { "weir-sign-in" }
}

/// The page, with a form that only this browser can send.
fn show(
    call: &Call<Public>,
    asked: &Asked,
    step: Step,
    error: Option<String>,
    status: StatusCode,
) -> Result<Response<Bytes>, ApiError> {
    let known = call.head().cookie(cookie_name(call)).filter(|value| is_binding(value));
    let binding = match known {
        Some(known) => known.to_owned(),
        None => random_hex(64)?,
    };
    show_bound(call, asked, step, error, status, &binding)
}

fn show_bound(
    call: &Call<Public>,
    asked: &Asked,
    step: Step,
    error: Option<String>,
    status: StatusCode,
    binding: &str,
) -> Result<Response<Bytes>, ApiError> {
    let mut hidden = vec![
        ("response_type", "code".to_owned()),
        ("client_id", asked.client.id.to_owned()),
        ("redirect_uri", asked.redirect_uri.clone()),
        ("code_challenge", asked.challenge.clone()),
        ("code_challenge_method", "S256".to_owned()),
        ("form_token", call.ways().form_token(binding, call.now)),
    ];
    hidden.extend(asked.state.clone().map(|state| ("state", state)));
    hidden.extend(asked.verifier.clone().map(|verifier| ("code_verifier", verifier)));
    let page = SignInPage { step, client: asked.client.name, hidden, error };
    let mut response = page.show(status, &source_of(&asked.redirect_uri))?;
    let secure = if call.head().origin.tls { "; Secure" } else { "" };
    let cookie = format!("{}={binding}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_name(call));
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::try_from(cookie).map_err(ApiError::internal)?);
    Ok(response)
}

fn is_binding(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// A redirect URI as a source of a content security policy, which has no word for IPv6 addresses.
fn source_of(uri: &str) -> String {
    let parsed: Option<Uri> = uri.parse().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?.as_str())));
    match parts {
        Some((scheme, authority)) if authority.starts_with('[') => format!("{scheme}:"),
        Some((scheme, authority)) => format!("{scheme}://{authority}"),
        None => String::new(),
    }
}

pub(super) async fn sign_in(
    call: Call<Public>,
    input: Lenient<Both<Authorize, SignIn>>,
) -> Result<Made<Tokens>, ApiError> {
    let Both(client, input) = match input.0 {
        Ok(input) => input,
        Err(error) => {
            let text = format!("{}.", error.message());
            return pages::message(StatusCode::BAD_REQUEST, "This form does not work", &text).map(Made::from);
        }
    };
    let asked = match client.check(&call) {
        Ok(asked) => asked,
        Err(flaw) => return show_flaw(&call, flaw).map(Made::from),
    };
    let ways = call.ways();
    let binding = call.head().cookie(cookie_name(&call)).filter(|value| is_binding(value)).unwrap_or_default();
    let user_name = input.username.0.trim();
    let again = |error: &str, status| {
        let step = Step::Password { user_name: user_name.to_owned() };
        show(&call, &asked, step, Some(error.to_owned()), status).map(Made::from)
    };
    if binding.is_empty() || !ways.is_form_token(&input.form_token.0, binding, call.now) {
        return again(
            "The page was open for too long, or cookies are off. Please sign in again.",
            StatusCode::FORBIDDEN,
        );
    }
    let code_step = |ticket: String, error: Option<&str>, status| {
        let error = error.map(str::to_owned);
        show_bound(&call, &asked, Step::Code { ticket }, error, status, binding).map(Made::from)
    };
    let knock = Knock { way: Way::Page, user_name, address: call.address, now: call.now };
    let code = text(&client.otp);
    let second = !input.ticket.0.is_empty();
    let result = if second {
        ways.sign_in_with_ticket(knock, &input.ticket.0, binding, code.unwrap_or_default()).await
    } else {
        ways.sign_in(knock, &input.password.0, code).await
    };
    match result {
        Ok(admin) => leave(&call, &asked, &admin, StatusCode::SEE_OTHER).map(Made::from),
        Err(Denied::CodeRequired(admin)) => match ways.ticket(admin, binding, call.now) {
            Some(ticket) => code_step(ticket, None, StatusCode::OK),
            None => again("Please sign in again.", StatusCode::FORBIDDEN),
        },
        Err(Denied::WrongCode) if second => {
            code_step(input.ticket.0, Some("This code is wrong, or was used before."), StatusCode::FORBIDDEN)
        }
        Err(Denied::WrongCode) => again("The one-time code is wrong.", StatusCode::FORBIDDEN),
        Err(Denied::Wrong) if second => again("That took too long. Please sign in again.", StatusCode::FORBIDDEN),
        Err(Denied::Wrong) => again("The user name or the password is wrong.", StatusCode::FORBIDDEN),
        Err(Denied::Suspended) => again("The account is suspended.", StatusCode::FORBIDDEN),
        Err(Denied::Locked(seconds)) => {
            let made: Result<Response<Bytes>, ApiError> = show(
                &call,
                &asked,
                Step::Password { user_name: user_name.to_owned() },
                Some(format!("Too many attempts have failed. Try again in {} minutes.", seconds.div_ceil(60))),
                StatusCode::TOO_MANY_REQUESTS,
            );
            let mut response = made?;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(Made::from(response))
        }
        Err(Denied::Busy) => {
            let note = "Many people are signing in at this moment. Please try again.";
            again(note, StatusCode::TOO_MANY_REQUESTS)
        }
        Err(Denied::Failed(_)) => Err(ApiError::internal("a sign-in could not be checked")),
    }
}
