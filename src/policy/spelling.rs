//! Names that people and programs take for another name.

use crate::model::{DomainName, Name};

/// The host name that a program may take this name for, where that is another one: what stands before a zero octet,
/// dots inside labels as dots, and letters as UTS 46 maps them (full-width forms, letters of other widths and cases,
/// characters that do not show). Names of plain ASCII labels, that is nearly all, have none; that is found out without an allocation.
pub(super) fn taken_for(name: Name<'_>) -> Option<DomainName> {
    let odd = |octet: &u8| *octet >= 0x80 || *octet == b'.' || *octet == 0;
    if !name.labels().any(|label| label.iter().any(odd)) {
        return None;
    }
    let mut text = Vec::with_capacity(name.as_wire().len());
    for label in name.labels() {
        text.extend_from_slice(label);
        text.push(b'.');
    }
    let end = text.iter().position(|octet| *octet == 0).unwrap_or(text.len());
    let text = std::str::from_utf8(&text[..end]).ok()?;
    let other = DomainName::from_text(text.trim_end_matches('.')).ok()?;
    (other.as_name() != name).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_octets_make_another_name() {
        for (labels, expected) in [
            (&["www", "example"][..], None),
            (&["a_b", "xn--bcher-kva", "test"], None),
            (&["www.example", "test"], Some("www.example.test")),
            (&["example", "test\0", "evil"], Some("example.test")),
            (&["ｅxample", "test"], Some("example.test")),
            (&["www。example", "test"], Some("www.example.test")),
            (&["ex\u{ad}ample", "test"], Some("example.test")),
            (&["bücher", "test"], Some("xn--bcher-kva.test")),
            (&["Bücher", "TEST"], Some("xn--bcher-kva.test")),
            (&["a b.", "test"], None),
        ] {
            let mut wire = Vec::new();
            for label in labels {
                wire.push(label.len() as u8);
                wire.extend(label.as_bytes().to_ascii_lowercase());
            }
            wire.push(0);
            let other = taken_for(Name::from_lower_wire(&wire)).map(|name| name.to_string());
            assert_eq!(other.as_deref(), expected, "{labels:?}");
        }
    }
}
