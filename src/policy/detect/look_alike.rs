//! Names that look like others.
//!
//! A policy may protect two hundred names, and nearly every name that is asked for looks like none of them. So the names
//! are not gone through: an [`index`](super::near) made when the policy is compiled says which of them are worth a look.

use super::{
    near::{Kind, Near, NearBuilder},
    skeleton::{Skeleton, letters, within_edits},
};
use crate::{
    category::registrable,
    model::{DomainName, Name},
};

/// Labels of at least this length are compared by one edit (a letter more, fewer, another, or two exchanged). Shorter
/// words have too many honest neighbours.
const ONE_EDIT_LETTERS_MIN: usize = 6;
/// And by two from this length on.
const TWO_EDITS_LETTERS_MIN: usize = 10;
/// Marks of which is remembered that they were compared; the API lets a policy protect fewer.
const SEEN_MARKS: usize = 256;
/// Protected labels of at least this length are looked for under other suffixes and within longer labels.
const WITHIN_LETTERS_MIN: usize = 5;

/// Words that those put before or behind a name who want others to take theirs for it.
const LURES: [&[u8]; 26] = [
    b"account",
    b"accounts",
    b"alert",
    b"app",
    b"auth",
    b"bank",
    b"billing",
    b"confirm",
    b"help",
    b"id",
    b"login",
    b"mail",
    b"my",
    b"online",
    b"pay",
    b"portal",
    b"secure",
    b"security",
    b"service",
    b"signin",
    b"support",
    b"unlock",
    b"update",
    b"verify",
    b"wallet",
    b"web",
];

/// Bit `n` of octet `o`: the `n`-th lure starts with `o`, or ends with it.
const LURES_BY_FIRST: [u32; 256] = lures_by(false);
const LURES_BY_LAST: [u32; 256] = lures_by(true);

const fn lures_by(last: bool) -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < LURES.len() {
        let lure = LURES[at];
        table[lure[if last { lure.len() - 1 } else { 0 }] as usize] |= 1 << at;
        at += 1;
    }
    table
}

/// How a name looks like a protected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same to the eye.
    Confusable,
    /// A letter or two off.
    Edited,
    /// The same label under another suffix.
    Suffix,
    /// The label within a longer one, at a hyphen or beside a word that lures.
    Within,
    /// The whole name, followed by another domain.
    Before,
}

/// Protected names, ready to be compared with.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    marks: Vec<Mark>,
    near: Near,
    /// Bit `n`: some protected domain has `n` labels.
    label_counts: u64,
}

#[derive(Clone, Debug)]
struct Mark {
    /// The registrable domain.
    domain: DomainName,
    /// Its first label.
    label: Box<[u8]>,
    skeleton: Box<[char]>,
    /// Bit `n` for the `n`-th kind of character in the skeleton.
    letters: u64,
}

impl Protected {
    /// Takes the names. Public suffixes protect nothing. What is built takes less than 2 KiB a name.
    pub fn new(names: &[DomainName]) -> Self {
        let mut marks: Vec<Mark> = Vec::new();
        let mut near = NearBuilder::default();
        let mut label_counts = 0;
        for name in names.iter().take(usize::from(u16::MAX)) {
            let Some(domain) = registrable(name.as_name()) else { continue };
            if marks.iter().any(|mark| mark.domain.as_name() == domain) {
                continue;
            }
            let Some(label) = domain.labels().next() else { continue };
            let (looks, plain) = (Skeleton::of(label), Skeleton::plain(label));
            let number = marks.len() as u16;
            near.insert(Kind::Domain, &octets(domain_octets(domain)), number);
            near.insert(Kind::Label, plain.as_slice(), number);
            near.insert(Kind::Skeleton, looks.as_slice(), number);
            let edits = edits_of(label);
            near.insert_near(plain.as_slice(), edits, number);
            if looks.as_slice() != plain.as_slice() {
                near.insert_near(looks.as_slice(), edits, number);
            }
            label_counts |= 1 << domain.label_count().min(63);
            let skeleton: Box<[char]> = looks.as_slice().into();
            marks.push(Mark { domain: domain.to_owned(), label: label.into(), letters: letters(&skeleton), skeleton });
        }
        Protected { marks, near: near.finish(), label_counts }
    }

    /// Whether nothing is protected.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How `name`, whose registrable domain is `domain`, looks like a protected name, and which. Allocates only for
    /// internationalised labels.
    pub fn likeness(&self, name: Name<'_>, domain: Name<'_>) -> Option<(Likeness, Name<'_>)> {
        self.search(name, domain, &mut 0)
    }

    /// How many protected names are compared letter by letter to find that out: what a name costs.
    pub fn comparisons(&self, name: Name<'_>, domain: Name<'_>) -> usize {
        let mut comparisons = 0;
        self.search(name, domain, &mut comparisons);
        comparisons
    }

    fn search<'p>(&'p self, name: Name<'_>, domain: Name<'_>, comparisons: &mut usize) -> Option<(Likeness, Name<'p>)> {
        if self.marks.is_empty() || self.at_domain(domain_octets(domain)).is_some() {
            return None;
        }
        let label = domain.labels().next()?;
        let plain = Skeleton::plain(label);
        let plain = plain.as_slice();
        let found = |likeness, mark: &'p Mark| Some((likeness, mark.domain.as_name()));

        if let Some(mark) = self.of_label(label)
            && label.len() >= WITHIN_LETTERS_MIN
        {
            return found(Likeness::Suffix, mark);
        }
        let looks = Skeleton::of(label);
        let looks = looks.as_slice();
        let confusable = |mark: &&Mark| *mark.skeleton == *looks && *mark.label != *label;
        if let Some(mark) = self.candidates(Kind::Skeleton, looks).find(confusable) {
            return found(Likeness::Confusable, mark);
        }
        let letters = letters(looks);
        // A mark that shares several hashes with the name is compared once.
        let mut seen = [0u64; SEEN_MARKS / 64];
        let mut edited = |number: u16| {
            let bit = 1 << (number % 64);
            if let Some(seen) = seen.get_mut(usize::from(number / 64)) {
                if *seen & bit != 0 {
                    return false;
                }
                *seen |= bit;
            }
            let mark = &self.marks[usize::from(number)];
            mark.is_edited(label, plain, looks, letters, comparisons)
        };
        let near = self
            .near
            .near(plain, &mut edited)
            .or_else(|| if looks == plain { None } else { self.near.near(looks, &mut edited) });
        if let Some(number) = near {
            return found(Likeness::Edited, &self.marks[usize::from(number)]);
        }
        if let Some(mark) = self.within(label) {
            return found(Likeness::Within, mark);
        }
        self.before(name, domain).and_then(|mark| found(Likeness::Before, mark))
    }

    /// The marks that have something of this kind in common with `text`; the caller compares.
    fn candidates<'p>(&'p self, kind: Kind, text: &[char]) -> impl Iterator<Item = &'p Mark> + use<'p> {
        self.near.get(kind, text).map(|number| &self.marks[usize::from(number)])
    }

    fn at_domain(&self, domain: &[u8]) -> Option<&Mark> {
        let own = |mark: &&Mark| domain_octets(mark.domain.as_name()) == domain;
        self.near.get_octets(Kind::Domain, domain).map(|number| &self.marks[usize::from(number)]).find(own)
    }

    fn of_label(&self, label: &[u8]) -> Option<&Mark> {
        let same = |mark: &&Mark| *mark.label == *label;
        self.near.get_octets(Kind::Label, label).map(|number| &self.marks[usize::from(number)]).find(same)
    }

    /// The protected label that stands in a longer one between hyphens, or beside a luring word.
    fn within(&self, label: &[u8]) -> Option<&Mark> {
        let whole = |part: &[u8]| {
            let long = part.len() >= WITHIN_LETTERS_MIN && part.len() < label.len();
            if long { self.of_label(part) } else { None }
        };
        if label.contains(&b'-')
            && let Some(mark) = label.split(|octet| *octet == b'-').find_map(whole)
        {
            return Some(mark);
        }
        let (first, last) = (*label.first()?, *label.last()?);
        let fronts = ones(LURES_BY_FIRST[usize::from(first)]).filter_map(|lure| label.strip_prefix(LURES[lure]));
        let backs = ones(LURES_BY_LAST[usize::from(last)]).filter_map(|lure| label.strip_suffix(LURES[lure]));
        let behind = fronts.map(|rest| rest.strip_prefix(b"-").unwrap_or(rest));
        let before = backs.map(|rest| rest.strip_suffix(b"-").unwrap_or(rest));
        behind.chain(before).find_map(whole)
    }

    /// The protected name that stands whole among the labels below the other's registrable domain.
    fn before(&self, name: Name<'_>, domain: Name<'_>) -> Option<&Mark> {
        let (name, domain) = (name.as_wire(), domain.as_wire());
        let below = &name[..name.len() - domain.len()];
        let mut at = 0;
        while at < below.len() {
            let (mut end, mut labels) = (at, 0);
            while end < below.len() && labels < 63 {
                end += 1 + usize::from(below[end]);
                labels += 1;
                if self.label_counts >> labels & 1 == 1
                    && let Some(mark) = self.at_domain(&below[at..end])
                {
                    return Some(mark);
                }
            }
            at += 1 + usize::from(below[at]);
        }
        None
    }
}

impl Mark {
    /// Whether the label is a letter or two off this one, or looks as if it were.
    fn is_edited(&self, label: &[u8], plain: &[char], looks: &[char], letters: u64, comparisons: &mut usize) -> bool {
        let edits = edits_of(&self.label);
        // One edit changes at most two kinds of letters, and the length by what one letter looks like.
        let near = self.skeleton.len().abs_diff(looks.len()) <= 2 * edits
            && (self.letters ^ letters).count_ones() as usize <= 4 * edits;
        if edits == 0 || !near || *self.label == *label {
            return false;
        }
        *comparisons += 1;
        within_edits(Skeleton::plain(&self.label).as_slice(), plain, edits)
            || within_edits(&self.skeleton, looks, edits)
    }
}

/// How many edits make another label of this one that is still like it.
fn edits_of(label: &[u8]) -> usize {
    match label.len() {
        0..ONE_EDIT_LETTERS_MIN => 0,
        ONE_EDIT_LETTERS_MIN..TWO_EDITS_LETTERS_MIN => 1,
        _ => 2,
    }
}

/// The name's octets without the root.
fn domain_octets(name: Name<'_>) -> &[u8] {
    let wire = name.as_wire();
    &wire[..wire.len() - 1]
}

fn octets(octets: &[u8]) -> Vec<char> {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// The numbers of the bits that are set.
fn ones(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::from_text(text).expect("a name")
    }

    #[test]
    fn look_alikes_of_protected_names_are_told_and_their_own_names_never() {
        let protected = Protected::new(&["examplebank.com", "login.payfriend.example", "quick.test"].map(name));
        for (text, expected) in [
            ("examplebank.com", None),
            ("www.examplebank.com", None),
            ("www.payfriend.example", None),
            ("examplebank.net", Some(Likeness::Suffix)),
            ("www.examp1ebank.com", Some(Likeness::Confusable)),
            ("exarnplebank.com", Some(Likeness::Confusable)),
            ("ехamplebаnk.com", Some(Likeness::Confusable)),
            ("exámplebank.com", Some(Likeness::Confusable)),
            ("exampelbank.com", Some(Likeness::Edited)),
            ("exmplebnk.com", Some(Likeness::Edited)),
            ("exmplebn.com", None),
            ("payfiend.org", Some(Likeness::Edited)),
            ("paifiend.org", None),
            ("quack.test", None),
            ("quick.org", Some(Likeness::Suffix)),
            ("examplebank-login.net", Some(Likeness::Within)),
            ("my-payfriend-account.net", Some(Likeness::Within)),
            ("payfriendlogin.net", Some(Likeness::Within)),
            ("securepayfriend.net", Some(Likeness::Within)),
            ("payfriendship.net", None),
            ("www.examplebank.com.verify.net", Some(Likeness::Before)),
            ("notexamplebank.com.verify.net", None),
            ("somethingelse.net", None),
        ] {
            let name = name(text);
            let domain = registrable(name.as_name()).expect("is somebody's");
            assert_eq!(protected.likeness(name.as_name(), domain).map(|found| found.0), expected, "{text}");
        }
    }

    /// The sequence of a linear congruence.
    fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
        move |limit| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        }
    }

    #[test]
    fn the_index_leaves_out_no_name_that_going_through_all_of_them_finds() {
        let mut below = numbers(7);
        let letters: Vec<char> = "abcdefgilmnorstw01".chars().collect();
        let mut word = |least: usize, most: usize| -> String {
            let length = least + below(most - least + 1);
            let word: String = (0..length).map(|_| letters[below(letters.len())]).collect();
            format!("a{}a", &word[1..length - 1])
        };
        let own: Vec<DomainName> = (0..60).map(|_| name(&format!("{}.com", word(3, 18)))).collect();
        let protected = Protected::new(&own);
        let mut below = numbers(9);
        let mut looked = 0;
        for round in 0..6_000 {
            let mark = &protected.marks[round % protected.marks.len()];
            let mut text: Vec<char> = mark.label.iter().map(|octet| char::from(*octet)).collect();
            for _ in 0..1 + round % 3 {
                let at = below(text.len());
                match below(4) {
                    0 => text.insert(at, letters[below(letters.len())]),
                    1 if text.len() > 2 => _ = text.remove(at),
                    2 if at > 0 => text.swap(at - 1, at),
                    _ => text[at] = letters[below(letters.len())],
                }
            }
            let text: String = text.into_iter().collect();
            let Ok(other) = DomainName::from_text(&format!("{text}.net")) else { continue };
            let Some(domain) = registrable(other.as_name()) else { continue };
            let label = domain.labels().next().expect("a label");
            let (plain, looks) = (Skeleton::plain(label), Skeleton::of(label));
            let edited = |mark: &Mark| {
                let letters = super::letters(looks.as_slice());
                mark.is_edited(label, plain.as_slice(), looks.as_slice(), letters, &mut 0)
            };
            if protected.marks.iter().any(edited) {
                looked += 1;
                assert!(protected.likeness(other.as_name(), domain).is_some(), "{other} of {}", mark.domain);
            }
        }
        assert!(looked > 1_000, "{looked}");
    }

    #[test]
    fn internationalised_names_are_protected_as_well() {
        let protected = Protected::new(&[name("bücherladen.de"), name("müsli.de")]);
        for (text, expected) in [
            ("bucherladen.de", Some(Likeness::Confusable)),
            ("bücherlaben.de", Some(Likeness::Edited)),
            ("www.bücherladen.de", None),
            ("fahrradladen.de", None),
        ] {
            let name = name(text);
            let domain = registrable(name.as_name()).expect("is somebody's");
            assert_eq!(protected.likeness(name.as_name(), domain).map(|found| found.0), expected, "{text}");
        }
    }
}
