//! Opening what a crash, a fault or somebody else has left.

use super::*;
use std::fs;

/// A store of 300 groups with an export of 200 of them, closed.
fn exported(dir: &Path) {
    let store = open(dir);
    for id in 1..=200 {
        store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
    }
    export(&store, &exports_dir(dir).join(export_name(store.revision())), Timestamp(0)).unwrap();
    for id in 201..=300 {
        store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
    }
}

fn snapshot(dir: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(dir.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).unwrap()
}

#[test]
fn a_half_written_snapshot_does_not_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit_blocking(batch().create(&group(1, 1, "a"))).unwrap();
    fs::write(dir.path().join("store/snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    let store = open(dir.path());
    assert!(store.find::<Group>(1).is_some());
    assert_eq!(store.open_report().damaged_moved_to, None);
}

#[test]
fn a_second_process_is_told_who_has_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = Store::open(dir.path(), Options::default()).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{text}");
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    drop(store);
    open(dir.path());
}

#[test]
fn a_folder_that_is_freed_within_five_seconds_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(store);
    });
    open(dir.path());
    leaving.join().unwrap();
}

#[test]
fn a_damaged_database_is_put_aside_and_the_newest_good_export_taken() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 6] = [
        ("the file is gone", |dir| fs::remove_file(dir.join("store/db")).unwrap()),
        ("the file is empty", |dir| fs::write(dir.join("store/db"), b"").unwrap()),
        ("the file is noise", |dir| {
            let length = fs::metadata(dir.join("store/db")).unwrap().len() as usize;
            let noise: Vec<u8> = (0..length).map(|i| ((i * 2_654_435_761) >> 7) as u8).collect();
            fs::write(dir.join("store/db"), noise).unwrap();
        }),
        ("the first half is zero", |dir| {
            let mut octets = fs::read(dir.join("store/db")).unwrap();
            let half = octets.len() / 2;
            octets[..half].fill(0);
            fs::write(dir.join("store/db"), octets).unwrap();
        }),
        ("the snapshot is noise", |dir| fs::write(snapshot(dir), [0xa5; 300]).unwrap()),
        ("the folder is gone", |dir| fs::remove_dir_all(dir.join("store")).unwrap()),
    ];
    for (name, damage) in cases {
        let dir = tempfile::tempdir().unwrap();
        exported(dir.path());
        // A newer export that is no good.
        fs::write(exports_dir(dir.path()).join(export_name(Revision(250))), b"noise").unwrap();
        drop(open(dir.path()));
        damage(dir.path());
        let store = open(dir.path());
        let report = store.open_report();
        assert!(report.imported_from.is_some() && report.damaged_moved_to.as_ref().unwrap().exists(), "{name}");
        assert_eq!(store.count_all::<Group>(), 200, "{name}");
        assert!(store.next_id::<Group>() > 200, "{name}");
        let revision = store.commit_blocking(batch().create(&group(999, 1, "on"))).unwrap();
        assert!(revision > Revision(200), "{name}");
        drop(store);
        let store = open(dir.path());
        assert_eq!(store.open_report().damaged_moved_to, None, "{name}");
        assert_eq!(store.count_all::<Group>(), 201, "{name}");
    }
}

#[test]
fn a_damaged_database_without_an_export_is_left_alone_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit_blocking(batch().create(&group(1, 1, "a"))).unwrap();
    drop(open(dir.path()));
    fs::write(snapshot(dir.path()), [0xa5; 300]).unwrap();
    assert!(matches!(Store::open(dir.path(), Options::default()), Err(OpenError::Damaged { .. })));
    assert!(dir.path().join("store/db").exists());
}

#[test]
fn a_format_newer_than_this_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    exported(dir.path());
    {
        let db = sled::open(dir.path().join("store")).unwrap();
        db.insert(keys::FORMAT, &2u64.to_be_bytes()).unwrap();
    }
    let error = Store::open(dir.path(), Options::default()).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error}");
    assert!(dir.path().join("store/db").exists());
}

#[test]
fn the_folder_and_its_secrets_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let store = open(&dir);
    export(&store, &exports_dir(&dir).join(export_name(Revision(0))), Timestamp(0)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("secret.key")), 0o600);
    assert_eq!(mode(&exports_dir(&dir).join(export_name(Revision(0)))), 0o600);
    let sealed = store.seal(b"here", b"secret");
    assert_eq!(store.unseal(b"here", &sealed).unwrap(), b"secret");
    assert_eq!(store.unseal(b"there", &sealed), Err(UnsealError));
}

#[test]
fn the_image_of_the_rows_is_only_ever_a_shortcut() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 6] = [
        ("as it is", |_| ()),
        ("gone", |dir| fs::remove_file(dir.join("store/image")).unwrap()),
        ("cut off", |dir| {
            let octets = fs::read(dir.join("store/image")).unwrap();
            fs::write(dir.join("store/image"), &octets[..octets.len() / 2]).unwrap();
        }),
        ("changed", |dir| {
            let mut octets = fs::read(dir.join("store/image")).unwrap();
            let middle = octets.len() / 2;
            octets[middle] ^= 1;
            fs::write(dir.join("store/image"), octets).unwrap();
        }),
        ("of another database", |dir| {
            let other = tempfile::tempdir().unwrap();
            open(other.path()).commit_blocking(batch().create(&customer(5))).unwrap();
            fs::copy(other.path().join("store/image"), dir.join("store/image")).unwrap();
        }),
        ("a torn draft", |dir| fs::write(dir.join("store/image.new"), b"torn").unwrap()),
    ];
    for (name, damage) in cases {
        let dir = tempfile::tempdir().unwrap();
        exported(dir.path());
        damage(dir.path());
        let store = open(dir.path());
        assert_eq!(store.count_all::<Group>(), 300, "{name}");
        assert_eq!(store.revision(), Revision(300), "{name}");
        assert_eq!(store.next_id::<Group>(), 301, "{name}");
        assert_eq!(store.open_report().damaged_moved_to, None, "{name}");
    }
}

#[test]
fn an_old_image_is_brought_up_to_date_from_the_log_if_the_log_reaches_back() {
    for changes_kept in [1_000, 10] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { changes_kept, ..Options::default() };
        let store = Store::open(dir.path(), options.clone()).unwrap();
        for id in 1..=50 {
            store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
        }
        store.write_image().unwrap();
        let old = fs::read(dir.path().join("store/image")).unwrap();
        for id in 1..=20 {
            let row = store.find::<Group>(id).unwrap();
            store.commit_blocking(batch().delete(&row)).unwrap();
            let row = store.find::<Group>(id + 20).unwrap();
            store.commit_blocking(batch().update(&row, &group(id + 20, 2, &format!("moved {id}")))).unwrap();
        }
        let expected: Vec<Row<Group>> = store.all().collect();
        let next = store.next_id::<Group>();
        drop(store);
        fs::write(dir.path().join("store/image"), old).unwrap();
        let store = Store::open(dir.path(), options).unwrap();
        assert_eq!(store.all().collect::<Vec<Row<Group>>>(), expected);
        assert_eq!(store.next_id::<Group>(), next);
        let key = Unique::name_in(Account::Customer(CustomerId(2)), "moved 1");
        assert!(store.find_unique::<Group>(Unique::GroupName, &key).is_some());
        let key = Unique::name_in(Account::Customer(CustomerId(1)), "21");
        assert!(store.find_unique::<Group>(Unique::GroupName, &key).is_none());
    }
}
