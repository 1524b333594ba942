//! The nightly look at the hosts that search engines are led to.

use crate::{
    policy::SearchEngines,
    resolve::{Key, Resolver},
    wire::rtype,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(24 * 3600);
/// From start to the first.
const FIRST: Duration = Duration::from_secs(600);

/// Resolves every filtered host of the search engines once a day and tells which are gone: then the addresses
/// pinned for them stand in, or the engine fails.
pub async fn check_safe_search(resolver: Resolver, stop: CancellationToken) {
    let mut wait = FIRST;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = PERIOD;
        let missing = missing(&resolver).await;
        metrics::gauge!("weir_safe_search_targets_missing").set(missing.len() as f64);
        match missing.is_empty() {
            true => tracing::info!("every filtered host of the search engines resolves"),
            false => tracing::warn!(hosts = %missing.join(", "), "filtered hosts of search engines do not resolve"),
        }
    }
}

/// The hosts without an IPv4 address.
async fn missing(resolver: &Resolver) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, target) in SearchEngines::get().all().iter().flat_map(|engine| engine.targets()) {
        let key = Key::plain(target.name.clone(), rtype::A);
        if resolver.resolve(key).await.addresses().next().is_none() {
            missing.push(target.name.to_string());
        }
    }
    missing
}
