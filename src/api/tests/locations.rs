//! Locations and their addresses.

use super::harness::{As, House, id};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_static_location_brings_its_addresses_and_its_policy() {
    let house = House::new().await;
    let path = format!("/users/{}/locations/staticip", house.one);
    let policy = json!({ "name": "strict", "description": "" });
    let policy = id(&house.post(As::One, "/policies", policy).await.ok());
    let body =
        json!({ "name": "Main", "ip": "203.0.113.45, 203.0.113.64/26 2001:db8::1/48", "policyid": policy.to_string() });
    let made = house.post(As::One, &path, body).await.ok();
    let addresses: Vec<&str> =
        made["addresses"].as_array().expect("rows").iter().filter_map(|a| a["ip"].as_str()).collect();
    assert_eq!(addresses, ["203.0.113.45", "203.0.113.64/26", "2001:db8::/48"]);
    assert_eq!(
        (made["type"].clone(), made["policy_id"].clone(), made["customer_name"].clone()),
        (json!("staticip"), json!(policy), json!("one"))
    );
    let entries = format!("/policies/{policy}/domains/block");
    house.post(As::One, &entries, json!({ "domain": "a.example" })).await.ok();
    assert_eq!(house.verdict("203.0.113.70", "a.example").await, "Blocked");
    assert_eq!(house.verdict("2001:db8::77", "a.example").await, "Blocked");
    assert_eq!(house.verdict("203.0.113.46", "a.example").await, "Refused");
    let one = format!("{path}/{}", id(&made));
    let changed = house.post(As::One, &one, json!({ "policyid": "null", "name": "Head" })).await.ok();
    assert_eq!((changed["name"].clone(), changed["policy_name"].clone()), (json!("Head"), json!("Default")));
    assert_eq!(house.verdict("203.0.113.70", "a.example").await, "Allowed");
    let message = house.post(As::One, &one, json!({ "ip": "203.0.113.46" })).await.refused(409);
    assert_eq!(message, "ip: the location has several addresses; change them one by one");
    house.get(As::One, &one.replace("staticip", "roaming")).await.refused(404);
    house.get(As::One, &format!("/users/{}/locations/{}", house.one, id(&made))).await.ok();
    house.delete(As::One, &one).await.ok();
    assert_eq!(house.verdict("203.0.113.70", "a.example").await, "Refused");
}

#[tokio::test]
async fn every_kind_has_its_fields() {
    let house = House::new().await;
    let path = format!("/users/{}/locations", house.one);
    for (kind, body, field) in [
        ("dynamicip", json!({ "name": "d" }), "key"),
        ("dynamicdns", json!({ "name": "n", "hostname": "branch.example" }), "hostname"),
        ("roaming", json!({ "name": "r" }), "tag"),
        ("virtual", json!({ "name": "v", "tag": "floor-2" }), "tag"),
    ] {
        let made = house.post(As::One, &format!("{path}/{kind}"), body).await.ok();
        assert!(made[field].is_string(), "{kind}: {made}");
        let list = house.get(As::One, &format!("{path}/{kind}")).await.ok();
        assert_eq!(list["total"], 1, "{kind}");
    }
    assert_eq!(
        house.post(As::One, &format!("{path}/dynamicdns"), json!({ "name": "x" })).await.refused(400),
        "hostname: is required"
    );
    assert_eq!(
        house.post(As::One, &format!("{path}/staticip"), json!({ "name": "r" })).await.refused(409),
        "name: this name is taken"
    );
    assert_eq!(house.get(As::Msp, "/locations/all").await.ok()["total"], 4);
    assert_eq!(house.get(As::OtherMsp, "/locations/all").await.ok()["total"], 0);
    let body = json!({ "user_id": house.one, "locationtype": "staticip", "name": "s" });
    let made = house.post(As::Msp, "/locations", body.clone()).await.ok();
    house.post(As::OtherMsp, "/locations", body).await.refused(404);
    house.get(As::OtherMsp, &format!("/locations/{}", id(&made))).await.refused(404);
}

#[tokio::test]
async fn ranges_of_two_tenants_do_not_overlap_unless_one_caller_answers_for_both() {
    let house = House::new().await;
    let make = |caller: As, customer: u32, name: &'static str, ip: &'static str| {
        let body = json!({ "name": name, "ip": ip, "user_id": customer, "locationtype": "staticip" });
        let house = &house;
        async move { house.post(caller, "/locations", body).await }
    };
    make(As::One, house.one, "a", "203.0.113.0/24").await.ok();
    for (caller, customer) in [(As::Other, house.other), (As::OtherMsp, house.other)] {
        for ip in ["203.0.113.0/24", "203.0.113.7", "203.0.0.0/16"] {
            let message = make(caller, customer, "b", ip).await.refused(409);
            assert_eq!(message, format!("ip: {ip} overlaps a range of another customer"));
        }
    }
    make(As::Msp, house.two, "c", "203.0.113.128/25").await.ok();
    make(As::System, house.other, "d", "203.0.113.7").await.ok();
    make(As::System, house.other, "e", "203.0.113.0/24").await.refused(409);
    make(As::One, house.one, "f", "203.0.113.32/27").await.ok();
    let message = make(As::One, house.one, "g", "203.0.113.0/24").await.refused(409);
    assert_eq!(message, "ip: the customer has 203.0.113.0/24 already");
}

#[tokio::test]
async fn two_callers_that_take_one_range_at_once_do_not_both_get_it() {
    let house = House::new().await;
    for round in 0..10 {
        let body = |customer: u32| json!({ "name": format!("n{round}"), "ip": format!("198.51.100.{round}"), "user_id": customer, "locationtype": "staticip" });
        let (one, other) = tokio::join!(
            house.post(As::One, "/locations", body(house.one)),
            house.post(As::Other, "/locations", body(house.other))
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[tokio::test]
async fn addresses_are_added_changed_and_deleted_one_by_one() {
    let house = House::new().await;
    let location = json!({ "name": "l", "user_id": house.one, "locationtype": "staticip" });
    let location = id(&house.post(As::Msp, "/locations", location).await.ok());
    let below = format!("/users/{}/locations/{location}/addresses", house.one);
    let made = house.post(As::One, &below, json!({ "ip": "203.0.113.45/24", "description": "Public Ip" })).await.ok();
    assert_eq!((made["object"].clone(), made["ip"].clone()), (json!("address"), json!("203.0.113.0/24")));
    let alias = format!("/users/{}/locations/staticip/{location}/addresses/{}", house.one, id(&made));
    assert_eq!(house.get(As::One, &alias).await.ok()["description"], "Public Ip");
    let second = json!({ "locationid": location, "ip": "198.51.100.1", "description": "" });
    let second = house.post(As::Msp, "/locationaddresses", second).await.ok();
    let changed =
        house.post(As::Msp, &format!("/locationaddresses/{}", id(&second)), json!({ "ip": "198.51.100.2" })).await.ok();
    assert_eq!(changed["ip"], "198.51.100.2");
    assert_eq!(house.verdict("198.51.100.2", "www.example.com").await, "Allowed");
    assert_eq!(house.verdict("198.51.100.1", "www.example.com").await, "Refused");
    let list = house.get(As::One, &format!("/locationaddresses?locationid={location}&offset=1")).await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(1), json!(2)));
    house.get(As::OtherMsp, &format!("/locationaddresses?locationid={location}")).await.refused(404);
    house.delete(As::One, &format!("{below}/{}", id(&second))).await.ok();
    assert_eq!(house.get(As::One, &below).await.ok()["total"], 1);
    let roaming =
        id(&house.post(As::One, &format!("/users/{}/locations/roaming", house.one), json!({ "name": "r" })).await.ok());
    house
        .post(
            As::One,
            &format!("/users/{}/locations/{roaming}/addresses", house.one),
            json!({ "ip": "198.51.100.9", "description": "" }),
        )
        .await
        .refused(409);
}

#[tokio::test]
async fn a_dynamic_address_follows_whoever_has_the_key() {
    let house = House::new().await;
    let location =
        house.post(As::One, &format!("/users/{}/locations/dynamicip", house.one), json!({ "name": "d" })).await.ok();
    assert_eq!((location["ip"].clone(), location["accesstime"].clone()), (Value::Null, Value::Null));
    let url = format!("/locations/update/{}", location["key"].as_str().expect("a key"));
    let told = house.get(As::Nobody, &format!("{url}?ip=203.0.113.9")).await.ok();
    assert_eq!((told["ip"].clone(), told.get("name")), (json!("203.0.113.9"), None));
    assert_eq!(house.verdict("203.0.113.9", "www.example.com").await, "Allowed");
    house.call(As::Nobody, Method::POST, &url, json!({ "ip": "203.0.113.10" })).await.ok();
    assert_eq!(house.verdict("203.0.113.9", "www.example.com").await, "Refused");
    assert_eq!(house.verdict("203.0.113.10", "www.example.com").await, "Allowed");
    let other = json!({ "name": "o", "ip": "203.0.113.11" });
    house.post(As::Other, &format!("/users/{}/locations/staticip", house.other), other).await.ok();
    house.get(As::Nobody, &format!("{url}?ip=203.0.113.11")).await.refused(409);
    house.get(As::Nobody, "/locations/update/00000000000000000000000000000000").await.refused(404);
    house.post(As::System, &format!("/users/{}/suspend", house.one), Value::Null).await.ok();
    house.get(As::Nobody, &format!("{url}?ip=203.0.113.12")).await.refused(403);
}

#[tokio::test]
async fn test_tools_stay_within_the_callers_reach() {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    let question = json!({ "domain": "https://malware.weir.test/x", "ip": "203.0.113.1" });
    let answer = house.post(As::Msp, "/test/filtering", question.clone()).await.ok();
    assert_eq!((answer["result"].clone(), answer["success"].clone()), (json!("Blocked"), json!(true)));
    assert!(!answer["category"].as_array().expect("an array").is_empty());
    house.post(As::Other, "/test/filtering", question).await.refused(404);
    let categories = house.post(As::One, "/test/categories", json!({ "domain": "malware.weir.test" })).await.ok();
    assert!(!categories["categories"].as_array().expect("an array").is_empty());
    let lookup = house.get(As::One, "/test/dnslookup?domain=www.example.com").await.ok();
    assert_eq!((lookup["success"].clone(), lookup["output"].clone()), (json!(true), json!(";; www.example.com")));
    let question = json!({ "client": "203.0.113.1", "name": "malware.weir.test", "type": "AAAA" });
    let answer = house.post(As::One, "/explain", question.clone()).await.ok();
    assert_eq!((answer["object"].clone(), answer["verdict"].clone()), (json!("explanation"), json!("blocked")));
    house.post(As::Other, "/explain", question).await.refused(404);
}
