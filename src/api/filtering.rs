//! What the API wants of the query path: when a change counts, whose address one is, and what a query
//! would get.

use crate::{
    answer::{Explanation, Plane},
    model::{CategorySet, CustomerId, DomainName},
    policy::Snapshot,
    publish::Publisher,
    store::Revision,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{net::IpAddr, sync::Arc};

/// The query path as the API sees it.
pub trait Filtering: Send + Sync {
    /// Returns when queries are decided by a snapshot of at least `revision`.
    fn published(&self, revision: Revision) -> BoxFuture<'_, ()>;
    /// The snapshot that decides now.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// Categories of a name.
    fn categories(&self, name: &DomainName) -> CategorySet;
    /// The customer an address belongs to.
    fn customer_at(&self, address: IpAddr) -> Option<CustomerId>;
    /// What a query from this address would get, and why. With `resolve`, allowed names are resolved
    /// and their answers looked at.
    fn explain<'a>(
        &'a self,
        address: IpAddr,
        name: &'a DomainName,
        qtype: u16,
        resolve: bool,
    ) -> BoxFuture<'a, Explanation>;
    /// An unfiltered look-up as `dig` shows it.
    fn dig<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, String>;
}

/// The running query path.
pub struct Live {
    /// Decides.
    pub plane: Plane,
    /// Follows the store.
    pub publisher: Publisher,
}

impl Filtering for Live {
    fn published(&self, revision: Revision) -> BoxFuture<'_, ()> {
        self.publisher.wait_for(revision).boxed()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.plane.snapshot()
    }

    fn categories(&self, name: &DomainName) -> CategorySet {
        self.plane.categories().categories(name.as_name()).set
    }

    fn customer_at(&self, address: IpAddr) -> Option<CustomerId> {
        self.plane.customer_at(address)
    }

    fn explain<'a>(
        &'a self,
        address: IpAddr,
        name: &'a DomainName,
        qtype: u16,
        resolve: bool,
    ) -> BoxFuture<'a, Explanation> {
        self.plane.explain(address, name, qtype, resolve).boxed()
    }

    fn dig<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, String> {
        self.plane.dig(name, qtype).boxed()
    }
}
