//! What detectors do with names that nothing decided on.

use super::*;

/// Somebody who has seen everything but `new.test`, and knows that `tunnel.test` is one.
struct Watcher;

impl Observer for Watcher {
    fn seen_hours(&self, domain: Name<'_>) -> Option<u32> {
        (domain == text("new.test").as_name()).then_some(20)
    }

    fn tunnels(&self, _: &Question<'_>, domain: Name<'_>) -> bool {
        domain == text("tunnel.test").as_name()
    }
}

/// The decision for a client of customer 1 with detectors, and what was noted.
fn detected(scene: &mut Scene, name: &str) -> (String, Option<&'static str>) {
    let (snapshot, identified) = scene.client("192.0.2.1");
    let Identified::Known(client) = identified else { panic!("known") };
    let policy = choose(&snapshot, &client).expect("served").policy;
    let name = text(name);
    let suffixes = Suffixes::new(name.as_name(), KEY);
    let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(1), stream: false };
    let mut trace = TraceSteps::default();
    let mut decision = evaluate(&snapshot, policy, &question, &scene.categories, &mut trace);
    detect(&snapshot, policy, &question, &mut decision, &Watcher, &mut trace);
    let told = trace.0.iter().find(|step| step.decided).map_or(10, |step| step.number);
    assert_eq!(told, decision.step(), "the trace tells the step that decided");
    let verdict = match (decision.verdict, decision.spared) {
        (Verdict::Allow, true) => "spared",
        (Verdict::Allow, false) => "allow",
        _ => "block",
    };
    (format!("{verdict} {}", decision.step()), decision.noted.map(Detector::name))
}

fn set(scene: &mut Scene, mode: FilterMode, detectors: DetectorSettings) {
    let settings = FilterSettings { mode: Some(mode), detectors: Some(detectors), ..FilterSettings::default() };
    scene.put(Row::Filter(PolicyFilter { policy: PolicyId(11), owner: OWN, settings, updated: Timestamp(0) }));
}

fn all(action: DetectorAction) -> DetectorSettings {
    DetectorSettings {
        newly_seen: action,
        newly_seen_hours: 24,
        look_alike: action,
        protected: vec![text("examplebank.com")],
        generated: action,
        tunnelling: action,
    }
}

#[test]
fn each_detector_is_noted_warns_or_blocks_as_the_policy_says() {
    let mut scene = Scene::new();
    let names = [
        ("www.examp1ebank.com", "look_alike"),
        ("www.qxzvkjwpqhtgbn.test", "generated"),
        ("www.new.test", "newly_seen"),
        ("x.tunnel.test", "tunnelling"),
    ];
    for (name, _) in names {
        assert_eq!(detected(&mut scene, name), ("allow 10".to_owned(), None), "{name}: off until somebody asks for it");
    }
    for (action, mode, verdict) in [
        (DetectorAction::Log, FilterMode::Normal, "allow 10"),
        (DetectorAction::Warn, FilterMode::Normal, "block 7"),
        (DetectorAction::Block, FilterMode::Normal, "block 7"),
        (DetectorAction::Block, FilterMode::Permissive, "spared 7"),
    ] {
        set(&mut scene, mode, all(action));
        for (name, detector) in names {
            assert_eq!(detected(&mut scene, name), (verdict.to_owned(), Some(detector)), "{name} {action:?}");
        }
        assert_eq!(detected(&mut scene, "www.example.test"), ("allow 10".to_owned(), None));
        assert_eq!(detected(&mut scene, "www.examplebank.com"), ("allow 10".to_owned(), None));
    }
}

#[test]
fn what_was_decided_and_what_is_known_is_not_pointed_at() {
    let mut scene = Scene::new();
    set(&mut scene, FilterMode::Normal, all(DetectorAction::Block));
    scene.categories.0.insert(text("new.test"), CategorySet::EMPTY.with(HIGH));
    scene.categories.0.insert(text("examp1ebank.com"), CategorySet::EMPTY.with(HIGH));
    assert_eq!(detected(&mut scene, "new.test").0, "allow 10", "a name with a category is known");
    assert_eq!(detected(&mut scene, "examp1ebank.com").0, "block 7", "and may look like another all the same");
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "tunnel.test", true);
    assert_eq!(detected(&mut scene, "x.tunnel.test").0, "allow 4", "somebody allowed it");
}

#[test]
fn a_snapshot_knows_whether_anybody_wants_to_know_what_is_new() {
    let mut scene = Scene::new();
    assert_eq!(scene.world.snapshot(1).watching, 0);
    set(&mut scene, FilterMode::Normal, all(DetectorAction::Log));
    let snapshot = scene.world.snapshot(2);
    assert_eq!(snapshot.watching, 1);
    assert!(snapshot.is_timed(snapshot.policies.get(12).expect("is there")), "all questions are remembered");
    set(&mut scene, FilterMode::Normal, DetectorSettings::default());
    assert_eq!(scene.world.snapshot(3).watching, 0);
}
