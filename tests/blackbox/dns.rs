//! A resolver that asks from an address of choice, and an upstream that knows every name.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    str::FromStr,
    time::Duration,
};

/// What every A query gets from the upstream.
pub const UPSTREAM_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// A DNS server that answers every A query with `UPSTREAM_ADDRESS`.
pub struct Upstream(SocketAddr);

impl Upstream {
    pub fn start() -> Upstream {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((octets, peer)) = socket.recv_from(&mut buffer) {
                let Ok(query) = Message::from_vec(&buffer[..octets]) else { continue };
                if let Ok(reply) = reply_to(&query).to_vec() {
                    let _ = socket.send_to(&reply, peer);
                }
            }
        });
        Upstream(address)
    }

    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

fn reply_to(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    for question in &query.queries {
        reply.add_query(question.clone());
        if question.query_type() == RecordType::A {
            let data = RData::A(rdata::A(UPSTREAM_ADDRESS));
            reply.add_answer(Record::from_rdata(question.name().clone(), 300, data));
        }
    }
    reply
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
    let socket = UdpSocket::bind((Ipv4Addr::from_str(from).unwrap(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    let mut question = Query::query(Name::from_ascii(name).unwrap(), RecordType::A);
    question.set_query_class(DNSClass::IN);
    query.add_query(question);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    query.set_edns(edns);
    socket.send_to(&query.to_vec().unwrap(), server).unwrap();
    let mut buffer = [0; 4096];
    let octets = socket.recv(&mut buffer).unwrap();
    let reply = Message::from_vec(&buffer[..octets]).unwrap();
    assert_eq!(reply.metadata.id, 4711);
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
fn ede_code(reply: &Message) -> Option<u16> {
    use hickory_proto::rr::rdata::opt::EdnsOption;
    let edns = reply.edns.as_ref()?;
    edns.options().as_ref().iter().find_map(|(_, option)| match option {
        EdnsOption::Unknown(15, octets) => Some(u16::from_be_bytes(*octets.first_chunk()?)),
        _ => None,
    })
}
