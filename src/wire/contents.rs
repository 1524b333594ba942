//! What an answer leads to: names and addresses, each with the record it stands in.

use super::{
    body::{Body, RecordAt},
    codes::rtype,
    name_buf::NameBuf,
    private::is_private,
};
use crate::model::Name;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parameter of HTTPS and SVCB records with the ECH configuration (RFC 9848, section 3).
pub const SVC_ECH: u16 = 5;
/// Addresses to try (RFC 9460, section 7.3).
const SVC_IPV4_HINT: u16 = 4;
const SVC_IPV6_HINT: u16 = 6;
/// Route through (RFC 1183, section 3.3).
const RT: u16 = 21;
/// Locator pointer (RFC 6742, section 2.4).
const LP: u16 = 107;
/// X.400 mapping (RFC 2163, section 4).
const PX: u16 = 26;
/// Multicast relay (RFC 8777, section 4).
const AMTRELAY: u16 = 260;

/// What a policy looks at in an answer, read once when the answer is made. Where there is nothing of a kind, it
/// takes no memory: two octets and the name a name, six an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The number of the record and the name, lower-case wire format, again and again.
    leads: Box<[u8]>,
    addresses: Box<[AddressAt]>,
    lead_count: u16,
    private: bool,
    ech: bool,
}

/// Where in the sections an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AddressAt {
    record: u16,
    at: u16,
    v6: bool,
}

impl Contents {
    /// Reads the sections. Names are those in the answer section that a client goes on to: targets of CNAME, DNAME, HTTPS,
    /// SVCB, MX, SRV, PTR, NS, NAPTR, HIP and the like; addresses are A and AAAA of all sections, the hints of HTTPS and
    /// SVCB, and the gateways of IPSECKEY and AMTRELAY.
    pub fn read(body: &Body<'_>, counts: [u16; 3]) -> Contents {
        let mut reader = Reader { body, leads: Vec::new(), addresses: Vec::new(), contents: Contents::default() };
        for record in body.records(counts) {
            reader.record(&record);
        }
        Contents { leads: reader.leads.into(), addresses: reader.addresses.into(), ..reader.contents }
    }

    /// The names, in the order of the records, each with its record's number.
    #[inline]
    pub fn leads(&self) -> impl Iterator<Item = (u16, Name<'_>)> {
        let mut rest = &*self.leads;
        std::iter::from_fn(move || {
            let (record, behind) = rest.split_first_chunk::<2>()?;
            let mut end = 0;
            while behind[end] != 0 {
                end += 1 + usize::from(behind[end]);
            }
            let (name, behind) = behind.split_at(end + 1);
            rest = behind;
            Some((u16::from_be_bytes(*record), Name::from_lower_wire(name)))
        })
    }

    /// How many names there are.
    pub fn lead_count(&self) -> usize {
        self.lead_count.into()
    }

    /// The addresses, in the order of the records, each with its record's number. `octets` are the sections this was
    /// read from.
    #[inline]
    pub fn addresses<'a>(&'a self, octets: &'a [u8]) -> impl Iterator<Item = (u16, IpAddr)> + 'a {
        self.addresses.iter().filter_map(|place| {
            let octets = octets.get(usize::from(place.at)..)?;
            let address = if place.v6 {
                IpAddr::V6(Ipv6Addr::from(*octets.first_chunk::<16>()?))
            } else {
                IpAddr::V4(Ipv4Addr::from(*octets.first_chunk::<4>()?))
            };
            Some((place.record, address))
        })
    }

    /// Whether one of the addresses [`is_private`].
    #[inline]
    pub fn has_private(&self) -> bool {
        self.private
    }

    /// Whether an HTTPS or SVCB record has an ECH configuration.
    #[inline]
    pub fn has_ech(&self) -> bool {
        self.ech
    }

    /// Octets this takes in memory beside itself.
    pub fn octets(&self) -> usize {
        self.leads.len() + size_of_val(&*self.addresses)
    }
}

struct Reader<'b> {
    body: &'b Body<'b>,
    leads: Vec<u8>,
    addresses: Vec<AddressAt>,
    contents: Contents,
}

impl Reader<'_> {
    fn record(&mut self, record: &RecordAt) {
        let at = record.data.start;
        match record.rtype {
            rtype::A if record.data.len() == 4 => self.address(record, at, false),
            rtype::AAAA if record.data.len() == 16 => self.address(record, at, true),
            _ if record.section != 0 => {}
            rtype::CNAME | rtype::DNAME | rtype::PTR | rtype::NS => _ = self.name(record, at),
            rtype::MX | rtype::AFSDB | rtype::KX | RT | LP => _ = self.name(record, at + 2),
            rtype::SRV => _ = self.name(record, at + 6),
            rtype::NAPTR => {
                let octets = self.body.octets();
                let behind = |at: usize| Some(at + 1 + usize::from(*octets.get(at)?));
                if let Some(at) = behind(at + 4).and_then(behind).and_then(behind) {
                    self.name(record, at);
                }
            }
            PX => {
                if let Some(behind) = self.name(record, at + 2) {
                    self.name(record, behind);
                }
            }
            rtype::IPSECKEY => self.gateway(record, at + 1, at + 3),
            AMTRELAY => self.gateway(record, at + 1, at + 2),
            rtype::HIP => {
                let octets = self.body.octets();
                let Some(&[tag, _, high, low]) = octets.get(at..).and_then(|octets| octets.first_chunk::<4>()) else {
                    return;
                };
                let mut at = at + 4 + usize::from(tag) + usize::from(u16::from_be_bytes([high, low]));
                while at < record.data.end {
                    let Some(behind) = self.name(record, at) else { return };
                    at = behind;
                }
            }
            rtype::HTTPS | rtype::SVCB => {
                let Some(behind) = self.name(record, at + 2) else { return };
                for (key, value) in service_parameters(self.body.octets(), behind..record.data.end) {
                    match key {
                        SVC_ECH => self.contents.ech = true,
                        SVC_IPV4_HINT => value.step_by(4).for_each(|at| self.address(record, at, false)),
                        SVC_IPV6_HINT => value.step_by(16).for_each(|at| self.address(record, at, true)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes the name at `at` and says what is behind it. The root is no name to go on to: it stands for the owner or for
    /// nothing.
    fn name(&mut self, record: &RecordAt, at: usize) -> Option<usize> {
        let (name, behind): (NameBuf, usize) = self.body.name(at)?;
        if behind > record.data.end {
            return None;
        }
        if !name.name().is_root() {
            self.leads.extend(record.number.to_be_bytes());
            self.leads.extend(name.as_wire());
            self.contents.lead_count = self.contents.lead_count.saturating_add(1);
        }
        Some(behind)
    }

    /// Takes the gateway at `at`, whose kind stands in the low bits of the octet at `kind`: 1 and 2 are addresses, 3 is a
    /// name (RFC 4025, section 2.3; RFC 8777, section 4.2.3).
    fn gateway(&mut self, record: &RecordAt, kind: usize, at: usize) {
        match self.body.octets().get(kind).map(|kind| kind & 0x7f) {
            Some(1) if at + 4 <= record.data.end => self.address(record, at, false),
            Some(2) if at + 16 <= record.data.end => self.address(record, at, true),
            Some(3) => _ = self.name(record, at),
            _ => {}
        }
    }

    fn address(&mut self, record: &RecordAt, at: usize, v6: bool) {
        let Ok(place) = u16::try_from(at) else { return };
        let octets = self.body.octets().get(at..).unwrap_or_default();
        let address = match (v6, octets.first_chunk::<4>(), octets.first_chunk::<16>()) {
            (false, Some(octets), _) => IpAddr::from(*octets),
            (true, _, Some(octets)) => IpAddr::from(*octets),
            _ => return,
        };
        self.contents.private |= is_private(address);
        self.addresses.push(AddressAt { record: record.number, at: place, v6 });
    }
}

/// The parameters of an HTTPS or SVCB record, which stand at `range` behind its target: key and where the value is
/// (RFC 9460, section 2.2). Ends at the last whole one.
pub fn service_parameters(
    octets: &[u8],
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = (u16, std::ops::Range<usize>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let head = octets.get(at..range.end)?.first_chunk::<4>()?;
        let value = at + 4..at + 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        at = value.end;
        (value.end <= range.end).then_some((u16::from_be_bytes([head[0], head[1]]), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    /// A record of this type, owned by the question.
    fn record(number: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).expect("short");
        [&[0xc0, 12][..], &number.to_be_bytes(), &[0, 1, 0, 0, 1, 44], &length.to_be_bytes(), data].concat()
    }

    fn read(counts: [u16; 3], octets: &[u8]) -> (Contents, Vec<String>, Vec<String>) {
        let name = DomainName::from_text("www.example").expect("a name");
        let contents = Contents::read(&Body::new(name.as_name(), octets), counts);
        let leads = contents.leads().map(|(record, name)| format!("{record} {name}")).collect();
        let addresses = contents.addresses(octets).map(|(record, address)| format!("{record} {address}")).collect();
        (contents, leads, addresses)
    }

    #[test]
    fn names_are_taken_from_every_type_that_leads_on() {
        let target = b"\x01T\x04test\x00";
        let with = |front: &[u8]| [front, target].concat();
        for (number, data) in [
            (rtype::CNAME, with(b"")),
            (rtype::DNAME, with(b"")),
            (rtype::PTR, with(b"")),
            (rtype::NS, with(b"")),
            (rtype::MX, with(b"\0\x0a")),
            (rtype::KX, with(b"\0\x0a")),
            (rtype::SRV, with(b"\0\x01\0\x02\0\x50")),
            (rtype::NAPTR, with(b"\0\x01\0\x02\x01u\x03sip\x00")),
            (rtype::HTTPS, with(b"\0\x01")),
            (PX, [b"\0\x0a", &target[..], b"\0"].concat()),
            (rtype::IPSECKEY, with(b"\x0a\x03\x02")),
            (AMTRELAY, with(b"\x0a\x83")),
            (rtype::HIP, with(b"\x03\x02\0\x03tagkey")),
            (rtype::SVCB, with(b"\0\x00")),
        ] {
            assert_eq!(read([1, 0, 0], &record(number, &data)).1, ["0 t.test"], "{number}");
            assert!(read([0, 1, 0], &record(number, &data)).1.is_empty(), "{number} as authority");
            for cut in 0..data.len() {
                read([1, 0, 0], &record(number, &data[..cut]));
            }
        }
        assert!(read([1, 0, 0], &record(rtype::TXT, &with(b""))).1.is_empty());
        assert!(read([1, 0, 0], &record(rtype::MX, b"\0\0\0")).1.is_empty(), "no mail (RFC 7505)");
        assert_eq!(read([1, 0, 0], &record(rtype::PTR, b"\x01x\xc0\x0c")).1, ["0 x.www.example"]);
    }

    #[test]
    fn addresses_are_those_of_all_sections_and_the_hints() {
        let hints = b"\0\x01\0\0\x01\0\x03\x02h2\0\x04\0\x08\xc0\0\x02\x01\x0a\0\0\x01\0\x05\0\x03abc\0\x06\0\x10\
            \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09";
        let octets =
            [record(rtype::HTTPS, hints), record(rtype::A, &[192, 0, 2, 2]), record(rtype::AAAA, &[0xfe; 16])].concat();
        let (contents, leads, addresses) = read([2, 0, 1], &octets);
        assert_eq!(leads, [""; 0]);
        assert_eq!(addresses[..4], ["0 192.0.2.1", "0 10.0.0.1", "0 2001:db8::9", "1 192.0.2.2"]);
        assert!(addresses[4].starts_with("2 fefe:"));
        assert!(contents.has_ech() && contents.has_private());
        let (contents, ..) = read([1, 0, 0], &record(rtype::A, &[192, 0, 2, 2]));
        assert!(!contents.has_ech() && !contents.has_private());
        assert_eq!(contents.octets(), 6);
        assert_eq!(read([1, 0, 0], &record(rtype::TXT, b"\x01a")).0.octets(), 0);
    }
}
