//! One packet in: the query it holds, or what it deserves instead.

use super::{
    codes::{HEADER_OCTETS, UDP_OCTETS_MAX, UDP_OCTETS_PLAIN, opcode, rtype},
    edns::{Edns, options_are_well_formed},
    name_buf::{NameBuf, scan},
};

/// The third and fourth octet of a header (<https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1>,
/// AD and CD from <https://www.rfc-editor.org/rfc/rfc4035#section-3.2>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// QR: this is a response.
    pub const RESPONSE: u16 = 0x8000;
    /// AA: the answer is authoritative.
    pub const AUTHORITATIVE: u16 = 0x0400;
    /// TC: the answer did not fit.
    pub const TRUNCATED: u16 = 0x0200;
    /// RD: recursion is desired.
    pub const RECURSION_DESIRED: u16 = 0x0100;
    /// RA: recursion is available.
    pub const RECURSION_AVAILABLE: u16 = 0x0080;
    /// AD: the data is authentic; in a query, the client wants to know
    /// (<https://www.rfc-editor.org/rfc/rfc6840#section-5.7>).
    pub const AUTHENTIC_DATA: u16 = 0x0020;
    /// CD: the client checks signatures itself.
    pub const CHECKING_DISABLED: u16 = 0x0010;
    /// The bits of the opcode.
    pub const OPCODE: u16 = 0x7800;

    /// Whether QR is set.
    pub fn is_response(self) -> bool {
        self.0 & Self::RESPONSE != 0
    }

    /// The opcode, 0 to 15.
    pub fn opcode(self) -> u8 {
        ((self.0 & Self::OPCODE) >> 11) as u8
    }

    /// Whether RD is set.
    pub fn recursion_desired(self) -> bool {
        self.0 & Self::RECURSION_DESIRED != 0
    }

    /// Whether AD is set.
    pub fn authentic_data(self) -> bool {
        self.0 & Self::AUTHENTIC_DATA != 0
    }

    /// Whether CD is set.
    pub fn checking_disabled(self) -> bool {
        self.0 & Self::CHECKING_DISABLED != 0
    }
}

/// The part of the query's OPT record that shapes the reply's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptSeen {
    /// Octets of UDP payload the client takes, as sent.
    pub udp_size: u16,
    /// The DO bit, which the reply mirrors.
    pub dnssec_ok: bool,
}

/// What a reply to a packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The message id.
    pub id: u16,
    /// The query's flags.
    pub flags: Flags,
    /// The question's octets as sent, 0x20 capitals included; empty if it could not be read.
    pub question: &'a [u8],
    /// The OPT record, if one could be read: then the reply has one too
    /// (<https://www.rfc-editor.org/rfc/rfc6891#section-7>).
    pub opt: Option<OptSeen>,
}

impl Head<'_> {
    /// Octets a reply to this client may have over UDP: 512 without EDNS, otherwise what the
    /// client takes, but at least 512 (<https://www.rfc-editor.org/rfc/rfc6891#section-6.2.3>)
    /// and at most 1232.
    #[inline]
    pub fn udp_limit(&self) -> usize {
        match self.opt {
            None => UDP_OCTETS_PLAIN,
            Some(opt) => (opt.udp_size as usize).clamp(UDP_OCTETS_PLAIN, UDP_OCTETS_MAX),
        }
    }
}

/// An ordinary query: one question, perhaps EDNS version 0.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The message id.
    pub id: u16,
    /// The header's flags, as sent.
    pub flags: Flags,
    /// The queried name.
    pub name: NameBuf,
    /// The queried type; [`TypeName`](super::TypeName) shows it.
    pub qtype: u16,
    /// The queried class, any value.
    pub qclass: u16,
    /// The question's octets as sent, from offset 12 of the packet to the end of the class.
    pub question: &'a [u8],
    /// The OPT record.
    pub edns: Option<Edns<'a>>,
}

impl<'a> Query<'a> {
    /// What the reply begins with.
    #[inline]
    pub fn head(&self) -> Head<'a> {
        let opt = self.edns.map(|edns| OptSeen { udp_size: edns.udp_size, dnssec_ok: edns.dnssec_ok });
        Head { id: self.id, flags: self.flags, question: self.question, opt }
    }

    /// Whether the client wants DNSSEC records.
    #[inline]
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

/// What to do with a packet that is no ordinary query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// Say nothing: too short for a header, or itself a response. Answering responses would let
    /// two servers answer each other for ever.
    Drop,
    /// Answer FORMERR.
    FormErr(Head<'a>),
    /// Answer NOTIMP, with nothing but a header (<https://www.rfc-editor.org/rfc/rfc8906#section-8.1.4>).
    NotImp(Head<'a>),
    /// Answer BADVERS (<https://www.rfc-editor.org/rfc/rfc6891#section-6.1.3>).
    BadVers(Head<'a>),
}

/// Reads a packet. In this order:
///
/// 1. shorter than a header, or QR set: [`Fault::Drop`];
/// 2. an opcode other than QUERY: NOTIMP, the rest of the packet is not looked at, since its form depends on the opcode;
/// 3. not exactly one question (<https://www.rfc-editor.org/rfc/rfc9619#section-4>), or a question that is cut
///    off, has a compressed name or one of over 255 octets: FORMERR;
/// 4. records in answer or authority: FORMERR, but NOTIMP for IXFR, whose queries have one
///    (<https://www.rfc-editor.org/rfc/rfc1995#section-3>);
/// 5. an additional section that is cut off, or has two OPT records or one below the root
///    (<https://www.rfc-editor.org/rfc/rfc6891#section-6.1.1>): FORMERR; records of other types are skipped;
/// 6. an EDNS version above 0: BADVERS, whatever its options look like;
/// 7. malformed options or a cookie of impossible length: FORMERR.
///
/// Octets behind the last record are ignored, as BIND and Unbound do: no rule forbids
/// them, clients that pad by mistake still get their answer, and nothing of them is ever sent on.
#[inline]
pub fn parse(packet: &[u8]) -> Result<Query<'_>, Fault<'_>> {
    let Some((header, rest)) = packet.split_first_chunk::<HEADER_OCTETS>() else { return Err(Fault::Drop) };
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let flags = Flags(field(2));
    if flags.is_response() {
        return Err(Fault::Drop);
    }
    let mut head = Head { id: field(0), flags, question: &[], opt: None };
    if flags.opcode() != opcode::QUERY {
        return Err(Fault::NotImp(head));
    }
    if field(4) != 1 {
        return Err(Fault::FormErr(head));
    }
    let Some(name_octets) = scan(rest) else { return Err(Fault::FormErr(head)) };
    let Some(&[t0, t1, c0, c1]) = rest[name_octets..].first_chunk::<4>() else { return Err(Fault::FormErr(head)) };
    let (question, records) = rest.split_at(name_octets + 4);
    head.question = question;
    let (qtype, qclass) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));
    if field(6) != 0 || field(8) != 0 {
        return Err(if qtype == rtype::IXFR && field(6) == 0 { Fault::NotImp(head) } else { Fault::FormErr(head) });
    }
    let mut edns = None;
    let records_sent = field(10);
    if records_sent != 0 {
        edns = match read_additional(records, records_sent) {
            Some(edns) => edns,
            None => return Err(Fault::FormErr(head)),
        };
    }
    if let Some(edns) = edns {
        head.opt = Some(OptSeen { udp_size: edns.udp_size, dnssec_ok: edns.dnssec_ok });
        if edns.version != 0 {
            return Err(Fault::BadVers(head));
        }
        if !options_are_well_formed(edns.options) {
            return Err(Fault::FormErr(head));
        }
    }
    // The name is copied last, so that nothing of its size is moved about.
    Ok(Query { id: head.id, flags, name: NameBuf::lowered(&rest[..name_octets]), qtype, qclass, question, edns })
}

/// Walks `count` records and gives the one OPT among them; `None` where the section is malformed.
fn read_additional(mut rest: &[u8], count: u16) -> Option<Option<Edns<'_>>> {
    let mut edns = None;
    for _ in 0..count {
        let owner_octets = skip_owner(rest)?;
        let (fields, behind) = rest[owner_octets..].split_first_chunk::<10>()?;
        let field = |at: usize| u16::from_be_bytes([fields[at], fields[at + 1]]);
        let (rdata, behind) = behind.split_at_checked(field(8) as usize)?;
        if field(0) == rtype::OPT {
            if edns.is_some() || owner_octets != 1 {
                return None;
            }
            // The class holds the size, the TTL the extended rcode, the version and the flags.
            edns =
                Some(Edns { udp_size: field(2), version: fields[5], dnssec_ok: fields[6] & 0x80 != 0, options: rdata });
        }
        rest = behind;
    }
    Some(edns)
}

/// Octets of an owner name, which may end in a compression pointer; the pointer is not followed.
fn skip_owner(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            label @ 1..=63 => at += 1 + label as usize,
            0xc0..=0xff => return octets.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}
