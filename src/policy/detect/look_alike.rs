//! Names that look like others.

use crate::{
    category::registrable,
    model::{DomainName, LABEL_OCTETS_MAX, Name},
};
use unicode_security::skeleton;

/// Labels of at least this length are compared by one edit (a letter more, fewer, another, or two exchanged). Shorter
/// words have too many honest neighbours.
const ONE_EDIT_LETTERS_MIN: usize = 6;
/// And by two from this length on.
const TWO_EDITS_LETTERS_MIN: usize = 10;
/// Protected labels of at least this length are looked for under other suffixes and within longer labels.
const WITHIN_LETTERS_MIN: usize = 5;
/// Characters of a skeleton, at most; what is longer is cut.
const SKELETON_MAX: usize = 2 * LABEL_OCTETS_MAX;

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

impl std::fmt::Display for Likeness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Likeness::Confusable => "the same to the eye",
            Likeness::Edited => "a letter or two off",
            Likeness::Suffix => "under another suffix",
            Likeness::Within => "within a longer label",
            Likeness::Before => "before another domain",
        })
    }
}

/// Protected names, ready to be compared with.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    /// What belongs to them: the names and their registrable domains. Nothing at or below these is a look-alike.
    own: Vec<DomainName>,
    marks: Vec<Mark>,
}

#[derive(Clone, Debug)]
struct Mark {
    /// The registrable domain.
    domain: DomainName,
    /// Its first label.
    label: Box<[u8]>,
    skeleton: Skeleton,
    /// Bit `n` for the `n`-th kind of character in the skeleton.
    letters: u64,
}

impl Protected {
    /// Takes the names. Public suffixes protect nothing.
    pub fn new(names: &[DomainName]) -> Self {
        let mut protected = Protected::default();
        for name in names {
            let Some(domain) = registrable(name.as_name()) else { continue };
            protected.own.push(domain.to_owned());
            if protected.marks.iter().any(|mark| mark.domain.as_name() == domain) {
                continue;
            }
            let Some(label) = domain.labels().next() else { continue };
            let skeleton = Skeleton::of(label);
            let letters = letters(skeleton.as_slice());
            protected.marks.push(Mark { domain: domain.to_owned(), label: label.into(), skeleton, letters });
        }
        protected
    }

    /// Whether nothing is protected.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How `name`, whose registrable domain is `domain`, looks like a protected name, and which. Allocates only for
    /// internationalised labels.
    pub fn likeness(&self, name: Name<'_>, domain: Name<'_>) -> Option<(Likeness, Name<'_>)> {
        if self.marks.is_empty() || self.own.iter().any(|own| name.is_at_or_below(own.as_name())) {
            return None;
        }
        let label = domain.labels().next()?;
        let looks = Skeleton::of(label);
        let letters = letters(looks.as_slice());
        let found =
            self.marks.iter().find_map(|mark| Some((mark.like(label, &looks, letters)?, mark.domain.as_name())));
        found.or_else(|| {
            self.marks
                .iter()
                .find(|mark| mark.stands_before(name, domain))
                .map(|mark| (Likeness::Before, mark.domain.as_name()))
        })
    }
}

impl Mark {
    fn like(&self, label: &[u8], looks: &Skeleton, letters: u64) -> Option<Likeness> {
        let (own, other) = (self.skeleton.as_slice(), looks.as_slice());
        if label == &*self.label {
            return (label.len() >= WITHIN_LETTERS_MIN).then_some(Likeness::Suffix);
        }
        if own == other {
            return Some(Likeness::Confusable);
        }
        let edits = match self.label.len() {
            0..ONE_EDIT_LETTERS_MIN => 0,
            ONE_EDIT_LETTERS_MIN..TWO_EDITS_LETTERS_MIN => 1,
            _ => 2,
        };
        // One edit changes at most two kinds of letters, and the length by what one letter looks like.
        let near =
            own.len().abs_diff(other.len()) <= 2 * edits && (self.letters ^ letters).count_ones() as usize <= 4 * edits;
        if edits > 0 && near {
            let plain = Skeleton::plain(&self.label);
            if within_edits(plain.as_slice(), Skeleton::plain(label).as_slice(), edits)
                || within_edits(own, other, edits)
            {
                return Some(Likeness::Edited);
            }
        }
        self.is_within(label).then_some(Likeness::Within)
    }

    /// Whether the label has the protected one between hyphens, or beside a luring word.
    fn is_within(&self, label: &[u8]) -> bool {
        let own = &*self.label;
        if own.len() < WITHIN_LETTERS_MIN || label.len() <= own.len() {
            return false;
        }
        label.split(|octet| *octet == b'-').any(|part| part == own)
            || label.strip_prefix(own).is_some_and(|rest| LURES.contains(&rest.strip_prefix(b"-").unwrap_or(rest)))
            || label.strip_suffix(own).is_some_and(|rest| LURES.contains(&rest.strip_suffix(b"-").unwrap_or(rest)))
    }

    /// Whether the whole protected name stands among the labels below the other's registrable domain.
    fn stands_before(&self, name: Name<'_>, domain: Name<'_>) -> bool {
        let (name, domain, own) = (name.as_wire(), domain.as_wire(), self.domain.as_wire());
        let below = &name[..name.len() - domain.len()];
        let own = &own[..own.len() - 1];
        let mut at = 0;
        while at < below.len() {
            if below[at..].starts_with(own) {
                return true;
            }
            at += 1 + usize::from(below[at]);
        }
        false
    }
}

/// What a label looks like (UTS #39, section 4), in lower case, with what looks alike within ASCII taken together.
#[derive(Clone, Debug)]
struct Skeleton {
    characters: [char; SKELETON_MAX],
    count: usize,
}

impl Skeleton {
    fn empty() -> Self {
        Skeleton { characters: ['\0'; SKELETON_MAX], count: 0 }
    }

    fn push(&mut self, character: char) {
        if let Some(place) = self.characters.get_mut(self.count) {
            *place = character;
            self.count += 1;
        }
    }

    /// The letters themselves.
    fn plain(label: &[u8]) -> Self {
        let mut plain = Self::empty();
        label.iter().for_each(|octet| plain.push(char::from(*octet)));
        plain
    }

    fn of(label: &[u8]) -> Self {
        let mut looks = Self::empty();
        if label.starts_with(b"xn--") {
            let text = std::str::from_utf8(label).unwrap_or_default();
            let (unicode, _) = idna::domain_to_unicode(text);
            // Accents are for those who look twice: the marks of the skeleton's decomposition are left out.
            for character in skeleton(&unicode).filter(|character| !is_mark(*character)) {
                character.to_lowercase().for_each(|character| looks.push_alike(character));
            }
        } else {
            label.iter().for_each(|octet| looks.push_alike(char::from(*octet)));
        }
        looks
    }

    fn push_alike(&mut self, character: char) {
        match character {
            '0' => self.push('o'),
            '1' => self.push('l'),
            '5' => self.push('s'),
            'm' => {
                self.push('r');
                self.push('n');
            }
            'w' => {
                self.push('v');
                self.push('v');
            }
            other => self.push(other),
        }
    }

    fn as_slice(&self) -> &[char] {
        &self.characters[..self.count]
    }
}

/// Combining marks of the blocks that Latin, Greek and Cyrillic letters are written with.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

fn letters(characters: &[char]) -> u64 {
    characters.iter().fold(0, |all, character| all | 1 << (*character as u32 % 64))
}

/// Whether at most `edits` edits make one of the other: a character put in, taken out or changed, or two neighbours
/// exchanged (the restricted distance of Damerau and Levenshtein).
fn within_edits(one: &[char], other: &[char], edits: usize) -> bool {
    if one.len().abs_diff(other.len()) > edits {
        return false;
    }
    let mut rows = [[0u8; SKELETON_MAX + 1]; 3];
    for (column, cost) in rows[0][..=other.len()].iter_mut().enumerate() {
        *cost = column as u8;
    }
    for row in 1..=one.len() {
        let (now, before, earlier) = (row % 3, (row + 2) % 3, (row + 1) % 3);
        rows[now][0] = row as u8;
        let mut least = row as u8;
        for column in 1..=other.len() {
            let same = one[row - 1] == other[column - 1];
            let mut cost = rows[before][column - 1] + u8::from(!same);
            cost = cost.min(rows[before][column] + 1).min(rows[now][column - 1] + 1);
            if row > 1 && column > 1 && one[row - 1] == other[column - 2] && one[row - 2] == other[column - 1] {
                cost = cost.min(rows[earlier][column - 2] + 1);
            }
            rows[now][column] = cost;
            least = least.min(cost);
        }
        if usize::from(least) > edits {
            return false;
        }
    }
    usize::from(rows[one.len() % 3][other.len()]) <= edits
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

    #[test]
    fn edits_are_counted_with_exchanged_neighbours_as_one() {
        for (one, other, distance) in [
            ("abcdef", "abcdef", 0),
            ("abcdef", "abdcef", 1),
            ("abcdef", "abcdefg", 1),
            ("abcdef", "bcdef", 1),
            ("abcdef", "abxdef", 1),
            ("abcdef", "badcef", 2),
            ("abcdef", "axxdef", 2),
            ("abcdef", "xxxdef", 3),
        ] {
            let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            for edits in 0..=3 {
                assert_eq!(within_edits(&one, &other, edits), distance <= edits, "{one:?} {other:?} {edits}");
            }
        }
    }
}
