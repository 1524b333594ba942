//! Where answers come from, as operators write it.

use crate::model::DomainName;
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

const PORT_DNS: u16 = 53;
const PORT_TLS: u16 = 853;
const PORT_HTTPS: u16 = 443;
const PATH: &str = "/dns-query";

/// One source of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Plain DNS: UDP, and TCP for what does not fit.
    Plain(SocketAddr),
    /// DNS over TLS (RFC 7858). The server name is checked against the certificate and never sent.
    Tls(Endpoint),
    /// DNS over HTTPS (RFC 8484), HTTP/2, POST.
    Https {
        /// The server.
        endpoint: Endpoint,
        /// The path, with its leading `/`.
        path: String,
    },
    /// The name servers of `/etc/resolv.conf`, read again when the file changes.
    System,
    /// Iteration from the root servers.
    Recurse,
}

/// A server behind TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What its certificate must be for: a host name, or an address as text.
    pub name: String,
    /// Where it is. Empty: the addresses of `name` are looked up through plain upstreams.
    pub addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
}

/// Why a text names no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing was given.
    #[error("the upstream is empty")]
    Empty,
    /// `udp://`, `quic://` and the like.
    #[error("the scheme {0:?} is not known; use an address, tls://, https://, \"system\" or \"recurse\"")]
    Scheme(String),
    /// A plain upstream that is no address.
    #[error("{0:?} is no IP address; names can only be used with tls:// and https://")]
    Address(String),
    /// The host of a TLS or HTTPS upstream.
    #[error("{0:?} is neither an IP address nor a host name")]
    Host(String),
    /// The text after a colon is no port.
    #[error("{0:?} is no port; ports are 1 to 65535")]
    Port(String),
    /// What follows `#` is neither a host name nor a list of addresses.
    #[error("{0:?} after # is neither the name in the certificate nor addresses with commas between them")]
    Fragment(String),
    /// `https://[2001:db8::1]/dns-query`: HTTP clients cannot express such a certificate name.
    #[error("an https upstream at an IPv6 address needs the name in its certificate: https://{0}{1}#name")]
    HttpsIpv6(String, String),
    /// A path with blanks or outside ASCII.
    #[error("{0:?} is no URL path")]
    Path(String),
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    /// Reads `192.0.2.1`, `192.0.2.1:53`, `[2001:db8::1]:53`, `tls://192.0.2.1#name`,
    /// `tls://name:853#192.0.2.1,2001:db8::1`, `https://name/dns-query`,
    /// `https://name/dns-query#192.0.2.1`, `system` and `recurse`.
    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UpstreamError::Empty);
        }
        match text {
            "system" => return Ok(Upstream::System),
            "recurse" => return Ok(Upstream::Recurse),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("tls://") {
            let (authority, fragment) = split_fragment(rest);
            return Ok(Upstream::Tls(Endpoint::parse(authority, fragment, PORT_TLS)?));
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return parse_https(rest);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(UpstreamError::Scheme(scheme.to_owned()));
        }
        let (host, port) = split_port(text, PORT_DNS)?;
        let address = host.parse().map_err(|_| UpstreamError::Address(text.to_owned()))?;
        Ok(Upstream::Plain(SocketAddr::new(address, port)))
    }
}

fn parse_https(rest: &str) -> Result<Upstream, UpstreamError> {
    let (url, fragment) = split_fragment(rest);
    let (authority, path) = match url.find('/') {
        Some(at) => url.split_at(at),
        None => (url, PATH),
    };
    // RFC 8484 publishes URI templates; queries go by POST, which has no variable.
    let path = path.strip_suffix("{?dns}").unwrap_or(path);
    if !path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'{' && octet != b'}') {
        return Err(UpstreamError::Path(path.to_owned()));
    }
    let endpoint = Endpoint::parse(authority, fragment, PORT_HTTPS)?;
    if endpoint.name.parse::<Ipv6Addr>().is_ok() {
        return Err(UpstreamError::HttpsIpv6(authority.to_owned(), path.to_owned()));
    }
    Ok(Upstream::Https { endpoint, path: path.to_owned() })
}

impl Endpoint {
    fn parse(authority: &str, fragment: Option<&str>, port: u16) -> Result<Self, UpstreamError> {
        let (host, port) = split_port(authority, port)?;
        let mut endpoint = match host.parse::<IpAddr>() {
            Ok(address) => Endpoint { name: address.to_string(), addresses: vec![address], port },
            Err(_) => {
                let name = host_name(host).ok_or_else(|| UpstreamError::Host(host.to_owned()))?;
                Endpoint { name, addresses: Vec::new(), port }
            }
        };
        let Some(fragment) = fragment else { return Ok(endpoint) };
        let bad = || UpstreamError::Fragment(fragment.to_owned());
        if fragment.split(',').all(|part| part.trim().parse::<IpAddr>().is_ok()) {
            if !endpoint.addresses.is_empty() {
                return Err(bad());
            }
            endpoint.addresses = fragment.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        } else {
            if endpoint.addresses.is_empty() {
                return Err(bad());
            }
            endpoint.name = host_name(fragment).ok_or_else(bad)?;
        }
        Ok(endpoint)
    }
}

fn host_name(text: &str) -> Option<String> {
    let name = DomainName::from_text(text).ok()?;
    (!name.as_name().is_root() && !text.contains('*')).then(|| name.to_string())
}

fn split_fragment(text: &str) -> (&str, Option<&str>) {
    match text.split_once('#') {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn split_port(text: &str, default: u16) -> Result<(&str, u16), UpstreamError> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, default));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(|| UpstreamError::Host(text.to_owned()))?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(UpstreamError::Host(text.to_owned())),
            }
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    match port {
        None => Ok((host, default)),
        Some(text) => match text.parse() {
            Ok(port) if port != 0 => Ok((host, port)),
            _ => Err(UpstreamError::Port(text.to_owned())),
        },
    }
}

/// The form `from_str` reads back, and the label of this upstream in metrics.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Upstream::Plain(address) => write!(f, "{address}"),
            Upstream::Tls(endpoint) => {
                write!(f, "tls://{}", endpoint.authority(PORT_TLS))?;
                endpoint.fragment(f)
            }
            Upstream::Https { endpoint, path } => {
                write!(f, "https://{}{path}", endpoint.authority(PORT_HTTPS))?;
                endpoint.fragment(f)
            }
            Upstream::System => f.write_str("system"),
            Upstream::Recurse => f.write_str("recurse"),
        }
    }
}

impl Endpoint {
    fn authority(&self, default: u16) -> String {
        let host = match self.name.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.name.clone(),
        };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    fn fragment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        for (index, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if index == 0 { '#' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1:53"),
            (" 192.0.2.1:5353 ", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]", "[2001:db8::1]:53"),
            ("[2001:db8::1]:54", "[2001:db8::1]:54"),
            ("tls://192.0.2.1", "tls://192.0.2.1"),
            ("tls://192.0.2.1#dns.example", "tls://dns.example#192.0.2.1"),
            ("tls://[2001:db8::1]:8853#dns.example", "tls://dns.example:8853#2001:db8::1"),
            ("tls://dns.example", "tls://dns.example"),
            ("https://dns.example", "https://dns.example/dns-query"),
            ("https://dns.example/q{?dns}", "https://dns.example/q"),
            ("https://192.0.2.1/dns-query", "https://192.0.2.1/dns-query"),
            ("https://Dns.Example:8443/dns-query#192.0.2.1", "https://dns.example:8443/dns-query#192.0.2.1"),
            (
                "https://dns.example/dns-query#192.0.2.1, 2001:db8::1",
                "https://dns.example/dns-query#192.0.2.1,2001:db8::1",
            ),
            ("system", "system"),
            ("recurse", "recurse"),
        ] {
            let upstream: Upstream = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(upstream.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(upstream), "{text}");
        }
        assert_eq!(
            "tls://192.0.2.1#dns.example".parse(),
            Ok(Upstream::Tls(Endpoint { name: "dns.example".into(), addresses: vec![ip("192.0.2.1")], port: 853 }))
        );
    }

    #[test]
    fn what_is_no_upstream_is_refused_with_its_reason() {
        use UpstreamError::*;
        for (text, error) in [
            ("", Empty),
            ("quic://192.0.2.1", Scheme("quic".into())),
            ("dns.example", Address("dns.example".into())),
            ("192.0.2.1:0", Port("0".into())),
            ("192.0.2.1:dns", Port("dns".into())),
            ("192.0.2.256", Address("192.0.2.256".into())),
            ("tls://", Host(String::new())),
            ("tls://a b", Host("a b".into())),
            ("tls://192.0.2.1#two words", Fragment("two words".into())),
            ("tls://dns.example#other.example", Fragment("other.example".into())),
            ("https://192.0.2.1/q#192.0.2.2", Fragment("192.0.2.2".into())),
            ("https://[2001:db8::1]/q", HttpsIpv6("[2001:db8::1]".into(), "/q".into())),
            ("https://dns.example/a b", Path("/a b".into())),
        ] {
            assert_eq!(text.parse::<Upstream>(), Err(error), "{text}");
        }
    }
}
