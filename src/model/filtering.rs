//! What bends the filter for somebody: cloud keys, device exceptions, device defaults and names
//! put into other categories.

use super::{
    Account, CategorySet, CloudKeyId, CustomerId, DeviceExceptionId, DeviceExceptionRuleId, DomainName, PolicyId,
    RecategorisationId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A code that lets a blocked person through for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudKey {
    /// Its id.
    pub id: CloudKeyId,
    /// Whose it is.
    pub customer: CustomerId,
    /// What people type on the block page; unique in the customer, compared as typed.
    pub key: String,
    /// Written to the history in place of a name when the key is used.
    pub log_name: String,
    /// How long one entry lets through, seconds.
    pub session_s: u32,
    /// The unit the administrator gave `session_s` in.
    pub session_unit: SessionUnit,
    /// Entries allowed; 0 means no limit.
    pub uses_max: u32,
    /// First moment it is accepted: midnight in the customer's time zone.
    pub valid_from: Timestamp,
    /// First moment it is no longer accepted; `None` means no end.
    pub valid_until: Option<Timestamp>,
    /// Whether it is accepted at all.
    pub active: bool,
    /// Free text.
    pub comment: String,
    /// When it was made.
    pub created: Timestamp,
}

/// The unit in which a cloud key's session is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionUnit {
    /// 60 seconds.
    Minutes,
    /// 3,600 seconds.
    Hours,
    /// 86,400 seconds.
    Days,
}

impl SessionUnit {
    /// Seconds of one.
    pub const fn seconds(self) -> u32 {
        match self {
            SessionUnit::Minutes => 60,
            SessionUnit::Hours => 3_600,
            SessionUnit::Days => 86_400,
        }
    }
}

/// How a cloud key was used, apart from the key so that an entry is a small write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudKeyUse {
    /// Which key.
    pub key: CloudKeyId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Entries since it was made or reset.
    pub uses: u32,
    /// Last entry.
    pub last_used: Option<Timestamp>,
    /// From where.
    pub last_address: Option<IpAddr>,
}

/// A set of rules by which devices resolve some names past the filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceException {
    /// Its id.
    pub id: DeviceExceptionId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Display name, at most 250 characters.
    pub name: String,
    /// Free text, at most 2,000 characters.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
}

/// One rule of a device exception: for a name, at a place, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceExceptionRule {
    /// Its id.
    pub id: DeviceExceptionRuleId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The exception it belongs to.
    pub exception: DeviceExceptionId,
    /// Applies to this name and those below it; `None` to all names.
    pub domain: Option<DomainName>,
    /// Applies while the device has this address; `None` anywhere.
    pub address: Option<IpAddr>,
    /// What happens then.
    pub kind: DeviceExceptionKind,
    /// Free text, at most 2,000 characters.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
}

/// What a device exception rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeviceExceptionKind {
    /// The agent stays out of it (type 1).
    BypassAgent {
        /// A resolver that was given all the same. It is not asked; it is kept for when the type changes.
        resolver: Option<IpAddr>,
    },
    /// This resolver is asked instead (type 2).
    Resolver(IpAddr),
}

impl DeviceExceptionKind {
    /// The resolver that was given, asked or not.
    pub fn resolver(self) -> Option<IpAddr> {
        match self {
            DeviceExceptionKind::BypassAgent { resolver } => resolver,
            DeviceExceptionKind::Resolver(resolver) => Some(resolver),
        }
    }
}

/// The configuration of devices whose customer has no template: a JSON document.
pub const DEVICE_CONFIGURATION: &str = r#"{"filter":[]}"#;

/// What newly enrolled devices of a customer get, and the configuration all of them inherit.
/// At most one a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceDefaults {
    /// Whose they are.
    pub customer: CustomerId,
    /// The policy of new devices; `None` is the location's.
    pub policy: Option<PolicyId>,
    /// The exception of new devices.
    pub exception: Option<DeviceExceptionId>,
    /// The template, a JSON document; `None` is [`DEVICE_CONFIGURATION`].
    pub configuration: Option<String>,
}

/// A name that an account puts into other categories than the category data does: for its
/// customers (the system: everybody), the nearest account winning. An owner has at most one a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recategorisation {
    /// Its id.
    pub id: RecategorisationId,
    /// For whom it counts.
    pub owner: Account,
    /// The name; names below it follow unless the category data knows them better.
    pub domain: DomainName,
    /// Its categories there, one to three.
    pub categories: CategorySet,
    /// When it was made.
    pub created: Timestamp,
}
