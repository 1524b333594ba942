//! Addresses that no public name has.

use ipnet::Ipv6Net;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address leads into the network of whoever uses it: this host and network (RFC 1122, section 3.2.1.3),
/// private use (RFC 1918, RFC 4193, RFC 3879), shared space behind carriers' translators (RFC 6598, RFC 6333), loopback,
/// link-local (RFC 3927, RFC 4291), benchmarks (RFC 2544), reserved (RFC 1112), broadcast, and every form of IPv6 that carries such an address
/// ([`carried_v4`]).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => {
            let scope = address.segments()[0];
            carried_v4(address).is_some_and(is_private_v4)
                || scope & 0xfe00 == 0xfc00
                || scope & 0xffc0 == 0xfe80
                || scope & 0xffc0 == 0xfec0
        }
    }
}

/// The IPv4 address that packets to this one end up at: mapped, compatible and translated addresses (RFC 4291,
/// RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214). Unspecified and loopback are among the
/// compatible ones, as 0.0.0.0 and 0.0.0.1.
pub fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let last = v4(segments[6], segments[7]);
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(last),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Some(last),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        // Teredo turns the bits of the client's address round.
        [0x2001, 0, ..] => Some(v4(!segments[6], !segments[7])),
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Some(last),
        _ => None,
    }
}

/// The IPv4 address behind a translator with this prefix (RFC 6052, section 2.2); `None` where the address is not
/// in it, or the prefix has another length than translators' have.
pub fn translated_v4(prefix: Ipv6Net, address: Ipv6Addr) -> Option<Ipv4Addr> {
    if !prefix.contains(&address) || !matches!(prefix.prefix_len(), 32 | 40 | 48 | 56 | 64 | 96) {
        return None;
    }
    // Octet 8 is none of the address.
    let octets = address.octets();
    let mut places = (usize::from(prefix.prefix_len()) / 8..).filter(|place| *place != 8).map(|place| octets[place]);
    Some(Ipv4Addr::from([places.next()?, places.next()?, places.next()?, places.next()?]))
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    a == 0
        || a == 198 && (18..20).contains(&b)
        || a >= 240
        || (a, b, c) == (192, 0, 0) && d < 8
        || a == 100 && (64..128).contains(&b)
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_behind_a_translator_are_found_at_each_length_of_prefix() {
        for (prefix, address, expected) in [
            ("2001:db8::/32", "2001:db8:c000:221::", Some("192.0.2.33")),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::", Some("192.0.2.33")),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::", Some("192.0.2.33")),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::", Some("192.0.2.33")),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::", Some("192.0.2.33")),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33", Some("192.0.2.33")),
            ("2001:db8:122:344::/96", "2001:db8:122:345::192.0.2.33", None),
            ("2001:db8:122::/50", "2001:db8:122:c000:2:2100::", None),
        ] {
            let found = translated_v4(prefix.parse().expect("a prefix"), address.parse().expect("an address"));
            assert_eq!(found.map(|address| address.to_string()).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn private_addresses_are_known_in_every_form() {
        for (text, expected) in [
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("127.8.9.1", true),
            ("169.254.169.254", true),
            ("172.15.255.255", false),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("192.0.0.170", false),
            ("192.0.0.2", true),
            ("198.17.255.255", false),
            ("198.18.0.1", true),
            ("198.20.0.1", false),
            ("240.0.0.1", true),
            ("239.0.0.1", false),
            ("2001:db8::5efe:a00:1", true),
            ("2001:db8:1:2:200:5efe:808:808", false),
            ("192.0.2.80", false),
            ("255.255.255.255", true),
            ("::", true),
            ("::1", true),
            ("::10.0.0.1", true),
            ("::192.0.2.1", false),
            ("::ffff:192.168.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("::ffff:0:127.0.0.1", true),
            ("64:ff9b::10.0.0.1", true),
            ("64:ff9b::8.8.8.8", false),
            ("64:ff9b:1:2::10.0.0.1", true),
            ("64:ff9b:1::8.8.8.8", false),
            ("2002:c0a8:101::1", true),
            ("2002:808:808::1", false),
            ("2001:0:808:808:0:0:3f57:fefe", true),
            ("2001:0:808:808:0:0:f7f7:f7f7", false),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", true),
            ("ff02::1", false),
            ("2606:4700::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(text.parse().expect("an address")), expected, "{text}");
        }
    }
}
