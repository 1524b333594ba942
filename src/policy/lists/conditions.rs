//! Whether a rule applies to who asks, and for what.

use crate::{
    model::{ClientTerm, Conditions},
    policy::Suffixes,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What is known of the client that asks, as it is written; case does not matter. Names and groups are needed only
/// where [`ListSelection::asks_who`](super::ListSelection::asks_who) says so.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Its address.
    pub address: IpAddr,
    /// Names of the device, the person and the location, as far as they are known.
    pub names: [Option<&'a str>; 3],
    /// Names of the groups the person is in: names of the client as well, and its tags.
    pub groups: &'a [Arc<str>],
    /// The question came over a connection: a zone that asks for one has nothing more to say.
    pub stream: bool,
}

impl Who<'_> {
    /// A client of whom the address alone is known.
    pub fn at(address: IpAddr) -> Self {
        Who { address, names: [None; 3], groups: &[], stream: false }
    }

    /// Nobody in particular: conditions about clients never hold but for "all except".
    pub fn nobody() -> Self {
        Who::at(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn is_one_of(&self, terms: &[ClientTerm]) -> bool {
        terms.iter().any(|term| match term {
            ClientTerm::Net(net) => net.contains(&self.address.to_canonical()),
            ClientTerm::Name(name) => self.names.iter().flatten().any(|own| is_same(own, name)) || self.is_in(name),
        })
    }

    fn has_one_of(&self, tags: &[Box<str>]) -> bool {
        tags.iter().any(|tag| self.is_in(tag))
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| is_same(own, group))
    }
}

/// Whether a name is the one a rule has, whose characters are in lower case.
fn is_same(name: &str, lower: &str) -> bool {
    name.chars().flat_map(char::to_lowercase).eq(lower.chars())
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
