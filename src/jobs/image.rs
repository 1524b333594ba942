//! The store's image, so that a start after a crash is quick too.

use crate::store::Store;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the store is looked at.
const PERIOD: Duration = Duration::from_secs(30);
/// Batches after which a new image is worth its writing: a start replays that many in milliseconds.
const BATCHES: u64 = 1000;
/// The longest that changes go without an image.
const AGE: Duration = Duration::from_secs(600);

/// Writes the store's image whenever it has changed much, or a little for long. `close` writes the last.
pub async fn keep_image(store: Store, stop: CancellationToken) {
    let (mut imaged, mut written) = (0, Instant::now());
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        let revision = store.revision().0;
        if revision == imaged || revision - imaged < BATCHES && written.elapsed() < AGE {
            continue;
        }
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.write_image()).await {
            Ok(Ok(())) => (imaged, written) = (revision, Instant::now()),
            Ok(Err(error)) => tracing::warn!(%error, "the image for a quick start could not be written"),
            Err(error) => tracing::error!(%error, "writing the image for a quick start stopped short"),
        }
    }
}
