//! Licences: files that somebody signed with Ed25519, in the form of a JSON Web Token (RFC 7519, RFC 8037).

use crate::model::{Licence, Timestamp};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde::{Deserialize, Deserializer, de};

/// Octets of the largest licence file.
const OCTETS_MAX: usize = 16 * 1024;
/// What stands in front of the 32 octets of an Ed25519 key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Characters of a text in a licence.
const TEXT_MAX: usize = 250;

/// The public key that licences are checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LicenceKey([u8; 32]);

/// A text that is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no Ed25519 public key in PEM (BEGIN PUBLIC KEY)")]
pub struct LicenceKeyError;

/// Why a file is no licence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenceError {
    /// It is no token signed with Ed25519.
    #[error("is no licence file")]
    Form,
    /// Somebody else signed it, or it was changed.
    #[error("its signature is not valid")]
    Signature,
    /// What it says cannot be read.
    #[error("cannot be read: {0}")]
    Claims(String),
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// Its time has not come.
    #[error("is not valid yet")]
    NotYet,
}

impl LicenceKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(pem: &str) -> Result<LicenceKey, LicenceKeyError> {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| LicenceKeyError)?;
        let octets = spki.strip_prefix(&SPKI_PREFIX).ok_or(LicenceKeyError)?;
        octets.try_into().map(LicenceKey).map_err(|_| LicenceKeyError)
    }

    /// Checks a licence file and reads it.
    pub fn read(&self, file: &[u8], now: Timestamp) -> Result<Licence, LicenceError> {
        let token = std::str::from_utf8(file).map_err(|_| LicenceError::Form)?.trim();
        if token.len() > OCTETS_MAX {
            return Err(LicenceError::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(LicenceError::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(LicenceError::Form)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| LicenceError::Form);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| LicenceError::Form)?;
        // A header that asks for more than we know must not be ignored (RFC 7515, section 4.1.11).
        if !matches!(header.alg.as_str(), "EdDSA" | "Ed25519") || header.crit.is_some() {
            return Err(LicenceError::Form);
        }
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| LicenceError::Signature)?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?)
            .map_err(|error| LicenceError::Claims(error.to_string().chars().take(TEXT_MAX).collect()))?;
        if claims.exp.is_some_and(|expires| expires <= now.0) {
            return Err(LicenceError::Expired);
        }
        if claims.nbf.is_some_and(|begins| begins > now.0) {
            return Err(LicenceError::NotYet);
        }
        Ok(claims.into_licence(now))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// What a licence says, under the names the API shows it with.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    description: Text,
    license_number: Text,
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    license_category: Text,
    #[serde(default)]
    no_of_accounts: Allowed,
    #[serde(default)]
    no_of_ips: Allowed,
    #[serde(default)]
    no_of_users: Allowed,
    #[serde(default)]
    organisation: Text,
    #[serde(default)]
    address: Text,
    #[serde(default)]
    contact: Text,
    #[serde(default)]
    email: Text,
    #[serde(default)]
    telephone: Text,
    #[serde(default)]
    fax: Text,
    /// Seconds since the epoch.
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    exp: Option<i64>,
    /// Seconds since the epoch.
    #[serde(default)]
    updates_until: Option<i64>,
}

impl Claims {
    fn into_licence(self, now: Timestamp) -> Licence {
        Licence {
            description: self.description.0,
            number: self.license_number.0,
            kind: self.kind.0,
            category: self.license_category.0,
            accounts_max: self.no_of_accounts.0,
            addresses_max: self.no_of_ips.0,
            users_max: self.no_of_users.0,
            organisation: self.organisation.0,
            address: self.address.0,
            contact: self.contact.0,
            email: self.email.0,
            telephone: self.telephone.0,
            fax: self.fax.0,
            issued: self.iat.map_or(now, Timestamp),
            updates_until: self.updates_until.map(Timestamp),
            expires: self.exp.map(Timestamp),
        }
    }
}

/// A text of bounded length.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let good = text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
        if good { Ok(Text(text)) } else { Err(de::Error::custom("a text is longer than 250 characters")) }
    }
}

/// How many; null, absence and the word `Unlimited` set no limit.
#[derive(Default)]
struct Allowed(Option<u32>);

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u32),
            Word(String),
            None,
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(number) => Ok(Allowed(Some(number))),
            Raw::Word(word) if word.eq_ignore_ascii_case("unlimited") => Ok(Allowed(None)),
            Raw::Word(word) => Err(de::Error::custom(format!("{word:?} is neither a number nor Unlimited"))),
            Raw::None => Ok(Allowed(None)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    /// Somebody who signs licences.
    pub(crate) struct Issuer(Ed25519KeyPair);

    impl Issuer {
        pub(crate) fn new() -> Issuer {
            Issuer(Ed25519KeyPair::generate().expect("a key"))
        }

        pub(crate) fn public_pem(&self) -> String {
            let spki = [&SPKI_PREFIX[..], self.0.public_key().as_ref()].concat();
            let text = base64::engine::general_purpose::STANDARD.encode(spki);
            format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
        }

        pub(crate) fn sign(&self, header: Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(&header), part(claims));
            let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
            format!("{signed}.{signature}")
        }
    }

    #[test]
    fn a_licence_counts_if_it_is_signed_and_its_time_has_come() {
        let (issuer, other) = (Issuer::new(), Issuer::new());
        let key = LicenceKey::from_pem(&issuer.public_pem()).expect("a key");
        let now = Timestamp(1_800_000_000);
        let claims =
            json!({ "license_number": "L-1", "no_of_accounts": 5, "no_of_ips": "Unlimited", "exp": now.0 + 1 });
        let eddsa = || json!({ "alg": "EdDSA", "typ": "JWT" });
        let good = issuer.sign(eddsa(), &claims);
        let licence = key.read(format!("{good}\n").as_bytes(), now).expect("a licence");
        assert_eq!((licence.number.as_str(), licence.accounts_max, licence.addresses_max), ("L-1", Some(5), None));
        assert_eq!(key.read(good.as_bytes(), Timestamp(now.0 + 1)), Err(LicenceError::Expired));
        let early = issuer.sign(eddsa(), &json!({ "license_number": "L", "nbf": now.0 + 1 }));
        assert_eq!(key.read(early.as_bytes(), now), Err(LicenceError::NotYet));
        for (token, error) in [
            (other.sign(eddsa(), &claims), LicenceError::Signature),
            (good.replacen('.', "x.", 1), LicenceError::Form),
            (issuer.sign(json!({ "alg": "none" }), &claims), LicenceError::Form),
            (issuer.sign(json!({ "alg": "HS256" }), &claims), LicenceError::Form),
            (issuer.sign(json!({ "alg": "EdDSA", "crit": ["x"] }), &claims), LicenceError::Form),
            (good[..good.len() - 2].to_owned(), LicenceError::Signature),
            ("x".to_owned(), LicenceError::Form),
            (String::new(), LicenceError::Form),
        ] {
            assert_eq!(key.read(token.as_bytes(), now), Err(error), "{token}");
        }
        let nameless = issuer.sign(eddsa(), &json!({}));
        assert!(matches!(key.read(nameless.as_bytes(), now), Err(LicenceError::Claims(_))));
    }

    #[test]
    fn only_an_ed25519_key_is_a_licence_key() {
        let pair = rcgen::KeyPair::generate().expect("a key");
        assert_eq!(LicenceKey::from_pem(&pair.public_key_pem()), Err(LicenceKeyError));
        assert_eq!(LicenceKey::from_pem("x"), Err(LicenceKeyError));
    }
}
