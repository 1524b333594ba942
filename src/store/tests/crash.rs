//! The test program starts itself as a child that commits and says what was acknowledged, and
//! kills it: with SIGKILL at random moments, or by taking its disk away.

use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DIR: &str = "WEIR_TEST_STORE_CHILD";
const PAIR: u32 = 1_000_000;

/// This test program again, running one test that is a child's part. `shell` runs before.
fn child(part: &str, dir: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{shell} exec \"$0\" --exact --nocapture --test-threads=1 \"$1\"");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap()).arg(format!("store::tests::crash::{part}"));
    command.env(DIR, dir).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// The child's part: four threads that make and change pairs of rows, one pair a batch.
#[test]
fn child_commits_until_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = open(Path::new(&dir));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Ends by itself should nobody kill it.
                while started.elapsed() < Duration::from_secs(60) {
                    let id = store.next_id::<Group>();
                    let pair = [id, id + PAIR].map(|id| group(id, 1, &format!("{id}.0")));
                    store.commit_blocking(batch().create(&pair[0]).create(&pair[1])).unwrap();
                    say(&format!("ack {id} 0"));
                    for turn in 1..3 {
                        let rows = [id, id + PAIR].map(|id| store.find::<Group>(id).unwrap());
                        let next = [id, id + PAIR].map(|id| group(id, 1, &format!("{id}.{turn}")));
                        store.commit_blocking(batch().update(&rows[0], &next[0]).update(&rows[1], &next[1])).unwrap();
                        say(&format!("ack {id} {turn}"));
                    }
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    if std::env::var(DIR).is_ok() {
        return;
    }
    let rounds: u32 = std::env::var("WEIR_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::<u32, u32>::new();
    for round in 0..rounds {
        let mut child = child("child_commits_until_killed", dir.path(), "").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Sometimes while it opens, mostly while it commits.
        let patience = Duration::from_millis(u64::from(uuid::Uuid::new_v4().as_bytes()[0]) * 2);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(patience);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in lines {
            let line = line.unwrap();
            // A line may be torn by the kill; only whole ones count.
            let mut words = line.split(' ').skip_while(|word| !word.ends_with("ack")).skip(1);
            if let (Some(Ok(id)), Some(Ok(turn))) = (words.next().map(str::parse), words.next().map(str::parse)) {
                let turn: u32 = turn;
                acknowledged.entry(id).and_modify(|t| *t = turn.max(*t)).or_insert(turn);
            }
        }
        killer.join().unwrap();
        let store = open(dir.path());
        assert_eq!(store.open_report().damaged_moved_to, None);
        for (&id, &turn) in &acknowledged {
            let name = store.find::<Group>(id).unwrap_or_else(|| panic!("round {round}: {id} is lost")).value.name;
            let found: u32 = name.split_once('.').unwrap().1.parse().unwrap();
            assert!(found >= turn, "round {round}: {id} was acknowledged at turn {turn} and is at {found}");
        }
        for row in store.all::<Group>().take_while(|row| row.value.id.0 < PAIR) {
            let twin = store.find::<Group>(row.value.id.0 + PAIR).expect("batches are whole");
            assert_eq!(twin.revision, row.revision, "batches are whole");
        }
        let logged = store.changes_since(Revision(0)).map(|c| c.unwrap().revision.0);
        assert!(logged.eq(1..=store.revision().0), "the log has every revision");
    }
    println!("{} pairs acknowledged in {rounds} rounds", acknowledged.len());
}

/// The child's part: commits until files may not grow any more, then after they may again.
#[test]
fn child_meets_a_full_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    // The free space is not what runs out here: the error has to come from the write itself.
    let store = Store::open(Path::new(&dir), Options { free_octets_min: 0, ..Options::default() }).unwrap();
    let described = |id: u32| Group { description: "x".repeat(4_000), ..group(id, 1, &id.to_string()) };
    let mut id = 0;
    let error = loop {
        id += 1;
        match store.commit_blocking(batch().create(&described(id))) {
            Ok(_) => say(&format!("ack {id}")),
            Err(e) => break e,
        }
    };
    say(&format!("refused {id} {error:?}"));
    assert_eq!(store.find::<Group>(id), None);
    assert!(store.find::<Group>(id - 1).is_some(), "reading goes on");
    assert_eq!(store.revision(), Revision(u64::from(id) - 1));
    // What may take the room in another run of this part, by hand on a small disk.
    let _ = std::fs::remove_file(Path::new(&dir).join("ballast"));
    let again = store.commit_blocking(batch().create(&described(id + 1)));
    say(&format!("again {again:?}"));
    assert!(store.find::<Group>(1).is_some());
    say("done");
}

#[test]
fn a_disk_that_takes_no_more_refuses_commits_and_loses_nothing() {
    if std::env::var(DIR).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // 4 MiB a file; without the trap the limit would be a signal that ends the process.
    let mut child = child("child_meets_a_full_disk", dir.path(), "trap '' XFSZ; ulimit -f 8192;").spawn().unwrap();
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    let status = child.wait().unwrap();
    let said = lines.join("\n");
    assert!(status.success() && lines.iter().any(|line| line == "done"), "{said}");
    let last = lines.iter().filter_map(|line| line.rsplit_once("ack ")?.1.parse::<u32>().ok()).max().unwrap();
    let store = open(dir.path());
    assert_eq!(store.open_report().damaged_moved_to, None);
    for id in 1..=last {
        assert!(store.find::<Group>(id).is_some(), "{id} was acknowledged");
    }
    store.commit_blocking(batch().create(&group(9_999, 1, "room again"))).unwrap();
}
