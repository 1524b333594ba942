//! Cloud keys.

use super::harness::{As, House, id};
use crate::{
    api::system_clock,
    model::*,
    store::{Actor, Batch},
};
use serde_json::{Value, json};

fn path(house: &House) -> String {
    format!("/users/{}/cloudkeys", house.one)
}

fn stored(house: &House, key: u32) -> CloudKey {
    house.store.find::<CloudKey>(key).expect("is there").value
}

#[tokio::test]
async fn a_key_is_made_with_what_is_given_and_the_rest_by_us() {
    let house = House::new().await;
    let body = json!({
        "logname": "sales", "keyid": "47D98D411F089", "expiresafter": 2, "expiresafterperiod": "days", "maxuse": 1000,
        "validfrom": "2026-01-01", "validto": null, "active": false, "comment": "desc",
    });
    let made = house.post(As::One, &path(&house), body.clone()).await.ok();
    for (field, value) in body.as_object().expect("an object") {
        assert_eq!(made[field], *value, "{field}");
    }
    assert_eq!(
        (made["object"].clone(), made["timeused"].clone(), made["lastused"].clone(), made["lastip"].clone()),
        (json!("cloudkey"), json!(0), Value::Null, Value::Null)
    );
    assert_eq!(stored(&house, id(&made)).session_s, 2 * 86_400);
    let message = house.post(As::One, &path(&house), body.clone()).await.refused(409);
    assert_eq!(message, "keyid: the customer has another key with this code");
    house.post(As::Other, &format!("/users/{}/cloudkeys", house.other), body).await.ok();
    let made = house.post(As::One, &path(&house), json!({})).await.ok();
    let code = made["keyid"].as_str().expect("text");
    assert!(code.len() == 13 && code.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c)), "{code}");
    assert_eq!(
        (made["expiresafter"].clone(), made["expiresafterperiod"].clone(), made["maxuse"].clone()),
        (json!(1), json!("hours"), json!(0))
    );
    assert_eq!((made["active"].clone(), made["validto"].clone()), (json!(true), Value::Null));
    let list = house.get(As::One, &format!("{}?limit=1&offset=1", path(&house))).await.ok();
    assert_eq!((list["total"].clone(), id(&list["data"][0])), (json!(2), id(&made)));
    house.delete(As::One, &format!("{}/{}", path(&house), id(&made))).await.ok();
    house.get(As::One, &format!("{}/{}", path(&house), id(&made))).await.refused(404);
}

#[tokio::test]
async fn days_are_those_of_the_customers_time_zone() {
    let house = House::new().await;
    let customer = format!("/users/{}", house.one);
    house.post(As::Msp, &customer, json!({ "timezone": "America/New_York" })).await.ok();
    let body = json!({ "validfrom": "2026-03-07", "validto": "2026-03-08" });
    let made = house.post(As::One, &path(&house), body).await.ok();
    let key = stored(&house, id(&made));
    // 05:00 UTC; clocks are set forward on the 8th, which therefore has 23 hours.
    assert_eq!(key.valid_from, Timestamp(1_772_859_600));
    assert_eq!(key.valid_until, Some(Timestamp(1_772_859_600 + 47 * 3_600)));
    assert_eq!((made["validfrom"].clone(), made["validto"].clone()), (json!("2026-03-07"), json!("2026-03-08")));
    house.post(As::Msp, &customer, json!({ "timezone": "Asia/Tokyo" })).await.ok();
    let moved = house.get(As::One, &format!("{}/{}", path(&house), id(&made))).await.ok();
    assert_eq!((moved["validfrom"].clone(), moved["validto"].clone()), (json!("2026-03-07"), json!("2026-03-08")));
    assert_eq!(stored(&house, id(&made)).valid_from, Timestamp(1_772_859_600 - 14 * 3_600));
}

#[tokio::test]
async fn an_update_leaves_absent_fields_alone_and_resets_the_uses() {
    let house = House::new().await;
    let body = json!({ "keyid": "letmein", "validfrom": "2026-01-10", "validto": "2026-01-20", "maxuse": 5 });
    let made = house.post(As::One, &path(&house), body).await.ok();
    let one = format!("{}/{}", path(&house), id(&made));
    let used = CloudKeyUse {
        key: CloudKeyId(id(&made)),
        customer: CustomerId(house.one),
        uses: 3,
        last_used: Some(Timestamp(1_768_736_255)),
        last_address: Some([203, 0, 113, 5].into()),
    };
    house.store.commit(Batch::new(Actor::Daemon, "test", system_clock()).create(&used)).await.expect("commits");
    let shown = house.get(As::One, &one).await.ok();
    assert_eq!(
        (shown["timeused"].clone(), shown["lastused"].clone(), shown["lastip"].clone()),
        (json!(3), json!("2026-01-18 11:37:35"), json!("203.0.113.5"))
    );
    let changed = house.post(As::One, &one, json!({ "expiresafter": "30", "expiresafterperiod": "mins" })).await.ok();
    assert_eq!(
        (changed["timeused"].clone(), changed["maxuse"].clone(), changed["keyid"].clone()),
        (json!(3), json!(5), json!("letmein"))
    );
    assert_eq!(stored(&house, id(&made)).session_s, 1_800);
    let changed = house.post(As::One, &one, json!({ "reset": "true", "validto": "null" })).await.ok();
    assert_eq!((changed["timeused"].clone(), changed["validto"].clone()), (json!(0), Value::Null));
    house.delete(As::One, &one).await.ok();
    assert_eq!(house.store.count_all::<CloudKeyUse>(), 0);
}

#[tokio::test]
async fn what_no_key_can_be_changes_nothing() {
    let house = House::new().await;
    let made = house.post(As::One, &path(&house), json!({ "keyid": "a", "validfrom": "2026-01-10" })).await.ok();
    house.post(As::One, &path(&house), json!({ "keyid": "b" })).await.ok();
    let one = format!("{}/{}", path(&house), id(&made));
    let before = house.get(As::One, &one).await.ok();
    for (body, message) in [
        (json!({ "comment": "x", "validto": "2026-01-09" }), "validto: must not be before validfrom"),
        (json!({ "comment": "x", "validfrom": "2026-02-30" }), "validfrom: must be a day as YYYY-MM-DD"),
        (json!({ "expiresafterperiod": "weeks" }), "expiresafterperiod: must be one of: days hours mins"),
        (json!({ "expiresafter": 366, "expiresafterperiod": "days" }), "expiresafter: must be at most 365 days"),
        (json!({ "expiresafter": 0 }), "expiresafter: must be a whole number from 1 to 525600"),
        (json!({ "maxuse": -1 }), "maxuse: must be a whole number from 0 to 2147483647"),
        (json!({ "active": "perhaps" }), "active: must be true or false"),
    ] {
        assert_eq!(house.post(As::One, &one, body.clone()).await.refused(400), message);
        assert_eq!(house.post(As::One, &path(&house), body).await.refused(400), message);
    }
    house.post(As::One, &one, json!({ "keyid": "b", "comment": "x" })).await.refused(409);
    house.post_if(As::One, &one, json!({ "comment": "x" }), "\"1\"").await.refused(412);
    assert_eq!(house.get(As::One, &one).await.ok(), before);
    house.get(As::OtherMsp, &one).await.refused(404);
    house.get(As::Other, &format!("/users/{}/cloudkeys/{}", house.other, id(&made))).await.refused(404);
}
