//! Settings of the installation and of accounts: mail, upstream resolvers, licence, certificates,
//! embedded reports.

use super::{Account, CertificateId, SealedSecret, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    pub resolvers: Vec<SocketAddr>,
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
    /// Until when it holds; `None` means for ever.
    pub expires: Option<Timestamp>,
}

/// Whom a certificate names (RFC 5280, section 4.1.2.6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CertificateSubject {
    /// CN, at most 64 characters.
    pub common_name: String,
    /// O, at most 64 characters.
    pub organisation: String,
    /// OU, at most 64 characters.
    pub unit: String,
    /// L, at most 128 characters.
    pub city: String,
    /// ST, at most 128 characters.
    pub state: String,
    /// C, two upper-case letters.
    pub country: String,
}

/// A certificate authority of this installation: people trust it, and it signs what the API and the
/// block page show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its number in the store.
    pub id: CertificateId,
    /// Serial number as outside surfaces show it: lower-case hex pairs with colons; unique.
    pub serial: String,
    /// Its subject, which is its issuer too.
    pub subject: CertificateSubject,
    /// Name of the file it is downloaded as.
    pub file_name: String,
    /// The certificate, PEM.
    pub pem: String,
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
