//! Form and query strings as pairs, and the percent-encoding of RFC 3986.
//!
//! Kept by hand because a signature needs what libraries throw away: whether the octets were valid
//! UTF-8, the order, and every repetition of a key.

/// Why a form or query string cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("a percent sign must be followed by two hexadecimal digits")]
    Percent,
    /// Octets that are no UTF-8 once decoded.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// More pairs than `PAIRS_MAX`.
    #[error("more than {PAIRS_MAX} fields")]
    TooMany,
}

/// Pairs one form or query may have.
pub const PAIRS_MAX: usize = 10_000;

/// The pairs of an `application/x-www-form-urlencoded` text in their order, empty pieces left out.
/// A plus sign is a space; a piece without `=` has an empty value.
pub fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let mut pairs = Vec::new();
    for piece in text.split(|&octet| octet == b'&').filter(|piece| !piece.is_empty()) {
        if pairs.len() == PAIRS_MAX {
            return Err(FormError::TooMany);
        }
        let (key, value) = match piece.iter().position(|&octet| octet == b'=') {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &b""[..]),
        };
        pairs.push((decode(key, true)?, decode(value, true)?));
    }
    Ok(pairs)
}

/// Undoes percent-encoding; with `plus`, a plus sign is a space.
pub fn decode(text: &[u8], plus: bool) -> Result<String, FormError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || rest.next().and_then(|&digit| (digit as char).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high << 4 | low) as u8,
                    _ => return Err(FormError::Percent),
                }
            }
            b'+' if plus => b' ',
            octet => octet,
        });
    }
    String::from_utf8(octets).map_err(|_| FormError::Utf8)
}

/// Percent-encodes everything but letters, digits and `-._~` (RFC 5849, section 3.6), appending to
/// `into`.
pub fn encode(text: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            into.push(octet as char);
        } else {
            into.push('%');
            into.push(DIGITS[(octet >> 4) as usize] as char);
            into.push(DIGITS[(octet & 15) as usize] as char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_order_and_repetitions() {
        let read = pairs(b"b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q&&").expect("valid");
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            read,
            [("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q")],
            "the example of RFC 5849, section 3.4.1.3.1"
        );
    }

    #[test]
    fn octets_that_are_no_text_are_refused() {
        for (text, error) in
            [(&b"a=%ff"[..], FormError::Utf8), (b"a=%4", FormError::Percent), (b"%zz=1", FormError::Percent)]
        {
            assert_eq!(pairs(text), Err(error));
        }
        assert_eq!(pairs(&b"a&".repeat(PAIRS_MAX + 1)), Err(FormError::TooMany));
    }

    #[test]
    fn encoding_leaves_only_the_unreserved_characters() {
        let mut text = String::new();
        encode("aZ9-._~ &=*+%é", &mut text);
        assert_eq!(text, "aZ9-._~%20%26%3D%2A%2B%25%C3%A9");
    }
}
