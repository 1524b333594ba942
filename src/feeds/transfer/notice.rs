//! A name server telling that a zone has changed (NOTIFY, RFC 1996).

use crate::model::DomainName;

/// Octets of a header (RFC 1035, section 4.1.1).
const HEADER_OCTETS: usize = 12;
/// The longest label (RFC 1035, section 2.3.4).
const LABEL_OCTETS_MAX: u8 = 63;
/// Opcode NOTIFY, QR not set; AA and the rest may be.
const OPCODE_BITS: u8 = 0b1111_1000;
const NOTIFY: u8 = 4 << 3;
/// One question for the SOA record of a zone, class IN.
const SOA_IN: [u8; 4] = [0, 6, 0, 1];

/// What such a packet says: the zone, and how many octets of the packet header and question have. `None` where it is none, or
/// asks for something else than RFC 1996 knows.
pub fn notice(packet: &[u8]) -> Option<(DomainName, usize)> {
    let head = packet.get(..HEADER_OCTETS)?;
    if head[2] & OPCODE_BITS != NOTIFY || head[4..6] != [0, 1] {
        return None;
    }
    let mut at = HEADER_OCTETS;
    loop {
        match *packet.get(at)? {
            0 => break,
            length if length <= LABEL_OCTETS_MAX => at += usize::from(length) + 1,
            _ => return None,
        }
    }
    let (name, rest) = packet[HEADER_OCTETS..].split_at(at + 1 - HEADER_OCTETS);
    let end = at + 1 + SOA_IN.len();
    (rest.get(..SOA_IN.len())? == SOA_IN).then_some((DomainName::from_wire(name).ok()?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u8, questions: u8, tail: &[u8]) -> Vec<u8> {
        [&[1, 2, flags, 0, 0, questions, 0, 1, 0, 0, 0, 0][..], b"\x03RPZ\x04test\x00", tail].concat()
    }

    #[test]
    fn a_notice_names_its_zone_and_nothing_else_is_one() {
        let soa = [&SOA_IN[..], b"the serial number there is, which is not believed"].concat();
        let (zone, octets) = notice(&packet(0x24, 1, &soa)).expect("a notice");
        assert_eq!((zone.to_string().as_str(), octets), ("rpz.test", 12 + 10 + 4));
        for (what, packet) in [
            ("a reply", packet(0xa4, 1, &soa)),
            ("a query", packet(0x01, 1, &soa)),
            ("two questions", packet(0x24, 2, &soa)),
            ("another type", packet(0x24, 1, &[0, 1, 0, 1])),
            ("another class", packet(0x24, 1, &[0, 6, 0, 3])),
            ("cut off", packet(0x24, 1, &[0, 6])),
            ("no name", packet(0x24, 1, &soa)[..14].to_vec()),
            ("a pointer", [&packet(0x24, 1, &soa)[..12], &[0xc0, 12, 0, 6, 0, 1]].concat()),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(notice(&packet), None, "{what}");
        }
    }
}
