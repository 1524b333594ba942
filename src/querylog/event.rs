//! What is recorded of a query.

use crate::{
    identify::{Client, Origin, Transport},
    model::{CustomerId, DeviceId, InternalUserId, LocationId, Name},
    policy::Decision,
    telemetry::QueryVerdict,
};
use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Octets of a name that an event holds in itself; longer ones take an allocation.
const SHORT_OCTETS_MAX: usize = 62;

/// One answered query.
#[derive(Clone, Debug)]
pub struct QueryEvent {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(super) time_ms: i64,
    pub(super) address: IpAddr,
    pub(super) transport: Transport,
    pub(super) customer: CustomerId,
    pub(super) location: Option<LocationId>,
    pub(super) device: Option<DeviceId>,
    pub(super) user: Option<InternalUserId>,
    name: EventName,
    pub(super) qtype: u16,
    pub(super) rcode: u16,
    pub(super) took_us: u32,
    pub(super) verdict: QueryVerdict,
    pub(super) decision: Decision,
}

/// How a query ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What became of it.
    pub verdict: QueryVerdict,
    /// The reply's response code.
    pub rcode: u16,
    /// From its arrival to its answer.
    pub took: Duration,
}

#[derive(Clone, Debug)]
enum EventName {
    Short { length: u8, octets: [u8; SHORT_OCTETS_MAX] },
    Long(Box<[u8]>),
}

impl QueryEvent {
    /// The event of a query answered now. Allocates only for names of more than 62 octets.
    pub fn new(
        origin: &Origin,
        client: &Client,
        name: Name<'_>,
        qtype: u16,
        ended: Ended,
        decision: &Decision,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        QueryEvent {
            time_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            address: origin.client,
            transport: origin.transport,
            customer: client.customer,
            location: client.location,
            device: client.device,
            user: client.user,
            name: EventName::new(name),
            qtype,
            rcode: ended.rcode,
            took_us: u32::try_from(ended.took.as_micros()).unwrap_or(u32::MAX),
            verdict: ended.verdict,
            decision: *decision,
        }
    }

    /// The same query at another time.
    #[cfg(test)]
    pub(crate) fn at(self, time_ms: i64) -> Self {
        QueryEvent { time_ms, ..self }
    }

    /// The name asked for.
    pub(super) fn name(&self) -> Name<'_> {
        Name::from_lower_wire(match &self.name {
            EventName::Short { length, octets } => &octets[..usize::from(*length)],
            EventName::Long(octets) => octets,
        })
    }
}

impl EventName {
    fn new(name: Name<'_>) -> Self {
        let wire = name.as_wire();
        match u8::try_from(wire.len()) {
            Ok(length) if wire.len() <= SHORT_OCTETS_MAX => {
                let mut octets = [0; SHORT_OCTETS_MAX];
                octets[..wire.len()].copy_from_slice(wire);
                EventName::Short { length, octets }
            }
            _ => EventName::Long(wire.into()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        identify::Evidence,
        model::{CategoryId, CategorySet, DomainName, PolicyId},
        policy::{Cause, Verdict},
    };
    use std::net::SocketAddr;

    /// A blocked query of a known client at this time.
    pub(in super::super) fn event(name: &str, time_ms: i64) -> QueryEvent {
        let address: IpAddr = "192.0.2.7".parse().expect("an address");
        let origin = Origin {
            client: address,
            client_port: 40_000,
            local: SocketAddr::from(([127, 0, 0, 1], 53)),
            transport: Transport::Udp,
        };
        let client = Client {
            customer: CustomerId(5),
            location: Some(LocationId(6)),
            device: None,
            user: None,
            policy: None,
            evidence: Evidence::SourceAddress { address, range: address.into() },
        };
        let blocked: CategorySet = CategoryId::new(3).into_iter().collect();
        let decision = Decision::new(PolicyId(7), Verdict::Block, Cause::Category { blocked, all: blocked });
        let name = DomainName::from_text(name).expect("a name");
        let ended = Ended { verdict: QueryVerdict::Blocked, rcode: 0, took: Duration::from_micros(12) };
        QueryEvent::new(&origin, &client, name.as_name(), 1, ended, &decision).at(time_ms)
    }

    #[test]
    fn names_of_any_length_come_back_whole() {
        let label = "a".repeat(63);
        for name in [".", "example", "www.example.com", &format!("{}.de", "b".repeat(57)), &format!("{label}.{label}")]
        {
            assert_eq!(event(name, 0).name().to_string(), name);
        }
        assert!(size_of::<QueryEvent>() <= 192, "an event is {} octets", size_of::<QueryEvent>());
    }
}
