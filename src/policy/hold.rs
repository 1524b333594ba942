//! The steps that look a name up among those this program knows: services and search engines.

use super::{
    Active, Categories, Cause, CompiledPolicy, Decision, Question, Rewrite, SearchEngines, ServiceMatch, Services,
    Snapshot, Step, Trace, Verdict, categorise, evaluate::is_protected, level_name,
};
use crate::model::{Account, Action, FilterMode};

/// Step 4, after the lists: the service that the name belongs to, where the policy says something of it.
pub(super) fn search_services(
    snapshot: &Snapshot,
    active: &Active,
    question: &Question<'_>,
    trace: &mut impl Trace,
) -> Option<ServiceMatch> {
    if active.services_blocked.is_empty() && active.services_allowed.is_empty() {
        return None;
    }
    let Question { suffixes, qtype, .. } = question;
    let found = snapshot.known.services.find(suffixes, *qtype, &active.services_blocked, &active.services_allowed);
    let protected = found.is_some_and(|found| found.action == Action::Block) && is_protected(snapshot, suffixes);
    trace.step(|| Step {
        number: 4,
        title: "services",
        finding: match &found {
            None => "the name belongs to no service the policy speaks of".into(),
            Some(found) => format!(
                "{} {} {}{}",
                suffixes.ancestor(usize::from(found.labels)),
                match found.action {
                    Action::Allow => "is allowed as part of the service",
                    Action::Block => "is blocked as part of the service",
                },
                Services::get().id_of(found.service),
                if protected { ", but the name is protected" } else { "" },
            ),
        },
        decided: found.is_some() && !protected,
    });
    found.filter(|_| !protected)
}

/// Step 8: holds a search engine to its filtered results, or blocks one that has none. What a list or a service
/// allows stays as it is, unless the policy lets through nothing else: there allowing a name only opens it.
pub(super) fn hold_search(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    active: &Active,
    question: &Question<'_>,
    categories: &impl Categories,
    decision: &mut Decision,
    trace: &mut impl Trace,
) {
    let allowed = match decision.cause {
        Cause::Default { .. } => false,
        Cause::Paused => return,
        _ => true,
    };
    let Some(held) = snapshot.known.search.held(&policy.filter.search, question.suffixes, question.qtype) else {
        return;
    };
    let stays = allowed && active.mode != FilterMode::AllowOnly;
    trace.step(|| {
        let engine = SearchEngines::get().by_number(held.engine);
        let (name, level) = (engine.map_or("", |engine| &engine.name), level_name(held.level));
        let finding = match (stays, held.blocked) {
            (true, _) => format!("conflict: {name} is to be held to {level}, but step 4 allows the name as it is"),
            (false, true) => format!("{name} has no filtered results and is blocked at level {level}"),
            (false, false) => format!("{name} is held to {level}"),
        };
        Step { number: 8, title: "safe search", finding, decided: !stays }
    });
    if stays {
        return;
    }
    let all = match decision.cause {
        Cause::Default { all } => all,
        _ => {
            let account = policy.customer.map_or(Account::System, Account::Customer);
            categorise(snapshot, account, question.suffixes, categories).set
        }
    };
    decision.cause = Cause::SafeSearch { engine: held.engine, all };
    decision.verdict = match held.blocked {
        true => Verdict::Block,
        false => Verdict::Rewrite(Rewrite::Search { engine: held.engine, level: held.level }),
    };
}
