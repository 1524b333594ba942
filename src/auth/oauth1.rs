//! OAuth 1.0a request signatures (RFC 5849), as pure functions of a request.
//!
//! `Claim::of` reads what a request says about itself, wherever it says it: `Authorization` header,
//! query or form body. `Claim::verify` compares the signature once the two secrets are known. Time
//! and replay are the caller's to judge.

use super::form::{self, FormError};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A request as far as a signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Method as sent, upper case.
    pub method: &'a str,
    /// `http` or `https`, as the connection is; proxies' headers are not believed.
    pub scheme: &'a str,
    /// Host and port as the `Host` header or `:authority` has them.
    pub authority: &'a str,
    /// Path as sent, still percent-encoded.
    pub path: &'a str,
    /// Query as sent, without the question mark.
    pub query: Option<&'a str>,
    /// Body octets, only where the content type is `application/x-www-form-urlencoded`.
    pub form: Option<&'a [u8]>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// Why a request that speaks OAuth 1.0 cannot be judged at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The header, query or body is no well-formed list of parameters.
    #[error("the signed parameters cannot be read: {0}")]
    Form(#[from] FormError),
    /// The header breaks the syntax of RFC 5849, section 3.5.1.
    #[error("the Authorization header is malformed")]
    Header,
    /// A protocol parameter stands twice.
    #[error("{0} is given more than once")]
    Twice(String),
    /// A protocol parameter is needed and absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A version other than 1.0.
    #[error("oauth_version must be 1.0")]
    Version,
    /// A method we do not take; PLAINTEXT is one of them.
    #[error("oauth_signature_method must be HMAC-SHA1 or HMAC-SHA256")]
    Method,
    /// A timestamp that is no positive number.
    #[error("oauth_timestamp must be a number of seconds")]
    Timestamp,
    /// A nonce or key longer than any honest client's.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Octets a key, token or nonce may have.
const VALUE_OCTETS_MAX: usize = 256;

/// What a signed request claims.
#[derive(Debug)]
pub struct Claim {
    /// Who made the client.
    pub consumer_key: String,
    /// On whose behalf it speaks.
    pub token: String,
    /// When it was signed, seconds since 1970.
    pub timestamp: i64,
    /// Unique among the requests of this client with this timestamp.
    pub nonce: String,
    algorithm: hmac::Algorithm,
    signature: Vec<u8>,
    base: String,
}

impl Claim {
    /// Reads the claim of a request; `None` where it carries no OAuth 1.0 parameters.
    pub fn of(request: &SignedRequest<'_>) -> Result<Option<Claim>, Fault> {
        let header = match request.authorization.and_then(oauth_scheme) {
            Some(rest) => header_parameters(rest)?,
            None => Vec::new(),
        };
        let query = form::pairs(request.query.unwrap_or_default().as_bytes());
        let body = form::pairs(request.form.unwrap_or_default());
        let speaks_oauth = |pairs: &Result<Vec<(String, String)>, FormError>| {
            pairs.as_ref().is_ok_and(|pairs| pairs.iter().any(|(key, _)| key == "oauth_signature"))
        };
        if header.is_empty() && !speaks_oauth(&query) && !speaks_oauth(&body) {
            return Ok(None);
        }
        let mut parameters = header;
        parameters.extend(query?);
        parameters.extend(body?);

        let consumer_key = required(&parameters, "oauth_consumer_key")?;
        let token = required(&parameters, "oauth_token")?;
        let nonce = required(&parameters, "oauth_nonce")?;
        let timestamp = required(&parameters, "oauth_timestamp")?;
        let timestamp = timestamp.parse().ok().filter(|seconds| *seconds > 0).ok_or(Fault::Timestamp)?;
        let algorithm = match required(&parameters, "oauth_signature_method")?.as_str() {
            "HMAC-SHA1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "HMAC-SHA256" => hmac::HMAC_SHA256,
            _ => return Err(Fault::Method),
        };
        if single(&parameters, "oauth_version")?.is_some_and(|version| version != "1.0") {
            return Err(Fault::Version);
        }
        // A signature that is no base64 is simply a wrong one.
        let signature = STANDARD.decode(required(&parameters, "oauth_signature")?).unwrap_or_default();
        let base = base_string(request, &parameters);
        Ok(Some(Claim { consumer_key, token, timestamp, nonce, algorithm, signature, base }))
    }

    /// Whether the signature was made with these two secrets; constant time.
    pub fn verify(&self, consumer_secret: &str, token_secret: &str) -> bool {
        let key = hmac::Key::new(self.algorithm, signing_key(consumer_secret, token_secret).as_bytes());
        hmac::verify(&key, self.base.as_bytes(), &self.signature).is_ok()
    }
}

fn single<'a>(parameters: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Fault> {
    let mut found = parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let first = found.next();
    if found.next().is_some() {
        return Err(Fault::Twice(name.to_owned()));
    }
    Ok(first)
}

fn required(parameters: &[(String, String)], name: &'static str) -> Result<String, Fault> {
    match single(parameters, name)? {
        None | Some("") => Err(Fault::Missing(name)),
        Some(value) if value.len() > VALUE_OCTETS_MAX => Err(Fault::TooLong(name)),
        Some(value) => Ok(value.to_owned()),
    }
}

/// What follows `OAuth ` in an `Authorization` header, the scheme in any case.
fn oauth_scheme(header: &str) -> Option<&str> {
    let (scheme, rest) = header.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("OAuth").then_some(rest)
}

/// The parameters of the header, `realm` left out (RFC 5849, section 3.5.1).
fn header_parameters(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut parameters = Vec::new();
    for piece in text.split(',') {
        let (key, value) = piece.trim().split_once('=').ok_or(Fault::Header)?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).ok_or(Fault::Header)?;
        if key.trim().eq_ignore_ascii_case("realm") {
            continue;
        }
        parameters.push((form::decode(key.trim().as_bytes(), false)?, form::decode(value.as_bytes(), false)?));
    }
    Ok(parameters)
}

/// The signature base string (RFC 5849, section 3.4.1).
fn base_string(request: &SignedRequest<'_>, parameters: &[(String, String)]) -> String {
    let encoded = |text: &str| {
        let mut into = String::with_capacity(text.len());
        form::encode(text, &mut into);
        into
    };
    let mut sorted: Vec<(String, String)> = parameters
        .iter()
        .filter(|(key, _)| key != "oauth_signature")
        .map(|(key, value)| (encoded(key), encoded(value)))
        .collect();
    sorted.sort();
    let normalised = sorted.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&");

    let mut base = request.method.to_ascii_uppercase();
    base.push('&');
    form::encode(&base_uri(request), &mut base);
    base.push('&');
    form::encode(&normalised, &mut base);
    base
}

/// Scheme, lower-case host, port where it is not the scheme's own, path (RFC 5849, section 3.4.1.2).
fn base_uri(request: &SignedRequest<'_>) -> String {
    let scheme = request.scheme.to_ascii_lowercase();
    let authority = request.authority.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    let path = if request.path.is_empty() { "/" } else { request.path };
    format!("{scheme}://{authority}{path}")
}

fn signing_key(consumer_secret: &str, token_secret: &str) -> String {
    let mut key = String::new();
    form::encode(consumer_secret, &mut key);
    key.push('&');
    form::encode(token_secret, &mut key);
    key
}

/// How a client signs: which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMethod {
    /// What nearly every library does.
    HmacSha1,
    /// The stronger one.
    HmacSha256,
}

/// The four values of a client, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeys {
    /// Identifies the client.
    pub consumer_key: String,
    /// Its secret.
    pub consumer_secret: String,
    /// Identifies the administrator.
    pub access_token: String,
    /// Its secret.
    pub access_token_secret: String,
}

/// Signs a request as a client does and gives the `Authorization` header; the command line and the
/// tests speak to the API with it.
pub fn sign(
    request: &SignedRequest<'_>,
    keys: &ClientKeys,
    method: SignatureMethod,
    timestamp: i64,
    nonce: &str,
) -> Result<String, FormError> {
    let (name, algorithm) = match method {
        SignatureMethod::HmacSha1 => ("HMAC-SHA1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureMethod::HmacSha256 => ("HMAC-SHA256", hmac::HMAC_SHA256),
    };
    let protocol = [
        ("oauth_consumer_key", keys.consumer_key.as_str()),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", name),
        ("oauth_timestamp", &timestamp.to_string()),
        ("oauth_token", &keys.access_token),
        ("oauth_version", "1.0"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut parameters = protocol.to_vec();
    parameters.extend(form::pairs(request.query.unwrap_or_default().as_bytes())?);
    parameters.extend(form::pairs(request.form.unwrap_or_default())?);
    let key = hmac::Key::new(algorithm, signing_key(&keys.consumer_secret, &keys.access_token_secret).as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, base_string(request, &parameters).as_bytes()));
    let mut header = String::from("OAuth ");
    for (key, value) in protocol.into_iter().chain([("oauth_signature".to_owned(), signature)]) {
        if !header.ends_with(' ') {
            header.push_str(", ");
        }
        header.push_str(&key);
        header.push_str("=\"");
        form::encode(&value, &mut header);
        header.push('"');
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: SignedRequest<'static> = SignedRequest {
        method: "GET",
        scheme: "http",
        authority: "photos.example.net",
        path: "/photos",
        query: None,
        form: None,
        authorization: None,
    };

    fn claim(request: SignedRequest<'_>) -> Claim {
        Claim::of(&request).expect("well formed").expect("signed")
    }

    #[test]
    fn the_signature_of_rfc_5849_section_1_2_is_good_for_its_secrets_and_no_others() {
        let header = concat!(
            "OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", ",
            "oauth_token=\"nnch734d00sl2jdk\", oauth_signature_method=\"HMAC-SHA1\", ",
            "oauth_timestamp=\"137131202\", oauth_nonce=\"chapoH\", ",
            "oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""
        );
        let query = "file=vacation.jpg&size=original";
        let request = SignedRequest { query: Some(query), authorization: Some(header), ..REQUEST };
        let claim = claim(request);
        assert_eq!(claim.timestamp, 137131202);
        assert!(claim.verify("kd94hf93k423kf44", "pfkkdhi9sl3r4s00"));
        assert!(!claim.verify("kd94hf93k423kf44", "pfkkdhi9sl3r4s01"));
    }

    #[test]
    fn the_base_string_of_rfc_5849_section_3_4_1_1_comes_out_to_the_letter() {
        let header = concat!(
            "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", oauth_token=\"kkk9d7dh3k39sjv7\", ",
            "oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", ",
            "oauth_signature=\"bYT5CMsGcbgUdFHObYMEfcx6bsw%3D\""
        );
        let claim = claim(SignedRequest {
            method: "POST",
            authority: "example.com",
            path: "/request",
            query: Some("b5=%3D%253D&a3=a&c%40=&a2=r%20b"),
            form: Some(b"c2&a3=2+q"),
            authorization: Some(header),
            ..REQUEST
        });
        assert_eq!(
            claim.base,
            concat!(
                "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26",
                "c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26",
                "oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
            )
        );
    }

    #[test]
    fn the_base_uri_is_normalised_as_rfc_5849_section_3_4_1_2_shows() {
        for (scheme, authority, path, expected) in [
            ("http", "EXAMPLE.COM:80", "/r%20v/X", "http://example.com/r%20v/X"),
            ("https", "www.example.net:8080", "/", "https://www.example.net:8080/"),
            ("https", "[2001:DB8::1]:443", "", "https://[2001:db8::1]/"),
        ] {
            assert_eq!(base_uri(&SignedRequest { scheme, authority, path, ..REQUEST }), expected);
        }
    }

    #[test]
    fn a_signature_may_stand_in_header_query_or_form() {
        let keys = ClientKeys {
            consumer_key: "ck".into(),
            consumer_secret: "c s".into(),
            access_token: "at".into(),
            access_token_secret: "t&s".into(),
        };
        for method in [SignatureMethod::HmacSha1, SignatureMethod::HmacSha256] {
            let header = sign(&SignedRequest { query: Some("a=1"), ..REQUEST }, &keys, method, 1, "n").expect("signs");
            assert!(
                claim(SignedRequest { query: Some("a=1"), authorization: Some(&header), ..REQUEST })
                    .verify("c s", "t&s")
            );
            assert!(
                !claim(SignedRequest { query: Some("a=2"), authorization: Some(&header), ..REQUEST })
                    .verify("c s", "t&s")
            );
            let moved = header["OAuth ".len()..].replace('"', "").replace(", ", "&");
            assert!(claim(SignedRequest { query: Some(&format!("a=1&{moved}")), ..REQUEST }).verify("c s", "t&s"));
            let form = format!("{moved}&a=1");
            assert!(claim(SignedRequest { form: Some(form.as_bytes()), ..REQUEST }).verify("c s", "t&s"));
        }
    }

    #[test]
    fn malformed_claims_are_refused_with_their_reason() {
        let good = "oauth_consumer_key=a&oauth_token=b&oauth_nonce=c&oauth_timestamp=1&\
                    oauth_signature_method=HMAC-SHA1&oauth_signature=eA%3D%3D";
        assert!(Claim::of(&SignedRequest { query: Some(good), ..REQUEST }).expect("well formed").is_some());
        let long = format!("oauth_nonce={}", "c".repeat(300));
        for (from, to, fault) in [
            ("oauth_nonce=c", "oauth_nonce=", Fault::Missing("oauth_nonce")),
            ("oauth_nonce=c", long.as_str(), Fault::TooLong("oauth_nonce")),
            ("oauth_token=b", "oauth_token=b&oauth_token=b", Fault::Twice("oauth_token".into())),
            ("oauth_timestamp=1", "oauth_timestamp=-1", Fault::Timestamp),
            ("HMAC-SHA1", "PLAINTEXT", Fault::Method),
            ("HMAC-SHA1", "HMAC-SHA1&oauth_version=2.0", Fault::Version),
            ("oauth_nonce=c", "oauth_nonce=c&x=%ff", Fault::Form(FormError::Utf8)),
        ] {
            let query = good.replace(from, to);
            // An unreadable query without OAuth in it is the API's to refuse, not a signature's.
            let outcome = Claim::of(&SignedRequest { query: Some(&query), ..REQUEST });
            match outcome {
                Ok(None) => assert!(matches!(fault, Fault::Form(_)), "{query}"),
                outcome => assert_eq!(outcome.map(|_| ()), Err(fault), "{query}"),
            }
        }
        let header = SignedRequest { authorization: Some("OAuth oauth_token"), ..REQUEST };
        assert_eq!(Claim::of(&header).map(|_| ()), Err(Fault::Header));
        let none = SignedRequest { authorization: Some("Bearer x"), query: Some("a=%ff"), ..REQUEST };
        assert!(Claim::of(&none).expect("not ours to judge").is_none());
    }
}
