//! Whether a rule applies to who asks, and for what.

use crate::{
    model::{ClientTerm, Conditions},
    policy::Suffixes,
};
use std::net::{IpAddr, Ipv4Addr};

/// What is known of the client that asks. Names and tags are needed only where
/// [`ListSelection::asks_who`](super::ListSelection::asks_who) says so.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Its address.
    pub address: IpAddr,
    /// Names of the device, the person and the person's groups, in lower case.
    pub names: &'a [&'a str],
    /// Tags, in lower case.
    pub tags: &'a [&'a str],
    /// The question came over a connection: a zone that asks for one has nothing more to say.
    pub stream: bool,
}

impl Who<'_> {
    /// A client of whom the address alone is known.
    pub fn at(address: IpAddr) -> Self {
        Who { address, names: &[], tags: &[], stream: false }
    }

    /// Nobody in particular: conditions about clients never hold but for "all except".
    pub fn nobody() -> Self {
        Who::at(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn is_one_of(&self, terms: &[ClientTerm]) -> bool {
        terms.iter().any(|term| match term {
            ClientTerm::Net(net) => net.contains(&self.address.to_canonical()),
            ClientTerm::Name(name) => self.names.contains(&&**name),
        })
    }

    fn has_one_of(&self, tags: &[Box<str>]) -> bool {
        tags.iter().any(|tag| self.tags.contains(&&**tag))
    }
}

/// Whether all conditions but `invert` hold.
pub(super) fn hold(conditions: &Conditions, suffixes: &Suffixes<'_>, qtype: u16, who: &Who<'_>) -> bool {
    let Conditions { types, types_except, names_except, clients, clients_except, tags, tags_except, invert: _ } =
        conditions;
    (types.is_empty() || types.contains(&qtype))
        && !types_except.contains(&qtype)
        && !names_except.iter().any(|name| suffixes.name().is_at_or_below(name.as_name()))
        && (clients.is_empty() || who.is_one_of(clients))
        && !who.is_one_of(clients_except)
        && (tags.is_empty() || who.has_one_of(tags))
        && !who.has_one_of(tags_except)
}
