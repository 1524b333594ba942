//! Mail server, support contact, block page and branding.

use super::harness::{As, House, LOOPBACK};
use crate::model::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};

/// One pixel.
const GIF: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// A multipart form with a file called `logo`.
async fn upload(house: &House, caller: As, path: &str, fields: &[(&str, &str)], logo: &[u8]) -> super::harness::Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    body.extend(b"--x\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"logo\"\r\n\r\n");
    body.extend(logo);
    body.extend(b"\r\n--x--\r\n");
    let request = Request::post(format!("/restapi{path}"))
        .header("host", "weir.test")
        .header("authorization", format!("Bearer {}", house.token(caller)))
        .header("content-type", "multipart/form-data; boundary=x");
    house.send(request.body(Full::new(Bytes::from(body))).expect("a request")).await
}

/// Gets an address without credentials.
async fn fetch(house: &House, address: &str) -> Response<Bytes> {
    let path = address.strip_prefix("https://weir.test").expect("an address of ours");
    let request = Request::get(path).header("host", "weir.test").body(Full::<Bytes>::default()).expect("a request");
    house.api.handle(request, LOOPBACK).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[tokio::test]
async fn an_msp_has_the_systems_mail_server_until_it_has_its_own() {
    let house = House::new().await;
    let initial = house.get(As::Msp, "/mailserver").await.ok();
    assert_eq!(
        initial,
        json!({ "object": "mail", "code": 200, "server": "", "notification_period": 60, "sender": "" })
    );
    let body = json!({ "mail_server": "mail.example:587", "notification_period": "30", "sender": "weir@example.test" });
    let set = house.call(As::System, http::Method::PUT, "/mailserver", body).await.ok();
    assert_eq!((text(&set["server"]), set["notification_period"].clone()), ("mail.example:587", json!(30)));
    assert_eq!(house.get(As::Msp, "/mailserver").await.ok(), set);
    let own = house.post(As::Msp, "/mailserver", json!({ "sender": "msp@example.test" })).await.ok();
    assert_eq!((text(&own["server"]), text(&own["sender"])), ("mail.example:587", "msp@example.test"));
    assert_eq!(house.get(As::OtherMsp, "/mailserver").await.ok(), set);
    assert_eq!(house.get(As::Sales, &format!("/mailserver?msp_id={}", house.msp)).await.ok(), own);
    let in_force = house.store.in_force::<MailServer>(Account::Customer(CustomerId(house.one))).expect("there is one");
    assert_eq!(in_force.value.sender, "msp@example.test", "and customers below get the MSP's");
    for (body, message) in [
        (json!({ "mail_server": "a b" }), "mail_server: must be a host name or an address, with or without :port"),
        (json!({ "mail_server": "127.0.0.1:22" }), "mail_server: must have one of the ports 25, 465, 587 and 2525"),
        (json!({ "sender": "x" }), "sender: must be an e-mail address"),
        (
            json!({ "sender": "y@x.test", "notification_period": 0 }),
            "notification_period: must be a whole number from 1 to 10080",
        ),
    ] {
        assert_eq!(house.post(As::Msp, "/mailserver", body).await.refused(400), message);
    }
    assert_eq!(house.get(As::Msp, "/mailserver").await.ok(), own, "nothing was half changed");
    house.get(As::Msp, &format!("/mailserver?msp_id={}", house.other_msp)).await.refused(404);
    let reset = house.delete(As::Msp, "/mailserver").await.ok();
    assert_eq!(reset, json!({ "object": "mail", "code": 200, "reset": true }));
    assert_eq!(house.get(As::Msp, "/mailserver").await.ok(), set);
    house.delete(As::System, "/mailserver").await.ok();
    assert_eq!(house.get(As::Msp, "/mailserver").await.ok(), initial);
}

#[tokio::test]
async fn an_msp_that_goes_takes_its_settings_along() {
    let house = House::new().await;
    house.post(As::OtherMsp, "/mailserver", json!({ "sender": "msp@example.test" })).await.ok();
    house.post(As::OtherMsp, "/interface", json!({ "title": "Other" })).await.ok();
    house.delete(As::System, &format!("/users/{}", house.other)).await.ok();
    house.delete(As::System, &format!("/msps/{}", house.other_msp)).await.ok();
    let account = Account::Msp(MspId(house.other_msp));
    assert!(house.store.get::<MailServer>(account, 1).is_none());
    assert!(house.store.get::<Branding>(account, 1).is_none());
}

#[tokio::test]
async fn customers_see_their_msps_contact_and_an_msp_the_systems() {
    let house = House::new().await;
    let system = json!({ "email": "help@system.test", "link": "https://help.system.test" });
    house.post(As::System, "/support", system).await.ok();
    let own = house.post(As::Msp, "/support", json!({ "email": "help@msp.test" })).await.ok();
    assert_eq!((text(&own["email"]), text(&own["link"])), ("help@msp.test", "https://help.system.test"));
    assert_eq!(text(&house.get(As::One, "/support").await.ok()["email"]), "help@msp.test");
    assert_eq!(text(&house.get(As::Other, "/support").await.ok()["email"]), "help@system.test");
    assert_eq!(text(&house.get(As::Msp, "/support").await.ok()["email"]), "help@system.test");
    assert_eq!(text(&house.get(As::Msp, "/support?own=true").await.ok()["email"]), "help@msp.test");
    let named = format!("/support?msp_id={}", house.msp);
    assert_eq!(text(&house.get(As::System, &named).await.ok()["email"]), "help@msp.test");
    let body = json!({ "msp_id": house.other_msp, "email": "", "link": "" });
    house.post(As::Sales, "/support", body.clone()).await.ok();
    assert_eq!(text(&house.get(As::Other, "/support").await.ok()["email"]), "");
    house.post(As::Msp, "/support", body).await.refused(404);
    for (body, message) in [
        (json!({ "link": "javascript:alert(1)" }), "link: must be an http or https address, or empty for none"),
        (json!({ "email": "x" }), "email: must be an e-mail address, or empty for none"),
        (json!({ "own": "x" }), ""),
    ] {
        if message.is_empty() {
            assert_eq!(house.get(As::Msp, "/support?own=x").await.refused(400), "own: must be true or false");
        } else {
            assert_eq!(house.post(As::Msp, "/support", body).await.refused(400), message);
        }
    }
}

#[tokio::test]
async fn a_block_page_comes_down_until_somebody_has_their_own() {
    let house = House::new().await;
    let path = format!("/blockpage?user_id={}", house.one);
    let built_in = house.get(As::One, "/blockpage").await.ok();
    assert_eq!((text(&built_in["title"]), built_in["logo"].clone()), ("Blocked", Value::Null));
    let fields = [("title", "Msp says no"), ("access_denied_message", "This page is blocked"), ("footer", "Msp Ltd")];
    let page = upload(&house, As::Msp, "/blockpage", &fields, GIF).await.ok();
    assert_eq!(house.get(As::One, "/blockpage").await.ok(), page);
    assert_eq!(house.get(As::Other, "/blockpage").await.ok(), built_in);
    let shown = fetch(&house, text(&page["logo"])).await;
    assert_eq!(
        (shown.status().as_u16(), &shown.headers()["content-type"]),
        (200, &"image/gif".parse().expect("a type"))
    );
    assert_eq!(shown.body(), GIF);

    let own = json!({ "title": "One says no", "access_denied_message": "This page is blocked", "logo": page["logo"] });
    let own = house.post(As::Msp, &path, own).await.ok();
    assert_eq!((text(&own["title"]), text(&own["footer"])), ("One says no", "Msp Ltd"));
    let data = format!("data:image/gif;base64,{}", STANDARD.encode(GIF));
    for (field, value, message) in [
        ("title", json!("x"), "title: must have 4 to 250 characters"),
        ("access_denied_message", json!("short"), "access_denied_message: must have 10 to 250 characters"),
        ("logo", json!("<html/>"), "logo: must be a PNG, JPEG, GIF, BMP or SVG picture"),
        ("logo", json!("https://elsewhere.test/a.png"), "logo: must be a picture, or the address of the one there is"),
        ("logo", json!(&data[..data.len() - 8]), "logo: the GIF picture is damaged"),
        ("footer", json!("x".repeat(1001)), "footer: must have at most 1000 characters"),
    ] {
        let mut body = json!({ "title": "A title", "access_denied_message": "This page is blocked" });
        body[field] = value;
        assert_eq!(house.post(As::One, "/blockpage", body).await.refused(400), message);
    }
    assert_eq!(house.get(As::One, "/blockpage").await.ok(), own, "nothing was half changed");
    house.get(As::OtherMsp, &path).await.refused(404);
    house.delete(As::OtherMsp, &path).await.refused(404);
    let reset = house.delete(As::One, "/blockpage").await.ok();
    assert_eq!(reset, json!({ "object": "blockpage", "code": 200, "reset": true }));
    assert_eq!(house.get(As::One, "/blockpage").await.ok(), page);
    house.delete(As::Msp, "/blockpage").await.ok();
    assert_eq!(house.get(As::One, "/blockpage").await.ok(), built_in);
    assert_eq!(fetch(&house, text(&page["logo"])).await.status(), 404, "a page that is gone has no logo");
}

#[tokio::test]
async fn branding_comes_down_field_by_field() {
    let house = House::new().await;
    let body = json!({ "title": "System", "powered_by": "Operator", "footer": "f" });
    house.post(As::System, "/interface", body).await.ok();
    let svg =
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 4 4\" onload=\"x()\"><script>x()</script></svg>";
    let own = upload(&house, As::Msp, "/interface", &[("title", "Msp"), ("footer", "")], svg).await.ok();
    assert_eq!((text(&own["title"]), text(&own["powered_by"]), text(&own["footer"])), ("Msp", "Operator", ""));
    assert_eq!(house.get(As::One, "/interface").await.ok(), own);
    assert_eq!(house.get(As::Msp, "/interface?own=1").await.ok(), own);
    assert_eq!(text(&house.get(As::Msp, "/interface").await.ok()["title"]), "System");
    assert_eq!(text(&house.get(As::Other, "/interface").await.ok()["title"]), "System");
    let logo = text(&own["logo"]).to_owned();
    let shown = fetch(&house, &logo).await;
    assert_eq!(shown.headers()["content-type"], "image/svg+xml");
    assert!(text(&json!(shown.headers()["content-security-policy"].to_str().expect("text"))).contains("sandbox"));
    let svg = String::from_utf8(shown.body().to_vec()).expect("text");
    assert!(!svg.contains("x()"), "{svg}");

    let renamed = house.post(As::Msp, "/interface", json!({ "title": "Renamed", "logo": logo })).await.ok();
    assert_eq!((text(&renamed["logo"]), text(&renamed["title"])), (logo.as_str(), "Renamed"));
    assert_eq!(
        house.post(As::Msp, "/interface", json!({ "powered_by": "x".repeat(51) })).await.refused(400),
        "powered_by: must have at most 50 characters"
    );
    house.delete(As::Msp, &format!("/interface/logo?msp_id={}", house.other_msp)).await.refused(404);
    let gone = house.delete(As::Msp, "/interface/logo").await.ok();
    assert_eq!(gone, json!({ "object": "interface", "code": 200, "deleted": true }));
    assert_eq!(house.get(As::One, "/interface").await.ok()["logo"], Value::Null);
    assert_eq!(fetch(&house, &logo).await.status(), 404, "a deleted logo is gone");
    house.delete(As::System, &format!("/interface/title?msp_id={}", house.msp)).await.ok();
    assert_eq!(text(&house.get(As::One, "/interface").await.ok()["title"]), "System");
    for token in ["x", "is-", "im0-00", "im99999999999-00", "zs-00"] {
        assert_eq!(fetch(&house, &format!("https://weir.test/restapi/storage/logo/{token}")).await.status(), 404);
    }
}

#[tokio::test]
async fn two_editors_of_one_setting_do_not_overwrite_each_other_unseen() {
    let house = House::new().await;
    let first = house.post(As::Msp, "/interface", json!({ "title": "One" })).await;
    let tag = first.headers["etag"].clone();
    house.post(As::Msp, "/interface", json!({ "title": "Two" })).await.ok();
    let request = Request::post("/restapi/interface")
        .header("host", "weir.test")
        .header("authorization", format!("Bearer {}", house.token(As::Msp)))
        .header("if-match", tag)
        .body(Full::new(Bytes::from("title=Three")));
    house.send(request.expect("a request")).await.refused(412);
    assert_eq!(text(&house.get(As::Msp, "/interface?own=1").await.ok()["title"]), "Two");
}
