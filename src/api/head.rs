//! What a request says of itself beside its fields: where it thinks it is, and what it would like.

use crate::auth::Origin;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};

/// The head of a request, for the few operations that look at it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The server as the caller reached it.
    pub origin: Origin,
    headers: HeaderMap,
}

/// User name and password of HTTP Basic (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// What stands before the first colon.
    pub user: String,
    /// What stands after it.
    pub password: String,
}

impl Head {
    pub(super) fn new(tls: bool, authority: &str, headers: HeaderMap) -> Self {
        Head { origin: Origin::new(tls, authority), headers }
    }

    /// The same place without headers: what a batch was sent with is not said of its requests.
    pub(super) fn bare(&self) -> Self {
        Head { origin: self.origin.clone(), headers: HeaderMap::new() }
    }

    fn text(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The credentials of HTTP Basic; the error is for what cannot be read as such.
    pub fn basic(&self) -> Option<Result<Basic, ()>> {
        let (scheme, rest) = self.text(header::AUTHORIZATION)?.trim_start().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let read = || {
            let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            Some(Basic { user: user.to_owned(), password: password.to_owned() })
        };
        Some(read().ok_or(()))
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether a page would do: it is asked for by name, or anything is taken.
    pub fn takes_page(&self) -> bool {
        self.text(header::ACCEPT).is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"))
    }

    /// Whether a person is looking: a page is asked for by name.
    pub fn wants_page(&self) -> bool {
        self.text(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: header::HeaderName, value: &str) -> Head {
        Head::new(true, "weir.test", HeaderMap::from_iter([(name, value.parse().expect("a value"))]))
    }

    #[test]
    fn basic_credentials_are_split_at_the_first_colon() {
        let basic = |value: &str| head(header::AUTHORIZATION, value).basic();
        let encoded = |text: &[u8]| format!("basic {}", STANDARD.encode(text));
        let Some(Ok(read)) = basic(&encoded("é@weir.test:a:b".as_bytes())) else { panic!("is well formed") };
        assert_eq!((read.user.as_str(), read.password.as_str()), ("é@weir.test", "a:b"));
        for bad in ["Basic", "Basic x", "Basic !!!!", &encoded(b"no colon"), &encoded(b"\xff:x")] {
            assert!(!matches!(basic(bad), Some(Ok(_))), "{bad}");
        }
        assert!(basic("Bearer x").is_none());
    }

    #[test]
    fn cookies_and_wishes_are_read() {
        let cookies = head(header::COOKIE, "a=1; weir-sign-in=x; b=2");
        assert_eq!((cookies.cookie("weir-sign-in"), cookies.cookie("c")), (Some("x"), None));
        for (accept, takes, wants) in
            [("text/html,*/*;q=0.8", true, true), ("*/*", true, false), ("application/json", false, false)]
        {
            let head = head(header::ACCEPT, accept);
            assert_eq!((head.takes_page(), head.wants_page()), (takes, wants), "{accept}");
        }
    }
}
