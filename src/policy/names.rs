//! Allow and block lists compiled for lookup: exact names with their rules.

use super::{NameKey, NameMap, Suffixes};
use crate::model::{Action, EntryId, ListEntry, Timestamp};

/// The `until_s` of rules that never end.
const FOREVER: u32 = u32::MAX;

/// What one entry says about its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The entry.
    pub entry: EntryId,
    /// Names below match too.
    pub subdomains: bool,
    /// Queries it decides are logged.
    pub log: bool,
    /// The moment from which it decides nothing, seconds since 1970; the largest number for never.
    until_s: u32,
}

impl Rule {
    fn new(entry: &ListEntry) -> Self {
        let until_s = entry.expires.map_or(FOREVER, |Timestamp(at)| u32::try_from(at.max(0)).unwrap_or(FOREVER));
        Rule { entry: entry.id, subdomains: entry.subdomains, log: entry.log_requests, until_s }
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.until_s == FOREVER || at.0 < i64::from(self.until_s)
    }
}

#[derive(Clone, Debug, Default)]
struct Rules {
    allow: Option<Rule>,
    block: Option<Rule>,
}

impl Rules {
    fn rule_mut(&mut self, action: Action) -> &mut Option<Rule> {
        match action {
            Action::Allow => &mut self.allow,
            Action::Block => &mut self.block,
        }
    }
}

/// A match in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListMatch {
    /// What the list says.
    pub action: Action,
    /// The entry that says it.
    pub rule: Rule,
    /// Labels of the entry's name: with the question's name this gives the matching name.
    pub labels: u8,
}

/// A list of names with their rules. Clones share nearly everything (see [`NameMap`]).
#[derive(Clone, Debug)]
pub struct NameList {
    names: NameMap<Rules>,
}

impl NameList {
    /// An empty list whose hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        NameList { names: NameMap::new(key) }
    }

    /// Different names in the list.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The rule for the longest matching name among the actions `allow` and `block` select and those that have not
    /// ended at `at`; for one name allow wins. `suffixes` must be hashed with this list's key.
    pub fn find(&self, suffixes: &Suffixes<'_>, allow: bool, block: bool, at: Timestamp) -> Option<ListMatch> {
        if self.names.is_empty() {
            return None;
        }
        for labels in (0..=suffixes.label_count()).rev() {
            let Some(rules) = self.names.at(suffixes, labels) else { continue };
            let itself = labels == suffixes.label_count();
            for (selected, action, rule) in [(allow, Action::Allow, rules.allow), (block, Action::Block, rules.block)] {
                if let Some(rule) = rule.filter(|rule| selected && (itself || rule.subdomains) && rule.holds(at)) {
                    return Some(ListMatch { action, rule, labels: labels as u8 });
                }
            }
        }
        None
    }

    /// Adds or replaces the entry's rule.
    pub fn insert(&mut self, entry: &ListEntry) {
        *self.names.or_insert(&entry.domain, Rules::default()).rule_mut(entry.action) = Some(Rule::new(entry));
    }

    /// Takes the entry's rule out. An entry that is not there, or whose name and action another
    /// entry has taken over, leaves the list as it is.
    pub fn remove(&mut self, entry: &ListEntry) {
        self.names.retain(entry.domain.as_name(), |rules| {
            let rule = rules.rule_mut(entry.action);
            if rule.is_some_and(|rule| rule.entry == entry.id) {
                *rule = None;
            }
            rules.allow.is_some() || rules.block.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, DomainName, ListId, Timestamp};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const KEY: NameKey = NameKey(11);

    fn entry(id: u32, action: Action, domain: &str, subdomains: bool) -> ListEntry {
        ListEntry {
            id: EntryId(id),
            owner: Account::System,
            list: ListId::System,
            action,
            domain: DomainName::from_text(domain).expect("valid"),
            subdomains,
            log_requests: true,
            comment: String::new(),
            expires: None,
            created: Timestamp(0),
        }
    }

    fn find(list: &NameList, name: &str) -> Option<(Action, u32)> {
        let name = DomainName::from_text(name).expect("valid");
        list.find(&Suffixes::new(name.as_name(), KEY), true, true, Timestamp(0)).map(|m| (m.action, m.rule.entry.0))
    }

    #[test]
    fn the_longest_matching_name_wins_and_allow_wins_on_equal_names() {
        let mut list = NameList::new(KEY);
        for (id, action, domain, subdomains) in [
            (1, Action::Block, "example.com", true),
            (2, Action::Allow, "www.example.com", false),
            (3, Action::Block, "both.test", true),
            (4, Action::Allow, "both.test", false),
            (5, Action::Block, "exact.test", false),
        ] {
            list.insert(&entry(id, action, domain, subdomains));
        }
        for (name, expected) in [
            ("example.com", Some((Action::Block, 1))),
            ("a.b.example.com", Some((Action::Block, 1))),
            ("www.example.com", Some((Action::Allow, 2))),
            ("a.www.example.com", Some((Action::Block, 1))),
            ("both.test", Some((Action::Allow, 4))),
            ("sub.both.test", Some((Action::Block, 3))),
            ("exact.test", Some((Action::Block, 5))),
            ("sub.exact.test", None),
            ("badexample.com", None),
            ("com", None),
        ] {
            assert_eq!(find(&list, name), expected, "{name}");
        }
    }

    #[test]
    fn an_entry_for_the_root_matches_everything_when_it_covers_subdomains() {
        let mut list = NameList::new(KEY);
        list.insert(&entry(1, Action::Block, ".", true));
        assert_eq!(find(&list, "anything.test"), Some((Action::Block, 1)));
    }

    #[test]
    fn actions_that_are_not_asked_for_do_not_match() {
        let mut list = NameList::new(KEY);
        list.insert(&entry(1, Action::Block, "example.com", true));
        let name = DomainName::from_text("example.com").expect("valid");
        let suffixes = Suffixes::new(name.as_name(), KEY);
        assert!(list.find(&suffixes, true, false, Timestamp(0)).is_none());
        assert!(list.find(&suffixes, false, true, Timestamp(0)).is_some());
    }

    #[test]
    fn an_entry_that_has_ended_decides_nothing_and_what_stands_behind_it_does() {
        let mut list = NameList::new(KEY);
        list.insert(&entry(1, Action::Block, "example.com", true));
        for (id, domain, expires) in [(2, "www.example.com", 1_000), (3, "example.com", 2_000), (4, "x.test", i64::MAX)]
        {
            list.insert(&ListEntry { expires: Some(Timestamp(expires)), ..entry(id, Action::Allow, domain, true) });
        }
        for (name, at, expected) in [
            ("www.example.com", 999, Some(2)),
            ("www.example.com", 1_000, Some(3)),
            ("www.example.com", 1_999, Some(3)),
            ("www.example.com", 2_000, Some(1)),
            ("x.test", i64::MAX, Some(4)),
        ] {
            let name = DomainName::from_text(name).expect("valid");
            let found = list.find(&Suffixes::new(name.as_name(), KEY), true, true, Timestamp(at));
            assert_eq!(found.map(|found| found.rule.entry.0), expected, "{name:?} {at}");
        }
        assert!(size_of::<Rules>() <= 32, "the rules of a name are {} octets", size_of::<Rules>());
    }

    proptest! {
        #[test]
        fn a_list_agrees_with_a_map_through_inserts_removes_and_clones(
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 0u32..600), 0..1500)
        ) {
            let mut list = NameList::new(KEY);
            let mut model: BTreeMap<(u32, bool), ListEntry> = BTreeMap::new();
            let mut kept: Option<(NameList, usize)> = None;
            for (step, &(insert, allow, subdomains, number)) in steps.iter().enumerate() {
                let action = if allow { Action::Allow } else { Action::Block };
                let new = entry(number * 2 + u32::from(allow) + 1, action, &format!("n{number}.test"), subdomains);
                if insert {
                    list.insert(&new);
                    model.insert((number, allow), new);
                } else {
                    list.remove(&new);
                    model.remove(&(number, allow));
                }
                if step == steps.len() / 2 {
                    kept = Some((list.clone(), list.len()));
                }
            }
            let names: std::collections::BTreeSet<u32> = model.keys().map(|k| k.0).collect();
            prop_assert_eq!(list.len(), names.len());
            for number in 0..600 {
                let expected = [true, false].iter().find_map(|&allow| model.get(&(number, allow))).map(|e| (e.action, e.id.0));
                prop_assert_eq!(find(&list, &format!("n{number}.test")), expected);
            }
            if let Some((clone, len)) = kept {
                prop_assert_eq!((clone.len(), clone.names.slots()), (len, len));
            }
        }
    }
}
