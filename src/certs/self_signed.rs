//! The certificate a node makes for itself.

use super::pem::{CertError, Loaded, load};
use crate::model::{DomainName, Timestamp};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{pki_types::ServerName, server::ParsedCertificate};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// The certificate's file in the folder of certificates.
pub const CERTIFICATE_FILE: &str = "self-signed.crt.pem";
const KEY_FILE: &str = "self-signed.key.pem";
/// Days a certificate is valid: the longest that clients take (398 by the CA/Browser Forum's rule).
pub(super) const VALID_DAYS: i64 = 397;
/// Seconds before its end from which a certificate is replaced.
const RENEW_BEFORE_S: i64 = 30 * 86_400;

/// Loads the certificate of `dir`, or makes one where there is none, it ends within 30 days, it does
/// not cover one of `names`, or its files are damaged. Files have mode 0600, the folder 0700.
pub(super) fn load_or_make(dir: &Path, names: &[String], now: Timestamp) -> Result<Loaded, CertError> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    let names = all_names(names, host_name().as_deref());
    let reason = match load(&certificate, &key) {
        Ok(loaded) if loaded.validity.left_s(now) < RENEW_BEFORE_S => "the one before expires",
        Ok(loaded) if !covers(&loaded, &names) => "the one before does not cover all names",
        Ok(loaded) => return Ok(loaded),
        Err(CertError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => "there is none",
        // Somebody took the permission away: making another would hide that.
        Err(error @ CertError::Read { .. }) => return Err(error),
        Err(_) => "the one before is damaged",
    };
    tracing::info!(file = %certificate.display(), reason, "making a self-signed certificate");
    make(dir, &names, now)?;
    load(&certificate, &key)
}

fn make(dir: &Path, names: &BTreeSet<String>, now: Timestamp) -> Result<(), CertError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "Weir self-signed");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let today = day(now);
    // From yesterday on, for clients whose clocks are behind.
    let (year, month, day) = ymd(today.saturating_sub(1.day()));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = ymd(today.saturating_add(VALID_DAYS.days()));
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let certificate = params.self_signed(&key)?;
    let failed = |source| CertError::Write { path: dir.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    // The key first: a certificate without its key is made again, and so is a pair that differs.
    write_private(&dir.join(KEY_FILE), &key.serialize_pem())?;
    write_private(&dir.join(CERTIFICATE_FILE), &certificate.pem())
}

/// Names the certificate is for: the configured ones, the machine's own, and those of loopback.
pub(super) fn all_names(configured: &[String], host_name: Option<&str>) -> BTreeSet<String> {
    ["localhost", "127.0.0.1", "::1"]
        .into_iter()
        .chain(host_name)
        .map(str::to_owned)
        .chain(configured.iter().cloned())
        .collect()
}

fn covers(loaded: &Loaded, names: &BTreeSet<String>) -> bool {
    let Some(certificate) = loaded.certified.cert.first() else { return false };
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return false };
    names.iter().all(|name| {
        // A wildcard is covered if a name under it is (RFC 6125, section 6.4.3).
        let name = name.strip_prefix("*.").map_or_else(|| name.clone(), |rest| format!("weir.{rest}"));
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| rustls::client::verify_server_name(&certificate, &name).is_ok())
    })
}

/// The machine's name, if it is one that a certificate can carry.
pub(super) fn host_name() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    let name = DomainName::from_text(&text).ok()?.to_string();
    ServerName::try_from(name.as_str()).is_ok().then_some(name)
}

pub(super) fn day(now: Timestamp) -> Date {
    let now = jiff::Timestamp::from_second(now.0).unwrap_or_default();
    now.to_zoned(TimeZone::UTC).date()
}

/// A day as certificates take it.
pub(super) fn ymd(day: Date) -> (i32, u8, u8) {
    (i32::from(day.year()), day.month() as u8, day.day() as u8)
}

pub(super) fn write_private(path: &Path, text: &str) -> Result<(), CertError> {
    let failed = |source| CertError::Write { path: path.to_owned(), source };
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// 2025-01-15T12:00:00Z.
    const NOW: Timestamp = Timestamp(1_736_942_400);
    const DAY_S: i64 = 86_400;

    fn serial(loaded: &Loaded) -> Vec<u8> {
        loaded.certified.cert[0].to_vec()
    }

    #[test]
    fn a_certificate_is_made_once_and_renewed_before_it_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("tls");
        let first = load_or_make(&dir, &[], NOW).expect("made");
        assert_eq!(first.validity.left_s(NOW), VALID_DAYS * DAY_S - DAY_S / 2);
        let again = load_or_make(&dir, &[], Timestamp(NOW.0 + 300 * DAY_S)).expect("loaded");
        assert_eq!(serial(&first), serial(&again));
        let renewed = load_or_make(&dir, &[], Timestamp(NOW.0 + 370 * DAY_S)).expect("made");
        assert_ne!(serial(&first), serial(&renewed));
        for file in [CERTIFICATE_FILE, KEY_FILE] {
            let mode = fs::metadata(dir.join(file)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn another_name_or_a_damaged_file_makes_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = load_or_make(folder.path(), &[], NOW).expect("made");
        let names = ["dns.example", "*.dns.example", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let second = load_or_make(folder.path(), &names, NOW).expect("made");
        assert_ne!(serial(&first), serial(&second));
        assert!(covers(&second, &all_names(&names, None)));
        assert!(!covers(&first, &all_names(&names, None)));
        fs::write(folder.path().join(KEY_FILE), "torn").expect("written");
        let third = load_or_make(folder.path(), &names, NOW).expect("made");
        assert_ne!(serial(&second), serial(&third));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let error = load_or_make(&file.join("tls"), &[], NOW).expect_err("no folder").to_string();
        assert!(error.contains("file/tls"), "{error}");
    }
}
