//! The tables: which noun stands where, and what must be unique.

use super::record::{self, DecodeError, Record, Row};
use crate::model::*;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! tables {
    ($($(#[$doc:meta])* $number:literal $name:ident $text:literal)*) => {
        /// A table. Its number is part of every key on disk and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Table {
            $($(#[$doc])* $name = $number,)*
        }

        impl Table {
            /// Every table, lowest number first.
            pub const ALL: &'static [Table] = &[$(Table::$name),*];

            /// The table with this number.
            pub const fn from_number(number: u8) -> Option<Table> {
                match number {
                    $($number => Some(Table::$name),)*
                    _ => None,
                }
            }

            /// Its name in exports, logs and errors.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Table::$name => $text,)*
                }
            }

            /// The table with this name.
            pub fn from_name(name: &str) -> Option<Table> {
                Self::ALL.iter().copied().find(|table| table.name() == name)
            }

            /// Whether it has at most one row an owner.
            pub const fn is_singleton(self) -> bool {
                match self {
                    $(Table::$name => <$name as Record>::SINGLETON,)*
                }
            }
        }

        /// A row of any table.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the noun of its name")]
        pub enum AnyRow {
            $($name($name),)*
        }

        impl AnyRow {
            /// Its table.
            pub fn table(&self) -> Table {
                match self { $(AnyRow::$name(_) => Table::$name,)* }
            }

            /// Whose it is.
            pub fn owner(&self) -> Account {
                match self { $(AnyRow::$name(row) => row.owner(),)* }
            }

            /// The row it stands under; 0 for none.
            pub fn parent(&self) -> u32 {
                match self { $(AnyRow::$name(row) => Record::parent(row),)* }
            }

            /// Its number in the table.
            pub fn id(&self) -> u32 {
                match self { $(AnyRow::$name(row) => row.id(),)* }
            }

            /// Values no other row may have.
            pub fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
                match self { $(AnyRow::$name(row) => row.unique(),)* }
            }

            /// The noun as JSON.
            pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
                match self { $(AnyRow::$name(row) => serde_json::to_value(row),)* }
            }

            /// Reads what `to_json` wrote.
            pub fn from_json(table: Table, json: serde_json::Value) -> serde_json::Result<AnyRow> {
                Ok(match table { $(Table::$name => AnyRow::$name(serde_json::from_value(json)?),)* })
            }

            /// The octets of the row, its revision still 0.
            pub(super) fn encode(&self) -> Vec<u8> {
                match self { $(AnyRow::$name(row) => record::encode(row),)* }
            }

            /// Reads the octets of a row of `table`.
            pub(super) fn decode(table: Table, octets: &[u8]) -> Result<Row<AnyRow>, DecodeError> {
                Ok(match table {
                    $(Table::$name => {
                        let Row { value, revision } = record::decode::<$name>(octets)?;
                        Row { value: AnyRow::$name(value), revision }
                    })*
                })
            }
        }
    };
}

/// The methods of `Record` that only name the variant.
macro_rules! any {
    ($name:ident) => {
        fn into_any(self) -> AnyRow {
            AnyRow::$name(self)
        }

        fn from_any(row: &AnyRow) -> Option<&Self> {
            match row {
                AnyRow::$name(row) => Some(row),
                _ => None,
            }
        }
    };
}

tables! {
    /// Providers.
    1 Msp "msp"
    /// Tenants.
    2 Customer "customer"
    /// Who may sign in.
    3 Admin "admin"
    /// What they last did.
    4 AdminActivity "admin_activity"
    /// OAuth 1.0a keys.
    5 SignatureKeys "signature_keys"
    /// Bearer tokens.
    6 ApiToken "api_token"
    /// Policies.
    7 Policy "policy"
    /// Allow and block entries.
    8 ListEntry "list_entry"
    /// Places queries come from.
    9 Location "location"
    /// Their address ranges.
    10 Address "address"
    /// Groups of people.
    11 Group "group"
    /// People.
    12 InternalUser "internal_user"
    /// Roaming devices.
    13 Device "device"
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
        }
    }

    /// The key of an administrator's user name.
    pub fn admin_email(email: &str) -> Vec<u8> {
        email.to_lowercase().into_bytes()
    }

    /// The key of a name within an account, as policies, locations and groups have it.
    pub fn name_in(owner: Account, name: &str) -> Vec<u8> {
        let (kind, id) = account_octets(owner);
        let mut key = vec![kind];
        key.extend(id.to_be_bytes());
        key.extend(name.to_lowercase().into_bytes());
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

/// An account as keys have it: kind and id, the system's 0.
pub(super) fn account_octets(account: Account) -> (u8, u32) {
    match account {
        Account::System => (0, 0),
        Account::Msp(id) => (1, id.0),
        Account::Customer(id) => (2, id.0),
    }
}

impl Record for Msp {
    const TABLE: Table = Table::Msp;
    any!(Msp);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::MspUuid, self.uuid.into_bytes().to_vec())]
    }
}

impl Record for Customer {
    const TABLE: Table = Table::Customer;
    any!(Customer);
    fn owner(&self) -> Account {
        Customer::parent(self)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![
            (Unique::CustomerUuid, self.uuid.into_bytes().to_vec()),
            (Unique::InstallKey, self.install_key.into_bytes().to_vec()),
        ]
    }
}

impl Record for Admin {
    const TABLE: Table = Table::Admin;
    any!(Admin);
    fn owner(&self) -> Account {
        self.account
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::AdminEmail, Unique::admin_email(&self.email))]
    }
}

/// Owned by the system whatever the administrator's account, so that a sign-in needs to know no more than who it was.
impl Record for AdminActivity {
    const TABLE: Table = Table::AdminActivity;
    any!(AdminActivity);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        self.admin.0
    }
}

impl Record for SignatureKeys {
    const TABLE: Table = Table::SignatureKeys;
    any!(SignatureKeys);
    fn owner(&self) -> Account {
        self.account
    }
    fn parent(&self) -> u32 {
        self.admin.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![
            (Unique::ConsumerKey, self.consumer_key.clone().into_bytes()),
            (Unique::AccessToken, self.access_token.clone().into_bytes()),
        ]
    }
}

impl Record for ApiToken {
    const TABLE: Table = Table::ApiToken;
    any!(ApiToken);
    fn owner(&self) -> Account {
        self.account
    }
    fn parent(&self) -> u32 {
        self.admin.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ApiToken, self.digest.to_vec())]
    }
}

impl Record for Policy {
    const TABLE: Table = Table::Policy;
    any!(Policy);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::PolicyName, Unique::name_in(self.owner, &self.name))]
    }
}

impl Record for ListEntry {
    const TABLE: Table = Table::ListEntry;
    any!(ListEntry);
    fn owner(&self) -> Account {
        self.owner
    }
    fn parent(&self) -> u32 {
        match self.list {
            ListId::System | ListId::Msp(_) => 0,
            ListId::Policy(policy) => policy.0,
        }
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::Entry, Unique::entry(self.list, self.action, self.domain.as_name()))]
    }
}

impl Record for Location {
    const TABLE: Table = Table::Location;
    any!(Location);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        let mut keys = vec![(Unique::LocationName, Unique::name_in(self.owner(), &self.name))];
        if let LocationKind::DynamicIp { key, .. } = &self.kind {
            keys.push((Unique::DynamicIpKey, key.clone().into_bytes()));
        }
        keys
    }
}

impl Record for Address {
    const TABLE: Table = Table::Address;
    any!(Address);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn parent(&self) -> u32 {
        self.location.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for Group {
    const TABLE: Table = Table::Group;
    any!(Group);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::GroupName, Unique::name_in(self.owner(), &self.name))]
    }
}

impl Record for InternalUser {
    const TABLE: Table = Table::InternalUser;
    any!(InternalUser);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for Device {
    const TABLE: Table = Table::Device;
    any!(Device);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::DeviceKey, self.key.into_bytes().to_vec())]
    }
}
