//! Step 9: what an answer leads to.

use super::{
    Categories, Cause, CompiledPolicy, Decision, ListHit, ListSelection, NoTrace, Place, Question, Snapshot, Step,
    Suffixes, Trace, TraceSteps, Verdict, evaluate_address, evaluate_target, is_excepted, rule_for,
};
use crate::{
    identify::{Client, PrefixTable},
    model::{AddressTrigger, AnswerAction, AnswerSettings, DomainName, FilterMode, FixedAnswer, Name, Timestamp},
    wire::{Contents, Sections, carried_v4, is_private, rtype, translated_v4},
};
use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

/// What answers are searched for, compiled for the query path.
#[derive(Clone)]
pub struct CompiledAnswers {
    /// Names and addresses are looked at. Where not, the operator's lists still are.
    pub inspect: bool,
    /// What happens to what is found.
    pub action: AnswerAction,
    /// Blocked addresses; `None` for none.
    blocked: Option<Arc<PrefixTable<()>>>,
    /// Private addresses in answers for public names are removed.
    pub rebinding: bool,
    /// Names that may have private addresses.
    rebinding_allowed: Box<[DomainName]>,
    /// ECH configurations are removed.
    pub strip_ech: bool,
}

impl CompiledAnswers {
    /// Compiles the settings of a policy.
    pub fn new(settings: &AnswerSettings) -> Self {
        let mut blocked = PrefixTable::default();
        for net in &settings.blocked_nets {
            blocked.insert(*net, ());
        }
        CompiledAnswers {
            inspect: settings.inspect,
            action: settings.action,
            blocked: (!blocked.is_empty()).then(|| Arc::new(blocked)),
            rebinding: settings.rebinding,
            rebinding_allowed: settings.rebinding_allowed.clone().into(),
            strip_ech: settings.strip_ech,
        }
    }

    /// Whether private addresses may stand in the answer for `name`: it is no public one, or the policy lists it.
    fn may_be_private(&self, name: Name<'_>) -> bool {
        !is_public(name) || self.rebinding_allowed.iter().any(|listed| name.is_at_or_below(listed.as_name()))
    }
}

impl std::fmt::Debug for CompiledAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledAnswers")
            .field("inspect", &self.inspect)
            .field("action", &self.action)
            .field("blocked", &self.blocked.as_ref().map_or(0, |nets| nets.len()))
            .field("rebinding", &self.rebinding)
            .field("rebinding_allowed", &self.rebinding_allowed)
            .field("strip_ech", &self.strip_ech)
            .finish()
    }
}

/// Names of networks of their own, which nobody can have in public: RFC 6762 (section 3 and appendix G), RFC 8375,
/// ICANN's `internal`, and what routers call themselves.
static OWN_NETWORKS: LazyLock<[DomainName; 9]> = LazyLock::new(|| {
    ["home.arpa", "internal", "intranet", "private", "corp", "home", "lan", "local", "localdomain"]
        .map(|name| DomainName::from_text(name).expect("a name"))
});

/// Whether others could have made this name: not one of a single label, not one of a network of its own.
fn is_public(name: Name<'_>) -> bool {
    name.label_count() > 1 && !OWN_NETWORKS.iter().any(|network| name.is_at_or_below(network.as_name()))
}

/// An answer that may be given to a client.
#[derive(Clone, Copy)]
pub struct Resolved<'a> {
    /// The name asked for.
    pub name: Name<'a>,
    /// The type asked for.
    pub qtype: u16,
    /// Who asks.
    pub client: &'a Client,
    /// The moment; it need not be right where [`Snapshot::is_timed`] is false.
    pub at: Timestamp,
    /// What the answer leads to.
    pub contents: &'a Contents,
    /// The answer's sections, which `contents` was read from.
    pub octets: &'a [u8],
    /// It comes from a zone with upstreams of its own.
    pub forwarded: bool,
    /// The question came over a connection.
    pub stream: bool,
}

impl Resolved<'_> {
    /// The same question about another name.
    fn about<'q>(&'q self, suffixes: &'q Suffixes<'q>) -> Question<'q> {
        Question { suffixes, qtype: self.qtype, client: self.client, at: self.at, stream: self.stream }
    }
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// It is given as it is. With a decision: that would have blocked it, but the policy only tells of it.
    Untouched(Option<Decision>),
    /// The policy's block answer takes its place.
    Blocked(Decision),
    /// It ends at an alias whose target has an answer that a rule prescribes
    /// ([`Rewrite::Rule`](super::Rewrite)), or at the name whose address has one
    /// ([`Rewrite::Address`](super::Rewrite)); the decision's target says which of its names or addresses.
    Prescribed(Decision),
    /// It is given without some of what is in it.
    Changed {
        /// What removed the first record; `None` where nothing but ECH configurations is removed.
        decision: Option<Decision>,
        /// Numbers of the records to remove; one may come more than once.
        records: Vec<u16>,
        /// ECH configurations are removed.
        strip_ech: bool,
    },
}

/// Looks at the answer for a question that `decided` lets through: every name it leads to by [`evaluate_target`], every
/// address and hint against the policy's blocked networks, and private addresses of public names (rebinding).
///
/// - The answer for a name that a list, service or word allows (step 4) is not looked at, nor its addresses, nor ECH: it stays
///   as it is, octet for octet. That is how a policy lists a domain whose addresses are private, beside
///   its list of such names; names of zones with upstreams of their own need neither.
/// - A policy that does not look at answers still hears the operator's lists.
/// - Where an exception of a subscribed list (`@@`, passthru) lets the name asked for through these lists, they say nothing
///   about what its answer leads to either; other lists and categories do.
/// - Where a rule prescribes the answer for a name that an alias (CNAME) leads to, the answer ends there and goes on as
///   prescribed, whatever the policy's action. Other records that lead to such a name stay where addresses or another
///   name are prescribed, because whoever goes on asks for that name and is told; a service record with hints does not,
///   since nobody need ask, and nothing does where the prescription is a denial: these are findings like a block. So
///   are prescriptions for an answer's name servers.
/// - Where a rule prescribes the answer for an address, the answer ends at the name that has it, and goes on as
///   prescribed, whatever the policy's action.
/// - Private addresses are always removed, other findings as the policy's action says. One block is enough: nothing is
///   looked at behind it.
/// - A permissive policy only tells of the first finding, and leaves ECH. A pause ends all but the operator's lists.
///
/// Allocates for changed answers only.
pub fn inspect(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    decided: &Decision,
    resolved: &Resolved<'_>,
    categories: &impl Categories,
    trace: &mut impl Trace,
) -> Inspected {
    if decided.allowed_by_list() {
        trace.step(|| step("not looked at: the name is allowed as it is".into(), false));
        return Inspected::Untouched(None);
    }
    let settings = &policy.filter.answers;
    let active = policy.filter.active(resolved.at);
    let permissive = active.mode == FilterMode::Permissive;
    let mut findings = Findings { spared: None, removed: None, records: Vec::new() };
    let excepted = || is_excepted(snapshot, policy, &resolved.about(&Suffixes::new(resolved.name, snapshot.key)));

    for (index, (record, name)) in resolved.contents.leads().enumerate() {
        let suffixes = Suffixes::new(name, snapshot.key);
        let question = resolved.about(&suffixes);
        let index = index.min(u8::MAX as usize) as u8;
        let judge = |place| evaluate_target(snapshot, policy, &question, (index, place), categories, &mut NoTrace);
        let mut place = Place::Led;
        let mut found = judge(place);
        if found.as_ref().is_some_and(|found| matches!(found.cause, Cause::Subscribed { .. })) && excepted() {
            place = Place::Excepted;
            found = judge(place);
        }
        let found = found.filter(|found| settings.inspect || found.is_operators() || is_own(found));
        trace.step(|| {
            let mut steps = TraceSteps::default();
            evaluate_target(snapshot, policy, &question, (index, place), categories, &mut steps);
            let finding = match steps.0.pop() {
                Some(step) => step.finding,
                None if found.as_ref().is_some_and(is_own) => "a canary, which does not exist here".into(),
                None => "nothing blocks it".into(),
            };
            step(format!("leads to {name}: {finding}"), found.is_some_and(|found| !found.spared))
        });
        let Some(mut found) = found else { continue };
        if let Verdict::Rewrite(_) = found.verdict {
            match prescription(snapshot, policy, &question, resolved, record) {
                Prescription::Chain if findings.records.is_empty() => return Inspected::Prescribed(found),
                Prescription::Elsewhere => continue,
                Prescription::Chain | Prescription::Denial => found.verdict = Verdict::Block,
            }
        }
        if let Some(blocked) = findings.take(found, record, settings.action) {
            return Inspected::Blocked(blocked);
        }
    }

    if settings.inspect && !active.paused && settings.blocked.is_some() {
        for (record, address) in resolved.contents.addresses(resolved.octets) {
            let Some(cause) = blocked_address(policy, address) else { continue };
            trace.step(|| step(format!("address {address} is blocked"), !permissive));
            if let Some(blocked) = findings.take(finding(policy, cause, permissive), record, settings.action) {
                return Inspected::Blocked(blocked);
            }
        }
    }
    if policy.filter.some_list(ListSelection::has_answer_addresses) {
        let suffixes = Suffixes::new(resolved.name, snapshot.key);
        let question = resolved.about(&suffixes);
        for (index, (record, address)) in resolved.contents.addresses(resolved.octets).enumerate() {
            let judge =
                |address| evaluate_address(snapshot, policy, &question, AddressTrigger::Answer, address, &mut NoTrace);
            let heard = |found: &Decision| settings.inspect || found.is_operators();
            let Some(mut found) = reached(policy, address).filter_map(judge).find(heard) else { continue };
            if excepted() {
                break;
            }
            trace.step(|| step(format!("a subscribed list has address {address}"), !found.spared));
            if let Verdict::Rewrite(_) = found.verdict {
                match u8::try_from(index) {
                    Ok(index) if findings.records.is_empty() => {
                        return Inspected::Prescribed(Decision { target: Some(index), ..found });
                    }
                    _ => found.verdict = Verdict::Block,
                }
            }
            if let Some(blocked) = findings.take(found, record, settings.action) {
                return Inspected::Blocked(blocked);
            }
        }
    }

    let translates = policy.filter.resolving.dns64.is_some();
    let private =
        settings.rebinding && (resolved.contents.has_private() || translates) && !resolved.forwarded && !active.paused;
    if private && !settings.may_be_private(resolved.name) {
        for (record, address) in resolved.contents.addresses(resolved.octets) {
            if reached(policy, address).any(is_private) {
                trace.step(|| step(format!("address {address} is private, the name is public"), !permissive));
                let found = finding(policy, Cause::Address { rebinding: true }, permissive);
                findings.take(found, record, AnswerAction::Remove);
            }
        }
    }

    let strip_ech = settings.strip_ech && resolved.contents.has_ech() && !permissive;
    trace.step(|| {
        let (names, addresses) = (resolved.contents.lead_count(), resolved.contents.addresses(resolved.octets).count());
        let ech = if strip_ech { ", ECH removed" } else { "" };
        step(format!("resolved, {names} names and {addresses} addresses in it{ech}"), false)
    });
    if findings.records.is_empty() && !strip_ech {
        return Inspected::Untouched(findings.spared);
    }
    Inspected::Changed { decision: findings.removed.or(findings.spared), records: findings.records, strip_ech }
}

/// The rule of subscribed lists that decides about an address of an answer, whatever it does. `question` is about the
/// name the answer is for.
pub fn rule_for_address(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    question: &Question<'_>,
    address: IpAddr,
) -> Option<ListHit> {
    let active = policy.filter.active(question.at);
    reached(policy, address).find_map(|address| {
        let lists = policy.filter.lists_at(&active);
        snapshot.lists.find_address(lists, AddressTrigger::Answer, address, question.stream)
    })
}

/// What it comes to that the answer is prescribed for a name that a record leads to.
enum Prescription {
    /// The record is an alias.
    Chain,
    /// Whoever goes on to the name asks for it, and is told what is prescribed.
    Elsewhere,
    /// The name is taken away, or what the record says leads past it.
    Denial,
}

fn prescription(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    target: &Question<'_>,
    resolved: &Resolved<'_>,
    record: u16,
) -> Prescription {
    let records = Sections::new(resolved.name, resolved.octets, record.saturating_add(1));
    let number = records.last().map_or(0, |record| record.rtype);
    // Whoever asks for the alias itself does not go on by it.
    if matches!(number, rtype::CNAME | rtype::DNAME) && target.qtype != rtype::CNAME {
        return Prescription::Chain;
    }
    let hit = rule_for(snapshot, policy, target, true);
    let hints = || resolved.contents.addresses(resolved.octets).any(|(of, _)| of == record);
    match hit.and_then(|hit| snapshot.lists.answer(hit)) {
        Some(FixedAnswer::Truncate) => Prescription::Elsewhere,
        Some(FixedAnswer::Records(_) | FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_)) if !hints() => {
            Prescription::Elsewhere
        }
        _ => Prescription::Denial,
    }
}

/// An address and those it reaches: behind a translator, one of them that of the policy's DNS64, an IPv6 address leads
/// to the IPv4 address in it.
fn reached(policy: &CompiledPolicy, address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let (carried, translated) = match address {
        IpAddr::V6(v6) => {
            let prefix = policy.filter.resolving.dns64;
            (carried_v4(v6), prefix.and_then(|prefix| translated_v4(prefix, v6)))
        }
        IpAddr::V4(_) => (None, None),
    };
    let behind = carried.into_iter().chain(translated.filter(|v4| carried != Some(*v4)));
    std::iter::once(address).chain(behind.map(IpAddr::V4))
}

/// Why the policy itself blocks an address.
fn blocked_address(policy: &CompiledPolicy, address: IpAddr) -> Option<Cause> {
    let blocked = policy.filter.answers.blocked.as_ref()?;
    let found = reached(policy, address).any(|address| blocked.longest_match(address).is_some());
    found.then_some(Cause::Address { rebinding: false })
}

/// The decision about an address.
fn finding(policy: &CompiledPolicy, cause: Cause, permissive: bool) -> Decision {
    let verdict = if permissive { Verdict::Allow } else { Verdict::Block };
    Decision { spared: permissive, ..Decision::new(policy.id, verdict, cause) }
}

fn step(finding: String, decided: bool) -> Step {
    Step { number: 9, title: "answer", finding, decided }
}

/// Whether the whole answer becomes one of ours: a target is a canary.
fn is_own(found: &Decision) -> bool {
    matches!(found.verdict, Verdict::Own(_))
}

/// What was found so far.
struct Findings {
    spared: Option<Decision>,
    removed: Option<Decision>,
    records: Vec<u16>,
}

impl Findings {
    /// Takes a finding in; gives it back where it blocks the answer.
    fn take(&mut self, found: Decision, record: u16, action: AnswerAction) -> Option<Decision> {
        if found.spared {
            self.spared.get_or_insert(found);
            return None;
        }
        if action == AnswerAction::Block || is_own(&found) {
            return Some(found);
        }
        self.removed.get_or_insert(found);
        self.records.push(record);
        None
    }
}
