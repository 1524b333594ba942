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

/// The registrable domain of a name: the public suffix and one label more. `None` for public suffixes themselves.
pub fn registrable(name: Name<'_>) -> Option<Name<'_>> {
    let mut labels = [&[][..]; LABELS_MAX];
    let mut count = 0;
    for label in name.labels() {
        labels[count] = label;
        count += 1;
    }
    let suffix_octets = psl::List.find(labels[..count].iter().rev().copied()).len;
    // Text of a name is two octets shorter than its wire format.
    let domain = name.ancestors().take_while(|ancestor| ancestor.as_wire().len() > suffix_octets + 2).last()?;
    Some(domain).filter(|domain| !domain.is_root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn the_registrable_domain_is_one_label_below_the_public_suffix() {
        for (text, expected) in [
            ("www.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("x.somebody.github.io", Some("somebody.github.io")),
            ("com", None),
            ("co.uk", None),
            (".", None),
            ("host.nolisted", Some("host.nolisted")),
        ] {
            let name = DomainName::from_text(text).expect("a valid name");
            let found = registrable(name.as_name()).map(|domain| domain.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

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
