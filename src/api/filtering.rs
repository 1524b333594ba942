//! What the API wants of the query path: when a change counts, whose address one is, and what a query
//! would get.

use crate::{
    identify::Supposed,
    model::{Account, CategorySet, CustomerId, DomainName},
    policy::{CompiledPolicy, Decision, Question, Snapshot},
    store::Revision,
};
use futures_util::future::BoxFuture;
use std::{net::IpAddr, sync::Arc};

/// The query path as the API sees it.
pub trait Filtering: Send + Sync {
    /// Returns when queries are decided by a snapshot of at least `revision`.
    fn published(&self, revision: Revision) -> BoxFuture<'_, ()>;
    /// The snapshot that decides now.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// Categories of a name as they count for an account.
    fn categories(&self, account: Account, name: &DomainName) -> CategorySet;
    /// Decides one question by a policy of a snapshot, which need not be the one that decides now.
    fn decide(&self, snapshot: &Snapshot, policy: &Arc<CompiledPolicy>, question: &Question<'_>) -> Decision;
    /// What a query from this address would get, supposing who sends it, and why. With `resolve`, allowed
    /// names are resolved and their answers looked at.
    fn explain<'a>(
        &'a self,
        address: IpAddr,
        supposed: Option<Supposed>,
        name: &'a DomainName,
        qtype: u16,
        resolve: bool,
    ) -> BoxFuture<'a, Explained>;
    /// An unfiltered look-up of addresses; `qtype` is A or AAAA.
    fn resolve<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, Resolved>;
    /// An unfiltered look-up as `dig` shows it.
    fn dig<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, String>;
}

/// What a look-up of addresses found.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Response code.
    pub rcode: u16,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// What a query would get.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The customer identified by the address, or whose the supposed device or person is.
    pub customer: Option<CustomerId>,
    /// Whether the name would be blocked, or the client refused.
    pub blocked: bool,
    /// Names of the categories of the name.
    pub categories: Vec<String>,
    /// All of it, step by step, as a JSON object; its `verdict` is `allowed`, `blocked`, `local` or
    /// `refused`.
    pub details: serde_json::Value,
}
