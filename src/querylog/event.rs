//! One query, as the log keeps it.

use crate::{
    identify::{Client, Origin, Transport},
    model::{CategorySet, CustomerId, DomainName, EntryId, LocationId, Name, PolicyId},
    policy::{Cause, Decision},
    telemetry::QueryVerdict,
    wire::TypeName,
};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::net::IpAddr;

/// Octets of a name that are kept without an allocation; longer names take one.
const INLINE_OCTETS: usize = 62;

#[derive(Clone)]
enum KeptName {
    Inline(u8, [u8; INLINE_OCTETS]),
    Boxed(DomainName),
}

/// What happened to one query. 160 octets; most are made without an allocation.
#[derive(Clone)]
pub struct QueryEvent {
    client: IpAddr,
    transport: Transport,
    customer: CustomerId,
    location: Option<LocationId>,
    policy: PolicyId,
    qtype: u16,
    rcode: u16,
    verdict: QueryVerdict,
    step: u8,
    entry: Option<EntryId>,
    categories: CategorySet,
    name: KeptName,
}

impl QueryEvent {
    /// Takes down what is known once the reply stands.
    pub fn new(
        origin: &Origin,
        client: &Client,
        name: Name<'_>,
        qtype: u16,
        rcode: u16,
        verdict: QueryVerdict,
        decision: &Decision,
    ) -> Self {
        let wire = name.as_wire();
        let name = match wire.len() {
            octets @ ..=INLINE_OCTETS => {
                let mut kept = [0; INLINE_OCTETS];
                kept[..octets].copy_from_slice(wire);
                KeptName::Inline(octets as u8, kept)
            }
            _ => KeptName::Boxed(name.to_owned()),
        };
        let (entry, categories) = match decision.cause {
            Cause::List { entry, .. } => (Some(entry), CategorySet::EMPTY),
            Cause::Category { all, .. } | Cause::Default { all } => (None, all),
            Cause::OwnName | Cause::Unclassified => (None, CategorySet::EMPTY),
        };
        QueryEvent {
            client: origin.client,
            transport: origin.transport,
            customer: client.customer,
            location: client.location,
            policy: decision.policy,
            qtype,
            rcode,
            verdict,
            step: decision.step(),
            entry,
            categories,
            name,
        }
    }

    fn name(&self) -> Name<'_> {
        match &self.name {
            KeptName::Inline(octets, kept) => Name::from_lower_wire(&kept[..*octets as usize]),
            KeptName::Boxed(name) => name.as_name(),
        }
    }
}

impl Serialize for QueryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("query", 12)?;
        line.serialize_field("client", &self.client)?;
        line.serialize_field("protocol", self.transport.name())?;
        line.serialize_field("customer", &self.customer)?;
        line.serialize_field("location", &self.location)?;
        line.serialize_field("policy", &self.policy)?;
        line.serialize_field("name", &format_args!("{}", self.name()))?;
        line.serialize_field("type", &format_args!("{}", TypeName(self.qtype)))?;
        line.serialize_field("rcode", &self.rcode)?;
        line.serialize_field("verdict", self.verdict.name())?;
        line.serialize_field("step", &self.step)?;
        line.serialize_field("entry", &self.entry)?;
        line.serialize_field("categories", &self.categories.iter().map(|id| id.number()).collect::<Vec<_>>())?;
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identify::Evidence, policy::Verdict};

    #[test]
    fn a_line_tells_who_asked_what_and_what_became_of_it() {
        let client_address = "192.0.2.7".parse().expect("an address");
        let origin = Origin {
            client: client_address,
            client_port: 4000,
            local: "127.0.0.1:53".parse().expect("an address"),
            transport: Transport::Udp,
        };
        let client = Client {
            customer: CustomerId(3),
            location: Some(LocationId(4)),
            device: None,
            user: None,
            policy: None,
            evidence: Evidence::UnknownClients { address: client_address },
        };
        let all = CategorySet(0b10_0001);
        let cause = Cause::Category { blocked: CategorySet(1), all };
        let decision = Decision { verdict: Verdict::Block, cause, policy: PolicyId(5), log: true, target: None };
        for name in ["bad.test".to_owned(), format!("{}.test", ["abcdefghij"; 8].join("."))] {
            let wire = DomainName::from_text(&name).expect("valid");
            let event = QueryEvent::new(&origin, &client, wire.as_name(), 28, 0, QueryVerdict::Blocked, &decision);
            let line = serde_json::to_value(&event).expect("serialisable");
            let expected = serde_json::json!({
                "client": "192.0.2.7", "protocol": "udp", "customer": 3, "location": 4, "policy": 5, "name": name,
                "type": "AAAA", "rcode": 0, "verdict": "blocked", "step": 6, "entry": null, "categories": [0, 5],
            });
            assert_eq!(line, expected);
        }
        assert!(size_of::<QueryEvent>() <= 160, "{}", size_of::<QueryEvent>());
    }
}
