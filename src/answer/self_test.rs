//! The self-test: who asks, and by which policy, told to whoever asks.
//!
//! `check.<base>` and `<anything>-check.<base>` ([`is_self_test`](crate::policy)) have a TXT record for each thing that
//! is known, `<what> <value>`. Names of accounts, people and policies are not among them but for the policy's, where it
//! tells reasons: ids are enough for those who may look them up. A and AAAA have the address that was asked.

use super::{
    Plane,
    reply::{Asked, own_soa},
};
use crate::{
    identify::Evidence,
    policy::Snapshot,
    telemetry::QueryVerdict,
    wire::{At, Extras, ReplyWriter, rcode, rtype},
};
use std::{fmt::Display, net::IpAddr};

/// Octets of a character string (RFC 1035, section 3.3).
const STRING_OCTETS_MAX: usize = 255;

impl Plane {
    /// Writes the answer to a self-test. Its TTL is 0: the next client may be another.
    pub(super) fn write_self_test(
        &self,
        snapshot: &Snapshot,
        asked: &Asked<'_>,
        buffer: &mut [u8],
        limit: usize,
    ) -> usize {
        let mut writer = ReplyWriter::start(buffer, limit, &asked.query.head(), rcode::NOERROR);
        let address = asked.origin.local.ip().to_canonical();
        match (asked.query.qtype, address) {
            (rtype::TXT | rtype::ANY, _) => {
                for fact in self.facts(snapshot, asked) {
                    let mut data = vec![u8::try_from(fact.len()).unwrap_or(u8::MAX)];
                    data.extend_from_slice(fact.as_bytes());
                    writer.answer_raw(At::QUESTION, rtype::TXT, 0, &data);
                }
            }
            (rtype::A, IpAddr::V4(_)) | (rtype::AAAA, IpAddr::V6(_)) if !address.is_unspecified() => {
                writer.answer_address(0, address);
            }
            _ => writer.soa(At::QUESTION, 0, &own_soa(0)),
        }
        self.record(asked, QueryVerdict::Local, rcode::NOERROR);
        writer.finish(&Extras::default())
    }

    /// What there is to tell, each at most 255 octets.
    fn facts(&self, snapshot: &Snapshot, asked: &Asked<'_>) -> Vec<String> {
        let mut facts = Vec::new();
        let mut tell = |what: &str, value: &dyn Display| {
            let mut fact = format!("{what} {value}");
            fact.truncate(fact.floor_char_boundary(STRING_OCTETS_MAX));
            facts.push(fact);
        };
        let (client, policy) = (asked.client, asked.policy);
        tell("server", &concat!("weir ", env!("CARGO_PKG_VERSION")));
        if !self.0.node.is_empty() {
            tell("node", &self.0.node);
        }
        tell("protocol", &asked.origin.transport.name());
        tell("client", &asked.origin.client);
        match client.evidence {
            Evidence::SourceAddress { range, .. } => tell("identified", &format_args!("by source address in {range}")),
            Evidence::Supposed { .. } => tell("identified", &"by supposition"),
            Evidence::UnknownClients { .. } => tell("identified", &"as an unknown client"),
        }
        if client.customer.0 != 0 {
            tell("customer", &client.customer);
        }
        if let Some(location) = client.location {
            tell("location", &location);
        }
        if let Some(device) = client.device {
            tell("device", &device);
        }
        if let Some(user) = client.user {
            tell("user", &user);
        }
        match policy.block_text {
            true => tell("policy", &format_args!("{} {}", policy.id, policy.name)),
            false => tell("policy", &policy.id),
        }
        let at = super::begin::moment(snapshot, policy);
        if policy.filter.active(at).paused {
            tell("filter", &"paused");
        }
        facts
    }
}
