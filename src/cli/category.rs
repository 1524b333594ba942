//! `weir category`: category indexes are built and looked into without a daemon.

use super::{CategoryCommand, fail, show};
use crate::{
    category::{Bar, BuildOptions, Index, build},
    model::Timestamp,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// Runs one of the commands.
pub(super) fn run(command: CategoryCommand) -> ExitCode {
    match command {
        CategoryCommand::Build { out, sources } => build_index(out, sources),
        CategoryCommand::Lookup { file, names } => lookup(&file, names),
        CategoryCommand::Stats { file } => match Index::open(&file) {
            Ok(index) => {
                show(index.stats());
                ExitCode::SUCCESS
            }
            Err(error) => fail(format!("{}: {}", file.display(), super::with_causes(&error))),
        },
    }
}

fn build_index(out: PathBuf, sources: Vec<PathBuf>) -> ExitCode {
    let started = Instant::now();
    let options = BuildOptions {
        out,
        sources,
        built_at: Timestamp(jiff::Timestamp::now().as_second()),
        memory_budget: BuildOptions::MEMORY_BUDGET,
    };
    match build(&options, &mut Bar::new()) {
        Ok(mut report) => {
            report.took = Some(started.elapsed());
            show(report);
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

/// Fails where something asked for is no name, after showing the rest.
fn lookup(file: &Path, names: Vec<String>) -> ExitCode {
    let index = match Index::open(file) {
        Ok(index) => index,
        Err(error) => return fail(format!("{}: {}", file.display(), super::with_causes(&error))),
    };
    let report = index.lookup_report(names);
    show(&report);
    if report.has_faults() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
