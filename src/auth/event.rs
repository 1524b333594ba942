//! What is told of every attempt to sign in.

use crate::model::{Account, AdminId, Timestamp};
use std::{net::IpAddr, sync::Arc};

/// How somebody tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP Basic at the authorisation endpoint.
    Basic,
    /// The sign-in page.
    Page,
    /// A refresh token.
    Refresh,
    /// The current password, to set a new one.
    PasswordChange,
    /// A mailed link, to set a new password.
    PasswordReset,
}

impl Way {
    /// Its label in the audit trail.
    pub fn label(self) -> &'static str {
        match self {
            Way::Basic => "basic",
            Way::Page => "page",
            Way::Refresh => "refresh",
            Way::PasswordChange => "password_change",
            Way::PasswordReset => "password_reset",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Let in.
    Admitted,
    /// The user name or the password is wrong.
    Wrong,
    /// The password is right; the second factor's code was not given yet.
    CodeRequired,
    /// The password is right, the code is wrong or used.
    WrongCode,
    /// The account is suspended.
    Suspended,
    /// Too many failures before; nothing was checked.
    Locked,
    /// Too many others were at the door; nothing was checked.
    Busy,
    /// A refresh or mailed token that was used before. The session is ended.
    Reused,
    /// It could not be checked; the log says why.
    Failed,
}

impl Outcome {
    /// Its label in figures.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Admitted => "admitted",
            Outcome::Wrong => "wrong",
            Outcome::CodeRequired => "code_required",
            Outcome::WrongCode => "wrong_code",
            Outcome::Suspended => "suspended",
            Outcome::Locked => "locked",
            Outcome::Busy => "busy",
            Outcome::Reused => "reused",
            Outcome::Failed => "failed",
        }
    }
}

/// An attempt to sign in, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInEvent {
    /// When.
    pub at: Timestamp,
    /// How.
    pub way: Way,
    /// The user name as given, at most 254 characters; empty where a token stands for it.
    pub user_name: String,
    /// Whose user name or token it is, if anybody's.
    pub admin: Option<AdminId>,
    /// Their account.
    pub account: Option<Account>,
    /// From where.
    pub address: IpAddr,
    /// How it ended.
    pub outcome: Outcome,
}

/// Is told every attempt. Must not wait.
pub type SignInHook = Arc<dyn Fn(&SignInEvent) + Send + Sync>;
