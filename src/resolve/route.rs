//! Which upstreams a name goes to, and how they are asked.

use super::{
    answer::{Answer, ede},
    bootstrap::Bootstrap,
    digest::{self, Asked, Lifetimes, Trust, Unusable},
    encode,
    forward::{Failure, Group, Member, SystemServers},
    options::{Options, ResolveError},
    recurse::Recursion,
    server::{Runtime, Server, ServerStats, Shared},
    upstream::Upstream,
    validate::Validator,
};
use crate::model::{DomainName, Name};
use hickory_net::NetError;
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, Message, Query},
    rr::{Name as HickoryName, RecordType},
};
use rustls::ClientConfig;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Aliases followed by asking again, when upstreams do not do it themselves.
const CHASES_MAX: usize = 8;

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
}

/// All upstreams of a resolver.
pub(super) struct Routes {
    everything: Route,
    /// Longest names first.
    zones: Vec<(DomainName, Route)>,
    lifetimes: Lifetimes,
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
        let build = |upstreams: &[Upstream], dnssec| Route::new(upstreams, dnssec, options, &shared, &plain);

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
        })
    }

    fn of(&self, name: Name<'_>) -> &Route {
        let zone = self.zones.iter().find(|(zone, _)| name.is_at_or_below(zone.as_name()));
        zone.map_or(&self.everything, |(_, route)| route)
    }

    fn all(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(&self.everything).chain(self.zones.iter().map(|(_, route)| route))
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
        let (message, trust) = match result {
            Ok(fetched) => fetched,
            Err(failure) => {
                tracing::debug!(name = %key.name, qtype = key.qtype, error = %failure.error, "not resolved");
                return Err(failed(failure.ede));
            }
        };
        let asked = Asked { name: key.name.as_name(), qtype: RecordType::from(key.qtype), dnssec_ok: key.dnssec_ok };
        let answer = digest::digest(asked, &message, trust, self.lifetimes, now);
        let forwarded = !std::ptr::eq(self.of(key.name.as_name()), &self.everything);
        answer.map(|answer| Answer { forwarded, ..answer }).map_err(|unusable| {
            tracing::debug!(name = %key.name, qtype = key.qtype, ?unusable, "answer not usable");
            failed(match unusable {
                Unusable::Bogus => ede::DNSSEC_BOGUS,
                Unusable::Loop | Unusable::Size => ede::NO_REACHABLE_AUTHORITY,
            })
        })
    }

    async fn fetch(&self, key: &Key) -> Result<(Message, Trust), Failure> {
        let start = encode::to_hickory(key.name.as_name()).ok_or(NetError::from("the name cannot be encoded"))?;
        let qtype = RecordType::from(key.qtype);
        let (mut message, mut trust) = self.of(key.name.as_name()).fetch(&start, key).await?;
        for _ in 0..CHASES_MAX {
            let Some(end) = digest::dangling(&start, qtype, &message) else { break };
            let Some(name) = encode::from_hickory(&end) else { break };
            let (more, more_trust) = self.of(name.as_name()).fetch(&end, key).await?;
            if more.answers.is_empty() && more.authorities.is_empty() {
                message.metadata.response_code = more.metadata.response_code;
                break;
            }
            message.answers.extend(more.answers);
            message.authorities = more.authorities;
            message.metadata.response_code = more.metadata.response_code;
            trust = weaker(trust, more_trust);
        }
        Ok((message, trust))
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

    async fn fetch(&self, name: &HickoryName, key: &Key) -> Result<(Message, Trust), Failure> {
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
    async fn fetch(&self, name: &HickoryName, key: &Key) -> Result<(Message, Trust), Failure> {
        let query = Query::query(name.clone(), RecordType::from(key.qtype));
        match self {
            Step::Recurse(recursion) => Box::pin(recursion.lookup(query, key.dnssec_ok, key.checking_disabled)).await,
            Step::Forward { validator: Some(validator), .. } if !key.checking_disabled => {
                Box::pin(validator.lookup(query)).await
            }
            Step::Forward { group, .. } => {
                let mut options = DnsRequestOptions::default();
                options.edns_set_dnssec_ok = key.dnssec_ok;
                let mut request = DnsRequest::from_query(query, options);
                request.metadata.checking_disabled = key.checking_disabled;
                // Asks for the AD bit of the answer (RFC 6840, section 5.7).
                request.metadata.authentic_data = true;
                let answered = group.ask(&request).await?;
                let authentic = answered.secure && answered.response.metadata.authentic_data && !key.checking_disabled;
                Ok((answered.response.into_message(), Trust::Channel { authentic }))
            }
        }
    }
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
