//! Power cuts: nothing acknowledged is lost.

use crate::{
    client::Answer,
    daemon::Place,
    dns::{Got, ask},
};
use serde_json::json;
use std::{collections::HashSet, time::Duration};

/// Rounds unless `WEIR_KILL_ROUNDS` says otherwise.
const ROUNDS: usize = 5;

#[tokio::test]
async fn every_acknowledged_write_is_there_after_a_kill() {
    let rounds = std::env::var("WEIR_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let place = Place::new();
    let mut acknowledged: HashSet<String> = HashSet::new();
    let mut number = 0;
    for round in 0..rounds {
        let mut daemon = place.start();
        let admin = place.administrator(&daemon);
        let list = admin.get("/policies/default/domains/block?user_id=1&limit=1000000").await.ok();
        let stored: HashSet<String> =
            list["data"].as_array().unwrap().iter().map(|row| row["domain"].as_str().unwrap().to_owned()).collect();
        let lost: Vec<&String> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        if let Some(name) = acknowledged.iter().next() {
            assert_eq!(ask(daemon.udp, "127.0.0.1", name), Got::Blocked(17), "and it filters");
        }
        // The moment of the kill: 0 to 400 ms after the writes begin.
        let life = Duration::from_millis((round as u64 * 7919) % 400);
        let deadline = tokio::time::Instant::now() + life;
        loop {
            number += 1;
            let name = format!("n{number}.example");
            let write = admin.post("/policies/default/domains/block?user_id=1", json!({ "domain": name }));
            match tokio::time::timeout_at(deadline, write).await {
                Ok(Answer { status: 200, .. }) => acknowledged.insert(name),
                Ok(answer) => panic!("{answer:?}"),
                Err(_) => break,
            };
        }
        daemon.kill();
    }
    assert!(!acknowledged.is_empty());
}
