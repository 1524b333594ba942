//! Customers and MSPs.

use super::harness::{As, House, id};
use crate::{
    auth::{ClientKeys, SignatureMethod, SignedRequest, sign},
    model::*,
};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_created_customer_signs_in_with_its_keys_and_sees_itself_alone() {
    let house = House::new().await;
    let body = json!({
        "accountname": "Example Ltd", "email": "it@example.test", "license": "L-1", "password": "secret1",
        "timezone": "Europe/London", "policy_level": "H", "msp_id": house.msp,
        "uuid_str": "4d20e977-0ec4-434a-b21d-2c529fb1d062",
    });
    let user = house.post(As::Sales, "/users", body.clone()).await.ok();
    assert_eq!(user["object"], "user");
    assert_eq!((user["suspended"].clone(), user["2fa_enabled"].clone()), (json!(false), json!(false)));
    let keys = ClientKeys {
        consumer_key: text(&user["consumer_key"]),
        consumer_secret: text(&user["consumer_secret"]),
        access_token: text(&user["access_token"]),
        access_token_secret: text(&user["access_token_secret"]),
    };
    assert_eq!((keys.consumer_key.len(), keys.consumer_secret.len()), (41, 32));
    let signed = SignedRequest {
        method: "GET",
        scheme: "https",
        authority: "weir.test",
        path: "/restapi/users",
        query: None,
        form: None,
        authorization: None,
    };
    let now = crate::api::system_clock().0;
    let header = sign(&signed, &keys, SignatureMethod::HmacSha256, now, "n").expect("signs");
    let request = http::Request::get("/restapi/users").header("host", "weir.test").header("authorization", header);
    let list = house.send(request.body(Default::default()).expect("a request")).await.ok();
    assert_eq!((list["total"].clone(), id(&list["data"][0])), (json!(1), id(&user)));
    assert!(list["data"][0].get("consumer_key").is_none(), "secrets are shown once");

    let mut same_email = body.clone();
    same_email["uuid_str"] = json!("4d20e977-0ec4-434a-b21d-2c529fb1d063");
    assert_eq!(
        house.post(As::Sales, "/users", same_email).await.refused(409),
        "email: another administrator has this address"
    );
    let mut other = body;
    other["email"] = json!("other@example.test");
    assert_eq!(house.post(As::Sales, "/users", other).await.refused(409), "uuid_str: this UUID is taken");
    let by_uuid = house.get(As::Msp, "/users/4d20e977-0ec4-434a-b21d-2c529fb1d062").await.ok();
    assert_eq!(id(&by_uuid), id(&user));
    house.get(As::OtherMsp, "/users/4d20e977-0ec4-434a-b21d-2c529fb1d062").await.refused(404);
    let policy = house.get(As::Msp, &format!("/users/{}/policies/default", id(&user))).await.ok();
    assert_eq!(policy["level"], "H");
}

#[tokio::test]
async fn an_msp_creates_customers_under_itself_only() {
    let house = House::new().await;
    let body = |email: &str| json!({ "accountname": "x", "email": email, "license": "", "password": "secret1" });
    let made = house.post(As::Msp, "/users", body("a@example.test")).await.ok();
    assert_eq!(made["msp_id"], house.msp);
    let foreign = format!("/users?msp_id={}", house.other_msp);
    house.post(As::Msp, &foreign, body("b@example.test")).await.refused(404);
    let list = house.get(As::Msp, "/users?limit=2&offset=1").await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(2), json!(4)));
    let list = house.get(As::System, &format!("/users?msp_id={}&limit=0", house.other_msp)).await.ok();
    assert_eq!((list["count"].clone(), list["total"].clone()), (json!(0), json!(1)));
}

#[tokio::test]
async fn an_update_leaves_absent_fields_alone() {
    let house = House::new().await;
    let path = format!("/users/{}", house.one);
    let before = house.get(As::Msp, &path).await.ok();
    let after = house.post(As::Msp, &path, json!({ "email": "new@example.test", "timezone": "Asia/Tokyo" })).await.ok();
    assert_eq!((after["email"].clone(), after["timezone"].clone()), (json!("new@example.test"), json!("Asia/Tokyo")));
    assert_eq!(after["accountname"], before["accountname"]);
    let admin = house.store.rows::<Admin>(Account::Customer(CustomerId(house.one))).next().expect("is there").value;
    assert_eq!(admin.email, "new@example.test");
    house.post(As::Msp, &path, json!({ "email": "two@weir.test" })).await.refused(409);
    let after = house.post(As::Msp, &path, json!({ "timezone": "" })).await.ok();
    assert_eq!(after["timezone"], "");
}

#[tokio::test]
async fn a_suspended_customer_is_refused_until_it_is_reinstated() {
    let house = House::new().await;
    let one = house.one;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{one}/locations/staticip"), location).await.ok();
    assert_eq!(house.verdict("203.0.113.1", "www.example.com").await, "Allowed");
    let answer = house.post(As::Msp, &format!("/users/{one}/suspend"), Value::Null).await.ok();
    assert_eq!(answer, json!({ "object": "user", "code": 200, "id": one, "suspended": true }));
    assert_eq!(house.verdict("203.0.113.1", "www.example.com").await, "Refused");
    house.get(As::One, &format!("/users/{one}/policies")).await.refused(403);
    house.post(As::Msp, &format!("/users/{one}/reinstate"), Value::Null).await.ok();
    assert_eq!(house.verdict("203.0.113.1", "www.example.com").await, "Allowed");
    house.get(As::One, &format!("/users/{one}/policies")).await.ok();
}

#[tokio::test]
async fn a_deleted_customer_leaves_nothing_behind() {
    let house = House::new().await;
    let one = house.one;
    let account = Account::Customer(CustomerId(one));
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{one}/locations/staticip"), location).await.ok();
    let entries = format!("/users/{one}/policies/default/domains/block");
    house.post(As::One, &entries, json!({ "domain": "a.example" })).await.ok();
    assert_eq!(
        house.delete(As::Msp, &format!("/users/{one}")).await.ok(),
        json!({ "code": 200, "deleted": true, "id": one })
    );
    house.get(As::Msp, &format!("/users/{one}")).await.refused(404);
    house.get(As::One, "/users").await.refused(401);
    assert_eq!(house.store.rows::<Policy>(account).count() + house.store.rows::<ListEntry>(account).count(), 0);
    assert_eq!(house.store.rows::<Admin>(account).count() + house.store.rows::<Address>(account).count(), 0);
    assert_eq!(house.verdict("203.0.113.1", "www.example.com").await, "Refused");
    house.delete(As::Msp, &format!("/users/{one}")).await.refused(404);
}

#[tokio::test]
async fn an_msp_goes_when_its_customers_are_gone() {
    let house = House::new().await;
    let path = format!("/msps/{}", house.other_msp);
    let msp = house.get(As::OtherMsp, &path).await.ok();
    assert_eq!((msp["object"].clone(), msp["policy_id"].is_u64()), (json!("msp"), true));
    let changed = house.post(As::OtherMsp, &path, json!({ "description": "d" })).await.ok();
    assert_eq!(changed["description"], "d");
    assert_eq!(house.delete(As::System, &path).await.refused(409), "The MSP still has customers");
    house.delete(As::System, &format!("/users/{}", house.other)).await.ok();
    house.delete(As::System, &path).await.ok();
    house.get(As::System, &path).await.refused(404);
    let list = house.get(As::System, "/msps").await.ok();
    assert_eq!(list["total"], 1);
    let own = house.get(As::One, "/msps").await.ok();
    assert_eq!((own["total"].clone(), own["data"][0]["policy_id"].clone()), (json!(1), Value::Null));
}

#[tokio::test]
async fn the_stats_of_an_msp_want_a_day() {
    let house = House::new().await;
    let path = format!("/msps/{}/stats", house.msp);
    assert_eq!(house.get(As::Msp, &path).await.refused(400), "date: is required");
    assert_eq!(
        house.get(As::Msp, &format!("{path}?date=2026-02-30")).await.refused(400),
        "date: must be a day as YYYY-MM-DD"
    );
    let stats = house.get(As::Msp, &format!("{path}?date=2026-08-04")).await.ok();
    assert_eq!((stats["object"].clone(), stats["date"].clone()), (json!("stats"), json!("2026-08-04")));
}
