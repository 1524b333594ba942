//! The thread that writes.

use super::{EventSender, QueryEvent, days::Days, line};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use metrics::Counter;
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Events between the query path and the writer: a tenth of a second of a busy server.
const EVENTS_MAX: usize = 32_768;
/// Pause of the writer when nothing is there. It looks instead of being woken: waking costs the
/// sender, which is the query path, a system call.
const PAUSE: Duration = Duration::from_millis(20);
/// Lines go to the file after this time at the latest,
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// or when they are so many octets.
const FLUSH_OCTETS: usize = 256 << 10;
const DAY_MS: i64 = 86_400_000;
/// A disk that takes no lines is complained about this often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Where the log is, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder, made when the first line is written.
    pub dir: PathBuf,
    /// Days a file is kept after its own.
    pub retention_days: u32,
}

/// The log and its thread.
#[derive(Debug)]
pub struct QueryLog {
    sender: EventSender,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl QueryLog {
    /// A log that keeps nothing.
    pub fn disabled() -> Self {
        QueryLog { sender: EventSender::disabled(), running: None }
    }

    /// Starts the writer. Fails only where no thread can be started; the disk may come and go.
    pub fn start(options: Options) -> io::Result<Self> {
        let (sender, events) = bounded(EVENTS_MAX);
        let dropped = |reason| metrics::counter!("weir_querylog_dropped_total", "reason" => reason);
        let stopping = Arc::new(AtomicBool::new(false));
        let mut writer = Writer {
            events,
            stopping: stopping.clone(),
            days: Days::new(options.dir, options.retention_days),
            lines: Vec::with_capacity(FLUSH_OCTETS + 4096),
            count: 0,
            last_time_ms: 0,
            flushed: Instant::now(),
            warned: None,
            written: metrics::counter!("weir_querylog_written_total"),
            lost: dropped("disk"),
        };
        let thread = thread::Builder::new().name("querylog".to_owned()).spawn(move || writer.run())?;
        Ok(QueryLog { sender: EventSender::new(sender, dropped("full")), running: Some(Running { stopping, thread }) })
    }

    /// The query path's end.
    pub fn sender(&self) -> EventSender {
        self.sender.clone()
    }

    /// Writes what was sent before this call, and ends the thread. Blocks for the disk.
    pub fn close(self) {
        let Some(Running { stopping, thread }) = self.running else { return };
        stopping.store(true, Ordering::Release);
        if thread.join().is_err() {
            tracing::error!("the query log's writer had panicked");
        }
    }
}

struct Writer {
    events: Receiver<QueryEvent>,
    stopping: Arc<AtomicBool>,
    days: Days,
    /// Lines not yet in the file, how many, and when the last of them happened.
    lines: Vec<u8>,
    count: u64,
    last_time_ms: i64,
    flushed: Instant,
    warned: Option<Instant>,
    written: Counter,
    lost: Counter,
}

impl Writer {
    fn run(&mut self) {
        loop {
            // Read before the buffer is: what was sent before the stop is then seen.
            let stopping = self.stopping.load(Ordering::Acquire);
            let ended = loop {
                match self.events.try_recv() {
                    Ok(event) => self.take(&event),
                    Err(TryRecvError::Empty) => break stopping,
                    Err(TryRecvError::Disconnected) => break true,
                }
            };
            if ended || self.flushed.elapsed() >= FLUSH_AFTER {
                self.flush();
            }
            if ended {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    fn take(&mut self, event: &QueryEvent) {
        // Lines of two days do not go into one file, but for those that were overtaken.
        if self.count > 0 && event.time_ms / DAY_MS > self.last_time_ms / DAY_MS {
            self.flush();
        }
        line::append(event, &mut self.lines);
        self.count += 1;
        self.last_time_ms = self.last_time_ms.max(event.time_ms);
        if self.lines.len() >= FLUSH_OCTETS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.flushed = Instant::now();
        if self.lines.is_empty() {
            return;
        }
        match self.days.append(self.last_time_ms, &self.lines) {
            Ok(()) => self.written.increment(self.count),
            Err(error) => {
                self.lost.increment(self.count);
                if self.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
                    self.warned = Some(Instant::now());
                    tracing::warn!(%error, events = self.count, "the query log cannot be written; its events are lost");
                }
            }
        }
        self.lines.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::querylog::event::tests::event;
    use std::fs;

    #[test]
    fn what_was_sent_before_the_stop_is_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("log");
        let log = QueryLog::start(Options { dir: dir.clone(), retention_days: 35 }).expect("a thread");
        let sender = log.sender();
        assert!(sender.is_enabled());
        for number in 0..5000 {
            sender.send(event(&format!("n{number}.example"), 1_736_942_400_000));
        }
        log.close();
        let text = fs::read_to_string(dir.join("2025-01-15.jsonl")).expect("there");
        assert_eq!(text.lines().count(), 5000);
        assert!(text.lines().last().expect("a line").contains("\"n4999.example\""));
        sender.send(event("after.example", 0));
    }

    #[test]
    fn lines_of_two_days_go_into_two_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = QueryLog::start(Options { dir: folder.path().into(), retention_days: 35 }).expect("a thread");
        // 2025-01-15T23:59:59.999Z and a millisecond later.
        log.sender().send(event("before.example", 1_736_985_599_999));
        log.sender().send(event("after.example", 1_736_985_600_000));
        log.close();
        for (day, name) in [("2025-01-15", "before.example"), ("2025-01-16", "after.example")] {
            let text = fs::read_to_string(folder.path().join(format!("{day}.jsonl"))).expect("there");
            assert_eq!((text.lines().count(), text.contains(name)), (1, true), "{day}");
        }
    }

    #[test]
    fn a_dead_disk_does_not_hold_up_the_sender() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let log = QueryLog::start(Options { dir: file.join("log"), retention_days: 35 }).expect("a thread");
        let sender = log.sender();
        for _ in 0..EVENTS_MAX * 2 {
            sender.send(event("name.example", 1_736_942_400_000));
        }
        log.close();
    }

    #[test]
    fn a_disabled_sender_takes_anything() {
        let sender = QueryLog::disabled().sender();
        assert!(!sender.is_enabled());
        sender.send(event("name.example", 0));
    }
}
