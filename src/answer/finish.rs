//! The half that waits.

use super::{
    Plane,
    begin::{Asker, moment},
    fixed::{Written, prescribed},
    reply::{self, Asked, Scene},
    ways::{lacks_addresses, made_here, prefix_for, told_as},
};
use crate::{
    identify::{Client, Origin, Transport},
    model::DomainName,
    policy::{Decision, Question, Suffixes, Verdict},
    resolve::{Answer, Key, Way},
    telemetry::QueryVerdict,
    wire::{self, MESSAGE_OCTETS_MAX, Query, ReplyWriter, UDP_OCTETS_MAX, ede, rcode, rtype},
};
use ipnet::Ipv6Net;
use std::{sync::Arc, time::Instant};

/// Times a prescribed answer is made anew, because it leads on or changed while its target was resolved.
const ROUNDS_MAX: usize = 8;

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
    /// The resolver; and the A records to make AAAA records of behind this prefix.
    Upstream(Arc<Answer>, Option<(Ipv6Net, Arc<Answer>)>),
}

impl Plane {
    pub(super) async fn resolve(&self, pending: Pending) -> Vec<u8> {
        let Pending { packet, origin, client, decision, local_zone, started } = pending;
        let Ok(query) = wire::parse(&packet) else { return Vec::new() };
        let waiting = Waiting { origin: &origin, client: &client, query: &query, decision, started };
        if matches!(decision.verdict, Verdict::Rewrite(_)) || query.qtype == rtype::PTR && !local_zone {
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
            let Some((way, prefix)) = self.way_of(&decision, &origin, &query) else {
                return self.refuse(&origin, &query);
            };
            let key = Key {
                name: query.name.name().to_owned(),
                qtype: query.qtype,
                dnssec_ok: query.dnssec_ok(),
                checking_disabled: query.flags.checking_disabled(),
                way,
            };
            let answer = self.0.resolver.resolve(key.clone()).await;
            let synthesis = match prefix.filter(|_| lacks_addresses(&answer)) {
                Some(prefix) => {
                    let key = Key { qtype: rtype::A, dnssec_ok: false, ..key };
                    Some((prefix, self.0.resolver.resolve(key).await))
                }
                None => None,
            };
            Found::Upstream(answer, synthesis)
        };

        let (answer, synthesis) = match found {
            Found::Here(reply) => return self.told_here(&waiting, reply),
            Found::Upstream(answer, synthesis) => (answer, synthesis),
        };
        self.write_answer_waiting(&waiting, false, &answer, synthesis.as_ref()).await
    }

    /// The reply that a zone of ours gave, once it is counted.
    fn told_here(&self, waiting: &Waiting<'_>, reply: Vec<u8>) -> Vec<u8> {
        let Waiting { origin, client, query, decision, started } = *waiting;
        let snapshot = self.0.snapshot.load();
        let Asker::Known(_, policy) = self.ask(&snapshot, origin) else {
            return self.refuse(origin, query);
        };
        let rcode = reply.get(3).map_or(rcode::SERVFAIL, |flags| u16::from(flags & 0x0f));
        self.record(&Asked { origin, client, policy, query, decision, started }, QueryVerdict::Local, rcode);
        reply
    }

    /// The reply made of an upstream's answer, with AAAA records made of A records where `synthesis` tells; empty for
    /// silence. Names that a rule leads it on to are resolved. It is looked at with the policy of now, an edit made
    /// meanwhile already counts: with the one that serves the client, or, for a client that is `supposed`, the one that
    /// decided.
    pub(super) async fn write_answer_waiting(
        &self,
        waiting: &Waiting<'_>,
        supposed: bool,
        answer: &Answer,
        synthesis: Option<&(Ipv6Net, Arc<Answer>)>,
    ) -> Vec<u8> {
        let Waiting { origin, client, query, decision, started } = *waiting;
        // Made AAAA records are larger than the A records they are made of.
        let made = synthesis.map_or(0, |(_, a)| a.body.len() * 2);
        let packet = query.name.as_wire().len();
        let mut buffer = vec![0; room(origin.transport).min(answer.body.len() + made + packet + 1024)];
        let mut waited: Vec<(DomainName, Arc<Answer>)> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let (target, way) = {
                let snapshot = self.0.snapshot.load();
                let policy = match self.ask(&snapshot, origin) {
                    _ if supposed => snapshot.policies.get(decision.policy.0),
                    Asker::Known(_, policy) => Some(policy),
                    Asker::Refused | Asker::Dropped => None,
                };
                let Some(policy) = policy else { return self.refuse(origin, query) };
                let asked = Asked { origin, client, policy, query, decision, started };
                let limit = self.limit(origin.transport, &query.head(), buffer.len());
                let categories = self.0.categories.load();
                let scene = Scene { snapshot: &snapshot, categories: &categories, now: Instant::now() };
                let written = match synthesis {
                    Some((prefix, a)) => {
                        self.write_synthesised(&scene, &asked, *prefix, (answer, a), &waited, &mut buffer, limit)
                    }
                    None => self.write_answer(&scene, &asked, answer, &waited, &mut buffer, limit),
                };
                match written {
                    Written::Reply(octets) => {
                        buffer.truncate(octets);
                        return buffer;
                    }
                    Written::Drop => return Vec::new(),
                    Written::Pass => break,
                    Written::Wait(target) => {
                        self.prepare(policy);
                        (target, self.way(policy, origin.client, Some(query)))
                    }
                }
            };
            buffer.resize(room(origin.transport), 0);
            let answer = self.resolve_target(&target, query, way).await;
            waited.push((target, answer));
        }
        self.not_ready(origin, query, &mut buffer)
    }

    /// The answer for a name that a prescribed answer leads to.
    async fn resolve_target(&self, target: &DomainName, query: &Query<'_>, way: Way) -> Arc<Answer> {
        let checking_disabled = query.flags.checking_disabled();
        let key = Key { name: target.clone(), qtype: query.qtype, dnssec_ok: false, checking_disabled, way };
        self.0.resolver.resolve(key).await
    }

    /// What prescribed the answer went while it was made: the client asks again.
    fn not_ready(&self, origin: &Origin, query: &Query<'_>, buffer: &mut Vec<u8>) -> Vec<u8> {
        self.0.counters.count(QueryVerdict::Failed, origin.transport, rcode::SERVFAIL);
        buffer.resize(wire::UDP_OCTETS_PLAIN.max(buffer.len()), 0);
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::SERVFAIL);
        let octets = writer.finish(&reply::ede(ede::NOT_READY, ""));
        buffer.truncate(octets);
        std::mem::take(buffer)
    }

    /// Writes a prescribed answer and resolves for it what must be resolved. `None`: the client is nobody's now.
    pub(super) async fn write_fixed_waiting(&self, waiting: &Waiting<'_>, buffer: &mut [u8]) -> Option<Written> {
        let Waiting { origin, client, query, decision, started } = *waiting;
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        let mut resolved: Vec<(DomainName, Arc<Answer>)> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let (target, way) = {
                let snapshot = self.0.snapshot.load();
                let policy = snapshot.policies.get(decision.policy.0)?;
                let asked = Asked { origin, client, policy, query, decision, started };
                let suffixes = Suffixes::new(query.name.name(), snapshot.key);
                let at = moment(&snapshot, policy);
                let question =
                    Question { suffixes: &suffixes, qtype: query.qtype, client, at, stream: origin.is_stream() };
                let made = (decision.verdict == Verdict::Allow).then(|| made_here(policy, query)).flatten();
                let fixed = match (&made, decision.verdict) {
                    (Some(answer), _) => Some(told_as(answer)),
                    (None, Verdict::Rewrite(rewrite)) => prescribed(&snapshot, policy, &question, rewrite, false),
                    (None, _) => return Some(Written::Pass),
                };
                let Some(fixed) = fixed else { break };
                self.prepare(policy);
                let categories = self.0.categories.load();
                let scene = Scene { snapshot: &snapshot, categories: &categories, now: Instant::now() };
                match self.write_fixed(&scene, &asked, &fixed, &resolved, buffer, limit) {
                    Written::Wait(target) => (target, self.way(policy, origin.client, Some(query))),
                    written => return Some(written),
                }
            };
            let answer = self.resolve_target(&target, query, way).await;
            resolved.push((target, answer));
        }
        // What prescribed the answer went while it was made: the client asks again.
        self.0.counters.count(QueryVerdict::Failed, origin.transport, rcode::SERVFAIL);
        let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::SERVFAIL);
        Some(Written::Reply(writer.finish(&reply::ede(ede::NOT_READY, ""))))
    }

    /// The way that a question goes, and the prefix its answer may be made with; `None` where the policy is gone.
    fn way_of(&self, decision: &Decision, origin: &Origin, query: &Query<'_>) -> Option<(Way, Option<Ipv6Net>)> {
        let snapshot = self.0.snapshot.load();
        let policy = snapshot.policies.get(decision.policy.0)?;
        self.prepare(policy);
        Some((self.way(policy, origin.client, Some(query)), prefix_for(policy, query)))
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
