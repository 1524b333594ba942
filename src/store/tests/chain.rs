//! The chain of hashes over the change log.

use super::*;
use crate::store::{HistoryError, Incident, disk::Disk, disk::Edits, keys};

/// A closed store with five logged changes, the head of its chain.
fn logged(dir: &Path) -> [u8; 32] {
    let store = open(dir);
    for id in 1..=4 {
        store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
    }
    let incident =
        Incident { account: Account::System, subject: "a@weir.test".into(), detail: "wrong password".into() };
    store.commit_blocking(batch().note(incident)).unwrap();
    let verified = store.verify_changes().unwrap();
    assert_eq!((verified.first, verified.last), (Revision(1), Revision(5)));
    verified.head
}

#[test]
fn an_untouched_log_is_whole_and_goes_on_from_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let head = logged(dir.path());
    let store = open(dir.path());
    assert_eq!(store.verify_changes().unwrap().head, head);
    store.commit_blocking(batch().create(&group(9, 1, "later"))).unwrap();
    let verified = store.verify_changes().unwrap();
    assert_eq!(verified.last, Revision(6));
    assert_ne!(verified.head, head);
    let noted = store.change(Revision(5)).unwrap().unwrap();
    assert_eq!(noted.incident.map(|incident| incident.subject).as_deref(), Some("a@weir.test"));
    assert!(noted.changes.is_empty());
}

#[test]
fn a_log_that_was_changed_afterwards_is_told_with_the_place() {
    type Tampering = fn(&Disk, &mut Edits);
    let cases: [(u64, Tampering); 4] = [
        // One octet of the third entry (its time), which the fourth does not follow from any more.
        (4, |disk, edits| {
            let key = keys::change(Revision(3), 0);
            let mut octets = disk.range(&key, &key).next().unwrap().unwrap().1.to_vec();
            let last = octets.len() - 1;
            octets[last] ^= 1;
            edits.insert(key, &octets);
        }),
        // The third is taken out.
        (4, |_, edits| edits.remove(keys::change(Revision(3), 0).to_vec())),
        // The last is taken out.
        (5, |_, edits| edits.remove(keys::change(Revision(5), 0).to_vec())),
        // One is put behind the last, with the revision it needs.
        (6, |disk, edits| {
            let key = keys::change(Revision(4), 0);
            let octets = disk.range(&key, &key).next().unwrap().unwrap().1.to_vec();
            edits.insert(keys::change(Revision(6), 0), &octets);
            edits.insert(keys::REVISION, &6u64.to_be_bytes());
        }),
    ];
    for (place, tamper) in cases {
        let dir = tempfile::tempdir().unwrap();
        logged(dir.path());
        let disk = Disk::open(&dir.path().join("store"), 1 << 20).unwrap();
        let mut edits = Edits::default();
        tamper(&disk, &mut edits);
        disk.commit(edits).unwrap();
        drop(disk);
        match open(dir.path()).verify_changes() {
            Err(HistoryError::Broken { revision, .. }) => assert_eq!(revision, Revision(place)),
            other => panic!("{place}: {other:?}"),
        }
    }
}

#[test]
fn what_is_forgotten_does_not_break_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { changes_kept: 3, ..Options::default() }).unwrap();
    for id in 1..=9 {
        store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
    }
    let verified = store.verify_changes().unwrap();
    assert_eq!((verified.first, verified.last), (Revision(7), Revision(9)));
}
