//! Zones that are answered here because nobody else should see the questions.
//!
//! RFC 6303 lists the reverse zones of private, loopback and documentation addresses, RFC 8375
//! adds `home.arpa`, RFC 6762 `local`, ICANN keeps `internal` for private use. They are empty zones served by hickory-server's catalogue.

use crate::{
    identify::{Origin, Transport},
    model::DomainName,
    policy::Suffixes,
    wire::UDP_OCTETS_PLAIN,
};
use hickory_net::{NetError, runtime::TokioTime, xfer::Protocol};
use hickory_proto::{
    rr::{LowerName, Name, RData, Record, rdata::SOA},
    serialize::binary::BinEncoder,
};
use hickory_server::{
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    store::in_memory::InMemoryZoneHandler,
    zone_handler::{AxfrPolicy, Catalog, MessageResponse, ZoneType},
};
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

/// Negative answers from these zones hold this long, seconds (RFC 6303, section 3).
const TTL_S: u32 = 10_800;

/// Apexes below `in-addr.arpa` (RFC 6303, sections 4.1, 4.2 and 4.6) and of special-use domains;
/// 16 to 31.172 are added where the list is used.
const APEXES: [&str; 20] = [
    "10.in-addr.arpa",
    "168.192.in-addr.arpa",
    "0.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
    "home.arpa",
    "local",
    "internal",
];

/// The zones, or none of them.
#[derive(Clone)]
pub struct LocalZones {
    apexes: Arc<HashSet<DomainName>>,
    catalog: Arc<Catalog>,
}

impl LocalZones {
    /// No zone: every name goes upstream.
    pub fn none() -> Self {
        LocalZones { apexes: Arc::default(), catalog: Arc::new(Catalog::new()) }
    }

    /// All zones but those at or above one of `forwarded`, which have upstreams of their own.
    pub fn standard(forwarded: &[DomainName]) -> Self {
        let private: Vec<String> = (16..32).map(|octet| format!("{octet}.172.in-addr.arpa")).collect();
        let mut apexes = HashSet::new();
        let mut catalog = Catalog::new();
        for text in APEXES.into_iter().chain(private.iter().map(String::as_str)) {
            let (Ok(apex), Ok(origin)) = (DomainName::from_text(text), Name::from_ascii(format!("{text}."))) else {
                continue;
            };
            let taken = |name: &DomainName| {
                name.as_name().is_at_or_below(apex.as_name()) || apex.as_name().is_at_or_below(name.as_name())
            };
            if forwarded.iter().any(taken) {
                continue;
            }
            let mut zone = InMemoryZoneHandler::<hickory_net::runtime::TokioRuntimeProvider>::empty(
                origin.clone(),
                ZoneType::Primary,
                AxfrPolicy::Deny,
                None,
            );
            let soa = SOA::new(
                origin.clone(),
                Name::from_ascii("nobody.invalid.").unwrap_or_default(),
                1,
                3600,
                1200,
                604_800,
                TTL_S as i32 as u32,
            );
            zone.upsert_mut(Record::from_rdata(origin.clone(), TTL_S, RData::SOA(soa)), 1);
            catalog.upsert(LowerName::from(&origin), vec![Arc::new(zone)]);
            apexes.insert(apex);
        }
        LocalZones { apexes: Arc::new(apexes), catalog: Arc::new(catalog) }
    }

    /// Whether the name lies in one of the zones.
    pub fn contains(&self, suffixes: &Suffixes<'_>) -> bool {
        // All apexes lie below `arpa` or are `local` or `internal`: most names are told apart by their last label.
        let Some(last) = (suffixes.label_count() > 0).then(|| suffixes.ancestor(1).as_wire()) else { return false };
        matches!(last, b"\x04arpa\x00" | b"\x05local\x00" | b"\x08internal\x00")
            && (1..=suffixes.label_count()).any(|labels| self.apexes.contains(suffixes.ancestor(labels).as_wire()))
    }

    /// The reply to a query for one of the zones; empty if it could not be made.
    pub async fn answer(&self, packet: &[u8], origin: &Origin) -> Vec<u8> {
        let protocol = if origin.transport == Transport::Udp { Protocol::Udp } else { Protocol::Tcp };
        let source = SocketAddr::new(origin.client, origin.client_port);
        let Ok(request) = Request::from_bytes(packet.to_vec(), source, protocol) else { return Vec::new() };
        let reply = Reply { octets: Arc::default(), protocol };
        self.catalog.handle_request::<_, TokioTime>(&request, reply.clone()).await;
        let mut octets = reply.octets.get().cloned().unwrap_or_default();
        // The catalogue knows nothing of recursion, which the client may have for other names.
        if let Some(flags) = octets.get_mut(3) {
            *flags |= 0x80;
        }
        octets
    }
}

/// Keeps the reply that the catalogue sends.
#[derive(Clone)]
struct Reply {
    octets: Arc<OnceLock<Vec<u8>>>,
    protocol: Protocol,
}

#[async_trait::async_trait]
impl ResponseHandler for Reply {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(if self.protocol == Protocol::Udp { UDP_OCTETS_PLAIN as u16 } else { u16::MAX });
        let info = response.destructive_emit(&mut encoder)?;
        let _ = self.octets.set(octets);
        Ok(info)
    }
}
