//! Search engines and services: what is known, and what a policy makes of it.

use super::harness::{As, House};
use serde_json::{Value, json};

const CLIENT: &str = "203.0.113.1";

async fn house() -> (House, String) {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    let path = format!("/users/{}/policies/default/filter", house.one);
    (house, path)
}

fn row<'a>(list: &'a Value, id: &str) -> &'a Value {
    list["data"].as_array().expect("rows").iter().find(|row| row["id"] == id).expect("a row of this id")
}

#[tokio::test]
async fn search_engines_and_services_are_listed_with_what_they_cover() {
    let (house, _) = house().await;
    let engines = house.get(As::One, "/safesearch").await.ok();
    let youtube = row(&engines, "youtube");
    assert_eq!(youtube["levels"], json!(["off", "moderate", "strict"]));
    assert_eq!(youtube["on"], "moderate");
    let google = row(&engines, "google");
    assert_eq!(google["targets"][0]["name"], "forcesafesearch.google.com");
    assert_eq!(google["hosts"].as_array().expect("hosts").len(), 388);
    assert_eq!(row(&engines, "yahoo")["targets"], json!([]));

    let services = house.get(As::One, "/services").await.ok();
    assert!(services["count"].as_u64().expect("a count") > 200);
    let qq = row(&services, "qq");
    assert_eq!(qq["group"], "streaming");
    let covers = qq["covers"].as_array().expect("names");
    assert!(covers.contains(&json!("qq.com")) && covers.contains(&json!("!wx.qq.com")), "{covers:?}");
    assert!(services["groups"].as_array().expect("groups").iter().any(|group| group["id"] == "ai"));
}

#[tokio::test]
async fn services_and_engines_of_a_policy_count_from_the_next_query() {
    let (house, path) = house().await;
    assert_eq!(house.verdict(CLIENT, "www.tiktok.com").await, "Allowed");
    let services = json!([
        { "service": "group:social_network", "action": "block" },
        { "service": "LinkedIn", "action": "allow" },
    ]);
    let shown = house.post(As::One, &path, json!({ "services": services })).await.ok();
    assert_eq!(shown["services"][1], json!({ "service": "linkedin", "action": "allow" }));
    assert_eq!(shown["own"], json!(["services"]));
    assert_eq!(house.verdict(CLIENT, "www.tiktok.com").await, "Blocked");
    assert_eq!(house.verdict(CLIENT, "www.linkedin.com").await, "Allowed");

    assert_eq!(house.verdict(CLIENT, "search.yahoo.com").await, "Allowed");
    let engines = json!([{ "engine": "yahoo", "level": "strict" }]);
    let shown = house.post(As::One, &path, json!({ "engines": engines })).await.ok();
    assert_eq!(shown["engines"], engines);
    assert_eq!(house.verdict(CLIENT, "search.yahoo.com").await, "Blocked");
    house.post(As::One, &path, json!({ "services": null, "engines": null })).await.ok();
    assert_eq!(house.verdict(CLIENT, "www.tiktok.com").await, "Allowed");
    assert_eq!(house.verdict(CLIENT, "search.yahoo.com").await, "Allowed");
}

#[tokio::test]
async fn ids_that_nothing_has_are_refused_by_name_with_their_field() {
    let (house, path) = house().await;
    for (change, field, says) in [
        (json!({ "services": [{ "service": "geocities", "action": "block" }] }), "services[0].service", "geocities"),
        (json!({ "services": [{ "service": "group:x", "action": "block" }] }), "services[0].service", "group:x"),
        (
            json!({ "services": [{ "service": "vk", "action": "block" }, { "service": "vk", "action": "allow" }] }),
            "services[1].service",
            "twice",
        ),
        (json!({ "engines": [{ "engine": "altavista", "level": "strict" }] }), "engines[0].engine", "altavista"),
    ] {
        let refused = house.post(As::One, &path, change).await.refused(400).to_string();
        assert!(refused.contains(field) && refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn the_check_of_filtered_hosts_tells_which_do_not_resolve() {
    let (house, _) = house().await;
    let checked = house.get(As::System, "/safesearch/check").await.ok();
    let of = |name: &str| {
        let rows = checked["data"].as_array().expect("rows");
        rows.iter().find(|row| row["name"] == name).cloned().expect("a host of this name")
    };
    let bing = of("strict.bing.com");
    assert_eq!((bing["resolves"].clone(), bing["fallback_current"].clone()), (json!(false), Value::Null));
    let google = of("forcesafesearch.google.com");
    assert_eq!((google["resolves"].clone(), google["fallback_current"].clone()), (json!(true), json!(true)));
    assert_eq!(of("restrictmoderate.youtube.com")["fallback_current"], false);
    assert_eq!(checked["google_domains"], Value::Null, "turned off");
    house.get(As::One, "/safesearch/check").await.refused(403);
}
