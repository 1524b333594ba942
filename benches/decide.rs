//! What a decision costs: identification, choice of policy, lists and categories, without sockets
//! or caches. 10,000 customers, 40,000 policies, 1,000,000 list entries, 2,000,000 categorised
//! names, all seeded.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::{collections::BTreeMap, hint::black_box, net::IpAddr, sync::Arc};
use uuid::Uuid;
use weir::{category::Index, identify::Identified, model::*, policy::*};

const CUSTOMERS: u32 = 10_000;
const POLICIES_EACH: u32 = 4;
const ENTRIES_EACH: u32 = 100;
const CATEGORISED: u32 = 2_000_000;
const KEY: NameKey = NameKey(1);

/// splitmix64: the same sequence on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a valid name")
}

fn address(customer: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0x0b00_0000 + customer * 4).into()
}

fn world() -> World {
    let preset = CategorySet(0b10_0000);
    let mut world = World::new(KEY, Presets { low: preset, moderate: preset, high: preset });
    let mut put = |row: Row| world.upsert(None, &row);
    let mut entry = 0;
    for id in 1..=CUSTOMERS {
        let customer = CustomerId(id);
        put(Row::Customer(Customer {
            id: customer,
            msp: None,
            name: format!("customer {id}"),
            email: String::new(),
            description: String::new(),
            license: String::new(),
            timezone: String::new(),
            uuid: Uuid::nil(),
            install_key: Uuid::nil(),
            created: Timestamp(0),
            suspended: false,
        }));
        for number in 0..POLICIES_EACH {
            put(Row::Policy(Policy {
                id: PolicyId(id * POLICIES_EACH + number),
                owner: Account::Customer(customer),
                is_default: number == 0,
                name: format!("policy {number}"),
                description: String::new(),
                settings: PolicySettings { level: Some(Level::M), ..PolicySettings::default() },
                created: Timestamp(0),
                updated: Timestamp(0),
            }));
        }
        put(Row::Location(Location {
            id: LocationId(id),
            customer,
            kind: LocationKind::StaticIp,
            name: "office".into(),
            policy: None,
            deletable: true,
            created: Timestamp(0),
        }));
        put(Row::Address(Address {
            id: AddressId(id),
            customer,
            location: LocationId(id),
            net: address(id).into(),
            description: String::new(),
        }));
        for number in 0..ENTRIES_EACH {
            entry += 1;
            put(Row::Entry(ListEntry {
                id: EntryId(entry),
                owner: Account::Customer(customer),
                list: ListId::Policy(PolicyId(id * POLICIES_EACH)),
                action: Action::Block,
                domain: name(&format!("listed{number}.customer{id}.example")),
                subdomains: true,
                log_requests: true,
                comment: String::new(),
                expires: None,
                created: Timestamp(0),
            }));
        }
    }
    world
}

fn categories() -> Index {
    let set = CategorySet(0b10_0000);
    let mut random = Random(7);
    let names: BTreeMap<DomainName, CategorySet> =
        (0..CATEGORISED).map(|_| (name(&format!("n{:x}.com", random.next() >> 20)), set)).collect();
    Index::from_names(names, [7; 16], Timestamp(0)).expect("fits an index")
}

fn decide(c: &mut Criterion) {
    let mut world = world();
    let snapshot = world.snapshot(1);
    let index = categories();
    let mut random = Random(7);
    let mut names: Vec<DomainName> = (0..100_000)
        .map(|n| match n % 4 {
            0 => name(&format!("www.n{:x}.com", random.next() >> 20)),
            1 => name(&format!("a.listed{}.customer{}.example", random.next() % 100, random.next() % 10_000 + 1)),
            _ => name(&format!("edge{}.static.site{:x}.net", random.next() % 50, random.next() >> 30)),
        })
        .collect();
    names.rotate_left(17);
    let clients: Vec<IpAddr> =
        (0..100_000).map(|_| address((random.next() % u64::from(CUSTOMERS)) as u32 + 1)).collect();

    let mut at = 0;
    let mut next = move || {
        at = (at + 1) % 100_000;
        at
    };
    c.bench_function("identify and choose, 10,000 customers", |b| {
        b.iter(|| {
            let Identified::Known(client) = snapshot.identify(clients[next()]) else { panic!("known") };
            black_box(choose(&snapshot, &client).expect("served").policy.id)
        });
    });
    c.bench_function("category lookup, 2,000,000 names", |b| {
        b.iter(|| black_box(index.categories(names[next()].as_name())));
    });
    c.bench_function("decision: identify, choose, lists, categories", |b| {
        b.iter(|| {
            let at = next();
            let Identified::Known(client) = snapshot.identify(clients[at]) else { panic!("known") };
            let policy = choose(&snapshot, &client).expect("served").policy;
            let suffixes = Suffixes::new(names[at].as_name(), KEY);
            let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
            black_box(evaluate(&snapshot, policy, &question, &index, &mut NoTrace))
        });
    });
    let entry = |id: u32| ListEntry {
        id: EntryId(id),
        owner: Account::System,
        list: ListId::Policy(PolicyId(400)),
        action: Action::Block,
        domain: name(&format!("edit{id}.example")),
        subdomains: true,
        log_requests: true,
        comment: String::new(),
        expires: None,
        created: Timestamp(0),
    };
    let mut id = 10_000_000;
    let mut kept: Arc<Snapshot> = snapshot.clone();
    c.bench_function("compile: one list entry at 1,000,000", |b| {
        b.iter_batched(
            || {
                id += 1;
                Row::Entry(entry(id))
            },
            |row| {
                world.upsert(None, &row);
                kept = world.snapshot(2);
            },
            BatchSize::SmallInput,
        );
    });
    black_box(kept);
}

criterion_group!(benches, decide);
criterion_main!(benches);
