//! MSPs and customers, told over the wire.

use crate::{
    client::{Client, id},
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;

#[tokio::test]
async fn a_customer_of_an_msp_filters_its_network_and_sees_nobody_else() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let msp = json!({ "name": "Msp", "email": "msp@weir.test", "password": "secret1" });
    let msp = id(&admin.post("/msps", msp).await.ok());
    let mut users = Vec::new();
    for (name, network) in [("one", "127.1.0.0/16"), ("two", "127.2.0.0/16")] {
        let form = format!(
            "accountname={name}&email={name}%40weir.test&license=L&password=secret1&policy_level=M&msp_id={msp}"
        );
        let user = admin.form("/users", &form).await.ok();
        let location = json!({ "name": "office", "ip": network });
        admin.post(&format!("/users/{}/locations/staticip", id(&user)), location).await.ok();
        users.push(user);
    }
    let (one, two) = (&users[0], &users[1]);
    let key = admin.of_user(one);
    let path = format!("/users/{}/policies/default/domains/block", id(one));
    key.form(&path, "domain=blocked.example&comment=caf%C3%A9+%26+co").await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "www.blocked.example"), Got::Blocked(17));
    assert_eq!(ask(daemon.udp, "127.2.0.9", "www.blocked.example"), ALLOWED, "another customer's answer is its own");
    assert_eq!(key.get("/users").await.ok()["total"], 1);
    let missing = key.get("/users/99999/policies").await.refused(404);
    assert_eq!(key.get(&format!("/users/{}/policies", id(two))).await.refused(404), missing);
    key.get("/domains/all").await.refused(403);
}

#[tokio::test]
async fn a_suspended_customer_gets_no_answers_and_a_deleted_one_is_gone() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let form = "accountname=one&email=one%40weir.test&license=L&password=secret1";
    let user = admin.form("/users", form).await.ok();
    let key = admin.of_user(&user);
    let one = id(&user);
    admin.form(&format!("/users/{one}/locations/staticip"), "name=office&ip=127.1.0.0%2F16").await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), ALLOWED);
    admin.form(&format!("/users/{one}/suspend"), "").await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), Got::Refused);
    key.get("/users").await.refused(403);
    admin.form(&format!("/users/{one}/reinstate"), "").await.ok();
    assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), ALLOWED);
    key.get("/users").await.ok();
    admin.delete(&format!("/users/{one}")).await.ok();
    key.get("/users").await.refused(401);
    assert_eq!(ask(daemon.udp, "127.1.0.9", "malware.weir.test"), Got::Blocked(17), "the local network's again");
}

#[tokio::test]
async fn a_suspension_stops_keys_tokens_sessions_and_dns_at_once_and_one_call_brings_them_back() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (_, stranger) = admin.msp("stranger").await;
    let (one, key) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let session = Client::signed_in(&daemon.api, "one@weir.test", "secret1").await;
    let token = key.post("/tokens", json!({ "name": "script", "scope": "all" })).await.ok();
    let token = Client::bearing(&daemon.api, &token["token"]);
    stranger.post(&format!("/users/{one}/suspend"), json!({})).await.refused(404);
    for round in 0..3 {
        msp.post(&format!("/users/{one}/suspend"), json!({})).await.ok();
        assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), Got::Refused, "round {round}");
        for caller in [&key, &session, &token] {
            assert_eq!(caller.get("/users").await.refused(403)["error"], "Error: The account is suspended");
        }
        msp.post(&format!("/users/{one}/reinstate"), json!({})).await.ok();
        assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), ALLOWED, "round {round}");
        for caller in [&key, &session, &token] {
            caller.get("/users").await.ok();
        }
    }
}

#[tokio::test]
async fn an_msp_goes_when_its_customers_have_gone() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (id, msp) = admin.msp("msp").await;
    let (other_id, other) = admin.msp("other").await;
    let (one, _) = admin.customer_of(Some(id), "one", "127.1.0.0/16").await;
    assert_eq!(ask(daemon.udp, "127.1.0.9", "www.example.com"), ALLOWED);
    assert_eq!(msp.get("/msps").await.ok()["total"], 1);
    msp.post(&format!("/msps/{id}"), json!({ "name": "Renamed" })).await.ok();
    assert_eq!(admin.get(&format!("/msps/{id}")).await.ok()["name"], "Renamed");
    other.get(&format!("/msps/{id}")).await.refused(404);
    msp.delete(&format!("/msps/{id}")).await.refused(403);
    msp.get(&format!("/msps/{other_id}/stats?date=2026-01-01")).await.refused(404);
    admin.delete(&format!("/msps/{id}")).await.refused(409);
    other.delete(&format!("/users/{one}")).await.refused(404);
    admin.delete(&format!("/users/{one}")).await.ok();
    admin.delete(&format!("/msps/{id}")).await.ok();
    msp.get("/msps").await.refused(401);
    other.get("/msps").await.ok();
}
