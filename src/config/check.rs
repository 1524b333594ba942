//! What no field can see alone: values that contradict each other.

use super::{Api, ApiTls, Config, Resolve, UpstreamCheck, document::Document, faults::Fault};
use crate::category::{Catalogue, Category};
use std::net::SocketAddr;

/// Contradictions between values, each at the position of one of them.
pub(super) fn contradictions(config: &Config, document: &Document<'_>, upstream: UpstreamCheck) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut refuse = |message: String, paths: &[&[&str]]| {
        faults.push(Fault::new(message, paths.iter().find_map(|path| document.locate(path))));
    };
    listeners(config, &mut refuse);
    feeds(config, &mut refuse);
    resolve(&config.resolve, upstream, &mut refuse);
    if config.cache.ttl_min_s > config.cache.ttl_max_s {
        let (min, max) = (config.cache.ttl_min_s, config.cache.ttl_max_s);
        refuse(
            format!("`ttl_min_s` ({min}) is larger than `ttl_max_s` ({max})"),
            &[&["cache", "ttl_min_s"], &["cache", "ttl_max_s"]],
        );
    }
    if !(1 << 10..=4 << 30).contains(&config.lists.upload_max.0) {
        let message = format!("`upload_max` takes 1 KiB to 4 GiB, not {}", config.lists.upload_max);
        refuse(message, &[&["lists", "upload_max"]]);
    }
    if !(1 << 10..=1 << 30).contains(&config.api.body_max.0) {
        refuse(format!("`body_max` takes 1 KiB to 1 GiB, not {}", config.api.body_max), &[&["api", "body_max"]]);
    }
    faults
}

/// Each feed has a name of its own, one origin, and a category that there is.
fn feeds(config: &Config, refuse: &mut Refuse<'_>) {
    if !config.feeds.is_empty() && config.category.file.is_some() {
        let message = "`[category] file` and `[[feeds]]` cannot stand together: both make the category index";
        refuse(message.to_owned(), &[&["category", "file"], &["feeds"]]);
    }
    for (index, feed) in config.feeds.iter().enumerate() {
        let item = index.to_string();
        let at: &[&[&str]] = &[&["feeds", &item, "name"], &["feeds"]];
        if config.feeds[..index].iter().any(|other| other.name == feed.name) {
            refuse(format!("the feed `{}` is listed twice", feed.name), at);
        }
        if feed.url.is_some() == feed.file.is_some() {
            refuse(format!("the feed `{}` needs either `url` or `file`", feed.name), at);
        }
        if let Some(category) = &feed.category
            && category_named(category).is_none()
        {
            refuse(format!("there is no category `{category}`"), &[&["feeds", &item, "category"], &["feeds"]]);
        }
    }
}

/// The category of this name, in any case, or with this slug.
pub(super) fn category_named(name: &str) -> Option<&'static Category> {
    let fits = |category: &&Category| category.name.eq_ignore_ascii_case(name) || category.slug == name;
    Catalogue::get().categories().iter().find(fits)
}

type Refuse<'a> = dyn FnMut(String, &[&[&str]]) + 'a;

fn listeners(config: &Config, refuse: &mut Refuse<'_>) {
    let dns = &config.dns;
    if dns.listen.is_empty() {
        refuse("`listen` needs at least one address".to_owned(), &[&["dns", "listen"]]);
    }
    for (index, address) in dns.listen.iter().enumerate() {
        if address.port() != 0 && dns.listen[..index].contains(address) {
            let item = index.to_string();
            refuse(format!("{address} is listed twice"), &[&["dns", "listen", &item], &["dns", "listen"]]);
        }
        if overlap(*address, config.api.listen) {
            refuse(
                format!("the API cannot listen on {}: DNS over TCP listens on {address}", config.api.listen),
                &[&["api", "listen"], &["dns", "listen"]],
            );
        }
    }
    let tcp = &dns.tcp;
    if tcp.connections_per_client_max > tcp.connections_max {
        refuse(
            format!(
                "`connections_per_client_max` ({}) is larger than `connections_max` ({})",
                tcp.connections_per_client_max, tcp.connections_max
            ),
            &[&["dns", "tcp", "connections_per_client_max"], &["dns", "tcp", "connections_max"]],
        );
    }
}

/// Whether two listeners would want the same connections. Port 0 never does.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let wildcard = |one: SocketAddr, other: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || wildcard(a, b) || wildcard(b, a))
}

fn resolve(resolve: &Resolve, check: UpstreamCheck, refuse: &mut Refuse<'_>) {
    upstreams(&resolve.upstreams, &["resolve", "upstreams"], check, refuse);
    for (index, zone) in resolve.zones.iter().enumerate() {
        let item = index.to_string();
        upstreams(&zone.upstreams, &["resolve", "zones", &item, "upstreams"], check, refuse);
        if resolve.zones[..index].iter().any(|other| other.name == zone.name) {
            refuse(format!("the zone `{}` is listed twice", zone.name), &[&["resolve", "zones", &item, "name"]]);
        }
    }
}

fn upstreams(list: &[String], path: &[&str], check: UpstreamCheck, refuse: &mut Refuse<'_>) {
    for (index, upstream) in list.iter().enumerate() {
        if let Err(reason) = check(upstream) {
            let item = index.to_string();
            let path_of_item = [path, &[item.as_str()]].concat();
            refuse(format!("`upstreams`: {reason}"), &[&path_of_item, path]);
        }
    }
    if list.is_empty() {
        refuse("`upstreams` needs at least one server".to_owned(), &[path]);
    }
    if list.len() > 1 && list.iter().any(|upstream| upstream == "recurse") {
        refuse("`\"recurse\"` stands alone: it asks the authorities, not a server".to_owned(), &[path]);
    }
}

/// What works but is probably not meant.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let Api { listen, tls, .. } = &config.api;
    if *tls == ApiTls::Off && !listen.ip().is_loopback() {
        warnings.push(format!("the API on {listen} is without TLS: credentials cross the network in clear"));
    }
    if config.metrics.public && !listen.ip().is_loopback() {
        warnings.push(format!("/metrics on {listen} is open to anybody who can reach it"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_the_port_from_every_address_of_its_family() {
        for (a, b, expected) in [
            ("127.0.0.1:53", "127.0.0.1:53", true),
            ("127.0.0.1:53", "127.0.0.2:53", false),
            ("127.0.0.1:53", "127.0.0.1:54", false),
            ("0.0.0.0:53", "127.0.0.1:53", true),
            ("127.0.0.1:53", "0.0.0.0:53", true),
            ("0.0.0.0:53", "[::1]:53", false),
            ("[::]:53", "127.0.0.1:53", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let address = |text: &str| text.parse().expect("an address");
            assert_eq!(overlap(address(a), address(b)), expected, "{a} {b}");
        }
    }
}
