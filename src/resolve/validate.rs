//! DNSSEC validation of what upstreams answer (RFC 4035), by hickory's validator.
//!
//! Upstreams are asked with CD and DO set (RFC 6840, section 5.9), so that they hand out what they
//! have and the verdict is made here.

use super::{
    digest::Trust,
    forward::{Failure, Group},
    server::Runtime,
};
use futures_util::{FutureExt, Stream, stream};
use hickory_net::{DnsError, DnsHandle, NetError, dnssec::DnssecDnsHandle, xfer::FirstAnswer};
use hickory_proto::{
    dnssec::{Proof, TrustAnchors},
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query},
    rr::{Name, RData, RecordType},
};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest chain of trust, in queries.
const DEPTH_MAX: usize = 64;
/// Record sets whose verdict is remembered.
const VERDICTS_MAX: usize = 65_536;
/// Keys and delegations remembered, a few kilobytes each.
const LINKS_MAX: NonZeroUsize = NonZeroUsize::new(2048).expect("2048 is not zero");
const LINK_LIFE_MAX_S: u32 = 3600;

/// Validates what a group of servers answers.
pub(super) struct Validator {
    handle: DnssecDnsHandle<Chained>,
    links: Links,
}

type Links = Arc<Mutex<LruCache<(Name, RecordType), (Instant, DnsResponse)>>>;

impl Validator {
    pub(super) fn new(group: Arc<Group>, anchors: Option<Arc<TrustAnchors>>) -> Self {
        let links: Links = Arc::new(Mutex::new(LruCache::new(LINKS_MAX)));
        let chained = Chained { group, links: links.clone() };
        let handle = match anchors {
            Some(anchors) => DnssecDnsHandle::with_trust_anchor(chained, anchors),
            None => DnssecDnsHandle::new(chained),
        };
        Validator { handle: handle.validation_cache_size(VERDICTS_MAX), links }
    }

    pub(super) async fn lookup(&self, query: Query) -> Result<(Message, Trust), Failure> {
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        options.max_request_depth = DEPTH_MAX;
        judged(self.handle.lookup(query, options).first_answer().await)
    }

    /// Forgets keys and delegations.
    pub(super) fn flush(&self) {
        self.links.lock().clear();
    }
}

/// Separates verdicts from failures.
pub(super) fn judged(result: Result<DnsResponse, NetError>) -> Result<(Message, Trust), Failure> {
    match result {
        Ok(response) => Ok((response.into_message(), Trust::Validated { insecure: false })),
        Err(NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. })) => {
            Ok((response.into_message(), Trust::Validated { insecure: true }))
        }
        Err(error @ NetError::Dns(DnsError::Nsec { .. } | DnsError::DnssecBogus)) => {
            Err(Failure { ede: super::answer::ede::DNSSEC_BOGUS, error })
        }
        Err(error) => Err(error.into()),
    }
}

/// The servers as the validator sees them: what it asks again and again is remembered.
#[derive(Clone)]
struct Chained {
    group: Arc<Group>,
    links: Links,
}

impl Chained {
    async fn answer(self, mut request: DnsRequest) -> Result<DnsResponse, NetError> {
        request.metadata.checking_disabled = true;
        let link = request.queries.first().map(|query| (query.name().clone(), query.query_type()));
        let link = link.filter(|(_, kind)| matches!(kind, RecordType::DNSKEY | RecordType::DS | RecordType::NS));
        if let Some(link) = &link
            && let Some((until, response)) = self.links.lock().get(link)
            && Instant::now() < *until
        {
            return Ok(response.clone());
        }
        let response = self.group.ask(&request).await.map_err(|failure| failure.error)?.response;
        if let Some(link) = link {
            let life = Duration::from_secs(u64::from(life_s(&response)));
            if !life.is_zero() {
                self.links.lock().put(link, (Instant::now() + life, response.clone()));
            }
        }
        Ok(response)
    }
}

/// How long a link of a chain may be remembered: its smallest TTL, a denial its SOA's.
fn life_s(message: &Message) -> u32 {
    let soa = message.authorities.iter().filter_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.minimum),
        _ => None,
    });
    let ttls = message.answers.iter().chain(&message.authorities).map(|record| record.ttl);
    ttls.chain(soa).min().unwrap_or(0).min(LINK_LIFE_MAX_S)
}

impl DnsHandle for Chained {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = Runtime;

    fn send(&self, request: DnsRequest) -> Self::Response {
        Box::pin(stream::once(self.clone().answer(request).boxed()))
    }
}
