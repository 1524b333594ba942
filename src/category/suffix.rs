//! Which names are public suffixes: nobody's own, so no category can be told of all below them.

use crate::model::{LABELS_MAX, Name};
use psl::Psl as _;

/// Whether the name is a public suffix of the ICANN or private section (`com`, `co.uk`, `github.io`), a
/// top-level domain nobody has listed, or the root.
pub fn is_public_suffix(name: Name<'_>) -> bool {
    let mut labels = [&[][..]; LABELS_MAX];
    let mut count = 0;
    for label in name.labels() {
        labels[count] = label;
        count += 1;
    }
    // The list counts the octets of text: one fewer than wire format has, and no root label.
    let text_octets = name.as_wire().len().saturating_sub(2);
    psl::List.find(labels[..count].iter().rev().copied()).len >= text_octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn suffixes_of_both_sections_and_unlisted_top_levels_are_recognised() {
        for (text, expected) in [
            (".", true),
            ("com", true),
            ("co.uk", true),
            ("github.io", true),
            ("anything.ck", true),
            ("xn--p1ai", true),
            ("nolisted", true),
            ("example.com", false),
            ("com.com", false),
            ("example.co.uk", false),
            ("somebody.github.io", false),
            ("www.ck", false),
            ("malware.weir.test", false),
            ("weir.test", false),
        ] {
            let name = DomainName::from_text(text).expect("a valid name");
            assert_eq!(is_public_suffix(name.as_name()), expected, "{text}");
        }
    }
}
