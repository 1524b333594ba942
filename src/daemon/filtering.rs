//! The query path as the API asks for it.

use crate::{
    answer::Plane,
    api::{Explained, Filtering, Resolved},
    identify::Supposed,
    model::{Account, CategorySet, CustomerId, DomainName},
    policy::{CompiledPolicy, Decision, Question, Snapshot, Suffixes, categorise},
    publish::Publisher,
    resolve::Key,
    store::Revision,
};
use futures_util::future::BoxFuture;
use std::{net::IpAddr, sync::Arc};

/// The plane that serves queries and the publisher that feeds it.
pub(super) struct QueryPath {
    pub(super) plane: Plane,
    pub(super) publisher: Publisher,
}

impl Filtering for QueryPath {
    fn published(&self, revision: Revision) -> BoxFuture<'_, ()> {
        Box::pin(self.publisher.wait_for(revision))
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.plane.snapshot()
    }

    fn categories(&self, account: Account, name: &DomainName) -> CategorySet {
        let snapshot = self.plane.snapshot();
        let suffixes = Suffixes::new(name.as_name(), snapshot.key);
        categorise(&snapshot, account, &suffixes, &*self.plane.categories()).set
    }

    fn decide(&self, snapshot: &Snapshot, policy: &Arc<CompiledPolicy>, question: &Question<'_>) -> Decision {
        self.plane.decide(snapshot, policy, question)
    }

    fn explain<'a>(
        &'a self,
        address: IpAddr,
        supposed: Option<Supposed>,
        name: &'a DomainName,
        qtype: u16,
        resolve: bool,
    ) -> BoxFuture<'a, Explained> {
        Box::pin(async move {
            let explanation = self.plane.explain(address, supposed, name, qtype, resolve).await;
            Explained {
                customer: match supposed {
                    None => self.plane.customer_at(address),
                    Some(_) => explanation.customer.as_ref().map(|customer| CustomerId(customer.id)),
                },
                blocked: matches!(explanation.verdict, "blocked" | "refused"),
                categories: explanation.categories.iter().map(ToString::to_string).collect(),
                details: serde_json::to_value(&explanation).unwrap_or_default(),
            }
        })
    }

    fn resolve<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, Resolved> {
        Box::pin(async move {
            let key = Key::plain(name.clone(), qtype);
            let answer = self.plane.resolver().resolve(key).await;
            Resolved { rcode: answer.rcode, addresses: answer.addresses().collect() }
        })
    }

    fn dig<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, String> {
        Box::pin(self.plane.dig(name, qtype))
    }
}
