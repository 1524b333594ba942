//! What a cached answer costs: finding it, and writing it as a message.
//!
//! The answers come from a small upstream on loopback, as in service; names are seeded by number.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::{RData, Record, rdata},
};
use std::{hint::black_box, net::SocketAddr, time::Instant};
use tokio::{net::UdpSocket, runtime::Runtime, task::JoinSet};
use weir::{
    model::DomainName,
    resolve::{Key, Options, Resolver, Upstream},
};

const NAMES: usize = 10_000;

fn name(index: usize) -> DomainName {
    DomainName::from_text(&format!("host{index}.customer{}.example.com", index % 97)).expect("a valid name")
}

async fn upstream() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
            let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            for query in &question.queries {
                let address = RData::A(rdata::A::new(192, 0, 2, 1));
                reply.add_answer(Record::from_rdata(query.name().clone(), 3600, address));
            }
            reply.add_queries(question.queries);
            if let Ok(octets) = reply.to_vec() {
                _ = socket.send_to(&octets, peer).await;
            }
        }
    });
    address
}

async fn filled() -> Resolver {
    let options = Options { upstreams: vec![Upstream::Plain(upstream().await)], ..Options::default() };
    let resolver = Resolver::new(&options).expect("a resolver");
    for first in (0..NAMES).step_by(100) {
        let mut tasks = JoinSet::new();
        for index in first..first + 100 {
            let resolver = resolver.clone();
            let key = Key::plain(name(index), 1);
            tasks.spawn(async move { resolver.resolve(key).await });
        }
        tasks.join_all().await;
    }
    resolver
}

fn cache(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let resolver = runtime.block_on(filled());
    let names: Vec<DomainName> = (0..NAMES).map(name).collect();
    let now = Instant::now();
    let known = names.iter().filter(|name| resolver.cached(name.as_name(), 1, false, false, now).is_some()).count();
    assert_eq!(known, NAMES, "every name is cached");

    let mut group = criterion.benchmark_group("cache");
    group.throughput(Throughput::Elements(1));
    let mut at = 0;
    let mut next = || {
        at = (at + 7919) % NAMES;
        names[at].as_name()
    };
    group.bench_function("hit", |bencher| {
        bencher.iter(|| black_box(resolver.cached(black_box(next()), 1, false, false, now)));
    });
    group.bench_function("miss", |bencher| {
        bencher.iter(|| black_box(resolver.cached(black_box(next()), 28, false, false, now)));
    });
    group.bench_function("hit and write", |bencher| {
        let later = now + std::time::Duration::from_secs(5);
        let mut question = [0; 300];
        let mut reply = [0; 1232];
        bencher.iter(|| {
            let name = next();
            let wire = name.as_wire();
            question[..wire.len()].copy_from_slice(wire);
            question[wire.len()..wire.len() + 4].copy_from_slice(&[0, 1, 0, 1]);
            let answer = resolver.cached(name, 1, false, false, later).expect("cached");
            black_box(answer.write(&mut reply, 7, 0x8180, &question[..wire.len() + 4], 1232, later))
        });
    });
    group.finish();
}

criterion_group!(benches, cache);
criterion_main!(benches);
