//! A scripted upstream on loopback: UDP and TCP on one port, TLS and HTTPS on others.

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use parking_lot::Mutex;
use std::{convert::Infallible, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// How a question reached the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// What the upstream does about a question.
pub(super) enum Reaction {
    Say(Message),
    /// Says it with another id first.
    Forge(Message, Message),
    After(Duration, Message),
    Silence,
}

type Script = Arc<dyn Fn(&Message, Way) -> Reaction + Send + Sync>;

type Told = Arc<Mutex<Vec<Option<String>>>>;

/// A running upstream; it ends when dropped.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) roots: Arc<rustls::RootCertStore>,
    pub(super) seen: Arc<Mutex<Vec<(Message, Way)>>>,
    /// The server name of each TLS connection.
    pub(super) told: Told,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(script: impl Fn(&Message, Way) -> Reaction + Send + Sync + 'static) -> Fake {
        let seen: Arc<Mutex<Vec<(Message, Way)>>> = Arc::default();
        let told = Told::default();
        let script: Script = {
            let seen = seen.clone();
            Arc::new(move |message, way| {
                seen.lock().push((message.clone(), way));
                script(message, way)
            })
        };
        // The UDP port may be taken on the TCP side: another one then.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("bound");
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(Arc::new(udp), script.clone()));
        tasks.spawn(serve_tcp(tcp, script.clone()));

        let (roots, dot, doh) = tls();
        let dot_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let doh_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (tls, https) = (dot_listener.local_addr().expect("bound"), doh_listener.local_addr().expect("bound"));
        tasks.spawn(serve_tls(dot_listener, dot, script.clone(), told.clone()));
        tasks.spawn(serve_https(doh_listener, doh, script));
        Fake { address, tls, https, roots, seen, told, _tasks: tasks }
    }

    pub(super) fn count(&self) -> usize {
        self.seen.lock().len()
    }

    pub(super) fn ways(&self) -> Vec<Way> {
        self.seen.lock().iter().map(|(_, way)| *way).collect()
    }
}

fn react(script: &Script, octets: &[u8], way: Way) -> Reaction {
    match Message::from_vec(octets) {
        Ok(message) => script(&message, way),
        Err(_) => Reaction::Silence,
    }
}

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().expect("encodes")
}

async fn serve_udp(socket: Arc<UdpSocket>, script: Script) {
    let mut buffer = vec![0; 4096];
    let mut tasks = JoinSet::new();
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let said = match react(&script, &buffer[..length], Way::Udp) {
            Reaction::Say(message) => vec![message],
            Reaction::Forge(forged, message) => vec![forged, message],
            Reaction::After(pause, message) => {
                let socket = socket.clone();
                tasks.spawn(async move {
                    tokio::time::sleep(pause).await;
                    _ = socket.send_to(&octets(&message), peer).await;
                });
                vec![]
            }
            Reaction::Silence => vec![],
        };
        for message in said {
            _ = socket.send_to(&octets(&message), peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Script) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn(serve_stream(stream, script.clone(), Way::Tcp));
    }
}

async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor, script: Script, told: Told) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, script, told) = (acceptor.clone(), script.clone(), told.clone());
        tasks.spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                told.lock().push(stream.get_ref().1.server_name().map(str::to_owned));
                serve_stream(stream, script, Way::Tls).await;
            }
        });
    }
}

async fn serve_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script, way: Way) {
    while let Ok(length) = stream.read_u16().await {
        let mut buffer = vec![0; length as usize];
        if stream.read_exact(&mut buffer).await.is_err() {
            return;
        }
        let message = match react(&script, &buffer, way) {
            Reaction::Say(message) | Reaction::Forge(_, message) => message,
            Reaction::After(pause, message) => {
                tokio::time::sleep(pause).await;
                message
            }
            Reaction::Silence => continue,
        };
        let octets = octets(&message);
        let framed = [&(octets.len() as u16).to_be_bytes()[..], &octets].concat();
        if stream.write_all(&framed).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn serve_https(listener: TcpListener, acceptor: TlsAcceptor, script: Script) {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, script) = (acceptor.clone(), script.clone());
        tasks.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let script = script.clone();
                async move {
                    assert_eq!(request.uri().path(), "/dns-query");
                    let body = request.into_body().collect().await.expect("a body").to_bytes();
                    let Reaction::Say(message) = react(&script, &body, Way::Https) else {
                        std::future::pending().await
                    };
                    let response = http::Response::builder().header("content-type", "application/dns-message");
                    Ok::<_, Infallible>(
                        response.body(Full::new(bytes::Bytes::from(octets(&message)))).expect("a response"),
                    )
                }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A certificate for `dns.test` and 127.0.0.1, as its own authority.
fn tls() -> (Arc<rustls::RootCertStore>, TlsAcceptor, TlsAcceptor) {
    let key = rcgen::generate_simple_self_signed(vec!["dns.test".into(), "127.0.0.1".into()]).expect("a certificate");
    let certificate = key.cert.der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let acceptor = |protocols: &[&[u8]]| {
        let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.clone()], private).expect("a key");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    };
    (Arc::new(roots), acceptor(&[]), acceptor(&[b"h2"]))
}

pub(super) fn n(text: &str) -> Name {
    Name::from_str(text).expect("a name")
}

pub(super) fn a(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(n(owner), ttl, RData::A(rdata::A::new(192, 0, 2, 1)))
}

pub(super) fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(n(owner), 300, RData::CNAME(rdata::CNAME(n(target))))
}

pub(super) fn soa(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(n(owner), ttl, RData::SOA(rdata::SOA::new(n("ns."), n("host."), 1, 2, 3, 4, ttl)))
}

/// The reply to a question, empty.
pub(super) fn reply(question: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(question.queries.iter().cloned());
    reply.edns = question.edns.as_ref().map(|_| hickory_proto::op::Edns::new());
    reply
}

/// The reply with these answers.
pub(super) fn answers(question: &Message, records: impl IntoIterator<Item = Record>) -> Message {
    let mut reply = reply(question, ResponseCode::NoError);
    reply.add_answers(records);
    reply
}

/// An address for whatever is asked, and a denial for all other types.
pub(super) fn address(question: &Message, ttl: u32) -> Message {
    let query = &question.queries[0];
    if query.query_type() == RecordType::A {
        answers(question, [a(&query.name().to_ascii(), ttl)])
    } else {
        denial(question, ResponseCode::NoError, ttl)
    }
}

/// A denial by the root zone.
pub(super) fn denial(question: &Message, code: ResponseCode, ttl: u32) -> Message {
    let mut reply = reply(question, code);
    reply.add_authority(soa(".", ttl));
    reply
}
