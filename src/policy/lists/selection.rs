//! Which lists count for a policy.

use super::table::ListTable;
use crate::model::{ListSourceId, ZoneOverride};
use std::{fmt, sync::Arc};

/// The lists of a policy: a set of bits and the order of its zones. Cheap to clone; policies with the same lists can
/// share one. It belongs to the table that made it. Another table understands it as well, but has to make it anew for each
/// question, so selections are renewed when a table is.
#[derive(Clone, Default)]
pub struct ListSelection(pub(super) Option<Arc<Chosen>>);

pub(super) struct Chosen {
    /// Of which table.
    pub table: Arc<()>,
    pub ids: Box<[ListSourceId]>,
    /// Bit `n`: list `n` of the table counts.
    bits: Box<[u64]>,
    /// Zones in their order.
    pub zones: Box<[u16]>,
    /// Lists with rules that are tried against every name.
    pub always: Box<[u16]>,
    pub has: Has,
    /// Zones whose matches are noted only.
    pub noted: Option<Arc<Chosen>>,
}

/// What some of the lists have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Has {
    pub names: bool,
    pub loose: bool,
    pub servers: bool,
    pub asks_who: bool,
    pub client_nets: bool,
    pub answer_nets: bool,
    pub server_nets: bool,
}

impl Has {
    fn or(self, other: Has) -> Has {
        Has {
            names: self.names | other.names,
            loose: self.loose | other.loose,
            servers: self.servers | other.servers,
            asks_who: self.asks_who | other.asks_who,
            client_nets: self.client_nets | other.client_nets,
            answer_nets: self.answer_nets | other.answer_nets,
            server_nets: self.server_nets | other.server_nets,
        }
    }
}

impl ListSelection {
    /// Whether no list counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether some rule asks for more of the client than its address.
    pub fn asks_who(&self) -> bool {
        self.has().asks_who
    }

    /// Whether some rule is about addresses in answers.
    pub fn has_answer_addresses(&self) -> bool {
        self.has().answer_nets
    }

    /// Whether some rule is about name servers, by name or by address.
    pub fn has_name_servers(&self) -> bool {
        let has = self.has();
        has.servers || has.server_nets
    }

    /// Whether some list is a zone whose matches are noted only.
    pub fn has_noted(&self) -> bool {
        self.0.as_ref().is_some_and(|chosen| chosen.noted.is_some())
    }

    /// The lists, in the order they were given.
    pub fn ids(&self) -> &[ListSourceId] {
        self.0.as_ref().map_or(&[], |chosen| &chosen.ids)
    }

    fn has(&self) -> Has {
        self.0.as_ref().map_or_else(Has::default, |chosen| chosen.has)
    }
}

impl<'a> IntoIterator for &'a ListSelection {
    type Item = &'a ListSelection;
    type IntoIter = std::iter::Once<&'a ListSelection>;

    /// This selection alone.
    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl fmt::Debug for ListSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListSelection").field(&self.ids()).finish()
    }
}

impl PartialEq for ListSelection {
    /// The same lists in the same order, whichever table made it.
    fn eq(&self, other: &Self) -> bool {
        self.ids() == other.ids()
    }
}

impl Eq for ListSelection {}

impl Chosen {
    #[inline]
    pub(super) fn contains(&self, slot: u16) -> bool {
        self.bits.get(usize::from(slot) / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// What the zone comes after: 0 for the first.
    pub(super) fn zone_position(&self, slot: u16) -> usize {
        self.zones.iter().position(|zone| *zone == slot).unwrap_or(self.zones.len())
    }
}

impl ListTable {
    /// The lists with these ids, zones among them in this order. An id that the table does not have counts for nothing;
    /// no ids at all make an empty selection.
    pub fn select(&self, ids: &[ListSourceId]) -> ListSelection {
        if ids.is_empty() {
            return ListSelection::default();
        }
        let is_noted = |slot: &u16| self.slots()[usize::from(*slot)].zone_override() == Some(ZoneOverride::Disabled);
        let mut slots: Vec<u16> = Vec::with_capacity(ids.len());
        for slot in ids.iter().filter_map(|id| self.slot_of(*id)) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        let (noted, counting): (Vec<u16>, Vec<u16>) = slots.into_iter().partition(is_noted);
        let noted = if noted.is_empty() { None } else { Some(Arc::new(self.chosen(ids, &noted, None))) };
        ListSelection(Some(Arc::new(self.chosen(ids, &counting, noted))))
    }

    fn chosen(&self, ids: &[ListSourceId], slots: &[u16], noted: Option<Arc<Chosen>>) -> Chosen {
        let of = |slot: &u16| &self.slots()[usize::from(*slot)];
        let words = slots.iter().max().map_or(0, |most| usize::from(*most) / 64 + 1);
        let mut bits = vec![0; words];
        for slot in slots {
            bits[usize::from(*slot) / 64] |= 1 << (slot % 64);
        }
        Chosen {
            table: self.token().clone(),
            ids: ids.into(),
            bits: bits.into(),
            zones: slots.iter().copied().filter(|slot| of(slot).profile.zone).collect(),
            always: slots.iter().copied().filter(|slot| !self.patterns().always(*slot).is_empty()).collect(),
            has: slots.iter().fold(Has::default(), |has, slot| has.or(of(slot).has)),
            noted,
        }
    }
}
