//! What a change of a policy would do: names posted or recently asked for, decided by the policy as it is and as
//! it would be.
//!
//! Both are compiled by the same code that compiles what serves queries, in a world of their own that holds just
//! the rows that bear on this policy. Nothing is stored.

use super::{
    categories,
    policies::{self, At, named},
    policy_filter,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        filtering::Filtering,
        input::{Both, Flag, NameOrUrl, Number, choices},
        operation::operations,
        reply::{Object, Single},
        scope::{OfAccount, OfCustomer, Scope},
    },
    identify::{Client, Evidence},
    model::*,
    policy::{Decision, Question, Row, Snapshot, Suffixes, Verdict, World},
    publish::time_zones,
    rewrite::block_text,
    stats::AskedSums,
    store::Store,
    wire::parse_type,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, net::Ipv4Addr};

operations! {
    what_if {
        /// Tells what a change of a policy would newly block and newly allow.
        /// Tries the posted names, else what was asked under the policy in the last hours. Nothing is changed. Only the
        /// names asked for are looked at, not what they resolve to.
        POST "/policies/{policyid}/what-if" up to 2 MiB for [System, Sales, Msp, Customer]
            => what_if = what_if::<OfAccount>;
        /// Tells what a change of a customer's policy would newly block and newly allow.
        POST "/users/{id}/policies/{policyid}/what-if" up to 2 MiB for [System, Sales, Msp, Customer]
            => customer_what_if = what_if::<OfCustomer>;
    }
}

choices! {
    /// What an entry does.
    enum EntryWord {
        /// Lets the name through.
        Allow = "allow",
        /// Blocks it.
        Block = "block",
    }
}

/// An entry that the policy's own list would have.
#[derive(Debug, Deserialize, JsonSchema)]
struct Entry {
    /// The name.
    domain: NameOrUrl,
    /// Allow or block.
    action: EntryWord,
    /// Names below it too.
    #[serde(default)]
    subdomains: Option<Flag>,
}

/// What is to be tried.
#[derive(Deserialize, JsonSchema)]
struct Trial {
    /// Names to try, at most 10,000; without any, what was asked for.
    #[serde(default)]
    #[schemars(length(max = 10_000))]
    names: Option<Vec<NameOrUrl>>,
    /// The type posted names are asked with; A where it is absent.
    #[serde(default)]
    r#type: Option<String>,
    /// Hours of the query log to replay; 24 where it is absent.
    #[serde(default)]
    hours: Option<Number<1, 168>>,
    /// Fields of the policy, as in a change of it.
    #[serde(default)]
    settings: Option<policies::Settings>,
    /// Its level.
    #[serde(default)]
    level: Option<policies::LevelWord>,
    /// Categories one by one, as in a change of them.
    #[serde(default)]
    #[schemars(length(max = 64))]
    categories: Option<Vec<categories::Listed>>,
    /// Sections of the filter, as in a change of it.
    #[serde(default)]
    filter: Option<policy_filter::Change>,
    /// Entries the policy's list would have besides, or instead of those for the same name; at most 1,000.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    entries: Option<Vec<Entry>>,
    /// Rows to show of either kind, 100 where it is absent.
    #[serde(default)]
    rows: Option<Number<0, 1_000>>,
}

/// How a name is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Shown {
    /// `allowed`, `blocked` or `local`.
    verdict: &'static str,
    /// The step of the decision order.
    step: u8,
    /// Why it is blocked.
    reason: String,
}

/// A name that is decided otherwise.
#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    name: String,
    r#type: String,
    /// How often it was asked for; 1 for posted names.
    queries: u64,
    /// As it is.
    before: Shown,
    /// As it would be.
    after: Shown,
}

/// Names that are decided otherwise in one way.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Kind {
    /// Different names and types.
    names: u64,
    /// Queries.
    queries: u64,
    /// The most asked first.
    rows: Vec<Changed>,
}

/// What the change would do.
#[derive(Debug, Serialize, JsonSchema)]
struct WhatIf {
    policyid: u32,
    /// `posted` or `log`.
    source: &'static str,
    /// Different names and types that were tried.
    tried: usize,
    /// Queries they stand for.
    queries: u64,
    /// Queries of the log that were not tried, because there were too many different ones.
    left_out: u64,
    /// Now allowed, then blocked.
    newly_blocked: Kind,
    /// Now blocked, then allowed.
    newly_allowed: Kind,
    /// Allowed or blocked as now, but otherwise: another reason, another answer.
    otherwise: Kind,
}

impl Object for WhatIf {
    fn object(&self) -> &'static str {
        "what_if"
    }
}

/// Names that are posted at most.
const NAMES_MAX: usize = 10_000;
/// Entries a trial adds at most.
const ENTRIES_MAX: usize = 1_000;

async fn what_if<S: Scope>(call: Call<S>, Both(at, trial): Both<At, Trial>) -> Result<Single<WhatIf>, ApiError> {
    let policy = named(&call.view, at.policyid)?.value;
    let id = policy.id.0;
    let changed = changed_policy(&call, &trial, &policy)?;
    let filter = changed_filter(&call, &trial, &policy)?;
    let entries = new_entries(&call, &trial, &policy)?;
    let (questions, sums, source) = questions(&call, &trial, &policy).await?;
    let rows = trial.rows.map_or(100, |rows| rows.0 as usize);

    let (store, presets) = (call.store().clone(), *call.presets());
    let filtering = call.services().filtering.clone();
    let now = call.now;
    let (blocked, allowed, otherwise) = tokio::task::spawn_blocking(move || {
        let live = filtering.snapshot();
        let mut world = World::new(live.key, presets);
        world.set_zones(time_zones());
        world.set_like(&live);
        furnish(&mut world, &store, &policy);
        let before = world.snapshot(live.revision);
        world.upsert(Some(&Row::Policy(policy.clone())), &Row::Policy(changed));
        if let Some(filter) = filter {
            world.upsert(None, &Row::Filter(filter));
        }
        for entry in entries {
            world.upsert(None, &Row::Entry(entry));
        }
        let after = world.snapshot(live.revision);
        compare(&*filtering, (&before, &after), &policy, questions, now, rows)
    })
    .await
    .map_err(ApiError::internal)?;

    let reply = WhatIf {
        policyid: id,
        source,
        tried: sums.1,
        queries: sums.0,
        left_out: sums.2,
        newly_blocked: blocked,
        newly_allowed: allowed,
        otherwise,
    };
    Ok(Single::new(reply))
}

/// The policy, so that its blocks tell their reason.
fn told(mut policy: Policy) -> Policy {
    policy.settings.block_text = Some(true);
    policy
}

/// The policy as it would be.
fn changed_policy<S>(call: &Call<S>, trial: &Trial, policy: &Policy) -> Result<Policy, ApiError> {
    let mut changed = told(policy.clone());
    if let Some(settings) = &trial.settings {
        settings.apply(&mut changed.settings);
    }
    if let Some(level) = trial.level {
        policies::set_level(&mut changed.settings, level.into(), call.presets());
    }
    for (index, listed) in trial.categories.iter().flatten().enumerate() {
        let field = |error: ApiError| ApiError::field(&format!("categories[{index}]"), error.message());
        categories::apply_listed(&mut changed.settings, listed, call.presets()).map_err(field)?;
    }
    Ok(changed)
}

/// The policy's filter as it would be; `None` where it stays.
fn changed_filter<S>(call: &Call<S>, trial: &Trial, policy: &Policy) -> Result<Option<PolicyFilter>, ApiError> {
    let Some(change) = &trial.filter else { return Ok(None) };
    let mut settings = policy_filter::own_settings(&call.view, policy.id);
    change.apply(&mut settings, policy, &call.view, &call.services().resolver, call.now)?;
    Ok(Some(PolicyFilter { policy: policy.id, owner: policy.owner, settings, updated: call.now }))
}

/// The entries that the policy's list would have besides.
fn new_entries<S>(call: &Call<S>, trial: &Trial, policy: &Policy) -> Result<Vec<ListEntry>, ApiError> {
    let entries = trial.entries.as_deref().unwrap_or_default();
    if entries.len() > ENTRIES_MAX {
        return Err(ApiError::field("entries", format!("must have at most {ENTRIES_MAX} entries")));
    }
    let entry = |entry: &Entry| ListEntry {
        id: EntryId(ID_MAX),
        owner: policy.owner,
        list: ListId::Policy(policy.id),
        action: if matches!(entry.action, EntryWord::Allow) { Action::Allow } else { Action::Block },
        domain: entry.domain.0.clone(),
        subdomains: entry.subdomains.is_some_and(|flag| flag.0),
        log_requests: true,
        comment: String::new(),
        expires: None,
        created: call.now,
    };
    Ok(entries.iter().map(entry).collect())
}

/// A question and how often it was asked.
type Asked = (DomainName, u16, u64);

/// What is tried: the questions, (queries, different ones, queries left out), and where they come from.
async fn questions<S>(
    call: &Call<S>,
    trial: &Trial,
    policy: &Policy,
) -> Result<(Vec<Asked>, (u64, usize, u64), &'static str), ApiError> {
    let qtype = match &trial.r#type {
        None => crate::wire::rtype::A,
        Some(text) => parse_type(text).ok_or_else(|| ApiError::field("type", "is no record type"))?,
    };
    if let Some(names) = &trial.names {
        if names.len() > NAMES_MAX {
            return Err(ApiError::field("names", format!("must have at most {NAMES_MAX} entries")));
        }
        let questions: Vec<Asked> = names.iter().map(|name| (name.0.clone(), qtype, 1)).collect();
        let count = questions.len();
        return Ok((questions, (count as u64, count, 0), "posted"));
    }
    let Account::Customer(customer) = policy.owner else {
        return Err(ApiError::field("names", "is required: queries are logged for customers' policies only"));
    };
    let hours = trial.hours.as_ref().map_or(24, |hours| hours.0);
    let span = (Timestamp(call.now.0 - hours * 3_600), call.now);
    let AskedSums { queries, questions, left_out } = call.services().stats.asked(customer, policy.id, span).await?;
    let questions: Vec<Asked> = questions
        .into_iter()
        .filter_map(|(asked, times)| Some((DomainName::from_text(&asked.name).ok()?, parse_type(&asked.qtype)?, times)))
        .collect();
    let count = questions.len();
    Ok((questions, (queries, count, left_out), "log"))
}

/// Puts the rows that bear on a policy into a world.
fn furnish(world: &mut World, store: &Store, policy: &Policy) {
    let customer = match policy.owner {
        Account::Customer(id) => store.find::<Customer>(id.0).map(|row| row.value),
        _ => None,
    };
    let msp = match policy.owner {
        Account::Msp(id) => Some(id),
        _ => customer.as_ref().and_then(|customer| customer.msp),
    };
    if let Some(msp) = msp.and_then(|id| store.find::<Msp>(id.0)) {
        world.upsert(None, &Row::Msp(msp.value));
    }
    if let Some(customer) = &customer {
        world.upsert(None, &Row::Customer(customer.clone()));
    }
    let mut accounts = vec![Account::System];
    accounts.extend(msp.map(Account::Msp));
    accounts.extend(customer.map(|customer| Account::Customer(customer.id)));
    for account in accounts {
        for row in store.rows::<Policy>(account).filter(|row| row.value.is_default || row.value.id == policy.id) {
            let id = row.value.id.0;
            for entry in store.rows_under::<ListEntry>(account, id) {
                world.upsert(None, &Row::Entry(entry.value));
            }
            for record in store.rows_under::<LocalRecord>(account, id) {
                world.upsert(None, &Row::Record(record.value));
            }
            if let Some(filter) = store.find::<PolicyFilter>(id) {
                world.upsert(None, &Row::Filter(filter.value));
            }
            world.upsert(None, &Row::Policy(told(row.value)));
        }
        if !matches!(account, Account::Customer(_)) {
            for entry in store.rows_under::<ListEntry>(account, 0) {
                world.upsert(None, &Row::Entry(entry.value));
            }
        }
        for row in store.rows::<ListSource>(account) {
            world.upsert(None, &Row::Source(row.value));
        }
        for row in store.rows::<Recategorisation>(account) {
            world.upsert(None, &Row::Recategorisation(row.value));
        }
    }
}

/// Decides every question twice and keeps what differs.
fn compare(
    filtering: &dyn Filtering,
    (before, after): (&Snapshot, &Snapshot),
    policy: &Policy,
    questions: Vec<Asked>,
    now: Timestamp,
    rows: usize,
) -> (Kind, Kind, Kind) {
    let mut kinds = (Kind::default(), Kind::default(), Kind::default());
    let customer = match policy.owner {
        Account::Customer(id) => id,
        _ => CustomerId(0),
    };
    let client = Client {
        customer,
        location: None,
        device: None,
        user: None,
        policy: Some(policy.id),
        evidence: Evidence::Supposed { address: Ipv4Addr::UNSPECIFIED.into() },
    };
    for (name, qtype, queries) in questions {
        let suffixes = Suffixes::new(name.as_name(), before.key);
        let question = Question { suffixes: &suffixes, qtype, client: &client, at: now, stream: false };
        let decide = |snapshot: &Snapshot| -> Option<(Decision, String)> {
            let policy = snapshot.policies.get(policy.id.0)?;
            let decision = filtering.decide(snapshot, policy, &question);
            let mut reason = String::new();
            if decision.verdict == Verdict::Block {
                _ = block_text(&mut reason, policy, &decision);
            }
            Some((decision, reason))
        };
        let (Some(now), Some(then)) = (decide(before), decide(after)) else { continue };
        let is_blocked = |(decision, _): &(Decision, String)| decision.verdict == Verdict::Block;
        let kind = match (is_blocked(&now), is_blocked(&then)) {
            (false, true) => &mut kinds.0,
            (true, false) => &mut kinds.1,
            _ if (now.0.verdict, now.0.cause) != (then.0.verdict, then.0.cause) => &mut kinds.2,
            _ => continue,
        };
        kind.names += 1;
        kind.queries += queries;
        kind.rows.push(Changed {
            name: name.to_string(),
            r#type: crate::wire::TypeName(qtype).to_string(),
            queries,
            before: shown(now),
            after: shown(then),
        });
        if kind.rows.len() >= 2 * rows.max(500) {
            cut(kind, rows);
        }
    }
    for kind in [&mut kinds.0, &mut kinds.1, &mut kinds.2] {
        cut(kind, rows);
    }
    kinds
}

/// Keeps the most asked.
fn cut(kind: &mut Kind, rows: usize) {
    kind.rows.sort_by(|a, b| (Reverse(a.queries), &a.name).cmp(&(Reverse(b.queries), &b.name)));
    kind.rows.truncate(rows);
}

fn shown((decision, reason): (Decision, String)) -> Shown {
    let verdict = match decision.verdict {
        Verdict::Allow => "allowed",
        Verdict::Block => "blocked",
        Verdict::Own(_) | Verdict::Rewrite(_) => "local",
    };
    Shown { verdict, step: decision.step(), reason }
}
