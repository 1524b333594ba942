//! What subscribed lists say of the name servers that an answer names.
//!
//! Name servers are those of the NS records that came along in the authority section; a resolver that forwards to
//! others seldom sees any, and their addresses it never does. So rules about name servers' names hold where the
//! answer tells them, and rules about their addresses do not.

use super::{
    Plane,
    reply::{Asked, Scene},
};
use crate::{
    policy::{Decision, ListSelection, Suffixes, Trace, evaluate_name_server, is_excepted},
    resolve::Answer,
    wire::{Sections, rtype},
};

impl Plane {
    /// The block that a name server of an answer deserves (decision order, section 3, step 9).
    pub(super) fn inspect_servers(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        answer: &Answer,
        trace: &mut impl Trace,
    ) -> Option<Decision> {
        if asked.decision.allowed_by_list() || !asked.policy.filter.some_list(ListSelection::has_name_servers) {
            return None;
        }
        let name = asked.query.name.name();
        let records = Sections::new(name, &answer.body, answer.counts[0].saturating_add(answer.counts[1]));
        let authority = records.skip(usize::from(answer.counts[0]));
        let mut servers = authority.filter(|record| record.rtype == rtype::NS).filter_map(|record| record.target());
        let found = servers.find_map(|server| {
            let suffixes = Suffixes::new(server.name(), scene.snapshot.key);
            evaluate_name_server(scene.snapshot, asked.policy, &asked.about(scene, &suffixes), trace)
        });
        let suffixes = Suffixes::new(name, scene.snapshot.key);
        found.filter(|_| !is_excepted(scene.snapshot, asked.policy, &asked.about(scene, &suffixes)))
    }
}
