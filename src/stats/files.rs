//! The log as files to take away: one a customer and hour (UTC), each a gzip member of JSON lines.
//!
//! They are made when they are asked for, into a file without a name beside the store, so that
//! neither a long day nor a slow reader costs memory.

use super::{Inner, Of, Stats, StatsError, hour_of};
use crate::{
    model::CustomerId,
    querylog::{Line, ReadError},
};
use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use parking_lot::Mutex;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::OwnedSemaphorePermit;

/// Octets of one download.
const SPOOL_OCTETS_MAX: u64 = 2 << 30;
/// Downloads at the same time, slow readers included.
pub(super) const DOWNLOADS_MAX: usize = 8;
/// How long somebody may take nothing of a download.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// How long a download may take.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(3600);
/// What the name of an hour's file ends with, after `1100`.
const ENDING: &str = "00.wtc.json.gz";

/// A file that goes with its last handle.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Spooled>);

#[derive(Debug)]
struct Spooled {
    /// `None` once it was closed.
    open: Mutex<Option<Open>>,
    octets: u64,
}

#[derive(Debug)]
struct Open {
    file: Arc<File>,
    _permit: OwnedSemaphorePermit,
}

impl Spool {
    /// Its length.
    pub fn octets(&self) -> u64 {
        self.0.octets
    }

    /// A piece of it, at most `octets_max` long; empty at its end. Blocks for the disk.
    pub fn read_at(&self, offset: u64, octets_max: usize) -> io::Result<Vec<u8>> {
        let left = self.0.octets.saturating_sub(offset);
        let mut piece = vec![0; usize::try_from(left).map_or(octets_max, |left| left.min(octets_max))];
        let file = self.0.open.lock().as_ref().map(|open| open.file.clone());
        file.ok_or(io::ErrorKind::TimedOut)?.read_exact_at(&mut piece, offset)?;
        Ok(piece)
    }

    /// Closes it where nobody has read on for a while, or it has been open for too long: somebody who takes
    /// nothing holds up no other download. Returns when it is closed or gone.
    pub fn watch(&self, progress: Arc<AtomicU64>) -> impl Future<Output = ()> + Send + use<> {
        self.watch_for(progress, STALL_PATIENCE, DOWNLOAD_PATIENCE)
    }

    pub(super) fn watch_for(
        &self,
        progress: Arc<AtomicU64>,
        stall: Duration,
        all: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let spooled = Arc::downgrade(&self.0);
        async move {
            let (mut seen, mut since) = (progress.load(Ordering::Relaxed), Instant::now());
            let opened = since;
            loop {
                tokio::time::sleep(stall / 4).await;
                let Some(spooled) = spooled.upgrade() else { return };
                let now = progress.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                }
                if since.elapsed() >= stall || opened.elapsed() >= all {
                    *spooled.open.lock() = None;
                    return;
                }
            }
        }
    }
}

/// The name of an hour's file.
fn file_name(hour: i8) -> String {
    format!("{hour:02}{ENDING}")
}

impl Stats {
    /// Names of the files of a customer: for each day that has any, oldest first.
    pub async fn log_files(
        &self,
        customer: CustomerId,
        date: Option<Date>,
        now: Timestamp,
    ) -> Result<Vec<(Date, Vec<String>)>, StatsError> {
        self.read(move |inner, until| {
            let mut days = inner.reader.days()?;
            days.retain(|day| date.is_none_or(|date| date == *day));
            let mut files = Vec::new();
            for day in days {
                let sums = inner.day(&Of::Customer(customer), &TimeZone::UTC, day, now, until)?;
                let hours = (0..).zip(&sums.hours).filter(|(_, counts)| counts.requests() > 0);
                let names: Vec<String> = hours.map(|(hour, _)| file_name(hour)).collect();
                if !names.is_empty() {
                    files.push((day, names));
                }
            }
            Ok(files)
        })
        .await
    }

    /// One file of a customer, `None` where there is no such file.
    pub async fn log_file(&self, customer: CustomerId, date: Date, name: &str) -> Result<Option<Spool>, StatsError> {
        let Some(hour) = name.strip_suffix(ENDING).filter(|hour| hour.len() == 2) else { return Ok(None) };
        let Some(hour) = hour.parse::<i8>().ok().filter(|hour| (0..24).contains(hour)) else { return Ok(None) };
        self.spool(move |inner, file, until| {
            let lines = inner.write_hour(customer, date, hour, file, until)?;
            Ok(lines > 0)
        })
        .await
    }

    /// All files of a customer's day as a `tar.gz`, `None` where there are none.
    pub async fn log_day(&self, customer: CustomerId, date: Date) -> Result<Option<Spool>, StatsError> {
        self.spool(move |inner, file, until| {
            let mtime = date.to_zoned(TimeZone::UTC).map_or(0, |start| start.timestamp().as_second());
            // What is in it is compressed already.
            let mut archive = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::fast()));
            let mut any = false;
            for hour in 0..24 {
                let mut member = nameless(inner.store.data_dir())?;
                if inner.write_hour(customer, date, hour, &mut member, until)? == 0 {
                    continue;
                }
                any = true;
                let mut header = tar::Header::new_gnu();
                header.set_size(member.stream_position()?);
                header.set_mode(0o644);
                header.set_mtime(u64::try_from(mtime).unwrap_or_default());
                header.set_entry_type(tar::EntryType::Regular);
                member.seek(SeekFrom::Start(0))?;
                archive.append_data(&mut header, file_name(hour), &mut member)?;
            }
            archive.into_inner()?.finish()?.flush()?;
            Ok(any)
        })
        .await
    }

    async fn spool(
        &self,
        write: impl FnOnce(&Inner, &mut File, Instant) -> Result<bool, StatsError> + Send + 'static,
    ) -> Result<Option<Spool>, StatsError> {
        let permit = self.0.downloads.clone().try_acquire_owned().map_err(|_| StatsError::Busy.counted())?;
        self.read(move |inner, until| {
            let mut file = nameless(inner.store.data_dir())?;
            if !write(inner, &mut file, until)? {
                return Ok(None);
            }
            let octets = file.metadata()?.len();
            let open = Open { file: Arc::new(file), _permit: permit };
            Ok(Some(Spool(Arc::new(Spooled { open: Mutex::new(Some(open)), octets }))))
        })
        .await
    }
}

impl Inner {
    /// Writes a customer's lines of an hour as a gzip member and says how many they were.
    fn write_hour(
        &self,
        customer: CustomerId,
        date: Date,
        hour: i8,
        file: &mut File,
        until: Instant,
    ) -> Result<u64, StatsError> {
        let Some(span) = hour_of(date, hour) else { return Ok(0) };
        let bounded = Bounded { inner: BufWriter::new(file), left: SPOOL_OCTETS_MAX };
        let mut member = GzEncoder::new(bounded, Compression::default());
        let mut lines = 0;
        let take = |line: Line<'_>| {
            lines += 1;
            member.write_all(line.octets)?;
            member.write_all(b"\n")
        };
        match self.reader.scan(span, until, |found| found == customer, take) {
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(StatsError::TooMuch);
            }
            read => read?,
        }
        member.finish()?.flush()?;
        Ok(lines)
    }
}

/// Lets so many octets through.
struct Bounded<W> {
    inner: W,
    left: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(octets)?;
        self.left = self.left.checked_sub(written as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file that nobody else can open and that no crash leaves behind.
fn nameless(dir: &Path) -> io::Result<File> {
    let path = dir.join(format!("spool-{}", uuid::Uuid::new_v4().simple()));
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
