//! Clients that ask for very many different names below one registrable domain: data carried in names.
//!
//! A pair of client and domain has one cache line: the pair's hash, the window of time, the octets asked for, and a
//! bitmap in which each different name sets one bit, from which their number follows (linear counting). Only names with
//! much below the domain count; where people browse, nothing is touched.

use crate::model::Timestamp;
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Pairs watched at a time: 1 MiB.
const SLOTS: usize = 1 << 14;
const WAYS: usize = 4;
/// Length of a window, seconds.
const WINDOW_S: i64 = 600;
const WORDS: usize = 6;

/// Octets below the registrable domain, lengths included, from which a name counts. Host names of people and of content
/// networks are mostly shorter; a tunnel that sends less with a name needs so many more of them that it is slower than a
/// modem.
const BELOW_OCTETS_MIN: usize = 24;
/// Bits of 384 that are set when 100 different names were asked for: 384·(1 − e^(−100/384)). An idle tunnel asks once in
/// one to four seconds, so it is told within the first window; a page of many hosts has a few dozen of them.
const BITS_MIN: u32 = 88;
/// Octets in names per window: 100 names of the shortest that count. Sets apart many names from much data.
const OCTETS_MIN: u64 = 3_000;

/// The pairs. They take memory from the first long name on.
#[derive(Default)]
pub struct Tunnels {
    slots: OnceLock<Box<[Slot]>>,
}

#[derive(Default)]
#[repr(align(64))]
struct Slot {
    pair: AtomicU64,
    /// Window in the upper half, octets in the lower.
    used: AtomicU64,
    bits: [AtomicU64; WORDS],
}

impl Slot {
    fn window(&self) -> u32 {
        (self.used.load(Relaxed) >> 32) as u32
    }

    fn is_over(&self) -> bool {
        let bits: u32 = self.bits.iter().map(|word| word.load(Relaxed).count_ones()).sum();
        bits >= BITS_MIN && self.used.load(Relaxed) & 0xffff_ffff >= OCTETS_MIN
    }

    fn clear(&self, window: u32) {
        self.bits.iter().for_each(|word| word.store(0, Relaxed));
        self.used.store(u64::from(window) << 32, Relaxed);
    }
}

fn window_of(at: Timestamp) -> u32 {
    u32::try_from(at.0.max(0) / WINDOW_S).unwrap_or(u32::MAX)
}

impl Tunnels {
    fn ways(&self, pair: u64) -> &[Slot] {
        let slots = self.slots.get_or_init(|| std::iter::repeat_with(Slot::default).take(SLOTS).collect());
        let first = (pair as usize % (SLOTS / WAYS)) * WAYS;
        &slots[first..first + WAYS]
    }

    /// Counts a name by its hash and the octets it has below the domain; tells whether the pair is over the limits.
    /// Whoever was over them stays so until a window passes without such names. Two queries that begin a pair at the
    /// same moment may lose a name of it, which does no harm.
    pub(super) fn count(&self, pair: u64, name: u64, octets: usize, at: Timestamp) -> bool {
        if octets < BELOW_OCTETS_MIN {
            return octets > 0 && self.slots.get().is_some() && self.is_over(pair, at);
        }
        let pair = pair.max(1);
        let window = window_of(at);
        let ways = self.ways(pair);
        let slot = match ways.iter().find(|slot| slot.pair.load(Relaxed) == pair) {
            Some(slot) => {
                let last = slot.window();
                let stays = last.checked_add(1) == Some(window) && slot.is_over();
                if last != window && stays {
                    slot.used.store(u64::from(window) << 32 | OCTETS_MIN, Relaxed);
                } else if last != window {
                    slot.clear(window);
                }
                slot
            }
            None => {
                // The pair that was not heard of for the longest makes room, of these the one with the least.
                let Some(slot) = ways.iter().min_by_key(|slot| slot.used.load(Relaxed)) else { return false };
                slot.pair.store(pair, Relaxed);
                slot.clear(window);
                slot
            }
        };
        let bit = name as usize % (WORDS * 64);
        slot.bits[bit / 64].fetch_or(1 << (bit % 64), Relaxed);
        // A window's octets stay far below 32 bits: at 255 a name, 16 million names.
        slot.used.fetch_add(octets as u64, Relaxed);
        slot.is_over()
    }

    /// Whether the pair is over the limits.
    pub(super) fn is_over(&self, pair: u64, at: Timestamp) -> bool {
        if self.slots.get().is_none() {
            return false;
        }
        let (pair, window) = (pair.max(1), window_of(at));
        let slot = self.ways(pair).iter().find(|slot| slot.pair.load(Relaxed) == pair);
        slot.is_some_and(|slot| window.saturating_sub(slot.window()) <= 1 && slot.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_768_348_800);

    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn many_different_long_names_are_told_and_the_same_few_are_not() {
        let tunnels = Tunnels::default();
        for number in 0..1_000 {
            assert!(!tunnels.count(1, hash(number % 40), 60, START), "forty names, again and again");
            assert!(!tunnels.count(2, hash(number), 12, START), "short names");
        }
        let told = (0..1_000).find(|number| tunnels.count(3, hash(*number), 60, START)).expect("a tunnel is told");
        assert!((70..=130).contains(&told), "after {told} names");
        assert!(tunnels.is_over(3, START) && !tunnels.is_over(1, START) && !tunnels.is_over(4, START));
        assert!(tunnels.count(3, hash(1), 5, START), "short names of a tunnel are of it as well");
    }

    #[test]
    fn a_tunnel_is_over_when_a_window_passes_without_it() {
        let tunnels = Tunnels::default();
        let told = (0..1_000).filter(|number| tunnels.count(3, hash(*number), 60, START)).count();
        assert!(told > 800, "{told}");
        let next = Timestamp(START.0 + WINDOW_S);
        assert!(tunnels.count(3, hash(1), 60, next));
        let later = Timestamp(next.0 + 2 * WINDOW_S);
        assert!(!tunnels.is_over(3, later));
        assert!(!tunnels.count(3, hash(1), 60, later));
    }
}
