//! The decision order as tables: rows in, decisions out.

mod answers;
mod subscribed;

use super::*;
use crate::{
    identify::{Client, Evidence, Identified, Supposed},
    model::*,
};
use ipnet::IpNet;
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

mod detecting;
mod hours;
mod known;

const KEY: NameKey = NameKey(5);
const LOW: CategoryId = CategoryId::new(5).expect("below 64");
const HIGH: CategoryId = CategoryId::new(20).expect("below 64");

/// Categories by name, united over ancestors as the index does it.
#[derive(Default)]
struct Table(HashMap<DomainName, CategorySet>);

impl Categories for Table {
    fn of(&self, name: Name<'_>) -> CategorySet {
        name.ancestors()
            .filter_map(|ancestor| self.0.get(ancestor.as_wire()))
            .fold(CategorySet::EMPTY, |all, set| all.union(*set))
    }

    fn split(&self, name: Name<'_>, labels: usize) -> (CategorySet, CategorySet) {
        let mut parts = (CategorySet::EMPTY, CategorySet::EMPTY);
        for ancestor in name.ancestors() {
            let set = self.0.get(ancestor.as_wire()).copied().unwrap_or_default();
            let part = if ancestor.label_count() <= labels { &mut parts.0 } else { &mut parts.1 };
            *part = part.union(set);
        }
        parts
    }
}

struct Scene {
    world: World,
    categories: Table,
    next: u32,
}

fn text(name: &str) -> DomainName {
    DomainName::from_text(name).expect("a valid name")
}

impl Scene {
    /// The global default (level L), MSP 1 with customer 1, and customer 2 of the system; default
    /// policies 1 (system), 2 (MSP), 11 and 12; location 1 of customer 1 with 192.0.2.0/24,
    /// location 2 of customer 2 with 192.0.2.128/25.
    fn new() -> Self {
        let low = CategorySet::EMPTY.with(LOW);
        let presets = Presets { low, moderate: low, high: low.with(HIGH) };
        let mut scene = Scene { world: World::new(KEY, presets), categories: Table::default(), next: 100 };
        scene.categories.0.insert(text("bad.test"), low);
        scene.categories.0.insert(text("games.test"), CategorySet::EMPTY.with(HIGH));
        let settings = PolicySettings { level: Some(Level::L), ..PolicySettings::default() };
        scene.policy(1, Account::System, true, settings);
        scene.policy(2, Account::Msp(MspId(1)), true, PolicySettings::default());
        scene.msp(1);
        scene.customer(1, Some(1), false);
        scene.customer(2, None, false);
        scene.policy(11, Account::Customer(CustomerId(1)), true, PolicySettings::default());
        scene.policy(12, Account::Customer(CustomerId(2)), true, PolicySettings::default());
        scene.location(1, 1, None);
        scene.location(2, 2, None);
        scene.address(1, 1, 1, "192.0.2.0/24");
        scene.address(2, 2, 2, "192.0.2.128/25");
        scene
    }

    fn put(&mut self, row: Row) {
        self.world.upsert(None, &row);
    }

    fn msp(&mut self, id: u32) {
        self.put(Row::Msp(Msp {
            id: MspId(id),
            name: format!("msp {id}"),
            email: String::new(),
            description: String::new(),
            uuid: Uuid::nil(),
            created: Timestamp(0),
        }));
    }

    fn customer(&mut self, id: u32, msp: Option<u32>, suspended: bool) {
        self.put(Row::Customer(Customer {
            id: CustomerId(id),
            msp: msp.map(MspId),
            name: format!("customer {id}"),
            email: String::new(),
            description: String::new(),
            license: String::new(),
            timezone: String::new(),
            uuid: Uuid::nil(),
            install_key: Uuid::nil(),
            created: Timestamp(0),
            suspended,
        }));
    }

    fn policy(&mut self, id: u32, owner: Account, is_default: bool, settings: PolicySettings) {
        self.put(Row::Policy(Policy {
            id: PolicyId(id),
            owner,
            is_default,
            name: format!("policy {id}"),
            description: String::new(),
            settings,
            created: Timestamp(0),
            updated: Timestamp(0),
        }));
    }

    fn location(&mut self, id: u32, customer: u32, policy: Option<u32>) {
        self.put(Row::Location(Location {
            id: LocationId(id),
            customer: CustomerId(customer),
            kind: LocationKind::StaticIp,
            name: format!("location {id}"),
            policy: policy.map(PolicyId),
            deletable: true,
            created: Timestamp(0),
        }));
    }

    fn address(&mut self, id: u32, customer: u32, location: u32, net: &str) {
        self.put(Row::Address(Address {
            id: AddressId(id),
            customer: CustomerId(customer),
            location: LocationId(location),
            net: net.parse::<IpNet>().expect("a range"),
            description: String::new(),
        }));
    }

    fn group(&mut self, id: u32, policy: Option<u32>, weight: u32, disabled: bool) {
        self.put(Row::Group(Group {
            id: GroupId(id),
            customer: CustomerId(1),
            name: String::new(),
            description: String::new(),
            policy: policy.map(PolicyId),
            disabled,
            weight,
            updated: Timestamp(0),
        }));
    }

    fn user(&mut self, id: u32, policy: Option<u32>, groups: &[u32]) {
        self.put(Row::User(InternalUser {
            id: InternalUserId(id),
            customer: CustomerId(1),
            name: String::new(),
            email: String::new(),
            description: String::new(),
            policy: policy.map(PolicyId),
            groups: groups.iter().map(|id| GroupId(*id)).collect(),
            deletable: true,
            created: Timestamp(0),
        }));
    }

    fn device(&mut self, id: u32, policy: Option<u32>, location: Option<u32>, user: Option<u32>) {
        self.put(Row::Device(Device {
            id: DeviceId(id),
            customer: CustomerId(1),
            name: String::new(),
            key: Uuid::nil(),
            version: String::new(),
            last_contact: None,
            status: String::new(),
            location: location.map(LocationId),
            user: user.map(InternalUserId),
            policy: policy.map(PolicyId),
            exception: None,
            extra_info: String::new(),
            configuration: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        }));
    }

    fn recategorise(&mut self, owner: Account, domain: &str, category: CategoryId) -> Recategorisation {
        self.next += 1;
        let row = Recategorisation {
            id: RecategorisationId(self.next),
            owner,
            domain: text(domain),
            categories: CategorySet::EMPTY.with(category),
            created: Timestamp(0),
        };
        self.put(Row::Recategorisation(row.clone()));
        row
    }

    fn entry(&mut self, list: ListId, action: Action, domain: &str, subdomains: bool) -> ListEntry {
        self.next += 1;
        let entry = ListEntry {
            id: EntryId(self.next),
            owner: Account::System,
            list,
            action,
            domain: text(domain),
            subdomains,
            log_requests: true,
            comment: String::new(),
            expires: None,
            created: Timestamp(0),
        };
        self.put(Row::Entry(entry.clone()));
        entry
    }

    fn client(&mut self, address: &str) -> (Arc<Snapshot>, Identified) {
        let snapshot = self.world.snapshot(1);
        let identified = snapshot.identify(address.parse().expect("an address"));
        (snapshot, identified)
    }

    /// The decision for a client of customer 1, as `verdict step`.
    fn decide(&mut self, name: &str) -> String {
        self.decide_from("192.0.2.1", name)
    }

    fn decide_from(&mut self, address: &str, name: &str) -> String {
        let (snapshot, identified) = self.client(address);
        let Identified::Known(client) = identified else { return "unknown".into() };
        let Some(chosen) = choose(&snapshot, &client) else { return "refused".into() };
        let name = text(name);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let mut trace = TraceSteps::default();
        let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
        let decision = evaluate(&snapshot, chosen.policy, &question, &self.categories, &mut trace);
        let silent = evaluate(&snapshot, chosen.policy, &question, &self.categories, &mut NoTrace);
        assert_eq!(decision, silent, "tracing changes nothing");
        let told = trace.0.iter().find(|step| step.decided).map_or(10, |step| step.number);
        assert_eq!(told, decision.step(), "the trace tells the step that decided");
        let verdict = match decision.verdict {
            Verdict::Allow => "allow",
            Verdict::Block => "block",
            Verdict::Own(_) => "own",
            Verdict::Rewrite(_) => "rewrite",
        };
        format!("{verdict} {}", decision.step())
    }

    fn policy_of(&mut self, client: Client) -> Option<(u32, PolicySource)> {
        let snapshot = self.world.snapshot(1);
        choose(&snapshot, &client).map(|chosen| (chosen.policy.id.0, chosen.source))
    }
}

fn somebody(user: Option<u32>) -> Client {
    let address = "192.0.2.1".parse().expect("an address");
    Client {
        customer: CustomerId(1),
        location: Some(LocationId(1)),
        device: None,
        user: user.map(InternalUserId),
        policy: None,
        evidence: Evidence::UnknownClients { address },
    }
}

const OWN: Account = Account::Customer(CustomerId(1));

#[test]
fn a_client_is_known_by_the_longest_range_around_its_address() {
    let mut scene = Scene::new();
    for (address, customer) in [("192.0.2.1", Some(1)), ("192.0.2.129", Some(2)), ("198.51.100.1", None)] {
        let found = match scene.client(address).1 {
            Identified::Known(client) => Some(client.customer.0),
            _ => None,
        };
        assert_eq!(found, customer, "{address}");
    }
}

#[test]
fn the_policy_closest_to_the_person_is_chosen() {
    let mut scene = Scene::new();
    for id in 21..=25 {
        scene.policy(id, OWN, false, PolicySettings::default());
    }
    assert_eq!(scene.policy_of(somebody(None)), Some((11, PolicySource::CustomerDefault)));
    scene.location(1, 1, Some(21));
    assert_eq!(scene.policy_of(somebody(None)), Some((21, PolicySource::Location)));
    scene.group(1, Some(22), 5, false);
    scene.group(2, Some(23), 9, true);
    scene.group(3, Some(24), 5, false);
    scene.user(7, None, &[3, 2, 1]);
    assert_eq!(scene.policy_of(somebody(Some(7))), Some((22, PolicySource::Group)), "equal weights: the lowest id");
    scene.group(2, Some(23), 9, false);
    assert_eq!(scene.policy_of(somebody(Some(7))), Some((23, PolicySource::Group)), "the highest weight");
    scene.user(7, Some(25), &[3, 2, 1]);
    assert_eq!(scene.policy_of(somebody(Some(7))), Some((25, PolicySource::User)));
    assert_eq!(scene.policy_of(somebody(Some(8))), Some((21, PolicySource::Location)), "nobody of that id");
}

#[test]
fn a_suspended_customer_is_refused_until_it_is_reinstated() {
    let mut scene = Scene::new();
    scene.customer(1, Some(1), true);
    assert_eq!(scene.decide("example.test"), "refused");
    assert_eq!(scene.decide_from("192.0.2.200", "example.test"), "allow 10", "the other customer is served");
    scene.customer(1, Some(1), false);
    assert_eq!(scene.decide("example.test"), "allow 10");
}

#[test]
fn the_policy_of_another_customer_is_never_chosen() {
    let mut scene = Scene::new();
    scene.location(1, 1, Some(12));
    assert_eq!(scene.policy_of(somebody(None)), Some((11, PolicySource::CustomerDefault)));
}

#[test]
fn lists_decide_from_the_operator_down() {
    let mut scene = Scene::new();
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "a.test", true);
    assert_eq!(scene.decide("a.test"), "allow 4");
    scene.entry(ListId::Msp(MspId(1)), Action::Block, "a.test", true);
    assert_eq!(scene.decide("a.test"), "block 4", "the MSP comes before the policy");
    assert_eq!(scene.decide_from("192.0.2.200", "a.test"), "allow 10", "another MSP's list says nothing");
    let global = scene.entry(ListId::System, Action::Allow, "a.test", true);
    assert_eq!(scene.decide("a.test"), "allow 4", "the system comes before the MSP");
    assert_eq!(scene.decide_from("192.0.2.200", "a.test"), "allow 4");
    scene.world.remove(&Row::Entry(global));
    assert_eq!(scene.decide("a.test"), "block 4", "taken out, it decides no more");
}

#[test]
fn a_shorter_match_in_an_earlier_list_beats_a_longer_one_in_a_later() {
    let mut scene = Scene::new();
    scene.entry(ListId::System, Action::Block, "test", true);
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "deep.a.test", false);
    assert_eq!(scene.decide("deep.a.test"), "block 4");
}

#[test]
fn lists_come_before_categories() {
    let mut scene = Scene::new();
    assert_eq!(scene.decide("bad.test"), "block 6");
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "www.bad.test", false);
    assert_eq!(scene.decide("www.bad.test"), "allow 4");
    assert_eq!(scene.decide("ftp.bad.test"), "block 6", "parents' categories count");
}

#[test]
fn a_policy_takes_the_default_lists_it_inherits_and_no_others() {
    let mut scene = Scene::new();
    scene.location(1, 1, Some(21));
    scene.entry(ListId::Policy(PolicyId(11)), Action::Block, "blocked.test", true);
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "bad.test", true);
    scene.policy(21, OWN, false, PolicySettings::default());
    assert_eq!(scene.decide("blocked.test"), "allow 10");
    assert_eq!(scene.decide("bad.test"), "block 6");
    let settings = PolicySettings { inherit_default_block_list: Some(true), ..PolicySettings::default() };
    scene.policy(21, OWN, false, settings.clone());
    assert_eq!(scene.decide("blocked.test"), "block 4");
    assert_eq!(scene.decide("bad.test"), "block 6", "only the block list is inherited");
    scene.policy(21, OWN, false, PolicySettings { inherit_default_allow_list: Some(true), ..settings });
    assert_eq!(scene.decide("bad.test"), "allow 4");
    scene.entry(ListId::Policy(PolicyId(21)), Action::Allow, "blocked.test", true);
    assert_eq!(scene.decide("blocked.test"), "allow 4", "the policy's own list comes first");
}

#[test]
fn a_change_above_is_visible_below_until_the_field_is_set_there() {
    let mut scene = Scene::new();
    assert_eq!(scene.decide("games.test"), "allow 10");
    let high = PolicySettings { level: Some(Level::H), ..PolicySettings::default() };
    scene.policy(1, Account::System, true, high);
    assert_eq!(scene.decide("games.test"), "block 6", "the global default's change is seen");
    scene.policy(
        2,
        Account::Msp(MspId(1)),
        true,
        PolicySettings { level: Some(Level::L), ..PolicySettings::default() },
    );
    assert_eq!(scene.decide("games.test"), "allow 10", "the MSP's word is closer");
    assert_eq!(scene.decide_from("192.0.2.200", "games.test"), "block 6", "a customer without MSP follows the system");
    scene.policy(11, OWN, true, PolicySettings { level: Some(Level::H), ..PolicySettings::default() });
    assert_eq!(scene.decide("games.test"), "block 6");
}

#[test]
fn unclassified_names_pass_or_not_as_the_policy_says() {
    let mut scene = Scene::new();
    assert_eq!(scene.decide("nothing.test"), "allow 10");
    scene.policy(11, OWN, true, PolicySettings { allow_unclassified: Some(false), ..PolicySettings::default() });
    assert_eq!(scene.decide("nothing.test"), "block 7");
    assert_eq!(scene.decide("games.test"), "allow 10", "a name with a category is not unclassified");
    assert_eq!(scene.decide("captive.apple.com"), "allow 10", "connectivity checks are protected");
    scene.entry(ListId::Policy(PolicyId(11)), Action::Block, "captive.apple.com", false);
    assert_eq!(scene.decide("captive.apple.com"), "block 4", "an explicit entry still blocks them");
}

#[test]
fn own_names_come_before_every_list() {
    let mut scene = Scene::new();
    scene.entry(ListId::System, Action::Block, "resolver.arpa", true);
    assert_eq!(scene.decide("_dns.resolver.arpa"), "own 1");
}

#[test]
fn an_answers_target_is_judged_by_lists_and_categories() {
    let mut scene = Scene::new();
    scene.entry(ListId::Policy(PolicyId(11)), Action::Allow, "ok.bad.test", true);
    scene.policy(11, OWN, true, PolicySettings { allow_unclassified: Some(false), ..PolicySettings::default() });
    let (snapshot, identified) = scene.client("192.0.2.1");
    let Identified::Known(client) = identified else { panic!("known") };
    let policy = choose(&snapshot, &client).expect("served").policy;
    for (target, step) in
        [("x.bad.test", Some(9)), ("ok.bad.test", None), ("nothing.test", None), ("resolver.arpa", None)]
    {
        let name = text(target);
        let suffixes = Suffixes::new(name.as_name(), KEY);
        let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
        let decision = evaluate_target(&snapshot, policy, &question, (3, Place::Led), &scene.categories, &mut NoTrace);
        assert_eq!(decision.map(|d| (d.step(), d.target)), step.map(|step| (step, Some(3))), "{target}");
    }
}

#[test]
fn rows_may_come_in_any_order_and_go_again() {
    let mut scene = Scene::new();
    scene.address(9, 3, 9, "203.0.113.0/24");
    scene.entry(ListId::Policy(PolicyId(31)), Action::Block, "x.test", true);
    scene.location(9, 3, None);
    assert_eq!(scene.decide_from("203.0.113.1", "x.test"), "refused", "a customer that is not there yet");
    scene.policy(31, Account::Customer(CustomerId(3)), true, PolicySettings::default());
    scene.customer(3, Some(1), false);
    assert_eq!(scene.decide_from("203.0.113.1", "x.test"), "block 4");
    assert_eq!(scene.decide_from("203.0.113.1", "bad.test"), "block 6");
}

#[test]
fn a_device_gets_its_users_policy_then_its_own_then_its_locations() {
    let mut scene = Scene::new();
    for id in 21..=24 {
        scene.policy(id, OWN, false, PolicySettings::default());
    }
    scene.location(1, 1, Some(21));
    scene.location(3, 1, Some(22));
    scene.user(7, None, &[]);
    let address = "192.0.2.1".parse().expect("an address");
    let policy_of = |scene: &mut Scene, supposed: Supposed| {
        let client = scene.world.snapshot(1).suppose(address, supposed).expect("is there");
        scene.policy_of(client)
    };
    let device = Supposed::Device(DeviceId(5));
    scene.device(5, None, None, None);
    assert_eq!(policy_of(&mut scene, device), Some((21, PolicySource::Location)), "where it is");
    scene.device(5, None, Some(3), None);
    assert_eq!(policy_of(&mut scene, device), Some((22, PolicySource::Location)), "where it belongs");
    scene.device(5, Some(23), Some(3), Some(7));
    assert_eq!(policy_of(&mut scene, device), Some((23, PolicySource::Device)), "the user has no policy");
    scene.group(1, Some(24), 1, false);
    scene.user(7, None, &[1]);
    assert_eq!(policy_of(&mut scene, device), Some((24, PolicySource::Group)));
    assert_eq!(policy_of(&mut scene, Supposed::User(InternalUserId(7))), Some((24, PolicySource::Group)));
    assert_eq!(scene.world.snapshot(1).suppose(address, Supposed::User(InternalUserId(8))), None);
}

#[test]
fn the_nearest_account_that_put_a_name_elsewhere_is_heard() {
    let mut scene = Scene::new();
    let (system, msp) = (Account::System, Account::Msp(MspId(1)));
    assert_eq!(scene.decide("bad.test"), "block 6");
    let own = scene.recategorise(system, "bad.test", HIGH);
    assert_eq!(scene.decide("bad.test"), "allow 10", "the system's word counts for everybody");
    assert_eq!(scene.decide_from("192.0.2.200", "bad.test"), "allow 10");
    scene.recategorise(msp, "bad.test", LOW);
    assert_eq!(scene.decide("bad.test"), "block 6", "the MSP is nearer");
    assert_eq!(scene.decide_from("192.0.2.200", "bad.test"), "allow 10", "and no other MSP's customers hear it");
    let nearest = scene.recategorise(OWN, "bad.test", HIGH);
    assert_eq!(scene.decide("www.bad.test"), "allow 10", "the customer is nearest; names below follow");
    scene.world.remove(&Row::Recategorisation(nearest));
    assert_eq!(scene.decide("www.bad.test"), "block 6");
    scene.world.remove(&Row::Recategorisation(own));
    assert_eq!(scene.decide_from("192.0.2.200", "bad.test"), "block 6", "taken back, the data speaks again");
}

#[test]
fn names_below_a_recategorised_one_follow_unless_the_data_knows_them_better() {
    let mut scene = Scene::new();
    scene.categories.0.insert(text("www.games.test"), CategorySet::EMPTY.with(HIGH));
    scene.categories.0.insert(text("mail.games.test"), CategorySet::EMPTY.with(LOW));
    scene.categories.0.insert(text("shop.bad.test"), CategorySet::EMPTY.with(HIGH));
    scene.recategorise(OWN, "games.test", LOW);
    scene.recategorise(OWN, "bad.test", HIGH);
    for (name, expected) in [
        ("games.test", "block 6"),
        ("deep.below.games.test", "block 6"),
        ("www.games.test", "block 6"),
        ("bad.test", "allow 10"),
        ("www.bad.test", "allow 10"),
        ("shop.bad.test", "allow 10"),
    ] {
        assert_eq!(scene.decide(name), expected, "{name}");
    }
    scene.recategorise(OWN, "games.test", HIGH);
    assert_eq!(scene.decide("mail.games.test"), "block 6", "the data says more of it than of the name above");
    scene.recategorise(OWN, "mail.games.test", HIGH);
    assert_eq!(scene.decide("x.mail.games.test"), "allow 10", "the longest name of an account is heard");
    scene.categories.0.insert(text("chat.games.test"), CategorySet::EMPTY.with(LOW));
    assert_eq!(scene.decide("chat.games.test"), "block 6");
    let by_msp = scene.recategorise(Account::Msp(MspId(1)), "chat.games.test", HIGH);
    assert_eq!(scene.decide("chat.games.test"), "allow 10", "what the customer leaves to the data the MSP may say");
    scene.world.remove(&Row::Recategorisation(by_msp));
    assert_eq!(scene.decide("chat.games.test"), "block 6");
    scene.recategorise(OWN, "new.test", LOW);
    assert_eq!(scene.decide("new.test"), "block 6", "a name the data does not know");
    scene.policy(11, OWN, true, PolicySettings { allow_unclassified: Some(false), ..PolicySettings::default() });
    scene.recategorise(OWN, "new.test", HIGH);
    assert_eq!(scene.decide("new.test"), "allow 10", "is unclassified no more");
}

#[test]
fn an_answers_target_is_judged_by_the_categories_it_was_put_into() {
    let mut scene = Scene::new();
    scene.recategorise(OWN, "cdn.test", LOW);
    let (snapshot, _) = scene.client("192.0.2.1");
    let policy = snapshot.policies.get(11).expect("is there");
    let name = text("a.cdn.test");
    let suffixes = Suffixes::new(name.as_name(), KEY);
    let client = somebody(None);
    let question = Question { suffixes: &suffixes, qtype: 1, client: &client, at: Timestamp(0), stream: false };
    assert!(evaluate_target(&snapshot, policy, &question, (0, Place::Led), &scene.categories, &mut NoTrace).is_some());
}
