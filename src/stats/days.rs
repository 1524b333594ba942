//! Days by somebody's clock.

use crate::querylog::Span;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// Days in a row, both ends included, in a time zone.
#[derive(Clone, Debug)]
pub struct Days {
    /// Where they begin and end.
    pub zone: TimeZone,
    /// The first.
    pub first: Date,
    /// The last.
    pub last: Date,
}

impl Days {
    /// One day.
    pub fn one(zone: TimeZone, date: Date) -> Self {
        Days { zone, first: date, last: date }
    }

    /// The day that it is.
    pub fn today(zone: &TimeZone, now: Timestamp) -> Date {
        now.to_zoned(zone.clone()).date()
    }

    /// Each of them, oldest first.
    pub fn dates(&self) -> impl Iterator<Item = Date> + use<> {
        let last = self.last;
        self.first.series(1.day()).take_while(move |date| *date <= last)
    }
}

/// From a day's beginning to its end. `None` at the ends of time.
pub(super) fn span(zone: &TimeZone, date: Date) -> Option<Span> {
    let start = |date: Date| date.to_zoned(zone.clone()).ok().map(|start| start.timestamp());
    Some(Span { from: start(date)?, to: start(date.tomorrow().ok()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_its_zone_says_and_is_not_always_24_hours_long() {
        for (zone, date, from, to) in [
            ("UTC", "2025-01-15", "2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z"),
            ("Asia/Kolkata", "2025-01-15", "2025-01-14T18:30:00Z", "2025-01-15T18:30:00Z"),
            ("Europe/Berlin", "2025-03-30", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
            ("Europe/Berlin", "2025-10-26", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
        ] {
            let zone = TimeZone::get(zone).expect("a zone");
            let span = span(&zone, date.parse().expect("a date")).expect("within time");
            assert_eq!((span.from.to_string().as_str(), span.to.to_string().as_str()), (from, to));
        }
        assert!(span(&TimeZone::UTC, Date::MAX).is_none());
    }
}
