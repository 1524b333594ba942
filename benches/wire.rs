//! What one packet costs outside of the sockets: reading the query, writing a blocked reply, copying a cached one.

use criterion::{Criterion, criterion_group, criterion_main};
use std::{hint::black_box, net::IpAddr};
use weir::wire::{Extras, ReplyWriter, Ttl, ede, parse, rcode};

/// `www.Some-Longer-Name.example.com` AAAA with an OPT record and a cookie.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
    \x03www\x10Some-Longer-Name\x07example\x03com\x00\x00\x1c\x00\x01\
    \x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x0c\x00\x0a\x00\x08ABCDEFGH";

fn wire(c: &mut Criterion) {
    c.bench_function("wire/parse", |b| b.iter(|| parse(black_box(QUERY)).is_ok()));

    let head = parse(QUERY).expect("an ordinary query").head();
    let mut buffer = [0; 1232];
    let address = IpAddr::from([192, 0, 2, 1]);
    c.bench_function("wire/blocked reply", |b| {
        b.iter(|| {
            let mut reply = ReplyWriter::start(black_box(&mut buffer), 1232, black_box(&head), rcode::NOERROR);
            reply.authoritative();
            reply.answer_address(60, address);
            reply.finish(&Extras { ede: Some((ede::FILTERED, "Gambling")), ..Extras::default() })
        })
    });

    let body = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x01".repeat(4);
    c.bench_function("wire/cached reply of four records", |b| {
        b.iter(|| {
            let mut reply = ReplyWriter::start(black_box(&mut buffer), 1232, black_box(&head), rcode::NOERROR);
            reply.copy_body([4, 0, 0], black_box(&body), &[6, 22, 38, 54], Ttl::Aged(7));
            reply.finish(&Extras::default())
        })
    });
}

criterion_group!(benches, wire);
criterion_main!(benches);
