//! Rules of subscribed lists: what they match, under which conditions, and what they do.
//!
//! Every syntax a list may be written in comes down to these.

use super::DomainName;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One rule about names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameRule {
    /// Which names.
    pub pattern: Pattern,
    /// What happens.
    pub effect: Effect,
    /// It outranks every rule that is not important, exceptions included.
    pub important: bool,
    /// When it applies; `None` is always. Boxed: nearly no rule has any.
    pub conditions: Option<Box<Conditions>>,
}

impl NameRule {
    /// A rule that always applies and is not important.
    pub fn plain(pattern: Pattern, effect: Effect) -> Self {
        NameRule { pattern, effect, important: false, conditions: None }
    }
}

/// Which names a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The name alone.
    Exact(DomainName),
    /// The name and everything below it.
    Suffix(DomainName),
    /// Everything below the name.
    Below(DomainName),
    /// An Adblock pattern: literals, `*` (any run of characters, also none), `^` (the end of the name), `|` at
    /// either end (there the name begins or ends) and `||` in front (a label begins). In lower case.
    Wildcard(Box<str>),
    /// A regular expression, unanchored, matched without regard to case on the name without its last dot.
    Regex(Box<str>),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Blocks: the answer looks as the policy says.
    Block,
    /// Excepts from blocking by the rules of subscribed lists.
    Allow,
    /// Excepts from the answers that rules of subscribed lists prescribe, and not from their blocks.
    NoAnswer,
    /// Answers this.
    Answer(Box<FixedAnswer>),
}

/// An answer that a rule or a record prescribes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FixedAnswer {
    /// `0.0.0.0` and `::`, other types NODATA.
    Null,
    /// NXDOMAIN.
    NxDomain,
    /// NOERROR without records.
    NoData,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    ServFail,
    /// No answer at all.
    Drop,
    /// Over UDP an empty answer with TC, so that the client asks again over TCP; there the query goes on.
    Truncate,
    /// These records, those of the type asked for; other types NODATA.
    Records(Vec<RecordData>),
    /// A CNAME to this name, which is resolved.
    Alias(DomainName),
    /// A CNAME to the name asked for, put below this name (RPZ: `CNAME *.garden.example.`).
    AliasBelow(DomainName),
}

/// Data of a record, without owner and TTL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordData {
    /// Its type (RFC 1035, section 3.2.2, and its successors).
    pub rtype: u16,
    /// RDATA as on the wire, uncompressed; at most 65,535 octets.
    pub rdata: Box<[u8]>,
}

/// When a rule applies: all of these must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conditions {
    /// Only these types; empty: all but those of `types_except`.
    pub types: Vec<u16>,
    /// Not these types.
    pub types_except: Vec<u16>,
    /// Not these names and those below them.
    pub names_except: Vec<DomainName>,
    /// Only these clients; empty: all but those of `clients_except`.
    pub clients: Vec<ClientTerm>,
    /// Not these clients.
    pub clients_except: Vec<ClientTerm>,
    /// Only clients with one of these tags; empty: all but those with one of `tags_except`.
    pub tags: Vec<Box<str>>,
    /// Not clients with one of these tags.
    pub tags_except: Vec<Box<str>>,
    /// It applies to the names the pattern does not match.
    pub invert: bool,
}

/// A client of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClientTerm {
    /// By address.
    Net(IpNet),
    /// By the name of a device, a person, a group or a location, each character in lower case.
    Name(Box<str>),
}

/// One rule about addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressRule {
    /// Whose addresses.
    pub trigger: AddressTrigger,
    /// Which.
    pub net: IpNet,
    /// What happens.
    pub effect: Effect,
}

/// Whose addresses an address rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AddressTrigger {
    /// The client's (`rpz-client-ip`).
    Client,
    /// Those of the answer (`rpz-ip`, bare addresses in name lists).
    Answer,
    /// Those of the name servers that are responsible (`rpz-nsip`).
    NameServer,
}

/// One rule of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// About the name asked for, and the names an answer leads to.
    Name(NameRule),
    /// About the names of the name servers that are responsible (`rpz-nsdname`).
    NameServer(NameRule),
    /// About addresses.
    Address(AddressRule),
}
