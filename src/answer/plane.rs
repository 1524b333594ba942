//! What a query may read.

use super::LocalZones;
use crate::{
    category::Index, model::PolicyId, policy::Snapshot, querylog::EventSender, resolve::Resolver, rewrite::BlockPage,
    sightings::Sightings, telemetry::QueryCounters,
};
use arc_swap::ArcSwap;
use std::{net::IpAddr, sync::Arc};

/// What happens to clients nobody knows (decision order, section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownClients {
    /// REFUSED with EDE 18.
    #[default]
    Refuse,
    /// Silence.
    Drop,
    /// This policy of some customer. While it does not exist, as `Refuse`.
    Policy(PolicyId),
}

/// Hears packets of opcode NOTIFY: where from, and all octets. Gives the octets of header and question where it takes note, so that
/// they are confirmed (RFC 1996, section 3.7); what it does not know is NOTIMP. It must not wait.
pub type Notices = Arc<dyn Fn(IpAddr, &[u8]) -> Option<usize> + Send + Sync>;

/// The parts a plane is made of.
pub struct Parts {
    /// The snapshot that serves queries; `publish` swaps it.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The category index that serves queries.
    pub categories: Arc<ArcSwap<Index>>,
    /// Cache and upstreams.
    pub resolver: Resolver,
    /// Zones answered here (RFC 6303).
    pub zones: LocalZones,
    /// Counters by verdict.
    pub counters: QueryCounters,
    /// Where query events go.
    pub events: EventSender,
    /// What was asked before.
    pub sightings: Sightings,
    /// What happens to unknown clients.
    pub unknown_clients: UnknownClients,
    /// The block page's addresses.
    pub block_page: BlockPage,
    /// What this node is called, told by self-tests; empty where that is nobody's business.
    pub node: Box<str>,
    /// Octets of a reply over UDP at most, 512 to 1232, whatever the client takes.
    pub udp_octets_max: usize,
    /// Who follows zones of other servers; `None`: nobody.
    pub notices: Option<Notices>,
}

/// A cheap handle on everything a query may read.
#[derive(Clone)]
pub struct Plane(pub(super) Arc<Parts>);

impl Plane {
    /// Makes the handle.
    pub fn new(parts: Parts) -> Self {
        Plane(Arc::new(parts))
    }

    /// The snapshot that serves queries now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The category index that serves queries now.
    pub fn categories(&self) -> Arc<Index> {
        self.0.categories.load_full()
    }

    /// Cache and upstreams.
    pub fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }
}
