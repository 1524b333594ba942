//! Devices, their configuration and the key they enrol with.

use super::harness::{As, House, id};
use crate::model::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_device_is_moved_and_gets_the_policy_of_where_it_is() {
    let house = House::new().await;
    let people = house.people().await;
    let policy = house.policy_that_blocks("games.example").await;
    let location = json!({ "name": "Dublin", "policyid": policy });
    let location = id(&house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok());
    let path = format!("/users/{}/devices", house.one);
    let one = format!("{path}/{}", people.laptop);
    let before = house.get(As::One, &one).await.ok();
    assert_eq!(
        (before["object"].clone(), before["user"].clone(), before["policyname"].clone(), before["location"].clone()),
        (json!("device"), json!("ann@example.local"), json!("Default"), Value::Null)
    );
    assert_eq!(before["last_contact"], "2026-01-18 11:37:35");
    assert_eq!(house.supposed("device_id", people.laptop, "games.example").await, "allowed");
    let changed = house.post(As::One, &one, json!({ "name": "LAPTOP-2", "location_id": location })).await.ok();
    assert_eq!(
        (changed["name"].clone(), changed["location"].clone(), changed["policyid"].clone()),
        (json!("LAPTOP-2"), json!("Dublin"), json!(policy))
    );
    assert_eq!(house.supposed("device_id", people.laptop, "games.example").await, "blocked");
    for (query, total) in [
        (format!("policyid={policy}"), 1),
        ("policyid=default".to_owned(), 0),
        (format!("location_id={location}"), 1),
        ("offset=1".to_owned(), 1),
    ] {
        assert_eq!(house.get(As::One, &format!("{path}?{query}")).await.ok()["total"], total, "{query}");
    }
    let list = house.get(As::One, &path).await.ok();
    assert_eq!((list["object"].clone(), list["data"][0]["object"].clone()), (json!("list"), json!("device")));
    // A device sent back as it was read stays as it is.
    let device = format!("/devices/{}", people.laptop);
    house.post(As::One, &device, changed).await.ok();
    assert_eq!(house.store.find::<Device>(people.laptop).expect("is there").value.policy, None);
    let own = house.policy_that_blocks("own.example").await;
    assert_eq!(house.post(As::Msp, &device, json!({ "policyid": own })).await.ok()["policyid"], own);
    assert_eq!(house.supposed("device_id", people.laptop, "games.example").await, "allowed");
    assert_eq!(house.supposed("device_id", people.laptop, "own.example").await, "blocked");
    // What the rows say is in force is what decides.
    let user = format!("/users/{}/users/{}", house.one, people.ann);
    for policyid in [json!(policy), json!("default")] {
        house.post(As::One, &user, json!({ "policyid": policyid })).await.ok();
        let question = json!({ "client": "203.0.113.9", "name": "a.example", "device_id": people.laptop });
        let decided = house.post(As::One, "/explain", question).await.ok()["policy"].clone();
        assert_eq!(house.get(As::One, &device).await.ok()["policyid"], decided, "{policyid}");
    }
    let message = house.delete(As::One, &format!("/policies/{own}")).await.refused(409);
    assert_eq!(message, format!("The policy is in use by device {} (LAPTOP-2)", people.laptop));
    house.post(As::One, &device, json!({ "policyid": "default" })).await.ok();
    house.delete(As::One, &format!("/policies/{own}")).await.ok();
    house.delete(As::One, &format!("/locations/{location}")).await.ok();
    assert_eq!(house.get(As::One, &device).await.ok()["location_id"], Value::Null, "it belongs nowhere then");
    house.delete(As::One, &one).await.ok();
    house.get(As::One, &device).await.refused(404);
}

#[tokio::test]
async fn devices_are_listed_by_scope() {
    let house = House::new().await;
    let people = house.people().await;
    for (caller, query, total) in [
        (As::System, String::new(), 1),
        (As::System, format!("?msp_id={}", house.msp), 1),
        (As::System, format!("?msp_id={}", house.other_msp), 0),
        (As::Msp, format!("?user_id={}", house.one), 1),
        (As::Msp, format!("?user_id={}", house.two), 0),
        (As::OtherMsp, String::new(), 0),
        (As::One, String::new(), 1),
    ] {
        assert_eq!(house.get(caller, &format!("/devices{query}")).await.ok()["total"], total, "{caller:?} {query}");
    }
    let theirs = house.get(As::OtherMsp, &format!("/devices/{}", people.laptop)).await.refused(404);
    assert_eq!(theirs, house.get(As::OtherMsp, "/devices/2147483000").await.refused(404));
    house.get(As::Other, &format!("/users/{}/devices/{}", house.other, people.laptop)).await.refused(404);
    let question = json!({ "client": "203.0.113.9", "name": "a.example", "device_id": people.laptop });
    house.post(As::OtherMsp, "/explain", question).await.refused(404);
}

#[tokio::test]
async fn what_a_device_cannot_have_changes_nothing() {
    let house = House::new().await;
    let people = house.people().await;
    let path = format!("/devices/{}", people.laptop);
    let location = format!("/users/{}/locations/roaming", house.other);
    let location = id(&house.post(As::Other, &location, json!({ "name": "x" })).await.ok());
    let exception = id(&house.post(As::Other, "/deviceexceptions", json!({ "name": "x" })).await.ok());
    let before = house.get(As::One, &path).await.ok();
    for (body, message) in [
        (json!({ "name": "" }), "name: must not be empty"),
        (json!({ "name": "n", "location_id": location }), "location_id: the customer has no such location"),
        (
            json!({ "name": "n", "device_exception_id": exception }),
            "device_exception_id: the customer has no such device exception",
        ),
        (json!({ "name": "n", "policyid": 2147483000 }), "policyid: the customer has no such policy"),
        (json!({ "name": "n", "location_id": 0 }), "location_id: must be an id from 1 to 2147483647"),
    ] {
        assert_eq!(house.post(As::One, &path, body.clone()).await.refused(400), message);
        assert_eq!(house.post(As::System, &path, body).await.refused(400), message, "whoever asks");
    }
    assert_eq!(house.get(As::One, &path).await.ok(), before);
    house.post_if(As::One, &path, json!({ "name": "n" }), "\"1\"").await.refused(412);
}

#[tokio::test]
async fn a_new_enrolment_key_replaces_the_old_one() {
    let house = House::new().await;
    let path = format!("/users/{}/devices/otgkey", house.one);
    let before = house.get(As::One, &path).await.ok();
    assert_eq!(before["object"], "otgkey");
    let reset = house.post(As::One, &path, Value::Null).await.ok();
    assert_eq!(reset, json!({ "object": "otgkey", "code": 200, "reset": true }), "the new key is read back");
    let after = house.get(As::One, &path).await.ok();
    assert_ne!(before["key"], after["key"]);
    assert_eq!(house.get(As::Msp, &format!("/users/{}", house.one)).await.ok()["install_key"], after["key"]);
    house.post_if(As::One, &path, Value::Null, "\"1\"").await.refused(412);
    assert_eq!(house.get(As::One, &path).await.ok()["key"], after["key"]);
}

#[tokio::test]
async fn a_device_inherits_its_configuration_until_it_has_its_own() {
    let house = House::new().await;
    let people = house.people().await;
    let template = format!("/users/{}/devices/configuration/advanced", house.one);
    let device = format!("/users/{}/devices/{}", house.one, people.laptop);
    let own = format!("{device}/configuration/advanced");
    let shown = |device: Value| {
        let text = device["configuration"].as_str().expect("text");
        let document: Value = serde_json::from_str(text).expect("JSON");
        (document, device["configuration_inherited"] == true)
    };
    let answer = house.get(As::One, &template).await;
    let tag = answer.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(
        answer.ok(),
        json!({ "object": "deviceconfiguration_advanced", "code": 200, "configuration": { "filter": [] } })
    );
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (json!({ "filter": [] }), true));
    let one = json!({ "filter": [{ "type": "value" }] });
    let changed = house.post_if(As::One, &template, json!({ "configuration": one.to_string() }), &tag).await.ok();
    assert_eq!(changed["configuration"], one, "text in, an object out");
    house.post_if(As::One, &template, json!({ "configuration": {} }), &tag).await.refused(412);
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (one.clone(), true));
    let two = json!({ "filter": [], "log": { "level": 2 } });
    let changed = house.post(As::One, &own, json!({ "configuration": two })).await.ok();
    assert_eq!(
        (changed["object"].clone(), changed["configuration"].clone()),
        (json!("deviceconfiguration_advanced"), two.clone())
    );
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (two.clone(), false));
    for bad in [json!("{'filter:{'type':'value'}}"), json!("[]"), json!([1]), json!(7), json!("x".repeat(9000))] {
        for path in [&template, &own] {
            let message = house.post(As::One, path, json!({ "configuration": bad })).await.refused(400);
            assert!(message.starts_with("configuration: must "), "{message}");
        }
    }
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (two, false));
    let reset = house.delete(As::One, &own).await.ok();
    assert_eq!(reset, json!({ "object": "deviceconfiguration_advanced", "code": 200, "reset": true }));
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (one, true));
    house.delete(As::One, &template).await.ok();
    assert_eq!(shown(house.get(As::One, &device).await.ok()), (json!({ "filter": [] }), true));
    house.delete(As::Other, &template).await.refused(404);
}

#[tokio::test]
async fn new_devices_get_a_policy_and_an_exception() {
    let house = House::new().await;
    let path = format!("/users/{}/devices/configuration/default", house.one);
    let none = json!({ "object": "deviceconfiguration", "code": 200, "policy_id": null, "device_exception_id": null });
    assert_eq!(house.get(As::One, &path).await.ok(), none);
    let policy = house.policy_that_blocks("a.example").await;
    let exception = id(&house.post(As::One, "/deviceexceptions", json!({ "name": "Branch" })).await.ok());
    let changed = house.post(As::One, &path, json!({ "policy_id": policy.to_string() })).await.ok();
    assert_eq!((changed["policy_id"].clone(), changed["device_exception_id"].clone()), (json!(policy), Value::Null));
    house.post(As::One, &path, json!({ "device_exception_id": exception })).await.ok();
    let both = house.get(As::One, &path).await.ok();
    assert_eq!((both["policy_id"].clone(), both["device_exception_id"].clone()), (json!(policy), json!(exception)));
    assert_eq!(house.get(As::One, &format!("/deviceexceptions/{exception}")).await.ok()["default"], true);
    let message = house.delete(As::One, &format!("/policies/{policy}")).await.refused(409);
    assert_eq!(message, "The policy is in use by the configuration of new devices");
    house.delete(As::One, &format!("/deviceexceptions/{exception}")).await.refused(409);
    let message = house.post(As::One, &path, json!({ "policy_id": 2147483000 })).await.refused(400);
    assert_eq!(message, "policy_id: the customer has no such policy");
    house.post(As::One, &path, json!({ "policy_id": null, "device_exception_id": null })).await.ok();
    assert_eq!(house.get(As::One, &path).await.ok(), none);
    house.delete(As::One, &format!("/policies/{policy}")).await.ok();
    house.delete(As::One, &format!("/deviceexceptions/{exception}")).await.ok();
}
