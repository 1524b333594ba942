//! Where lists may be fetched from.
//!
//! Tenants name URLs, and the daemon fetches them from within the operator's network: nothing but public unicast
//! addresses is spoken to, in whatever form they are written, unless the operator allows a network.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 that is not public unicast (IANA's registry of special-purpose addresses, RFC 6890).
const SPECIAL_4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "of this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "of a carrier's inside (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 31, 196, 0, 24), "for protocols"),
    (v4(192, 52, 193, 0, 24), "for protocols"),
    (v4(192, 88, 99, 0, 24), "of 6to4 relays"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 3), "multicast or reserved"),
];

/// IPv6 within 2000::/3 that is not public unicast; what is outside it is not either.
const SPECIAL_6: [(Ipv6Net, &str); 4] = [
    (v6(0x2001, 0, 23), "for protocols"),
    (v6(0x2001, 0xdb8, 32), "for documentation"),
    (v6(0x2620, 0x4f, 32), "for protocols"),
    (v6(0x3fff, 0, 20), "for documentation"),
];

/// The only IPv6 that is assigned as global unicast (RFC 4291, section 2.4).
const GLOBAL_6: Ipv6Net = v6(0x2000, 0, 3);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// Why nothing is fetched from an address, in a word or two; `None` where it may be, because it is public or lies
/// in one of the `allowed` networks.
pub fn refusal(address: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    let meant = embedded(address).map_or(address, IpAddr::V4);
    if allowed.iter().any(|net| net.contains(&address) || net.contains(&meant)) {
        return None;
    }
    match meant {
        IpAddr::V4(meant) => SPECIAL_4.iter().find(|(net, _)| net.contains(&meant)).map(|(_, what)| *what),
        IpAddr::V6(meant) if meant.is_loopback() => Some("loopback"),
        IpAddr::V6(meant) if meant.is_multicast() => Some("multicast"),
        IpAddr::V6(meant) if meant.is_unique_local() => Some("private"),
        IpAddr::V6(meant) if meant.is_unicast_link_local() => Some("link-local"),
        IpAddr::V6(meant) if !GLOBAL_6.contains(&meant) => Some("not public"),
        IpAddr::V6(meant) => SPECIAL_6.iter().find(|(net, _)| net.contains(&meant)).map(|(_, what)| *what),
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped and compatible (RFC 4291, section 2.5.5), NAT64
/// (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let words = address.segments();
    let at = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match words {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => at(high, low),
        [0x2002, high, low, ..] => at(high, low),
        // `::` and `::1` are none.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => at(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_public_addresses_is_spoken_to_in_whatever_form() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refusal(address.parse().expect("an address"), &[]).is_some(), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.254",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert_eq!(refusal(address.parse().expect("an address"), &[]), None, "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_allowed_in_all_forms_of_its_addresses() {
        let allowed = ["127.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")];
        for (address, open) in
            [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("fd00::1", true), ("10.0.0.1", false), ("::1", false)]
        {
            assert_eq!(refusal(address.parse().expect("an address"), &allowed).is_none(), open, "{address}");
        }
    }
}
