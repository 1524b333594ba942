//! Signing in with a password, told over the wire.

use crate::{
    client::{answer, http},
    daemon::Place,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::fs;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[tokio::test]
async fn tokens_of_a_sign_in_outlive_a_restart_and_end_with_the_session() {
    let place = Place::new();
    let mut daemon = place.start();
    let base = daemon.api.clone();
    let text = fs::read_to_string(place.data().join("initial-credentials.toml")).unwrap();
    let credentials: toml::Table = text.parse().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
    let redirect = format!("{base}/oauth/callback");
    let query = [
        ("response_type", "code"),
        ("client_id", "2"),
        ("redirect_uri", &redirect),
        ("state", "s"),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(digest)),
        ("code_challenge_method", "S256"),
        ("code_verifier", VERIFIER),
    ];
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = http().get(format!("{base}/oauth/authorize?{}", query.join("&")));
    let request = request.basic_auth(credentials["email"].as_str().unwrap(), credentials["password"].as_str());
    let pair = answer(request.send().await.unwrap()).await.ok();
    let users = |base: String, token: Value| async move {
        let request = http().get(format!("{base}/users")).bearer_auth(token.as_str().unwrap());
        answer(request.send().await.unwrap()).await.status
    };
    assert_eq!(users(base, pair["access_token"].clone()).await, 200);
    assert!(daemon.stop());

    let daemon = place.start();
    let base = daemon.api.clone();
    assert_eq!(users(base.clone(), pair["access_token"].clone()).await, 200, "the key is the one of before");
    let body = format!("refresh_token={}", pair["refresh_token"].as_str().unwrap());
    let refresh = || {
        let request = http().post(format!("{base}/token/refresh")).body(body.clone());
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    let next = answer(refresh().await.unwrap()).await.ok();
    assert_eq!(users(base.clone(), next["access_token"].clone()).await, 200);
    assert_eq!(answer(refresh().await.unwrap()).await.json["error"], "invalid_grant");
    assert_eq!(users(base.clone(), next["access_token"].clone()).await, 401, "a token that came again ended all");
}
