//! The store as its callers meet it.

use super::*;
use crate::model::*;

fn customer(id: u32, name: &str) -> Customer {
    Customer {
        id: CustomerId(id),
        msp: None,
        name: name.to_owned(),
        email: format!("{name}@example.net"),
        description: String::new(),
        license: String::new(),
        timezone: String::new(),
        uuid: uuid::Uuid::from_u128(u128::from(id)),
        install_key: uuid::Uuid::from_u128(u128::from(id) + 1_000_000),
        created: Timestamp(1),
        suspended: false,
    }
}

fn batch() -> Batch {
    Batch::new(Actor::Daemon, "test", Timestamp(5))
}

fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

#[test]
fn what_was_committed_is_there_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.open_report().created);
    let id = store.next_id::<Customer>();
    assert_eq!(id, 1);
    let feed = store.subscribe();
    assert_eq!(store.commit_blocking(batch().create(&customer(id, "first"))), Ok(Revision(1)));
    let row = store.find::<Customer>(1).unwrap();
    assert_eq!(row, Row { value: customer(1, "first"), revision: Revision(1) });
    let committed = feed.recv().unwrap();
    assert_eq!(committed.changes[0].after, Some(AnyRow::Customer(customer(1, "first"))));
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
