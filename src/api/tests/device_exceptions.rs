//! Device exceptions and their rules.

use super::harness::{As, House, id};
use crate::model::*;
use serde_json::{Value, json};

#[tokio::test]
async fn an_exception_holds_rules_and_goes_when_no_device_uses_it() {
    let house = House::new().await;
    let people = house.people().await;
    let body = json!({ "name": "Branch bypass", "description": "local names" });
    let made = house.post(As::Msp, &format!("/deviceexceptions?user_id={}", house.one), body).await.ok();
    assert_eq!(
        (made["object"].clone(), made["rules"].clone(), made["devices"].clone(), made["default"].clone()),
        (json!("device_exception"), json!(0), json!(0), json!(false))
    );
    let one = format!("/deviceexceptions/{}", id(&made));
    let rules = format!("{one}/rules");
    let rule = json!({
        "description": "printer zone", "domain": "Corp.Example", "ip": "192.0.2.32", "resolver": "198.51.100.32",
        "device_exception_rule_type_id": "1",
    });
    let rule = house.post(As::One, &rules, rule).await.ok();
    assert_eq!(
        (rule["object"].clone(), rule["domain"].clone(), rule["rule_type"].clone(), rule["resolver"].clone()),
        (json!("device_exception_rule"), json!("corp.example"), json!("ByPass OTG"), json!("198.51.100.32"))
    );
    house.post(As::One, &format!("/devices/{}", people.laptop), json!({ "device_exception_id": id(&made) })).await.ok();
    let shown = house.get(As::One, &one).await.ok();
    assert_eq!((shown["rules"].clone(), shown["devices"].clone()), (json!(1), json!(1)));
    let device = house.get(As::One, &format!("/devices/{}", people.laptop)).await.ok();
    assert_eq!(device["device_exception"], "Branch bypass");
    let message = house.delete(As::One, &one).await.refused(409);
    assert_eq!(message, format!("The device exception is in use by device {} (LAPTOP-1)", people.laptop));
    house.post(As::One, &format!("/devices/{}", people.laptop), json!({ "device_exception_id": null })).await.ok();
    let changed = house.post(As::One, &one, json!({ "name": "Branch" })).await.ok();
    assert_eq!((changed["name"].clone(), changed["description"].clone()), (json!("Branch"), json!("local names")));
    house.delete(As::One, &one).await.ok();
    assert_eq!(house.store.count_all::<DeviceExceptionRule>(), 0, "its rules go with it");
    house.get(As::One, &rules).await.refused(404);
}

#[tokio::test]
async fn rules_are_checked_whole_and_changed_field_by_field() {
    let house = House::new().await;
    let one = id(&house.post(As::One, "/deviceexceptions", json!({ "name": "e" })).await.ok());
    let rules = format!("/deviceexceptions/{one}/rules");
    for (body, message) in [
        (json!({}), "domain: is required where there is no ip"),
        (json!({ "domain": "a..b" }), "domain: the name has an empty label"),
        (json!({ "ip": "0.0.0.0" }), "ip: must be the address of one host"),
        (json!({ "ip": "10.0.0.0/8" }), "ip: must be an IP address"),
        (
            json!({ "domain": "a.example", "device_exception_rule_type_id": 2 }),
            "resolver: is required for rules of type 2",
        ),
        (
            json!({ "domain": "a.example", "device_exception_rule_type_id": 3 }),
            "device_exception_rule_type_id: must be a whole number from 1 to 2",
        ),
    ] {
        assert_eq!(house.post(As::One, &rules, body).await.refused(400), message);
    }
    assert_eq!(house.get(As::One, &rules).await.ok()["total"], 0);
    let made = house.post(As::One, &rules, json!({ "domain": "corp.example" })).await.ok();
    assert_eq!((made["ip"].clone(), made["device_exception_rule_type_id"].clone()), (Value::Null, json!(1)));
    let rule = format!("{rules}/{}", id(&made));
    house.post(As::One, &rule, json!({ "domain": null })).await.refused(400);
    let body = json!({ "resolver": "2001:db8::53", "device_exception_rule_type_id": 2 });
    let changed = house.post(As::One, &rule, body).await.ok();
    assert_eq!(
        (changed["domain"].clone(), changed["rule_type"].clone()),
        (json!("corp.example"), json!("Use Resolver"))
    );
    house.post(As::One, &rule, json!({ "resolver": null })).await.refused(400);
    house.post_if(As::One, &rule, json!({ "description": "x" }), "\"1\"").await.refused(412);
    let list = house.get(As::One, &format!("{rules}?limit=1")).await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["resolver"].clone()), (json!(1), json!("2001:db8::53")));
    let second = id(&house.post(As::One, "/deviceexceptions", json!({ "name": "f" })).await.ok());
    house.get(As::One, &format!("/deviceexceptions/{second}/rules/{}", id(&made))).await.refused(404);
    house.get(As::Other, &rule).await.refused(404);
    let deleted = house.delete(As::One, &rule).await.ok();
    assert_eq!(
        (deleted["object"].clone(), deleted["deleted"].clone(), id(&deleted)),
        (json!("device_exception_rule"), json!(true), id(&made))
    );
    house.get(As::One, &rule).await.refused(404);
}

#[tokio::test]
async fn exceptions_belong_to_customers() {
    let house = House::new().await;
    let message = house.post(As::Msp, "/deviceexceptions", json!({ "name": "e" })).await.refused(400);
    assert_eq!(message, "user_id: is required: device exceptions belong to customers");
    assert_eq!(house.post(As::One, "/deviceexceptions", json!({})).await.refused(400), "name: is required");
    house.post(As::One, "/deviceexceptions", json!({ "name": "e" })).await.ok();
    house.post(As::Other, "/deviceexceptions", json!({ "name": "e" })).await.ok();
    for (caller, query, total) in [
        (As::One, String::new(), 1),
        (As::Msp, String::new(), 1),
        (As::System, String::new(), 2),
        (As::System, "?limit=1&offset=1".to_owned(), 2),
        (As::Msp, format!("?user_id={}", house.two), 0),
    ] {
        let list = house.get(caller, &format!("/deviceexceptions{query}")).await.ok();
        assert_eq!(
            (list["object"].clone(), list["total"].clone()),
            (json!("list"), json!(total)),
            "{caller:?} {query}"
        );
    }
}
