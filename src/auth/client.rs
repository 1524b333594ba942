//! The programs people sign in with, and where they may be sent back to.

use http::Uri;
use std::net::IpAddr;

/// A program that may ask for tokens. All are public clients (RFC 6749, section 2.1): PKCE, not a
/// secret, ties the code to whoever asked for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself by.
    pub id: &'static str,
    /// Its name, for people.
    pub name: &'static str,
}

/// The clients that are built in: our own console and scripts.
const CLIENTS: [Client; 1] = [Client { id: "2", name: "Weir" }];

impl Client {
    /// The client of this id.
    pub fn find(id: &str) -> Option<&'static Client> {
        CLIENTS.iter().find(|client| client.id == id)
    }
}

/// The server as the caller reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Host and port as the caller named them; empty where they are no plain host and port.
    pub authority: String,
}

impl Origin {
    /// From a `Host` header.
    pub fn new(tls: bool, authority: &str) -> Self {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b".:-[]_".contains(&octet);
        let authority = authority.to_ascii_lowercase();
        let usable = authority.len() <= 260 && authority.bytes().all(plain);
        Origin { tls, authority: if usable { authority } else { String::new() } }
    }

    /// Such as `https://weir.example:8443`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// The host without its port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// The port with its colon, where one is named.
    pub fn port(&self) -> &str {
        &self.authority[self.host().len()..]
    }
}

/// The path of our own redirect target.
const CALLBACK: &str = "/restapi/oauth/callback";

/// Whether people may be sent to this URI with a code: the callback of the server they are at, or a
/// program on their own machine, on any port (RFC 8252, section 7.3).
pub fn may_redirect_to(uri: &str, origin: &Origin) -> bool {
    let Some(parsed) = plain_uri(uri) else { return false };
    let loopback = parsed.scheme_str() == Some("http") && parsed.host().is_some_and(is_loopback);
    loopback || is_own(&parsed, origin)
}

/// Whether this is the callback of the server people are at.
pub fn is_own_callback(uri: &str, origin: &Origin) -> bool {
    plain_uri(uri).is_some_and(|parsed| is_own(&parsed, origin))
}

/// An absolute URI without fragment and user, in the letters URIs are written in.
fn plain_uri(uri: &str) -> Option<Uri> {
    let written = |octet: u8| octet.is_ascii_graphic() && !b"\\\"<>#^`{|}".contains(&octet);
    if uri.len() > 2048 || !uri.bytes().all(written) {
        return None;
    }
    let parsed: Uri = uri.parse().ok()?;
    parsed.authority().filter(|authority| !authority.as_str().contains('@'))?;
    Some(parsed)
}

fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_own(uri: &Uri, origin: &Origin) -> bool {
    let scheme = uri.scheme_str().unwrap_or_default();
    // Behind a proxy that does TLS, people see https where we see http.
    let scheme_fits = scheme == "https" || scheme == "http" && !origin.tls;
    let port = if scheme == "https" { ":443" } else { ":80" };
    let without = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    let authority = uri.authority().map(|authority| without(authority.as_str())).unwrap_or_default();
    scheme_fits
        && !origin.authority.is_empty()
        && authority == without(&origin.authority)
        && uri.path() == CALLBACK
        && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_to_this_server_or_to_their_own_machine_and_nowhere_else() {
        let origin = Origin::new(true, "weir.test:8443");
        for good in [
            "https://weir.test:8443/restapi/oauth/callback",
            "https://WEIR.test:8443/restapi/oauth/callback",
            "http://127.0.0.1/",
            "http://127.0.0.1:49152/any/path?x=1",
            "http://[::1]:8000/cb",
        ] {
            assert!(may_redirect_to(good, &origin), "{good}");
        }
        for bad in [
            "",
            "/restapi/oauth/callback",
            "https://weir.test/restapi/oauth/callback",
            "http://weir.test:8443/restapi/oauth/callback",
            "https://weir.test:8443/restapi/oauth/callback?x=1",
            "https://weir.test:8443/restapi/oauth/callback#x",
            "https://weir.test:8443/restapi/oauth/callback/../users",
            "https://weir.test:8443@evil.example/restapi/oauth/callback",
            "https://evil.example/restapi/oauth/callback",
            "https://evil.example\\@weir.test:8443/restapi/oauth/callback",
            "http://127.0.0.1@evil.example/",
            "http://user@127.0.0.1/",
            "http://127.0.0.1.evil.example/",
            "https://127.0.0.1:1/",
            "http://localhost.evil.example/",
            "http://10.0.0.1/",
            "http://127.0.0.1/ x",
            "javascript:alert(1)",
            "com.example.app:/cb",
        ] {
            assert!(!may_redirect_to(bad, &origin), "{bad}");
        }
        let plain = Origin::new(false, "weir.test");
        for good in ["https://weir.test/restapi/oauth/callback", "http://weir.test:80/restapi/oauth/callback"] {
            assert!(may_redirect_to(good, &plain), "{good}");
        }
    }

    #[test]
    fn a_host_header_that_is_none_is_no_origin() {
        assert_eq!(Origin::new(true, "weir.test\"; x").authority, "");
        let origin = Origin::new(true, "[2001:db8::1]:8443");
        assert_eq!((origin.host(), origin.port()), ("[2001:db8::1]", ":8443"));
        assert_eq!(Origin::new(true, "[2001:db8::1]").host(), "[2001:db8::1]");
        assert_eq!(Origin::new(true, "weir.test").host(), "weir.test");
        assert!(!may_redirect_to("https:///restapi/oauth/callback", &Origin::new(true, "")));
    }
}
