//! Signing in with PKCE: by HTTP Basic in one call, and by codes and refresh tokens.

use super::harness::{Answer, As, House, LOOPBACK};
use crate::{
    api::Connection,
    auth::{Outcome, Way, challenge_of, form},
    model::{Account, CustomerId, Session},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CALLBACK: &str = "https://weir.test/restapi/oauth/callback";
pub const LOCAL: &str = "http://127.0.0.1:49152/cb";

pub fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        form::encode(name, &mut text);
        text.push('=');
        form::encode(value, &mut text);
    }
    text
}

/// What a client asks the authorization endpoint for.
pub fn asked<'a>(redirect_uri: &'a str, challenge: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "2"),
        ("redirect_uri", redirect_uri),
        ("state", "xyz&1"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

impl House {
    pub async fn basic(&self, user: &str, password: &str, query: &[(&str, &str)]) -> Answer {
        self.basic_from(LOOPBACK, user, password, query).await
    }

    async fn basic_from(&self, from: Connection, user: &str, password: &str, query: &[(&str, &str)]) -> Answer {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let request = Request::get(format!("/restapi/oauth/authorize?{}", encoded(query)))
            .header("host", "weir.test")
            .header("authorization", format!("Basic {credentials}"));
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let (head, body) = self.api.handle(request, from).await.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, json, spool: None }
    }

    /// A whole sign-in by HTTP Basic.
    pub async fn sign_in(&self, user: &str, password: &str, otp: Option<&str>) -> Answer {
        let challenge = challenge_of(VERIFIER);
        let mut query = asked(CALLBACK, &challenge);
        query.push(("code_verifier", VERIFIER));
        query.extend(otp.map(|otp| ("otp", otp)));
        self.basic(user, password, &query).await
    }

    /// A form to a path below the base path, without credentials.
    pub async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let request = Request::post(format!("/restapi{path}"))
            .header("host", "weir.test")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Full::new(Bytes::from(encoded(pairs)))).expect("a request")).await
    }

    pub async fn bearing(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(format!("/restapi{path}"))
            .header("host", "weir.test")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(Full::new(body)).expect("a request")).await
    }

    /// A code for customer `one`, sent to `redirect_uri`.
    async fn code(&self, redirect_uri: &str) -> String {
        let answer = self.basic("one@weir.test", "secret1", &asked(redirect_uri, &challenge_of(VERIFIER))).await;
        assert_eq!(answer.status, 302, "{}", answer.json);
        let location = answer.headers["location"].to_str().expect("text").to_owned();
        let (base, query) = location.split_once('?').expect("has a query");
        assert_eq!(base, redirect_uri);
        let pairs = form::pairs(query.as_bytes()).expect("reads");
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        assert_eq!(value("state").as_deref(), Some("xyz&1"));
        assert_eq!(value("iss").as_deref(), Some("https://weir.test"));
        value("code").expect("has a code")
    }

    async fn redeem(&self, code: &str, changed: Option<(&str, &str)>) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "2"),
            ("code", code),
            ("redirect_uri", LOCAL),
            ("code_verifier", VERIFIER),
        ];
        if let Some((name, value)) = changed {
            pairs.retain(|(known, _)| *known != name);
            pairs.push((name, value));
        }
        self.form("/oauth/token", &pairs).await
    }

    fn sessions(&self) -> usize {
        self.store.rows::<Session>(Account::Customer(CustomerId(self.one))).count()
    }
}

pub fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned()
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("three parts");
    let octets = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).expect("base64url");
    serde_json::from_slice(&octets).expect("JSON")
}

/// The refusal of RFC 6749, section 5.2.
#[track_caller]
pub fn oauth_error(answer: &Answer) -> (u16, String) {
    assert!(answer.json["error_description"].is_string(), "{}", answer.json);
    (answer.status, text(&answer.json, "error"))
}

#[tokio::test]
async fn a_script_signs_in_with_one_call_and_its_tokens_say_who_it_is() {
    let house = House::new().await;
    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    assert_eq!((pair["token_type"].clone(), pair["expires_in"].clone()), (json!("Bearer"), json!(86400)));
    let access = text(&pair, "access_token");
    let users = house.bearing(&access, Method::GET, "/users", Value::Null).await.ok();
    assert_eq!((users["total"].clone(), users["data"][0]["id"].clone()), (json!(1), json!(house.one)));
    assert!(users["data"][0]["lastlogin"].is_string(), "a sign-in is noted: {users}");

    let claims = claims(&access);
    for (name, value) in [
        ("vue_role", json!(4)),
        ("name", json!("one")),
        ("email", json!("one@weir.test")),
        ("2fa_enabled", json!(0)),
        ("user_id", json!(house.one)),
        ("account_name", json!("one")),
        ("msp_id", Value::Null),
        ("aud", json!("weir")),
        ("iss", json!("https://weir.test")),
        ("client_id", json!("2")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["exp"].as_i64().expect("a number") - claims["iat"].as_i64().expect("a number"), 86400);
    let msp = house.sign_in("MSP@weir.test", "secret1", None).await.ok();
    let msp = self::claims(&text(&msp, "access_token"));
    assert_eq!((msp["vue_role"].clone(), msp["msp_id"].clone()), (json!(3), json!(house.msp)));
    let heard = house.sign_ins.lock().clone();
    assert!(heard.iter().all(|event| event.way == Way::Basic && event.outcome == Outcome::Admitted));
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn wrong_credentials_are_refused_alike_and_asked_for_again() {
    let house = House::new().await;
    let wrong = house.sign_in("one@weir.test", "secret2", None).await;
    let nobody = house.sign_in("nobody@weir.test", "secret1", None).await;
    assert_eq!((wrong.status, &wrong.json), (401, &nobody.json));
    assert_eq!(wrong.headers["www-authenticate"], "Basic realm=\"weir\", charset=\"UTF-8\"");
    let suspended = house.sign_in("suspended@weir.test", "secret1", None).await;
    assert_eq!(suspended.refused(403), "The account is suspended");
    let suspended = house.sign_in("suspended@weir.test", "secret2", None).await;
    assert_eq!(suspended.status, 401, "only who knows the password is told");
    let outcomes: Vec<_> = house.sign_ins.lock().iter().map(|event| (event.outcome, event.admin.is_some())).collect();
    use Outcome::{Suspended, Wrong};
    assert_eq!(outcomes, [(Wrong, true), (Wrong, false), (Suspended, true), (Wrong, true)]);
}

#[tokio::test]
async fn what_a_client_asks_for_is_checked_before_the_password() {
    let house = House::new().await;
    let challenge = challenge_of(VERIFIER);
    let (short, long) = ("x".repeat(42), "x".repeat(129));
    for (name, value, field) in [
        ("redirect_uri", "https://evil.example/restapi/oauth/callback", "redirect_uri"),
        ("redirect_uri", "", "redirect_uri"),
        ("client_id", "3", "client_id"),
        ("response_type", "token", "response_type"),
        ("code_challenge_method", "plain", "code_challenge_method"),
        ("code_challenge", "short", "code_challenge"),
        ("code_verifier", &short, "code_verifier"),
        ("code_verifier", &long, "code_verifier"),
        ("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_verifier"),
    ] {
        let mut query = asked(CALLBACK, &challenge);
        query.push(("code_verifier", VERIFIER));
        query.retain(|(known, _)| *known != name);
        query.push((name, value));
        let message = house.basic("one@weir.test", "secret1", &query).await.refused(400);
        assert!(message.starts_with(&format!("{field}: ")), "{name}={value}: {message}");
    }
    assert_eq!((house.sessions(), house.sign_ins.lock().len()), (0, 0));
}

#[tokio::test]
async fn a_code_is_swapped_once_by_whoever_has_its_verifier() {
    let house = House::new().await;
    let code = house.code(LOCAL).await;
    let pair = house.redeem(&code, None).await.ok();
    let access = text(&pair, "access_token");
    house.bearing(&access, Method::GET, "/users", Value::Null).await.ok();
    assert_eq!(oauth_error(&house.redeem(&code, None).await), (400, "invalid_grant".into()));
    house.bearing(&access, Method::GET, "/users", Value::Null).await.refused(401);
    assert_eq!(house.sessions(), 0, "a code that comes again ends the session it gave");

    let other = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for changed in [("code_verifier", other), ("redirect_uri", CALLBACK)] {
        let code = house.code(LOCAL).await;
        assert_eq!(oauth_error(&house.redeem(&code, Some(changed)).await), (400, "invalid_grant".into()));
        assert_eq!(oauth_error(&house.redeem(&code, None).await).1, "invalid_grant", "{changed:?} uses the code up");
    }
    let code = house.code(LOCAL).await;
    house.advance(60);
    assert_eq!(oauth_error(&house.redeem(&code, None).await), (400, "invalid_grant".into()));
    for (changed, status, error) in [
        (("client_id", "3"), 401, "invalid_client"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
        (("grant_type", ""), 400, "unsupported_grant_type"),
        (("code", "x"), 400, "invalid_grant"),
    ] {
        assert_eq!(oauth_error(&house.redeem("x", Some(changed)).await), (status, error.into()), "{changed:?}");
    }
    let twice = [("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")];
    assert_eq!(oauth_error(&house.form("/oauth/token", &twice).await), (400, "invalid_request".into()));
    assert_eq!(oauth_error(&house.form("/oauth/token", &[]).await), (400, "invalid_request".into()));
    assert_eq!(house.sessions(), 0);
}

#[tokio::test]
async fn the_callback_swaps_only_codes_whose_verifier_was_shown() {
    let house = House::new().await;
    let code = house.code(CALLBACK).await;
    let callback = format!("/oauth/callback?code={code}&state=x");
    assert_eq!(oauth_error(&house.get(As::Nobody, &callback).await), (400, "invalid_grant".into()));
    // The client still has its code.
    house.redeem(&code, Some(("redirect_uri", CALLBACK))).await.ok();
    let code = house.code(CALLBACK).await;
    house.get(As::Nobody, &format!("/oauth/callback?code={code}&code_verifier={VERIFIER}")).await.ok();
    assert_eq!(oauth_error(&house.get(As::Nobody, "/oauth/callback?error=access_denied").await).1, "access_denied");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let house = House::new().await;
    let first = house.sign_in("one@weir.test", "secret1", None).await.ok();
    let refresh = |token: String| {
        let house = &house;
        async move { house.form("/token/refresh", &[("refresh_token", &token)]).await }
    };
    let second = refresh(text(&first, "refresh_token")).await.ok();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let pairs =
        [("grant_type", "refresh_token"), ("client_id", "2"), ("refresh_token", &text(&second, "refresh_token"))];
    let third = house.form("/oauth/token", &pairs).await.ok();
    let newest = text(&third, "access_token");
    house.bearing(&newest, Method::GET, "/users", Value::Null).await.ok();
    assert_eq!(house.sessions(), 1);

    let forged = format!("{}0", text(&third, "refresh_token"));
    let unknown = format!("1.{}.{}", "0".repeat(48), "0".repeat(48));
    assert_eq!(oauth_error(&refresh(unknown).await), (400, "invalid_grant".into()));
    house.bearing(&newest, Method::GET, "/users", Value::Null).await.ok();
    assert_eq!(oauth_error(&refresh(text(&first, "refresh_token")).await), (400, "invalid_grant".into()));
    house.bearing(&newest, Method::GET, "/users", Value::Null).await.refused(401);
    assert_eq!(oauth_error(&refresh(text(&third, "refresh_token")).await).1, "invalid_grant");
    assert_eq!(oauth_error(&refresh(forged).await).1, "invalid_grant");
    assert!(house.sign_ins.lock().iter().any(|event| event.outcome == Outcome::Reused && event.admin.is_some()));

    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    house.advance(30 * 86_400);
    assert_eq!(oauth_error(&refresh(text(&pair, "refresh_token")).await).1, "invalid_grant", "30 days are over");
}

#[tokio::test]
async fn access_tokens_end_with_time_revocation_and_suspension() {
    let house = House::new().await;
    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    let access = text(&pair, "access_token");
    let status = |token: String| {
        let house = &house;
        async move { house.bearing(&token, Method::GET, "/users", Value::Null).await.status }
    };
    assert_eq!(status(access.clone()).await, 200);
    house.post(As::Msp, &format!("/users/{}/suspend", house.one), Value::Null).await.ok();
    assert_eq!(status(access.clone()).await, 403);
    let answer = house.form("/token/refresh", &[("refresh_token", &text(&pair, "refresh_token"))]).await;
    assert_eq!(oauth_error(&answer).1, "invalid_grant");
    house.post(As::Msp, &format!("/users/{}/reinstate", house.one), Value::Null).await.ok();
    assert_eq!(status(access.clone()).await, 200);
    house.advance(86_400);
    assert_eq!(status(access.clone()).await, 401, "a day is over");
    let pair = house.form("/token/refresh", &[("refresh_token", &text(&pair, "refresh_token"))]).await.ok();
    let access = text(&pair, "access_token");
    assert_eq!(status(access.clone()).await, 200);

    // Changed in one letter, and with no algorithm.
    let (head, rest) = access.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    let none = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let turned: String = signature.chars().rev().collect();
    for forged in [format!("{none}.{body}."), format!("{none}.{body}.{signature}"), format!("{head}.{body}.{turned}")] {
        assert_eq!(status(forged).await, 401);
    }
    for token in ["unknown", &text(&pair, "refresh_token")] {
        house.form("/oauth/revoke", &[("token", token)]).await.ok();
    }
    assert_eq!(status(access).await, 401);
    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    house.form("/oauth/revoke", &[("token", &text(&pair, "access_token")), ("client_id", "2")]).await.ok();
    assert_eq!(house.sessions(), 0);
    assert_eq!(oauth_error(&house.form("/oauth/revoke", &[]).await).1, "invalid_request");

    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    house.delete(As::Msp, &format!("/users/{}", house.one)).await.ok();
    assert_eq!(status(text(&pair, "access_token")).await, 401, "the administrator is gone");
}

#[tokio::test]
async fn guessing_locks_the_account_for_longer_each_time_and_the_address_too() {
    let house = House::new().await;
    for _ in 0..5 {
        assert_eq!(house.sign_in("one@weir.test", "wrong", None).await.status, 401);
        assert_eq!(house.sign_in("nobody@weir.test", "wrong", None).await.status, 401);
    }
    let locked = house.sign_in("one@weir.test", "secret1", None).await;
    let wait: u64 = locked.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    locked.refused(429);
    house.sign_in("nobody@weir.test", "wrong", None).await.refused(429);
    house.sign_in("two@weir.test", "secret1", None).await.ok();
    assert_eq!(house.sign_ins.lock().iter().filter(|event| event.outcome == Outcome::Locked).count(), 2);
    house.advance(31);
    house.sign_in("one@weir.test", "secret1", None).await.ok();

    let from = Connection { peer: "192.0.2.9".parse().expect("an address"), tls: true };
    let challenge = challenge_of(VERIFIER);
    let query = asked(CALLBACK, &challenge);
    for number in 0..20 {
        assert_eq!(house.basic_from(from, &format!("{number}@weir.test"), "x", &query).await.status, 401);
    }
    assert_eq!(house.basic_from(from, "two@weir.test", "secret1", &query).await.status, 429);
    assert_eq!(house.basic("two@weir.test", "secret1", &query).await.status, 302, "from elsewhere it goes on");
}

#[tokio::test]
async fn the_server_says_where_its_endpoints_and_keys_are() {
    let house = House::new().await;
    let get = |path: &'static str| {
        let request = Request::get(path).header("host", "weir.test:8443");
        house.send(request.body(Full::<Bytes>::default()).expect("a request"))
    };
    let metadata = get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.json, get("/restapi/.well-known/oauth-authorization-server").await.json);
    assert_eq!(metadata.json["issuer"], "https://weir.test:8443");
    assert_eq!(metadata.json["token_endpoint"], "https://weir.test:8443/restapi/oauth/token");
    assert_eq!(metadata.json["code_challenge_methods_supported"], json!(["S256"]));
    let keys = get("/.well-known/jwks.json").await.json;
    assert_eq!((keys["keys"][0]["kty"].clone(), keys["keys"][0]["alg"].clone()), (json!("OKP"), json!("EdDSA")));
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays here");
    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    let head = text(&pair, "access_token");
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head.split('.').next().expect("a head"));
    let head: Value = serde_json::from_slice(&head.expect("base64url")).expect("JSON");
    assert_eq!(head["kid"], keys["keys"][0]["kid"]);
    assert_eq!(get("/.well-known/nothing").await.status, 404);
    assert_eq!(get("/users").await.status, 404, "only what is well known stands at the root");
}

#[tokio::test]
async fn sign_ins_side_by_side_all_go_through_and_one_refresh_token_gives_one_pair() {
    let house = House::new().await;
    let together = (0..12).map(|_| house.sign_in("one@weir.test", "secret1", None));
    let mut pairs: Vec<Value> = futures_util::future::join_all(together).await.into_iter().map(Answer::ok).collect();
    assert_eq!(house.sessions(), 12);
    let token = text(&pairs.remove(0), "refresh_token");
    let pairs = [("refresh_token", token.as_str())];
    let refresh = || house.form("/token/refresh", &pairs);
    let answers = futures_util::future::join_all([refresh(), refresh(), refresh()]).await;
    assert!(answers.iter().filter(|answer| answer.status == 200).count() <= 1, "{answers:?}");
    assert_eq!(house.sessions(), 11, "the token came more than once");
}
