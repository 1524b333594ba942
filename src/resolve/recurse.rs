//! Answers from the root servers down, by hickory's recursor.
//!
//! It never asks servers at loopback, private or otherwise local addresses (hickory's default
//! `deny_server`), so that a delegation cannot point it at machines beside it.

use super::{digest::Trust, forward::Failure, options::ResolveError, server::Runtime, validate::judged};
use hickory_net::{DnsError, NetError};
use hickory_proto::{
    dnssec::TrustAnchors,
    op::{Message, MessageType, OpCode, Query, ResponseCode},
};
use hickory_resolver::recursor::{DnssecConfig, DnssecPolicy, Recursor, RecursorError, RecursorOptions};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(10);
/// Messages the recursor remembers for itself; answers to clients are in the answer cache.
const RESPONSES_MAX: u64 = 32_768;
const SERVERS_MAX: usize = 4096;

/// The root servers, a to m (<https://www.iana.org/domains/root/servers>).
const ROOTS: [(Ipv4Addr, Ipv6Addr); 13] = [
    (Ipv4Addr::new(198, 41, 0, 4), v6(0x2001, 0x503, 0xba3e, 0, 2, 0x30)),
    (Ipv4Addr::new(170, 247, 170, 2), v6(0x2801, 0x1b8, 0x10, 0, 0, 0xb)),
    (Ipv4Addr::new(192, 33, 4, 12), v6(0x2001, 0x500, 2, 0, 0, 0xc)),
    (Ipv4Addr::new(199, 7, 91, 13), v6(0x2001, 0x500, 0x2d, 0, 0, 0xd)),
    (Ipv4Addr::new(192, 203, 230, 10), v6(0x2001, 0x500, 0xa8, 0, 0, 0xe)),
    (Ipv4Addr::new(192, 5, 5, 241), v6(0x2001, 0x500, 0x2f, 0, 0, 0xf)),
    (Ipv4Addr::new(192, 112, 36, 4), v6(0x2001, 0x500, 0x12, 0, 0, 0xd0d)),
    (Ipv4Addr::new(198, 97, 190, 53), v6(0x2001, 0x500, 1, 0, 0, 0x53)),
    (Ipv4Addr::new(192, 36, 148, 17), v6(0x2001, 0x7fe, 0, 0, 0, 0x53)),
    (Ipv4Addr::new(192, 58, 128, 30), v6(0x2001, 0x503, 0xc27, 0, 2, 0x30)),
    (Ipv4Addr::new(193, 0, 14, 129), v6(0x2001, 0x7fd, 0, 0, 0, 1)),
    (Ipv4Addr::new(199, 7, 83, 42), v6(0x2001, 0x500, 0x9f, 0, 0, 0x42)),
    (Ipv4Addr::new(202, 12, 27, 33), v6(0x2001, 0xdc3, 0, 0, 0, 0x35)),
];

const fn v6(a: u16, b: u16, c: u16, d: u16, g: u16, h: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, d, 0, 0, g, h)
}

/// Resolves by itself.
pub(super) struct Recursion {
    validating: Option<Recursor<Runtime>>,
    /// For clients that validate themselves (CD), and for all without validation here.
    plain: Recursor<Runtime>,
}

impl Recursion {
    pub(super) fn new(
        dnssec: bool,
        anchors: Option<&Arc<TrustAnchors>>,
        runtime: &Runtime,
    ) -> Result<Self, ResolveError> {
        let build = |policy| {
            let roots: Vec<IpAddr> = ROOTS
                .iter()
                .map(|(v4, _)| IpAddr::V4(*v4))
                .chain(ROOTS.iter().map(|(_, v6)| IpAddr::V6(*v6)))
                .collect();
            let options = RecursorOptions {
                ns_cache_size: SERVERS_MAX,
                response_cache_size: RESPONSES_MAX,
                ..RecursorOptions::default()
            };
            Recursor::new(&roots, policy, None, options, runtime.clone()).map_err(ResolveError::Recursion)
        };
        let validating = if dnssec {
            let mut config = DnssecConfig::default();
            config.trust_anchor = anchors.cloned();
            config.validation_cache_size = Some(65_536);
            Some(build(DnssecPolicy::ValidateWithStaticKey(config))?)
        } else {
            None
        };
        Ok(Recursion { validating, plain: build(DnssecPolicy::ValidationDisabled)? })
    }

    pub(super) async fn lookup(
        &self,
        query: Query,
        dnssec_ok: bool,
        checking_disabled: bool,
    ) -> Result<(Message, Trust), Failure> {
        let (recursor, trust) = match &self.validating {
            Some(recursor) if !checking_disabled => (recursor, Trust::Validated { insecure: false }),
            _ => (&self.plain, Trust::Channel { authentic: false }),
        };
        let resolving = recursor.resolve(query.clone(), Instant::now(), dnssec_ok);
        match tokio::time::timeout(DEADLINE, resolving).await {
            Err(_) | Ok(Err(RecursorError::Timeout)) => Err(NetError::Timeout.into()),
            Ok(Ok(message)) => Ok((message, trust)),
            Ok(Err(RecursorError::Negative(denial))) => {
                let code = if denial.is_nx_domain() { ResponseCode::NXDomain } else { ResponseCode::NoError };
                let soa = denial.soa.map(|soa| soa.into_record_of_rdata());
                Ok((denied(query, code, soa, denial.authorities.as_deref()), trust))
            }
            Ok(Err(RecursorError::Net(NetError::Dns(DnsError::NoRecordsFound(denial))))) => {
                let soa = denial.soa.map(|soa| soa.into_record_of_rdata());
                Ok((denied(query, denial.response_code, soa, denial.authorities.as_deref()), trust))
            }
            Ok(Err(RecursorError::Net(error))) => judged(Err(error)),
            Ok(Err(RecursorError::Io(error))) => Err(NetError::from(error).into()),
            Ok(Err(error)) => Err(Failure {
                ede: super::answer::ede::NO_REACHABLE_AUTHORITY,
                error: NetError::from(error.to_string()),
            }),
        }
    }
}

type Record = hickory_proto::rr::Record;

fn denied(query: Query, code: ResponseCode, soa: Option<Record>, authorities: Option<&[Record]>) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.add_query(query);
    let others = authorities.unwrap_or_default().iter().filter(|record| Some(*record) != soa.as_ref());
    message.add_authorities(others.cloned());
    message.add_authorities(soa.clone());
    message
}
