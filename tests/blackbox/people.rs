//! People and what they carry: groups, internal users, devices, cloud keys.
//!
//! Groups, people and devices are made by directories and agents, so these stories put them into the
//! store themselves, as those would.

use crate::{
    client::{Client, id},
    daemon::Place,
};
use serde_json::json;
use uuid::Uuid;
use weir::{
    model::{CustomerId, Device, DeviceId, Group, GroupId, InternalUser, InternalUserId, Timestamp},
    store::{Actor, Batch},
};

/// A group, Ann in it, and her laptop, all of customer 1.
async fn enrol(place: &Place) -> (u32, u32, u32) {
    let store = place.store();
    let (customer, now) = (CustomerId(1), Timestamp(1_768_736_255));
    let group = Group {
        id: GroupId(store.next_id::<Group>()),
        customer,
        name: "staff".into(),
        description: String::new(),
        policy: None,
        disabled: false,
        weight: 1,
        updated: now,
    };
    let ann = InternalUser {
        id: InternalUserId(store.next_id::<InternalUser>()),
        customer,
        name: "Ann".into(),
        email: "ann@weir.test".into(),
        description: String::new(),
        policy: None,
        groups: vec![group.id],
        deletable: true,
        created: now,
    };
    let laptop = Device {
        id: DeviceId(store.next_id::<Device>()),
        customer,
        name: "LAPTOP-1".into(),
        key: Uuid::new_v4(),
        version: "2.0.1".into(),
        last_contact: Some(now),
        status: String::new(),
        location: None,
        user: Some(ann.id),
        policy: None,
        exception: None,
        extra_info: "{}".into(),
        configuration: None,
        created: now,
        updated: now,
    };
    let batch = Batch::new(Actor::Daemon, "enrol", now).create(&group).create(&ann).create(&laptop);
    store.commit(batch).await.unwrap();
    store.close();
    (group.id.0, ann.id.0, laptop.id.0)
}

/// What the daemon would answer a supposed client.
async fn verdict(admin: &Client, who: &str, id: u32) -> String {
    let question = json!({ "client": "127.0.0.1", "name": "games.example", "resolve": false, who: id });
    admin.post("/explain", question).await.ok()["verdict"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_decides_for_its_people_and_they_for_their_devices() {
    let place = Place::new();
    assert!(place.start().stop());
    let (group, ann, laptop) = enrol(&place).await;
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let policy = id(&admin.post("/users/1/policies", json!({ "name": "strict", "description": "" })).await.ok());
    let block = format!("/users/1/policies/{policy}/domains/block");
    admin.post(&block, json!({ "domain": "games.example" })).await.ok();
    for (who, id) in [("internal_user_id", ann), ("device_id", laptop)] {
        assert_eq!(verdict(&admin, who, id).await, "allowed");
    }
    let of_group = format!("/users/1/groups/{group}");
    admin.post(&of_group, json!({ "policyid": policy })).await.ok();
    for (who, id) in [("internal_user_id", ann), ("device_id", laptop)] {
        assert_eq!(verdict(&admin, who, id).await, "blocked", "{who}");
    }
    let user = format!("/users/1/users/{ann}");
    let shown = admin.get(&user).await.ok();
    assert_eq!((&shown["effective_group"], &shown["policyid"]), (&json!("staff"), &json!(policy)));
    admin.delete(&format!("/users/1/policies/{policy}")).await.refused(409);
    let default = id(&admin.get("/users/1/policies/default").await.ok());
    admin.post(&user, json!({ "policyid": default })).await.ok();
    assert_eq!(verdict(&admin, "internal_user_id", ann).await, "allowed", "her own policy comes first");
    other.get(&of_group).await.refused(404);
    other
        .post("/explain", json!({ "client": "127.0.0.1", "name": "games.example", "device_id": laptop }))
        .await
        .refused(404);

    // Without her, the laptop has the policy it was given.
    admin.delete(&user).await.ok();
    assert_eq!(verdict(&admin, "device_id", laptop).await, "allowed");
    admin.post(&format!("/devices/{laptop}"), json!({ "policyid": policy })).await.ok();
    assert_eq!(verdict(&admin, "device_id", laptop).await, "blocked");
    let template = json!({ "configuration": { "log": { "level": 2 } } });
    admin.post("/users/1/devices/configuration/advanced", template).await.ok();
    let shown = admin.get(&format!("/users/1/devices/{laptop}")).await.ok();
    assert_eq!(
        (&shown["configuration"], &shown["configuration_inherited"]),
        (&json!(r#"{"log":{"level":2}}"#), &json!(true))
    );
    admin.delete(&format!("/users/1/devices/{laptop}")).await.ok();
    assert_eq!(admin.get("/devices").await.ok()["total"], 0);
}

#[tokio::test]
async fn an_exception_stays_while_a_device_passes_by_it() {
    let place = Place::new();
    assert!(place.start().stop());
    let (.., laptop) = enrol(&place).await;
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let exception = id(&admin.post("/deviceexceptions?user_id=1", json!({ "name": "branch" })).await.ok());
    let rules = format!("/deviceexceptions/{exception}/rules");
    let rule = id(&admin.post(&rules, json!({ "domain": "corp.example" })).await.ok());
    admin.post(&format!("/devices/{laptop}"), json!({ "device_exception_id": exception })).await.ok();
    assert_eq!(admin.get(&format!("/devices/{laptop}")).await.ok()["device_exception"], "branch");
    let path = format!("/deviceexceptions/{exception}");
    admin.delete(&path).await.refused(409);
    for path in [&path, &rules, &format!("{rules}/{rule}"), &format!("/devices/{laptop}")] {
        other.get(path).await.refused(404);
    }
    admin.delete(&format!("{rules}/{rule}")).await.ok();
    admin.post(&format!("/devices/{laptop}"), json!({ "device_exception_id": null })).await.ok();
    admin.delete(&path).await.ok();
    other.get("/deviceexceptions").await.ok();
}

#[tokio::test]
async fn a_cloud_key_is_its_customers_until_it_is_taken_away() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let (one, key) = admin.customer("one", "127.1.0.0/16").await;
    let (two, other) = admin.customer("two", "127.2.0.0/16").await;
    let path = format!("/users/{one}/cloudkeys");
    let body = json!({ "logname": "visitors", "keyid": "LETMEIN", "expiresafter": 30, "expiresafterperiod": "mins", "maxuse": 2 });
    let made = id(&key.post(&path, body.clone()).await.ok());
    key.post(&path, body.clone()).await.refused(409);
    other.post(&format!("/users/{two}/cloudkeys"), body.clone()).await.ok();
    other.post(&path, body).await.refused(404);
    let foreign = other.get(&format!("{path}/{made}")).await.refused(404);
    assert_eq!(other.get(&format!("/users/99999/cloudkeys/{made}")).await.refused(404), foreign);
    key.post(&format!("{path}/{made}"), json!({ "active": false })).await.ok();
    let entry = key.get("/audit?operation=update_cloud_key").await.ok()["data"][0].clone();
    let change = &entry["changes"][0];
    assert_eq!((&change["before"]["active"], &change["after"]["active"]), (&json!(true), &json!(false)), "{entry}");
    daemon.kill();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let shown = admin.get(&format!("{path}/{made}")).await.ok();
    assert_eq!((&shown["active"], &shown["timeused"], &shown["maxuse"]), (&json!(false), &json!(0), &json!(2)));
    admin.delete(&format!("{path}/{made}")).await.ok();
    assert_eq!(admin.get(&path).await.ok()["total"], 0);
    assert_eq!(admin.get(&format!("/users/{two}/cloudkeys")).await.ok()["total"], 1);
}
