//! Policies: what a network, a group or a person may look up.

use super::{Account, CategoryId, CategorySet, PolicyId, Timestamp};
use serde::{Deserialize, Serialize};

/// A preset: the categories it blocks are those of its level and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Low: threats and what is unlawful nearly everywhere.
    L,
    /// Moderate: L and what most workplaces block.
    M,
    /// High: M and what schools block.
    H,
    /// Custom: every category on its own.
    C,
}

/// Whether search engines are held to their filtered results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SafeSearch {
    /// Left alone.
    Off,
    /// Rewritten to the engine's strictest host.
    On,
}

/// How a blocked answer looks (decision order, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockAnswer {
    /// The block page's addresses where one is configured, else as `Null`.
    Page,
    /// `0.0.0.0` and `::`; other types get NODATA.
    Null,
    /// NXDOMAIN.
    NxDomain,
    /// REFUSED.
    Refused,
    /// Addresses of the admin's choice; other types get NODATA.
    Address {
        /// Answer to A.
        v4: Option<std::net::Ipv4Addr>,
        /// Answer to AAAA.
        v6: Option<std::net::Ipv6Addr>,
    },
}

/// Category settings of a policy whose level is C. A category outside `set` takes the value of
/// the policy above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategorySettings {
    /// Categories this policy decides itself.
    pub set: CategorySet,
    /// Of those, the blocked ones.
    pub blocked: CategorySet,
    /// Categories whose notification this policy decides itself.
    pub notify_set: CategorySet,
    /// Of those, the ones that notify.
    pub notify: CategorySet,
}

impl CategorySettings {
    /// Decides one category.
    pub fn allow(&mut self, id: CategoryId, allowed: bool) {
        self.set = self.set.with(id);
        self.blocked = if allowed { self.blocked.without(id) } else { self.blocked.with(id) };
    }

    /// Decides one category's notification.
    pub fn notify(&mut self, id: CategoryId, notify: bool) {
        self.notify_set = self.notify_set.with(id);
        self.notify = if notify { self.notify.with(id) } else { self.notify.without(id) };
    }
}

/// What a policy has set itself; an absent field takes the value of the policy above: a customer's
/// policy that of the customer's default, that the MSP's default, that the global default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicySettings {
    /// Where notifications go; empty means nowhere.
    pub email_notifications: Option<String>,
    /// Let names without a category through.
    pub allow_unclassified: Option<bool>,
    /// Search engines.
    pub safe_search: Option<SafeSearch>,
    /// Preset. `L`, `M` and `H` decide every category; `C` leaves them to `categories`.
    pub level: Option<Level>,
    /// Categories one by one, read only where `level` is `C`; notifications always.
    pub categories: CategorySettings,
    /// Also apply the allow list of the customer's default policy.
    pub inherit_default_allow_list: Option<bool>,
    /// Also apply the block list of the customer's default policy.
    pub inherit_default_block_list: Option<bool>,
    /// How a block looks.
    pub block_answer: Option<BlockAnswer>,
    /// TTL of blocked answers, seconds, 0 to 86,400.
    pub block_ttl_s: Option<u32>,
    /// Whether blocked answers carry the reason as EDE text.
    pub block_text: Option<bool>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Whose it is. The system and each MSP own exactly one, their default.
    pub owner: Account,
    /// The owner's default policy; every account has one, made and deleted with it.
    pub is_default: bool,
    /// Display name, unique in the account, at most 250 characters.
    pub name: String,
    /// Free text, at most 250 characters.
    pub description: String,
    /// What it sets.
    pub settings: PolicySettings,
    /// When it was made.
    pub created: Timestamp,
    /// Last change of the policy or its categories.
    pub updated: Timestamp,
}
