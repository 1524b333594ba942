//! What policies do beyond lists and categories.

use super::harness::{As, House};
use serde_json::json;

const CLIENT: &str = "203.0.113.1";

/// A house where customer `one` has a network, and the path of its default policy's filter.
async fn house() -> (House, String) {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    let path = format!("/users/{}/policies/default/filter", house.one);
    (house, path)
}

#[tokio::test]
async fn a_mode_counts_from_the_next_query_and_null_gives_it_back_to_the_policy_above() {
    let (house, path) = house().await;
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Allowed");
    let shown = house.post(As::One, &path, json!({ "mode": "allow_only" })).await.ok();
    assert_eq!((shown["mode"].clone(), shown["own"].clone()), (json!("allow_only"), json!(["mode"])));
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Blocked");
    house.post(As::One, &path, json!({ "mode": null })).await.ok();
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Allowed");

    let above = house.get(As::System, "/defaultpolicy").await.ok()["id"].clone();
    house.post(As::System, &format!("/policies/{above}/filter"), json!({ "mode": "allow_only" })).await.ok();
    let shown = house.get(As::One, &path).await.ok();
    assert_eq!((shown["mode"].clone(), shown["own"].clone()), (json!("allow_only"), json!([])));
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Blocked");
    house.post(As::One, &path, json!({ "mode": "normal" })).await.ok();
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Allowed", "the nearest wins");
}

#[tokio::test]
async fn words_block_and_allow_wherever_they_stand_in_a_name() {
    let (house, path) = house().await;
    let words = json!([
        { "kind": "keyword", "text": "Casino", "action": "block" },
        { "kind": "regex", "text": "^ad[0-9]+\\.", "action": "block" },
        { "kind": "keyword", "text": "casino-history", "action": "allow" },
    ]);
    house.post(As::One, &path, json!({ "words": words })).await.ok();
    for (name, verdict) in [
        ("best-casino.test", "Blocked"),
        ("casino-history.test", "Allowed"),
        ("ad7.example.test", "Blocked"),
        ("bad7.example.test", "Allowed"),
    ] {
        assert_eq!(house.verdict(CLIENT, name).await, verdict, "{name}");
    }
    let back = json!({ "words": [{ "kind": "regex", "text": "(?=x)", "action": "block" }] });
    assert!(house.post(As::One, &path, back).await.refused(400).starts_with("words[0].text: this is no regular"));
}

#[tokio::test]
async fn bad_sections_are_named_and_change_nothing() {
    let (house, path) = house().await;
    house.post(As::One, &path, json!({ "mode": "permissive" })).await.ok();
    for (body, expected) in [
        (json!({ "mode": "odd" }), "mode: must be one of: normal allow_only permissive"),
        (json!({ "mode": "normal", "pause": 604_801 }), "pause: must be at most 604800 seconds"),
        (json!({ "mode": "normal", "lists": [9] }), "lists[0]: there is no such list"),
        (
            json!({ "mode": "normal", "words": [{ "kind": "keyword", "text": "a!", "action": "block" }] }),
            "words[0].text: must have 3 to 63 letters, digits, hyphens, underscores and dots",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, body).await.refused(400), expected);
    }
    assert_eq!(house.get(As::One, &path).await.ok()["mode"], "permissive");
    let of_other = format!("/policies/{}/filter", house.get(As::System, "/defaultpolicy").await.ok()["id"]);
    house.get(As::One, &of_other).await.refused(404);
}
