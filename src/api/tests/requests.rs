//! What happens to a request before its operation sees it.

use super::harness::{As, House, LOOPBACK, id};
use crate::{
    api::{Options, Rate},
    auth::{SignatureMethod, SignedRequest, sign},
};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

fn request(house: &House, method: &str, path: &str, content_type: Option<&str>, body: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "weir.test");
    request = request.header("authorization", format!("Bearer {}", house.token(As::System)));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request")
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused_with_the_right_status() {
    let house = House::new().await;
    let one = format!("/restapi/users/{}", house.one);
    let large = vec![b'x'; 1024 * 1024 + 1];
    for (method, path, content_type, body, status) in [
        ("GET", "/", None, &b""[..], 404),
        ("GET", "/restapi", None, b"", 404),
        ("GET", "/restapi/nothing", None, b"", 404),
        ("GET", "/restapi/users/", None, b"", 200),
        ("GET", "//restapi//users", None, b"", 200),
        ("HEAD", "/restapi/users", None, b"", 200),
        ("OPTIONS", "/restapi/users", None, b"", 204),
        ("PATCH", "/restapi/users", None, b"", 405),
        ("DELETE", "/restapi/users", None, b"", 405),
        ("GET", "/restapi/users?offset=-1", None, b"", 400),
        ("GET", "/restapi/users?offset=%ff", None, b"", 400),
        ("GET", "/restapi/users/%ff", None, b"", 400),
        ("GET", "/restapi/users/x", None, b"", 400),
        ("POST", &one, Some("image/png"), b"x", 415),
        ("POST", &one, Some("application/json"), b"{", 400),
        ("POST", &one, Some("application/json"), b"\"x\"", 400),
        ("POST", &one, Some("application/x-www-form-urlencoded"), b"description=%ff", 400),
        ("POST", &one, Some("application/x-www-form-urlencoded"), b"description=a&description=b", 400),
        ("POST", &one, Some("application/json"), &large, 413),
        ("POST", &one, Some("application/x-www-form-urlencoded"), &large, 413),
        ("PUT", &one, Some("application/json"), b"{\"description\":\"put\"}", 200),
        ("POST", &one, None, b"description=unmarked", 200),
        ("POST", &one, Some("application/json"), b"", 200),
    ] {
        let answer = house.send(request(&house, method, path, content_type, body)).await;
        assert_eq!(answer.status, status, "{method} {path} {content_type:?}: {}", answer.json);
        assert!(answer.headers.contains_key("x-request-id"));
    }
    let allow = house.send(request(&house, "PATCH", "/restapi/users", None, b"")).await;
    assert_eq!(allow.headers["allow"], "GET, POST, HEAD, OPTIONS");
}

#[tokio::test]
async fn an_error_names_the_field() {
    let house = House::new().await;
    for (body, message) in [
        (json!({}), "accountname: is required"),
        (json!({ "accountname": ["x"] }), "accountname: must be text"),
        (json!({ "accountname": "x", "email": "x" }), "email: must be an e-mail address"),
        (
            json!({ "accountname": "x", "email": "x@y", "license": "", "password": "12345" }),
            "password: must have at least 6 characters",
        ),
        (
            json!({ "accountname": "x", "email": "x@y", "license": "", "password": "123456", "policy_level": "C" }),
            "policy_level: must be one of: L M H",
        ),
        (
            json!({ "accountname": "x", "email": "x@y", "license": "", "password": "123456", "timezone": "Here" }),
            "timezone: must be an IANA time zone such as Europe/London",
        ),
    ] {
        assert_eq!(house.post(As::System, "/users", body).await.refused(400), message);
    }
}

#[tokio::test]
async fn a_signed_form_is_let_in_once() {
    let house = House::new().await;
    let path = format!("/restapi/users/{}", house.one);
    let body = "description=signed+form";
    let signed = SignedRequest {
        method: "POST",
        scheme: "https",
        authority: "weir.test",
        path: &path,
        query: Some("x=1"),
        form: Some(body.as_bytes()),
        authorization: None,
    };
    let now = crate::api::system_clock().0;
    let header = sign(&signed, &house.keys, SignatureMethod::HmacSha1, now, "once").expect("signs");
    for (body, status) in [("description=forged", 401), (body, 200), (body, 401)] {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{path}?x=1"))
            .header("host", "weir.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", &header)
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        assert_eq!(house.send(request).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn if_match_guards_against_changes_in_between() {
    let house = House::new().await;
    let path = format!("/users/{}", house.one);
    let tag = house.get(As::Msp, &path).await.headers["etag"].to_str().expect("text").to_owned();
    let send = |tag: String, text: &'static str| {
        let mut request =
            request(&house, "POST", &format!("/restapi{path}"), None, format!("description={text}").as_bytes());
        request.headers_mut().insert("if-match", tag.parse().expect("a header"));
        house.send(request)
    };
    assert_eq!(send(tag.clone(), "first").await.status, 200);
    assert_eq!(send(tag, "second").await.status, 412);
    assert_eq!(send("*".to_owned(), "third").await.status, 200);
}

#[tokio::test]
async fn a_key_that_asks_too_much_waits() {
    let options = Options { key_rate: Rate { per_second: 1, burst: 30 }, ..Options::default() };
    let house = House::with(options).await;
    let mut last = house.get(As::One, "/msps").await;
    for _ in 0..31 {
        last = house.get(As::One, "/msps").await;
    }
    assert!(last.headers.contains_key("retry-after"));
    last.refused(429);
    house.get(As::Other, "/msps").await.ok();
}

#[tokio::test]
async fn the_request_id_of_the_caller_comes_back() {
    let house = House::new().await;
    let mut asked = request(&house, "GET", "/healthz", None, b"");
    asked.headers_mut().insert("x-request-id", "abc-1".parse().expect("a header"));
    let answer = house.api.handle(asked, LOOPBACK).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].as_bytes()), (200, &b"abc-1"[..]));
    assert_eq!(house.api.handle(request(&house, "GET", "/metrics", None, b""), LOOPBACK).await.status(), 404);
}

#[tokio::test]
async fn many_callers_change_one_object_without_losing_a_change() {
    let house = House::new().await;
    let path = format!("/users/{}/policies/default/categories", house.one);
    let changes = (0..20).map(|category| {
        let path = format!("{path}/{category}");
        let house = &house;
        async move { house.post(As::One, &path, json!({ "allowed": category % 2 == 0 })).await.ok() }
    });
    futures_util::future::join_all(changes).await;
    let list = house.get(As::One, &path).await.ok();
    for row in list["data"].as_array().expect("rows").iter().filter(|row| id(row) < 20) {
        assert_eq!(row["allowed"], id(row).is_multiple_of(2), "{row}");
    }
}

#[tokio::test]
async fn a_post_sent_again_with_its_key_is_answered_again_and_done_once() {
    let house = House::new().await;
    let send = async |key: &str, body: &[u8]| {
        let mut request = request(&house, "POST", "/restapi/users", Some("application/json"), body);
        request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
        house.send(request).await
    };
    let body = br#"{"accountname":"n","email":"n@weir.test","license":"x","password":"secret1"}"#;
    let first = send("\"k-1\"", body).await;
    let again = send("k-1", body).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first.json);
    assert_eq!(first.ok()["accountname"], "n");
    send("k-1", b"{}").await.refused(422);
    send("k-2", body).await.refused(409);
    send("", body).await.refused(400);
    // What was refused is judged anew.
    send("k-3", b"{}").await.refused(400);
    send("k-3", br#"{"accountname":"m","email":"m@weir.test","license":"x","password":"secret1"}"#).await.ok();
}

#[tokio::test]
async fn a_packed_body_is_refused_as_such() {
    let house = House::new().await;
    let one = format!("/restapi/users/{}", house.one);
    for (coding, status) in [("gzip", 415), ("br", 415), ("identity", 200)] {
        let mut request = request(&house, "POST", &one, Some("application/json"), br#"{"description":"d"}"#);
        request.headers_mut().insert("content-encoding", coding.parse().expect("a header"));
        assert_eq!(house.send(request).await.status, status, "{coding}");
    }
}

#[tokio::test]
async fn an_unknown_field_is_ignored_unless_strict_handling_is_preferred() {
    let house = House::new().await;
    let one = format!("/restapi/users/{}", house.one);
    let body = br#"{"description":"d","colour":"red"}"#;
    house.send(request(&house, "POST", &one, Some("application/json"), body)).await.ok();
    let mut strict = request(&house, "POST", &one, Some("application/json"), body);
    strict.headers_mut().insert("prefer", "return=minimal, handling=strict".parse().expect("a header"));
    let error = house.send(strict).await.refused(400);
    assert!(error.starts_with("colour"), "{error}");
    let mut strict = request(&house, "POST", &one, Some("application/json"), br#"{"description":"d"}"#);
    strict.headers_mut().insert("prefer", "handling=strict".parse().expect("a header"));
    assert_eq!(house.send(strict).await.headers["preference-applied"], "handling=strict");
}

#[tokio::test]
async fn who_comes_too_late_is_told_the_object_as_it_is_now() {
    let house = House::new().await;
    let one = format!("/restapi/users/{}", house.one);
    let tag = house.send(request(&house, "GET", &one, None, b"")).await.headers["etag"].clone();
    house.send(request(&house, "POST", &one, None, b"description=first")).await.ok();
    let mut late = request(&house, "POST", &one, None, b"description=second");
    late.headers_mut().insert("if-match", tag);
    let answer = house.send(late).await;
    assert_eq!((answer.status, &answer.json["current"]["description"]), (412, &json!("first")));
}
