//! The numbers of the protocol and their names.

use std::fmt;

/// Octets of a message header (<https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1>).
pub const HEADER_OCTETS: usize = 12;
/// Octets of the longest message: TCP's length prefix holds 16 bits
/// (<https://www.rfc-editor.org/rfc/rfc1035#section-4.2.2>).
pub const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Octets every UDP client takes (<https://www.rfc-editor.org/rfc/rfc1035#section-4.2.1>).
pub const UDP_OCTETS_PLAIN: usize = 512;
/// Octets we send and accept over UDP at most: no fragmentation on any usual path
/// (<https://www.rfc-editor.org/rfc/rfc9715#section-3.1>, and DNS Flag Day 2020).
pub const UDP_OCTETS_MAX: usize = 1232;

/// Opcodes (<https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-5>).
pub mod opcode {
    /// An ordinary query (<https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1>).
    pub const QUERY: u8 = 0;
    /// A server tells that a zone has changed (<https://www.rfc-editor.org/rfc/rfc1996#section-3>).
    pub const NOTIFY: u8 = 4;
}

/// Classes (<https://www.rfc-editor.org/rfc/rfc1035#section-3.2.4>).
pub mod class {
    /// The Internet.
    pub const IN: u16 = 1;
    /// Chaosnet; today the home of `version.bind`.
    pub const CH: u16 = 3;
    /// No class (<https://www.rfc-editor.org/rfc/rfc2136#section-2.4>).
    pub const NONE: u16 = 254;
    /// Any class (<https://www.rfc-editor.org/rfc/rfc1035#section-3.2.5>).
    pub const ANY: u16 = 255;
}

/// Response codes; those above 15 need an OPT record
/// (<https://www.rfc-editor.org/rfc/rfc6895#section-2.3>).
pub mod rcode {
    /// No error.
    pub const NOERROR: u16 = 0;
    /// The query could not be read.
    pub const FORMERR: u16 = 1;
    /// The server failed.
    pub const SERVFAIL: u16 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u16 = 3;
    /// This kind of query is not implemented.
    pub const NOTIMP: u16 = 4;
    /// Refused by policy.
    pub const REFUSED: u16 = 5;
    /// A version of EDNS we do not speak (<https://www.rfc-editor.org/rfc/rfc6891#section-9>).
    pub const BADVERS: u16 = 16;
    /// A server cookie that is missing or wrong (<https://www.rfc-editor.org/rfc/rfc7873#section-8>).
    pub const BADCOOKIE: u16 = 23;
}

/// EDNS option codes
/// (<https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-11>).
pub mod option {
    /// Client subnet (<https://www.rfc-editor.org/rfc/rfc7871#section-6>).
    pub const CLIENT_SUBNET: u16 = 8;
    /// Cookie (<https://www.rfc-editor.org/rfc/rfc7873#section-4>).
    pub const COOKIE: u16 = 10;
    /// TCP keepalive (<https://www.rfc-editor.org/rfc/rfc7828#section-3.1>).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Padding (<https://www.rfc-editor.org/rfc/rfc7830#section-3>).
    pub const PADDING: u16 = 12;
    /// Extended DNS error (<https://www.rfc-editor.org/rfc/rfc8914#section-2>).
    pub const EXTENDED_ERROR: u16 = 15;
}

/// Extended DNS error codes (<https://www.rfc-editor.org/rfc/rfc8914#section-4>).
pub mod ede {
    /// Any other error.
    pub const OTHER: u16 = 0;
    /// The DNSSEC algorithm is not supported.
    pub const UNSUPPORTED_DNSKEY_ALGORITHM: u16 = 1;
    /// The DS digest is not supported.
    pub const UNSUPPORTED_DS_DIGEST: u16 = 2;
    /// An answer from the cache past its TTL.
    pub const STALE_ANSWER: u16 = 3;
    /// The answer was altered for policy reasons.
    pub const FORGED_ANSWER: u16 = 4;
    /// DNSSEC validation ended indeterminate.
    pub const DNSSEC_INDETERMINATE: u16 = 5;
    /// DNSSEC validation ended bogus.
    pub const DNSSEC_BOGUS: u16 = 6;
    /// A signature is expired.
    pub const SIGNATURE_EXPIRED: u16 = 7;
    /// A signature is not valid yet.
    pub const SIGNATURE_NOT_YET_VALID: u16 = 8;
    /// No DNSKEY matches the DS.
    pub const DNSKEY_MISSING: u16 = 9;
    /// Signatures are missing.
    pub const RRSIGS_MISSING: u16 = 10;
    /// No zone key has the zone key bit.
    pub const NO_ZONE_KEY_BIT_SET: u16 = 11;
    /// NSEC records are missing.
    pub const NSEC_MISSING: u16 = 12;
    /// A failure served from the cache.
    pub const CACHED_ERROR: u16 = 13;
    /// The server is starting and not ready.
    pub const NOT_READY: u16 = 14;
    /// Blocked by the operator's own policy.
    pub const BLOCKED: u16 = 15;
    /// Blocked by someone else's order, such as a court's.
    pub const CENSORED: u16 = 16;
    /// Blocked at the client's own request.
    pub const FILTERED: u16 = 17;
    /// This client is not served here.
    pub const PROHIBITED: u16 = 18;
    /// A stale NXDOMAIN from the cache.
    pub const STALE_NXDOMAIN: u16 = 19;
    /// The server is not authoritative.
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// The operation or the query is not supported.
    pub const NOT_SUPPORTED: u16 = 21;
    /// No authority could be reached.
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// The network failed.
    pub const NETWORK_ERROR: u16 = 23;
    /// The authority's data is unusable.
    pub const INVALID_DATA: u16 = 24;
}

/// Record types; the names are those of the registry
/// (<https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-4>).
macro_rules! record_types {
    ($($name:ident = $number:literal $text:literal,)*) => {
        /// Record and query types
        /// (<https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-4>).
        pub mod rtype {
            $(#[doc = concat!("Type `", $text, "`.")] pub const $name: u16 = $number;)*
        }
        /// All types with a name, by number.
        const TYPE_NAMES: &[(u16, &str)] = &[$(($number, $text),)*];
    };
}

record_types! {
    A = 1 "A",
    NS = 2 "NS",
    CNAME = 5 "CNAME",
    SOA = 6 "SOA",
    NULL = 10 "NULL",
    WKS = 11 "WKS",
    PTR = 12 "PTR",
    HINFO = 13 "HINFO",
    MX = 15 "MX",
    TXT = 16 "TXT",
    RP = 17 "RP",
    AFSDB = 18 "AFSDB",
    SIG = 24 "SIG",
    KEY = 25 "KEY",
    AAAA = 28 "AAAA",
    LOC = 29 "LOC",
    SRV = 33 "SRV",
    NAPTR = 35 "NAPTR",
    KX = 36 "KX",
    CERT = 37 "CERT",
    DNAME = 39 "DNAME",
    OPT = 41 "OPT",
    APL = 42 "APL",
    DS = 43 "DS",
    SSHFP = 44 "SSHFP",
    IPSECKEY = 45 "IPSECKEY",
    RRSIG = 46 "RRSIG",
    NSEC = 47 "NSEC",
    DNSKEY = 48 "DNSKEY",
    DHCID = 49 "DHCID",
    NSEC3 = 50 "NSEC3",
    NSEC3PARAM = 51 "NSEC3PARAM",
    TLSA = 52 "TLSA",
    SMIMEA = 53 "SMIMEA",
    HIP = 55 "HIP",
    CDS = 59 "CDS",
    CDNSKEY = 60 "CDNSKEY",
    OPENPGPKEY = 61 "OPENPGPKEY",
    CSYNC = 62 "CSYNC",
    ZONEMD = 63 "ZONEMD",
    SVCB = 64 "SVCB",
    HTTPS = 65 "HTTPS",
    SPF = 99 "SPF",
    EUI48 = 108 "EUI48",
    EUI64 = 109 "EUI64",
    TKEY = 249 "TKEY",
    TSIG = 250 "TSIG",
    IXFR = 251 "IXFR",
    AXFR = 252 "AXFR",
    ANY = 255 "ANY",
    URI = 256 "URI",
    CAA = 257 "CAA",
    DLV = 32769 "DLV",
}

/// A record type as people write it: its name, or `TYPE` and the number
/// (<https://www.rfc-editor.org/rfc/rfc3597#section-5>).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeName(pub u16);

/// The type's name for showing.
pub fn type_name(number: u16) -> TypeName {
    TypeName(number)
}

impl TypeName {
    /// The registered name, if the type is one of those listed here: a bounded set, fit for the
    /// label of a metric.
    pub fn known(self) -> Option<&'static str> {
        let index = TYPE_NAMES.binary_search_by_key(&self.0, |&(number, _)| number).ok()?;
        Some(TYPE_NAMES[index].1)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(name) => f.pad(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a type written as its name in any case, or as `TYPE123`; `None` for anything else.
pub fn parse_type(text: &str) -> Option<u16> {
    if let Some(&(number, _)) = TYPE_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Some(number);
    }
    let (prefix, digits) = text.split_at_checked(4)?;
    if !prefix.eq_ignore_ascii_case("TYPE") || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The name of a response code as the registry has it; `OTHER` for those we never send ourselves.
pub fn rcode_name(number: u16) -> &'static str {
    match number {
        rcode::NOERROR => "NOERROR",
        rcode::FORMERR => "FORMERR",
        rcode::SERVFAIL => "SERVFAIL",
        rcode::NXDOMAIN => "NXDOMAIN",
        rcode::NOTIMP => "NOTIMP",
        rcode::REFUSED => "REFUSED",
        rcode::BADVERS => "BADVERS",
        rcode::BADCOOKIE => "BADCOOKIE",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_and_numbers_agree_both_ways() {
        assert!(TYPE_NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted for the binary search");
        for &(number, name) in TYPE_NAMES {
            assert_eq!(type_name(number).to_string(), name);
            assert_eq!(parse_type(name), Some(number));
            assert_eq!(parse_type(&name.to_ascii_lowercase()), Some(number));
        }
    }

    #[test]
    fn types_without_a_name_are_written_by_number() {
        assert_eq!(type_name(65_280).to_string(), "TYPE65280");
        for (text, number) in [
            ("TYPE65280", Some(65_280)),
            ("type1", Some(1)),
            ("TYPE65536", None),
            ("TYPE+1", None),
            ("TYPE", None),
            ("", None),
            ("quad", None),
            ("aäa", None),
        ] {
            assert_eq!(parse_type(text), number, "{text}");
        }
    }
}
