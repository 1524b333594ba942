//! The Prometheus recorder.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of time histograms, seconds.
const SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Installs the process-wide recorder; the handle renders what `/metrics` shows. Somebody must call
/// its `run_upkeep` every few seconds. `None` where a recorder is installed already.
pub fn install_metrics() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .ok()?
        .install_recorder()
        .ok()?;
    describe();
    metrics::gauge!("weir_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Some(handle)
}

fn describe() {
    describe_counter!("weir_queries_total", "Queries by verdict, protocol and response code");
    describe_counter!("weir_querylog_dropped_total", "Query events that found no room in the log's buffer");
    describe_counter!("weir_listen_dropped_total", "Datagrams and connections that were not served, by reason");
    describe_gauge!("weir_tcp_connections", "Open TCP connections for queries");
    describe_counter!("weir_cache_hits_total", "Answers from the cache");
    describe_counter!("weir_cache_misses_total", "Questions the cache could not answer");
    describe_counter!("weir_cache_stale_total", "Answers past their life, sent because upstreams failed");
    describe_gauge!("weir_cache_entries", "Answers in the cache");
    describe_gauge!("weir_cache_bytes", "Octets the cache takes");
    describe_counter!("weir_upstream_queries_total", "Queries sent, by upstream");
    describe_counter!("weir_upstream_failures_total", "Queries that failed, by upstream");
    describe_histogram!("weir_upstream_seconds", "Time to an upstream's answer");
    describe_gauge!("weir_snapshot_age_seconds", "Seconds since the snapshot that serves queries was made");
    describe_gauge!("weir_snapshot_revision", "Store revision of the snapshot that serves queries");
    describe_histogram!("weir_snapshot_compile_seconds", "Time from changes to a new snapshot");
    describe_gauge!("weir_store_revision", "Revision of the store");
    describe_gauge!("weir_customers", "Customers in the snapshot");
    describe_gauge!("weir_policies", "Policies in the snapshot");
    describe_gauge!("weir_list_entries", "Entries of all allow and block lists");
    describe_gauge!("weir_listed_names", "Names in the category index");
    describe_counter!("weir_api_requests_total", "Requests by operation and status");
    describe_histogram!("weir_api_seconds", "Time to a request's answer");
    describe_gauge!("weir_build_info", "The running version");
}
