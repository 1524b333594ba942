//! What a list says, in few octets: every different consequence is kept once, names and patterns have its number.

use super::{builder::Counted, matcher::Matcher, runs::Runs};
use crate::model::{AddressTrigger, Conditions, DomainName, FixedAnswer, Pattern};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A consequence holds for the name itself.
pub(super) const AT: u8 = 1;
/// A consequence holds for the names below.
pub(super) const BELOW: u8 = 2;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Act {
    Block,
    Allow,
    /// With the list's answer of this number.
    Answer(u32),
    /// Against what other rules answer.
    NoAnswer,
}

/// What a rule does, how weighty it is, when, and for which names around the one it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Consequence {
    pub act: Act,
    pub important: bool,
    /// The list's conditions of this number.
    pub conditions: Option<u32>,
    /// [`AT`], [`BELOW`] or both; both for rules that stand at no name.
    pub reach: u8,
}

/// How a rule that stands at no name is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Loose {
    Wildcard(Box<str>),
    Regex(Box<str>),
    /// Rules about names that are not this one: they have conditions that invert.
    Exact(DomainName),
    Suffix(DomainName),
    Below(DomainName),
}

impl From<Pattern> for Loose {
    fn from(pattern: Pattern) -> Self {
        match pattern {
            Pattern::Exact(name) => Loose::Exact(name),
            Pattern::Suffix(name) => Loose::Suffix(name),
            Pattern::Below(name) => Loose::Below(name),
            Pattern::Wildcard(text) => Loose::Wildcard(text),
            Pattern::Regex(text) => Loose::Regex(text),
        }
    }
}

/// A rule that stands at no name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct LooseRule {
    pub pattern: Loose,
    /// It is about names of name servers.
    pub servers: bool,
    /// The number of its consequence.
    pub consequence: u32,
}

/// A rule about addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct NetRule {
    pub trigger: AddressTrigger,
    /// Without host bits, IPv4 where it is mapped.
    pub net: IpNet,
    pub act: Act,
}

/// All of a list but its names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Written {
    pub counted: Counted,
    /// Bit `n`: some name has `n` labels (63: 63 or more).
    pub depths: u64,
    /// Some name is that of a name server.
    pub servers: bool,
    pub answers: Vec<FixedAnswer>,
    pub conditions: Vec<Conditions>,
    pub consequences: Vec<Consequence>,
    /// Numbers of consequences: run `n` is what the list says of a name that has the number `n`.
    pub says: Runs<u32>,
    pub loose: Vec<LooseRule>,
    pub nets: Vec<NetRule>,
}

/// All of a list but its names, with what matches the loose rules.
#[derive(Debug, Default)]
pub(super) struct ListRules {
    pub written: Written,
    /// One for each of `written.loose`.
    pub matchers: Vec<Matcher>,
}

impl ListRules {
    pub(super) fn consequence(&self, number: u32) -> &Consequence {
        &self.written.consequences[number as usize]
    }

    pub(super) fn conditions(&self, consequence: &Consequence) -> Option<&Conditions> {
        Some(&self.written.conditions[consequence.conditions? as usize])
    }

    /// Whether a rule asks who the client is, beyond its address.
    pub(super) fn asks_who(&self) -> bool {
        use crate::model::ClientTerm;
        let named = |terms: &[ClientTerm]| terms.iter().any(|term| matches!(term, ClientTerm::Name(_)));
        self.written.conditions.iter().any(|conditions| {
            named(&conditions.clients)
                || named(&conditions.clients_except)
                || !conditions.tags.is_empty()
                || !conditions.tags_except.is_empty()
        })
    }
}
