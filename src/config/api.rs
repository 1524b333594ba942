//! `[api]`: where the management API listens, and its certificate.

use super::value::{ByteSize, address, between, path, texts};
use crate::model::DomainName;
use serde::{Deserialize, Deserializer, de};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// The listener of the management API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// The address served. Port 0 takes any free port. Default `"127.0.0.1:8443"`.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The certificate. Default `"self-signed"`.
    pub tls: ApiTls,
    /// Host names and addresses of this server: for links in mails, the first one where none else is
    /// certain, and for the self-signed certificate, beside `localhost`, the loopback addresses and
    /// the machine's own name. Default none.
    #[serde(deserialize_with = "names")]
    pub names: Vec<String>,
    /// Largest request body, octets or text with a unit, 1 KiB to 1 GiB. Default `"16 MiB"`.
    pub body_max: ByteSize,
    /// Requests a second of one key or session, 0 to 1,000,000; 0 is no limit. Twice as many may come at once after
    /// a rest. Default 500.
    #[serde(deserialize_with = "between::<_, u32, 0, 1_000_000>")]
    pub key_rate: u32,
    /// Requests a second of one address (of one /64, for IPv6), 0 to 1,000,000; 0 is no limit. Four times as many may
    /// come at once after a rest. Loopback is not counted. Default 500.
    #[serde(deserialize_with = "between::<_, u32, 0, 1_000_000>")]
    pub address_rate: u32,
}

impl Default for Api {
    fn default() -> Self {
        Api {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            tls: ApiTls::SelfSigned,
            names: Vec::new(),
            body_max: ByteSize::mib(16),
            key_rate: 500,
            address_rate: 500,
        }
    }
}

/// How the API proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiTls {
    /// `"self-signed"`: a certificate made at the first start and renewed before it expires, in
    /// `<data>/tls`.
    SelfSigned,
    /// `"off"`: plain HTTP, for a proxy on the same machine that does TLS itself.
    Off,
    /// `{ certificate = "chain.pem", key = "key.pem" }`: PEM files, read again at SIGHUP.
    Files {
        /// The certificate, then its intermediates.
        certificate: PathBuf,
        /// Its private key (PKCS #8, SEC 1 or PKCS #1).
        key: PathBuf,
    },
}

impl<'de> Deserialize<'de> for ApiTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            #[serde(deserialize_with = "path")]
            certificate: PathBuf,
            #[serde(deserialize_with = "path")]
            key: PathBuf,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ApiTls;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"self-signed\", \"off\" or { certificate = \"chain.pem\", key = \"key.pem\" }")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<ApiTls, E> {
                match value {
                    "self-signed" => Ok(ApiTls::SelfSigned),
                    "off" => Ok(ApiTls::Off),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ApiTls, A::Error> {
                let Table { certificate, key } = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(ApiTls::Files { certificate, key })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    texts(deserializer, "a host name or an address", |text| match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => match DomainName::from_text(text) {
            Ok(name) => Ok(name.to_string()),
            Err(error) => Err(format!("{text:?} is no host name: {error}")),
        },
    })
}
