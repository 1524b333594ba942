//! The OPT record of a query (RFC 6891).

use super::codes::option;

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Octets of UDP payload the client takes, as sent: may be below 512.
    pub udp_size: u16,
    /// The EDNS version; [`parse`](super::parse) lets only 0 through.
    pub version: u8,
    /// The DO bit: the client wants DNSSEC records (<https://www.rfc-editor.org/rfc/rfc3225#section-3>).
    pub dnssec_ok: bool,
    /// The options' octets, checked to be whole.
    pub options: &'a [u8],
}

/// One option of an OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdnsOption<'a> {
    /// The option's code, see [`option`].
    pub code: u16,
    /// Its data, possibly empty.
    pub data: &'a [u8],
}

/// A COOKIE option of valid length (<https://www.rfc-editor.org/rfc/rfc7873#section-4>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// The client's half.
    pub client: [u8; 8],
    /// The server's half: 8 to 32 octets, or empty if the client does not know it yet.
    pub server: &'a [u8],
}

impl<'a> Edns<'a> {
    /// The options in the order they were sent.
    pub fn options(&self) -> Options<'a> {
        Options { rest: self.options }
    }

    /// The data of the first option with this code.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.options().find(|option| option.code == code).map(|option| option.data)
    }

    /// The first COOKIE option; later ones are ignored
    /// (<https://www.rfc-editor.org/rfc/rfc7873#section-5.2>).
    pub fn cookie(&self) -> Option<Cookie<'a>> {
        let (client, server) = self.option(option::COOKIE)?.split_first_chunk::<8>()?;
        Some(Cookie { client: *client, server })
    }
}

/// The options of an OPT record, in order.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = EdnsOption<'a>;

    /// Ends at the last whole option.
    fn next(&mut self) -> Option<EdnsOption<'a>> {
        let (&[c0, c1, l0, l1], rest) = self.rest.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(u16::from_be_bytes([l0, l1]) as usize)?;
        self.rest = rest;
        Some(EdnsOption { code: u16::from_be_bytes([c0, c1]), data })
    }
}

/// Whether the octets are whole options and every COOKIE among them has a length that
/// <https://www.rfc-editor.org/rfc/rfc7873#section-5.2.2> allows.
pub(super) fn options_are_well_formed(octets: &[u8]) -> bool {
    let mut options = Options { rest: octets };
    for option in &mut options {
        if option.code == option::COOKIE && !matches!(option.data.len(), 8 | 16..=40) {
            return false;
        }
    }
    options.rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edns(options: &[u8]) -> Edns<'_> {
        Edns { udp_size: 1232, version: 0, dnssec_ok: false, options }
    }

    #[test]
    fn options_come_in_order_and_by_code() {
        let edns = edns(b"\x00\x0c\x00\x00\xfd\xe9\x00\x02ab\x00\x0a\x00\x08ABCDEFGH\xfd\xe9\x00\x01c");
        let codes: Vec<u16> = edns.options().map(|option| option.code).collect();
        assert_eq!(codes, [12, 65001, 10, 65001]);
        assert_eq!(edns.option(65001), Some(&b"ab"[..]));
        assert_eq!(edns.option(option::PADDING), Some(&b""[..]));
        assert_eq!(edns.option(option::CLIENT_SUBNET), None);
        assert_eq!(edns.cookie(), Some(Cookie { client: *b"ABCDEFGH", server: b"" }));
    }

    #[test]
    fn options_cut_off_or_cookies_of_wrong_length_are_malformed() {
        let cookie = |length: usize| [&[0, 10, 0, length as u8][..], &vec![7; length]].concat();
        for (octets, expected) in [
            (vec![], true),
            (vec![0, 3, 0, 0], true),
            (vec![0, 3, 0], false),
            (vec![0, 3, 0, 1], false),
            (vec![0, 3, 0, 1, 9], true),
            (vec![0, 3, 0, 1, 9, 0], false),
            (cookie(7), false),
            (cookie(8), true),
            (cookie(9), false),
            (cookie(15), false),
            (cookie(16), true),
            (cookie(40), true),
            (cookie(41), false),
        ] {
            assert_eq!(options_are_well_formed(&octets), expected, "{octets:?}");
        }
    }
}
