//! Local records, zones resolved elsewhere, and how a policy resolves.

use super::harness::{As, House};
use serde_json::json;

async fn house() -> (House, String) {
    let house = House::new().await;
    let location = json!({ "name": "l", "ip": "203.0.113.0/24" });
    house.post(As::One, &format!("/users/{}/locations/staticip", house.one), location).await.ok();
    let policy = house.get(As::One, &format!("/users/{}/policies/default", house.one)).await.ok()["id"].clone();
    (house, format!("/policies/{policy}/records"))
}

#[tokio::test]
async fn a_record_is_made_shown_changed_and_deleted_and_counts_from_the_next_query() {
    let (house, path) = house().await;
    let list = path.replace("/records", "/domains/block");
    house.post(As::One, &list, json!({ "domain": "home.test" })).await.ok();
    assert_eq!(house.verdict("203.0.113.1", "nas.home.test").await, "Blocked");
    let body = json!({ "name": "*.Home.test", "type": "a", "values": ["192.0.2.1", "192.0.2.2"], "ttl": 60 });
    let made = house.post(As::One, &path, body).await.ok();
    assert_eq!(made["object"], "local_record");
    let shown = json!([made["name"], made["subdomains"], made["type"], made["values"], made["ttl"]]);
    assert_eq!(shown, json!(["home.test", true, "A", ["192.0.2.1", "192.0.2.2"], 60]));
    assert_eq!(house.verdict("203.0.113.1", "nas.home.test").await, "Allowed", "a record comes before the lists");

    house.post(As::One, &path, json!({ "name": "home.test", "type": "TXT", "values": "v=1 x" })).await.ok();
    let list = house.get(As::One, &format!("{path}?limit=1&offset=1")).await.ok();
    assert_eq!((list["total"].clone(), list["data"][0]["values"].clone()), (json!(2), json!(["\"v=1 x\""])));

    let one = format!("{path}/{}", made["id"]);
    let changed = house.post(As::One, &one, json!({ "type": "NXDOMAIN", "comment": "no more" })).await.ok();
    let shown = json!([changed["type"], changed["values"], changed["comment"]]);
    assert_eq!(shown, json!(["NXDOMAIN", [], "no more"]));
    let changed = house.post(As::One, &one, json!({ "type": "CNAME", "values": ["www.example.com."] })).await.ok();
    assert_eq!(changed["values"], json!(["www.example.com"]));
    house.delete(As::One, &one).await.ok();
    house.get(As::One, &one).await.refused(404);
    assert_eq!(house.verdict("203.0.113.1", "nas.home.test").await, "Blocked");
}

#[tokio::test]
async fn what_is_wrong_with_a_record_is_named() {
    let (house, path) = house().await;
    house.post(As::One, &path, json!({ "name": "a.test", "type": "A", "values": ["192.0.2.1"] })).await.ok();
    for (body, status, expected) in [
        (
            json!({ "name": "a.test", "type": "A", "values": ["192.0.2.2"] }),
            409,
            "name: the policy has a record of this name and type already",
        ),
        (json!({ "name": "b.test", "type": "A", "values": ["x"] }), 400, "values[0]: \"x\" is no IPv4 address"),
        (json!({ "name": "b.test", "type": "A" }), 400, "values: must have 1 to 64 entries"),
        (
            json!({ "name": "b.test", "type": "NODATA", "values": ["x"] }),
            400,
            "values: must be empty: this type has none",
        ),
        (json!({ "name": "b c", "type": "NULL" }), 400, "name: the name contains ' '"),
        (
            json!({ "name": "b.test", "type": "NULL", "ttl": 604_801 }),
            400,
            "ttl: must be a whole number from 0 to 604800",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, body).await.refused(status), expected);
    }
    house.post(As::Other, &path, json!({ "name": "b.test", "type": "NULL" })).await.refused(404);
    house.get(As::Other, &path).await.refused(404);
    let global = house.get(As::System, "/defaultpolicy").await.ok()["id"].clone();
    let global = format!("/policies/{global}/records");
    let refused = house.post(As::System, &global, json!({ "name": "b.test", "type": "NULL" }));
    assert_eq!(refused.await.refused(400), "policyid: only policies of customers have local records");
}

#[tokio::test]
async fn a_zone_goes_to_servers_elsewhere_but_not_to_this_machine() {
    let (house, _) = house().await;
    let path = format!("/users/{}/forwardzones", house.one);
    let made =
        house.post(As::One, &path, json!({ "zone": "corp.test", "servers": ["192.0.2.53", "10.0.0.1:54"] })).await.ok();
    assert_eq!(made["servers"], json!(["192.0.2.53:53", "10.0.0.1:54"]));
    for (body, status, expected) in [
        (json!({ "zone": "corp.test", "servers": ["192.0.2.53"] }), 409, "zone: the customer has this zone already"),
        (
            json!({ "zone": "b.test", "servers": ["127.0.0.1"] }),
            400,
            "servers[0]: 127.0.0.1 is an address of this server",
        ),
        (json!({ "zone": "b.test", "servers": [] }), 400, "servers: must have 1 to 8 entries"),
        (
            json!({ "zone": "*.b.test", "servers": ["192.0.2.1"] }),
            400,
            "zone: must be a plain name; the names below it follow",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, body).await.refused(status), expected);
    }
    let one = format!("{path}/{}", made["id"]);
    let changed = house.post(As::One, &one, json!({ "servers": "192.0.2.54", "comment": "new" })).await.ok();
    assert_eq!(json!([changed["servers"], changed["comment"]]), json!([["192.0.2.54:53"], "new"]));
    assert_eq!(house.get(As::One, &path).await.ok()["total"], 1);
    house.get(As::Other, &one).await.refused(404);
    house.delete(As::One, &one).await.ok();
    assert_eq!(house.get(As::One, &path).await.ok()["total"], 0);
}

#[tokio::test]
async fn how_a_policy_resolves_is_a_section_of_its_filter() {
    let (house, _) = house().await;
    let path = format!("/users/{}/policies/default/filter", house.one);
    let section = json!({
        "upstreams": ["192.0.2.53", "tls://192.0.2.54#dns.example"],
        "client_subnet": { "mode": "fixed", "v4": "198.51.100.7/24" },
        "dns64": "64:ff9b::/96",
    });
    let shown = house.post(As::One, &path, json!({ "resolving": section })).await.ok();
    assert_eq!(
        shown["resolving"],
        json!({
            "upstreams": ["192.0.2.53:53", "tls://dns.example#192.0.2.54"],
            "client_subnet": { "mode": "fixed", "v4": "198.51.100.0/24", "v6": null },
            "dns64": "64:ff9b::/96",
        })
    );
    for (section, expected) in [
        (
            json!({ "upstreams": ["recurse"] }),
            "resolving.upstreams[0]: must be a server: an address, tls:// or https://",
        ),
        (json!({ "upstreams": ["127.0.0.1"] }), "resolving.upstreams[0]: 127.0.0.1 is an address of this server"),
        (
            json!({ "dns64": "2001:db8::/33" }),
            "resolving.dns64: must be an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 6052)",
        ),
        (json!({ "client_subnet": { "mode": "fixed" } }), "resolving.client_subnet: needs v4 or v6 where it is fixed"),
        (
            json!({ "client_subnet": { "mode": "fixed", "v4": "198.51.100.7/32" } }),
            "resolving.client_subnet.v4: must be an IPv4 network of at most 24 bits",
        ),
    ] {
        assert_eq!(house.post(As::One, &path, json!({ "resolving": section })).await.refused(400), expected);
    }
    let shown = house.post(As::One, &path, json!({ "resolving": null })).await.ok();
    assert_eq!(shown["resolving"]["client_subnet"]["mode"], "off");
}
