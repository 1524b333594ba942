//! Real sockets on port 0 with an answerer that does as the queried name says.

use super::*;
use crate::{
    answer::Outcome,
    identify::{Origin, Transport},
    wire::{At, Extras, ReplyWriter, parse, rcode, rtype},
};
use std::{
    net::{IpAddr, UdpSocket},
    sync::Mutex,
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

// -- UDP

#[tokio::test(flavor = "multi_thread")]
async fn every_udp_client_gets_its_own_replies() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let clients: Vec<UdpSocket> = (0..8).map(|_| server.udp_client("127.0.0.1")).collect();
    for round in 0..50_u16 {
        for (number, client) in clients.iter().enumerate() {
            let name = if round % 5 == 0 { "wait1" } else { "now" };
            client.send(&query(round << 4 | number as u16, name)).expect("sent");
        }
    }
    for (number, client) in clients.iter().enumerate() {
        let mut ids: Vec<u16> = (0..50).map(|_| reply_id(&receive(client).expect("a reply"))).collect();
        ids.sort_unstable();
        let expected: Vec<u16> = (0..50).map(|round| round << 4 | number as u16).collect();
        assert_eq!(ids, expected, "client {number}");
    }
    assert!(server.listeners.stop(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answerer_learns_both_addresses_of_a_datagram() {
    for (listen, to, expected) in [
        ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.2", "127.0.0.2"),
        ("[::1]:0", "::1", "::1"),
        ("[::]:0", "::1", "::1"),
    ] {
        if listen.starts_with('[') && !ipv6_is_there() {
            continue;
        }
        let server = Server::start(listen, Settings::default());
        let client = server.udp_client(to);
        client.send(&query(1, "now")).expect("sent");
        assert!(receive(&client).is_some(), "{listen}");
        let origin = server.origins()[0];
        let own = client.local_addr().expect("bound");
        assert_eq!((origin.client, origin.client_port), (own.ip(), own.port()));
        assert_eq!(origin.local, SocketAddr::new(expected.parse().expect("an address"), server.local.port()));
        assert_eq!(origin.transport, Transport::Udp);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_leave_from_the_address_the_query_came_to() {
    for (listen, addresses) in [("0.0.0.0:0", &["127.0.0.1", "127.0.0.2", "127.9.8.7"][..]), ("[::]:0", &["::1"])] {
        if listen.starts_with('[') && !ipv6_is_there() {
            continue;
        }
        let server = Server::start(listen, Settings::default());
        for to in addresses {
            for name in ["now", "wait20"] {
                // A connected socket takes datagrams from no other address.
                let client = server.udp_client(to);
                client.send(&query(9, name)).expect("sent");
                assert_eq!(receive(&client).map(|reply| reply_id(&reply)), Some(9), "{name} to {to}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_deserve_silence_get_it_and_the_thread_goes_on() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let client = server.udp_client("127.0.0.1");
    let mut response = query(1, "now");
    response[2] |= 0x80;
    let mut oversized = query(1, "now");
    oversized.resize(3000, 0);
    for packet in
        [&response[..], &response[..11], b"", &oversized, &query(2, "drop"), &query(3, "panic"), &query(4, "empty")]
    {
        client.send(packet).expect("sent");
    }
    client.send(&query(5, "now")).expect("sent");
    assert_eq!(receive(&client).map(|reply| reply_id(&reply)), Some(5));
    assert!(client.set_read_timeout(Some(Duration::from_millis(100))).is_ok() && receive(&client).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_finds_too_many_waiting_gets_servfail() {
    let server = Server::start("127.0.0.1:0", Settings { waiting_max: 1, ..Settings::default() });
    let client = server.udp_client("127.0.0.1");
    client.send(&query(1, "wait2000")).expect("sent");
    client.send(&query(2, "wait2000")).expect("sent");
    let first = receive(&client).expect("a reply at once");
    assert_eq!((reply_id(&first), reply_rcode(&first)), (2, rcode::SERVFAIL));
    let mut stream = server.tcp_client().await;
    stream.write_all(&framed(&query(3, "wait1"))).await.expect("written");
    let over_tcp = read_frame(&mut stream).await.expect("a reply at once");
    assert_eq!((reply_id(&over_tcp), reply_rcode(&over_tcp)), (3, rcode::SERVFAIL));
    let second = receive(&client).expect("the one that waited");
    assert_eq!((reply_id(&second), reply_rcode(&second)), (1, rcode::NOERROR));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_rate_some_datagrams_are_answered_truncated() {
    let rate = Some(Rate { queries_per_second: 1, burst: 2, slip: 2 });
    let server = Server::start("127.0.0.1:0", Settings { rate, ..Settings::default() });
    let client = server.udp_client("127.0.0.1");
    for id in 1..=6 {
        client.send(&query(id, "now")).expect("sent");
    }
    let replies: Vec<(u16, bool)> =
        (0..4).filter_map(|_| receive(&client)).map(|reply| (reply_id(&reply), reply[2] & 0x02 != 0)).collect();
    assert_eq!(replies, [(1, false), (2, false), (4, true), (6, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_is_on_its_way_and_nothing_more() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let client = server.udp_client("127.0.0.1");
    let mut stream = server.tcp_client().await;
    client.send(&query(1, "wait500")).expect("sent");
    stream.write_all(&framed(&query(2, "wait500"))).await.expect("written");
    while server.origins().len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let local = server.local;
    assert!(server.listeners.stop(PATIENCE).await, "drained in time");
    assert_eq!(receive(&client).map(|reply| reply_id(&reply)), Some(1));
    assert_eq!(read_frame(&mut stream).await.map(|reply| reply_id(&reply)), Some(2));
    assert_eq!(read_frame(&mut stream).await, None, "the connection is closed");
    assert!(TcpStream::connect(local).await.is_err(), "nobody listens");
    assert!(Bound::bind(local, 1).is_ok(), "the port is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_wait_longer_than_it_is_told() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    server.udp_client("127.0.0.1").send(&query(1, "wait60000")).expect("sent");
    while server.origins().is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    let before = Instant::now();
    assert!(!server.listeners.stop(Duration::from_millis(600)).await);
    assert!(before.elapsed() < Duration::from_secs(10));
}

// -- TCP

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_queries_are_answered_as_they_get_ready() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let mut stream = server.tcp_client().await;
    let all: Vec<u8> = [(1, "wait400"), (2, "now"), (3, "wait100"), (4, "drop"), (5, "now")]
        .iter()
        .flat_map(|&(id, name)| framed(&query(id, name)))
        .collect();
    stream.write_all(&all).await.expect("written");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(reply_id(&read_frame(&mut stream).await.expect("a reply")));
    }
    assert_eq!(ids, [2, 5, 3, 1]);
    let origin = server.origins()[0];
    assert_eq!((origin.transport, origin.local, origin.client), (Transport::Tcp, server.local, server.local.ip()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_may_arrive_octet_by_octet() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let mut stream = server.tcp_client().await;
    for octet in [framed(&query(1, "now")), framed(&query(2, "now"))].concat() {
        stream.write_all(&[octet]).await.expect("written");
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(reply_id(&read_frame(&mut stream).await.expect("a reply")), 1);
    assert_eq!(reply_id(&read_frame(&mut stream).await.expect("a reply")), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_done_sending_still_gets_its_replies() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    let mut stream = server.tcp_client().await;
    stream.write_all(&framed(&query(1, "wait100"))).await.expect("written");
    stream.shutdown().await.expect("half closed");
    assert_eq!(read_frame(&mut stream).await.map(|reply| reply_id(&reply)), Some(1));
    assert_eq!(read_frame(&mut stream).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_closes_the_connection() {
    let server = Server::start("127.0.0.1:0", Settings::default());
    for (case, octets) in [("empty", vec![0, 0]), ("oversized", vec![0x10, 0x01, 1]), ("huge", vec![0xff, 0xff])] {
        let mut stream = server.tcp_client().await;
        stream.write_all(&[framed(&query(1, "wait50")), octets].concat()).await.expect("written");
        assert_eq!(
            read_frame(&mut stream).await.map(|reply| reply_id(&reply)),
            Some(1),
            "{case}: what was good is answered"
        );
        assert_eq!(read_frame(&mut stream).await, None, "{case}");
    }
    let mut stream = server.tcp_client().await;
    stream.write_all(&framed(b"short")).await.expect("written");
    stream.write_all(&framed(&query(7, "now"))).await.expect("written");
    assert_eq!(read_frame(&mut stream).await.map(|reply| reply_id(&reply)), Some(7), "a short message is ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_connections_are_closed_and_those_with_queries_on_their_way_are_not() {
    let tcp = TcpSettings { idle: Duration::from_millis(300), ..TcpSettings::default() };
    let server = Server::start("127.0.0.1:0", Settings { tcp, ..Settings::default() });
    let (mut unused, mut half, mut busy) =
        (server.tcp_client().await, server.tcp_client().await, server.tcp_client().await);
    half.write_all(&framed(&query(1, "now"))[..9]).await.expect("written");
    busy.write_all(&framed(&query(2, "wait1200"))).await.expect("written");
    let before = Instant::now();
    assert_eq!(read_frame(&mut unused).await, None);
    assert_eq!(read_frame(&mut half).await, None, "half a query does not keep a connection");
    assert!(before.elapsed() >= Duration::from_millis(250));
    assert_eq!(read_frame(&mut busy).await.map(|reply| reply_id(&reply)), Some(2));
    assert_eq!(read_frame(&mut busy).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_in_all_and_by_client() {
    let tcp = TcpSettings { connections_max: 3, connections_per_client_max: 2, ..TcpSettings::default() };
    let server = Server::start("0.0.0.0:0", Settings { tcp, ..Settings::default() });
    let mut first = server.tcp_client_from("127.0.0.1").await;
    let mut second = server.tcp_client_from("127.0.0.1").await;
    for stream in [&mut first, &mut second] {
        assert!(answers(stream).await);
        // The server notes the use when it has sent the answer, which is after we have it.
        sleep(Duration::from_millis(100)).await;
    }
    let mut third = server.tcp_client_from("127.0.0.1").await;
    assert!(answers(&mut third).await);
    assert_eq!(read_frame(&mut first).await, None, "the one used longest ago makes room");
    assert!(answers(&mut second).await);
    let mut other = server.tcp_client_from("127.0.0.2").await;
    assert!(answers(&mut other).await);
    let mut one_too_many = server.tcp_client_from("127.0.0.3").await;
    assert!(!answers(&mut one_too_many).await);
    drop(other);
    let mut retried = false;
    for _ in 0..100 {
        retried = retried || answers(&mut server.tcp_client_from("127.0.0.3").await).await;
        sleep(Duration::from_millis(5)).await;
    }
    assert!(retried, "a place that is free again is given away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_at_most_so_many_queries_on_their_way() {
    let tcp = TcpSettings { in_flight_max: 2, ..TcpSettings::default() };
    let server = Server::start("127.0.0.1:0", Settings { tcp, ..Settings::default() });
    let mut stream = server.tcp_client().await;
    let all: Vec<u8> = (1..=4).flat_map(|id| framed(&query(id, "wait800"))).collect();
    stream.write_all(&all).await.expect("written");
    while server.origins().len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.origins().len(), 2, "the third waits for the first reply");
    for _ in 0..4 {
        assert!(read_frame(&mut stream).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_left() {
    let tcp = TcpSettings { write: Duration::from_millis(300), ..TcpSettings::default() };
    let server = Server::start("127.0.0.1:0", Settings { tcp, ..Settings::default() });
    let mut stream = server.tcp_client().await;
    let all: Vec<u8> = (1..=400).flat_map(|id| framed(&query(id, "big"))).collect();
    stream.write_all(&all).await.expect("written");
    sleep(Duration::from_millis(1500)).await;
    let mut octets = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut octets)).await.expect("the server has closed");
    assert!(octets.len() < 400 * BIG, "{} octets", octets.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_rate_a_connection_is_slowed_down() {
    let rate = Some(Rate { queries_per_second: 10, burst: 1, slip: 0 });
    let server = Server::start("127.0.0.1:0", Settings { rate, ..Settings::default() });
    let mut stream = server.tcp_client().await;
    let before = Instant::now();
    let all: Vec<u8> = (1..=4).flat_map(|id| framed(&query(id, "now"))).collect();
    stream.write_all(&all).await.expect("written");
    for id in 1..=4 {
        assert_eq!(read_frame(&mut stream).await.map(|reply| reply_id(&reply)), Some(id));
    }
    assert!(before.elapsed() >= Duration::from_millis(250), "three more queries at ten a second");
}

// -- Helpers

const PATIENCE: Duration = Duration::from_secs(20);
/// Octets of the reply to `big`.
const BIG: usize = 60_000;

/// Answers as the first label says: `now`, `wait20` (milliseconds), `drop`, `empty`, `panic`, `big`.
#[derive(Clone, Default)]
struct Toy(Arc<Mutex<Vec<Origin>>>);

struct Waiting {
    reply: Vec<u8>,
    wait: Duration,
}

impl Answerer for Toy {
    type Pending = Waiting;

    fn begin(&self, origin: &Origin, packet: &[u8], reply: &mut [u8], _now: Instant) -> Outcome<Waiting> {
        self.0.lock().expect("not poisoned").push(*origin);
        let query = parse(packet).expect("tests send good queries");
        let name = query.name.name().to_string();
        match name.as_str() {
            "drop" => return Outcome::Drop,
            "panic" => panic!("as the test asked"),
            "empty" => return Outcome::Resolve(Waiting { reply: Vec::new(), wait: Duration::ZERO }),
            _ => {}
        }
        let mut writer = ReplyWriter::start(reply, usize::MAX, &query.head(), rcode::NOERROR);
        match name.as_str() {
            "big" => writer.answer_raw(At::QUESTION, rtype::NULL, 1, &[7; BIG]),
            _ => writer.answer_address(1, origin.local.ip()),
        }
        let length = writer.finish(&Extras::default());
        match name.strip_prefix("wait") {
            Some(wait) => Outcome::Resolve(Waiting {
                reply: reply[..length].to_vec(),
                wait: Duration::from_millis(wait.parse().expect("milliseconds")),
            }),
            None => Outcome::Reply(length),
        }
    }

    async fn finish(&self, pending: Waiting) -> Vec<u8> {
        sleep(pending.wait).await;
        pending.reply
    }
}

struct Server {
    listeners: Listeners,
    local: SocketAddr,
    toy: Toy,
}

impl Server {
    fn start(listen: &str, settings: Settings) -> Server {
        let toy = Toy::default();
        let bound = Bound::bind(listen.parse().expect("an address"), 2).expect("a free port");
        let local = bound.local_addr();
        let listeners = Listeners::start(vec![bound], toy.clone(), settings, &Handle::current()).expect("started");
        assert_eq!(listeners.local_addrs(), [local]);
        Server { listeners, local, toy }
    }

    fn origins(&self) -> Vec<Origin> {
        self.toy.0.lock().expect("not poisoned").clone()
    }

    /// A socket that sends to the server at this address and hears nobody else.
    fn udp_client(&self, to: &str) -> UdpSocket {
        let to: IpAddr = to.parse().expect("an address");
        let any = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).expect("a free port");
        socket.connect((to, self.local.port())).expect("connected");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        socket
    }

    async fn tcp_client(&self) -> TcpStream {
        let stream = TcpStream::connect(self.local).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        stream
    }

    async fn tcp_client_from(&self, from: &str) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("bound");
        let to = SocketAddr::new("127.0.0.1".parse().expect("an address"), self.local.port());
        socket.connect(to).await.expect("connected")
    }
}

fn ipv6_is_there() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

fn query(id: u16, label: &str) -> Vec<u8> {
    let [i0, i1] = id.to_be_bytes();
    let mut packet = vec![i0, i1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
    packet.extend(label.as_bytes());
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn reply_id(reply: &[u8]) -> u16 {
    assert!(reply[2] & 0x80 != 0, "a response");
    u16::from_be_bytes([reply[0], reply[1]])
}

fn reply_rcode(reply: &[u8]) -> u16 {
    (reply[3] & 0x0f) as u16
}

fn receive(client: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 2000];
    let octets = client.recv(&mut buffer).ok()?;
    Some(buffer[..octets].to_vec())
}

/// The next message; `None` when the connection is closed.
async fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let read = async {
        let length = stream.read_u16().await.ok()?;
        let mut message = vec![0; length as usize];
        stream.read_exact(&mut message).await.ok()?;
        Some(message)
    };
    timeout(PATIENCE, read).await.expect("neither a message nor the end")
}

/// Whether a query over this connection is answered.
async fn answers(stream: &mut TcpStream) -> bool {
    stream.write_all(&framed(&query(1, "now"))).await.is_ok() && read_frame(stream).await.is_some()
}
