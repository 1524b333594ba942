//! Queries by verdict, transport and response code.

use crate::identify::Transport;
use metrics::Counter;
use std::sync::Arc;

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QueryVerdict {
    /// Resolved and answered.
    Allowed,
    /// Answered with the policy's block.
    Blocked,
    /// Answered from our own names and zones.
    Local,
    /// The client or the question is not served.
    Refused,
    /// Nothing was sent.
    Dropped,
    /// No ordinary query.
    Malformed,
    /// Allowed, but no upstream gave an answer.
    Failed,
}

impl QueryVerdict {
    /// All of them, in the order of their numbers.
    pub const ALL: [QueryVerdict; 7] = [
        QueryVerdict::Allowed,
        QueryVerdict::Blocked,
        QueryVerdict::Local,
        QueryVerdict::Refused,
        QueryVerdict::Dropped,
        QueryVerdict::Malformed,
        QueryVerdict::Failed,
    ];

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            QueryVerdict::Allowed => "allowed",
            QueryVerdict::Blocked => "blocked",
            QueryVerdict::Local => "local",
            QueryVerdict::Refused => "refused",
            QueryVerdict::Dropped => "dropped",
            QueryVerdict::Malformed => "malformed",
            QueryVerdict::Failed => "failed",
        }
    }
}

const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];
/// Response codes with a counter of their own; all others share the last.
const RCODES: [&str; 8] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "BADVERS", "OTHER"];

/// Handles made once: counting is one relaxed addition.
#[derive(Clone)]
pub struct QueryCounters(Arc<[Counter]>);

impl QueryCounters {
    /// Makes the handles; the recorder must be installed before.
    pub fn new() -> Self {
        let mut all = Vec::with_capacity(QueryVerdict::ALL.len() * TRANSPORTS.len() * RCODES.len());
        for verdict in QueryVerdict::ALL {
            for transport in TRANSPORTS {
                for rcode in RCODES {
                    all.push(metrics::counter!(
                        "weir_queries_total", "verdict" => verdict.name(), "protocol" => transport.name(), "rcode" => rcode
                    ));
                }
            }
        }
        QueryCounters(all.into())
    }

    /// Counts one query.
    #[inline]
    pub fn count(&self, verdict: QueryVerdict, transport: Transport, rcode: u16) {
        let rcode = match rcode {
            0..=5 => rcode as usize,
            16 => 6,
            _ => 7,
        };
        self.0[(verdict as usize * TRANSPORTS.len() + transport as usize) * RCODES.len() + rcode].increment(1);
    }
}

impl Default for QueryCounters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_transport_and_rcode_has_its_own_counter() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let counters = QueryCounters::new();
            counters.count(QueryVerdict::Blocked, Transport::Tcp, 3);
            counters.count(QueryVerdict::Blocked, Transport::Tcp, 3);
            counters.count(QueryVerdict::Failed, Transport::Quic, 23);
        });
        let text = handle.render();
        let line = |labels: &str| text.lines().any(|line| line == format!("weir_queries_total{{{labels}"));
        assert!(line("verdict=\"blocked\",protocol=\"tcp\",rcode=\"NXDOMAIN\"} 2"), "{text}");
        assert!(line("verdict=\"failed\",protocol=\"quic\",rcode=\"OTHER\"} 1"), "{text}");
        assert!(line("verdict=\"allowed\",protocol=\"udp\",rcode=\"NOERROR\"} 0"), "{text}");
    }
}
