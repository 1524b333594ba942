//! Packets of every kind, and how connections are used.

use crate::{
    daemon::{Place, until},
    dns::{
        ALLOWED, Upstream, ask, ask_for, asked_name, connect, exchange, frame, n, query, receive_frame, reply_to,
        reply_with, send, send_tcp, socket,
    },
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, Record,
        RecordType::{A, TXT},
        rdata,
    },
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Header fields and what follows; the id is 4711.
fn packet(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x12, 0x67];
    octets.extend([flags].into_iter().chain(counts).flat_map(u16::to_be_bytes));
    octets.extend(rest);
    octets
}

const QUESTION: &[u8] = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01";
const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

/// Malformed packets with the response code they get; `None` is silence.
fn malformed() -> Vec<(&'static str, Vec<u8>, Option<u16>)> {
    let mut long = Vec::new();
    for _ in 0..5 {
        long.push(60);
        long.extend([b'a'; 60]);
    }
    long.extend(b"\x00\x00\x01\x00\x01");
    vec![
        ("shorter than a header", packet(0x0100, [1, 0, 0, 0], b"")[..11].to_vec(), None),
        ("a response", packet(0x8180, [1, 0, 0, 0], QUESTION), None),
        ("no question", packet(0x0100, [0, 0, 0, 0], b""), Some(1)),
        ("two questions", packet(0x0100, [2, 0, 0, 0], &[QUESTION, QUESTION].concat()), Some(1)),
        ("a question cut off", packet(0x0100, [1, 0, 0, 0], &QUESTION[..QUESTION.len() - 3]), Some(1)),
        ("a pointer in the question", packet(0x0100, [1, 0, 0, 0], b"\x03www\xc0\x0c\x00\x01\x00\x01"), Some(1)),
        ("a name of 306 octets", packet(0x0100, [1, 0, 0, 0], &long), Some(1)),
        ("a label of an unknown kind", packet(0x0100, [1, 0, 0, 0], b"\x41a\x00\x00\x01\x00\x01"), Some(1)),
        ("two OPT records", packet(0x0100, [1, 0, 0, 2], &[QUESTION, OPT, OPT].concat()), Some(1)),
        ("an OPT record cut off", packet(0x0100, [1, 0, 0, 1], &[QUESTION, &OPT[..9]].concat()), Some(1)),
        ("an answer in a query", packet(0x0100, [1, 1, 0, 0], QUESTION), Some(1)),
        ("an update", packet(0x2900, [1, 0, 0, 0], QUESTION), Some(4)),
        (
            "EDNS version 1",
            packet(0x0100, [1, 0, 0, 1], &[QUESTION, b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00"].concat()),
            Some(16),
        ),
    ]
}

fn rcode(octets: &[u8]) -> u16 {
    u16::from(Message::from_vec(octets).unwrap().metadata.response_code)
}

#[test]
fn malformed_packets_get_what_they_deserve_over_udp() {
    let place = Place::new();
    let daemon = place.start();
    for (what, octets, expected) in malformed() {
        if let Some(expected) = expected {
            assert_eq!(rcode(&exchange(daemon.udp, "127.0.0.1", &octets)), expected, "{what}");
            continue;
        }
        // One socket, one UDP thread: a reply to the first would come before that to the second.
        let socket = socket("127.0.0.1");
        socket.send_to(&octets, daemon.udp).unwrap();
        socket.send_to(&query("malware.weir.test", A).to_vec().unwrap(), daemon.udp).unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1, "{what}");
    }
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
}

#[test]
fn malformed_packets_get_what_they_deserve_over_tcp() {
    let place = Place::new();
    let daemon = place.start();
    for (what, octets, expected) in malformed() {
        let mut stream = connect(daemon.tcp);
        stream.write_all(&frame(&octets)).unwrap();
        stream.write_all(&frame(&query("malware.weir.test", A).to_vec().unwrap())).unwrap();
        if let Some(expected) = expected {
            assert_eq!(rcode(&receive_frame(&mut stream).unwrap()), expected, "{what}");
        }
        let next = Message::from_vec(&receive_frame(&mut stream).unwrap()).unwrap();
        assert_eq!(next.answers.len(), 1, "{what}: the connection goes on");
    }
}

#[test]
fn ten_thousand_random_packets_leave_it_standing() {
    let place = Place::new();
    let daemon = place.start_with(&[("WEIR_RESOLVE__TIMEOUT_MS", "50")]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let good = query("www.example.com", A).to_vec().unwrap();
    let thrower = socket("127.0.0.1");
    for round in 0..10_000 {
        let mut octets: Vec<u8>;
        if round % 2 == 0 {
            octets = (0..random() % 600).map(|_| random() as u8).collect();
        } else {
            octets = good.clone();
            for _ in 0..=random() % 4 {
                let at = random() as usize % octets.len();
                octets[at] = random() as u8;
            }
            octets.truncate(random() as usize % (octets.len() + 1));
        }
        thrower.send_to(&octets, daemon.udp).unwrap();
        // Now and then waits for an answer, so that no packet is lost in a full buffer.
        if round % 50 == 0 {
            assert_eq!(ask_for(daemon.udp, "malware.weir.test", A).answers.len(), 1, "round {round}");
        }
    }
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert!(!daemon.log().contains("panic"), "nothing fell over inside");
}

/// An upstream whose TXT answers have as many records of 200 octets as the first label says.
fn wide() -> Upstream {
    Upstream::scripted(|query| {
        let name = asked_name(query);
        let Some(count) = name.split('.').next().and_then(|label| label.parse::<usize>().ok()) else {
            return Some(reply_to(query));
        };
        let records = (0..count).map(|index| {
            let text = format!("{index:0>200}");
            Record::from_rdata(n(&name), 300, RData::TXT(rdata::TXT::new(vec![text])))
        });
        Some(reply_with(query, records))
    })
}

/// Over UDP: the octets of the reply, whether it is truncated, and its answers.
fn sized(server: SocketAddr, name: &str, edns: Option<u16>) -> (usize, bool, usize) {
    let mut question = query(name, TXT);
    match edns {
        Some(octets) => {
            question.edns.as_mut().unwrap().set_max_payload(octets);
        }
        None => question.edns = None,
    }
    let octets = exchange(server, "127.0.0.1", &question.to_vec().unwrap());
    let reply = Message::from_vec(&octets).unwrap();
    assert_eq!(reply.edns.is_some(), edns.is_some(), "EDNS is for those who speak it");
    (octets.len(), reply.metadata.truncation, reply.answers.len())
}

#[test]
fn what_does_not_fit_is_truncated_and_comes_whole_over_tcp() {
    let place = Place::with(wide());
    let daemon = place.start();
    for (name, edns, limit, fits) in [
        ("2.wide.example", None, 512, true),
        ("3.wide.example", None, 512, false),
        ("3.wide.example", Some(100), 512, false),
        ("3.wide.example", Some(1232), 1232, true),
        ("5.wide.example", Some(1232), 1232, true),
        ("8.wide.example", Some(1232), 1232, false),
        ("8.wide.example", Some(4096), 1232, false),
    ] {
        // Once from the upstream, once from the cache.
        for _ in 0..2 {
            let (octets, truncated, answers) = sized(daemon.udp, name, edns);
            assert!(octets <= limit, "{name} {edns:?}: {octets}");
            assert_eq!(truncated, !fits, "{name} {edns:?}");
            let count = name.split('.').next().unwrap().parse::<usize>().unwrap();
            assert_eq!(answers, if fits { count } else { 0 }, "{name} {edns:?}");
        }
    }
    for count in [8, 250] {
        let reply = send_tcp(daemon.tcp, &query(&format!("{count}.wide.example"), TXT));
        assert_eq!((reply.answers.len(), reply.metadata.truncation), (count, false));
    }
}

#[test]
fn the_configured_payload_bounds_every_udp_answer() {
    let place = Place::with(wide());
    let daemon = place.start_with(&[("WEIR_DNS__UDP_PAYLOAD", "700")]);
    for _ in 0..2 {
        assert!(!sized(daemon.udp, "2.wide.example", Some(1232)).1);
        let (octets, truncated, _) = sized(daemon.udp, "4.wide.example", Some(1232));
        assert!(truncated && octets <= 700, "{octets}");
    }
}

#[test]
fn a_slow_question_holds_up_no_other_on_its_connection() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.clone();
    let place = Place::with(Upstream::scripted(move |query| {
        if asked_name(query) == "slow.example." {
            drop(closed.lock());
        }
        Some(reply_to(query))
    }));
    let daemon = place.start();
    let shut = gate.lock().unwrap();
    let mut stream = connect(daemon.tcp);
    let mut all = Vec::new();
    for id in 0..20 {
        let name = if id == 0 { "slow.example".to_owned() } else { format!("n{id}.example") };
        let mut question = query(&name, A);
        question.metadata.id = id;
        all.extend(frame(&question.to_vec().unwrap()));
    }
    stream.write_all(&all).unwrap();
    let mut next = || {
        let reply = Message::from_vec(&receive_frame(&mut stream).unwrap()).unwrap();
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 1));
        reply.metadata.id
    };
    let mut ids: Vec<u16> = (1..20).map(|_| next()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..20).collect::<Vec<u16>>());
    drop(shut);
    assert_eq!(next(), 0);
}

#[test]
fn half_a_question_is_never_answered_and_its_connection_ends() {
    let place = Place::new();
    let daemon = place.start_with(&[("WEIR_DNS__TCP__IDLE_TIMEOUT_S", "1")]);
    let whole = frame(&query("malware.weir.test", A).to_vec().unwrap());
    let mut halves: Vec<TcpStream> = [0, 1, 2, 7, whole.len() - 1]
        .map(|octets| {
            let mut stream = connect(daemon.tcp);
            stream.write_all(&whole[..octets]).unwrap();
            stream
        })
        .into();
    assert_eq!(send_tcp(daemon.tcp, &query("malware.weir.test", A)).answers.len(), 1, "others are served");
    for stream in &mut halves {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(rest, b"", "nothing but the end"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn many_connections_are_served_side_by_side() {
    let place = Place::new();
    let daemon = place.start();
    let mut streams = Vec::new();
    for host in 1..=8 {
        for _ in 0..40 {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into()).unwrap();
            socket.connect(&daemon.tcp.into()).unwrap();
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            streams.push(stream);
        }
    }
    for _ in 0..3 {
        for (index, stream) in streams.iter_mut().enumerate() {
            let name = if index.is_multiple_of(2) { "malware.weir.test" } else { "www.example.com" };
            stream.write_all(&frame(&query(name, A).to_vec().unwrap())).unwrap();
        }
        for stream in &mut streams {
            let reply = Message::from_vec(&receive_frame(stream).unwrap()).unwrap();
            assert_eq!(reply.answers.len(), 1);
        }
    }
    assert_eq!(send(daemon.udp, "127.0.0.1", &query("malware.weir.test", A)).answers.len(), 1);
    drop(streams);
    until(|| (send_tcp(daemon.tcp, &query("malware.weir.test", A)).answers.len() == 1).then_some(()));
}
