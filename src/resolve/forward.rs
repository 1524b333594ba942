//! Several servers as one: the first healthy one in the order given, the next when it fails.
//!
//! A server that fails is left alone for a time that grows with each failure, then probed with a
//! copy of somebody's query that nobody waits for, and asked again once it answers.

use super::{
    answer::ede,
    digest,
    server::{Server, ServerStats, Shared},
};
use futures_util::future::BoxFuture;
use hickory_net::{DnsError, NetError};
use hickory_proto::{
    op::{DnsRequest, DnsResponse, ResponseCode},
    rr::rdata::opt::{EdnsCode, EdnsOption},
};
use parking_lot::Mutex;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

const RESOLV_CONF: &str = "/etc/resolv.conf";
const RESOLV_CONF_CHECK: Duration = Duration::from_secs(5);
const SYSTEM_SERVERS_MAX: usize = 8;
/// However many servers and tries: no client waits longer.
const DEADLINE_MAX: Duration = Duration::from_secs(10);

/// Why nobody answered.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Extended error code (RFC 8914).
    pub(super) ede: u16,
    pub(super) error: NetError,
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        let ede = match &error {
            NetError::Timeout | NetError::Dns(_) => ede::NO_REACHABLE_AUTHORITY,
            _ => ede::NETWORK_ERROR,
        };
        Failure { ede, error }
    }
}

/// An answer, and whether its way here was safe from others.
pub(super) struct Answered {
    pub(super) response: DnsResponse,
    pub(super) secure: bool,
}

/// Servers in the order they are asked.
pub(super) struct Group {
    members: Vec<Member>,
    tries: u8,
    shared: Shared,
}

pub(super) enum Member {
    Server(Arc<Server>),
    /// Those of `/etc/resolv.conf`.
    System(SystemServers),
}

impl Group {
    pub(super) fn new(members: Vec<Member>, tries: u8, shared: &Shared) -> Self {
        Group { members, tries: tries.max(1), shared: shared.clone() }
    }

    fn servers(&self) -> Vec<Arc<Server>> {
        let mut servers = Vec::with_capacity(self.members.len());
        for member in &self.members {
            match member {
                Member::Server(server) => servers.push(server.clone()),
                Member::System(system) => servers.extend(system.servers(&self.shared)),
            }
        }
        servers
    }

    pub(super) fn stats(&self) -> Vec<ServerStats> {
        self.servers().iter().map(|server| server.stats()).collect()
    }

    /// Its servers as people know them, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.servers().iter().map(|server| server.name()).collect()
    }

    /// `ask` for servers that are found through other servers: a type that does not contain itself.
    pub(super) fn ask_boxed<'a>(&'a self, request: &'a DnsRequest) -> BoxFuture<'a, Result<Answered, Failure>> {
        Box::pin(self.ask(request))
    }

    /// Asks until a server has an answer, a denial included.
    pub(super) async fn ask(&self, request: &DnsRequest) -> Result<Answered, Failure> {
        let servers = self.servers();
        let rounds = u32::from(self.tries);
        let limit = (self.shared.timeout * rounds * servers.len().max(1) as u32).min(DEADLINE_MAX);
        let deadline = Instant::now() + limit;
        if servers.iter().any(|server| server.is_healthy()) {
            for server in servers.iter().filter(|server| server.take_probe()) {
                let (server, request) = (server.clone(), request.clone());
                tokio::spawn(async move { server.ask(&request).await.is_ok() });
            }
        }
        let mut failure = None;
        for _ in 0..rounds {
            // Failing ones come last, for the case that all fail.
            let (healthy, failing): (Vec<_>, Vec<_>) = servers.iter().partition(|server| server.is_healthy());
            let mut unheard = false;
            for server in healthy.into_iter().chain(failing) {
                let left = deadline.saturating_duration_since(Instant::now());
                let result = tokio::time::timeout(left, server.ask(request)).await;
                match result.unwrap_or(Err(NetError::Timeout)) {
                    Ok(response) if is_final(&response) => {
                        return Ok(Answered { response, secure: server.is_secure() });
                    }
                    Ok(response) => failure = Some(said(&response)),
                    Err(error) => {
                        unheard = true;
                        failure.get_or_insert_with(|| Failure::from(error));
                    }
                }
                if Instant::now() >= deadline {
                    return Err(failure.unwrap_or_else(|| NetError::Timeout.into()));
                }
            }
            if !unheard {
                // All have spoken; asking again would not change their minds.
                break;
            }
        }
        Err(failure.unwrap_or_else(|| NetError::NoConnections.into()))
    }
}

fn is_final(response: &DnsResponse) -> bool {
    digest::is_answer(response.metadata.response_code) && !digest::is_referral(response)
}

/// The failure a server reported, with the reason it gave.
fn said(response: &DnsResponse) -> Failure {
    let code = match response.metadata.response_code {
        // Only referrals get here with that.
        ResponseCode::NoError => ResponseCode::NotAuth,
        code => code,
    };
    let given = response.edns.as_ref().and_then(|edns| match edns.option(EdnsCode::from(15)) {
        Some(EdnsOption::Unknown(_, data)) => data.first_chunk().map(|code| u16::from_be_bytes(*code)),
        _ => None,
    });
    Failure { ede: given.unwrap_or(ede::NO_REACHABLE_AUTHORITY), error: NetError::Dns(DnsError::ResponseCode(code)) }
}

/// The name servers of the system, read again when their file changes.
pub(super) struct SystemServers {
    state: Mutex<SystemState>,
}

#[derive(Default)]
struct SystemState {
    check_at: Option<Instant>,
    modified: Option<SystemTime>,
    servers: Vec<Arc<Server>>,
}

impl SystemServers {
    pub(super) fn new() -> Self {
        SystemServers { state: Mutex::default() }
    }

    fn servers(&self, shared: &Shared) -> Vec<Arc<Server>> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.check_at.is_some_and(|at| now < at) {
            return state.servers.clone();
        }
        state.check_at = Some(now + RESOLV_CONF_CHECK);
        let modified = std::fs::metadata(RESOLV_CONF).and_then(|file| file.modified()).ok();
        if modified.is_some() && modified == state.modified {
            return state.servers.clone();
        }
        match hickory_resolver::system_conf::read_system_conf() {
            Ok((config, _)) => {
                state.modified = modified;
                let addresses = config.name_servers().iter().take(SYSTEM_SERVERS_MAX).map(|server| server.ip);
                let addresses: Vec<SocketAddr> = addresses.map(|ip| SocketAddr::new(ip, 53)).collect();
                let known =
                    |address: &SocketAddr| state.servers.iter().find(|s| s.address() == Some(*address)).cloned();
                let servers: Vec<Arc<Server>> = addresses
                    .iter()
                    .map(|address| {
                        known(address).unwrap_or_else(|| Arc::new(Server::plain(*address, "system", shared)))
                    })
                    .collect();
                state.servers = servers;
            }
            Err(error) => tracing::warn!(%error, "{RESOLV_CONF} cannot be used"),
        }
        state.servers.clone()
    }
}
