//! The files: one a day, deleted past their time.

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const EXTENSION: &str = "jsonl";

/// The folder of the log with the day's file open.
pub(super) struct Days {
    dir: PathBuf,
    retention_days: u32,
    open: Option<Day>,
}

struct Day {
    date: Date,
    file: File,
    /// Octets of whole lines in the file.
    octets: u64,
}

impl Days {
    pub(super) fn new(dir: PathBuf, retention_days: u32) -> Self {
        Days { dir, retention_days, open: None }
    }

    /// Appends whole lines to the file of the day that `time_ms` is in. On an error nothing of them
    /// is in the file.
    pub(super) fn append(&mut self, time_ms: i64, lines: &[u8]) -> io::Result<()> {
        let date = date(time_ms);
        // A clock set back a little, or an event overtaken by another, goes into the newer file.
        if self.open.as_ref().is_none_or(|day| day.date < date) {
            self.open = Some(self.open_day(date)?);
            self.delete_old(date);
        }
        let Some(day) = &mut self.open else { return Ok(()) };
        if let Err(error) = day.file.write_all(lines) {
            let _ = day.file.set_len(day.octets);
            // Opened again next time: the folder may have been replaced or mounted.
            self.open = None;
            return Err(error);
        }
        day.octets += lines.len() as u64;
        Ok(())
    }

    fn open_day(&self, date: Date) -> io::Result<Day> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = path_of(&self.dir, date);
        let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let octets = file.metadata()?.len();
        Ok(Day { date, file, octets })
    }

    /// Deletes files of days before the retained ones. Other files in the folder stay.
    fn delete_old(&self, today: Date) {
        let first = today.saturating_sub(i64::from(self.retention_days).days());
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if day_of(&path).is_some_and(|date| date < first)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(file = %path.display(), %error, "cannot delete a query log past its time");
            }
        }
    }
}

/// The file of a day.
pub(super) fn path_of(dir: &Path, date: Date) -> PathBuf {
    dir.join(format!("{date}.{EXTENSION}"))
}

/// The day whose file this is.
pub(super) fn day_of(path: &Path) -> Option<Date> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    stem.parse::<Date>().ok().filter(|date| date.to_string() == stem)
}

fn date(time_ms: i64) -> Date {
    jiff::Timestamp::from_millisecond(time_ms).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;
    /// 2025-01-15T12:00:00Z.
    const NOON_MS: i64 = 1_736_942_400_000;

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_day_has_its_file_and_old_days_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("log");
        let mut days = Days::new(dir.clone(), 2);
        for day in 0..5 {
            days.append(NOON_MS + day * DAY_MS, b"line\n").expect("written");
        }
        fs::write(dir.join("notes.jsonl"), "").expect("written");
        fs::write(dir.join("2020-1-1.jsonl"), "").expect("written");
        days.append(NOON_MS + 5 * DAY_MS, b"line\n").expect("written");
        let kept = ["2020-1-1.jsonl", "2025-01-18.jsonl", "2025-01-19.jsonl", "2025-01-20.jsonl", "notes.jsonl"];
        assert_eq!(files(&dir), kept);
    }

    #[test]
    fn a_day_goes_on_after_a_restart_and_never_back() {
        let folder = tempfile::tempdir().expect("a folder");
        Days::new(folder.path().into(), 35).append(NOON_MS, b"one\n").expect("written");
        let mut days = Days::new(folder.path().into(), 35);
        days.append(NOON_MS, b"two\n").expect("written");
        days.append(NOON_MS - DAY_MS, b"late\n").expect("written");
        assert_eq!(files(folder.path()), ["2025-01-15.jsonl"]);
        let text = fs::read_to_string(folder.path().join("2025-01-15.jsonl")).expect("there");
        assert_eq!(text, "one\ntwo\nlate\n");
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let mut days = Days::new(file.join("log"), 35);
        assert!(days.append(NOON_MS, b"line\n").is_err());
        fs::remove_file(&file).expect("deleted");
        days.append(NOON_MS, b"line\n").expect("possible again");
    }
}
