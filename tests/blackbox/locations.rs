//! Locations and test tools, told over the wire.

use crate::{
    client::{answer, http, id},
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;

#[tokio::test]
async fn a_dynamic_address_is_known_once_its_key_was_used() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let form = "accountname=one&email=one%40weir.test&license=L&password=secret1";
    let one = id(&admin.form("/users", form).await.ok());
    admin.delete("/users/1").await.ok();
    let location = admin.form(&format!("/users/{one}/locations/dynamicip"), "name=home").await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), Got::Refused, "nobody is known");
    let url = format!("{}/locations/update/{}", daemon.api, location["key"].as_str().unwrap());
    let told = answer(http().get(&url).send().await.unwrap()).await.ok();
    assert_eq!(told["ip"], "127.0.0.1");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    answer(http().post(format!("{url}?ip=127.0.0.2")).send().await.unwrap()).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), Got::Refused);
    assert_eq!(ask(daemon.udp, "127.0.0.2", "www.example.com"), ALLOWED);
}

#[tokio::test]
async fn the_test_tools_say_what_queries_get() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let tested = admin.form("/test/filtering", "domain=malware.weir.test&ip=127.0.0.1").await.ok();
    assert_eq!((tested["result"].clone(), tested["ip"].clone()), (json!("Blocked"), json!("127.0.0.1")));
    let tested = admin.form("/test/filtering", "domain=malware.weir.test&ip=203.0.113.1").await.ok();
    assert_eq!(tested["result"], "Refused");
    let tested = admin.form("/test/categories", "domain=malware.weir.test").await.ok();
    assert_eq!(tested["categories"], json!(["Spyware and Malicious Sites"]));
    let looked_up = admin.get("/test/dnslookup?domain=www.example.com").await.ok();
    assert!(looked_up["output"].as_str().unwrap().contains("192.0.2.80"), "{looked_up}");
    let question = json!({ "client": "127.0.0.1", "name": "malware.weir.test", "type": "A" });
    let explained = admin.post("/explain", question).await.ok();
    assert_eq!((explained["object"].clone(), explained["verdict"].clone()), (json!("explanation"), json!("blocked")));
    assert_eq!(explained["customer"]["name"], "Local network");
    assert!(!explained["steps"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn addresses_of_a_location_come_and_go_with_their_queries() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let (one, key) = admin.customer("one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    admin.delete("/users/1").await.ok();
    let location = id(&key.get("/locations/staticip").await.ok()["data"][0]);
    let asked = |from: &str| ask(daemon.udp, from, "www.example.com");
    let addresses = format!("/users/{one}/locations/{location}/addresses");
    let made = id(&key.post(&addresses, json!({ "ip": "127.7.0.0/16" })).await.ok());
    assert_eq!((asked("127.7.0.9"), asked("127.8.0.9")), (ALLOWED, Got::Refused));
    key.post(&format!("{addresses}/{made}"), json!({ "ip": "127.8.0.0/16" })).await.ok();
    assert_eq!((asked("127.7.0.9"), asked("127.8.0.9")), (Got::Refused, ALLOWED));
    let foreign = format!("/locationaddresses/{made}");
    assert_eq!(other.get(&foreign).await.refused(404), other.get("/locationaddresses/99999").await.refused(404));
    other.delete(&foreign).await.refused(404);
    key.post(&foreign, json!({ "ip": "127.9.0.1" })).await.ok();
    assert_eq!((asked("127.8.0.9"), asked("127.9.0.1"), asked("127.9.0.2")), (Got::Refused, ALLOWED, Got::Refused));
    key.delete(&foreign).await.ok();
    assert_eq!((asked("127.9.0.1"), asked("127.1.0.9")), (Got::Refused, ALLOWED));
}
