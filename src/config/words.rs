//! What a refusal says: the deserialiser's words turned into sentences for the person with the file,
//! with the key that was probably meant.

use super::{Config, faults::Fault};
use serde::Deserialize;
use std::ops::Range;

/// The fault behind a deserialiser's message about the key or list item at `path`.
pub(super) fn explain(message: &str, path: &[String], span: Option<Range<usize>>) -> Fault {
    let mut fault = Fault::new(message, span);
    let quoted = quoted(message);
    let keys: Vec<&str> = path.iter().map(String::as_str).filter(|step| step.parse::<usize>().is_err()).collect();
    let (key, table) = keys.split_last().map_or(("", &keys[..]), |(key, table)| (*key, table));
    if let ([unknown, known @ ..], true) = (&quoted[..], message.starts_with("unknown field")) {
        fault.message = match table {
            [] => format!("unknown key or section `{unknown}`"),
            _ => format!("unknown key `{unknown}` in [{}]", table.join(".")),
        };
        fault.help = Some(match similar(unknown, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => match section_of(unknown) {
                Some(section) => format!("`{unknown}` belongs to [{section}]"),
                None => format!("known here: {}", known.join(", ")),
            },
        });
    } else if let ([unknown, known @ ..], true) = (&quoted[..], message.starts_with("unknown variant")) {
        fault.message = format!("`{unknown}` is no value of `{key}`");
        fault.help = Some(match similar(unknown, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("possible: {}", known.join(", ")),
        });
    } else if let ([missing], true) = (&quoted[..], message.starts_with("missing field")) {
        fault.message = format!("`{missing}` is missing");
    } else if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "))
    {
        fault.message = format!("`{key}` takes {}, not {}", plain(expected), plain(found));
    } else if !key.is_empty() {
        fault.message = format!("`{key}`: {message}");
    }
    fault
}

/// Keys of the table at `path`, as the section types have them; empty where there is no table.
pub(super) fn known_keys(path: &[&str]) -> Vec<String> {
    // The types know their keys, and say them when asked for one that they do not have.
    const PROBE: &str = "none-such";
    let question = path.iter().copied().chain([PROBE]).collect::<Vec<_>>().join(".") + " = 0";
    let Err(error) = toml::Deserializer::parse(&question).and_then(Config::deserialize) else { return Vec::new() };
    if !error.message().starts_with(&format!("unknown field `{PROBE}`")) {
        return Vec::new();
    }
    quoted(error.message()).split_off(1)
}

/// The section that has a key of this name.
fn section_of(key: &str) -> Option<String> {
    known_keys(&[]).into_iter().find(|section| known_keys(&[section]).iter().any(|known| known == key))
}

/// The parts of a message that stand in backticks.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Serde's names of kinds of values, as TOML's users call them.
fn plain(words: &str) -> String {
    for (theirs, ours) in [
        ("struct ", "a table of "),
        ("a sequence", "a list"),
        ("sequence", "a list"),
        ("a boolean", "true or false"),
        ("a map", "a table"),
        ("map", "a table"),
        ("floating point ", ""),
        ("integer ", ""),
        ("boolean ", ""),
        ("string ", ""),
    ] {
        if let Some(rest) = words.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    words.to_owned()
}

/// The known word closest to a slip: at most one change for short words, two for longer ones.
fn similar<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let changes_max = if word.len() < 5 { 1 } else { 2 };
    known
        .iter()
        .map(|candidate| (changes(&word, candidate), candidate))
        .filter(|(changes, _)| *changes <= changes_max)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate.as_str())
}

/// Letters to insert, leave out, replace or swap with their neighbour (optimal string alignment).
fn changes(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["listen", "threads", "tcp", "udp_payload"].map(str::to_owned);
        for (word, meant) in [
            ("lisen", Some("listen")),
            ("litsen", Some("listen")),
            ("Listen", Some("listen")),
            ("udp-payload", Some("udp_payload")),
            ("tpc", Some("tcp")),
            ("udp", None),
            ("upstreams", None),
        ] {
            assert_eq!(similar(word, &known), meant, "{word}");
        }
    }

    #[test]
    fn the_types_tell_their_keys() {
        assert!(known_keys(&[]).contains(&"dns".to_owned()));
        assert!(known_keys(&["dns", "tcp"]).contains(&"idle_timeout_s".to_owned()));
        assert_eq!(known_keys(&["category"]), ["file"]);
        assert!(known_keys(&["dns", "listen"]).is_empty(), "a list has no keys");
    }
}
