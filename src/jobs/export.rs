//! The hourly export of the store.

use crate::model::Timestamp;
use crate::store::{self, ExportReport, Store};
use std::io;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// From one export to the next.
const PERIOD: Duration = Duration::from_secs(3600);

/// From start to the first: a new node soon has something to go on from.
const FIRST: Duration = Duration::from_secs(60);

/// Exports the store every hour, if it has changed, and keeps the newest `kept` exports.
pub async fn hourly_export(store: Store, kept: usize, stop: CancellationToken) {
    let mut wait = FIRST;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = PERIOD;
        let store = store.clone();
        let now = Timestamp(jiff::Timestamp::now().as_second());
        match tokio::task::spawn_blocking(move || export_now(&store, kept, now)).await {
            Ok(Ok(Some(report))) => tracing::info!(
                revision = %report.revision, rows = report.rows, octets = report.octets, "exported the store"
            ),
            Ok(Ok(None)) => {}
            Ok(Err(e)) => tracing::error!(error = %e, "the store could not be exported; the next try is in an hour"),
            Err(e) => tracing::error!(error = %e, "exporting the store stopped short"),
        }
    }
}

/// Exports the store if the newest export is older, then removes what is no longer needed (old
/// exports and files that no row names) and writes the image for the next start.
fn export_now(store: &Store, kept: usize, now: Timestamp) -> io::Result<Option<ExportReport>> {
    let dir = store.data_dir();
    let newest = store::list_exports(dir)?.first().map(|(revision, _)| *revision);
    let revision = store.revision();
    if newest == Some(revision) {
        return Ok(None);
    }
    let path = store::exports_dir(dir).join(store::export_name(revision));
    let report = store::export(store, &path, now)?;
    if report.revision != revision {
        // Somebody committed in between: the name says what is in it.
        let exact = store::exports_dir(dir).join(store::export_name(report.revision));
        std::fs::rename(&path, exact)?;
    }
    for (_, path) in store::list_exports(dir)?.into_iter().skip(kept) {
        std::fs::remove_file(path)?;
    }
    store.sweep_files()?;
    store.write_image()?;
    Ok(Some(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, SupportContact};
    use crate::store::{Actor, Batch, Options, Row};

    fn contact(email: &str) -> SupportContact {
        SupportContact { owner: Account::System, email: email.to_owned(), link: String::new() }
    }

    #[test]
    fn an_unchanged_store_is_not_exported_again_and_old_exports_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let batch = || Batch::new(Actor::Daemon, "test", Timestamp(0));
        store.commit_blocking(batch().create(&contact("0"))).unwrap();
        let first = export_now(&store, 24, Timestamp(0)).unwrap().unwrap();
        assert_eq!((first.revision.0, first.rows), (1, 1));
        assert_eq!(export_now(&store, 24, Timestamp(0)).unwrap(), None);
        for turn in 1..=24 {
            let row: Row<SupportContact> = store.get(Account::System, 1).unwrap();
            store.commit_blocking(batch().update(&row, &contact(&turn.to_string()))).unwrap();
            assert!(export_now(&store, 24, Timestamp(0)).unwrap().is_some());
        }
        let left = store::list_exports(dir.path()).unwrap();
        assert_eq!(left.len(), 24);
        assert_eq!(left.first().unwrap().0, store.revision());
        assert_eq!(left.last().unwrap().0.0, 2);
    }
}
