//! The whole UDP path over loopback: real sockets, real queries, 2,000,000 categorised names.
//!
//! Prints queries a second and CPU-µs a query (user and system) of the answering thread, for
//! blocked and for cached names. Not a criterion bench: what counts here is CPU time of one thread, which
//! criterion does not measure. `cargo bench --bench loopback [seconds]`.

use arc_swap::ArcSwap;
use std::{
    net::UdpSocket,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;
use weir::{
    answer::{LocalZones, Parts, Plane, UnknownClients},
    category::Index,
    listen::{Bound, Listeners, Settings},
    model::*,
    policy::*,
    querylog::EventSender,
    resolve::{Options, Resolver},
    rewrite::BlockPage,
    telemetry::QueryCounters,
};

const NAMES: u32 = 2_000_000;
const KEY: NameKey = NameKey(1);
const BATCH: usize = 64;

fn main() {
    let seconds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();

    // An upstream that answers every query with one address.
    let upstream = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let upstream_address = upstream.local_addr().expect("bound");
    std::thread::spawn(move || answer_all(&upstream));

    let plane = plane(&format!("{upstream_address}"));
    let bound = Bound::bind("127.0.0.1:0".parse().expect("an address"), 1).expect("a port");
    let address = bound.local_addr();
    let listeners = Listeners::start(vec![bound], plane, Settings::default(), runtime.handle()).expect("started");
    let server_thread = thread_named("udp-0").expect("the listener's thread");

    for (what, queries) in [
        ("blocked", packets(|n| format!("n{n:x}.bad.test"))),
        ("cached", packets(|n| format!("w{}.good.test", n % 1000))),
    ] {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.connect(address).expect("loopback");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("an option");
        load(&client, &queries, Duration::from_secs(1));
        let (cpu, started) = (cpu_of(&server_thread), Instant::now());
        let answered = load(&client, &queries, Duration::from_secs(seconds));
        let (cpu, took) = (cpu_of(&server_thread) - cpu, started.elapsed().as_secs_f64());
        println!(
            "{what:8} {:9.0} queries/s  {:6.2} CPU-µs/query  ({answered} answered in {took:.1} s)",
            answered as f64 / took,
            cpu * 1e6 / answered as f64
        );
    }
    runtime.block_on(listeners.stop(Duration::from_secs(2)));
}

fn plane(upstream: &str) -> Plane {
    let blocked = CategorySet(0b10_0000);
    let mut world = World::new(KEY, Presets { low: blocked, moderate: blocked, high: blocked });
    let customer = CustomerId(1);
    for row in [
        Row::Customer(Customer {
            id: customer,
            msp: None,
            name: "bench".into(),
            email: String::new(),
            description: String::new(),
            license: String::new(),
            timezone: String::new(),
            uuid: Uuid::nil(),
            install_key: Uuid::nil(),
            created: Timestamp(0),
            suspended: false,
        }),
        Row::Policy(Policy {
            id: PolicyId(1),
            owner: Account::Customer(customer),
            is_default: true,
            name: "default".into(),
            description: String::new(),
            settings: PolicySettings { level: Some(Level::M), ..PolicySettings::default() },
            created: Timestamp(0),
            updated: Timestamp(0),
        }),
        Row::Location(Location {
            id: LocationId(1),
            customer,
            kind: LocationKind::StaticIp,
            name: "here".into(),
            policy: None,
            deletable: true,
            created: Timestamp(0),
        }),
        Row::Address(Address {
            id: AddressId(1),
            customer,
            location: LocationId(1),
            net: "127.0.0.0/8".parse().expect("a range"),
            description: String::new(),
        }),
    ] {
        world.upsert(None, &row);
    }
    let names = (0..NAMES).map(|n| (DomainName::from_text(&format!("n{n:x}.bad.test")).expect("valid"), blocked));
    let index = Index::from_names(names, [7; 16], Timestamp(0)).expect("fits an index");
    let options = Options { upstreams: vec![upstream.parse().expect("an address")], ..Options::default() };
    Plane::new(Parts {
        snapshot: Arc::new(ArcSwap::new(world.snapshot(1))),
        categories: Arc::new(ArcSwap::from_pointee(index)),
        resolver: Resolver::new(&options).expect("a resolver"),
        zones: LocalZones::none(),
        counters: QueryCounters::new(),
        events: EventSender::disabled(),
        sightings: weir::sightings::Sightings::empty(1),
        unknown_clients: UnknownClients::Refuse,
        block_page: BlockPage::default(),
        node: "".into(),
        udp_octets_max: 1232,
        notices: None,
    })
}

fn packets(name: impl Fn(u32) -> String) -> Vec<Vec<u8>> {
    (0..100_000u32)
        .map(|n| {
            let name = DomainName::from_text(&name(n.wrapping_mul(2_654_435_761) % NAMES)).expect("valid");
            let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            packet.extend_from_slice(name.as_wire());
            packet.extend_from_slice(&[0, 1, 0, 1]);
            packet
        })
        .collect()
}

/// Keeps a window of queries on their way for as long as told; gives the number answered.
fn load(client: &UdpSocket, queries: &[Vec<u8>], duration: Duration) -> u64 {
    let (mut answered, mut at) = (0, 0);
    let mut reply = [0; 2048];
    let ends = Instant::now() + duration;
    while Instant::now() < ends {
        for _ in 0..BATCH {
            let _ = client.send(&queries[at % queries.len()]);
            at += 1;
        }
        for _ in 0..BATCH {
            match client.recv(&mut reply) {
                Ok(_) => answered += 1,
                Err(_) => break,
            }
        }
    }
    answered
}

fn answer_all(socket: &UdpSocket) {
    let mut packet = [0; 2048];
    while let Ok((octets, from)) = socket.recv_from(&mut packet) {
        let question_end = 12 + packet[12..octets].iter().position(|&octet| octet == 0).unwrap_or(0) + 5;
        let mut reply = packet[..question_end].to_vec();
        reply[2] = 0x81;
        reply[3] = 0x80;
        reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]);
        let _ = socket.send_to(&reply, from);
    }
}

fn thread_named(name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir("/proc/self/task")
        .ok()?
        .flatten()
        .map(|task| task.path())
        .find(|path| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name))
}

/// CPU seconds of a thread, user and system (proc_pid_schedstat: nanoseconds on a CPU).
fn cpu_of(task: &std::path::Path) -> f64 {
    let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or_default() / 1e9
}
