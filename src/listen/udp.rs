//! The UDP batch calls: many datagrams in and out with one system call each.
//!
//! This is the only `unsafe` of the room. All memory the kernel writes to or reads from lies in
//! [`Arena`]s, which live on the heap at a fixed place and are only ever reached through the raw pointer
//! they were made with, so that no reference the compiler trusts is broken by the kernel's writing. Rust
//! references to single elements exist only between system calls, in methods that borrow the
//! whole [`Batch`].

use super::bound::unmapped;
use crate::wire::UDP_OCTETS_MAX;
use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::AsRawFd,
    ptr::{self, NonNull},
    time::Duration,
};

/// Datagrams of one system call.
pub(super) const BATCH: usize = 64;
/// Octets of a query taken; a longer one is reported as such. No query we serve needs half of it.
const QUERY_OCTETS_MAX: usize = 2048;
/// How long a thread waits for datagrams before it looks whether it shall end.
pub(super) const RECEIVE_WAIT: Duration = Duration::from_millis(200);

/// The sender of a datagram as the kernel wrote it: large enough for both families.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    address: libc::sockaddr_in6,
    octets: libc::socklen_t,
}

/// The address a reply leaves from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The one the socket is bound to.
    Bound,
    /// This one, on a wildcard socket.
    V4(libc::in_pktinfo),
    /// This one, on a wildcard socket.
    V6(libc::in6_pktinfo),
}

/// One received datagram.
pub(super) struct Datagram<'a> {
    pub(super) octets: &'a [u8],
    /// Longer than we take: `octets` is its beginning.
    pub(super) cut: bool,
    pub(super) peer: SocketAddr,
    /// The address it was sent to; `None` on sockets bound to one address.
    pub(super) local: Option<IpAddr>,
}

/// Room for control messages: one packet-info message of either family, aligned as the kernel wants.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// Elements on the heap that are reached through raw pointers only.
struct Arena<T>(NonNull<[T]>);

// SAFETY: an arena owns its elements like a box does; the pointer is not shared.
unsafe impl<T: Send> Send for Arena<T> {}

impl<T: Copy> Arena<T> {
    fn new(element: T) -> Self {
        let elements = vec![element; BATCH].into_boxed_slice();
        Arena(NonNull::from(Box::leak(elements)))
    }

    /// The element's place. Panics beyond the batch.
    fn at(&self, index: usize) -> *mut T {
        assert!(index < BATCH);
        // SAFETY: the arena holds BATCH elements and the index is below.
        unsafe { self.0.as_ptr().cast::<T>().add(index) }
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked box and is freed once, here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The buffers and headers of one thread.
pub(super) struct Batch {
    queries: Arena<[u8; QUERY_OCTETS_MAX]>,
    replies: Arena<[u8; UDP_OCTETS_MAX]>,
    peers: Arena<libc::sockaddr_in6>,
    controls_in: Arena<Control>,
    controls_out: Arena<Control>,
    parts_in: Arena<libc::iovec>,
    parts_out: Arena<libc::iovec>,
    headers_in: Arena<libc::mmsghdr>,
    headers_out: Arena<libc::mmsghdr>,
    wildcard: bool,
    /// Headers of `headers_in` the kernel has changed since they were written.
    received: usize,
    /// Replies waiting in `headers_out`.
    queued: usize,
}

// SAFETY: the raw pointers in the headers point into arenas of the same batch, which move with it
// as owners while their elements stay where they are.
unsafe impl Send for Batch {}

impl Batch {
    /// Buffers for a socket; `wildcard` if it is bound to no single address.
    pub(super) fn new(wildcard: bool) -> Self {
        let part = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all three are plain C structs of integers and pointers, for which zeros are valid.
        let (peer, header) = unsafe { (mem::zeroed::<libc::sockaddr_in6>(), mem::zeroed::<libc::mmsghdr>()) };
        Batch {
            queries: Arena::new([0; QUERY_OCTETS_MAX]),
            replies: Arena::new([0; UDP_OCTETS_MAX]),
            peers: Arena::new(peer),
            controls_in: Arena::new(Control([0; 64])),
            controls_out: Arena::new(Control([0; 64])),
            parts_in: Arena::new(part),
            parts_out: Arena::new(part),
            headers_in: Arena::new(header),
            headers_out: Arena::new(header),
            wildcard,
            received: BATCH,
            queued: 0,
        }
    }

    /// Waits for datagrams, at most [`RECEIVE_WAIT`], and gives their number, at least 1.
    /// Replies still queued are forgotten.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.queued = 0;
        for index in 0..mem::take(&mut self.received) {
            let part = libc::iovec { iov_base: self.queries.at(index).cast(), iov_len: QUERY_OCTETS_MAX };
            // SAFETY: `at` gives valid places of this batch, and no reference to an element exists.
            unsafe {
                *self.parts_in.at(index) = part;
                let header = &mut (*self.headers_in.at(index)).msg_hdr;
                header.msg_name = self.peers.at(index).cast();
                header.msg_namelen = mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t;
                header.msg_iov = self.parts_in.at(index);
                header.msg_iovlen = 1;
                header.msg_control = if self.wildcard { self.controls_in.at(index).cast() } else { ptr::null_mut() };
                header.msg_controllen = if self.wildcard { mem::size_of::<Control>() } else { 0 };
                header.msg_flags = 0;
            }
        }
        // SAFETY: there are BATCH headers, each of which describes memory of this batch that is
        // valid for the lengths given; nothing else reaches it during the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers_in.at(0),
                BATCH as libc::c_uint,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        // The first header may have been written to even where the call failed.
        self.received = usize::try_from(count).unwrap_or(1).max(1);
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
    }

    /// The datagram at this index of the last [`receive`](Self::receive), and the room for its reply.
    /// `None` for a sender that is no IP address.
    pub(super) fn exchange(&mut self, index: usize) -> Option<(Datagram<'_>, &mut [u8])> {
        assert!(index < self.received && self.queued <= index);
        let peer = peer_address(&self.peer(index))?;
        // SAFETY: the places are valid; the references borrow `self`, so the batch makes no
        // system call and no other reference while they live. Queries and replies are different arenas.
        let (header, query, reply): (&libc::mmsghdr, &[u8], &mut [u8]) =
            unsafe { (&*self.headers_in.at(index), &*self.queries.at(index), &mut *self.replies.at(self.queued)) };
        let octets = &query[..(header.msg_len as usize).min(QUERY_OCTETS_MAX)];
        let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let local = match self.wildcard {
            true => packet_info(&header.msg_hdr).map(|(_, local)| local),
            false => None,
        };
        Some((Datagram { octets, cut, peer, local }, reply))
    }

    /// Queues the first `octets` of the room that [`exchange`](Self::exchange) gave last as the reply to that datagram.
    pub(super) fn queue(&mut self, index: usize, octets: usize) {
        assert!(octets <= UDP_OCTETS_MAX);
        let (peer, source) = (self.peer(index), self.source(index));
        let slot = self.queued;
        // SAFETY: `at` gives valid places of this batch and no reference to an element exists. The peer
        // is read by the kernel only, from the place it was received in.
        unsafe {
            *self.parts_out.at(slot) = libc::iovec { iov_base: self.replies.at(slot).cast(), iov_len: octets };
            let header = &mut (*self.headers_out.at(slot)).msg_hdr;
            header.msg_name = self.peers.at(index).cast();
            header.msg_namelen = peer.octets;
            header.msg_iov = self.parts_out.at(slot);
            header.msg_iovlen = 1;
            write_source(header, self.controls_out.at(slot), &source);
        }
        self.queued += 1;
    }

    /// Sends what is queued and gives the number of replies the system refused.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> usize {
        let queued = mem::take(&mut self.queued);
        let (mut done, mut refused) = (0, 0);
        while done < queued {
            // SAFETY: the headers from `done` to `queued` were written by `queue` and describe memory of this
            // batch; nothing else reaches it during the call.
            let count = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), self.headers_out.at(done), (queued - done) as libc::c_uint, 0)
            };
            if count > 0 {
                done += count as usize;
            } else if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                // The error is about the first of them alone.
                done += 1;
                refused += 1;
            }
        }
        refused
    }

    /// Who sent the datagram at this index.
    pub(super) fn peer(&self, index: usize) -> Peer {
        // SAFETY: the places are valid and hold plain values, which are copied.
        unsafe { Peer { address: *self.peers.at(index), octets: (*self.headers_in.at(index)).msg_hdr.msg_namelen } }
    }

    /// Where the reply to the datagram at this index must leave from.
    pub(super) fn source(&self, index: usize) -> Source {
        if !self.wildcard {
            return Source::Bound;
        }
        // SAFETY: the place is valid, and no reference to it is written through while this one lives.
        let header = unsafe { &(*self.headers_in.at(index)).msg_hdr };
        packet_info(header).map_or(Source::Bound, |(source, _)| source)
    }
}

/// Prepares a socket for [`Batch`]: blocking, with a limit to the wait, and with packet info if `wildcard`.
pub(super) fn prepare(socket: &UdpSocket, ipv6: bool, wildcard: bool) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(RECEIVE_WAIT))?;
    if wildcard {
        match ipv6 {
            true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?,
            false => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
        }
    }
    // Path MTU messages can be forged to force fragments, which can be forged in turn; our replies
    // fit every usual path. Not every kernel knows the option, and none needs it.
    let _ = match ipv6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
    };
    Ok(())
}

/// Sends one late reply, without waiting for room in the socket's buffer.
pub(super) fn send_one(socket: &UdpSocket, peer: &Peer, source: &Source, reply: &[u8]) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: reply.as_ptr().cast_mut().cast(), iov_len: reply.len() };
    let mut control = Control([0; 64]);
    let mut peer = *peer;
    // SAFETY: zeros are a valid header, and everything it is then made to point to lives until the end of
    // this function; the kernel only reads it.
    let sent = unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_name = (&raw mut peer.address).cast();
        header.msg_namelen = peer.octets;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        write_source(&mut header, &raw mut control, source);
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_option(socket: &UdpSocket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let octets = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int that lives during the call, and its size is given.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), octets) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The peer as an address, IPv4 as IPv4 whatever the socket's family.
fn peer_address(peer: &Peer) -> Option<SocketAddr> {
    let octets = peer.octets as usize;
    match peer.address.sin6_family as libc::c_int {
        libc::AF_INET if octets >= mem::size_of::<libc::sockaddr_in>() => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in, which is the smaller of the two
            // and needs no stricter alignment.
            let address = unsafe { ptr::read((&raw const peer.address).cast::<libc::sockaddr_in>()) };
            let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(address.sin_port)))
        }
        libc::AF_INET6 if octets >= mem::size_of::<libc::sockaddr_in6>() => {
            let (address, port) = (&peer.address, u16::from_be(peer.address.sin6_port));
            match unmapped(Ipv6Addr::from(address.sin6_addr.s6_addr).into()) {
                IpAddr::V6(ip) => Some(SocketAddrV6::new(ip, port, 0, address.sin6_scope_id).into()),
                ip => Some(SocketAddr::new(ip, port)),
            }
        }
        _ => None,
    }
}

/// From a received header: what the reply's source must be, and the address the datagram was sent to.
fn packet_info(header: &libc::msghdr) -> Option<(Source, IpAddr)> {
    // SAFETY: the kernel wrote the control messages and their total length into memory the header
    // describes; the macros stay within it. The data may be unaligned and is copied.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = ptr::read_unaligned(data.cast::<libc::in_pktinfo>());
                    let local = Ipv4Addr::from_bits(u32::from_be(info.ipi_addr.s_addr));
                    // Routing chooses the interface; the address is what the client expects.
                    return Some((Source::V4(libc::in_pktinfo { ipi_ifindex: 0, ..info }), local.into()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = ptr::read_unaligned(data.cast::<libc::in6_pktinfo>());
                    let local = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // A link-local address means nothing without its interface.
                    let ipi6_ifindex = if local.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                    return Some((Source::V6(libc::in6_pktinfo { ipi6_ifindex, ..info }), unmapped(local.into())));
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    None
}

/// Makes the header carry this source in a control message at `control`.
///
/// # Safety
/// `control` is valid for writes and stays so while the header is used.
unsafe fn write_source(header: &mut libc::msghdr, control: *mut Control, source: &Source) {
    header.msg_control = control.cast();
    header.msg_controllen = mem::size_of::<Control>() as _;
    // SAFETY: the control room is 64 octets and aligned; a message of either kind needs at most
    // CMSG_SPACE(20) = 40, so the first message always fits.
    let octets = unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        match source {
            Source::Bound => {
                header.msg_control = ptr::null_mut();
                header.msg_controllen = 0;
                return;
            }
            Source::V4(info) => write_message(message, libc::IPPROTO_IP, libc::IP_PKTINFO, *info),
            Source::V6(info) => write_message(message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, *info),
        }
    };
    header.msg_controllen = octets as _;
}

/// Writes a control message and gives the octets it takes.
///
/// # Safety
/// `message` is an aligned place with room for `CMSG_SPACE` of the value.
unsafe fn write_message<T>(
    message: *mut libc::cmsghdr,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> libc::c_uint {
    let octets = mem::size_of::<T>() as libc::c_uint;
    // SAFETY: the caller vouches for the room; the data may be unaligned and is written so.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(octets) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), value);
        libc::CMSG_SPACE(octets)
    }
}
