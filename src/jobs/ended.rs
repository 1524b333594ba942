//! List entries that have ended, deleted.
//!
//! An entry that has ended decides nothing any more, whether it is there or not: this is tidying up. The snapshot
//! tells which entries end next, so nobody searches the store for them.

use crate::{
    model::{EntryId, ListEntry, Timestamp},
    policy::Snapshot,
    publish::Publisher,
    store::{Actor, Batch, CommitError, Store},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked for entries that have ended.
const PERIOD: Duration = Duration::from_secs(30);
/// Entries deleted with one batch.
const ENTRIES_AT_ONCE: usize = 250;

/// Deletes list entries soon after they end.
pub async fn delete_ended(store: Store, publisher: Publisher, clock: fn() -> Timestamp, stop: CancellationToken) {
    let snapshots = publisher.snapshot();
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        loop {
            let ended = ended(&snapshots.load(), clock());
            if ended.is_empty() || stop.is_cancelled() {
                break;
            }
            match delete(&store, &ended, clock()).await {
                // The next snapshot tells what else has ended.
                Ok(revision) => publisher.wait_for(revision).await,
                Err(error) => {
                    tracing::warn!(%error, "list entries that have ended could not be deleted");
                    break;
                }
            }
        }
    }
}

/// The entries that have ended, at most as many as go into a batch.
fn ended(snapshot: &Snapshot, now: Timestamp) -> Vec<EntryId> {
    let ended = snapshot.ending.iter().take_while(|(at, _)| *at <= now);
    ended.take(ENTRIES_AT_ONCE).map(|(_, id)| *id).collect()
}

/// Deletes those that are there and have ended still: somebody may just have made one last longer.
async fn delete(store: &Store, ids: &[EntryId], now: Timestamp) -> Result<crate::store::Revision, CommitError> {
    let rows = ids.iter().filter_map(|id| store.find::<ListEntry>(id.0));
    let ended = rows.filter(|row| row.value.expires.is_some_and(|at| at <= now));
    let batch = Batch::new(Actor::Daemon, "delete_ended_entries", now);
    store.commit(ended.fold(batch, |batch, row| batch.delete(&row))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Account, Action, DomainName, ListId},
        policy::{NameKey, Presets},
        store::Options,
    };

    #[tokio::test]
    async fn what_has_ended_is_deleted_and_what_has_not_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path(), Options::default()).expect("opens");
        let entry = |id: u32, expires: Option<i64>| ListEntry {
            id: EntryId(id),
            owner: Account::System,
            list: ListId::System,
            action: Action::Block,
            domain: DomainName::from_text(&format!("n{id}.example")).expect("a name"),
            subdomains: true,
            log_requests: true,
            comment: String::new(),
            expires: expires.map(Timestamp),
            created: Timestamp(0),
        };
        let rows = [entry(1, None), entry(2, Some(100)), entry(3, Some(50)), entry(4, Some(101))];
        let batch = Batch::new(Actor::Daemon, "test", Timestamp(0));
        store.commit(rows.iter().fold(batch, |batch, row| batch.create(row))).await.expect("commits");
        let presets = Presets { low: Default::default(), moderate: Default::default(), high: Default::default() };
        let (publisher, _) =
            Publisher::start(&store, NameKey(1), presets, crate::publish::OwnNames::default()).expect("starts");
        let due = ended(&publisher.snapshot().load(), Timestamp(100));
        assert_eq!(due, [EntryId(3), EntryId(2)]);
        let longer = store.find::<ListEntry>(2).expect("is there");
        let kept = ListEntry { expires: Some(Timestamp(200)), ..longer.value.clone() };
        let batch = Batch::new(Actor::Daemon, "test", Timestamp(0)).update(&longer, &kept);
        store.commit(batch).await.expect("commits");
        let revision = delete(&store, &due, Timestamp(100)).await.expect("commits");
        publisher.wait_for(revision).await;
        let left: Vec<u32> = store.all::<ListEntry>().map(|row| row.value.id.0).collect();
        assert_eq!(left, [1, 2, 4]);
        assert!(ended(&publisher.snapshot().load(), Timestamp(100)).is_empty());
    }
}
