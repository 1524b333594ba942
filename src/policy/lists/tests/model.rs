//! The table against rules tried one by one.

use super::*;
use proptest::prelude::*;

/// Lists, and what is asked of them.
#[derive(Clone, Debug)]
struct Case {
    lists: Vec<(ListProfile, Vec<NameRule>)>,
    selection: Vec<u32>,
    asked: DomainName,
    qtype: u16,
    kid: bool,
}

fn text(label: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("."))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let at = || text("[ab]{1,2}").prop_map(|text| name(&text));
    prop_oneof![
        3 => at().prop_map(Pattern::Exact),
        3 => at().prop_map(Pattern::Suffix),
        3 => at().prop_map(Pattern::Below),
        2 => "(\\|\\||\\||)[ab.*]{1,4}[\\^*]?".prop_map(|text| Pattern::Wildcard(text.into())),
        1 => "[\\^]?[abAB.]{1,3}[+*?]?(b|ab)?[$]?".prop_map(|text| Pattern::Regex(text.into())),
    ]
}

fn conditions() -> impl Strategy<Value = Option<Box<Conditions>>> {
    let some = (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, prop::bool::weighted(0.2), text("[ab]{1,2}"));
    let some = some.prop_map(|(types, kids, names, invert, except)| {
        Some(Box::new(Conditions {
            types: if types { vec![A] } else { vec![] },
            clients: if kids { vec![ClientTerm::Name("kid".into())] } else { vec![] },
            names_except: if names { vec![name(&except)] } else { vec![] },
            invert,
            ..Conditions::default()
        }))
    });
    prop_oneof![4 => Just(None), 1 => some]
}

fn any_rule() -> impl Strategy<Value = NameRule> {
    let effect = prop_oneof![
        3 => Just(Effect::Block),
        2 => Just(Effect::Allow),
        1 => Just(Effect::Answer(Box::new(FixedAnswer::NxDomain))),
    ];
    (pattern(), effect, prop::bool::weighted(0.2), conditions())
        .prop_map(|(pattern, effect, important, conditions)| NameRule { pattern, effect, important, conditions })
}

fn profile() -> impl Strategy<Value = ListProfile> {
    use ZoneOverride::*;
    let given = prop_oneof![4 => Just(None), 1 => prop::sample::select(vec![Disabled, Passthru, NxDomain, Block]).prop_map(Some)];
    let kind = prop_oneof![4 => Just(ListKind::Block), 1 => Just(ListKind::Allow)];
    (kind, prop::bool::weighted(0.4), given).prop_map(|(kind, zone, zone_override)| ListProfile {
        kind,
        zone,
        zone_override,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let lists = prop::collection::vec((profile(), prop::collection::vec(any_rule(), 0..12)), 1..6);
    let selection = prop::sample::subsequence((1..=6u32).collect::<Vec<_>>(), 0..=6).prop_shuffle();
    (lists, selection, text("[ab]{1,2}"), prop::sample::select(vec![A, AAAA]), any::<bool>())
        .prop_map(|(lists, selection, asked, qtype, kid)| Case { lists, selection, asked: name(&asked), qtype, kid })
}

/// Whether a rule is about the question, and how specific it is if it stands at a name.
fn matches(rule: &NameRule, case: &Case) -> Option<u32> {
    let asked = case.asked.as_name();
    let below = |name: &DomainName| asked.is_at_or_below(name.as_name());
    let text = asked.to_string();
    let at = |name: &DomainName, exact: bool| 2 + 2 * name.as_name().label_count() as u32 + u32::from(exact);
    let (mut found, mut specific) = match &rule.pattern {
        Pattern::Exact(name) => (asked == name.as_name(), at(name, true)),
        Pattern::Suffix(name) => (below(name), at(name, false)),
        Pattern::Below(name) => (below(name) && asked != name.as_name(), at(name, false)),
        Pattern::Wildcard(text_of) => match super::super::wildcard::plain(text_of) {
            Some(super::super::wildcard::Plain::Exact(name)) => (asked == name.as_name(), at(&name, true)),
            Some(super::super::wildcard::Plain::Suffix(name)) => (below(&name), at(&name, false)),
            Some(super::super::wildcard::Plain::Below(name)) => {
                (below(&name) && asked != name.as_name(), at(&name, false))
            }
            None => (super::super::wildcard::Wildcard::new(text_of)?.matches(text.as_bytes()), 0),
        },
        Pattern::Regex(text_of) => {
            let regex = regex::bytes::RegexBuilder::new(text_of).unicode(false).case_insensitive(true).build().ok()?;
            (regex.is_match(text.as_bytes()), 0)
        }
    };
    if let Some(conditions) = &rule.conditions {
        let hold = (conditions.types.is_empty() || conditions.types.contains(&case.qtype))
            && (conditions.clients.is_empty() || case.kid)
            && !conditions.names_except.iter().any(below);
        if conditions.invert {
            (found, specific) = (!found, 0);
        }
        found &= hold;
    }
    found.then_some(specific)
}

/// What decides, by trying all: the list's id, the effect, whether it is important.
fn naive(case: &Case) -> Option<(u32, ListEffect, bool)> {
    type Found = (bool, u32, bool, bool, std::cmp::Reverse<u32>, ListEffect2);
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct ListEffect2(u8);
    let of = |effect: ListEffect| ListEffect2(effect as u8);
    let mut free: Vec<Found> = Vec::new();
    let mut zones: Vec<Vec<Found>> = Vec::new();
    let mut seen = Vec::new();
    for &id in &case.selection {
        let Some((profile, rules)) = case.lists.get(id as usize - 1) else { continue };
        if seen.contains(&id) || profile.zone && profile.zone_override == Some(ZoneOverride::Disabled) {
            continue;
        }
        seen.push(id);
        let found = rules.iter().filter_map(|rule| {
            let specific = matches(rule, case)?;
            let effect = match (&rule.effect, profile.zone_override.filter(|_| profile.zone)) {
                _ if profile.kind == ListKind::Allow => ListEffect::Allow,
                (_, Some(ZoneOverride::Passthru)) => ListEffect::Except,
                (_, Some(ZoneOverride::NxDomain)) => ListEffect::Answer,
                (_, Some(ZoneOverride::Block)) | (Effect::Block, _) => ListEffect::Block,
                (Effect::Allow | Effect::NoAnswer, _) => ListEffect::Except,
                (Effect::Answer(_), _) => ListEffect::Answer,
            };
            let conditional = rule.conditions.as_deref().is_some_and(|given| *given != Conditions::default());
            let answers = effect == ListEffect::Answer;
            Some((rule.important, specific, answers, conditional, std::cmp::Reverse(id), of(effect)))
        });
        if profile.zone { zones.push(found.collect()) } else { free.extend(found) }
    }
    if let Some(zone) = zones.into_iter().find(|zone| !zone.is_empty()) {
        let lets = |found: &Found| found.5 == of(ListEffect::Allow) || found.5 == of(ListEffect::Except);
        free.extend(zone.into_iter().max_by_key(|found| (found.1, lets(found), found.0, found.2, found.3)));
    }
    let best = |effects: &[ListEffect]| {
        let all = free.iter().filter(|found| effects.iter().any(|effect| of(*effect) == found.5));
        all.max_by_key(|found| (found.0, found.2, found.1, found.3, found.4)).copied()
    };
    let block = best(&[ListEffect::Block, ListEffect::Answer]);
    let (allow, except) = (best(&[ListEffect::Allow]), best(&[ListEffect::Except]));
    let important = |found: Option<Found>| found.is_some_and(|found| found.0);
    let winner =
        if important(block) && !important(allow) && !important(except) { block } else { allow.or(except).or(block) };
    let (was_important, _, _, _, id, effect) = winner?;
    let effect = [ListEffect::Block, ListEffect::Answer, ListEffect::Allow, ListEffect::Except]
        .into_iter()
        .find(|other| of(*other) == effect)?;
    Some((id.0, effect, was_important))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]
    #[test]
    fn the_table_agrees_with_trying_every_rule(case in case()) {
        let lists = case.lists.iter().map(|(profile, rules)| (*profile, compiled(rules.iter().cloned().map(Rule::Name))));
        let table = table(lists);
        let selection = table.select(&ids(&case.selection));
        let suffixes = Suffixes::new(case.asked.as_name(), KEY);
        let kid = Who { names: [None, Some("Kid"), None], ..Who::nobody() };
        let who = if case.kid { kid } else { Who::nobody() };
        let hit = table.find(&selection, &suffixes, case.qtype, &who);
        let found = hit.map(|hit| (table.source(hit).0, hit.effect(), hit.important()));
        prop_assert_eq!(found, naive(&case), "{}", told(&table, hit, &suffixes));
        // What needs no knowledge of the client is decided alike without it.
        if !selection.asks_who() {
            prop_assert_eq!(hit, table.find(&selection, &suffixes, case.qtype, &Who::nobody()));
        }
    }
}
