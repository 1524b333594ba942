//! Which way a client's questions go, and answers made for networks without IPv4 (RFC 6147).

use super::{
    Plane,
    fixed::{Fixed, Waited, Written},
    reply::{Asked, Scene, ttl_at},
};
use crate::{
    model::{FixedAnswer, RecordData},
    policy::{CompiledPolicy, Suffixes, Verdict},
    resolve::{Answer, Subnet, Way},
    rewrite::dns64,
    telemetry::QueryVerdict,
    wire::{At, Expanded, Extras, Query, ReplyWriter, Sections, Ttl, option, rcode, rtype},
};
use ipnet::Ipv6Net;
use std::net::{IpAddr, Ipv4Addr};

/// TTL of what is made of an address alone, and of AAAA records where the zone says nothing of denials, seconds
/// (RFC 6147, section 5.1.7).
const MADE_TTL_S: u32 = 600;

impl Plane {
    /// The way of a question of this client under this policy.
    #[inline]
    pub(super) fn way(&self, policy: &CompiledPolicy, client: IpAddr, query: Option<&Query<'_>>) -> Way {
        let subnet = Subnet::of(policy.filter.resolving.client_subnet, client).filter(|_| {
            // A client that sends a prefix of no bits wants nothing told (RFC 7871, section 7.1.2).
            let sent = query.and_then(|query| query.edns.as_ref()?.option(option::CLIENT_SUBNET));
            sent.is_none_or(|data| data.get(2) != Some(&0))
        });
        Way { partition: policy.routes.as_ref().map_or(0, |routes| routes.partition), subnet }
    }

    /// Makes sure that the policy's own upstreams can be asked.
    pub(super) fn prepare(&self, policy: &CompiledPolicy) {
        if let Some(routes) = &policy.routes {
            let routing = &routes.routing;
            if let Err(error) = self.0.resolver.prepare(routes.partition, &routing.upstreams, &routing.zones) {
                tracing::warn!(policy = policy.id.0, %error, "the upstreams of a policy cannot be set up");
            }
        }
    }

    /// Whether the name lies in a zone of ours and in none that the policy's customer resolves elsewhere.
    #[inline]
    pub(super) fn is_ours(&self, policy: &CompiledPolicy, suffixes: &Suffixes<'_>) -> bool {
        self.0.zones.contains(suffixes)
            && !policy.routes.as_ref().is_some_and(|routes| routes.has_zone_of(suffixes.name()))
    }

    /// Writes AAAA records made of the A records of `a`, in place of `aaaa`, which has none; `aaaa` where `a` has none
    /// either. Nothing of it is signed.
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what it holds, without a struct per query")]
    pub(super) fn write_synthesised(
        &self,
        scene: &Scene<'_>,
        asked: &Asked<'_>,
        prefix: Ipv6Net,
        (aaaa, a): (&Answer, &Answer),
        resolved: &Waited,
        buffer: &mut [u8],
        limit: usize,
    ) -> Written {
        let embeddable = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if dns64::is_embeddable(prefix, *v4));
        if a.rcode != rcode::NOERROR || !a.addresses().any(|address| embeddable(&address)) {
            return self.write_answer(scene, asked, aaaa, resolved, buffer, limit);
        }
        let name = asked.query.name.name();
        let let_through = match self.let_through(scene, asked, (name, rtype::A), a, a.forwarded) {
            Ok(answer) => answer,
            Err(decision) => {
                let asked = Asked { decision, ..*asked };
                return match decision.verdict {
                    Verdict::Rewrite(_) => self.write_prescribed(scene, &asked, a, resolved, buffer, limit),
                    _ => Written::Reply(self.write_without(&asked, buffer, limit)),
                };
            }
        };
        let a = &*let_through;
        let most = if aaaa.rcode == rcode::NOERROR && aaaa.ttl_s > 0 { aaaa.ttl_s } else { MADE_TTL_S };
        let ttl = ttl_at(a, scene.now);
        let aged = |stored: u32| match ttl {
            Ttl::Aged(age) => stored.saturating_sub(age).max(1),
            Ttl::Fixed(seconds) => seconds,
        };
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::NOERROR);
        let (mut at, mut end) = (At::QUESTION, asked.query.name.clone());
        for record in Sections::new(asked.query.name.name(), &a.body, a.counts[0]) {
            if record.owner.name() != end.name() {
                continue;
            }
            let mut room = Expanded::default();
            match (record.rtype, record.target(), record.data(&mut room)) {
                (rtype::CNAME, Some(target), _) => {
                    at = writer.answer_cname(at, aged(record.ttl), target.name());
                    end = target;
                }
                (rtype::A, _, Some(&[a, b, c, d])) => {
                    let address = Ipv4Addr::new(a, b, c, d);
                    if dns64::is_embeddable(prefix, address) {
                        let made = dns64::embed(prefix, address);
                        writer.answer_address_at(at, aged(record.ttl).min(most), made.into());
                    }
                }
                _ => {}
            }
        }
        self.record(asked, QueryVerdict::Allowed, rcode::NOERROR);
        Written::Reply(writer.finish(&Extras { ede: a.ede.map(|code| (code, "")), ..Extras::default() }))
    }
}

/// The prefix by which an AAAA question of this policy may be answered with A records: not for clients that validate
/// by themselves (RFC 6147, section 5.5).
#[inline]
pub(super) fn prefix_for(policy: &CompiledPolicy, query: &Query<'_>) -> Option<Ipv6Net> {
    let prefix = policy.filter.resolving.dns64?;
    let validates = query.dnssec_ok() && query.flags.checking_disabled();
    (query.qtype == rtype::AAAA && !validates).then_some(prefix)
}

/// Whether an answer to an AAAA question leaves room for made ones: it has no addresses, and does not say that the
/// name does not exist (RFC 6147, sections 5.1.1 to 5.1.4).
pub(super) fn lacks_addresses(answer: &Answer) -> bool {
    let native = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if dns64::is_native(*v6));
    answer.rcode != rcode::NXDOMAIN && !answer.addresses().any(|address| native(&address))
}

/// What a policy with DNS64 answers by itself: reverse names of made addresses, and the name by which clients find the
/// prefix (RFC 8880).
pub(super) fn made_here(policy: &CompiledPolicy, query: &Query<'_>) -> Option<FixedAnswer> {
    let prefix = policy.filter.resolving.dns64?;
    let name = query.name.name();
    match query.qtype {
        rtype::PTR => dns64::reverse(prefix, name).map(FixedAnswer::Alias),
        rtype::A | rtype::AAAA if dns64::is_ipv4_only(name) => {
            let records = dns64::IPV4_ONLY_ADDRESSES.map(|address| {
                let rdata: Box<[u8]> = match query.qtype {
                    rtype::A => address.octets().into(),
                    _ => dns64::embed(prefix, address).octets().into(),
                };
                RecordData { rtype: query.qtype, rdata }
            });
            Some(FixedAnswer::Records(records.into()))
        }
        _ => None,
    }
}

/// How that is told.
pub(super) fn told_as(answer: &FixedAnswer) -> Fixed<'_> {
    Fixed { answer, ttl_s: MADE_TTL_S, ede: None, verdict: QueryVerdict::Allowed, fallback: &[] }
}
