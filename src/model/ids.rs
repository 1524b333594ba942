//! Typed identifiers: one type a noun, so that a policy's id cannot be passed for a location's.
//!
//! Identifiers are `1..=2147483647` on the outside surfaces; 0 never names a row.

use serde::{Deserialize, Serialize};
use std::{fmt, num::ParseIntError, str::FromStr};

/// The largest identifier an outside surface shows (`int32`, as existing clients expect).
pub const ID_MAX: u32 = i32::MAX as u32;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map($name)
            }
        }
    )*};
}

ids! {
    /// A managed service provider.
    MspId
    /// A customer account (the API calls it a user).
    CustomerId
    /// A person or program that may sign in.
    AdminId
    /// A set of OAuth 1.0a keys or an API token.
    CredentialId
    /// A filtering policy, of the system, an MSP or a customer.
    PolicyId
    /// One allow or block entry of a list.
    EntryId
    /// A place queries come from.
    LocationId
    /// One address range of a static location.
    AddressId
    /// A group of internal users.
    GroupId
    /// A person behind a customer's network.
    InternalUserId
    /// A roaming device.
    DeviceId
    /// A set of device exception rules.
    DeviceExceptionId
    /// One rule of a device exception.
    DeviceExceptionRuleId
    /// A key that lets a blocked person through.
    CloudKeyId
    /// A report definition; outside it goes by its UUID.
    ReportId
    /// A scheduled report.
    ScheduledReportId
    /// A name whose category somebody changed.
    RecategorisationId
    /// A stored TLS certificate.
    CertificateId
    /// A role of an account's own making.
    RoleId
    /// A list that policies subscribe to.
    ListSourceId
    /// A name a policy answers itself.
    LocalRecordId
    /// A zone that a customer's queries are resolved for elsewhere.
    ForwardZoneId
}
