//! The recorder, and the page it renders.

use super::{QueryCounters, figures, process};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
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
pub struct Telemetry(Arc<Inner>);

struct Inner {
    recorder: Option<PrometheusHandle>,
    queries: QueryCounters,
    collectors: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl Telemetry {
    /// Installs the recorder, unless the figures are turned off. Must come before the rooms that
    /// count: handles made earlier count nothing. A second daemon in one process shares the first's
    /// recorder.
    pub fn start(enabled: bool) -> Result<Telemetry, BuildError> {
        let recorder = if enabled { Some(recorder()?) } else { None };
        Ok(Telemetry(Arc::new(Inner { recorder, queries: QueryCounters::default(), collectors: Mutex::default() })))
    }

    /// The hot path's counters.
    pub fn queries(&self) -> QueryCounters {
        self.0.queries.clone()
    }

    /// Runs `collect` before each rendering, for figures that nobody counts along the way.
    pub fn collect_with(&self, collect: impl Fn() + Send + Sync + 'static) {
        self.0.collectors.lock().push(Box::new(collect));
    }

    /// The page in Prometheus's text form; empty where the figures are turned off.
    pub fn render(&self) -> String {
        let Some(recorder) = &self.0.recorder else { return String::new() };
        self.0.queries.publish();
        process::publish();
        self.0.collectors.lock().iter().for_each(|collect| collect());
        recorder.render()
    }

    /// Folds recorded times into their buckets. To be called every 5 seconds: between calls every
    /// recorded time takes memory.
    pub fn run_upkeep(&self) {
        if let Some(recorder) = &self.0.recorder {
            recorder.run_upkeep();
        }
    }
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    let mut installed = RECORDER.lock();
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("weir_snapshot_compile_seconds".to_owned()), &COMPILE_SECONDS)?
        .set_buckets(&SECONDS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    figures::describe();
    metrics::gauge!("weir_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    *installed = Some(handle.clone());
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::super::QueryVerdict;
    use super::*;
    use crate::identify::Transport;

    #[test]
    fn the_page_shows_queries_times_and_the_process() {
        let telemetry = Telemetry::start(true).expect("a recorder");
        let again = Telemetry::start(true).expect("the same recorder");
        telemetry.queries().count(QueryVerdict::Blocked, Transport::Udp, 0);
        telemetry.queries().count(QueryVerdict::Blocked, Transport::Udp, 0);
        telemetry.collect_with(|| metrics::gauge!("weir_snapshot_age_seconds").set(7.0));
        metrics::histogram!("weir_snapshot_compile_seconds").record(0.0002);
        again.run_upkeep();
        let page = telemetry.render();
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

    #[test]
    fn figures_turned_off_cost_and_show_nothing() {
        let telemetry = Telemetry::start(false).expect("nothing to install");
        telemetry.queries().count(QueryVerdict::Blocked, Transport::Udp, 0);
        telemetry.run_upkeep();
        assert_eq!(telemetry.render(), "");
    }
}
