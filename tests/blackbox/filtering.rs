//! What filtering looks like in DNS.

use crate::{
    client::{Client, http, id},
    daemon::{Daemon, Place},
    dns::{
        ALLOWED, Got, UPSTREAM_ADDRESS, Upstream, a, ask, ask_for, asked_name, cname, dname, ede_code, exchange, n,
        query, reply_to, reply_with, send, socket,
    },
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{DNSClass, RData, Record, RecordType, RecordType::A, rdata},
};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BLOCK: &str = "/users/1/policies/default/domains/block";
const ALLOW: &str = "/users/1/policies/default/domains/allow";

async fn list(admin: &Client, path: &str, domain: &str) {
    admin.post(path, json!({ "domain": domain })).await.ok();
}

/// Lets a category through or not, in the default policy of customer 1.
async fn set_category(admin: &Client, name: &str, allowed: bool) {
    let rows = admin.get("/users/1/policies/default/categories").await.ok();
    let row = rows["data"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    let path = format!("/users/1/policies/default/categories/{}", id(row));
    admin.post(&path, json!({ "allowed": allowed })).await.ok();
}

/// A customer whose queries come from a loopback range.
async fn customer(admin: &Client, name: &str, range: &str) -> u64 {
    let form = format!("accountname={name}&email={name}%40weir.test&license=L&password=secret1");
    let customer = id(&admin.form("/users", &form).await.ok());
    let form = format!("name=office&ip={}", range.replace('/', "%2F"));
    admin.form(&format!("/users/{customer}/locations/staticip"), &form).await.ok();
    customer
}

/// A count of `/metrics`: the sum over all lines with these labels.
async fn counted(daemon: &Daemon, labels: &[&str]) -> u64 {
    let url = format!("{}/metrics", daemon.api.trim_end_matches("/restapi"));
    let text = http().get(url).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("weir_queries_total{"));
    let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// `alias.*` is an alias of `target.test`, `moved.*` lies in a tree that was moved below `dname.test`,
/// all with a TTL of 0, so that the upstream is asked each time.
fn aliases() -> Upstream {
    Upstream::scripted(|query| {
        let name = asked_name(query);
        let records = match name.as_str() {
            "alias.example." => {
                vec![
                    cname(&name, "middle.example.", 0),
                    cname("middle.example.", "target.test.", 0),
                    a("target.test.", 0),
                ]
            }
            "www.moved.example." => vec![
                dname("moved.example.", "dname.test."),
                cname(&name, "www.dname.test.", 0),
                a("www.dname.test.", 0),
            ],
            "category.example." => vec![cname(&name, "malware.weir.test.", 0), a("malware.weir.test.", 0)],
            _ => return Some(reply_to(query)),
        };
        Some(reply_with(query, records))
    })
}

#[tokio::test]
async fn targets_of_an_allowed_name_are_judged_too() {
    let place = Place::with(aliases());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let ask = |name: &str| ask(daemon.udp, "127.0.0.1", name);
    assert_eq!(ask("category.example"), Got::Blocked(17), "an alias of a blocked category");
    for name in ["alias.example", "www.moved.example"] {
        let reply = ask_for(daemon.udp, name, A);
        let last = reply.answers.last().unwrap();
        assert!(matches!(&last.data, RData::A(address) if address.0 == UPSTREAM_ADDRESS), "{reply:?}");
    }
    list(&admin, BLOCK, "middle.example").await;
    assert_eq!(ask("alias.example"), Got::Blocked(17), "a link in the middle");
    list(&admin, "/domains/block", "target.test").await;
    assert_eq!(ask("alias.example"), Got::Blocked(17), "the first link decides");
    list(&admin, "/domains/block", "dname.test").await;
    assert_eq!(ask("www.moved.example"), Got::Blocked(15), "the operator's list");
    let reply = ask_for(daemon.udp, "www.moved.example", A);
    assert_eq!(reply.answers.len(), 1, "nothing of the upstream's answer is left");
}

#[tokio::test]
async fn targets_of_service_records_are_judged_too() {
    let place = Place::with(Upstream::scripted(|query| {
        let name = asked_name(query);
        let service = rdata::SVCB::new(1, n("edge.target.test."), Vec::new());
        let data = RData::HTTPS(rdata::HTTPS(service));
        Some(reply_with(query, [Record::from_rdata(n(&name), 300, data)]))
    }));
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask_for(daemon.udp, "www.example.com", RecordType::HTTPS).answers.len(), 1);
    list(&admin, BLOCK, "target.test").await;
    let reply = ask_for(daemon.udp, "www.example.com", RecordType::HTTPS);
    assert_eq!((reply.answers.len(), reply.authorities.len(), ede_code(&reply)), (0, 1, Some(17)), "NODATA");
}

#[tokio::test]
async fn the_answer_of_a_listed_name_is_left_as_it_is() {
    let place = Place::with(aliases());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let octets = |name: &str| exchange(daemon.udp, "127.0.0.1", &query(name, A).to_vec().unwrap());
    let before = octets("alias.example");
    assert_eq!(Message::from_vec(&before).unwrap().answers.len(), 3);
    for name in ["middle.example", "target.test"] {
        list(&admin, BLOCK, name).await;
    }
    assert_ne!(octets("alias.example"), before);
    list(&admin, ALLOW, "alias.example").await;
    assert_eq!(octets("alias.example"), before, "no target is looked at, no octet is changed");
    list(&admin, ALLOW, "category.example").await;
    assert_eq!(Message::from_vec(&octets("category.example")).unwrap().answers.len(), 2);
}

#[tokio::test]
async fn a_remembered_answer_is_judged_again_after_an_edit() {
    let place = Place::with(Upstream::scripted(|query| {
        let name = asked_name(query);
        Some(reply_with(query, [cname(&name, "tracker.test.", 300), a("tracker.test.", 300)]))
    }));
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    for _ in 0..2 {
        assert_eq!(ask_for(daemon.udp, "shop.example", A).answers.len(), 2);
    }
    assert_eq!(place.upstream.count("shop.example", A), 1, "the second came from memory");
    let entry = id(&admin.post(BLOCK, json!({ "domain": "tracker.test" })).await.ok());
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), Got::Blocked(17), "its target is blocked now");
    admin.delete(&format!("{BLOCK}/{entry}")).await.ok();
    assert_eq!(ask_for(daemon.udp, "shop.example", A).answers.len(), 2);
    list(&admin, BLOCK, "shop.example").await;
    assert_eq!(ask(daemon.udp, "127.0.0.1", "shop.example"), Got::Blocked(17), "the name is blocked now");
    assert_eq!(place.upstream.count("shop.example", A), 1, "all this time");
}

#[tokio::test]
async fn a_block_looks_by_the_query_type() {
    let place = Place::new();
    let daemon = place.start();
    let null = |address: IpAddr, reply: &Message| {
        let [answer] = &reply.answers[..] else { panic!("{reply:?}") };
        assert_eq!(answer.data.ip_addr(), Some(address));
        assert_eq!(answer.ttl, 60);
    };
    null(Ipv4Addr::UNSPECIFIED.into(), &ask_for(daemon.udp, "malware.weir.test", A));
    null(Ipv6Addr::UNSPECIFIED.into(), &ask_for(daemon.udp, "malware.weir.test", RecordType::AAAA));
    for qtype in [RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX, RecordType::from(4242)] {
        let reply = ask_for(daemon.udp, "malware.weir.test", qtype);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{qtype}");
        let [soa] = &reply.authorities[..] else { panic!("{reply:?}") };
        assert_eq!((soa.record_type(), soa.ttl), (RecordType::SOA, 60), "{qtype}");
        assert_eq!(ede_code(&reply), Some(17), "{qtype}");
        assert_eq!(place.upstream.count("malware.weir.test", qtype), 0);
    }
}

#[tokio::test]
async fn the_operators_lists_say_blocked_and_the_customers_say_filtered() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let msp = "name=Partner&email=partner%40weir.test&password=secret1";
    let msp = id(&admin.form("/msps", msp).await.ok());
    let form = format!("accountname=one&email=one%40weir.test&license=L&password=secret1&msp_id={msp}");
    let one = id(&admin.form("/users", &form).await.ok());
    admin.form(&format!("/users/{one}/locations/staticip"), "name=office&ip=127.7.0.0%2F16").await.ok();
    let policy = admin.get(&format!("/msps/{msp}")).await.ok()["policy_id"].as_u64().unwrap();
    list(&admin, "/domains/block", "system.test").await;
    list(&admin, &format!("/policies/{policy}/domains/block"), "msp.test").await;
    list(&admin, &format!("/users/{one}/policies/default/domains/block"), "own.test").await;
    for (name, theirs, others) in [
        ("a.system.test", Got::Blocked(15), Got::Blocked(15)),
        ("a.msp.test", Got::Blocked(15), ALLOWED),
        ("a.own.test", Got::Blocked(17), ALLOWED),
    ] {
        assert_eq!(ask(daemon.udp, "127.7.0.1", name), theirs, "{name}");
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), others, "{name}");
    }
}

#[tokio::test]
async fn capitals_come_back_as_they_were_sent() {
    let place = Place::new();
    let daemon = place.start();
    for (name, got) in [("wWw.ExAmPlE.cOm", ALLOWED), ("MaLwArE.wEiR.tEsT", Got::Blocked(17))] {
        for _ in 0..2 {
            let sent = query(name, A).to_vec().unwrap();
            let octets = exchange(daemon.udp, "127.0.0.1", &sent);
            let question = name.len() + 2 + 4;
            assert_eq!(octets[12..12 + question], sent[12..12 + question], "{name}");
            let owner = &Message::from_vec(&octets).unwrap().answers[0].name;
            assert_eq!(owner.to_ascii().trim_end_matches('.'), name);
        }
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), got);
    }
    assert_eq!(place.upstream.count("www.example.com", A), 1, "letter case makes no other name");
}

#[tokio::test]
async fn names_of_every_length_are_filtered() {
    let place = Place::new();
    let daemon = place.start();
    for (below, got) in [("malware.weir.test", Got::Blocked(17)), ("harmless.own.test", ALLOWED)] {
        let mut name = below.to_owned();
        while name.len() < 253 {
            let room = (253 - name.len() - 1).min(60);
            name = format!("{}.{name}", "x".repeat(room));
        }
        assert_eq!(name.len(), 253, "255 octets on the wire, the longest there is");
        assert_eq!(ask(daemon.udp, "127.0.0.1", &name), got, "{name}");
    }
}

#[tokio::test]
async fn an_unknown_client_gets_what_the_configuration_says() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let one = customer(&admin, "one", "127.9.0.0/16").await;
    let form = "name=guests&description=&level=L&allowunclassified=0";
    let policy = id(&admin.form(&format!("/users/{one}/policies"), form).await.ok());
    admin.delete("/users/1").await.ok();
    assert_eq!(ask(daemon.udp, "127.9.0.1", "www.example.com"), ALLOWED);
    let reply = ask_for(daemon.udp, "www.example.com", A);
    assert_eq!((reply.metadata.response_code, ede_code(&reply)), (ResponseCode::Refused, Some(18)));
    assert!(daemon.stop());

    let mut daemon = place.start_with(&[("WEIR_DNS__UNKNOWN_CLIENTS", "drop")]);
    let silent = socket("127.0.0.1");
    silent.send_to(&query("www.example.com", A).to_vec().unwrap(), daemon.udp).unwrap();
    let mut dropped = 0;
    for _ in 0..500 {
        dropped = counted(&daemon, &["verdict=\"dropped\""]).await;
        if dropped > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(dropped, 1, "it was seen");
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_err(), "and not answered");
    assert_eq!(ask(daemon.udp, "127.9.0.1", "www.example.com"), ALLOWED);
    assert!(daemon.stop());

    let daemon = place.start_with(&[("WEIR_DNS__UNKNOWN_CLIENTS", &format!("{{ policy = {policy} }}"))]);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "unheard-of.example"), Got::Blocked(17));
    assert_eq!(ask(daemon.udp, "127.9.0.1", "unheard-of.example"), ALLOWED);
}

#[tokio::test]
async fn the_longest_range_says_who_asks() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    for (name, range) in [("wide", "127.6.0.0/16"), ("narrow", "127.6.1.0/24"), ("host", "127.6.1.7")] {
        let customer = customer(&admin, name, range).await;
        list(&admin, &format!("/users/{customer}/policies/default/domains/block"), &format!("{name}.test")).await;
    }
    for (from, blocked) in [("127.6.2.1", "wide"), ("127.6.1.1", "narrow"), ("127.6.1.7", "host"), ("127.5.0.1", "")] {
        for name in ["wide", "narrow", "host"] {
            let expected = if name == blocked { Got::Blocked(17) } else { ALLOWED };
            assert_eq!(ask(daemon.udp, from, &format!("{name}.test")), expected, "{name} from {from}");
        }
    }
}

#[tokio::test]
async fn a_suspended_customer_is_refused_until_it_is_reinstated() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let one = customer(&admin, "one", "127.8.0.0/16").await;
    assert_eq!(ask(daemon.udp, "127.8.0.1", "www.example.com"), ALLOWED);
    admin.form(&format!("/users/{one}/suspend"), "").await.ok();
    let reply = send(daemon.udp, "127.8.0.1", &query("www.example.com", A));
    assert_eq!((reply.metadata.response_code, ede_code(&reply)), (ResponseCode::Refused, Some(18)));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    admin.form(&format!("/users/{one}/reinstate"), "").await.ok();
    assert_eq!(ask(daemon.udp, "127.8.0.1", "www.example.com"), ALLOWED);
}

#[tokio::test]
async fn own_names_are_answered_here() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let code = |name: &str, qtype| {
        let reply = ask_for(daemon.udp, name, qtype);
        assert_eq!(place.upstream.count(name, qtype), 0, "{name} stays here");
        (reply.metadata.response_code, reply.answers.len())
    };
    assert_eq!(code("_dns.resolver.arpa", RecordType::SVCB), (ResponseCode::NoError, 0));
    assert_eq!(code("abc.onion", A), (ResponseCode::NXDomain, 0));
    assert_eq!(code("a.invalid", A), (ResponseCode::NXDomain, 0));
    assert_eq!(code("1.0.0.10.in-addr.arpa", RecordType::PTR), (ResponseCode::NXDomain, 0));
    let local = ask_for(daemon.udp, "a.localhost", A);
    assert_eq!(local.answers[0].data.ip_addr(), Some(Ipv4Addr::LOCALHOST.into()));
    let local = ask_for(daemon.udp, "localhost", RecordType::AAAA);
    assert_eq!(local.answers[0].data.ip_addr(), Some(Ipv6Addr::LOCALHOST.into()));
    let canaries = ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"];
    set_category(&admin, "Anonymizer", true).await;
    for name in canaries {
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), ALLOWED, "{name}");
    }
    set_category(&admin, "Anonymizer", false).await;
    for name in canaries {
        let reply = ask_for(daemon.udp, name, A);
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
    }
}

#[tokio::test]
async fn questions_that_no_resolver_serves_are_refused() {
    let place = Place::new();
    let daemon = place.start();
    let mut version = query("version.bind", RecordType::TXT);
    version.queries[0].set_query_class(DNSClass::CH);
    let reply = send(daemon.udp, "127.0.0.1", &version);
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0));
    let reply = ask_for(daemon.udp, "www.example.com", RecordType::AXFR);
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    let reply = ask_for(daemon.udp, "www.example.com", RecordType::ANY);
    let types: Vec<RecordType> = reply.answers.iter().map(|record| record.record_type()).collect();
    assert_eq!(types, [RecordType::HINFO]);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert_eq!(place.upstream.count("www.example.com", A), 1, "that one alone was asked for");
    for qtype in [RecordType::AXFR, RecordType::ANY] {
        assert_eq!(place.upstream.count("www.example.com", qtype), 0);
    }
}

#[tokio::test]
async fn locations_have_policies_and_inherit_what_is_above_at_once() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    for (name, range) in [("kids", "127.20.0.0/16"), ("staff", "127.21.0.0/16")] {
        let form = format!("name={name}&description=&level=L");
        let policy = id(&admin.form("/users/1/policies", &form).await.ok());
        list(&admin, &format!("/policies/{policy}/domains/block"), &format!("{name}.test")).await;
        let form = format!("name={name}&ip={}&policyid={policy}", range.replace('/', "%2F"));
        admin.form("/users/1/locations/staticip", &form).await.ok();
    }
    for (from, kids, staff) in [
        ("127.20.0.1", Got::Blocked(17), ALLOWED),
        ("127.21.0.1", ALLOWED, Got::Blocked(17)),
        ("127.0.0.1", ALLOWED, ALLOWED),
    ] {
        assert_eq!(ask(daemon.udp, from, "kids.test"), kids, "{from}");
        assert_eq!(ask(daemon.udp, from, "staff.test"), staff, "{from}");
    }
    for round in 0..10 {
        let name = format!("n{round}.test");
        let entry = id(&admin.form("/domains/block", &format!("domain={name}")).await.ok());
        for from in ["127.20.0.1", "127.21.0.1", "127.0.0.1"] {
            assert_eq!(ask(daemon.udp, from, &name), Got::Blocked(15), "{from}");
        }
        admin.delete(&format!("/domains/block/{entry}")).await.ok();
        assert_eq!(ask(daemon.udp, "127.20.0.1", &name), ALLOWED);
    }
}

#[tokio::test]
async fn metrics_count_queries_by_verdict() {
    let place = Place::new();
    let daemon = place.start();
    for _ in 0..3 {
        ask(daemon.udp, "127.0.0.1", "malware.weir.test");
    }
    for _ in 0..2 {
        ask(daemon.udp, "127.0.0.1", "www.example.com");
    }
    ask_for(daemon.udp, "localhost", A);
    ask_for(daemon.udp, "www.example.com", RecordType::AXFR);
    for (verdict, count) in [("blocked", 3), ("allowed", 2), ("local", 1), ("refused", 1)] {
        let labels = [&*format!("verdict=\"{verdict}\""), "protocol=\"udp\""];
        assert_eq!(counted(&daemon, &labels).await, count, "{verdict}");
    }
}
