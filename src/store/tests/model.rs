//! Random batches against a plain map that follows the rules as they are documented.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Create { id: u32, customer: u32, name: u8 },
    Update { id: u32, customer: u32, name: u8, stale: bool },
    Delete { id: u32, stale: bool },
    Expect { id: u32, stale: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let (id, customer, name, stale) = (1..7u32, 1..3u32, 0..4u8, prop::bool::weighted(0.1));
    prop_oneof![
        3 => (id.clone(), customer.clone(), name.clone()).prop_map(|(id, customer, name)| Op::Create { id, customer, name }),
        3 => (id.clone(), customer, name, stale)
            .prop_map(|(id, customer, name, stale)| Op::Update { id, customer, name, stale }),
        2 => (id.clone(), stale).prop_map(|(id, stale)| Op::Delete { id, stale }),
        1 => (id, stale).prop_map(|(id, stale)| Op::Expect { id, stale }),
    ]
}

type Model = BTreeMap<u32, (Group, Revision)>;

fn made(id: u32, customer: u32, name: u8) -> Group {
    group(id, customer, &format!("name {name}"))
}

/// What a batch should do to the rows: the rows after it, or `None` if it should be refused.
fn expected(model: &Model, ops: &[Op], revision: Revision) -> Option<Model> {
    let mut after = model.clone();
    let mut written = Vec::new();
    for op in ops {
        let (id, new, stale) = match *op {
            Op::Create { id, customer, name } => (id, Some(made(id, customer, name)), false),
            Op::Update { id, customer, name, stale } => (id, Some(made(id, customer, name)), stale),
            Op::Delete { id, stale } => (id, None, stale),
            Op::Expect { id, stale } => {
                if stale || !model.contains_key(&id) {
                    return None;
                }
                continue;
            }
        };
        let creates = matches!(op, Op::Create { .. });
        if stale || creates == model.contains_key(&id) || written.contains(&id) {
            return None;
        }
        written.push(id);
        match new {
            Some(new) => after.insert(id, (new, revision)),
            None => after.remove(&id),
        };
    }
    let mut names: Vec<_> = after.values().map(|(group, _)| (group.customer, group.name.clone())).collect();
    names.sort();
    names.dedup();
    (names.len() == after.len()).then_some(after)
}

/// The batch as a caller makes it, reading rows first; a row that is not there is made up.
fn build(store: &Store, ops: &[Op]) -> Batch {
    let row = |id, stale| {
        let mut row = store.find::<Group>(id).unwrap_or(Row { value: made(id, 1, 0), revision: Revision(1 << 40) });
        if stale {
            row.revision = Revision(row.revision.0 + 1);
        }
        row
    };
    ops.iter().fold(batch(), |batch, op| match *op {
        Op::Create { id, customer, name } => batch.create(&made(id, customer, name)),
        Op::Update { id, customer, name, stale } => batch.update(&row(id, stale), &made(id, customer, name)),
        Op::Delete { id, stale } => batch.delete(&row(id, stale)),
        Op::Expect { id, stale } => batch.expect(&row(id, stale)),
    })
}

fn check(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    let rows: Model = store.all::<Group>().map(|row| (row.value.id.0, (row.value, row.revision))).collect();
    prop_assert_eq!(&rows, model);
    for (id, (group, _)) in model {
        let key = Unique::name_in(group.owner(), &group.name);
        prop_assert_eq!(store.find_unique::<Group>(Unique::GroupName, &key).map(|row| row.value.id.0), Some(*id));
        prop_assert!(store.get::<Group>(group.owner(), *id).is_some());
    }
    for customer in 1..3 {
        let owner = Account::Customer(CustomerId(customer));
        let here = model.values().filter(|(group, _)| group.owner() == owner).count();
        prop_assert_eq!(store.rows::<Group>(owner).count(), here);
        for name in 0..4 {
            let key = Unique::name_in(owner, &format!("name {name}"));
            let taken = model.values().any(|(group, _)| group.owner() == owner && group.name == format!("name {name}"));
            prop_assert_eq!(store.find_unique::<Group>(Unique::GroupName, &key).is_some(), taken);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn batches_do_what_the_model_does(
        batches in prop::collection::vec((prop::collection::vec(op(), 1..5), prop::bool::weighted(0.05)), 1..40)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut model = Model::new();
        let mut by_feed = Model::new();
        for (ops, reopen) in batches {
            let writes = ops.iter().any(|op| !matches!(op, Op::Expect { .. }));
            let revision = if writes { store.revision().next() } else { store.revision() };
            let result = store.commit_blocking(build(&store, &ops));
            match expected(&model, &ops, revision) {
                Some(after) => {
                    prop_assert_eq!(result, Ok(revision));
                    model = after;
                }
                None => prop_assert!(result.is_err()),
            }
            if reopen {
                drop(store);
                store = open(dir.path());
            }
            check(&store, &model)?;
        }
        for committed in store.changes_since(Revision(0)) {
            let committed = committed.unwrap();
            for change in &*committed.changes {
                if let Some(AnyRow::Group(before)) = &change.before {
                    prop_assert_eq!(by_feed.remove(&before.id.0).map(|(group, _)| group), Some(before.clone()));
                }
            }
            for change in &*committed.changes {
                if let Some(AnyRow::Group(after)) = &change.after {
                    by_feed.insert(after.id.0, (after.clone(), committed.revision));
                }
            }
        }
        prop_assert_eq!(by_feed, model);
    }
}
