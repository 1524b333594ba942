//! From compiled lists to one table.

use super::{
    compiled::CompiledList,
    patterns::Patterns,
    runs::{Interner, Runs},
    table::{LISTS_MAX, ListProfile, ListTable, Member, NetMember, Nets, Slot},
    union::{Union, UnionBuilder},
};
use crate::{
    identify::PrefixTable,
    model::{AddressTrigger, ListSourceId},
};
use std::{collections::HashMap, sync::Arc};

/// Names are put together a part at a time, by the high bits of their hashes: a part fits into the processor's cache.
const PART_BITS: u32 = 8;

impl ListTable {
    /// Builds a table of these lists, in any order. Besides the lists and the table it needs a few megabytes; the lists
    /// can be dropped afterwards. Costs about a fifth of a microsecond a name of a list.
    pub fn build(lists: impl IntoIterator<Item = (ListSourceId, ListProfile, Arc<CompiledList>)>) -> ListTable {
        let mut lists: Vec<_> = lists.into_iter().collect();
        lists.sort_by_key(|(id, ..)| *id);
        let key = lists.first().map(|(_, _, list)| list.key());
        let mut by_id = HashMap::new();
        let mut left_out = Vec::new();
        lists.retain(|(id, _, list)| {
            let fits = by_id.len() < LISTS_MAX && Some(list.key()) == key && !by_id.contains_key(id);
            if fits {
                by_id.insert(*id, by_id.len() as u16);
            } else {
                left_out.push(*id);
            }
            fits
        });
        let compiled: Vec<&CompiledList> = lists.iter().map(|(_, _, list)| &**list).collect();
        let (names, sets) = unite(&compiled);
        ListTable {
            key,
            token: Arc::new(()),
            by_id,
            left_out,
            names,
            sets,
            depths: compiled.iter().fold(0, |depths, list| depths | list.rules.written.depths),
            patterns: Patterns::new(compiled.iter().map(|list| &list.rules)),
            nets: [AddressTrigger::Client, AddressTrigger::Answer, AddressTrigger::NameServer]
                .map(|trigger| nets(&compiled, trigger)),
            slots: lists.into_iter().map(|(id, profile, list)| Slot::new(id, profile, list.rules.clone())).collect(),
        }
    }
}

/// The union of the names. Goes through them twice: once to number the sets of lists, once to put the names in, so that
/// the table is made in the size it keeps.
fn unite(lists: &[&CompiledList]) -> (Union, Runs<Member>) {
    let mut sets = Interner::default();
    let mut names = 0;
    each_name(lists, |_, set| {
        sets.number(set);
        names += 1;
    });
    let mut union = UnionBuilder::new(names, sets.runs().len());
    each_name(lists, |fingerprint, set| union.put(fingerprint, sets.number(set)));
    (union.finish(), sets.into_runs())
}

/// Calls `put` for each name in the order of hashes, with what the lists say of it.
fn each_name(lists: &[&CompiledList], mut put: impl FnMut(u64, &[Member])) {
    let mut cursors = vec![0; lists.len()];
    let mut part: Vec<(u64, Member)> = Vec::new();
    let mut set = Vec::new();
    for number in 0..1u64 << PART_BITS {
        part.clear();
        for (slot, (list, cursor)) in lists.iter().zip(&mut cursors).enumerate() {
            let start = *cursor;
            let within = |fingerprint: &u64| fingerprint >> (u64::BITS - PART_BITS) <= number;
            *cursor += list.fingerprints[start..].partition_point(within);
            part.extend(
                (start..*cursor).map(|index| {
                    (list.fingerprints[index], Member { slot: slot as u16, says: list.numbers.get(index) })
                }),
            );
        }
        part.sort_unstable();
        for run in part.chunk_by(|a, b| a.0 == b.0) {
            set.clear();
            set.extend(run.iter().map(|(_, member)| *member));
            put(run[0].0, &set);
        }
    }
}

fn nets(lists: &[&CompiledList], trigger: AddressTrigger) -> Nets {
    let mut all = Vec::new();
    for (slot, list) in lists.iter().enumerate() {
        for (number, rule) in list.rules.written.nets.iter().enumerate().filter(|(_, rule)| rule.trigger == trigger) {
            all.push((rule.net, NetMember { slot: slot as u16, rule: number as u32 }));
        }
    }
    all.sort_by_key(|(net, _)| *net);
    let mut nets = Nets { ranges: PrefixTable::default(), rules: Runs::default() };
    let mut members = Vec::new();
    for run in all.chunk_by(|a, b| a.0 == b.0) {
        members.clear();
        members.extend(run.iter().map(|(_, member)| *member));
        let number = nets.rules.push(&members);
        nets.ranges.insert(run[0].0, number);
    }
    nets
}
