//! What applies at some hours only: schedules compiled to minutes of the week.
//!
//! A schedule holds by the clock on the wall: at a moment it is in force when the local day and minute of that moment
//! are within one of its spans. Where clocks go forward, the minutes they jump over do not occur, and a span within
//! them does not either. Where clocks go back, some minutes occur twice, and a span that has them holds in both
//! passes. A span that ends on the next day ends there by that day's clock, so that a night of 22:00 to 06:00 is
//! seven or nine hours long where the clocks change in it.

use super::{Active, ServiceSet, Services, apply_services};
use crate::model::{Action, CategorySet, FilterMode, ListSourceId, Schedule, ScheduleEffect, Timestamp, WeekSpan};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::{collections::HashMap, sync::Arc};

/// Schedules of a policy at most: each is one bit.
pub const SCHEDULES_MAX: usize = 64;

const DAY_MINUTES: u16 = 24 * 60;
const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;
/// 1970-01-01 was a Thursday, three days after a Monday.
const EPOCH_MINUTE: i64 = 3 * DAY_MINUTES as i64;
/// The years whose changes of the clocks are looked up in a table: 2024-01-01 to 2064-01-01 in UTC. Other moments
/// are as right, and cost some hundred nanoseconds.
const TABLE: std::ops::Range<i64> = 1_704_067_200..2_966_371_200;

/// A time zone by which minutes of the week are told without allocation.
#[derive(Clone, Debug)]
pub struct LocalTime {
    zone: TimeZone,
    /// Moments from which an offset holds (seconds since 1970, ascending, the first is the table's start), with the
    /// offset from UTC in seconds.
    offsets: Box<[(i64, i32)]>,
}

impl LocalTime {
    /// Lays out the zone's changes.
    pub fn new(zone: TimeZone) -> Self {
        let start = jiff::Timestamp::from_second(TABLE.start).expect("a moment within jiff's range");
        let changes = zone.following(start).map(|change| (change.timestamp().as_second(), change.offset().seconds()));
        let offsets = std::iter::once((TABLE.start, zone.to_offset(start).seconds()))
            .chain(changes.take_while(|(from, _)| *from < TABLE.end))
            .collect();
        LocalTime { zone, offsets }
    }

    /// The minute of the week by the clock on the wall: 0 is Monday 00:00.
    #[inline]
    pub fn minute_of_week(&self, at: Timestamp) -> u16 {
        let offset = if TABLE.contains(&at.0) {
            let next = self.offsets.partition_point(|(from, _)| *from <= at.0);
            self.offsets[next - 1].1
        } else {
            jiff::Timestamp::from_second(at.0).map_or(0, |at| self.zone.to_offset(at).seconds())
        };
        let local_minutes = at.0.saturating_add(i64::from(offset)).div_euclid(60);
        local_minutes.saturating_add(EPOCH_MINUTE).rem_euclid(i64::from(WEEK_MINUTES)) as u16
    }
}

/// The time zones that policies use, each laid out once.
pub struct Zones {
    database: TimeZoneDatabase,
    home: Arc<LocalTime>,
    used: HashMap<String, Arc<LocalTime>>,
}

impl Zones {
    /// Zones of this database; `home` is the zone of whoever has set none.
    pub fn new(database: TimeZoneDatabase, home: TimeZone) -> Self {
        Zones { database, home: Arc::new(LocalTime::new(home)), used: HashMap::new() }
    }

    /// The zone of this name; the home zone where the name is empty, `None` where the database has none of that
    /// name.
    pub fn get(&mut self, name: &str) -> Option<Arc<LocalTime>> {
        if name.is_empty() {
            return Some(self.home.clone());
        }
        if let Some(known) = self.used.get(name) {
            return Some(known.clone());
        }
        let zone = Arc::new(LocalTime::new(self.database.get(name).ok()?));
        self.used.insert(name.to_owned(), zone.clone());
        Some(zone)
    }

    /// The zone of a customer that has set this one; the home zone where there is none of that name.
    pub fn of_customer(&mut self, name: &str) -> Arc<LocalTime> {
        self.get(name).unwrap_or_else(|| self.home.clone())
    }
}

impl Default for Zones {
    /// The zones compiled in; whoever has set none lives by UTC.
    fn default() -> Self {
        Zones::new(TimeZoneDatabase::bundled(), TimeZone::UTC)
    }
}

/// The schedules that go by one zone.
#[derive(Clone, Debug)]
struct Clock {
    time: Arc<LocalTime>,
    /// Minutes of the week from which something else holds, ascending; the first is 0.
    from: Box<[u16]>,
    /// What holds from there: bit `n` for the schedule of that number.
    holds: Box<[u64]>,
}

impl Clock {
    fn new(time: Arc<LocalTime>, spans: &[(u8, WeekSpan)]) -> Self {
        let mut stretches = Vec::new();
        for (number, span) in spans {
            for day in (0..7).filter(|day| span.days >> day & 1 == 1) {
                let start = day * DAY_MINUTES + span.from.min(DAY_MINUTES - 1);
                let to = span.to.min(DAY_MINUTES);
                let end = day * DAY_MINUTES + to + if to <= span.from { DAY_MINUTES } else { 0 };
                stretches.push((*number, start, end.min(WEEK_MINUTES)));
                if end > WEEK_MINUTES {
                    stretches.push((*number, 0, end - WEEK_MINUTES));
                }
            }
        }
        let mut from: Vec<u16> = stretches.iter().flat_map(|(_, start, end)| [*start, *end % WEEK_MINUTES]).collect();
        from.push(0);
        from.sort_unstable();
        from.dedup();
        let holds = from.iter().map(|minute| {
            let holding = stretches.iter().filter(|(_, start, end)| (*start..*end).contains(minute));
            holding.fold(0, |all, (number, ..)| all | 1 << number)
        });
        Clock { time, holds: holds.collect(), from: from.into() }
    }

    #[inline]
    fn holding(&self, at: Timestamp) -> u64 {
        let minute = self.time.minute_of_week(at);
        self.holds[self.from.partition_point(|from| *from <= minute) - 1]
    }
}

/// What a schedule does, ready to be done.
#[derive(Clone, Debug)]
enum Effect {
    Mode(FilterMode),
    Categories(CategorySet, Action),
    Services(ServiceSet, Action),
    Lists(Box<[ListSourceId]>),
    /// Told by its bit alone, or nothing at all.
    None,
}

/// The schedules of a policy. A schedule's number is its place among them.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    clocks: Box<[Clock]>,
    effects: Box<[Effect]>,
    /// Which schedules do what, a bit each.
    modes: u64,
    block_all: u64,
    pause: u64,
    categories: u64,
    services: u64,
    lists: u64,
    own_block_list: u64,
}

/// A span with the number of its schedule.
type NumberedSpan = (u8, WeekSpan);

impl Schedules {
    /// Compiles the schedules of a policy of somebody who lives in this zone: the first 64 that are enabled and have
    /// a span. One whose own zone `zones` does not know goes by the customer's.
    pub fn compile(schedules: &[Schedule], zones: &mut Zones, customer: &Arc<LocalTime>) -> Self {
        let mut compiled = Schedules::default();
        let mut by_zone: Vec<(Arc<LocalTime>, Vec<NumberedSpan>)> = Vec::new();
        let mut effects = Vec::new();
        for (number, schedule) in schedules.iter().take(SCHEDULES_MAX).enumerate() {
            let bit = if schedule.enabled && !schedule.spans.is_empty() { 1 << number } else { 0 };
            let (bits, effect) = match &schedule.effect {
                ScheduleEffect::Mode(mode) => (&mut compiled.modes, Effect::Mode(*mode)),
                ScheduleEffect::BlockAll => (&mut compiled.block_all, Effect::None),
                ScheduleEffect::Pause => (&mut compiled.pause, Effect::None),
                ScheduleEffect::Categories(categories, action) => {
                    (&mut compiled.categories, Effect::Categories(categories.iter().copied().collect(), *action))
                }
                ScheduleEffect::Services(services, action) => {
                    let set = Services::get().set(services.iter().map(String::as_str));
                    (&mut compiled.services, Effect::Services(set, *action))
                }
                ScheduleEffect::Lists(lists) => (&mut compiled.lists, Effect::Lists(lists.clone().into())),
                ScheduleEffect::OwnBlockList => (&mut compiled.own_block_list, Effect::None),
            };
            *bits |= bit;
            effects.push(effect);
            if bit == 0 {
                continue;
            }
            let own = schedule.zone.as_deref().filter(|name| !name.is_empty()).and_then(|name| zones.get(name));
            let zone = own.unwrap_or_else(|| customer.clone());
            let place = by_zone.iter().position(|(known, _)| Arc::ptr_eq(known, &zone)).unwrap_or_else(|| {
                by_zone.push((zone, Vec::new()));
                by_zone.len() - 1
            });
            by_zone[place].1.extend(schedule.spans.iter().map(|span| (number as u8, *span)));
        }
        compiled.clocks = by_zone.into_iter().map(|(zone, spans)| Clock::new(zone, &spans)).collect();
        compiled.effects = effects.into();
        compiled
    }

    /// Whether there is none that could ever hold.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// The schedules in force at a moment: bit `n` for the schedule of that number. Allocates nothing.
    #[inline]
    pub fn holding(&self, at: Timestamp) -> u64 {
        self.clocks.iter().fold(0, |all, clock| all | clock.holding(at))
    }

    /// Numbers of schedules with the subscribed lists that apply in their hours.
    pub fn lists(&self) -> impl Iterator<Item = (u8, &[ListSourceId])> {
        self.effects.iter().enumerate().filter_map(|(number, effect)| match effect {
            Effect::Lists(lists) if self.lists >> number & 1 == 1 => Some((number as u8, &lists[..])),
            _ => None,
        })
    }

    /// What holds at a moment, given what holds else. Of schedules that disagree, on the mode, a category or a
    /// service, the one further up in the policy counts.
    #[inline]
    pub(super) fn apply(&self, at: Timestamp, base: Active) -> Active {
        let holding = self.holding(at);
        let mut active = Active {
            paused: base.paused || holding & self.pause != 0,
            block_all: holding & self.block_all != 0,
            own_block_list: self.own_block_list == 0 || holding & self.own_block_list != 0,
            lists: holding & self.lists,
            ..base
        };
        if let Some(Effect::Mode(mode)) = self.effects.get((holding & self.modes).trailing_zeros() as usize) {
            active.mode = *mode;
        }
        let mut changing = holding & (self.categories | self.services);
        while changing != 0 {
            let last = u64::BITS - 1 - changing.leading_zeros();
            changing &= !(1 << last);
            match self.effects[last as usize] {
                Effect::Categories(set, Action::Block) => active.blocked = active.blocked.union(set),
                Effect::Categories(set, Action::Allow) => active.blocked = CategorySet(active.blocked.0 & !set.0),
                Effect::Services(set, action) => {
                    apply_services(&mut active.services_blocked, &mut active.services_allowed, set, action);
                }
                _ => {}
            }
        }
        active
    }
}

#[cfg(test)]
mod tests {
    use super::super::ServiceSet;
    use super::*;
    use crate::model::CategoryId;
    use jiff::civil::Weekday;
    use proptest::prelude::*;

    const MONDAY: u8 = 1;
    const FRIDAY: u8 = 1 << 4;
    const SUNDAY: u8 = 1 << 6;
    const EVERY_DAY: u8 = 0x7f;

    const BASE: Active = Active {
        mode: FilterMode::Normal,
        paused: false,
        block_all: false,
        blocked: CategorySet(0b11),
        own_block_list: true,
        lists: 0,
        services_blocked: ServiceSet::EMPTY,
        services_allowed: ServiceSet::EMPTY,
    };

    fn span(days: u8, from: (u16, u16), to: (u16, u16)) -> WeekSpan {
        WeekSpan { days, from: from.0 * 60 + from.1, to: to.0 * 60 + to.1 }
    }

    fn schedule(spans: &[WeekSpan], effect: ScheduleEffect) -> Schedule {
        Schedule { name: String::new(), spans: spans.to_vec(), zone: None, effect, enabled: true }
    }

    fn compile(schedules: &[Schedule], zone: &str) -> Schedules {
        let mut zones = Zones::default();
        let customer = zones.get(zone).expect("a known zone");
        Schedules::compile(schedules, &mut zones, &customer)
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Zoned>().expect("a moment with its zone").timestamp().as_second())
    }

    #[test]
    fn a_span_over_midnight_ends_on_the_next_day_and_over_sunday_on_monday() {
        let nights = [span(FRIDAY | SUNDAY, (22, 0), (6, 0))];
        let schedules = compile(&[schedule(&nights, ScheduleEffect::BlockAll)], "Europe/Dublin");
        for (moment, holds) in [
            ("2026-01-16T21:59:59[Europe/Dublin]", false),
            ("2026-01-16T22:00[Europe/Dublin]", true),
            ("2026-01-17T05:59:59[Europe/Dublin]", true),
            ("2026-01-17T06:00[Europe/Dublin]", false),
            ("2026-01-17T22:30[Europe/Dublin]", false),
            ("2026-01-18T23:00[Europe/Dublin]", true),
            ("2026-01-19T05:59[Europe/Dublin]", true),
            ("2026-01-19T06:00[Europe/Dublin]", false),
        ] {
            assert_eq!(schedules.apply(at(moment), BASE).block_all, holds, "{moment}");
        }
    }

    #[test]
    fn equal_ends_are_a_whole_day_and_the_end_of_the_day_is_minute_1440() {
        let days = [span(MONDAY, (9, 0), (9, 0)), span(FRIDAY, (0, 0), (24, 0))];
        let schedules = compile(&[schedule(&days, ScheduleEffect::Pause)], "UTC");
        for (moment, holds) in [
            ("2026-01-12T08:59[UTC]", false),
            ("2026-01-12T09:00[UTC]", true),
            ("2026-01-13T08:59[UTC]", true),
            ("2026-01-13T09:00[UTC]", false),
            ("2026-01-16T00:00[UTC]", true),
            ("2026-01-16T23:59[UTC]", true),
            ("2026-01-17T00:00[UTC]", false),
        ] {
            assert_eq!(schedules.apply(at(moment), BASE).paused, holds, "{moment}");
        }
    }

    #[test]
    fn what_the_clocks_jump_over_does_not_occur_and_what_they_repeat_holds_twice() {
        let within = [span(SUNDAY, (1, 15), (1, 45))];
        let schedules = compile(&[schedule(&within, ScheduleEffect::BlockAll)], "Europe/Dublin");
        let minutes = |from: &str, minutes: i64| {
            let from = at(from).0;
            (0..minutes).filter(|minute| schedules.holding(Timestamp(from + minute * 60)) != 0).count()
        };
        assert_eq!(minutes("2026-03-29T00:00[Europe/Dublin]", 180), 0, "01:00 becomes 02:00");
        assert_eq!(minutes("2026-10-25T00:00[Europe/Dublin]", 240), 60, "02:00 becomes 01:00");
        assert_eq!(minutes("2026-11-01T00:00[Europe/Dublin]", 180), 30);
    }

    #[test]
    fn a_schedule_may_go_by_a_zone_of_its_own() {
        let morning = [span(EVERY_DAY, (8, 0), (9, 0))];
        let mut far = schedule(&morning, ScheduleEffect::BlockAll);
        far.zone = Some("Australia/Lord_Howe".into());
        let mut nowhere = schedule(&morning, ScheduleEffect::Pause);
        nowhere.zone = Some("Nowhere/Land".into());
        let schedules = compile(&[far, nowhere], "America/New_York");
        assert_eq!(schedules.holding(at("2026-01-12T08:30[Australia/Lord_Howe]")), 0b01);
        assert_eq!(
            schedules.holding(at("2026-01-12T08:30[America/New_York]")),
            0b10,
            "an unknown zone: the customer's"
        );
    }

    #[test]
    fn of_schedules_that_disagree_the_one_further_up_counts() {
        let always = [span(EVERY_DAY, (0, 0), (24, 0))];
        let category = |number| CategoryId::new(number).expect("below 64");
        let schedules = compile(
            &[
                schedule(&always, ScheduleEffect::Categories(vec![category(0), category(5)], Action::Allow)),
                schedule(&always, ScheduleEffect::Categories(vec![category(5), category(6)], Action::Block)),
                schedule(&always, ScheduleEffect::Mode(FilterMode::Permissive)),
                schedule(&always, ScheduleEffect::Mode(FilterMode::AllowOnly)),
            ],
            "UTC",
        );
        let active = schedules.apply(Timestamp(1_800_000_000), BASE);
        assert_eq!((active.blocked, active.mode), (CategorySet(0b100_0010), FilterMode::Permissive));
    }

    #[test]
    fn lists_apply_in_their_hours_and_the_own_block_list_in_its_hours_only() {
        let hours = [span(MONDAY, (8, 0), (16, 0))];
        let mut disabled = schedule(&hours, ScheduleEffect::OwnBlockList);
        disabled.enabled = false;
        let lists = ScheduleEffect::Lists(vec![ListSourceId(7)]);
        let schedules = compile(&[disabled.clone(), schedule(&hours, lists)], "UTC");
        assert_eq!(schedules.lists().collect::<Vec<_>>(), [(1, &[ListSourceId(7)][..])]);
        let (within, without) = (at("2026-01-12T10:00[UTC]"), at("2026-01-12T17:00[UTC]"));
        assert_eq!((schedules.apply(within, BASE).lists, schedules.apply(without, BASE).lists), (0b10, 0));
        assert!(schedules.apply(without, BASE).own_block_list, "a disabled schedule does nothing");
        disabled.enabled = true;
        let schedules = compile(&[disabled], "UTC");
        assert!(schedules.apply(within, BASE).own_block_list);
        assert!(!schedules.apply(without, BASE).own_block_list);
    }

    #[test]
    fn services_are_blocked_and_allowed_in_their_hours() {
        let service = &Services::get().all()[0].id;
        let hours = [span(MONDAY, (8, 0), (16, 0))];
        let effect = |action| ScheduleEffect::Services(vec![service.clone()], action);
        let schedules =
            compile(&[schedule(&hours, effect(Action::Allow)), schedule(&hours[..], effect(Action::Block))], "UTC");
        let within = schedules.apply(at("2026-01-12T10:00[UTC]"), BASE);
        assert!(within.services_allowed.contains(0) && within.services_blocked.is_empty(), "the one further up counts");
        let without = schedules.apply(at("2026-01-12T17:00[UTC]"), BASE);
        assert!(without.services_allowed.is_empty() && without.services_blocked.is_empty());
    }

    /// Whether a span has this day (0 is Monday) and minute, told without a table.
    fn has(span: &WeekSpan, day: u8, minute: u16) -> bool {
        let on = |day: u8| span.days >> (day % 7) & 1 == 1;
        if span.to > span.from {
            on(day) && (span.from..span.to).contains(&minute)
        } else {
            on(day) && minute >= span.from || on(day + 6) && minute < span.to
        }
    }

    fn civil(at: i64, zone: &TimeZone) -> (u8, u16) {
        let local = jiff::Timestamp::from_second(at).expect("in range").to_zoned(zone.clone());
        let day = local.weekday().since(Weekday::Monday) as u8;
        (day, local.hour() as u16 * 60 + local.minute() as u16)
    }

    /// A moment of each change of the clocks, two a zone.
    const CHANGES: [(&str, [&str; 2]); 3] = [
        ("Europe/Dublin", ["2026-03-29T01:00Z", "2026-10-25T01:00Z"]),
        ("America/New_York", ["2027-03-14T07:00Z", "2027-11-07T06:00Z"]),
        ("Australia/Lord_Howe", ["2026-04-04T15:00Z", "2026-10-03T15:30Z"]),
    ];

    fn spans() -> impl Strategy<Value = Vec<WeekSpan>> {
        let one = (0u8..=EVERY_DAY, 0u16..1440, 0u16..=1440).prop_map(|(days, from, to)| WeekSpan { days, from, to });
        prop::collection::vec(one, 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn schedules_agree_with_the_calendar_in_every_minute_around_the_changes_of_the_clocks(spans in spans()) {
            for (name, changes) in CHANGES {
                let zone = TimeZoneDatabase::bundled().get(name).expect("a known zone");
                let schedules = compile(&[schedule(&spans, ScheduleEffect::BlockAll)], name);
                for change in changes {
                    let change = change.parse::<jiff::Timestamp>().expect("a moment").as_second();
                    let before = zone.to_offset(jiff::Timestamp::from_second(change - 1).expect("in range"));
                    let after = zone.to_offset(jiff::Timestamp::from_second(change).expect("in range"));
                    prop_assert_ne!(before, after, "the clocks of {} change", name);
                    for minute in -1500..1500 {
                        let at = change + minute * 60;
                        let (day, of_day) = civil(at, &zone);
                        let expected = spans.iter().any(|span| has(span, day, of_day));
                        prop_assert_eq!(schedules.holding(Timestamp(at)) != 0, expected, "{} {} {}", name, day, of_day);
                    }
                }
            }
        }

        #[test]
        fn schedules_agree_with_the_calendar_at_any_moment_within_the_table_and_beyond(
            spans in spans(),
            moments in prop::collection::vec(0i64..7_000_000_000, 200),
        ) {
            for (name, _) in CHANGES {
                let zone = TimeZoneDatabase::bundled().get(name).expect("a known zone");
                let schedules = compile(&[schedule(&spans, ScheduleEffect::BlockAll)], name);
                for at in moments.iter().copied().chain([TABLE.start - 1, TABLE.start, TABLE.end - 1, TABLE.end]) {
                    let (day, minute) = civil(at, &zone);
                    let expected = spans.iter().any(|span| has(span, day, minute));
                    prop_assert_eq!(schedules.holding(Timestamp(at)) != 0, expected, "{} at {}", name, at);
                }
            }
        }
    }
}
