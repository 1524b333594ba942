//! Policies: what a change does to the next query.

use crate::{
    client::id,
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;

#[tokio::test]
async fn one_category_changes_the_next_answer() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let list = admin.get("/users/1/policies/default/categories").await.ok();
    assert_eq!(list["total"], 53);
    let malware =
        list["data"].as_array().unwrap().iter().find(|row| row["name"] == "Spyware and Malicious Sites").unwrap();
    let path = format!("/users/1/policies/default/categories/{}", id(malware));
    for (allowed, got) in [(true, ALLOWED), (false, Got::Blocked(17)), (true, ALLOWED)] {
        admin.post(&path, json!({ "allowed": allowed })).await.ok();
        assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), got);
    }
    assert_eq!(admin.get("/users/1/policies/default").await.ok()["level"], "C");
    admin.form("/users/1/policies/default", "level=M").await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), Got::Blocked(17));
}

#[tokio::test]
async fn a_location_answers_by_its_own_policy() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let policy =
        id(&admin.form("/users/1/policies", "name=strict&description=&level=H&allowunclassified=0").await.ok());
    let location = format!("name=lab&ip=127.5.0.0%2F16&policyid={policy}");
    let location = id(&admin.form("/users/1/locations/staticip", &location).await.ok());
    assert_eq!(ask(daemon.udp, "127.5.0.1", "unheard-of.example"), Got::Blocked(17), "unclassified is not let through");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "unheard-of.example"), ALLOWED);
    admin.delete(&format!("/policies/{policy}")).await.refused(409);
    admin.form(&format!("/locations/{location}"), "policyid=null").await.ok();
    assert_eq!(ask(daemon.udp, "127.5.0.1", "unheard-of.example"), ALLOWED);
    admin.delete(&format!("/policies/{policy}")).await.ok();
}

#[tokio::test]
async fn what_a_customer_has_not_set_follows_the_global_default() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "unheard-of.example"), ALLOWED);
    admin.form("/defaultpolicy", "allowunclassified=false").await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "unheard-of.example"), Got::Blocked(17));
    admin.form("/users/1/policies/default", "allowunclassified=true").await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "unheard-of.example"), ALLOWED);
}

#[tokio::test]
async fn an_msps_default_policy_stands_between_the_global_one_and_its_customers() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    admin.customer("other", "127.2.0.0/16").await;
    let unheard_of = |from: &str| ask(daemon.udp, from, "unheard-of.example");
    assert_eq!((unheard_of("127.1.0.9"), unheard_of("127.2.0.9")), (ALLOWED, ALLOWED));
    msp.post("/defaultpolicy", json!({ "allowunclassified": false })).await.ok();
    assert_eq!((unheard_of("127.1.0.9"), unheard_of("127.2.0.9")), (Got::Blocked(17), ALLOWED));
    let categories = msp.get("/defaultpolicy/categories").await.ok();
    let malware =
        categories["data"].as_array().unwrap().iter().find(|row| row["name"] == "Spyware and Malicious Sites").unwrap();
    msp.post(&format!("/defaultpolicy/categories/{}", id(malware)), json!({ "allowed": true })).await.ok();
    let malware = |from: &str| ask(daemon.udp, from, "malware.weir.test");
    assert_eq!((malware("127.1.0.9"), malware("127.2.0.9")), (ALLOWED, Got::Blocked(17)));
    key.post(&format!("/users/{one}/policies/default"), json!({ "allowunclassified": true })).await.ok();
    assert_eq!(unheard_of("127.1.0.9"), ALLOWED, "the customer's own word is the last");
    key.post("/defaultpolicy", json!({ "allowunclassified": true })).await.refused(403);
}
