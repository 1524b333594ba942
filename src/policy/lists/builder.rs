//! From the rules of a list to its compiled form.

use super::{
    compiled::{CompiledList, Numbers},
    matcher::Matcher,
    rules::{AT, Act, BELOW, Consequence, ListRules, Loose, LooseRule, NetRule, Written},
    runs::{Interner, Numbered},
    union::of_server,
    wildcard::{self, Plain},
};
use crate::{
    identify::unmap,
    model::{AddressRule, Conditions, DomainName, Effect, FixedAnswer, NameRule, Pattern, Rule},
    policy::NameKey,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Regular expressions of a list; each costs its memory.
const REGEXES_MAX: u64 = 4_096;
/// Wildcard patterns of a list.
const PATTERNS_MAX: u64 = 262_144;
/// Loose rules of a list that are tried against every name, because no literal tells when they may match.
const ALWAYS_MAX: usize = 64;
/// Loose rules of a list that share the literal which tells when they may match.
const SHARED_MAX: u32 = 1_024;
/// Addresses of a list.
const ADDRESSES_MAX: u64 = 2_097_152;
/// Records of an answer that several rules give together.
const RECORDS_MAX: usize = 64;
/// Rules named in [`Counted::refused`].
const REFUSED_MAX: usize = 5;

/// What became of the rules of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Different names that rules stand at.
    pub names: u64,
    /// Wildcard patterns, and rules for all but a name.
    pub patterns: u64,
    /// Regular expressions.
    pub regexes: u64,
    /// Address ranges.
    pub addresses: u64,
    /// Rules that said again what another one says.
    pub duplicates: u64,
    /// Patterns and expressions that are not used: not understood, too large, or more than a list may have.
    pub too_complex: u64,
    /// The first five of those.
    pub refused: Vec<String>,
}

/// Takes the rules of one list, in any order. It needs 16 octets a rule and what the rare ones need.
pub struct ListBuilder {
    key: NameKey,
    /// Hash of the name, number of the consequence.
    names: Vec<(u64, u32)>,
    depths: u64,
    servers: bool,
    answers: Numbered<FixedAnswer>,
    conditions: Numbered<Conditions>,
    consequences: Numbered<Consequence>,
    loose: Numbered<LooseRule>,
    /// One for each of `loose`.
    matchers: Vec<Matcher>,
    /// How many loose rules wait for a literal.
    literals: HashMap<Box<[u8]>, u32>,
    always: usize,
    nets: Numbered<NetRule>,
    counted: Counted,
}

impl ListBuilder {
    /// A list without rules, whose names are hashed under `key`.
    pub fn new(key: NameKey) -> Self {
        ListBuilder {
            key,
            names: Vec::new(),
            depths: 0,
            servers: false,
            answers: Numbered::default(),
            conditions: Numbered::default(),
            consequences: Numbered::default(),
            loose: Numbered::default(),
            matchers: Vec::new(),
            literals: HashMap::new(),
            always: 0,
            nets: Numbered::default(),
            counted: Counted::default(),
        }
    }

    /// Takes one rule.
    pub fn push(&mut self, rule: Rule) {
        match rule {
            Rule::Name(rule) => self.name(rule, false),
            Rule::NameServer(rule) => self.name(rule, true),
            Rule::Address(rule) => self.address(rule),
        }
    }

    /// The list and what became of its rules.
    pub fn finish(mut self) -> (CompiledList, Counted) {
        let mut names = std::mem::take(&mut self.names);
        names.sort_unstable();
        let rules = names.len();
        let mut says = Interner::default();
        let mut fingerprints = Vec::new();
        let mut numbers = Vec::new();
        let mut said = Vec::new();
        let mut kept = 0;
        for run in names.chunk_by(|a, b| a.0 == b.0) {
            said.clear();
            said.extend(run.iter().map(|(_, number)| *number));
            said.dedup();
            kept += said.len();
            self.unite_records(&mut said);
            fingerprints.push(run[0].0);
            numbers.push(says.number(&said));
        }
        drop(names);
        fingerprints.shrink_to_fit();
        let says = says.into_runs();
        self.counted.names = fingerprints.len() as u64;
        self.counted.duplicates += (rules - kept) as u64;
        let (loose, matchers) = self.loose_rules();
        let written = Written {
            counted: self.counted.clone(),
            depths: self.depths,
            servers: self.servers,
            answers: self.answers.into_values(),
            conditions: self.conditions.into_values(),
            consequences: self.consequences.into_values(),
            loose,
            nets: self.nets.into_values(),
            says,
        };
        let numbers = Numbers::new(&numbers, written.says.len());
        let rules = Arc::new(ListRules { written, matchers });
        (CompiledList { key: self.key, fingerprints, numbers, rules }, self.counted)
    }

    fn name(&mut self, mut rule: NameRule, servers: bool) {
        if rule.conditions.as_deref().is_some_and(|conditions| *conditions == Conditions::default()) {
            rule.conditions = None;
        }
        let inverts = rule.conditions.as_deref().is_some_and(|conditions| conditions.invert);
        if inverts {
            return self.loose(rule, servers);
        }
        // Nearly all patterns of real lists are names in disguise.
        if let Pattern::Wildcard(text) = &rule.pattern
            && let Some(plain) = wildcard::plain(text)
        {
            rule.pattern = match plain {
                Plain::Exact(name) => Pattern::Exact(name),
                Plain::Suffix(name) => Pattern::Suffix(name),
                Plain::Below(name) => Pattern::Below(name),
            };
        }
        let (name, reach): (&DomainName, u8) = match &rule.pattern {
            Pattern::Exact(name) => (name, AT),
            Pattern::Suffix(name) => (name, AT | BELOW),
            Pattern::Below(name) => (name, BELOW),
            Pattern::Wildcard(_) | Pattern::Regex(_) => return self.loose(rule, servers),
        };
        let name = name.as_name();
        let fingerprint = self.key.hash(name);
        self.depths |= 1 << name.label_count().min(63);
        self.servers |= servers;
        let fingerprint = if servers { of_server(fingerprint) } else { fingerprint };
        let consequence = self.consequence(rule.effect, rule.important, rule.conditions, reach);
        self.names.push((fingerprint, consequence));
    }

    fn act(&mut self, effect: Effect) -> Act {
        match effect {
            Effect::Block => Act::Block,
            Effect::Allow => Act::Allow,
            Effect::NoAnswer => Act::NoAnswer,
            Effect::Answer(answer) => Act::Answer(self.answers.put(*answer).0),
        }
    }

    fn consequence(&mut self, effect: Effect, important: bool, conditions: Option<Box<Conditions>>, reach: u8) -> u32 {
        let act = self.act(effect);
        let conditions = conditions.map(|conditions| self.conditions.put(*conditions).0);
        self.consequences.put(Consequence { act, important, conditions, reach }).0
    }

    /// Makes one answer of the records that rules at one name give under the same conditions: `$dnsrewrite` and the records
    /// of a zone come one a line. An alias goes before records.
    fn unite_records(&mut self, said: &mut Vec<u32>) {
        let mut at = 0;
        while said.len() > 1 && at < said.len() {
            let first = self.consequences.values()[said[at] as usize];
            at += 1;
            let Some(FixedAnswer::Records(records)) = self.answer(first.act) else { continue };
            let mut records = records.clone();
            let (mut others, mut alias) = (Vec::new(), false);
            for (index, &number) in said.iter().enumerate().filter(|(index, _)| index + 1 != at) {
                let other = self.consequences.values()[number as usize];
                if (Consequence { act: first.act, ..other }) != first {
                    continue;
                }
                match self.answer(other.act) {
                    Some(FixedAnswer::Records(more)) => {
                        others.push(index);
                        records.extend_from_slice(more);
                    }
                    Some(FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_)) => alias = true,
                    _ => {}
                }
            }
            if alias {
                at -= 1;
                said.remove(at);
            } else if !others.is_empty() {
                records.truncate(RECORDS_MAX);
                let act = Act::Answer(self.answers.put(FixedAnswer::Records(records)).0);
                said[at - 1] = self.consequences.put(Consequence { act, ..first }).0;
                for index in others.into_iter().rev() {
                    said.remove(index);
                }
            }
        }
    }

    /// The rules that stand at no name, with the answers of one pattern united.
    fn loose_rules(&mut self) -> (Vec<LooseRule>, Vec<Matcher>) {
        let mut rules = std::mem::take(&mut self.loose).into_values();
        let mut matchers = std::mem::take(&mut self.matchers);
        let mut answers: BTreeMap<(bool, &Loose), Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            if let Act::Answer(_) = self.consequences.values()[rule.consequence as usize].act {
                answers.entry((rule.servers, &rule.pattern)).or_default().push(index);
            }
        }
        let together: Vec<Vec<usize>> = answers.into_values().filter(|indices| indices.len() > 1).collect();
        let mut gone = Vec::new();
        for indices in together {
            let mut said: Vec<u32> = indices.iter().map(|index| rules[*index].consequence).collect();
            self.unite_records(&mut said);
            for (place, index) in indices.into_iter().enumerate() {
                match said.get(place) {
                    Some(consequence) => rules[index].consequence = *consequence,
                    None => gone.push(index),
                }
            }
        }
        gone.sort_unstable();
        for index in gone.into_iter().rev() {
            rules.remove(index);
            matchers.remove(index);
        }
        (rules, matchers)
    }

    fn answer(&self, act: Act) -> Option<&FixedAnswer> {
        match act {
            Act::Answer(number) => self.answers.values().get(number as usize),
            Act::Block | Act::Allow | Act::NoAnswer => None,
        }
    }

    /// A rule that stands at no name.
    fn loose(&mut self, rule: NameRule, servers: bool) {
        let inverts = rule.conditions.as_deref().is_some_and(|conditions| conditions.invert);
        let pattern = Loose::from(rule.pattern);
        let full = match &pattern {
            Loose::Regex(_) => self.counted.regexes >= REGEXES_MAX,
            _ => self.counted.patterns >= PATTERNS_MAX,
        };
        if full {
            return self.refuse(&pattern);
        }
        let Some(matcher) = Matcher::new(&pattern, inverts) else { return self.refuse(&pattern) };
        let bounded = match matcher.literals() {
            [] => self.always < ALWAYS_MAX,
            all => all.iter().all(|literal| self.literals.get(literal).is_none_or(|count| *count < SHARED_MAX)),
        };
        let consequence = self.consequence(rule.effect, rule.important, rule.conditions, AT | BELOW);
        let known = self.loose.values().len();
        let rule = LooseRule { pattern: pattern.clone(), servers, consequence };
        if !bounded {
            return self.refuse(&pattern);
        }
        if !self.loose.put(rule).1 {
            self.counted.duplicates += 1;
            return;
        }
        debug_assert_eq!(known, self.matchers.len());
        match pattern {
            Loose::Regex(_) => self.counted.regexes += 1,
            _ => self.counted.patterns += 1,
        }
        self.always += usize::from(matcher.literals().is_empty());
        for literal in matcher.literals() {
            *self.literals.entry(literal.clone()).or_default() += 1;
        }
        self.matchers.push(matcher);
    }

    fn address(&mut self, rule: AddressRule) {
        if self.counted.addresses >= ADDRESSES_MAX {
            self.counted.too_complex += 1;
            return;
        }
        let act = self.act(rule.effect);
        match self.nets.put(NetRule { trigger: rule.trigger, net: unmap(rule.net), act }).1 {
            true => self.counted.addresses += 1,
            false => self.counted.duplicates += 1,
        }
    }

    fn refuse(&mut self, pattern: &Loose) {
        self.counted.too_complex += 1;
        if self.counted.refused.len() < REFUSED_MAX {
            self.counted.refused.push(match pattern {
                Loose::Wildcard(text) => text.chars().take(200).collect(),
                Loose::Regex(text) => format!("/{}/", text.chars().take(200).collect::<String>()),
                Loose::Exact(name) | Loose::Suffix(name) | Loose::Below(name) => name.to_string(),
            });
        }
    }
}
