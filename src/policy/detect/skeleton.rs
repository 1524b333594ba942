//! What labels look like, and how far apart two of them are.

use crate::model::LABEL_OCTETS_MAX;
use unicode_security::skeleton;

/// Characters of a skeleton, at most; what is longer is cut.
pub(super) const SKELETON_MAX: usize = 2 * LABEL_OCTETS_MAX;

/// What a label looks like (UTS #39, section 4), in lower case, with what looks alike within ASCII taken together.
#[derive(Clone, Debug)]
pub(super) struct Skeleton {
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
    pub(super) fn plain(label: &[u8]) -> Self {
        let mut plain = Self::empty();
        label.iter().for_each(|octet| plain.push(char::from(*octet)));
        plain
    }

    pub(super) fn of(label: &[u8]) -> Self {
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

    pub(super) fn as_slice(&self) -> &[char] {
        &self.characters[..self.count]
    }
}

/// Combining marks of the blocks that Latin, Greek and Cyrillic letters are written with.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// Bit `n` for the `n`-th kind of character.
pub(super) fn letters(characters: &[char]) -> u64 {
    characters.iter().fold(0, |all, character| all | 1 << (*character as u32 % 64))
}

/// Whether at most `edits` edits make one of the other: a character put in, taken out or changed, or two neighbours
/// exchanged (the restricted distance of Damerau and Levenshtein).
pub(super) fn within_edits(one: &[char], other: &[char], edits: usize) -> bool {
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
