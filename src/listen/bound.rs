//! One address and its sockets.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

/// Octets of datagrams the kernel keeps for a socket: a burst of some thousand queries.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;
/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Ports tried where the system may choose one and UDP's is taken in TCP.
const PORT_ATTEMPTS: usize = 50;

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} over {protocol}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// One listen address: its UDP sockets, one for each thread, and its TCP listener, all on the same port.
#[derive(Debug)]
pub struct Bound {
    pub(super) local: SocketAddr,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
}

impl Bound {
    /// Binds an address for this many UDP threads (at least 1) and for TCP. Port 0 lets the system choose
    /// one port for both, which [`local_addr`](Self::local_addr) tells. IPv6 sockets take no IPv4.
    ///
    /// A port that another program listens on is refused, even if that program's sockets
    /// would share it: two daemons by mistake would each get half of the queries.
    pub fn bind(address: SocketAddr, udp_threads: usize) -> Result<Bound, BindError> {
        let mut attempt = 1;
        loop {
            match Self::bind_once(address, udp_threads) {
                Err(error)
                    if address.port() == 0
                        && error.source.kind() == io::ErrorKind::AddrInUse
                        && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn bind_once(address: SocketAddr, udp_threads: usize) -> Result<Bound, BindError> {
        let failed = |protocol| move |source| BindError { address, protocol, source };
        // The first socket shares its port only after it is bound: so it fails where another
        // program's sockets share the port already, and the system never chooses such a port.
        let first = udp_socket(address, false).map_err(failed("UDP"))?;
        first.set_reuse_port(true).map_err(failed("UDP"))?;
        let first = UdpSocket::from(first);
        let local = first.local_addr().map_err(failed("UDP"))?;
        let mut udp = vec![first];
        for _ in 1..udp_threads {
            udp.push(udp_socket(local, true).map_err(failed("UDP"))?.into());
        }
        let tcp = tcp_listener(local).map_err(failed("TCP"))?;
        Ok(Bound { local, udp, tcp: Some(tcp) })
    }

    /// The sockets the service manager handed over (`LISTEN_FDS`), UDP and TCP of an address together; empty if it
    /// handed over none. The threads share an address's only UDP socket.
    pub fn inherited(udp_threads: usize) -> io::Result<Vec<Bound>> {
        let mut sockets = listenfd::ListenFd::from_env();
        let mut udp = Vec::new();
        let mut tcp = Vec::new();
        for index in 0..sockets.len() {
            if let Ok(Some(socket)) = sockets.take_udp_socket(index) {
                udp.push(socket);
            } else if let Some(listener) = sockets.take_tcp_listener(index)? {
                tcp.push(listener);
            }
        }
        Self::adopt(udp, tcp, udp_threads)
    }

    /// Takes over sockets that are bound already, UDP and TCP of an address together, in the order given.
    pub fn adopt(udp: Vec<UdpSocket>, tcp: Vec<TcpListener>, udp_threads: usize) -> io::Result<Vec<Bound>> {
        let mut all: Vec<Bound> = Vec::new();
        for socket in udp {
            let local = socket.local_addr()?;
            let clones = (1..udp_threads).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
            let sockets = clones.into_iter().chain([socket]);
            match all.iter_mut().find(|bound| bound.local == local) {
                Some(bound) => bound.udp.extend(sockets),
                None => all.push(Bound { local, udp: sockets.collect(), tcp: None }),
            }
        }
        for listener in tcp {
            let local = listener.local_addr()?;
            match all.iter_mut().find(|bound| bound.local == local && bound.tcp.is_none()) {
                Some(bound) => bound.tcp = Some(listener),
                None => all.push(Bound { local, udp: Vec::new(), tcp: Some(listener) }),
            }
        }
        Ok(all)
    }

    /// Whether there is a TCP listener and nothing else, as for an HTTP service.
    pub fn is_tcp_only(&self) -> bool {
        self.udp.is_empty() && self.tcp.is_some()
    }

    /// The TCP listener, for somebody else to use.
    pub fn into_tcp(self) -> Option<TcpListener> {
        self.tcp
    }

    /// The address with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

fn udp_socket(address: SocketAddr, share_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(share_port)?;
    // The system caps both at its own maximum (net.core.rmem_max, wmem_max); smaller buffers work too.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_OCTETS);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_OCTETS);
    socket.bind(&address.into())?;
    Ok(socket)
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a former process that linger in TIME_WAIT must not keep the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address without IPv6's disguise for IPv4 (`::ffff:192.0.2.1`), which sockets for both show.
pub(super) fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Turns off waiting for more octets before a reply is sent.
pub(super) fn send_at_once(stream: &tokio::net::TcpStream) {
    let _ = SockRef::from(stream).set_tcp_nodelay(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv6_is_there() -> bool {
        UdpSocket::bind("[::1]:0").is_ok()
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn port_0_becomes_one_real_port_for_udp_and_tcp() {
        for text in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            if text.starts_with('[') && !ipv6_is_there() {
                continue;
            }
            let bound = Bound::bind(address(text), 3).expect("a free port");
            let port = bound.local_addr().port();
            assert_ne!(port, 0);
            assert_eq!(bound.udp.len(), 3);
            assert!(bound.udp.iter().all(|socket| socket.local_addr().expect("bound").port() == port));
            assert_eq!(bound.tcp.expect("a listener").local_addr().expect("bound").port(), port);
        }
    }

    #[test]
    fn many_listeners_on_port_0_never_share_a_port() {
        let all: Vec<Bound> = (0..60).map(|_| Bound::bind(address("127.0.0.1:0"), 2).expect("a free port")).collect();
        let ports: std::collections::HashSet<u16> = all.iter().map(|bound| bound.local_addr().port()).collect();
        assert_eq!(ports.len(), all.len());
    }

    #[test]
    fn a_port_somebody_listens_on_is_refused_with_its_address() {
        let first = Bound::bind(address("127.0.0.1:0"), 2).expect("a free port");
        let error = Bound::bind(first.local_addr(), 2).expect_err("taken");
        assert_eq!((error.address, error.protocol), (first.local_addr(), "UDP"));
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        drop(first.udp);
        assert_eq!(Bound::bind(first.local, 1).expect_err("TCP is still taken").protocol, "TCP");
    }

    #[test]
    fn ipv4_and_ipv6_wildcards_live_side_by_side() {
        let first = Bound::bind(address("0.0.0.0:0"), 1).expect("a free port");
        if ipv6_is_there() {
            let second = Bound::bind(SocketAddr::new(address("[::]:0").ip(), first.local_addr().port()), 1);
            assert!(second.is_ok(), "{second:?}");
        }
    }

    #[test]
    fn adopted_sockets_are_paired_by_address() {
        let Bound { local, mut udp, tcp } = Bound::bind(address("127.0.0.1:0"), 1).expect("a free port");
        let lone = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let lone_local = lone.local_addr().expect("bound");
        let socket = udp.pop().expect("one socket");
        let all = Bound::adopt(vec![socket], vec![lone, tcp.expect("a listener")], 2).expect("adopted");
        let shown: Vec<_> = all.iter().map(|bound| (bound.local, bound.udp.len(), bound.tcp.is_some())).collect();
        assert_eq!(shown, [(local, 2, true), (lone_local, 0, true)]);
    }
}
