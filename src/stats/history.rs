//! A customer's lines of a day, searched, sorted, a page of them.

use super::{ClientKey, Measure, Names, days};
use crate::{
    model::CustomerId,
    querylog::{Line, LogReader, LoggedQuery, Outcome, ReadError, Span},
    store::Store,
};
use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    net::IpAddr,
    time::Instant,
};

/// Rows that can be reached by skipping.
pub(super) const ROWS_MAX: usize = 100_000;

/// What the lines are sorted by; equal ones by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// When it was asked.
    Time,
    /// Who asked.
    User,
    /// The policy that decided.
    Policy,
    /// Where it was asked.
    Location,
    /// The address it came from.
    ExternalIp,
    /// The address behind it, which is not known: by time.
    InternalIp,
}

/// A question about lines.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Whose.
    pub customer: CustomerId,
    /// The clock that days and times of day go by.
    pub zone: TimeZone,
    /// Of which day.
    pub date: Date,
    /// From this minute on.
    pub from: Option<Time>,
    /// To the end of this minute.
    pub to: Option<Time>,
    /// With which outcome.
    pub measure: Measure,
    /// A part of any of the texts, in any case; empty is everything.
    pub text: String,
    /// How they are sorted.
    pub order_by: OrderBy,
    /// Last first.
    pub descending: bool,
    /// Rows to skip.
    pub offset: usize,
    /// Rows to give.
    pub limit: usize,
}

impl HistoryQuery {
    /// Rows that can be reached by skipping; beyond, a shorter time has to be asked about.
    pub const OFFSET_MAX: usize = ROWS_MAX;

    fn span(&self) -> Option<Span> {
        let day = days::span(&self.zone, self.date)?;
        let at = |time: Time| {
            let moment = self.zone.to_ambiguous_zoned(self.date.to_datetime(time)).compatible().ok()?;
            Some(moment.timestamp())
        };
        let from = self.from.and_then(at).unwrap_or(day.from);
        let minute_after = |time: Time| at(time)?.checked_add(jiff::SignedDuration::from_mins(1)).ok();
        let to = self.to.and_then(minute_after).unwrap_or(day.to);
        Some(Span { from: from.max(day.from), to: to.min(day.to) })
    }

    fn wants(&self, outcome: Outcome) -> bool {
        match self.measure {
            Measure::Requests => true,
            Measure::Allowed => outcome != Outcome::Blocked,
            Measure::Blocked => outcome == Outcome::Blocked,
            Measure::Bypassed => outcome == Outcome::Bypassed,
        }
    }
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, by the clock asked for.
    pub time: Time,
    /// Who.
    pub user: String,
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub qtype: String,
    /// The category that blocked, else the first of the name; empty for none.
    pub category: &'static str,
    /// What decided, in words; empty where nothing did.
    pub reason: String,
    /// `allowed`, `blocked` or `bypassed`.
    pub action: &'static str,
    /// The address it came from.
    pub address: IpAddr,
    /// The policy that decided.
    pub policy: String,
    /// Where; empty where that is not known.
    pub location: String,
    /// Response code.
    pub rcode: String,
    /// Microseconds to the answer.
    pub took_us: Option<u32>,
}

/// A page of lines.
#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// Lines there are without paging.
    pub total: usize,
    /// Those of the page.
    pub rows: Vec<HistoryRow>,
}

/// Reads all lines and holds those that can be on the page or before it.
pub(super) fn search(
    reader: &LogReader,
    store: &Store,
    query: &HistoryQuery,
    until: Instant,
) -> Result<HistoryPage, ReadError> {
    let Some(span) = query.span() else { return Ok(HistoryPage::default()) };
    let mut search = Search {
        query,
        names: Names::new(store.clone()),
        text: query.text.to_lowercase(),
        keep: query.offset.saturating_add(query.limit).min(ROWS_MAX),
        total: 0,
        first: BinaryHeap::new(),
        last: BinaryHeap::new(),
    };
    let take = |line: Line<'_>| {
        if let Some(logged) = line.query() {
            search.take(&logged);
        }
        Ok(())
    };
    reader.scan(span, until, |customer| customer == query.customer, take)?;
    Ok(search.page())
}

struct Search<'a> {
    query: &'a HistoryQuery,
    names: Names,
    text: String,
    keep: usize,
    total: usize,
    /// The lowest rows, the highest of them on top; or the other way round.
    first: BinaryHeap<Ranked>,
    last: BinaryHeap<Reverse<Ranked>>,
}

struct Ranked {
    key: Vec<u8>,
    time: Timestamp,
    number: usize,
    row: HistoryRow,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.key, self.time, self.number).cmp(&(&other.key, other.time, other.number))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl Search<'_> {
    fn take(&mut self, logged: &LoggedQuery<'_>) {
        let outcome = logged.outcome();
        if !self.query.wants(outcome) {
            return;
        }
        let row = HistoryRow {
            time: logged.time.to_zoned(self.query.zone.clone()).time(),
            user: self.names.client(ClientKey::of(logged)),
            name: logged.name.as_ref().to_owned(),
            qtype: logged.qtype.as_ref().to_owned(),
            category: logged.category.map_or("", Names::category),
            reason: logged.reason(),
            action: match outcome {
                Outcome::Allowed => "allowed",
                Outcome::Blocked => "blocked",
                Outcome::Bypassed => "bypassed",
            },
            address: logged.client,
            policy: self.names.policy(logged.policy),
            location: logged.location.map_or_else(String::new, |id| self.names.location(id)),
            rcode: logged.rcode.as_ref().to_owned(),
            took_us: logged.took_us,
        };
        if !self.text.is_empty() && !self.holds_text(&row) {
            return;
        }
        self.total += 1;
        if self.keep == 0 {
            return;
        }
        let key = match self.query.order_by {
            OrderBy::Time | OrderBy::InternalIp => Vec::new(),
            OrderBy::User => row.user.to_lowercase().into_bytes(),
            OrderBy::Policy => row.policy.to_lowercase().into_bytes(),
            OrderBy::Location => row.location.to_lowercase().into_bytes(),
            OrderBy::ExternalIp => match row.address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            },
        };
        let ranked = Ranked { key, time: logged.time, number: self.total, row };
        if self.query.descending {
            push(&mut self.last, Reverse(ranked), self.keep);
        } else {
            push(&mut self.first, ranked, self.keep);
        }
    }

    fn holds_text(&self, row: &HistoryRow) -> bool {
        let address = row.address.to_string();
        let texts = [&*row.name, &*row.user, row.category, &*row.policy, &*row.location, &*row.reason, &*address];
        texts.into_iter().any(|text| text.to_lowercase().contains(&self.text))
    }

    fn page(self) -> HistoryPage {
        // Both come out as they are to be shown.
        let first = self.first.into_sorted_vec().into_iter().map(|ranked| ranked.row);
        let last = self.last.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.row);
        HistoryPage { total: self.total, rows: first.chain(last).skip(self.query.offset).collect() }
    }
}

/// Puts one in, and the greatest out where there are too many.
fn push<T: Ord>(heap: &mut BinaryHeap<T>, one: T, keep: usize) {
    if heap.len() < keep {
        heap.push(one);
    } else if let Some(mut top) = heap.peek_mut()
        && one < *top
    {
        *top = one;
    }
}
