//! Which rule wins.
//!
//! All rules of the policy's lists that match are compared, zones (RPZ) first among themselves:
//!
//! 1. Of the policy's zones, the first in its order that has a match counts, with one rule: about the client's address
//!    before the name, a longer name or range before a shorter one, the name itself before a wildcard, letting through
//!    before anything else. The other zones say nothing.
//! 2. Important lets through (allow lists, exceptions, zones that pass).
//! 3. Important blocks or answers.
//! 4. Lets through.
//! 5. Blocks or answers.
//!
//! Within 2 to 5 a more specific rule comes first: a longer name, the name itself before those with what is below it, a
//! pattern last; then an answer before a block, a rule with conditions before one without, the lower id of the list, the rule the list has first.
//! An exception cancels what blocks, not what allows: where an allow list has the name too, the hit is the allow list's.

use super::{
    conditions::{Who, hold},
    patterns::Waiting,
    rules::{AT, BELOW, Consequence},
    selection::{Chosen, ListSelection},
    table::{ListEffect, ListHit, ListTable, What},
    union::of_server,
};
use crate::{
    model::{AddressTrigger, FixedAnswer, Name},
    policy::Suffixes,
};
use std::{net::IpAddr, sync::Arc};

/// How specific a rule about an address is, beside one about a name: more.
const ADDRESS: u32 = 300;

impl ListTable {
    /// The rule that decides about a question: rules about its name and about the client's address. `suffixes` are hashed
    /// under the [`key`](Self::key) of the table.
    #[inline]
    pub fn find(
        &self,
        selection: &ListSelection,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        let chosen = selection.0.as_ref()?;
        self.of_this_table(chosen, |chosen| {
            self.settle(who.stream, |best| {
                if chosen.has.client_nets {
                    self.offer_addresses(chosen, AddressTrigger::Client, who.address, best);
                }
                self.offer_names(chosen, suffixes, qtype, who, false, best);
            })
        })
    }

    /// The rule that decides about a name that an answer leads to: as [`find`](Self::find) without the rules about the client's
    /// address, which decided about the question already. `qtype` is the type of the record.
    pub fn find_target(
        &self,
        selection: &ListSelection,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        let chosen = selection.0.as_ref()?;
        self.of_this_table(chosen, |chosen| {
            self.settle(who.stream, |best| self.offer_names(chosen, suffixes, qtype, who, false, best))
        })
    }

    /// The rule that decides about an answer that comes from a name server of this name.
    pub fn find_name_server(
        &self,
        selection: &ListSelection,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        let chosen = selection.0.as_ref().filter(|chosen| chosen.has.servers)?;
        self.of_this_table(chosen, |chosen| {
            self.settle(who.stream, |best| self.offer_names(chosen, suffixes, qtype, who, true, best))
        })
    }

    /// The rule that decides about an address, of the trigger's kind; `stream` as in [`Who::stream`].
    pub fn find_address(
        &self,
        selection: &ListSelection,
        trigger: AddressTrigger,
        address: IpAddr,
        stream: bool,
    ) -> Option<ListHit> {
        let chosen = selection.0.as_ref()?;
        self.of_this_table(chosen, |chosen| {
            self.settle(stream, |best| self.offer_addresses(chosen, trigger, address, best))
        })
    }

    /// The best of what is offered. Over a connection, a zone whose rule asks for one (`tcp-only`) says nothing else, as
    /// if it did not have the name; the zones behind it and the other lists are heard.
    #[inline]
    fn settle(&self, stream: bool, offer: impl Fn(&mut Best)) -> Option<ListHit> {
        let mut best = Best::default();
        loop {
            offer(&mut best);
            let zone = best.zone.as_ref().and_then(|found| found.zone);
            let hit = best.hit()?;
            if !stream || !matches!(self.answer(hit), Some(FixedAnswer::Truncate)) {
                return Some(hit);
            }
            // Ends, since each round hears fewer zones; only zones have such rules.
            best = Best { behind: Some(zone?), ..Best::default() };
        }
    }

    /// What the policy's disabled zones would have decided: for the log, not for the answer.
    pub fn find_noted(
        &self,
        selection: &ListSelection,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        let chosen = selection.0.as_ref()?;
        self.of_this_table(chosen, |chosen| self.find(&chosen.noted, suffixes, qtype, who))
    }

    #[inline]
    fn of_this_table(&self, chosen: &Arc<Chosen>, search: impl FnOnce(&Chosen) -> Option<ListHit>) -> Option<ListHit> {
        if Arc::ptr_eq(&chosen.table, self.token()) {
            return search(chosen);
        }
        search(self.select(&chosen.ids).0.as_deref()?)
    }

    fn offer_names(
        &self,
        chosen: &Chosen,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
        servers: bool,
        best: &mut Best,
    ) {
        let count = suffixes.label_count();
        if chosen.has.names {
            for labels in (0..=count).filter(|labels| self.depths >> labels.min(&63) & 1 == 1) {
                let hash = suffixes.hash(labels);
                let Some(set) = self.names.get(if servers { of_server(hash) } else { hash }) else { continue };
                let here = if labels == count { AT } else { BELOW };
                for member in self.sets.get(set).iter().filter(|member| chosen.contains(member.slot)) {
                    let rules = &self.slots[usize::from(member.slot)].rules;
                    for &number in rules.written.says.get(member.says) {
                        let consequence = rules.consequence(number);
                        if consequence.reach & here == 0
                            || rules.conditions(consequence).is_some_and(|given| !hold(given, suffixes, qtype, who))
                        {
                            continue;
                        }
                        let specific = 2 + 2 * labels as u32 + u32::from(consequence.reach == AT);
                        let what = What::Name { labels: labels as u8, consequence: number, servers };
                        best.offer(self.candidate(chosen, member.slot, what, consequence, specific));
                    }
                }
            }
        }
        if chosen.has.loose {
            let mut buffer = [0; 256];
            let text = text(suffixes.name(), &mut buffer);
            let mut attempt = |waiting: Waiting| {
                if waiting.servers != servers || !chosen.contains(waiting.slot) {
                    return;
                }
                let rules = &self.slots[usize::from(waiting.slot)].rules;
                let consequence = rules.consequence(rules.written.loose[waiting.rule as usize].consequence);
                if rules.conditions(consequence).is_none_or(|given| hold(given, suffixes, qtype, who))
                    && rules.matchers[waiting.rule as usize].matches(suffixes, text)
                {
                    best.offer(self.candidate(chosen, waiting.slot, What::Loose(waiting.rule), consequence, 0));
                }
            };
            self.patterns.candidates(text, &mut attempt);
            for slot in &chosen.always {
                self.patterns.always(*slot).iter().copied().for_each(&mut attempt);
            }
        }
    }

    fn offer_addresses(&self, chosen: &Chosen, trigger: AddressTrigger, address: IpAddr, best: &mut Best) {
        let nets = self.nets(trigger);
        for (net, run) in nets.ranges.around(address) {
            for member in nets.rules.get(*run).iter().filter(|member| chosen.contains(member.slot)) {
                let rule = &self.slots[usize::from(member.slot)].rules.written.nets[member.rule as usize];
                let consequence = Consequence { act: rule.act, important: false, conditions: None, reach: AT | BELOW };
                let specific = ADDRESS + u32::from(net.prefix_len());
                best.offer(self.candidate(chosen, member.slot, What::Net(member.rule), &consequence, specific));
            }
        }
    }

    fn candidate(&self, chosen: &Chosen, slot: u16, what: What, consequence: &Consequence, specific: u32) -> Candidate {
        let list = &self.slots[usize::from(slot)];
        let effect = list.effect(consequence.act);
        let rank = u32::from(consequence.important) << 31
            | specific << 17
            | u32::from(matches!(effect, ListEffect::Allow | ListEffect::Except)) << 16
            | u32::from(effect == ListEffect::Answer) << 15
            | u32::from(consequence.conditions.is_some()) << 14
            | (0xfff - u32::from(slot));
        let number = match what {
            What::Name { consequence, .. } => consequence,
            What::Loose(rule) | What::Net(rule) => rule,
        };
        let rank = u64::from(rank) << 32 | u64::from(u32::MAX - number);
        let zone = list.profile.zone.then(|| u32::MAX - chosen.zone_position(slot) as u32);
        Candidate { zone, rank, hit: ListHit { slot, what, effect, important: consequence.important } }
    }
}

struct Candidate {
    /// Higher for the zones that come first; `None`: the list is no zone.
    zone: Option<u32>,
    rank: u64,
    hit: ListHit,
}

/// The best rules so far.
#[derive(Default)]
struct Best {
    /// Zones from this one on up are not heard.
    behind: Option<u32>,
    zone: Option<Candidate>,
    block: Option<(u64, ListHit)>,
    allow: Option<(u64, ListHit)>,
    except: Option<(u64, ListHit)>,
}

impl Best {
    fn offer(&mut self, new: Candidate) {
        match new.zone {
            None => self.take(new.rank, new.hit),
            Some(zone) if self.behind.is_some_and(|behind| zone >= behind) => {}
            Some(zone) => {
                if self.zone.as_ref().is_none_or(|old| (Some(zone), new.rank) > (old.zone, old.rank)) {
                    self.zone = Some(new);
                }
            }
        }
    }

    fn take(&mut self, rank: u64, hit: ListHit) {
        let best = match hit.effect {
            ListEffect::Block | ListEffect::Answer => &mut self.block,
            ListEffect::Allow => &mut self.allow,
            ListEffect::Except => &mut self.except,
        };
        if best.is_none_or(|(old, _)| rank > old) {
            *best = Some((rank, hit));
        }
    }

    #[inline]
    fn hit(mut self) -> Option<ListHit> {
        if let Some(zone) = self.zone.take() {
            self.take(zone.rank, zone.hit);
        }
        let [block, allow, except] = [self.block, self.allow, self.except].map(|best| best.map(|(_, hit)| hit));
        let lets = allow.or(except);
        let important = |hit: Option<ListHit>| hit.is_some_and(|hit| hit.important);
        if important(block) && !important(allow) && !important(except) {
            return block;
        }
        lets.or(block)
    }
}

/// The name in lower case without its last dot. A dot within a label becomes an octet no pattern has.
pub(in crate::policy) fn text<'b>(name: Name<'_>, buffer: &'b mut [u8; 256]) -> &'b [u8] {
    let mut length = 0;
    for label in name.labels() {
        for &octet in label {
            buffer[length] = if octet == b'.' { 0 } else { octet };
            length += 1;
        }
        buffer[length] = b'.';
        length += 1;
    }
    &buffer[..length.saturating_sub(1)]
}
