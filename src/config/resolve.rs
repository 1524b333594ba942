//! `[resolve]`: where answers come from.

use super::value::{between, networks, text, texts};
use crate::model::DomainName;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// Who knows what a server is: `Err` holds what is wrong with the text. The forms belong to the
/// resolver, which comes after the configuration.
pub type UpstreamCheck = fn(&str) -> Result<(), String>;

/// Upstream servers and how long to wait for them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resolve {
    /// Servers to ask, in order of preference, at least one. Each is one of
    /// `"192.0.2.1:53"` (UDP, TCP when truncated), `"tls://192.0.2.1#name"` (DNS over TLS),
    /// `"https://name/dns-query"` (DNS over HTTPS), `"system"` (those of `/etc/resolv.conf`), or
    /// `"recurse"` alone (asks the authorities from the root down). Default `["system"]`.
    #[serde(deserialize_with = "upstreams")]
    pub upstreams: Vec<String>,
    /// Milliseconds to wait for one reply before the next try, 50 to 60,000. Default 1500.
    #[serde(deserialize_with = "between::<_, u64, 50, 60_000>")]
    pub timeout_ms: u64,
    /// Rounds through the servers before a query fails, 1 to 10. Default 2.
    #[serde(deserialize_with = "between::<_, usize, 1, 10>")]
    pub tries: usize,
    /// Validate answers (RFC 4035) and refuse bogus ones. Default false.
    pub dnssec: bool,
    /// Answer from expired data while no upstream replies (RFC 8767). Default true.
    pub serve_stale: bool,
    /// Seconds after its end that an answer may still be served stale, 1 to 604,800. Default 86400.
    #[serde(deserialize_with = "between::<_, u32, 1, 604_800>")]
    pub stale_max_s: u32,
    /// Names that other servers answer, such as a company's own. The longest matching name wins.
    /// Default none.
    pub zones: Vec<Zone>,
    /// Networks, beside those of other machines, that tenants may have servers in for their zones and policies:
    /// addresses of this machine, of its links and the like are refused to them otherwise. Default none.
    #[serde(deserialize_with = "networks")]
    pub tenant_servers_allow: Vec<IpNet>,
}

impl Default for Resolve {
    fn default() -> Self {
        Resolve {
            upstreams: vec!["system".to_owned()],
            timeout_ms: 1500,
            tries: 2,
            dnssec: false,
            serve_stale: true,
            stale_max_s: 86_400,
            zones: Vec::new(),
            tenant_servers_allow: Vec::new(),
        }
    }
}

/// One name, with everything below it, and who answers it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The name, for example `corp.example`.
    #[serde(deserialize_with = "name")]
    pub name: DomainName,
    /// Its servers, written as in [`Resolve::upstreams`].
    #[serde(deserialize_with = "upstreams")]
    pub upstreams: Vec<String>,
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DomainName, D::Error> {
    text(deserializer, "a domain name", |text| DomainName::from_text(text).map_err(|error| error.to_string()))
}

fn upstreams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    texts(deserializer, "a server", |text| Ok(text.to_owned()))
}
