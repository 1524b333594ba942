//! Reading the files back.
//!
//! Lines stand in a file in the order they were written, which is the order of their times but for
//! moments. So a span is looked for by halves, and reading ends a moment after the span does.

use super::{
    LoggedQuery,
    days::{day_of, path_of},
};
use crate::model::CustomerId;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use memchr::{memchr, memmem};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

/// Octets of a file held at once. No line is as long.
const PIECE_OCTETS: usize = 256 << 10;
/// Octets looked at to find the beginning of a line and its time.
const PEEK_OCTETS: usize = 16 << 10;
/// How far a line may stand behind later ones.
const OVERTAKEN: SignedDuration = SignedDuration::from_secs(60);
/// What every line begins with, and how long its time is down to the second.
const BEGINNING: &[u8] = br#"{"time":""#;
const SECOND_OCTETS: usize = 19;

/// From a time to another, the second not included; whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first second.
    pub from: Timestamp,
    /// The second after the last.
    pub to: Timestamp,
}

/// Why lines were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The deadline came first.
    #[error("there is more to read than there is time for")]
    TooMuch,
    /// The folder or a file cannot be read.
    #[error("the query log cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// As it stands in the file, without its end.
    pub octets: &'a [u8],
}

impl<'a> Line<'a> {
    /// What it says; `None` for a line that a crash cut off.
    pub fn query(self) -> Option<LoggedQuery<'a>> {
        serde_json::from_slice(self.octets).ok()
    }

    /// Year to minute of its time in UTC: equal for lines of the same minute.
    pub fn minute(self) -> &'a [u8] {
        &self.octets[BEGINNING.len()..BEGINNING.len() + 16]
    }
}

/// A cheap handle that reads the log. Blocks for the disk.
#[derive(Clone, Debug)]
pub struct LogReader(Option<Arc<PathBuf>>);

impl LogReader {
    /// Reads the files of this folder, which need not be there yet.
    pub fn new(dir: PathBuf) -> Self {
        LogReader(Some(Arc::new(dir)))
    }

    /// Reads nothing.
    pub fn disabled() -> Self {
        LogReader(None)
    }

    /// The days (UTC) that have a file, oldest first.
    pub fn days(&self) -> io::Result<Vec<Date>> {
        let Some(dir) = &self.0 else { return Ok(Vec::new()) };
        let entries = match fs::read_dir(dir.as_path()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut days: Vec<Date> = entries.flatten().filter_map(|entry| day_of(&entry.path())).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// Octets of all files that can have lines of the span; it grows with every line.
    pub fn octets(&self, span: Span) -> u64 {
        let lengths = self.files(span).filter_map(|path| fs::metadata(path).ok()).map(|file| file.len());
        lengths.sum()
    }

    /// Gives each line of the span whose customer is wanted to `take`.
    pub fn scan(
        &self,
        span: Span,
        until: Instant,
        wanted: impl Fn(CustomerId) -> bool,
        mut take: impl FnMut(Line<'_>) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let scan = Scan {
            from: second(span.from),
            to: second(span.to),
            start: second(span.from.saturating_sub(OVERTAKEN).unwrap_or(Timestamp::MIN)),
            end: second(span.to.saturating_add(OVERTAKEN).unwrap_or(Timestamp::MAX)),
            customer: memmem::Finder::new(br#""customer":"#),
            until,
        };
        for path in self.files(span) {
            match File::open(&path) {
                Ok(file) => scan.file(file, &wanted, &mut take)?,
                // A day without queries, or one past its time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The files that can have lines of the span, whether they are there or not.
    fn files(&self, span: Span) -> impl Iterator<Item = PathBuf> + use<> {
        let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
        let last = date(span.to.saturating_add(OVERTAKEN).unwrap_or(Timestamp::MAX));
        let some = self.0.clone().filter(|_| span.from < span.to);
        some.into_iter().flat_map(move |dir| {
            let days = date(span.from).series(jiff::Span::new().days(1)).take_while(move |day| *day <= last);
            days.map(move |day| path_of(&dir, day))
        })
    }
}

/// The time as lines begin with it.
fn second(time: Timestamp) -> [u8; SECOND_OCTETS] {
    let mut octets = [b'9'; SECOND_OCTETS];
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if text.len() == SECOND_OCTETS {
        octets.copy_from_slice(text.as_bytes());
    } else if time < Timestamp::UNIX_EPOCH {
        octets = [b'0'; SECOND_OCTETS];
    }
    octets
}

struct Scan {
    from: [u8; SECOND_OCTETS],
    to: [u8; SECOND_OCTETS],
    /// Where reading starts and ends: lines that were overtaken are met too.
    start: [u8; SECOND_OCTETS],
    end: [u8; SECOND_OCTETS],
    customer: memmem::Finder<'static>,
    until: Instant,
}

impl Scan {
    fn file(
        &self,
        mut file: File,
        wanted: &impl Fn(CustomerId) -> bool,
        take: &mut impl FnMut(Line<'_>) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let start = self.start_of(&file)?;
        file.seek(SeekFrom::Start(start))?;
        let mut piece = vec![0; PIECE_OCTETS];
        let mut filled = 0;
        loop {
            if Instant::now() >= self.until {
                return Err(ReadError::TooMuch);
            }
            let read = match file.read(&mut piece[filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            // What stands after the last end of line is being written, or was cut off.
            if read == 0 {
                return Ok(());
            }
            filled += read;
            let mut begin = 0;
            while let Some(length) = memchr(b'\n', &piece[begin..filled]) {
                let line = &piece[begin..begin + length];
                begin += length + 1;
                let Some(time) = time_of(line) else { continue };
                if time >= &self.end[..] {
                    return Ok(());
                }
                let within = time >= &self.from[..] && time < &self.to[..];
                if within && self.customer_of(line).is_some_and(wanted) {
                    take(Line { octets: line })?;
                }
            }
            piece.copy_within(begin..filled, 0);
            filled -= begin;
            if filled == piece.len() {
                // Nothing of ours: the rest of it will not look like a line.
                filled = 0;
            }
        }
    }

    /// Where a line begins before which no line is of the span.
    fn start_of(&self, file: &File) -> io::Result<u64> {
        let (mut low, mut high) = (0, file.metadata()?.len());
        let mut peek = [0; PEEK_OCTETS];
        while high - low > 4 * PEEK_OCTETS as u64 {
            let middle = low + (high - low) / 2;
            let octets = file.read_at(&mut peek, middle)?;
            let Some(end) = memchr(b'\n', &peek[..octets]) else { break };
            match time_of(&peek[end + 1..octets]) {
                Some(time) if time < &self.start[..] => low = middle + end as u64 + 1,
                Some(_) => high = middle,
                None => break,
            }
        }
        Ok(low)
    }

    /// The customer, without reading the whole line. No text in a line has a quote of its own.
    fn customer_of(&self, line: &[u8]) -> Option<CustomerId> {
        let digits = &line[self.customer.find(line)? + self.customer.needle().len()..];
        let digits = digits.iter().take_while(|octet| octet.is_ascii_digit());
        let number = digits.fold(0u64, |number, digit| number.saturating_mul(10) + u64::from(digit - b'0'));
        u32::try_from(number).ok().map(CustomerId)
    }
}

/// The time of a line down to the second.
fn time_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(BEGINNING)?.get(..SECOND_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::querylog::{Options, QueryLog, event::tests::event};
    use std::time::Duration;

    /// 2025-01-15T12:00:00Z.
    const NOON_MS: i64 = 1_736_942_400_000;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn span(from: &str, to: &str) -> Span {
        Span { from: from.parse().expect("a time"), to: to.parse().expect("a time") }
    }

    fn names(reader: &LogReader, span: Span) -> Vec<String> {
        let mut names = Vec::new();
        let take = |line: Line<'_>| {
            names.push(line.query().expect("reads").name.into_owned());
            Ok(())
        };
        reader.scan(span, soon(), |customer| customer == CustomerId(5), take).expect("reads");
        names
    }

    #[test]
    fn a_span_is_found_in_a_long_file_and_across_midnight() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = QueryLog::start(Options { dir: folder.path().into(), retention_days: 35 }).expect("a thread");
        // One every ten seconds for 24 hours from noon.
        for number in 0..8640 {
            log.sender().send(event(&format!("n{number}.example"), NOON_MS + number * 10_000));
        }
        log.close();
        let reader = LogReader::new(folder.path().into());
        assert_eq!(reader.days().expect("reads").len(), 2);
        let found = names(&reader, span("2025-01-15T18:00:00Z", "2025-01-15T18:01:00Z"));
        assert_eq!(found, (2160..2166).map(|n| format!("n{n}.example")).collect::<Vec<_>>());
        let found = names(&reader, span("2025-01-15T23:59:50Z", "2025-01-16T00:00:10Z"));
        assert_eq!(found, ["n4319.example", "n4320.example"]);
        assert_eq!(names(&reader, span("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z")).len(), 8640);
        assert!(names(&reader, span("2025-01-16T12:00:00Z", "2025-01-16T18:00:00Z")).is_empty());
        let whole = span("2025-01-15T00:00:00Z", "2025-01-17T00:00:00Z");
        let none = |_: Line<'_>| panic!("another customer's line");
        reader.scan(whole, soon(), |customer| customer == CustomerId(6), none).expect("reads");
        let late = reader.scan(whole, Instant::now(), |_| true, |_| Ok(()));
        assert!(matches!(late, Err(ReadError::TooMuch)));
        assert!(reader.octets(whole) > 8640 * 100);
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = QueryLog::start(Options { dir: folder.path().into(), retention_days: 35 }).expect("a thread");
        log.sender().send(event("first.example", NOON_MS));
        log.close();
        let path = folder.path().join("2025-01-15.jsonl");
        let line = fs::read(&path).expect("there");
        let mut octets = b"\xff\xfe\n{}\n\n".to_vec();
        octets.extend_from_slice(&line);
        octets.extend_from_slice(&vec![b'x'; 3 * PIECE_OCTETS]);
        octets.push(b'\n');
        octets.extend_from_slice(&line);
        octets.extend_from_slice(&line[..line.len() / 2]);
        fs::write(&path, octets).expect("written");
        let reader = LogReader::new(folder.path().into());
        let found = names(&reader, span("2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z"));
        assert_eq!(found, ["first.example", "first.example"]);
    }

    #[test]
    fn no_folder_and_no_log_are_empty() {
        let day = span("2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z");
        for reader in [LogReader::disabled(), LogReader::new("/nonexistent/log".into())] {
            assert!(reader.days().expect("reads").is_empty());
            assert!(names(&reader, day).is_empty());
            assert_eq!(reader.octets(day), 0);
        }
    }
}
