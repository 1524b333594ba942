//! IPv6 addresses made of IPv4 addresses, for networks that reach IPv4 through NAT64 (RFC 6147, RFC 6052).

use crate::model::{DomainName, Name};
use ipnet::Ipv6Net;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The prefix that everybody may use (RFC 6052, section 2.1).
const WELL_KNOWN: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
/// `ipv4only.arpa`, by which clients find the prefix (RFC 7050, RFC 8880).
const IPV4_ONLY: &[u8] = b"\x08ipv4only\x04arpa\x00";
/// Its addresses (RFC 7050, section 8.1).
pub const IPV4_ONLY_ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// Where the octets of the IPv4 address stand behind a prefix of so many bits (RFC 6052, section 2.2).
fn places(bits: u8) -> impl Iterator<Item = usize> {
    let first = usize::from(bits / 8);
    // Octet 8 stays 0.
    (first..16).filter(move |place| first >= 9 || *place != 8).take(4)
}

/// The address behind `prefix`, which is 32, 40, 48, 56, 64 or 96 bits long.
pub fn embed(prefix: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.network().octets();
    for (place, octet) in places(prefix.prefix_len()).zip(address.octets()) {
        octets[place] = octet;
    }
    octets.into()
}

/// Whether answers may be made of this address: the well-known prefix stands for the Internet's only (RFC 6052,
/// section 3.1).
pub fn is_embeddable(prefix: Ipv6Net, address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0);
    prefix.network() != WELL_KNOWN || !special
}

/// Whether an AAAA record stands for an IPv6 host: mapped IPv4 addresses count as none (RFC 6147, section 5.1.4).
pub fn is_native(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_none()
}

/// Whether this is the name by which clients find the prefix.
pub fn is_ipv4_only(name: Name<'_>) -> bool {
    name.as_wire() == IPV4_ONLY
}

/// The reverse name of the IPv4 address that the reverse name of an address behind `prefix` is made of (RFC 6147,
/// section 5.3.1).
pub fn reverse(prefix: Ipv6Net, name: Name<'_>) -> Option<DomainName> {
    if !name.as_wire().ends_with(b"\x03ip6\x04arpa\x00") || name.label_count() != 34 {
        return None;
    }
    let mut address = 0u128;
    for (index, label) in name.labels().take(32).enumerate() {
        let [digit] = label else { return None };
        address |= u128::from((*digit as char).to_digit(16)?) << (4 * index);
    }
    let address = Ipv6Addr::from(address);
    if !prefix.contains(&address) || address.octets()[8] != 0 {
        return None;
    }
    let octets = address.octets();
    let mut parts = [0; 4];
    for (part, place) in parts.iter_mut().zip(places(prefix.prefix_len())) {
        *part = octets[place];
    }
    let [a, b, c, d] = parts;
    DomainName::from_text(&format!("{d}.{c}.{b}.{a}.in-addr.arpa")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().expect("a prefix")
    }

    #[test]
    fn addresses_stand_behind_prefixes_of_every_length_as_in_rfc_6052_section_2_4() {
        for (prefix, expected) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let address: Ipv6Addr = expected.parse().expect("an address");
            assert_eq!(embed(net(prefix), Ipv4Addr::new(192, 0, 2, 33)), address, "{prefix}");
            let digits: Vec<String> =
                address.octets().iter().rev().map(|o| format!("{:x}.{:x}", o & 15, o >> 4)).collect();
            let name = DomainName::from_text(&format!("{}.ip6.arpa", digits.join("."))).expect("a name");
            let back = reverse(net(prefix), name.as_name()).map(|name| name.to_string());
            assert_eq!(back.as_deref(), Some("33.2.0.192.in-addr.arpa"), "{prefix}");
            assert_eq!(reverse(net("2001:db8:ffff::/48"), name.as_name()), None);
        }
    }

    #[test]
    fn the_well_known_prefix_is_for_public_addresses_and_mapped_ones_are_not_native() {
        for (prefix, address, expected) in [
            ("64:ff9b::/96", [192, 0, 2, 1], true),
            ("64:ff9b::/96", [10, 0, 0, 1], false),
            ("64:ff9b::/96", [127, 0, 0, 1], false),
            ("2001:db8::/96", [10, 0, 0, 1], true),
        ] {
            assert_eq!(is_embeddable(net(prefix), address.into()), expected, "{prefix} {address:?}");
        }
        assert!(!is_native("::ffff:192.0.2.1".parse().expect("an address")));
        assert!(is_native("2001:db8::1".parse().expect("an address")));
        let name = |text| DomainName::from_text(text).expect("a name");
        assert!(is_ipv4_only(name("IPv4only.arpa").as_name()) && !is_ipv4_only(name("x.ipv4only.arpa").as_name()));
    }
}
