//! Sessions and API tokens of the caller.

use super::{
    harness::{As, House, id},
    oauth::text,
};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let house = House::new().await;
    let first = text(&house.sign_in("one@weir.test", "secret1", None).await.ok(), "access_token");
    let second = text(&house.sign_in("one@weir.test", "secret1", None).await.ok(), "access_token");
    house.sign_in("two@weir.test", "secret1", None).await.ok();
    let list = house.bearing(&first, Method::GET, "/sessions", Value::Null).await.ok();
    assert_eq!(list["total"], 2);
    let rows = list["data"].as_array().expect("rows");
    let current: Vec<&Value> = rows.iter().filter(|row| row["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!((current[0]["client"].clone(), current[0]["address"].clone()), (json!("2"), json!("127.0.0.1")));
    assert!(!list.to_string().contains("digest"));
    let other = rows.iter().find(|row| row["current"] == false).map(id).expect("another");
    let foreign = house.delete(As::Other, &format!("/sessions/{other}")).await;
    let nothing = house.delete(As::Other, "/sessions/2147483000").await;
    assert_eq!((foreign.status, &foreign.json), (404, &nothing.json));
    house.delete(As::Msp, &format!("/sessions/{other}")).await.refused(404);
    let path = format!("/sessions/{other}");
    assert_eq!(
        house.bearing(&first, Method::DELETE, &path, Value::Null).await.ok(),
        json!({ "code": 200, "deleted": true, "id": other })
    );
    house.bearing(&second, Method::GET, "/users", Value::Null).await.refused(401);
    house.bearing(&first, Method::GET, "/users", Value::Null).await.ok();
}

#[tokio::test]
async fn a_token_reads_or_does_all_for_as_long_as_it_was_made_for() {
    let house = House::new().await;
    let made = house.post(As::One, "/tokens", json!({ "name": "report", "days": 1 })).await.ok();
    assert_eq!((made["object"].clone(), made["scope"].clone()), (json!("token"), json!("read-only")));
    let reading = text(&made, "token");
    let users = format!("/users/{}/policies", house.one);
    let policy = json!({ "name": "p", "description": "" });
    house.bearing(&reading, Method::GET, &users, Value::Null).await.ok();
    for (method, path) in [(Method::POST, users.as_str()), (Method::POST, "/tokens"), (Method::GET, "/auth/logout")] {
        let refused = house.bearing(&reading, method, path, policy.clone()).await.refused(403);
        assert_eq!(refused, "This token may only read", "{path}");
    }
    let body = json!({ "name": "script", "scope": "all", "days": 2 });
    let all = house.post(As::One, "/tokens", body.clone()).await.ok();
    house.bearing(&text(&all, "token"), Method::POST, &users, policy).await.ok();
    assert_eq!(house.post(As::One, "/tokens", body).await.refused(409), "name: this name is taken");
    let child = json!({ "name": "child", "scope": "all", "days": 3650 });
    let child = house.bearing(&text(&all, "token"), Method::POST, "/tokens", child).await.ok();
    assert_eq!(child["expires"], all["expires"], "no longer than the token it was made with");

    let list = house.get(As::One, "/tokens").await.ok();
    assert_eq!(list["total"], 4, "with the one of this test");
    assert!(list["data"].as_array().expect("rows").iter().all(|row| row.get("token").is_none()), "shown once");
    house.delete(As::Other, &format!("/tokens/{}", id(&all))).await.refused(404);
    house.delete(As::One, &format!("/tokens/{}", id(&all))).await.ok();
    house.bearing(&text(&all, "token"), Method::GET, "/users", Value::Null).await.refused(401);
    house.advance(86_400);
    house.bearing(&reading, Method::GET, "/users", Value::Null).await.refused(401);
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "x", "days": 0 }), "days"),
        (json!({ "name": "x", "scope": "most" }), "scope"),
    ] {
        let message = house.post(As::One, "/tokens", body).await.refused(400);
        assert!(message.starts_with(field), "{message}");
    }
}
