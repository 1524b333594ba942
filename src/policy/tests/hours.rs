//! What holds when: schedules, pauses, modes and entries that end.

use super::*;

const HOUR: i64 = 3600;
/// Wednesday, 2026-01-14 at midnight in UTC.
const WEDNESDAY: i64 = 1_768_348_800;

/// The decision for a client of customer 1 at a moment, with `spared` where it would have been a block.
fn decide_at(scene: &mut Scene, name: &str, at: i64) -> String {
    let (snapshot, identified) = scene.client("192.0.2.1");
    let Identified::Known(client) = identified else { return "unknown".into() };
    let policy = choose(&snapshot, &client).expect("served").policy;
    let name = text(name);
    let suffixes = Suffixes::new(name.as_name(), KEY);
    let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(at), stream: false };
    let mut trace = TraceSteps::default();
    let decision = evaluate(&snapshot, policy, &question, &scene.categories, &mut trace);
    if decision
        != evaluate(&snapshot, policy, &Question { at: Timestamp(0), ..question }, &scene.categories, &mut NoTrace)
    {
        assert!(snapshot.is_timed(policy), "what depends on the moment says so");
    }
    let verdict = match decision.verdict {
        Verdict::Allow if decision.spared => {
            assert_eq!(trace.0.last().map(|step| (step.title, step.number)), Some(("permissive", decision.step())));
            "spared"
        }
        Verdict::Allow => "allow",
        Verdict::Block => "block",
        Verdict::Own(_) => "own",
        Verdict::Rewrite(_) => "rewrite",
    };
    format!("{verdict} {}", decision.step())
}

fn filter(scene: &mut Scene, policy: u32, owner: Account, settings: FilterSettings) {
    scene.put(Row::Filter(PolicyFilter { policy: PolicyId(policy), owner, settings, updated: Timestamp(0) }));
}

fn scheduled(days: u8, from_hour: u16, to_hour: u16, effect: ScheduleEffect) -> FilterSettings {
    let spans = vec![WeekSpan { days, from: from_hour * 60, to: to_hour * 60 }];
    let schedule = Schedule { name: "hours".into(), spans, zone: None, effect, enabled: true };
    FilterSettings { schedules: Some(vec![schedule]), ..FilterSettings::default() }
}

#[test]
fn a_schedule_goes_by_the_customers_time_zone_and_follows_when_that_changes() {
    let mut scene = Scene::new();
    filter(&mut scene, 1, Account::System, scheduled(0x7f, 8, 9, ScheduleEffect::BlockAll));
    let customer = |timezone: &str| {
        Row::Customer(Customer {
            id: CustomerId(1),
            msp: Some(MspId(1)),
            name: String::new(),
            email: String::new(),
            description: String::new(),
            license: String::new(),
            timezone: timezone.into(),
            uuid: Uuid::nil(),
            install_key: Uuid::nil(),
            created: Timestamp(0),
            suspended: false,
        })
    };
    for (timezone, hour) in [("", 8), ("America/New_York", 13), ("Asia/Kolkata", 3), ("Nowhere/Land", 8)] {
        scene.put(customer(timezone));
        let at = WEDNESDAY + hour * HOUR + HOUR / 2 - 60;
        assert_eq!(decide_at(&mut scene, "a.test", at), "block 4", "{timezone}: inherited from the system's default");
        assert_eq!(decide_at(&mut scene, "a.test", at + HOUR), "allow 10", "{timezone}");
    }
}

#[test]
fn schedules_change_categories_modes_and_the_own_list_in_their_hours_only() {
    let (within, without) = (WEDNESDAY + 10 * HOUR, WEDNESDAY + 17 * HOUR);
    let mut scene = Scene::new();
    scene.entry(ListId::Policy(PolicyId(11)), Action::Block, "own.test", true);
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "fine.test", true);
    for (effect, name, expected) in [
        (ScheduleEffect::Categories(vec![HIGH], Action::Block), "games.test", ["block 6", "allow 10"]),
        (ScheduleEffect::Categories(vec![LOW], Action::Allow), "bad.test", ["allow 10", "block 6"]),
        (ScheduleEffect::Mode(FilterMode::AllowOnly), "a.test", ["block 6", "allow 10"]),
        (ScheduleEffect::Mode(FilterMode::AllowOnly), "fine.test", ["allow 4", "allow 4"]),
        (ScheduleEffect::Mode(FilterMode::Permissive), "bad.test", ["spared 6", "block 6"]),
        (ScheduleEffect::BlockAll, "a.test", ["block 4", "allow 10"]),
        (ScheduleEffect::BlockAll, "fine.test", ["allow 4", "allow 4"]),
        (ScheduleEffect::Pause, "bad.test", ["allow 4", "block 6"]),
        (ScheduleEffect::OwnBlockList, "own.test", ["block 4", "allow 10"]),
        (ScheduleEffect::OwnBlockList, "fine.test", ["allow 4", "allow 4"]),
    ] {
        let told = format!("{effect:?}");
        filter(&mut scene, 11, OWN, scheduled(1 << 2, 8, 16, effect));
        let decided = [within, without].map(|at| decide_at(&mut scene, name, at));
        assert_eq!(decided, expected, "{told}");
        assert_eq!(decide_at(&mut scene, name, within + 24 * HOUR), expected[1], "{told}: on Wednesdays only");
    }
}

#[test]
fn a_pause_ends_by_itself_and_the_operators_lists_stand_in_it() {
    let mut scene = Scene::new();
    scene.entry(ListId::System, Action::Block, "forbidden.test", true);
    scene.entry(ListId::Policy(PolicyId(11)), Action::Block, "own.test", true);
    let paused = FilterSettings { paused_until: Some(Timestamp(1_000)), ..FilterSettings::default() };
    filter(&mut scene, 11, OWN, paused);
    assert_eq!(decide_at(&mut scene, "bad.test", 999), "allow 4");
    assert_eq!(decide_at(&mut scene, "bad.test", 1_000), "block 6");
    assert_eq!(decide_at(&mut scene, "forbidden.test", 999), "block 4");
    assert_eq!(decide_at(&mut scene, "own.test", 999), "allow 4", "nothing of the policy's own blocks");
    assert_eq!(decide_at(&mut scene, "own.test", 1_000), "block 4");
}

#[test]
fn an_allowing_policy_lets_through_only_what_is_listed_and_what_a_network_needs() {
    let mut scene = Scene::new();
    filter(&mut scene, 11, OWN, FilterSettings { mode: Some(FilterMode::AllowOnly), ..FilterSettings::default() });
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "fine.test", true);
    scene.entry(ListId::Msp(MspId(1)), Action::Allow, "provider.test", true);
    for (name, expected) in [
        ("a.test", "block 6"),
        ("www.fine.test", "allow 4"),
        ("provider.test", "allow 4"),
        ("captive.apple.com", "allow 10"),
        ("bad.test", "block 6"),
    ] {
        assert_eq!(decide_at(&mut scene, name, 0), expected, "{name}");
    }
}

#[test]
fn a_permissive_policy_lets_through_what_it_would_block_but_not_what_the_operator_blocks() {
    let mut scene = Scene::new();
    filter(&mut scene, 11, OWN, FilterSettings { mode: Some(FilterMode::Permissive), ..FilterSettings::default() });
    scene.entry(ListId::Policy(PolicyId(11)), Action::Block, "own.test", true);
    scene.entry(ListId::Msp(MspId(1)), Action::Block, "provider.test", true);
    for (name, expected) in
        [("own.test", "spared 4"), ("bad.test", "spared 6"), ("provider.test", "block 4"), ("a.test", "allow 10")]
    {
        assert_eq!(decide_at(&mut scene, name, 0), expected, "{name}");
    }
    let (snapshot, _) = scene.client("192.0.2.1");
    let (name, client) = (text("bad.test"), somebody(None));
    let suffixes = Suffixes::new(name.as_name(), KEY);
    let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
    let policy = snapshot.policies.get(11).expect("is there");
    let target = evaluate_target(&snapshot, policy, &question, (0, Place::Led), &scene.categories, &mut NoTrace);
    assert_eq!(target.map(|decision| (decision.spared, decision.verdict)), Some((true, Verdict::Allow)));
}

#[test]
fn an_entry_that_ends_decides_until_then_and_the_snapshot_tells_what_ends_next() {
    let mut scene = Scene::new();
    let ends = |scene: &mut Scene, list, domain: &str, expires: i64| {
        scene.next += 1;
        let entry = ListEntry {
            id: EntryId(scene.next),
            owner: OWN,
            list,
            action: Action::Allow,
            domain: text(domain),
            subdomains: true,
            log_requests: true,
            comment: String::new(),
            expires: Some(Timestamp(expires)),
            created: Timestamp(0),
        };
        scene.put(Row::Entry(entry.clone()));
        entry
    };
    let own = ends(&mut scene, ListId::Policy(PolicyId(11)), "bad.test", 2_000);
    let global = ends(&mut scene, ListId::System, "x.bad.test", 1_000);
    assert_eq!(decide_at(&mut scene, "x.bad.test", 999), "allow 4");
    assert_eq!(decide_at(&mut scene, "x.bad.test", 1_500), "allow 4", "the policy's own entry still holds");
    assert_eq!(decide_at(&mut scene, "x.bad.test", 2_000), "block 6");
    let ending = |scene: &mut Scene| scene.world.snapshot(1).ending.iter().map(|(_, id)| id.0).collect::<Vec<_>>();
    assert_eq!(ending(&mut scene), [global.id.0, own.id.0]);
    scene.world.remove(&Row::Entry(global));
    assert_eq!(ending(&mut scene), [own.id.0]);
    let stays = ListEntry { expires: None, ..own.clone() };
    scene.world.upsert(Some(&Row::Entry(own)), &Row::Entry(stays));
    assert!(ending(&mut scene).is_empty());
    assert_eq!(decide_at(&mut scene, "x.bad.test", 2_000), "allow 4", "an entry may be made to stay");
}
