//! One reply out, written into the buffer it is sent from.

use super::{
    codes::{HEADER_OCTETS, MESSAGE_OCTETS_MAX, UDP_OCTETS_MAX, class, option, rcode, rtype},
    query::{Flags, Head},
};
use crate::model::Name;
use std::net::IpAddr;

/// Octets of text an extended error carries at most.
pub const EDE_TEXT_OCTETS_MAX: usize = 200;

/// Where in a message a name stands, for owners that point to it
/// (<https://www.rfc-editor.org/rfc/rfc1035#section-4.1.4>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(u16);

impl At {
    /// The queried name.
    pub const QUESTION: At = At(HEADER_OCTETS as u16);

    /// The queried name without the labels before `offset`, one of
    /// [`NameBuf::label_offsets`](super::NameBuf::label_offsets).
    pub fn suffix(offset: u8) -> At {
        At(HEADER_OCTETS as u16 + offset as u16)
    }

    /// The name at this offset into the message; beyond what a pointer reaches (14 bits), the queried name.
    pub fn offset(offset: usize) -> At {
        u16::try_from(offset).ok().filter(|&offset| offset < 0x4000).map_or(At::QUESTION, At)
    }
}

/// The fields of an SOA record (<https://www.rfc-editor.org/rfc/rfc1035#section-3.3.13>).
#[derive(Clone, Copy, Debug)]
pub struct Soa<'a> {
    /// The primary server of the zone.
    pub mname: Name<'a>,
    /// The mailbox of its keeper, as a name.
    pub rname: Name<'a>,
    /// The zone's version.
    pub serial: u32,
    /// Seconds between a secondary's checks.
    pub refresh: u32,
    /// Seconds before a failed check is repeated.
    pub retry: u32,
    /// Seconds after which a secondary gives up.
    pub expire: u32,
    /// Seconds a negative answer is kept (<https://www.rfc-editor.org/rfc/rfc2308#section-4>).
    pub minimum: u32,
}

/// How the TTLs of a copied answer are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// Each TTL less these seconds, but at least 1.
    Aged(u32),
    /// Every TTL this many seconds: for stale answers, 30 is recommended
    /// (<https://www.rfc-editor.org/rfc/rfc8767#section-4>).
    Fixed(u32),
}

/// What the OPT record of a reply says beside size and flags. Clients without EDNS get none of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// An extended error: its code and a text for people, of which the first
    /// [`EDE_TEXT_OCTETS_MAX`] octets are sent.
    pub ede: Option<(u16, &'a str)>,
    /// A whole cookie, client's and server's half: 16 to 40 octets.
    pub cookie: Option<&'a [u8]>,
    /// For TCP and TLS: the idle time the connection is kept, in tenths of a second
    /// (<https://www.rfc-editor.org/rfc/rfc7828#section-3.1>).
    pub keepalive: Option<u16>,
}

/// Writes one reply into a buffer: header and question at [`start`](Self::start), then records
/// section by section, then [`finish`](Self::finish). It never fails and never writes beyond its limit: what
/// does not fit turns the reply into a truncated one without records
/// (<https://www.rfc-editor.org/rfc/rfc2181#section-9>). Records must be added in the order of the
/// sections: answers, then authority.
#[derive(Debug)]
pub struct ReplyWriter<'b> {
    buffer: &'b mut [u8],
    at: usize,
    question_end: usize,
    rcode: u16,
    flags: u16,
    counts: [u16; 3],
    overflow: bool,
    opt: Option<bool>,
}

impl<'b> ReplyWriter<'b> {
    /// Begins the reply to the packet with this head: QR and RA set; id, opcode, RD and CD copied;
    /// the question as it was sent. At most `limit` octets of `buffer` are used
    /// ([`Head::udp_limit`] over UDP, the buffer's length elsewhere). Both should be 512 or
    /// more, so that header, question and OPT always fit; in a smaller room the question goes first.
    #[inline]
    pub fn start(buffer: &'b mut [u8], limit: usize, head: &Head<'_>, rcode: u16) -> Self {
        let limit = limit.min(buffer.len()).min(MESSAGE_OCTETS_MAX);
        let buffer = &mut buffer[..limit];
        let kept = Flags::OPCODE | Flags::RECURSION_DESIRED | Flags::CHECKING_DISABLED;
        let flags = (head.flags.0 & kept) | Flags::RESPONSE | Flags::RECURSION_AVAILABLE;
        let opt = head.opt.map(|opt| opt.dnssec_ok);
        let mut at = HEADER_OCTETS.min(limit);
        if let Some(id) = buffer.first_chunk_mut::<2>() {
            *id = head.id.to_be_bytes();
        }
        if let Some(place) = buffer.get_mut(at..at + head.question.len()) {
            place.copy_from_slice(head.question);
            at += head.question.len();
        }
        ReplyWriter { buffer, at, question_end: at, rcode, flags, counts: [0; 3], overflow: false, opt }
    }

    /// Sets AA: the answer is our own, as for blocked names and local zones.
    pub fn authoritative(&mut self) {
        self.flags |= Flags::AUTHORITATIVE;
    }

    /// Sets AD: the answer was validated. Call it only for clients that sent AD or DO
    /// (<https://www.rfc-editor.org/rfc/rfc6840#section-5.8>).
    pub fn authentic(&mut self) {
        self.flags |= Flags::AUTHENTIC_DATA;
    }

    /// Adds an A or AAAA record to the answers, owned by the queried name.
    #[inline]
    pub fn answer_address(&mut self, ttl: u32, address: IpAddr) {
        self.answer_address_at(At::QUESTION, ttl, address);
    }

    /// Adds an A or AAAA record to the answers, owned by the name at `owner`.
    #[inline]
    pub fn answer_address_at(&mut self, owner: At, ttl: u32, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.answer_raw(owner, rtype::A, ttl, &address.octets()),
            IpAddr::V6(address) => self.answer_raw(owner, rtype::AAAA, ttl, &address.octets()),
        }
    }

    /// Adds a CNAME to the answers and says where its target stands, for the records that follow.
    pub fn answer_cname(&mut self, owner: At, ttl: u32, target: Name<'_>) -> At {
        let mark = At(self.at.saturating_add(12).min(0x3fff) as u16);
        self.answer_raw(owner, rtype::CNAME, ttl, target.as_wire());
        mark
    }

    /// Adds a record of class IN to the answers; `rdata` holds no compressed names.
    #[inline]
    pub fn answer_raw(&mut self, owner: At, rtype: u16, ttl: u32, rdata: &[u8]) {
        self.record(0, owner, rtype, ttl, &[rdata]);
    }

    /// Adds an SOA record to the authority section, which says how long a negative answer holds
    /// (<https://www.rfc-editor.org/rfc/rfc2308#section-3>).
    pub fn soa(&mut self, owner: At, ttl: u32, soa: &Soa<'_>) {
        let mut numbers = [0; 20];
        let fields = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum];
        for (place, field) in numbers.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        self.record(1, owner, rtype::SOA, ttl, &[soa.mname.as_wire(), soa.rname.as_wire(), &numbers]);
    }

    /// Copies the sections of a stored answer to this question: `counts` of answers, authority and
    /// additional records, their octets as they follow a question of this name, and the offsets in `body` of
    /// the TTLs to set. The stored answer holds no OPT record. Nothing may have been added before.
    #[inline]
    pub fn copy_body(&mut self, counts: [u16; 3], body: &[u8], ttl_offsets: &[u16], ttl: Ttl) {
        debug_assert!(self.at == self.question_end, "the pointers in the body count from the question");
        let Some(place) = self.take(body.len()) else { return };
        place.copy_from_slice(body);
        for &offset in ttl_offsets {
            let Some(field) = place.get_mut(offset as usize..).and_then(|rest| rest.first_chunk_mut::<4>()) else {
                debug_assert!(false, "a TTL outside of the body");
                continue;
            };
            let seconds = match ttl {
                Ttl::Aged(age) => u32::from_be_bytes(*field).saturating_sub(age).max(1),
                Ttl::Fixed(seconds) => seconds,
            };
            *field = seconds.to_be_bytes();
        }
        for (count, added) in self.counts.iter_mut().zip(counts) {
            *count += added;
        }
    }

    /// Whether something did not fit, so that the reply will say TC.
    pub fn is_truncated(&self) -> bool {
        self.overflow
    }

    /// Empties the reply and sets TC, whatever was added: tells a UDP client to come over TCP.
    pub fn truncate(&mut self) {
        self.overflow = true;
    }

    /// Adds the OPT record if the query had one, writes the header and gives the message's length. For lack of room
    /// first the extended error's text goes, then the error, then the records.
    pub fn finish(mut self, extras: &Extras<'_>) -> usize {
        if self.overflow || !self.put_opt(extras) {
            self.overflow = false;
            self.at = self.question_end;
            self.counts = [0; 3];
            self.flags = (self.flags | Flags::TRUNCATED) & !Flags::AUTHENTIC_DATA;
            self.put_opt(extras);
        }
        let header_rcode = match (self.rcode, self.opt) {
            (0..=15, _) | (_, Some(_)) => self.rcode & 0x0f,
            (_, None) => rcode::SERVFAIL,
        };
        let questions = (self.question_end > HEADER_OCTETS) as u16;
        let [answers, authority, additional] = self.counts;
        let fields = [self.flags | header_rcode, questions, answers, authority, additional];
        if let Some(header) = self.buffer.get_mut(2..HEADER_OCTETS) {
            for (place, field) in header.chunks_exact_mut(2).zip(fields) {
                place.copy_from_slice(&field.to_be_bytes());
            }
        }
        self.at
    }

    /// Writes the OPT record with as much of the extras as fits; `false` if not even an empty one does.
    fn put_opt(&mut self, extras: &Extras<'_>) -> bool {
        let Some(dnssec_ok) = self.opt else { return true };
        let text = extras.ede.map_or("", |(_, text)| cut_at_char(text, EDE_TEXT_OCTETS_MAX));
        let room = self.buffer.len() - self.at;
        let needed = 11 + extras.cookie.map_or(0, |cookie| 4 + cookie.len()) + extras.keepalive.map_or(0, |_| 6);
        let (ede, text) = match extras.ede {
            Some((code, _)) if needed + 6 + text.len() <= room => (Some(code), text),
            Some((code, _)) if needed + 6 <= room => (Some(code), ""),
            _ => (None, ""),
        };
        let needed = needed + ede.map_or(0, |_| 6 + text.len());
        let extended_rcode = (self.rcode >> 4) as u8;
        let Some(place) = self.take(needed) else { return false };
        let (fixed, mut options) = place.split_at_mut(11);
        let [t0, t1] = rtype::OPT.to_be_bytes();
        let [s0, s1] = (UDP_OCTETS_MAX as u16).to_be_bytes();
        let [l0, l1] = (options.len() as u16).to_be_bytes();
        // Root, type, our size, extended rcode, version 0, DO and no other flag, length.
        fixed.copy_from_slice(&[0, t0, t1, s0, s1, extended_rcode, 0, (dnssec_ok as u8) << 7, 0, l0, l1]);
        if let Some(cookie) = extras.cookie {
            options = put_option(options, option::COOKIE, &[cookie]);
        }
        if let Some(tenths) = extras.keepalive {
            options = put_option(options, option::TCP_KEEPALIVE, &[&tenths.to_be_bytes()]);
        }
        if let Some(code) = ede {
            put_option(options, option::EXTENDED_ERROR, &[&code.to_be_bytes(), text.as_bytes()]);
        }
        self.counts[2] += 1;
        true
    }

    /// Adds a record to section 0 or 1.
    #[inline]
    fn record(&mut self, section: usize, owner: At, rtype: u16, ttl: u32, rdata: &[&[u8]]) {
        debug_assert!(self.counts[section + 1..].iter().all(|&count| count == 0), "sections in order");
        let octets: usize = rdata.iter().map(|part| part.len()).sum();
        let Some(place) = self.take(12 + octets) else { return };
        let (fixed, mut rest) = place.split_at_mut(12);
        fixed[0..2].copy_from_slice(&(0xc000 | owner.0).to_be_bytes());
        fixed[2..4].copy_from_slice(&rtype.to_be_bytes());
        fixed[4..6].copy_from_slice(&class::IN.to_be_bytes());
        fixed[6..10].copy_from_slice(&ttl.to_be_bytes());
        fixed[10..12].copy_from_slice(&(octets as u16).to_be_bytes());
        for part in rdata {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        self.counts[section] += 1;
    }

    /// The next `octets` of the buffer, or `None` and an overflow noted.
    #[inline]
    fn take(&mut self, octets: usize) -> Option<&mut [u8]> {
        if self.overflow || octets > self.buffer.len() - self.at {
            self.overflow = true;
            return None;
        }
        let start = self.at;
        self.at += octets;
        Some(&mut self.buffer[start..self.at])
    }
}

/// Writes one option at the start of `place`, which has room for it, and gives what is behind.
fn put_option<'p>(place: &'p mut [u8], code: u16, parts: &[&[u8]]) -> &'p mut [u8] {
    let octets: usize = parts.iter().map(|part| part.len()).sum();
    let (head, mut rest) = place.split_at_mut(4);
    head[..2].copy_from_slice(&code.to_be_bytes());
    head[2..].copy_from_slice(&(octets as u16).to_be_bytes());
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    rest
}

/// At most `octets_max` octets of the text, ending between two characters.
fn cut_at_char(text: &str, octets_max: usize) -> &str {
    &text[..text.floor_char_boundary(octets_max)]
}
