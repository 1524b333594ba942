//! Policies and their categories, and what they do to queries.

use super::harness::{As, House, id};
use crate::category::Catalogue;
use serde_json::{Value, json};

const CLIENT: &str = "203.0.113.1";

/// A house where customer `one` has a network.
async fn house() -> House {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    house
}

fn category(name: &str) -> u8 {
    Catalogue::get().by_name(name).expect("is in the catalogue").id.number()
}

#[tokio::test]
async fn a_default_policy_inherits_live_from_msp_and_system() {
    let house = house().await;
    let default = format!("/users/{}/policies/default", house.one);
    assert_eq!(house.get(As::One, &default).await.ok()["level"], "M");
    house.post(As::System, "/defaultpolicy", json!({ "level": "H", "safesearch": "on" })).await.ok();
    let shown = house.get(As::One, &default).await.ok();
    assert_eq!((shown["level"].clone(), shown["safesearch"].clone()), (json!("H"), json!("ON")));
    let msp = house.post(As::Msp, "/defaultpolicy", json!({ "level": "L" })).await.ok();
    assert_eq!((msp["belongs_to_msp"].clone(), msp["level"].clone()), (json!(true), json!("L")));
    assert_eq!(house.get(As::One, &default).await.ok()["level"], "L");
    house.post(As::One, &default, json!({ "level": "M" })).await.ok();
    house.post(As::Msp, "/defaultpolicy", json!({ "level": "H" })).await.ok();
    assert_eq!(house.get(As::One, &default).await.ok()["level"], "M", "what is set below stands");
    assert_eq!(house.get(As::System, "/defaultpolicy").await.ok()["level"], "H");
}

#[tokio::test]
async fn one_category_makes_the_level_custom_and_keeps_the_former_preset() {
    let house = house().await;
    let default = format!("/users/{}/policies/default", house.one);
    house.post(As::One, &default, json!({ "level": "M" })).await.ok();
    let malware = format!("{default}/categories/{}", category("Spyware and Malicious Sites"));
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Blocked");
    let set = house.post(As::One, &malware, json!({ "allowed": true, "notify": "1" })).await.ok();
    assert_eq!((set["allowed"].clone(), set["notify"].clone()), (json!(true), json!(true)));
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Allowed", "the next query sees it");
    assert_eq!(house.get(As::One, &default).await.ok()["level"], "C");
    let list = house.get(As::One, &format!("{default}/categories?limit=100")).await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(53), json!(53)));
    let blocked =
        |list: &Value| list["data"].as_array().expect("rows").iter().filter(|row| row["allowed"] == false).count();
    let preset = Catalogue::get().preset(crate::model::Level::M).iter().count();
    assert_eq!(blocked(&list), preset - 1);
    house.post(As::Msp, "/defaultpolicy", json!({ "level": "L" })).await.ok();
    assert_eq!(blocked(&house.get(As::One, &format!("{default}/categories")).await.ok()), preset - 1);
    house.post(As::One, &default, json!({ "level": "L" })).await.ok();
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Blocked", "a preset forgets single categories");
    assert_eq!(house.get(As::One, &malware).await.ok()["notify"], true, "but not their notifications");
}

#[tokio::test]
async fn categories_are_set_all_at_once_or_as_listed() {
    let house = house().await;
    let path = format!("/users/{}/policies/default/categories", house.one);
    let all = house.post(As::One, &path, json!({ "allowed": false })).await.ok();
    assert!(all["data"].as_array().expect("rows").iter().all(|row| row["allowed"] == false));
    for body in [
        json!({ "categories": [{ "id": 15, "allowed": true }, { "id": "0", "notify": true }] }),
        json!([{ "id": 15, "allowed": true }, { "id": 0, "notify": true }]),
    ] {
        let list = house.post(As::One, &path, body).await.ok();
        let allowed: Vec<u32> =
            list["data"].as_array().expect("rows").iter().filter(|row| row["allowed"] == true).map(id).collect();
        assert_eq!(allowed, [15]);
        assert_eq!(list["data"][0]["notify"], true);
    }
    assert_eq!(
        house.post(As::One, &path, json!({})).await.refused(400),
        "allowed: is required, or notify, or categories"
    );
    assert_eq!(
        house.post(As::One, &path, json!({ "categories": [{ "id": 40 }] })).await.refused(400),
        "categories[0].id: no such category"
    );
    assert_eq!(
        house.post(As::One, &path, json!({ "categories": [{ "id": 1, "allowed": "x" }] })).await.refused(400),
        "categories[0].allowed: must be true or false"
    );
    house.get(As::One, &format!("{path}/40")).await.refused(404);
    house.get(As::One, &format!("{path}/99")).await.refused(404);
    let alias = house.post(As::Msp, "/categories/15", json!({ "allowed": false })).await.ok();
    assert_eq!((id(&alias), alias["allowed"].clone()), (15, json!(false)));
}

#[tokio::test]
async fn a_policy_is_made_changed_and_deleted() {
    let house = house().await;
    let path = format!("/users/{}/policies", house.one);
    let body = json!({ "name": "School", "description": "d", "level": "H", "allowunclassified": "0" });
    let made = house.post(As::One, &path, body.clone()).await.ok();
    assert_eq!(
        (made["level"].clone(), made["allowunclassified"].clone(), made["is_default"].clone()),
        (json!("H"), json!(false), json!(false))
    );
    assert_eq!(house.post(As::One, &path, body).await.refused(409), "name: this name is taken");
    assert_eq!(
        house.post(As::One, &path, json!({ "name": "x", "description": "", "level": "C" })).await.refused(400),
        "level: must be one of: L M H"
    );
    let list = house.get(As::One, &path).await.ok();
    assert_eq!((list["total"].clone(), id(&list["data"][0])), (json!(1), id(&made)), "without the default policy");
    let one = format!("/policies/{}", id(&made));
    let changed =
        house.post(As::Msp, &one, json!({ "name": "Schools", "inherit_default_block_list": true })).await.ok();
    assert_eq!(
        (changed["name"].clone(), changed["level"].clone(), changed["inherit_default_block_list"].clone()),
        (json!("Schools"), json!("H"), json!(true))
    );
    house.get(As::OtherMsp, &one).await.refused(404);
    house.delete(As::One, &one).await.ok();
    house.get(As::One, &one).await.refused(404);
    let default = format!("{path}/default");
    assert_eq!(house.delete(As::One, &default).await.refused(409), "The default policy cannot be deleted");
    let id_of_default = id(&house.get(As::One, &default).await.ok());
    house.delete(As::One, &format!("/policies/{id_of_default}")).await.refused(409);
}

#[tokio::test]
async fn a_policy_in_use_cannot_be_deleted() {
    let house = house().await;
    let path = format!("/users/{}/policies", house.one);
    let policy = id(&house.post(As::One, &path, json!({ "name": "p", "description": "" })).await.ok());
    let location = json!({ "name": "Annex", "policyid": policy, "ip": "198.51.100.0/24" });
    let location = house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    let message = house.delete(As::One, &format!("{path}/{policy}")).await.refused(409);
    assert_eq!(message, format!("The policy is in use by location {} (Annex)", id(&location)));
    let shown = house.get(As::One, &format!("{path}/{policy}")).await.ok();
    assert_eq!(
        (shown["locations"][0]["name"].clone(), shown["locations"][0]["addresses"][0]["ip"].clone()),
        (json!("Annex"), json!("198.51.100.0/24"))
    );
    house.post(As::One, &format!("/locations/{}", id(&location)), json!({ "policyid": null })).await.ok();
    house.delete(As::One, &format!("{path}/{policy}")).await.ok();
}

#[tokio::test]
async fn lists_of_policies_follow_the_scope() {
    let house = house().await;
    for customer in [house.one, house.two, house.other] {
        house
            .post(As::System, &format!("/policies?user_id={customer}"), json!({ "name": "p", "description": "" }))
            .await
            .ok();
    }
    for (caller, query, total) in [
        (As::System, "", 0),
        (As::System, "show_default=1", 1),
        (As::System, "include_children=true", 3),
        (As::Msp, "", 0),
        (As::Msp, "include_children=true", 2),
        (As::Msp, "include_children=true&show_default=true", 2 + 1 + 3),
        (As::One, "", 1),
        (As::One, "show_default=true", 2),
    ] {
        let list = house.get(caller, &format!("/policies?{query}")).await.ok();
        assert_eq!(list["total"], total, "{caller:?} {query}");
    }
    let body = json!({ "name": "q", "description": "" });
    let message = house.post(As::Msp, "/policies", body.clone()).await.refused(400);
    assert_eq!(message, "user_id: is required: policies are made for customers");
    house.post(As::One, "/policies", body.clone()).await.ok();
    let mut in_body = body;
    in_body["user_id"] = json!(house.two);
    house.post(As::Msp, "/policies", in_body).await.ok();
}
