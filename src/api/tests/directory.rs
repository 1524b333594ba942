//! Groups and internal users.

use super::harness::{As, House, id};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_group_gives_its_policy_to_its_people() {
    let house = House::new().await;
    let people = house.people().await;
    let policy = house.policy_that_blocks("games.example").await;
    let path = format!("/users/{}/groups", house.one);
    let one = format!("{path}/{}", people.group);
    assert_eq!(house.supposed("internal_user_id", people.ann, "games.example").await, "allowed");
    let before = house.get(As::One, &one).await.ok();
    assert_eq!((before["policy_name"].clone(), before["users"].clone()), (json!("Default"), json!(1)));
    let changed = house.post(As::One, &one, json!({ "policyid": policy, "description": "all staff" })).await.ok();
    assert_eq!(
        (changed["object"].clone(), changed["policy_id"].clone(), changed["description"].clone()),
        (json!("group"), json!(policy), json!("all staff"))
    );
    assert_eq!(house.supposed("internal_user_id", people.ann, "games.example").await, "blocked");
    assert_eq!(house.supposed("internal_user_id", people.bob, "games.example").await, "allowed");
    assert_eq!(house.supposed("device_id", people.laptop, "games.example").await, "blocked", "the device of Ann");
    let ann = house.get(As::Msp, &format!("/users/{}/users/{}", house.one, people.ann)).await.ok();
    assert_eq!((ann["policyid"].clone(), ann["effective_group"].clone()), (json!(policy), json!("staff")));
    let message = house.delete(As::One, &format!("/policies/{policy}")).await.refused(409);
    assert_eq!(message, format!("The policy is in use by group {} (staff)", people.group));
    let list = house.get(As::One, &format!("{path}?limit=5")).await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["users"].clone()), (json!(1), json!(1)));
    assert_eq!(house.get(As::One, &format!("{path}?offset=1")).await.ok()["count"], 0);
    house.post(As::One, &one, json!({ "policyid": "default" })).await.ok();
    assert_eq!(house.supposed("internal_user_id", people.ann, "games.example").await, "allowed");
    house.delete(As::One, &format!("/policies/{policy}")).await.ok();
}

#[tokio::test]
async fn an_internal_users_own_policy_comes_first() {
    let house = House::new().await;
    let people = house.people().await;
    let (group, own) = (house.policy_that_blocks("a.example").await, house.policy_that_blocks("b.example").await);
    house
        .post(As::One, &format!("/users/{}/groups/{}", house.one, people.group), json!({ "policyid": group }))
        .await
        .ok();
    let path = format!("/users/{}/users", house.one);
    let ann = format!("{path}/{}", people.ann);
    let changed = house.call(As::One, Method::PUT, &ann, json!({ "policyid": own.to_string() })).await.ok();
    assert_eq!((changed["object"].clone(), changed["policyid"].clone()), (json!("internaluser"), json!(own)));
    assert_eq!(house.supposed("internal_user_id", people.ann, "a.example").await, "allowed");
    assert_eq!(house.supposed("internal_user_id", people.ann, "b.example").await, "blocked");
    let list = house.get(As::One, &format!("{path}?group_id={}", people.group)).await.ok();
    assert_eq!((list["total"].clone(), id(&list["data"][0])), (json!(1), people.ann));
    assert_eq!(house.get(As::One, &path).await.ok()["total"], 2);
    house.get(As::One, &format!("{path}?group_id=2147483000")).await.refused(404);
    // The customer's default policy, named by its id, is a policy like others.
    let default = id(&house.get(As::One, &format!("/users/{}/policies/default", house.one)).await.ok());
    house.post(As::One, &ann, json!({ "policyid": default })).await.ok();
    assert_eq!(house.supposed("internal_user_id", people.ann, "a.example").await, "allowed");
    house.post(As::One, &ann, json!({ "policyid": null })).await.ok();
    assert_eq!(house.supposed("internal_user_id", people.ann, "a.example").await, "blocked", "the group's again");
}

#[tokio::test]
async fn an_internal_user_goes_unless_the_system_made_it() {
    let house = House::new().await;
    let people = house.people().await;
    let path = format!("/users/{}/users", house.one);
    let message = house.delete(As::One, &format!("{path}/{}", people.bob)).await.refused(409);
    assert_eq!(message, "This internal user cannot be deleted");
    let device = format!("/devices/{}", people.laptop);
    assert_eq!(house.get(As::One, &device).await.ok()["user"], "ann@example.local");
    let deleted = house.delete(As::One, &format!("{path}/{}", people.ann)).await.ok();
    assert_eq!(deleted, json!({ "code": 200, "deleted": true, "id": people.ann }));
    let device = house.get(As::One, &device).await.ok();
    assert_eq!((device["user"].clone(), device["user_id"].clone()), (Value::Null, Value::Null));
    house.get(As::One, &format!("{path}/{}", people.ann)).await.refused(404);
    house.delete(As::Msp, &format!("/users/{}", house.one)).await.ok();
    assert_eq!(house.store.count_all::<crate::model::Device>(), 0, "all goes with the customer");
}

#[tokio::test]
async fn what_cannot_be_given_changes_nothing() {
    let house = House::new().await;
    let people = house.people().await;
    let foreign = json!({ "name": "p", "description": "" });
    let foreign = id(&house.post(As::Other, "/policies", foreign).await.ok());
    for kind in ["groups", "users"] {
        let row = if kind == "groups" { people.group } else { people.ann };
        let path = format!("/users/{}/{kind}/{row}", house.one);
        let answer = house.get(As::One, &path).await;
        let tag = answer.headers["etag"].to_str().expect("text").to_owned();
        let before = answer.ok();
        for (body, message) in [
            (json!({ "policyid": foreign, "description": "x" }), "policyid: the customer has no such policy"),
            (json!({ "policyid": "x" }), "policyid: must be a policy id or default"),
            (json!({ "description": "x".repeat(251) }), "description: must have at most 250 characters"),
        ] {
            assert_eq!(house.post(As::One, &path, body).await.refused(400), message, "{kind}");
        }
        assert_eq!(house.get(As::One, &path).await.ok(), before);
        house.post_if(As::One, &path, json!({ "description": "y" }), "\"1\"").await.refused(412);
        house.post_if(As::One, &path, json!({ "description": "y" }), &tag).await.ok();
        let theirs = house.get(As::Other, &path).await.refused(404);
        assert_eq!(theirs, house.get(As::Other, &format!("/users/2147483000/{kind}/{row}")).await.refused(404));
        let under_own = format!("/users/{}/{kind}", house.other);
        let theirs = house.get(As::Other, &format!("{under_own}/{row}")).await.refused(404);
        assert_eq!(theirs, house.get(As::Other, &format!("{under_own}/2147483000")).await.refused(404));
    }
}
