//! Making secrets, and hashing passwords without letting them take the machine.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::sync::LazyLock;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Octets of the longest password that is hashed.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// Hashes at once, at most: each takes 19 MiB and a core for tens of milliseconds.
const HASHING_MAX: usize = 4;
/// Sign-ins that wait for their turn, at most.
const WAITING_MAX: usize = 256;

/// Half of the cores are left to the queries.
static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Gate::new((cores / 2).clamp(1, HASHING_MAX), WAITING_MAX)
});

/// Lets passwords through, a few at a time.
struct Gate {
    hashing: Semaphore,
    waiting: Semaphore,
}

impl Gate {
    fn new(hashing: usize, waiting: usize) -> Gate {
        Gate { hashing: Semaphore::new(hashing), waiting: Semaphore::new(waiting) }
    }

    async fn pass(&self) -> Result<SemaphorePermit<'_>, SecretError> {
        self.hashing.acquire().await.map_err(|_| SecretError("stopping"))
    }

    /// For strangers, of whom there may be any number: who finds too many before them is turned away.
    async fn pass_or_turn_away(&self) -> Result<SemaphorePermit<'_>, SecretError> {
        let _place = self.waiting.try_acquire().map_err(|_| SecretError::BUSY)?;
        self.pass().await
    }
}

/// The system gave no randomness, or the password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no secret could be made: {0}")]
pub struct SecretError(&'static str);

impl SecretError {
    /// Too many passwords wait to be checked.
    pub const BUSY: SecretError = SecretError("too many passwords are being checked");

    pub(super) fn new(reason: &'static str) -> Self {
        SecretError(reason)
    }
}

/// `digits` random hexadecimal digits, at most 128.
pub fn random_hex(digits: usize) -> Result<String, SecretError> {
    let mut octets = [0; 64];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| SecretError("the system gave no randomness"))?;
    let mut text: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    text.truncate(digits);
    Ok(text)
}

/// Argon2id of a password in PHC form, with a random salt and the parameters OWASP asks for. Blocks
/// for tens of milliseconds.
pub fn hash_password_blocking(password: &str) -> Result<String, SecretError> {
    if password.len() > PASSWORD_OCTETS_MAX {
        return Err(SecretError("the password is too long"));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| SecretError("argon2 refused"))?.to_string())
}

/// The same on a thread of its own, a few at once.
pub async fn hash_password(password: String) -> Result<String, SecretError> {
    let _permit = GATE.pass().await?;
    tokio::task::spawn_blocking(move || hash_password_blocking(&password))
        .await
        .map_err(|_| SecretError("the hashing thread failed"))?
}

/// Whether a password belongs to a hash; a few at once, like hashing. [`SecretError::BUSY`] where too many wait.
pub async fn verify_password(password: String, hash: String) -> Result<bool, SecretError> {
    let _permit = GATE.pass_or_turn_away().await?;
    tokio::task::spawn_blocking(move || {
        let Ok(hash) = PasswordHash::new(&hash) else { return false };
        password.len() <= PASSWORD_OCTETS_MAX && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    })
    .await
    .map_err(|_| SecretError("the hashing thread failed"))
}

/// SHA-256 of a token: what the store keeps of it.
pub fn digest(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 is 32 octets long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, future::join_all};

    #[test]
    fn random_keys_have_their_length_and_differ() {
        let (one, two) = (random_hex(41).expect("random"), random_hex(41).expect("random"));
        assert_eq!(one.len(), 41);
        assert!(one.chars().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn strangers_wait_in_a_bounded_queue_and_the_rest_is_turned_away() {
        let gate = Gate::new(1, 2);
        let first = gate.pass_or_turn_away().await.expect("nobody is before it");
        let turns = [(); 4].map(|()| gate.pass_or_turn_away());
        let mut ended = std::pin::pin!(join_all(turns.map(|turn| async move { turn.await.map(drop) })));
        assert_eq!(ended.as_mut().now_or_never(), None, "two wait");
        drop(first);
        let busy = Err(SecretError::BUSY);
        assert_eq!(ended.await, [Ok(()), Ok(()), busy, busy]);
        assert!(gate.pass_or_turn_away().await.is_ok(), "and then there is room again");
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_no_other_is() {
        let hash = hash_password("correct horse".into()).await.expect("hashes");
        assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
        assert_eq!(verify_password("correct horse".into(), hash.clone()).await, Ok(true));
        assert_eq!(verify_password("wrong horse".into(), hash).await, Ok(false));
        assert_eq!(verify_password("x".into(), "no hash".into()).await, Ok(false));
        assert!(hash_password("x".repeat(1025)).await.is_err());
    }
}
