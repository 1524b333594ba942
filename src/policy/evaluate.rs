//! One question, one policy, one answer.

use super::{
    Active, BypassGroup, Categorised, CompiledPolicy, ListEffect, ListMatch, ListSelection, OwnName, Snapshot, Step,
    Suffixes, Trace, categorise, hold, own, subscribed,
};
use crate::category::Catalogue;
use crate::identify::Client;
use crate::model::{
    Account, Action, AddressTrigger, CategorySet, EntryId, FilterMode, ListId, ListSourceId, LocalRecordId, Name,
    PolicyId, SearchLevel, Timestamp,
};
use std::{net::IpAddr, sync::Arc};

/// What is asked, by whom and when.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The name, hashed with the snapshot's key.
    pub suffixes: &'a Suffixes<'a>,
    /// The type.
    pub qtype: u16,
    /// Who asks.
    pub client: &'a Client,
    /// The moment; it need not be right where [`Snapshot::is_timed`] is false.
    pub at: Timestamp,
    /// It came over a connection: a rule that asks for one (RPZ's `tcp-only`) has nothing more to say.
    pub stream: bool,
}

/// What categories a name has: those of the name and of its parents down to the registrable
/// domain.
pub trait Categories {
    /// The union over the name and its ancestors.
    fn of(&self, name: Name<'_>) -> CategorySet;
    /// The same in two parts: what is said of ancestors of at most `labels` labels, and of longer ones.
    fn split(&self, name: Name<'_>, labels: usize) -> (CategorySet, CategorySet);
}

impl Categories for crate::category::Index {
    #[inline]
    fn of(&self, name: Name<'_>) -> CategorySet {
        self.categories(name).set
    }

    fn split(&self, name: Name<'_>, labels: usize) -> (CategorySet, CategorySet) {
        self.categories_around(name, labels)
    }
}

/// What is done with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Resolve it and give the answer.
    Allow,
    /// Give the policy's block answer.
    Block,
    /// Answer it here.
    Own(OwnName),
    /// Answer it as this says.
    Rewrite(Rewrite),
}

/// Where a prescribed answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Among the policy's local records.
    Record(LocalRecordId),
    /// In a rule of this subscribed list.
    Rule(ListSourceId),
    /// In a rule of this subscribed list about an address of an answer; [`Decision::target`] is its number there.
    Address(ListSourceId),
    /// In the table of search engines.
    Search {
        /// Number of the engine.
        engine: u8,
        /// How far it is held.
        level: SearchLevel,
    },
}

/// What points at a name from our own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// Its registrable domain was not asked for before.
    NewlySeen,
    /// It looks like a protected name.
    LookAlike,
    /// It looks generated.
    Generated,
    /// Too many different names are asked for below its registrable domain.
    Tunnelling,
}

impl Detector {
    /// Its name in logs and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Detector::NewlySeen => "newly_seen",
            Detector::LookAlike => "look_alike",
            Detector::Generated => "generated",
            Detector::Tunnelling => "tunnelling",
        }
    }
}

/// Why: the step that decided, with what matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Step 1: one of our own or a special name.
    OwnName,
    /// Step 4: an entry of an allow or block list.
    List {
        /// The list.
        list: ListId,
        /// It is the list of the customer's default policy, which the policy inherits.
        inherited: bool,
        /// The entry.
        entry: EntryId,
        /// Labels of the matching name, an ancestor of the question's.
        labels: u8,
    },
    /// Step 2: a local record of the policy.
    Record(LocalRecordId),
    /// Step 4: the policy's pause lets it through.
    Paused,
    /// Step 4: a service the policy blocks or allows, by its number in the table of services.
    Service(u16),
    /// Step 4: a keyword or regular expression of the policy, by its place among them.
    Word(u16),
    /// Step 4: a schedule blocks everything at this hour.
    Hours,
    /// Step 6: no list allows the name, and the policy lets through nothing else.
    NotAllowed,
    /// Step 7: a detector points at the name.
    Detected(Detector),
    /// Step 8: a search engine is held to its filtered results; it is blocked where it has none.
    SafeSearch {
        /// Its number in the table of engines.
        engine: u8,
        /// All categories the name has.
        all: CategorySet,
    },
    /// Step 9: an address of the answer.
    Address {
        /// It is private and the name public (rebinding); else it is on a list.
        rebinding: bool,
    },
    /// Step 5: a rule of a subscribed list.
    Subscribed {
        /// The list.
        list: ListSourceId,
        /// The list is the system's or an MSP's.
        operator: bool,
    },
    /// Step 6: categories.
    Category {
        /// The blocked ones among them.
        blocked: CategorySet,
        /// All the name has.
        all: CategorySet,
    },
    /// Step 7: the name has no category and the policy does not let such names through.
    Unclassified,
    /// Step 10: nothing decided before. The categories the name has come along.
    Default {
        /// All the name has.
        all: CategorySet,
    },
}

/// What was decided, by which policy and why. The reply, the log, the block page and `explain`
/// all speak from this one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// Why.
    pub cause: Cause,
    /// The policy that decided.
    pub policy: PolicyId,
    /// Whether the query may be logged and counted.
    pub log: bool,
    /// Set where the answer decided, not the question: which target of the answer, first is 0.
    pub target: Option<u8>,
    /// It would have been blocked, but the policy only tells of it; the verdict is to allow, the cause that of the
    /// block.
    pub spared: bool,
    /// A detector pointed at the name without deciding.
    pub noted: Option<Detector>,
    /// A zone whose rules are noted only has the name.
    pub noted_list: Option<ListSourceId>,
}

impl Decision {
    /// Whether a list, a service or a word let the name through, or the name is a host of this installation, or leads to
    /// a search engine's filtered host: then the answer is not looked at again.
    pub fn allowed_by_list(&self) -> bool {
        let searches = matches!(self.verdict, Verdict::Rewrite(Rewrite::Search { .. }));
        let allows = matches!(
            self.cause,
            Cause::OwnName | Cause::List { .. } | Cause::Service(_) | Cause::Word(_) | Cause::Subscribed { .. }
        );
        searches || self.verdict == Verdict::Allow && !self.spared && allows
    }

    /// Whether a list of the operator decided: of the system or the MSP.
    pub fn is_operators(&self) -> bool {
        matches!(
            self.cause,
            Cause::List { list: ListId::System | ListId::Msp(_), .. } | Cause::Subscribed { operator: true, .. }
        )
    }

    /// The step of section 3 that decided: 1, 2, 4 to 8, 9 (the answer was blocked) or 10.
    pub fn step(&self) -> u8 {
        match self.cause {
            _ if self.target.is_some() => 9,
            Cause::OwnName => 1,
            Cause::Record(_) => 2,
            Cause::List { .. } | Cause::Paused | Cause::Service(_) | Cause::Word(_) | Cause::Hours => 4,
            Cause::Subscribed { .. } => 5,
            Cause::Category { .. } | Cause::NotAllowed => 6,
            Cause::Unclassified | Cause::Detected(_) => 7,
            Cause::SafeSearch { .. } => 8,
            Cause::Address { .. } => 9,
            Cause::Default { .. } => 10,
        }
    }
}

/// Decides one question. The first step that decides, wins:
///
/// 1. **Own names**: DDR (`resolver.arpa`), `localhost`, `onion`, `invalid`, the self-test, and the canaries where
///    the policy blocks filter evasion. Hosts of this installation are resolved and pass as they are, unless a local
///    record says where they are.
/// 2. **Local records** of the policy.
/// 4. **Lists**, from the operator down: the system's global list, the MSP's list, the policy's own
///    list, then the list of the customer's default policy for each action the policy inherits. The
///    first list with a match decides. Inside one list the longest matching name wins; an allow and
///    a block of the same name: allow wins. `subdomains: false` matches the name alone, `true` the
///    name and everything below it. After them the services that the policy blocks or allows: the longest
///    matching name wins, of equal ones the allowed service.
/// 5. **Subscribed lists** of the policy and those that apply everywhere, by the priorities of all their rules
///    together ([`ListTable`](super::ListTable)). An exception ends this step and no more; a list that allows, decides.
///    Connectivity checks, time and certificate status pass. While a policy is paused, only lists that the operator
///    applies everywhere block.
/// 6. **Categories**: the union of the categories of the name and of its parents down to the
///    registrable domain, or those the nearest account put it into ([`categorise`]). Any blocked
///    category blocks. Connectivity checks, time and certificate status pass, and this installation's own
///    hosts. A policy that closes bypasses knows more names as anonymizers.
/// 7. **Unclassified**: no category at all: blocked where the policy says so.
/// 8. **Safe search**: a name of a search engine leads to the engine's filtered host, or is blocked where it has
///    none. What step 4 allowed stays as it is, but in a policy that lets through nothing else.
/// 9. **Resolve**, then look at the answer ([`inspect`](super::inspect)): [`evaluate_target`] for each name it leads to
///    (CNAME, DNAME, HTTPS, SVCB, MX, SRV, PTR and others), every address and hint against blocked networks,
///    private addresses of public names are removed. Where a rule prescribes the answer for an alias, the chain stays
///    up to that name and goes on as prescribed. The answer for a name that step 4 allowed is not looked at.
/// 10. **Allow.**
///
/// No step allocates.
///
/// A permissive policy decides in the same way and lets through what it would block: [`Decision::spared`].
pub fn evaluate(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    question: &Question<'_>,
    categories: &impl Categories,
    trace: &mut impl Trace,
) -> Decision {
    let suffixes = question.suffixes;
    let own = own::own_name(suffixes.name(), policy.filter.close_bypasses)
        .or_else(|| own::is_self_test(suffixes.name(), snapshot.self_test.as_ref()).then_some(OwnName::SelfTest));
    let own_host = own.is_none()
        && is_own_host(snapshot, suffixes)
        && (policy.records.is_empty() || policy.records.find(suffixes, question.qtype).is_none());
    trace.step(|| Step {
        number: 1,
        title: "own names",
        finding: match own {
            Some(own) => format!("{} is answered here: {own}", suffixes.name()),
            None if own_host => format!("{} is a host of this installation, which nothing takes away", suffixes.name()),
            None => "no own or special name".into(),
        },
        decided: own.is_some() || own_host,
    });
    if let Some(own) = own {
        return Decision::new(policy.id, Verdict::Own(own), Cause::OwnName);
    }
    if own_host {
        return Decision::new(policy.id, Verdict::Allow, Cause::OwnName);
    }
    if !policy.records.is_empty() {
        let record = policy.records.find(suffixes, question.qtype);
        trace.step(|| Step {
            number: 2,
            title: "local records",
            finding: match record {
                Some(record) => format!("record {} answers {}", record.id, record.name),
                None => "no record has the name".into(),
            },
            decided: record.is_some(),
        });
        if let Some(record) = record {
            return Decision::new(policy.id, Verdict::Rewrite(Rewrite::Record(record.id)), Cause::Record(record.id));
        }
    }
    let active = policy.filter.active(question.at);
    let mut decision = judge_spellings(snapshot, policy, &active, question, Place::Asked, categories, trace);
    if policy.filter.some_list(ListSelection::has_noted) {
        decision.noted_list = subscribed::noted(snapshot, policy, &active, question);
    }
    if !policy.filter.search.is_off() && decision.verdict == Verdict::Allow {
        hold::hold_search(snapshot, policy, &active, question, categories, &mut decision, trace);
    }
    decision.spare(&active);
    if decision.spared {
        let (number, finding) = (decision.step(), "the policy is permissive: it only tells of what it would block");
        trace.step(|| Step { number, title: "permissive", finding: finding.into(), decided: true });
    }
    decision
}

/// Where a name stands that is decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is asked for.
    Asked,
    /// An answer leads to it.
    Led,
    /// An answer leads to it, and a subscribed list excepts the name asked for: such lists say nothing about it.
    Excepted,
}

/// Decides one name that an answer leads to by steps 4 to 6: a block, or [`Rewrite::Rule`] where a rule prescribes
/// the answer for it. Unclassified targets pass: step 7 is about what was asked for; so do hosts of this installation.
/// A target that is a canary makes the whole answer one.
pub fn evaluate_target(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    target: &Question<'_>,
    (index, place): (u8, Place),
    categories: &impl Categories,
    trace: &mut impl Trace,
) -> Option<Decision> {
    let active = policy.filter.active(target.at);
    if policy.filter.close_bypasses && own::is_canary(target.suffixes.name()) {
        let canary = Decision::new(policy.id, Verdict::Own(OwnName::Canary), Cause::OwnName);
        return Some(Decision { target: Some(index), ..canary });
    }
    if is_own_host(snapshot, target.suffixes) {
        return None;
    }
    let mut decision = judge_spellings(snapshot, policy, &active, target, place, categories, trace);
    decision.target = Some(index);
    let blocks = matches!(decision.verdict, Verdict::Block | Verdict::Rewrite(_))
        && !matches!(decision.cause, Cause::Unclassified | Cause::NotAllowed | Cause::Hours | Cause::Detected(_));
    decision.spare(&active);
    blocks.then_some(decision)
}

impl Decision {
    /// A decision about the question itself, which may be logged.
    pub fn new(policy: PolicyId, verdict: Verdict, cause: Cause) -> Self {
        Decision { verdict, cause, policy, log: true, target: None, spared: false, noted: None, noted_list: None }
    }

    /// Lets a block through where the policy is permissive. The operator's lists stand.
    fn spare(&mut self, active: &Active) {
        let blocks = matches!(self.verdict, Verdict::Block | Verdict::Rewrite(Rewrite::Rule(_) | Rewrite::Address(_)));
        if active.mode == FilterMode::Permissive && blocks && !self.is_operators() {
            self.verdict = Verdict::Allow;
            self.spared = true;
        }
    }
}

/// Steps 4 to 10, for a name that passes once more for the name it may be taken for
/// ([`taken_for`](super::spelling::taken_for)).
fn judge_spellings(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    active: &Active,
    question: &Question<'_>,
    place: Place,
    categories: &impl Categories,
    trace: &mut impl Trace,
) -> Decision {
    let decision = judge(snapshot, policy, active, question, place, categories, trace);
    if decision.verdict != Verdict::Allow || decision.allowed_by_list() {
        return decision;
    }
    let Some(other) = super::spelling::taken_for(question.suffixes.name()) else { return decision };
    trace.step(|| Step {
        number: 4,
        title: "spelling",
        finding: format!("the name may be taken for {other}, which is looked at next"),
        decided: false,
    });
    let suffixes = Suffixes::new(other.as_name(), snapshot.key);
    let question = Question { suffixes: &suffixes, ..*question };
    let taken = judge(snapshot, policy, active, &question, place, categories, trace);
    match taken.verdict {
        // What is prescribed for the other name is no answer for this one.
        Verdict::Block | Verdict::Rewrite(_) => Decision { verdict: Verdict::Block, ..taken },
        Verdict::Allow | Verdict::Own(_) => decision,
    }
}

/// Steps 4 to 10.
fn judge(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    active: &Active,
    question: &Question<'_>,
    place: Place,
    categories: &impl Categories,
    trace: &mut impl Trace,
) -> Decision {
    let suffixes = question.suffixes;
    let decision = |verdict, cause| Decision::new(policy.id, verdict, cause);

    if let Some((list, inherited, found)) = search_lists(snapshot, policy, active, question, trace) {
        let verdict = match found.action {
            Action::Allow => Verdict::Allow,
            Action::Block => Verdict::Block,
        };
        let cause = Cause::List { list, inherited, entry: found.rule.entry, labels: found.labels };
        return Decision { log: found.rule.log, ..decision(verdict, cause) };
    }
    let protected = || is_protected(snapshot, suffixes);
    if active.paused {
        let found = subscribed::search(snapshot, policy, active, question, place, protected, trace);
        if let Some(found) = found.filter(|found| found.operator && found.everywhere) {
            return subscribed_decision(policy, found);
        }
        trace.step(|| Step { number: 4, title: "pause", finding: "the policy is paused".into(), decided: true });
        return decision(Verdict::Allow, Cause::Paused);
    }
    if active.block_all {
        let finding = "a schedule blocks everything at this hour".into();
        trace.step(|| Step { number: 4, title: "hours", finding, decided: true });
        return decision(Verdict::Block, Cause::Hours);
    }

    if let Some(found) = hold::search_services(snapshot, active, question, trace) {
        let verdict = match found.action {
            Action::Allow => Verdict::Allow,
            Action::Block => Verdict::Block,
        };
        return decision(verdict, Cause::Service(found.service));
    }
    if let Some((index, action)) = policy.filter.words.find(suffixes.name()) {
        let word = &policy.filter.words.rules()[index];
        trace.step(|| Step {
            number: 4,
            title: "words",
            finding: match action {
                Action::Allow => format!("word {:?} of the policy allows", word.text),
                Action::Block => format!("word {:?} of the policy blocks", word.text),
            },
            decided: true,
        });
        let verdict = if action == Action::Allow { Verdict::Allow } else { Verdict::Block };
        return decision(verdict, Cause::Word(index.min(usize::from(u16::MAX)) as u16));
    }

    if let Some(found) = subscribed::search(snapshot, policy, active, question, place, protected, trace) {
        return subscribed_decision(policy, found);
    }

    let account = policy.customer.map_or(Account::System, Account::Customer);
    let categorised = categorise(snapshot, account, suffixes, categories);
    let bypass = bypass(snapshot, policy, &categorised, suffixes);
    let (all, unwanted) = match bypass {
        Some(_) => (categorised.set.with(own::ANONYMIZER), active.blocked.with(own::ANONYMIZER)),
        None => (categorised.set, active.blocked),
    };
    let blocked = all.intersection(unwanted);
    let allow_only = active.mode == FilterMode::AllowOnly;
    let refuse = !blocked.is_empty() || all.is_empty() && !policy.allow_unclassified || allow_only;
    let protected = refuse && protected();
    trace.step(|| Step {
        number: 6,
        title: "categories",
        finding: match (all.is_empty(), blocked.is_empty(), protected) {
            (true, ..) => "the name has no category".into(),
            (false, false, false) if bypass.is_some() => {
                let group = bypass.map_or("", |group| group.name.as_str());
                format!("a known way around the filter ({group}), blocked: {}", names(blocked))
            }
            (false, true, _) => format!("{}, none of them blocked", told(&categorised, suffixes)),
            (false, false, false) => format!("{}, blocked: {}", told(&categorised, suffixes), names(blocked)),
            (false, false, true) => format!("{}, but the name is protected", told(&categorised, suffixes)),
        },
        decided: !blocked.is_empty() && !protected,
    });
    if !blocked.is_empty() && !protected {
        return decision(Verdict::Block, Cause::Category { blocked, all });
    }
    if allow_only && !protected {
        let finding = "the policy lets through only what a list allows".into();
        trace.step(|| Step { number: 6, title: "allow only", finding, decided: true });
        return decision(Verdict::Block, Cause::NotAllowed);
    }

    let unclassified = all.is_empty() && !policy.allow_unclassified && !protected;
    trace.step(|| Step {
        number: 7,
        title: "unclassified",
        finding: match (all.is_empty(), policy.allow_unclassified) {
            (false, _) => "the name has a category".into(),
            (true, true) => "the policy lets unclassified names through".into(),
            (true, false) if protected => "the name is protected".into(),
            (true, false) => "the policy blocks unclassified names".into(),
        },
        decided: unclassified,
    });
    if unclassified {
        return decision(Verdict::Block, Cause::Unclassified);
    }
    decision(Verdict::Allow, Cause::Default { all })
}

/// What a rule of a subscribed list comes to.
fn subscribed_decision(policy: &CompiledPolicy, found: subscribed::Found) -> Decision {
    let verdict = match found.effect {
        ListEffect::Allow => Verdict::Allow,
        ListEffect::Answer => Verdict::Rewrite(Rewrite::Rule(found.list)),
        ListEffect::Block | ListEffect::Except => Verdict::Block,
    };
    Decision::new(policy.id, verdict, Cause::Subscribed { list: found.list, operator: found.operator })
}

/// Decides about one address of an answer by the rules of subscribed lists about addresses (step 9): a block, or
/// [`Rewrite::Address`] where a rule prescribes the answer. `question` is about the name asked for.
pub fn evaluate_address(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    question: &Question<'_>,
    trigger: AddressTrigger,
    address: IpAddr,
    trace: &mut impl Trace,
) -> Option<Decision> {
    let active = policy.filter.active(question.at);
    let found = subscribed::search_address(snapshot, policy, &active, question, trigger, address, trace)?;
    let verdict = match found.effect {
        ListEffect::Answer if trigger == AddressTrigger::Answer => Verdict::Rewrite(Rewrite::Address(found.list)),
        _ => Verdict::Block,
    };
    blocked_by_answer(policy, found, &active, verdict)
}

/// Decides about the name of a name server that is responsible for an answer, by the rules of subscribed lists about
/// such names (step 9).
pub fn evaluate_name_server(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    server: &Question<'_>,
    trace: &mut impl Trace,
) -> Option<Decision> {
    let active = policy.filter.active(server.at);
    let found = subscribed::search_name_server(snapshot, policy, &active, server, trace)?;
    blocked_by_answer(policy, found, &active, Verdict::Block)
}

/// What an address or a name server of an answer deserves: these cannot allow.
fn blocked_by_answer(
    policy: &CompiledPolicy,
    found: subscribed::Found,
    active: &Active,
    verdict: Verdict,
) -> Option<Decision> {
    if found.effect == ListEffect::Allow || active.paused && !(found.operator && found.everywhere) {
        return None;
    }
    let mut decision = Decision { verdict, target: Some(0), ..subscribed_decision(policy, found) };
    decision.spare(active);
    Some(decision)
}

/// Whether the name is that of a host of this installation. What lies below one is protected only
/// ([`is_protected`]).
fn is_own_host(snapshot: &Snapshot, suffixes: &Suffixes<'_>) -> bool {
    !snapshot.own_hosts.is_empty() && snapshot.own_hosts.at(suffixes, suffixes.label_count()).is_some()
}

/// Whether no category, service or missing category may take the name away.
pub(super) fn is_protected(snapshot: &Snapshot, suffixes: &Suffixes<'_>) -> bool {
    own::is_protected(suffixes.name()) || snapshot.own_hosts.longest(suffixes).is_some()
}

/// The known way around the filter that the name is, where the policy closes them and no account has said what
/// the name is.
fn bypass(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    categorised: &Categorised,
    suffixes: &Suffixes<'_>,
) -> Option<&'static BypassGroup> {
    if !policy.filter.close_bypasses || categorised.by.is_some() {
        return None;
    }
    snapshot.known.bypass.find(suffixes)
}

/// Step 4: the first list with a match.
fn search_lists(
    snapshot: &Snapshot,
    policy: &Arc<CompiledPolicy>,
    active: &Active,
    question: &Question<'_>,
    trace: &mut impl Trace,
) -> Option<(ListId, bool, ListMatch)> {
    let (suffixes, at) = (question.suffixes, question.at);
    // In a pause only the operator's lists block.
    let block = !active.paused;
    let customer = policy.customer.and_then(|id| snapshot.customers.get(id.0));
    let msp = customer.and_then(|customer| customer.msp).and_then(|id| Some((id, snapshot.msps.get(id.0)?)));
    let default = customer
        .filter(|customer| customer.default_policy != policy.id && (policy.inherit_allow || policy.inherit_block))
        .and_then(|customer| snapshot.policies.get(customer.default_policy.0));

    let found = None
        .or_else(|| Some((ListId::System, false, snapshot.system_list.find(suffixes, true, true, at)?)))
        .or_else(|| msp.and_then(|(id, msp)| Some((ListId::Msp(id), false, msp.list.find(suffixes, true, true, at)?))))
        .or_else(|| {
            let found = policy.list.find(suffixes, true, block && active.own_block_list, at)?;
            Some((ListId::Policy(policy.id), false, found))
        })
        .or_else(|| {
            let default = default?;
            let found = default.list.find(suffixes, policy.inherit_allow, block && policy.inherit_block, at)?;
            Some((ListId::Policy(default.id), true, found))
        });
    trace.step(|| Step {
        number: 4,
        title: "lists",
        finding: match &found {
            Some((list, inherited, found)) => format!(
                "entry {} of {} {} {}{}",
                found.rule.entry,
                match list {
                    ListId::System => "the system's global list".to_owned(),
                    ListId::Msp(id) => format!("the list of MSP {id}"),
                    ListId::Policy(id) if *inherited => format!("the inherited list of default policy {id}"),
                    ListId::Policy(id) => format!("the list of policy {id}"),
                },
                match found.action {
                    Action::Allow => "allows",
                    Action::Block => "blocks",
                },
                suffixes.ancestor(found.labels as usize),
                if found.rule.subdomains { " and everything below it" } else { "" },
            ),
            None => "no list has the name".into(),
        },
        decided: found.is_some(),
    });
    found
}

/// The categories, and who put the name into them.
fn told(categorised: &Categorised, suffixes: &Suffixes<'_>) -> String {
    let categories = names(categorised.set);
    match categorised.by {
        None => format!("categories {categories}"),
        Some(by) => {
            let (account, name) = (by.account, suffixes.ancestor(usize::from(by.labels)));
            format!("categories {categories}, into which {account} put {name}")
        }
    }
}

fn names(set: CategorySet) -> String {
    Catalogue::get().names(set).collect::<Vec<_>>().join(", ")
}
