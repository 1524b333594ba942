//! The data of local records, as people write it.

use crate::{
    api::{error::ApiError, input::choices},
    model::{DomainName, FixedAnswer, RecordData},
    wire::rtype,
};
use hickory_proto::{
    rr::{RData, RecordType},
    serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict},
};
use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Values of one record.
const VALUES_MAX: usize = 64;
/// Characters of one value.
const VALUE_CHARS_MAX: usize = 4_096;
/// Octets of one string of a TXT record (RFC 1035, section 3.3).
const STRING_OCTETS_MAX: usize = 255;

choices! {
    /// What a name is answered with: records of a type, or a denial of every type.
    pub(super) enum TypeWord {
        /// IPv4 addresses.
        A = "A",
        /// IPv6 addresses.
        Aaaa = "AAAA",
        /// Another name, which is resolved.
        Cname = "CNAME",
        /// Texts.
        Txt = "TXT",
        /// Mail servers.
        Mx = "MX",
        /// Servers of a service.
        Srv = "SRV",
        /// The name of an address.
        Ptr = "PTR",
        /// Bindings of HTTPS.
        Https = "HTTPS",
        /// Bindings of a service.
        Svcb = "SVCB",
        /// The name does not exist.
        NxDomain = "NXDOMAIN",
        /// The name has no records.
        NoData = "NODATA",
        /// The question is refused.
        Refused = "REFUSED",
        /// `0.0.0.0` and `::`.
        Null = "NULL",
    }
}

impl TypeWord {
    /// The type that is shown as this word.
    pub(super) fn named(word: &str) -> Option<Self> {
        use serde::de::{IntoDeserializer, value::Error};
        <Self as serde::Deserialize>::deserialize(IntoDeserializer::<Error>::into_deserializer(word)).ok()
    }

    /// Whether it denies every type, and so has no values.
    pub(super) fn is_denial(self) -> bool {
        matches!(self, TypeWord::NxDomain | TypeWord::NoData | TypeWord::Refused | TypeWord::Null)
    }
}

/// The answer that a type and its values make. The error names the field and the value.
pub(super) fn read(kind: TypeWord, values: &[String]) -> Result<FixedAnswer, ApiError> {
    let denial = match kind {
        TypeWord::NxDomain => Some(FixedAnswer::NxDomain),
        TypeWord::NoData => Some(FixedAnswer::NoData),
        TypeWord::Refused => Some(FixedAnswer::Refused),
        TypeWord::Null => Some(FixedAnswer::Null),
        _ => None,
    };
    if let Some(denial) = denial {
        return match values.is_empty() {
            true => Ok(denial),
            false => Err(ApiError::field("values", "must be empty: this type has none")),
        };
    }
    if values.is_empty() || values.len() > VALUES_MAX {
        return Err(ApiError::field("values", format!("must have 1 to {VALUES_MAX} entries")));
    }
    if kind == TypeWord::Cname {
        let [target] = values else { return Err(ApiError::field("values", "a CNAME record has one value")) };
        return name(target).map(FixedAnswer::Alias).map_err(|problem| at(0, target, problem));
    }
    let mut records: Vec<RecordData> = Vec::with_capacity(values.len());
    for (index, text) in values.iter().enumerate() {
        let data = data(kind, text.trim()).map_err(|problem| at(index, text, problem))?;
        if records.contains(&data) {
            return Err(at(index, text, "stands there twice".into()));
        }
        records.push(data);
    }
    Ok(FixedAnswer::Records(records))
}

fn at(index: usize, value: &str, problem: String) -> ApiError {
    let shown: String = value.chars().take(80).collect();
    ApiError::field(&format!("values[{index}]"), format!("{shown:?} {problem}"))
}

/// A name; with at least one label.
fn name(text: &str) -> Result<DomainName, String> {
    match DomainName::from_text(text) {
        Ok(name) if name.as_name().is_root() => Err("is the root, not a name".into()),
        Ok(name) => Ok(name),
        Err(error) => Err(format!("is no name: {error}")),
    }
}

fn data(kind: TypeWord, text: &str) -> Result<RecordData, String> {
    if text.chars().count() > VALUE_CHARS_MAX {
        return Err(format!("is longer than {VALUE_CHARS_MAX} characters"));
    }
    let made = |rtype, rdata: &[u8]| Ok(RecordData { rtype, rdata: rdata.into() });
    match kind {
        TypeWord::A => {
            let address: Ipv4Addr = text.parse().map_err(|_| "is no IPv4 address".to_owned())?;
            made(rtype::A, &address.octets())
        }
        TypeWord::Aaaa => {
            let address: Ipv6Addr = text.parse().map_err(|_| "is no IPv6 address".to_owned())?;
            made(rtype::AAAA, &address.octets())
        }
        TypeWord::Ptr => made(rtype::PTR, name(text)?.as_wire()),
        TypeWord::Txt if !text.starts_with('"') => {
            let strings =
                if text.is_empty() { vec![&[][..]] } else { text.as_bytes().chunks(STRING_OCTETS_MAX).collect() };
            let octets = strings.into_iter().flat_map(|string| [&[string.len() as u8][..], string].concat());
            made(rtype::TXT, &octets.collect::<Vec<u8>>())
        }
        TypeWord::Txt => parsed(RecordType::TXT, text, "\"text\" \"more text\""),
        TypeWord::Mx => parsed(RecordType::MX, text, "10 mail.example"),
        TypeWord::Srv => parsed(RecordType::SRV, text, "0 5 5060 sip.example"),
        TypeWord::Https => parsed(RecordType::HTTPS, text, "1 . alpn=h2,h3"),
        TypeWord::Svcb => parsed(RecordType::SVCB, text, "1 dns.example alpn=dot"),
        _ => Err("is of no known type".into()),
    }
}

/// Data in master-file form.
fn parsed(kind: RecordType, text: &str, example: &str) -> Result<RecordData, String> {
    let wrong = || format!("cannot be read; it should look like {example:?}");
    let data = RData::try_from_str(kind, text).map_err(|_| wrong())?;
    if data.record_type() != kind {
        return Err(wrong());
    }
    let mut octets = Vec::with_capacity(64);
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).map_err(|_| wrong())?;
    Ok(RecordData { rtype: kind.into(), rdata: octets.into() })
}

/// The type and the values of an answer, as they are read back.
pub(super) fn show(answer: &FixedAnswer) -> (&'static str, Vec<String>) {
    match answer {
        FixedAnswer::Alias(target) => ("CNAME", vec![target.to_string()]),
        FixedAnswer::Records(records) => {
            let rtype = records.first().map_or(0, |record| record.rtype);
            let values = records.iter().map(|record| shown(record).unwrap_or_default());
            (crate::wire::type_name(rtype).known().unwrap_or("TYPE"), values.collect())
        }
        FixedAnswer::Null => ("NULL", Vec::new()),
        FixedAnswer::NxDomain => ("NXDOMAIN", Vec::new()),
        FixedAnswer::Refused => ("REFUSED", Vec::new()),
        _ => ("NODATA", Vec::new()),
    }
}

fn shown(record: &RecordData) -> Option<String> {
    let octets = &record.rdata;
    Some(match record.rtype {
        rtype::A => Ipv4Addr::from(*octets.first_chunk::<4>()?).to_string(),
        rtype::AAAA => Ipv6Addr::from(*octets.first_chunk::<16>()?).to_string(),
        rtype::PTR => DomainName::from_wire(octets).ok()?.to_string(),
        rtype::TXT => strings(octets)?,
        _ => {
            let length = u16::try_from(octets.len()).ok()?;
            let mut decoder = BinDecoder::new(octets);
            let data = RData::read(&mut decoder, RecordType::from(record.rtype), Restrict::new(length)).ok()?;
            // The library ends lists with a comma, which it does not read itself.
            let text = data.to_string();
            let parts = text.split_whitespace().map(|part| part.trim_end_matches(','));
            parts.map(|part| part.replace("unknown", "key")).collect::<Vec<_>>().join(" ")
        }
    })
}

/// The strings of a TXT record, each in quotes (RFC 1035, section 5.1).
fn strings(mut octets: &[u8]) -> Option<String> {
    let mut text = String::new();
    while let Some((&length, rest)) = octets.split_first() {
        let (string, rest) = rest.split_at_checked(usize::from(length))?;
        text.push_str(if text.is_empty() { "\"" } else { " \"" });
        for &octet in string {
            match octet {
                b'"' | b'\\' => _ = write!(text, "\\{}", octet as char),
                b' '..=b'~' => text.push(octet as char),
                _ => _ = write!(text, "\\{octet:03}"),
            }
        }
        text.push('"');
        octets = rest;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TypeWord::{A, Aaaa, Cname, Https, Mx, NoData, NxDomain, Ptr, Srv, Svcb, Txt};

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn values_are_read_and_shown_so_that_they_can_be_read_again() {
        for (kind, values, shown) in [
            (A, vec!["192.0.2.1", "192.0.2.2"], vec!["192.0.2.1", "192.0.2.2"]),
            (Aaaa, vec!["2001:DB8::0:1"], vec!["2001:db8::1"]),
            (Cname, vec!["Host.Example."], vec!["host.example"]),
            (Ptr, vec!["bücher.example"], vec!["xn--bcher-kva.example"]),
            (Txt, vec!["v=spf1 -all", "\"a \\\"b\\\"\" \"c\""], vec!["\"v=spf1 -all\"", "\"a \\\"b\\\"\" \"c\""]),
            (Mx, vec!["10 Mail.example."], vec!["10 mail.example."]),
            (Srv, vec!["0 5 5060 sip.example."], vec!["0 5 5060 sip.example."]),
            (Https, vec!["1 . alpn=h2,h3 port=8443"], vec!["1 . alpn=h2,h3 port=8443"]),
            (Svcb, vec!["1 dns.example. ipv4hint=192.0.2.1"], vec!["1 dns.example. ipv4hint=192.0.2.1"]),
            (NxDomain, vec![], vec![]),
            (NoData, vec![], vec![]),
        ] {
            let answer = read(kind, &texts(&values)).unwrap_or_else(|error| panic!("{values:?}: {}", error.message()));
            let (_, again) = show(&answer);
            assert_eq!(again, texts(&shown));
            assert_eq!(read(kind, &again).ok(), Some(answer), "{shown:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named() {
        for (kind, values, expected) in [
            (A, vec!["192.0.2.1", "x"], "values[1]: \"x\" is no IPv4 address"),
            (Aaaa, vec!["192.0.2.1"], "values[0]: \"192.0.2.1\" is no IPv6 address"),
            (A, vec![], "values: must have 1 to 64 entries"),
            (A, vec!["192.0.2.1", "192.0.2.1"], "values[1]: \"192.0.2.1\" stands there twice"),
            (Cname, vec!["a.example", "b.example"], "values: a CNAME record has one value"),
            (Cname, vec!["a b"], "values[0]: \"a b\" is no name: the name contains ' '"),
            (
                Mx,
                vec!["mail.example"],
                "values[0]: \"mail.example\" cannot be read; it should look like \"10 mail.example\"",
            ),
            (NxDomain, vec!["x"], "values: must be empty: this type has none"),
        ] {
            let error = read(kind, &texts(&values)).err().map(|error| error.message().to_owned());
            assert_eq!(error.as_deref(), Some(expected));
        }
    }
}
