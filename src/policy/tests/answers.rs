//! Step 9 as tables: what an answer leads to in, what becomes of it out.

use super::*;
use crate::{
    model::Rule,
    wire::{Body, Contents, rtype},
};
use std::net::IpAddr;

/// A record in wire format, owned by the question.
fn record(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short");
    [&[0xc0, 12][..], &number.to_be_bytes(), &[0, 1, 0, 0, 1, 44], &length.to_be_bytes(), data].concat()
}

fn cname(target: &str) -> Vec<u8> {
    record(rtype::CNAME, text(target).as_wire())
}

fn address(address: &str) -> Vec<u8> {
    match address.parse().expect("an address") {
        IpAddr::V4(address) => record(rtype::A, &address.octets()),
        IpAddr::V6(address) => record(rtype::AAAA, &address.octets()),
    }
}

/// An HTTPS record with an ECH configuration.
fn ech() -> Vec<u8> {
    record(rtype::HTTPS, b"\0\x01\0\0\x05\0\x01x")
}

impl Scene {
    fn answers(&mut self, mode: FilterMode, answers: AnswerSettings) {
        self.put(Row::Filter(PolicyFilter {
            policy: PolicyId(11),
            owner: OWN,
            settings: FilterSettings { mode: Some(mode), answers: Some(answers), ..FilterSettings::default() },
            updated: Timestamp(0),
        }));
    }

    /// What becomes of an answer with these records.
    fn inspect(&mut self, name: &str, records: &[Vec<u8>], forwarded: bool) -> String {
        let snapshot = self.world.snapshot(1);
        let client = somebody(None);
        let policy = choose(&snapshot, &client).expect("a policy").policy;
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
        let decided = evaluate(&snapshot, policy, &question, &self.categories, &mut NoTrace);
        assert_eq!(decided.verdict, Verdict::Allow, "{name}");
        let octets = records.concat();
        let counts = [u16::try_from(records.len()).expect("few"), 0, 0];
        let contents = Contents::read(&Body::new(name.as_name(), &octets), counts);
        let at = Timestamp(0);
        let resolved = Resolved {
            name: name.as_name(),
            qtype: 1,
            client: &client,
            at,
            contents: &contents,
            octets: &octets,
            forwarded,
            stream: false,
        };
        let mut trace = TraceSteps::default();
        let inspected = inspect(&snapshot, policy, &decided, &resolved, &self.categories, &mut trace);
        let silent = inspect(&snapshot, policy, &decided, &resolved, &self.categories, &mut NoTrace);
        assert_eq!(inspected, silent, "tracing changes nothing");
        assert!(trace.0.iter().all(|step| step.number == 9));
        let told = |decision: &Decision| {
            assert_eq!(decision.step(), 9);
            match decision.cause {
                Cause::Subscribed { .. } => "rule",
                Cause::Category { .. } => "category",
                Cause::List { .. } => "list",
                Cause::Address { rebinding: true } => "private",
                Cause::Address { rebinding: false } => "address",
                _ => "other",
            }
        };
        match inspected {
            Inspected::Prescribed(decision) => format!("prescribed {:?}", decision.target),
            Inspected::Untouched(None) => "whole".into(),
            Inspected::Untouched(Some(noted)) => {
                assert!(noted.spared && noted.verdict == Verdict::Allow);
                format!("noted {}", told(&noted))
            }
            Inspected::Blocked(decision) => {
                assert_eq!(decision.verdict, Verdict::Block);
                format!("blocked {}", told(&decision))
            }
            Inspected::Changed { decision, records, strip_ech } => {
                let why = decision.as_ref().map_or("", told);
                format!("without {records:?} {why}{}", if strip_ech { " ech" } else { "" })
            }
        }
    }
}

fn settings() -> AnswerSettings {
    AnswerSettings {
        blocked_nets: ["198.51.100.0/24", "2001:db8:bad::/48"].map(|net| net.parse().expect("a network")).into(),
        ..AnswerSettings::default()
    }
}

#[test]
fn names_and_addresses_of_an_answer_are_judged() {
    let mut scene = Scene::new();
    let removing = AnswerSettings { action: AnswerAction::Remove, ..settings() };
    scene.entry(ListId::System, Action::Block, "operator.test", true);
    for (records, block, remove, permissive) in [
        (vec![address("192.0.2.1")], "whole", "whole", "whole"),
        (vec![cname("fine.test"), address("192.0.2.1")], "whole", "whole", "whole"),
        (vec![cname("a.bad.test")], "blocked category", "without [0] category", "noted category"),
        (vec![cname("operator.test")], "blocked list", "without [0] list", "blocked list"),
        (
            vec![address("192.0.2.1"), address("198.51.100.9")],
            "blocked address",
            "without [1] address",
            "noted address",
        ),
        (vec![address("2001:db8:bad::1")], "blocked address", "without [0] address", "noted address"),
        (vec![address("::ffff:198.51.100.9")], "blocked address", "without [0] address", "noted address"),
        (vec![address("64:ff9b::c633:6409")], "blocked address", "without [0] address", "noted address"),
        (vec![address("2002:c633:6409::")], "blocked address", "without [0] address", "noted address"),
        (
            vec![address("10.0.0.1"), address("192.0.2.1")],
            "without [0] private",
            "without [0] private",
            "noted private",
        ),
        (vec![address("::1")], "without [0] private", "without [0] private", "noted private"),
        (vec![address("10.0.0.1"), cname("bad.test")], "blocked category", "without [1, 0] category", "noted category"),
    ] {
        for (mode, settings, expected) in [
            (FilterMode::Normal, settings(), block),
            (FilterMode::Normal, removing.clone(), remove),
            (FilterMode::Permissive, settings(), permissive),
        ] {
            scene.answers(mode, settings);
            assert_eq!(scene.inspect("www.example.test", &records, false), expected, "{mode:?} {records:?}");
        }
    }
}

#[test]
fn a_policy_that_does_not_look_still_hears_the_operator() {
    let mut scene = Scene::new();
    scene.entry(ListId::Msp(MspId(1)), Action::Block, "operator.test", true);
    scene.answers(FilterMode::Normal, AnswerSettings { inspect: false, rebinding: false, ..settings() });
    for (records, expected) in [
        ([cname("bad.test"), address("198.51.100.9")], "whole"),
        ([cname("a.operator.test"), address("198.51.100.9")], "blocked list"),
        ([cname("fine.test"), address("127.0.0.1")], "whole"),
    ] {
        assert_eq!(scene.inspect("www.example.test", &records, false), expected);
    }
}

#[test]
fn what_a_list_allows_stays_as_it_is() {
    let mut scene = Scene::new();
    scene.answers(FilterMode::Normal, AnswerSettings { strip_ech: true, ..settings() });
    let records = [cname("bad.test"), address("10.0.0.1"), address("198.51.100.9"), ech()];
    assert_eq!(scene.inspect("www.example.test", &records, false), "blocked category");
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "example.test", true);
    assert_eq!(scene.inspect("www.example.test", &records, false), "whole");
}

#[test]
fn private_addresses_are_for_names_of_networks_of_their_own() {
    let mut scene = Scene::new();
    let rebinding_allowed = vec![text("plex.direct")];
    scene.answers(FilterMode::Normal, AnswerSettings { rebinding_allowed, ..AnswerSettings::default() });
    let private = [address("192.168.1.1")];
    for (name, forwarded, expected) in [
        ("www.example.test", false, "without [0] private"),
        ("www.example.test", true, "whole"),
        ("a.b.plex.direct", false, "whole"),
        ("xplex.direct", false, "without [0] private"),
        ("router", false, "whole"),
        ("nas.lan", false, "whole"),
        ("nas.home.arpa", false, "whole"),
        ("db.internal", false, "whole"),
        ("internal.example.test", false, "without [0] private"),
    ] {
        assert_eq!(scene.inspect(name, &private, forwarded), expected, "{name}");
    }
    scene.answers(FilterMode::Normal, AnswerSettings { rebinding: false, ..AnswerSettings::default() });
    assert_eq!(scene.inspect("www.example.test", &private, false), "whole");
}

#[test]
fn ech_is_removed_where_the_policy_says_so() {
    let mut scene = Scene::new();
    for (mode, strip_ech, expected) in [
        (FilterMode::Normal, false, "whole"),
        (FilterMode::Normal, true, "without []  ech"),
        (FilterMode::Permissive, true, "whole"),
    ] {
        scene.answers(mode, AnswerSettings { strip_ech, ..AnswerSettings::default() });
        assert_eq!(scene.inspect("www.example.test", &[ech()], false), expected);
    }
}

#[test]
fn records_that_lead_to_a_name_with_a_prescribed_answer_stay_where_whoever_goes_on_is_told() {
    let mut scene = Scene::new();
    let mut builder = ListBuilder::new(KEY);
    let data = RecordData { rtype: rtype::A, rdata: [10, 0, 0, 9].into() };
    for (owner, answer) in [("data.test", FixedAnswer::Records(vec![data])), ("gone.test", FixedAnswer::NxDomain)] {
        builder.push(Rule::Name(NameRule::plain(Pattern::Suffix(text(owner)), Effect::Answer(Box::new(answer)))));
    }
    let profile = ListProfile { kind: ListKind::Block, zone: true, zone_override: None };
    scene.world.set_lists(Arc::new(ListTable::build([(ListSourceId(3), profile, Arc::new(builder.finish().0))])));
    scene.put(Row::Source(subscribed::source(3, OWN, false, true)));
    for action in [AnswerAction::Block, AnswerAction::Remove] {
        let answers = AnswerSettings { action, ..AnswerSettings::default() };
        scene.put(Row::Filter(PolicyFilter {
            policy: PolicyId(11),
            owner: OWN,
            settings: FilterSettings {
                lists: Some(vec![ListSourceId(3)]),
                answers: Some(answers),
                ..FilterSettings::default()
            },
            updated: Timestamp(0),
        }));
        let taken = if action == AnswerAction::Block { "blocked rule" } else { "without [0] rule" };
        let with = |front: &[u8], target: &str, behind: &[u8]| [front, text(target).as_wire(), behind].concat();
        let hint = b"\0\x04\0\x04\xc0\0\x02\x01";
        for (number, data, expected) in [
            (rtype::MX, with(b"\0\x0a", "data.test", b""), "whole"),
            (rtype::PTR, with(b"", "data.test", b""), "whole"),
            (rtype::HTTPS, with(b"\0\x01", "data.test", b""), "whole"),
            (rtype::HTTPS, with(b"\0\x01", "data.test", hint), taken),
            (rtype::MX, with(b"\0\x0a", "gone.test", b""), taken),
            (rtype::PTR, with(b"", "gone.test", b""), taken),
            (rtype::CNAME, with(b"", "data.test", b""), "prescribed Some(0)"),
            (rtype::CNAME, with(b"", "gone.test", b""), "prescribed Some(0)"),
        ] {
            assert_eq!(scene.inspect("www.test", &[record(number, &data)], false), expected, "{number} {action:?}");
        }
    }
}

#[test]
fn addresses_behind_translators_are_judged_as_what_they_reach_also_by_lists_and_behind_the_policys_own_prefix() {
    let mut scene = Scene::new();
    let mut builder = ListBuilder::new(KEY);
    let net = "203.0.113.0/24".parse().expect("a network");
    builder.push(Rule::Address(AddressRule { trigger: AddressTrigger::Answer, net, effect: Effect::Block }));
    let profile = ListProfile { kind: ListKind::Block, zone: true, zone_override: None };
    scene.world.set_lists(Arc::new(ListTable::build([(ListSourceId(3), profile, Arc::new(builder.finish().0))])));
    scene.put(Row::Source(subscribed::source(3, OWN, false, true)));
    for dns64 in [None, Some("2001:db8:64::/96".parse().expect("a prefix"))] {
        scene.put(Row::Filter(PolicyFilter {
            policy: PolicyId(11),
            owner: OWN,
            settings: FilterSettings {
                lists: Some(vec![ListSourceId(3)]),
                answers: Some(settings()),
                resolving: Some(ResolvingSettings { dns64, ..ResolvingSettings::default() }),
                ..FilterSettings::default()
            },
            updated: Timestamp(0),
        }));
        let own = |found: &'static str| if dns64.is_some() { found } else { "whole" };
        for (text, expected) in [
            ("64:ff9b::203.0.113.9", "blocked rule"),
            ("::ffff:203.0.113.9", "blocked rule"),
            ("2002:cb00:7109::1", "blocked rule"),
            ("64:ff9b::198.51.100.9", "blocked address"),
            ("2001:db8:64::203.0.113.9", own("blocked rule")),
            ("2001:db8:64::198.51.100.9", own("blocked address")),
            ("2001:db8:64::10.0.0.9", own("without [0] private")),
            ("2001:db8:64::192.0.2.9", "whole"),
            ("2001:db8:65::10.0.0.9", "whole"),
        ] {
            assert_eq!(scene.inspect("www.test", &[address(text)], false), expected, "{text} {dns64:?}");
        }
    }
}
