//! Safe search and blocked services, from the API to the wire.

use crate::{
    client::http,
    daemon::Place,
    dns::{ALLOWED, Got, Upstream, a, ask, ask_for, asked_name, ede_code, empty_reply, reply_with},
    web::{LOOPBACK, Page, Web},
};
use hickory_proto::{
    op::ResponseCode,
    rr::{RData, Record, RecordType, rdata},
};
use serde_json::json;

/// An upstream that knows every name, the filtered hosts of search engines with addresses of their own.
fn upstream() -> Upstream {
    Upstream::scripted(|query| {
        let (name, qtype) = (asked_name(query), query.queries[0].query_type());
        let address = match (name.as_str(), qtype) {
            ("forcesafesearch.google.com.", RecordType::A) => [192, 0, 2, 120],
            ("restrictmoderate.youtube.com.", RecordType::A) => [192, 0, 2, 119],
            ("restrict.youtube.com.", RecordType::A) => [192, 0, 2, 118],
            // This one has gone: its pinned address stands in.
            ("strict.bing.com.", _) => {
                let mut gone = empty_reply(query);
                gone.metadata.response_code = ResponseCode::NXDomain;
                return Some(gone);
            }
            (_, RecordType::A) => return Some(reply_with(query, [a(&name, 300)])),
            _ => return Some(empty_reply(query)),
        };
        let owner = query.queries[0].name().clone();
        Some(reply_with(query, [Record::from_rdata(owner, 300, RData::A(rdata::A(address.into())))]))
    })
}

/// The data of every answer, in order.
fn data(daemon: &crate::daemon::Daemon, name: &str, qtype: RecordType) -> Vec<String> {
    ask_for(daemon.udp, name, qtype).answers.iter().map(|record| record.data.to_string()).collect()
}

const FILTER: &str = "/users/1/policies/default/filter";

#[tokio::test]
async fn safe_search_on_leads_engines_to_their_filtered_hosts() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(data(&daemon, "www.google.com", RecordType::A), ["192.0.2.80"], "off: the original");

    admin.post("/users/1/policies/default", json!({ "safesearch": "ON" })).await.ok();
    let google = ["forcesafesearch.google.com.", "192.0.2.120"];
    for _ in 0..2 {
        assert_eq!(data(&daemon, "www.google.com", RecordType::A), google);
    }
    assert_eq!(data(&daemon, "google.co.uk", RecordType::A), google);
    assert_eq!(data(&daemon, "www.youtube.com", RecordType::A), ["restrictmoderate.youtube.com.", "192.0.2.119"]);
    assert_eq!(data(&daemon, "www.bing.com", RecordType::A), ["strict.bing.com.", "204.79.197.220"]);
    assert_eq!(place.upstream.count("forcesafesearch.google.com", RecordType::A), 1, "it is resolved once");

    let reply = ask_for(daemon.udp, "www.google.com", RecordType::A);
    assert_eq!((ede_code(&reply), reply.metadata.authentic_data), (Some(4), false));
    for qtype in [RecordType::HTTPS, RecordType::SVCB, RecordType::TXT] {
        let reply = ask_for(daemon.udp, "www.google.com", qtype);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{qtype}");
    }
    assert_eq!(data(&daemon, "mail.google.com", RecordType::A), ["192.0.2.80"]);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "search.yahoo.com"), Got::Blocked(17));

    let engines = json!([{ "engine": "youtube", "level": "strict" }, { "engine": "google", "level": "off" }]);
    admin.post(FILTER, json!({ "engines": engines })).await.ok();
    assert_eq!(data(&daemon, "www.youtube.com", RecordType::A), ["restrict.youtube.com.", "192.0.2.118"]);
    assert_eq!(data(&daemon, "www.google.com", RecordType::A), ["192.0.2.80"]);

    admin.post("/users/1/policies/default", json!({ "safesearch": "OFF" })).await.ok();
    admin.post(FILTER, json!({ "engines": null })).await.ok();
    assert_eq!(data(&daemon, "www.youtube.com", RecordType::A), ["192.0.2.80"]);
}

#[tokio::test]
async fn an_allowed_search_host_is_told_as_a_conflict() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    admin.post("/users/1/policies/default", json!({ "safesearch": "ON" })).await.ok();
    let entry = json!({ "domain": "google.com", "subdomains": true });
    admin.post("/users/1/policies/default/domains/allow", entry).await.ok();
    assert_eq!(data(&daemon, "www.google.com", RecordType::A), ["192.0.2.80"]);
    let told =
        admin.post("/explain", json!({ "client": "127.0.0.1", "name": "www.google.com", "type": "A" })).await.ok();
    assert!(told.to_string().contains("conflict: Google is to be held to strict"), "{told}");
}

#[tokio::test]
async fn a_service_is_blocked_and_unblocked_with_its_next_query() {
    let place = Place::with(upstream());
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.tiktok.com"), ALLOWED);
    let services = json!([{ "service": "tiktok", "action": "block" }]);
    admin.post(FILTER, json!({ "services": services })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.tiktok.com"), Got::Blocked(17));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "v16.tiktokcdn.com"), Got::Blocked(17));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    admin.post(FILTER, json!({ "services": [] })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.tiktok.com"), ALLOWED);
}

#[tokio::test]
async fn domains_that_google_has_new_or_no_more_are_told() {
    let (place, web) = (Place::with(upstream()), Web::start());
    let url = web.url("/supported_domains");
    let environment = [LOOPBACK[0], LOOPBACK[1], ("WEIR_SAFE_SEARCH__GOOGLE_DOMAINS", url.as_str())];
    let daemon = place.start_with(&environment);
    let admin = place.administrator(&daemon);
    let engines = admin.get("/safesearch").await.ok();
    let google = engines["data"].as_array().unwrap().iter().find(|row| row["id"] == "google").unwrap();
    let hosts = google["hosts"].as_array().unwrap().iter().map(|host| host.as_str().unwrap());
    let listed: String = hosts
        .filter(|host| host.starts_with("google.") && *host != "google.de")
        .chain(["google.newland"])
        .map(|host| format!(".{host}\n"))
        .collect();
    let error = |checked: &serde_json::Value| checked["google_domains"]["error"].as_str().map(str::to_owned);
    let checked = admin.get("/safesearch/check").await.ok();
    assert_eq!(error(&checked).as_deref(), Some("127.0.0.1 answered 404"), "{checked}");
    assert!(daemon.log().contains("could not be compared"));
    drop(daemon);

    web.put("/supported_domains", Page::text(&listed));
    let daemon = place.start_with(&environment);
    let admin = place.administrator(&daemon);
    for _ in 0..2 {
        let checked = admin.get("/safesearch/check").await.ok();
        let told = &checked["google_domains"];
        assert_eq!((&told["new"], &told["gone"]), (&json!(["google.newland"]), &json!(["google.de"])), "{told}");
        assert_eq!(error(&checked), None);
    }
    assert_eq!(web.total(), 2, "within the hour it is not fetched again");
    daemon.wait_for_log("google.newland", 1);
    let page = http().get(daemon.api.replace("/restapi", "/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("weir_safe_search_google_domains{kind=\"new\"} 1"), "{page}");
}
