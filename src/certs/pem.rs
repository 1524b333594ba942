//! PEM files to a certificate and its key, with the file and the reason where that fails.

use super::Validity;
use crate::model::Timestamp;
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Octets of the largest PEM file read.
const PEM_OCTETS_MAX: u64 = 1 << 20;
/// Seconds before its end from which a certificate is spoken of.
pub(super) const EXPIRES_SOON_S: i64 = 14 * 86_400;

/// Why there is no certificate. The one in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM, or lacks what is looked for.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error("the key in {} is not the key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The key of a stored certificate cannot be used.
    #[error("the key of the stored certificate {serial} cannot be used: {reason}")]
    Stored {
        /// Its serial number.
        serial: String,
        /// Why.
        reason: String,
    },
}

/// A certificate with its chain and key.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What a handshake answers with.
    pub certified: Arc<CertifiedKey>,
    /// When the certificate is valid.
    pub validity: Validity,
    /// Where it came from.
    pub file: PathBuf,
}

impl Loaded {
    /// What is the matter with the certificate's time, if anything: not yet valid, expired, or soon.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let file = self.file.display();
        let left_s = self.validity.left_s(now);
        if left_s < 0 {
            Some(format!("the certificate in {file} expired {} days ago", -left_s / 86_400))
        } else if left_s < EXPIRES_SOON_S {
            Some(format!("the certificate in {file} expires in {} days", left_s / 86_400))
        } else if self.validity.not_before > now {
            Some(format!("the certificate in {file} is not valid yet"))
        } else {
            None
        }
    }
}

/// Loads a chain, the node's certificate first, and its private key (PKCS #8, SEC 1 or PKCS #1).
pub fn load(certificate: &Path, key: &Path) -> Result<Loaded, CertError> {
    let content = |path: &Path, reason: String| CertError::Content { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(certificate, pem_reason(&error)))?;
    let first = chain.first().ok_or_else(|| content(certificate, "it contains no certificate".to_owned()))?;
    let validity =
        Validity::of(first).ok_or_else(|| content(certificate, "its first certificate is damaged".to_owned()))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => content(key, "it contains no private key, or an encrypted one".to_owned()),
        error => content(key, pem_reason(&error)),
    })?;
    let certified =
        CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            error => content(key, error.to_string()),
        })?;
    Ok(Loaded { certified: Arc::new(certified), validity, file: certificate.to_owned() })
}

fn pem_reason(error: &pem::Error) -> String {
    format!("it is no PEM file: {error}")
}

fn read(path: &Path) -> Result<Vec<u8>, CertError> {
    let failed = |source| CertError::Read { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > PEM_OCTETS_MAX {
        let reason = format!("it has {length} octets; at most {PEM_OCTETS_MAX} are read");
        return Err(CertError::Content { path: path.to_owned(), reason });
    }
    fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Files { folder: tempfile::tempdir().expect("a folder") }
        }

        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, text).expect("written");
            path
        }
    }

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(["test.example".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_chain_and_its_key_are_loaded() {
        let files = Files::new();
        let (certificate, key) = pair();
        let chain = format!("{certificate}{}", pair().0);
        let loaded = load(&files.put("chain.pem", &chain), &files.put("key.pem", &key)).expect("loaded");
        assert_eq!(loaded.certified.cert.len(), 2);
        assert_eq!(loaded.warning(Timestamp(1_700_000_000)), None);
        let end = loaded.validity.not_after;
        assert!(loaded.warning(Timestamp(end.0 - 86_400 * 2)).expect("soon").contains("expires in 2 days"));
        assert!(loaded.warning(Timestamp(end.0 + 86_400 * 3)).expect("over").contains("expired 3 days ago"));
        assert!(loaded.warning(Timestamp(0)).expect("early").contains("not valid yet"));
    }

    #[test]
    fn every_failure_names_the_file_and_the_reason() {
        let files = Files::new();
        let (certificate, key) = pair();
        let certificate_file = files.put("chain.pem", &certificate);
        let key_file = files.put("key.pem", &key);
        let other_key = files.put("other.pem", &pair().1);
        let empty = files.put("empty.pem", "");
        let torn = files.put("torn.pem", &certificate[..certificate.len() / 2]);
        let damaged = files.put("damaged.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
        let missing = files.folder.path().join("missing.pem");
        for (certificate, key, expected) in [
            (&missing, &key_file, "cannot read"),
            (&certificate_file, &missing, "cannot read"),
            (&empty, &key_file, "it contains no certificate"),
            (&torn, &key_file, "torn.pem: it is no PEM file"),
            (&damaged, &key_file, "its first certificate is damaged"),
            (&certificate_file, &empty, "it contains no private key"),
            (&certificate_file, &certificate_file, "it contains no private key"),
            (&certificate_file, &other_key, "other.pem is not the key of the certificate in"),
        ] {
            let error = load(certificate, key).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }
}
