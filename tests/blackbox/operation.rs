//! What the person who runs it sees: starts, files, signals, commands, disks.

use crate::{
    client::{http, id},
    daemon::{Daemon, Place, until},
    dns::{ALLOWED, Got, Upstream, ask, ask_for, asked_name, connect, frame, query, receive_frame, reply_to, socket},
};
use hickory_proto::{
    op::Message,
    rr::RecordType::{A, PTR},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

const BLOCK: &str = "/users/1/policies/default/domains/block";

fn blocked(daemon: &Daemon, name: &str) -> bool {
    match ask(daemon.udp, "127.0.0.1", name) {
        Got::Blocked(17) => true,
        got => {
            assert_eq!(got, ALLOWED);
            false
        }
    }
}

#[tokio::test]
async fn a_second_daemon_on_the_folder_says_so_and_leaves() {
    let place = Place::new();
    let mut daemon = place.start();
    let second = place.run(&["serve"], &[]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.error.contains(place.data().to_str().unwrap()), "{second:?}");
    assert!(!second.out.contains("ready"), "{second:?}");
    assert!(daemon.runs());
    assert!(blocked(&daemon, "malware.weir.test"));
    place.administrator(&daemon).post(BLOCK, json!({ "domain": "later.example" })).await.ok();
    assert!(blocked(&daemon, "later.example"), "the first one still writes");
}

#[test]
fn every_fault_of_a_file_is_shown_in_its_line() {
    let place = Place::new();
    let file = place.path("bad.toml");
    let text =
        "[dns]\nlisten = [\"127.0.0.1\"]\nunknown_client = \"drop\"\n\n[resolve]\ntries = 99\n\n[cash]\nsize = 1\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [&["check", file][..], &["serve", "--config", file]] {
        // The file alone speaks: the environment would hide what it overrides.
        let mut program = Command::new(env!("CARGO_BIN_EXE_weir"));
        let output = program.args(arguments).current_dir(place.path("")).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        for (line, words) in [(2, "listen"), (3, "unknown_client"), (6, "tries"), (8, "cash")] {
            assert!(error.contains(&format!("bad.toml:{line}:")), "line {line}: {error}");
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(error.lines().filter(|line| line.contains('^')).count() >= 4, "carets: {error}");
        assert!(error.contains("unknown_clients"), "what was probably meant: {error}");
        assert!(error.contains("4 faults"), "{error}");
        assert!(!place.path("weir-data").exists(), "nothing was begun");
    }
    fs::write(place.path("good.toml"), "[dns]\nunknown_clients = \"drop\"\n").unwrap();
    let ended = place.run(&["check", "good.toml"], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = place.run(&["check"], &[("WEIR_DNS__LISTENS", "1")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.error.contains("WEIR_DNS__LISTENS"), "{ended:?}");
}

#[tokio::test]
async fn variables_override_the_file() {
    let place = Place::new();
    let file = place.path("weir.toml");
    let text = "[api]\ntls = \"self-signed\"\n[metrics]\nenabled = true\n[dns]\nunknown_clients = \"drop\"\n";
    fs::write(&file, text).unwrap();
    let arguments = ["serve", "--config", file.to_str().unwrap()];
    let metrics = |daemon: &Daemon| {
        let url = format!("{}/metrics", daemon.api.trim_end_matches("/restapi"));
        async { http().get(url).send().await.unwrap().status().as_u16() }
    };
    let daemon = place.start_as(&arguments, &[]);
    assert!(daemon.api.starts_with("https://"), "{}", daemon.api);
    assert_eq!(metrics(&daemon).await, 200);
    drop(daemon);
    let environment = [("WEIR_API__TLS", "off"), ("WEIR_METRICS__ENABLED", "false")];
    let daemon = place.start_as(&arguments, &environment);
    assert!(daemon.api.starts_with("http://"), "{}", daemon.api);
    assert_eq!(metrics(&daemon).await, 404);
    let ended = place.run(&["check", file.to_str().unwrap()], &[("WEIR_API__TLS", "sometimes")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.error.contains("WEIR_API__TLS"), "{ended:?}");
}

#[test]
fn what_is_secret_is_for_the_owner_alone() {
    let place = Place::new();
    let _daemon = place.start();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.data()), 0o700);
    let file = place.data().join("initial-credentials.toml");
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&place.data().join("cli-token")), 0o600);
    let table: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let mut keys: Vec<&str> = table.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = ["access_token", "access_token_secret", "consumer_key", "consumer_secret", "email", "password"];
    assert_eq!(keys, expected);
    assert!(table.values().all(|value| value.as_str().is_some_and(|text| text.len() >= 8)), "none is empty");
}

/// Builds an index in which these names are malware.
fn build(place: &Place, out: &str, names: &[&str]) -> PathBuf {
    let lists = place.path("lists");
    fs::create_dir_all(&lists).unwrap();
    fs::write(lists.join("malware.txt"), names.join("\n")).unwrap();
    let out = place.path(out);
    let ended = place.run(&["category", "build", "--out", out.to_str().unwrap(), lists.to_str().unwrap()], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    out
}

#[test]
fn a_category_file_serves_as_soon_as_it_is_in_place() {
    let place = Place::new();
    let file = build(&place, "categories.weir", &["first.example"]);
    let mut daemon = place.start_with(&[("WEIR_CATEGORY__FILE", file.to_str().unwrap())]);
    assert!(blocked(&daemon, "www.first.example") && !blocked(&daemon, "second.example"));
    fs::rename(build(&place, "next.weir", &["second.example"]), &file).unwrap();
    assert!(blocked(&daemon, "first.example"), "nothing changes by itself");
    daemon.signal("HUP");
    daemon.wait_for_log("the category file was loaded again", 1);
    assert!(!blocked(&daemon, "first.example") && blocked(&daemon, "second.example"));

    fs::remove_file(&file).unwrap();
    assert!(blocked(&daemon, "second.example"), "deleted, and still mapped");
    daemon.signal("HUP");
    daemon.wait_for_log("is refused; the one in use stays", 1);
    assert!(blocked(&daemon, "second.example"));
    assert!(daemon.runs());
}

#[test]
fn a_damaged_category_file_never_replaces_a_good_one() {
    let place = Place::new();
    let file = build(&place, "categories.weir", &["first.example"]);
    let good = fs::read(&file).unwrap();
    let environment = [("WEIR_CATEGORY__FILE", file.to_str().unwrap())];
    let mut daemon = place.start_with(&environment);
    assert!(blocked(&daemon, "first.example"));
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // Overwritten in place, as `cp` does it: cut short, changed, something else.
    for (round, damaged) in [&good[..good.len() / 2], &flipped, b"no index", b""].into_iter().enumerate() {
        fs::write(&file, damaged).unwrap();
        daemon.signal("HUP");
        daemon.wait_for_log("is refused; the one in use stays", round + 1);
        assert!(blocked(&daemon, "first.example"), "round {round}");
    }
    assert!(daemon.stop());
    let before = daemon.log().len();
    let daemon = place.start_with(&environment);
    assert!(blocked(&daemon, "first.example"), "the last good one");
    let log = daemon.log().split_off(before);
    assert!(
        log.contains("the category file is refused") && log.contains("the last good category file serves"),
        "{log}"
    );
    drop(daemon);
    let ended = place.run(&["check"], &environment);
    assert!(ended.code == Some(1) && ended.error.contains("categories.weir"), "{ended:?}");
    fs::remove_dir_all(place.data()).unwrap();
    let ended = place.run(&["serve"], &environment);
    assert_eq!(ended.code, Some(1), "nothing is served without categories: {ended:?}");
    assert!(ended.error.contains("categories.weir"), "{ended:?}");
}

#[test]
fn sigterm_lets_waiting_queries_have_their_answers() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.clone();
    let place = Place::with(Upstream::scripted(move |query| {
        if asked_name(query) == "slow.example." {
            drop(closed.lock());
        }
        Some(reply_to(query))
    }));
    let mut daemon = place.start();
    let shut = gate.lock().unwrap();
    let waiting = socket("127.0.0.1");
    waiting.send_to(&query("slow.example", A).to_vec().unwrap(), daemon.udp).unwrap();
    let mut stream = connect(daemon.tcp);
    // The second needs no upstream: its reply says that the first was taken.
    for name in ["slow.example", "malware.weir.test"] {
        stream.write_all(&frame(&query(name, A).to_vec().unwrap())).unwrap();
    }
    receive_frame(&mut stream).unwrap();
    until(|| (place.upstream.count("slow.example", A) > 0).then_some(()));
    daemon.signal("TERM");
    daemon.wait_for_log("stopping", 1);
    drop(shut);
    let mut buffer = [0; 512];
    let length = waiting.recv(&mut buffer).unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);
    let reply = Message::from_vec(&receive_frame(&mut stream).unwrap()).unwrap();
    assert_eq!((asked_name(&reply), reply.answers.len()), ("slow.example.".to_owned(), 1));
    assert!(daemon.wait(), "exit code 0");
}

#[test]
fn sigterm_waits_for_no_upstream_that_never_answers() {
    let place = Place::with(Upstream::scripted(|_| None));
    let mut daemon = place.start_with(&[("WEIR_RESOLVE__TIMEOUT_MS", "60000"), ("WEIR_RESOLVE__TRIES", "10")]);
    let waiting = socket("127.0.0.1");
    waiting.send_to(&query("never.example", A).to_vec().unwrap(), daemon.udp).unwrap();
    until(|| (place.upstream.count("never.example", A) > 0).then_some(()));
    daemon.signal("TERM");
    until(|| (!daemon.runs()).then_some(()));
    assert!(daemon.wait(), "exit code 0");
}

#[tokio::test]
async fn explain_asks_the_running_daemon() {
    let place = Place::new();
    let daemon = place.start();
    let api = daemon.api.trim_start_matches("https://").trim_end_matches("/restapi").to_owned();
    let environment = [("WEIR_API__LISTEN", &*api)];
    let ended = place.run(&["explain", "--client", "127.0.0.1", "malware.weir.test"], &environment);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let deciding: Vec<&str> = ended.out.lines().filter(|line| line.starts_with('*')).collect();
    assert!(matches!(deciding[..], [step] if step.starts_with("* 6 categories")), "{}", ended.out);
    let words: Vec<&str> = ended.out.split_whitespace().collect();
    for expected in ["verdict blocked", "IN A 0.0.0.0", "customer Local network", "within 127.0.0.0/8"] {
        assert!(words.join(" ").contains(expected), "{expected}: {}", ended.out);
    }
    place
        .administrator(&daemon)
        .post("/users/1/policies/default/domains/allow", json!({ "domain": "weir.test" }))
        .await
        .ok();
    let ended = place.run(&["explain", "--json", "--client", "127.0.0.1", "malware.weir.test"], &environment);
    let json: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((json["verdict"].clone(), json["decided_by"].clone()), (json!("allowed"), json!(4)), "{json}");
    drop(daemon);
    let ended = place.run(&["explain", "--client", "127.0.0.1", "malware.weir.test"], &environment);
    assert_eq!(ended.code, Some(1), "nobody is there: {ended:?}");
    assert_ne!(ended.error, "");
}

#[tokio::test]
async fn a_backup_brings_everything_back_in_a_new_folder() {
    let place = Place::new();
    let mut daemon = place.start();
    for number in 0..50 {
        let entry = json!({ "domain": format!("n{number}.example") });
        place.administrator(&daemon).post(BLOCK, entry).await.ok();
    }
    let keys = fs::read(place.data().join("initial-credentials.toml")).unwrap();
    assert!(daemon.stop());
    let backup = place.path("backup.weir");
    let ended = place.run(&["backup", "export", backup.to_str().unwrap()], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.error.contains("secret.key"), "what else is to be kept: {ended:?}");

    let other = Place::new();
    fs::create_dir(other.data()).unwrap();
    fs::copy(place.data().join("secret.key"), other.data().join("secret.key")).unwrap();
    let ended = other.run(&["backup", "import", backup.to_str().unwrap()], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let daemon = other.start();
    assert!(blocked(&daemon, "n0.example") && blocked(&daemon, "n49.example") && !blocked(&daemon, "n50.example"));
    assert!(!other.data().join("initial-credentials.toml").exists(), "there is an administrator already");
    fs::write(other.data().join("initial-credentials.toml"), keys).unwrap();
    assert_eq!(other.administrator(&daemon).get(BLOCK).await.ok()["total"], 50, "the keys of before are good");
    drop(daemon);
    let ended = other.run(&["backup", "import", backup.to_str().unwrap()], &[]);
    assert_eq!(ended.code, Some(1), "a database that is there stays: {ended:?}");
    fs::write(&backup, &fs::read(&backup).unwrap()[..200]).unwrap();
    let third = Place::new();
    let ended = third.run(&["backup", "import", backup.to_str().unwrap()], &[]);
    assert_eq!(ended.code, Some(1), "half a backup is none: {ended:?}");
}

/// All lines of the query log.
fn logged(place: &Place) -> Vec<Value> {
    let Ok(files) = fs::read_dir(place.data().join("querylog")) else { return Vec::new() };
    let text: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    // The last line may be on its way.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn the_query_log_has_a_line_for_each_query_but_what_must_not_be_logged() {
    let place = Place::new();
    let mut daemon = place.start_with(&[("WEIR_QUERYLOG__ENABLED", "true")]);
    let admin = place.administrator(&daemon);
    let loud = id(&admin.post(BLOCK, json!({ "domain": "loud.example" })).await.ok());
    admin.post(BLOCK, json!({ "domain": "quiet.example", "log_requests": false })).await.ok();
    let allow = "/users/1/policies/default/domains/allow";
    admin.post(allow, json!({ "domain": "private.example", "log_requests": false })).await.ok();
    let names = ["quiet.example", "private.example", "loud.example", "www.example.com", "malware.weir.test"];
    for name in names {
        ask(daemon.udp, "127.0.0.1", name);
    }
    ask_for(daemon.udp, "1.0.0.10.in-addr.arpa", PTR);
    let lines = until(|| Some(logged(&place)).filter(|lines| lines.len() >= 4));
    let told = |line: &Value| ["name", "verdict", "step"].map(|key| line[key].to_string()).join(" ");
    let mut told: Vec<String> = lines.iter().map(told).collect();
    told.sort_unstable();
    let expected = [
        r#""1.0.0.10.in-addr.arpa" "local" 10"#,
        r#""loud.example" "blocked" 4"#,
        r#""malware.weir.test" "blocked" 6"#,
        r#""www.example.com" "allowed" 10"#,
    ];
    assert_eq!(told, expected);
    let line = lines.iter().find(|line| line["name"] == "loud.example").unwrap();
    assert_eq!((line["client"].clone(), line["entry"].clone()), (json!("127.0.0.1"), json!(loud)));
    let mode = fs::metadata(place.data().join("querylog")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "who asked what is for the owner alone");
    ask(daemon.udp, "127.0.0.1", "last.example");
    assert!(daemon.stop());
    assert!(logged(&place).iter().any(|line| line["name"] == "last.example"), "the end loses no line");
}

/// A small disk; it goes when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount.
    fn mount(at: PathBuf) -> Option<Disk> {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Disk(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_writes_and_no_query() {
    let place = Place::new();
    let Some(_disk) = Disk::mount(place.data()) else {
        eprintln!("skipped: this process may not mount a small disk");
        return;
    };
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o700)).unwrap();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    admin.post(BLOCK, json!({ "domain": "before.example" })).await.ok();
    let filler = place.data().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    for _ in 0..3 {
        admin.post(BLOCK, json!({ "domain": "during.example" })).await.refused(503);
        assert!(!blocked(&daemon, "during.example"));
        assert!(blocked(&daemon, "before.example") && blocked(&daemon, "malware.weir.test"));
    }
    drop(file);
    fs::remove_file(&filler).unwrap();
    admin.post(BLOCK, json!({ "domain": "after.example" })).await.ok();
    assert!(blocked(&daemon, "after.example"));
    let names = admin.get(BLOCK).await.ok();
    assert_eq!(names["total"], 2, "{names}");
    drop(daemon);
    let daemon = place.start();
    assert!(blocked(&daemon, "before.example") && blocked(&daemon, "after.example"));
}

#[test]
fn whoever_reads_that_it_is_ready_may_stop_it_at_once() {
    let place = Place::new();
    for round in 0..2 {
        assert!(place.start().stop(), "round {round}");
    }
}
