//! What applies at some hours only.

use super::{ModeWord, services, subscribed, words::ActionWord};
use crate::{
    api::{
        error::ApiError,
        input::{Id, choices, flag, whole_each},
        scope::View,
    },
    category::Catalogue,
    model::{CategoryId, FilterMode, ListSourceId, Policy, Schedule, ScheduleEffect, WeekSpan},
    policy::SCHEDULES_MAX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Spans of a schedule.
const SPANS_MAX: usize = 32;
/// Services or groups of a schedule.
const SERVICES_MAX: usize = 500;
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

choices! {
    /// What a schedule does in its hours.
    pub(super) enum EffectWord {
        /// The whole policy is in `mode`.
        Mode = "mode",
        /// Everything is blocked but what a list allows.
        BlockAll = "block_all",
        /// Nothing is blocked but by the operator's lists.
        Pause = "pause",
        /// `categories` are blocked or allowed, as `action` says.
        Categories = "categories",
        /// `services` are blocked or allowed, as `action` says.
        Services = "services",
        /// The subscribed `lists` apply, besides those of the policy.
        Lists = "lists",
        /// The policy's own block list applies in these hours only.
        OwnBlockList = "own_block_list",
    }
}

impl Serialize for EffectWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            EffectWord::Mode => "mode",
            EffectWord::BlockAll => "block_all",
            EffectWord::Pause => "pause",
            EffectWord::Categories => "categories",
            EffectWord::Services => "services",
            EffectWord::Lists => "lists",
            EffectWord::OwnBlockList => "own_block_list",
        })
    }
}

fn yes() -> bool {
    true
}

/// A stretch of local time that comes again every week.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SpanItem {
    /// Days it begins on: `monday` to `sunday`.
    #[schemars(length(min = 1, max = 7))]
    days: Vec<String>,
    /// When it begins, `HH:MM`.
    #[schemars(regex(pattern = "^[0-9]{2}:[0-9]{2}$"))]
    from: String,
    /// When it ends, `HH:MM` up to `24:00`; at or before `from`: on the next day.
    #[schemars(regex(pattern = "^[0-9]{2}:[0-9]{2}$"))]
    to: String,
}

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleItem {
    /// Unique in the policy.
    #[schemars(length(min = 1, max = 250))]
    name: String,
    /// A disabled schedule does nothing.
    #[serde(default = "yes", deserialize_with = "flag")]
    enabled: bool,
    /// The time zone (IANA); `null`: the customer's.
    #[serde(default)]
    zone: Option<String>,
    /// When. What the clocks jump over does not occur; what they repeat holds twice.
    #[schemars(length(min = 1, max = 32))]
    spans: Vec<SpanItem>,
    /// What it does then. Of schedules that disagree at an hour, the one further up counts.
    effect: EffectWord,
    /// For `mode`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<ModeWord>,
    /// For `categories`: their numbers.
    #[serde(default, deserialize_with = "whole_each", skip_serializing_if = "Vec::is_empty")]
    categories: Vec<u8>,
    /// For `services`: ids of services, or `group:` and the id of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
    /// For `lists`: ids of subscribed lists.
    #[serde(default, deserialize_with = "whole_each", skip_serializing_if = "Vec::is_empty")]
    lists: Vec<u32>,
    /// For `categories` and `services`: `block` or `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<ActionWord>,
}

impl From<&Schedule> for ScheduleItem {
    fn from(schedule: &Schedule) -> Self {
        let mut item = ScheduleItem {
            name: schedule.name.clone(),
            enabled: schedule.enabled,
            zone: schedule.zone.clone(),
            spans: schedule.spans.iter().map(SpanItem::from).collect(),
            effect: EffectWord::Pause,
            mode: None,
            categories: Vec::new(),
            services: Vec::new(),
            lists: Vec::new(),
            action: None,
        };
        item.effect = match &schedule.effect {
            ScheduleEffect::Mode(mode) => {
                item.mode = Some((*mode).into());
                EffectWord::Mode
            }
            ScheduleEffect::BlockAll => EffectWord::BlockAll,
            ScheduleEffect::Pause => EffectWord::Pause,
            ScheduleEffect::Categories(categories, action) => {
                item.categories = categories.iter().map(|id| id.number()).collect();
                item.action = Some((*action).into());
                EffectWord::Categories
            }
            ScheduleEffect::Services(services, action) => {
                item.services = services.clone();
                item.action = Some((*action).into());
                EffectWord::Services
            }
            ScheduleEffect::Lists(lists) => {
                item.lists = lists.iter().map(|id| id.0).collect();
                EffectWord::Lists
            }
            ScheduleEffect::OwnBlockList => EffectWord::OwnBlockList,
        };
        item
    }
}

impl From<&WeekSpan> for SpanItem {
    fn from(span: &WeekSpan) -> Self {
        let days = DAYS.iter().enumerate().filter(|(day, _)| span.days >> day & 1 == 1);
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        SpanItem { days: days.map(|(_, day)| day.to_string()).collect(), from: time(span.from), to: time(span.to) }
    }
}

/// Reads the section.
pub(super) fn read(items: &[ScheduleItem], policy: &Policy, view: &View) -> Result<Vec<Schedule>, ApiError> {
    if items.len() > SCHEDULES_MAX {
        return Err(ApiError::field("schedules", format!("must have at most {SCHEDULES_MAX} entries")));
    }
    let mut schedules: Vec<Schedule> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = format!("schedules[{index}]");
        let fault = |field: &str, problem: &str| Err(ApiError::field(&format!("{at}.{field}"), problem));
        let name = item.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 250 || name.chars().any(char::is_control) {
            return fault("name", "must have 1 to 250 characters");
        }
        if schedules.iter().any(|schedule| schedule.name == name) {
            return fault("name", "stands there twice");
        }
        let zone = item.zone.as_deref().map(str::trim).filter(|zone| !zone.is_empty());
        if zone.is_some_and(|zone| zone.len() > 64 || jiff::tz::TimeZone::get(zone).is_err()) {
            return fault("zone", "must be an IANA time zone such as Europe/London");
        }
        if item.spans.is_empty() || item.spans.len() > SPANS_MAX {
            return fault("spans", "must have 1 to 32 entries");
        }
        let mut spans = Vec::with_capacity(item.spans.len());
        for (number, span) in item.spans.iter().enumerate() {
            let read = week_span(span);
            spans.push(
                read.map_err(|(field, problem)| ApiError::field(&format!("{at}.spans[{number}].{field}"), problem))?,
            );
        }
        let effect = effect(item, &at, policy, view)?;
        schedules.push(Schedule { name, spans, zone: zone.map(str::to_owned), effect, enabled: item.enabled });
    }
    Ok(schedules)
}

fn week_span(item: &SpanItem) -> Result<WeekSpan, (&'static str, &'static str)> {
    let mut days = 0;
    for word in &item.days {
        let day = DAYS.iter().position(|day| day.eq_ignore_ascii_case(word.trim()));
        days |= 1 << day.ok_or(("days", "must be days from monday to sunday"))?;
    }
    if days == 0 {
        return Err(("days", "must have at least one day"));
    }
    let minute = |text: &str, last: u16| {
        let (hour, minute) = text.split_once(':')?;
        if hour.len() != 2 || minute.len() != 2 || !text.bytes().all(|octet| octet.is_ascii_digit() || octet == b':') {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60).then_some(hour * 60 + minute).filter(|minute| *minute <= last)
    };
    Ok(WeekSpan {
        days,
        from: minute(item.from.trim(), 1439).ok_or(("from", "must be a time of day as HH:MM"))?,
        to: minute(item.to.trim(), 1440).ok_or(("to", "must be a time of day as HH:MM, or 24:00"))?,
    })
}

fn effect(item: &ScheduleItem, at: &str, policy: &Policy, view: &View) -> Result<ScheduleEffect, ApiError> {
    let fault = |field: &str, problem: &str| ApiError::field(&format!("{at}.{field}"), problem);
    let action = || item.action.map(Into::into).ok_or_else(|| fault("action", "is required"));
    Ok(match item.effect {
        EffectWord::Mode => {
            ScheduleEffect::Mode(FilterMode::from(item.mode.ok_or_else(|| fault("mode", "is required"))?))
        }
        EffectWord::BlockAll => ScheduleEffect::BlockAll,
        EffectWord::Pause => ScheduleEffect::Pause,
        EffectWord::Categories => {
            let known = |number: &u8| CategoryId::new(*number).filter(|id| Catalogue::get().by_id(*id).is_some());
            if !(1..=64).contains(&item.categories.len()) {
                return Err(fault("categories", "must have 1 to 64 entries"));
            }
            let mut categories = Vec::with_capacity(item.categories.len());
            for (index, number) in item.categories.iter().enumerate() {
                let missing = || fault(&format!("categories[{index}]"), "there is no such category");
                categories.push(known(number).ok_or_else(missing)?);
            }
            ScheduleEffect::Categories(categories, action()?)
        }
        EffectWord::Services => {
            if item.services.is_empty() || item.services.len() > SERVICES_MAX {
                return Err(fault("services", "must have 1 to 500 entries"));
            }
            let ids = item.services.iter().enumerate();
            let known = ids.map(|(index, id)| services::known(id, &format!("{at}.services[{index}]")));
            ScheduleEffect::Services(known.collect::<Result<_, _>>()?, action()?)
        }
        EffectWord::Lists => {
            let ids: Vec<Id> = item.lists.iter().copied().map(Id).collect();
            if ids.is_empty() {
                return Err(fault("lists", "must have at least one entry"));
            }
            let lists: Vec<ListSourceId> = subscribed(&format!("{at}.lists"), &ids, policy, view)?;
            ScheduleEffect::Lists(lists)
        }
        EffectWord::OwnBlockList => ScheduleEffect::OwnBlockList,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_shown() {
        for (days, from, to, expected) in [
            (&["monday", "Sunday"][..], "22:00", "06:30", Ok((0b100_0001, 1320, 390))),
            (&["friday"], "00:00", "24:00", Ok((1 << 4, 0, 1440))),
            (&["friday"], "24:00", "24:00", Err("from")),
            (&["friday"], "08:00", "24:01", Err("to")),
            (&["friday"], "8:00", "09:00", Err("from")),
            (&["friday"], "08:60", "09:00", Err("from")),
            (&["friday"], "08:00", "+9:00", Err("to")),
            (&["funday"], "08:00", "09:00", Err("days")),
            (&[], "08:00", "09:00", Err("days")),
        ] {
            let days = days.iter().map(|day| day.to_string()).collect();
            let item = SpanItem { days, from: from.to_owned(), to: to.to_owned() };
            let read = week_span(&item);
            assert_eq!(
                read.map(|span| (span.days, span.from, span.to)).map_err(|(field, _)| field),
                expected,
                "{item:?}"
            );
            if let Ok(span) = read {
                let again = SpanItem::from(&span);
                assert_eq!((again.from.as_str(), again.to.as_str()), (from, to));
                assert_eq!(week_span(&again), Ok(span));
            }
        }
    }
}
