//! Administrators: aliases and their roles, tokens, sessions, second factors, keys.

use crate::{
    client::{Client, id},
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::{Value, json};
use std::time::SystemTime;
use weir::{
    model::{ApiToken, Timestamp},
    store::{Actor, Batch},
};

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn an_alias_with_a_narrow_role_does_what_it_says_and_gives_no_more() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (one, key) = admin.customer("one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let labels = json!(["policy.lists.manage", "policy.admins.manage", "policy.roles.manage"]);
    let role = id(&key.post("/roles", json!({ "name": "desk", "permissions": labels })).await.ok());
    let alias = json!({ "email": "desk@weir.test", "password": "secret1", "role_id": role });
    let alias = id(&key.post("/admins", alias).await.ok());
    let desk = Client::signed_in(&daemon.api, "desk@weir.test", "secret1").await;
    let block = format!("/users/{one}/policies/default/domains/block");
    desk.post(&block, json!({ "domain": "desk.example" })).await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "desk.example"), Got::Blocked(17));
    for path in [format!("/users/{one}/policies"), format!("/users/{one}/locations/all"), "/audit".to_owned()] {
        let error = desk.get(&path).await.refused(403);
        assert!(error["error"].as_str().unwrap().contains("policy."), "{path}: {error}");
    }
    let held = desk.get("/permissions?limit=1000").await.ok();
    let held = held["data"].as_array().unwrap().iter().filter(|row| row["held"] == true).count();
    assert_eq!(held, 6, "to manage is to view too");
    let more = json!({ "name": "more", "permissions": ["policy.audit.view"] });
    assert!(desk.post("/roles", more).await.refused(403)["error"].as_str().unwrap().contains("policy.audit.view"));
    let full = json!({ "email": "full@weir.test", "password": "secret1" });
    desk.post("/admins", full).await.refused(403);
    desk.post(&format!("/roles/{role}"), json!({ "permissions": ["policy.audit.view"] })).await.refused(403);
    for path in [format!("/admins/{alias}"), format!("/roles/{role}")] {
        other.get(&path).await.refused(404);
    }
    // A narrower role counts from the next request.
    key.post(&format!("/roles/{role}"), json!({ "permissions": ["policy.lists.view"] })).await.ok();
    desk.post(&block, json!({ "domain": "late.example" })).await.refused(403);
    desk.get(&block).await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "late.example"), ALLOWED);
    key.delete(&format!("/roles/{role}")).await.refused(409);
    key.delete(&format!("/admins/{alias}")).await.ok();
    desk.get(&block).await.refused(401);
    key.delete(&format!("/roles/{role}")).await.ok();
}

#[tokio::test]
async fn a_token_does_what_it_was_made_for_until_it_is_revoked_or_expires() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let block = "/users/1/policies/default/domains/block";
    let reading = admin.post("/tokens", json!({ "name": "report", "days": 1 })).await.ok();
    let script = admin.post("/tokens", json!({ "name": "script", "scope": "all", "days": 2 })).await.ok();
    let reader = Client::bearing(&daemon.api, &reading["token"]);
    let writer = Client::bearing(&daemon.api, &script["token"]);
    reader.get(block).await.ok();
    reader.post(block, json!({ "domain": "token.example" })).await.refused(403);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "token.example"), ALLOWED);
    writer.post(block, json!({ "domain": "token.example" })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "token.example"), Got::Blocked(17));
    let shown = admin.get("/tokens").await.ok().to_string();
    assert!(shown.contains("script") && !shown.contains(script["token"].as_str().unwrap()), "shown once");
    admin.delete(&format!("/tokens/{}", id(&script))).await.ok();
    writer.get(block).await.refused(401);
    assert!(daemon.stop());
    {
        let store = place.store();
        let row = store.find::<ApiToken>(u32::try_from(id(&reading)).unwrap()).unwrap();
        let past = Timestamp(row.value.created.0 - 1);
        let old = ApiToken { expires: Some(past), ..row.value.clone() };
        store.commit(Batch::new(Actor::Daemon, "time_passes", past).update(&row, &old)).await.unwrap();
        store.close();
    }
    let daemon = place.start();
    Client::bearing(&daemon.api, &reading["token"]).get(block).await.refused(401);
}

#[tokio::test]
async fn a_session_ends_from_another_one_by_logout_and_by_revocation() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (_, key) = admin.customer("one", "127.1.0.0/16").await;
    let pairs = [
        Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.ok(),
        Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.ok(),
        Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.ok(),
    ];
    let [first, second, third] = pairs.each_ref().map(|pair| Client::bearing(&daemon.api, &pair["access_token"]));
    let sessions = first.get("/sessions").await.ok();
    let rows = sessions["data"].as_array().unwrap();
    assert_eq!((rows.len(), rows.iter().filter(|row| row["current"] == true).count()), (3, 1));
    let mine = second.get("/sessions").await.ok();
    let mine = mine["data"].as_array().unwrap().iter().find(|row| row["current"] == true).map(id).unwrap();
    key.get("/sessions").await.ok();
    admin.delete(&format!("/sessions/{mine}")).await.refused(404);
    first.delete(&format!("/sessions/{mine}")).await.ok();
    second.get("/users").await.refused(401);
    let nobody = Client::nobody(&daemon.api);
    let token = pairs[2]["refresh_token"].as_str().unwrap();
    let metadata = nobody.get("/.well-known/oauth-authorization-server").await.json;
    let revoke = metadata["revocation_endpoint"].as_str().unwrap().strip_prefix(&daemon.api).unwrap().to_owned();
    assert_eq!(nobody.form(&revoke, &format!("token={token}")).await.status, 200);
    third.get("/users").await.refused(401);
    first.post("/auth/logout", json!({})).await.ok();
    first.get("/users").await.refused(401);
    key.get("/users").await.ok();
}

#[tokio::test]
async fn anybody_can_check_an_access_token_with_the_published_key() {
    let place = Place::new();
    let daemon = place.start();
    place.administrator(&daemon).customer("one", "127.1.0.0/16").await;
    let pair = Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.ok();
    let keys = Client::nobody(&daemon.api).get("/.well-known/jwks.json").await.json;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let token = pair["access_token"].as_str().unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut wanted = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    wanted.validate_aud = false;
    let claims = jsonwebtoken::decode::<Value>(token, &key, &wanted).unwrap().claims;
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert!(jsonwebtoken::decode::<Value>(&forged, &key, &wanted).is_err());
    Client::bearing(&daemon.api, &json!(forged)).get("/users").await.refused(401);
}

/// The code of an authenticator (RFC 6238, with RFC 4226's truncation).
fn code(secret: &[u8], step: u64) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let octets = tag.as_ref();
    let at = usize::from(octets[19] & 15);
    let number = u32::from_be_bytes(octets[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[tokio::test]
async fn a_password_alone_signs_nobody_in_where_a_second_factor_is_set() {
    // The secret of RFC 6238, appendix B, and its first code.
    const SECRET: (&[u8], &str) = (b"12345678901234567890", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(code(SECRET.0, 1), "287082");
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (_, key) = admin.customer("one", "127.1.0.0/16").await;
    let sign_in = async |otp: Option<&str>| Client::sign_in(&daemon.api, "one@weir.test", "secret1", otp).await;
    let session = Client::signed_in(&daemon.api, "one@weir.test", "secret1").await;
    // The step before is taken still, so that a turn of the clock in between does no harm.
    let step = now() / 30;
    let body = json!({ "secret": SECRET.1, "code": code(SECRET.0, step) });
    let enabled = session.post("/auth/2fa", body).await.ok();
    let backup: Vec<String> = serde_json::from_value(enabled["backupCodes"].clone()).unwrap();
    assert_eq!(backup.len(), 10);
    assert_eq!(sign_in(None).await.refused(401)["error"], "Error: One-time code required");
    sign_in(Some("000000")).await.refused(401);
    let next = code(SECRET.0, step + 1);
    sign_in(Some(&next)).await.ok();
    sign_in(Some(&next)).await.refused(401);
    sign_in(Some(&backup[0])).await.ok();
    sign_in(Some(&backup[0])).await.refused(401);
    key.get("/users").await.ok();
    session.delete("/auth/2fa").await.ok();
    sign_in(None).await.ok();
}

#[tokio::test]
async fn a_new_password_ends_the_old_one_and_keys_are_made_by_those_above() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (_, stranger) = admin.msp("stranger").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let made = msp.post("/auth/adminregister", json!({ "id": one })).await.ok();
    msp.of_user(&made).get("/users").await.ok();
    stranger.post("/auth/adminregister", json!({ "id": one })).await.refused(404);
    key.post("/auth/adminregister", json!({ "id": one })).await.refused(403);
    let session = Client::signed_in(&daemon.api, "one@weir.test", "secret1").await;
    let change = json!({ "old_password": "secret1", "new_password": "new secret" });
    session.post("/auth/password", change).await.ok();
    session.get("/users").await.refused(401);
    Client::sign_in(&daemon.api, "one@weir.test", "secret1", None).await.refused(401);
    Client::signed_in(&daemon.api, "one@weir.test", "new secret").await.get("/users").await.ok();
}
