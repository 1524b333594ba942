//! People and devices behind a customer's networks.

use super::{CustomerId, DeviceExceptionId, DeviceId, GroupId, InternalUserId, LocationId, PolicyId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A group of internal users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Display name, unique in the customer.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Its policy; `None` is the location's.
    pub policy: Option<PolicyId>,
    /// Disabled groups decide nothing.
    pub disabled: bool,
    /// The enabled group with the highest weight decides; equal weights: the lowest id.
    pub weight: u32,
    /// Last change.
    pub updated: Timestamp,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InternalUser {
    /// Its id.
    pub id: InternalUserId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Display name.
    pub name: String,
    /// E-mail address; may be empty.
    pub email: String,
    /// Free text.
    pub description: String,
    /// Its own policy; `None` leaves it to the groups.
    pub policy: Option<PolicyId>,
    /// Groups it is in, at most 256.
    pub groups: Vec<GroupId>,
    /// Users the system made itself cannot be deleted.
    pub deletable: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A roaming device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Host name.
    pub name: String,
    /// What it authenticates with.
    pub key: Uuid,
    /// Agent version.
    pub version: String,
    /// Last time it was heard of.
    pub last_contact: Option<Timestamp>,
    /// Agent state as it reports it.
    pub status: String,
    /// Where it belongs.
    pub location: Option<LocationId>,
    /// Who uses it.
    pub user: Option<InternalUserId>,
    /// Its policy; `None` is the location's.
    pub policy: Option<PolicyId>,
    /// Names it resolves past the filter.
    pub exception: Option<DeviceExceptionId>,
    /// JSON text the agent reports.
    pub extra_info: String,
    /// JSON text of its own configuration; `None` inherits the customer's template.
    pub configuration: Option<String>,
    /// When it enrolled.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
}
