//! What was asked for before: which registrable domains were seen when, and who asks for very many names below one.
//!
//! Both are tables of fixed size made of atomics, which queries read and write without a lock or an allocation. They
//! are there once somebody's policy wants them. What was seen survives a restart in a file of the data folder, which a
//! job writes; the counts of many names are about minutes and begin anew.
//!
//! Read `seen`, `file` (how it is kept), then `tunnels`.

mod file;
mod seen;
mod tunnels;

pub use seen::{Seen, SeenFigures};
pub use tunnels::Tunnels;

use crate::model::{Name, Timestamp};
use std::{io, net::IpAddr, path::Path, sync::Arc};

/// What was asked for before. A cheap handle.
#[derive(Clone)]
pub struct Sightings(Arc<Inner>);

struct Inner {
    seen: Seen,
    tunnels: Tunnels,
    /// What hashes start from: the file's, so that they mean the same after a restart.
    key: u64,
}

impl Sightings {
    /// What the file in the data folder tells. Where there is none, or it is damaged (which the log tells), nothing was
    /// seen, and hashes start from `key`.
    pub fn open(data_dir: &Path, key: u64) -> Self {
        let (seen, key) = match file::read(data_dir) {
            Ok(Some(read)) => read,
            Ok(None) => (Seen::default(), key),
            Err(error) => {
                tracing::warn!(%error, "what was seen before cannot be read; it is learned anew");
                (Seen::default(), key)
            }
        };
        Sightings(Arc::new(Inner { seen, tunnels: Tunnels::default(), key }))
    }

    /// Nothing was seen, and nothing is kept.
    pub fn empty(key: u64) -> Self {
        Sightings(Arc::new(Inner { seen: Seen::default(), tunnels: Tunnels::default(), key }))
    }

    /// Remembers that the registrable domain was asked for, and tells since when it is known: hours, or `None` where it
    /// has been for longer than is counted or nothing can be said yet.
    pub fn see(&self, domain: Name<'_>, at: Timestamp) -> Option<u32> {
        self.0.seen.see(self.hash(domain.as_wire()), at)
    }

    /// The same without remembering.
    pub fn look(&self, domain: Name<'_>, at: Timestamp) -> Option<u32> {
        self.0.seen.look(self.hash(domain.as_wire()), at)
    }

    /// Counts a name below its registrable domain, and tells whether this client asks for too many of them.
    pub fn count(&self, client: IpAddr, name: Name<'_>, domain: Name<'_>, at: Timestamp) -> bool {
        let below = &name.as_wire()[..name.as_wire().len() - domain.as_wire().len()];
        self.0.tunnels.count(self.pair(client, domain), self.hash(below), below.len(), at)
    }

    /// Whether this client asks for too many names below the registrable domain, counting none.
    pub fn tunnels(&self, client: IpAddr, domain: Name<'_>, at: Timestamp) -> bool {
        self.0.tunnels.is_over(self.pair(client, domain), at)
    }

    /// How full the table is.
    pub fn figures(&self) -> SeenFigures {
        self.0.seen.figures()
    }

    /// Writes what was seen to the data folder, if that has changed since it was written last.
    pub fn keep(&self, data_dir: &Path) -> io::Result<()> {
        if self.0.seen.take_changed() {
            file::write(data_dir, &self.0.seen, self.0.key).inspect_err(|_| self.0.seen.set_changed())?;
        }
        Ok(())
    }

    fn hash(&self, octets: &[u8]) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(octets, self.0.key)
    }

    /// One client and one domain. An IPv6 client is its network of 64 bits: addresses within it are free to have.
    fn pair(&self, client: IpAddr, domain: Name<'_>) -> u64 {
        let client = match client {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        xxhash_rust::xxh3::xxh3_64_with_seed(domain.as_wire(), self.0.key ^ client.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}
