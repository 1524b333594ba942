//! Locations: where queries come from.

use super::{AddressId, CustomerId, LocationId, PolicyId, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How a location is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocationKind {
    /// By its address ranges, which are rows of their own.
    StaticIp,
    /// By an address that a client keeps telling us under `key`.
    DynamicIp {
        /// The secret part of the update URL: 32 hex digits; unique.
        key: String,
        /// Last update.
        access_time: Option<Timestamp>,
    },
    /// By the addresses a host name has.
    DynamicDns {
        /// The name we look up.
        hostname: String,
    },
    /// By an agent's tag, anywhere.
    Roaming {
        /// The tag agents send.
        tag: String,
    },
    /// By a tag within another location.
    Virtual {
        /// The tag agents send.
        tag: String,
    },
}

/// A place with a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// Whose it is.
    pub customer: CustomerId,
    /// How it is recognised.
    pub kind: LocationKind,
    /// Display name.
    pub name: String,
    /// Its policy; `None` is the customer's default.
    pub policy: Option<PolicyId>,
    /// Locations the system made itself cannot be deleted.
    pub deletable: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// One address range of a location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// Its id.
    pub id: AddressId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The location it belongs to.
    pub location: LocationId,
    /// The range, host bits zero. IPv4 is never written as mapped IPv6.
    pub net: IpNet,
    /// Free text.
    pub description: String,
}
