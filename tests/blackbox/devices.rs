//! What agents will be told, and with what people pass: configuration, exceptions, cloud keys.

use crate::{client::id, daemon::Place};
use serde_json::json;

#[tokio::test]
async fn what_devices_are_told_survives_a_crash() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let before = admin.get("/users/1").await.ok()["install_key"].clone();
    admin.form("/users/1/devices/otgkey", "").await.ok();
    let otg = admin.get("/users/1/devices/otgkey").await.ok()["key"].clone();
    assert_ne!(otg, before);
    let exception = id(&admin.form("/deviceexceptions?user_id=1", "name=Branch+bypass").await.ok());
    let rules = format!("/deviceexceptions/{exception}/rules");
    admin.form(&rules, "domain=corp.example&resolver=192.0.2.53&device_exception_rule_type_id=2").await.ok();
    admin.form("/users/1/devices/configuration/default", &format!("device_exception_id={exception}")).await.ok();
    let template = "configuration=%7B%22filter%22%3A%5B1%5D%7D";
    admin.form("/users/1/devices/configuration/advanced", template).await.ok();
    let key = admin.form("/users/1/cloudkeys", "logname=sales&expiresafter=2&expiresafterperiod=days").await.ok();
    daemon.kill();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(admin.get("/users/1").await.ok()["install_key"], otg);
    assert_eq!(admin.get(&format!("/deviceexceptions/{exception}")).await.ok()["default"], true);
    assert_eq!(admin.get(&rules).await.ok()["data"][0]["resolver"], "192.0.2.53");
    let configuration = admin.get("/users/1/devices/configuration/advanced").await.ok();
    assert_eq!(configuration["configuration"], json!({ "filter": [1] }));
    assert_eq!(admin.get(&format!("/users/1/cloudkeys/{}", id(&key))).await.ok()["keyid"], key["keyid"]);
    admin.delete(&format!("/deviceexceptions/{exception}")).await.refused(409);
}
