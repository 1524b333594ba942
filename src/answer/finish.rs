//! The half that waits.

use super::{
    Plane,
    begin::Asker,
    reply::{self, Asked},
};
use crate::identify::Transport;
use crate::{
    identify::{Client, Origin},
    policy::Decision,
    resolve::{Answer, Key},
    telemetry::QueryVerdict,
    wire::{self, MESSAGE_OCTETS_MAX, ReplyWriter, UDP_OCTETS_MAX, ede, rcode},
};
use std::{sync::Arc, time::Instant};

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
            self.0.counters.count(QueryVerdict::Refused, origin.transport, rcode::REFUSED);
            let mut buffer = vec![0; wire::UDP_OCTETS_PLAIN];
            let writer = ReplyWriter::start(&mut buffer, wire::UDP_OCTETS_PLAIN, &query.head(), rcode::REFUSED);
            let octets = writer.finish(&reply::ede(ede::PROHIBITED, ""));
            buffer.truncate(octets);
            return buffer;
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
        let room = if origin.transport == Transport::Udp { UDP_OCTETS_MAX } else { MESSAGE_OCTETS_MAX };
        let room = room.min(answer.body.len() + packet.len() + 512);
        let mut buffer = vec![0; room.max(wire::UDP_OCTETS_PLAIN)];
        let limit = self.limit(origin.transport, &query.head(), buffer.len());
        let categories = self.0.categories.load();
        let octets = self.write_answer(&snapshot, &categories, &asked, &answer, &mut buffer, limit, Instant::now());
        buffer.truncate(octets);
        buffer
    }
}
