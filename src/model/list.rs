//! Allow and block lists: names an admin decided one by one.

use super::{Account, DomainName, EntryId, MspId, PolicyId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which list an entry stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ListId {
    /// The system's global list, ahead of all others.
    System,
    /// An MSP's list, ahead of its customers' policies.
    Msp(MspId),
    /// The list of a customer's policy.
    Policy(PolicyId),
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Lets the name through, whatever its categories.
    Allow,
    /// Blocks the name.
    Block,
}

/// One entry. A list holds at most one entry for a name and an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListEntry {
    /// Its id.
    pub id: EntryId,
    /// Whose it is: the owner of the list.
    pub owner: Account,
    /// The list it stands in.
    pub list: ListId,
    /// Allow or block.
    pub action: Action,
    /// The name it is about.
    pub domain: DomainName,
    /// Whether names below it match too.
    pub subdomains: bool,
    /// When false, queries it decides are neither logged nor counted in statistics.
    pub log_requests: bool,
    /// Free text, at most 250 characters.
    pub comment: String,
    /// From this moment on it decides nothing, and is deleted soon after.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
}
