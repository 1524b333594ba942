//! Where log lines go: standard error, readable or as JSON.

use crate::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("logging could not be set up: {0}")]
pub struct LogError(String);

/// Installs the process-wide log. `RUST_LOG` (tracing-subscriber's filter syntax) overrides the
/// configured level; libraries log warnings and errors only.
pub fn install_logging(config: &Log) -> Result<(), LogError> {
    let level = config.level.as_str();
    let standard = format!("warn,weir={level}");
    let filter = std::env::var("RUST_LOG").unwrap_or(standard);
    let filter = EnvFilter::try_new(filter).map_err(|error| LogError(error.to_string()))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let installed = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    installed.map_err(|error| LogError(error.to_string()))
}
