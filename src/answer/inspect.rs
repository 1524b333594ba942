//! Answers as a policy lets them through.

use super::{
    Plane,
    begin::moment,
    reply::{self, Asked, Scene, Text},
};
use crate::{
    model::Name,
    policy::{
        Cause, Decision, Inspected, NoTrace, Place, Resolved, Suffixes, Trace, Verdict, evaluate_target, inspect,
    },
    resolve::Answer,
    rewrite::{Remainder, Shape, block_ede, block_text, remove},
    telemetry::QueryVerdict,
    wire::{At, Body, Contents, Extras, ReplyWriter, rcode},
};
use std::{borrow::Cow, time::Instant};

/// What is taken out of an answer, and why.
pub(super) struct Removal<'a> {
    pub decision: Option<Decision>,
    pub records: &'a [u16],
    pub strip_ech: bool,
}

impl Plane {
    /// Looks at an answer (decision order, section 3, step 9).
    pub(super) fn inspect(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        answer: &Answer,
        trace: &mut impl Trace,
    ) -> Inspected {
        let resolved = resolved(scene, asked, asked.query.name.name(), answer, answer.forwarded);
        let found = inspect(scene.snapshot, asked.policy, &asked.decision, &resolved, scene.categories, trace);
        if matches!(found, Inspected::Blocked(_) | Inspected::Prescribed(_)) {
            return found;
        }
        match self.inspect_servers(scene, asked, answer, trace) {
            None => found,
            Some(server) if server.spared => match found {
                Inspected::Untouched(None) => Inspected::Untouched(Some(server)),
                found => found,
            },
            Some(server) => Inspected::Blocked(server),
        }
    }

    /// Looks at `alias`, a name that an answer of ours leads to: what decides that it may not be told.
    pub(super) fn judge_alias(&self, scene: &Scene<'_>, asked: &Asked<'_>, alias: Name<'_>) -> Option<Decision> {
        if asked.decision.allowed_by_list() {
            return None;
        }
        let suffixes = Suffixes::new(alias, scene.snapshot.key);
        let question = asked.about(scene, &suffixes);
        let found =
            evaluate_target(scene.snapshot, asked.policy, &question, (0, Place::Led), scene.categories, &mut NoTrace);
        let inspects = asked.policy.filter.answers.inspect;
        let heard = |found: &Decision| {
            !found.spared && (inspects || found.is_operators() || matches!(found.verdict, Verdict::Own(_)))
        };
        found.filter(heard).map(|found| Decision { log: found.log && asked.decision.log, ..found })
    }

    /// Looks at the answer for `alias`; gives what of it may be told, or the decision that it may not. The addresses
    /// may be private: whoever set the alias meant them.
    pub(super) fn inspect_alias<'a>(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        alias: Name<'_>,
        answer: &'a Answer,
    ) -> Result<Cow<'a, Answer>, Decision> {
        if asked.decision.allowed_by_list() {
            return Ok(Cow::Borrowed(answer));
        }
        self.let_through(scene, asked, (alias, asked.query.qtype), answer, true)
    }

    /// What of the answer about this name and type may be told, where an answer of ours is made of it; the decision
    /// where that is nothing.
    pub(super) fn let_through<'a>(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        (name, qtype): (Name<'_>, u16),
        answer: &'a Answer,
        may_be_private: bool,
    ) -> Result<Cow<'a, Answer>, Decision> {
        let resolved = resolved(scene, asked, name, answer, may_be_private);
        let (decision, records, strip_ech) =
            match inspect(scene.snapshot, asked.policy, &asked.decision, &resolved, scene.categories, &mut NoTrace) {
                Inspected::Untouched(_) => return Ok(Cow::Borrowed(answer)),
                Inspected::Blocked(found) | Inspected::Prescribed(found) => return Err(found),
                Inspected::Changed { decision, records, strip_ech } => (decision, records, strip_ech),
            };
        match (remove(name, qtype, answer.counts, &answer.body, &records, strip_ech), decision) {
            (Some(remainder), Some(found)) if remainder.denied_at.is_some() => Err(found),
            (Some(remainder), _) => Ok(Cow::Owned(Answer {
                counts: remainder.counts,
                contents: Contents::read(&Body::new(name, &remainder.body), remainder.counts),
                body: remainder.body.into(),
                ttl_offsets: remainder.ttl_offsets.into(),
                ..answer.clone()
            })),
            (None, _) => Ok(Cow::Owned(Answer::empty(rcode::SERVFAIL, None, scene.now))),
        }
    }

    /// Writes that nothing is left where private addresses were all there was, the policy's block answer else.
    pub(super) fn write_without(&self, asked: &Asked<'_>, buffer: &mut [u8], limit: usize) -> usize {
        if !matches!(asked.decision.cause, Cause::Address { rebinding: true }) {
            return self.write_block(asked, buffer, limit);
        }
        let mut text = Text::default();
        let _ = block_text(&mut text, asked.policy, &asked.decision);
        let extras = reply::ede(block_ede(&asked.decision), text.as_str());
        self.write_shape(asked, Shape::NoData, &extras, QueryVerdict::Blocked, buffer, limit)
    }

    /// Writes the answer without what is removed: blocked where nothing of what was asked for is left, else allowed with
    /// the reason as its extended error. Made anew each time: few answers have anything to remove.
    pub(super) fn write_remainder(
        &self,
        asked: &Asked<'_>,
        answer: &Answer,
        removal: &Removal<'_>,
        buffer: &mut [u8],
        limit: usize,
        now: Instant,
    ) -> usize {
        let Some(remainder) = removal.from(asked, answer) else {
            // Octets of our own that cannot be read: nothing of them is given out.
            self.record(asked, QueryVerdict::Failed, rcode::SERVFAIL);
            let writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::SERVFAIL);
            return writer.finish(&Extras::default());
        };
        let (rcode, verdict) = match remainder.denied_at {
            Some(_) => (rcode::NOERROR, QueryVerdict::Blocked),
            None => (answer.rcode, QueryVerdict::Allowed),
        };
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode);
        writer.copy_body(remainder.counts, &remainder.body, &remainder.ttl_offsets, reply::ttl_at(answer, now));
        if let Some(at) = remainder.denied_at {
            let ttl = asked.policy.block_ttl_s;
            writer.soa(At::offset(at), ttl, &reply::own_soa(ttl));
        }
        let mut text = Text::default();
        let error = match &removal.decision {
            Some(decision) if !decision.spared => {
                let _ = block_text(&mut text, asked.policy, decision);
                Some((block_ede(decision), text.as_str()))
            }
            _ => answer.ede.map(|code| (code, "")),
        };
        self.record(&Asked { decision: removal.decided(asked, &remainder), ..*asked }, verdict, rcode);
        writer.finish(&Extras { ede: error, ..Extras::default() })
    }
}

fn resolved<'a>(
    scene: &Scene<'_>,
    asked: &Asked<'a>,
    name: Name<'a>,
    answer: &'a Answer,
    may_be_private: bool,
) -> Resolved<'a> {
    Resolved {
        name,
        qtype: asked.query.qtype,
        client: asked.client,
        at: moment(scene.snapshot, asked.policy),
        contents: &answer.contents,
        octets: &answer.body,
        forwarded: may_be_private,
        stream: asked.origin.is_stream(),
    }
}

impl Removal<'_> {
    /// What is left of the answer; `None` where it cannot be read.
    pub(super) fn from(&self, asked: &Asked<'_>, answer: &Answer) -> Option<Remainder> {
        let (name, qtype) = (asked.query.name.name(), asked.query.qtype);
        remove(name, qtype, answer.counts, &answer.body, self.records, self.strip_ech)
    }

    /// The decision to tell of: a block where nothing is left, else the answer is allowed for the same cause.
    pub(super) fn decided(&self, asked: &Asked<'_>, remainder: &Remainder) -> Decision {
        let found = self.decision.unwrap_or(asked.decision);
        let verdict = if remainder.denied_at.is_some() { found.verdict } else { Verdict::Allow };
        Decision { verdict, log: found.log && asked.decision.log, ..found }
    }
}
