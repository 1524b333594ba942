//! Addresses that no public name has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address leads into the network of whoever uses it: this host and network (RFC 1122, section 3.2.1.3),
/// private use (RFC 1918, RFC 4193, RFC 3879), shared space behind carriers' translators (RFC 6598), loopback,
/// link-local (RFC 3927, RFC 4291), broadcast, and every form of IPv6 that carries such an address
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
/// RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380). Unspecified and loopback are among the
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
        _ => None,
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 0
        || a == 100 && (64..128).contains(&b)
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;

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
