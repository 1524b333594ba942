//! Step 5: the lists a policy subscribes to.

use super::{
    Active, CompiledPolicy, Decision, ListEffect, ListHit, ListSelection, Place, Question, Rewrite, Snapshot, Sought,
    Step, Suffixes, Trace, Verdict, Who,
};
use crate::model::{Account, AddressTrigger, FixedAnswer, ListSourceId};
use std::net::IpAddr;

/// A subscribed list as the query path sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledSource {
    /// Whose it is.
    pub owner: Account,
    /// Its name, for traces.
    pub name: String,
    /// It applies to every policy of the owner and below.
    pub everywhere: bool,
}

/// What a rule of a subscribed list does to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub list: ListSourceId,
    /// The list is the system's or an MSP's.
    pub operator: bool,
    /// The operator applies it to every policy.
    pub everywhere: bool,
    pub effect: ListEffect,
}

/// Who asks, as conditions of rules see it: by address alone, where no list asks for more.
fn who<'s>(snapshot: &'s Snapshot, policy: &CompiledPolicy, question: &Question<'_>) -> Who<'s> {
    let client = question.client;
    let who = Who { stream: question.stream, ..Who::at(client.address()) };
    if !policy.filter.some_list(ListSelection::asks_who) {
        return who;
    }
    let device = client.device.and_then(|id| snapshot.devices.get(id.0));
    let person = client.user.and_then(|id| snapshot.users.get(id.0));
    let location = client.location.and_then(|id| snapshot.locations.get(id.0));
    Who {
        names: [
            device.map(|device| &*device.name),
            person.map(|person| &*person.name),
            location.map(|location| location.name.as_str()),
        ],
        groups: person.map_or(&[], |person| &person.groups),
        ..who
    }
}

/// The rule that decides about a question, or about a name that an answer leads to (`target`), whatever it does.
pub fn rule_for(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    question: &Question<'_>,
    target: bool,
) -> Option<ListHit> {
    rule(snapshot, policy, &policy.filter.active(question.at), question, target)
}

/// Whether a rule of a subscribed list decided, and what it prescribes is a denial of the name: a block in other words.
pub fn denied_by_rule(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    question: &Question<'_>,
    decision: &Decision,
) -> bool {
    use FixedAnswer::{Alias, AliasBelow, Records, Truncate};
    matches!(decision.verdict, Verdict::Rewrite(Rewrite::Rule(_)))
        && rule_for(snapshot, policy, question, false)
            .and_then(|hit| snapshot.lists.answer(hit))
            .is_some_and(|answer| !matches!(answer, Records(_) | Alias(_) | AliasBelow(_) | Truncate))
}

fn rule(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
    target: bool,
) -> Option<ListHit> {
    let sought = if target { Sought::Target(question.suffixes) } else { Sought::Question(question.suffixes) };
    let (lists, who) = (policy.filter.lists_at(active), who(snapshot, policy, question));
    snapshot.lists.find_for(lists, sought, question.qtype, &who)
}

/// Whether an exception of a subscribed list lets the name through these lists: then they say nothing about what its
/// answer leads to either.
pub fn is_excepted(snapshot: &Snapshot, policy: &CompiledPolicy, question: &Question<'_>) -> bool {
    rule_for(snapshot, policy, question, false).is_some_and(|hit| hit.effect() == ListEffect::Except)
}

/// What decides about a question, or about a name that an answer leads to; `None` where nothing does, or nothing is left
/// after exceptions.
pub(super) fn search(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
    place: Place,
    protected: impl FnOnce() -> bool,
    trace: &mut impl Trace,
) -> Option<Found> {
    if place == Place::Excepted || !policy.filter.has_lists() {
        return None;
    }
    let hit = rule(snapshot, policy, active, question, place == Place::Led);
    let protected = hit.is_some() && protected();
    decide(snapshot, hit, question.suffixes, protected, trace)
}

/// The list of the policy whose rules are noted only, and has the name.
pub(super) fn noted(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
) -> Option<ListSourceId> {
    let (lists, who) = (policy.filter.lists_at(active), who(snapshot, policy, question));
    let hit = snapshot.lists.find_noted(lists, question.suffixes, question.qtype, &who)?;
    Some(snapshot.lists.source(hit))
}

/// What decides about an address of an answer, or of a name server.
pub(super) fn search_address(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
    trigger: AddressTrigger,
    address: IpAddr,
    trace: &mut impl Trace,
) -> Option<Found> {
    let hit = snapshot.lists.find_address(policy.filter.lists_at(active), trigger, address, question.stream);
    decide(snapshot, hit, question.suffixes, false, trace)
}

/// What decides about the name of a name server.
pub(super) fn search_name_server(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
    trace: &mut impl Trace,
) -> Option<Found> {
    let (lists, who) = (policy.filter.lists_at(active), who(snapshot, policy, question));
    let hit = snapshot.lists.find_for(lists, Sought::NameServer(question.suffixes), question.qtype, &who);
    decide(snapshot, hit, question.suffixes, false, trace)
}

fn decide(
    snapshot: &Snapshot,
    hit: Option<ListHit>,
    suffixes: &Suffixes<'_>,
    protected: bool,
    trace: &mut impl Trace,
) -> Option<Found> {
    let effect = hit.map(|hit| hit.effect());
    let spared = protected && matches!(effect, Some(ListEffect::Block | ListEffect::Answer));
    let decides = !spared && !matches!(effect, None | Some(ListEffect::Except));
    trace.step(|| Step {
        number: 5,
        title: "subscribed lists",
        finding: match hit {
            None => "no subscribed list has the name".into(),
            Some(hit) => {
                let list = snapshot.lists.source(hit);
                let name = snapshot.sources.get(list.0).map_or("", |source| source.name.as_str());
                let does = match hit.effect() {
                    _ if spared => "would block the name, which is protected,",
                    ListEffect::Block => "blocks",
                    ListEffect::Answer => "prescribes the answer",
                    ListEffect::Allow => "allows",
                    ListEffect::Except => "excepts it from subscribed lists",
                };
                format!("list {list} ({name}) {does} by {}", snapshot.lists.describe(hit, suffixes))
            }
        },
        decided: decides,
    });
    let hit = hit.filter(|_| decides)?;
    let list = snapshot.lists.source(hit);
    let source = snapshot.sources.get(list.0);
    Some(Found {
        list,
        operator: source.is_some_and(|source| !matches!(source.owner, Account::Customer(_))),
        everywhere: source.is_some_and(|source| source.everywhere),
        effect: hit.effect(),
    })
}
