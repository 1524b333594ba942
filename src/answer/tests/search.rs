//! Search engines held to their filtered results, services and canaries, on the wire.

use super::*;
use crate::wire::rtype::{A, AAAA, ANY, CNAME, HTTPS, MX, NS, SVCB, TXT};

fn settings(stage: &mut Stage, settings: FilterSettings) {
    stage.put(&Row::Filter(PolicyFilter {
        policy: PolicyId(1),
        owner: Account::Customer(CUSTOMER),
        settings,
        updated: Timestamp(0),
    }));
}

fn engines(rules: &[(&str, SearchLevel)]) -> FilterSettings {
    let rules = rules.iter().map(|(engine, level)| EngineRule { engine: (*engine).to_owned(), level: *level });
    FilterSettings { engines: Some(rules.collect()), ..FilterSettings::default() }
}

#[tokio::test]
async fn a_search_host_leads_to_the_engines_filtered_one_and_nothing_leads_past_it() {
    let mut stage = Stage::new();
    assert_eq!(stage.shown("www.google.com", A).await, "NoError; www.google.com. A 192.0.2.9");
    settings(
        &mut stage,
        engines(&[("google", SearchLevel::Strict), ("youtube", SearchLevel::Moderate), ("yahoo", SearchLevel::Strict)]),
    );
    let alias = "NoError; www.google.com. CNAME forcesafesearch.google.com.";
    for (question, qtype, expected) in [
        ("www.google.com", A, format!("{alias}; forcesafesearch.google.com. A 192.0.2.9")),
        ("WWW.Google.COM", A, format!("{alias}; forcesafesearch.google.com. A 192.0.2.9")),
        ("www.google.com", AAAA, format!("{alias}; SOA")),
        ("www.google.com", CNAME, alias.to_owned()),
        ("www.google.com", HTTPS, "NoError; SOA".into()),
        ("www.google.com", SVCB, "NoError; SOA".into()),
        ("www.google.com", TXT, "NoError; SOA".into()),
        ("www.google.com", MX, "NoError; SOA".into()),
        ("www.google.com", ANY, "NoError; www.google.com. HINFO RFC8482 ".into()),
        ("www.google.com", NS, "NoError".into()),
        ("google.com", MX, "NoError".into()),
        (
            "m.youtube.com",
            A,
            "NoError; m.youtube.com. CNAME restrictmoderate.youtube.com.; restrictmoderate.youtube.com. A 192.0.2.9"
                .into(),
        ),
        ("de.search.yahoo.com", A, "NoError; de.search.yahoo.com. A 0.0.0.0".into()),
        ("www.bing.com", A, "NoError; www.bing.com. A 192.0.2.9".into()),
    ] {
        assert_eq!(stage.shown(question, qtype).await, expected, "{question} {qtype}");
    }
}

#[tokio::test]
async fn the_answer_says_that_it_is_forged_and_needs_no_waiting_once_the_target_is_known() {
    let mut stage = Stage::new();
    settings(&mut stage, engines(&[("google", SearchLevel::Strict)]));
    let first = packet("www.google.com", A, 0x0120, true);
    let (message, waited) = stage.ask("127.0.0.1", &first, Transport::Udp).await.expect("a reply");
    assert!(waited && !message.metadata.authentic_data);
    let ede = message.edns.as_ref().and_then(|edns| {
        edns.options().as_ref().iter().find_map(|(_, option)| match option {
            rdata::opt::EdnsOption::Unknown(15, octets) => Some(octets.clone()),
            _ => None,
        })
    });
    assert_eq!(ede.as_deref(), Some(&[0, 4][..]), "Forged Answer");
    let other = packet("www.google.de", A, 0x0100, false);
    let (message, waited) = stage.ask("127.0.0.1", &other, Transport::Udp).await.expect("a reply");
    assert!(!waited, "{message:?}");
}

#[tokio::test]
async fn a_blocked_service_is_blocked_also_where_an_answer_leads_to_it() {
    let mut stage = Stage::new();
    assert_eq!(stage.shown("www.tiktok.com", A).await, "NoError; www.tiktok.com. A 192.0.2.9");
    let services = vec![ServiceRule { service: "tiktok".into(), action: Action::Block }];
    settings(&mut stage, FilterSettings { services: Some(services), ..FilterSettings::default() });
    stage.record("cloak.test", false, FixedAnswer::Alias(name("cdn.tiktokcdn.com")));
    assert_eq!(stage.shown("www.tiktok.com", A).await, "NoError; www.tiktok.com. A 0.0.0.0");
    assert_eq!(stage.shown("cloak.test", A).await, "NoError; cloak.test. A 0.0.0.0");
    settings(&mut stage, FilterSettings::default());
    assert_eq!(stage.shown("www.tiktok.com", A).await, "NoError; www.tiktok.com. A 192.0.2.9");
}

#[tokio::test]
async fn special_names_are_answered_here_and_never_asked_upstream() {
    let mut stage = Stage::new();
    settings(&mut stage, FilterSettings { close_bypasses: Some(true), ..FilterSettings::default() });
    stage.record("cloak.test", false, FixedAnswer::Alias(name("mask.apple-dns.net")));
    for (question, qtype, expected) in [
        ("use-application-dns.net", A, "NXDomain; SOA"),
        ("mask.icloud.com", AAAA, "NXDomain; SOA"),
        ("mask-h2.icloud.com", A, "NXDomain; SOA"),
        ("mask.apple-dns.net", A, "NXDomain; SOA"),
        ("cloak.test", A, "NXDomain; SOA"),
        ("dns-tunnel-check.googlezip.net", A, "NXDomain; SOA"),
        ("_dns.resolver.arpa", SVCB, "NoError; SOA"),
        ("resolver.arpa", A, "NoError; SOA"),
        ("x.onion", A, "NXDomain; SOA"),
        ("x.invalid", A, "NXDomain; SOA"),
        ("printer.local", A, "NXDomain; SOA"),
        ("a.internal", A, "NXDomain; SOA"),
        ("nas.home.arpa", A, "NXDomain; SOA"),
        ("localhost", A, "NoError; localhost. A 127.0.0.1"),
        ("localhost", AAAA, "NoError; localhost. AAAA ::1"),
        ("www.example.test", A, "NoError; www.example.test. A 192.0.2.9"),
        ("dns.google", A, "NoError; dns.google. A 0.0.0.0"),
    ] {
        assert_eq!(stage.shown(question, qtype).await, expected, "{question} {qtype}");
    }
    let mut chaos = packet("version.bind", TXT, 0x0100, false);
    let class_at = chaos.len() - 12;
    chaos[class_at] = 3;
    let (reply, _) = stage.ask("127.0.0.1", &chaos, Transport::Udp).await.expect("a reply");
    assert_eq!(text(&reply), "Refused");
    let mut two = packet("www.example.test", A, 0x0100, false);
    two[5] = 2;
    let (reply, _) = stage.ask("127.0.0.1", &two, Transport::Udp).await.expect("a reply");
    assert_eq!(text(&reply), "FormErr");
}
