//! What a change touches: what must be compiled again.

use super::World;
use crate::model::*;

impl World {
    pub(super) fn touch_records(&mut self, record: &LocalRecord) {
        let is_default = self.policies.get(&record.policy).is_some_and(|policy| policy.is_default);
        self.dirty.policies.insert(record.policy);
        if is_default && matches!(record.owner, Account::Customer(_)) {
            self.touch_policies_of(record.owner);
        }
    }

    pub(super) fn touch_account(&mut self, account: Account) {
        match account {
            Account::System => {}
            Account::Msp(id) => {
                self.dirty.msps.insert(id);
            }
            Account::Customer(id) => {
                self.dirty.customers.insert(id);
            }
        }
    }

    pub(super) fn touch_list(&mut self, id: ListId) {
        match id {
            ListId::System => {}
            ListId::Msp(id) => {
                self.dirty.msps.insert(id);
            }
            ListId::Policy(id) => {
                self.dirty.policies.insert(id);
            }
        }
    }

    pub(super) fn touch_policy(&mut self, id: PolicyId, owner: Account, is_default: bool) {
        self.dirty.policies.insert(id);
        if !is_default {
            return;
        }
        match owner {
            Account::System => self.dirty.all_policies = true,
            Account::Msp(msp) => {
                for customer in self.customers_of.get(&msp).cloned().unwrap_or_default() {
                    self.touch_policies_of(Account::Customer(customer));
                }
            }
            Account::Customer(customer) => {
                self.dirty.customers.insert(customer);
                self.touch_policies_of(owner);
            }
        }
    }

    pub(super) fn touch_filter(&mut self, filter: &PolicyFilter) {
        let is_default = self.policies.get(&filter.policy).is_some_and(|policy| policy.is_default);
        self.touch_policy(filter.policy, filter.owner, is_default);
    }

    /// Notes that lists of this account came, went or count differently.
    pub(super) fn touch_subscribers(&mut self, owner: Account) {
        match owner {
            Account::System => self.dirty.all_policies = true,
            Account::Msp(msp) => {
                self.touch_policies_of(owner);
                for customer in self.customers_of.get(&msp).cloned().unwrap_or_default() {
                    self.touch_policies_of(Account::Customer(customer));
                }
            }
            Account::Customer(_) => self.touch_policies_of(owner),
        }
    }

    pub(super) fn touch_policies_of(&mut self, account: Account) {
        if let Some(policies) = self.policies_of.get(&account) {
            self.dirty.policies.extend(policies);
        }
    }

    pub(super) fn touch_users_of(&mut self, group: GroupId) {
        if let Some(users) = self.users_of.get(&group) {
            self.dirty.users.extend(users);
        }
    }
}
