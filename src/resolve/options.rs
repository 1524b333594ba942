//! How a resolver is set up.

use super::upstream::Upstream;
use crate::model::DomainName;
use hickory_proto::dnssec::TrustAnchors;
use ipnet::IpNet;
use std::sync::Arc;

/// Everything a [`Resolver`](super::Resolver) is told at its start. `Default` is a working set but
/// for `upstreams`, which is empty there and must not be.
#[derive(Clone)]
pub struct Options {
    /// Where answers come from, best first. The first healthy one is asked.
    pub upstreams: Vec<Upstream>,
    /// Zones with upstreams of their own; the longest matching zone wins. Their answers are not
    /// validated: such zones are private as a rule, and the public tree denies them.
    pub zones: Vec<(DomainName, Vec<Upstream>)>,
    /// Milliseconds an upstream has for one try. Default 1500.
    pub timeout_ms: u32,
    /// Rounds through all upstreams of a zone before giving up, at least 1. Default 2.
    pub tries: u8,
    /// Networks that servers of tenants may be in beside those of others: addresses of this machine and of its links
    /// are refused to them otherwise. Default none.
    pub tenant_allow: Vec<IpNet>,
    /// Whether answers are validated here (RFC 4035). Default off.
    pub dnssec: bool,
    /// Keys to trust instead of those of the root zone.
    pub trust_anchors: Option<Arc<TrustAnchors>>,
    /// Certificate authorities for TLS and HTTPS upstreams instead of the system's.
    pub tls_roots: Option<Arc<rustls::RootCertStore>>,
    /// Octets the answer cache may hold, its own overhead included. Default 64 MiB.
    pub cache_bytes: usize,
    /// Smallest lifetime of a cached answer in seconds. Default 0: as the answer says.
    pub ttl_min_s: u32,
    /// Largest lifetime of a cached answer in seconds. Default one day.
    pub ttl_max_s: u32,
    /// Largest lifetime of a cached "does not exist" in seconds (RFC 2308, section 5). Default
    /// 3600, never more than three hours.
    pub negative_ttl_max_s: u32,
    /// Seconds past its lifetime an answer may still be served while upstreams fail (RFC 8767).
    /// Default one day; 0 turns it off.
    pub stale_max_s: u32,
    /// Milliseconds a client waits for an upstream before it gets a stale answer. Default 1800.
    pub stale_after_ms: u32,
    /// Seconds a failure is remembered the first time (RFC 9520, section 3.2). Default 5.
    pub failure_min_s: u32,
    /// Seconds a failure is remembered at most; each failure in a row doubles it. Default 300.
    pub failure_max_s: u32,
    /// Whether popular answers are refreshed in the last tenth of their life. Default on.
    pub prefetch: bool,
    /// UDP sockets open at once at most, one a query; more wait for their turn. Must stay well below
    /// the limit of open files. Default 512.
    pub sockets_max: usize,
    /// Questions under way at most; beyond that the answer is SERVFAIL. Default 10,000.
    pub inflight_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            upstreams: Vec::new(),
            zones: Vec::new(),
            timeout_ms: 1500,
            tries: 2,
            tenant_allow: Vec::new(),
            dnssec: false,
            trust_anchors: None,
            tls_roots: None,
            cache_bytes: 64 << 20,
            ttl_min_s: 0,
            ttl_max_s: 86_400,
            negative_ttl_max_s: 3600,
            stale_max_s: 86_400,
            stale_after_ms: 1800,
            failure_min_s: 5,
            failure_max_s: 300,
            prefetch: true,
            sockets_max: 512,
            inflight_max: 10_000,
        }
    }
}

/// Why a resolver cannot be set up. The operator must change the options or the machine.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No upstream at all, or none for this zone.
    #[error("no upstream is given{}", .0.as_ref().map(|zone| format!(" for the zone {zone}")).unwrap_or_default())]
    NoUpstreams(Option<DomainName>),
    /// The certificate authorities of the system cannot be used.
    #[error("the certificate authorities for encrypted upstreams cannot be loaded")]
    Tls(#[source] rustls::Error),
    /// The trust anchors or the root servers were refused.
    #[error("recursion cannot be set up")]
    Recursion(#[source] hickory_resolver::recursor::RecursorError),
    /// There is no tokio runtime to run upstream queries on.
    #[error("the resolver must be started within a tokio runtime")]
    Runtime,
}
