//! Who a request comes from, once that is certain.

use crate::model::{Account, AdminId, CredentialId, Permissions, Role};

/// A signed-in administrator, by one of its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub admin: AdminId,
    /// What it may do.
    pub role: Role,
    /// For which account: the top of what it reaches.
    pub account: Account,
    /// What of its role it may do.
    pub permissions: Permissions,
    /// The key it used; what its rate is counted by.
    pub credential: Credential,
    /// Whether that key is good for operations that read only.
    pub reads_only: bool,
}

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An OAuth 1.0a signature.
    SignatureKeys(CredentialId),
    /// A bearer token.
    ApiToken(CredentialId),
    /// An access token of a session.
    Session(CredentialId),
}
