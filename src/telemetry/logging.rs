//! The daemon's log: lines on standard error.

use crate::config::{Log, LogFormat, LogLevel};
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

/// Starts the process-wide log. A second call changes nothing.
pub fn install_logging(config: &Log) {
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Text => layer.with_target(config.level >= LogLevel::Debug).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter(config.level))).try_init();
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
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
            (LogLevel::Info, "weir::store", Level::INFO, true),
            (LogLevel::Info, "weir::store", Level::DEBUG, false),
            (LogLevel::Trace, "weir::store", Level::TRACE, true),
            (LogLevel::Trace, "hickory_server::server", Level::INFO, false),
            (LogLevel::Info, "hickory_resolver", Level::WARN, true),
            (LogLevel::Error, "hickory_resolver", Level::WARN, false),
            (LogLevel::Debug, "h2::codec", Level::DEBUG, false),
        ] {
            assert_eq!(filter(level).would_enable(target, &message), expected, "{level:?} {target} {message}");
        }
    }
}
