//! Lists through their public interface.

mod files;
mod model;
mod rules;

use super::*;
use crate::{
    model::{
        AddressRule, AddressTrigger, ClientTerm, Conditions, DomainName, Effect, FixedAnswer, ListKind, ListSourceId,
        NameRule, Pattern, RecordData, Rule, ZoneOverride,
    },
    policy::{NameKey, Suffixes},
};
use std::sync::Arc;

const KEY: NameKey = NameKey(11);
const A: u16 = 1;
const AAAA: u16 = 28;

fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("valid")
}

/// A rule as `[@@][!]pattern[=answer]`: `!` is important, `@@…=` an exception from answers; the pattern is `|name` (exact), `||name` (with all below),
/// `*.name` (below), `/regex/`, or anything else as it is.
fn rule(text: &str) -> NameRule {
    let (allow, text) = text.strip_prefix("@@").map_or((false, text), |text| (true, text));
    let (important, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
    let (text, answer) = text.split_once('=').map_or((text, None), |(text, answer)| (text, Some(answer)));
    let at = |text: &str| DomainName::from_text(text).ok();
    let pattern = if let Some(regex) = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')) {
        Pattern::Regex(regex.into())
    } else if let Some(name) = text.strip_prefix("||").and_then(at) {
        Pattern::Suffix(name)
    } else if let Some(name) = text.strip_prefix("*.").and_then(at) {
        Pattern::Below(name)
    } else if let Some(name) = text.strip_prefix('|').and_then(at) {
        Pattern::Exact(name)
    } else {
        Pattern::Wildcard(text.into())
    };
    let effect = match answer {
        Some("") if allow => Effect::NoAnswer,
        _ if allow => Effect::Allow,
        None => Effect::Block,
        Some("192.0.2.1") => Effect::Answer(Box::new(FixedAnswer::Records(vec![one(1)]))),
        Some("192.0.2.2") => Effect::Answer(Box::new(FixedAnswer::Records(vec![one(2)]))),
        Some("nx") => Effect::Answer(Box::new(FixedAnswer::NxDomain)),
        Some("null") => Effect::Answer(Box::new(FixedAnswer::Null)),
        Some("drop") => Effect::Answer(Box::new(FixedAnswer::Drop)),
        Some(other) => Effect::Answer(Box::new(FixedAnswer::Alias(name(other)))),
    };
    NameRule { important, ..NameRule::plain(pattern, effect) }
}

fn one(last: u8) -> RecordData {
    RecordData { rtype: A, rdata: Box::new([192, 0, 2, last]) }
}

fn when(text: &str, conditions: Conditions) -> Rule {
    Rule::Name(NameRule { conditions: Some(Box::new(conditions)), ..rule(text) })
}

fn compiled(rules: impl IntoIterator<Item = Rule>) -> Arc<CompiledList> {
    let mut builder = ListBuilder::new(KEY);
    rules.into_iter().for_each(|rule| builder.push(rule));
    Arc::new(builder.finish().0)
}

fn list(rules: &[&str]) -> Arc<CompiledList> {
    compiled(rules.iter().map(|text| Rule::Name(rule(text))))
}

const BLOCK: ListProfile = ListProfile { kind: ListKind::Block, zone: false, zone_override: None };
const ALLOW: ListProfile = ListProfile { kind: ListKind::Allow, zone: false, zone_override: None };
const ZONE: ListProfile = ListProfile { kind: ListKind::Block, zone: true, zone_override: None };

/// A table whose lists have the ids 1, 2, …
fn table(lists: impl IntoIterator<Item = (ListProfile, Arc<CompiledList>)>) -> ListTable {
    let lists = lists.into_iter().enumerate();
    ListTable::build(lists.map(|(index, (profile, list))| (ListSourceId(index as u32 + 1), profile, list)))
}

fn ids(numbers: &[u32]) -> Vec<ListSourceId> {
    numbers.iter().map(|number| ListSourceId(*number)).collect()
}

/// The hit as text: `id effect rule`.
fn ask(table: &ListTable, selection: &[u32], asked: &str) -> String {
    ask_as(table, selection, asked, A, &Who::nobody())
}

fn ask_as(table: &ListTable, selection: &[u32], asked: &str, qtype: u16, who: &Who<'_>) -> String {
    let asked = name(asked);
    let suffixes = Suffixes::new(asked.as_name(), KEY);
    let hit = table.find(&table.select(&ids(selection)), &suffixes, qtype, who);
    told(table, hit, &suffixes)
}

fn told(table: &ListTable, hit: Option<ListHit>, suffixes: &Suffixes<'_>) -> String {
    let Some(hit) = hit else { return String::new() };
    format!("{} {:?} {}", table.source(hit), hit.effect(), table.describe(hit, suffixes))
}
