//! When something ends.

use super::raw::{Raw, field_type};
use crate::model::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// The longest time something may be made for: ten years, seconds.
const SECONDS_MAX: i64 = 315_360_000;

/// When something ends: a number of seconds from now, at most ten years, or a moment as `2026-01-31T09:00:00Z` or,
/// in UTC, `2026-01-31 09:00:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds from the call.
    After(i64),
    /// At this moment.
    At(Timestamp),
}

impl Expiry {
    /// The moment, for a call made at `now`; it must be ahead, and at most ten years.
    pub fn at(self, now: Timestamp) -> Result<Timestamp, String> {
        let at = match self {
            Expiry::After(seconds) => Timestamp(now.0.saturating_add(seconds)),
            Expiry::At(at) => at,
        };
        match at.0.saturating_sub(now.0) {
            ..=0 => Err("must be ahead".to_owned()),
            1..=SECONDS_MAX => Ok(at),
            _ => Err("must be at most ten years ahead".to_owned()),
        }
    }
}

field_type!([] Expiry, "Expiry", {
    "type": ["integer", "string"], "minimum": 1, "maximum": SECONDS_MAX, "examples": ["2026-01-31T09:00:00Z", 3600]
}, |raw| {
    if let Some(seconds) = raw.integer() {
        if (1..=SECONDS_MAX).contains(&seconds) {
            return Ok(Expiry::After(seconds));
        }
        return Err(de::Error::custom(format!("must be 1 to {SECONDS_MAX} seconds")));
    }
    let text = match raw {
        Raw::Text(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &text).ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    let moment = moment.map(|moment| Expiry::At(Timestamp(moment.as_second())));
    moment.ok_or_else(|| "must be a number of seconds or a moment as 2026-01-31T09:00:00Z".into())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_seconds_or_as_a_moment_and_must_be_ahead() {
        let now = Timestamp(1_769_850_000);
        for (value, expected) in [
            (serde_json::json!(3600), Ok(1_769_853_600)),
            (serde_json::json!("60"), Ok(1_769_850_060)),
            (serde_json::json!("2026-01-31T09:00:01Z"), Ok(1_769_850_001)),
            (serde_json::json!("2026-01-31T10:30:00+01:00"), Ok(1_769_851_800)),
            (serde_json::json!("2026-01-31 09:00:02"), Ok(1_769_850_002)),
            (serde_json::json!("2026-01-31T09:00:00Z"), Err("must be ahead")),
            (serde_json::json!("2126-01-31T09:00:00Z"), Err("must be at most ten years ahead")),
            (serde_json::json!(0), Err("must be 1 to 315360000 seconds")),
            (serde_json::json!("soon"), Err("must be a number of seconds or a moment as 2026-01-31T09:00:00Z")),
            (serde_json::json!(true), Err("must be a number of seconds or a moment as 2026-01-31T09:00:00Z")),
        ] {
            let read = serde_json::from_value::<Expiry>(value.clone()).map_err(|error| error.to_string());
            let at = read.and_then(|expiry| expiry.at(now)).map(|at| at.0);
            assert_eq!(at, expected.map_err(str::to_owned), "{value}");
        }
    }
}
