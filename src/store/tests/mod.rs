//! The store as its callers meet it: rules of a commit here, then against a model, killed at
//! random, damaged, full, exported and imported.

mod backup;
mod chain;
mod crash;
mod model;
mod recovery;

use super::*;
use crate::model::*;
use std::path::Path;

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

fn batch() -> Batch {
    Batch::new(Actor::Daemon, "test", Timestamp(5))
}

fn customer(id: u32) -> Customer {
    Customer {
        id: CustomerId(id),
        msp: None,
        name: format!("customer {id}"),
        email: format!("{id}@example.net"),
        description: String::new(),
        license: String::new(),
        timezone: String::new(),
        uuid: uuid::Uuid::from_u128(u128::from(id)),
        install_key: uuid::Uuid::from_u128(u128::from(id) + 1_000_000),
        created: Timestamp(1),
        suspended: false,
    }
}

fn group(id: u32, customer: u32, name: &str) -> Group {
    Group {
        id: GroupId(id),
        customer: CustomerId(customer),
        name: name.to_owned(),
        description: String::new(),
        policy: None,
        disabled: false,
        weight: id,
        updated: Timestamp(0),
    }
}

fn entry(id: u32, policy: u32, domain: &str) -> ListEntry {
    ListEntry {
        id: EntryId(id),
        owner: Account::Customer(CustomerId(1)),
        list: ListId::Policy(PolicyId(policy)),
        action: Action::Block,
        domain: domain.parse().unwrap(),
        subdomains: true,
        log_requests: true,
        comment: String::new(),
        expires: None,
        created: Timestamp(0),
    }
}

fn conflict(table: Table, id: u32) -> Result<Revision, CommitError> {
    Err(CommitError::Conflict { table, id })
}

#[test]
fn what_was_committed_is_there_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.open_report().created);
    let id = store.next_id::<Customer>();
    assert_eq!(id, 1);
    let feed = store.subscribe();
    assert_eq!(store.commit_blocking(batch().create(&customer(id))), Ok(Revision(1)));
    let row = store.find::<Customer>(1).unwrap();
    assert_eq!(row, Row { value: customer(1), revision: Revision(1) });
    let committed = feed.recv().unwrap();
    assert_eq!(committed.changes[..], [Change { before: None, after: Some(AnyRow::Customer(customer(1))) }]);
    drop((store, feed));
    let store = open(dir.path());
    assert!(!store.open_report().created);
    assert_eq!(store.revision(), Revision(1));
    assert_eq!(store.find::<Customer>(1), Some(row.clone()));
    assert_eq!(store.next_id::<Customer>(), 2);
    assert_eq!(store.commit_blocking(batch().delete(&row)), Ok(Revision(2)));
    assert_eq!(store.find::<Customer>(1), None);
    drop(store);
    assert_eq!(open(dir.path()).next_id::<Customer>(), 2, "an id is not used twice, even if its row is gone");
}

#[test]
fn a_batch_that_conflicts_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(batch().create(&group(1, 1, "staff")).create(&group(2, 1, "guests"))).unwrap();
    let [one, two] = [1, 2].map(|id| store.find::<Group>(id).unwrap());
    store.commit_blocking(batch().update(&one, &group(1, 1, "people"))).unwrap();
    let fresh = || batch().create(&group(3, 1, "new"));
    let staff = || group(1, 1, "staff");
    let duplicate = Err(CommitError::Duplicate { unique: Unique::GroupName });
    for (name, batch, result) in [
        ("update of an old revision", fresh().update(&one, &staff()), conflict(Table::Group, 1)),
        ("delete of an old revision", fresh().delete(&one), conflict(Table::Group, 1)),
        ("expectation of an old revision", fresh().expect(&one), conflict(Table::Group, 1)),
        ("id that is taken", fresh().create(&group(2, 5, "x")), conflict(Table::Group, 2)),
        ("name that is taken", fresh().create(&group(4, 1, "GUESTS")), duplicate.clone()),
        ("name taken in the batch itself", fresh().create(&group(4, 1, "New")), duplicate),
        (
            "row written twice",
            fresh().delete(&two).update(&two, &two.value),
            Err(CommitError::Twice { table: Table::Group, id: 2 }),
        ),
        (
            "place that changed",
            fresh().expect_unchanged::<Group>(Account::Customer(CustomerId(1)), Revision(1)),
            conflict(Table::Group, 0),
        ),
        ("table that changed", fresh().expect_table_unchanged::<Group>(Revision(1)), conflict(Table::Group, 0)),
    ] {
        assert_eq!(store.commit_blocking(batch), result, "{name}");
        assert_eq!((store.revision(), store.count_all::<Group>()), (Revision(2), 2), "{name}");
    }
    let fine = fresh()
        .expect(&two)
        .expect_unchanged::<Group>(Account::Customer(CustomerId(2)), Revision(0))
        .expect_unchanged::<Group>(Account::Customer(CustomerId(1)), Revision(2));
    assert_eq!(store.commit_blocking(fine), Ok(Revision(3)));
    assert_eq!(store.commit_blocking(batch().expect(&two)), Ok(Revision(3)), "checked, and nothing to write");
}

#[test]
fn a_name_may_change_hands_within_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(batch().create(&group(1, 1, "a")).create(&group(2, 1, "b"))).unwrap();
    let [one, two] = [1, 2].map(|id| store.find::<Group>(id).unwrap());
    let swap = batch().update(&one, &group(1, 1, "b")).update(&two, &group(2, 1, "a"));
    store.commit_blocking(swap).unwrap();
    let key = |name| Unique::name_in(Account::Customer(CustomerId(1)), name);
    assert_eq!(store.find_unique::<Group>(Unique::GroupName, &key("A")).unwrap().value.id, GroupId(2));
    assert_eq!(store.find_unique::<Group>(Unique::GroupName, &key("b")).unwrap().value.id, GroupId(1));
    assert_eq!(store.find_unique::<Group>(Unique::GroupName, &key("c")), None);
}

#[test]
fn an_owner_sees_its_own_rows_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let msp = |id| Account::Msp(MspId(id));
    let page = |owner, title: &str| BlockPage {
        owner,
        title: title.to_owned(),
        access_denied_message: String::new(),
        logo: None,
        footer: String::new(),
    };
    store
        .commit_blocking(
            batch()
                .create(&group(1, 1, "a"))
                .create(&group(2, 2, "a"))
                .create(&page(Account::System, "system"))
                .create(&page(msp(1), "one"))
                .create(&page(msp(2), "two")),
        )
        .unwrap();
    assert!(store.get::<Group>(Account::Customer(CustomerId(1)), 1).is_some());
    assert_eq!(store.get::<Group>(Account::Customer(CustomerId(1)), 2), None);
    assert_eq!(store.rows::<Group>(Account::Customer(CustomerId(2))).count(), 1);
    assert_eq!(store.get::<BlockPage>(msp(2), 1).unwrap().value.title, "two");
    assert_eq!(store.get::<BlockPage>(msp(2), 2), None);
    assert_eq!(store.get::<BlockPage>(msp(3), 1), None);
    assert_eq!(store.find::<BlockPage>(1), None);
    assert_eq!(store.count_all::<BlockPage>(), 3);
    assert_eq!(store.commit_blocking(batch().create(&page(msp(1), "again"))), conflict(Table::BlockPage, 1));
}

#[test]
fn a_customer_that_moves_is_found_under_its_new_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(batch().create(&customer(7))).unwrap();
    let row = store.get::<Customer>(Account::System, 7).unwrap();
    let moved = Customer { msp: Some(MspId(3)), ..row.value.clone() };
    store.commit_blocking(batch().update(&row, &moved)).unwrap();
    for store in [store.clone(), {
        store.close();
        drop(store);
        open(dir.path())
    }] {
        assert_eq!(store.count_rows::<Customer>(Account::System), 0);
        assert_eq!(store.get::<Customer>(Account::Msp(MspId(3)), 7).unwrap().value, moved);
        assert_eq!(store.find::<Customer>(7).unwrap().value, moved);
        store.close();
        drop(store);
    }
}

#[test]
fn rows_come_in_order_and_pages_are_cut_out_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut all = batch();
    for id in 1..=300 {
        all = all.create(&entry(id, 1 + id % 3, &format!("n{id}.example")));
    }
    store.commit_blocking(all).unwrap();
    let owner = Account::Customer(CustomerId(1));
    let ids = |rows: Vec<Row<ListEntry>>| rows.into_iter().map(|row| row.value.id.0).collect::<Vec<_>>();
    let third: Vec<u32> = (1..=300).filter(|id| id % 3 == 1).collect();
    assert_eq!(ids(store.rows_under(owner, 2).collect()), third);
    assert_eq!(store.count_rows_under::<ListEntry>(owner, 2), 100);
    assert_eq!(ids(store.all().collect()), (1..=300).collect::<Vec<_>>());
    for (offset, limit) in [(0, 0), (0, 10), (5, 1), (63, 3), (64, 70), (90, 20), (100, 5), (1000, 5)] {
        let expected: Vec<u32> = third.iter().copied().skip(offset).take(limit).collect();
        assert_eq!(ids(store.rows_under(owner, 2).skip(offset).take(limit).collect()), expected, "{offset} {limit}");
        let expected: Vec<u32> = (1..=300).skip(offset).take(limit).collect();
        assert_eq!(ids(store.all().skip(offset).take(limit).collect()), expected, "{offset} {limit}");
    }
}

#[test]
fn rows_and_batches_have_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let described = |id, octets| Group { description: "x".repeat(octets), ..group(id, 1, &id.to_string()) };
    let result = store.commit_blocking(batch().create(&described(1, ROW_OCTETS_MAX)));
    assert!(
        matches!(result, Err(CommitError::TooLarge { table: Table::Group, id: 1, bytes }) if bytes > ROW_OCTETS_MAX)
    );
    store.commit_blocking(batch().create(&described(1, ROW_OCTETS_MAX - 100))).unwrap();
    let mut many = batch();
    for id in 2..1200 {
        many = many.create(&described(id, ROW_OCTETS_MAX - 100));
    }
    assert!(matches!(store.commit_blocking(many), Err(CommitError::BatchTooLarge { .. })));
    let mut many = batch();
    for id in 2..300 {
        many = many.create(&described(id, ROW_OCTETS_MAX - 100));
    }
    store.commit_blocking(many).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).count_all::<Group>(), 299);
    let blobs = std::fs::read_dir(dir.path().join("store/blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled writes nothing outside the file that we sync");
}

#[test]
fn a_disk_without_room_refuses_commits_and_files_until_there_is_some() {
    let dir = tempfile::tempdir().unwrap();
    let full = Options { free_octets_min: u64::MAX, ..Options::default() };
    open(dir.path()).commit_blocking(batch().create(&group(1, 1, "a"))).unwrap();
    let store = Store::open(dir.path(), full).unwrap();
    assert_eq!(store.commit_blocking(batch().create(&group(2, 1, "b"))), Err(CommitError::Full));
    assert_eq!(store.put_file(b"logo"), Err(CommitError::Full));
    let error = export(&store, &exports_dir(dir.path()).join("x"), Timestamp(0)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(store.count_all::<Group>(), 1);
    drop(store);
    open(dir.path()).commit_blocking(batch().create(&group(2, 1, "b"))).unwrap();
}

#[test]
fn the_log_tells_who_did_what_and_forgets_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { changes_kept: 3, ..Options::default() };
    let store = Store::open(dir.path(), options.clone()).unwrap();
    let large = Group { description: "x".repeat(15_000), ..group(1, 1, "a") };
    let by = Batch::new(Actor::Admin(AdminId(4)), "create_group", Timestamp(77)).create(&large);
    store.commit_blocking(by).unwrap();
    let row = store.find::<Group>(1).unwrap();
    store.commit_blocking(batch().update(&row, &group(1, 1, "b"))).unwrap();
    store.commit_blocking(batch().delete(&store.find::<Group>(1).unwrap())).unwrap();
    let logged: Vec<Committed> = store.changes_since(Revision(0)).map(Result::unwrap).collect();
    assert_eq!(logged.iter().map(|c| c.revision.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((logged[0].actor, &*logged[0].operation), (Actor::Admin(AdminId(4)), "create_group"));
    assert_eq!(logged[0].time, Timestamp(77));
    let any = |group: Group| Some(AnyRow::Group(group));
    assert_eq!(logged[1].changes[..], [Change { before: any(large), after: any(group(1, 1, "b")) }]);
    assert_eq!(logged[2].changes[..], [Change { before: any(group(1, 1, "b")), after: None }]);
    drop(store);
    let store = Store::open(dir.path(), options).unwrap();
    for id in 4..6 {
        store.commit_blocking(batch().create(&group(id, 1, &id.to_string()))).unwrap();
    }
    let kept = store.changes_since(Revision(0)).map(|c| c.unwrap().revision.0).collect::<Vec<_>>();
    assert_eq!(kept, [3, 4, 5]);
    assert_eq!(store.change(Revision(1)), Ok(None));
    assert_eq!(store.change(Revision(4)).unwrap().unwrap().revision, Revision(4));
    assert_eq!(store.changes_since(Revision(5)).count(), 0);
}

#[test]
fn subscribers_get_every_revision_in_order_whoever_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let feed = store.subscribe();
    drop(store.subscribe());
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            std::thread::spawn(move || {
                for _ in 0..500 {
                    let id = store.next_id::<Group>();
                    store.commit_blocking(batch().create(&group(id, writer, &id.to_string()))).unwrap();
                }
            })
        })
        .collect();
    for expected in 1..=2000 {
        assert_eq!(feed.recv().unwrap().revision, Revision(expected));
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(store.all_rows().map(|row| row.revision).collect::<std::collections::BTreeSet<_>>().len(), 2000);
}

#[test]
fn a_closed_store_reads_on_and_refuses_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(batch().create(&group(1, 1, "a"))).unwrap();
    store.close();
    assert!(store.find::<Group>(1).is_some());
    assert_eq!(store.commit_blocking(batch().create(&group(2, 1, "b"))), Err(CommitError::Closed));
    assert_eq!(store.change(Revision(1)), Err(HistoryError::Closed));
    open(dir.path());
}

#[tokio::test]
async fn many_async_callers_share_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let commits = (1..=100).map(|id| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(batch().create(&group(id, id, "same"))).await })
    });
    let mut revisions: Vec<u64> = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        revisions.push(commit.await.unwrap().unwrap().0);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>());
}
