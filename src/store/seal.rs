//! Secrets that must be recovered, encrypted under a key that lives beside the store and not in it.
//!
//! AES-256-GCM with a random nonce in front of the ciphertext. The context (which row and field)
//! is authenticated, so that a sealed value copied into another row does not open.

use super::OpenError;
use crate::model::SealedSecret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const KEY_OCTETS: usize = 32;

/// The key that seals.
pub(super) struct Sealer(RandomizedNonceKey);

/// A sealed secret that does not open: another key, another context, or changed octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened: the key is another one, or the secret belongs elsewhere")]
pub struct UnsealError;

impl Sealer {
    /// Reads the key from `path`, making one if there is none; also tells whether it is new.
    pub(super) fn open(path: &Path) -> Result<(Self, bool), OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let (octets, new) = match fs::read(path) {
            Ok(octets) => (octets, false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (create(path).map_err(failed)?, true),
            Err(e) => return Err(failed(e)),
        };
        if fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!(file = %path.display(), "the secret key can be read by others; its mode should be 0600");
        }
        let bad = || failed(io::Error::new(io::ErrorKind::InvalidData, format!("not a key of {KEY_OCTETS} octets")));
        let key = RandomizedNonceKey::new(&AES_256_GCM, &octets).map_err(|_| bad())?;
        Ok((Sealer(key), new))
    }

    pub(super) fn seal(&self, context: &[u8], plain: &[u8]) -> SealedSecret {
        let mut octets = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut octets)
            .expect("the random source works and a secret is far below 64 GiB");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut octets);
        SealedSecret(sealed)
    }

    pub(super) fn unseal(&self, context: &[u8], sealed: &SealedSecret) -> Result<Vec<u8>, UnsealError> {
        let (nonce, octets) = sealed.0.split_at_checked(NONCE_LEN).ok_or(UnsealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError)?;
        let mut octets = octets.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(context), &mut octets).map_err(|_| UnsealError)?.len();
        octets.truncate(length);
        Ok(octets)
    }
}

/// Writes a new key beside its place and renames it, so that there is never half a key.
fn create(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; KEY_OCTETS];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| io::Error::other("no random octets"))?;
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&octets)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_context_only() {
        let dir = tempfile::tempdir().unwrap();
        let (sealer, new) = Sealer::open(&dir.path().join("secret.key")).unwrap();
        assert!(new);
        assert_eq!(fs::metadata(dir.path().join("secret.key")).unwrap().permissions().mode() & 0o777, 0o600);
        let sealed = sealer.seal(b"signature_keys 7", b"hunter2");
        assert_ne!(sealed, sealer.seal(b"signature_keys 7", b"hunter2"), "each sealing has its own nonce");
        let (again, new) = Sealer::open(&dir.path().join("secret.key")).unwrap();
        assert!(!new);
        assert_eq!(again.unseal(b"signature_keys 7", &sealed).unwrap(), b"hunter2");
        assert_eq!(again.unseal(b"signature_keys 8", &sealed), Err(UnsealError));
        let (other, _) = Sealer::open(&dir.path().join("other.key")).unwrap();
        assert_eq!(other.unseal(b"signature_keys 7", &sealed), Err(UnsealError));
        for length in 0..sealed.0.len() {
            assert_eq!(again.unseal(b"signature_keys 7", &SealedSecret(sealed.0[..length].to_vec())), Err(UnsealError));
        }
    }

    #[test]
    fn a_key_file_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(Sealer::open(&path), Err(OpenError::Io { .. })));
    }
}
