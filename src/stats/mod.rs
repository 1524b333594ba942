//! Answers from the query log: sums of days, history, and the log itself as files.
//!
//! [`Stats`] reads the log's files on threads that may block, a few at a time and no longer than a
//! minute a question; whoever asks for more is told so. Sums are made for a day of the asker's time
//! zone and kept, so that thirty days are read once: of finished days until room is needed, of a day
//! that goes on until the log has grown.
//!
//! Read `sums` (what is counted), `days` (what a day is), `cache`, `names` (ids to what people call them),
//! `history` (lines, searched and sorted), `asked` (questions with how often), `files` (lines to take away).

mod asked;
mod cache;
mod days;
mod files;
mod history;
mod names;
mod sums;

pub use asked::{AskedFor, AskedSums};
pub use days::Days;
pub use files::Spool;
pub use history::{HistoryPage, HistoryQuery, HistoryRow, OrderBy};
pub use names::Names;
pub use sums::{ClientKey, Counts, DaySums, Measure, Tally};

use crate::{
    model::{Customer, CustomerId, LocationId, PolicyId},
    querylog::{Line, LogReader, ReadError, Span},
    store::Store,
};
use cache::{Cache, Key};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use parking_lot::Mutex;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Questions that read at the same time.
const READERS: usize = 2;
/// How long a question waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a question may read.
const READ_PATIENCE: Duration = Duration::from_secs(60);
/// A day is finished this long after its end: then all its lines are in the file.
const SETTLED: SignedDuration = SignedDuration::from_secs(120);

/// Whose queries are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Everybody's.
    All,
    /// Those of these customers, by rising id.
    Customers(Arc<[CustomerId]>),
    /// Those of one customer.
    Customer(CustomerId),
    /// Those of one location.
    Location(CustomerId, LocationId),
}

impl Of {
    fn wants(&self, customer: CustomerId) -> bool {
        match self {
            Of::All => true,
            Of::Customers(ids) => ids.binary_search(&customer).is_ok(),
            Of::Customer(id) | Of::Location(id, _) => *id == customer,
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// It asks for more than is read for one question.
    #[error("there is more to read than is read at once")]
    TooMuch,
    /// Too many questions are being answered.
    #[error("too many questions about the log are being answered")]
    Busy,
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StatsError {
    /// The same, counted.
    fn counted(self) -> Self {
        let reason = match self {
            StatsError::TooMuch => "too_much",
            StatsError::Busy => "busy",
            StatsError::Io(_) => "disk",
        };
        metrics::counter!("weir_stats_refused_total", "reason" => reason).increment(1);
        self
    }
}

impl From<ReadError> for StatsError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooMuch => StatsError::TooMuch,
            ReadError::Io(error) => StatsError::Io(error),
        }
    }
}

/// A cheap handle that answers questions about the query log.
#[derive(Clone)]
pub struct Stats(Arc<Inner>);

struct Inner {
    reader: LogReader,
    store: Store,
    /// The zone of whoever has none of its own.
    zone: TimeZone,
    cache: Mutex<Cache>,
    turns: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

impl Stats {
    /// Over a log, with the names of this store. `zone` is that of accounts without one.
    pub fn new(reader: LogReader, store: Store, zone: TimeZone) -> Self {
        Stats(Arc::new(Inner {
            reader,
            store,
            zone,
            cache: Mutex::new(Cache::default()),
            turns: Arc::new(Semaphore::new(READERS)),
            downloads: Arc::new(Semaphore::new(files::DOWNLOADS_MAX)),
        }))
    }

    /// The zone of accounts without one.
    pub fn zone(&self) -> TimeZone {
        self.0.zone.clone()
    }

    /// The zone in which a customer's days begin.
    pub fn zone_of(&self, customer: &Customer) -> TimeZone {
        let own = Some(&customer.timezone).filter(|name| !name.is_empty());
        own.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(|| self.zone())
    }

    /// What things are called, for one customer's lines or for the totals of several.
    pub fn names(&self) -> Names {
        Names::new(self.0.store.clone())
    }

    /// The first day that can have queries; `None` where there is no log.
    pub async fn first_day(&self, zone: TimeZone) -> Result<Option<Date>, StatsError> {
        self.read(move |inner, _| {
            let first = inner.reader.days()?.first().copied();
            Ok(first.and_then(|day| Some(day.to_zoned(TimeZone::UTC).ok()?.with_time_zone(zone).date())))
        })
        .await
    }

    /// All days put together.
    pub async fn sums(&self, of: Of, days: Days, now: Timestamp) -> Result<Arc<DaySums>, StatsError> {
        self.read(move |inner, until| {
            if days.first == days.last {
                return inner.day(&of, &days.zone, days.first, now, until);
            }
            let mut all = DaySums::of_many_days();
            for date in days.dates() {
                all.add(&*inner.day(&of, &days.zone, date, now, until)?);
            }
            Ok(Arc::new(all))
        })
        .await
    }

    /// The totals of each day.
    pub async fn by_day(&self, of: Of, days: Days, now: Timestamp) -> Result<Vec<(Date, Counts)>, StatsError> {
        self.read(move |inner, until| {
            let totals = days.dates().map(|date| Ok((date, inner.day(&of, &days.zone, date, now, until)?.total)));
            totals.collect()
        })
        .await
    }

    /// A customer's lines of a day.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, StatsError> {
        self.read(move |inner, until| Ok(history::search(&inner.reader, &inner.store, &query, until)?)).await
    }

    /// What was asked under a policy of a customer from a moment to another, each name and type once.
    pub async fn asked(
        &self,
        customer: CustomerId,
        policy: PolicyId,
        (from, to): (crate::model::Timestamp, crate::model::Timestamp),
    ) -> Result<AskedSums, StatsError> {
        let at = |time: crate::model::Timestamp| Timestamp::from_second(time.0).unwrap_or_default();
        let span = Span { from: at(from), to: at(to) };
        self.read(move |inner, until| Ok(asked::read(&inner.reader, customer, policy, span, until)?)).await
    }

    /// Waits for a turn and runs `work` where it may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, Instant) -> Result<T, StatsError> + Send + 'static,
    ) -> Result<T, StatsError> {
        let turn = tokio::time::timeout(TURN_PATIENCE, self.0.turns.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(StatsError::Busy.counted()) };
        let inner = self.0.clone();
        let work = move || {
            let _turn = turn;
            let started = Instant::now();
            let answer = work(&inner, started + READ_PATIENCE);
            metrics::histogram!("weir_stats_seconds").record(started.elapsed().as_secs_f64());
            answer
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(StatsError::Io(io::Error::other(error)))).map_err(StatsError::counted)
    }
}

impl Inner {
    /// One day's sums, from the cache or the files.
    fn day(
        &self,
        of: &Of,
        zone: &TimeZone,
        date: Date,
        now: Timestamp,
        until: Instant,
    ) -> Result<Arc<DaySums>, StatsError> {
        let Some(span) = days::span(zone, date) else { return Ok(Arc::default()) };
        let finished = span.to.saturating_add(SETTLED).is_ok_and(|end| end <= now);
        // A day that goes on is known while the files are as long as they were.
        let octets = if finished { 0 } else { self.reader.octets(span) };
        let key = Key::new(of, zone, date);
        if let Some(known) = self.cache.lock().get(&key, octets) {
            return Ok(known);
        }
        let mut sums = DaySums::default();
        let mut hours = Hours { zone, minute: [0; 16], hour: 0 };
        let take = |line: Line<'_>| {
            if let Some(query) = line.query()
                && match of {
                    Of::Location(_, location) => query.location == Some(location.0),
                    _ => true,
                }
            {
                sums.count(&query, hours.of(line, query.time));
            }
            Ok(())
        };
        self.reader.scan(span, until, |customer| of.wants(customer), take)?;
        let sums = Arc::new(sums);
        self.cache.lock().put(key, octets, sums.clone());
        Ok(sums)
    }
}

/// The hour of the day by the clock on the wall, looked up once a minute.
struct Hours<'a> {
    zone: &'a TimeZone,
    minute: [u8; 16],
    hour: usize,
}

impl Hours<'_> {
    fn of(&mut self, line: Line<'_>, time: Timestamp) -> usize {
        if line.minute() != self.minute {
            self.minute.copy_from_slice(line.minute());
            self.hour = usize::from(time.to_zoned(self.zone.clone()).hour().unsigned_abs());
        }
        self.hour
    }
}

/// The span of one hour of a day in UTC.
fn hour_of(date: Date, hour: i8) -> Option<Span> {
    let from = date.at(hour, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Span { from, to: from.checked_add(1.hour()).ok()? })
}

#[cfg(test)]
mod tests;
