//! Passwords, second factors, keys, and signing out.

use super::{
    harness::{As, House},
    oauth::text,
};
use crate::{
    auth::{ClientKeys, SignatureMethod, SignedRequest, code_at, sign},
    model::*,
    store::{Actor, Batch},
};
use http::Method;
use serde_json::{Value, json};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

impl House {
    async fn token_of(&self, user: &str) -> String {
        text(&self.sign_in(user, "secret1", None).await.ok(), "access_token")
    }
}

#[tokio::test]
async fn a_password_change_ends_every_session_and_the_old_password() {
    let house = House::new().await;
    let (first, second) = (house.token_of("one@weir.test").await, house.token_of("one@weir.test").await);
    let change = |old: &str, new: &str| {
        let body = json!({ "old_password": old, "new_password": new });
        house.bearing(&first, Method::POST, "/auth/password", body)
    };
    assert_eq!(change("secret2", "new secret").await.refused(400), "old_password: is not the current password");
    assert_eq!(change("secret1", "short").await.refused(400), "new_password: must have at least 8 characters");
    house.bearing(&second, Method::GET, "/users", Value::Null).await.ok();
    let admin = house.store.rows::<Admin>(Account::Customer(CustomerId(house.one))).next().expect("is there").value.id;
    let changed = change("secret1", "new secret").await.ok();
    assert_eq!(changed, json!({ "code": 200, "updated": true, "id": admin.0 }));
    for token in [&first, &second] {
        house.bearing(token, Method::GET, "/users", Value::Null).await.refused(401);
    }
    house.sign_in("one@weir.test", "secret1", None).await.refused(401);
    let token = text(&house.sign_in("one@weir.test", "new secret", None).await.ok(), "access_token");
    house.post(As::Msp, &format!("/users/{}", house.one), json!({ "password": "secret1" })).await.ok();
    house.bearing(&token, Method::GET, "/users", Value::Null).await.refused(401);
}

#[tokio::test]
async fn signing_out_ends_the_session_or_token_that_did_it() {
    let house = House::new().await;
    let (first, second) = (house.token_of("one@weir.test").await, house.token_of("one@weir.test").await);
    let answer = house.bearing(&first, Method::POST, "/auth/logout", Value::Null).await.ok();
    assert_eq!(answer["logout"], true);
    house.bearing(&first, Method::GET, "/users", Value::Null).await.refused(401);
    house.bearing(&second, Method::GET, "/auth/logout", Value::Null).await.ok();
    house.bearing(&second, Method::GET, "/users", Value::Null).await.refused(401);
    house.get(As::One, "/users").await.ok();
    house.post(As::One, "/auth/logout", Value::Null).await.ok();
    house.get(As::One, "/users").await.refused(401);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_its_codes_work_once() {
    let house = House::new().await;
    let token = house.token_of("one@weir.test").await;
    let enable = |body: Value| house.bearing(&token, Method::POST, "/auth/2fa", body);
    assert_eq!(enable(json!({ "secret": SECRET })).await.refused(400), "code: is required");
    let wrong = enable(json!({ "secret": SECRET, "code": "000000" })).await.refused(400);
    assert_eq!(wrong, "code: is not the current one of this secret");
    let bad = enable(json!({ "secret": "AAAA", "code": "000000" })).await.refused(400);
    assert!(bad.starts_with("secret: "), "{bad}");
    let body = json!({ "secret": SECRET, "code": code_at(SECRET, house.now()) });
    let enabled = enable(body.clone()).await.ok();
    let codes: Vec<String> = serde_json::from_value(enabled["backupCodes"].clone()).expect("an array");
    assert_eq!((codes.len(), &enabled["created"], &enabled["recovery"]), (10, &json!(true), &json!(true)));
    enable(body).await.refused(409);
    let user = house.get(As::Msp, &format!("/users/{}", house.one)).await.ok();
    assert_eq!(user["2fa_enabled"], true);

    let asked = house.sign_in("one@weir.test", "secret1", None).await;
    assert_eq!(asked.json["error"], "Error: One-time code required");
    assert!(asked.headers["www-authenticate"].to_str().expect("text").starts_with("Basic"));
    asked.refused(401);
    house.advance(30);
    let code = code_at(SECRET, house.now());
    house.sign_in("one@weir.test", "wrong", Some(&code)).await.refused(401);
    house.sign_in("one@weir.test", "secret1", Some(&code)).await.ok();
    house.sign_in("one@weir.test", "secret1", Some(&code)).await.refused(401);
    house.sign_in("one@weir.test", "secret1", Some(&codes[0])).await.ok();
    house.sign_in("one@weir.test", "secret1", Some(&codes[0])).await.refused(401);
    house.advance(3601);
    for _ in 0..5 {
        house.sign_in("one@weir.test", "secret1", Some("000000")).await.refused(401);
        // A right password between two guesses forgives nothing.
        house.sign_in("one@weir.test", "secret1", None).await;
    }
    house.sign_in("one@weir.test", "secret1", Some(&codes[1])).await.refused(429);

    let list = house.get(As::Msp, &format!("/admins?user_id={}", house.one)).await.ok();
    assert_eq!(list["data"][0]["2fa_enabled"], true);
    let off = house.bearing(&token, Method::DELETE, "/auth/2fa", Value::Null).await.ok();
    assert_eq!(off, json!({ "code": 200, "disabled": true }));
    house.advance(1000);
    house.sign_in("one@weir.test", "secret1", None).await.ok();

    // Whoever lost the device is helped by those above.
    let body = json!({ "secret": SECRET, "code": code_at(SECRET, house.now()) });
    house.bearing(&token, Method::POST, "/auth/2fa", body).await.ok();
    house.sign_in("one@weir.test", "secret1", None).await.refused(401);
    let path = format!("/admins/{}", list["data"][0]["id"]);
    house.post(As::OtherMsp, &path, json!({ "2fa_enabled": false })).await.refused(404);
    let helped = house.post(As::Msp, &path, json!({ "2fa_enabled": false })).await.ok();
    assert_eq!(helped["2fa_enabled"], false);
    house.sign_in("one@weir.test", "secret1", None).await.ok();
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_what_was_mailed() {
    let house = House::new().await;
    let relay = MailServer {
        owner: Account::System,
        server: "relay.test:25".into(),
        notification_period_min: 0,
        sender: "weir@weir.test".into(),
    };
    let ask = |email: &'static str| house.post(As::Nobody, "/auth/passwordforgotten", json!({ "email": email }));
    let same = json!({ "code": 200, "object": "password_forgotten" });
    assert_eq!(ask("one@weir.test").await.ok(), same, "without a relay nothing is sent");
    settle().await;
    assert!(house.mailbox.0.lock().is_empty());
    let batch = Batch::new(Actor::Daemon, "test", house.now()).create(&relay);
    house.store.commit(batch).await.expect("commits");
    let session = house.token_of("one@weir.test").await;
    assert_eq!(ask("nobody@weir.test").await.ok(), same);
    assert_eq!(ask("ONE@weir.test").await.ok(), same);
    assert_eq!(ask("one@weir.test").await.ok(), same, "a second mail within minutes does not go out");
    assert!(ask("no address").await.refused(400).starts_with("email: "));
    settle().await;
    let mails = house.mailbox.0.lock().clone();
    assert_eq!(mails.len(), 1);
    let (used, mail) = &mails[0];
    assert_eq!((used.server.as_str(), mail.to.as_slice()), ("relay.test:25", &["one@weir.test".to_owned()][..]));
    let token = mail.text.split_whitespace().find(|word| word.len() == 64).expect("a token").to_owned();
    assert!(!mail.text.contains("weir.test/"), "no link to a host that a stranger named: {}", mail.text);

    let page = house.browse(Method::GET, &format!("/auth/passwordreset?token={token}"), "", &[]).await;
    assert!(page.status == 200 && page.text.contains(&token) && page.text.contains("autocomplete=\"new-password\""));
    let reset = |token: String, password: &'static str| {
        let house = &house;
        async move {
            let body = json!({ "token": token, "new_password": password });
            house.post(As::Nobody, "/auth/passwordreset", body).await
        }
    };
    assert!(reset(token.clone(), "short").await.refused(400).starts_with("new_password: "));
    assert!(reset("0".repeat(64), "new secret").await.refused(400).starts_with("token: "));
    house.bearing(&session, Method::GET, "/users", Value::Null).await.ok();
    assert_eq!(reset(token.clone(), "new secret").await.ok()["updated"], true);
    house.bearing(&session, Method::GET, "/users", Value::Null).await.refused(401);
    house.sign_in("one@weir.test", "new secret", None).await.ok();
    assert!(reset(token, "other secret").await.refused(400).starts_with("token: "), "it works once");

    house.advance(301);
    ask("one@weir.test").await.ok();
    settle().await;
    let text = house.mailbox.0.lock()[1].1.text.clone();
    let token = text.split_whitespace().find(|word| word.len() == 64).expect("a token");
    house.advance(3600);
    let late = house.browse(Method::GET, &format!("/auth/passwordreset?token={token}"), "", &[]).await;
    assert_eq!(late.status, 400);
    let form = [("token", token), ("new_password", "new secret")];
    let late = house.browse(Method::POST, "/auth/passwordreset", "", &form).await;
    assert!(late.status == 400 && late.text.contains("role=\"alert\""));
}

/// Lets work go on that nobody waits for.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

#[tokio::test]
async fn keys_are_made_for_a_customer_by_those_above_it() {
    let house = House::new().await;
    let register = |caller, body: Value| house.post(caller, "/auth/adminregister", body);
    let user = register(As::Msp, json!({ "id": house.one })).await.ok();
    assert_eq!((user["object"].clone(), user["id"].clone()), (json!("user"), json!(house.one)));
    assert!(user["install_key"].is_string());
    let by_email = register(As::Msp, json!({ "email": "ONE@weir.test" })).await.ok();
    assert_ne!(by_email["consumer_key"], user["consumer_key"]);
    for keys in [&user, &by_email] {
        assert_eq!(signed(&house, keys).await, 200);
    }
    assert_eq!(register(As::Msp, json!({})).await.refused(400), "id: is required, or email");
    let foreign = register(As::OtherMsp, json!({ "id": house.one })).await;
    let nobody = register(As::OtherMsp, json!({ "id": 2_147_483_000 })).await;
    assert_eq!((foreign.status, &foreign.json), (404, &nobody.json));
    register(As::OtherMsp, json!({ "email": "one@weir.test" })).await.refused(404);
    register(As::Msp, json!({ "email": "msp@weir.test" })).await.refused(404);
    register(As::Msp, json!({ "id": house.one, "email": "two@weir.test" })).await.refused(404);
    register(As::One, json!({ "id": house.one })).await.refused(403);
    for _ in 0..4 {
        register(As::Msp, json!({ "id": house.one })).await.ok();
    }
    assert_eq!(signed(&house, &user).await, 401, "the newest five sets work");
    assert_eq!(signed(&house, &by_email).await, 200);
}

async fn signed(house: &House, user: &Value) -> u16 {
    let keys = ClientKeys {
        consumer_key: text(user, "consumer_key"),
        consumer_secret: text(user, "consumer_secret"),
        access_token: text(user, "access_token"),
        access_token_secret: text(user, "access_token_secret"),
    };
    let request = SignedRequest {
        method: "GET",
        scheme: "https",
        authority: "weir.test",
        path: "/restapi/users",
        query: None,
        form: None,
        authorization: None,
    };
    let nonce = uuid::Uuid::new_v4().to_string();
    let header = sign(&request, &keys, SignatureMethod::HmacSha1, house.now().0, &nonce).expect("signs");
    let request = http::Request::get("/restapi/users").header("host", "weir.test").header("authorization", header);
    house.send(request.body(Default::default()).expect("a request")).await.status
}
