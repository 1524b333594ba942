//! Addresses and ranges of them.

use super::raw::{Raw, field_type};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// One IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpText(pub std::net::IpAddr);

field_type!([] IpText, "IpText", { "type": "string", "examples": ["192.0.2.22"] }, |raw| {
    let parsed: Result<std::net::IpAddr, _> = raw.text::<D::Error>()?.trim().parse();
    parsed.map(|ip| IpText(ip.to_canonical())).map_err(|_| "must be an IP address".into())
});

/// One address or CIDR range, host bits cut off. Mapped IPv4 becomes IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range(pub ipnet::IpNet);

/// Several of them, at most 256, between commas or blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(pub Vec<ipnet::IpNet>);

fn range(text: &str) -> Result<ipnet::IpNet, Cow<'static, str>> {
    use std::net::IpAddr;
    let bad = || Cow::Borrowed("must be an IP address or a CIDR range such as 192.0.2.0/24");
    let (address, length) = match text.split_once('/') {
        Some((address, length)) if length.bytes().all(|c| c.is_ascii_digit()) => (address, Some(length)),
        Some(_) => return Err(bad()),
        None => (text, None),
    };
    let written: IpAddr = address.parse().map_err(|_| bad())?;
    let full = if written.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.map_or(Ok(full), str::parse).map_err(|_| bad())?;
    let (address, length) = match written.to_canonical() {
        IpAddr::V4(v4) if written.is_ipv6() => (IpAddr::V4(v4), length.checked_sub(96).ok_or_else(bad)?),
        address => (address, length),
    };
    let net = ipnet::IpNet::new(address, length).map_err(|_| bad())?.trunc();
    if net.prefix_len() == 0 {
        return Err("must not be every address there is".into());
    }
    if address.is_unspecified() && net.prefix_len() == net.max_prefix_len() || address.is_multicast() {
        return Err("must be an address that queries can come from".into());
    }
    Ok(net)
}

field_type!([] Range, "Range", { "type": "string", "examples": ["203.0.113.45", "2001:db8::/48"] }, |raw| {
    range(raw.text::<D::Error>()?.trim()).map(Range)
});

field_type!([] Ranges, "Ranges", { "type": "string", "examples": ["203.0.113.45, 2001:db8::/48"] }, |raw| {
    let text = raw.text::<D::Error>()?;
    let pieces = text.split([',', ' ', ';', '\t', '\n', '\r']).filter(|piece| !piece.is_empty());
    let ranges: Result<Vec<_>, _> = pieces.take(257).map(range).collect();
    ranges.and_then(|mut ranges| {
        ranges.sort();
        ranges.dedup();
        match ranges.len() {
            0 => Err("must not be empty".into()),
            1..=256 => Ok(Ranges(ranges)),
            _ => Err("must be at most 256 ranges".into()),
        }
    })
});
