//! Category feeds, from a web server of ours to the answers of the daemon.

use crate::{
    client::{Client, http},
    daemon::{Daemon, Place, until},
    dns::{ALLOWED, Got, ask},
    web::{LOOPBACK, Page, Web},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// An archive as UT1 packs it: a folder a category, a file `domains` in each.
fn archive(lists: &[(&str, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in lists {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, format!("blacklists/{name}/domains"), text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn names(prefix: &str, count: usize) -> String {
    (0..count).map(|number| format!("{prefix}{number}.example\n")).collect()
}

/// A daemon with an archive and a plain list of gambling sites.
fn start(place: &Place, web: &Web) -> Daemon {
    start_with(place, web, "Gambling")
}

fn start_with(place: &Place, web: &Web, category: &str) -> Daemon {
    let file = place.path("weir.toml");
    let text = format!(
        "[[feeds]]\nname = \"ut1\"\nurl = \"{}\"\n[[feeds]]\nname = \"bets\"\nurl = \"{}\"\ncategory = \"{category}\"\n",
        web.url("/ut1.tar.gz"),
        web.url("/bets.txt")
    );
    std::fs::write(&file, text).unwrap();
    place.start_as(&["serve", "--config", file.to_str().unwrap()], &LOOPBACK)
}

/// Blocks the categories of these names for customer 1.
async fn block(admin: &Client, blocked: &[&str]) {
    let rows = admin.get("/users/1/policies/default/categories").await.ok();
    for name in blocked {
        let row = rows["data"].as_array().unwrap().iter().find(|row| row["name"] == *name).unwrap();
        let path = format!("/users/1/policies/default/categories/{}", row["id"]);
        admin.post(&path, json!({ "allowed": false })).await.ok();
    }
}

async fn wait(admin: &Client, name: &str, stands: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..3_000 {
        let feed = admin.get(&format!("/feeds/{name}")).await.ok();
        if stands(&feed) && feed["progress"] == Value::Null {
            return feed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} never stood so: {}", admin.get(&format!("/feeds/{name}")).await.json);
}

async fn refresh(admin: &Client, name: &str) {
    admin.post(&format!("/feeds/{name}/refresh"), Value::Null).await.ok();
}

fn waits_for(daemon: &Daemon, name: &str, got: &Got) {
    until(|| (ask(daemon.udp, "127.0.0.1", name) == *got).then_some(()));
}

const BLOCKED: Got = Got::Blocked(17);

#[tokio::test]
async fn feeds_are_followed_through_changes_errors_and_a_restart_without_a_network() {
    let (place, web) = (Place::new(), Web::start());
    let first =
        archive(&[("adult", names("adult", 500)), ("gambling", names("dice", 500)), ("x-nobody", names("x", 5))]);
    web.put("/ut1.tar.gz", Page::Octets(first.clone()));
    let dated = "Sun, 01 Nov 2026 08:00:00 GMT";
    web.put("/bets.txt", Page::Dated(format!("# bets\n{}old-bet.example\n", names("bet", 200)).into(), dated));
    let mut daemon = start(&place, &web);
    let admin = place.administrator(&daemon);
    block(&admin, &["Gambling", "Pornography/Sex"]).await;
    waits_for(&daemon, "www.dice7.example", &BLOCKED);
    waits_for(&daemon, "old-bet.example", &BLOCKED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "adult499.example"), BLOCKED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "x1.example"), ALLOWED);
    let ut1 = wait(&admin, "ut1", |feed| feed["serving"] == true).await;
    assert_eq!(
        (&ut1["state"], &ut1["names"], &ut1["object"]),
        (&json!("current"), &json!(1_000), &json!("category_feed"))
    );
    let report = &ut1["report"];
    assert_eq!((&report["syntax"], &report["unknown"]), (&json!("ut1"), &json!(["x-nobody"])), "{ut1}");
    assert_eq!(report["categories"], json!({ "Gambling": 500, "Pornography/Sex": 500 }), "{ut1}");
    let bets = wait(&admin, "bets", |feed| feed["serving"] == true).await;
    assert_eq!((&bets["names"], &bets["category"]), (&json!(201), &json!("gambling")));

    // Nothing new: by entity tag, and by date.
    let unchanged = web.count(304);
    refresh(&admin, "ut1").await;
    refresh(&admin, "bets").await;
    until(|| (web.count(304) == unchanged + 2).then_some(()));

    // A change is there without a query lost.
    let (going, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let (going, asked, server) = (going.clone(), asked.clone(), daemon.udp);
            std::thread::spawn(move || {
                while going.load(Ordering::Relaxed) {
                    assert_eq!(ask(server, "127.0.0.1", "adult1.example"), BLOCKED);
                    assert_eq!(ask(server, "127.0.0.1", "www.example"), ALLOWED);
                    asked.fetch_add(2, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let text = format!("{}new-bet.example\n", names("bet", 200));
    web.put("/bets.txt", Page::Dated(text.into(), "Mon, 02 Nov 2026 08:00:00 GMT"));
    refresh(&admin, "bets").await;
    waits_for(&daemon, "new-bet.example", &BLOCKED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "old-bet.example"), ALLOWED);
    going.store(false, Ordering::Relaxed);
    for asker in askers {
        asker.join().expect("every query was answered as before");
    }
    assert!(asked.load(Ordering::Relaxed) > 10);

    // What is broken changes nothing: gone, cut off, and shrunk to one name in a hundred.
    web.put("/bets.txt", Page::Status(404));
    refresh(&admin, "bets").await;
    let bets = wait(&admin, "bets", |feed| feed["state"] == "retrying").await;
    assert_eq!((&bets["error"], &bets["serving"]), (&json!("127.0.0.1 answered 404"), &json!(true)));
    web.put("/ut1.tar.gz", Page::Half(archive(&[("adult", names("adult", 700)), ("gambling", names("dice", 900))])));
    refresh(&admin, "ut1").await;
    let ut1 = wait(&admin, "ut1", |feed| feed["state"] == "retrying").await;
    assert_eq!((&ut1["errors"], &ut1["names"]), (&json!(1), &json!(1_000)), "{ut1}");
    let small = archive(&[("adult", names("adult", 5)), ("gambling", names("dice", 5))]);
    web.put("/ut1.tar.gz", Page::Octets(small));
    refresh(&admin, "ut1").await;
    let ut1 = wait(&admin, "ut1", |feed| feed["state"] == "held").await;
    assert_eq!((&ut1["names"], &ut1["held"]["rules"]), (&json!(1_000), &json!(10)), "{ut1}");
    for name in ["new-bet.example", "dice499.example", "adult499.example"] {
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), BLOCKED, "the last good copy serves");
    }
    let lines = [
        "weir_feed_names{feed=\"ut1\"} 1000",
        "weir_feed_errors{feed=\"bets\"} 1",
        "weir_feed_age_seconds{feed=\"bets\"}",
        "weir_feed_sources{state=\"held\"} 1",
        "weir_feed_refreshes_total{feed=\"bets\",outcome=\"failed\"} 1",
    ];
    let mut missing = Vec::new();
    for _ in 0..500 {
        let page = http().get(daemon.api.replace("/restapi", "/metrics")).send().await.unwrap().text().await.unwrap();
        missing = lines.into_iter().filter(|line| !page.contains(line)).collect();
        if missing.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(missing.is_empty(), "{missing:?}");

    // A restart finds all of it, without a network.
    assert!(daemon.stop());
    web.put("/ut1.tar.gz", Page::Status(503));
    web.put("/bets.txt", Page::Status(503));
    let mut daemon = start(&place, &web);
    for name in ["new-bet.example", "dice499.example", "adult499.example"] {
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), BLOCKED, "from the first query on");
    }
    let admin = place.administrator(&daemon);
    let all = admin.get("/feeds").await.ok();
    assert_eq!(
        (&all["count"], &all["data"][0]["state"], &all["data"][1]["state"]),
        (&json!(2), &json!("held"), &json!("retrying"))
    );
    assert!(all["index"]["names"].as_u64().unwrap() > 1_200, "{all}");

    // Confirmed, the small one serves.
    admin.post("/feeds/ut1/refresh?confirm=true", Value::Null).await.ok();
    waits_for(&daemon, "dice499.example", &ALLOWED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "dice4.example"), BLOCKED);

    // Who may not, and what there is not.
    admin.get("/feeds/nothing").await.refused(404);
    admin.post("/feeds/nothing/refresh", Value::Null).await.refused(404);
    let (_, one) = admin.customer("one", "127.0.7.0/24").await;
    one.get("/feeds").await.refused(403);
    assert!(daemon.stop());
}

#[tokio::test]
async fn another_category_or_no_feed_in_the_configuration_counts_after_a_restart() {
    let (place, web) = (Place::new(), Web::start());
    web.put("/ut1.tar.gz", Page::Octets(archive(&[("gambling", names("dice", 5))])));
    web.put("/bets.txt", Page::text("bet.example\n"));
    let mut daemon = start(&place, &web);
    let admin = place.administrator(&daemon);
    block(&admin, &["Gambling"]).await;
    waits_for(&daemon, "bet.example", &BLOCKED);
    waits_for(&daemon, "dice1.example", &BLOCKED);
    assert!(daemon.stop());

    // The same octets, which the server would call unchanged, belong to another category now.
    let mut daemon = start_with(&place, &web, "Sports and Recreation");
    waits_for(&daemon, "bet.example", &ALLOWED);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "dice1.example"), BLOCKED);
    assert!(daemon.stop());

    let file = place.path("weir.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[text.rfind("[[feeds]]").unwrap()..]).unwrap();
    // A damaged index is made anew of the copies.
    let index = place.data().join("category").join("feeds.weir");
    std::fs::write(&index, b"no index").unwrap();
    let daemon = place.start_as(&["serve", "--config", file.to_str().unwrap()], &LOOPBACK);
    waits_for(&daemon, "dice1.example", &ALLOWED);
    until(|| (std::fs::metadata(&index).unwrap().len() > 100).then_some(()));
    until(|| (!place.data().join("feeds").join("ut1").exists()).then_some(()));
}
