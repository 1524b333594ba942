//! Step 5: subscribed lists among the other steps.

use super::*;
use crate::model::Rule;

/// The list 1 of the system, 2 of MSP 1, 3 of customer 1, 4 of customer 2, and one zone (5) of the system.
const LISTS: [(u32, Account); 5] = [
    (1, Account::System),
    (2, Account::Msp(MspId(1))),
    (3, Account::Customer(CustomerId(1))),
    (4, Account::Customer(CustomerId(2))),
    (5, Account::System),
];

pub(super) fn source(id: u32, owner: Account, everywhere: bool, enabled: bool) -> ListSource {
    ListSource {
        id: ListSourceId(id),
        owner,
        name: format!("list {id}"),
        description: String::new(),
        kind: ListKind::Block,
        enabled,
        everywhere,
        origin: ListOrigin::Upload,
        syntax: None,
        reach: NameReach::BySyntax,
        hosts: HostsMeaning::Block,
        zone_override: None,
        refresh_s: 3_600,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

fn rule(name: &str, effect: Effect) -> Rule {
    Rule::Name(NameRule::plain(Pattern::Suffix(text(name)), effect))
}

fn net(trigger: AddressTrigger, net: &str, effect: Effect) -> Rule {
    Rule::Address(AddressRule { trigger, net: net.parse().expect("a network"), effect })
}

impl Scene {
    /// Each list blocks `on<id>.test`; list 3 has more to say.
    fn with_lists() -> Self {
        let mut scene = Scene::new();
        for (id, owner) in LISTS {
            scene.put(Row::Source(source(id, owner, false, true)));
        }
        scene.lists(ListKind::Block);
        scene
    }

    /// Builds the table anew.
    fn lists(&mut self, kind_of_three: ListKind) {
        let built = LISTS.map(|(id, _)| {
            let mut builder = ListBuilder::new(KEY);
            builder.push(rule(&format!("on{id}.test"), Effect::Block));
            if id == 3 {
                builder.push(rule("good.on1.test", Effect::Allow));
                builder.push(rule("bad.test", Effect::Allow));
                builder.push(rule("home.test", Effect::Answer(Box::new(FixedAnswer::NxDomain))));
                builder.push(rule("msftconnecttest.com", Effect::Block));
                builder.push(net(AddressTrigger::Answer, "198.51.100.0/24", Effect::Block));
                builder.push(net(AddressTrigger::Client, "192.0.2.66/32", Effect::Block));
                builder.push(Rule::NameServer(NameRule::plain(Pattern::Suffix(text("ns.evil.test")), Effect::Block)));
            }
            let kind = if id == 3 { kind_of_three } else { ListKind::Block };
            let profile = ListProfile { kind, zone: id == 5, zone_override: None };
            (ListSourceId(id), profile, Arc::new(builder.finish().0))
        });
        self.world.set_lists(Arc::new(ListTable::build(built)));
    }

    fn subscribe(&mut self, policy: u32, owner: Account, settings: FilterSettings) {
        let filter = PolicyFilter { policy: PolicyId(policy), owner, settings, updated: Timestamp(0) };
        self.put(Row::Filter(filter));
    }

    fn one_subscribes(&mut self, lists: &[u32]) {
        let lists = Some(lists.iter().map(|id| ListSourceId(*id)).collect());
        let owner = Account::Customer(CustomerId(1));
        self.subscribe(11, owner, FilterSettings { lists, ..FilterSettings::default() });
    }

    fn of(&mut self, address: &str, name: &str) -> (Verdict, Cause) {
        let (decision, _) = self.told(address, name);
        (decision.verdict, decision.cause)
    }

    fn told(&mut self, address: &str, name: &str) -> (Decision, Vec<Step>) {
        let snapshot = self.world.snapshot(1);
        let Identified::Known(client) = snapshot.identify(address.parse().expect("an address")) else {
            panic!("{address} is nobody's");
        };
        let policy = choose(&snapshot, &client).expect("a policy").policy.clone();
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(50), stream: false };
        let mut steps = TraceSteps::default();
        (evaluate(&snapshot, &policy, &question, &self.categories, &mut steps), steps.0)
    }
}

const ONE: &str = "192.0.2.7";
const TWO: &str = "192.0.2.200";

fn by(list: u32, operator: bool) -> Cause {
    Cause::Subscribed { list: ListSourceId(list), operator }
}

#[test]
fn lists_of_ones_own_account_and_those_above_decide_for_who_subscribes() {
    let mut scene = Scene::with_lists();
    assert!(matches!(scene.of(ONE, "on1.test").1, Cause::Default { .. }), "nobody subscribes");
    scene.one_subscribes(&[1, 2, 3, 4, 99]);
    for (name, expected) in [("www.on1.test", by(1, true)), ("on2.test", by(2, true)), ("on3.test", by(3, false))] {
        assert_eq!(scene.of(ONE, name), (Verdict::Block, expected), "{name}");
        assert!(matches!(scene.of(TWO, name).1, Cause::Default { .. }), "{name}: another customer");
    }
    assert!(matches!(scene.of(ONE, "on4.test").1, Cause::Default { .. }), "another customer's list");
    let (_, steps) = scene.told(ONE, "www.on1.test");
    let step = steps.iter().find(|step| step.number == 5).expect("step 5");
    assert_eq!(step.finding, "list 1 (list 1) blocks by ||on1.test^");
}

#[test]
fn a_list_that_applies_everywhere_needs_no_subscription() {
    let mut scene = Scene::with_lists();
    let everywhere = source(2, Account::Msp(MspId(1)), true, true);
    scene.put(Row::Source(everywhere.clone()));
    assert_eq!(scene.of(ONE, "on2.test"), (Verdict::Block, by(2, true)));
    assert!(matches!(scene.of(TWO, "on2.test").1, Cause::Default { .. }), "customer 2 has no MSP");
    let off = source(2, Account::Msp(MspId(1)), true, false);
    scene.world.upsert(Some(&Row::Source(everywhere)), &Row::Source(off.clone()));
    assert!(matches!(scene.of(ONE, "on2.test").1, Cause::Default { .. }), "switched off");
    scene.one_subscribes(&[1]);
    assert_eq!(scene.of(ONE, "on1.test").0, Verdict::Block);
    scene.world.remove(&Row::Source(source(1, Account::System, false, true)));
    assert!(matches!(scene.of(ONE, "on1.test").1, Cause::Default { .. }), "deleted");
    scene.world.remove(&Row::Source(off));
}

#[test]
fn lists_of_entries_come_before_and_categories_after() {
    let mut scene = Scene::with_lists();
    scene.one_subscribes(&[1, 3]);
    assert_eq!(scene.of(ONE, "good.on1.test").0, Verdict::Allow, "an exception of another list");
    let excepted = scene.of(ONE, "bad.test");
    assert!(matches!(excepted, (Verdict::Block, Cause::Category { .. })), "not from categories: {excepted:?}");
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "on1.test", true);
    assert!(matches!(scene.of(ONE, "on1.test"), (Verdict::Allow, Cause::List { .. })));
    assert_eq!(scene.of(ONE, "home.test"), (Verdict::Rewrite(Rewrite::Rule(ListSourceId(3))), by(3, false)));
    assert_eq!(scene.of(ONE, "www.msftconnecttest.com").0, Verdict::Allow, "a protected name");
    scene.lists(ListKind::Allow);
    assert_eq!(scene.of(ONE, "bad.test"), (Verdict::Allow, by(3, false)), "a list that allows");
}

#[test]
fn what_is_prescribed_for_a_name_blocks_what_may_be_taken_for_it() {
    let mut scene = Scene::with_lists();
    scene.one_subscribes(&[3]);
    assert_eq!(scene.of(ONE, "home.test").0, Verdict::Rewrite(Rewrite::Rule(ListSourceId(3))));
    let snapshot = scene.world.snapshot(1);
    let Identified::Known(client) = snapshot.identify(ONE.parse().expect("an address")) else { panic!("known") };
    let policy = choose(&snapshot, &client).expect("a policy").policy.clone();
    for wire in [&b"\x04home\x05test\x00\x04evil\x00"[..], b"\x06ho\xc2\xadme\x04test\x00", b"\x09home.test\x00"] {
        let suffixes = Suffixes::new(Name::from_lower_wire(wire), KEY);
        let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
        let decision = evaluate(&snapshot, &policy, &question, &scene.categories, &mut NoTrace);
        assert_eq!((decision.verdict, decision.cause), (Verdict::Block, by(3, false)), "{wire:?}");
    }
}

#[test]
fn a_clients_address_may_decide_before_the_name() {
    let mut scene = Scene::with_lists();
    scene.one_subscribes(&[3]);
    assert_eq!(scene.of("192.0.2.66", "whatever.test"), (Verdict::Block, by(3, false)));
    assert!(matches!(scene.of(ONE, "whatever.test").1, Cause::Default { .. }));
}

#[test]
fn a_pause_lifts_all_lists_but_those_the_operator_applies_everywhere() {
    let mut scene = Scene::with_lists();
    scene.put(Row::Source(source(1, Account::System, true, true)));
    let owner = Account::Customer(CustomerId(1));
    let lists = Some(vec![ListSourceId(2), ListSourceId(3)]);
    let paused_until = Some(Timestamp(100));
    scene.subscribe(11, owner, FilterSettings { lists, paused_until, ..FilterSettings::default() });
    assert_eq!(scene.of(ONE, "on1.test"), (Verdict::Block, by(1, true)));
    for name in ["on2.test", "on3.test", "home.test"] {
        assert_eq!(scene.of(ONE, name), (Verdict::Allow, Cause::Paused), "{name}");
    }
}

#[test]
fn a_permissive_policy_tells_what_its_own_lists_would_block_and_the_operators_stand() {
    let mut scene = Scene::with_lists();
    let lists = Some(vec![ListSourceId(1), ListSourceId(3)]);
    let settings = FilterSettings { lists, mode: Some(FilterMode::Permissive), ..FilterSettings::default() };
    scene.subscribe(11, Account::Customer(CustomerId(1)), settings);
    assert_eq!(scene.of(ONE, "on1.test").0, Verdict::Block);
    let (decision, _) = scene.told(ONE, "on3.test");
    assert_eq!((decision.verdict, decision.spared, decision.cause), (Verdict::Allow, true, by(3, false)));
}

#[test]
fn what_an_answer_leads_to_is_judged_by_lists_too() {
    let mut scene = Scene::with_lists();
    scene.one_subscribes(&[1, 3]);
    let snapshot = scene.world.snapshot(1);
    let Identified::Known(client) = snapshot.identify(ONE.parse().expect("an address")) else { panic!("known") };
    let policy = choose(&snapshot, &client).expect("a policy").policy.clone();
    let asked = |name: &str, judge: &dyn Fn(&Question<'_>) -> Option<Decision>| {
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let decision =
            judge(&Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false });
        decision.map(|decision| (decision.verdict, decision.cause, decision.step()))
    };
    let target = |question: &Question<'_>| {
        evaluate_target(&snapshot, &policy, question, (0, Place::Led), &scene.categories, &mut NoTrace)
    };
    assert_eq!(asked("on1.test", &target), Some((Verdict::Block, by(1, true), 9)));
    let prescribed = Verdict::Rewrite(Rewrite::Rule(ListSourceId(3)));
    assert_eq!(asked("home.test", &target), Some((prescribed, by(3, false), 9)));
    assert_eq!(asked("good.on1.test", &target), None);
    for (address, blocked) in [("198.51.100.9", true), ("198.51.101.9", false)] {
        let address = address.parse().expect("an address");
        let judge = |question: &Question<'_>| {
            evaluate_address(&snapshot, &policy, question, AddressTrigger::Answer, address, &mut NoTrace)
        };
        assert_eq!(asked("www.test", &judge).is_some(), blocked, "{address}");
    }
    let server = |question: &Question<'_>| evaluate_name_server(&snapshot, &policy, question, &mut NoTrace);
    assert_eq!(asked("a.ns.evil.test", &server), Some((Verdict::Block, by(3, false), 9)));
    assert_eq!(asked("on1.test", &server), None, "a rule about names is none about servers");
}

#[test]
fn rules_about_clients_know_devices_people_groups_and_places_by_name() {
    let mut scene = Scene::with_lists();
    scene.one_subscribes(&[1]);
    let group = |name: &str, disabled: bool| Group {
        id: GroupId(if disabled { 52 } else { 51 }),
        customer: CustomerId(1),
        name: name.to_owned(),
        description: String::new(),
        policy: None,
        disabled,
        weight: 1,
        updated: Timestamp(0),
    };
    scene.put(Row::Group(group("User_Child", false)));
    scene.put(Row::Group(group("Off", true)));
    scene.put(Row::User(InternalUser {
        id: InternalUserId(61),
        customer: CustomerId(1),
        name: "Mia Ölm".to_owned(),
        email: String::new(),
        description: String::new(),
        policy: None,
        groups: vec![GroupId(52), GroupId(51)],
        deletable: true,
        created: Timestamp(0),
    }));
    scene.device(71, None, None, Some(61));
    let person = |clients: &[&str]| Conditions {
        clients: clients.iter().map(|name| ClientTerm::Name((*name).into())).collect(),
        ..Conditions::default()
    };
    let tag = |tag: &str| Conditions { tags: vec![tag.into()], ..Conditions::default() };
    let child = Conditions { tags_except: vec!["user_child".into()], ..Conditions::default() };
    let mut builder = ListBuilder::new(KEY);
    for (name, conditions) in [
        ("mia.test", person(&["mia ölm"])),
        ("office.test", person(&["location 1", "nobody"])),
        ("group.test", person(&["user_child"])),
        ("child.test", tag("user_child")),
        ("off.test", tag("off")),
        ("grown.test", child),
    ] {
        let rule = NameRule::plain(Pattern::Suffix(text(name)), Effect::Block);
        builder.push(Rule::Name(NameRule { conditions: Some(Box::new(conditions)), ..rule }));
    }
    let profile = ListProfile { kind: ListKind::Block, zone: false, zone_override: None };
    let list = (ListSourceId(1), profile, Arc::new(builder.finish().0));
    scene.world.set_lists(Arc::new(ListTable::build([list])));
    let of = |scene: &mut Scene, supposed: Option<Supposed>| {
        let snapshot = scene.world.snapshot(1);
        let address = ONE.parse().expect("an address");
        let client = match (supposed, snapshot.identify(address)) {
            (Some(supposed), _) => snapshot.suppose(address, supposed).expect("it is there"),
            (None, Identified::Known(client)) => client,
            _ => panic!("nobody's"),
        };
        let policy = choose(&snapshot, &client).expect("a policy").policy.clone();
        let names = ["mia.test", "office.test", "group.test", "child.test", "off.test", "grown.test"];
        let blocked = names.into_iter().filter(|name| {
            let name = text(name);
            let suffixes = Suffixes::new(name.as_name(), KEY);
            let question =
                Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(50), stream: false };
            let decision = evaluate(&snapshot, &policy, &question, &scene.categories, &mut NoTrace);
            decision.verdict == Verdict::Block
        });
        blocked.collect::<Vec<_>>().join(" ")
    };
    let mia = "mia.test office.test group.test child.test";
    assert_eq!(of(&mut scene, None), "office.test grown.test");
    assert_eq!(of(&mut scene, Some(Supposed::User(InternalUserId(61)))), mia);
    assert_eq!(of(&mut scene, Some(Supposed::Device(DeviceId(71)))), mia);
    // A group that is renamed is known by its new name at once.
    scene.put(Row::Group(group("adults", false)));
    assert_eq!(of(&mut scene, Some(Supposed::Device(DeviceId(71)))), "mia.test office.test grown.test");
}
