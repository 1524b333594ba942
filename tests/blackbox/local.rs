//! What a policy answers itself, and how it resolves the rest.

use crate::{
    client::{Client, id},
    daemon::{Daemon, Place},
    dns::{ALLOWED, Got, Upstream, a, ask, ask_for, asked_name, query, reply_to, reply_with, send},
};
use hickory_proto::{
    op::Message,
    rr::{
        RData, Record,
        RecordType::{A, AAAA, PTR, TXT},
        rdata::{
            self,
            opt::{ClientSubnet, EdnsCode, EdnsOption},
        },
    },
};
use serde_json::json;
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

const LOOPBACK: &str = r#"["127.0.0.0/8"]"#;

/// A daemon whose tenants may name servers on loopback.
fn start(place: &Place) -> Daemon {
    place.start_with(&[("WEIR_RESOLVE__TENANT_SERVERS_ALLOW", LOOPBACK)])
}

/// Makes a customer whose clients come from this network; gives its id.
async fn customer(admin: &Client, name: &str, net: &str) -> u64 {
    let user =
        json!({ "accountname": name, "email": format!("{name}@weir.test"), "license": "x", "password": "secret1" });
    let customer = id(&admin.post("/users", user).await.ok());
    let location = json!({ "name": "office", "ip": net });
    admin.post(&format!("/users/{customer}/locations/staticip"), location).await.ok();
    customer
}

/// An upstream that answers A with this address.
fn with_address(octets: [u8; 4]) -> Upstream {
    Upstream::scripted(move |query| {
        let owner = query.queries[0].name().clone();
        let data = RData::A(rdata::A(Ipv4Addr::from(octets)));
        Some(if query.queries[0].query_type() == A {
            reply_with(query, [Record::from_rdata(owner, 300, data)])
        } else {
            reply_to(query)
        })
    })
}

fn got(octets: [u8; 4]) -> Got {
    Got::Address(Ipv4Addr::from(octets).into())
}

fn shown(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| format!("{} {} {}", record.name, record.record_type(), record.data)).collect()
}

#[tokio::test]
async fn a_local_record_answers_one_customer_and_not_another() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let other = customer(&admin, "other", "127.7.0.0/16").await;
    let records = format!("/users/{other}/policies/default/records");
    for record in [
        json!({ "name": "nas.home.test", "type": "A", "values": ["10.1.2.3"] }),
        json!({ "name": "nas.home.test", "type": "TXT", "values": ["a box"] }),
        json!({ "name": "www.home.test", "type": "CNAME", "values": ["www.example.com"] }),
        json!({ "name": "old.test", "subdomains": true, "type": "NXDOMAIN" }),
    ] {
        admin.post(&records, record).await.ok();
    }
    assert_eq!(ask(daemon.udp, "127.7.0.1", "nas.home.test"), got([10, 1, 2, 3]));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "nas.home.test"), ALLOWED, "another customer's");
    let from_other = |name: &str, qtype| send(daemon.udp, "127.7.0.1", &query(name, qtype));
    assert_eq!(shown(&from_other("nas.home.test", TXT)).len(), 1);
    let none = from_other("nas.home.test", AAAA);
    assert_eq!((none.answers.len(), none.authorities.len()), (0, 1), "a name with records has none of other types");
    for _ in 0..2 {
        assert_eq!(
            shown(&from_other("www.home.test", A)),
            ["www.home.test. CNAME www.example.com.", "www.example.com. A 192.0.2.80"]
        );
    }
    assert_eq!(from_other("a.old.test", A).metadata.response_code, hickory_proto::op::ResponseCode::NXDomain);
    let list = admin.get(&records).await.ok();
    assert_eq!(list["total"], 4);
    let nas = list["data"].as_array().unwrap().iter().find(|row| row["type"] == "A").unwrap();
    admin.delete(&format!("{records}/{}", id(nas))).await.ok();
    assert_eq!(from_other("nas.home.test", A).answers.len(), 0, "its text is left");
}

#[tokio::test]
async fn a_zone_and_a_policys_upstreams_answer_those_who_have_them_and_nobody_else() {
    let place = Place::new();
    let (inside, elsewhere) = (with_address([10, 9, 9, 9]), with_address([192, 0, 2, 99]));
    let mut daemon = start(&place);
    let admin = place.administrator(&daemon);
    let other = customer(&admin, "other", "127.7.0.0/16").await;
    let zones = format!("/users/{other}/forwardzones");
    admin.post(&zones, json!({ "zone": "corp.test", "servers": [inside.address().to_string()] })).await.ok();
    for _ in 0..2 {
        assert_eq!(ask(daemon.udp, "127.7.0.1", "erp.corp.test"), got([10, 9, 9, 9]));
        assert_eq!(ask(daemon.udp, "127.0.0.1", "erp.corp.test"), ALLOWED);
        assert_eq!(ask(daemon.udp, "127.7.0.1", "www.example.com"), ALLOWED);
    }
    let filter = format!("/users/{other}/policies/default/filter");
    let resolving = json!({ "resolving": { "upstreams": [elsewhere.address().to_string()] } });
    admin.post(&filter, resolving).await.ok();
    assert_eq!(ask(daemon.udp, "127.7.0.1", "www.example.com"), got([192, 0, 2, 99]));
    assert_eq!(ask(daemon.udp, "127.7.0.1", "erp.corp.test"), got([10, 9, 9, 9]), "the zone stays");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert_eq!(inside.count("www.example.com", A) + elsewhere.count("erp.corp.test", A), 0);
    assert!(daemon.stop());

    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let refused = admin.post(&zones, json!({ "zone": "b.test", "servers": ["127.0.0.1"] })).await.refused(400);
    assert_eq!(refused["error"], "Error: servers[0]: 127.0.0.1 is an address of this server");
    let reply = send(daemon.udp, "127.7.0.1", &query("erp.corp.test", A));
    assert_eq!(reply.metadata.response_code, hickory_proto::op::ResponseCode::ServFail, "no longer allowed");
}

#[tokio::test]
async fn dns64_makes_addresses_for_networks_without_ipv4() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask_for(daemon.udp, "www.example.com", AAAA).answers.len(), 0);
    let resolving = json!({ "resolving": { "dns64": "64:ff9b::/96" } });
    admin.post("/users/1/policies/default/filter", resolving).await.ok();
    for _ in 0..2 {
        let reply = ask_for(daemon.udp, "www.example.com", AAAA);
        assert_eq!(shown(&reply), ["www.example.com. AAAA 64:ff9b::c000:250"]);
    }
    let reverse = "0.5.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa";
    let reply = ask_for(daemon.udp, reverse, PTR);
    assert_eq!(shown(&reply), [format!("{reverse}. CNAME 80.2.0.192.in-addr.arpa.")]);
}

#[tokio::test]
async fn upstreams_hear_nothing_of_a_client_unless_the_policy_says_so() {
    let heard: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let log = heard.clone();
    let place = Place::with(Upstream::scripted(move |query| {
        let told = query.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet));
        log.lock().unwrap().push(told.map(|told| match told {
            EdnsOption::Subnet(told) => format!("{}/{}", told.addr(), told.source_prefix()),
            other => format!("{other:?}"),
        }));
        Some(reply_with(query, [a(&asked_name(query), 300)]))
    }));
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let mut with_own = query("a.example", A);
    let own = ClientSubnet::new(Ipv4Addr::new(203, 0, 113, 7).into(), 32, 0);
    with_own.edns.as_mut().unwrap().options_mut().insert(EdnsOption::Subnet(own));
    send(daemon.udp, "127.0.0.1", &with_own);
    ask_for(daemon.udp, "b.example", A);
    let filter = "/users/1/policies/default/filter";
    let set = |subnet| json!({ "resolving": { "client_subnet": subnet } });
    admin.post(filter, set(json!({ "mode": "fixed", "v4": "198.51.100.0/24" }))).await.ok();
    ask_for(daemon.udp, "c.example", A);
    admin.post(filter, set(json!({ "mode": "truncated" }))).await.ok();
    ask_for(daemon.udp, "d.example", A);
    assert_eq!(
        *heard.lock().unwrap(),
        [None, None, Some("198.51.100.0/24".to_owned()), None],
        "what a client sends is not passed on, and a loopback address is nobody's business"
    );
}
