//! The days a statistic is about.

use super::Date;
use crate::api::error::ApiError;
use crate::stats::Days;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;

/// Days of one statistic.
const DAYS_MAX: i64 = 366;

/// One day, or several in a row; today where nothing is given.
#[derive(Deserialize, JsonSchema)]
pub struct Period {
    /// A single day, by the account's clock.
    #[serde(default)]
    date: Option<Date>,
    /// The first of several days.
    #[serde(default)]
    start: Option<Date>,
    /// The last of several days, before today.
    #[serde(default)]
    end: Option<Date>,
}

impl Period {
    /// The days by this clock.
    pub fn days(&self, zone: TimeZone, now: Timestamp) -> Result<Days, ApiError> {
        let today = Days::today(&zone, now);
        let (first, last) = match (self.date, self.start, self.end) {
            (None, None, None) => (today, today),
            (Some(Date(date)), None, None) if date > today => {
                return Err(ApiError::field("date", "must not lie after today"));
            }
            (Some(Date(date)), None, None) => (date, date),
            (Some(_), _, _) => return Err(ApiError::field("date", "cannot stand beside start and end")),
            (None, None, Some(_)) => return Err(ApiError::field("start", "is required with end")),
            (None, Some(_), None) => return Err(ApiError::field("end", "is required with start")),
            (None, Some(Date(start)), Some(Date(end))) => {
                if end >= today {
                    return Err(ApiError::field("end", "must lie before today"));
                }
                if start > end {
                    return Err(ApiError::field("start", "must not lie after end"));
                }
                if start < end.saturating_sub((DAYS_MAX - 1).days()) {
                    return Err(ApiError::field("start", format!("must not lie {DAYS_MAX} days or more before end")));
                }
                (start, end)
            }
        };
        Ok(Days { zone, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn days(fields: Value) -> Result<(String, String), String> {
        let period: Period = serde_json::from_value(fields).expect("reads");
        let now = "2025-01-15T23:30:00Z".parse().expect("a time");
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let days = period.days(berlin, now).map_err(|error| error.message().to_owned())?;
        Ok((days.first.to_string(), days.last.to_string()))
    }

    #[test]
    fn a_period_is_a_day_or_ends_before_today() {
        let both = |first: &str, last: &str| Ok((first.to_owned(), last.to_owned()));
        assert_eq!(days(json!({})), both("2025-01-16", "2025-01-16"), "today in Berlin");
        assert_eq!(days(json!({ "date": "2025-01-02" })), both("2025-01-02", "2025-01-02"));
        assert_eq!(days(json!({ "start": "2025-01-02", "end": "2025-01-15" })), both("2025-01-02", "2025-01-15"));
        for (fields, message) in [
            (json!({ "date": "2025-01-17" }), "date: must not lie after today"),
            (json!({ "date": "2025-01-02", "end": "2025-01-03" }), "date: cannot stand beside start and end"),
            (json!({ "end": "2025-01-03" }), "start: is required with end"),
            (json!({ "start": "2025-01-03" }), "end: is required with start"),
            (json!({ "start": "2025-01-02", "end": "2025-01-16" }), "end: must lie before today"),
            (json!({ "start": "2025-01-03", "end": "2025-01-02" }), "start: must not lie after end"),
            (json!({ "start": "2024-01-01", "end": "2025-01-02" }), "start: must not lie 366 days or more before end"),
        ] {
            assert_eq!(days(fields), Err(message.to_owned()));
        }
    }
}
