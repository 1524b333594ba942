//! What this program knows by name: search engines with their filtered hosts, and services.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::Nothing,
        operation::operations,
        reply::{Labelled, Listing, time_text},
        scope::Own,
    },
    jobs::GoogleDomains,
    model::SearchLevel,
    policy::{Engine, SearchEngines, SearchTarget, Services, level_name},
    wire::{rcode_name, rtype},
};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;

operations! {
    safe_search {
        /// Lists the search engines that policies can hold to their filtered results.
        GET "/safesearch" for [System, Sales, Msp, Customer] => list_search_engines = engines;
        /// Resolves every filtered host of the search engines and tells which are there, and whether Google has new domains.
        GET "/safesearch/check" for [System] => check_search_engines = check;
    }
    services {
        /// Lists the services that policies can block or allow, and what they cover.
        GET "/services" for [System, Sales, Msp, Customer] => list_services = services;
    }
}

/// A host whose results are filtered.
#[derive(Debug, Serialize, JsonSchema)]
struct TargetReply {
    /// `moderate` or `strict`.
    level: &'static str,
    /// Its name, which is resolved when an answer leads there.
    name: String,
    /// Addresses that stand in while it does not resolve.
    fallback: Vec<IpAddr>,
}

/// A search engine, or a collection of small ones.
#[derive(Debug, Serialize, JsonSchema)]
struct EngineReply {
    id: &'static str,
    name: &'static str,
    /// Levels that differ, `off` first.
    levels: Vec<&'static str>,
    /// The level that a policy's `safesearch` ON means.
    on: &'static str,
    /// Where its names lead; empty where it has no filtered host.
    targets: Vec<TargetReply>,
    /// Names that are led there, each alone.
    hosts: Vec<String>,
    /// Names that are blocked at level `strict`.
    blocked: Vec<String>,
}

fn shown(engine: &'static Engine) -> EngineReply {
    let mut levels = vec![SearchLevel::Off, SearchLevel::Strict];
    if engine.has_moderate() {
        levels.insert(1, SearchLevel::Moderate);
    }
    let targets = engine.targets().map(|(level, target)| TargetReply {
        level: level_name(level),
        name: target.name.to_string(),
        fallback: target.fallback.clone(),
    });
    EngineReply {
        id: &engine.id,
        name: &engine.name,
        levels: levels.into_iter().map(level_name).collect(),
        on: level_name(engine.on),
        targets: targets.collect(),
        hosts: engine.hosts().map(ToString::to_string).collect(),
        blocked: engine.blocked().map(ToString::to_string).collect(),
    }
}

async fn engines(_: Call<Own>, _: Nothing) -> Result<Labelled<EngineReply>, ApiError> {
    Ok(Labelled::new("search_engines", SearchEngines::get().all().iter().map(shown).collect()))
}

/// What became of the look-up of one filtered host.
#[derive(Debug, Serialize, JsonSchema)]
struct Checked {
    /// Id of the engine.
    engine: &'static str,
    /// `moderate` or `strict`.
    level: &'static str,
    /// The host.
    name: String,
    /// Whether it has an IPv4 address.
    resolves: bool,
    /// Response code of the look-up of its IPv4 addresses.
    rcode: &'static str,
    addresses: Vec<IpAddr>,
    /// Whether every address that stands in for it is one of its own at the moment; `null` where none does, or it
    /// does not resolve.
    fallback_current: Option<bool>,
}

/// How Google's own list of the domains it searches under compares with the names known here.
#[derive(Debug, Serialize, JsonSchema)]
struct Compared {
    /// Where the list comes from.
    source: String,
    /// When it was fetched, within the hour.
    checked: String,
    /// Domains that are not known here: searches there are not filtered.
    new: Vec<String>,
    /// Domains known here that are not on the list.
    gone: Vec<String>,
    /// Why there is no comparison.
    error: Option<String>,
}

/// What comes with the targets.
#[derive(Debug, Serialize, JsonSchema)]
struct Domains {
    /// `null` where the configuration turns it off.
    google_domains: Option<Compared>,
}

async fn compared(call: &Call<Own>) -> Option<Compared> {
    let safe_search = &call.services().safe_search;
    let source = safe_search.source()?.to_owned();
    let GoogleDomains { at, new, gone, error } = safe_search.google_domains().await?;
    Some(Compared { source, checked: time_text(at), new, gone, error })
}

async fn check(call: Call<Own>, _: Nothing) -> Result<Listing<Domains, Checked>, ApiError> {
    let filtering = &call.services().filtering;
    let one = async |engine: &'static Engine, level: SearchLevel, target: &'static SearchTarget| {
        let (v4, v6) =
            tokio::join!(filtering.resolve(&target.name, rtype::A), filtering.resolve(&target.name, rtype::AAAA));
        let resolves = !v4.addresses.is_empty();
        let addresses: Vec<IpAddr> = v4.addresses.into_iter().chain(v6.addresses).collect();
        let is_current = target.fallback.iter().all(|address| addresses.contains(address));
        Checked {
            engine: &engine.id,
            level: level_name(level),
            name: target.name.to_string(),
            resolves,
            rcode: rcode_name(v4.rcode),
            fallback_current: (resolves && !target.fallback.is_empty()).then_some(is_current),
            addresses,
        }
    };
    let all = SearchEngines::get().all().iter();
    let targets = all.flat_map(|engine| engine.targets().map(move |(level, target)| one(engine, level, target)));
    let (google_domains, targets) = tokio::join!(compared(&call), join_all(targets));
    Ok(Listing::new(Domains { google_domains }, targets))
}

/// A group of services.
#[derive(Debug, Serialize, JsonSchema)]
struct GroupReply {
    /// Its id; a policy names it `group:` and this.
    id: &'static str,
    name: &'static str,
}

/// What comes with the services.
#[derive(Debug, Serialize, JsonSchema)]
struct Groups {
    groups: Vec<GroupReply>,
}

/// A service.
#[derive(Debug, Serialize, JsonSchema)]
struct ServiceReply {
    id: &'static str,
    name: &'static str,
    /// Id of its group.
    group: &'static str,
    /// What else depends on its names; empty where nothing is known.
    also: &'static str,
    /// Its names: `name` with everything below, `=name` alone, `*.name` all below it, `!name` not.
    covers: Vec<String>,
}

async fn services(_: Call<Own>, _: Nothing) -> Result<Listing<Groups, ServiceReply>, ApiError> {
    let known = Services::get();
    let groups = known.groups().iter().map(|group| GroupReply { id: &group.id, name: &group.name }).collect();
    let services = known.all().iter().map(|service| ServiceReply {
        id: &service.id,
        name: &service.name,
        group: &known.groups()[service.group].id,
        also: &service.also,
        covers: service.covers().collect(),
    });
    Ok(Listing::new(Groups { groups }, services.collect()))
}
