//! A resolver that asks from an address of choice, and an upstream that knows every name.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
    serialize::binary::BinEncodable,
};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    str::FromStr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What every A query gets from the upstream.
pub const UPSTREAM_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// What an upstream does about a question; `None` is silence. It may wait: each question has a thread.
type Script = dyn Fn(&Message) -> Option<Message> + Send + Sync;

/// A DNS server on loopback, over UDP and TCP. What is too large for UDP is truncated there.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl Upstream {
    /// One that answers every A query with `UPSTREAM_ADDRESS`.
    pub fn start() -> Upstream {
        Upstream::scripted(|query| Some(reply_to(query)))
    }

    /// One that answers as told.
    pub fn scripted(script: impl Fn(&Message) -> Option<Message> + Send + Sync + 'static) -> Upstream {
        // The UDP port may be taken on the TCP side: another one then.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<(String, RecordType)>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let heard = seen.clone();
        let read = move |octets: &[u8]| {
            let query = Message::from_vec(octets).ok()?;
            let question = query.queries.first()?;
            let name = question.name().to_ascii().to_lowercase().trim_end_matches('.').to_owned();
            heard.lock().unwrap().push((name, question.query_type()));
            Some(query)
        };
        let (read_tcp, script_tcp) = (read.clone(), script.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((octets, peer)) = udp.recv_from(&mut buffer) {
                let Some(query) = read(&buffer[..octets]) else { continue };
                let (socket, script) = (udp.try_clone().unwrap(), script.clone());
                std::thread::spawn(move || {
                    let Some(reply) = script(&query) else { return };
                    let mut octets = reply.to_vec().unwrap();
                    if octets.len() > 1232 {
                        let mut short = Message::new(reply.metadata.id, MessageType::Response, OpCode::Query);
                        short.metadata = reply.metadata;
                        short.metadata.truncation = true;
                        short.add_queries(reply.queries.iter().cloned());
                        octets = short.to_vec().unwrap();
                    }
                    let _ = socket.send_to(&octets, peer);
                });
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                let (read, script) = (read_tcp.clone(), script_tcp.clone());
                std::thread::spawn(move || {
                    let mut stream = stream;
                    while let Some(octets) = receive_frame(&mut stream) {
                        let Some(reply) = read(&octets).and_then(|query| script(&query)) else { continue };
                        let _ = stream.write_all(&frame(&reply.to_vec().unwrap()));
                    }
                });
            }
        });
        Upstream { address, seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked for this name and type.
    pub fn count(&self, name: &str, qtype: RecordType) -> usize {
        self.seen.lock().unwrap().iter().filter(|(asked, of)| asked == name && *of == qtype).count()
    }
}

/// The reply to a query, without records.
pub fn empty_reply(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_queries(query.queries.iter().cloned());
    reply
}

/// The reply with these records.
pub fn reply_with(query: &Message, records: impl IntoIterator<Item = Record>) -> Message {
    let mut reply = empty_reply(query);
    reply.add_answers(records);
    reply
}

/// The denial of a name or type by a zone `example`, for so many seconds.
pub fn denial(query: &Message, code: ResponseCode, ttl: u32) -> Message {
    let mut reply = empty_reply(query);
    reply.metadata.response_code = code;
    let soa = rdata::SOA::new(n("ns.example."), n("host.example."), 1, 2, 3, 4, ttl);
    reply.add_authority(Record::from_rdata(n("example."), ttl, RData::SOA(soa)));
    reply
}

/// `UPSTREAM_ADDRESS` for an A query, NODATA for others.
pub fn reply_to(query: &Message) -> Message {
    let name = asked_name(query);
    if query.queries[0].query_type() == RecordType::A { reply_with(query, [a(&name, 300)]) } else { empty_reply(query) }
}

/// The name of the first question, with its final dot, in lower case.
pub fn asked_name(query: &Message) -> String {
    query.queries[0].name().to_ascii().to_lowercase()
}

pub fn n(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// An A record with `UPSTREAM_ADDRESS`.
pub fn a(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(n(owner), ttl, RData::A(rdata::A(UPSTREAM_ADDRESS)))
}

pub fn cname(owner: &str, target: &str, ttl: u32) -> Record {
    Record::from_rdata(n(owner), ttl, RData::CNAME(rdata::CNAME(n(target))))
}

/// A DNAME record (RFC 6672).
pub fn dname(owner: &str, target: &str) -> Record {
    let data = rdata::NULL::with(n(target).to_bytes().unwrap());
    Record::from_rdata(n(owner), 300, RData::Unknown { code: RecordType::from(39), rdata: data })
}

/// A message with its length in front (RFC 7766, section 8).
pub fn frame(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}

/// The next message of a connection; `None` at its end.
pub fn receive_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut octets = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut octets).ok()?;
    Some(octets)
}

/// A recursive query with EDNS and id 4711.
pub fn query(name: &str, qtype: RecordType) -> Message {
    let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(n(name), qtype));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    query.set_edns(edns);
    query
}

/// A socket on a loopback address, with ten seconds of patience.
pub fn socket(from: &str) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::from_str(from).unwrap(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Sends octets over UDP and gives the reply's.
#[track_caller]
pub fn exchange(server: SocketAddr, from: &str, octets: &[u8]) -> Vec<u8> {
    let socket = socket(from);
    socket.send_to(octets, server).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..2], octets[..2], "the id");
    buffer[..length].to_vec()
}

/// Sends a query over UDP and gives the reply.
#[track_caller]
pub fn send(server: SocketAddr, from: &str, query: &Message) -> Message {
    Message::from_vec(&exchange(server, from, &query.to_vec().unwrap())).unwrap()
}

/// Asks from 127.0.0.1 for records of a type.
#[track_caller]
pub fn ask_for(server: SocketAddr, name: &str, qtype: RecordType) -> Message {
    send(server, "127.0.0.1", &query(name, qtype))
}

/// A connection with ten seconds of patience.
pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends a query over TCP and gives the reply.
#[track_caller]
pub fn send_tcp(server: SocketAddr, query: &Message) -> Message {
    let mut stream = connect(server);
    stream.write_all(&frame(&query.to_vec().unwrap())).unwrap();
    Message::from_vec(&receive_frame(&mut stream).unwrap()).unwrap()
}

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// This address.
    Address(IpAddr),
    /// The null address that blocked names get, with this EDE code.
    Blocked(u16),
    /// REFUSED.
    Refused,
    /// Something else.
    Other(String),
}

/// What an allowed name gets.
pub const ALLOWED: Got = Got::Address(IpAddr::V4(UPSTREAM_ADDRESS));

/// Asks for the A records of a name, from a loopback address.
pub fn ask(server: SocketAddr, from: &str, name: &str) -> Got {
    let reply = send(server, from, &query(name, RecordType::A));
    let ede = ede_code(&reply);
    match (reply.metadata.response_code, reply.answers.first().map(|record| &record.data)) {
        (ResponseCode::Refused, _) => Got::Refused,
        (ResponseCode::NoError, Some(RData::A(address))) if address.0.is_unspecified() => {
            Got::Blocked(ede.unwrap_or_default())
        }
        (ResponseCode::NoError, Some(RData::A(address))) => Got::Address(IpAddr::V4(address.0)),
        _ => Got::Other(format!("{reply:?}")),
    }
}

/// The code of the reply's extended error (RFC 8914).
pub fn ede_code(reply: &Message) -> Option<u16> {
    use hickory_proto::rr::rdata::opt::EdnsOption;
    let edns = reply.edns.as_ref()?;
    edns.options().as_ref().iter().find_map(|(_, option)| match option {
        EdnsOption::Unknown(15, octets) => Some(u16::from_be_bytes(*octets.first_chunk()?)),
        _ => None,
    })
}
