//! Roles of accounts' own making.

use super::harness::{As, House};
use crate::model::{Admin, RoleId};
use http::Method;
use serde_json::{Value, json};

/// Makes a role of the system's and gives it to the caller's administrator.
async fn narrow(house: &House, caller: As, labels: &[&str]) -> u64 {
    let admin = house.admin_id(caller);
    let account = house.store.find::<Admin>(admin).expect("is there").value.account;
    let path = match account {
        crate::model::Account::System => "/roles".to_owned(),
        crate::model::Account::Msp(id) => format!("/roles?msp_id={id}"),
        crate::model::Account::Customer(id) => format!("/roles?user_id={id}"),
    };
    let body = json!({ "name": format!("role {labels:?}"), "permissions": labels });
    let role = house.call(As::System, Method::POST, &path, body).await.ok()["id"].as_u64().expect("an id");
    house.change::<Admin>(admin, |admin| admin.custom_role = Some(RoleId(role as u32))).await;
    role
}

#[tokio::test]
async fn a_role_lets_its_administrators_do_what_it_says_and_nothing_else() {
    let house = House::new().await;
    narrow(&house, As::Msp, &["policy.users.view", "policy.locations.manage"]).await;
    let locations = format!("/users/{}/locations", house.one);
    house.call(As::Msp, Method::GET, "/users", Value::Null).await.ok();
    house.call(As::Msp, Method::GET, &format!("{locations}/all"), Value::Null).await.ok();
    let location = json!({ "name": "here", "ip": "192.0.2.1" });
    house.call(As::Msp, Method::POST, &format!("{locations}/staticip"), location).await.ok();
    for (method, path, label) in [
        (Method::POST, "/users".to_owned(), "policy.users.manage"),
        (Method::GET, format!("/users/{}/policies", house.one), "policy.policies.view"),
        (Method::GET, "/audit".to_owned(), "policy.audit.view"),
        (Method::POST, "/roles".to_owned(), "policy.roles.manage"),
    ] {
        let error = house.call(As::Msp, method, &path, json!({})).await.refused(403);
        assert!(error.ends_with(label), "{path}: {error}");
    }
    // Whose rows it reaches is the account's matter, as before.
    house.call(As::Msp, Method::GET, &format!("/users/{}/locations/all", house.other), Value::Null).await.refused(404);
    let held = house.call(As::Msp, Method::GET, "/permissions", Value::Null).await.ok();
    let held: Vec<&str> = held["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|row| row["held"] == true)
        .filter_map(|row| row["label"].as_str())
        .collect();
    assert_eq!(held, ["policy.users.view", "policy.locations.view", "policy.locations.manage"]);
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let house = House::new().await;
    let wide = json!({ "name": "wide", "permissions": ["policy.audit.view", "policy.users.view"] });
    let wide = house.call(As::Msp, Method::POST, "/roles", wide).await.ok()["id"].clone();
    narrow(&house, As::Msp, &["policy.roles.manage", "policy.users.manage", "policy.admins.manage"]).await;
    let more = json!({ "name": "more", "permissions": ["policy.users.view", "policy.audit.view"] });
    let error = house.call(As::Msp, Method::POST, "/roles", more).await.refused(403);
    assert!(error.contains("policy.audit.view"), "{error}");
    house.call(As::Msp, Method::POST, &format!("/roles/{wide}"), json!({ "permissions": [] })).await.refused(403);
    house.call(As::Msp, Method::DELETE, &format!("/roles/{wide}"), Value::Null).await.refused(403);
    let less = json!({ "name": "less", "permissions": ["policy.users.view"] });
    house.call(As::Msp, Method::POST, "/roles", less).await.ok();
    // An account whose administrator may do more, or its password, would be a way around.
    let customer = json!({ "accountname": "n", "email": "n@weir.test", "license": "x", "password": "secret1" });
    house.call(As::Msp, Method::POST, "/users", customer).await.refused(403);
    let path = format!("/users/{}", house.one);
    house.call(As::Msp, Method::POST, &path, json!({ "password": "hunter22" })).await.refused(403);
    house.call(As::Msp, Method::POST, &path, json!({ "description": "fine" })).await.ok();
    let register = json!({ "id": house.one });
    let refused = async |path: &str, body: Value| {
        let error = house.call(As::Msp, Method::POST, path, body).await.refused(403);
        assert!(error.starts_with("You cannot give"), "{path}: {error}");
    };
    refused("/auth/adminregister", register).await;
    let admin = json!({ "email": "a@weir.test", "password": "hunter22" });
    refused("/admins", admin).await;
    let main = house.admin_id(As::One);
    refused(&format!("/admins/{main}"), json!({ "password": "hunter22" })).await;
}

#[tokio::test]
async fn roles_are_an_accounts_own_and_stay_while_somebody_has_them() {
    let house = House::new().await;
    let body = json!({ "name": "desk", "permissions": ["policy.lists.manage"] });
    let made = house.call(As::One, Method::POST, "/roles", body.clone()).await.ok();
    assert_eq!(made["permissions"], json!(["policy.lists.view", "policy.lists.manage"]));
    house.call(As::One, Method::POST, "/roles", body.clone()).await.refused(409);
    let path = format!("/roles/{}", made["id"]);
    let foreign = house.call(As::Other, Method::GET, &path, Value::Null).await.refused(404);
    assert_eq!(house.call(As::Other, Method::GET, "/roles/99999", Value::Null).await.refused(404), foreign);
    let listed = house.call(As::One, Method::GET, "/roles", Value::Null).await.ok();
    assert_eq!((&listed["total"], &listed["data"][0]["built_in"]), (&json!(2), &json!(true)));
    for (permissions, what) in [
        (json!(["policy.cheese.view"]), "permissions[0]"),
        (json!(["policy.lists.view", "policy.certificates.view"]), "permissions[1]"),
    ] {
        let body = json!({ "name": "bad", "permissions": permissions });
        let error = house.call(As::One, Method::POST, "/roles", body).await.refused(400);
        assert!(error.starts_with(what), "{error}");
    }
    let role = made["id"].as_u64().expect("an id") as u32;
    let admin = house.admin_id(As::One);
    house.change::<Admin>(admin, |admin| admin.custom_role = Some(RoleId(role))).await;
    house.call(As::Msp, Method::DELETE, &path, Value::Null).await.refused(409);
    house.change::<Admin>(admin, |admin| admin.custom_role = None).await;
    house.call(As::Msp, Method::DELETE, &path, Value::Null).await.ok();
    house.call(As::One, Method::GET, &path, Value::Null).await.refused(404);
}
