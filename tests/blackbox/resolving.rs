//! Answers from upstreams, and from memory.

use crate::{
    daemon::{Place, until},
    dns::{
        ALLOWED, Got, Upstream, a, ask, ask_for, asked_name, connect, denial, ede_code, frame, query, receive_frame,
        reply_to, reply_with, send,
    },
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType::{A, TXT},
};
use std::{
    collections::HashSet,
    io::Write,
    net::UdpSocket,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

#[test]
fn a_ttl_counts_down_while_the_upstream_is_asked_once() {
    let place = Place::new();
    let daemon = place.start();
    let ttl = || ask_for(daemon.udp, "www.example.com", A).answers[0].ttl;
    assert_eq!(ttl(), 300);
    let later = until(|| Some(ttl()).filter(|ttl| *ttl < 300));
    assert!((200..300).contains(&later), "{later}");
    assert_eq!(place.upstream.count("www.example.com", A), 1);
}

#[test]
fn a_denial_is_remembered() {
    let place = Place::with(Upstream::scripted(|query| {
        let code = if asked_name(query) == "no.example." { ResponseCode::NXDomain } else { ResponseCode::NoError };
        Some(denial(query, code, 900))
    }));
    let daemon = place.start();
    for (name, qtype, code) in
        [("no.example", A, ResponseCode::NXDomain), ("empty.example", TXT, ResponseCode::NoError)]
    {
        for _ in 0..5 {
            let reply = ask_for(daemon.udp, name, qtype);
            assert_eq!((reply.metadata.response_code, reply.answers.len()), (code, 0), "{name}");
            assert_eq!(reply.authorities.len(), 1, "the SOA tells for how long");
        }
        assert_eq!(place.upstream.count(name, qtype), 1, "{name}");
    }
}

#[test]
fn an_answer_past_its_life_stands_in_for_a_dead_upstream() {
    let dead = Arc::new(AtomicBool::new(false));
    let is_dead = dead.clone();
    let place = Place::with(Upstream::scripted(move |query| {
        (!is_dead.load(Ordering::SeqCst)).then(|| reply_with(query, [a(&asked_name(query), 1)]))
    }));
    let daemon = place.start_with(&[("WEIR_RESOLVE__TIMEOUT_MS", "200")]);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    dead.store(true, Ordering::SeqCst);
    let stale = until(|| {
        let reply = ask_for(daemon.udp, "www.example.com", A);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 1));
        ede_code(&reply).map(|code| (code, reply.answers[0].ttl))
    });
    assert_eq!(stale, (3, 30));
    dead.store(false, Ordering::SeqCst);
    until(|| ede_code(&ask_for(daemon.udp, "www.example.com", A)).is_none().then_some(()));
}

#[test]
fn without_any_upstream_the_failure_says_why() {
    let place = Place::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let daemon = place
        .start_with(&[("WEIR_RESOLVE__UPSTREAMS", &format!("[\"{nobody}\"]")), ("WEIR_RESOLVE__TIMEOUT_MS", "200")]);
    let reply = ask_for(daemon.udp, "www.example.com", A);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert!(matches!(ede_code(&reply), Some(22 | 23)), "{reply:?}");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), Got::Blocked(17), "blocking needs no upstream");
}

#[test]
fn equal_questions_are_asked_once() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.clone();
    let place = Place::with(Upstream::scripted(move |query| {
        drop(closed.lock());
        Some(reply_to(query))
    }));
    let daemon = place.start();
    let shut = gate.lock().unwrap();
    let mut stream = connect(daemon.tcp);
    let mut questions = Vec::new();
    for id in 0..30 {
        let mut question = query("www.example.com", A);
        question.metadata.id = id;
        questions.extend(frame(&question.to_vec().unwrap()));
    }
    // This one needs no upstream: its reply says that the thirty before it were taken.
    questions.extend(frame(&query("malware.weir.test", A).to_vec().unwrap()));
    stream.write_all(&questions).unwrap();
    let mut next = || Message::from_vec(&receive_frame(&mut stream).unwrap()).unwrap().metadata.id;
    assert_eq!(next(), 4711, "it does not wait for those before it");
    until(|| (place.upstream.count("www.example.com", A) > 0).then_some(()));
    drop(shut);
    let ids: HashSet<u16> = (0..30).map(|_| next()).collect();
    assert_eq!(ids, (0..30).collect());
    assert_eq!(place.upstream.count("www.example.com", A), 1);
}

#[test]
fn a_zone_goes_to_its_own_upstream() {
    let inner = Upstream::start();
    let place = Place::with(Upstream::scripted(|query| Some(denial(query, ResponseCode::NXDomain, 60))));
    let zones = format!("[{{ name = \"corp.example\", upstreams = [\"{}\"] }}]", inner.address());
    let daemon = place.start_with(&[("WEIR_RESOLVE__ZONES", &zones)]);
    for name in ["corp.example", "a.b.corp.example"] {
        assert_eq!(ask(daemon.udp, "127.0.0.1", name), ALLOWED);
        assert_eq!((inner.count(name, A), place.upstream.count(name, A)), (1, 0), "{name}");
    }
    let reply = ask_for(daemon.udp, "xcorp.example", A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!((inner.count("xcorp.example", A), place.upstream.count("xcorp.example", A)), (0, 1));
}

#[test]
fn what_is_asked_without_recursion_stays_here() {
    let place = Place::new();
    let daemon = place.start();
    let mut question = query("www.example.com", A);
    question.metadata.recursion_desired = false;
    let reply = send(daemon.udp, "127.0.0.1", &question);
    assert_eq!((reply.metadata.response_code, ede_code(&reply)), (ResponseCode::Refused, Some(20)));
    assert_eq!(place.upstream.count("www.example.com", A), 0);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.example.com"), ALLOWED);
    assert_eq!(send(daemon.udp, "127.0.0.1", &question).answers.len(), 1, "what is known is told");
}
