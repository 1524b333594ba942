//! When a report is due, and what days it covers.

use crate::model::{Frequency, ReportRange};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// After midnight a report waits this long, so that the day before is in the log.
const AFTER_MIDNIGHT: SignedDuration = SignedDuration::from_mins(5);

/// Whether something that last ran, or was made, at `since` runs again at `now`: after the first
/// midnight, Monday or first of a month in between. However many were missed, it runs once.
pub fn is_due(frequency: Frequency, since: Timestamp, now: Timestamp, zone: &TimeZone) -> bool {
    // A run a moment after midnight belongs to that midnight.
    let day = since.to_zoned(zone.clone()).date();
    let next = match frequency {
        Frequency::Daily => day.tomorrow(),
        Frequency::Weekly => day.checked_add((8 - i32::from(day.weekday().to_monday_one_offset())).days()),
        Frequency::Monthly => day.first_of_month().checked_add(1.month()),
    };
    let start = next.and_then(|day| day.to_zoned(zone.clone())).map(|start| start.timestamp());
    start.and_then(|start| start.checked_add(AFTER_MIDNIGHT)).is_ok_and(|start| start <= now)
}

/// The first and the last day that a range covers.
pub fn covered(range: ReportRange, today: Date) -> (Date, Date) {
    let before = |days: i32| today.saturating_sub(days.days());
    let monday = before(i32::from(today.weekday().to_monday_zero_offset()));
    let first = today.first_of_month();
    match range {
        ReportRange::Today => (today, today),
        ReportRange::Yesterday => (before(1), before(1)),
        ReportRange::Last7Days => (before(7), before(1)),
        ReportRange::Last14Days => (before(14), before(1)),
        ReportRange::Last30Days => (before(30), before(1)),
        ReportRange::ThisWeek => (monday, today),
        ReportRange::LastWeek => (monday.saturating_sub(7.days()), monday.saturating_sub(1.day())),
        ReportRange::ThisMonth => (first, today),
        ReportRange::LastMonth => (first.saturating_sub(1.month()), first.saturating_sub(1.day())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_report_is_due_after_the_first_midnight_of_its_zone() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        for (frequency, since, now, due) in [
            (Frequency::Daily, "2025-01-15T12:00:00Z", "2025-01-15T23:04:59Z", false),
            (Frequency::Daily, "2025-01-15T12:00:00Z", "2025-01-15T23:05:00Z", true),
            (Frequency::Daily, "2025-01-15T23:05:01Z", "2025-01-16T22:59:00Z", false),
            (Frequency::Daily, "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", true),
            // 2025-01-15 is a Wednesday.
            (Frequency::Weekly, "2025-01-15T12:00:00Z", "2025-01-19T22:00:00Z", false),
            (Frequency::Weekly, "2025-01-15T12:00:00Z", "2025-01-19T23:05:00Z", true),
            (Frequency::Weekly, "2025-01-19T23:05:00Z", "2025-01-20T23:05:00Z", false),
            (Frequency::Monthly, "2025-01-15T12:00:00Z", "2025-01-31T22:59:00Z", false),
            (Frequency::Monthly, "2025-01-15T12:00:00Z", "2025-01-31T23:05:00Z", true),
            (Frequency::Monthly, "2025-01-31T23:05:00Z", "2025-02-27T23:05:00Z", false),
        ] {
            assert_eq!(is_due(frequency, at(since), at(now), &berlin), due, "{frequency:?} {since} {now}");
        }
    }

    #[test]
    fn ranges_are_whole_days_and_weeks_begin_on_monday() {
        let wednesday = date(2025, 1, 15);
        for (range, first, last) in [
            (ReportRange::Today, date(2025, 1, 15), date(2025, 1, 15)),
            (ReportRange::Yesterday, date(2025, 1, 14), date(2025, 1, 14)),
            (ReportRange::Last7Days, date(2025, 1, 8), date(2025, 1, 14)),
            (ReportRange::Last14Days, date(2025, 1, 1), date(2025, 1, 14)),
            (ReportRange::Last30Days, date(2024, 12, 16), date(2025, 1, 14)),
            (ReportRange::ThisWeek, date(2025, 1, 13), date(2025, 1, 15)),
            (ReportRange::LastWeek, date(2025, 1, 6), date(2025, 1, 12)),
            (ReportRange::ThisMonth, date(2025, 1, 1), date(2025, 1, 15)),
            (ReportRange::LastMonth, date(2024, 12, 1), date(2024, 12, 31)),
        ] {
            assert_eq!(covered(range, wednesday), (first, last), "{range:?}");
        }
    }
}
