//! The house's own rules, checked over its source: who may import whom, what stays out of the pure
//! rooms, and that what the documentation says is there.
//!
//! A rule that fails says where and why. Changing a rule is changing `ARCHITECTURE.md` first.

#[path = "tidy/source.rs"]
mod source;

use clap::Parser;
use source::{Source, all_files, documents, sources};
use std::{collections::BTreeSet, fs, path::Path};
use weir::{cli::Arguments, telemetry::FIGURES};

/// The table of `ARCHITECTURE.md`: a room imports rooms of smaller rows only.
const ROWS: &[(u8, &[&str])] = &[
    (1, &["model"]),
    (2, &["wire", "identify", "category"]),
    (3, &["policy"]),
    (4, &["rewrite"]),
    (5, &["config", "telemetry"]),
    (6, &["store", "resolve", "feeds", "querylog", "mail", "sightings"]),
    (7, &["stats", "certs", "auth"]),
    (8, &["reports", "publish", "answer"]),
    (9, &["listen", "blockpage", "agent", "jobs"]),
    (10, &["api"]),
    (11, &["console"]),
    (12, &["daemon", "cli", "main", "lib"]),
];

/// Lines after which a file holds more than one idea.
const LINES_MAX: usize = 700;

fn row(room: &str) -> Option<u8> {
    ROWS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(row, _)| *row)
}

/// Fails with all findings at once.
fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// A finding for each line of code in which one of the words stands.
fn lines_with<'a>(source: &'a Source, words: &'a [&str], reason: &'a str) -> impl Iterator<Item = String> + 'a {
    source.code.lines().enumerate().filter_map(move |(index, line)| {
        let word = words.iter().find(|word| line.contains(**word))?;
        Some(format!("{}:{}: {word}: {reason}", source.path, index + 1))
    })
}

#[test]
fn rooms_import_only_rooms_of_smaller_rows() {
    let mut findings = Vec::new();
    for source in sources() {
        let Some(own_row) = row(&source.room) else {
            findings.push(format!("{}: the room {} has no row", source.path, source.room));
            continue;
        };
        for import in source.imports() {
            match row(&import) {
                _ if import == source.room => {}
                Some(other) if other < own_row => {}
                Some(other) => {
                    findings.push(format!("{}: row {own_row} imports {import} of row {other}", source.path));
                }
                None => findings.push(format!("{}: imports {import}, which has no row", source.path)),
            }
        }
    }
    report(findings);
}

#[test]
fn the_query_path_knows_neither_store_nor_accounts_nor_api() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| ["answer", "listen", "blockpage"].contains(&&*source.room)) {
        for import in source.imports().iter().filter(|import| ["store", "auth", "api"].contains(&import.as_str())) {
            findings.push(format!("{}: imports {import}", source.path));
        }
    }
    report(findings);
}

#[test]
fn http_statuses_stay_at_the_edge() {
    let places = ["src/api/", "src/console/", "src/blockpage/", "src/listen/https.rs", "src/feeds/fetch.rs"];
    let sources = sources();
    let elsewhere = sources.iter().filter(|source| !places.iter().any(|place| source.path.starts_with(place)));
    report(elsewhere.flat_map(|source| lines_with(source, &["StatusCode"], "HTTP statuses are the edge's")).collect());
}

#[test]
fn pure_rooms_have_no_async_no_clock_no_files_no_sockets() {
    let sources = sources();
    let pure = sources.iter().filter(|source| row(&source.room).is_some_and(|row| row <= 4));
    let mut findings = Vec::new();
    for source in pure {
        let time = ["tokio", "async ", ".await", "Instant::now", "SystemTime", "Timestamp::now", "Zoned::now"];
        findings.extend(lines_with(source, &time, "time and waiting are the caller's"));
        findings.extend(lines_with(source, &["std::env", "env::var"], "configuration is the caller's"));
        // An index is a mapped file, and building one reads lists.
        if !source.path.starts_with("src/category/build") && !source.path.starts_with("src/category/index") {
            let io = ["std::fs", "fs::", "File::", "TcpStream", "UdpSocket", "TcpListener", "Command::new"];
            findings.extend(lines_with(source, &io, "files and sockets are other rooms'"));
        }
    }
    report(findings);
}

#[test]
fn hickory_server_is_used_where_queries_are_answered() {
    let sources = sources();
    let elsewhere = sources.iter().filter(|source| source.room != "answer" && source.room != "listen");
    report(elsewhere.flat_map(|source| lines_with(source, &["hickory_server"], "only answer and listen")).collect());
}

#[test]
fn unsafe_code_stands_where_it_is_argued_for() {
    let places = ["src/category/index", "src/listen/udp"];
    let sources = sources();
    let elsewhere = sources.iter().filter(|source| !places.iter().any(|place| source.path.starts_with(place)));
    report(elsewhere.flat_map(|source| lines_with(source, &["unsafe "], "not argued for here")).collect());
}

#[test]
fn configuration_is_never_flattened() {
    let sources = sources();
    let config = sources.iter().filter(|source| source.room == "config");
    let reason = "it breaks the check for unknown keys and the positions of faults";
    report(config.flat_map(|source| lines_with(source, &["flatten)"], reason)).collect());
}

#[test]
fn a_room_tells_its_story() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| source.path.ends_with("/mod.rs") || source.path == "src/lib.rs") {
        if !source.text.starts_with("//! ") {
            findings.push(format!("{}: no story at the top", source.path));
        }
    }
    report(findings);
}

#[test]
fn rooms_stand_in_lib_in_the_order_of_their_rows() {
    let lib = sources().into_iter().find(|source| source.path == "src/lib.rs").expect("src/lib.rs");
    let declared: Vec<&str> =
        lib.code.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rows: Vec<Option<u8>> = declared.iter().map(|room| row(room)).collect();
    assert!(rows.is_sorted(), "{declared:?}\n{rows:?}");
    let there: BTreeSet<String> =
        sources().into_iter().filter(|source| source.path.matches('/').count() > 1).map(|source| source.room).collect();
    assert_eq!(declared.iter().map(|room| room.to_string()).collect::<BTreeSet<_>>(), there);
}

#[test]
fn a_file_holds_one_idea() {
    let mut findings = Vec::new();
    for (path, text) in all_files() {
        let lines = text.lines().count();
        if path.ends_with(".rs") && lines > LINES_MAX && !text.starts_with("// Generated") {
            findings.push(format!("{path}: {lines} lines"));
        }
    }
    report(findings);
}

#[test]
fn nothing_is_left_open() {
    // Written apart so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[ig", "nore")];
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("dbg", "!(")];
    let mut findings = Vec::new();
    for (path, text) in all_files() {
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().chain(&calls).find(|word| line.contains(**word)) {
                findings.push(format!("{path}:{}: {word}", index + 1));
            }
        }
    }
    report(findings);
}

#[test]
fn every_figure_that_is_counted_is_described_and_the_other_way_round() {
    let described: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.name).collect();
    let mut counted = BTreeSet::new();
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| source.path != "src/telemetry/figures.rs") {
        for name in source.strings().into_iter().filter(|text| is_figure(text)) {
            if !described.contains(name.as_str()) {
                findings.push(format!("{}: {name} is not in telemetry's FIGURES", source.path));
            }
            counted.insert(name);
        }
    }
    findings.extend(
        described.iter().filter(|name| !counted.contains(**name)).map(|name| format!("{name}: nobody counts it")),
    );
    report(findings);
}

fn is_figure(text: &str) -> bool {
    let rest = text.strip_prefix("weir_").or_else(|| text.strip_prefix("process_"));
    rest.is_some_and(|rest| rest.contains('_') && rest.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'))
        || FIGURES.iter().any(|figure| figure.name == text)
}

#[test]
fn commands_in_the_documentation_are_understood() {
    let mut findings = Vec::new();
    let mut count = 0;
    for (path, text) in documents() {
        for (number, line) in source::code_block_lines(&text) {
            let Some(words) = weir_command(line) else { continue };
            count += 1;
            let words = std::iter::once("weir").chain(words);
            if let Err(error) = Arguments::try_parse_from(words)
                && error.exit_code() != 0
            {
                findings.push(format!("{path}:{number}: {line}\n{error}"));
            }
        }
    }
    assert!(count > 3, "only {count} commands were found");
    report(findings);
}

/// The words after `weir` if a line of a code block runs it.
fn weir_command(line: &str) -> Option<impl Iterator<Item = &str>> {
    let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
    let rest = ["cargo run --release -- ", "target/release/weir ", "./weir ", "weir "]
        .into_iter()
        .find_map(|start| line.strip_prefix(start))?;
    let command = rest.split(['|', '>', '&', ';', '#']).next()?;
    Some(command.split_whitespace())
}

#[test]
fn the_readme_begins_with_running_and_testing() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let commands: Vec<&str> = source::code_block_lines(&readme).into_iter().map(|(_, line)| line.trim()).collect();
    assert_eq!(commands.first(), Some(&"cargo run --release"), "the first command");
    assert_eq!(commands.iter().find(|line| line.starts_with("cargo test")), Some(&"cargo test"));
}

#[test]
fn the_changelog_has_a_place_for_the_next_line() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    assert!(changelog.lines().any(|line| line.trim() == "## Unreleased"));
}

#[test]
fn the_architecture_page_has_the_table_that_is_checked_here() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut findings = Vec::new();
    for (row, rooms) in ROWS {
        let start = format!("| {row} |");
        match page.lines().find(|line| line.starts_with(&start)) {
            None => findings.push(format!("row {row} is missing")),
            Some(line) => findings.extend(
                rooms
                    .iter()
                    .filter(|room| **room != "lib" && !line.contains(&format!("`{room}`")))
                    .map(|room| format!("row {row} does not name `{room}`")),
            ),
        }
    }
    report(findings);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
