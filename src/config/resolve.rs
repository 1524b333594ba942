//! `[resolve]`: where answers come from.

use super::value::{between, text, texts};
use crate::model::DomainName;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, SocketAddr};

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
    /// Tries before a query fails, 1 to 10. Default 3.
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
}

impl Default for Resolve {
    fn default() -> Self {
        Resolve {
            upstreams: vec!["system".to_owned()],
            timeout_ms: 1500,
            tries: 3,
            dnssec: false,
            serve_stale: true,
            stale_max_s: 86_400,
            zones: Vec::new(),
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
    texts(deserializer, "a server", |text| check_upstream(text).map(|()| text.to_owned()))
}

/// Whether `text` is one of the forms of [`Resolve::upstreams`]; if not, the reason. The forms:
///
/// - an address, with or without a port (53);
/// - `tls://`, an address with or without a port (853), and the server's name after `#`;
/// - `https://`, a name or address with or without a port (443), and a path;
/// - `system`, `recurse`.
pub fn check_upstream(text: &str) -> Result<(), String> {
    if let Some(rest) = text.strip_prefix("tls://") {
        let (address, name) = rest
            .split_once('#')
            .ok_or_else(|| format!("{text:?} names no certificate; write \"tls://192.0.2.1#name\""))?;
        if !is_address(address) {
            return Err(format!("{address:?} in {text:?} is no address; write \"tls://192.0.2.1#name\""));
        }
        return check_host(name).map_err(|reason| format!("{name:?} in {text:?} is no server name: {reason}"));
    }
    if let Some(rest) = text.strip_prefix("https://") {
        let Some((authority, path)) = rest.split_once('/') else {
            return Err(format!("{text:?} has no path; write \"https://name/dns-query\""));
        };
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
            return Err(format!("the path of {text:?} holds a character that a URL cannot"));
        }
        if is_address(authority) {
            return Ok(());
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host,
            Some((_, port)) => return Err(format!("{port:?} in {text:?} is no port")),
            None => authority,
        };
        return check_host(host).map_err(|reason| format!("{host:?} in {text:?} is no host: {reason}"));
    }
    if text == "system" || text == "recurse" || is_address(text) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no server; write \"192.0.2.1:53\", \"tls://192.0.2.1#name\", \"https://name/dns-query\", \
         \"system\" or \"recurse\""
    ))
}

/// An address without a port, or with one other than 0; IPv6 with or without brackets.
fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0)
}

fn check_host(text: &str) -> Result<(), String> {
    DomainName::from_text(text).map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_upstream_is_taken() {
        for text in [
            "192.0.2.1",
            "192.0.2.1:53",
            "2001:db8::1",
            "[2001:db8::1]",
            "[2001:db8::1]:5300",
            "tls://192.0.2.1#dns.example",
            "tls://192.0.2.1:8853#dns.example",
            "tls://[2001:db8::1]:853#dns.example",
            "https://dns.example/dns-query",
            "https://dns.example:8443/dns-query",
            "https://192.0.2.1/dns-query",
            "https://[2001:db8::1]/dns-query",
            "system",
            "recurse",
        ] {
            assert_eq!(check_upstream(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_form_it_misses() {
        for (text, part) in [
            ("", "is no server"),
            ("dns.example", "is no server"),
            ("192.0.2.1:0", "is no server"),
            ("192.0.2.1:70000", "is no server"),
            ("udp://192.0.2.1", "is no server"),
            ("tls://192.0.2.1", "names no certificate"),
            ("tls://dns.example#dns.example", "is no address"),
            ("tls://192.0.2.1#", "is no server name"),
            ("https://dns.example", "has no path"),
            ("https:///dns-query", "is no host"),
            ("https://dns.example:https/dns-query", "is no port"),
            ("https://dns.example/a b", "a character that a URL cannot"),
        ] {
            let reason = check_upstream(text).expect_err(text);
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }
}
