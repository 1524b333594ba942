//! The audit trail as callers see it.

use super::harness::{As, House};
use crate::{
    model::{Account, CustomerId},
    store::{Actor, Batch, Incident},
};
use http::Method;
use serde_json::{Value, json};

async fn trail(house: &House, caller: As, path: &str) -> Vec<Value> {
    let reply = house.call(caller, Method::GET, path, Value::Null).await.ok();
    assert_eq!(reply["count"], reply["data"].as_array().map_or(0, Vec::len));
    reply["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_change_is_told_with_who_when_from_where_and_what_it_was_before() {
    let house = House::new().await;
    let path = format!("/users/{}", house.one);
    house.call(As::Msp, Method::POST, &path, json!({ "description": "new", "password": "hunter22" })).await.ok();
    let entry = trail(&house, As::Msp, "/audit?operation=update_user&limit=1").await.remove(0);
    assert_eq!(entry["operation"], "update_user");
    assert_eq!((&entry["actor"]["kind"], &entry["actor"]["email"]), (&json!("admin"), &json!("Msp@weir.test")));
    assert_eq!(entry["address"], "127.0.0.1");
    let changes = entry["changes"].as_array().expect("a list");
    let customer = changes.iter().find(|change| change["kind"] == "customer").expect("the customer");
    assert_eq!(
        (&customer["before"], &customer["after"]),
        (&json!({"description": ""}), &json!({"description": "new"}))
    );
    let admin = changes.iter().find(|change| change["kind"] == "admin").expect("its administrator");
    assert_eq!(admin["after"], json!({ "password_hash": "(secret)" }));
    // The customer learns that the provider did it, but not who there, nor from where.
    let entry = trail(&house, As::One, "/audit?operation=update_user&limit=1").await.remove(0);
    assert_eq!(entry["actor"], json!({ "kind": "msp", "id": null, "email": null }));
    assert_eq!(entry["address"], Value::Null);
    let kinds: Vec<&Value> =
        entry["changes"].as_array().expect("a list").iter().map(|change| &change["kind"]).collect();
    assert!(kinds.contains(&&json!("customer")), "the account's own row is told of: {kinds:?}");
}

#[tokio::test]
async fn what_one_call_does_not_reach_the_next_one_does() {
    let house = House::new().await;
    let path = format!("/users/{}", house.one);
    for text in ["first", "second", "third"] {
        house.call(As::Msp, Method::POST, &path, json!({ "description": text })).await.ok();
    }
    for _ in 0..450 {
        let incident = Incident { account: Account::System, subject: String::new(), detail: String::new() };
        let batch = Batch::new(Actor::Daemon, "other", crate::api::system_clock()).note(incident);
        house.store.commit(batch).await.expect("commits");
    }
    let mut calls = Vec::new();
    let mut told = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/audit?operation=update_user&limit=2{next}");
        let page = house.call(As::Msp, Method::GET, &path, Value::Null).await.ok();
        for entry in page["data"].as_array().expect("a list") {
            let changes = entry["changes"].as_array().expect("a list");
            let customer = changes.iter().find(|change| change["kind"] == "customer").expect("the customer");
            told.push(customer["after"]["description"].as_str().expect("text").to_owned());
        }
        calls.push((page["count"].clone(), page["complete"].clone()));
        match page["next"].as_u64() {
            None => break,
            Some(revision) => next = format!("&before={revision}"),
        }
        assert!(calls.len() < 10, "{calls:?}");
    }
    assert_eq!(told, ["third", "second", "first"]);
    assert_eq!(calls[0], (json!(0), json!(false)), "the newest entries are others");
    assert_eq!(calls.last(), Some(&(json!(1), json!(true))));
    house.call(As::System, Method::GET, "/audit?before=0", Value::Null).await.refused(400);
}

#[tokio::test]
async fn a_trail_shows_what_is_in_reach_and_nothing_else() {
    let house = House::new().await;
    for id in [house.one, house.other] {
        let body = json!({ "name": format!("of {id}"), "description": "" });
        house.call(As::System, Method::POST, &format!("/users/{id}/policies"), body).await.ok();
    }
    let incident = Incident {
        account: Account::Customer(CustomerId(house.other)),
        subject: "other@weir.test".into(),
        detail: "wrong password".into(),
    };
    let batch = Batch::new(Actor::Anonymous, "sign_in_failed", crate::api::system_clock()).note(incident);
    house.store.commit(batch).await.expect("commits");
    for (caller, path) in [
        (As::One, "/audit".to_owned()),
        (As::One, format!("/users/{}/audit", house.one)),
        (As::Msp, "/audit".to_owned()),
        (As::System, format!("/audit?user_id={}", house.one)),
        (As::System, format!("/msps/{}/audit", house.msp)),
    ] {
        let text = Value::from(trail(&house, caller, &path).await).to_string();
        assert!(text.contains(&format!("of {}", house.one)), "{caller:?} {path}");
        assert!(
            !text.contains(&format!("of {}", house.other)) && !text.contains("wrong password"),
            "{caller:?} {path}"
        );
    }
    let all = Value::from(trail(&house, As::System, "/audit?limit=1000").await).to_string();
    assert!(all.contains("wrong password") && all.contains(&format!("of {}", house.other)));
    for path in [format!("/users/{}/audit", house.other), format!("/audit?user_id={}", house.other)] {
        let foreign = house.call(As::Msp, Method::GET, &path, Value::Null).await.refused(404);
        let missing = path.replace(&house.other.to_string(), "99999");
        assert_eq!(house.call(As::Msp, Method::GET, &missing, Value::Null).await.refused(404), foreign);
    }
}

#[tokio::test]
async fn pages_and_filters_choose_entries_and_wrong_ones_name_their_field() {
    let house = House::new().await;
    let all = house.call(As::System, Method::GET, "/audit?limit=0", Value::Null).await.ok();
    let total = all["total"].as_u64().expect("a number");
    assert!(total > 5 && all["complete"] == true && all["count"] == 0, "{all}");
    let newest = trail(&house, As::System, "/audit?limit=2").await;
    let second = trail(&house, As::System, "/audit?limit=1&offset=1").await;
    assert_eq!(newest[1], second[0]);
    assert!(trail(&house, As::System, "/audit?end=2020-01-01").await.is_empty());
    let kinds = trail(&house, As::System, "/audit?kind=msp").await;
    assert_eq!(kinds.len(), 2);
    for (query, field) in
        [("start=yesterday", "start"), ("kind=cheese", "kind"), ("start=2026-02-02&end=2026-02-01", "end")]
    {
        let error = house.call(As::System, Method::GET, &format!("/audit?{query}"), Value::Null).await.refused(400);
        assert!(error.starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn the_chain_of_the_trail_is_whole() {
    let house = House::new().await;
    let verified = house.call(As::System, Method::POST, "/audit/verify", json!({})).await.ok();
    assert_eq!((&verified["whole"], &verified["first"]), (&json!(true), &json!(1)));
    assert_eq!(verified["head"].as_str().map(str::len), Some(64));
    house.call(As::Msp, Method::GET, "/audit/verify", Value::Null).await.refused(403);
}
