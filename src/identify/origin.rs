//! Where a query came from, as its listener saw it.

use std::net::{IpAddr, SocketAddr};

/// How a query travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, the only one with a small size limit.
    Udp,
    /// TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// The transport's name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Https => "https",
            Transport::Quic => "quic",
        }
    }
}

/// The evidence a listener has about who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; IPv4 is never written as IPv6 (no `::ffff:0:0/96`).
    pub client: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// The address and port the query was sent to.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

impl Origin {
    /// Whether it came over a connection, whose other end is who it says.
    pub fn is_stream(&self) -> bool {
        self.transport != Transport::Udp
    }
}
