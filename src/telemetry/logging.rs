//! The daemon's log: lines on standard error.

use std::io::{self, IsTerminal};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Crates that speak more than an operator wants to hear; below their names only what is wrong.
const QUIET: [&str; 7] = ["hickory", "h2", "hyper", "rustls", "reqwest", "sled", "tower"];

/// Starts the process-wide log: lines for people, or with `json` one object a line. A second call
/// changes nothing.
pub fn install_logging(level: LevelFilter, json: bool) {
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match json {
        false => layer.with_target(level >= LevelFilter::DEBUG).boxed(),
        true => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter(level))).try_init();
}

fn filter(level: LevelFilter) -> Targets {
    let quiet = QUIET.into_iter().map(|name| (name, level.min(LevelFilter::WARN)));
    Targets::new().with_default(level).with_targets(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_stay_quiet_at_every_level() {
        for (level, target, message, expected) in [
            (LevelFilter::INFO, "weir::store", Level::INFO, true),
            (LevelFilter::INFO, "weir::store", Level::DEBUG, false),
            (LevelFilter::TRACE, "weir::store", Level::TRACE, true),
            (LevelFilter::TRACE, "hickory_server::server", Level::INFO, false),
            (LevelFilter::INFO, "hickory_resolver", Level::WARN, true),
            (LevelFilter::ERROR, "hickory_resolver", Level::WARN, false),
            (LevelFilter::DEBUG, "h2::codec", Level::DEBUG, false),
        ] {
            assert_eq!(filter(level).would_enable(target, &message), expected, "{level:?} {target} {message}");
        }
    }
}
