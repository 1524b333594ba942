//! One server: how it is spoken to, and how it is doing.

use super::{
    bootstrap::Bootstrap,
    digest,
    link::{Carrier, Link},
    pipe::Pipe,
    upstream::{Endpoint, Upstream},
};
use hickory_net::{
    NetError,
    h2::HttpsClientStream,
    runtime::TokioRuntimeProvider,
    udp::UdpClientStream,
    xfer::{DnsRequestSender, FirstAnswer},
};
use hickory_proto::op::{DnsRequest, DnsResponse, Message, ResponseCode};
use metrics::{Counter, Histogram};
use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::TlsConnector;

pub(super) type Runtime = TokioRuntimeProvider;

/// First pause after a failure; each failure in a row doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// When the next address of a server is tried as well.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// How long a server that cannot read EDNS is asked without (RFC 6891, section 7).
const WITHOUT_EDNS: Duration = Duration::from_secs(600);

/// What all servers of a resolver share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) runtime: Runtime,
    pub(super) timeout: Duration,
    /// One permit an open UDP socket.
    pub(super) sockets: Arc<Semaphore>,
    /// Client side of TLS; `None` if no upstream needs it.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// What its servers are counted and logged as, where not as they are written.
    pub(super) label: Option<&'static str>,
}

enum Kind {
    Plain { address: SocketAddr, tcp: Link },
    Tls { endpoint: Endpoint, tls: Arc<ClientConfig>, bootstrap: Bootstrap, link: Link },
    Https { endpoint: Endpoint, path: Arc<str>, tls: Arc<ClientConfig>, bootstrap: Bootstrap, link: Link },
}

/// One server.
pub(super) struct Server {
    kind: Kind,
    shared: Shared,
    label: Arc<str>,
    health: Mutex<Health>,
    asked: AtomicU64,
    failed: AtomicU64,
    queries: Counter,
    failures: Counter,
    seconds: Histogram,
}

#[derive(Default)]
struct Health {
    failures: u32,
    /// Set while it fails: when it may be tried again.
    retry_at: Option<Instant>,
    probing: bool,
    answered: Option<Instant>,
    without_edns_until: Option<Instant>,
}

impl Health {
    /// Leaves the server alone for a while, longer each time. Queries that fail together count once.
    fn fail(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| at <= now) {
            let pause = PAUSE_MIN * (1 << self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(now + pause.min(PAUSE_MAX));
        }
    }
}

/// How a server has done since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStats {
    /// The upstream as configured.
    pub upstream: Arc<str>,
    /// Queries sent to it, tries over TCP after truncation not counted again.
    pub queries: u64,
    /// Those it did not answer.
    pub failures: u64,
    /// Whether it is being asked, or only probed because it fails.
    pub healthy: bool,
}

impl Server {
    /// A plain server, counted under `label`.
    pub(super) fn plain(address: SocketAddr, label: &str, shared: &Shared) -> Self {
        Self::new(Kind::Plain { address, tcp: Link::default() }, label, shared)
    }

    /// The server of an upstream; `None` for those that are no single server.
    pub(super) fn of(upstream: &Upstream, shared: &Shared, bootstrap: impl Fn(&Endpoint) -> Bootstrap) -> Option<Self> {
        let label = shared.label.map_or_else(|| upstream.to_string(), str::to_owned);
        let kind = match upstream {
            Upstream::Plain(address) => return Some(Self::plain(*address, &label, shared)),
            Upstream::Tls(endpoint) => Kind::Tls {
                endpoint: endpoint.clone(),
                tls: shared.tls.clone()?,
                bootstrap: bootstrap(endpoint),
                link: Link::default(),
            },
            Upstream::Https { endpoint, path } => Kind::Https {
                endpoint: endpoint.clone(),
                path: path.as_str().into(),
                tls: shared.tls.clone()?,
                bootstrap: bootstrap(endpoint),
                link: Link::default(),
            },
            Upstream::System | Upstream::Recurse => return None,
        };
        Some(Self::new(kind, &label, shared))
    }

    fn new(kind: Kind, label: &str, shared: &Shared) -> Self {
        let label: Arc<str> = label.into();
        Server {
            kind,
            shared: shared.clone(),
            health: Mutex::default(),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            queries: metrics::counter!("weir_upstream_queries_total", "upstream" => label.to_string()),
            failures: metrics::counter!("weir_upstream_failures_total", "upstream" => label.to_string()),
            seconds: metrics::histogram!("weir_upstream_seconds", "upstream" => label.to_string()),
            label,
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Plain { address, .. } => Some(*address),
            _ => None,
        }
    }

    /// A plain server's address, without the port where it is the usual one; others as configured.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Plain { address, .. } if address.port() == 53 => address.ip().to_string(),
            Kind::Plain { address, .. } => address.to_string(),
            _ => self.label.to_string(),
        }
    }

    /// Whether nobody between that server and this program can change its answers: TLS, or the same
    /// machine. Only then does its AD bit mean anything (RFC 4035, section 4.9.3).
    pub(super) fn is_secure(&self) -> bool {
        match &self.kind {
            Kind::Plain { address, .. } => address.ip().is_loopback(),
            _ => true,
        }
    }

    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            upstream: self.label.clone(),
            queries: self.asked.load(Ordering::Relaxed),
            failures: self.failed.load(Ordering::Relaxed),
            healthy: self.is_healthy(),
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.health.lock().retry_at.is_none()
    }

    /// Whether it fails, its pause is over and nobody probes it yet. True makes the caller the one.
    pub(super) fn take_probe(&self) -> bool {
        let mut health = self.health.lock();
        let due = !health.probing && health.retry_at.is_some_and(|at| at <= Instant::now());
        health.probing |= due;
        due
    }

    /// Asks it once. Every response code is an answer here; silence, a broken connection and an
    /// answer to something else are errors.
    pub(super) async fn ask(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let started = Instant::now();
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.queries.increment(1);
        let result = self.ask_with_edns_or_without(request, started).await;
        let mut health = self.health.lock();
        health.probing = false;
        match &result {
            Ok(_) => {
                if health.retry_at.is_some() {
                    tracing::info!(upstream = %self.label, "upstream answers again");
                }
                health.failures = 0;
                health.retry_at = None;
                health.answered = Some(Instant::now());
                self.seconds.record(started.elapsed());
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.failures.increment(1);
                // One name may be slow while the server is fine.
                if !matches!(error, NetError::Timeout) || health.answered.is_none_or(|answered| answered < started) {
                    if health.retry_at.is_none() {
                        tracing::warn!(upstream = %self.label, %error, "upstream fails; others are asked first");
                    }
                    health.fail(Instant::now());
                }
                tracing::debug!(upstream = %self.label, %error, failures = health.failures, "upstream failed");
            }
        }
        result
    }

    async fn ask_with_edns_or_without(&self, request: &DnsRequest, now: Instant) -> Result<DnsResponse, NetError> {
        let mut request = request.clone();
        // An id of its own for every server, so that none learns another's.
        request.metadata.id = Message::query().metadata.id;
        if self.health.lock().without_edns_until.is_some_and(|until| now < until) {
            request.edns = None;
        }
        let response = self.exchange(&request).await?;
        let refuses_edns = matches!(response.metadata.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
            && response.edns.is_none()
            && request.edns.is_some();
        if !refuses_edns {
            return matching(&request, response);
        }
        request.edns = None;
        let response = matching(&request, self.exchange(&request).await?)?;
        if digest::is_answer(response.metadata.response_code) {
            self.health.lock().without_edns_until = Some(now + WITHOUT_EDNS);
        }
        Ok(response)
    }

    async fn exchange(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let timeout = self.shared.timeout;
        let response = match &self.kind {
            Kind::Plain { address, tcp } => match self.over_udp(*address, request).await {
                Ok(response) if !response.metadata.truncation => return Ok(response),
                // Cut off by the sender, or on the way so that it cannot be read.
                Ok(_) | Err(NetError::Proto(_)) => tcp.ask(request, timeout, || self.connect_tcp(*address)).await?,
                Err(error) => return Err(error),
            },
            Kind::Tls { endpoint, tls, bootstrap, link } => {
                link.ask(request, timeout, || self.connect_tls(endpoint, tls, bootstrap)).await?
            }
            Kind::Https { endpoint, path, tls, bootstrap, link } => {
                link.ask(request, timeout, || self.connect_https(endpoint, path, tls, bootstrap)).await?
            }
        };
        if response.metadata.truncation { Err(NetError::Truncated) } else { Ok(response) }
    }

    /// Sends from a port of its own, and once more if nothing came in half the time.
    async fn over_udp(&self, address: SocketAddr, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let timeout = self.shared.timeout;
        let _permit = self.shared.sockets.acquire().await.map_err(|_| NetError::Busy)?;
        let mut stream = UdpClientStream::builder(address, self.shared.runtime.clone())
            .with_timeout(Some(timeout))
            .with_max_retries(2)
            .with_retry_interval_floor((timeout.as_millis() / 2) as u64)
            .build();
        stream.send_message(request.clone()).first_answer().await
    }

    async fn connect_tcp(&self, address: SocketAddr) -> Result<Carrier, NetError> {
        Ok(Carrier::Stream(Pipe::new(open_tcp(address).await?)))
    }

    /// The name is told to the server: some find the customer's account by it.
    async fn connect_tls(
        &self,
        endpoint: &Endpoint,
        tls: &Arc<ClientConfig>,
        bootstrap: &Bootstrap,
    ) -> Result<Carrier, NetError> {
        let name = ServerName::try_from(endpoint.name.clone())
            .map_err(|_| NetError::from("the name of the upstream is no TLS server name"))?;
        let connect = |address| {
            let (name, tls) = (name.clone(), TlsConnector::from(tls.clone()));
            let remote = SocketAddr::new(address, endpoint.port);
            async move { Ok(Pipe::new(tls.connect(name, open_tcp(remote).await?).await?)) }
        };
        first(bootstrap.addresses().await?, connect).await.map(Carrier::Stream)
    }

    async fn connect_https(
        &self,
        endpoint: &Endpoint,
        path: &Arc<str>,
        tls: &Arc<ClientConfig>,
        bootstrap: &Bootstrap,
    ) -> Result<Carrier, NetError> {
        let connect = |address| {
            let mut builder = HttpsClientStream::builder(tls.clone(), self.shared.runtime.clone());
            builder.request_timeout(self.shared.timeout);
            builder.build(SocketAddr::new(address, endpoint.port), endpoint.name.as_str().into(), path.clone())
        };
        first(bootstrap.addresses().await?, connect).await.map(Carrier::Https)
    }
}

async fn open_tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The first address that can be connected to. Each next one gets its chance when those before it
/// have not succeeded after a while (RFC 8305, section 5).
async fn first<T, C>(addresses: Vec<IpAddr>, connect: impl Fn(IpAddr) -> C) -> Result<T, NetError>
where
    C: Future<Output = Result<T, NetError>>,
{
    let attempts = addresses.into_iter().zip(0u32..).map(|(address, turn)| {
        let connecting = connect(address);
        Box::pin(async move {
            tokio::time::sleep(NEXT_ADDRESS * turn).await;
            connecting.await
        })
    });
    let attempts: Vec<_> = attempts.collect();
    if attempts.is_empty() {
        return Err(NetError::NoConnections);
    }
    futures_util::future::select_ok(attempts).await.map(|(connected, _)| connected)
}

/// Refuses an answer to another question. Servers may leave the question out of an error.
fn matching(request: &DnsRequest, response: DnsResponse) -> Result<DnsResponse, NetError> {
    let same = response.queries == request.queries;
    let error = response.queries.is_empty() && !digest::is_answer(response.metadata.response_code);
    if same || error { Ok(response) } else { Err(NetError::from("the upstream answered another question")) }
}
