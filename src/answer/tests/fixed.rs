use super::{
    super::{
        fixed::{Fixed, Written},
        reply::{Asked, Scene},
    },
    *,
};
use crate::wire::rtype::{A, AAAA, ANY, CNAME, MX, TXT};
use crate::{
    identify::Identified,
    policy::{Cause, Decision, Verdict},
    resolve::Answer,
    telemetry::QueryVerdict,
    wire,
};
use FixedAnswer::{Alias, AliasBelow, Drop, NoData, Null, NxDomain, Records, Refused, ServFail, Truncate};

fn data(rtype: u16, rdata: &[u8]) -> RecordData {
    RecordData { rtype, rdata: rdata.into() }
}

#[tokio::test]
async fn every_kind_of_prescribed_answer_looks_as_it_should() {
    let mut stage = Stage::new();
    let both = vec![data(A, &[10, 0, 0, 1]), data(A, &[10, 0, 0, 2]), data(TXT, b"\x02hi")];
    for (owner, answer) in [
        ("null.test", Null),
        ("no.test", NxDomain),
        ("empty.test", NoData),
        ("refused.test", Refused),
        ("broken.test", ServFail),
        ("silent.test", Drop),
        ("large.test", Truncate),
        ("host.test", Records(both)),
        ("alias.test", Alias(name("chain.test"))),
        ("cname.test", Records(vec![data(A, &[1; 4]), data(CNAME, b"\x04Host\x04Test\x00")])),
        ("wide.test", AliasBelow(name("host.test"))),
        ("gonealias.test", Alias(name("gone.test"))),
        ("failalias.test", Alias(name("fail.test"))),
        ("badalias.test", Alias(name("x.blocked.test"))),
        ("ledalias.test", Alias(name("led.test"))),
        ("privatealias.test", Alias(name("1.0.0.10.in-addr.arpa"))),
    ] {
        stage.record(owner, owner == "wide.test", answer);
    }
    stage.record("a.host.test", true, Alias(name("host.test")));
    for (question, qtype, expected) in [
        ("null.test", A, "NoError; null.test. A 0.0.0.0"),
        ("null.test", AAAA, "NoError; null.test. AAAA ::"),
        ("null.test", TXT, "NoError; SOA"),
        ("no.test", A, "NXDomain; SOA"),
        ("no.test", ANY, "NXDomain; SOA"),
        ("empty.test", A, "NoError; SOA"),
        ("refused.test", A, "Refused"),
        ("broken.test", A, "ServFail"),
        ("silent.test", A, "silence"),
        ("host.test", A, "NoError; host.test. A 10.0.0.1; host.test. A 10.0.0.2"),
        ("host.test", TXT, "NoError; host.test. TXT hi"),
        ("host.test", MX, "NoError; SOA"),
        ("host.test", ANY, "NoError; host.test. HINFO RFC8482 "),
        ("alias.test", A, "NoError; alias.test. CNAME chain.test.; chain.test. CNAME end.test.; end.test. A 192.0.2.9"),
        ("alias.test", AAAA, "NoError; alias.test. CNAME chain.test.; chain.test. CNAME end.test.; SOA"),
        ("alias.test", CNAME, "NoError; alias.test. CNAME chain.test."),
        ("cname.test", A, "NoError; cname.test. CNAME host.test.; host.test. A 10.0.0.1; host.test. A 10.0.0.2"),
        ("a.wide.test", A, "NoError; a.wide.test. CNAME a.wide.test.host.test.; a.wide.test.host.test. A 192.0.2.9"),
        ("b.a.host.test", TXT, "NoError; b.a.host.test. CNAME host.test.; host.test. TXT hi"),
        ("gonealias.test", A, "NXDomain; gonealias.test. CNAME gone.test.; SOA"),
        ("failalias.test", A, "ServFail"),
        ("badalias.test", A, "NoError; badalias.test. A 0.0.0.0"),
        ("badalias.test", CNAME, "NoError; SOA"),
        ("ledalias.test", A, "NoError; ledalias.test. A 0.0.0.0"),
        ("privatealias.test", A, "NXDomain; privatealias.test. CNAME 1.0.0.10.in-addr.arpa.; SOA"),
    ] {
        assert_eq!(stage.shown(question, qtype).await, expected, "{question} {qtype}");
    }
    let (over_udp, _) =
        stage.ask("127.0.0.1", &packet("large.test", A, 0x100, true), Transport::Udp).await.expect("some");
    assert!(over_udp.metadata.truncation && over_udp.answers.is_empty());
    let (over_tcp, _) =
        stage.ask("127.0.0.1", &packet("large.test", A, 0x100, true), Transport::Tcp).await.expect("some");
    assert_eq!(text(&over_tcp), "NoError; large.test. A 192.0.2.9");
}

#[tokio::test]
async fn an_alias_whose_end_is_cached_and_every_record_is_answered_without_waiting() {
    let mut stage = Stage::new();
    stage.record("alias.test", false, Alias(name("chain.test")));
    let packet = packet("ALIAS.test", A, 0x0100, true);
    let (first, waited) = stage.ask("127.0.0.1", &packet, Transport::Udp).await.expect("a reply");
    assert!(waited);
    let (again, waited) = stage.ask("127.0.0.1", &packet, Transport::Udp).await.expect("a reply");
    assert!(!waited);
    assert_eq!(text(&first), text(&again));
    assert_eq!(again.answers[0].ttl, 77);
    assert!(!again.metadata.authentic_data && again.edns.is_some_and(|edns| edns.flags().dnssec_ok));
}

#[tokio::test]
async fn aliases_in_a_circle_end_and_an_alias_to_itself_is_resolved() {
    let mut stage = Stage::new();
    stage.record("a.test", false, Alias(name("b.test")));
    stage.record("b.test", false, Alias(name("a.test")));
    assert_eq!(stage.shown("a.test", A).await, "ServFail");
    for n in 0..20 {
        stage.record(&format!("n{n}.test"), false, Alias(name(&format!("n{}.test", n + 1))));
    }
    assert_eq!(stage.shown("n0.test", A).await, "ServFail");
    assert!(stage.shown("n6.test", A).await.ends_with("n20.test. A 192.0.2.9"));
    stage.record("hub.test", true, Alias(name("www.hub.test")));
    assert_eq!(stage.shown("www.hub.test", A).await, "NoError; www.hub.test. A 192.0.2.9");
    assert_eq!(
        stage.shown("x.hub.test", A).await,
        "NoError; x.hub.test. CNAME www.hub.test.; www.hub.test. A 192.0.2.9"
    );
}

#[tokio::test]
async fn without_recursion_the_alias_comes_alone() {
    let mut stage = Stage::new();
    stage.record("alias.test", false, Alias(name("far.test")));
    let (message, waited) =
        stage.ask("127.0.0.1", &packet("alias.test", A, 0, false), Transport::Udp).await.expect("a reply");
    assert_eq!((text(&message).as_str(), waited), ("NoError; alias.test. CNAME far.test.", false));
}

#[tokio::test]
async fn records_of_the_default_policy_answer_in_the_customers_other_policies() {
    let mut stage = Stage::new();
    stage.record("host.test", false, NxDomain);
    let ask = packet("host.test", A, 0x0100, false);
    let (message, _) = stage.ask("10.0.0.1", &ask, Transport::Udp).await.expect("a reply");
    assert_eq!(text(&message), "NXDomain; SOA");
}

#[tokio::test]
async fn pinned_addresses_stand_in_for_a_target_that_does_not_resolve() {
    let stage = Stage::new();
    let (snapshot, categories) = (stage.plane.snapshot(), stage.plane.categories());
    let packet = packet("search.test", A, 0x0100, false);
    let query = wire::parse(&packet).expect("a query");
    let origin = Origin {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client_port: 4000,
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53),
        transport: Transport::Udp,
    };
    let Identified::Known(client) = snapshot.identify(origin.client) else { panic!("a known client") };
    let now = Instant::now();
    let decision = Decision::new(PolicyId(1), Verdict::Allow, Cause::OwnName);
    let policy = snapshot.policies.get(1).expect("a policy");
    let asked = Asked { origin: &origin, client: &client, policy, query: &query, decision, started: now };
    let scene = Scene { snapshot: &snapshot, categories: &categories, now };
    let fallback = ["192.0.2.77".parse().expect("an address"), "2001:db8::77".parse().expect("an address")];
    let target = Alias(name("strict.test"));
    let fixed = Fixed {
        answer: &target,
        ttl_s: 60,
        ede: Some((wire::ede::FORGED_ANSWER, "")),
        verdict: QueryVerdict::Local,
        fallback: &fallback,
    };
    let mut buffer = [0; 1232];
    for rcode in [2, 3, 0] {
        let resolved = [(name("strict.test"), Arc::new(Answer::empty(rcode, None, now)))];
        let written = stage.plane.write_fixed(&scene, &asked, &fixed, &resolved, &mut buffer, 1232);
        let Written::Reply(octets) = written else { panic!("a reply") };
        let message = Message::from_vec(&buffer[..octets]).expect("a message");
        assert_eq!(text(&message), "NoError; search.test. CNAME strict.test.; strict.test. A 192.0.2.77");
    }
}
