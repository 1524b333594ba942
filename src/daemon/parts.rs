//! From configuration to what each part takes.

use super::DaemonError;
use crate::{
    answer::{LocalZones, UnknownClients},
    api::{EmbedTokens, Endpoints},
    auth::LicenceKey,
    category::Catalogue,
    config::{self, Config},
    feeds::{FetchOptions, Hosts},
    jobs::{CategoryFeed, FeedOrigin, ListOptions},
    listen::{Rate, Settings, TcpSettings},
    model::{DomainName, Level, ListSyntax},
    policy::Presets,
    publish::OwnNames,
    querylog,
    resolve::{self, Key, Resolver},
    wire::rtype,
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Every how many datagrams over the rate limit one gets an empty truncated reply.
const SLIP: u32 = 4;

/// Upstreams, cache and zones as the resolver takes them.
pub(super) fn resolver_options(config: &Config) -> Result<resolve::Options, DaemonError> {
    let upstreams = |texts: &[String]| {
        texts
            .iter()
            .map(|text| text.parse().map_err(|source| DaemonError::Upstream { upstream: text.clone(), source }))
            .collect::<Result<Vec<resolve::Upstream>, _>>()
    };
    let zones = config.resolve.zones.iter();
    Ok(resolve::Options {
        upstreams: upstreams(&config.resolve.upstreams)?,
        zones: zones
            .map(|zone| Ok((zone.name.clone(), upstreams(&zone.upstreams)?)))
            .collect::<Result<_, DaemonError>>()?,
        timeout_ms: u32::try_from(config.resolve.timeout_ms).unwrap_or(u32::MAX),
        tries: u8::try_from(config.resolve.tries).unwrap_or(u8::MAX),
        dnssec: config.resolve.dnssec,
        tenant_allow: config.resolve.tenant_servers_allow.clone(),
        cache_bytes: usize::try_from(config.cache.size.0).unwrap_or(usize::MAX),
        ttl_min_s: config.cache.ttl_min_s,
        ttl_max_s: config.cache.ttl_max_s,
        negative_ttl_max_s: config.cache.negative_ttl_max_s,
        stale_max_s: if config.resolve.serve_stale { config.resolve.stale_max_s } else { 0 },
        ..resolve::Options::default()
    })
}

/// Names of this installation: its hosts, which no policy takes away, and where the self-tests are.
pub(super) fn own_names(config: &Config) -> OwnNames {
    let names = config.api.names.iter().filter(|name| name.parse::<IpAddr>().is_err());
    OwnNames {
        hosts: names.filter_map(|name| DomainName::from_text(name).ok()).collect(),
        self_test: config.dns.self_test.0.clone(),
    }
}

/// The addresses of hosts as the server's own upstreams have them, by no policy.
pub(super) fn hosts(resolver: Resolver) -> Hosts {
    Arc::new(move |host| {
        let resolver = resolver.clone();
        Box::pin(async move {
            let Ok(name) = DomainName::from_text(&host) else { return Vec::new() };
            let ask = |qtype| resolver.resolve(Key::plain(name.clone(), qtype));
            let (v4, v6) = tokio::join!(ask(rtype::A), ask(rtype::AAAA));
            v4.addresses().chain(v6.addresses()).collect()
        })
    })
}

/// What the system calls this node; empty where it does not say.
pub(super) fn node() -> Box<str> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().into()
}

/// What licence files are checked with.
pub(super) fn licence_key(config: &Config) -> Result<Option<LicenceKey>, DaemonError> {
    let pem = match &config.license.public_key {
        None => return Ok(None),
        Some(config::PublicKey::Pem(pem)) => pem.clone(),
        Some(config::PublicKey::File(file)) => {
            let failed = |error| DaemonError::Licence(format!("cannot read {}: {error}", file.display()));
            std::fs::read_to_string(file).map_err(failed)?
        }
    };
    LicenceKey::from_pem(&pem).map(Some).map_err(|error| DaemonError::Licence(error.to_string()))
}

/// Where tokens for embedded reports come from.
pub(super) fn embed_tokens(config: &Config) -> Result<EmbedTokens, DaemonError> {
    let endpoints = Endpoints { login: config.powerbi.login.clone(), api: config.powerbi.api.clone() };
    Ok(EmbedTokens::new(endpoints, None)?)
}

/// The zones answered here, without those that have upstreams of their own.
pub(super) fn local_zones(config: &Config) -> LocalZones {
    if !config.dns.local_zones {
        return LocalZones::none();
    }
    let forwarded: Vec<_> = config.resolve.zones.iter().map(|zone| zone.name.clone()).collect();
    LocalZones::standard(&forwarded)
}

/// What happens to unknown clients.
pub(super) fn unknown_clients(config: &Config) -> UnknownClients {
    match config.dns.unknown_clients {
        config::UnknownClients::Refuse => UnknownClients::Refuse,
        config::UnknownClients::Drop => UnknownClients::Drop,
        config::UnknownClients::Policy(id) => UnknownClients::Policy(id),
    }
}

/// The limits of the listeners.
pub(super) fn listen_settings(config: &Config) -> Settings {
    let (limit, tcp) = (&config.dns.rate_limit, &config.dns.tcp);
    Settings {
        rate: (limit.queries_per_second > 0).then_some(Rate {
            queries_per_second: limit.queries_per_second,
            burst: limit.burst,
            slip: SLIP,
        }),
        exempt: limit.exempt.clone(),
        tcp: TcpSettings {
            connections_max: tcp.connections_max,
            connections_per_client_max: tcp.connections_per_client_max,
            in_flight_max: tcp.in_flight_max,
            idle: Duration::from_secs(tcp.idle_timeout_s),
            ..TcpSettings::default()
        },
        ..Settings::default()
    }
}

/// Where queries are logged, if they are.
pub(super) fn querylog_options(config: &Config) -> Option<querylog::Options> {
    let options = querylog::Options { dir: config.querylog_dir(), retention_days: config.querylog.retention_days };
    config.querylog.enabled.then_some(options)
}

/// What reads that log.
pub(super) fn log_reader(config: &Config) -> querylog::LogReader {
    match querylog_options(config) {
        Some(options) => querylog::LogReader::new(options.dir),
        None => querylog::LogReader::disabled(),
    }
}

/// How much of subscribed lists is kept.
pub(super) fn list_options(config: &Config) -> ListOptions {
    let lists = &config.lists;
    ListOptions {
        folder: lists.folder.clone(),
        octets_max: lists.unpacked_max.0,
        rules_max: lists.rules_max,
        rules_max_per_customer: lists.rules_max_per_customer,
        rules_max_per_msp: lists.rules_max_per_msp,
        rules_max_of_system: lists.rules_max_of_system,
    }
}

/// What of subscribed lists may be fetched.
pub(super) fn fetch_options(config: &Config) -> FetchOptions {
    let lists = &config.lists;
    FetchOptions {
        allow_http: lists.allow_http,
        allow_private: lists.allow_private.clone(),
        ports: lists.ports.clone(),
        octets_max: lists.fetch_max.0,
        timeout: Duration::from_secs(lists.timeout_s),
    }
}

/// Feeds of the category index.
pub(super) fn category_feeds(config: &Config) -> Vec<CategoryFeed> {
    let syntax = |syntax| match syntax {
        config::FeedSyntax::Hosts => ListSyntax::Hosts,
        config::FeedSyntax::Domains => ListSyntax::Domains,
        config::FeedSyntax::Adblock => ListSyntax::Adblock,
        config::FeedSyntax::Dnsmasq => ListSyntax::Dnsmasq,
        config::FeedSyntax::Unbound => ListSyntax::Unbound,
        config::FeedSyntax::Rpz => ListSyntax::Rpz,
    };
    let feeds = config.feeds.iter().filter_map(|feed| {
        let origin = match (&feed.url, &feed.file) {
            (Some(url), _) => FeedOrigin::Url(url.clone()),
            (None, file) => FeedOrigin::File(file.clone()?),
        };
        Some(CategoryFeed {
            name: feed.name.clone(),
            origin,
            category: feed.category_slug().map(str::to_owned),
            syntax: feed.syntax.map(syntax),
            refresh_s: feed.refresh_s,
        })
    });
    feeds.collect()
}

/// UDP threads: as configured, or one a core.
pub(super) fn udp_threads(config: &Config) -> usize {
    match config.dns.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// The category sets of the levels.
pub(super) fn presets() -> Presets {
    let catalogue = Catalogue::get();
    Presets { low: catalogue.preset(Level::L), moderate: catalogue.preset(Level::M), high: catalogue.preset(Level::H) }
}
