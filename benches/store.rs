//! The store: what a commit costs, alone and among fifty callers, and what a start costs with a
//! million list entries and 40,000 policies.
//!
//! ```text
//! cargo bench --bench store            # in the system's temporary folder
//! WEIR_BENCH_DIR=/data cargo bench ... # on the disk that matters
//! WEIR_BENCH_ENTRIES=100000 ...        # fewer entries
//! ```

use std::path::Path;
use std::time::{Duration, Instant};
use weir::model::*;
use weir::store::{Actor, AnyRow, Batch, Options, Store};

const CUSTOMERS: u32 = 10_000;
const POLICIES: u32 = 40_000;
const CALLERS: usize = 50;

fn main() {
    let root = std::env::var_os("WEIR_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = root.join(format!("weir-bench-store-{}", std::process::id()));
    let entries = std::env::var("WEIR_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    fill(&dir, entries);
    start(&dir);
    commits(&dir);
    if let Err(e) = std::fs::remove_dir_all(&dir) {
        eprintln!("{}: {e}", dir.display());
    }
}

fn batch() -> Batch {
    Batch::new(Actor::Daemon, "bench", Timestamp(0))
}

fn entry(id: u32) -> ListEntry {
    let policy = id % POLICIES + 1;
    ListEntry {
        id: EntryId(id),
        owner: Account::Customer(CustomerId(policy % CUSTOMERS + 1)),
        list: ListId::Policy(PolicyId(policy)),
        action: Action::Block,
        domain: format!("name-{id}.example-{}.com", id % 977).parse().expect("a name"),
        subdomains: true,
        log_requests: true,
        comment: String::new(),
        expires: None,
        created: Timestamp(1_700_000_000),
    }
}

fn policy(id: u32) -> Policy {
    Policy {
        id: PolicyId(id),
        owner: Account::Customer(CustomerId(id % CUSTOMERS + 1)),
        is_default: false,
        name: format!("Policy {id}"),
        description: String::new(),
        settings: PolicySettings::default(),
        created: Timestamp(1_700_000_000),
        updated: Timestamp(1_700_000_000),
    }
}

fn fill(dir: &Path, entries: u32) {
    let store = Store::open(dir, Options::default()).expect("opens");
    let started = Instant::now();
    for from in (1..=POLICIES).step_by(2_000) {
        let batch = (from..from + 2_000).fold(batch(), |batch, id| batch.create(&policy(id)));
        store.commit_blocking(batch).expect("commits");
    }
    for from in (1..=entries).step_by(2_000) {
        let batch = (from..(from + 2_000).min(entries + 1)).fold(batch(), |batch, id| batch.create(&entry(id)));
        store.commit_blocking(batch).expect("commits");
    }
    let took = started.elapsed();
    let rate = f64::from(entries + POLICIES) / took.as_secs_f64();
    println!("fill: {} rows in {took:.2?}, {rate:.0} rows/s in batches of 2,000", entries + POLICIES);
    let started = Instant::now();
    drop(store);
    println!("close: {:.2?}, {} MiB on disk", started.elapsed(), folder_octets(&dir.join("store")) >> 20);
}

fn start(dir: &Path) {
    let before = resident_mib();
    let started = Instant::now();
    let store = Store::open(dir, Options::default()).expect("opens");
    let took = started.elapsed();
    println!("start: {} rows in {took:.2?}, {} MiB resident more", store.len(), resident_mib().saturating_sub(before));
    let started = Instant::now();
    let mut names = 0;
    for row in store.all_rows() {
        if let AnyRow::ListEntry(entry) = &row.value {
            names += entry.domain.as_wire().len();
        }
    }
    let took = started.elapsed();
    let rate = store.len() as f64 / took.as_secs_f64() / 1e6;
    println!("all_rows: {} rows in {took:.2?}, {rate:.2} million rows/s ({names} octets of names)", store.len());
    let started = Instant::now();
    let found = (1..=100_000).filter(|id| store.find::<ListEntry>(id * 7 % 1_000_000 + 1).is_some()).count();
    println!("find: {:.0} ns each ({found} found)", started.elapsed().as_nanos() as f64 / 1e5);
}

fn commits(dir: &Path) {
    let store = Store::open(dir, Options::default()).expect("opens");
    let mut times: Vec<Duration> = (0..500).map(|_| one(&store)).collect();
    println!("commit, one caller: {}", quantiles(&mut times));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let started = Instant::now();
    let mut times: Vec<Duration> = runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    for _ in 0..100 {
                        let row = entry(store.next_id::<ListEntry>());
                        let started = Instant::now();
                        store.commit(batch().create(&row)).await.expect("commits");
                        times.push(started.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for caller in callers {
            times.extend(caller.await.expect("a caller"));
        }
        times
    });
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    println!("commit, {CALLERS} callers: {rate:.0} a second, {}", quantiles(&mut times));
}

fn one(store: &Store) -> Duration {
    let row = entry(store.next_id::<ListEntry>());
    let started = Instant::now();
    store.commit_blocking(batch().create(&row)).expect("commits");
    started.elapsed()
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("p50 {:.2?}, p99 {:.2?}, max {:.2?}", at(0.5), at(0.99), at(1.0))
}

fn folder_octets(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Resident memory of this process (Linux; 0 elsewhere).
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) >> 10
}
