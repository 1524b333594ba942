//! Signing in with a password, told over the wire.

use crate::{
    client::{Client, answer, http},
    daemon::Place,
};
use serde_json::Value;
use std::fs;

#[tokio::test]
async fn tokens_of_a_sign_in_outlive_a_restart_and_end_with_the_session() {
    let place = Place::new();
    let mut daemon = place.start();
    let base = daemon.api.clone();
    let text = fs::read_to_string(place.data().join("initial-credentials.toml")).unwrap();
    let credentials: toml::Table = text.parse().unwrap();
    let (email, password) = (credentials["email"].as_str().unwrap(), credentials["password"].as_str().unwrap());
    let pair = Client::sign_in(&base, email, password, None).await.ok();
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
