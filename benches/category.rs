//! Category lookups among two million names: nanoseconds for a stored name, a name below one, a name
//! that is not stored, and a deep one; octets a name; how long building and opening the file takes.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::{
    fs::File,
    hint::black_box,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};
use weir::{
    category::{BuildOptions, Index, Silent, build},
    model::{DomainName, Timestamp},
};

const NAMES: u64 = 2_000_000;
/// Names asked in turn: enough that their buckets do not stay in the processor's cache.
const ASKED: u64 = 1 << 16;

/// A seeded sequence (SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The name with this number: 6 to 16 letters under one of four top-level domains.
fn stored(number: u64) -> String {
    let mut seed = mix(number);
    let letters = 6 + seed % 11;
    let mut name = String::new();
    for _ in 0..letters {
        seed = mix(seed);
        name.push(char::from(b'a' + (seed % 26) as u8));
    }
    // The number keeps names different.
    format!("{name}{number}.{}", ["com", "net", "org", "co.uk"][(seed >> 32) as usize % 4])
}

fn parse(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a valid name")
}

/// Builds the index from lists of three categories in `folder`.
fn built(folder: &Path) -> Index {
    for (list, name) in ["ads", "malware", "games"].into_iter().enumerate() {
        let file = File::create(folder.join(name).with_extension("txt")).expect("a writable folder");
        let mut file = BufWriter::new(file);
        for number in (list as u64..NAMES).step_by(3) {
            writeln!(file, "{}", stored(number)).expect("a writable folder");
        }
    }
    let options = BuildOptions {
        out: folder.join("names.weir"),
        sources: vec![folder.to_owned()],
        built_at: Timestamp(0),
        memory_budget: BuildOptions::MEMORY_BUDGET,
    };
    let begun = Instant::now();
    let mut report = build(&options, &mut Silent).expect("a build without errors");
    report.took = Some(begun.elapsed());
    println!("{report}");
    Index::open(&options.out).expect("a sound index")
}

fn lookups(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = built(folder.path());

    let mut group = c.benchmark_group("category index");
    group.sample_size(10);
    group.bench_function("open", |b| b.iter(|| Index::open(&folder.path().join("names.weir")).expect("a sound index")));
    group.finish();

    let mut group = c.benchmark_group("category lookup");
    group.throughput(Throughput::Elements(1));
    type Form = fn(u64) -> String;
    let forms: [(&str, Form); 5] = [
        ("stored, 2 labels", |n| stored(mix(n) % NAMES)),
        ("below a stored name, 3 labels", |n| format!("www.{}", stored(mix(n) % NAMES))),
        ("not stored, 3 labels", |n| format!("www.{}", stored(NAMES + n))),
        ("not stored, 6 labels", |n| format!("a.b.c.{}", stored(NAMES + n))),
        ("not stored, 120 labels", |n| format!("{}.{}", ["a"; 110].join("."), stored(NAMES + n))),
    ];
    for (form, name) in forms {
        let asked: Vec<DomainName> = (0..ASKED).map(|number| parse(&name(number))).collect();
        let mut turn = asked.iter().cycle();
        group.bench_function(form, |b| {
            b.iter_batched(
                || turn.next().expect("a cycle"),
                |name| index.categories(black_box(name.as_name())),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
