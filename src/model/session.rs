//! Signing in: refresh tokens, second factors and forgotten passwords.

use super::{Account, AdminId, CredentialId, SealedSecret, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A signed-in session: what renews its access tokens, kept as a SHA-256.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id; access tokens name it, and are dead when it is gone.
    pub id: CredentialId,
    /// Whose.
    pub admin: AdminId,
    /// Owner of the row: the administrator's account.
    pub account: Account,
    /// The program it was opened for.
    pub client: String,
    /// Where it was opened from.
    pub address: Option<IpAddr>,
    /// SHA-256 of the refresh token; unique. Each renewal puts a new one in its place.
    pub refresh_digest: [u8; 32],
    /// SHA-256 of what all refresh tokens of the session have in common: one that has it and is not the
    /// current one was used before, and has been stolen.
    pub family_digest: [u8; 32],
    /// When it began.
    pub created: Timestamp,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// When it ends unless it is renewed.
    pub expires: Timestamp,
}

/// An administrator's second factor. At most one an administrator; its id is the administrator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// Whose.
    pub admin: AdminId,
    /// Owner of the row: the administrator's account.
    pub account: Account,
    /// TOTP secret (RFC 6238), sealed.
    pub secret: SealedSecret,
    /// SHA-256 of the backup codes not yet used, at most 16.
    pub backup_digests: Vec<[u8; 32]>,
    /// The last time step accepted; codes of it and before are not taken again (RFC 6238, section 5.2).
    pub last_step: u64,
    /// When it was turned on.
    pub created: Timestamp,
}

/// A mailed permission to set a new password. Asking again replaces it; its id is the administrator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Whose.
    pub admin: AdminId,
    /// Owner of the row: the administrator's account.
    pub account: Account,
    /// SHA-256 of the mailed token; unique.
    pub digest: [u8; 32],
    /// When it stops working.
    pub expires: Timestamp,
}
