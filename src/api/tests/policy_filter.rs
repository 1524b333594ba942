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
        (json!({ "mode": "normal", "pause": 604_801 }), "pause: must be a whole number from 0 to 604800"),
        (json!({ "mode": "normal", "pause": "soon" }), "pause: must be a whole number from 0 to 604800"),
        (json!({ "mode": "normal", "lists": [9] }), "lists[0]: there is no such list"),
        (json!({ "mode": "normal", "lists": 9 }), "lists: must be a list"),
        (json!({ "mode": "normal", "services": ["tiktok"] }), "services[0]: must be an object"),
        (
            json!({ "mode": "normal", "resolving": { "client_subnet": "truncated" } }),
            "resolving.client_subnet: must be an object",
        ),
        (json!({ "mode": "normal", "answers": { "strip_ech": "on" } }), "answers.strip_ech: must be true or false"),
        (
            json!({ "mode": "normal", "words": [{ "kind": "regex", "text": "a", "action": "block", "note": "" }] }),
            "words[0].note: is not a field here; there are: kind, text, action",
        ),
        (
            json!({ "mode": "normal", "words": [{ "kind": "regex", "text": "a(b", "action": "block" }] }),
            "words[0].text: this is no regular expression that can be used: unclosed group",
        ),
        (
            json!({ "mode": "normal", "words": [{ "kind": "regex", "text": "m\u{fc}nchen", "action": "block" }] }),
            "words[0].text: names are compared in their ASCII form: write xn--mnchen-3ya for m\u{fc}nchen",
        ),
        (
            json!({ "mode": "normal", "detectors": { "look_alike": "block" } }),
            "detectors.protected: must have at least one name for look_alike to compare with",
        ),
        (
            json!({ "mode": "normal", "words": [{ "kind": "keyword", "text": "a!", "action": "block" }] }),
            "words[0].text: must have 3 to 63 letters, digits, hyphens, underscores and dots",
        ),
        (
            json!({ "mode": "normal", "answers": { "blocked_networks": ["192.0.2.0/24", "192.0.2.9/24"] } }),
            "answers.blocked_networks[1]: stands there twice",
        ),
        (
            json!({ "mode": "normal", "answers": { "rebinding_allowed": ["."] } }),
            "answers.rebinding_allowed[0]: must not be the root",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, body).await.refused(400), expected);
    }
    assert_eq!(house.get(As::One, &path).await.ok()["mode"], "permissive");
    let of_other = format!("/policies/{}/filter", house.get(As::System, "/defaultpolicy").await.ok()["id"]);
    house.get(As::One, &of_other).await.refused(404);
}

#[tokio::test]
async fn what_if_tells_what_a_change_would_newly_block_and_allow_and_changes_nothing() {
    let (house, path) = house().await;
    let policy = path.trim_end_matches("/filter").to_owned();
    let block = json!({ "domain": "blocked.test", "subdomains": true });
    house.post(As::One, &format!("{policy}/domains/block"), block).await.ok();
    let trial = json!({
        "names": ["www.blocked.test", "casino.test", "plain.test", "malware.weir.test"],
        "filter": { "words": [{ "kind": "keyword", "text": "casino", "action": "block" }] },
        "entries": [{ "domain": "www.blocked.test", "action": "allow" }],
    });
    let told = house.post(As::One, &format!("{policy}/what-if"), trial.clone()).await.ok();
    assert_eq!((told["source"].clone(), told["tried"].clone()), (json!("posted"), json!(4)));
    let names = |kind: &str| -> Vec<_> {
        told[kind]["rows"].as_array().expect("rows").iter().map(|row| row["name"].clone()).collect()
    };
    assert_eq!(names("newly_blocked"), ["casino.test"]);
    assert_eq!(told["newly_blocked"]["rows"][0]["after"]["step"], 4);
    assert_eq!(names("newly_allowed"), ["www.blocked.test"]);
    assert_eq!(house.verdict(CLIENT, "casino.test").await, "Allowed", "nothing was changed");
    assert_eq!(house.verdict(CLIENT, "www.blocked.test").await, "Blocked");

    let elsewhere = format!("/policies/{}/what-if", house.get(As::System, "/defaultpolicy").await.ok()["id"]);
    house.post(As::One, &elsewhere, trial).await.refused(404);
    let needs = house.post(As::System, &elsewhere, json!({ "level": "H" })).await.refused(400);
    assert_eq!(needs, "names: is required: queries are logged for customers' policies only");
}

#[tokio::test]
async fn sections_take_text_for_numbers_and_flags() {
    let (house, path) = house().await;
    let spans = json!([{ "days": ["monday"], "from": "08:00", "to": "09:00" }]);
    let body = json!({
        "pause": "60",
        "answers": { "strip_ech": "true", "inspect": 0 },
        "detectors": { "newly_seen_hours": "48" },
        "schedules": [{ "name": "a", "enabled": "false", "spans": spans, "effect": "categories", "categories": ["3"],
            "action": "block" }],
    });
    let shown = house.post(As::One, &path, body).await.ok();
    assert!(shown["paused_until"].is_string());
    assert_eq!((&shown["answers"]["strip_ech"], &shown["answers"]["inspect"]), (&json!(true), &json!(false)));
    assert_eq!(shown["detectors"]["newly_seen_hours"], 48);
    assert_eq!((&shown["schedules"][0]["enabled"], &shown["schedules"][0]["categories"]), (&json!(false), &json!([3])));
}

#[tokio::test]
async fn what_if_tries_entries_with_all_below_detectors_and_rules_that_deny() {
    let (house, path) = house().await;
    let policy = path.trim_end_matches("/filter").to_owned();
    let made = house.post(As::One, "/lists", json!({ "name": "rules" })).await.ok();
    let list = super::harness::id(&made);
    let form = json!({ "file": "||denied.test^$dnsrewrite=NXDOMAIN\n||other.test^$dnsrewrite=192.0.2.1\n" });
    house.post(As::One, &format!("/lists/{list}/upload"), form).await.ok();
    let trial = json!({
        "names": ["www.entry.test", "examp1ebank.com", "denied.test", "other.test", "plain.test"],
        "filter": { "lists": [list], "detectors": { "look_alike": "block", "protected": ["examplebank.com"] } },
        "entries": [{ "domain": "entry.test", "action": "block" }],
    });
    let told = house.post(As::One, &format!("{policy}/what-if"), trial).await.ok();
    let names = |kind: &str| -> Vec<_> {
        told[kind]["rows"].as_array().expect("rows").iter().map(|row| row["name"].clone()).collect()
    };
    assert_eq!(names("newly_blocked"), ["denied.test", "examp1ebank.com", "www.entry.test"], "{told}");
    assert_eq!(names("otherwise"), ["other.test"], "{told}");
    let reason = told["newly_blocked"]["rows"][0]["after"]["reason"].as_str().unwrap_or_default();
    assert!(reason.ends_with(&format!(": subscribed list {list}")), "{reason}");
}

#[tokio::test]
async fn schedules_are_read_as_they_are_shown_and_count_from_the_next_query() {
    let (house, path) = house().await;
    let always = json!([{ "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        "from": "00:00", "to": "24:00" }]);
    let schedules = json!([
        { "name": "exam", "enabled": true, "zone": "Europe/Dublin", "spans": always, "effect": "mode", "mode": "allow_only" },
        { "name": "off", "enabled": false, "zone": null, "spans": always, "effect": "pause" },
        { "name": "c", "enabled": true, "zone": null, "spans": always, "effect": "categories", "categories": [3],
          "action": "block" },
    ]);
    let shown = house.post(As::One, &path, json!({ "schedules": schedules })).await.ok();
    assert_eq!((shown["schedules"].clone(), shown["own"].clone()), (schedules, json!(["schedules"])));
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Blocked");
    house.post(As::One, &path, json!({ "pause": 3600 })).await.ok();
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Allowed", "a pause ends every rule of the policy");
    house.post(As::One, &path, json!({ "pause": 0, "schedules": null })).await.ok();
    assert_eq!(house.verdict(CLIENT, "anything.test").await, "Allowed");

    let hours = json!([{ "days": ["monday"], "from": "08:00", "to": "09:00" }]);
    for (schedule, expected) in [
        (json!({ "name": "a", "spans": hours, "effect": "mode" }), "schedules[0].mode: is required"),
        (
            json!({ "name": "a", "spans": hours, "effect": "pause", "zone": "Here" }),
            "schedules[0].zone: must be an IANA time zone such as Europe/London",
        ),
        (
            json!({ "name": "a", "spans": [{ "days": ["monday"], "from": "8", "to": "09:00" }], "effect": "pause" }),
            "schedules[0].spans[0].from: must be a time of day as HH:MM",
        ),
        (
            json!({ "name": "a", "spans": hours, "effect": "lists", "lists": [9] }),
            "schedules[0].lists[0]: there is no such list",
        ),
        (
            json!({ "name": "a", "spans": hours, "effect": "categories", "categories": [60], "action": "block" }),
            "schedules[0].categories[0]: there is no such category",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, json!({ "schedules": [schedule] })).await.refused(400), expected);
    }
}

#[tokio::test]
async fn detectors_are_off_until_a_policy_sets_them() {
    let (house, path) = house().await;
    let off = json!({ "newly_seen": "off", "newly_seen_hours": 24, "look_alike": "off", "protected": [],
        "generated": "off", "tunnelling": "off" });
    assert_eq!(house.get(As::One, &path).await.ok()["detectors"], off);
    let body = json!({ "detectors": { "look_alike": "block", "protected": ["examplebank.test", "bücher.example"] } });
    let shown = house.post(As::One, &path, body).await.ok();
    assert_eq!(shown["detectors"]["protected"], json!(["examplebank.test", "xn--bcher-kva.example"]));
    for (detectors, expected) in [
        (json!({ "newly_seen_hours": 0 }), "detectors.newly_seen_hours: must be 1 to 720"),
        (json!({ "protected": ["co.uk"] }), "detectors.protected[0]: is nobody's own name"),
        (json!({ "generated": "maybe" }), "detectors.generated: must be one of: off log warn block"),
    ] {
        assert_eq!(house.post(As::One, &path, json!({ "detectors": detectors })).await.refused(400), expected);
    }
}

#[tokio::test]
async fn what_answers_are_searched_for_is_one_section_with_defaults() {
    let (house, path) = house().await;
    let defaults = json!({ "inspect": true, "action": "block", "blocked_networks": [], "rebinding_protection": true,
        "rebinding_allowed": [], "strip_ech": false });
    assert_eq!(house.get(As::One, &path).await.ok()["answers"], defaults);
    let section = json!({ "action": "remove", "blocked_networks": ["192.0.2.9/24", "2001:db8::1"],
        "rebinding_allowed": ["Plex.Direct."], "strip_ech": true });
    let shown = house.post(As::One, &path, json!({ "answers": section })).await.ok();
    let expected = json!({ "inspect": true, "action": "remove", "blocked_networks": ["192.0.2.0/24", "2001:db8::1"],
        "rebinding_protection": true, "rebinding_allowed": ["plex.direct"], "strip_ech": true });
    assert_eq!((shown["answers"].clone(), shown["own"].clone()), (expected, json!(["answers"])));
    let shown = house.post(As::One, &path, json!({ "answers": null })).await.ok();
    assert_eq!((shown["answers"].clone(), shown["own"].clone()), (defaults, json!([])));
}
