//! Upstreams of tenants: which servers they may name, and their routes.

use super::{
    options::{Options, ResolveError},
    route::Routes,
    upstream::Upstream,
};
use crate::model::DomainName;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    net::{IpAddr, UdpSocket},
    num::NonZeroUsize,
    sync::Arc,
};

/// Routings whose servers are known at once; beyond that the one unused for longest is set up again when needed.
const ROUTES_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// The server's own routes and those of other partitions.
pub(super) struct AllRoutes {
    own: ArcSwap<Routes>,
    others: Mutex<LruCache<u32, Arc<Routes>>>,
}

impl AllRoutes {
    pub(super) fn new(own: Routes) -> Self {
        AllRoutes { own: ArcSwap::from_pointee(own), others: Mutex::new(LruCache::new(ROUTES_MAX)) }
    }

    /// The server's own.
    pub(super) fn own(&self) -> Arc<Routes> {
        self.own.load_full()
    }

    /// Changes the server's own; the others, which rest on them, are set up again when needed.
    pub(super) fn set_own(&self, routes: Routes) {
        self.own.store(Arc::new(routes));
        self.others.lock().clear();
    }

    /// Those of a partition; `None` where they are not set up.
    pub(super) fn of(&self, partition: u32) -> Option<Arc<Routes>> {
        match partition {
            0 => Some(self.own()),
            partition => self.others.lock().get(&partition).cloned(),
        }
    }

    /// Forgets what validation knows of keys.
    pub(super) fn flush(&self) {
        self.own.load().flush();
        for (_, routes) in self.others.lock().iter() {
            routes.flush();
        }
    }

    /// Sets a partition up unless it is. Servers that may not be asked are left out; what has no other fails.
    pub(super) fn prepare(
        &self,
        options: &Options,
        partition: u32,
        upstreams: &[String],
        zones: &[(DomainName, Vec<String>)],
    ) -> Result<(), ResolveError> {
        if partition == 0 || self.others.lock().get(&partition).is_some() {
            return Ok(());
        }
        let read = |texts: &[String]| -> Vec<Upstream> {
            texts.iter().filter_map(|text| checked(text, &options.tenant_allow).ok()).collect()
        };
        let own = (!upstreams.is_empty()).then(|| read(upstreams));
        let zones: Vec<(DomainName, Vec<Upstream>)> =
            zones.iter().map(|(zone, servers)| (zone.clone(), read(servers))).collect();
        let routes = self.own().beside(options, own, &zones)?;
        self.others.lock().get_or_insert(partition, || Arc::new(routes));
        Ok(())
    }
}

/// Reads a server that a tenant names. Its address must be given, and be none of this machine, of the link or of
/// nobody, unless the operator allows it. `Err` says what is wrong.
pub(super) fn checked(text: &str, allow: &[IpNet]) -> Result<Upstream, String> {
    let upstream: Upstream = text.parse().map_err(|error: super::UpstreamError| error.to_string())?;
    let addresses: &[IpAddr] = match &upstream {
        Upstream::Plain(address) => &[address.ip()],
        Upstream::Tls(endpoint) | Upstream::Https { endpoint, .. } => &endpoint.addresses,
        Upstream::System | Upstream::Recurse => {
            return Err("must be a server: an address, tls:// or https://".to_owned());
        }
    };
    if addresses.is_empty() {
        return Err("must say its address too, as tls://name#192.0.2.1".to_owned());
    }
    for address in addresses.iter().map(IpAddr::to_canonical) {
        if allow.iter().any(|net| net.contains(&address)) {
            continue;
        }
        if let Some(problem) = refused(address) {
            return Err(format!("{address} {problem}"));
        }
    }
    Ok(upstream)
}

/// Why tenants may not have queries sent to this address.
fn refused(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    };
    if link_local || address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.octets()[0] >= 240) {
        Some("is no address of a server")
    } else if address.is_loopback() || address.is_unspecified() || is_here(address) {
        Some("is an address of this server")
    } else {
        None
    }
}

/// Whether an interface of this machine has the address: only then can a socket be bound to it.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_may_name_servers_elsewhere_but_not_this_machine_unless_the_operator_allows_it() {
        let loopback: IpNet = "127.0.0.0/8".parse().expect("a network");
        for (text, allow, expected) in [
            ("192.0.2.1", None, Ok("192.0.2.1:53")),
            ("10.9.8.7:5353", None, Ok("10.9.8.7:5353")),
            ("tls://192.0.2.1#dns.example", None, Ok("tls://dns.example#192.0.2.1")),
            ("127.0.0.1", None, Err("127.0.0.1 is an address of this server")),
            ("[::1]:53", None, Err("::1 is an address of this server")),
            ("[::ffff:127.0.0.1]:53", None, Err("127.0.0.1 is an address of this server")),
            ("0.0.0.0", None, Err("0.0.0.0 is an address of this server")),
            ("169.254.169.254", None, Err("169.254.169.254 is no address of a server")),
            ("[fe80::1]:53", None, Err("fe80::1 is no address of a server")),
            ("224.0.0.1", None, Err("224.0.0.1 is no address of a server")),
            ("tls://dns.example", None, Err("must say its address too, as tls://name#192.0.2.1")),
            ("system", None, Err("must be a server: an address, tls:// or https://")),
            ("recurse", None, Err("must be a server: an address, tls:// or https://")),
            ("127.0.0.1:5300", Some(loopback), Ok("127.0.0.1:5300")),
        ] {
            let allow: Vec<IpNet> = allow.into_iter().collect();
            let shown = checked(text, &allow).map(|upstream| upstream.to_string());
            assert_eq!(shown, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
