//! What a role may do: permissions, and roles that administrators put together themselves.

use super::{Account, RoleId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! subjects {
    ($($(#[$doc:meta])* $name:ident $text:literal $what:literal)*) => {
        /// What a permission is about. Its number is part of stored roles and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Subject {
            $(#[doc = $what] $name,)*
        }

        impl Subject {
            /// Every subject.
            pub const ALL: &'static [Subject] = &[$(Subject::$name),*];

            /// Its word in a label.
            pub const fn name(self) -> &'static str {
                match self { $(Subject::$name => $text,)* }
            }

            /// What it covers, for people.
            pub const fn description(self) -> &'static str {
                match self { $(Subject::$name => $what,)* }
            }
        }
    };
}

subjects! {
    Users "users" "customer accounts: make, change, suspend, delete"
    Msps "msps" "MSPs"
    Admins "admins" "administrators of an account"
    Roles "roles" "custom roles"
    HttpTokens "http_tokens" "keys and tokens of the API"
    Policies "policies" "policies and their settings"
    Lists "lists" "allow and block lists"
    Categories "categories" "category settings and recategorised names"
    Locations "locations" "locations and their addresses"
    Devices "devices" "roaming devices and their configuration"
    Exceptions "exceptions" "exceptions of devices"
    Groups "groups" "groups of people"
    People "people" "people behind a customer's network"
    CloudKeys "cloud_keys" "codes that let blocked people through"
    Reports "reports" "reports and their schedules"
    History "history" "what was asked by whom"
    Statistics "statistics" "counts and top lists"
    Logs "logs" "log files"
    Alerts "alerts" "notices and who gets them"
    Audit "audit" "the audit trail"
    Branding "branding" "how console and pages look, whom to ask for help"
    BlockPage "block_page" "what blocked people see"
    Certificates "certificates" "certificates of the servers"
    Settings "settings" "mail, upstream resolvers, licence, system"
    Analytics "analytics" "embedded analytics"
}

/// One thing a role may do; its label is `policy.<subject>.view` or `policy.<subject>.manage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// What it is about.
    pub subject: Subject,
    /// To change it too; else to look at it.
    pub manage: bool,
}

impl Permission {
    /// Every permission there is.
    pub fn all() -> impl Iterator<Item = Permission> {
        Subject::ALL.iter().flat_map(|&subject| [false, true].map(|manage| Permission { subject, manage }))
    }

    fn bit(self) -> u64 {
        1 << (2 * self.subject as u8 + u8::from(self.manage))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy.{}.{}", self.subject.name(), if self.manage { "manage" } else { "view" })
    }
}

/// A label that names no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be policy.<subject>.view or policy.<subject>.manage")]
pub struct PermissionError;

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        Permission::all().find(|permission| permission.to_string() == text).ok_or(PermissionError)
    }
}

/// A set of permissions. Who may manage may look too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(u64);

impl Permissions {
    /// Nothing.
    pub const NONE: Permissions = Permissions(0);
    /// Everything.
    pub const ALL: Permissions = Permissions(u64::MAX);

    /// With one more, and with what it brings.
    #[must_use]
    pub fn with(self, permission: Permission) -> Self {
        Permissions(self.0 | permission.bit() | Permission { manage: false, ..permission }.bit())
    }

    /// Whether this one is among them.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// The first of `wanted` that is not among them.
    pub fn lacks(self, wanted: Permissions) -> Option<Permission> {
        wanted.iter().find(|&permission| !self.has(permission))
    }

    /// All of them, in the order of the subjects.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |&permission| self.has(permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Permissions::NONE, Permissions::with)
    }
}

/// A role of an account's own making: what its administrators who have it may do, of what the account
/// could.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Its id.
    pub id: RoleId,
    /// Whose it is.
    pub owner: Account,
    /// Display name, at most 250 characters; unique in the account.
    pub name: String,
    /// Free text.
    pub description: String,
    /// What it allows.
    pub permissions: Permissions,
    /// When it was made.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_and_managing_brings_looking() {
        assert_eq!(Permission::all().count(), 50);
        for permission in Permission::all() {
            assert_eq!(permission.to_string().parse(), Ok(permission));
        }
        assert_eq!("policy.cheese.view".parse::<Permission>(), Err(PermissionError));
        let manage: Permission = "policy.locations.manage".parse().expect("a label");
        let set: Permissions = [manage].into_iter().collect();
        assert_eq!(
            set.iter().map(|permission| permission.to_string()).collect::<Vec<_>>(),
            ["policy.locations.view", "policy.locations.manage"]
        );
        assert!(!set.has(Permission { subject: Subject::Lists, manage: false }));
        assert_eq!(set.lacks(set), None);
        assert_eq!(Permissions::NONE.lacks(set), Some(Permission { manage: false, ..manage }));
        assert_eq!(Permissions::ALL.lacks(set), None);
    }
}
