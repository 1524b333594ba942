//! What is concluded of a name from our own data, where a policy asks for it.
//!
//! Two detectors look at the name alone: [`generated`](looks_generated) and [`look_alike`](Protected). Two need to
//! know what was asked before, and ask an [`Observer`]. Only names that nothing decided on come here (decision order,
//! step 7); those that the category data knows are judged by their categories, and by their likeness alone. What a
//! network needs to notice that it is a network is never pointed at.

mod generated;
mod look_alike;
mod near;
mod skeleton;

pub use generated::looks_generated;
pub use look_alike::{Likeness, Protected};

use super::{
    Cause, CompiledPolicy, Decision, Detector, Question, Snapshot, Step, Trace, Verdict, evaluate::is_protected,
};
use crate::{
    category::registrable,
    model::{DetectorAction, DetectorSettings, FilterMode, Name},
};
use std::sync::Arc;

/// Hours a domain counts as newly seen where a policy sets none.
const NEWLY_SEEN_HOURS: u16 = 24;

/// What was asked before.
pub trait Observer {
    /// Hours since the registrable domain was first asked for; `None` where it has been known for longer than anybody
    /// counts, or nothing can be said yet.
    fn seen_hours(&self, domain: Name<'_>) -> Option<u32>;
    /// Whether this client asks for more different long names below the registrable domain than people do.
    fn tunnels(&self, question: &Question<'_>, domain: Name<'_>) -> bool;
}

/// The detectors of a policy, compiled. Cheap to clone; policies with the same settings share one.
#[derive(Clone, Debug, Default)]
pub struct Detectors(Option<Arc<Compiled>>);

#[derive(Debug)]
struct Compiled {
    newly_seen: DetectorAction,
    newly_seen_hours: u32,
    look_alike: DetectorAction,
    protected: Protected,
    generated: DetectorAction,
    tunnelling: DetectorAction,
}

impl Detectors {
    /// Compiles the settings.
    pub fn new(settings: &DetectorSettings) -> Self {
        let compiled = Compiled {
            newly_seen: settings.newly_seen,
            newly_seen_hours: match settings.newly_seen_hours {
                0 => NEWLY_SEEN_HOURS.into(),
                hours => hours.into(),
            },
            look_alike: settings.look_alike,
            protected: Protected::new(&settings.protected),
            generated: settings.generated,
            tunnelling: settings.tunnelling,
        };
        let all = [compiled.newly_seen, compiled.look_alike, compiled.generated, compiled.tunnelling];
        let any = all.iter().any(|action| *action != DetectorAction::Off);
        Detectors(any.then(|| Arc::new(compiled)))
    }

    /// Whether none runs.
    #[inline]
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Whether one of them asks what was seen when.
    #[inline]
    pub fn is_timed(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|all| all.newly_seen != DetectorAction::Off || all.tunnelling != DetectorAction::Off)
    }

    /// Whether newly seen domains are wanted.
    pub fn wants_newly_seen(&self) -> bool {
        self.action(Detector::NewlySeen) != DetectorAction::Off
    }

    /// What happens to names this detector points at.
    pub fn action(&self, detector: Detector) -> DetectorAction {
        self.0.as_ref().map_or(DetectorAction::Off, |all| match detector {
            Detector::NewlySeen => all.newly_seen,
            Detector::LookAlike => all.look_alike,
            Detector::Generated => all.generated,
            Detector::Tunnelling => all.tunnelling,
        })
    }
}

/// Lets the policy's detectors look at a name that nothing decided on, and changes the decision where one of them
/// blocks or warns; what is only logged is noted in it. Of several that block, the order is that below.
///
/// 1. Look-alikes of protected names.
/// 2. Generated names.
/// 3. Newly seen domains.
/// 4. Tunnelling.
///
/// A decision that was made by another step than the last, and one on a network's own checks, stays as it is.
pub fn detect(
    snapshot: &Snapshot,
    policy: &CompiledPolicy,
    question: &Question<'_>,
    decision: &mut Decision,
    observer: &impl Observer,
    trace: &mut impl Trace,
) {
    let Some(all) = &policy.filter.detectors.0 else { return };
    let Cause::Default { all: categories } = decision.cause else { return };
    let name = question.suffixes.name();
    if decision.verdict != Verdict::Allow || is_protected(snapshot, question.suffixes) {
        return;
    }
    let Some(domain) = registrable(name) else { return };
    let known = !categories.is_empty();
    let runs = |action: DetectorAction| action != DetectorAction::Off;

    let mut found = [None; 4];
    if runs(all.look_alike)
        && let Some((likeness, protected)) = all.protected.likeness(name, domain)
    {
        let finding = || format!("{name} looks like {protected} ({likeness:?})");
        tell(trace, all.look_alike, finding);
        found[0] = Some((Detector::LookAlike, all.look_alike));
    }
    if runs(all.generated) && !known && domain.labels().next().is_some_and(looks_generated) {
        tell(trace, all.generated, || format!("{domain} looks generated"));
        found[1] = Some((Detector::Generated, all.generated));
    }
    // Whoever asks is heard of what was seen, whatever the others found: it is remembered by asking.
    if runs(all.newly_seen)
        && let Some(hours) = observer.seen_hours(domain)
        && hours < all.newly_seen_hours
        && !known
    {
        tell(trace, all.newly_seen, || format!("{domain} was first asked for {hours} hours ago"));
        found[2] = Some((Detector::NewlySeen, all.newly_seen));
    }
    if runs(all.tunnelling) && !known && observer.tunnels(question, domain) {
        tell(trace, all.tunnelling, || format!("too many different long names below {domain}"));
        found[3] = Some((Detector::Tunnelling, all.tunnelling));
    }

    let blocking =
        found.iter().flatten().find(|(_, action)| matches!(action, DetectorAction::Warn | DetectorAction::Block));
    if let Some((detector, _)) = blocking {
        decision.cause = Cause::Detected(*detector);
        if policy.filter.active(question.at).mode == FilterMode::Permissive {
            decision.spared = true;
        } else {
            decision.verdict = Verdict::Block;
        }
    }
    decision.noted = found.iter().flatten().map(|(detector, _)| *detector).next();
}

fn tell(trace: &mut impl Trace, action: DetectorAction, finding: impl FnOnce() -> String) {
    let decided = matches!(action, DetectorAction::Warn | DetectorAction::Block);
    trace.step(|| Step { number: 7, title: "detectors", finding: finding(), decided });
}
