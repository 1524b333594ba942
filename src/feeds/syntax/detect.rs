//! Finding out how a list is written, from its first 200 significant lines.

use super::{ParseError, adblock, csv, names, plain::is_comment};
use crate::model::ListSyntax;

/// Lines looked at, comments and blank ones not counted.
const LINES: usize = 200;

/// The syntax most lines speak for. A file without lines is a list of names without names.
pub(super) fn syntax(start: &[u8]) -> Result<ListSyntax, ParseError> {
    if is_tar(start) {
        return Ok(ListSyntax::Ut1);
    }
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let after = text.get(1..).unwrap_or_default().trim_start();
    if text.starts_with('{') || text.starts_with('[') && after.starts_with(['{', '"', ']', '[']) {
        return Ok(ListSyntax::Json);
    }
    let significant = || {
        let lines = text.split(['\n', '\r']).map(str::trim);
        lines.filter(|line| !line.is_empty() && !is_comment(line)).take(LINES)
    };
    if significant().next().is_some_and(csv::is_header) {
        return Ok(ListSyntax::Csv);
    }
    let mut votes: Vec<(ListSyntax, usize)> = Vec::new();
    let mut seen = 0;
    for line in significant() {
        seen += 1;
        if let Some(syntax) = vote(line) {
            match votes.iter_mut().find(|(voted, _)| *voted == syntax) {
                Some((_, count)) => *count += 1,
                None => votes.push((syntax, 1)),
            }
        }
    }
    let adblock = votes.iter().find(|(syntax, _)| *syntax == ListSyntax::Adblock).map_or(0, |(_, count)| *count);
    // Adblock lists may hold many bare names; what those mean is then Adblock's to say.
    if adblock > 0 && adblock * 10 >= seen {
        let names = [ListSyntax::Adblock, ListSyntax::Domains, ListSyntax::Hosts];
        if votes.iter().all(|(syntax, count)| names.contains(syntax) || *count <= adblock) {
            return Ok(ListSyntax::Adblock);
        }
    }
    // The first of equals: what a list begins with.
    let mut best = (ListSyntax::Domains, 0);
    for vote in votes {
        if vote.1 > best.1 {
            best = vote;
        }
    }
    let header = text.lines().take(20).any(|line| line.starts_with("[Ad") || line.starts_with("[ad"));
    Ok(if best.1 == 0 && header { ListSyntax::Adblock } else { best.0 })
}

/// What a line speaks for, if for anything.
fn vote(line: &str) -> Option<ListSyntax> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let second = words.next();
    if line.starts_with("$TTL") || line.starts_with("$ORIGIN") || is_record(first, second, words) {
        return Some(ListSyntax::Rpz);
    }
    let dnsmasq = ["address=/", "server=/", "local=/", "rev-server=", "bogus-nxdomain=", "host-record=", "cname="];
    if dnsmasq.iter().any(|option| line.starts_with(option)) {
        return Some(ListSyntax::Dnsmasq);
    }
    let unbound = ["local-zone:", "local-data:", "local-data-ptr:", "server:", "view:"];
    if unbound.contains(&first) || unbound.iter().any(|option| line.starts_with(option) && !line.contains("://")) {
        return Some(ListSyntax::Unbound);
    }
    let yaml = ["http:", "users:", "dns:", "filters:", "user_rules:", "whitelist_filters:", "filtering:", "clients:"];
    if second.is_none() && yaml.contains(&line) || line.starts_with("schema_version:") {
        return Some(ListSyntax::Yaml);
    }
    if names::ip(first).is_some() && second.is_some() {
        return Some(ListSyntax::Hosts);
    }
    if is_regex(line) {
        return Some(ListSyntax::Regex);
    }
    if adblock::is_cosmetic(line) || line.starts_with('/') || adblock::is_rule(ListSyntax::Domains, line) {
        return Some(ListSyntax::Adblock);
    }
    let name = first.trim_start_matches("*.").trim_start_matches('.');
    (second.is_none_or(|word| word.starts_with('#')) && name.contains('.')).then_some(ListSyntax::Domains)
}

fn is_record<'t>(first: &str, second: Option<&'t str>, rest: impl Iterator<Item = &'t str>) -> bool {
    let types = ["CNAME", "SOA", "NS", "A", "AAAA", "TXT", "MX", "SRV"];
    let mut words = second.into_iter().chain(rest).take(3);
    !first.contains([':', '|', '=']) && names::ip(first).is_none() && words.any(|word| types.contains(&word))
}

/// Whether a line is a regular expression as Pi-hole has it: not between slashes, but with what names and
/// Adblock rules do not have.
fn is_regex(line: &str) -> bool {
    if line.starts_with(['/', '|', '@']) || line.contains("##") || line.contains(char::is_whitespace) {
        return false;
    }
    let expression = line.split(';').next().unwrap_or_default();
    expression.contains("\\.")
        || expression.starts_with('^') && (expression.ends_with('$') || expression.contains(['(', '[', '*', '+']))
        || expression.starts_with('(') && expression.contains(')')
        || expression.contains('[') && expression.contains(']') && expression.contains(['+', '*', '{'])
}

/// Whether octets are a tar archive (`ustar` at 257, POSIX.1-1988).
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// Fails where the octets are plainly something else than a list, such as the page a portal answers with.
pub(super) fn refuse_other_files(start: &[u8], syntax: ListSyntax) -> Result<(), ParseError> {
    let refuse = |what: &str| Err(ParseError::NotAList(what.to_owned()));
    if is_tar(start) {
        return if syntax == ListSyntax::Ut1 {
            Ok(())
        } else {
            refuse("it is a tar archive, which only UT1's lists are")
        };
    }
    if super::unpack::is_packed(start) {
        return refuse("it is packed twice");
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return refuse("it is UTF-16; lists are UTF-8");
    }
    let trimmed = start.trim_ascii_start();
    let head: Vec<u8> = trimmed.iter().take(15).map(u8::to_ascii_lowercase).collect();
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") || head.starts_with(b"<?xml") {
        return refuse("it is a web page");
    }
    let zeros = start.iter().filter(|octet| **octet == 0).count();
    if zeros > start.len() / 100 {
        return refuse("it is not text");
    }
    Ok(())
}
