//! The loose rules of all lists, behind one automaton of the literals they wait for.

use super::{rules::ListRules, runs::Runs};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::{collections::BTreeMap, sync::Arc};

/// A rule that stands at no name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub slot: u16,
    /// It is about names of name servers.
    pub servers: bool,
    /// Its number in its list.
    pub rule: u32,
}

/// Which rules are to be tried against a name.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    automaton: Option<AhoCorasick>,
    /// Run `n` waits for literal `n`.
    waiting: Runs<Waiting>,
    /// Run `n` are the rules of list `n` that wait for nothing.
    always: Runs<Waiting>,
}

impl Patterns {
    /// Takes the lists in the order of their slots.
    pub(super) fn new<'a>(lists: impl Iterator<Item = &'a Arc<ListRules>> + Clone) -> Self {
        let mut by_literal: BTreeMap<&[u8], Vec<Waiting>> = BTreeMap::new();
        for (waiting, literals) in lists.clone().enumerate().flat_map(|(slot, rules)| of_list(slot, rules)) {
            for literal in literals {
                by_literal.entry(literal).or_default().push(waiting);
            }
        }
        let mut builder = AhoCorasick::builder();
        // Smaller than an automaton of one state a step, and built in a fraction of the time.
        let automaton = builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(by_literal.keys());
        // Too many literals for one automaton: all rules are tried.
        let wait = automaton.is_ok();
        let mut patterns = Patterns { automaton: None, waiting: Runs::default(), always: Runs::default() };
        for (slot, rules) in lists.enumerate() {
            let always = of_list(slot, rules).filter(|(_, literals)| literals.is_empty() || !wait);
            let always: Vec<Waiting> = always.map(|(waiting, _)| waiting).collect();
            patterns.always.push(&always);
        }
        if wait && !by_literal.is_empty() {
            for all in by_literal.values() {
                patterns.waiting.push(all);
            }
            patterns.automaton = automaton.ok();
        }
        patterns
    }

    /// Calls `found` with each rule that may match the name; the same one may come more than once.
    #[inline]
    pub(super) fn candidates(&self, text: &[u8], mut found: impl FnMut(Waiting)) {
        let Some(automaton) = &self.automaton else { return };
        for literal in automaton.find_overlapping_iter(text) {
            for waiting in self.waiting.get(literal.pattern().as_u32()) {
                found(*waiting);
            }
        }
    }

    /// The rules of a list that are tried against every name.
    pub(super) fn always(&self, slot: u16) -> &[Waiting] {
        self.always.get(u32::from(slot))
    }

    pub(super) fn octets(&self) -> usize {
        let automaton = self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage);
        automaton + self.waiting.octets() + self.always.octets()
    }
}

fn of_list(slot: usize, rules: &ListRules) -> impl Iterator<Item = (Waiting, &[Box<[u8]>])> {
    rules.matchers.iter().zip(&rules.written.loose).enumerate().map(move |(rule, (matcher, written))| {
        (Waiting { slot: slot as u16, servers: written.servers, rule: rule as u32 }, matcher.literals())
    })
}
