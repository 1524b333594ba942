//! Lookups among five million names of fifty lists that overlap, for a policy that takes ten of them: a name no list has,
//! one that some have, one below a name, a policy without lists. Before that: seconds of building, octets a name, what ten
//! thousand policies cost, and allocations of lookups.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use weir::{
    model::{DomainName, Effect, ListKind, ListSourceId, NameRule, Pattern, Rule},
    policy::{CompiledList, ListBuilder, ListProfile, ListSelection, ListTable, NameKey, Suffixes, Who},
};

/// The system's allocator, with what it handed out.
struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's, with the caller's own arguments; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let held = HELD.fetch_add(layout.size() as u64, Ordering::Relaxed) + layout.size() as u64;
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAMES: u64 = 5_000_000;
const LISTS: u32 = 50;
const POLICIES: u64 = 10_000;
/// Names asked in turn: enough that their buckets do not stay in the processor's cache.
const ASKED: u64 = 1 << 16;
const KEY: NameKey = NameKey(0x5eed);
const PROFILE: ListProfile = ListProfile { kind: ListKind::Block, zone: false, zone_override: None };

/// A seeded sequence (SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn stored(number: u64) -> DomainName {
    let seed = mix(number);
    let top = ["com", "net", "org", "co.uk"][(seed >> 32) as usize % 4];
    parse(&format!("{:x}-{number}.{top}", seed & 0xff_ffff))
}

fn parse(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a valid name")
}

/// One name in four is in two more lists.
fn lists_of(number: u64) -> [Option<u32>; 3] {
    let seed = mix(number ^ 0xabcd);
    let list = |shift: u32| (seed >> shift) as u32 % LISTS;
    let more = seed.is_multiple_of(4);
    [Some(list(2)), more.then(|| list(12)), more.then(|| list(22))]
}

fn built() -> Vec<Arc<CompiledList>> {
    let begun = Instant::now();
    let mut octets = 0;
    let lists = (0..LISTS).map(|list| {
        let mut builder = ListBuilder::new(KEY);
        for number in (0..NAMES).filter(|number| lists_of(*number).contains(&Some(list))) {
            builder.push(Rule::Name(NameRule::plain(Pattern::Suffix(stored(number)), Effect::Block)));
        }
        for number in 0..100 {
            let pattern = Pattern::Wildcard(format!("||pattern{list}-{number}*.example^").into());
            builder.push(Rule::Name(NameRule::plain(pattern, Effect::Block)));
            let pattern = Pattern::Regex(format!("^(.+\\.)?expression{list}-{number}[0-9]*\\.").into());
            builder.push(Rule::Name(NameRule::plain(pattern, Effect::Block)));
        }
        let list = builder.finish().0;
        let mut file = Vec::new();
        list.write(&mut file).expect("memory");
        octets += file.len();
        Arc::new(CompiledList::read(&file, KEY).expect("whole"))
    });
    let lists: Vec<_> = lists.collect();
    println!(
        "{LISTS} lists compiled, written and read: {:.1} s, {octets} octets of files",
        begun.elapsed().as_secs_f64()
    );
    lists
}

fn table() -> ListTable {
    let lists = built();
    let held = HELD.load(Ordering::Relaxed);
    PEAK.store(held, Ordering::Relaxed);
    let begun = Instant::now();
    let with_ids = lists.iter().enumerate().map(|(id, list)| (ListSourceId(id as u32 + 1), PROFILE, list.clone()));
    let table = ListTable::build(with_ids);
    let seconds = begun.elapsed().as_secs_f64();
    let (after, peak) = (HELD.load(Ordering::Relaxed), PEAK.load(Ordering::Relaxed));
    let names = table.names();
    println!("table: {names} names, {seconds:.2} s, {} octets by its own account", table.octets());
    println!("held by it: {} octets, {:.2} a name", after - held, (after - held) as f64 / names as f64);
    println!("peak while building: {} octets beside the lists", peak - held);
    println!("held by the compiled lists, dropped afterwards: {held} octets");
    drop(lists);
    println!("held with the lists dropped: {} octets", HELD.load(Ordering::Relaxed));
    table
}

fn ten(policy: u64) -> Vec<ListSourceId> {
    (0..10).map(|index| ListSourceId(((policy + index * 5) % u64::from(LISTS)) as u32 + 1)).collect()
}

fn policies(table: &ListTable) {
    let held = HELD.load(Ordering::Relaxed);
    let begun = Instant::now();
    let all: Vec<ListSelection> = (0..POLICIES).map(|policy| table.select(&ten(policy))).collect();
    let seconds = begun.elapsed().as_secs_f64();
    let octets = HELD.load(Ordering::Relaxed) - held;
    println!("{} selections of 10 lists, unshared: {seconds:.3} s, {octets} octets", all.len());
}

fn lists(criterion: &mut Criterion) {
    let table = table();
    policies(&table);
    let ten = table.select(&ten(0));
    let none = ListSelection::default();
    let who = Who::nobody();
    let mut group = criterion.benchmark_group("lists");
    group.throughput(Throughput::Elements(1));
    type Made = fn(u64) -> DomainName;
    let missing: Made = |number| stored(number + NAMES * 2);
    let below: Made = |number| parse(&format!("www.cdn.{}", stored(number)));
    for (label, selection, made) in [
        ("a name no list has", &ten, missing),
        ("a name of some list", &ten, stored as Made),
        ("two labels below one", &ten, below),
        ("a policy without lists", &none, stored as Made),
    ] {
        let names: Vec<DomainName> = (0..ASKED).map(|number| made(mix(number) % NAMES)).collect();
        let suffixes: Vec<Suffixes<'_>> = names.iter().map(|name| Suffixes::new(name.as_name(), KEY)).collect();
        let calls = CALLS.load(Ordering::Relaxed);
        let hits = suffixes.iter().filter(|suffixes| table.find(selection, suffixes, 1, &who).is_some()).count();
        println!("{label}: {hits} hits of {ASKED}, {} allocations", CALLS.load(Ordering::Relaxed) - calls);
        let mut turn = suffixes.iter().cycle();
        group.bench_function(label, |bencher| {
            bencher.iter(|| table.find(black_box(selection), turn.next().expect("endless"), 1, &who));
        });
    }
    group.finish();
}

criterion_group!(benches, lists);
criterion_main!(benches);
