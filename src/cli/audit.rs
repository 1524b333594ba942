//! `weir audit`: whether the audit trail was changed afterwards.

use super::{AuditCommand, fail, load_config, local_api, show, show_faults};
use crate::store::{self, OpenError, Store};
use serde_json::{Value, json};
use std::{path::Path, process::ExitCode};

/// Runs one of the commands.
pub(super) fn run(command: AuditCommand) -> ExitCode {
    let AuditCommand::Verify { node } = command;
    let config = match load_config(node.config.as_deref(), node.data.as_deref()) {
        Ok(config) => config,
        Err(faults) => return show_faults(&faults),
    };
    if !config.data.dir.join("store").is_dir() {
        return fail(format!("there is no database in {}", config.data.dir.display()));
    }
    match Store::open(&config.data.dir, store::Options::default()) {
        Ok(opened) => verify_here(&opened, &config.data.dir),
        // A running daemon has the database to itself.
        Err(OpenError::InUse { .. }) => {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return fail(error),
            };
            match runtime.block_on(local_api::post(&config, "audit/verify", &json!({}))) {
                Ok(reply) if reply["whole"] == Value::Bool(true) => {
                    whole(&reply["first"], &reply["last"], reply["head"].as_str().unwrap_or_default())
                }
                Ok(reply) => fail(reply["fault"].as_str().unwrap_or("the audit trail is broken").to_owned()),
                Err(error) => fail(error),
            }
        }
        Err(error) => fail(error),
    }
}

fn verify_here(store: &Store, data: &Path) -> ExitCode {
    if let Some(aside) = &store.open_report().damaged_moved_to {
        return fail(format!("the database in {} was damaged and is now in {}", data.display(), aside.display()));
    }
    match store.verify_changes() {
        Ok(verified) => {
            let head: String = verified.head.iter().map(|octet| format!("{octet:02x}")).collect();
            whole(&verified.first.0.into(), &verified.last.0.into(), &head)
        }
        Err(error) => fail(error),
    }
}

fn whole(first: &Value, last: &Value, head: &str) -> ExitCode {
    show(format_args!("the audit trail is whole from revision {first} to {last}; its head is {head}"));
    ExitCode::SUCCESS
}
