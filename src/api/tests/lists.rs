//! Subscribed lists.

use super::harness::{As, House, id};
use crate::api::Options;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

const CLIENT: &str = "203.0.113.1";

async fn house() -> House {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    house
}

async fn upload(house: &House, caller: As, path: &str, content_type: &str, body: &[u8]) -> super::harness::Answer {
    let request = Request::post(format!("/restapi{path}/upload")).header("host", "weir.test");
    let request = match caller {
        As::Nobody => request,
        _ => request.header("authorization", format!("Bearer {}", house.token(caller))),
    };
    let body = Full::new(Bytes::copy_from_slice(body));
    house.send(request.header("content-type", content_type).body(body).expect("a request")).await
}

async fn subscribe(house: &House, lists: Value) {
    let path = format!("/users/{}/policies/default/filter", house.one);
    house.post(As::One, &path, json!({ "lists": lists })).await.ok();
}

#[tokio::test]
async fn an_uploaded_list_decides_when_the_call_returns() {
    let house = house().await;
    let made = house.post(As::One, "/lists", json!({ "name": "ads" })).await.ok();
    assert_eq!((made["object"].as_str(), made["origin"].as_str()), (Some("subscribed_list"), Some("upload")));
    assert_eq!((made["level"].as_str(), made["state"].as_str()), (Some("customer"), Some("pending")));
    let path = format!("/lists/{}", id(&made));
    subscribe(&house, json!([id(&made)])).await;
    let text = b"# Title: Ads\n0.0.0.0 ads.test\n0.0.0.0 ads.test\n0.0.0.0 not..a.name\n";
    let status = upload(&house, As::One, &path, "text/plain", text).await.ok();
    assert_eq!((status["state"].as_str(), status["serving"].as_bool()), (Some("current"), Some(true)), "{status}");
    let report = &status["report"];
    assert_eq!((&report["rules"], &report["duplicates"], &report["invalid"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(report["invalid_samples"][0]["line"], 4);
    assert_eq!(house.verdict(CLIENT, "ads.test").await, "Blocked");
    assert_eq!(house.verdict(CLIENT, "www.test").await, "Allowed");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"0.0.0.0 new.test\n").expect("packs");
    let octets = packed.finish().expect("packs");
    upload(&house, As::One, &path, "application/gzip", &octets).await.ok();
    assert_eq!(
        (house.verdict(CLIENT, "ads.test").await, house.verdict(CLIENT, "new.test").await),
        ("Allowed".into(), "Blocked".into())
    );
    let refused = upload(&house, As::One, &path, "application/octet-stream", b"<!DOCTYPE html><html>").await;
    assert!(!refused.refused(422).is_empty());
    assert_eq!(house.verdict(CLIENT, "new.test").await, "Blocked", "the last good copy");
    let disabled = house.post(As::One, &path, json!({ "enabled": false })).await.ok();
    assert_eq!(disabled["state"], "disabled");
    assert_eq!(house.verdict(CLIENT, "new.test").await, "Allowed");
}

#[tokio::test]
async fn rules_are_shown_as_they_are_written_to_those_who_see_the_list() {
    let house = house().await;
    let made = house.post(As::One, "/lists", json!({ "name": "ads" })).await.ok();
    let path = format!("/lists/{}", id(&made));
    let rules = format!("{path}/rules");
    let empty = house.get(As::One, &rules).await.ok();
    assert_eq!((&empty["total"], &empty["complete"]), (&json!(0), &json!(true)), "{empty}");
    let text = b"! Title: Ads\n||ads.test^\n@@||good.ads.test^$important\n||ads.*^$dnstype=A # some\n||other.test^\n";
    upload(&house, As::One, &path, "text/plain", text).await.ok();
    let found = house.get(As::One, &format!("{rules}?search=x.good.ads.test")).await.ok();
    assert_eq!((&found["object"], &found["count"], &found["total"]), (&json!("list"), &json!(3), &json!(3)));
    assert_eq!((&found["complete"], &found["lines"]), (&json!(true), &json!(4)));
    let expected = json!([
        { "object": "list_rule", "line": 2, "text": "||ads.test^" },
        { "object": "list_rule", "line": 3, "text": "@@||good.ads.test^$important" },
        { "object": "list_rule", "line": 4, "text": "||ads.*^$dnstype=A # some" },
    ]);
    assert_eq!(found["data"], expected);
    let page = house.get(As::One, &format!("{rules}?search=TEST&offset=1&limit=1")).await.ok();
    assert_eq!((&page["data"], &page["complete"]), (&json!([expected[1]]), &json!(false)));
    house.get(As::Msp, &format!("/users/{}{rules}", house.one)).await.ok();
    house.get(As::Other, &rules).await.refused(404);
    house.get(As::OtherMsp, &format!("/users/{}{rules}", house.one)).await.refused(404);
    house.get(As::One, &format!("{rules}?search={}", "x".repeat(254))).await.refused(400);
}

#[tokio::test]
async fn a_list_that_loses_most_of_its_rules_waits_to_be_confirmed() {
    let house = house().await;
    let made = house.post(As::One, "/lists", json!({ "name": "ads" })).await.ok();
    let path = format!("/lists/{}", id(&made));
    subscribe(&house, json!([id(&made)])).await;
    let many: String = (0..100).map(|number| format!("0.0.0.0 a{number}.test\n")).collect();
    upload(&house, As::One, &path, "text/plain", many.as_bytes()).await.ok();
    let held = upload(&house, As::One, &path, "text/plain", b"0.0.0.0 b.test\n").await.ok();
    assert_eq!(
        (held["state"].as_str(), &held["rules"], &held["held"]["rules"]),
        (Some("held"), &json!(100), &json!(1))
    );
    assert_eq!(house.verdict(CLIENT, "a7.test").await, "Blocked");
    house.post(As::One, &format!("{path}/refresh?confirm=true"), Value::Null).await.ok();
    for _ in 0..500 {
        if house.get(As::One, &format!("{path}/status")).await.ok()["rules"] == 1
            && house.verdict(CLIENT, "b.test").await == "Blocked"
        {
            assert_eq!(house.verdict(CLIENT, "a7.test").await, "Allowed");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it was never taken");
}

#[tokio::test]
async fn lists_are_seen_by_their_own_account_and_offered_to_those_below() {
    let house = house().await;
    let system = id(&house.post(As::System, "/lists", json!({ "name": "of all" })).await.ok());
    let msp =
        house.post(As::Msp, "/lists", json!({ "name": "of msp", "url": "https://lists.example/a?token=t" })).await;
    let msp = id(&msp.ok());
    let other = house.post(As::System, "/lists?user_id=".to_owned().as_str(), json!({ "name": "x" })).await;
    assert_ne!(other.status, 200);
    let other = id(&house.post(As::Other, "/lists", json!({ "name": "of other" })).await.ok());
    let one = house.post(As::Msp, &format!("/users/{}/lists", house.one), json!({ "name": "of one" })).await.ok();
    for hidden in [system, msp, other] {
        for path in [
            format!("/lists/{hidden}"),
            format!("/lists/{hidden}/status"),
            format!("/lists/{hidden}/rules?search=a.test"),
            format!("/users/{}/lists/{hidden}", house.one),
        ] {
            house.get(As::One, &path).await.refused(404);
        }
        house.delete(As::One, &format!("/lists/{hidden}")).await.refused(404);
        house.post(As::One, &format!("/lists/{hidden}/refresh"), Value::Null).await.refused(404);
        upload(&house, As::One, &format!("/lists/{hidden}"), "text/plain", b"a.test\n").await.refused(404);
    }
    let available = house.get(As::One, "/lists/available").await.ok();
    let mut names: Vec<&str> =
        available["data"].as_array().expect("rows").iter().filter_map(|row| row["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["of all", "of msp", "of one"]);
    let offered =
        available["data"].as_array().expect("rows").iter().find(|row| row["name"] == "of msp").expect("there");
    assert_eq!(offered["url"], Value::Null, "addresses may hold secrets");
    let filter = format!("/users/{}/policies/default/filter", house.one);
    assert!(house.post(As::One, &filter, json!({ "lists": [other] })).await.refused(400).starts_with("lists[0]"));
    house.post(As::One, &filter, json!({ "lists": [system, msp, id(&one)] })).await.ok();
    assert_eq!(house.get(As::Msp, &format!("/msps/{}/lists", house.msp)).await.ok()["total"], 1);
    house.get(As::OtherMsp, &format!("/msps/{}/lists", house.msp)).await.refused(404);
    let taken = house.post(As::One, "/lists", json!({ "name": "of one" })).await;
    assert_eq!(taken.refused(409), "name: this name is taken");
}

#[tokio::test]
async fn a_list_that_policies_subscribe_to_goes_by_force_only() {
    let house = house().await;
    let list = id(&house.post(As::System, "/lists", json!({ "name": "ads" })).await.ok());
    subscribe(&house, json!([list])).await;
    let refused = house.delete(As::System, &format!("/lists/{list}")).await.refused(409);
    assert!(refused.starts_with("1 policies subscribe"), "{refused}");
    house.delete(As::System, &format!("/lists/{list}?force=true")).await.ok();
    let filter = house.get(As::One, &format!("/users/{}/policies/default/filter", house.one)).await.ok();
    assert_eq!(filter["lists"], json!([]));
}

#[tokio::test]
async fn addresses_that_nothing_is_fetched_from_are_refused_at_once() {
    let house = house().await;
    for (caller, body, field) in [
        (As::One, json!({ "url": "http://lists.example/a" }), "url"),
        (As::One, json!({ "url": "https://127.0.0.1/a" }), "url"),
        (As::One, json!({ "url": "https://[::ffff:10.0.0.1]/a" }), "url"),
        (As::One, json!({ "url": "https://lists.example:22/a" }), "url"),
        (As::One, json!({ "url": "https://user:secret@lists.example/a" }), "url"),
        (As::System, json!({ "url": "file:///etc/passwd" }), "url"),
        (As::System, json!({ "file": "../secret.key" }), "file"),
        (As::System, json!({ "origin": "url" }), "url"),
        (As::One, json!({ "server": "127.0.0.1", "zone": "rpz.test" }), "server"),
        (As::One, json!({ "server": "192.0.0.300", "zone": "rpz.test" }), "server"),
        (As::One, json!({ "server": "8.8.8.8" }), "zone"),
        (As::One, json!({ "server": "8.8.8.8", "zone": "rpz.test", "key_name": "hmac-sha256:k" }), "key_secret"),
        (As::One, json!({ "refresh_s": 10 }), "refresh_s"),
        (As::One, json!({ "syntax": "klingon" }), "syntax"),
    ] {
        let mut body = body;
        body["name"] = json!("l");
        let message = house.post(caller, "/lists", body.clone()).await.refused(400);
        assert!(message.starts_with(field), "{body}: {message}");
    }
    house.post(As::One, "/lists", json!({ "name": "l", "file": "a" })).await.refused(403);
    let made =
        house.post(As::One, "/lists", json!({ "name": "l", "url": "https://lists.example/a", "enabled": false })).await;
    let path = format!("/lists/{}", id(&made.ok()));
    house.post(As::One, &format!("{path}/refresh"), Value::Null).await.refused(409);
    upload(&house, As::One, &path, "text/plain", b"a.test\n").await.refused(409);
    let key = json!({ "server": "8.8.8.8", "zone": "RPZ.test", "key_name": "hmac-sha256:k", "key_secret": "c2VjcmV0" });
    let zone = house.call(As::One, Method::PUT, &path, key).await.ok();
    assert_eq!((zone["origin"].as_str(), zone["zone"].as_str()), (Some("transfer"), Some("rpz.test")));
    assert!(!zone.to_string().contains("c2VjcmV0"), "secrets are never shown");
}

#[tokio::test]
async fn what_if_decides_by_subscribed_lists_as_well() {
    let house = house().await;
    let made = house.post(As::One, "/lists", json!({ "name": "ads" })).await.ok();
    upload(&house, As::One, &format!("/lists/{}", id(&made)), "text/plain", b"0.0.0.0 ads.test\n").await.ok();
    let path = format!("/users/{}/policies/default/what-if", house.one);
    let trial = |lists: Value| json!({ "names": ["ads.test", "www.test"], "filter": { "lists": lists } });
    let told = house.post(As::One, &path, trial(json!([id(&made)]))).await.ok();
    assert_eq!((&told["newly_blocked"]["names"], &told["newly_allowed"]["names"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!(told["newly_blocked"]["rows"][0]["name"], "ads.test");
    assert_eq!(told["newly_blocked"]["rows"][0]["after"]["step"], 5);
    assert_eq!(house.verdict(CLIENT, "ads.test").await, "Allowed", "nothing was changed");
    subscribe(&house, json!([id(&made)])).await;
    let told = house.post(As::One, &path, trial(json!([]))).await.ok();
    assert_eq!((&told["newly_blocked"]["names"], &told["newly_allowed"]["names"]), (&json!(0), &json!(1)), "{told}");
}

#[tokio::test]
async fn an_upload_has_a_bound_of_its_own_and_leaves_nothing_behind() {
    let options = Options { body_octets_max: 2_000, upload_octets_max: 20_000, ..Options::default() };
    let house = House::with(options).await;
    let made = house.post(As::One, "/lists", json!({ "name": "ads" })).await.ok();
    let path = format!("/lists/{}", id(&made));
    let text: String = (0..600).map(|number| format!("0.0.0.0 a{number}.test\n")).collect();
    assert!(text.len() > 10_000 && text.len() < 20_000);
    let status = upload(&house, As::One, &path, "text/plain", text.as_bytes()).await.ok();
    assert_eq!(status["rules"], 600);
    let form = |text: &str| {
        let head = "Content-Disposition: form-data; name";
        format!(
            "--x\r\n{head}=\"confirm\"\r\n\r\ntrue\r\n--x\r\n{head}=\"file\"; filename=\"f\"\r\n\r\n{text}\r\n--x--\r\n"
        )
    };
    let multipart = "multipart/form-data; boundary=x";
    let small = &text[..text.len() / 4];
    let status = upload(&house, As::One, &path, multipart, form(small).as_bytes()).await.ok();
    assert_eq!((status["state"].as_str(), status["rules"].as_u64() < Some(300)), (Some("current"), true), "{status}");
    let large = text.repeat(2);
    for (content_type, body) in [("application/octet-stream", large.clone()), (multipart, form(&large))] {
        let refused = upload(&house, As::One, &path, content_type, body.as_bytes()).await.refused(413);
        assert_eq!(refused, "The file is larger than 20000 octets, which is all that [lists] upload_max allows");
        // Nobody is told that who may not send anything, and nothing is read of it.
        upload(&house, As::Nobody, &path, content_type, body.as_bytes()).await.refused(401);
    }
    let refused = house.post(As::One, &format!("{path}/upload"), json!({ "file": large })).await.refused(413);
    assert!(refused.contains("2000 octets"), "in memory: {refused}");
    for (content_type, body) in [("text/plain", String::new()), (multipart, "--x\r\nno form".to_owned())] {
        assert_eq!(upload(&house, As::One, &path, content_type, body.as_bytes()).await.status, 400);
    }
    let left: Vec<_> = std::fs::read_dir(house.folder().join("lists")).expect("a folder").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("upload-")), "{left:?}");
    assert_eq!(house.get(As::One, &format!("{path}/status")).await.ok()["progress"], Value::Null);
}

#[tokio::test]
async fn feeds_are_shown_to_the_system_and_refreshed_by_name() {
    let house = House::new().await;
    let all = house.get(As::System, "/feeds").await.ok();
    assert_eq!((all["count"].as_u64(), all["data"][0]["name"].as_str()), (Some(1), Some("names")));
    assert!(all["index"]["names"].as_u64() > Some(1_000), "{all}");
    let feed = house.get(As::System, "/feeds/names").await.ok();
    let said = (feed["state"].as_str(), feed["category"].as_str(), &feed["progress"]);
    assert_eq!(said, (Some("pending"), Some("gambling"), &Value::Null));
    let feed = house.post(As::System, "/feeds/names/refresh", Value::Null).await.ok();
    assert_eq!(feed["progress"]["doing"], "waiting");
    house.post(As::System, "/feeds/nothing/refresh", Value::Null).await.refused(404);
    house.get(As::Msp, "/feeds").await.refused(403);
}
