//! The look of a block.

use crate::{
    category::Catalogue,
    model::{BlockAnswer, DetectorAction, ListId},
    policy::{Cause, CompiledPolicy, Decision, OwnName, SearchEngines, Services},
};
use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Query type A (RFC 1035, section 3.2.2).
const A: u16 = 1;
/// Query type AAAA (RFC 3596, section 2.1).
const AAAA: u16 = 28;
/// Query type ANY (RFC 8482).
const ANY: u16 = 255;

/// EDE 15, Blocked: by the operator's security policy (RFC 8914, section 4.16).
const EDE_BLOCKED: u16 = 15;
/// EDE 17, Filtered: as the client asked for (RFC 8914, section 4.18).
const EDE_FILTERED: u16 = 17;

/// Addresses the block page is served from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockPage {
    /// For A.
    pub v4: Option<Ipv4Addr>,
    /// For AAAA.
    pub v6: Option<Ipv6Addr>,
}

/// What a synthesised answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// NOERROR with one address record.
    Address(IpAddr),
    /// NOERROR, no records, SOA in the authority section (RFC 2308, section 2.2).
    NoData,
    /// NXDOMAIN with SOA (RFC 2308, section 2.1).
    NxDomain,
    /// REFUSED.
    Refused,
}

/// The shape of a block for a query type: A and AAAA get the block page's addresses when there
/// is one, else `0.0.0.0` and `::`; every other type gets NODATA. A policy may choose otherwise.
/// ANY is answered like A (RFC 8482, section 4.2: a subset is enough).
pub fn block_shape(answer: BlockAnswer, qtype: u16, page: BlockPage) -> Shape {
    let by_type = |v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr>| match (qtype, v4, v6) {
        (A | ANY, Some(v4), _) => Shape::Address(v4.into()),
        (AAAA, _, Some(v6)) => Shape::Address(v6.into()),
        _ => Shape::NoData,
    };
    match answer {
        BlockAnswer::Page if page != BlockPage::default() => by_type(page.v4, page.v6),
        BlockAnswer::Page | BlockAnswer::Null => by_type(Some(Ipv4Addr::UNSPECIFIED), Some(Ipv6Addr::UNSPECIFIED)),
        BlockAnswer::NxDomain => Shape::NxDomain,
        BlockAnswer::Refused => Shape::Refused,
        BlockAnswer::Address { v4, v6 } => by_type(v4, v6),
    }
}

/// The shape of an answer for one of our own names.
pub fn own_shape(own: OwnName, qtype: u16) -> Shape {
    match (own, qtype) {
        (OwnName::Loopback, A | ANY) => Shape::Address(Ipv4Addr::LOCALHOST.into()),
        (OwnName::Loopback, AAAA) => Shape::Address(Ipv6Addr::LOCALHOST.into()),
        (OwnName::Loopback | OwnName::NoData | OwnName::SelfTest, _) => Shape::NoData,
        (OwnName::Canary | OwnName::NeverExists, _) => Shape::NxDomain,
    }
}

/// The EDE code of a block: 15 for the operator's lists, 17 for the customer's own policy.
pub fn block_ede(decision: &Decision) -> u16 {
    match decision.cause {
        Cause::List { list: ListId::System | ListId::Msp(_), .. } | Cause::Subscribed { operator: true, .. } => {
            EDE_BLOCKED
        }
        _ => EDE_FILTERED,
    }
}

/// Writes the EDE text of a block, `<policy>: <reason>`; nothing where the policy allows no text.
pub fn block_text(out: &mut impl Write, policy: &CompiledPolicy, decision: &Decision) -> fmt::Result {
    if !policy.block_text {
        return Ok(());
    }
    match decision.cause {
        Cause::List { list: ListId::System | ListId::Msp(_), .. } => out.write_str("operator: block list")?,
        Cause::List { .. } => write!(out, "{}: block list", policy.name)?,
        Cause::Subscribed { operator: true, .. } => out.write_str("operator: subscribed list")?,
        Cause::Subscribed { .. } => write!(out, "{}: subscribed list", policy.name)?,
        Cause::Category { blocked, .. } => {
            write!(out, "{}: ", policy.name)?;
            for (index, id) in blocked.iter().enumerate() {
                let name = Catalogue::get().by_id(id).map_or("category", |category| category.name.as_str());
                write!(out, "{}{name}", if index > 0 { ", " } else { "" })?;
            }
        }
        Cause::Unclassified => write!(out, "{}: unclassified", policy.name)?,
        Cause::Service(service) => write!(out, "{}: service {}", policy.name, Services::get().id_of(service))?,
        Cause::SafeSearch { engine, .. } => {
            let engine = SearchEngines::get().by_number(engine).map_or("", |engine| engine.name.as_str());
            write!(out, "{}: safe search, {engine} has none", policy.name)?;
        }
        Cause::Word(_) => write!(out, "{}: word", policy.name)?,
        Cause::Hours => write!(out, "{}: hours", policy.name)?,
        Cause::NotAllowed => write!(out, "{}: not on an allow list", policy.name)?,
        Cause::Detected(detector) => {
            let warns = policy.filter.detectors.action(detector) == DetectorAction::Warn;
            write!(out, "{}: {}{}", policy.name, if warns { "warning: " } else { "" }, detector.name())?;
        }
        Cause::Address { rebinding: true } => write!(out, "{}: private address", policy.name)?,
        Cause::Address { rebinding: false } => write!(out, "{}: address", policy.name)?,
        Cause::OwnName | Cause::Record(_) | Cause::Paused | Cause::Default { .. } => {}
    }
    if decision.target.is_some() {
        out.write_str(" (alias)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_looks_as_the_policy_and_the_query_type_say() {
        let page = BlockPage { v4: Some(Ipv4Addr::new(192, 0, 2, 80)), v6: None };
        let none = BlockPage::default();
        let chosen = BlockAnswer::Address { v4: Some(Ipv4Addr::new(192, 0, 2, 9)), v6: None };
        let null4 = Shape::Address(Ipv4Addr::UNSPECIFIED.into());
        let null6 = Shape::Address(Ipv6Addr::UNSPECIFIED.into());
        for (answer, qtype, page, expected) in [
            (BlockAnswer::Page, 1, none, null4),
            (BlockAnswer::Page, 28, none, null6),
            (BlockAnswer::Page, 65, none, Shape::NoData),
            (BlockAnswer::Page, 16, none, Shape::NoData),
            (BlockAnswer::Page, 1, page, Shape::Address(Ipv4Addr::new(192, 0, 2, 80).into())),
            (BlockAnswer::Page, 28, page, Shape::NoData),
            (BlockAnswer::Null, 1, page, null4),
            (BlockAnswer::NxDomain, 1, page, Shape::NxDomain),
            (BlockAnswer::Refused, 65, page, Shape::Refused),
            (chosen, 1, page, Shape::Address(Ipv4Addr::new(192, 0, 2, 9).into())),
            (chosen, 28, page, Shape::NoData),
        ] {
            assert_eq!(block_shape(answer, qtype, page), expected, "{answer:?} {qtype}");
        }
    }
}
