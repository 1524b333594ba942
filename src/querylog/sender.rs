//! The way into the log for the query path.

use super::QueryEvent;
use crossbeam_channel::{Sender, TrySendError};
use metrics::Counter;
use std::sync::Arc;

/// A cheap handle that takes events. The default is disabled.
#[derive(Clone, Debug, Default)]
pub struct EventSender(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    events: Sender<QueryEvent>,
    dropped: Counter,
}

impl EventSender {
    /// A sender that keeps nothing and costs nothing.
    pub fn disabled() -> Self {
        EventSender(None)
    }

    pub(super) fn new(events: Sender<QueryEvent>, dropped: Counter) -> Self {
        EventSender(Some(Arc::new(Inner { events, dropped })))
    }

    /// Whether anybody reads the events; if not, they need not be made.
    #[inline]
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Hands over an event. Never waits: an event that finds the buffer full is counted and gone.
    #[inline]
    pub fn send(&self, event: QueryEvent) {
        let Some(inner) = &self.0 else { return };
        match inner.events.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => inner.dropped.increment(1),
        }
    }
}
