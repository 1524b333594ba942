//! Signing in on a page, as a browser does.

use super::{
    harness::{House, LOOPBACK},
    oauth::{CALLBACK, LOCAL, VERIFIER, asked, encoded, text},
};
use crate::auth::{Outcome, Way, challenge_of, code_at};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

/// What a browser got.
pub struct Shown {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Shown {
    /// The value of a form's field.
    fn value(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let at = self.text.find(&start).unwrap_or_else(|| panic!("{name} in {}", self.text)) + start.len();
        let value = &self.text[at..];
        unescaped(&value[..value.find('"').expect("ends")])
    }

    fn location(&self) -> &str {
        self.headers["location"].to_str().expect("text")
    }

    fn cookie(&self) -> String {
        let cookie = self.headers["set-cookie"].to_str().expect("text");
        assert!(
            cookie.starts_with("__Host-weir-sign-in=") && cookie.ends_with("Path=/; HttpOnly; SameSite=Strict; Secure")
        );
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">")
}

impl House {
    pub async fn browse(&self, method: Method, path: &str, cookie: &str, form: &[(&str, &str)]) -> Shown {
        let request = Request::builder()
            .method(method)
            .uri(format!("/restapi{path}"))
            .header("host", "weir.test")
            .header("accept", "text/html,application/xhtml+xml")
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Full::new(Bytes::from(encoded(form)))).expect("a request");
        let (head, body) = self.api.handle(request, LOOPBACK).await.into_parts();
        let text = String::from_utf8(body.to_vec()).expect("text");
        Shown { status: head.status.as_u16(), headers: head.headers, text }
    }

    async fn open_page(&self, query: &[(&str, &str)]) -> Shown {
        self.browse(Method::GET, &format!("/oauth/authorize?{}", encoded(query)), "", &[]).await
    }

    /// Sends the form of a page with more fields.
    async fn send_form(&self, page: &Shown, cookie: &str, more: &[(&str, &str)]) -> Shown {
        let names = ["response_type", "client_id", "redirect_uri", "code_challenge", "code_challenge_method", "state"];
        let values: Vec<(&str, String)> =
            names.iter().chain(&["form_token"]).map(|name| (*name, page.value(name))).collect();
        let mut pairs: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (name, value) in more {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
        }
        self.browse(Method::POST, "/oauth/authorize", cookie, &pairs).await
    }
}

fn code_of(location: &str) -> String {
    let query = location.split_once('?').expect("a query").1;
    let pairs = crate::auth::form::pairs(query.as_bytes()).expect("reads");
    pairs.into_iter().find(|(name, _)| name == "code").expect("a code").1
}

#[tokio::test]
async fn a_person_signs_in_on_the_page_and_the_program_gets_its_tokens() {
    let house = House::new().await;
    let challenge = challenge_of(VERIFIER);
    let page = house.open_page(&asked(LOCAL, &challenge)).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<label for=\"password\">") && !page.text.contains("<script"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self' http://127.0.0.1:49152;"));
    assert_eq!(page.headers["cache-control"], "no-store");
    let cookie = page.cookie();

    let wrong = house.send_form(&page, &cookie, &[("username", "one@weir.test"), ("password", "wrong")]).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text.contains("role=\"alert\"") && wrong.text.contains("value=\"one@weir.test\""), "{}", wrong.text);
    assert_eq!(wrong.cookie(), cookie, "the same browser keeps its cookie");
    let nobody = house.send_form(&page, &cookie, &[("username", "no@weir.test"), ("password", "wrong")]).await;
    let same = |shown: &Shown| shown.text.contains("The user name or the password is wrong.");
    assert!(same(&wrong) && same(&nobody) && nobody.status == 403);

    let good = house.send_form(&page, &cookie, &[("username", "One@weir.test "), ("password", "secret1")]).await;
    assert_eq!(good.status, 303, "{}", good.text);
    assert!(good.location().starts_with(&format!("{LOCAL}?code=")) && good.location().ends_with("&state=xyz%261"));
    let code = code_of(good.location());
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "2"),
        ("code", code.as_str()),
        ("redirect_uri", LOCAL),
        ("code_verifier", VERIFIER),
    ];
    let tokens = house.form("/oauth/token", &pairs).await.ok();
    let users = house.bearing(&text(&tokens, "access_token"), Method::GET, "/users", Value::Null).await.ok();
    assert_eq!(users["data"][0]["id"], house.one);
    let heard = house.sign_ins.lock().clone();
    assert!(heard.iter().all(|event| event.way == Way::Page));
    assert_eq!(heard.last().map(|event| event.outcome), Some(Outcome::Admitted));
}

#[tokio::test]
async fn a_form_from_elsewhere_is_not_taken() {
    let house = House::new().await;
    let challenge = challenge_of(VERIFIER);
    let page = house.open_page(&asked(LOCAL, &challenge)).await;
    let (cookie, other) = (page.cookie(), house.open_page(&asked(LOCAL, &challenge)).await.cookie());
    let good = [("username", "one@weir.test"), ("password", "secret1")];
    assert_eq!(house.send_form(&page, "", &good).await.status, 403, "no cookie");
    assert_eq!(house.send_form(&page, &other, &good).await.status, 403, "another browser's cookie");
    let forged = [("form_token", "x"), good[0], good[1]];
    assert_eq!(house.send_form(&page, &cookie, &forged).await.status, 403);
    assert!(house.sign_ins.lock().is_empty(), "nothing was checked");
    house.advance(3601);
    assert_eq!(house.send_form(&page, &cookie, &good).await.status, 403, "open for too long");
    house.advance(-3601);
    let elsewhere =
        house.send_form(&page, &cookie, &[("redirect_uri", "https://evil.example/"), good[0], good[1]]).await;
    assert_eq!((elsewhere.status, elsewhere.headers.get("location")), (400, None));
    assert_eq!(house.send_form(&page, &cookie, &good).await.status, 303);
}

#[tokio::test]
async fn faults_of_a_program_are_told_to_it_only_where_it_is_known() {
    let house = House::new().await;
    let challenge = challenge_of(VERIFIER);
    for (name, value) in [("redirect_uri", "https://evil.example/"), ("client_id", "9")] {
        let mut query = asked(LOCAL, &challenge);
        query.retain(|(known, _)| *known != name);
        query.push((name, value));
        let shown = house.open_page(&query).await;
        assert_eq!((shown.status, shown.headers.get("location")), (400, None), "{name}");
        assert!(shown.text.contains("<h1>"));
    }
    let shown = house.open_page(&asked(LOCAL, "short")).await;
    assert_eq!(shown.status, 302);
    assert!(shown.location().starts_with(&format!("{LOCAL}?error=invalid_request&error_description=code_challenge")));
    assert!(shown.location().ends_with("&state=xyz%261"));
    let mut query = asked(LOCAL, &challenge);
    query[0] = ("response_type", "token");
    assert!(house.open_page(&query).await.location().contains("error=unsupported_response_type"));
}

#[tokio::test]
async fn the_page_asks_for_the_second_factor_in_a_second_step() {
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let house = House::new().await;
    let pair = house.sign_in("one@weir.test", "secret1", None).await.ok();
    let body = json!({ "secret": SECRET, "code": code_at(SECRET, house.now()) });
    let enabled = house.bearing(&text(&pair, "access_token"), Method::POST, "/auth/2fa", body).await.ok();
    let challenge = challenge_of(VERIFIER);
    let page = house.open_page(&asked(CALLBACK, &challenge)).await;
    let cookie = page.cookie();
    let second = house.send_form(&page, &cookie, &[("username", "one@weir.test"), ("password", "secret1")]).await;
    assert_eq!(second.status, 200);
    assert!(second.text.contains("autocomplete=\"one-time-code\"") && !second.text.contains("secret1"));
    let ticket = second.value("ticket");
    let used = code_at(SECRET, house.now());
    let wrong = house.send_form(&second, &cookie, &[("ticket", &ticket), ("otp", &used)]).await;
    assert_eq!(wrong.status, 403, "the code that turned it on is used");
    let other = house.open_page(&asked(CALLBACK, &challenge)).await;
    let stolen = [("ticket", ticket.as_str()), ("otp", "000000"), ("form_token", &other.value("form_token"))];
    let stolen = house.send_form(&second, &other.cookie(), &stolen).await;
    assert!(stolen.text.contains("name=\"password\""), "a ticket is good for its browser alone");
    house.advance(30);
    let code = code_at(SECRET, house.now());
    let good = house.send_form(&second, &cookie, &[("ticket", &ticket), ("otp", &code)]).await;
    assert_eq!(good.status, 303, "{}", good.text);
    let again = house.send_form(&second, &cookie, &[("ticket", &ticket), ("otp", &code)]).await;
    assert_eq!(again.status, 403, "a code works once");
    let backup = enabled["backupCodes"][0].as_str().expect("text");
    assert_eq!(house.send_form(&second, &cookie, &[("ticket", &ticket), ("otp", backup)]).await.status, 303);
    house.advance(400);
    let late = house.send_form(&second, &cookie, &[("ticket", &ticket), ("otp", backup)]).await;
    assert!(late.text.contains("name=\"password\""), "{}", late.text);
}
