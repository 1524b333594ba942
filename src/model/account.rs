//! Who owns rows and who signs in: the system, MSPs, customers, administrators and their keys.

use super::{AdminId, CredentialId, CustomerId, MspId, RoleId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// An account: the owner of rows, and the reach of whoever signs in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    /// The operator of the installation.
    System,
    /// A provider.
    Msp(MspId),
    /// A customer.
    Customer(CustomerId),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::System => f.write_str("system"),
            Account::Msp(id) => write!(f, "msp {id}"),
            Account::Customer(id) => write!(f, "customer {id}"),
        }
    }
}

/// What an administrator is for. `Sales` reaches every tenant but only its own alias administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    System,
    /// Every tenant; creates and deletes MSPs and customers.
    Sales,
    /// One MSP and its customers.
    Msp,
    /// One customer.
    Customer,
}

/// A provider that manages customers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Msp {
    /// Its id.
    pub id: MspId,
    /// Display name, at most 250 characters.
    pub name: String,
    /// Address of its main administrator, unique among administrators.
    pub email: String,
    /// Free text.
    pub description: String,
    /// The caller's or our own UUID, unique among MSPs.
    pub uuid: Uuid,
    /// When it was made.
    pub created: Timestamp,
}

/// A customer: the tenant whose networks are filtered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The MSP above it, if any; otherwise the system is.
    pub msp: Option<MspId>,
    /// Display name, at most 250 characters.
    pub name: String,
    /// Address of its main administrator, unique among administrators.
    pub email: String,
    /// Free text, at most 250 characters.
    pub description: String,
    /// The operator's own reference.
    pub license: String,
    /// IANA zone; empty means the system's.
    pub timezone: String,
    /// The caller's or our own UUID, unique among customers.
    pub uuid: Uuid,
    /// What roaming agents enrol with.
    pub install_key: Uuid,
    /// When it was made.
    pub created: Timestamp,
    /// Suspended customers get REFUSED and their keys do not work.
    pub suspended: bool,
}

impl Customer {
    /// The account whose row this is one of.
    pub fn parent(&self) -> Account {
        self.msp.map_or(Account::System, Account::Msp)
    }
}

/// Somebody who may sign in for an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    /// Its id.
    pub id: AdminId,
    /// The account it acts for; `Role::Sales` acts for the system.
    pub account: Account,
    /// What it may do there.
    pub role: Role,
    /// User name, in practice an e-mail address; unique, compared in lower case.
    pub email: String,
    /// Full name.
    pub full_name: String,
    /// Free text.
    pub description: String,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// Narrows what the role allows; `None` is all of it.
    pub custom_role: Option<RoleId>,
    /// The account's main administrator goes with the account; aliases come and go.
    pub main: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// What an administrator last did, apart from the administrator so that a sign-in is a small write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdminActivity {
    /// Whose.
    pub admin: AdminId,
    /// Last sign-in.
    pub last_login: Option<Timestamp>,
    /// From where.
    pub last_address: Option<std::net::IpAddr>,
}

/// A secret that must be recovered to be of use (a signature key): encrypted under a key that
/// lives outside the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret(pub Vec<u8>);

/// The four values of an OAuth 1.0a client, of one administrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignatureKeys {
    /// Its id.
    pub id: CredentialId,
    /// Whose.
    pub admin: AdminId,
    /// Owner of the row: the administrator's account.
    pub account: Account,
    /// Identifies the client; unique.
    pub consumer_key: String,
    /// Signs together with the token's secret.
    pub consumer_secret: SealedSecret,
    /// Identifies the administrator; unique.
    pub access_token: String,
    /// Signs together with the client's secret.
    pub access_token_secret: SealedSecret,
    /// When they were made.
    pub created: Timestamp,
}

/// What an API token is good for, of what its administrator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TokenScope {
    /// Operations that read.
    ReadOnly,
    /// Everything.
    #[default]
    All,
}

/// A bearer token of an administrator, kept as its SHA-256.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id.
    pub id: CredentialId,
    /// Whose.
    pub admin: AdminId,
    /// Owner of the row: the administrator's account.
    pub account: Account,
    /// What it is for, for people.
    pub name: String,
    /// What it is good for.
    pub scope: TokenScope,
    /// SHA-256 of the token; unique.
    pub digest: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working.
    pub expires: Option<Timestamp>,
}
