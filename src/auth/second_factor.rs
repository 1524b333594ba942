//! One-time codes by time (RFC 6238), and backup codes for whoever lost the device that makes them.

use super::secret::{self, SecretError, random_hex};
use crate::{
    model::{Admin, AdminId, SecondFactor, Timestamp},
    store::{Store, UnsealError},
};
use totp_rs::{Builder, Secret, Totp};

/// Backup codes made when a second factor is turned on.
pub const BACKUP_CODES: usize = 10;
/// Seconds of a time step.
const STEP_S: u64 = 30;
/// Octets a secret may have. Authenticator apps of old clients make 10; RFC 4226 asks for 16.
const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 10..=128;

/// Why a second factor cannot be turned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnOnError {
    /// The secret is no base32 of a usable length.
    #[error("the secret must be base32 of 16 to 205 characters")]
    Secret,
    /// The code is not one of this secret and time.
    #[error("the code is not the current one")]
    Code,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] SecretError),
}

/// What a code was found to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    /// Good; the row as it is once the code is used.
    Good(SecondFactor),
    /// Wrong, or used before.
    Wrong,
}

fn context(admin: AdminId) -> Vec<u8> {
    format!("second_factor/{admin}/secret").into_bytes()
}

fn totp(secret: Vec<u8>) -> Totp {
    // SHA-1, six digits and 30 seconds: what every authenticator app does. The length was checked.
    Builder::new().with_secret(Secret::from(secret)).with_step_duration(STEP_S).with_skew(0).build_noncompliant()
}

/// The step of a code that is good now and was not used: the current step, the one before it and the
/// one after it are tried (RFC 6238, section 5.2).
fn step_of(secret: Vec<u8>, code: &str, last_step: u64, now: Timestamp) -> Option<u64> {
    let totp = totp(secret);
    let current = now.0.unsigned_abs() / STEP_S;
    let mut steps = current.saturating_sub(1)..=current.saturating_add(1);
    steps.find(|step| *step > last_step && totp.check(code, step * STEP_S).is_some())
}

/// A code as people type it: without blanks and hyphens, in lower case.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect()
}

/// Makes the row that turns a second factor on, with its backup codes in clear. The secret is the
/// caller's, in base32; the code proves that its device has it.
pub fn turn_on(
    store: &Store,
    admin: &Admin,
    secret: &str,
    code: &str,
    now: Timestamp,
) -> Result<(SecondFactor, Vec<String>), TurnOnError> {
    let text: String = secret.chars().filter(|c| !c.is_whitespace() && *c != '-' && *c != '=').collect();
    let secret = Secret::try_from_base32(text.to_ascii_uppercase()).map_err(|_| TurnOnError::Secret)?;
    let secret = secret.as_ref().to_vec();
    if !SECRET_OCTETS.contains(&secret.len()) {
        return Err(TurnOnError::Secret);
    }
    let step = step_of(secret.clone(), &plain(code), 0, now).ok_or(TurnOnError::Code)?;
    let mut codes = Vec::with_capacity(BACKUP_CODES);
    for _ in 0..BACKUP_CODES {
        let digits = random_hex(20)?;
        codes.push(format!("{}-{}-{}-{}", &digits[..5], &digits[5..10], &digits[10..15], &digits[15..]));
    }
    let row = SecondFactor {
        admin: admin.id,
        account: admin.account,
        secret: store.seal(&context(admin.id), &secret),
        backup_digests: codes.iter().map(|code| secret::digest(&plain(code))).collect(),
        last_step: step,
        created: now,
    };
    Ok((row, codes))
}

/// Judges a one-time code or a backup code.
pub(super) fn judge(store: &Store, row: &SecondFactor, code: &str, now: Timestamp) -> Result<Judged, UnsealError> {
    let code = plain(code);
    let secret = store.unseal(&context(row.admin), &row.secret)?;
    if let Some(step) = step_of(secret, &code, row.last_step, now) {
        return Ok(Judged::Good(SecondFactor { last_step: step, ..row.clone() }));
    }
    let digest = secret::digest(&code);
    let mut left = row.clone();
    left.backup_digests.retain(|known| *known != digest);
    Ok(if left.backup_digests.len() < row.backup_digests.len() { Judged::Good(left) } else { Judged::Wrong })
}

/// The code of a secret at a time, as an authenticator app shows it.
#[cfg(test)]
pub(crate) fn code_at(secret: &str, now: Timestamp) -> String {
    let secret = Secret::try_from_base32(secret).expect("base32");
    totp(secret.as_ref().to_vec()).generate(now.0.unsigned_abs()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Account, Role},
        store::Options,
    };

    // The secret of RFC 6238, appendix B.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn admin() -> Admin {
        Admin {
            custom_role: None,
            id: AdminId(7),
            account: Account::System,
            role: Role::System,
            email: "a@weir.test".into(),
            full_name: String::new(),
            description: String::new(),
            password_hash: String::new(),
            main: false,
            created: Timestamp(0),
        }
    }

    #[test]
    fn codes_are_those_of_rfc_6238_and_are_taken_once() {
        // Appendix B has eight digits; six are their end.
        for (time, code) in [(59, "287082"), (1111111109, "081804"), (2000000000, "279037")] {
            assert_eq!(code_at(SECRET, Timestamp(time)), code);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let now = Timestamp(1111111109);
        assert_eq!(turn_on(&store, &admin(), SECRET, "000000", now).err(), Some(TurnOnError::Code));
        assert_eq!(turn_on(&store, &admin(), "GEZDGNBV", "081804", now).err(), Some(TurnOnError::Secret));
        assert_eq!(turn_on(&store, &admin(), "0189", "081804", now).err(), Some(TurnOnError::Secret));
        let (row, backup) = turn_on(&store, &admin(), &SECRET.to_lowercase(), "081 804", now).expect("turns on");
        assert_eq!(backup.len(), 10);
        assert_eq!(judge(&store, &row, "081804", now), Ok(Judged::Wrong), "the code that turned it on is used");
        let later = Timestamp(now.0 + 30);
        let code = code_at(SECRET, later);
        let Ok(Judged::Good(used)) = judge(&store, &row, &code, later) else { panic!("a new code is good") };
        assert_eq!(judge(&store, &used, &code, later), Ok(Judged::Wrong));
        assert_eq!(judge(&store, &row, &code, Timestamp(later.0 + 90)), Ok(Judged::Wrong), "too old");
        let Ok(Judged::Good(used)) = judge(&store, &row, &backup[3].to_uppercase(), now) else { panic!("a backup") };
        assert_eq!(used.backup_digests.len(), 9);
        assert_eq!(judge(&store, &used, &backup[3], now), Ok(Judged::Wrong));
    }
}
