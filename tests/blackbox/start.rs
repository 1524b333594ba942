//! What a fresh daemon does.

use crate::{
    client::{answer, http},
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn the_first_query_of_a_fresh_daemon_is_filtered() {
    let place = Place::new();
    let daemon = place.start();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), Got::Blocked(17));
}

#[tokio::test]
async fn the_first_administrator_signs_in_from_its_file() {
    let place = Place::new();
    let daemon = place.start();
    let file = place.data().join("initial-credentials.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(daemon.said.iter().any(|line| line.contains("initial-credentials.toml")));
    let list = place.administrator(&daemon).get("/users?limit=10").await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["accountname"].clone()), (json!(1), json!("Local network")));
    let list = place.administrator(&daemon).with_sha256().get("/users").await.ok();
    assert_eq!(list["count"], 1);
    let token = std::fs::read_to_string(place.data().join("cli-token")).unwrap();
    let request = http().get(format!("{}/users", daemon.api)).bearer_auth(token.trim());
    answer(request.send().await.unwrap()).await.ok();
    let request = http().get(format!("{}/users", daemon.api)).bearer_auth("0");
    answer(request.send().await.unwrap()).await.refused(401);
}

#[tokio::test]
async fn a_restart_keeps_everything_and_makes_no_new_credentials() {
    let place = Place::new();
    let mut daemon = place.start();
    let path = "/policies/default/domains/block?user_id=1";
    place.administrator(&daemon).post(path, json!({ "domain": "blocked.example" })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.blocked.example"), Got::Blocked(17));
    std::fs::copy(place.data().join("initial-credentials.toml"), place.data().join("copy")).unwrap();
    std::fs::remove_file(place.data().join("initial-credentials.toml")).unwrap();
    assert!(daemon.stop(), "it leaves in order");
    let daemon = place.start();
    assert!(!place.data().join("initial-credentials.toml").exists());
    std::fs::rename(place.data().join("copy"), place.data().join("initial-credentials.toml")).unwrap();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.blocked.example"), Got::Blocked(17));
    assert_eq!(place.administrator(&daemon).get(path).await.ok()["total"], 1);
}

#[tokio::test]
async fn pages_beside_the_operations_answer_too() {
    let place = Place::new();
    let daemon = place.start();
    let root = daemon.api.trim_end_matches("/restapi");
    let text = |path: &'static str| {
        let request = http().get(format!("{root}{path}"));
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    assert_eq!(text("/healthz").await, "ok\n");
    let document: serde_json::Value = serde_json::from_str(&text("/restapi/openapi.json").await).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    ask(daemon.udp, "127.0.0.1", "malware.weir.test");
    assert!(text("/metrics").await.contains("weir_"), "Prometheus text");
}
