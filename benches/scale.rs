//! The real daemon at 10,000 customers with 100 list entries each: memory, start, and what an edit
//! costs. `cargo bench --bench scale [customers] [edits]`.
//!
//! The rows are committed through the store; then the daemon runs on them, edits go through its
//! API, and every edit is followed by a query that must see it.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;
use weir::{
    auth,
    model::*,
    store::{Actor, Batch, Options, Store},
};

const ENTRIES_EACH: u32 = 100;

fn main() {
    // The HTTP client asks for a TLS provider even where it speaks plain HTTP.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let customers = numbers.next().unwrap_or(10_000);
    let edits = numbers.next().unwrap_or(500);
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");

    let started = Instant::now();
    populate(&data, customers);
    println!(
        "{customers} customers, {} list entries committed in {:.1} s",
        customers * ENTRIES_EACH,
        started.elapsed().as_secs_f64()
    );

    let config = dir.path().join("weir.toml");
    let text = "[dns]\nlisten = [\"127.0.0.1:0\"]\n[resolve]\nupstreams = [\"127.0.0.1:9\"]\n[api]\nlisten = \"127.0.0.1:0\"\ntls = \"off\"\n[data]\ndir = \"data\"\n";
    std::fs::write(&config, text).expect("written");
    let started = Instant::now();
    let daemon = Daemon::start(&config);
    println!("start to ready: {:.2} s", started.elapsed().as_secs_f64());
    println!("resident after start: {} MiB", resident_mib(daemon.child.id()));

    let idle = round_trips(daemon.dns, Duration::from_secs(5), &AtomicBool::new(false));
    print_times("query round trip, idle", idle);

    let done = Arc::new(AtomicBool::new(false));
    let queries = {
        let (done, dns) = (done.clone(), daemon.dns);
        std::thread::spawn(move || round_trips(dns, Duration::from_secs(600), &done))
    };
    let token = std::fs::read_to_string(data.join("cli-token")).expect("made at the first start");
    let times = edit(&daemon, token.trim(), customers, edits);
    done.store(true, Ordering::Relaxed);
    print_times("edit until the call returns; the next query saw every one", times);
    print_times("query round trip, during edits", queries.join().expect("not panicked"));
    println!("resident after edits: {} MiB", resident_mib(daemon.child.id()));
}

fn populate(data: &Path, customers: u32) {
    let store = Store::open(data, Options::default()).expect("a new folder");
    let now = Timestamp(1_700_000_000);
    auth::first_start(&store, data, "admin@weir.local", now).expect("an empty store");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let limit = Arc::new(tokio::sync::Semaphore::new(64));
    runtime.block_on(async {
        let mut commits = tokio::task::JoinSet::new();
        for number in 0..customers {
            let batch = customer(&store, number, now);
            let permit = limit.clone().acquire_owned().await.expect("open");
            let store = store.clone();
            commits.spawn(async move {
                store.commit(batch).await.expect("committed");
                drop(permit);
            });
            while commits.try_join_next().is_some() {}
        }
        while commits.join_next().await.is_some() {}
    });
    store.close();
}

fn customer(store: &Store, number: u32, now: Timestamp) -> Batch {
    let id = CustomerId(store.next_id::<Customer>());
    let policy = PolicyId(store.next_id::<Policy>());
    let location = LocationId(store.next_id::<Location>());
    let owner = Account::Customer(id);
    let mut batch = Batch::new(Actor::Daemon, "populate", now)
        .create(&Customer {
            id,
            msp: None,
            name: format!("customer {number}"),
            email: String::new(),
            description: String::new(),
            license: String::new(),
            timezone: String::new(),
            uuid: Uuid::new_v4(),
            install_key: Uuid::new_v4(),
            created: now,
            suspended: false,
        })
        .create(&Policy {
            id: policy,
            owner,
            is_default: true,
            name: "Default".into(),
            description: String::new(),
            settings: PolicySettings { level: Some(Level::M), ..PolicySettings::default() },
            created: now,
            updated: now,
        })
        .create(&Location {
            id: location,
            customer: id,
            kind: LocationKind::StaticIp,
            name: "office".into(),
            policy: None,
            deletable: true,
            created: now,
        })
        .create(&Address {
            id: AddressId(store.next_id::<Address>()),
            customer: id,
            location,
            net: std::net::IpAddr::V4((0x7f01_0000 + number).into()).into(),
            description: String::new(),
        });
    for entry in 0..ENTRIES_EACH {
        batch = batch.create(&ListEntry {
            id: EntryId(store.next_id::<ListEntry>()),
            owner,
            list: ListId::Policy(policy),
            action: if entry % 4 == 0 { Action::Allow } else { Action::Block },
            domain: DomainName::from_text(&format!("site{entry}.of{number}.example")).expect("valid"),
            subdomains: true,
            log_requests: true,
            comment: String::new(),
            expires: None,
            created: now,
        });
    }
    batch
}

/// Adds entries to the lists of customers all over, each followed by a query that must see it.
fn edit(daemon: &Daemon, token: &str, customers: u32, edits: u32) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let mut times = Vec::new();
        for number in 0..edits {
            let customer = number * 7919 % customers;
            let socket = UdpSocket::bind((std::net::Ipv4Addr::from(0x7f01_0000 + customer), 0)).expect("loopback");
            socket.connect(daemon.dns).expect("loopback");
            socket.set_read_timeout(Some(Duration::from_secs(2))).expect("an option");
            let name = format!("edit{number}.example");
            // The customer `Local network` of the first start has id 1, the first of ours 2.
            let url = format!("{}/users/{}/policies/default/domains/block", daemon.api, customer + 2);
            let body = serde_json::json!({ "domain": name }).to_string();
            let started = Instant::now();
            let request = client.post(url).bearer_auth(token).header("content-type", "application/json").body(body);
            let reply = request.send().await.expect("an answer");
            times.push(started.elapsed());
            assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap_or_default());
            assert!(is_blocked(&socket, &name), "{name} is not blocked for customer {}", customer + 2);
        }
        times
    })
}

fn is_blocked(socket: &UdpSocket, name: &str) -> bool {
    let mut reply = [0; 1500];
    socket.send(&packet(name)).expect("loopback");
    socket.recv(&mut reply).is_ok_and(|octets| octets > 4 && reply[octets - 4..octets] == [0; 4])
}

/// Asks one blocked name after the other, each once the last is answered.
fn round_trips(dns: SocketAddr, duration: Duration, done: &AtomicBool) -> Vec<Duration> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(dns).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("an option");
    let query = packet("malware.weir.test");
    let mut reply = [0; 1500];
    let (mut times, ends) = (Vec::new(), Instant::now() + duration);
    while Instant::now() < ends && !done.load(Ordering::Relaxed) {
        let started = Instant::now();
        socket.send(&query).expect("loopback");
        socket.recv(&mut reply).expect("an answer");
        times.push(started.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    times
}

fn packet(name: &str) -> Vec<u8> {
    let name = DomainName::from_text(name).expect("valid");
    let mut packet = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(name.as_wire());
    packet.extend_from_slice(&[0, 1, 0, 1]);
    packet
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, {} in all",
        at(0.5),
        at(0.99),
        at(0.999),
        times.len()
    );
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

struct Daemon {
    child: Child,
    dns: SocketAddr,
    api: String,
}

impl Daemon {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let (mut dns, mut api) = (None, None);
        for line in BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("weir: dns udp ") {
                dns = address.parse().ok();
            } else if let Some(url) = line.strip_prefix("weir: api ") {
                api = Some(url.to_owned());
            } else if line.starts_with("weir: ready") {
                break;
            }
        }
        Daemon { child, dns: dns.expect("told before ready"), api: api.expect("told before ready") }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
