use super::*;
use crate::wire::rtype::{A, AAAA, PTR};

impl Stage {
    /// Sets how names are resolved for policy 2, whose clients are 10.0.0.0/8.
    fn resolving(&mut self, resolving: ResolvingSettings) {
        self.put(&Row::Filter(PolicyFilter {
            policy: PolicyId(2),
            owner: Account::Customer(CUSTOMER),
            settings: FilterSettings { resolving: Some(resolving), ..FilterSettings::default() },
            updated: Timestamp(0),
        }));
    }

    async fn shown_to(&self, client: &str, question: &str, qtype: u16) -> String {
        let message = self.ask(client, &packet(question, qtype, 0x0100, false), Transport::Udp).await;
        message.map_or_else(|| "silence".into(), |(message, _)| text(&message))
    }
}

fn dns64(prefix: &str) -> ResolvingSettings {
    ResolvingSettings { dns64: Some(prefix.parse().expect("a prefix")), ..ResolvingSettings::default() }
}

#[tokio::test]
async fn a_policys_upstreams_answer_its_clients_and_nobody_else() {
    let mut stage = Stage::new();
    let second = upstream("192.0.2.22");
    stage.resolving(ResolvingSettings { upstreams: vec![second.to_string()], ..ResolvingSettings::default() });
    for _ in 0..2 {
        for (client, expected) in [("10.0.0.1", "192.0.2.22"), ("127.0.0.1", "192.0.2.9")] {
            assert_eq!(stage.shown_to(client, "www.test", A).await, format!("NoError; www.test. A {expected}"));
        }
    }
    stage.put(&Row::Record(LocalRecord {
        id: LocalRecordId(1),
        owner: Account::Customer(CUSTOMER),
        policy: PolicyId(1),
        name: name("alias.test"),
        subdomains: false,
        answer: FixedAnswer::Alias(name("www.test")),
        ttl_s: 60,
        comment: String::new(),
        created: Timestamp(0),
    }));
    let expected = "NoError; alias.test. CNAME www.test.; www.test. A 192.0.2.22";
    assert_eq!(stage.shown_to("10.0.0.1", "alias.test", A).await, expected, "an alias goes the policy's way too");
}

#[tokio::test]
async fn a_customers_zones_go_to_its_servers_even_those_that_are_answered_here_otherwise() {
    let mut stage = Stage::new();
    let inside = upstream("192.0.2.33");
    for (id, zone) in [(1, "corp.test"), (2, "10.in-addr.arpa")] {
        stage.put(&Row::Zone(ForwardZone {
            id: ForwardZoneId(id),
            customer: CUSTOMER,
            zone: name(zone),
            servers: vec![inside.to_string()],
            comment: String::new(),
            created: Timestamp(0),
        }));
    }
    for (question, expected) in [
        ("nas.corp.test", "NoError; nas.corp.test. A 192.0.2.33"),
        ("corp.test", "NoError; corp.test. A 192.0.2.33"),
        ("notcorp.test", "NoError; notcorp.test. A 192.0.2.9"),
        ("x.10.in-addr.arpa", "NoError; x.10.in-addr.arpa. A 192.0.2.33"),
        ("x.168.192.in-addr.arpa", "NXDomain; SOA"),
    ] {
        assert_eq!(stage.shown_to("127.0.0.1", question, A).await, expected);
    }
    let zone = ForwardZone {
        id: ForwardZoneId(1),
        customer: CUSTOMER,
        zone: name("corp.test"),
        servers: vec![inside.to_string()],
        comment: String::new(),
        created: Timestamp(0),
    };
    stage.take(&Row::Zone(zone));
    assert_eq!(stage.shown_to("127.0.0.1", "nas.corp.test", A).await, "NoError; nas.corp.test. A 192.0.2.9");
}

#[tokio::test]
async fn servers_that_tenants_may_not_name_fail_instead_of_others_being_asked() {
    let mut stage = Stage::new();
    let upstreams = vec!["169.254.169.254".to_owned(), "system".to_owned()];
    stage.resolving(ResolvingSettings { upstreams, ..ResolvingSettings::default() });
    assert_eq!(stage.shown_to("10.0.0.1", "www.test", A).await, "ServFail");
    assert_eq!(stage.shown_to("127.0.0.1", "www.test", A).await, "NoError; www.test. A 192.0.2.9");
}

#[tokio::test]
async fn dns64_makes_ipv6_addresses_of_ipv4_ones_and_leads_their_reverse_names_back() {
    let mut stage = Stage::new();
    stage.resolving(dns64("64:ff9b::/96"));
    for (client, question, qtype, expected) in [
        ("10.0.0.1", "v4.test", AAAA, "NoError; v4.test. AAAA 64:ff9b::c000:209"),
        ("10.0.0.1", "v4.test", A, "NoError; v4.test. A 192.0.2.9"),
        ("127.0.0.1", "v4.test", AAAA, "NoError"),
        ("10.0.0.1", "chain.test", AAAA, "NoError; chain.test. CNAME end.test.; end.test. AAAA 64:ff9b::c000:209"),
        ("10.0.0.1", "gone.test", AAAA, "NXDomain"),
        ("10.0.0.1", "led.test", AAAA, "NoError; led.test. AAAA ::"),
        (
            "10.0.0.1",
            "ipv4only.arpa",
            AAAA,
            "NoError; ipv4only.arpa. AAAA 64:ff9b::c000:aa; ipv4only.arpa. AAAA 64:ff9b::c000:ab",
        ),
    ] {
        assert_eq!(stage.shown_to(client, question, qtype).await, expected, "{client} {question}");
    }
    let reverse = "9.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa";
    let expected = format!("NXDomain; {reverse}. CNAME 9.2.0.192.in-addr.arpa.; SOA");
    assert_eq!(stage.shown_to("10.0.0.1", reverse, PTR).await, expected);

    for (flags, dnssec_ok, expected) in [
        (0x0100, true, "NoError; v4.test. AAAA 64:ff9b::c000:209"),
        (0x0110, false, "NoError; v4.test. AAAA 64:ff9b::c000:209"),
        (0x0110, true, "NoError"),
    ] {
        let packet = packet("v4.test", AAAA, flags, dnssec_ok);
        let (message, _) = stage.ask("10.0.0.1", &packet, Transport::Udp).await.expect("a reply");
        assert_eq!(text(&message), expected, "{flags:x} {dnssec_ok}");
        assert!(!message.metadata.authentic_data);
    }
    let again = packet("v4.test", AAAA, 0x0100, false);
    let (message, waited) = stage.ask("10.0.0.1", &again, Transport::Udp).await.expect("a reply");
    assert!(!waited && message.answers[0].ttl <= 30, "cached, and no longer than the denial it stands in for");
}
