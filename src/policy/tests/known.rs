//! Names this program knows: search engines, services, ways around the filter.

use super::*;
use crate::wire::rtype;

const POLICY: PolicyId = PolicyId(11);

impl Scene {
    fn settings(&mut self, settings: FilterSettings) {
        self.put(Row::Filter(PolicyFilter {
            policy: POLICY,
            owner: Account::Customer(CustomerId(1)),
            settings,
            updated: Timestamp(0),
        }));
    }

    fn safe_search(&mut self, switch: SafeSearch) {
        let settings = PolicySettings { safe_search: Some(switch), ..PolicySettings::default() };
        self.policy(POLICY.0, Account::Customer(CustomerId(1)), true, settings);
    }

    fn judged(&mut self, name: &str, qtype: u16) -> (Decision, Vec<Step>) {
        let (snapshot, identified) = self.client("192.0.2.1");
        let Identified::Known(client) = identified else { panic!("a known client") };
        let chosen = choose(&snapshot, &client).expect("a policy");
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let question = Question { suffixes: &suffixes, qtype, client: &client, at: Timestamp(50), stream: false };
        let mut trace = TraceSteps::default();
        let decision = evaluate(&snapshot, chosen.policy, &question, &self.categories, &mut trace);
        (decision, trace.0)
    }

    fn target(&mut self, name: &str) -> Option<Decision> {
        let (snapshot, identified) = self.client("192.0.2.1");
        let Identified::Known(client) = identified else { panic!("a known client") };
        let chosen = choose(&snapshot, &client).expect("a policy");
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let question =
            Question { suffixes: &suffixes, qtype: rtype::A, client: &client, at: Timestamp(50), stream: false };
        evaluate_target(&snapshot, chosen.policy, &question, (0, Place::Led), &self.categories, &mut NoTrace)
    }
}

fn engine(id: &str) -> u8 {
    SearchEngines::get().by_id(id).expect("an engine").0
}

fn services(rules: &[(&str, Action)]) -> FilterSettings {
    let rules = rules.iter().map(|(id, action)| ServiceRule { service: (*id).to_owned(), action: *action });
    FilterSettings { services: Some(rules.collect()), ..FilterSettings::default() }
}

#[test]
fn safe_search_rewrites_search_hosts_after_everything_that_blocks() {
    let mut scene = Scene::new();
    assert_eq!(scene.decide("www.google.com"), "allow 10");
    scene.safe_search(SafeSearch::On);
    assert_eq!(scene.decide("www.google.com"), "rewrite 8");
    assert_eq!(scene.decide("mail.google.com"), "allow 10");
    let (decision, _) = scene.judged("www.youtube.com", rtype::HTTPS);
    let rewrite = Rewrite::Search { engine: engine("youtube"), level: SearchLevel::Moderate };
    assert_eq!(decision.verdict, Verdict::Rewrite(rewrite));
    assert!(decision.allowed_by_list(), "the host is ours to choose");
    let (decision, _) = scene.judged("www.google.com", rtype::NS);
    assert_eq!(decision.step(), 10);
    assert_eq!(scene.decide("de.search.yahoo.com"), "block 8");

    scene.categories.0.insert(text("google.com"), CategorySet::EMPTY.with(HIGH));
    let all = CategorySet::EMPTY.with(HIGH);
    let cause = Cause::SafeSearch { engine: engine("google"), all };
    assert_eq!(scene.judged("www.google.com", rtype::A).0.cause, cause, "its categories stay known");
    scene.categories.0.insert(text("google.com"), CategorySet::EMPTY.with(LOW));
    assert_eq!(scene.decide("www.google.com"), "block 6");
}

#[test]
fn an_allowing_entry_keeps_safe_search_away_and_the_trace_tells_the_conflict() {
    let mut scene = Scene::new();
    scene.safe_search(SafeSearch::On);
    scene.entry(ListId::Policy(POLICY), Action::Allow, "google.com", true);
    let (decision, steps) = scene.judged("www.google.com", rtype::A);
    assert_eq!((decision.verdict, decision.step()), (Verdict::Allow, 4));
    let last = steps.last().expect("a step");
    assert!(last.number == 8 && !last.decided && last.finding.starts_with("conflict: Google"), "{last:?}");

    // Where only what is allowed passes, allowing a search engine does not let go of it.
    scene.settings(FilterSettings { mode: Some(FilterMode::AllowOnly), ..FilterSettings::default() });
    let (decision, _) = scene.judged("www.google.com", rtype::A);
    assert_eq!((decision.step(), decision.allowed_by_list()), (8, true));
    assert_eq!(scene.decide("www.bing.com"), "block 6");
}

#[test]
fn a_pause_lets_go_of_search_engines_and_a_permissive_policy_tells_which_it_would_block() {
    let mut scene = Scene::new();
    scene.safe_search(SafeSearch::On);
    scene.settings(FilterSettings { mode: Some(FilterMode::Permissive), ..FilterSettings::default() });
    let (decision, _) = scene.judged("search.yahoo.com", rtype::A);
    assert_eq!((decision.verdict, decision.spared, decision.step()), (Verdict::Allow, true, 8));
    assert_eq!(scene.judged("www.google.com", rtype::A).0.step(), 8);
    scene.settings(FilterSettings { paused_until: Some(Timestamp(60)), ..FilterSettings::default() });
    assert_eq!(scene.judged("www.google.com", rtype::A).0.cause, Cause::Paused);
    scene.settings(FilterSettings { paused_until: Some(Timestamp(50)), ..FilterSettings::default() });
    assert_eq!(scene.judged("www.google.com", rtype::A).0.step(), 8);
}

#[test]
fn services_are_looked_at_after_lists_and_before_categories() {
    let mut scene = Scene::new();
    scene.settings(services(&[("group:streaming", Action::Block), ("spotify", Action::Allow)]));
    scene.categories.0.insert(text("spotify.com"), CategorySet::EMPTY.with(LOW));
    assert_eq!(scene.decide("www.netflix.com"), "block 4");
    assert_eq!(scene.decide("open.spotify.com"), "allow 4");
    assert_eq!(scene.decide("www.example.test"), "allow 10");
    let netflix = scene.target("x.nflxvideo.net").expect("a blocked target");
    assert!(matches!(netflix.cause, Cause::Service(_)));
    scene.entry(ListId::Policy(POLICY), Action::Allow, "netflix.com", true);
    scene.entry(ListId::Policy(POLICY), Action::Block, "spotify.com", true);
    let (decision, _) = scene.judged("www.netflix.com", rtype::A);
    assert!(matches!(decision.cause, Cause::List { .. }) && decision.verdict == Verdict::Allow);
    assert_eq!(scene.decide("open.spotify.com"), "block 4");
}

#[test]
fn neither_services_nor_categories_take_away_protected_names_and_our_own_hosts() {
    let mut scene = Scene::new();
    scene.world.set_own_hosts(&[text("filter.netflix.com"), text("panel.bad.test")]);
    scene.settings(services(&[("netflix", Action::Block), ("telemetry_apple", Action::Block)]));
    assert_eq!(scene.decide("www.netflix.com"), "block 4");
    assert_eq!(scene.decide("x.filter.netflix.com"), "allow 10");
    assert_eq!(scene.decide("www.bad.test"), "block 6");
    assert_eq!(scene.decide("api.panel.bad.test"), "allow 10");
    scene.entry(ListId::Policy(POLICY), Action::Block, "api.panel.bad.test", false);
    assert_eq!(scene.decide("api.panel.bad.test"), "block 4", "an explicit entry takes what lies below");
}

#[test]
fn nothing_takes_away_a_host_of_this_installation() {
    let mut scene = Scene::new();
    scene.world.set_own_hosts(&[text("filter.netflix.com"), text("panel.bad.test")]);
    let filter = FilterSettings { mode: Some(FilterMode::AllowOnly), ..services(&[("netflix", Action::Block)]) };
    scene.settings(filter);
    scene.entry(ListId::Policy(POLICY), Action::Block, "panel.bad.test", true);
    scene.entry(ListId::System, Action::Block, "filter.netflix.com", false);
    for name in ["filter.netflix.com", "panel.bad.test"] {
        let (decision, _) = scene.judged(name, rtype::A);
        assert_eq!((decision.verdict, decision.cause), (Verdict::Allow, Cause::OwnName), "{name}");
        assert_eq!(scene.decide(name), "allow 1");
        assert!(decision.allowed_by_list() && scene.target(name).is_none(), "{name}");
    }
    assert_eq!(scene.decide("x.panel.bad.test"), "block 4");
}

#[test]
fn closing_bypasses_blocks_what_is_known_to_lead_around_unless_somebody_said_what_it_is() {
    let mut scene = Scene::new();
    assert_eq!(scene.decide("dns.google"), "allow 10");
    scene.settings(FilterSettings { close_bypasses: Some(true), ..FilterSettings::default() });
    let (decision, steps) = scene.judged("dns.google", rtype::A);
    let set = CategorySet::EMPTY.with(own::ANONYMIZER);
    assert_eq!(decision.cause, Cause::Category { blocked: set, all: set });
    assert!(steps.iter().any(|step| step.finding.contains("Public encrypted resolvers")), "{steps:?}");
    assert_eq!(scene.decide("www.nordvpn.com"), "block 6");
    scene.recategorise(Account::Customer(CustomerId(1)), "nordvpn.com", HIGH);
    assert_eq!(scene.decide("www.nordvpn.com"), "allow 10");
    scene.entry(ListId::Policy(POLICY), Action::Allow, "dns.google", false);
    assert_eq!(scene.decide("dns.google"), "allow 4");

    let canary = scene.target("mask.apple-dns.net").expect("a canary");
    assert_eq!((canary.verdict, canary.step()), (Verdict::Own(OwnName::Canary), 9));
    scene.settings(FilterSettings { close_bypasses: Some(false), ..FilterSettings::default() });
    assert!(scene.target("mask.apple-dns.net").is_none());
    assert_eq!(scene.decide("www.torproject.org"), "allow 10");
}
