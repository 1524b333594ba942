//! Recategorisation: what a name's new categories do to the next query.

use crate::{
    client::id,
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;

#[tokio::test]
async fn a_name_in_other_categories_is_answered_by_them_until_it_is_taken_back() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let list = admin.get("/users/1/policies/default/categories").await.ok();
    let rows = list["data"].as_array().unwrap();
    let blocked = id(rows.iter().find(|row| row["allowed"] == false).unwrap());
    let allowed = id(rows.iter().find(|row| row["allowed"] == true).unwrap());
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), ALLOWED);
    let answer = admin.form("/recategorize?user_id=1", &format!("domain=shop.example&category1={blocked}")).await.ok();
    assert_eq!(answer, json!({ "code": 200, "recategorize": true }));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), Got::Blocked(17));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.shop.example"), Got::Blocked(17), "names below follow");
    let question = json!({ "client": "127.0.0.1", "name": "www.shop.example", "resolve": false });
    let explained = admin.post("/explain", question).await.ok();
    let steps = explained["steps"].as_array().unwrap();
    let finding = steps.iter().find(|step| step["number"] == 6).unwrap()["finding"].as_str().unwrap();
    assert!(finding.contains("into which customer 1 put shop.example"), "{finding}");
    admin.post("/recategorize", json!({ "domain": "malware.weir.test", "category1": allowed })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), ALLOWED, "the system's word counts for everybody");
    daemon.kill();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), Got::Blocked(17), "after a crash too");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), ALLOWED);
    let row = id(&admin.get("/recategorize?user_id=1").await.ok()["data"][0]);
    admin.delete(&format!("/recategorize/{row}")).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), ALLOWED);
}
