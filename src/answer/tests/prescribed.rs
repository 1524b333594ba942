//! What lists prescribe for names that are asked for, and for names that answers lead to.

use super::*;
use crate::policy::{ListBuilder, ListProfile, ListTable};
use crate::wire::rtype::{A, AAAA, CNAME, TXT};
use FixedAnswer::{Alias, Drop, NoData, Null, NxDomain, Records, Refused, Truncate};

fn source(id: u32) -> Row {
    Row::Source(ListSource {
        id: ListSourceId(id),
        owner: Account::Customer(CUSTOMER),
        name: format!("list {id}"),
        description: String::new(),
        kind: ListKind::Block,
        enabled: true,
        everywhere: false,
        origin: ListOrigin::Upload,
        syntax: None,
        reach: NameReach::BySyntax,
        hosts: HostsMeaning::Block,
        zone_override: None,
        refresh_s: 3_600,
        created: Timestamp(0),
        updated: Timestamp(0),
    })
}

fn exact(owner: &str, answer: FixedAnswer) -> Rule {
    Rule::Name(NameRule::plain(Pattern::Exact(name(owner)), Effect::Answer(Box::new(answer))))
}

fn below(owner: &str, effect: Effect) -> Rule {
    Rule::Name(NameRule::plain(Pattern::Suffix(name(owner)), effect))
}

impl Stage {
    /// Lets policy 1 subscribe to zones with these rules, in this order.
    fn zones(&mut self, zones: Vec<Vec<Rule>>) {
        let mut built = Vec::new();
        let mut ids = Vec::new();
        for (index, rules) in zones.into_iter().enumerate() {
            let id = index as u32 + 1;
            let mut builder = ListBuilder::new(NameKey(3));
            rules.into_iter().for_each(|rule| builder.push(rule));
            let profile = ListProfile { kind: ListKind::Block, zone: true, zone_override: None };
            built.push((ListSourceId(id), profile, Arc::new(builder.finish().0)));
            ids.push(ListSourceId(id));
            self.world.upsert(None, &source(id));
        }
        self.world.set_lists(Arc::new(ListTable::build(built)));
        self.put(&Row::Filter(PolicyFilter {
            policy: PolicyId(1),
            owner: Account::Customer(CUSTOMER),
            settings: FilterSettings { lists: Some(ids), ..FilterSettings::default() },
            updated: Timestamp(0),
        }));
    }

    async fn over_tcp(&self, question: &str) -> String {
        let packet = packet(question, A, 0x0100, true);
        let (message, _) = self.ask("127.0.0.1", &packet, Transport::Tcp).await.expect("a reply");
        text(&message)
    }
}

fn rules() -> Vec<Rule> {
    vec![
        exact("data.test", Records(vec![RecordData { rtype: A, rdata: [10, 0, 0, 9].into() }])),
        exact("nx.test", NxDomain),
        exact("empty.test", NoData),
        exact("null.test", Null),
        exact("refused.test", Refused),
        exact("silent.test", Drop),
        exact("other.test", Alias(name("fine.test"))),
        exact("onward.test", Alias(name("to-data.test"))),
        exact("bad.test", Alias(name("x.blocked.test"))),
        exact("loop.test", Alias(name("to-loop.test"))),
        below("hub.test", Effect::Answer(Box::new(Alias(name("www.hub.test"))))),
    ]
}

#[tokio::test]
async fn where_an_answer_leads_to_a_name_with_a_prescribed_answer_the_chain_stays_and_goes_on_as_prescribed() {
    let mut stage = Stage::new();
    stage.zones(vec![rules()]);
    stage.record("mine.test", false, Alias(name("data.test")));
    stage.record("far.test", false, Alias(name("to-data.test")));
    for (question, qtype, expected) in [
        ("data.test", A, "NoError; data.test. A 10.0.0.9"),
        ("to-data.test", A, "NoError; to-data.test. CNAME data.test.; data.test. A 10.0.0.9"),
        ("to-data.test", AAAA, "NoError; to-data.test. CNAME data.test.; SOA"),
        ("to-data.test", TXT, "NoError; to-data.test. CNAME data.test.; SOA"),
        ("to-data.test", CNAME, "NoError; to-data.test. CNAME data.test."),
        ("to-nx.test", CNAME, "NoError; SOA"),
        (
            "to-to-data.test",
            A,
            "NoError; to-to-data.test. CNAME to-data.test.; to-data.test. CNAME data.test.; data.test. A 10.0.0.9",
        ),
        ("to-nx.test", A, "NXDomain; to-nx.test. CNAME nx.test.; SOA"),
        ("to-empty.test", A, "NoError; to-empty.test. CNAME empty.test.; SOA"),
        ("to-null.test", A, "NoError; to-null.test. CNAME null.test.; null.test. A 0.0.0.0"),
        ("to-refused.test", A, "Refused"),
        ("to-silent.test", A, "silence"),
        (
            "to-other.test",
            A,
            "NoError; to-other.test. CNAME other.test.; other.test. CNAME fine.test.; fine.test. A 192.0.2.9",
        ),
        (
            "onward.test",
            A,
            "NoError; onward.test. CNAME to-data.test.; to-data.test. CNAME data.test.; data.test. A 10.0.0.9",
        ),
        ("to-bad.test", A, "NoError; to-bad.test. A 0.0.0.0"),
        ("to-loop.test", A, "ServFail"),
        ("www.hub.test", A, "NoError; www.hub.test. A 192.0.2.9"),
        ("x.hub.test", A, "NoError; x.hub.test. CNAME www.hub.test.; www.hub.test. A 192.0.2.9"),
        ("mine.test", A, "NoError; mine.test. CNAME data.test.; data.test. A 10.0.0.9"),
        (
            "far.test",
            A,
            "NoError; far.test. CNAME to-data.test.; to-data.test. CNAME data.test.; data.test. A 10.0.0.9",
        ),
    ] {
        assert_eq!(stage.shown(question, qtype).await, expected, "{question} {qtype}");
        assert_eq!(stage.shown(question, qtype).await, expected, "{question} {qtype}, from the cache");
    }
    let explanation =
        stage.plane.explain("127.0.0.1".parse().expect("an address"), None, &name("to-data.test"), A, true).await;
    assert_eq!((explanation.verdict, explanation.decided_by), ("local", Some(9)));
    let records = explanation.answer.expect("an answer").records;
    assert!(records.len() == 2 && records[1].ends_with("10.0.0.9"), "{records:?}");
}

#[tokio::test]
async fn where_an_answer_has_an_address_with_a_prescribed_answer_the_name_that_has_it_gets_that() {
    let address = |effect| {
        Rule::Address(AddressRule {
            trigger: AddressTrigger::Answer,
            net: "192.0.2.9/32".parse().expect("a network"),
            effect,
        })
    };
    let answer = |answer: FixedAnswer| address(Effect::Answer(Box::new(answer)));
    let to = "to-fine.test. CNAME fine.test.";
    for (rule, at_once, behind_an_alias) in [
        (answer(NxDomain), "NXDomain; SOA", format!("NXDomain; {to}; SOA")),
        (answer(NoData), "NoError; SOA", format!("NoError; {to}; SOA")),
        (
            answer(Records(vec![RecordData { rtype: A, rdata: [10, 0, 0, 9].into() }])),
            "NoError; fine.test. A 10.0.0.9",
            format!("NoError; {to}; fine.test. A 10.0.0.9"),
        ),
        (
            answer(Alias(name("data.test"))),
            "NoError; fine.test. CNAME data.test.; data.test. A 10.0.0.8",
            format!("NoError; {to}; fine.test. CNAME data.test.; data.test. A 10.0.0.8"),
        ),
        (answer(Refused), "Refused", "Refused".into()),
        (answer(Drop), "silence", "silence".into()),
        (answer(Alias(name("again.test"))), "NoError; fine.test. A 0.0.0.0", "NoError; to-fine.test. A 0.0.0.0".into()),
        (address(Effect::Block), "NoError; fine.test. A 0.0.0.0", "NoError; to-fine.test. A 0.0.0.0".into()),
    ] {
        let mut stage = Stage::new();
        stage.record("data.test", false, Records(vec![RecordData { rtype: A, rdata: [10, 0, 0, 8].into() }]));
        stage.zones(vec![vec![rule]]);
        for (question, expected) in [("fine.test", at_once), ("to-fine.test", &behind_an_alias)] {
            assert_eq!(stage.shown(question, A).await, expected, "{question}");
            assert_eq!(stage.shown(question, A).await, expected, "{question}, from the cache");
        }
    }
}

#[tokio::test]
async fn where_a_list_excepts_a_name_lists_say_nothing_about_what_its_answer_leads_to() {
    let mut stage = Stage::new();
    let address = Rule::Address(AddressRule {
        trigger: AddressTrigger::Answer,
        net: "192.0.2.9/32".parse().expect("a network"),
        effect: Effect::Block,
    });
    let zone = vec![exact("nx.test", NxDomain), below("to-nx.test", Effect::Allow), below("fine.test", Effect::Allow)];
    stage.zones(vec![zone, vec![address]]);
    assert_eq!(stage.shown("nx.test", A).await, "NXDomain; SOA");
    assert_eq!(stage.shown("to-nx.test", A).await, "NoError; to-nx.test. CNAME nx.test.; nx.test. A 192.0.2.9");
    assert_eq!(stage.shown("fine.test", A).await, "NoError; fine.test. A 192.0.2.9");
    assert_eq!(stage.shown("other.test", A).await, "NoError; other.test. A 0.0.0.0");
}

#[tokio::test]
async fn a_zone_that_asks_for_tcp_has_nothing_more_to_say_over_tcp_and_the_other_steps_do() {
    let mut stage = Stage::new();
    let tcp = |owner: &str| exact(owner, Truncate);
    let first = vec![
        tcp("tcp.test"),
        tcp("both.test"),
        tcp("bad.test"),
        tcp("x.blocked.test"),
        below("bad.test", Effect::Block),
    ];
    stage.zones(vec![first, vec![exact("both.test", NxDomain)]]);
    stage.put(&Row::Recategorisation(Recategorisation {
        id: RecategorisationId(1),
        owner: Account::Customer(CUSTOMER),
        domain: name("tcp.test"),
        categories: CategorySet::EMPTY.with(CategoryId::new(5).expect("below 64")),
        created: Timestamp(0),
    }));
    for question in ["tcp.test", "both.test", "bad.test", "to-tcp.test"] {
        let packet = packet(question, A, 0x0100, true);
        let (message, _) = stage.ask("127.0.0.1", &packet, Transport::Udp).await.expect("a reply");
        assert!(message.metadata.truncation && message.answers.is_empty(), "{question}");
    }
    assert_eq!(stage.over_tcp("tcp.test").await, "NoError; tcp.test. A 192.0.2.9");
    assert_eq!(stage.over_tcp("bad.test").await, "NoError; bad.test. A 192.0.2.9", "not by a wider rule of the zone");
    assert_eq!(stage.over_tcp("both.test").await, "NXDomain; SOA", "by the zone behind");
    assert_eq!(stage.over_tcp("x.blocked.test").await, "NoError; x.blocked.test. A 0.0.0.0", "by the list before");
    assert_eq!(stage.over_tcp("to-tcp.test").await, "NoError; to-tcp.test. CNAME tcp.test.; tcp.test. A 192.0.2.9");

    let mut categories = CategorySettings::default();
    categories.allow(CategoryId::new(5).expect("below 64"), false);
    let settings = PolicySettings { level: Some(Level::C), categories, ..PolicySettings::default() };
    stage.put(&Row::Policy(Policy {
        id: PolicyId(1),
        owner: Account::Customer(CUSTOMER),
        is_default: true,
        name: "policy 1".into(),
        description: String::new(),
        settings,
        created: Timestamp(0),
        updated: Timestamp(0),
    }));
    assert_eq!(stage.over_tcp("tcp.test").await, "NoError; tcp.test. A 0.0.0.0", "by its category");
}

#[tokio::test]
async fn a_self_test_tells_who_asks_and_by_which_policy_by_ids_and_the_policys_name_where_it_tells_reasons() {
    let mut stage = Stage::new();
    stage.world.set_self_test(Some(name("weir.internal")));
    stage.record("check.weir.internal", false, NxDomain);
    let ask = packet("x1-Check.weir.internal", TXT, 0x0100, true);
    let (message, waited) = stage.ask("10.1.2.3", &ask, Transport::Udp).await.expect("a reply");
    assert!(!waited && message.answers.iter().all(|record| record.ttl == 0));
    let facts: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    let version = concat!("server weir ", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        facts,
        [
            version,
            "node node 1",
            "protocol udp",
            "client 10.1.2.3",
            "identified by source address in 10.0.0.0/8",
            "customer 1",
            "location 2",
            "policy 2 policy 2"
        ]
    );
    stage.put(&Row::Policy(Policy {
        id: PolicyId(2),
        owner: Account::Customer(CUSTOMER),
        is_default: false,
        name: "policy 2".into(),
        description: String::new(),
        settings: PolicySettings { block_text: Some(false), ..PolicySettings::default() },
        created: Timestamp(0),
        updated: Timestamp(0),
    }));
    let (message, _) = stage.ask("10.1.2.3", &ask, Transport::Udp).await.expect("a reply");
    assert_eq!(message.answers.last().expect("facts").data.to_string(), "policy 2");
    assert_eq!(stage.shown("check.weir.internal", A).await, "NoError; check.weir.internal. A 127.0.0.1");
    assert_eq!(stage.shown("check.weir.internal", AAAA).await, "NoError; SOA");
    assert_eq!(stage.shown("weir.internal", A).await, "NXDomain; SOA", "other names of the zone are as they were");
    assert_eq!(stage.ask("192.0.2.1", &ask, Transport::Udp).await.map(|(m, _)| text(&m)).as_deref(), Some("Refused"));
}

#[tokio::test]
async fn a_host_of_this_installation_stays_reachable_whatever_blocks_it() {
    let mut stage = Stage::new();
    stage.world.set_own_hosts(&[name("led.test"), name("panel.blocked.test")]);
    stage.record("other.test", false, NoData);
    assert_eq!(stage.shown("panel.blocked.test", A).await, "NoError; panel.blocked.test. A 192.0.2.9");
    assert_eq!(
        stage.shown("led.test", A).await,
        "NoError; led.test. CNAME x.blocked.test.; x.blocked.test. A 192.0.2.9"
    );
    assert_eq!(stage.shown("x.blocked.test", A).await, "NoError; x.blocked.test. A 0.0.0.0");
    stage.record("led.test", false, Records(vec![RecordData { rtype: A, rdata: [10, 0, 0, 1].into() }]));
    assert_eq!(stage.shown("led.test", A).await, "NoError; led.test. A 10.0.0.1", "a record says where it is");
}
