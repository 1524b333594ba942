//! Settings of the installation and of accounts: mail, upstream resolvers, licence, certificates,
//! embedded reports.

use super::{Account, CertificateId, SealedSecret, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How mail and notifications go out. At most one an account (system and MSPs); without one, that
/// of the system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MailServer {
    /// Whose it is.
    pub owner: Account,
    /// Relay host, with or without a port.
    pub server: String,
    /// Minutes between two notifications about the same policy.
    pub notification_period_min: u32,
    /// From address.
    pub sender: String,
}

/// Upstream resolvers set by an administrator in place of the node's configuration. One, the system's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsSettings {
    /// Asked in this order, at most three.
    pub resolvers: Vec<IpAddr>,
}

/// The licence as it was imported. One, the system's. Informative: nothing stops working without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Licence {
    /// What it is.
    pub description: String,
    /// Its number.
    pub number: String,
    /// `Production`, `Trial`.
    pub kind: String,
    /// Category of the licence.
    pub category: String,
    /// Accounts allowed; `None` means unlimited.
    pub accounts_max: Option<u32>,
    /// Addresses allowed; `None` means unlimited.
    pub addresses_max: Option<u32>,
    /// People allowed; `None` means unlimited.
    pub users_max: Option<u32>,
    /// To whom it was issued.
    pub organisation: String,
    /// Their postal address.
    pub address: String,
    /// Their contact person.
    pub contact: String,
    /// Their e-mail address.
    pub email: String,
    /// Their telephone.
    pub telephone: String,
    /// Their fax.
    pub fax: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// Until when updates are covered; `None` means for ever.
    pub updates_until: Option<Timestamp>,
}

/// A certificate with its key, for the block page and for people to trust.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its number in the store.
    pub id: CertificateId,
    /// Serial number as outside surfaces show it: lower-case hex pairs with colons; unique.
    pub serial: String,
    /// Common name of the subject.
    pub common_name: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// Name of the file it is downloaded as.
    pub file_name: String,
    /// Certificate and intermediates, PEM.
    pub chain_pem: String,
    /// Private key, PKCS#8 DER, sealed.
    pub key: SealedSecret,
    /// The one in use; at most one is.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Where embedded Power BI reports come from. At most one an account; without one, that of the
/// account above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerBi {
    /// Whose it is.
    pub owner: Account,
    /// Directory (tenant) that issues tokens.
    pub tenant: String,
    /// Application that asks for them.
    pub client: String,
    /// Its secret, sealed.
    pub client_secret: SealedSecret,
    /// Workspaces and their reports, at most 16.
    pub workspaces: Vec<PowerBiWorkspace>,
}

/// A workspace with its reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerBiWorkspace {
    /// Its UUID.
    pub id: String,
    /// Name and UUID of each report, at most 64.
    pub reports: Vec<(String, String)>,
}
