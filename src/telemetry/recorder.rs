//! The recorder, and the page it renders.

use super::{QueryCounters, figures, process};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::sync::Arc;

/// Upper bounds of the buckets of times, seconds: a cached upstream to a hopeless one.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same for compiling: one edited entry to the whole world.
const COMPILE_SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The process's recorder: there can be one only.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// A cheap handle on the daemon's figures.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusHandle,
    queries: Mutex<Option<QueryCounters>>,
    /// Writes what the recorder does not hold.
    writers: Mutex<Vec<Box<dyn Fn(&mut String) + Send + Sync>>>,
}

/// Installs the process-wide recorder. Must come before the rooms that count: handles made earlier
/// count nothing. Daemons in one process share the recorder. `None` where a program around this
/// library has installed another.
pub fn install_metrics() -> Option<Metrics> {
    let mut installed = RECORDER.lock();
    let recorder = match &*installed {
        Some(recorder) => recorder.clone(),
        None => installed.insert(install()?).clone(),
    };
    Some(Metrics(Arc::new(Inner { recorder, queries: Mutex::new(None), writers: Mutex::default() })))
}

fn install() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("weir_snapshot_compile_seconds".to_owned()), &COMPILE_SECONDS)
        .and_then(|builder| builder.set_buckets(&SECONDS))
        .expect("the lists of buckets are not empty")
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    figures::describe();
    process::started();
    metrics::gauge!("weir_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Some(handle)
}

/// Writes the rows of a figure, each with its labels as they stand between the braces. A figure that has no row, or is none
/// of [`FIGURES`](figures::FIGURES), is left out.
pub fn write_rows<'a>(page: &mut String, name: &str, rows: impl Iterator<Item = (&'a str, f64)>) {
    let mut rows = rows.peekable();
    let Some(figure) = figures::FIGURES.iter().find(|figure| figure.name == name && rows.peek().is_some()) else {
        return;
    };
    let kind = match figure.kind {
        figures::Kind::Counter => "counter",
        figures::Kind::Gauge => "gauge",
        figures::Kind::Histogram => "histogram",
    };
    page.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", figure.text));
    for (labels, value) in rows {
        page.push_str(&format!("{name}{{{labels}}} {value}\n"));
    }
    page.push('\n');
}

impl Metrics {
    /// Has these counters on the page.
    pub fn show_queries(&self, counters: QueryCounters) {
        *self.0.queries.lock() = Some(counters);
    }

    /// Has this write rows onto the page, each time it is rendered: for figures whose labels come and go, which the recorder
    /// would never forget.
    pub fn show(&self, writer: impl Fn(&mut String) + Send + Sync + 'static) {
        self.0.writers.lock().push(Box::new(writer));
    }

    /// The page in Prometheus's text form, as of now.
    pub fn render(&self) -> String {
        if let Some(queries) = &*self.0.queries.lock() {
            queries.publish();
        }
        process::publish();
        let mut page = self.0.recorder.render();
        for writer in &*self.0.writers.lock() {
            writer(&mut page);
        }
        page
    }

    /// Folds recorded times into their buckets. To be called every few seconds: between calls every
    /// recorded time takes memory.
    pub fn run_upkeep(&self) {
        self.0.recorder.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::super::QueryVerdict;
    use super::*;
    use crate::identify::Transport;

    #[test]
    fn the_page_shows_queries_times_and_the_process() {
        let metrics = install_metrics().expect("a recorder");
        let again = install_metrics().expect("the same recorder");
        let counters = QueryCounters::default();
        metrics.show_queries(counters.clone());
        counters.count(QueryVerdict::Blocked, Transport::Udp, 0);
        counters.count(QueryVerdict::Blocked, Transport::Udp, 0);
        metrics::gauge!("weir_snapshot_age_seconds").set(7.0);
        metrics::histogram!("weir_snapshot_compile_seconds").record(0.0002);
        again.run_upkeep();
        let page = metrics.render();
        for line in [
            "# TYPE weir_queries_total counter",
            "# HELP weir_queries_total Queries by verdict, protocol and response code.",
            r#"weir_queries_total{verdict="blocked",protocol="udp",rcode="NOERROR"} 2"#,
            "weir_snapshot_age_seconds 7",
            r#"weir_snapshot_compile_seconds_bucket{le="0.00025"}"#,
            concat!(r#"weir_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(page.contains(line), "{line}\nis not in\n{page}");
        }
        assert!(!page.contains(r#"rcode="OTHER""#), "counters that are 0 stay off the page");
    }
}
