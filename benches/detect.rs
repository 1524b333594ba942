//! How well the detectors tell, and what they cost: precision, recall and false-positive rate on a labelled set, and
//! nanoseconds a name.
//!
//!     cargo bench --bench detect -- FOLDER            the figures
//!     cargo bench --bench detect -- FOLDER look-alikes  those of that detector alone
//!     cargo bench --bench detect -- FOLDER train OUT  the letter statistics, as a file
//!
//! FOLDER has `top-domains.txt.zst` (a popular domain a line: the negatives) and `queries-dev.txt.zst` (a name and a type
//! a line: ordinary traffic). The positives are made here: names of algorithms that malware used, mutations of popular
//! names, and queries as tunnels ask them.

use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    io::Read,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Instant,
};
use weir::{
    category::registrable,
    model::{DomainName, Schedule, ScheduleEffect, Timestamp, WeekSpan},
    policy::{Likeness, Protected, Schedules, Zones, looks_generated},
    sightings::Sightings,
};

/// Names of each kind of positive.
const EACH: usize = 20_000;
const START: i64 = 1_768_348_800;

/// Makes a look-alike of a name, given its label and the rest.
type Mutation = fn(&mut Random, &str, &str) -> String;
/// Makes the labels of one query of a tunnel out of its payload.
type Tunnel = fn(&mut Random, &[u8]) -> String;

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

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn text(&mut self, alphabet: &[u8], least: usize, most: usize) -> String {
        let length = least + self.below(most - least + 1);
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(folder) = arguments.first() else {
        println!("cargo bench --bench detect -- FOLDER [train OUT]");
        return;
    };
    let folder = Path::new(folder);
    let domains = lines(&folder.join("top-domains.txt.zst"));
    if let [_, word, out] = &arguments[..]
        && word == "train"
    {
        std::fs::write(out, train(&domains)).expect("writes the statistics");
        return;
    }
    if arguments.get(1).is_some_and(|word| word == "look-alikes") {
        look_alike(&domains);
        return;
    }
    let queries = lines(&folder.join("queries-dev.txt.zst"));
    generated(&domains);
    look_alike(&domains);
    newly_seen(&queries);
    tunnelling(&queries);
    hours();
}

fn lines(path: &Path) -> Vec<String> {
    let octets = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    let mut decoder = zstd::Decoder::new(&octets[..]).expect("compressed with zstd");
    decoder.read_to_string(&mut text).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn name(text: &str) -> Option<DomainName> {
    DomainName::from_text(text).ok()
}

/// The first label of the registrable domain.
fn label(name: &DomainName) -> Option<&[u8]> {
    registrable(name.as_name())?.labels().next()
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

/// Nanoseconds a name that `work` takes.
fn cost<T>(names: &[DomainName], mut work: impl FnMut(&DomainName) -> T) -> f64 {
    let started = Instant::now();
    for name in names {
        black_box(work(name));
    }
    started.elapsed().as_nanos() as f64 / names.len().max(1) as f64
}

fn generated(domains: &[String]) {
    println!("generated names");
    let names: Vec<DomainName> = domains.iter().filter_map(|text| name(text)).collect();
    let pointed = |name: &DomainName| label(name).is_some_and(looks_generated);
    let wrong = names.iter().filter(|name| pointed(name)).count();
    let odd: Vec<&DomainName> = names.iter().skip(1).step_by(2).collect();
    let wrong_odd = odd.iter().filter(|name| pointed(name)).count();
    println!(
        "  popular domains    {:>7} of {:>7}  false-positive rate {:.4} %",
        wrong,
        names.len(),
        100.0 * share(wrong, names.len())
    );
    println!(
        "  not trained on     {:>7} of {:>7}  false-positive rate {:.4} %",
        wrong_odd,
        odd.len(),
        100.0 * share(wrong_odd, odd.len())
    );
    let mut random = Random(1);
    let words: Vec<&str> = vec![
        "table", "window", "garden", "winter", "silver", "morning", "letter", "number", "travel", "little", "strong",
        "forest",
    ];
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    let digits = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut ramnit = 0x79_15a9_u32;
    let families: [(&str, Vec<String>); 9] = [
        ("letters, 8 to 11 (Conficker)", (0..EACH).map(|_| random.text(letters, 8, 11)).collect()),
        ("shifts of the date, 16 (CryptoLocker)", (0..EACH).map(|day| shifted_date(day as u32)).collect()),
        ("linear congruence, 8 to 19 (Ramnit)", (0..EACH).map(|_| congruent(&mut ramnit)).collect()),
        ("letters, 7 to 21 (Necurs)", (0..EACH).map(|_| random.text(&letters[..25], 7, 21)).collect()),
        ("letters and digits, 20 to 28 (Gameover)", (0..EACH).map(|_| random.text(digits, 20, 28)).collect()),
        ("letters and digits, 12 (Corebot)", (0..EACH).map(|_| random.text(digits, 12, 12)).collect()),
        ("hexadecimal, 32 (Bamital)", (0..EACH).map(|_| random.text(b"0123456789abcdef", 32, 32)).collect()),
        ("syllables, 6 to 11 (Simda)", (0..EACH).map(|_| syllables(&mut random)).collect()),
        (
            "two words (Suppobox)",
            (0..EACH).map(|_| words[random.below(12)].to_owned() + words[random.below(12)]).collect(),
        ),
    ];
    let mut found_of_all = 0;
    for (family, labels) in &families {
        let found = labels.iter().filter(|label| looks_generated(label.as_bytes())).count();
        found_of_all += found;
        println!("  recall {:.3}  {family}", share(found, labels.len()));
    }
    println!(
        "  recall {:.3}  all nine; precision {:.4} where one name in a hundred is generated",
        share(found_of_all, 9 * EACH),
        precision(share(found_of_all, 9 * EACH), share(wrong, names.len()))
    );
    println!(
        "  {:.0} ns a name, of which {:.0} for its registrable domain",
        cost(&names, pointed),
        cost(&names, |name| label(name).map(<[u8]>::len))
    );
}

/// Precision where 1 % of names are positive.
fn precision(recall: f64, wrong: f64) -> f64 {
    0.01 * recall / (0.01 * recall + 0.99 * wrong)
}

fn shifted_date(number: u32) -> String {
    let (mut year, mut month, mut day) = (2000 + number / 372, number / 31 % 12 + 1, number % 31 + 1);
    let mut text = String::new();
    for _ in 0..16 {
        year = ((year ^ year.wrapping_mul(8)) >> 11) ^ (year & 0xffff_fff0) << 17;
        month = ((month ^ month.wrapping_mul(4)) >> 25) ^ (month & 0xffff_fff8).wrapping_mul(16);
        day = ((day ^ day << 13) >> 19) ^ (day & 0xffff_fffe) << 12;
        text.push(char::from(b'a' + ((year ^ month ^ day) % 25) as u8));
    }
    text
}

fn congruent(state: &mut u32) -> String {
    let mut next = |limit: u32| {
        let product = i64::from(*state % 127_773) * 16_807 - i64::from(*state / 127_773) * 2_836;
        *state = if product < 0 { product + 0x7fff_ffff } else { product } as u32;
        *state % limit
    };
    let length = next(12) + 8;
    (0..length).map(|_| char::from(b'a' + next(25) as u8)).collect()
}

fn syllables(random: &mut Random) -> String {
    let length = 6 + random.below(6);
    let pick = |random: &mut Random, letters: &[u8]| char::from(letters[random.below(letters.len())]);
    (0..length)
        .map(|at| if at % 2 == 0 { pick(random, b"qwrtpsdfghjklzxcvbnm") } else { pick(random, b"eyuioa") })
        .collect()
}

fn look_alike(domains: &[String]) {
    println!("look-alikes");
    let names: Vec<DomainName> = domains.iter().filter_map(|text| name(text)).collect();
    let own: Vec<DomainName> =
        names.iter().filter(|name| label(name).is_some_and(|label| label.len() >= 6)).take(50).cloned().collect();
    let protected = Protected::new(&own);
    let likeness = |name: &DomainName| {
        let found = protected.likeness(name.as_name(), registrable(name.as_name())?);
        found.map(|found| found.0)
    };
    let mut wrong: HashMap<&str, usize> = HashMap::new();
    for found in names.iter().filter_map(likeness) {
        *wrong.entry(kind(found)).or_default() += 1;
    }
    let all: usize = wrong.values().sum();
    println!(
        "  50 protected names: {all} of {} popular domains are pointed at, {:.4} %: {wrong:?}",
        names.len(),
        100.0 * share(all, names.len())
    );
    for count in [1, 50, 200] {
        let own: Vec<DomainName> = names
            .iter()
            .filter(|name| label(name).is_some_and(|label| label.len() >= 6))
            .take(count)
            .cloned()
            .collect();
        let protected = Protected::new(&own);
        let comparisons = |name: &DomainName| Some(protected.comparisons(name.as_name(), registrable(name.as_name())?));
        let counts: Vec<usize> = names.iter().filter_map(comparisons).collect();
        let (all, none) = (counts.iter().sum::<usize>(), counts.iter().filter(|count| **count == 0).count());
        println!(
            "  {count} protected names: {:.4} of them compared for a popular domain, {} at most, none for {:.2} %",
            all as f64 / counts.len().max(1) as f64,
            counts.iter().max().copied().unwrap_or_default(),
            100.0 * share(none, counts.len())
        );
    }
    let mut random = Random(2);
    let mutations: [(&str, Mutation); 7] = [
        ("a letter left out", |random, label, suffix| {
            let at = random.below(label.len());
            format!("{}{}.{suffix}", &label[..at], &label[at + 1..])
        }),
        ("a letter doubled", |random, label, suffix| {
            let at = random.below(label.len());
            format!("{}{}.{suffix}", &label[..=at], &label[at..])
        }),
        ("neighbours exchanged", |random, label, suffix| {
            let at = random.below(label.len() - 1);
            format!("{}{}{}{}.{suffix}", &label[..at], &label[at + 1..at + 2], &label[at..=at], &label[at + 2..])
        }),
        ("digits for letters", |_, label, suffix| {
            format!("{}.{suffix}", label.replacen('o', "0", 1).replacen('l', "1", 1).replacen('m', "rn", 1))
        }),
        ("Cyrillic letters", |_, label, suffix| {
            format!(
                "{}.{suffix}",
                label.replacen('a', "\u{430}", 1).replacen('o', "\u{43e}", 1).replacen('e', "\u{435}", 1)
            )
        }),
        ("a word beside it", |random, label, suffix| {
            let words = ["-login", "-secure", "support", "-account-check", "verify"];
            format!("{label}{}.{suffix}", words[random.below(words.len())])
        }),
        ("before another domain", |_, label, suffix| format!("www.{label}.{suffix}.session-check.net")),
    ];
    for (kind, mutate) in mutations {
        let (mut found, mut all) = (0, 0);
        for _ in 0..EACH / 50 {
            for own in &own {
                let text = own.to_string();
                let Some((label, suffix)) = text.split_once('.') else { continue };
                let Some(mutated) = name(&mutate(&mut random, label, suffix)) else { continue };
                if mutated != *own {
                    all += 1;
                    found += usize::from(likeness(&mutated).is_some());
                }
            }
        }
        println!("  recall {:.3} of {all:>6}  {kind}", share(found, all));
    }
    println!("  {:.0} ns a name against 50 protected ones", cost(&names, likeness));
}

fn kind(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Confusable => "confusable",
        Likeness::Edited => "edited",
        Likeness::Suffix => "suffix",
        Likeness::Within => "within",
        Likeness::Before => "before",
    }
}

fn newly_seen(queries: &[String]) {
    println!("newly seen domains");
    let names: Vec<DomainName> = queries.iter().filter_map(|line| name(line.split(' ').next()?)).collect();
    let sightings = Sightings::empty(3);
    let domains: Vec<_> = names.iter().filter_map(|name| registrable(name.as_name())).collect();
    let (learned, asked) = domains.split_at(domains.len() / 2);
    for domain in learned {
        sightings.see(*domain, Timestamp(START));
    }
    let later = Timestamp(START + 8 * 86_400);
    // A week without a question would begin the learning anew.
    if let Some(domain) = learned.first() {
        sightings.see(*domain, Timestamp(START + 4 * 86_400));
    }
    let known: HashSet<_> = learned.iter().map(|domain| domain.as_wire()).collect();
    let (mut told, mut new, mut both) = (0, 0, 0);
    for domain in asked {
        let (is_told, is_new) = (sightings.see(*domain, later).is_some(), !known.contains(domain.as_wire()));
        told += usize::from(is_told);
        new += usize::from(is_new);
        both += usize::from(is_told && is_new);
    }
    println!(
        "  learned from {} queries; of {} others {:.2} % are for new domains; precision {:.4}, recall {:.4}",
        learned.len(),
        asked.len(),
        100.0 * share(new, asked.len()),
        share(both, told),
        share(both, new)
    );
    println!("  {:?}", sightings.figures());
    let cost = cost(&names, |name| sightings.see(registrable(name.as_name())?, later));
    println!("  {cost:.0} ns a name, its registrable domain included");
}

fn tunnelling(queries: &[String]) {
    println!("tunnelling");
    let names: Vec<DomainName> = queries.iter().filter_map(|line| name(line.split(' ').next()?)).collect();
    // All queries within ten minutes, by two hundred clients: 5,000 each, far more than people ask.
    let sightings = Sightings::empty(4);
    let mut random = Random(5);
    let mut wrong: HashSet<(u32, DomainName)> = HashSet::new();
    let mut pairs: HashSet<(u32, DomainName)> = HashSet::new();
    for name in &names {
        let Some(domain) = registrable(name.as_name()) else { continue };
        let client = random.below(200) as u32;
        pairs.insert((client, domain.to_owned()));
        if sightings.count(address(client), name.as_name(), domain, Timestamp(START)) {
            wrong.insert((client, domain.to_owned()));
        }
    }
    let domains: HashSet<&DomainName> = wrong.iter().map(|(_, domain)| domain).collect();
    println!(
        "  200 clients with 5,000 queries each in one window: {} of {} pairs of client and domain are told, {:.4} %; {} domains",
        wrong.len(),
        pairs.len(),
        100.0 * share(wrong.len(), pairs.len()),
        domains.len()
    );
    let base32 = b"abcdefghijklmnopqrstuvwxyz012345";
    let tunnels: [(&str, i64, Tunnel); 4] = [
        ("iodine, busy: 20 queries a second", 20, |random, base32| {
            let labels: Vec<String> = (0..3).map(|_| random.text(base32, 57, 57)).collect();
            format!("0{}.t.tunnel.test", labels.join("."))
        }),
        ("iodine, idle: one query in four seconds", 0, |random, base32| {
            format!("p{}.t.tunnel.test", random.text(base32, 25, 30))
        }),
        ("dnscat2: one query a second", 1, |random, _| {
            format!(
                "{}.{}.tunnel.test",
                random.text(b"0123456789abcdef", 60, 60),
                random.text(b"0123456789abcdef", 18, 40)
            )
        }),
        ("dnscat2, pings of 18 digits", 1, |random, _| {
            format!("{}.tunnel.test", random.text(b"0123456789abcdef", 18, 18))
        }),
    ];
    for (kind, a_second, make) in tunnels {
        let sightings = Sightings::empty(6);
        let total = if a_second == 0 { 3600 / 4 } else { 3600 * a_second };
        let (mut told, mut first) = (0, None);
        for number in 0..total {
            let at = Timestamp(START + if a_second == 0 { number * 4 } else { number / a_second });
            let Some(name) = name(&make(&mut random, base32)) else { continue };
            let Some(domain) = registrable(name.as_name()) else { continue };
            if sightings.count(address(7), name.as_name(), domain, at) {
                told += 1;
                first.get_or_insert((number, at.0 - START));
            }
        }
        let first =
            first.map_or("never".to_owned(), |(queries, seconds)| format!("after {queries} queries, {seconds} s"));
        println!("  recall {:.3} of the queries of an hour, told {first}: {kind}", share(told, total as usize));
    }
    let cost = cost(&names, |name| {
        let domain = registrable(name.as_name())?;
        Some(sightings.count(address(1), name.as_name(), domain, Timestamp(START)))
    });
    println!("  {cost:.0} ns a name, its registrable domain included");
}

/// What it costs to know which of eight schedules hold.
fn hours() {
    let mut zones = Zones::default();
    let customer = zones.of_customer("Europe/Dublin");
    let schedule = |number: u16| Schedule {
        name: number.to_string(),
        spans: vec![WeekSpan { days: 0x7f, from: number * 100, to: number * 100 + 300 }],
        zone: None,
        effect: ScheduleEffect::BlockAll,
        enabled: true,
    };
    let schedules: Vec<Schedule> = (0..8).map(schedule).collect();
    let schedules = Schedules::compile(&schedules, &mut zones, &customer);
    let looks = 1_000_000;
    let started = Instant::now();
    for number in 0..looks {
        black_box(schedules.holding(Timestamp(START + number * 61)));
    }
    println!("schedules\n  {:.0} ns to know which of eight hold", started.elapsed().as_nanos() as f64 / looks as f64);
}

fn address(client: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + client).into()
}

/// Costs of a letter after two others, in sixteenths of a bit, learned from the labels of every other domain. Rare
/// triples lean on pairs, and pairs on single letters.
fn train(domains: &[String]) -> Vec<u8> {
    const SYMBOLS: usize = 38;
    const EDGE: usize = 37;
    let symbol = |octet: u8| match octet {
        b'a'..=b'z' => Some(usize::from(octet - b'a')),
        b'0'..=b'9' => Some(usize::from(octet - b'0') + 26),
        b'-' => Some(36),
        _ => None,
    };
    let names: Vec<DomainName> = domains.iter().step_by(2).filter_map(|text| name(text)).collect();
    let labels: HashSet<&[u8]> = names.iter().filter_map(label).collect();
    let mut triples = vec![0f64; SYMBOLS * SYMBOLS * SYMBOLS];
    for label in labels.into_iter().filter(|label| label.len() >= 4 && !label.starts_with(b"xn--")) {
        let Some(symbols) = label.iter().map(|octet| symbol(*octet)).collect::<Option<Vec<usize>>>() else { continue };
        let (mut before, mut last) = (EDGE, EDGE);
        for symbol in symbols.into_iter().chain([EDGE]) {
            triples[(before * SYMBOLS + last) * SYMBOLS + symbol] += 1.0;
            (before, last) = (last, symbol);
        }
    }
    let mut pairs = vec![0f64; SYMBOLS * SYMBOLS];
    let mut singles = vec![0f64; SYMBOLS];
    for (place, count) in triples.iter().enumerate() {
        pairs[place % (SYMBOLS * SYMBOLS)] += count;
        singles[place % SYMBOLS] += count;
    }
    let all: f64 = singles.iter().sum();
    let sum = |counts: &[f64]| counts.iter().sum::<f64>();
    let mut costs = Vec::with_capacity(triples.len());
    for context in 0..SYMBOLS * SYMBOLS {
        let last = context % SYMBOLS;
        let of_last = &pairs[last * SYMBOLS..(last + 1) * SYMBOLS];
        let of_context = &triples[context * SYMBOLS..(context + 1) * SYMBOLS];
        let (last_count, context_count) = (sum(of_last), sum(of_context));
        for symbol in 0..SYMBOLS {
            let single = (singles[symbol] + 1.0) / (all + SYMBOLS as f64);
            let pair = if last == EDGE { single } else { (of_last[symbol] + 8.0 * single) / (last_count + 8.0) };
            let triple = (of_context[symbol] + 8.0 * pair) / (context_count + 8.0);
            costs.push((-triple.log2() * 16.0).round().clamp(0.0, 255.0) as u8);
        }
    }
    costs
}
