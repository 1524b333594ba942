//! Which upstreams a question goes to, and what they hear of the client.

use crate::model::ClientSubnet;
use ipnet::IpNet;
use std::net::IpAddr;

/// Bits of an IPv4 address that upstreams hear at most (RFC 7871, section 11.1).
const V4_BITS: u8 = 24;
/// The same of an IPv6 address.
const V6_BITS: u8 = 56;

/// Which upstreams are asked, and what they hear of the client. Answers are kept apart by it. `Default` is the
/// server's own upstreams, which hear nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Way {
    /// The number of a routing; 0 is the server's own. See [`Resolver::prepare`](super::Resolver::prepare).
    pub partition: u32,
    /// The client's network, if upstreams may hear of it.
    pub subnet: Option<Subnet>,
}

/// A network as the client subnet option names it (RFC 7871, section 6): the bits behind the prefix are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// Stands for everybody: what upstreams say is not for one network only.
    pub(super) const EVERYBODY: Subnet = Subnet { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), bits: 0 };

    /// What upstreams hear of this client under this setting. Addresses that mean nothing elsewhere (private,
    /// loopback and the like) are never told.
    pub fn of(setting: ClientSubnet, client: IpAddr) -> Option<Subnet> {
        match (setting, client.to_canonical()) {
            (ClientSubnet::Off, _) => None,
            (ClientSubnet::Truncated, client) => {
                let bits = if client.is_ipv4() { V4_BITS } else { V6_BITS };
                is_public(client).then(|| Subnet::new(client, bits)).flatten()
            }
            (ClientSubnet::Fixed { v4, .. }, IpAddr::V4(_)) => {
                v4.and_then(|(address, bits)| Subnet::new(address.into(), bits))
            }
            (ClientSubnet::Fixed { v6, .. }, IpAddr::V6(_)) => {
                v6.and_then(|(address, bits)| Subnet::new(address.into(), bits))
            }
        }
    }

    fn new(address: IpAddr, bits: u8) -> Option<Subnet> {
        let net = IpNet::new(address, bits).ok()?.trunc();
        Some(Subnet { address: net.addr(), bits })
    }

    /// The address, the bits behind the prefix 0.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Bits of the prefix.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Writes what tells it from others: family, bits, and 16 octets of address.
    pub(super) fn octets(self) -> [u8; 18] {
        let mut octets = [0; 18];
        octets[1] = self.bits;
        match self.address {
            IpAddr::V4(address) => octets[2..6].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => {
                octets[0] = 1;
                octets[2..].copy_from_slice(&address.octets());
            }
        }
        octets
    }
}

/// Whether an address says where on the Internet a client is.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(address.is_private() || address.is_loopback() || address.is_link_local() || shared || a == 0 || a >= 224)
        }
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_hear_a_cut_public_address_a_fixed_network_or_nothing() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let fixed = ClientSubnet::Fixed { v4: Some(([198, 51, 100, 0].into(), 24)), v6: None };
        for (setting, client, expected) in [
            (ClientSubnet::Off, "203.0.113.77", None),
            (ClientSubnet::Truncated, "203.0.113.77", Some(("203.0.113.0", 24))),
            (ClientSubnet::Truncated, "::ffff:203.0.113.77", Some(("203.0.113.0", 24))),
            (ClientSubnet::Truncated, "2001:db8:1:2ff:3::4", Some(("2001:db8:1:200::", 56))),
            (ClientSubnet::Truncated, "10.1.2.3", None),
            (ClientSubnet::Truncated, "100.64.0.1", None),
            (ClientSubnet::Truncated, "127.0.0.1", None),
            (ClientSubnet::Truncated, "fd00::1", None),
            (ClientSubnet::Truncated, "fe80::1", None),
            (fixed, "10.1.2.3", Some(("198.51.100.0", 24))),
            (fixed, "2001:db8::1", None),
        ] {
            let subnet = Subnet::of(setting, ip(client)).map(|subnet| (subnet.address().to_string(), subnet.bits()));
            assert_eq!(subnet, expected.map(|(address, bits)| (address.to_owned(), bits)), "{client}");
        }
    }
}
