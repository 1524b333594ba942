//! Longest-prefix match of addresses.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use std::net::IpAddr;

/// Values by address range. The longest range that holds an address answers for it.
///
/// IPv4 addresses mapped into IPv6 (`::ffff:0:0/96`) count as IPv4, in ranges and in addresses.
#[derive(Clone)]
pub struct PrefixTable<V> {
    v4: PrefixMap<Ipv4Net, V>,
    v6: PrefixMap<Ipv6Net, V>,
    count: usize,
}

impl<V> Default for PrefixTable<V> {
    fn default() -> Self {
        PrefixTable { v4: PrefixMap::new(), v6: PrefixMap::new(), count: 0 }
    }
}

impl<V> PrefixTable<V> {
    /// Puts a range in; host bits are ignored. Gives back the value it replaces.
    pub fn insert(&mut self, range: IpNet, value: V) -> Option<V> {
        let old = match unmap(range) {
            IpNet::V4(range) => self.v4.insert(range, value),
            IpNet::V6(range) => self.v6.insert(range, value),
        };
        self.count += usize::from(old.is_none());
        old
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: IpNet) -> Option<V> {
        let old = match unmap(range) {
            IpNet::V4(range) => self.v4.remove(&range),
            IpNet::V6(range) => self.v6.remove(&range),
        };
        self.count -= usize::from(old.is_some());
        old
    }

    /// The value of exactly this range.
    pub fn get(&self, range: IpNet) -> Option<&V> {
        match unmap(range) {
            IpNet::V4(range) => self.v4.get(&range),
            IpNet::V6(range) => self.v6.get(&range),
        }
    }

    /// The longest range that holds `address`, with its value.
    pub fn longest_match(&self, address: IpAddr) -> Option<(IpNet, &V)> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.get_lpm(&Ipv4Net::from(address)).map(|(range, v)| (range.into(), v)),
            IpAddr::V6(address) => self.v6.get_lpm(&Ipv6Net::from(address)).map(|(range, v)| (range.into(), v)),
        }
    }

    /// Every range that holds `address`, with its value, shortest first.
    pub fn around(&self, address: IpAddr) -> impl Iterator<Item = (IpNet, &V)> {
        let (v4, v6) = match address.to_canonical() {
            IpAddr::V4(address) => (Some(self.v4.cover(&Ipv4Net::from(address))), None),
            IpAddr::V6(address) => (None, Some(self.v6.cover(&Ipv6Net::from(address)))),
        };
        let v4 = v4.into_iter().flatten().map(|(range, value)| (IpNet::V4(range), value));
        v4.chain(v6.into_iter().flatten().map(|(range, value)| (IpNet::V6(range), value)))
    }

    /// Every range that shares an address with `range`: those around it and those within it.
    pub fn overlapping(&self, range: IpNet) -> Vec<(IpNet, &V)> {
        match unmap(range) {
            IpNet::V4(range) => {
                let around = self.v4.cover(&range).filter(|(found, _)| found.prefix_len() < range.prefix_len());
                around.chain(self.v4.children(&range)).map(|(range, v)| (range.into(), v)).collect()
            }
            IpNet::V6(range) => {
                let around = self.v6.cover(&range).filter(|(found, _)| found.prefix_len() < range.prefix_len());
                around.chain(self.v6.children(&range)).map(|(range, v)| (range.into(), v)).collect()
            }
        }
    }

    /// Ranges in the table.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The range without host bits, IPv4 where it lies within the mapped block.
pub fn unmap(range: IpNet) -> IpNet {
    if let IpNet::V6(v6) = range
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Ok(net) = Ipv4Net::new(v4, v6.prefix_len() - 96)
    {
        return IpNet::V4(net.trunc());
    }
    range.trunc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a range")
    }

    #[test]
    fn the_longest_range_answers() {
        let mut table = PrefixTable::default();
        for (range, value) in
            [("10.0.0.0/8", 1), ("10.1.0.0/16", 2), ("10.1.2.3/32", 3), ("2001:db8::/32", 4), ("2001:db8::1/128", 5)]
        {
            assert_eq!(table.insert(net(range), value), None);
        }
        for (address, expected) in [
            ("10.9.9.9", Some(1)),
            ("10.1.9.9", Some(2)),
            ("10.1.2.3", Some(3)),
            ("::ffff:10.1.2.3", Some(3)),
            ("2001:db8::2", Some(4)),
            ("2001:db8::1", Some(5)),
            ("192.0.2.1", None),
            ("::a01:203", None),
        ] {
            let found = table.longest_match(address.parse().expect("an address")).map(|(_, v)| *v);
            assert_eq!(found, expected, "{address}");
        }
        assert_eq!(table.remove(net("10.1.2.3/32")), Some(3));
        assert_eq!(table.longest_match("10.1.2.3".parse().expect("an address")).map(|(_, v)| *v), Some(2));
        assert_eq!(table.len(), 4);
        let around: Vec<i32> = table.around("10.1.9.9".parse().expect("an address")).map(|(_, v)| *v).collect();
        assert_eq!(around, [1, 2]);
    }

    #[test]
    fn overlaps_are_found_around_and_within() {
        let mut table = PrefixTable::default();
        for range in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "192.0.2.0/24"] {
            table.insert(net(range), ());
        }
        let found = |range: &str| {
            let mut all: Vec<String> = table.overlapping(net(range)).iter().map(|(r, ())| r.to_string()).collect();
            all.sort();
            all
        };
        assert_eq!(found("10.1.0.0/16"), ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"]);
        assert_eq!(found("10.1.2.128/25"), ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"]);
        assert_eq!(found("0.0.0.0/0").len(), 5);
        assert!(found("198.51.100.0/24").is_empty());
        assert_eq!(found("::ffff:192.0.2.0/120"), ["192.0.2.0/24"]);
    }

    proptest! {
        #[test]
        fn longest_match_agrees_with_a_linear_search(
            ranges in prop::collection::vec((any::<u32>(), 0u8..=32), 0..60), addresses in prop::collection::vec(any::<u32>(), 20)
        ) {
            let mut table = PrefixTable::default();
            let ranges: Vec<IpNet> = ranges.into_iter()
                .map(|(bits, length)| IpNet::V4(Ipv4Net::new((bits & 0xf0f0_00ff).into(), length).expect("at most 32").trunc())).collect();
            for range in &ranges {
                table.insert(*range, *range);
            }
            for bits in addresses {
                let address = IpAddr::V4((bits & 0xf0f0_00ff).into());
                let expected = ranges.iter().filter(|r| r.contains(&address)).max_by_key(|r| r.prefix_len());
                prop_assert_eq!(table.longest_match(address).map(|(r, _)| r), expected.copied());
            }
        }
    }
}
