//! What was asked before, for the detectors of policies.

use super::Plane;
use crate::{
    category::registrable,
    model::{Name, Timestamp},
    policy::{CompiledPolicy, Decision, NoTrace, Observer, Question, Snapshot, Trace, detect, evaluate},
    sightings::Sightings,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// The sightings as one question sees them.
struct Observing<'a> {
    sightings: &'a Sightings,
    client: IpAddr,
    at: Timestamp,
    /// The question is one, and remembered; else somebody only wants to know.
    remember: bool,
}

impl Observer for Observing<'_> {
    fn seen_hours(&self, domain: Name<'_>) -> Option<u32> {
        if self.remember { self.sightings.see(domain, self.at) } else { self.sightings.look(domain, self.at) }
    }

    fn tunnels(&self, question: &Question<'_>, domain: Name<'_>) -> bool {
        if self.remember {
            self.sightings.count(self.client, question.suffixes.name(), domain, self.at)
        } else {
            self.sightings.tunnels(self.client, domain, self.at)
        }
    }
}

impl Plane {
    /// Decides one question as a query's is, detectors included, by a policy of a snapshot that need not be the one in
    /// use. Nothing is remembered of it, and no client asks.
    pub fn decide(&self, snapshot: &Snapshot, policy: &Arc<CompiledPolicy>, question: &Question<'_>) -> Decision {
        let mut decision = evaluate(snapshot, policy, question, &*self.categories(), &mut NoTrace);
        let nobody = Ipv4Addr::UNSPECIFIED.into();
        self.observe(snapshot, policy, question, nobody, false, &mut decision, &mut NoTrace);
        decision
    }

    /// Lets the detectors of the policy look at a decided question, and remembers the domain where anybody's policy
    /// wants to know what is new. A policy without detectors, where nobody has any, pays for two comparisons.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "the hot path passes what it holds, without a struct built per query"
    )]
    pub(super) fn observe(
        &self,
        snapshot: &Snapshot,
        policy: &CompiledPolicy,
        question: &Question<'_>,
        client: IpAddr,
        remember: bool,
        decision: &mut Decision,
        trace: &mut impl Trace,
    ) {
        let detectors = &policy.filter.detectors;
        if remember
            && snapshot.watching > 0
            && !detectors.wants_newly_seen()
            && let Some(domain) = registrable(question.suffixes.name())
        {
            self.0.sightings.see(domain, question.at);
        }
        if detectors.is_off() {
            return;
        }
        let observing = Observing { sightings: &self.0.sightings, client, at: question.at, remember };
        detect(snapshot, policy, question, decision, &observing, trace);
    }
}
