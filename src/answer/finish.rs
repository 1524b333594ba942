//! The half that waits.

use super::{
    Plane,
    begin::{Asker, moment},
    fixed::{Written, prescribed},
    reply::{self, Asked, Scene},
};
use crate::{
    identify::{Client, Origin, Transport},
    policy::{Decision, Question, Suffixes, Verdict},
    resolve::{Answer, Key},
    telemetry::QueryVerdict,
    wire::{self, MESSAGE_OCTETS_MAX, Query, ReplyWriter, UDP_OCTETS_MAX, ede, rcode},
};
use std::{sync::Arc, time::Instant};

/// Times a prescribed answer is made anew because it changed while its target was resolved.
const ROUNDS_MAX: usize = 4;

/// A query that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    packet: Box<[u8]>,
    origin: Origin,
    client: Client,
    decision: Decision,
    local_zone: bool,
    /// When it arrived.
    started: Instant,
}

impl Pending {
    pub(super) fn new(
        packet: &[u8],
        origin: &Origin,
        client: Client,
        decision: Decision,
        local_zone: bool,
        started: Instant,
    ) -> Self {
        Pending { packet: packet.into(), origin: *origin, client, decision, local_zone, started }
    }
}

/// Where an answer comes from.
enum Found {
    /// A zone of ours: the whole reply.
    Here(Vec<u8>),
    /// The resolver.
    Upstream(Arc<Answer>),
}

impl Plane {
    pub(super) async fn resolve(&self, pending: Pending) -> Vec<u8> {
        let Pending { packet, origin, client, decision, local_zone, started } = pending;
        let Ok(query) = wire::parse(&packet) else { return Vec::new() };
        if matches!(decision.verdict, Verdict::Rewrite(_)) {
            let waiting = Waiting { origin: &origin, client: &client, query: &query, decision, started };
            let mut buffer = vec![0; room(origin.transport)];
            match self.write_fixed_waiting(&waiting, &mut buffer).await {
                Some(Written::Reply(octets)) => {
                    buffer.truncate(octets);
                    return buffer;
                }
                Some(Written::Pass) => {}
                Some(Written::Drop | Written::Wait(_)) => return Vec::new(),
                None => return self.refuse(&origin, &query),
            }
        }
        let found = if local_zone {
            Found::Here(self.0.zones.answer(&packet, &origin).await)
        } else {
            let key = Key {
                name: query.name.name().to_owned(),
                qtype: query.qtype,
                dnssec_ok: query.dnssec_ok(),
                checking_disabled: query.flags.checking_disabled(),
            };
            Found::Upstream(self.0.resolver.resolve(key).await)
        };

        // The answer is looked at with the policy of now: an edit made meanwhile already counts.
        let snapshot = self.0.snapshot.load();
        let Asker::Known(_, policy) = self.ask(&snapshot, &origin) else {
            return self.refuse(&origin, &query);
        };
        let asked = Asked { origin: &origin, client: &client, policy, query: &query, decision, started };
        let answer = match found {
            Found::Here(reply) => {
                let rcode = reply.get(3).map_or(rcode::SERVFAIL, |flags| u16::from(flags & 0x0f));
                self.record(&asked, QueryVerdict::Local, rcode);
                return reply;
            }
            Found::Upstream(answer) => answer,
        };
        let room = room(origin.transport).min(answer.body.len() + packet.len() + 512);
        let mut buffer = vec![0; room.max(wire::UDP_OCTETS_PLAIN)];
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        let categories = self.0.categories.load();
        let scene = Scene { snapshot: &snapshot, categories: &categories, now: Instant::now() };
        let octets = self.write_answer(&scene, &asked, &answer, &mut buffer, limit);
        buffer.truncate(octets);
        buffer
    }

    /// Writes a prescribed answer and resolves for it what must be resolved. `None`: the client is nobody's now.
    pub(super) async fn write_fixed_waiting(&self, waiting: &Waiting<'_>, buffer: &mut [u8]) -> Option<Written> {
        let Waiting { origin, client, query, decision, started } = *waiting;
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        let mut resolved = None;
        for _ in 0..ROUNDS_MAX {
            let target = {
                let snapshot = self.0.snapshot.load();
                let policy = snapshot.policies.get(decision.policy.0)?;
                let asked = Asked { origin, client, policy, query, decision, started };
                let suffixes = Suffixes::new(query.name.name(), snapshot.key);
                let at = moment(&snapshot, policy);
                let question = Question { suffixes: &suffixes, qtype: query.qtype, client, at };
                let fixed = match decision.verdict {
                    Verdict::Rewrite(rewrite) => prescribed(&snapshot, policy, &question, rewrite),
                    _ => None,
                };
                let Some(fixed) = fixed else { break };
                let categories = self.0.categories.load();
                let scene = Scene { snapshot: &snapshot, categories: &categories, now: Instant::now() };
                match self.write_fixed(&scene, &asked, &fixed, resolved.as_ref(), buffer, limit) {
                    Written::Wait(target) => target,
                    written => return Some(written),
                }
            };
            let key = Key {
                name: target.clone(),
                qtype: query.qtype,
                dnssec_ok: false,
                checking_disabled: query.flags.checking_disabled(),
            };
            resolved = Some((target, self.0.resolver.resolve(key).await));
        }
        // What prescribed the answer went while it was made: the client asks again.
        self.0.counters.count(QueryVerdict::Failed, origin.transport, rcode::SERVFAIL);
        let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::SERVFAIL);
        Some(Written::Reply(writer.finish(&reply::ede(ede::NOT_READY, ""))))
    }

    /// The reply to a client that nobody knows any more.
    fn refuse(&self, origin: &Origin, query: &Query<'_>) -> Vec<u8> {
        self.0.counters.count(QueryVerdict::Refused, origin.transport, rcode::REFUSED);
        let mut buffer = vec![0; wire::UDP_OCTETS_PLAIN];
        let writer = ReplyWriter::start(&mut buffer, wire::UDP_OCTETS_PLAIN, &query.head(), rcode::REFUSED);
        let octets = writer.finish(&reply::ede(ede::PROHIBITED, ""));
        buffer.truncate(octets);
        buffer
    }
}

/// A query whose prescribed answer is being made.
pub(super) struct Waiting<'a> {
    pub origin: &'a Origin,
    pub client: &'a Client,
    pub query: &'a Query<'a>,
    pub decision: Decision,
    /// When it arrived.
    pub started: Instant,
}

/// Octets a reply may have.
fn room(transport: Transport) -> usize {
    if transport == Transport::Udp { UDP_OCTETS_MAX } else { MESSAGE_OCTETS_MAX }
}
