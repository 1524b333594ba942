//! The command line: `weir` and its subcommands.
//!
//! `weir` alone serves with built-in defaults. Every command ends with 0 when it did what was asked,
//! 1 when it could not, 2 when it was asked in a way it does not understand. Results go to standard
//! output, everything else to standard error.
//!
//! Read `arguments` (what can be asked), then the commands: `check`, `category`, `explain`
//! (which asks the running daemon through `local_api`), `backup`, `audit`, `lists`.

mod arguments;
mod audit;
mod backup;
mod category;
mod check;
mod explain;
mod lists;
mod local_api;

pub use arguments::{
    Arguments, AuditCommand, BackupCommand, CategoryCommand, Command, ExplainArguments, ListsCheckArguments,
    ListsCommand, ServeArguments,
};

use crate::{
    config::{Config, Faults, LogFormat},
    resolve::Upstream,
    telemetry::install_logging,
};
use std::{
    error::Error,
    fmt::Display,
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
};

/// The program's version and what it was built for, for `weir version` and bug reports.
pub fn version() -> String {
    format!(
        "weir {} ({} {}{})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        if cfg!(debug_assertions) { ", debug" } else { "" }
    )
}

/// The configuration of a file, or the defaults, with the overrides of this process's environment.
/// `data` is the folder that the command line names instead.
fn load_config(file: Option<&Path>, data: Option<&Path>) -> Result<Config, Faults> {
    let upstream = |text: &str| text.parse::<Upstream>().map(|_| ()).map_err(|error| error.to_string());
    let mut config = Config::load(file, std::env::vars_os(), upstream)?;
    if let Some(data) = data {
        config.data.dir = data.to_owned();
    }
    Ok(config)
}

/// Shows what is wrong with a configuration.
fn show_faults(faults: &Faults) -> ExitCode {
    eprintln!("{}", faults.render(io::stderr().is_terminal()));
    ExitCode::FAILURE
}

/// Shows why a command failed, with the causes below.
fn fail(error: impl Into<Box<dyn Error>>) -> ExitCode {
    eprintln!("weir: {}", with_causes(&*error.into()));
    ExitCode::FAILURE
}

/// An error's message with those of its causes, unless it repeats them itself.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// Prints a result. A reader that has gone away (`weir ... | head`) is no failure.
fn show(result: impl Display) {
    use io::Write;
    let _ = writeln!(io::stdout().lock(), "{result}");
}

fn start<E: Error + 'static>(config: Config, serve: impl FnOnce(Config) -> Result<(), E>) -> ExitCode {
    install_logging(config.log.level.into(), config.log.format == LogFormat::Json);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// Runs a command. `serve` is the daemon: it returns when it was told to end, or why it could not run.
pub fn run<E: Error + 'static>(arguments: Arguments, serve: impl FnOnce(Config) -> Result<(), E>) -> ExitCode {
    match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(ServeArguments { config, data }) => match load_config(config.as_deref(), data.as_deref()) {
            Ok(config) => start(config, serve),
            Err(faults) => show_faults(&faults),
        },
        Command::Check { file } => check::run(file.as_deref()),
        Command::Category(command) => category::run(command),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Backup(command) => backup::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Lists(ListsCommand::Check(arguments)) => lists::check(&arguments),
        Command::Version => {
            show(version());
            ExitCode::SUCCESS
        }
    }
}
