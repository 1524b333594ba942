//! `[log]` and `[metrics]`: what the daemon tells about itself.

use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// The daemon's own log, on standard error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least important messages shown. Names and addresses of clients appear from `"debug"` on
    /// only. Default `"info"`.
    pub level: LogLevel,
    /// How a line looks. Default `"text"`.
    pub format: LogFormat,
}

/// Importance of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Somebody has to act.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Milestones.
    #[default]
    Info,
    /// What happens, with names and addresses.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Figures for Prometheus, at `/metrics` of the API listener.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Serve them. Default true.
    pub enabled: bool,
    /// To anybody who reaches the API's listener, not to this machine alone; there are no
    /// credentials. Default false.
    pub public: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { enabled: true, public: false }
    }
}
