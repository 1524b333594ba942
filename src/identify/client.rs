//! The result of identification.

use crate::model::{CustomerId, DeviceId, InternalUserId, LocationId, PolicyId};
use ipnet::IpNet;
use std::net::IpAddr;

/// What identified a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The longest address range that holds the source address.
    SourceAddress {
        /// The address.
        address: IpAddr,
        /// The range.
        range: IpNet,
    },
    /// None: whoever asks for an explanation names the device or the person.
    Supposed {
        /// The address.
        address: IpAddr,
    },
    /// No evidence; the listener applies this policy to everybody it does not know.
    UnknownClients {
        /// The address.
        address: IpAddr,
    },
}

/// Who an explanation supposes to be at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supposed {
    /// A roaming device, with whoever uses it.
    Device(DeviceId),
    /// A person.
    User(InternalUserId),
}

/// A client whose customer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The tenant.
    pub customer: CustomerId,
    /// Where it is, when known.
    pub location: Option<LocationId>,
    /// Which roaming device it is, when known.
    pub device: Option<DeviceId>,
    /// Who it is, when known.
    pub user: Option<InternalUserId>,
    /// A policy that comes with the evidence instead of a location: `unknown_clients` names one.
    pub policy: Option<PolicyId>,
    /// What told.
    pub evidence: Evidence,
}

impl Client {
    /// The address it asks from.
    pub fn address(&self) -> IpAddr {
        match self.evidence {
            Evidence::SourceAddress { address, .. }
            | Evidence::Supposed { address }
            | Evidence::UnknownClients { address } => address,
        }
    }
}

/// Who asks (decision order, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identified {
    /// A customer, and more where known.
    Known(Client),
    /// No evidence matched.
    Unknown,
    /// An identity was presented that does not exist, is revoked or not authentic.
    Invalid,
}
