//! Which protected names are worth a look, found by hashes.
//!
//! A label that is one edit off another shares with it what is left when each loses one letter, or is that itself. So
//! labels that are compared by one edit are entered under the hash of all that is left of them without one letter, and a
//! label is looked for under all that is left of it. Of two edits in a label of ten letters or more, either its first
//! five letters or its last five have at most one: those are entered and looked for in that way, twelve hashes a label. An
//! exchange of neighbours counts as one edit, also where it is half in the first five.
//!
//! A bit for each hash tells most of them away; behind it is a sorted table.

use super::skeleton::SKELETON_MAX;

/// Letters of either end of a label that is compared by two edits.
const END: usize = 5;
/// Multiplier of the rolling hash: odd, the golden ratio of 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits of the first look for each hash entered.
const BITS_EACH: usize = 16;

/// What is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The octets of a registrable domain.
    Domain,
    /// A label.
    Label,
    /// What a label looks like.
    Skeleton,
    /// A label or what is left of it without one letter.
    Less,
    /// The same of its first letters.
    Head,
    /// The same of its last letters.
    Tail,
}

/// The index: numbers of names by hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    /// Bit `hash % bits`: the table may have the hash. A power of two of them.
    bits: Box<[u64]>,
    /// Sorted.
    table: Box<[(u32, u16)]>,
    /// Labels compared by two edits that are too short for ends, with their lengths.
    short: Box<[(u16, u16)]>,
    /// Lengths of labels compared by one edit, and by two: least and most.
    one: (usize, usize),
    two: (usize, usize),
}

/// Collects what an index is made of.
#[derive(Debug, Default)]
pub(super) struct NearBuilder {
    table: Vec<(u64, u16)>,
    short: Vec<(u16, u16)>,
    one: Option<(usize, usize)>,
    two: Option<(usize, usize)>,
}

impl NearBuilder {
    /// Enters a text as a whole.
    pub(super) fn insert(&mut self, kind: Kind, text: &[char], number: u16) {
        self.table.push((whole(kind, text.iter().map(|character| *character as u32)), number));
    }

    /// Enters a label that is compared by this many edits.
    pub(super) fn insert_near(&mut self, text: &[char], edits: usize, number: u16) {
        let wider = |known: Option<(usize, usize)>| {
            let (least, most) = known.unwrap_or((text.len(), text.len()));
            Some((least.min(text.len()), most.max(text.len())))
        };
        let table = &mut self.table;
        let mut enter = |hash| {
            table.push((hash, number));
            None::<()>
        };
        match edits {
            0 => {}
            1 => {
                self.one = wider(self.one);
                lessened(Kind::Less, text, &mut enter);
            }
            _ if text.len() < 2 * END => self.short.push((number, text.len() as u16)),
            _ => {
                self.two = wider(self.two);
                ends(text, &mut enter);
            }
        }
    }

    /// The index.
    pub(super) fn finish(mut self) -> Near {
        self.table.sort_unstable();
        self.table.dedup();
        let words = (self.table.len() * BITS_EACH).next_power_of_two().max(64) / 64;
        let mut bits = vec![0u64; words];
        for (hash, _) in &self.table {
            let (word, bit) = place(*hash, words);
            bits[word] |= bit;
        }
        let mut table: Vec<(u32, u16)> =
            self.table.iter().map(|(hash, number)| ((hash >> 32) as u32, *number)).collect();
        table.sort_unstable();
        table.dedup();
        Near {
            bits: bits.into(),
            table: table.into(),
            short: self.short.into(),
            one: self.one.unwrap_or((usize::MAX, 0)),
            two: self.two.unwrap_or((usize::MAX, 0)),
        }
    }
}

impl Near {
    /// Numbers entered under this text as a whole, and perhaps others.
    pub(super) fn get(&self, kind: Kind, text: &[char]) -> impl Iterator<Item = u16> + use<'_> {
        self.at(whole(kind, text.iter().map(|character| *character as u32)))
    }

    /// The same for octets.
    pub(super) fn get_octets(&self, kind: Kind, text: &[u8]) -> impl Iterator<Item = u16> + use<'_> {
        self.at(whole(kind, text.iter().map(|octet| u32::from(*octet))))
    }

    /// The first number that `is_like` says yes to, among those of labels that may be so few edits off `text` as
    /// they are compared by. One may be offered more than once.
    pub(super) fn near(&self, text: &[char], is_like: &mut impl FnMut(u16) -> bool) -> Option<u16> {
        let length = text.len();
        let mut look = |hash| self.at(hash).find(|number| is_like(*number));
        if length + 1 >= self.one.0
            && length <= self.one.1 + 1
            && let Some(number) = lessened(Kind::Less, text, &mut look)
        {
            return Some(number);
        }
        if length + 2 >= self.two.0
            && length <= self.two.1 + 2
            && let Some(number) = ends(text, &mut look)
        {
            return Some(number);
        }
        let short = self.short.iter().filter(|(_, own)| usize::from(*own).abs_diff(length) <= 2);
        short.map(|(number, _)| *number).find(|number| is_like(*number))
    }

    #[inline]
    fn at(&self, hash: u64) -> impl Iterator<Item = u16> + use<'_> {
        let (word, bit) = place(hash, self.bits.len());
        let there = self.bits.get(word).is_some_and(|bits| bits & bit != 0);
        let (high, table) = ((hash >> 32) as u32, if there { &*self.table } else { &[] });
        let from = table.partition_point(|(known, _)| *known < high);
        table[from..].iter().take_while(move |(known, _)| *known == high).map(|(_, number)| *number)
    }
}

/// Where the bit of a hash stands among these many words, a power of two.
#[inline]
fn place(hash: u64, words: usize) -> (usize, u64) {
    ((hash >> 6) as usize & words.wrapping_sub(1), 1 << (hash & 63))
}

/// The hash of a whole text.
#[inline]
fn whole(kind: Kind, text: impl Iterator<Item = u32>) -> u64 {
    let (hash, length) = text.fold((0, 0), |(hash, length), unit| (step(hash, unit), length + 1));
    finished(kind, hash, length)
}

#[inline]
fn step(hash: u64, unit: u32) -> u64 {
    hash.wrapping_mul(MULTIPLIER).wrapping_add(u64::from(unit) + 1)
}

/// Mixes what the rolling hash came to (the finisher of splitmix64).
#[inline]
fn finished(kind: Kind, hash: u64, length: usize) -> u64 {
    let mut mixed = hash ^ (length as u64) << 48 ^ (kind as u64) << 57;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Calls for the hash of the text and for those of what is left of it without one letter, until told to stop.
fn lessened<T>(kind: Kind, text: &[char], call: &mut impl FnMut(u64) -> Option<T>) -> Option<T> {
    let mut front = [0u64; SKELETON_MAX + 1];
    let count = text.len().min(SKELETON_MAX);
    for (at, character) in text[..count].iter().enumerate() {
        front[at + 1] = step(front[at], *character as u32);
    }
    let all = front[count];
    if let Some(found) = call(finished(kind, all, count)) {
        return Some(found);
    }
    // The tail behind the letter at `at` counts `all - front[at + 1] * power`; it moves behind `front[at]`.
    let mut power = 1u64;
    for at in (0..count).rev() {
        let less = all.wrapping_sub(front[at + 1].wrapping_sub(front[at]).wrapping_mul(power));
        if let Some(found) = call(finished(kind, less, count - 1)) {
            return Some(found);
        }
        power = power.wrapping_mul(MULTIPLIER);
    }
    None
}

/// The same for both ends of a text; nothing for one that is shorter than an end.
fn ends<T>(text: &[char], call: &mut impl FnMut(u64) -> Option<T>) -> Option<T> {
    let (head, tail) = (text.get(..END)?, text.get(text.len().checked_sub(END)?..)?);
    lessened(Kind::Head, head, call).or_else(|| lessened(Kind::Tail, tail, call))
}
