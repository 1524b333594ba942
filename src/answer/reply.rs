//! Replies from decisions and answers.

use super::{
    Plane,
    begin::moment,
    fixed::{Waited, Written},
    inspect::Removal,
};
use crate::{
    category::Index,
    identify::{Client, Origin},
    model::Name,
    policy::{Cause, CompiledPolicy, Decision, Inspected, NoTrace, Question, Snapshot, Suffixes, Verdict},
    querylog::{Ended, QueryEvent},
    resolve::Answer,
    rewrite::{Shape, block_ede, block_shape, block_text, own_shape},
    telemetry::QueryVerdict,
    wire::{At, EDE_TEXT_OCTETS_MAX, Extras, Query, ReplyWriter, Soa, Ttl, rcode, rtype},
};
use std::{fmt, sync::Arc, time::Instant};

/// TTL of our own names' answers, seconds.
const OWN_TTL_S: u32 = 60;
/// TTL of stale answers, seconds (RFC 8767, section 4).
const STALE_TTL_S: u32 = 30;
/// TTL of the answer to ANY, seconds (RFC 8482, section 4.2 leaves it to the server).
const ANY_TTL_S: u32 = 3600;

/// A question with all that is known about it.
pub(super) struct Asked<'a> {
    pub origin: &'a Origin,
    pub client: &'a Client,
    pub policy: &'a Arc<CompiledPolicy>,
    pub query: &'a Query<'a>,
    pub decision: Decision,
    /// When the query arrived.
    pub started: Instant,
}

impl Asked<'_> {
    /// What is asked, about another name.
    pub(super) fn about<'q>(&'q self, scene: &Scene<'_>, suffixes: &'q Suffixes<'q>) -> Question<'q> {
        let at = moment(scene.snapshot, self.policy);
        Question { suffixes, qtype: self.query.qtype, client: self.client, at, stream: self.origin.is_stream() }
    }
}

/// What a query reads of the world when its answer is written.
pub(super) struct Scene<'a> {
    pub snapshot: &'a Snapshot,
    pub categories: &'a Index,
    /// When the reply is written.
    pub now: Instant,
}

/// The OPT contents with just an extended error.
pub(super) fn ede(code: u16, text: &str) -> Extras<'_> {
    Extras { ede: Some((code, text)), ..Extras::default() }
}

impl Plane {
    /// Writes the block answer that the policy asks for (decision order, section 4), or that of a canary which an
    /// answer led to.
    pub(super) fn write_block(&self, asked: &Asked<'_>, buffer: &mut [u8], limit: usize) -> usize {
        if let Verdict::Own(own) = asked.decision.verdict {
            let shape = own_shape(own, asked.query.qtype);
            return self.write_shape(asked, shape, &Extras::default(), QueryVerdict::Local, buffer, limit);
        }
        let shape = block_shape(asked.policy.block_answer, asked.query.qtype, self.0.block_page);
        let mut text = Text::default();
        // A text that does not fit is cut: the writer takes no more than it sends.
        let _ = block_text(&mut text, asked.policy, &asked.decision);
        let extras = ede(block_ede(&asked.decision), text.as_str());
        self.write_shape(asked, shape, &extras, QueryVerdict::Blocked, buffer, limit)
    }

    /// Writes an answer of ours.
    pub(super) fn write_shape(
        &self,
        asked: &Asked<'_>,
        shape: Shape,
        extras: &Extras<'_>,
        verdict: QueryVerdict,
        buffer: &mut [u8],
        limit: usize,
    ) -> usize {
        let rcode = match shape {
            Shape::Address(_) | Shape::NoData => rcode::NOERROR,
            Shape::NxDomain => rcode::NXDOMAIN,
            Shape::Refused => rcode::REFUSED,
        };
        let ttl = if verdict == QueryVerdict::Blocked { asked.policy.block_ttl_s } else { OWN_TTL_S };
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode);
        match shape {
            Shape::Address(address) => writer.answer_address(ttl, address),
            Shape::NoData | Shape::NxDomain => writer.soa(At::QUESTION, ttl, &own_soa(ttl)),
            Shape::Refused => {}
        }
        self.record(asked, verdict, rcode);
        writer.finish(extras)
    }

    /// Writes the whole answer to ANY: one HINFO record (RFC 8482, section 4.2).
    pub(super) fn write_any(&self, asked: &Asked<'_>, buffer: &mut [u8], limit: usize) -> usize {
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::NOERROR);
        writer.answer_raw(At::QUESTION, rtype::HINFO, ANY_TTL_S, b"\x07RFC8482\x00");
        self.record(asked, QueryVerdict::Local, rcode::NOERROR);
        writer.finish(&Extras::default())
    }

    /// Looks at an upstream's answer (decision order, section 3, step 9) and writes it, without what the policy
    /// removes, or the block that it deserves. An answer that nothing is removed from is copied as it is. Never
    /// [`Written::Pass`].
    pub(super) fn write_answer(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        answer: &Answer,
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let decision = match self.inspect(scene, asked, answer, &mut NoTrace) {
            Inspected::Blocked(found) => {
                let decision = Decision { log: found.log && asked.decision.log, ..found };
                return Written::Reply(self.write_block(&Asked { decision, ..*asked }, buffer, limit));
            }
            Inspected::Prescribed(found) => {
                let decision = Decision { log: found.log && asked.decision.log, ..found };
                let asked = Asked { decision, ..*asked };
                return self.write_prescribed(scene, &asked, answer, resolved, buffer, limit);
            }
            Inspected::Changed { decision, records, strip_ech } => {
                let removal = Removal { decision, records: &records, strip_ech };
                return Written::Reply(self.write_remainder(asked, answer, &removal, buffer, limit, scene.now));
            }
            // What the question itself would have been blocked for comes first.
            Inspected::Untouched(Some(noted)) if !asked.decision.spared => {
                Decision { log: noted.log && asked.decision.log, ..noted }
            }
            Inspected::Untouched(_) => asked.decision,
        };
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), answer.rcode);
        if answer.authentic && (asked.query.dnssec_ok() || asked.query.flags.authentic_data()) {
            writer.authentic();
        }
        writer.copy_body(answer.counts, &answer.body, &answer.ttl_offsets, ttl_at(answer, scene.now));
        let verdict = if answer.rcode == rcode::SERVFAIL { QueryVerdict::Failed } else { QueryVerdict::Allowed };
        self.record(&Asked { decision, ..*asked }, verdict, answer.rcode);
        Written::Reply(writer.finish(&Extras { ede: answer.ede.map(|code| (code, "")), ..Extras::default() }))
    }

    /// Counts the query, and tells the query log unless the deciding entry says not to.
    pub(super) fn record(&self, asked: &Asked<'_>, verdict: QueryVerdict, rcode: u16) {
        self.0.counters.count(verdict, asked.origin.transport, rcode);
        if asked.decision.log
            && let Cause::Subscribed { list, .. } = asked.decision.cause
        {
            self.0.snapshot.load().lists.count_source(list);
        }
        if asked.decision.log && self.0.events.is_enabled() {
            self.0.events.send(QueryEvent::new(
                asked.origin,
                asked.client,
                asked.query.name.name(),
                asked.query.qtype,
                Ended { verdict, rcode, took: asked.started.elapsed() },
                &asked.decision,
            ));
        }
    }
}

/// How the TTLs of an answer stand at `now`.
pub(super) fn ttl_at(answer: &Answer, now: Instant) -> Ttl {
    if answer.stale {
        Ttl::Fixed(STALE_TTL_S)
    } else {
        let age = now.saturating_duration_since(answer.stored_at).as_secs();
        Ttl::Aged(u32::try_from(age).unwrap_or(u32::MAX))
    }
}

/// The SOA of a negative answer of ours: names nobody can own, and the TTL as the negative TTL
/// (RFC 2308, section 4).
pub(super) fn own_soa(ttl: u32) -> Soa<'static> {
    Soa {
        mname: Name::from_lower_wire(b"\x04weir\x07invalid\x00"),
        rname: Name::from_lower_wire(b"\x0ahostmaster\x04weir\x07invalid\x00"),
        serial: 1,
        refresh: 3600,
        retry: 600,
        expire: 86_400,
        minimum: ttl,
    }
}

/// A short text on the stack; what does not fit is left out.
pub(super) struct Text {
    octets: [u8; EDE_TEXT_OCTETS_MAX],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Text { octets: [0; EDE_TEXT_OCTETS_MAX], length: 0 }
    }
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length]).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(self.octets.len() - self.length);
        self.octets[self.length..self.length + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
