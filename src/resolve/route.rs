//! Which upstreams a name goes to, and how they are asked.

use super::{
    answer::{Answer, Scope, ede},
    bootstrap::Bootstrap,
    digest::{self, Asked, Lifetimes, Trust, Unusable},
    encode,
    forward::{Failure, Group, Member, SystemServers},
    options::{Options, ResolveError},
    recurse::Recursion,
    server::{Runtime, Server, ServerStats, Shared},
    upstream::Upstream,
    validate::Validator,
    way::{Subnet, Way},
};
use crate::model::{DomainName, Name};
use hickory_net::NetError;
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, Edns, Message, Query},
    rr::{
        Name as HickoryName, RecordType,
        rdata::opt::{ClientSubnet, EdnsCode, EdnsOption},
    },
};
use rustls::ClientConfig;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Aliases followed by asking again, when upstreams do not do it themselves.
const CHASES_MAX: usize = 8;

/// What servers of tenants are counted under: figures name no tenant.
const TENANT_LABEL: &str = "tenant";

/// A question to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The name asked about.
    pub name: DomainName,
    /// The record type.
    pub qtype: u16,
    /// The client wants signatures and proofs (DO bit, RFC 3225).
    pub dnssec_ok: bool,
    /// The client validates itself and wants what fails here as well (CD bit).
    pub checking_disabled: bool,
    /// Which upstreams are asked, and what they hear of the client.
    pub way: Way,
}

impl Key {
    /// A question of no client in particular, to the server's own upstreams.
    pub fn plain(name: DomainName, qtype: u16) -> Self {
        Key { name, qtype, dnssec_ok: false, checking_disabled: false, way: Way::default() }
    }
}

/// All upstreams of a resolver.
pub(super) struct Routes {
    everything: Arc<Route>,
    /// Longest names first.
    zones: Vec<(DomainName, Arc<Route>)>,
    lifetimes: Lifetimes,
    shared: Shared,
    /// Plain servers, through which encrypted ones are found.
    plain: Arc<Group>,
}

/// The upstreams of one zone, asked one step after the other.
struct Route {
    steps: Vec<Step>,
}

enum Step {
    Forward { group: Arc<Group>, validator: Option<Validator> },
    Recurse(Box<Recursion>),
}

impl Routes {
    pub(super) fn new(options: &Options) -> Result<Self, ResolveError> {
        let all = || options.upstreams.iter().chain(options.zones.iter().flat_map(|(_, upstreams)| upstreams));
        let needs_tls = all().any(|upstream| matches!(upstream, Upstream::Tls(_) | Upstream::Https { .. }));
        let shared = Shared {
            runtime: Runtime::new(),
            timeout: Duration::from_millis(u64::from(options.timeout_ms.max(1))),
            sockets: Arc::new(Semaphore::new(options.sockets_max.max(1))),
            tls: if needs_tls { Some(Arc::new(tls_config(options)?)) } else { None },
            label: None,
        };
        let plain = options.upstreams.iter().filter(|upstream| matches!(upstream, Upstream::Plain(_)));
        let plain: Vec<Member> = plain
            .filter_map(|upstream| {
                Server::of(upstream, &shared, |endpoint| Bootstrap::Fixed(endpoint.addresses.clone()))
            })
            .map(|server| Member::Server(Arc::new(server)))
            .collect();
        let plain = if plain.is_empty() { vec![Member::System(SystemServers::new())] } else { plain };
        let plain = Arc::new(Group::new(plain, 1, &shared));
        let build =
            |upstreams: &[Upstream], dnssec| Route::new(upstreams, dnssec, options, &shared, &plain).map(Arc::new);

        if options.upstreams.is_empty() {
            return Err(ResolveError::NoUpstreams(None));
        }
        let mut zones = Vec::with_capacity(options.zones.len());
        for (zone, upstreams) in &options.zones {
            if upstreams.is_empty() {
                return Err(ResolveError::NoUpstreams(Some(zone.clone())));
            }
            zones.push((zone.clone(), build(upstreams, false)?));
        }
        zones.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.as_name().label_count()));
        Ok(Routes {
            everything: build(&options.upstreams, options.dnssec)?,
            zones,
            lifetimes: Lifetimes {
                min_s: options.ttl_min_s.min(options.ttl_max_s),
                max_s: options.ttl_max_s,
                negative_max_s: options.negative_ttl_max_s.min(3 * 3600),
            },
            shared,
            plain,
        })
    }

    /// Routes of a tenant beside these: `upstreams` for everything instead of the own ones, and zones before those
    /// that these have. What is left without a server fails. Its servers are counted together, whoever's they are.
    pub(super) fn beside(
        &self,
        options: &Options,
        upstreams: Option<Vec<Upstream>>,
        zones: &[(DomainName, Vec<Upstream>)],
    ) -> Result<Self, ResolveError> {
        let all = || upstreams.iter().flatten().chain(zones.iter().flat_map(|(_, servers)| servers));
        let needs_tls = all().any(|upstream| matches!(upstream, Upstream::Tls(_) | Upstream::Https { .. }));
        let tls = match &self.shared.tls {
            None if needs_tls => Some(Arc::new(tls_config(options)?)),
            tls => tls.clone(),
        };
        let shared = Shared { tls, label: Some(TENANT_LABEL), ..self.shared.clone() };
        let build =
            |upstreams: &[Upstream], dnssec| Route::new(upstreams, dnssec, options, &shared, &self.plain).map(Arc::new);
        let everything = match &upstreams {
            Some(upstreams) => build(upstreams, options.dnssec)?,
            None => self.everything.clone(),
        };
        let mut all_zones = Vec::with_capacity(zones.len() + self.zones.len());
        for (zone, servers) in zones {
            all_zones.push((zone.clone(), build(servers, false)?));
        }
        all_zones.extend(self.zones.iter().cloned());
        // Stable: of two zones of one name the tenant's comes first.
        all_zones.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.as_name().label_count()));
        Ok(Routes {
            everything,
            zones: all_zones,
            lifetimes: self.lifetimes,
            shared: self.shared.clone(),
            plain: self.plain.clone(),
        })
    }

    fn of(&self, name: Name<'_>) -> &Route {
        let zone = self.zones.iter().find(|(zone, _)| name.is_at_or_below(zone.as_name()));
        zone.map_or(&*self.everything, |(_, route)| &**route)
    }

    fn all(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(&*self.everything).chain(self.zones.iter().map(|(_, route)| &**route))
    }

    pub(super) fn stats(&self) -> Vec<ServerStats> {
        let groups = self.all().flat_map(|route| &route.steps).filter_map(|step| match step {
            Step::Forward { group, .. } => Some(group.stats()),
            Step::Recurse(_) => None,
        });
        groups.flatten().collect()
    }

    /// The servers of everything that no zone has, for people.
    pub(super) fn upstreams(&self) -> Vec<String> {
        let steps = self.everything.steps.iter().flat_map(|step| match step {
            Step::Forward { group, .. } => group.names(),
            Step::Recurse(_) => vec![Upstream::Recurse.to_string()],
        });
        steps.collect()
    }

    /// Forgets what validation has learned of keys and delegations.
    pub(super) fn flush(&self) {
        for step in self.all().flat_map(|route| &route.steps) {
            if let Step::Forward { validator: Some(validator), .. } = step {
                validator.flush();
            }
        }
    }

    /// Resolves a question. `now` is when it was asked; the answer's life begins when it came.
    pub(super) async fn answer(&self, key: &Key, now: Instant) -> Result<Answer, Answer> {
        let started = Instant::now();
        let result = self.fetch(key).await;
        let now = now + started.elapsed();
        let failed = |ede| Answer::empty(super::answer::rcode::SERVFAIL, Some(ede), now);
        let (message, trust, scope) = match result {
            Ok(fetched) => fetched,
            Err(failure) => {
                tracing::debug!(name = %key.name, qtype = key.qtype, error = %failure.error, "not resolved");
                return Err(failed(failure.ede));
            }
        };
        let asked = Asked { name: key.name.as_name(), qtype: RecordType::from(key.qtype), dnssec_ok: key.dnssec_ok };
        let answer = digest::digest(asked, &message, trust, self.lifetimes, now);
        let forwarded = !std::ptr::eq(self.of(key.name.as_name()), &*self.everything);
        answer.map(|answer| Answer { scope, forwarded, ..answer }).map_err(|unusable| {
            tracing::debug!(name = %key.name, qtype = key.qtype, ?unusable, "answer not usable");
            failed(match unusable {
                Unusable::Bogus => ede::DNSSEC_BOGUS,
                Unusable::Loop | Unusable::Size => ede::NO_REACHABLE_AUTHORITY,
            })
        })
    }

    async fn fetch(&self, key: &Key) -> Result<(Message, Trust, Scope), Failure> {
        let start = encode::to_hickory(key.name.as_name()).ok_or(NetError::from("the name cannot be encoded"))?;
        let qtype = RecordType::from(key.qtype);
        let (mut message, mut trust, mut scope) = self.of(key.name.as_name()).fetch(&start, key).await?;
        for _ in 0..CHASES_MAX {
            let Some(end) = digest::dangling(&start, qtype, &message) else { break };
            let Some(name) = encode::from_hickory(&end) else { break };
            let (more, more_trust, more_scope) = self.of(name.as_name()).fetch(&end, key).await?;
            if more.answers.is_empty() && more.authorities.is_empty() {
                message.metadata.response_code = more.metadata.response_code;
                break;
            }
            message.answers.extend(more.answers);
            message.authorities = more.authorities;
            message.metadata.response_code = more.metadata.response_code;
            trust = weaker(trust, more_trust);
            scope = scope.max(more_scope);
        }
        Ok((message, trust, scope))
    }
}

fn weaker(a: Trust, b: Trust) -> Trust {
    match (a, b) {
        (Trust::Validated { insecure: a }, Trust::Validated { insecure: b }) => Trust::Validated { insecure: a || b },
        (Trust::Channel { authentic: a }, Trust::Channel { authentic: b }) => Trust::Channel { authentic: a && b },
        // Records of the validated half keep their proofs, those of the other have none.
        _ => Trust::Validated { insecure: true },
    }
}

impl Route {
    fn new(
        upstreams: &[Upstream],
        dnssec: bool,
        options: &Options,
        shared: &Shared,
        plain: &Arc<Group>,
    ) -> Result<Self, ResolveError> {
        let mut steps = Vec::new();
        let mut members = Vec::new();
        let close = |members: &mut Vec<Member>, steps: &mut Vec<Step>| {
            if members.is_empty() {
                return;
            }
            let group = Arc::new(Group::new(std::mem::take(members), options.tries, shared));
            let validator = dnssec.then(|| Validator::new(group.clone(), options.trust_anchors.clone()));
            steps.push(Step::Forward { group, validator });
        };
        for upstream in upstreams {
            match upstream {
                Upstream::System => members.push(Member::System(SystemServers::new())),
                Upstream::Recurse => {
                    close(&mut members, &mut steps);
                    let recursion = Recursion::new(dnssec, options.trust_anchors.as_ref(), &shared.runtime)?;
                    steps.push(Step::Recurse(Box::new(recursion)));
                }
                _ => {
                    let server = Server::of(upstream, shared, |endpoint| Bootstrap::new(endpoint, plain));
                    members.extend(server.map(|server| Member::Server(Arc::new(server))));
                }
            }
        }
        close(&mut members, &mut steps);
        Ok(Route { steps })
    }

    async fn fetch(&self, name: &HickoryName, key: &Key) -> Result<(Message, Trust, Scope), Failure> {
        let mut failure = None;
        for step in &self.steps {
            match step.fetch(name, key).await {
                Ok(fetched) => return Ok(fetched),
                Err(bogus) if bogus.ede == ede::DNSSEC_BOGUS => return Err(bogus),
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        Err(failure.unwrap_or_else(|| NetError::NoConnections.into()))
    }
}

impl Step {
    /// Recursion and validation here tell nobody of the client's network.
    async fn fetch(&self, name: &HickoryName, key: &Key) -> Result<(Message, Trust, Scope), Failure> {
        let query = Query::query(name.clone(), RecordType::from(key.qtype));
        match self {
            Step::Recurse(recursion) => {
                let (message, trust) = Box::pin(recursion.lookup(query, key.dnssec_ok, key.checking_disabled)).await?;
                Ok((message, trust, Scope::Everybody))
            }
            Step::Forward { validator: Some(validator), .. } if !key.checking_disabled => {
                let (message, trust) = Box::pin(validator.lookup(query)).await?;
                Ok((message, trust, Scope::Everybody))
            }
            Step::Forward { group, .. } => {
                let mut options = DnsRequestOptions::default();
                options.edns_set_dnssec_ok = key.dnssec_ok;
                let mut request = DnsRequest::from_query(query, options);
                request.metadata.checking_disabled = key.checking_disabled;
                // Asks for the AD bit of the answer (RFC 6840, section 5.7).
                request.metadata.authentic_data = true;
                if let Some(subnet) = key.way.subnet {
                    let told = ClientSubnet::new(subnet.address(), subnet.bits(), 0);
                    let edns = request.edns.get_or_insert_with(Edns::new);
                    edns.options_mut().insert(EdnsOption::Subnet(told));
                }
                let answered = group.ask(&request).await?;
                let scope = match key.way.subnet {
                    Some(subnet) => scope_of(&answered.response, subnet)?,
                    None => Scope::Everybody,
                };
                let authentic = answered.secure && answered.response.metadata.authentic_data && !key.checking_disabled;
                Ok((answered.response.into_message(), Trust::Channel { authentic }, scope))
            }
        }
    }
}

/// For whom a response is that may depend on the client's network (RFC 7871, section 7.3). One about another network
/// is refused.
fn scope_of(response: &Message, subnet: Subnet) -> Result<Scope, Failure> {
    let told = response.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet));
    let Some(EdnsOption::Subnet(told)) = told else { return Ok(Scope::Everybody) };
    if told.source_prefix() != subnet.bits() || told.addr() != subnet.address() {
        return Err(NetError::from("the upstream answered for another network").into());
    }
    Ok(if told.scope_prefix() == 0 { Scope::Everybody } else { Scope::Network })
}

fn tls_config(options: &Options) -> Result<ClientConfig, ResolveError> {
    let Some(roots) = &options.tls_roots else {
        return hickory_net::tls::client_config().map_err(ResolveError::Tls);
    };
    let provider = Arc::new(hickory_net::tls::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(ResolveError::Tls)?;
    Ok(builder.with_root_certificates(roots.clone()).with_no_client_auth())
}
