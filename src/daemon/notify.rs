//! What the service manager is told (sd_notify(3)); silence where there is none.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Says that queries are served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that a reload begins.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Says that the end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// Feeds the watchdog at half its period for as long as `alive` says yes; returns at once where
/// the service manager watches nobody.
pub(super) async fn watchdog(alive: impl AsyncFn() -> bool, cancel: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let pause = (period / 2).max(Duration::from_millis(10));
    while cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        if alive().await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the query path does not answer; the watchdog is not fed");
        }
    }
}
