//! Certificates made through the API: authorities that people trust, and what they sign.

use super::{
    pem::CertError,
    self_signed::{VALID_DAYS, day, ymd},
};
use crate::{
    model::{Account, Certificate, CertificateId, CertificateSubject, DomainName, Timestamp},
    store::{Row, Store},
};
use jiff::ToSpan;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use std::{collections::BTreeSet, sync::Arc};

/// Octets of a serial number: the most that RFC 5280, section 4.1.2.2 allows.
const SERIAL_OCTETS: usize = 20;

/// A new authority, valid from yesterday for so many years, not yet active. Its key is sealed by the
/// store.
pub fn make_authority(
    store: &Store,
    subject: CertificateSubject,
    years: i64,
    now: Timestamp,
) -> Result<Certificate, CertError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let octets = serial_number();
    let mut params = authority_params(&subject)?;
    params.serial_number = Some(SerialNumber::from_slice(&octets));
    let today = day(now);
    // From yesterday on, for clients whose clocks are behind.
    let (year, month, first) = ymd(today.saturating_sub(1.day()));
    params.not_before = rcgen::date_time_ymd(year, month, first);
    let (year, month, last) = ymd(today.saturating_add(years.years()));
    params.not_after = rcgen::date_time_ymd(year, month, last);
    let made = params.self_signed(&key)?;
    let serial = octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":");
    let digits: String = serial.chars().filter(|c| *c != ':').take(8).collect();
    Ok(Certificate {
        id: CertificateId(store.next_id::<Certificate>()),
        file_name: format!("weir_{digits}.pem"),
        pem: made.pem(),
        key: store.seal(&context(&serial), key.serialized_der()),
        serial,
        subject,
        active: false,
        created: now,
        expires: Timestamp(params.not_after.unix_timestamp()),
    })
}

/// The active authority, if there is one.
pub fn active(store: &Store) -> Option<Row<Certificate>> {
    store.rows::<Certificate>(Account::System).find(|row| row.value.active)
}

/// A certificate for these host names and addresses with a key of its own, signed by an authority,
/// and the chain in PEM. It ends after 397 days, or with the authority.
pub fn sign_for(
    store: &Store,
    authority: &Certificate,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(Arc<CertifiedKey>, String), CertError> {
    let bad = |reason: String| CertError::Stored { serial: authority.serial.clone(), reason };
    let sealed = store.unseal(&context(&authority.serial), &authority.key).map_err(|error| bad(error.to_string()))?;
    let signing = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(sealed), &PKCS_ECDSA_P256_SHA256)
        .map_err(|error| bad(error.to_string()))?;
    let mut names = names.clone();
    if let Ok(name) = DomainName::from_text(&authority.subject.common_name) {
        names.insert(name.to_string());
    }
    let names = names.into_iter().filter(|name| rustls::pki_types::ServerName::try_from(name.as_str()).is_ok());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, authority.subject.organisation.as_str());
    params.distinguished_name.push(DnType::CommonName, "Weir");
    params.serial_number = Some(SerialNumber::from_slice(&serial_number()));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let today = day(now);
    let (year, month, first) = ymd(today.saturating_sub(1.day()));
    params.not_before = rcgen::date_time_ymd(year, month, first);
    let (year, month, last) = ymd(today.saturating_add(VALID_DAYS.days()).min(day(authority.expires)));
    params.not_after = rcgen::date_time_ymd(year, month, last);
    let issuer = Issuer::new(authority_params(&authority.subject)?, signing);
    let made = params.signed_by(&key, &issuer)?;
    let chain_pem = format!("{}{}", made.pem(), authority.pem);
    let above = pem_der(&authority.pem).ok_or_else(|| bad("its certificate is damaged".to_owned()))?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let chain = vec![made.der().clone(), above.into()];
    let certified = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    Ok((Arc::new(certified.map_err(|error| bad(error.to_string()))?), chain_pem))
}

/// The DER octets of the first certificate in some PEM.
pub(super) fn pem_der(pem: &str) -> Option<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|certificate| certificate.to_vec())
}

impl Certificate {
    /// The certificate in DER; `None` if the row is damaged.
    pub fn der(&self) -> Option<Vec<u8>> {
        pem_der(&self.pem)
    }
}

/// Where a sealed key belongs, so that one cannot be put in another's place.
fn context(serial: &str) -> Vec<u8> {
    format!("certificate/{serial}/key").into_bytes()
}

/// Random, positive, and of full length.
fn serial_number() -> [u8; SERIAL_OCTETS] {
    let mut octets = [0; SERIAL_OCTETS];
    for (place, octet) in octets.chunks_mut(16).zip([uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]) {
        place.copy_from_slice(&octet.as_bytes()[..place.len()]);
    }
    octets[0] = octets[0] & 0x3f | 0x40;
    octets
}

/// What an authority's certificate says beside its time; the same each time, for what it signs.
fn authority_params(subject: &CertificateSubject) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::new(Vec::new())?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, DnValue::PrintableString(subject.country.as_str().try_into()?));
    for (kind, value) in [
        (DnType::StateOrProvinceName, &subject.state),
        (DnType::LocalityName, &subject.city),
        (DnType::OrganizationName, &subject.organisation),
        (DnType::OrganizationalUnitName, &subject.unit),
        (DnType::CommonName, &subject.common_name),
    ] {
        name.push(kind, value.as_str());
    }
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        certs::{CertSource, CertStore},
        store::{Actor, Batch, Options},
    };
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{ServerName, UnixTime},
    };
    use std::time::Duration;

    fn subject() -> CertificateSubject {
        CertificateSubject {
            common_name: "resolver.example".into(),
            organisation: "Exämple Ltd".into(),
            unit: "Network".into(),
            city: "Galway".into(),
            state: "Galway".into(),
            country: "IE".into(),
        }
    }

    /// Whether a client that trusts `root` alone takes the chain for this name at this time.
    fn trusted(chain: &CertifiedKey, root: &Certificate, name: &str, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(root.der().expect("PEM").into()).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("roots");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.0 as u64));
        verifier.verify_server_cert(&chain.cert[0], &chain.cert[1..], &name, &[], now).is_ok()
    }

    #[test]
    fn whoever_trusts_the_active_authority_trusts_what_the_node_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let now = Timestamp(jiff::Timestamp::now().as_second());
        let source = CertSource::SelfSigned { dir: folder.path().join("tls"), names: vec!["dns.example".into()] };
        let shown = CertStore::open(source).expect("made");
        let own = shown.shown().cert.clone();
        let mut authority = make_authority(&store, subject(), 2, now).expect("made");
        assert_eq!(authority.serial.len(), 59);
        let batch = || Batch::new(Actor::Daemon, "test", now);
        store.commit_blocking(batch().create(&authority)).expect("commits");
        shown.follow(&store, now).expect("followed");
        assert_eq!(shown.shown().cert, own, "not active yet");
        let row = store.find::<Certificate>(authority.id.0).expect("is there");
        authority.active = true;
        store.commit_blocking(batch().update(&row, &authority)).expect("commits");
        shown.follow(&store, now).expect("followed");
        let chain = shown.shown();
        for name in ["localhost", "127.0.0.1", "dns.example", "resolver.example"] {
            assert!(trusted(&chain, &authority, name, now), "{name}");
        }
        assert!(!trusted(&chain, &authority, "elsewhere.example", now));
        assert!(!trusted(&chain, &authority, "localhost", Timestamp(now.0 + 398 * 86_400)), "a year and a month");
        let other = make_authority(&store, subject(), 2, now).expect("made");
        assert!(!trusted(&chain, &other, "localhost", now), "same names, another key");
        let row = store.find::<Certificate>(authority.id.0).expect("is there");
        store.commit_blocking(batch().delete(&row)).expect("commits");
        shown.follow(&store, now).expect("followed");
        assert_eq!(shown.shown().cert, own, "the node's own again");
    }

    #[test]
    fn a_key_in_another_row_does_not_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let now = Timestamp(1_800_000_000);
        let one = make_authority(&store, subject(), 1, now).expect("made");
        let other = make_authority(&store, subject(), 1, now).expect("made");
        let mixed = Certificate { key: other.key, ..one };
        let error = sign_for(&store, &mixed, &BTreeSet::new(), now).expect_err("refused").to_string();
        assert!(error.contains("cannot be used"), "{error}");
    }
}
