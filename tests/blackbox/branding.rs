//! What an MSP puts its name on: block page, interface, support contact.

use crate::{
    client::{Client, http},
    daemon::Place,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Gets a picture as a browser of somebody unknown does.
async fn fetch(address: &Value) -> (u16, Vec<u8>) {
    let response = http().get(address.as_str().unwrap()).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn customers_see_the_brand_of_their_msp_and_pictures_come_back_as_they_were() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let (msp_id, msp) = admin.msp("msp").await;
    let (_, one) = admin.customer_of(Some(msp_id), "one", "127.1.0.0/16").await;
    let (_, other) = admin.customer("other", "127.2.0.0/16").await;
    let png = STANDARD.decode(PNG).unwrap();

    let built_in = one.get("/interface").await.ok();
    let brand = msp.upload("/interface", &[("title", "Msp"), ("footer", "Ours")], ("logo", &png)).await.ok();
    assert_eq!(fetch(&brand["logo"]).await, (200, png.clone()), "needs no credentials");
    assert_eq!((&one.get("/interface").await.ok()["title"], &brand["title"]), (&json!("Msp"), &json!("Msp")));
    assert_eq!(other.get("/interface").await.ok(), built_in);
    let refused = msp.upload("/interface", &[], ("logo", b"MZ, no picture")).await.refused(400);
    assert!(refused["error"].as_str().unwrap().starts_with("Error: logo: "), "{refused}");
    one.post("/interface", json!({ "title": "x" })).await.refused(403);

    let texts = [("title", "Msp says no"), ("access_denied_message", "This page is blocked")];
    let page = msp.upload("/blockpage", &texts, ("logo", &png)).await.ok();
    assert_eq!(one.get("/blockpage").await.ok(), page);
    assert_eq!(other.get("/blockpage").await.ok()["title"], "Blocked");
    assert_eq!(fetch(&page["logo"]).await, (200, png));

    msp.post("/support", json!({ "email": "help@msp.test", "link": "https://help.msp.test" })).await.ok();
    assert_eq!(one.get("/support").await.ok()["email"], "help@msp.test");
    assert_ne!(other.get("/support").await.ok()["email"], "help@msp.test");
    one.post("/support", json!({ "email": "x@one.test" })).await.refused(403);

    assert!(daemon.stop());
    let daemon = place.start();
    let msp = Client::signed_in(&daemon.api, "msp@weir.test", "secret1").await;
    let kept = msp.get("/interface?own=true").await.ok();
    assert_eq!(fetch(&kept["logo"]).await.0, 200, "after a restart too");
    msp.delete("/interface/logo").await.ok();
    assert_eq!(fetch(&kept["logo"]).await.0, 404);
    msp.delete("/interface/title").await.ok();
    assert_ne!(msp.get("/interface?own=true").await.ok()["title"], "Msp");
    msp.delete("/blockpage").await.ok();
    let one = Client::signed_in(&daemon.api, "one@weir.test", "secret1").await;
    assert_eq!(one.get("/blockpage").await.ok()["title"], "Blocked");
}
