//! What all syntaxes share: how a word becomes a name, an address or neither.

use crate::{
    category::is_own_name,
    model::{DomainName, NameError},
};
use ipnet::IpNet;
use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What a word of a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A name.
    Name(DomainName),
    /// An address or a network; host bits are gone.
    Net(IpNet),
    /// A name or address every hosts file has for the machine itself.
    Own,
    /// A URL, a host with a port, or a mailbox.
    Url,
    /// Nothing, for this reason.
    Invalid(Cow<'static, str>),
}

/// Reads a word that should be a name. `single` says whether it may have one label only.
pub(super) fn word(text: &str, single: bool) -> Word {
    if text.contains(['/', '?', '@', ':']) {
        return match net(text) {
            Some(net) => address(net),
            None => Word::Url,
        };
    }
    let text = text.trim_matches([' ', '\t', '.']);
    if is_own_name(text) {
        return Word::Own;
    }
    match DomainName::from_text(text) {
        Ok(name) => checked(name, single),
        Err(NameError::Address) => net(text).map_or(Word::Invalid("the name is empty".into()), address),
        Err(error) => Word::Invalid(error.to_string().into()),
    }
}

fn checked(name: DomainName, single: bool) -> Word {
    let labels = name.as_name().labels();
    let mut count = 0;
    let mut number_at_last = false;
    for label in labels {
        count += 1;
        number_at_last = label.iter().all(u8::is_ascii_digit);
        if label.contains(&b'*') {
            return Word::Invalid("the name has a wildcard inside".into());
        }
    }
    match count {
        0 => Word::Invalid("the name is empty".into()),
        1 if !single => Word::Invalid("the name has one label only".into()),
        _ if number_at_last => Word::Invalid("the name ends in a number".into()),
        _ => Word::Name(name),
    }
}

/// A name for a rule that applies to what is below it as well, which may have one label only.
pub(super) fn name(text: &str) -> Result<DomainName, Cow<'static, str>> {
    match word(text, true) {
        Word::Name(name) => Ok(name),
        Word::Net(_) => Err("this is an address, not a name".into()),
        Word::Own => Err("this is a name of the machine itself".into()),
        Word::Url => Err("this is a URL, not a name".into()),
        Word::Invalid(reason) => Err(reason),
    }
}

fn address(net: IpNet) -> Word {
    let ip = net.network();
    if net.prefix_len() == 0 {
        Word::Invalid("this is every address".into())
    } else if ip.is_unspecified() || ip.is_loopback() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Word::Own
    } else {
        Word::Net(net)
    }
}

/// An address, one with a zone (`fe80::1%lo0`), or a network; host bits are cut off.
pub(super) fn net(text: &str) -> Option<IpNet> {
    if !text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
        return None;
    }
    if let Some(ip) = ip(text) {
        return Some(IpNet::from(ip));
    }
    text.parse::<IpNet>().ok().map(|net| net.trunc())
}

/// An address, also one with a zone.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    if !text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
        return None;
    }
    text.split_once('%').map_or(text, |(ip, _)| ip).parse().ok()
}

/// Whether an address in front of a name says that the name is blocked.
pub(super) fn is_null(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_loopback() || ip == Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(),
    }
}

/// Data of an A or AAAA record.
pub(super) fn address_data(ip: IpAddr) -> crate::model::RecordData {
    match ip {
        IpAddr::V4(ip) => crate::model::RecordData { rtype: 1, rdata: Box::new(Ipv4Addr::octets(&ip)) },
        IpAddr::V6(ip) => crate::model::RecordData { rtype: 28, rdata: Box::new(Ipv6Addr::octets(&ip)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, single: bool) -> String {
        match word(text, single) {
            Word::Name(name) => name.to_string(),
            Word::Net(net) => format!("net {net}"),
            Word::Own => "own".to_owned(),
            Word::Url => "url".to_owned(),
            Word::Invalid(reason) => format!("invalid: {reason}"),
        }
    }

    #[test]
    fn words_become_names_networks_or_reasons() {
        for (text, expected) in [
            ("example.com", "example.com"),
            (" WWW.Example.COM. ", "www.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("straße.example", "xn--strae-oqa.example"),
            ("_dmarc.1and1.example", "_dmarc.1and1.example"),
            ("0------------0.0n-line.biz", "0------------0.0n-line.biz"),
            ("com", "invalid: the name has one label only"),
            ("localhost", "own"),
            ("LocalHost.LocalDomain", "own"),
            ("ip6-mcastprefix", "own"),
            ("0.0.0.0", "own"),
            ("::1", "own"),
            ("192.0.2.1", "net 192.0.2.1/32"),
            ("192.0.2.77/24", "net 192.0.2.0/24"),
            ("2001:db8::/32", "net 2001:db8::/32"),
            ("fe80::1%eth0", "net fe80::1/128"),
            ("0.0.0.0/0", "invalid: this is every address"),
            ("https://example.com/", "url"),
            ("example.com/path", "url"),
            ("example.com?a", "url"),
            ("example.com:443", "url"),
            ("me@example.com", "url"),
            ("a..example", "invalid: the name has an empty label"),
            ("ads.*.example", "invalid: the name has a wildcard inside"),
            ("10.0.0", "invalid: the name ends in a number"),
            ("a b.example", "invalid: the name contains ' '"),
            ("...", "invalid: the name is empty"),
            ("", "invalid: the name is empty"),
        ] {
            assert_eq!(shown(text, false), expected, "{text:?}");
        }
        assert_eq!(shown("zip", true), "zip");
        assert!(shown(&"a".repeat(64), true).starts_with("invalid: a label is 64 octets long"));
        assert!(shown(&["abcdefg"; 32].join("."), true).starts_with("invalid: the name is 257 octets long"));
    }
}
