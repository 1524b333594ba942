//! The resolver against scripted upstreams on loopback.

mod signed;
mod upstream;

use super::*;
use crate::model::{ClientSubnet as ClientSubnetSetting, DomainName};
use futures_util::future::join_all;
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::opt::{ClientSubnet, EdnsCode, EdnsOption},
    },
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use upstream::{Fake, Reaction, Way, a, address, answers, cname, denial, n, reply};

const TIMEOUT_MS: u32 = 2000;

fn options(upstreams: &[&str]) -> Options {
    Options {
        upstreams: upstreams.iter().map(|text| text.parse().expect("an upstream")).collect(),
        timeout_ms: TIMEOUT_MS,
        tries: 1,
        ..Options::default()
    }
}

fn plain(fakes: &[&Fake]) -> Options {
    let texts: Vec<String> = fakes.iter().map(|fake| fake.address.to_string()).collect();
    options(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn name(text: &str) -> DomainName {
    DomainName::from_text(text).expect("a name")
}

fn key(text: &str) -> Key {
    Key::plain(name(text), 1)
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Resolver {
    fn hit(&self, text: &str, now: Instant) -> Option<Arc<Answer>> {
        self.cached(name(text).as_name(), 1, false, false, now)
    }
}

fn ttls(answer: &Answer, now: Instant) -> Vec<u32> {
    let mut body = answer.body.to_vec();
    answer.write_body(&mut body, now);
    let field = |&at: &u16| body[at as usize..][..4].try_into().expect("four octets");
    answer.ttl_offsets.iter().map(|at| u32::from_be_bytes(field(at))).collect()
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_counts_down() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    assert!(resolver.hit("www.example", Instant::now()).is_none());
    let answer = resolver.resolve(key("www.example")).await;
    assert_eq!((answer.rcode, answer.counts, answer.ede), (0, [1, 0, 0], None));
    assert_eq!(answer.addresses().collect::<Vec<_>>(), ["192.0.2.1".parse::<std::net::IpAddr>().expect("an address")]);
    let later = answer.stored_at + s(100);
    let hit = resolver.hit("www.example", later).expect("cached");
    assert_eq!(ttls(&hit, later), [200]);
    assert!(Arc::ptr_eq(&hit, &resolver.resolve_at(key("www.example"), later).await));
    assert_eq!(fake.count(), 1);
    assert!(resolver.hit("www.example", answer.stored_at + s(300)).is_none());
    resolver.resolve_at(key("www.example"), answer.stored_at + s(300)).await;
    assert_eq!(fake.count(), 2);
}

#[tokio::test]
async fn queries_carry_edns_but_never_a_client_subnet() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    for (dnssec_ok, checking_disabled) in [(false, false), (true, false), (false, true), (true, true)] {
        resolver.resolve(Key { dnssec_ok, checking_disabled, ..key("www.example") }).await;
        let (query, _) = fake.seen.lock().pop().expect("a query");
        let edns = query.edns.as_ref().expect("EDNS");
        assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, dnssec_ok));
        assert_eq!(query.metadata.checking_disabled, checking_disabled);
        assert!(query.metadata.recursion_desired);
        assert!(edns.option(EdnsCode::Subnet).is_none());
    }
}

#[tokio::test]
async fn upstreams_hear_a_network_where_they_may_and_answers_are_kept_for_whom_they_say() {
    let fake = Fake::start(|question, _| {
        let mut said = address(question, 300);
        let told = question.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet)).cloned();
        let scope = if question.queries[0].name().to_ascii().starts_with("near") { 24 } else { 0 };
        if let Some(EdnsOption::Subnet(told)) = told {
            let told = ClientSubnet::new(told.addr(), told.source_prefix(), scope);
            said.edns.get_or_insert_with(Edns::new).options_mut().insert(EdnsOption::Subnet(told));
        }
        Reaction::Say(said)
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let by = |client: &str| super::Way {
        partition: 0,
        subnet: Subnet::of(ClientSubnetSetting::Truncated, client.parse().expect("an address")),
    };
    for (client, name, asked) in [
        ("203.0.113.7", "near.example", true),
        ("203.0.113.99", "near.example", false),
        ("198.51.100.7", "near.example", true),
        ("203.0.113.7", "far.example", true),
        ("198.51.100.7", "far.example", false),
        ("10.0.0.1", "far.example", true),
        ("10.0.0.1", "near.example", true),
    ] {
        let before = fake.count();
        resolver.resolve(Key { way: by(client), ..key(name) }).await;
        assert_eq!(fake.count() - before, usize::from(asked), "{client} {name}");
        let now = Instant::now();
        let wire = crate::model::DomainName::from_text(name).expect("a name");
        assert!(resolver.cached_by(by(client), wire.as_name(), 1, false, false, now).is_some(), "{client} {name}");
    }
    let told: Vec<Option<String>> = fake.seen.lock().iter().map(|(query, _)| subnet_told(query)).collect();
    let expected = ["203.0.113.0/24", "198.51.100.0/24", "203.0.113.0/24"].map(|text| Some(text.to_owned()));
    assert_eq!(told[..3], expected);
    assert_eq!(told[3..], [None, None], "a private address is nobody's business");
}

fn subnet_told(query: &Message) -> Option<String> {
    match query.edns.as_ref()?.option(EdnsCode::Subnet)? {
        EdnsOption::Subnet(told) => Some(format!("{}/{}", told.addr(), told.source_prefix())),
        _ => None,
    }
}

#[tokio::test]
async fn answers_of_a_partition_are_nobody_elses_and_flushed_with_the_rest() {
    let (own, other) = (
        Fake::start(|question, _| Reaction::Say(address(question, 300))).await,
        Fake::start(|question, _| Reaction::Say(denial(question, ResponseCode::NXDomain, 120))).await,
    );
    let allow = vec!["127.0.0.0/8".parse().expect("a network")];
    let resolver = Resolver::new(&Options { tenant_allow: allow, ..plain(&[&own]) }).expect("a resolver");
    let way = super::Way { partition: 7, subnet: None };
    let lost = resolver.resolve(Key { way, ..key("www.example") }).await;
    assert_eq!((lost.rcode, lost.ede), (2, Some(14)), "nobody else is asked before it is set up");
    resolver.prepare(7, &[other.address.to_string()], &[]).expect("set up");
    assert_eq!(resolver.resolve(Key { way, ..key("www.example") }).await.rcode, 3);
    assert_eq!(resolver.resolve(key("www.example")).await.rcode, 0);
    assert_eq!(resolver.hit("www.example", Instant::now()).map(|answer| answer.rcode), Some(0));
    assert_eq!((own.count(), other.count()), (1, 1));
    assert_eq!(resolver.flush(Some(name("example").as_name())), 2);
    assert!(resolver.cached_by(way, name("www.example").as_name(), 1, false, false, Instant::now()).is_none());
}

#[tokio::test]
async fn denials_live_as_long_as_their_soa() {
    let fake = Fake::start(|question, _| Reaction::Say(denial(question, ResponseCode::NXDomain, 120))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let answer = resolver.resolve(key("no.example")).await;
    assert_eq!((answer.rcode, answer.counts, answer.ttl_s), (3, [0, 1, 0], 120));
    let nearly = answer.stored_at + s(119);
    assert_eq!(ttls(&resolver.hit("no.example", nearly).expect("cached"), nearly), [1]);
    assert!(resolver.hit("no.example", answer.stored_at + s(120)).is_none());
}

#[tokio::test]
async fn what_must_not_be_cached_is_not() {
    let fake = Fake::start(|question, _| {
        Reaction::Say(match question.queries[0].name().to_ascii().as_str() {
            "zero.example." => address(question, 0),
            _ => reply(question, ResponseCode::NXDomain),
        })
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let answer = resolver.resolve(key("zero.example")).await;
    assert_eq!((answer.rcode, answer.ttl_s), (0, 0));
    assert!(resolver.hit("zero.example", answer.stored_at).is_none());
    assert_eq!(resolver.stats().entries, 0);
    let answer = resolver.resolve(key("nosoa.example")).await;
    assert_eq!((answer.rcode, answer.ttl_s), (3, 30));
    assert!(resolver.hit("nosoa.example", answer.stored_at + s(29)).is_some());
    assert!(resolver.hit("nosoa.example", answer.stored_at + s(30)).is_none(), "a denial without SOA is kept shortly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_cost_one_query() {
    let fake = Fake::start(|question, _| Reaction::After(Duration::from_millis(50), address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let callers = (0..100).map(|_| {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.resolve(key("www.example")).await })
    });
    for answer in join_all(callers).await {
        assert_eq!(answer.expect("no panic").counts, [1, 0, 0]);
    }
    assert_eq!(fake.count(), 1);
}

#[tokio::test]
async fn the_first_caller_may_go_without_the_others_losing_the_answer() {
    let fake = Fake::start(|question, _| Reaction::After(Duration::from_millis(50), address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let first = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.resolve(key("www.example")).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    first.abort();
    assert_eq!(resolver.resolve(key("www.example")).await.counts, [1, 0, 0]);
    assert_eq!(fake.count(), 1);
    resolver.drain().await;
    assert_eq!(resolver.stats().inflight, 0);
}

#[tokio::test]
async fn too_many_questions_at_once_fail_at_once() {
    let fake = Fake::start(|_, _| Reaction::Silence).await;
    let resolver = Resolver::new(&Options { inflight_max: 2, ..plain(&[&fake]) }).expect("a resolver");
    let waiting: Vec<_> = ["a.example", "b.example"]
        .map(|name| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.resolve(key(name)).await })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = resolver.resolve(key("c.example")).await;
    assert_eq!((answer.rcode, answer.ede), (2, Some(ede::NETWORK_ERROR)));
    assert_eq!(resolver.stats().inflight, 2, "the others are still waited for");
    for caller in waiting {
        assert_eq!(caller.await.expect("no panic").ede, Some(ede::NO_REACHABLE_AUTHORITY));
    }
}

#[tokio::test]
async fn a_silent_upstream_is_left_for_the_next_and_taken_back_when_it_answers() {
    let silent = Arc::new(AtomicBool::new(true));
    let first = Fake::start({
        let silent = silent.clone();
        move |question, _| {
            if silent.load(Ordering::Relaxed) { Reaction::Silence } else { Reaction::Say(address(question, 300)) }
        }
    })
    .await;
    let second = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&first, &second])).expect("a resolver");
    assert_eq!(resolver.resolve(key("a.example")).await.counts, [1, 0, 0]);
    let before = first.count();
    assert_eq!(resolver.resolve(key("b.example")).await.counts, [1, 0, 0]);
    assert_eq!((first.count(), second.count()), (before, 2), "nobody asks it again");
    let healthy: Vec<bool> = resolver.stats().servers.iter().map(|server| server.healthy).collect();
    assert_eq!(healthy, [false, true]);

    silent.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    resolver.resolve(key("c.example")).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if resolver.stats().servers[0].healthy {
            break;
        }
    }
    assert_eq!((first.count(), second.count()), (before + 1, 3), "a copy probes it");
    resolver.resolve(key("d.example")).await;
    assert_eq!((first.count(), second.count()), (before + 2, 3));
}

#[tokio::test]
async fn an_upstream_that_refuses_or_only_refers_is_passed_over() {
    let refusing = Fake::start(|question, _| Reaction::Say(reply(question, ResponseCode::Refused))).await;
    let referring = Fake::start(|question, _| {
        let mut reply = reply(question, ResponseCode::NoError);
        reply.add_authority(Record::from_rdata(
            n("example."),
            60,
            RData::NS(hickory_proto::rr::rdata::NS(n("ns.example."))),
        ));
        Reaction::Say(reply)
    })
    .await;
    let third = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&refusing, &referring, &third])).expect("a resolver");
    assert_eq!(resolver.resolve(key("www.example")).await.counts, [1, 0, 0]);
    assert!(resolver.stats().servers.iter().all(|server| server.healthy && server.queries == 1));
}

#[tokio::test]
async fn failures_are_remembered_with_the_reason_the_upstream_gave() {
    let fake = Fake::start(|question, _| {
        let mut reply = reply(question, ResponseCode::ServFail);
        let edns = reply.edns.get_or_insert_default();
        edns.options_mut().insert(EdnsOption::Unknown(15, vec![0, 9, b'x']));
        Reaction::Say(reply)
    })
    .await;
    let resolver = Resolver::new(&Options { tries: 3, ..plain(&[&fake]) }).expect("a resolver");
    let answer = resolver.resolve(key("www.example")).await;
    assert_eq!((answer.rcode, answer.ede), (2, Some(9)));
    assert_eq!(fake.count(), 1, "who has spoken is not asked again");
    assert!(resolver.hit("www.example", answer.stored_at + s(4)).expect("remembered").is_failure());
    assert!(resolver.hit("www.example", answer.stored_at + s(5)).is_none());
    let again = resolver.resolve_at(key("www.example"), answer.stored_at + s(5)).await;
    assert!(resolver.hit("www.example", again.stored_at + s(9)).is_some(), "twice as long");
    assert_eq!(fake.count(), 2);
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp() {
    let fake = Fake::start(|question, way| {
        let mut reply = answers(question, (0..100).map(|_| a("www.example.", 60)));
        if way == Way::Udp {
            reply = reply.truncate();
        }
        Reaction::Say(reply)
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    assert_eq!(resolver.resolve(key("www.example")).await.counts, [100, 0, 0]);
    assert_eq!(fake.ways(), [Way::Udp, Way::Tcp]);
}

#[tokio::test]
async fn answers_with_a_wrong_id_or_question_are_not_believed() {
    let fake = Fake::start(|question, _| {
        let mut forged = answers(question, [a("www.example.", 9999)]);
        forged.metadata.id ^= 1;
        Reaction::Forge(forged, address(question, 60))
    })
    .await;
    let other = Fake::start(|question, way| {
        if way == Way::Udp {
            return Reaction::Say(reply(question, ResponseCode::NoError).truncate());
        }
        let mut other = question.clone();
        other.queries[0].set_name(n("bank.example."));
        Reaction::Say(address(&other, 60))
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    assert_eq!(resolver.resolve(key("www.example")).await.ttl_s, 60);
    let resolver = Resolver::new(&plain(&[&other])).expect("a resolver");
    assert_eq!(resolver.resolve(key("www.example")).await.ede, Some(ede::NETWORK_ERROR));
}

#[tokio::test]
async fn an_upstream_without_edns_is_asked_without() {
    let fake = Fake::start(|question, _| match &question.edns {
        Some(_) => {
            let mut reply = reply(question, ResponseCode::FormErr);
            reply.edns = None;
            Reaction::Say(reply)
        }
        None => Reaction::Say(address(question, 60)),
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    assert_eq!(resolver.resolve(key("a.example")).await.counts, [1, 0, 0]);
    assert_eq!(resolver.resolve(key("b.example")).await.counts, [1, 0, 0]);
    assert_eq!(fake.count(), 3, "and remembered as such");
}

#[tokio::test]
async fn answers_past_their_life_stand_in_while_upstreams_fail() {
    let silent = Arc::new(AtomicBool::new(false));
    let fake = Fake::start({
        let silent = silent.clone();
        move |question, _| {
            if silent.load(Ordering::Relaxed) { Reaction::Silence } else { Reaction::Say(address(question, 60)) }
        }
    })
    .await;
    let options = Options { timeout_ms: 600, ..plain(&[&fake]) };
    let resolver = Resolver::new(&options).expect("a resolver");
    let stored = resolver.resolve(key("www.example")).await.stored_at;
    silent.store(true, Ordering::Relaxed);
    let later = stored + s(3600);
    let stale = resolver.resolve_at(key("www.example"), later).await;
    assert_eq!((stale.rcode, stale.stale, stale.ede), (0, true, Some(ede::STALE_ANSWER)));
    assert_eq!(ttls(&stale, later), [30]);
    assert!(resolver.hit("www.example", later + s(4)).expect("served while failing").stale);
    assert!(resolver.hit("www.example", later + s(6)).is_none(), "then the upstream is tried again");

    silent.store(false, Ordering::Relaxed);
    let fresh = resolver.resolve_at(key("www.example"), later + s(6)).await;
    assert_eq!((fresh.stale, fresh.ttl_s), (false, 60));

    silent.store(true, Ordering::Relaxed);
    let too_late = fresh.stored_at + s(60 + 86_400);
    assert!(resolver.resolve_at(key("www.example"), too_late).await.is_failure(), "a day at most");
}

#[tokio::test]
async fn a_client_does_not_wait_long_for_what_is_known_but_old() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |question, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reaction::Say(address(question, 60)),
        _ => Reaction::After(Duration::from_millis(600), address(question, 500)),
    })
    .await;
    let options = Options { stale_after_ms: 50, timeout_ms: 3000, ..plain(&[&fake]) };
    let resolver = Resolver::new(&options).expect("a resolver");
    let later = resolver.resolve(key("www.example")).await.stored_at + s(100);
    let (started, answer) = (Instant::now(), resolver.resolve_at(key("www.example"), later).await);
    assert!(answer.stale && started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert!(resolver.hit("www.example", later + s(1)).expect("at once the next time").stale);
    resolver.drain().await;
    let fresh = resolver.hit("www.example", later + s(2)).expect("the late answer");
    assert_eq!((fresh.stale, fresh.ttl_s), (false, 500));
}

#[tokio::test]
async fn popular_answers_are_refreshed_before_they_end() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 100))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let stored = resolver.resolve(key("www.example")).await.stored_at;
    for second in [1, 2, 3, 95, 96] {
        assert!(resolver.hit("www.example", stored + s(second)).is_some());
    }
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if fake.count() > 1 {
            break;
        }
    }
    assert_eq!(fake.count(), 2);
}

#[tokio::test]
async fn cname_targets_are_told_and_foreign_records_dropped() {
    let fake = Fake::start(|question, _| {
        let chain =
            [a("edge.cdn.test.", 60), cname("www.example.", "a.cdn.test."), cname("a.cdn.test.", "edge.cdn.test.")];
        Reaction::Say(answers(question, chain.into_iter().chain([a("bank.example.", 60)])))
    })
    .await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    let answer = resolver.resolve(key("www.example")).await;
    let targets: Vec<String> = answer.targets().map(|name| name.to_string()).collect();
    assert_eq!(targets, ["a.cdn.test", "edge.cdn.test"]);
    assert_eq!(answer.counts, [3, 0, 0]);
    let question = b"\x03wWw\x07eXample\x00\x00\x01\x00\x01";
    let mut octets = [0; 512];
    let length = answer.write(&mut octets, 7, 0x8180, question, 512, Instant::now()).expect("it fits");
    let message = Message::from_vec(&octets[..length]).expect("a message");
    let owners: Vec<String> = message.answers.iter().map(|record| record.name.to_ascii()).collect();
    assert_eq!(owners, ["wWw.eXample.", "a.cdn.test.", "edge.cdn.test."]);
}

#[tokio::test]
async fn the_longest_zone_wins_and_aliases_leave_it_again() {
    let public = Fake::start(|question, _| Reaction::Say(address(question, 10))).await;
    let corp = Fake::start(|question, _| {
        // An authority for its zone only, as domain controllers are.
        let mut reply = answers(question, [cname(&question.queries[0].name().to_ascii(), "www.public.example.")]);
        reply.metadata.authoritative = true;
        Reaction::Say(reply)
    })
    .await;
    let lab = Fake::start(|question, _| Reaction::Say(address(question, 30))).await;
    let zone = |text: &str, fake: &Fake| (name(text), vec![Upstream::Plain(fake.address)]);
    let zones = vec![zone("corp.example", &corp), zone("lab.corp.example", &lab)];
    let resolver = Resolver::new(&Options { zones, ..plain(&[&public]) }).expect("a resolver");
    for (asked, ttl_s) in
        [("www.example", 10), ("x.lab.corp.example", 30), ("lab.corp.example", 30), ("notcorp.example", 10)]
    {
        let answer = resolver.resolve(key(asked)).await;
        assert_eq!((answer.ttl_s, answer.forwarded), (ttl_s, asked.ends_with("lab.corp.example")), "{asked}");
    }
    let answer = resolver.resolve(key("intra.corp.example")).await;
    assert_eq!((answer.counts, answer.forwarded), ([2, 0, 0], true));
    assert_eq!(answer.targets().map(|name| name.to_string()).collect::<Vec<_>>(), ["www.public.example"]);
    assert_eq!((public.count(), corp.count(), lab.count()), (3, 1, 2));
}

#[tokio::test]
async fn tls_upstreams_are_checked_by_name_or_address() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 60))).await;
    for (upstream, works) in [
        (format!("tls://{}#dns.test", fake.tls), true),
        (format!("tls://{}", fake.tls), true),
        (format!("tls://{}#other.test", fake.tls), false),
    ] {
        let options = Options { tls_roots: Some(fake.roots.clone()), timeout_ms: 20_000, ..options(&[&upstream]) };
        let resolver = Resolver::new(&options).expect("a resolver");
        let names = ["a.example", "b.example", "c.example"];
        let answers = join_all(names.map(|name| resolver.resolve(key(name)))).await;
        for answer in answers {
            let expected = if works { (0, None) } else { (2, Some(ede::NETWORK_ERROR)) };
            assert_eq!((answer.rcode, answer.ede), expected, "{upstream}");
        }
    }
    assert_eq!(fake.ways(), [Way::Tls; 6]);
    // A name is told, an address is not (RFC 6066, section 3).
    assert_eq!(*fake.told.lock(), [Some("dns.test".to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_goes_over_one_tls_connection() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 60))).await;
    let upstream = format!("tls://{}#dns.test", fake.tls);
    let options = Options { tls_roots: Some(fake.roots.clone()), timeout_ms: 30_000, ..options(&[&upstream]) };
    let resolver = Resolver::new(&options).expect("a resolver");
    let callers = (0..2_000).map(|index| {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.resolve(key(&format!("n{index}.example"))).await })
    });
    let failed = join_all(callers).await.into_iter().filter(|answer| answer.as_ref().is_ok_and(|a| a.is_failure()));
    assert_eq!((failed.count(), fake.told.lock().len()), (0, 1));
}

#[tokio::test]
async fn https_upstreams_work_pinned_by_address_or_found_by_name() {
    let fake = Fake::start(|question, _| {
        let mut reply = address(question, 60);
        if question.queries[0].name().to_ascii() == "dns.test." && question.queries[0].query_type() == RecordType::A {
            reply.answers[0].data = RData::A(hickory_proto::rr::rdata::A::new(127, 0, 0, 1));
        }
        Reaction::Say(reply)
    })
    .await;
    let port = fake.https.port();
    for (upstreams, ways) in [
        (vec![format!("https://dns.test:{port}/dns-query#127.0.0.1")], vec![Way::Https]),
        (vec![format!("https://127.0.0.1:{port}/dns-query")], vec![Way::Https]),
        (
            vec![format!("https://dns.test:{port}/dns-query"), fake.address.to_string()],
            vec![Way::Udp, Way::Udp, Way::Https],
        ),
    ] {
        let texts: Vec<&str> = upstreams.iter().map(String::as_str).collect();
        let options = Options { tls_roots: Some(fake.roots.clone()), timeout_ms: 20_000, ..options(&texts) };
        let resolver = Resolver::new(&options).expect("a resolver");
        let answer = resolver.resolve(key("www.example")).await;
        assert_eq!((answer.rcode, answer.counts), (0, [1, 0, 0]), "{upstreams:?}");
        assert_eq!(std::mem::take(&mut *fake.seen.lock()).iter().map(|(_, way)| *way).collect::<Vec<_>>(), ways);
    }
}

#[tokio::test]
async fn an_upstream_that_closed_an_idle_connection_is_reached_again() {
    let fake = Fake::start(|question, way| match way {
        Way::Udp => Reaction::Say(reply(question, ResponseCode::NoError).truncate()),
        _ => Reaction::Say(address(question, 60)),
    })
    .await;
    // Forwards the TCP port of `fake` and cuts every connection after one exchange.
    let (udp, tcp) = (tokio::net::UdpSocket::bind("127.0.0.1:0").await, fake.address);
    let udp = udp.expect("a free port");
    let front = udp.local_addr().expect("bound");
    let listener = tokio::net::TcpListener::bind(front).await.expect("a free port");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).expect("a question");
            let cut = reply(&question, ResponseCode::NoError).truncate();
            udp.send_to(&cut.to_vec().expect("encodes"), peer).await.expect("sent");
        }
    });
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(tcp).await.expect("connects");
            for towards_server in [true, false] {
                let (from, to) = if towards_server { (&mut client, &mut server) } else { (&mut server, &mut client) };
                let length = from.read_u16().await.expect("a length");
                let mut octets = vec![0; length as usize];
                from.read_exact(&mut octets).await.expect("a message");
                to.write_all(&[&length.to_be_bytes()[..], &octets].concat()).await.expect("sent");
            }
        }
    });
    let resolver = Resolver::new(&options(&[&front.to_string()])).expect("a resolver");
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(resolver.resolve(key(name)).await.counts, [1, 0, 0], "{name}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn flushing_makes_the_next_question_go_upstream() {
    let fake = Fake::start(|question, _| Reaction::Say(address(question, 60))).await;
    let resolver = Resolver::new(&plain(&[&fake])).expect("a resolver");
    resolver.resolve(key("www.example")).await;
    assert_eq!(resolver.flush(Some(name("example").as_name())), 1);
    resolver.resolve(key("www.example")).await;
    assert_eq!(fake.count(), 2);
    let stats = resolver.stats();
    assert_eq!((stats.entries, stats.servers[0].queries), (1, 2));
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    assert!(matches!(Resolver::new(&options(&[])), Err(ResolveError::NoUpstreams(None))));
    let zones = vec![(name("corp.example"), vec![])];
    let result = Resolver::new(&Options { zones, ..options(&["192.0.2.1"]) });
    assert!(matches!(result, Err(ResolveError::NoUpstreams(Some(zone))) if zone == name("corp.example")));
}

#[test]
fn a_resolver_needs_a_runtime() {
    assert!(matches!(Resolver::new(&options(&["192.0.2.1"])), Err(ResolveError::Runtime)));
}

#[tokio::test]
async fn recursion_is_set_up_with_and_without_validation() {
    for dnssec in [false, true] {
        assert!(Resolver::new(&Options { dnssec, ..options(&["recurse"]) }).is_ok());
    }
}

#[tokio::test]
async fn other_upstreams_are_asked_at_once_and_the_configured_ones_again() {
    let configured = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let chosen = Fake::start(|question, _| Reaction::Say(address(question, 300))).await;
    let resolver = Resolver::new(&plain(&[&configured])).expect("a resolver");
    resolver.resolve(key("www.example")).await;
    assert_eq!((configured.count(), chosen.count()), (1, 0));
    resolver.set_upstreams(Some(vec![Upstream::Plain(chosen.address)])).expect("set");
    assert_eq!(resolver.upstreams(), [chosen.address.to_string()]);
    assert!(resolver.hit("www.example", Instant::now()).is_none(), "the cached answer is the other's");
    resolver.resolve(key("www.example")).await;
    assert_eq!((configured.count(), chosen.count()), (1, 1));
    assert!(resolver.set_upstreams(Some(vec![])).is_err());
    resolver.set_upstreams(None).expect("set");
    resolver.resolve(key("www.example")).await;
    assert_eq!((configured.count(), chosen.count()), (2, 1));
}
