use super::*;
use crate::model::{HostsMeaning, ListKind, NameReach};
use crate::policy::{ListProfile, ListTable, Suffixes, Who};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const ID: ListSourceId = ListSourceId(7);
const BOUNDS: Bounds = Bounds { octets_max: 10_000, rules_max: 100 };

fn recipe() -> Recipe {
    Recipe { syntax: None, reach: NameReach::BySyntax, hosts: HostsMeaning::Block, zone: None }
}

fn draft(library: &Library, text: &str) -> Result<Draft, LibraryError> {
    let progress = Progress::default();
    let copied = library.copy(ID, text.as_bytes(), BOUNDS.octets_max, &progress)?;
    library.read(copied, recipe(), BOUNDS, Validators::default(), &progress)
}

fn blocks(library: &Library, name: &str) -> bool {
    let list = library.load(ID, &recipe(), BOUNDS).expect("readable").expect("a copy");
    let profile = ListProfile { kind: ListKind::Block, zone: false, zone_override: None };
    let table = ListTable::build([(ID, profile, Arc::new(list))]);
    let name = DomainName::from_text(name).expect("a name");
    let suffixes = Suffixes::new(name.as_name(), library.key());
    table.find(&table.select(&[ID]), &suffixes, 1, &Who::nobody()).is_some()
}

#[test]
fn the_key_is_made_once_and_nobody_else_may_read_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = Library::open(dir.path()).expect("opens").key();
    assert_eq!(Library::open(dir.path()).expect("opens").key(), key);
    let mode = fs::metadata(dir.path().join("lists/key")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_version_serves_when_it_is_adopted_and_a_damaged_one_is_made_again_from_its_copy() {
    let dir = tempfile::tempdir().expect("a folder");
    let library = Library::open(dir.path()).expect("opens");
    assert!(library.load(ID, &recipe(), BOUNDS).expect("nothing wrong").is_none());
    let version = library.adopt(ID, draft(&library, "0.0.0.0 ads.test\n").expect("a list")).expect("kept");
    assert_eq!((version.rules(), version.octets), (1, 17));
    assert!(blocks(&library, "ads.test") && !blocks(&library, "www.test"));
    let compiled = dir.path().join("lists/7/compiled");
    for damage in [&b"damaged"[..], b""] {
        fs::write(&compiled, damage).expect("written");
        assert!(blocks(&library, "ads.test"));
    }
    fs::remove_file(&compiled).expect("there");
    assert!(blocks(&library, "ads.test"));
    fs::remove_file(dir.path().join("lists/key")).expect("there");
    let rekeyed = Library::open(dir.path()).expect("opens");
    assert!(rekeyed.key() != library.key() && blocks(&rekeyed, "ads.test"), "a lost key costs a parse");
}

#[test]
fn what_passes_a_bound_is_refused_and_what_served_goes_on_serving() {
    let dir = tempfile::tempdir().expect("a folder");
    let library = Library::open(dir.path()).expect("opens");
    library.adopt(ID, draft(&library, "0.0.0.0 ads.test\n").expect("a list")).expect("kept");
    let large = "# a comment\n".repeat(1_000);
    assert!(matches!(draft(&library, &large), Err(LibraryError::Parse(ParseError::TooLarge(10_000)))));
    let many: String = (0..101).map(|number| format!("0.0.0.0 a{number}.test\n")).collect();
    assert!(draft(&library, &many).is_err());
    library.clear(ID);
    assert!(blocks(&library, "ads.test"));
    assert!(!dir.path().join("lists/7/raw.new").exists());
}

#[test]
fn a_version_that_is_held_back_waits_beside_the_one_that_serves() {
    let dir = tempfile::tempdir().expect("a folder");
    let library = Library::open(dir.path()).expect("opens");
    library.adopt(ID, draft(&library, "0.0.0.0 old.test\n").expect("a list")).expect("kept");
    library.hold(ID, draft(&library, "0.0.0.0 new.test\n").expect("a list")).expect("kept");
    assert!(blocks(&library, "old.test") && !blocks(&library, "new.test"));
    let held = library.read_held(ID, recipe(), BOUNDS, Validators::default(), &Progress::default()).expect("there");
    library.adopt(ID, held).expect("kept");
    assert!(!blocks(&library, "old.test") && blocks(&library, "new.test"));
    assert!(!dir.path().join("lists/7/held.zst").exists());
}

#[test]
fn how_a_list_stands_survives_and_what_belongs_to_no_list_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let library = Library::open(dir.path()).expect("opens");
    let state = ListState { errors: 3, ..ListState::default() };
    library.save_state(ID, &state).expect("kept");
    assert_eq!(library.state(ID), state);
    fs::write(dir.path().join("lists/7/state.json"), "{").expect("written");
    assert_eq!(library.state(ID), ListState::default(), "as if nobody had fetched it");
    library.save_state(ListSourceId(8), &state).expect("kept");
    assert_eq!(library.sweep(&HashSet::from([ListSourceId(8)])).expect("swept"), 1);
    assert!(!dir.path().join("lists/7").exists() && dir.path().join("lists/8").exists());
    assert!(dir.path().join("lists/key").exists());
}
