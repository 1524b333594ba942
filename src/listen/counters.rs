//! What the listeners count; handles are made once, so that counting is one atomic addition.

use metrics::{Counter, Gauge, counter, gauge};

/// Queries and connections that were not served, by reason, and the connections open.
pub(super) struct Counters {
    /// A datagram too short for a header, or a response.
    pub(super) malformed: Counter,
    /// A query longer than we take: 2,048 octets over UDP, 4,096 elsewhere.
    pub(super) oversized: Counter,
    /// A datagram from port 0, which cannot be answered.
    pub(super) port_zero: Counter,
    /// A client over its rate.
    pub(super) rate_limit: Counter,
    /// A query that found too many others waiting, answered SERVFAIL.
    pub(super) waiting_full: Counter,
    /// A reply the system would not send.
    pub(super) send: Counter,
    /// A query whose answering panicked.
    pub(super) panic: Counter,
    /// A failed receive or accept.
    pub(super) receive: Counter,
    /// A connection refused because all were taken.
    pub(super) connections_full: Counter,
    /// A connection refused because its client has too many with queries on their way.
    pub(super) client_full: Counter,
    /// A connection closed for an empty message.
    pub(super) empty_message: Counter,
    /// A connection closed because its client accepts no replies.
    pub(super) slow_reader: Counter,
    /// TCP connections open now.
    pub(super) connections: Gauge,
}

impl Counters {
    pub(super) fn new() -> Self {
        const DROPPED: &str = "weir_listen_dropped_total";
        const CONNECTIONS: &str = "weir_tcp_connections";
        let dropped = |reason: &'static str| counter!(DROPPED, "reason" => reason);
        Counters {
            malformed: dropped("malformed"),
            oversized: dropped("oversized"),
            port_zero: dropped("port_zero"),
            rate_limit: dropped("rate_limit"),
            waiting_full: dropped("waiting_full"),
            send: dropped("send"),
            panic: dropped("panic"),
            receive: dropped("receive"),
            connections_full: dropped("connections_full"),
            client_full: dropped("client_full"),
            empty_message: dropped("empty_message"),
            slow_reader: dropped("slow_reader"),
            connections: gauge!(CONNECTIONS),
        }
    }
}
