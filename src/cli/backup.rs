//! `weir backup`: all rows to a file, and back.

use super::{BackupCommand, ServeArguments, fail, load_config, show, show_faults};
use crate::{
    config::Config,
    model::Timestamp,
    store::{self, Existing, ExportReport, ImportError, OpenError, Store},
};
use std::{fs, io, path::Path, process::ExitCode};

/// Runs one of the commands.
pub(super) fn run(command: BackupCommand) -> ExitCode {
    let with_config = |node: &ServeArguments, work: &dyn Fn(&Config) -> ExitCode| match load_config(
        node.config.as_deref(),
        node.data.as_deref(),
    ) {
        Ok(config) => work(&config),
        Err(faults) => show_faults(&faults),
    };
    match command {
        BackupCommand::Export { file, node } => with_config(&node, &|config| export(&config.data.dir, &file)),
        BackupCommand::Import { file, replace, node } => with_config(&node, &|config| {
            let existing = if replace { Existing::Replace } else { Existing::Keep };
            import(&config.data.dir, &file, existing)
        }),
    }
}

/// Exports the database. A running daemon has it to itself; then its newest hourly export is copied.
fn export(data: &Path, file: &Path) -> ExitCode {
    // Opening makes what is missing: an empty backup of a mistyped folder helps nobody.
    if !data.join("store").is_dir() {
        return fail(format!("there is no database in {}", data.display()));
    }
    match Store::open(data, store::Options::default()) {
        Ok(opened) => {
            let now = Timestamp(jiff::Timestamp::now().as_second());
            let report = store::export(&opened, file, now);
            opened.close();
            match report {
                Ok(report) => {
                    remind(data);
                    done("exported", &report, file)
                }
                Err(error) => fail(format!("cannot write {}: {error}", file.display())),
            }
        }
        Err(OpenError::InUse { .. }) => match copy_newest(data, file) {
            Ok(Some(name)) => {
                remind(data);
                show(format_args!("the daemon is running: its export {name} was copied to {}", file.display()));
                ExitCode::SUCCESS
            }
            Ok(None) => fail("the daemon is running and has not exported yet; it does so every hour"),
            Err(error) => fail(format!("cannot copy the daemon's newest export to {}: {error}", file.display())),
        },
        Err(error) => fail(error),
    }
}

/// A backup alone opens no signature key: whoever finds that out on the day of need is locked out.
fn remind(data: &Path) {
    eprintln!(
        "weir: keep {} too: signature keys in the backup are encrypted with it",
        data.join("secret.key").display()
    );
}

/// Copies the newest export of a data folder; its name, or `None` where there is none.
fn copy_newest(data: &Path, file: &Path) -> io::Result<Option<String>> {
    let Some((_, newest)) = store::list_exports(data)?.into_iter().next() else { return Ok(None) };
    fs::copy(&newest, file)?;
    Ok(newest.file_name().map(|name| name.to_string_lossy().into_owned()))
}

fn import(data: &Path, file: &Path, existing: Existing) -> ExitCode {
    match store::import(file, data, existing) {
        Ok(report) => done("imported", &report, file),
        Err(error @ ImportError::NotEmpty { .. }) => fail(format!("{error}; --replace puts it aside")),
        Err(ImportError::Open(error @ OpenError::InUse { .. })) => fail(format!("{error}: stop the daemon first")),
        Err(error) => fail(error),
    }
}

fn done(what: &str, report: &ExportReport, file: &Path) -> ExitCode {
    let ExportReport { revision, rows, files, octets } = report;
    show(format_args!(
        "{what} {rows} rows and {files} files of revision {}, {octets} bytes: {}",
        revision.0,
        file.display()
    ));
    ExitCode::SUCCESS
}
