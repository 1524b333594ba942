//! Source files as the rules look at them: without comments, strings and tests where these do not
//! count.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One Rust file of `src`.
pub struct Source {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// The room it belongs to; of `src/main.rs` that is `main`.
    pub room: String,
    /// As it stands.
    pub text: String,
    /// Without comments, the contents of strings, and test modules; every line is where it was.
    pub code: String,
}

/// Every Rust file of `src` but those of tests.
pub fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (path, text) in all_files() {
        let Some(inner) = path.strip_prefix("src/").filter(|inner| inner.ends_with(".rs")) else { continue };
        let parts: Vec<&str> = inner.trim_end_matches(".rs").split('/').collect();
        if parts[1..].contains(&"tests") {
            continue;
        }
        let room = parts[0].to_owned();
        let code = without_tests(&without_comments(&text, false));
        sources.push(Source { path, room, text, code });
    }
    assert!(sources.len() > 20, "the source was not found");
    sources
}

/// Every text file under version control's usual places: source, tests, benches, documents.
pub fn all_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for top in ["src", "tests", "benches", "config", "systemd", "docs", ".ci"] {
        collect(&root.join(top), &mut files);
    }
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "deny.toml", "clippy.toml"] {
        files.push(root.join(name));
    }
    files.sort();
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    files.iter().filter_map(|path| Some((relative(path), fs::read_to_string(path).ok()?))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true if path.ends_with("fixtures") => {}
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

/// The pages for people.
pub fn documents() -> Vec<(String, String)> {
    all_files().into_iter().filter(|(path, _)| path.ends_with(".md")).collect()
}

/// Lines inside fenced code blocks, with their numbers.
pub fn code_block_lines(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push((index + 1, line));
        }
    }
    lines
}

impl Source {
    /// Rooms named after `crate::`, alone or in a group.
    pub fn imports(&self) -> Vec<String> {
        let mut rooms = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if self.code[..at].ends_with('$') {
                continue;
            }
            let rest = self.code[at + "crate::".len()..].trim_start();
            match rest.strip_prefix('{') {
                None => rooms.extend(identifier(rest)),
                Some(group) => rooms.extend(group_members(group).iter().filter_map(|member| identifier(member))),
            }
        }
        // Names with a capital are items of the crate's root.
        rooms.retain(|room| room.starts_with(|c: char| c.is_ascii_lowercase()) && room != "self");
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// The contents of the strings outside of comments and tests.
    pub fn strings(&self) -> Vec<String> {
        let with_strings = without_comments(&self.text, true);
        let mut strings = Vec::new();
        // The code without strings has the same positions: a string stands where the two differ.
        let (mut start, code) = (None, self.code.as_bytes());
        for (at, octet) in with_strings.bytes().enumerate() {
            match (start, octet != code[at]) {
                (None, true) => start = Some(at),
                (Some(from), false) => {
                    strings.push(with_strings[from..at].to_owned());
                    start = None;
                }
                _ => {}
            }
        }
        strings
    }
}

fn identifier(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The members of a group of imports, up to its closing brace.
fn group_members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                return members;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

/// The text with comments blanked, and the contents of strings unless they are kept. Positions stay.
fn without_comments(text: &str, keep_strings: bool) -> String {
    let octets = text.as_bytes();
    let mut out = octets.to_vec();
    let blank = |out: &mut Vec<u8>, from: usize, to: usize| {
        out[from..to].iter_mut().filter(|octet| **octet != b'\n').for_each(|octet| *octet = b' ');
    };
    let find = |from: usize, what: &str| text.get(from..).and_then(|rest| rest.find(what)).map(|found| from + found);
    let mut at = 0;
    while at < octets.len() {
        let rest = &octets[at..];
        if rest.starts_with(b"//") {
            let end = find(at, "\n").unwrap_or(octets.len());
            blank(&mut out, at, end);
            at = end;
        } else if rest.starts_with(b"/*") {
            let end = find(at, "*/").map_or(octets.len(), |end| end + 2);
            blank(&mut out, at, end);
            at = end;
        } else if let Some(hashes) = raw_string(rest, at.checked_sub(1).map(|before| octets[before])) {
            let start = at + hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = find(start, &close).unwrap_or(octets.len());
            if !keep_strings {
                blank(&mut out, start, end);
            }
            at = (end + close.len()).min(octets.len());
        } else if octets[at] == b'"' {
            let mut end = at + 1;
            while end < octets.len() && octets[end] != b'"' {
                end += if octets[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(octets.len());
            if !keep_strings {
                blank(&mut out, at + 1, end);
            }
            at = end + 1;
        } else if octets[at] == b'\'' {
            // A character; a lifetime has no quote after it.
            at += match rest {
                [_, b'\\', _, ..] => rest[3..].iter().position(|octet| *octet == b'\'').map_or(1, |end| end + 4),
                [_, _, b'\'', ..] => 3,
                _ => 1,
            };
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Hashes of the raw string that begins here, if one does.
fn raw_string(rest: &[u8], before: Option<u8>) -> Option<usize> {
    if rest.first() != Some(&b'r') || before.is_some_and(|octet| octet.is_ascii_alphanumeric() && octet != b'b') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|octet| **octet == b'#').count();
    (rest.get(1 + hashes) == Some(&b'"')).then_some(hashes)
}

/// The code with what follows `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let mut depth = 0;
        let mut end = code.len();
        for (offset, octet) in code.bytes().enumerate().skip(start + "#[cfg(test)]".len()) {
            match octet {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b';' if depth == 0 => {}
                _ => continue,
            }
            if depth == 0 {
                end = offset + 1;
                break;
            }
        }
        out[start..end].iter_mut().filter(|octet| **octet != b'\n').for_each(|octet| *octet = b' ');
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    let text = r##"use crate::{model::{A, B}, wire};
// use crate::store;
/* crate::auth */ fn f<'a>() { g('"', '\'', "crate::api \" x", r#"crate::jobs "y""#); crate::policy::h() }
#[cfg(test)]
mod tests { use crate::daemon; }
"##;
    let code = without_tests(&without_comments(text, false));
    let source = Source { path: String::new(), room: String::new(), text: text.to_owned(), code };
    assert_eq!(source.imports(), ["model", "policy", "wire"]);
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert!(without_comments(text, true).contains("crate::api"));
}
