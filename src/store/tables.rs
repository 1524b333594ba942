//! The tables: a number and a name for each, and a row of any of them.

use super::record::{self, DecodeError, Record, Row};
use super::unique::Unique;
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
    /// Signed-in sessions.
    14 Session "session"
    /// Second factors.
    15 SecondFactor "second_factor"
    /// Forgotten passwords.
    16 PasswordReset "password_reset"
    /// Codes that let blocked people through.
    17 CloudKey "cloud_key"
    /// How they were used.
    18 CloudKeyUse "cloud_key_use"
    /// Sets of rules by which devices pass the filter.
    19 DeviceException "device_exception"
    /// Their rules.
    20 DeviceExceptionRule "device_exception_rule"
    /// What new devices get.
    21 DeviceDefaults "device_defaults"
    /// Names put into other categories.
    22 Recategorisation "recategorisation"
    /// Block pages.
    23 BlockPage "block_page"
    /// Support contacts.
    24 SupportContact "support_contact"
    /// How the console looks.
    25 Branding "branding"
    /// Reports.
    26 Report "report"
    /// Reports that go out by mail.
    27 ScheduledReport "scheduled_report"
    /// How far they have got.
    28 ScheduledReportRun "scheduled_report_run"
    /// How mail goes out.
    29 MailServer "mail_server"
    /// Upstream resolvers.
    30 DnsSettings "dns_settings"
    /// The licence.
    31 Licence "licence"
    /// Certificates with their keys.
    32 Certificate "certificate"
    /// Embedded reports.
    33 PowerBi "power_bi"
    /// Roles of accounts' own making.
    34 CustomRole "role"
    /// Lists that policies subscribe to.
    35 ListSource "list_source"
    /// What policies do beyond lists and categories.
    36 PolicyFilter "policy_filter"
    /// Names policies answer themselves.
    37 LocalRecord "local_record"
    /// Zones resolved elsewhere.
    38 ForwardZone "forward_zone"
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
