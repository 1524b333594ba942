//! Subscribed lists, from a web server of ours to the answers of the daemon.

use crate::{
    client::{Client, http, id},
    daemon::{Daemon, Place, until},
    dns::{ALLOWED, Got, Upstream, a, ask, ask_for, asked_name, reply_with},
    web::{LOOPBACK, Page, Web},
};
use hickory_proto::{op::ResponseCode, rr::RecordType::A};
use serde_json::{Value, json};
use std::time::Duration;

/// Makes a list of the system and lets the default policy of customer 1 have it.
async fn subscribed(admin: &Client, body: Value) -> String {
    let list = id(&admin.post("/lists", body).await.ok());
    admin.post("/policies/default/filter?user_id=1", json!({ "lists": [list] })).await.ok();
    format!("/lists/{list}")
}

/// Waits until a list stands as told.
async fn wait(admin: &Client, path: &str, stands: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..3_000 {
        let status = admin.get(&format!("{path}/status")).await.ok();
        if stands(&status) && status["progress"] == Value::Null {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} never stood so: {}", admin.get(&format!("{path}/status")).await.json);
}

fn waits_for(daemon: &Daemon, name: &str, got: &Got) {
    until(|| (ask(daemon.udp, "127.0.0.1", name) == *got).then_some(()));
}

#[tokio::test]
async fn a_list_is_followed_through_changes_errors_and_a_restart_without_a_network() {
    let (place, web) = (Place::new(), Web::start());
    web.put("/ads", Page::text("0.0.0.0 ads.example\n0.0.0.0 old.example\n"));
    let mut daemon = place.start_with(&LOOPBACK);
    let admin = place.administrator(&daemon);
    let path = subscribed(&admin, json!({ "name": "ads", "url": web.url("/ads") })).await;
    let status = wait(&admin, &path, |status| status["state"] == "current" && status["serving"] == true).await;
    assert_eq!((&status["rules"], &status["report"]["syntax"]), (&json!(2), &json!("hosts")));
    waits_for(&daemon, "ads.example", &Got::Blocked(15));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example"), ALLOWED);

    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    until(|| (web.count(304) == 1).then_some(()));
    web.put("/ads", Page::text("0.0.0.0 ads.example\n0.0.0.0 new.example\n# more\n"));
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    waits_for(&daemon, "new.example", &Got::Blocked(15));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "old.example"), ALLOWED);

    web.put("/ads", Page::Status(503));
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    let status = wait(&admin, &path, |status| status["state"] == "retrying").await;
    assert_eq!((&status["errors"], status["error"].as_str()), (&json!(1), Some("127.0.0.1 answered 503")));
    assert_eq!(ask(daemon.udp, "127.0.0.1", "new.example"), Got::Blocked(15), "the last good copy serves");
    assert!(status["hits"].as_u64().unwrap() >= 2, "{status}");
    let page = http().get(daemon.api.replace("/restapi", "/metrics")).send().await.unwrap().text().await.unwrap();
    let list = path.trim_start_matches("/lists/");
    for figure in ["weir_list_rules", "weir_list_hits_total", "weir_list_errors", "weir_list_age_seconds"] {
        let row = format!("\n{figure}{{level=\"system\",list=\"{list}\"}} ");
        assert!(page.contains(&row) && page.contains(&format!("# TYPE {figure} ")), "{row}");
    }

    assert!(daemon.stop());
    let daemon = place.start_with(&LOOPBACK);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "new.example"), Got::Blocked(15), "from the first query on");
    let admin = place.administrator(&daemon);
    assert_eq!(admin.get(&format!("{path}/status")).await.ok()["errors"], 1, "how it stands is kept");
    admin.delete(&path).await.refused(409);
    admin.delete(&format!("{path}?force=true")).await.ok();
    waits_for(&daemon, "new.example", &ALLOWED);
    until(|| (!place.data().join(path.trim_start_matches('/')).exists()).then_some(()));
}

#[tokio::test]
async fn lists_are_not_fetched_from_within() {
    let (place, web) = (Place::new(), Web::start());
    web.put("/ads", Page::text("0.0.0.0 ads.example\n"));
    let daemon = place.start_with(&[LOOPBACK[0]]);
    let admin = place.administrator(&daemon);
    let url = web.url("/ads");
    let refused = admin.post("/lists", json!({ "name": "a", "url": url })).await.refused(400);
    assert!(refused["error"].as_str().unwrap().contains("127.0.0.1 is loopback"), "{refused}");
    let url = url.replace("127.0.0.1", "localhost");
    let list = admin.post("/lists", json!({ "name": "a", "url": format!("{url}?token=hunter2") })).await.ok();
    let path = format!("/lists/{}", id(&list));
    let status = wait(&admin, &path, |status| status["errors"] == 1).await;
    assert!(status["error"].as_str().unwrap().contains("localhost has the address"), "{status}");
    assert!(!daemon.log().contains("hunter2"), "the log tells no secrets");
    assert!(web.total() == 0, "nobody came");
}

#[tokio::test]
async fn a_response_policy_zone_says_what_is_answered() {
    let upstream = Upstream::scripted(|query| Some(reply_with(query, [a(&asked_name(query), 300)])));
    let place = Place::with(upstream);
    let zone = "$ORIGIN rpz.example.\n@ 300 SOA ns.example. host.example. 1 2 3 4 300\n@ NS ns.example.\n\
                gone.test CNAME .\n*.gone.test CNAME .\nempty.test CNAME *.\nquiet.test CNAME rpz-drop.\n\
                fine.gone.test CNAME rpz-passthru.\nhome.test A 198.51.100.7\nalias.test CNAME target.test.\n\
                32.80.2.0.192.rpz-ip CNAME .\n";
    std::fs::create_dir(place.path("lists")).unwrap();
    std::fs::write(place.path("lists").join("zone"), zone.replace("32.80.2.0.192.rpz-ip CNAME .\n", "")).unwrap();
    let folder = place.path("lists").display().to_string();
    let daemon = place.start_with(&[("WEIR_LISTS__FOLDER", &folder)]);
    let admin = place.administrator(&daemon);
    let path = subscribed(&admin, json!({ "name": "zone", "file": "zone", "syntax": "rpz" })).await;
    wait(&admin, &path, |status| status["state"] == "current" && status["serving"] == true).await;
    until(|| (ask_for(daemon.udp, "gone.test", A).metadata.response_code == ResponseCode::NXDomain).then_some(()));
    let code = |name: &str| ask_for(daemon.udp, name, A).metadata.response_code;
    assert_eq!((code("www.gone.test"), code("empty.test")), (ResponseCode::NXDomain, ResponseCode::NoError));
    assert!(ask_for(daemon.udp, "empty.test", A).answers.is_empty());
    assert_eq!(ask(daemon.udp, "127.0.0.1", "fine.gone.test"), ALLOWED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "home.test"), Got::Address("198.51.100.7".parse().unwrap()));
    let alias = ask_for(daemon.udp, "alias.test", A);
    assert_eq!(alias.answers.len(), 2, "the alias and what it leads to: {alias:?}");
    let question = crate::dns::query("quiet.test", A).to_vec().unwrap();
    let socket = crate::dns::socket("127.0.0.1");
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket.send_to(&question, daemon.udp).unwrap();
    assert!(socket.recv(&mut [0; 512]).is_err(), "no answer at all");

    let (denied, led) = (json!(["15 operator: subscribed list"]), json!(["4"]));
    for (name, verdict, errors) in [
        ("gone.test", "blocked", denied.clone()),
        ("empty.test", "blocked", denied),
        ("quiet.test", "dropped", Value::Null),
        ("home.test", "local", led.clone()),
        ("alias.test", "local", led),
    ] {
        let explained = admin.post("/explain", json!({ "client": "127.0.0.1", "name": name })).await.ok();
        assert_eq!((&explained["verdict"], &explained["answer"]["errors"]), (&json!(verdict), &errors), "{explained}");
    }

    std::fs::write(place.path("lists").join("zone"), zone).unwrap();
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    until(|| (ask_for(daemon.udp, "www.example", A).metadata.response_code == ResponseCode::NXDomain).then_some(()));
}
