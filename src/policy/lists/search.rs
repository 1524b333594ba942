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
//! Within 3 and 5 an answer comes before a block, however specific that is. Otherwise a more specific rule comes first: a
//! longer name, the name itself before those with what is below it, a pattern last; then, of answers, an alias before a
//! response code, that before records; a rule with conditions before one without, the lower id of the list, the rule the
//! list has first.
//!
//! An exception cancels what blocks, not what allows: where an allow list has the name too, the hit is the allow list's.
//! An exception from answers (`@@…$dnsrewrite`) takes away all answers that are not important, an important one all,
//! and leaves the blocks.

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

/// What is looked up, hashed under the [`key`](ListTable::key) of the table.
#[derive(Clone, Copy)]
pub enum Sought<'a> {
    /// A name that is asked for: rules about it and about the client's address decide.
    Question(&'a Suffixes<'a>),
    /// A name that an answer leads to. Rules about the client's address decided about the question already; the type that goes
    /// with it is that of the record.
    Target(&'a Suffixes<'a>),
    /// The name of a server that an answer comes from.
    NameServer(&'a Suffixes<'a>),
}

impl ListTable {
    /// The rule that decides about a question. Several selections count as one; zones of the first come first.
    #[inline]
    pub fn find<'s>(
        &self,
        lists: impl IntoIterator<Item = &'s ListSelection> + Clone,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        self.find_for(lists, Sought::Question(suffixes), qtype, who)
    }

    /// The rule that decides about what is looked up.
    #[inline]
    pub fn find_for<'s>(
        &self,
        lists: impl IntoIterator<Item = &'s ListSelection> + Clone,
        sought: Sought<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        self.best(lists, who.stream, |chosen, best| self.offer(chosen, sought, qtype, who, best))
    }

    /// The rule that decides about an address, of the trigger's kind; `stream` as in [`Who::stream`].
    pub fn find_address<'s>(
        &self,
        lists: impl IntoIterator<Item = &'s ListSelection> + Clone,
        trigger: AddressTrigger,
        address: IpAddr,
        stream: bool,
    ) -> Option<ListHit> {
        self.best(lists, stream, |chosen, best| self.offer_addresses(chosen, trigger, address, best))
    }

    /// What the policy's disabled zones would have decided: for the log, not for the answer.
    pub fn find_noted<'s>(
        &self,
        lists: impl IntoIterator<Item = &'s ListSelection> + Clone,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        who: &Who<'_>,
    ) -> Option<ListHit> {
        self.best(lists, false, |chosen, best| {
            if let Some(noted) = &chosen.noted {
                self.offer(noted, Sought::Question(suffixes), qtype, who, best);
            }
        })
    }

    /// The best of what is offered for each selection. Over a connection, a zone whose rule asks for one (`tcp-only`)
    /// says nothing else, as if it did not have the name; the zones behind it and the other lists are heard.
    #[inline]
    fn best<'s>(
        &self,
        lists: impl IntoIterator<Item = &'s ListSelection> + Clone,
        stream: bool,
        mut offer: impl FnMut(&Chosen, &mut Best),
    ) -> Option<ListHit> {
        let mut silent = Vec::new();
        loop {
            let mut best = Best { silent, ..Best::default() };
            for chosen in lists.clone().into_iter().filter_map(|selection| selection.0.as_deref()) {
                if Arc::ptr_eq(&chosen.table, self.token()) {
                    offer(chosen, &mut best);
                } else if let Some(again) = self.select(&chosen.ids).0.as_deref() {
                    offer(again, &mut best);
                }
                // What selections have in common comes first in each: a later one finds no zone ahead of this one.
                best.zone_found = best.zone.is_some();
            }
            silent = std::mem::take(&mut best.silent);
            let hit = best.hit()?;
            let zone = self.slots[usize::from(hit.slot)].profile.zone;
            if !stream || !zone || !matches!(self.answer(hit), Some(FixedAnswer::Truncate)) {
                return Some(hit);
            }
            // Ends, since each round hears fewer zones.
            silent.push(hit.slot);
        }
    }

    #[inline]
    fn offer(&self, chosen: &Chosen, sought: Sought<'_>, qtype: u16, who: &Who<'_>, best: &mut Best) {
        match sought {
            Sought::Question(suffixes) => {
                if chosen.has.client_nets {
                    self.offer_addresses(chosen, AddressTrigger::Client, who.address, best);
                }
                self.offer_names(chosen, suffixes, qtype, who, false, best);
            }
            Sought::Target(suffixes) => self.offer_names(chosen, suffixes, qtype, who, false, best),
            Sought::NameServer(suffixes) if chosen.has.servers => {
                self.offer_names(chosen, suffixes, qtype, who, true, best);
            }
            Sought::NameServer(_) => {}
        }
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
                        self.candidate(chosen, member.slot, what, consequence, specific, best);
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
                    self.candidate(chosen, waiting.slot, What::Loose(waiting.rule), consequence, 0, best);
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
                self.candidate(chosen, member.slot, What::Net(member.rule), &consequence, specific, best);
            }
        }
    }

    /// Offers a rule that matches.
    fn candidate(
        &self,
        chosen: &Chosen,
        slot: u16,
        what: What,
        consequence: &Consequence,
        specific: u32,
        best: &mut Best,
    ) {
        let list = &self.slots[usize::from(slot)];
        if list.takes_answers_away(consequence.act) {
            best.no_answer = best.no_answer.max(Some(consequence.important));
            return;
        }
        let effect = list.effect(consequence.act);
        let hit = ListHit { slot, what, effect, important: consequence.important };
        let answers = effect == ListEffect::Answer;
        let rank = u32::from(consequence.important) << 31
            | u32::from(answers) << 30
            | specific << 16
            | if answers { weight(self.answer(hit)) << 14 } else { 0 }
            | u32::from(consequence.conditions.is_some()) << 13
            | (0xfff - u32::from(slot));
        let number = match what {
            What::Name { consequence, .. } => consequence,
            What::Loose(rule) | What::Net(rule) => rule,
        };
        let rank = u64::from(rank) << 32 | u64::from(u32::MAX - number);
        if list.profile.zone {
            let lets = matches!(effect, ListEffect::Allow | ListEffect::Except);
            let place = u32::MAX - chosen.zone_position(slot) as u32;
            best.offer_zone(Candidate { place: (place, specific, lets), rank, hit });
        } else {
            best.take(rank, hit);
        }
    }
}

/// Which of several answers for a name is given: an alias before a response code, that before records.
fn weight(answer: Option<&FixedAnswer>) -> u32 {
    match answer {
        Some(FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_)) => 3,
        Some(FixedAnswer::Records(_) | FixedAnswer::Null) => 1,
        None | Some(FixedAnswer::NoData) => 0,
        Some(_) => 2,
    }
}

/// A rule of a zone.
struct Candidate {
    /// Higher for the zones that come first; how specific the rule is; whether it lets through.
    place: (u32, u32, bool),
    rank: u64,
    hit: ListHit,
}

/// The best rules so far.
#[derive(Default)]
struct Best {
    /// Zones that are not heard.
    silent: Vec<u16>,
    zone: Option<Candidate>,
    /// An earlier selection found `zone`.
    zone_found: bool,
    block: Option<(u64, ListHit)>,
    answer: Option<(u64, ListHit)>,
    /// Kept beside `answer` because an exception may take away the others.
    important_answer: Option<(u64, ListHit)>,
    allow: Option<(u64, ListHit)>,
    except: Option<(u64, ListHit)>,
    /// There is an exception from answers; whether it is important.
    no_answer: Option<bool>,
}

impl Best {
    fn offer_zone(&mut self, new: Candidate) {
        let heard = !self.zone_found && !self.silent.contains(&new.hit.slot);
        if heard && self.zone.as_ref().is_none_or(|old| (new.place, new.rank) > (old.place, old.rank)) {
            self.zone = Some(new);
        }
    }

    fn take(&mut self, rank: u64, hit: ListHit) {
        let best = match hit.effect {
            ListEffect::Block => &mut self.block,
            ListEffect::Answer if hit.important => &mut self.important_answer,
            ListEffect::Answer => &mut self.answer,
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
        if let Some(important) = self.no_answer {
            self.answer = None;
            self.important_answer = self.important_answer.filter(|_| !important);
        }
        let blocks = [self.block, self.answer, self.important_answer];
        let block = blocks.into_iter().flatten().max_by_key(|(rank, _)| *rank);
        let [block, allow, except] = [block, self.allow, self.except].map(|best| best.map(|(_, hit)| hit));
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
