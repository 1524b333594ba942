//! Every figure on the page: name, kind, unit and meaning.

use metrics::Unit;

/// What kind of number a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name on the page.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit, where it has one.
    pub unit: Option<Unit>,
    /// What it says, with its labels.
    pub text: &'static str,
}

const fn counter(name: &'static str, text: &'static str) -> Figure {
    Figure { name, kind: Kind::Counter, unit: None, text }
}

const fn gauge(name: &'static str, text: &'static str) -> Figure {
    Figure { name, kind: Kind::Gauge, unit: None, text }
}

const fn octets(name: &'static str, text: &'static str) -> Figure {
    Figure { name, kind: Kind::Gauge, unit: Some(Unit::Bytes), text }
}

const fn seconds(name: &'static str, kind: Kind, text: &'static str) -> Figure {
    Figure { name, kind, unit: Some(Unit::Seconds), text }
}

/// All figures, in the order of the flows. A figure that a room counts without standing here fails
/// `tests/tidy.rs`.
pub const FIGURES: &[Figure] = &[
    // Queries.
    counter("weir_queries_total", "Queries by verdict, protocol and response code."),
    counter("weir_listen_dropped_total", "Packets and connections not served, by reason."),
    gauge("weir_tcp_connections", "Connections of DNS over TCP open now."),
    counter("weir_cache_hits_total", "Questions answered from the cache."),
    counter("weir_cache_misses_total", "Questions that had to be asked upstream."),
    counter("weir_cache_stale_total", "Answers served after their time because no upstream replied."),
    gauge("weir_cache_entries", "Answers in the cache."),
    octets("weir_cache_bytes", "Memory of the answers in the cache."),
    counter("weir_upstream_queries_total", "Queries sent, by upstream."),
    counter("weir_upstream_failures_total", "Queries without a usable reply, by upstream."),
    gauge("weir_safe_search_targets_missing", "Filtered hosts of search engines that did not resolve last night."),
    gauge(
        "weir_safe_search_google_domains",
        "Domains of Google that differ from those known here, by kind: new or gone.",
    ),
    gauge("weir_safe_search_google_failed", "1 where Google's domains could not be compared last time."),
    seconds("weir_upstream_seconds", Kind::Histogram, "Time to an upstream's reply, by upstream."),
    // Changes.
    gauge("weir_store_revision", "Revision of the store."),
    gauge("weir_snapshot_revision", "Revision of the snapshot that serves queries."),
    seconds("weir_snapshot_age_seconds", Kind::Gauge, "Time since the snapshot that serves queries was published."),
    seconds("weir_snapshot_compile_seconds", Kind::Histogram, "Time to compile a snapshot."),
    gauge("weir_customers", "Customers in the snapshot."),
    gauge("weir_policies", "Policies in the snapshot."),
    gauge("weir_list_entries", "Allow and block entries in the snapshot."),
    gauge("weir_list_sources", "Subscribed lists, by how they stand."),
    gauge("weir_list_names", "Different names in the table of subscribed lists."),
    octets("weir_list_table_bytes", "Memory of the table of subscribed lists."),
    gauge("weir_list_left_out", "Subscribed lists that do not apply, because the table is full."),
    gauge("weir_list_refreshing", "Subscribed lists being refreshed, or waiting for it."),
    counter("weir_list_refreshes_total", "Refreshes of subscribed lists, by outcome."),
    seconds("weir_list_refresh_seconds", Kind::Histogram, "Time to refresh a subscribed list."),
    seconds(
        "weir_list_table_build_seconds",
        Kind::Histogram,
        "Time to build the table of subscribed lists and publish it.",
    ),
    gauge(
        "weir_list_rules",
        "Rules of subscribed lists that serve: of each list of the system, and of those of a level together.",
    ),
    counter(
        "weir_list_hits_total",
        "Queries that subscribed lists decided, by list of the system, and by those of a level together.",
    ),
    gauge("weir_list_errors", "Errors in a row of each list of the system, and the most of any list of a level."),
    seconds(
        "weir_list_age_seconds",
        Kind::Gauge,
        "Time since a list of the system was what its origin has, and the longest of any list of a level.",
    ),
    counter("weir_feed_refreshes_total", "Refreshes of category feeds, by feed and outcome."),
    gauge("weir_feed_sources", "Category feeds, by how they stand."),
    gauge("weir_feed_names", "Names of a category feed that serve, by feed."),
    gauge("weir_feed_errors", "Errors in a row, by category feed."),
    seconds("weir_feed_age_seconds", Kind::Gauge, "Time since a category feed was what its origin has, by feed."),
    counter("weir_feed_builds_total", "Builds of the category index of its feeds, by outcome."),
    seconds("weir_feed_build_seconds", Kind::Histogram, "Time to build the category index of its feeds."),
    gauge("weir_listed_names", "Names in the category index."),
    counter("weir_api_requests_total", "Requests to the API by operation and status."),
    seconds("weir_api_request_seconds", Kind::Histogram, "Time to answer a request to the API."),
    counter("weir_api_connections_refused_total", "Connections to the API refused because too many were open."),
    counter("weir_sign_ins_total", "Attempts to sign in, by outcome."),
    counter("weir_sign_ins_untold_total", "Attempts to sign in that came too fast for the audit trail."),
    counter("weir_mail_sent_total", "Mails that a relay took."),
    counter("weir_mail_failures_total", "Mails that no relay took."),
    // Records.
    counter("weir_querylog_written_total", "Query events written to the log."),
    counter("weir_querylog_dropped_total", "Query events lost, by reason."),
    gauge("weir_seen_domains", "Registrable domains remembered to tell which are newly seen."),
    counter("weir_seen_evicted_total", "Remembered domains that others took the place of."),
    seconds("weir_stats_seconds", Kind::Histogram, "Time to answer a question about the query log."),
    counter("weir_stats_refused_total", "Questions about the query log that were not answered, by reason."),
    counter("weir_reports_total", "Reports made and mailed, by outcome."),
    // The process. Names are those of the Prometheus client libraries.
    gauge("weir_build_info", "1, with the version as a label."),
    octets("process_resident_memory_bytes", "Resident memory."),
    octets("process_virtual_memory_bytes", "Virtual memory."),
    seconds("process_cpu_seconds_total", Kind::Gauge, "User and system CPU time spent."),
    seconds("process_start_time_seconds", Kind::Gauge, "Start of the process since the epoch."),
    gauge("process_open_fds", "File descriptors open."),
    gauge("process_threads", "Threads."),
];

/// Tells the recorder about every figure.
pub(super) fn describe() {
    for Figure { name, kind, unit, text } in FIGURES {
        match (kind, *unit) {
            (Kind::Counter, Some(unit)) => metrics::describe_counter!(*name, unit, *text),
            (Kind::Counter, None) => metrics::describe_counter!(*name, *text),
            (Kind::Gauge, Some(unit)) => metrics::describe_gauge!(*name, unit, *text),
            (Kind::Gauge, None) => metrics::describe_gauge!(*name, *text),
            (Kind::Histogram, Some(unit)) => metrics::describe_histogram!(*name, unit, *text),
            (Kind::Histogram, None) => metrics::describe_histogram!(*name, *text),
        }
    }
}
