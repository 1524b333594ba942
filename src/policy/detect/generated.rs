//! Names that look as if a program made them up.
//!
//! The label that somebody registered is weighed letter by letter: how surprising is it as a name that people chose,
//! compared with a label of letters drawn by lot? The first is told by the frequencies of three letters in a row in
//! names that are much asked for (`config/letters.bin`), the second by the size of the alphabet. The difference in bits
//! grows with the length, so that long labels are told apart and short ones are let go.

/// Costs of a letter after two others, in sixteenths of a bit: by first, second and third symbol. Made of statistics of
/// names by `benches/detect.rs`; no name can be read from it.
static COSTS: &[u8; SYMBOLS * SYMBOLS * SYMBOLS] = include_bytes!("../../../config/letters.bin");
/// The letters, the digits, the hyphen, and the edge of the label.
const SYMBOLS: usize = 38;
const EDGE: usize = 37;

/// Labels shorter than this are never told: there are not enough letters to go by.
const OCTETS_MIN: usize = 7;
/// Bits by which chance must explain a label of letters better than people. At this and the two below, 0.5 of a
/// thousand popular names are pointed at for their letters, 0.3 for letters with digits, and 0.1 for hexadecimal digits.
const LETTERS_BITS: f32 = 21.0;
/// The same for letters and digits. People do put digits into names, and never as a program does.
const MIXED_BITS: f32 = 34.5;
/// The same for hexadecimal digits, letters among them.
const HEXADECIMAL_BITS: f32 = 17.5;

/// Whether a registered label looks generated. Labels with other octets than letters, digits and hyphens, and
/// internationalised ones, do not. Allocates nothing.
pub fn looks_generated(label: &[u8]) -> bool {
    let Some((bits, threshold)) = weigh(label) else { return false };
    bits > threshold
}

/// How many bits better chance explains the label, and the threshold for labels of its kind.
fn weigh(label: &[u8]) -> Option<(f32, f32)> {
    if label.len() < OCTETS_MIN || label.starts_with(b"xn--") {
        return None;
    }
    let (mut digits, mut letters, mut hexadecimal) = (0, 0, true);
    let (mut before, mut last, mut cost) = (EDGE, EDGE, 0u32);
    for octet in label {
        let symbol = symbol(*octet)?;
        digits += usize::from(octet.is_ascii_digit());
        letters += usize::from(octet.is_ascii_lowercase());
        hexadecimal &= octet.is_ascii_hexdigit();
        cost += cost_of(before, last, symbol);
        (before, last) = (last, symbol);
    }
    cost += cost_of(before, last, EDGE);
    // Numbers are numbers: telephone numbers, years, codes that people type.
    if letters == 0 {
        return None;
    }
    let (alphabet_bits, threshold) = match (digits, hexadecimal) {
        (0, _) => (4.700_44, LETTERS_BITS),
        (_, true) => (4.0, HEXADECIMAL_BITS),
        (_, false) => (5.169_925, MIXED_BITS),
    };
    Some((cost as f32 / 16.0 - label.len() as f32 * alphabet_bits, threshold))
}

fn cost_of(before: usize, last: usize, symbol: usize) -> u32 {
    u32::from(COSTS[(before * SYMBOLS + last) * SYMBOLS + symbol])
}

fn symbol(octet: u8) -> Option<usize> {
    Some(match octet {
        b'a'..=b'z' => usize::from(octet - b'a'),
        b'0'..=b'9' => usize::from(octet - b'0') + 26,
        b'-' => 36,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_made_is_told_from_what_people_chose() {
        for (label, expected) in [
            ("wikipedia", false),
            ("example", false),
            ("deutsche-bahn", false),
            ("stackoverflow", false),
            ("nationalgeographic", false),
            ("163", false),
            ("18005551234", false),
            ("bbc", false),
            ("xn--bcher-kva", false),
            ("qxzvkjwpqhtgbn", true),
            ("kq3v9z8x7w1j5p2m", true),
            ("9f86d081884c7d659a2feaa0c55ad015", true),
            ("vtlfccmfxlkgifuf", true),
        ] {
            assert_eq!(looks_generated(label.as_bytes()), expected, "{label} {:?}", weigh(label.as_bytes()));
        }
    }
}
