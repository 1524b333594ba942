//! `weir check`: everything wrong with a configuration, without starting anything.

use super::{fail, load_config, show, show_faults, with_causes};
use crate::{
    category::Index,
    certs,
    config::{ApiTls, Config},
    model::Timestamp,
};
use std::{fs, path::Path, process::ExitCode};

/// Checks the file, or the defaults with the environment's overrides, and the files it names.
pub(super) fn run(file: Option<&Path>) -> ExitCode {
    let config = match load_config(file, None) {
        Ok(config) => config,
        Err(faults) => return show_faults(&faults),
    };
    let mut faults = Vec::new();
    let mut warnings = config.warnings();
    certificate(&config, Timestamp(jiff::Timestamp::now().as_second()), &mut faults, &mut warnings);
    category(&config, &mut faults);
    folders(&config, &mut faults);
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let name = file.map_or_else(|| "the built-in configuration".to_owned(), |file| file.display().to_string());
    if faults.is_empty() {
        show(format_args!("{name}: no faults"));
        return ExitCode::SUCCESS;
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    fail(format!("{name}: {} in the files it names", if faults.len() == 1 { "a fault" } else { "faults" }))
}

fn certificate(config: &Config, now: Timestamp, faults: &mut Vec<String>, warnings: &mut Vec<String>) {
    let ApiTls::Files { certificate, key } = &config.api.tls else { return };
    match certs::load(certificate, key) {
        Ok(loaded) => warnings.extend(loaded.warning(now)),
        Err(error) => faults.push(format!("[api] tls: {}", with_causes(&error))),
    }
}

fn category(config: &Config, faults: &mut Vec<String>) {
    let Some(file) = &config.category.file else { return };
    if let Err(error) = Index::open(file) {
        faults.push(format!("[category] file: {}: {}", file.display(), with_causes(&error)));
    }
}

/// Folders are made at the start; what stands in their place must be a folder.
fn folders(config: &Config, faults: &mut Vec<String>) {
    let mut check = |key: &str, folder: &Path| {
        if fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
            faults.push(format!("{key}: {} is no folder", folder.display()));
        }
    };
    check("[data] dir", &config.data.dir);
    if config.querylog.enabled {
        check("[querylog] dir", &config.querylog_dir());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_a_configuration_names_are_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "no index, no certificate").expect("written");
        let mut config = Config::default();
        config.data.dir = file.clone();
        config.category.file = Some(file.clone());
        config.api.tls = ApiTls::Files { certificate: file.clone(), key: folder.path().join("missing") };
        let mut faults = Vec::new();
        certificate(&config, Timestamp(0), &mut faults, &mut Vec::new());
        category(&config, &mut faults);
        folders(&config, &mut faults);
        let expected = ["[api] tls: ", "[category] file: ", "[data] dir: "];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, start) in faults.iter().zip(expected) {
            assert!(fault.starts_with(start), "{fault}");
        }
        let mut none = Vec::new();
        certificate(&Config::default(), Timestamp(0), &mut none, &mut Vec::new());
        category(&Config::default(), &mut none);
        folders(&Config::default(), &mut none);
        assert_eq!(none, Vec::<String>::new());
    }
}
