//! Access tokens: JWTs (RFC 7519) signed with a key of our own, by EdDSA (RFC 8037).
//!
//! The key is made at the first start and lies in the data folder, sealed. Whoever loses it loses
//! nothing: sessions get new access tokens with their refresh tokens.

use super::private_file;
use crate::{
    model::{CredentialId, SealedSecret, Timestamp},
    store::Store,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file the signing key is in, sealed.
pub const SIGNING_KEY_FILE: &str = "access-token.key";
/// How long an access token works, seconds.
pub const ACCESS_TOKEN_S: i64 = 24 * 3600;
/// For whom access tokens are: this API and no other.
const AUDIENCE: &str = "weir";
/// Where the key belongs, as it is sealed.
const CONTEXT: &[u8] = b"access_token/signing_key";
/// How far into the future a token may have been issued: nodes' clocks differ.
const CLOCK_DIFFERENCE_S: i64 = 60;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// Its file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be made or read.
    #[error("no key to sign access tokens could be made")]
    Key,
}

/// What an access token says, beside what RFC 7519 and RFC 9068 want said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The server that issued it.
    pub iss: String,
    /// The administrator's id.
    pub sub: String,
    /// `weir`.
    pub aud: String,
    /// When it stops working.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// When it begins to work: when it was issued.
    pub nbf: i64,
    /// What it is good for, as clients of the contract expect it: always empty, all that its administrator may do.
    pub scopes: Vec<String>,
    /// What tells it from all others.
    pub jti: String,
    /// The session it dies with.
    pub sid: String,
    /// The program it was issued to.
    pub client_id: String,
    /// 1 system, 2 sales, 3 MSP, 4 customer.
    pub vue_role: u8,
    /// The administrator's full name.
    pub name: String,
    /// The administrator's user name.
    pub email: String,
    /// 1 where a second factor is set, else 0.
    #[serde(rename = "2fa_enabled")]
    pub second_factor: u8,
    /// The MSP, for its administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msp_id: Option<u32>,
    /// The customer, for its administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// The name of the MSP or customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
}

impl Claims {
    /// The session it names.
    pub fn session(&self) -> Option<CredentialId> {
        self.sid.parse().ok()
    }

    /// For whom access tokens are.
    pub fn audience() -> String {
        AUDIENCE.to_owned()
    }
}

/// Signs access tokens and knows its own.
pub struct SigningKey {
    id: String,
    public: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl SigningKey {
    /// The key of a store's data folder; makes one where there is none, or where it no longer opens
    /// because the secret key is another one. Blocks.
    pub fn open(store: &Store) -> Result<SigningKey, SigningKeyError> {
        let path = store.data_dir().join(SIGNING_KEY_FILE);
        match fs::read(&path) {
            Ok(sealed) => {
                match store.unseal(CONTEXT, &SealedSecret(sealed)).ok().and_then(|der| Self::from_der(&der)) {
                    Some(key) => Ok(key),
                    None => {
                        tracing::warn!(
                            file = %path.display(),
                            "the key of access tokens does not open and is made anew: clients get new tokens by themselves"
                        );
                        Self::make(store, &path)
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(store, &path),
            Err(source) => Err(SigningKeyError::File { path, source }),
        }
    }

    fn make(store: &Store, path: &Path) -> Result<SigningKey, SigningKeyError> {
        let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        let der = der.map_err(|_| SigningKeyError::Key)?;
        private_file::write(path, &store.seal(CONTEXT, der.as_ref()).0)
            .map_err(|source| SigningKeyError::File { path: path.to_owned(), source })?;
        Self::from_der(der.as_ref()).ok_or(SigningKeyError::Key)
    }

    fn from_der(der: &[u8]) -> Option<SigningKey> {
        let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // The thumbprint of RFC 7638: the required members in order, without white space.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, members.as_bytes());
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims::<&str>(&[]);
        validation.set_audience(&[AUDIENCE]);
        // Time is judged by the caller's clock.
        validation.validate_exp = false;
        Some(SigningKey {
            id: URL_SAFE_NO_PAD.encode(digest.as_ref()),
            decoding: DecodingKey::from_ed_components(&public).ok()?,
            encoding: EncodingKey::from_ed_der(der),
            public,
            validation,
        })
    }

    /// The public half, as a JWK set (RFC 7517).
    pub fn key_set(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": self.public, "kid": self.id, "use": "sig", "alg": "EdDSA",
        }] })
    }

    /// A token that makes these claims; `None` if it cannot be signed.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).ok()
    }

    /// The claims of a token of ours that is valid at `now`. Whether its session goes on is another
    /// question.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        let claims = data.claims;
        let valid = data.header.kid.as_deref() == Some(&self.id)
            && claims.aud == AUDIENCE
            && claims.iat <= now.0 + CLOCK_DIFFERENCE_S
            && claims.exp > now.0;
        valid.then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;
    use serde_json::json;

    fn claims() -> Claims {
        Claims {
            iss: "https://weir.test".into(),
            sub: "7".into(),
            aud: Claims::audience(),
            exp: 2000,
            iat: 1000,
            nbf: 1000,
            scopes: vec![],
            jti: "x".into(),
            sid: "9".into(),
            client_id: "2".into(),
            vue_role: 4,
            name: "N".into(),
            email: "n@weir.test".into(),
            second_factor: 0,
            msp_id: None,
            user_id: Some(3),
            account_name: Some("A".into()),
        }
    }

    #[test]
    fn the_key_survives_a_restart_and_reads_its_own_tokens_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let key = SigningKey::open(&store).expect("makes one");
        let token = key.sign(&claims()).expect("signs");
        let again = SigningKey::open(&store).expect("reads it");
        assert_eq!(again.key_set(), key.key_set());
        assert_eq!(again.read(&token, Timestamp(1500)), Some(claims()));
        for wrong_time in [2000, 939] {
            assert_eq!(again.read(&token, Timestamp(wrong_time)), None, "{wrong_time}");
        }

        let other_folder = tempfile::tempdir().expect("a folder");
        let other_store = Store::open(other_folder.path(), Options::default()).expect("opens");
        let other = SigningKey::open(&other_store).expect("makes one");
        assert_eq!(key.read(&other.sign(&claims()).expect("signs"), Timestamp(1500)), None);
        fs::write(folder.path().join(SIGNING_KEY_FILE), b"damaged").expect("writes");
        let new = SigningKey::open(&store).expect("makes another");
        assert_eq!(new.read(&token, Timestamp(1500)), None);
    }

    #[test]
    fn tokens_without_our_signature_are_refused_whatever_their_algorithm_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let key = SigningKey::open(&store).expect("makes one");
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let body = part(serde_json::to_value(claims()).expect("JSON"));
        let none = part(json!({ "alg": "none", "typ": "JWT", "kid": key.id }));
        let hmac_header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(key.public.as_bytes());
        let token = key.sign(&claims()).expect("signs");
        let (head, signature) = (token.split('.').next().unwrap(), token.rsplit('.').next().unwrap());
        let other = part(serde_json::to_value(Claims { sub: "1".into(), ..claims() }).expect("JSON"));
        for forged in [
            format!("{none}.{body}."),
            format!("{none}.{body}"),
            jsonwebtoken::encode(&hmac_header, &claims(), &secret).expect("signs"),
            format!("{head}.{other}.{signature}"),
            format!("{head}.{body}."),
            "..".to_owned(),
        ] {
            assert_eq!(key.read(&forged, Timestamp(1500)), None, "{forged}");
        }
        assert!(key.read(&token, Timestamp(1500)).is_some());
    }
}
