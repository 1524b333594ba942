//! Registrable domains with the hour they were first asked for.
//!
//! A domain is 8 octets in a bucket of eight: 32 bits of its keyed hash, the hour it was first seen, and the week it was
//! last seen. In a full bucket the one that was not asked for for the longest goes, of these the one that came last: a
//! flood of made-up names pushes itself out, not what people use.

use crate::model::Timestamp;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// Domains remembered at most: 8 MiB. Networks of some ten thousand people ask for a few hundred thousand.
pub(super) const SLOTS: usize = 1 << 20;
const BUCKET: usize = 8;
/// For so many hours everything is learned and nothing is new: people come back to what they use within a week. Learning
/// begins when the first question is seen, and anew when none was for as long.
pub(super) const LEARNING_HOURS: u32 = 7 * 24;
/// How often another query may be faster at a slot before the domain is left out this time.
const ATTEMPTS_MAX: usize = 4;

const HOUR_BITS: u32 = 20;
const WEEK_BITS: u32 = 12;

/// How full the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenFigures {
    /// Domains in it.
    pub domains: u64,
    /// Domains that others took the place of since the start.
    pub evicted: u64,
}

/// The table. It takes memory from the first domain on.
#[derive(Default)]
pub struct Seen {
    slots: OnceLock<Box<[AtomicU64]>>,
    /// The first hour in which something can be new.
    learned_at: AtomicU32,
    /// The hour of the last question.
    last_hour: AtomicU32,
    domains: AtomicU64,
    evicted: AtomicU64,
    changed: AtomicBool,
}

/// A slot taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    fingerprint: u32,
    /// Hours since 1970; 0: known from the time of learning.
    first_hour: u32,
    /// Weeks since 1970, of which 12 bits are kept.
    last_week: u32,
}

impl Slot {
    fn of(bits: u64) -> Option<Slot> {
        (bits != 0).then_some(Slot {
            fingerprint: (bits >> 32) as u32,
            first_hour: (bits >> WEEK_BITS) as u32 & ((1 << HOUR_BITS) - 1),
            last_week: bits as u32 & ((1 << WEEK_BITS) - 1),
        })
    }

    fn bits(self) -> u64 {
        u64::from(self.fingerprint) << 32
            | u64::from(self.first_hour & ((1 << HOUR_BITS) - 1)) << WEEK_BITS
            | u64::from(self.last_week & ((1 << WEEK_BITS) - 1))
    }
}

fn hour_of(at: Timestamp) -> u32 {
    u32::try_from(at.0.max(0) / 3600).unwrap_or(u32::MAX)
}

impl Seen {
    /// A table of these slots, as a file kept them.
    pub(super) fn restore(entries: impl Iterator<Item = (u32, u64)>, learned_at: u32, last_hour: u32) -> Self {
        let seen = Seen { learned_at: learned_at.into(), last_hour: last_hour.into(), ..Seen::default() };
        let slots = seen.slots();
        for (index, bits) in entries {
            if let Some(slot) = slots.get(index as usize)
                && bits != 0
            {
                slot.store(bits, Relaxed);
                seen.domains.fetch_add(1, Relaxed);
            }
        }
        seen
    }

    /// Every slot in use with its place, and the two hours.
    pub(super) fn entries(&self) -> (Vec<(u32, u64)>, u32, u32) {
        let slots = self.slots.get().map_or(&[][..], |slots| slots);
        let entries = slots.iter().enumerate().map(|(index, slot)| (index as u32, slot.load(Relaxed)));
        (entries.filter(|(_, bits)| *bits != 0).collect(), self.learned_at.load(Relaxed), self.last_hour.load(Relaxed))
    }

    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Relaxed)
    }

    pub(super) fn set_changed(&self) {
        self.changed.store(true, Relaxed);
    }

    pub(super) fn figures(&self) -> SeenFigures {
        SeenFigures { domains: self.domains.load(Relaxed), evicted: self.evicted.load(Relaxed) }
    }

    fn slots(&self) -> &[AtomicU64] {
        self.slots.get_or_init(|| std::iter::repeat_with(|| AtomicU64::new(0)).take(SLOTS).collect())
    }

    fn bucket(&self, hash: u64) -> (&[AtomicU64], u32) {
        let first = (hash as usize % (SLOTS / BUCKET)) * BUCKET;
        // No fingerprint is 0, so that no slot in use is.
        (&self.slots()[first..first + BUCKET], ((hash >> 32) as u32).max(1))
    }

    /// Notes the hour, and tells whether everything is still learned.
    fn is_learning(&self, hour: u32) -> bool {
        let last = self.last_hour.load(Relaxed);
        if last < hour {
            self.last_hour.store(hour, Relaxed);
            if hour - last > LEARNING_HOURS {
                self.learned_at.store(hour.saturating_add(LEARNING_HOURS), Relaxed);
            }
        }
        hour < self.learned_at.load(Relaxed)
    }

    /// Remembers a domain by its hash, and tells since how many hours it is known.
    pub(super) fn see(&self, hash: u64, at: Timestamp) -> Option<u32> {
        let hour = hour_of(at);
        let week = (hour / LEARNING_HOURS) & ((1 << WEEK_BITS) - 1);
        let learning = self.is_learning(hour);
        let (bucket, fingerprint) = self.bucket(hash);
        for _ in 0..ATTEMPTS_MAX {
            let mut place: Option<(usize, u64, (u32, u32))> = None;
            for (index, slot) in bucket.iter().enumerate() {
                let bits = slot.load(Relaxed);
                // Ages are told around the end of the counter of weeks.
                let rank = Slot::of(bits).map_or((u32::MAX, 0), |slot| {
                    (week.wrapping_sub(slot.last_week) & ((1 << WEEK_BITS) - 1), slot.first_hour)
                });
                match Slot::of(bits) {
                    Some(known) if known.fingerprint == fingerprint => {
                        if known.last_week != week {
                            let newer = Slot { last_week: week, ..known }.bits();
                            let _ = slot.compare_exchange(bits, newer, Relaxed, Relaxed);
                            self.changed.store(true, Relaxed);
                        }
                        return age(known, hour, learning);
                    }
                    _ if place.is_none_or(|(_, _, best)| rank > best) => place = Some((index, bits, rank)),
                    _ => {}
                }
            }
            let (index, old, _) = place?;
            let new = Slot { fingerprint, first_hour: if learning { 0 } else { hour }, last_week: week };
            if bucket[index].compare_exchange(old, new.bits(), Relaxed, Relaxed).is_ok() {
                let counter = if old == 0 { &self.domains } else { &self.evicted };
                counter.fetch_add(1, Relaxed);
                self.changed.store(true, Relaxed);
                return age(new, hour, learning);
            }
        }
        None
    }

    /// Since how many hours a domain is known; one that was never seen would be new.
    pub(super) fn look(&self, hash: u64, at: Timestamp) -> Option<u32> {
        let hour = hour_of(at);
        let last = self.last_hour.load(Relaxed);
        let learning = hour < self.learned_at.load(Relaxed) || hour.saturating_sub(last) > LEARNING_HOURS;
        if learning || self.slots.get().is_none() {
            return None;
        }
        let (bucket, fingerprint) = self.bucket(hash);
        let known = bucket.iter().filter_map(|slot| Slot::of(slot.load(Relaxed)));
        match known.into_iter().find(|slot| slot.fingerprint == fingerprint) {
            Some(slot) => age(slot, hour, false),
            None => Some(0),
        }
    }
}

fn age(slot: Slot, hour: u32, learning: bool) -> Option<u32> {
    (slot.first_hour != 0 && !learning).then(|| hour.saturating_sub(slot.first_hour))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_768_348_800;

    fn hours(hours: u32) -> Timestamp {
        Timestamp(START + i64::from(hours) * 3600)
    }

    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn nothing_is_new_while_learning_and_afterwards_what_was_not_seen_is() {
        let seen = Seen::default();
        assert_eq!(seen.see(hash(1), hours(0)), None);
        assert_eq!(seen.look(hash(2), hours(1)), None);
        assert_eq!(seen.see(hash(3), hours(LEARNING_HOURS - 1)), None);
        assert_eq!(seen.see(hash(1), hours(LEARNING_HOURS)), None, "known from the time of learning");
        assert_eq!(seen.look(hash(2), hours(LEARNING_HOURS)), Some(0));
        assert_eq!(seen.look(hash(2), hours(LEARNING_HOURS)), Some(0), "looking remembers nothing");
        assert_eq!(seen.see(hash(2), hours(LEARNING_HOURS)), Some(0));
        assert_eq!(seen.see(hash(2), hours(LEARNING_HOURS + 30)), Some(30));
        assert_eq!(seen.figures(), SeenFigures { domains: 3, evicted: 0 });
    }

    #[test]
    fn learning_begins_anew_where_nothing_was_asked_for_long() {
        let seen = Seen::default();
        seen.see(hash(1), hours(0));
        seen.see(hash(1), hours(LEARNING_HOURS));
        let later = 3 * LEARNING_HOURS;
        assert_eq!(seen.look(hash(2), hours(later)), None);
        assert_eq!(seen.see(hash(2), hours(later)), None);
        assert_eq!(seen.see(hash(3), hours(later + LEARNING_HOURS)), Some(0));
    }

    #[test]
    fn a_flood_of_made_up_names_pushes_itself_out_and_not_what_people_use() {
        let seen = Seen::default();
        let week = LEARNING_HOURS;
        // All of one bucket: equal low bits.
        let of_bucket = |number: u64| number << 32 | 5;
        (1..=6).for_each(|number| assert_eq!(seen.see(of_bucket(number), hours(0)), None));
        for number in 100..200 {
            (1..=6).for_each(|used| assert_eq!(seen.see(of_bucket(used), hours(week)), None));
            seen.see(of_bucket(number), hours(week + 1));
        }
        (1..=6).for_each(|used| assert_eq!(seen.look(of_bucket(used), hours(week + 2)), None, "{used} is still known"));
        assert_eq!(seen.figures().domains, 8);
    }

    #[test]
    fn a_slot_keeps_what_it_is_given() {
        let slot = Slot { fingerprint: u32::MAX, first_hour: 498_000, last_week: 2_964 };
        assert_eq!(Slot::of(slot.bits()), Some(slot));
    }
}
