//! What a listener needs of whoever answers.

use crate::identify::Origin;
use std::{future::Future, time::Instant};

/// What becomes of a query.
#[derive(Debug)]
pub enum Outcome<P> {
    /// The reply stands in the first octets of the buffer: send them.
    Reply(usize),
    /// The answer must be fetched first; [`Answerer::finish`] does it.
    Resolve(P),
    /// Send nothing.
    Drop,
}

/// Answers queries; listeners are written against this so that they can be tested without a resolver.
pub trait Answerer: Clone + Send + Sync + 'static {
    /// A query that waits for its answer. It owns all it needs.
    type Pending: Send + 'static;

    /// Answers at once if that is possible without waiting. Over UDP the reply respects the client's size limit; `reply` has
    /// at least 1,232 octets over UDP and 65,535 elsewhere.
    fn begin(&self, origin: &Origin, query: &[u8], reply: &mut [u8], now: Instant) -> Outcome<Self::Pending>;

    /// Fetches the answer and gives the whole reply; empty means send nothing.
    fn finish(&self, pending: Self::Pending) -> impl Future<Output = Vec<u8>> + Send;
}
