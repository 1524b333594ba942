//! Subscribed lists: where they come from and how they are read.

use super::{Account, ListSourceId, SealedSecret, Timestamp};
use serde::{Deserialize, Serialize};

/// A list that policies subscribe to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListSource {
    /// Its id.
    pub id: ListSourceId,
    /// Whose it is: policies of the owner and of all accounts below may subscribe.
    pub owner: Account,
    /// Display name, at most 250 characters; unique in the account.
    pub name: String,
    /// Free text, at most 2,000 characters.
    pub description: String,
    /// What its names are for.
    pub kind: ListKind,
    /// A disabled list decides nothing and is not refreshed.
    pub enabled: bool,
    /// It applies to every policy of the owner and below, subscribed or not.
    pub everywhere: bool,
    /// Where it comes from.
    pub origin: ListOrigin,
    /// How it is written; `None`: found out from its first lines.
    pub syntax: Option<ListSyntax>,
    /// What a bare name stands for.
    pub reach: NameReach,
    /// What an address other than a null or loopback address in a hosts file means.
    pub hosts: HostsMeaning,
    /// What every rule of a zone does instead of what it says; `None`: what it says.
    pub zone_override: Option<ZoneOverride>,
    /// Seconds between refreshes, 300 to 2,592,000; lists by upload are not refreshed.
    pub refresh_s: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Last change of the subscription, not of its contents.
    pub updated: Timestamp,
}

/// What the names of a list are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListKind {
    /// Blocked.
    Block,
    /// Let through, whatever categories say.
    Allow,
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListOrigin {
    /// Fetched from this address by HTTPS (HTTP where the operator's configuration allows it).
    Url(String),
    /// Sent by an administrator.
    Upload,
    /// A file on this machine below the folder the configuration names; system lists only.
    File(String),
    /// A zone transferred from a server (RFC 5936, RFC 1995).
    Transfer {
        /// `address` or `address:port` of the primary server.
        server: String,
        /// The zone.
        zone: String,
        /// Name of the TSIG key (RFC 8945), with its algorithm: `hmac-sha256:name`.
        key_name: Option<String>,
        /// Its secret, sealed.
        key_secret: Option<SealedSecret>,
    },
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListSyntax {
    /// `address name…`.
    Hosts,
    /// A name a line, wildcards included.
    Domains,
    /// Adblock for DNS.
    Adblock,
    /// Pi-hole's regular expressions.
    Regex,
    /// dnsmasq's configuration.
    Dnsmasq,
    /// Unbound's configuration.
    Unbound,
    /// A response policy zone.
    Rpz,
    /// An archive of UT1, squidGuard or e2guardian categories.
    Ut1,
    /// Comma-separated, with a header.
    Csv,
    /// JSON of other products' exports.
    Json,
    /// AdGuard Home's configuration.
    Yaml,
}

/// What a bare name of a list stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NameReach {
    /// As its syntax has it: hosts files and Adblock's bare names the name alone, UT1, dnsmasq and Unbound all
    /// below as well, plain lists of names likewise.
    #[default]
    BySyntax,
    /// The name alone.
    Exact,
    /// The name and everything below it.
    Suffix,
}

/// What an address in a hosts file means that is no null or loopback address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HostsMeaning {
    /// The name is blocked.
    #[default]
    Block,
    /// The name has this address.
    Record,
    /// The line says nothing.
    Skip,
}

/// What all rules of a response policy zone do instead of what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ZoneOverride {
    /// Nothing: matches are logged only.
    Disabled,
    /// Let through.
    Passthru,
    /// NXDOMAIN.
    NxDomain,
    /// NODATA.
    NoData,
    /// No answer.
    Drop,
    /// As the policy's blocks look.
    Block,
}
