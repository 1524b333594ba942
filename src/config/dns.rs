//! `[dns]`: where queries come in, and how much of them one client may ask.

use super::value::{addresses, between, networks};
use crate::model::{DomainName, ID_MAX, PolicyId};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, net::SocketAddr};

/// The listeners of plain DNS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Addresses served over UDP and TCP, at least one. Port 0 takes any free port. Default
    /// `["127.0.0.1:5353"]`.
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<SocketAddr>,
    /// Threads that receive over UDP, each with its own socket for every address, 0 to 1,024.
    /// Default 0: one a core.
    #[serde(deserialize_with = "between::<_, usize, 0, 1024>")]
    pub threads: usize,
    /// What a client nobody knows gets. Default `"refuse"`.
    pub unknown_clients: UnknownClients,
    /// Largest UDP answer sent, octets, 512 to 1,232. Larger ones are truncated and
    /// asked again over TCP. Default 1232, which crosses every IPv6 path unfragmented.
    #[serde(deserialize_with = "between::<_, u16, 512, 1232>")]
    pub udp_payload: u16,
    /// Answer names of private and special use here (RFC 6303, RFC 6761) instead of asking
    /// upstream. Default true.
    pub local_zones: bool,
    /// The name below which clients find out how they are served: `check.<name>` and `<anything>-check.<name>` are
    /// answered here, with what is known of who asks. `false`: there is no such name. Default `"weir.internal"`.
    pub self_test: SelfTest,
    /// How fast one client may ask.
    pub rate_limit: RateLimit,
    /// Limits of TCP.
    pub tcp: Tcp,
}

impl Default for Dns {
    fn default() -> Self {
        Dns {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5353))],
            threads: 0,
            unknown_clients: UnknownClients::Refuse,
            udp_payload: 1232,
            local_zones: true,
            self_test: SelfTest::default(),
            rate_limit: RateLimit::default(),
            tcp: Tcp::default(),
        }
    }
}

/// Where self-tests are; `None` where there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTest(pub Option<DomainName>);

impl Default for SelfTest {
    fn default() -> Self {
        SelfTest(DomainName::from_text("weir.internal").ok())
    }
}

impl<'de> Deserialize<'de> for SelfTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SelfTest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a domain name of two labels or more, or false")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<SelfTest, E> {
                if value { Err(E::invalid_value(de::Unexpected::Bool(value), &self)) } else { Ok(SelfTest(None)) }
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<SelfTest, E> {
                match DomainName::from_text(value) {
                    Ok(name) if name.as_name().label_count() >= 2 => Ok(SelfTest(Some(name))),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What a client gets that no location, device or key identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownClients {
    /// `"refuse"`: REFUSED with EDE 18.
    Refuse,
    /// `"drop"`: no answer.
    Drop,
    /// `{ policy = 7 }`: answers filtered by this policy.
    Policy(PolicyId),
}

impl<'de> Deserialize<'de> for UnknownClients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            #[serde(deserialize_with = "between::<_, u32, 1, { ID_MAX as u64 }>")]
            policy: u32,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = UnknownClients;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"refuse\", \"drop\" or { policy = <id> }")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<UnknownClients, E> {
                match value {
                    "refuse" => Ok(UnknownClients::Refuse),
                    "drop" => Ok(UnknownClients::Drop),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<UnknownClients, A::Error> {
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(UnknownClients::Policy(PolicyId(table.policy)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `[dns.rate_limit]`: a token bucket for every client address (IPv6: every /64) over UDP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// Queries a second that one client may keep up, 0 to 1,000,000. 0 sets no limit. Default 1000.
    #[serde(deserialize_with = "between::<_, u32, 0, 1_000_000>")]
    pub queries_per_second: u32,
    /// Queries that one client may send at once after a pause, 1 to 1,000,000. Default 2000.
    #[serde(deserialize_with = "between::<_, u32, 1, 1_000_000>")]
    pub burst: u32,
    /// Clients without a limit, as addresses or prefixes. Default `["127.0.0.0/8", "::1/128"]`.
    #[serde(deserialize_with = "networks")]
    pub exempt: Vec<IpNet>,
}

impl Default for RateLimit {
    fn default() -> Self {
        RateLimit {
            queries_per_second: 1000,
            burst: 2000,
            exempt: vec![IpNet::new_assert([127, 0, 0, 0].into(), 8), IpNet::new_assert(LOOPBACK_6, 128)],
        }
    }
}

const LOOPBACK_6: std::net::IpAddr = std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

/// `[dns.tcp]`: RFC 7766 wants connections kept and questions pipelined; these are the bounds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tcp {
    /// Connections open at once, 1 to 1,000,000. Default 4096.
    #[serde(deserialize_with = "between::<_, usize, 1, 1_000_000>")]
    pub connections_max: usize,
    /// Of those, from one address, 1 to 1,000,000. Default 64.
    #[serde(deserialize_with = "between::<_, usize, 1, 1_000_000>")]
    pub connections_per_client_max: usize,
    /// Seconds without a question after which a connection is closed, 1 to 600. Default 10.
    #[serde(deserialize_with = "between::<_, u64, 1, 600>")]
    pub idle_timeout_s: u64,
    /// Questions of one connection that may wait for their answers at once, 1 to 10,000. Default 64.
    #[serde(deserialize_with = "between::<_, usize, 1, 10_000>")]
    pub in_flight_max: usize,
}

impl Default for Tcp {
    fn default() -> Self {
        Tcp { connections_max: 4096, connections_per_client_max: 64, idle_timeout_s: 10, in_flight_max: 64 }
    }
}
