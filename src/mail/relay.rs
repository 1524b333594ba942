//! Where mail is handed over: a host and a port, as operators write them.

use crate::model::DomainName;
use std::{fmt, net::IpAddr, str::FromStr};

/// The port of a relay where none is given (RFC 5321, section 4.5.4.2).
const PORT: u16 = 25;

/// A relay's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayHost {
    /// A host name, or an address without brackets.
    pub host: String,
    /// TCP port. On 465 the connection is TLS from its first octet (RFC 8314, section 3.3).
    pub port: u16,
}

/// A text that names no relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name or an address, with or without :port")]
pub struct RelayHostError;

impl FromStr for RelayHost {
    type Err = RelayHostError;

    /// Reads `mail.example`, `mail.example:587`, `192.0.2.1`, `2001:db8::1` and `[2001:db8::1]:25`.
    fn from_str(text: &str) -> Result<Self, RelayHostError> {
        let text = text.trim();
        if text.parse::<IpAddr>().is_ok() {
            return Ok(RelayHost { host: text.to_owned(), port: PORT });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(RelayHostError)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| RelayHostError)?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(RelayHostError),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => PORT,
            Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(RelayHostError)?,
        };
        if host.parse::<IpAddr>().is_ok() {
            return Ok(RelayHost { host: host.to_owned(), port });
        }
        let name = DomainName::from_text(host).map_err(|_| RelayHostError)?;
        if name.as_name().is_root() || host.contains('*') {
            return Err(RelayHostError);
        }
        Ok(RelayHost { host: name.to_string(), port })
    }
}

impl fmt::Display for RelayHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_host_with_or_without_a_port() {
        for (text, shown) in [
            ("Mail.Example", "mail.example:25"),
            (" mail.example:587 ", "mail.example:587"),
            ("192.0.2.1", "192.0.2.1:25"),
            ("192.0.2.1:2525", "192.0.2.1:2525"),
            ("2001:db8::1", "[2001:db8::1]:25"),
            ("[2001:db8::1]", "[2001:db8::1]:25"),
            ("[2001:db8::1]:465", "[2001:db8::1]:465"),
        ] {
            assert_eq!(text.parse::<RelayHost>().map(|relay| relay.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", ".", ":25", "a b", "mail.example:0", "mail.example:x", "[mail.example]:25", "[::1", "a:1:2"] {
            assert_eq!(text.parse::<RelayHost>(), Err(RelayHostError), "{text}");
        }
    }
}
