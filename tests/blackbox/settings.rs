//! Settings of the node that take effect at once and survive a restart.

use crate::{
    client::http,
    daemon::{Daemon, Place},
    dns::{ALLOWED, Upstream, ask},
};
use hickory_proto::rr::RecordType;
use serde_json::json;

/// A client that trusts one certificate and nothing else.
fn trusting(der: &[u8]) -> reqwest::Client {
    let root = reqwest::Certificate::from_der(der).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).build().unwrap()
}

async fn reaches(client: &reqwest::Client, daemon: &Daemon) -> bool {
    client.get(daemon.api.replace("/restapi", "/healthz")).send().await.is_ok()
}

#[tokio::test]
async fn whoever_trusts_the_active_certificate_trusts_the_api_from_the_next_connection_on() {
    let place = Place::new();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    let body = json!({
        "duration": 2, "common_name": "Example Root", "organization": "Example Ltd", "unit": "IT", "city": "Galway",
        "state": "Galway", "country_code": "IE",
    });
    let made = admin.post("/sslcerts", body).await.ok();
    let missing = http().get(format!("{}/sslcerts/active/download", daemon.api)).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    admin.post("/sslcerts/active", json!({ "id": made["serialnumber"] })).await.ok();
    let der = http().get(format!("{}/sslcerts/active/download", daemon.api)).send().await.unwrap();
    let der = der.bytes().await.unwrap();
    let client = trusting(&der);
    assert!(reaches(&client, &daemon).await);
    // The command line knows the daemon all the same.
    let ended = place
        .run(&["explain", "--client", "127.0.0.1", "www.example.com"], &[("WEIR_API__LISTEN", &address_of(&daemon))]);
    assert_eq!(ended.code, Some(0), "{}", ended.error);
    assert!(daemon.stop());
    let daemon = place.start();
    assert!(reaches(&trusting(&der), &daemon).await, "after a restart too");
    let admin = place.administrator(&daemon);
    admin.delete(&format!("/sslcerts/{}", made["serialnumber"].as_str().unwrap())).await.ok();
    assert!(!reaches(&trusting(&der), &daemon).await, "the node's own certificate is shown again");
}

fn address_of(daemon: &Daemon) -> String {
    daemon.api.trim_start_matches("https://").trim_end_matches("/restapi").to_owned()
}

#[tokio::test]
async fn another_upstream_is_asked_at_once_and_after_a_restart() {
    let place = Place::new();
    let other = Upstream::start();
    let mut daemon = place.start();
    let admin = place.administrator(&daemon);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert_eq!(admin.get("/dns").await.ok()["dns1"], place.upstream.address().to_string());
    admin.post("/dns", json!({ "dns1": other.address().to_string() })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    let asked = |upstream: &Upstream, name: &str| upstream.count(name, RecordType::A);
    assert_eq!((asked(&place.upstream, "www.example.com"), asked(&other, "www.example.com")), (1, 1));
    assert!(daemon.stop());
    let daemon = place.start();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.org"), ALLOWED);
    assert_eq!((asked(&place.upstream, "www.example.org"), asked(&other, "www.example.org")), (0, 1));
}
