//! The plane against rows and a scripted upstream on loopback.

mod fixed;
mod prescribed;
mod search;
mod ways;

use super::*;
use crate::{
    category::Index,
    identify::{Origin, Transport},
    model::*,
    policy::{NameKey, Presets, Row, World},
    querylog::EventSender,
    resolve::{Options, Resolver},
    rewrite::BlockPage,
    telemetry::QueryCounters,
};
use arc_swap::ArcSwap;
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType, rdata},
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    str::FromStr,
    sync::Arc,
    time::Instant,
};
use uuid::Uuid;

pub(super) const CUSTOMER: CustomerId = CustomerId(1);

pub(super) fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a name")
}

/// A plane with one customer, whose clients are 127.0.0.0/8 under policy 1 (its default) and 10.0.0.0/8 under
/// policy 2; names below `blocked.test` are blocked for both.
pub(super) struct Stage {
    pub(super) world: World,
    snapshot: Arc<ArcSwap<crate::policy::Snapshot>>,
    pub(super) plane: Plane,
    next: u32,
}

impl Stage {
    pub(super) fn new() -> Self {
        let none = CategorySet::EMPTY;
        let mut world = World::new(NameKey(3), Presets { low: none, moderate: none, high: none });
        let owner = Account::Customer(CUSTOMER);
        world.upsert(
            None,
            &Row::Customer(Customer {
                id: CUSTOMER,
                msp: None,
                name: "customer".into(),
                email: String::new(),
                description: String::new(),
                license: String::new(),
                timezone: String::new(),
                uuid: Uuid::nil(),
                install_key: Uuid::nil(),
                created: Timestamp(0),
                suspended: false,
            }),
        );
        for (id, net) in [(1, "127.0.0.0/8"), (2, "10.0.0.0/8")] {
            world.upsert(
                None,
                &Row::Policy(Policy {
                    id: PolicyId(id),
                    owner,
                    is_default: id == 1,
                    name: format!("policy {id}"),
                    description: String::new(),
                    settings: PolicySettings::default(),
                    created: Timestamp(0),
                    updated: Timestamp(0),
                }),
            );
            world.upsert(
                None,
                &Row::Location(Location {
                    id: LocationId(id),
                    customer: CUSTOMER,
                    kind: LocationKind::StaticIp,
                    name: format!("location {id}"),
                    policy: Some(PolicyId(id)),
                    deletable: true,
                    created: Timestamp(0),
                }),
            );
            world.upsert(
                None,
                &Row::Address(Address {
                    id: AddressId(id),
                    customer: CUSTOMER,
                    location: LocationId(id),
                    net: net.parse().expect("a range"),
                    description: String::new(),
                }),
            );
        }
        world.upsert(
            None,
            &Row::Entry(ListEntry {
                id: EntryId(1),
                owner: Account::System,
                list: ListId::System,
                action: Action::Block,
                domain: name("blocked.test"),
                subdomains: true,
                log_requests: true,
                comment: String::new(),
                expires: None,
                created: Timestamp(0),
            }),
        );
        let snapshot = Arc::new(ArcSwap::new(world.snapshot(1)));
        let upstream = upstream("192.0.2.9");
        let names = std::iter::empty::<(DomainName, CategorySet)>();
        let index = Index::from_names(names, [7; 16], Timestamp(0)).expect("fits an index");
        let upstreams = vec![upstream.to_string().parse().expect("an upstream")];
        let tenant_allow = vec!["127.0.0.0/8".parse().expect("a network")];
        let options = Options { upstreams, tenant_allow, tries: 1, ..Options::default() };
        let plane = Plane::new(Parts {
            snapshot: snapshot.clone(),
            categories: Arc::new(ArcSwap::from_pointee(index)),
            resolver: Resolver::new(&options).expect("a resolver"),
            zones: LocalZones::standard(&[]),
            counters: QueryCounters::new(),
            events: EventSender::disabled(),
            sightings: crate::sightings::Sightings::empty(1),
            unknown_clients: UnknownClients::Refuse,
            block_page: BlockPage::default(),
            node: "node 1".into(),
            udp_octets_max: 1232,
            notices: None,
        });
        Stage { world, snapshot, plane, next: 0 }
    }

    /// Takes a row and serves it.
    pub(super) fn put(&mut self, row: &Row) {
        self.world.upsert(None, row);
        self.snapshot.store(self.world.snapshot(2));
    }

    /// Takes a row away.
    pub(super) fn take(&mut self, row: &Row) {
        self.world.remove(row);
        self.snapshot.store(self.world.snapshot(3));
    }

    /// Gives policy 1 a local record.
    pub(super) fn record(&mut self, owner: &str, subdomains: bool, answer: FixedAnswer) {
        self.next += 1;
        self.put(&Row::Record(LocalRecord {
            id: LocalRecordId(self.next),
            owner: Account::Customer(CUSTOMER),
            policy: PolicyId(1),
            name: name(owner),
            subdomains,
            answer,
            ttl_s: 77,
            comment: String::new(),
            created: Timestamp(0),
        }));
    }

    /// The reply to a question, and whether it had to be waited for; `None` for silence.
    pub(super) async fn ask(&self, client: &str, packet: &[u8], transport: Transport) -> Option<(Message, bool)> {
        let origin = Origin {
            client: client.parse().expect("an address"),
            client_port: 4000,
            local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53),
            transport,
        };
        let mut buffer = vec![0; 65_535];
        let (octets, waited) = match self.plane.begin(&origin, packet, &mut buffer, Instant::now()) {
            Outcome::Reply(octets) => (buffer[..octets].to_vec(), false),
            Outcome::Drop => return None,
            Outcome::Resolve(pending) => (self.plane.finish(pending).await, true),
        };
        (!octets.is_empty()).then(|| (Message::from_vec(&octets).expect("a message"), waited))
    }

    /// What a client of policy 1 gets over UDP, as text: the code, then each record as `owner type data`.
    pub(super) async fn shown(&self, question: &str, qtype: u16) -> String {
        match self.ask("127.0.0.1", &packet(question, qtype, 0x0100, true), Transport::Udp).await {
            Some((message, _)) => text(&message),
            None => "silence".into(),
        }
    }
}

/// A query packet with these flags, with EDNS and DO if told.
pub(super) fn packet(question: &str, qtype: u16, flags: u16, dnssec_ok: bool) -> Vec<u8> {
    let mut packet = vec![0, 7];
    packet.extend_from_slice(&flags.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
    packet.extend_from_slice(name(question).as_wire());
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, u8::from(dnssec_ok) << 7, 0, 0, 0]);
    packet
}

pub(super) fn text(message: &Message) -> String {
    let records = |records: &[Record]| {
        let shown = records.iter().map(|r| format!("; {} {} {}", r.name, r.record_type(), r.data));
        shown.collect::<String>()
    };
    let soa = if message.authorities.is_empty() { "" } else { "; SOA" };
    format!("{:?}{}{soa}", message.metadata.response_code, records(&message.answers))
}

/// An upstream that answers A with `address` below `test`, but `chain.test` with an alias to `end.test`, `led.test`
/// with one to `x.blocked.test`, names that begin with `to-` with one to what follows, AAAA with nothing, `gone.test` and `fail.test` as they say.
pub(super) fn upstream(address: &str) -> SocketAddr {
    let address: Ipv4Addr = address.parse().expect("an address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let here = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((octets, from)) = socket.recv_from(&mut packet) {
            let Ok(query) = Message::from_vec(&packet[..octets]) else { continue };
            let Some(question) = query.queries.first().cloned() else { continue };
            let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
            reply.metadata.recursion_available = true;
            reply.add_query(question.clone());
            let owner = question.name().clone();
            let mut end = owner.clone();
            let alias = match owner.to_ascii().to_ascii_lowercase().as_str() {
                "chain.test." => Some("end.test."),
                "led.test." => Some("x.blocked.test."),
                "gone.test." => {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                    None
                }
                "fail.test." => {
                    reply.metadata.response_code = ResponseCode::ServFail;
                    None
                }
                _ => None,
            };
            if let Some(alias) = alias {
                end = hickory_proto::rr::Name::from_str(alias).expect("a name");
                reply.add_answer(Record::from_rdata(owner, 300, RData::CNAME(rdata::CNAME(end.clone()))));
            }
            while let Some(rest) = end.to_ascii().to_ascii_lowercase().strip_prefix("to-") {
                let next = hickory_proto::rr::Name::from_str(rest).expect("a name");
                reply.add_answer(Record::from_rdata(end, 300, RData::CNAME(rdata::CNAME(next.clone()))));
                end = next;
            }
            if question.query_type() == RecordType::A && reply.metadata.response_code == ResponseCode::NoError {
                reply.add_answer(Record::from_rdata(end, 300, RData::A(rdata::A(address))));
            }
            let _ = socket.send_to(&reply.to_vec().expect("encodes"), from);
        }
    });
    here
}
