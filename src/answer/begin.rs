//! The synchronous half: everything that can be answered without waiting.

use super::{
    Answerer, Outcome, Pending, Plane, UnknownClients,
    fixed::{Written, prescribed},
    reply::{self, Scene},
    ways::{lacks_addresses, made_here, prefix_for, told_as},
};
use crate::{
    identify::{Client, Identified, Origin, Transport},
    model::Timestamp,
    policy::{CompiledPolicy, NoTrace, OwnName, Question, Snapshot, Suffixes, Verdict, choose, evaluate},
    rewrite::own_shape,
    telemetry::QueryVerdict,
    wire::{self, Extras, Fault, Head, Query, ReplyWriter, class, ede, opcode, rcode, rtype},
};
use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// What becomes of whoever asks.
pub(super) enum Asker<'s> {
    /// Served, under this policy.
    Known(Client, &'s Arc<CompiledPolicy>),
    /// REFUSED with EDE 18.
    Refused,
    /// Silence.
    Dropped,
}

impl Plane {
    /// Who asks, and which policy that makes (decision order, sections 1 and 2).
    pub(super) fn ask<'s>(&self, snapshot: &'s Snapshot, origin: &Origin) -> Asker<'s> {
        let client = match snapshot.identify(origin.client) {
            Identified::Known(client) => Some(client),
            Identified::Invalid => None,
            Identified::Unknown => match self.0.unknown_clients {
                UnknownClients::Drop => return Asker::Dropped,
                UnknownClients::Refuse => None,
                UnknownClients::Policy(policy) => snapshot.unknown_as(origin.client, policy),
            },
        };
        let Some(client) = client else { return Asker::Refused };
        match choose(snapshot, &client) {
            Some(chosen) => Asker::Known(client, chosen.policy),
            None => Asker::Refused,
        }
    }
}

impl Answerer for Plane {
    type Pending = Pending;

    fn begin(&self, origin: &Origin, packet: &[u8], buffer: &mut [u8], now: Instant) -> Outcome<Pending> {
        let query = match wire::parse(packet) {
            Ok(query) => query,
            Err(fault) => {
                let confirmed = self.notice(origin, &fault, packet, buffer);
                return confirmed.unwrap_or_else(|| self.fault(origin, &fault, buffer));
            }
        };
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        if let Some((rcode, error)) = unserved(&query) {
            self.0.counters.count(QueryVerdict::Refused, origin.transport, rcode);
            let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode);
            return Outcome::Reply(writer.finish(&Extras { ede: error.map(|code| (code, "")), ..Extras::default() }));
        }

        let snapshot = self.0.snapshot.load();
        let (client, policy) = match self.ask(&snapshot, origin) {
            Asker::Known(client, policy) => (client, policy),
            Asker::Dropped => {
                self.0.counters.count(QueryVerdict::Dropped, origin.transport, rcode::REFUSED);
                return Outcome::Drop;
            }
            Asker::Refused => {
                self.0.counters.count(QueryVerdict::Refused, origin.transport, rcode::REFUSED);
                let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::REFUSED);
                return Outcome::Reply(writer.finish(&reply::ede(ede::PROHIBITED, "")));
            }
        };

        let suffixes = Suffixes::new(query.name.name(), snapshot.key);
        let categories = self.0.categories.load();
        let at = moment(&snapshot, policy);
        let question =
            Question { suffixes: &suffixes, qtype: query.qtype, client: &client, at, stream: origin.is_stream() };
        let mut decision = evaluate(&snapshot, policy, &question, &**categories, &mut NoTrace);
        self.observe(&snapshot, policy, &question, origin.client, true, &mut decision, &mut NoTrace);
        let asked = reply::Asked { origin, client: &client, policy, query: &query, decision, started: now };
        let scene = Scene { snapshot: &snapshot, categories: &categories, now };
        let made = (decision.verdict == Verdict::Allow).then(|| made_here(policy, &query)).flatten();
        let fixed = match (&made, decision.verdict) {
            (Some(answer), _) => Some(told_as(answer)),
            (None, Verdict::Rewrite(rewrite)) => prescribed(&snapshot, policy, &question, rewrite, false),
            (None, _) => None,
        };
        if let Some(fixed) = fixed {
            if query.qtype == rtype::ANY && fixed.has_records() {
                return Outcome::Reply(self.write_any(&asked, buffer, limit));
            }
            match self.write_fixed(&scene, &asked, &fixed, &[], buffer, limit) {
                Written::Reply(octets) => return Outcome::Reply(octets),
                Written::Drop => return Outcome::Drop,
                Written::Wait(_) => {
                    return Outcome::Resolve(Pending::new(packet, origin, client, decision, false, now));
                }
                Written::Pass => {}
            }
        }
        match decision.verdict {
            Verdict::Block => Outcome::Reply(self.write_block(&asked, buffer, limit)),
            Verdict::Own(OwnName::SelfTest) => Outcome::Reply(self.write_self_test(&snapshot, &asked, buffer, limit)),
            Verdict::Own(own) => {
                let shape = own_shape(own, query.qtype);
                Outcome::Reply(self.write_shape(&asked, shape, &Extras::default(), QueryVerdict::Local, buffer, limit))
            }
            Verdict::Allow | Verdict::Rewrite(_) if query.qtype == rtype::ANY => {
                Outcome::Reply(self.write_any(&asked, buffer, limit))
            }
            Verdict::Allow | Verdict::Rewrite(_) => {
                if self.is_ours(policy, &suffixes) {
                    return Outcome::Resolve(Pending::new(packet, origin, client, decision, true, now));
                }
                let dnssec_ok = query.dnssec_ok();
                let checking_disabled = query.flags.checking_disabled();
                let way = self.way(policy, origin.client, Some(&query));
                let cached = |qtype, dnssec_ok| {
                    self.0.resolver.cached_by(way, query.name.name(), qtype, dnssec_ok, checking_disabled, now)
                };
                let pending = || Outcome::Resolve(Pending::new(packet, origin, client, decision, false, now));
                let written = match cached(query.qtype, dnssec_ok) {
                    Some(answer)
                        if let Some(prefix) = prefix_for(policy, &query)
                            && lacks_addresses(&answer) =>
                    {
                        match cached(rtype::A, false) {
                            Some(a) => {
                                let answers = (&*answer, &*a);
                                self.write_synthesised(&scene, &asked, prefix, answers, &[], buffer, limit)
                            }
                            None if query.flags.recursion_desired() => return pending(),
                            None => self.write_answer(&scene, &asked, &answer, &[], buffer, limit),
                        }
                    }
                    Some(answer) => self.write_answer(&scene, &asked, &answer, &[], buffer, limit),
                    None if !query.flags.recursion_desired() => {
                        self.record(&asked, QueryVerdict::Refused, rcode::REFUSED);
                        let writer = ReplyWriter::start(buffer, limit, &query.head(), rcode::REFUSED);
                        let extras = reply::ede(ede::NOT_AUTHORITATIVE, "recursion was not desired");
                        Written::Reply(writer.finish(&extras))
                    }
                    None => return pending(),
                };
                match written {
                    Written::Reply(octets) => Outcome::Reply(octets),
                    Written::Drop => Outcome::Drop,
                    Written::Wait(_) | Written::Pass => pending(),
                }
            }
        }
    }

    async fn finish(&self, pending: Pending) -> Vec<u8> {
        self.resolve(pending).await
    }
}

impl Plane {
    /// Confirms a notice of a change that somebody here follows (RFC 1996): header and question come back, as a reply.
    #[cold]
    fn notice(&self, origin: &Origin, fault: &Fault<'_>, packet: &[u8], buffer: &mut [u8]) -> Option<Outcome<Pending>> {
        let Fault::NotImp(head) = fault else { return None };
        let plain = matches!(origin.transport, Transport::Udp | Transport::Tcp);
        if head.flags.opcode() != opcode::NOTIFY || !plain {
            return None;
        }
        let octets = self.0.notices.as_ref()?(origin.client, packet)?;
        let reply = buffer.get_mut(..octets)?;
        reply.copy_from_slice(packet.get(..octets)?);
        let head = reply.first_chunk_mut::<12>()?;
        // QR and AA set; no records but the question.
        (head[2], head[3]) = ((head[2] & 0x78) | 0x84, 0);
        head[6..].fill(0);
        Some(Outcome::Reply(octets))
    }

    fn fault(&self, origin: &Origin, fault: &Fault<'_>, buffer: &mut [u8]) -> Outcome<Pending> {
        let (head, rcode) = match fault {
            Fault::Drop => {
                self.0.counters.count(QueryVerdict::Dropped, origin.transport, rcode::FORMERR);
                return Outcome::Drop;
            }
            Fault::FormErr(head) => (head, rcode::FORMERR),
            Fault::NotImp(head) => (head, rcode::NOTIMP),
            Fault::BadVers(head) => (head, rcode::BADVERS),
        };
        self.0.counters.count(QueryVerdict::Malformed, origin.transport, rcode);
        let limit = self.limit(origin.transport, head, buffer.len());
        Outcome::Reply(ReplyWriter::start(buffer, limit, head, rcode).finish(&Extras::default()))
    }

    /// Octets the reply may have: over UDP what the client takes and the configuration allows.
    pub(super) fn limit(&self, transport: Transport, head: &Head<'_>, room: usize) -> usize {
        if transport == Transport::Udp { head.udp_limit().min(self.0.udp_octets_max).min(room) } else { room }
    }
}

/// The moment that decisions of this policy depend on; any where they do not.
pub(super) fn moment(snapshot: &Snapshot, policy: &CompiledPolicy) -> Timestamp {
    if !snapshot.is_timed(policy) {
        return Timestamp(0);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

/// Questions a resolver does not serve, whoever asks: other classes (`version.bind` among them),
/// zone transfers, and types that are no data (RFC 6895, section 3.1).
fn unserved(query: &Query<'_>) -> Option<(u16, Option<u16>)> {
    match (query.qclass, query.qtype) {
        (class::IN, rtype::AXFR | rtype::IXFR) => Some((rcode::REFUSED, Some(ede::NOT_SUPPORTED))),
        (class::IN, 0 | rtype::OPT) => Some((rcode::FORMERR, None)),
        (class::IN, 128..=254) => Some((rcode::NOTIMP, Some(ede::NOT_SUPPORTED))),
        (class::IN, _) => None,
        (class::CH, _) => Some((rcode::REFUSED, Some(ede::PROHIBITED))),
        _ => Some((rcode::REFUSED, Some(ede::NOT_SUPPORTED))),
    }
}
