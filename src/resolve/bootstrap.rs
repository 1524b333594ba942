//! The addresses of encrypted upstreams that are given by name.

use super::{forward::Group, upstream::Endpoint};
use hickory_net::NetError;
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, Query},
    rr::{Name, RData, RecordType},
};
use parking_lot::Mutex;
use std::{
    net::IpAddr,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

const LIFE_MIN: Duration = Duration::from_secs(60);
const LIFE_MAX: Duration = Duration::from_secs(3600);

/// Finds addresses, and remembers them.
pub(super) enum Bootstrap {
    /// They were given.
    Fixed(Vec<IpAddr>),
    /// They are looked up through plain servers.
    Lookup { name: String, through: Arc<Group>, known: Mutex<Option<(Instant, Vec<IpAddr>)>> },
}

impl Bootstrap {
    pub(super) fn new(endpoint: &Endpoint, through: &Arc<Group>) -> Self {
        if endpoint.addresses.is_empty() {
            Bootstrap::Lookup { name: endpoint.name.clone(), through: through.clone(), known: Mutex::new(None) }
        } else {
            Bootstrap::Fixed(endpoint.addresses.clone())
        }
    }

    /// The addresses to connect to, IPv4 first; the last known ones if none can be found now.
    pub(super) async fn addresses(&self) -> Result<Vec<IpAddr>, NetError> {
        let (name, through, known) = match self {
            Bootstrap::Fixed(addresses) => return Ok(addresses.clone()),
            Bootstrap::Lookup { name, through, known } => (name, through, known),
        };
        let last = known.lock().clone();
        if let Some((until, addresses)) = &last
            && Instant::now() < *until
        {
            return Ok(addresses.clone());
        }
        let name = Name::from_str(&format!("{name}."))?;
        let (v4, v6) =
            futures_util::future::join(lookup(through, &name, RecordType::A), lookup(through, &name, RecordType::AAAA))
                .await;
        let found: Vec<(IpAddr, u32)> = v4.into_iter().chain(v6).flatten().collect();
        match (found.is_empty(), last) {
            (true, Some((_, addresses))) => Ok(addresses),
            (true, None) => Err(NetError::from("the address of the upstream cannot be found")),
            (false, _) => {
                let ttl_s = found.iter().map(|(_, ttl)| *ttl).min().unwrap_or(0);
                let life = Duration::from_secs(u64::from(ttl_s)).clamp(LIFE_MIN, LIFE_MAX);
                let addresses: Vec<IpAddr> = found.into_iter().map(|(address, _)| address).collect();
                *known.lock() = Some((Instant::now() + life, addresses.clone()));
                Ok(addresses)
            }
        }
    }
}

async fn lookup(through: &Group, name: &Name, qtype: RecordType) -> Option<Vec<(IpAddr, u32)>> {
    let request = DnsRequest::from_query(Query::query(name.clone(), qtype), DnsRequestOptions::default());
    let answered = through.ask_boxed(&request).await.ok()?;
    let addresses = answered.response.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some((IpAddr::V4(address.0), record.ttl)),
        RData::AAAA(address) => Some((IpAddr::V6(address.0), record.ttl)),
        _ => None,
    });
    Some(addresses.collect())
}
