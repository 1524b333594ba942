//! Allow and block lists.

use super::harness::{As, House, id};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;

const CLIENT: &str = "203.0.113.1";

async fn house() -> House {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    house
}

#[tokio::test]
async fn an_entry_works_at_once_and_until_it_is_deleted() {
    let house = house().await;
    let path = format!("/users/{}/policies/default/domains/block", house.one);
    let made = house.post(As::One, &path, json!({ "domain": ".Blocked.Example.", "comment": "why" })).await.ok();
    assert_eq!(
        (made["object"].clone(), made["domain"].clone(), made["subdomains"].clone(), made["log_requests"].clone()),
        (json!("block"), json!("blocked.example"), json!(true), json!(true))
    );
    assert_eq!(house.verdict(CLIENT, "www.blocked.example").await, "Blocked");
    let one = format!("{path}/{}", id(&made));
    house.post(As::One, &one, json!({ "subdomains": "false" })).await.ok();
    assert_eq!(house.verdict(CLIENT, "www.blocked.example").await, "Allowed");
    assert_eq!(house.verdict(CLIENT, "blocked.example").await, "Blocked");
    let allow = one.replace("/block/", "/allow/");
    house.get(As::One, &allow).await.refused(404);
    assert_eq!(
        house.post(As::One, &path, json!({ "domain": "blocked.example" })).await.refused(409),
        "domain: the list has this domain already"
    );
    let list = house.get(As::One, &format!("/users/{}/domains/all", house.one)).await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["policyname"].clone()), (json!(1), json!("Default")));
    house.delete(As::One, &one).await.ok();
    assert_eq!(house.verdict(CLIENT, "blocked.example").await, "Allowed");
    house.delete(As::One, &one).await.refused(404);
}

#[tokio::test]
async fn an_entry_may_end_and_be_made_to_stay() {
    let house = house().await;
    let path = format!("/users/{}/policies/default/domains/block", house.one);
    let made = house.post(As::One, &path, json!({ "domain": "a.example", "expires": 3600 })).await.ok();
    assert!(made["expires"].as_str().is_some_and(|text| text.len() == 19), "{made}");
    assert_eq!(house.verdict(CLIENT, "a.example").await, "Blocked");
    let one = format!("{path}/{}", id(&made));
    let same = house.post(As::One, &one, json!({ "comment": "why" })).await.ok();
    assert_eq!(same["expires"], made["expires"], "what is not given stays");
    assert_eq!(house.post(As::One, &one, json!({ "expires": null })).await.ok()["expires"], json!(null));
    for (expires, message) in [
        (json!("2001-01-01T00:00:00Z"), "expires: must be ahead"),
        (json!("soon"), "expires: must be a number of seconds or a moment as 2026-01-31T09:00:00Z"),
    ] {
        assert_eq!(house.post(As::One, &one, json!({ "expires": expires })).await.refused(400), message);
    }
}

#[tokio::test]
async fn an_entry_that_has_ended_makes_room_for_a_new_one_at_once() {
    let house = house().await;
    let path = format!("/users/{}/policies/default/domains/block", house.one);
    let entry = json!({ "domain": "a.example", "expires": 60, "comment": "a minute" });
    let first = house.post(As::One, &path, entry.clone()).await.ok();
    let taken = "domain: the list has this domain already";
    assert_eq!(house.post(As::One, &path, entry).await.refused(409), taken);
    house.advance(61);
    let again = house.post(As::One, &path, json!({ "domain": "a.example", "subdomains": false })).await.ok();
    assert_eq!((id(&again), &again["expires"], &again["comment"]), (id(&first), &json!(null), &json!("")));
    assert_eq!(again["subdomains"], false);
    let list = house.get(As::One, &format!("/users/{}/domains/all", house.one)).await.ok();
    assert_eq!(list["total"], 1);
}

#[tokio::test]
async fn lists_decide_from_the_operator_down() {
    let house = house().await;
    house.post(As::System, "/blacklist", json!({ "domain": "a.example" })).await.ok();
    let default = format!("/policies/default/domains/allow?user_id={}", house.one);
    house.post(As::Msp, &default, json!({ "domain": "a.example" })).await.ok();
    assert_eq!(house.verdict(CLIENT, "a.example").await, "Blocked", "the system's list is ahead");
    house.post(As::Msp, "/policies/default/domains/block", json!({ "domain": "b.example" })).await.ok();
    house.post(As::One, "/policies/default/domains/allow", json!({ "domain": "b.example" })).await.ok();
    assert_eq!(house.verdict(CLIENT, "b.example").await, "Blocked", "then the MSP's");
    let list = house.get(As::Msp, "/domains/all").await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["domain"].clone()), (json!(1), json!("b.example")));
    house.get(As::One, "/domains/all").await.refused(403);
    let list = house.get(As::System, "/domains/block").await.ok();
    assert_eq!(list["total"], 1);
    let list = house.get(As::System, &format!("/policies/default/domains/all?msp_id={}", house.msp)).await.ok();
    assert_eq!(list["data"][0]["domain"], "b.example");
    let list = house.get(As::One, "/policies/default/domains/all?limit=1").await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(1), json!(2)));
}

#[tokio::test]
async fn domains_that_are_none_are_refused() {
    let house = house().await;
    for (domain, message) in [
        ("", "domain: the name is empty"),
        (".", "domain: the name is empty"),
        ("a..example", "domain: the name has an empty label"),
        ("http://a.example/", "domain: the name contains ':'"),
        ("192.0.2.1", "domain: this is an IP address, not a name"),
        (&"a23456789.".repeat(26), "domain: the name is 261 octets long; at most 255 are allowed"),
    ] {
        let answer = house.post(As::One, "/policies/default/domains/block", json!({ "domain": domain })).await;
        assert_eq!(answer.refused(400), message);
    }
    let made = house.post(As::One, "/policies/default/domains/block", json!({ "domain": "bücher.example" })).await.ok();
    assert_eq!(made["domain"], "xn--bcher-kva.example");
    house.get(As::One, "/policies/default/domains/neither").await.refused(400);
}

fn upload(house: &House, path: &str, csv: &str) -> Request<Full<Bytes>> {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csv\"; filename=\"list.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--b--\r\n"
    );
    Request::post(format!("/restapi{path}"))
        .header("host", "weir.test")
        .header("authorization", format!("Bearer {}", house.token(As::One)))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Full::new(Bytes::from(body)))
        .expect("a request")
}

#[tokio::test]
async fn an_import_takes_the_good_lines_and_reports_the_bad_ones() {
    let house = house().await;
    let path = format!("/users/{}/policies/default/domains/block/import", house.one);
    let csv = "domain,subdomains\na.example,1\nno domain,1\nb.example,0\n";
    let list = house.send(upload(&house, &path, csv)).await.ok();
    assert_eq!((list["object"].clone(), list["total"].clone()), (json!("list"), json!(2)));
    assert_eq!(list["errors"], json!([{ "line": 3, "error": "domain: the name contains ' '" }]));
    assert_eq!(house.verdict(CLIENT, "www.a.example").await, "Blocked");
    assert_eq!(house.verdict(CLIENT, "www.b.example").await, "Allowed");
    let again = house.send(upload(&house, &path, "b.example,1\nc.example\n")).await.ok();
    assert_eq!((again["total"].clone(), again["errors"][0]["line"].clone()), (json!(1), json!(1)));
    assert_eq!(house.verdict(CLIENT, "www.b.example").await, "Allowed", "what exists is left alone");
    house.send(upload(&house, &format!("{path}?overwrite=1"), "b.example,1\n")).await.ok();
    assert_eq!(house.verdict(CLIENT, "www.b.example").await, "Blocked");
    house.post(As::One, &path, json!({})).await.refused(400);
}

#[tokio::test]
async fn a_long_import_is_whole() {
    let house = house().await;
    let csv: String = (0..5000).map(|number| format!("n{number}.example\n")).collect();
    let list = house.send(upload(&house, "/policies/default/domains/block/import", &csv)).await.ok();
    assert_eq!((list["total"].clone(), list["count"].clone()), (json!(5000), json!(1000)));
    assert_eq!(house.verdict(CLIENT, "n4999.example").await, "Blocked");
    let list = house.get(As::One, "/policies/default/domains/block?offset=4990").await.ok();
    assert_eq!((list["total"].clone(), list["count"].clone()), (json!(5000), json!(10)));
}

#[tokio::test]
async fn the_global_import_takes_and_gives_bare_arrays() {
    let house = house().await;
    let body = json!([{ "domain": "a.example" }, { "domain": "x y" }, { "domain": "b.example", "subdomains": false }]);
    let list = house.post(As::System, "/domains/block/import", body).await.ok();
    let rows = list.as_array().expect("an array");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0]["object"].clone(), rows[0]["code"].clone(), rows[1]["subdomains"].clone()),
        (json!("block"), json!(200), json!(false))
    );
    assert_eq!(house.verdict(CLIENT, "www.a.example").await, "Blocked");
}
