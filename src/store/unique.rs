//! Values that no two rows share, and the keys they are found by.

use super::keys::account_octets;
use crate::model::{Account, Action, ListId, Name};
use std::fmt;

/// A kind of value that no two rows share. Its number never changes its meaning within a run;
/// the index is rebuilt at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Unique {
    /// An administrator's user name, in lower case.
    AdminEmail = 1,
    /// A customer's UUID, 16 octets.
    CustomerUuid,
    /// An MSP's UUID, 16 octets.
    MspUuid,
    /// What a customer's agents enrol with, 16 octets.
    InstallKey,
    /// The consumer key of a set of signature keys.
    ConsumerKey,
    /// The access token of a set of signature keys.
    AccessToken,
    /// SHA-256 of a bearer token.
    ApiToken,
    /// Owner and name of a policy, the name in lower case.
    PolicyName,
    /// List, action and name of an entry.
    Entry,
    /// The key of a dynamic address.
    DynamicIpKey,
    /// Customer and name of a location, the name in lower case.
    LocationName,
    /// Customer and name of a group, the name in lower case.
    GroupName,
    /// What a device authenticates with, 16 octets.
    DeviceKey,
    /// SHA-256 of a refresh token.
    RefreshToken,
    /// SHA-256 of a mailed reset token.
    ResetToken,
    /// Customer and code of a cloud key.
    CloudKey,
    /// Owner and name of a recategorisation.
    Recategorisation,
    /// A report's UUID, 16 octets.
    ReportUuid,
    /// A certificate's serial number, as shown.
    CertificateSerial,
    /// Owner and name of a role, the name in lower case.
    RoleName,
    /// Owner and name of a subscribed list, the name in lower case.
    ListSourceName,
    /// Policy, name and type of a local record; 0 stands for a denial.
    LocalRecord,
    /// Customer and name of a zone resolved elsewhere.
    ForwardZone,
}

impl Unique {
    /// What must be unique, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Unique::AdminEmail => "administrator user name",
            Unique::CustomerUuid => "customer UUID",
            Unique::MspUuid => "MSP UUID",
            Unique::InstallKey => "install key",
            Unique::ConsumerKey => "consumer key",
            Unique::AccessToken => "access token",
            Unique::ApiToken => "API token",
            Unique::PolicyName => "policy name",
            Unique::Entry => "list entry",
            Unique::DynamicIpKey => "dynamic address key",
            Unique::LocationName => "location name",
            Unique::GroupName => "group name",
            Unique::DeviceKey => "device key",
            Unique::RefreshToken => "refresh token",
            Unique::ResetToken => "reset token",
            Unique::CloudKey => "cloud key",
            Unique::Recategorisation => "recategorised name",
            Unique::ReportUuid => "report UUID",
            Unique::CertificateSerial => "certificate serial number",
            Unique::RoleName => "role name",
            Unique::ListSourceName => "list name",
            Unique::LocalRecord => "local record",
            Unique::ForwardZone => "forwarded zone",
        }
    }

    /// The key of an administrator's user name.
    pub fn admin_email(email: &str) -> Vec<u8> {
        email.to_lowercase().into_bytes()
    }

    /// The key of a name within an account, as policies, locations and groups have it.
    pub fn name_in(owner: Account, name: &str) -> Vec<u8> {
        Self::octets_in(owner, name.to_lowercase().as_bytes())
    }

    /// The key of octets within an account: a cloud key as typed, a recategorised name in wire format.
    pub fn octets_in(owner: Account, octets: &[u8]) -> Vec<u8> {
        let (kind, id) = account_octets(owner);
        let mut key = vec![kind];
        key.extend(id.to_be_bytes());
        key.extend(octets);
        key
    }

    /// The key of a list entry.
    pub fn entry(list: ListId, action: Action, domain: Name<'_>) -> Vec<u8> {
        let (kind, id) = match list {
            ListId::System => (0, 0),
            ListId::Msp(msp) => (1, msp.0),
            ListId::Policy(policy) => (2, policy.0),
        };
        let mut key = vec![kind];
        key.extend(id.to_be_bytes());
        key.push(match action {
            Action::Allow => 0,
            Action::Block => 1,
        });
        key.extend(domain.as_wire());
        key
    }
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
