//! The thread that writes, and the channel to it.

use super::QueryEvent;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use jiff::{Timestamp, tz::TimeZone};
use metrics::Counter;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Events that wait for the writer at most; more are dropped and counted.
const WAITING_MAX: usize = 65_536;
/// How long a line may stay in memory.
const FLUSH_PAUSE: Duration = Duration::from_secs(1);
/// How often a disk that fails is mentioned.
const WARNING_PAUSE: Duration = Duration::from_secs(60);
const SUFFIX: &str = ".jsonl";

/// Where and how long the log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the day files.
    pub dir: PathBuf,
    /// Days kept, today included; at least 1.
    pub retention_days: u32,
}

/// The query path's end of the log. Cheap to clone.
#[derive(Clone, Default)]
pub struct EventSender(Option<(Sender<QueryEvent>, Counter)>);

impl EventSender {
    /// Whether anybody listens; making an event for nobody can be saved.
    #[inline]
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Hands an event over, or counts it as dropped where there is no room. Never waits.
    #[inline]
    pub fn send(&self, event: QueryEvent) {
        if let Some((sender, dropped)) = &self.0
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(event)
        {
            dropped.increment(1);
        }
    }
}

/// The log and its thread.
pub struct QueryLog {
    sender: EventSender,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl QueryLog {
    /// A log that keeps nothing.
    pub fn disabled() -> Self {
        QueryLog { sender: EventSender::default(), stop: None, thread: None }
    }

    /// Starts the writer. Fails where the folder cannot be made.
    pub fn start(options: Options) -> io::Result<Self> {
        fs::create_dir_all(&options.dir)?;
        let (sender, events) = crossbeam_channel::bounded(WAITING_MAX);
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let dropped = metrics::counter!("weir_querylog_dropped_total");
        let lost = dropped.clone();
        let thread = std::thread::Builder::new()
            .name("querylog".into())
            .spawn(move || Writer::new(options, lost).run(&events, &stopped))?;
        Ok(QueryLog { sender: EventSender(Some((sender, dropped))), stop: Some(stop), thread: Some(thread) })
    }

    /// The query path's end.
    pub fn sender(&self) -> EventSender {
        self.sender.clone()
    }

    /// Writes what waits and ends the thread.
    pub fn close(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.try_send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(serde::Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    query: &'a QueryEvent,
}

struct Writer {
    options: Options,
    dropped: Counter,
    file: Option<(jiff::civil::Date, BufWriter<File>)>,
    warned: Option<Instant>,
}

impl Writer {
    fn new(options: Options, dropped: Counter) -> Self {
        Writer { options, dropped, file: None, warned: None }
    }

    fn run(mut self, events: &Receiver<QueryEvent>, stopped: &Receiver<()>) {
        let mut flushed = Instant::now();
        loop {
            match events.recv_timeout(FLUSH_PAUSE) {
                Ok(event) => {
                    // One look at the clock serves the whole batch.
                    let now = Timestamp::now();
                    for event in std::iter::once(event).chain(events.try_iter().take(4096)) {
                        self.write(now, &event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if flushed.elapsed() >= FLUSH_PAUSE {
                self.flush();
                flushed = Instant::now();
            }
            if stopped.try_recv().is_ok() {
                break;
            }
        }
        let now = Timestamp::now();
        for event in events.try_iter() {
            self.write(now, &event);
        }
        self.flush();
    }

    fn write(&mut self, now: Timestamp, event: &QueryEvent) {
        if let Err(error) = self.try_write(now, event) {
            self.dropped.increment(1);
            self.file = None;
            self.warn(&error);
        }
    }

    fn try_write(&mut self, now: Timestamp, event: &QueryEvent) -> io::Result<()> {
        let day = now.to_zoned(TimeZone::UTC).date();
        let file = match &mut self.file {
            Some((open, file)) if *open == day => file,
            _ => {
                let path = self.options.dir.join(format!("{day}{SUFFIX}"));
                let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
                expire(&self.options, day);
                &mut self.file.insert((day, BufWriter::with_capacity(1 << 16, file))).1
            }
        };
        let line = Line { time: format!("{now:.3}"), query: event };
        serde_json::to_writer(&mut *file, &line)?;
        file.write_all(b"\n")
    }

    fn flush(&mut self) {
        if let Some((_, file)) = &mut self.file
            && let Err(error) = file.flush()
        {
            self.file = None;
            self.warn(&error);
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
            self.warned = Some(Instant::now());
            tracing::warn!(dir = %self.options.dir.display(), %error, "queries are not logged");
        }
    }
}

/// Deletes the files of days that are kept no longer; files of other names stay.
fn expire(options: &Options, today: jiff::civil::Date) {
    let kept = jiff::Span::new().days(i64::from(options.retention_days.max(1)) - 1);
    let Ok(oldest) = today.checked_sub(kept) else { return };
    let Ok(files) = fs::read_dir(&options.dir) else { return };
    for path in files.flatten().map(|file| file.path()) {
        if day_of(&path).is_some_and(|day| day < oldest)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(file = %path.display(), %error, "an old query log could not be deleted");
        }
    }
}

fn day_of(path: &Path) -> Option<jiff::civil::Date> {
    path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_past_retention_go_and_everything_else_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["2026-11-01.jsonl", "2026-11-19.jsonl", "2026-11-20.jsonl", "notes.txt", "x.jsonl"] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        let options = Options { dir: dir.path().to_owned(), retention_days: 2 };
        expire(&options, jiff::civil::date(2026, 11, 20));
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .expect("a folder")
            .flatten()
            .map(|f| f.file_name().into_string().expect("text"))
            .collect();
        left.sort();
        assert_eq!(left, ["2026-11-19.jsonl", "2026-11-20.jsonl", "notes.txt", "x.jsonl"]);
    }
}
