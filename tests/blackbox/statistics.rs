//! Queries are asked, and found again in sums, history and files.

use crate::{
    client::id,
    daemon::{Place, until},
    dns::ask,
};
use serde_json::json;
use std::io::Read;

const NAMES: [&str; 4] = ["www.example.com", "www.example.com", "other.example", "malware.weir.test"];

/// The log is written once a second.
async fn counted(admin: &crate::client::Client) -> serde_json::Value {
    for _ in 0..60 {
        let stats = admin.get("/users/1/stats").await.ok();
        if stats["requests"] == NAMES.len() {
            return stats;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("the queries are not counted");
}

#[tokio::test]
async fn what_was_asked_is_counted_told_and_can_be_taken_away() {
    let place = Place::new();
    let daemon = place.start_with(&[("WEIR_QUERYLOG__ENABLED", "true"), ("TZ", "UTC")]);
    let admin = place.administrator(&daemon);
    for name in NAMES {
        ask(daemon.udp, "127.0.0.1", name);
    }
    let stats = counted(&admin).await;
    for (field, value) in [("allowed", 3), ("blocked", 1), ("unique_domains", 3), ("users", 1)] {
        assert_eq!(stats[field], value, "{field}: {stats}");
    }
    assert_eq!(stats["top_user"], "127.0.0.1");
    assert_eq!(admin.get("/stats").await.ok()["requests"], 4);
    let top = admin.get("/users/1/stats/domains/allowed?limit=1").await.ok();
    assert_eq!((top["data"][0]["name"].clone(), top["data"][0]["count"].clone()), ("www.example.com".into(), 2.into()));
    let blocked = admin.get(&format!("/users/1/history/blocked/{}", stats["date"].as_str().unwrap())).await.ok();
    let row = &blocked["data"][0];
    assert_eq!((row["url"].clone(), row["action"].clone()), ("malware.weir.test".into(), "blocked".into()));
    assert!(row["took_us"].is_u64(), "{row}");

    let user = admin.get("/users/1").await.ok();
    let uuid = user["uuid_str"].as_str().unwrap();
    let files = admin.get(&format!("/logs?prefix={uuid}")).await.ok();
    let file = files["data"][0].as_str().unwrap();
    let (content_type, octets) = admin.download(&format!("/logs/{file}")).await;
    assert_eq!(content_type, "application/gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*octets).read_to_string(&mut text).unwrap();
    assert!(text.contains("malware.weir.test") && text.ends_with("}\n"), "{text}");
    let day = file.rsplit_once('/').unwrap().0;
    let (_, octets) = admin.download(&format!("/logs/{day}")).await;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*octets));
    let members = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert!(members.collect::<Vec<_>>().contains(&file.rsplit_once('/').unwrap().1.to_owned()));
    let left = || {
        std::fs::read_dir(place.data()).unwrap().flatten().any(|e| e.file_name().to_string_lossy().starts_with("spool"))
    };
    until(|| (!left()).then_some(()));
}

#[tokio::test]
async fn without_a_log_everything_is_empty_and_nothing_fails() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    ask(daemon.udp, "127.0.0.1", "www.example.com");
    for path in ["/stats", "/users/1/stats"] {
        assert_eq!(admin.get(path).await.ok()["requests"], 0);
    }
    for path in ["/stats/users/allowed", "/users/1/stats/traffic/0", "/users/1/history/all?date=2026-01-01"] {
        assert_eq!(admin.get(path).await.ok()["count"], 0, "{path}");
    }
}

#[tokio::test]
async fn a_customer_finds_the_queries_of_its_places_and_nobody_elses() {
    let place = Place::new();
    let daemon = place.start_with(&[("WEIR_QUERYLOG__ENABLED", "true"), ("TZ", "UTC")]);
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let location = id(&key.get("/locations/staticip").await.ok()["data"][0]);
    for name in NAMES {
        ask(daemon.udp, "127.1.0.9", name);
    }
    ask(daemon.udp, "127.2.0.9", "foreign.example");
    let path = format!("/users/{one}/locations/{location}/stats");
    let mut stats = key.get(&path).await.ok();
    for _ in 0..120 {
        if stats["requests"] == NAMES.len() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        stats = key.get(&path).await.ok();
    }
    assert_eq!((&stats["allowed"], &stats["blocked"]), (&json!(3), &json!(1)), "{stats}");
    let top = key.get(&format!("{path}/categories/blocked")).await.ok();
    assert_eq!(top["data"][0]["name"], "Spyware and Malicious Sites");
    let day = stats["date"].as_str().unwrap();
    let of_msp = msp.get(&format!("/msps/{msp_id}/stats?date={day}")).await.ok();
    assert_eq!((&of_msp["allowed"], &of_msp["malware_blocked"]), (&json!(3), &json!(1)), "{of_msp}");
    let top = msp.get("/stats/users/allowed").await.ok();
    assert_eq!((&top["count"], &top["data"][0]["name"]), (&json!(1), &json!("one")), "{top}");
    let history = key.get(&format!("/users/{one}/history/all/{day}?q=malware")).await.ok();
    assert_eq!((history["count"].clone(), history["data"][0]["url"].clone()), (json!(1), json!("malware.weir.test")));
    other.get(&format!("/users/{one}/history/all/{day}")).await.refused(404);
    other.get(&path).await.refused(404);
    key.get("/stats").await.refused(403);
    let files = key.get("/logs").await.ok();
    assert_eq!(files["data"].as_array().unwrap().len(), 1, "{files}");
    let file = files["data"][0].as_str().unwrap();
    let (_, octets) = key.download(&format!("/logs/{file}")).await;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*octets).read_to_string(&mut text).unwrap();
    assert!(text.contains("malware.weir.test") && !text.contains("foreign.example"), "{text}");
    other.get(&format!("/logs/{file}")).await.refused(404);
    let uuid = msp.get(&format!("/users/{one}")).await.ok()["uuid_str"].as_str().unwrap().to_owned();
    other.get(&format!("/logs/{uuid}/{day}")).await.refused(404);
}
