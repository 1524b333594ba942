//! Answers that lists prescribe: `$dnsrewrite` of Adblock, and data of records in text.

use super::names;
use crate::{
    model::{DomainName, FixedAnswer, RecordData},
    wire::parse_type,
};
use hickory_proto::{
    rr::{RData, RecordType},
    serialize::binary::{BinEncodable, BinEncoder, NameEncoding},
};

/// Octets of record data in text.
const TEXT_MAX: usize = 4096;

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It needs what is not there, by this name.
    Unsupported(String),
    /// It is none.
    Invalid(String),
}

/// A word as it may stand in a message: cut, and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}

/// The value of `$dnsrewrite`: an address, a name or a response code; or `RCODE;TYPE;VALUE`.
/// <https://adguard-dns.io/kb/general/dns-filtering-syntax/#dnsrewrite-modifier>
pub(super) fn dnsrewrite(value: &str) -> Result<FixedAnswer, Refused> {
    let parts: Vec<&str> = value.splitn(3, ';').map(str::trim).collect();
    match parts[..] {
        [short] => {
            if let Some(ip) = names::ip(short) {
                return Ok(FixedAnswer::Records(vec![names::address_data(ip)]));
            }
            if !short.is_empty() && short.bytes().all(|octet| octet.is_ascii_uppercase()) {
                return rcode(short);
            }
            alias(short)
        }
        [code, "", ""] => rcode(code),
        [code, _, _] if !code.eq_ignore_ascii_case("NOERROR") => rcode(code),
        [_, rtype, value] => {
            let Some(number) = parse_type(rtype) else {
                return Err(Refused::Invalid(format!("there is no type {}", shown(rtype))));
            };
            match rtype.to_ascii_uppercase().as_str() {
                "CNAME" => alias(value),
                "A" | "AAAA" | "PTR" | "TXT" | "MX" | "SRV" | "HTTPS" | "SVCB" => {
                    Ok(FixedAnswer::Records(vec![record(number, value).map_err(Refused::Invalid)?]))
                }
                // As AdGuard has it: a type it cannot write gets an answer without records.
                _ => Ok(FixedAnswer::NoData),
            }
        }
        _ => Err(Refused::Invalid("dnsrewrite has no or two semicolons".to_owned())),
    }
}

fn alias(text: &str) -> Result<FixedAnswer, Refused> {
    match names::name(text) {
        Ok(name) => Ok(FixedAnswer::Alias(name)),
        Err(reason) => Err(Refused::Invalid(reason.into_owned())),
    }
}

fn rcode(text: &str) -> Result<FixedAnswer, Refused> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "NOERROR" => FixedAnswer::NoData,
        "NXDOMAIN" => FixedAnswer::NxDomain,
        "REFUSED" => FixedAnswer::Refused,
        "SERVFAIL" => FixedAnswer::ServFail,
        "FORMERR" | "NOTIMP" | "NOTIMPL" | "YXDOMAIN" | "YXRRSET" | "NXRRSET" | "NOTAUTH" | "NOTZONE" | "BADVERS"
        | "BADSIG" | "BADKEY" | "BADTIME" | "BADMODE" | "BADNAME" | "BADALG" | "BADTRUNC" | "BADCOOKIE" => {
            return Err(Refused::Unsupported(format!("dnsrewrite={}", text.to_ascii_uppercase())));
        }
        _ => return Err(Refused::Invalid(format!("there is no response code {}", shown(text)))),
    })
}

/// Data of a record from the text of a master file (RFC 1035, section 5.1; RFC 9460, section 2.1), but TXT as
/// it stands: one text, cut into strings of 255 octets.
pub(super) fn record(rtype: u16, text: &str) -> Result<RecordData, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_MAX {
        return Err("the data of the record is empty or too long".to_owned());
    }
    let refused = || format!("this is no data of the type: {}", shown(text));
    let rdata = match rtype {
        1 | 28 => {
            let data = names::ip(text).map(names::address_data).ok_or_else(refused)?;
            return if data.rtype == rtype { Ok(data) } else { Err(refused()) };
        }
        16 => text
            .as_bytes()
            .chunks(255)
            .flat_map(|part| std::iter::once(part.len() as u8).chain(part.iter().copied()))
            .collect(),
        2 | 5 | 12 => name_data(text).ok_or_else(refused)?,
        rtype => encoded(rtype, text).ok_or_else(refused)?,
    };
    Ok(RecordData { rtype, rdata: Box::from(rdata) })
}

fn name_data(text: &str) -> Option<Vec<u8>> {
    Some(DomainName::from_text(text).ok()?.as_wire().to_vec())
}

fn encoded(rtype: u16, text: &str) -> Option<Vec<u8>> {
    // The parser knows this parameter by its number alone (RFC 9461, section 5).
    let text = if matches!(rtype, 64 | 65) { text.replace(" dohpath=", " key7=") } else { text.to_owned() };
    wire(&RData::try_from_str(RecordType::from(rtype), &text).ok()?)
}

/// Record data as on the wire, with no name compressed; `None` where it cannot be written.
pub fn wire(rdata: &RData) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str) -> String {
        match dnsrewrite(value) {
            Ok(FixedAnswer::Records(records)) => {
                let records = records.iter().map(|record| {
                    format!(
                        "{} {}",
                        record.rtype,
                        record.rdata.iter().map(|octet| format!("{octet:02x}")).collect::<String>()
                    )
                });
                records.collect::<Vec<_>>().join(", ")
            }
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn values_of_dnsrewrite_become_answers() {
        for (value, expected) in [
            ("192.0.2.1", "1 c0000201"),
            (
                "NOERROR;SVCB;1 dns.example alpn=h2 dohpath=/dns-query{?dns}",
                "64 000103646e73076578616d706c650000010003026832000700102f646e732d71756572797b3f646e737d",
            ),
            ("2001:db8::1", "28 20010db8000000000000000000000001"),
            ("Other.example", "Alias(other.example)"),
            ("NXDOMAIN", "NxDomain"),
            ("NOERROR", "NoData"),
            ("REFUSED", "Refused"),
            ("SERVFAIL", "ServFail"),
            ("REFUSED;;", "Refused"),
            ("NOERROR;;", "NoData"),
            ("nxdomain;a;192.0.2.1", "NxDomain"),
            ("NOERROR;A;192.0.2.1", "1 c0000201"),
            ("noerror;aaaa;2001:db8::1", "28 20010db8000000000000000000000001"),
            ("NOERROR;CNAME;other.example", "Alias(other.example)"),
            ("NOERROR;PTR;host.example.", "12 04686f7374076578616d706c6500"),
            ("NOERROR;TXT;two words", "16 0974776f20776f726473"),
            ("NOERROR;MX;32 mail.example", "15 0020046d61696c076578616d706c6500"),
            ("NOERROR;SRV;30 60 8080 a.b", "33 001e003c1f900161016200"),
            ("NOERROR;HTTPS;1 . alpn=h3", "65 00010000010003026833"),
            ("NOERROR;SVCB;32 a.b alpn=\"h2,h3\" port=8443", "64 00200161016200000100060268320268330003000220fb"),
            ("NOERROR;LOC;anything", "NoData"),
        ] {
            assert_eq!(answer(value), expected, "{value}");
        }
    }

    #[test]
    fn other_values_are_told() {
        for (value, expected) in [
            ("FORMERR", "Unsupported(\"dnsrewrite=FORMERR\")"),
            ("NOTHING", "Invalid(\"there is no response code NOTHING\")"),
            ("NOERROR;A", "Invalid(\"dnsrewrite has no or two semicolons\")"),
            ("NOERROR;A;2001:db8::1", "Invalid(\"this is no data of the type: 2001:db8::1\")"),
            ("NOERROR;A;", "Invalid(\"the data of the record is empty or too long\")"),
            ("NOERROR;WHAT;x", "Invalid(\"there is no type WHAT\")"),
            ("NOERROR;MX;mail.example", "Invalid(\"this is no data of the type: mail.example\")"),
            ("a b", "Invalid(\"the name contains ' '\")"),
            ("", "Invalid(\"the name is empty\")"),
        ] {
            assert_eq!(answer(value), expected, "{value}");
        }
        assert_eq!(record(16, &"x".repeat(300)).map(|data| data.rdata.len()), Ok(302));
    }
}
