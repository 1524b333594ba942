//! Which subscribed lists count for which policy.

use super::{CompiledSource, ListSelection, ListTable};
use crate::model::{Account, ListSource, ListSourceId};
use std::collections::{BTreeSet, HashMap};

/// Choices of lists that are remembered, so that policies with the same lists share one.
const CHOICES_MAX: usize = 16_384;

/// The rows of subscribed lists, as far as they bear on decisions.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// Whose a list is; those that are switched off are not here.
    enabled: HashMap<ListSourceId, Account>,
    /// Lists that apply to every policy of an account and below.
    everywhere: HashMap<Account, BTreeSet<ListSourceId>>,
    choices: HashMap<Box<[ListSourceId]>, ListSelection>,
}

impl Subscriptions {
    /// Takes a new or changed list.
    pub(super) fn insert(&mut self, source: &ListSource) -> CompiledSource {
        self.remove(source);
        if source.enabled {
            self.enabled.insert(source.id, source.owner);
            if source.everywhere {
                self.everywhere.entry(source.owner).or_default().insert(source.id);
            }
        }
        CompiledSource { owner: source.owner, name: source.name.clone(), everywhere: source.everywhere }
    }

    /// Takes a list out.
    pub(super) fn remove(&mut self, source: &ListSource) {
        self.enabled.remove(&source.id);
        if let Some(lists) = self.everywhere.get_mut(&source.owner) {
            lists.remove(&source.id);
            if lists.is_empty() {
                self.everywhere.remove(&source.owner);
            }
        }
    }

    /// The lists that count: those that apply everywhere, of the accounts from the system down, then those `wanted` that
    /// belong to one of the accounts. Lists that are switched off do not.
    pub(super) fn counting(&self, accounts: &[Option<Account>], wanted: &[ListSourceId]) -> Vec<ListSourceId> {
        let mut ids = Vec::new();
        for (index, account) in accounts.iter().enumerate() {
            let Some(account) = account.filter(|_| !accounts[..index].contains(&accounts[index])) else { continue };
            ids.extend(self.everywhere.get(&account).into_iter().flatten().copied());
        }
        for id in wanted {
            let visible = self.enabled.get(id).is_some_and(|owner| accounts.contains(&Some(*owner)));
            if visible && !ids.contains(id) {
                ids.push(*id);
            }
        }
        ids
    }

    /// These lists of the table.
    pub(super) fn select(&mut self, table: &ListTable, ids: &[ListSourceId]) -> ListSelection {
        if ids.is_empty() {
            return ListSelection::default();
        }
        if let Some(known) = self.choices.get(ids) {
            return known.clone();
        }
        if self.choices.len() >= CHOICES_MAX {
            self.choices.clear();
        }
        let selection = table.select(ids);
        self.choices.insert(ids.into(), selection.clone());
        selection
    }

    /// Another table is there: what was chosen from the last one is forgotten.
    pub(super) fn forget(&mut self) {
        self.choices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CustomerId, HostsMeaning, ListKind, ListOrigin, MspId, NameReach, Timestamp};

    fn source(id: u32, owner: Account, enabled: bool, everywhere: bool) -> ListSource {
        ListSource {
            id: ListSourceId(id),
            owner,
            name: id.to_string(),
            description: String::new(),
            kind: ListKind::Block,
            enabled,
            everywhere,
            origin: ListOrigin::Upload,
            syntax: None,
            reach: NameReach::BySyntax,
            hosts: HostsMeaning::Block,
            zone_override: None,
            refresh_s: 86_400,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    #[test]
    fn a_policy_has_what_applies_everywhere_and_what_it_wants_of_its_own_account_and_those_above() {
        let (one, other, msp) =
            (Account::Customer(CustomerId(1)), Account::Customer(CustomerId(2)), Account::Msp(MspId(1)));
        let mut subscriptions = Subscriptions::default();
        for (id, owner, enabled, everywhere) in [
            (1, Account::System, true, false),
            (2, Account::System, true, true),
            (3, Account::System, false, true),
            (4, msp, true, true),
            (5, Account::Msp(MspId(2)), true, true),
            (6, one, true, false),
            (7, other, true, true),
            (8, one, false, false),
        ] {
            subscriptions.insert(&source(id, owner, enabled, everywhere));
        }
        let wanted = [6, 1, 2, 3, 5, 7, 8, 99].map(ListSourceId);
        let ids = |subscriptions: &Subscriptions, accounts: &[Option<Account>], wanted: &[ListSourceId]| {
            subscriptions.counting(accounts, wanted).iter().map(|id| id.0).collect::<Vec<u32>>()
        };
        assert_eq!(ids(&subscriptions, &[Some(Account::System), Some(msp), Some(one)], &wanted), [2, 4, 6, 1]);
        assert_eq!(ids(&subscriptions, &[Some(Account::System), None, Some(other)], &[]), [2, 7]);
        assert_eq!(ids(&subscriptions, &[Some(Account::System), None, Some(Account::System)], &[]), [2], "once");
        subscriptions.insert(&source(2, Account::System, true, false));
        assert!(ids(&subscriptions, &[Some(Account::System), None, Some(one)], &[]).is_empty());
    }
}
