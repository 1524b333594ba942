//! Alias administrators: who may have them, see them and take them away.

use super::{
    harness::{As, House, id},
    oauth::text,
};
use crate::model::*;
use http::Method;
use serde_json::{Value, json};

fn body(name: &str) -> Value {
    json!({ "email": format!("{name}@alias.test"), "password": "secret1", "fullname": "A B", "description": "d" })
}

#[tokio::test]
async fn an_alias_signs_in_for_its_account_and_is_gone_when_it_is_deleted() {
    let house = House::new().await;
    let made = house.post(As::One, "/admins", body("a")).await.ok();
    for (name, value) in [
        ("object", json!("admin")),
        ("username", json!("a@alias.test")),
        ("fullname", json!("A B")),
        ("account_type", json!("Customer Admin")),
        ("2fa_enabled", json!(false)),
        ("lastlogin", Value::Null),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let path = format!("/admins/{}", id(&made));
    let pair = house.sign_in("a@alias.test", "secret1", None).await.ok();
    let users = house.bearing(&text(&pair, "access_token"), Method::GET, "/users", Value::Null).await.ok();
    assert_eq!((users["total"].clone(), users["data"][0]["id"].clone()), (json!(1), json!(house.one)));
    let shown = house.get(As::One, &path).await.ok();
    assert!(shown["lastlogin"].is_string() && shown["lastip"] == "127.0.0.1", "{shown}");
    let changed = house.call(As::One, Method::PUT, &path, json!({ "fullname": "C D" })).await.ok();
    assert_eq!((changed["fullname"].clone(), changed["description"].clone()), (json!("C D"), json!("d")));
    house.bearing(&text(&pair, "access_token"), Method::GET, "/users", Value::Null).await.ok();
    house.post(As::One, &path, json!({ "password": "secret2" })).await.ok();
    house.bearing(&text(&pair, "access_token"), Method::GET, "/users", Value::Null).await.refused(401);
    let pair = house.sign_in("a@alias.test", "secret2", None).await.ok();
    house.delete(As::One, &path).await.ok();
    house.bearing(&text(&pair, "access_token"), Method::GET, "/users", Value::Null).await.refused(401);
    house.sign_in("a@alias.test", "secret2", None).await.refused(401);
    house.get(As::One, &path).await.refused(404);
    assert!(house.store.find::<AdminActivity>(id(&made)).is_none());

    let message = house
        .post(
            As::One,
            "/admins",
            body("one")
                .as_object()
                .map(|_| json!({ "email": "ONE@weir.test", "password": "secret1" }))
                .expect("an object"),
        )
        .await
        .refused(409);
    assert_eq!(message, "email: another administrator has this address");
    for (body, field) in [(json!({ "password": "secret1" }), "email"), (json!({ "email": "x@y" }), "password")] {
        assert!(house.post(As::One, "/admins", body).await.refused(400).starts_with(field), "{field}");
    }
}

#[tokio::test]
async fn everybody_has_the_administrators_of_their_own_reach() {
    let house = House::new().await;
    let made = |caller, query: String, name: &'static str| {
        let house = &house;
        async move { house.post(caller, &format!("/admins{query}"), body(name)).await }
    };
    let customer = format!("?user_id={}", house.one);
    let both = format!("?user_id={}&msp_id={}", house.one, house.msp);
    for (caller, query, name, kind) in [
        (As::System, String::new(), "system", "System Admin"),
        (As::System, format!("?msp_id={}", house.msp), "msp", "MSP Admin"),
        (As::System, both.clone(), "both", "Customer Admin"),
        (As::Sales, String::new(), "sales", "Sales Admin"),
        (As::Msp, String::new(), "own-msp", "MSP Admin"),
        (As::Msp, customer.clone(), "customer", "Customer Admin"),
        (As::One, customer.clone(), "own", "Customer Admin"),
    ] {
        assert_eq!(made(caller, query, name).await.ok()["account_type"], kind, "{name}");
    }
    for (caller, query) in [
        (As::Sales, customer.clone()),
        (As::Sales, format!("?msp_id={}", house.msp)),
        (As::OtherMsp, customer.clone()),
        (As::Other, customer.clone()),
        (As::System, format!("?user_id={}&msp_id={}", house.one, house.other_msp)),
    ] {
        made(caller, query.clone(), "x").await.refused(404);
        house.get(caller, &format!("/admins{query}")).await.refused(404);
    }
    let names = |caller, query: &'static str| {
        let house = &house;
        async move {
            let list = house.get(caller, &format!("/admins{query}")).await.ok();
            let rows = list["data"].as_array().expect("rows").clone();
            assert_eq!((list["count"].clone(), list["total"].clone()), (json!(rows.len()), json!(rows.len())));
            rows.iter().map(|row| text(row, "email")).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(As::Sales, "").await, ["sales@weir.local", "sales@alias.test"]);
    assert_eq!(names(As::System, "").await.len(), 4);
    assert_eq!(names(As::One, "").await, ["one@weir.test", "both@alias.test", "customer@alias.test", "own@alias.test"]);

    let system = house.store.all::<Admin>().find(|row| row.value.email == "system@alias.test").expect("is there");
    let system = format!("/admins/{}", system.value.id);
    let none = house.get(As::Sales, "/admins/2147483000").await;
    for caller in [As::Sales, As::Msp, As::One] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let foreign = house.call(caller, method, &system, json!({})).await;
            assert_eq!((foreign.status, &foreign.json), (404, &none.json), "{caller:?}");
        }
    }
    house.delete(As::System, &system).await.ok();
    let refused =
        house.post(As::Sales, "/admins", json!({ "email": "s@alias.test", "password": "secret1", "vue_role_id": 1 }));
    assert_eq!(refused.await.refused(400), "vue_role_id: must be 2 for this account");
    let sales = json!({ "email": "s@alias.test", "password": "secret1", "vue_role_id": 2 });
    assert_eq!(house.post(As::System, "/admins", sales).await.ok()["account_type"], "Sales Admin");
}

#[tokio::test]
async fn the_main_administrator_stays_and_its_address_is_the_accounts() {
    let house = House::new().await;
    let list = house.get(As::One, "/admins").await.ok();
    let path = format!("/admins/{}", id(&list["data"][0]));
    assert_eq!(house.delete(As::One, &path).await.refused(409), "The main administrator goes with its account");
    house.post(As::One, &path, json!({ "email": "new@weir.test" })).await.ok();
    assert_eq!(house.get(As::One, "/users").await.ok()["data"][0]["email"], "new@weir.test");
    house.sign_in("new@weir.test", "secret1", None).await.ok();
}
