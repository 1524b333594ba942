//! All lists of the server in one table, and what a lookup in it gives.

use super::{
    builder::Counted,
    patterns::Patterns,
    rules::{Act, ListRules},
    runs::Runs,
    selection::Has,
    union::Union,
};
use crate::{
    identify::PrefixTable,
    model::{AddressTrigger, FixedAnswer, ListKind, ListSourceId, Name, ZoneOverride},
    policy::{NameKey, Suffixes},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Lists in a table.
pub const LISTS_MAX: usize = 4_096;

/// How a list is used, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListProfile {
    /// What its names are for. All rules of a list of kind `Allow` let through.
    pub kind: ListKind,
    /// It is a response policy zone: among the zones of a policy the first with a match decides.
    pub zone: bool,
    /// What all rules of a zone do instead of what they say; nothing for lists that are no zones.
    pub zone_override: Option<ZoneOverride>,
}

/// What a hit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListEffect {
    /// Blocks.
    Block,
    /// Answers [`ListTable::answer`].
    Answer,
    /// Lets through: a list of kind `Allow` has the name.
    Allow,
    /// Excepts from the rules of subscribed lists, and from nothing else: an exception of a list of kind `Block`, or a
    /// zone that passes through.
    Except,
}

/// The rule that won. It belongs to the table that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListHit {
    pub(super) slot: u16,
    pub(super) what: What,
    pub(super) effect: ListEffect,
    pub(super) important: bool,
}

/// Where a rule stands in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// At a name of `labels` labels.
    Name { labels: u8, consequence: u32, servers: bool },
    /// At no name.
    Loose(u32),
    /// At addresses.
    Net(u32),
}

impl ListHit {
    /// What it asks for.
    pub fn effect(&self) -> ListEffect {
        self.effect
    }

    /// Whether the rule outranks those that are not important.
    pub fn important(&self) -> bool {
        self.important
    }

    /// Labels of the name the rule stands at; `None`: it is a pattern, or about addresses.
    pub fn labels(&self) -> Option<usize> {
        match self.what {
            What::Name { labels, .. } => Some(usize::from(labels)),
            What::Loose(_) | What::Net(_) => None,
        }
    }
}

/// A list in the table.
pub(super) struct Slot {
    pub id: ListSourceId,
    pub profile: ListProfile,
    pub rules: Arc<ListRules>,
    /// What the list has; kept, because every policy that takes the list asks.
    pub has: Has,
    hits: Arc<AtomicU64>,
}

impl Slot {
    pub(super) fn new(id: ListSourceId, profile: ListProfile, rules: Arc<ListRules>) -> Self {
        let written = &rules.written;
        let nets = |trigger| written.nets.iter().any(|rule| rule.trigger == trigger);
        let has = Has {
            names: written.depths != 0,
            loose: !written.loose.is_empty(),
            servers: written.servers || written.loose.iter().any(|rule| rule.servers),
            asks_who: rules.asks_who(),
            client_nets: nets(AddressTrigger::Client),
            answer_nets: nets(AddressTrigger::Answer),
            server_nets: nets(AddressTrigger::NameServer),
        };
        Slot { id, profile, rules, has, hits: Arc::default() }
    }

    pub(super) fn zone_override(&self) -> Option<ZoneOverride> {
        self.profile.zone_override.filter(|_| self.profile.zone)
    }

    /// Whether a rule of this list that says `act` decides nothing by itself, but takes the answers of others away.
    pub(super) fn takes_answers_away(&self, act: Act) -> bool {
        act == Act::NoAnswer && self.profile.kind == ListKind::Block && !self.profile.zone
    }

    /// What a rule of this list that says `act` does.
    pub(super) fn effect(&self, act: Act) -> ListEffect {
        if self.profile.kind == ListKind::Allow {
            return ListEffect::Allow;
        }
        match (self.zone_override(), act) {
            (Some(ZoneOverride::Passthru), _) => ListEffect::Except,
            (Some(ZoneOverride::NxDomain | ZoneOverride::NoData | ZoneOverride::Drop), _) => ListEffect::Answer,
            (Some(ZoneOverride::Block), _) | (_, Act::Block) => ListEffect::Block,
            (_, Act::Allow | Act::NoAnswer) => ListEffect::Except,
            (_, Act::Answer(_)) => ListEffect::Answer,
        }
    }
}

/// What one list says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Member {
    pub slot: u16,
    /// The number of a run in the list's `says`.
    pub says: u32,
}

/// A rule about addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetMember {
    pub slot: u16,
    /// Its number in its list.
    pub rule: u32,
}

/// All rules about addresses of one kind: the number of a run by range.
#[derive(Default)]
pub(super) struct Nets {
    pub ranges: PrefixTable<u32>,
    pub rules: Runs<NetMember>,
}

/// All lists of the server. Immutable but for the counters; a new one is built beside it and takes its place.
pub struct ListTable {
    pub(super) key: Option<NameKey>,
    pub(super) token: Arc<()>,
    pub(super) slots: Vec<Slot>,
    pub(super) by_id: HashMap<ListSourceId, u16>,
    pub(super) left_out: Vec<ListSourceId>,
    pub(super) names: Union,
    pub(super) sets: Runs<Member>,
    /// Bit `n`: some name has `n` labels (63: 63 or more).
    pub(super) depths: u64,
    pub(super) patterns: Patterns,
    /// By trigger: client, answer, name server.
    pub(super) nets: [Nets; 3],
}

impl ListTable {
    /// A table without lists.
    pub fn empty() -> Self {
        Self::build([])
    }

    /// The key the names of all lists are hashed under; questions must be hashed under the same. `None`: no list.
    pub fn key(&self) -> Option<NameKey> {
        self.key
    }

    /// The list a hit is of.
    pub fn source(&self, hit: ListHit) -> ListSourceId {
        self.slots[usize::from(hit.slot)].id
    }

    /// How that list is used.
    pub fn profile(&self, hit: ListHit) -> ListProfile {
        self.slots[usize::from(hit.slot)].profile
    }

    /// What is answered; nothing for hits that are no [`ListEffect::Answer`].
    pub fn answer(&self, hit: ListHit) -> Option<&FixedAnswer> {
        if hit.effect != ListEffect::Answer {
            return None;
        }
        let slot = &self.slots[usize::from(hit.slot)];
        match slot.zone_override() {
            Some(ZoneOverride::NxDomain) => return Some(&FixedAnswer::NxDomain),
            Some(ZoneOverride::NoData) => return Some(&FixedAnswer::NoData),
            Some(ZoneOverride::Drop) => return Some(&FixedAnswer::Drop),
            _ => {}
        }
        match self.act(hit) {
            Act::Answer(number) => slot.rules.written.answers.get(number as usize),
            Act::Block | Act::Allow | Act::NoAnswer => None,
        }
    }

    /// The name the rule stands at: the name looked up or one above it. `None`: the rule is a pattern or about addresses.
    pub fn matched<'a>(&self, hit: ListHit, suffixes: &Suffixes<'a>) -> Option<Name<'a>> {
        Some(suffixes.ancestor(hit.labels()?.min(suffixes.label_count())))
    }

    /// Counts a decision of the list. Lookups do not count by themselves, so that explaining does not either.
    pub fn count(&self, hit: ListHit) {
        self.slots[usize::from(hit.slot)].hits.fetch_add(1, Ordering::Relaxed);
    }

    /// The same for the list with this id, if it is in the table.
    pub fn count_source(&self, id: ListSourceId) {
        if let Some(slot) = self.by_id.get(&id) {
            self.slots[usize::from(*slot)].hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Decisions counted by list since the list came into a table, in the order of ids.
    pub fn hits(&self) -> impl Iterator<Item = (ListSourceId, u64)> + '_ {
        self.slots.iter().map(|slot| (slot.id, slot.hits.load(Ordering::Relaxed)))
    }

    /// The lists, in the order of their ids, with what became of their rules.
    pub fn lists(&self) -> impl Iterator<Item = (ListSourceId, &Counted)> + '_ {
        self.slots.iter().map(|slot| (slot.id, &slot.rules.written.counted))
    }

    /// Lists that are not in the table: more than [`LISTS_MAX`], hashed under another key, or an id that came twice.
    pub fn left_out(&self) -> &[ListSourceId] {
        &self.left_out
    }

    /// Different names, each counted once however many lists have it.
    pub fn names(&self) -> u64 {
        self.names.len()
    }

    /// Octets of names, sets of lists and the automaton; answers, conditions and expressions come on top.
    pub fn octets(&self) -> usize {
        self.names.octets() + self.sets.octets() + self.patterns.octets()
    }

    /// Goes on counting where another table has counted.
    pub fn continue_counting(&mut self, before: &ListTable) {
        for slot in &mut self.slots {
            if let Some(old) = before.by_id.get(&slot.id) {
                slot.hits = before.slots[usize::from(*old)].hits.clone();
            }
        }
    }

    pub(super) fn act(&self, hit: ListHit) -> Act {
        let rules = &self.slots[usize::from(hit.slot)].rules;
        match hit.what {
            What::Name { consequence, .. } => rules.consequence(consequence).act,
            What::Loose(rule) => rules.consequence(rules.written.loose[rule as usize].consequence).act,
            What::Net(rule) => rules.written.nets[rule as usize].act,
        }
    }

    pub(super) fn nets(&self, trigger: AddressTrigger) -> &Nets {
        match trigger {
            AddressTrigger::Client => &self.nets[0],
            AddressTrigger::Answer => &self.nets[1],
            AddressTrigger::NameServer => &self.nets[2],
        }
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn slot_of(&self, id: ListSourceId) -> Option<u16> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn token(&self) -> &Arc<()> {
        &self.token
    }

    pub(super) fn patterns(&self) -> &Patterns {
        &self.patterns
    }
}

impl fmt::Debug for ListTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListTable")
            .field("lists", &self.slots.len())
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}
