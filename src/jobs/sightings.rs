//! What was asked for before, kept in the data folder.

use crate::sightings::Sightings;
use std::{path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often it is written: a crash forgets so much of what was seen.
const PERIOD: Duration = Duration::from_secs(600);

/// Writes what was seen every ten minutes and at the end, if it has changed.
pub async fn keep_sightings(sightings: Sightings, data_dir: PathBuf, stop: CancellationToken) {
    loop {
        let goes_on = stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some();
        let figures = sightings.figures();
        metrics::gauge!("weir_seen_domains").set(figures.domains as f64);
        metrics::counter!("weir_seen_evicted_total").absolute(figures.evicted);
        let (sightings, data_dir) = (sightings.clone(), data_dir.clone());
        match tokio::task::spawn_blocking(move || sightings.keep(&data_dir)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was asked for before could not be written down"),
            Err(error) => tracing::error!(%error, "writing down what was asked for before stopped short"),
        }
        if !goes_on {
            return;
        }
    }
}
