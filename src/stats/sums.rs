//! What is counted of a day.

use crate::{
    category::Catalogue,
    model::{CategoryId, CategorySet},
    querylog::{LoggedQuery, Outcome},
};
use hashbrown::{Equivalent, HashMap};
use std::{hash::Hash, net::IpAddr};

/// Different names, clients and so on that are counted one by one for a day.
const KEYS_OF_A_DAY: usize = 100_000;
/// The same for many days.
const KEYS_OF_MANY_DAYS: usize = 300_000;

/// Which queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// All.
    Requests,
    /// Those that were not blocked.
    Allowed,
    /// Those that were.
    Blocked,
    /// Those of the allowed that somebody let past a block.
    Bypassed,
}

/// Queries by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not blocked, the bypassed among them.
    pub allowed: u64,
    /// Blocked.
    pub blocked: u64,
    /// Let past a block.
    pub bypassed: u64,
}

impl Counts {
    /// All.
    pub fn requests(self) -> u64 {
        self.allowed + self.blocked
    }

    /// Those of one kind.
    pub fn of(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests => self.requests(),
            Measure::Allowed => self.allowed,
            Measure::Blocked => self.blocked,
            Measure::Bypassed => self.bypassed,
        }
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Allowed => self.allowed += 1,
            Outcome::Blocked => self.blocked += 1,
            Outcome::Bypassed => {
                self.allowed += 1;
                self.bypassed += 1;
            }
        }
    }

    fn add(&mut self, other: Counts) {
        self.allowed += other.allowed;
        self.blocked += other.blocked;
        self.bypassed += other.bypassed;
    }
}

/// Counts by key, for a bounded number of keys: where there are more, those seen least are given up.
#[derive(Clone, Debug)]
pub struct Tally<K> {
    counts: HashMap<K, Counts, ahash::RandomState>,
    keys_max: usize,
    given_up: u64,
}

impl<K: Eq + Hash + Ord + Clone> Tally<K> {
    fn new(keys_max: usize) -> Self {
        Tally { counts: HashMap::default(), keys_max, given_up: 0 }
    }

    fn at<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q, make: impl FnOnce() -> K) -> &mut Counts {
        if !self.counts.contains_key(key) {
            if self.counts.len() >= 2 * self.keys_max {
                self.make_room();
            }
            self.counts.insert(make(), Counts::default());
        }
        self.counts.get_mut(key).expect("it was there, or was put there")
    }

    /// Gives up at least half of the keys.
    fn make_room(&mut self) {
        let mut totals: Vec<u64> = self.counts.values().map(|counts| counts.requests()).collect();
        totals.sort_unstable_by(|one, two| two.cmp(one));
        let least = totals.get(self.keys_max).copied().unwrap_or_default();
        let before = self.counts.len();
        self.counts.retain(|_, counts| counts.requests() > least);
        self.given_up += (before - self.counts.len()) as u64;
    }

    /// Different keys. Where some were given up, about as many as there were.
    pub fn distinct(&self) -> u64 {
        self.counts.len() as u64 + self.given_up
    }

    /// The keys with the most queries of a kind, at most `rows`, most first; equal ones by key.
    pub fn top(&self, measure: Measure, rows: usize) -> Vec<(K, Counts)> {
        let mut all: Vec<(&K, &Counts)> = self.counts.iter().filter(|(_, counts)| counts.of(measure) > 0).collect();
        all.sort_unstable_by(|one, two| two.1.of(measure).cmp(&one.1.of(measure)).then_with(|| one.0.cmp(two.0)));
        all.into_iter().take(rows).map(|(key, counts)| (key.clone(), *counts)).collect()
    }

    fn add(&mut self, other: &Self) {
        for (key, counts) in &other.counts {
            self.at(key, || key.clone()).add(*counts);
        }
        self.given_up += other.given_up;
    }
}

/// Who asked, as exactly as the log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey {
    /// An internal user, by id.
    User(u32),
    /// A roaming device, by id.
    Device(u32),
    /// Whoever had this address.
    Address(IpAddr),
}

impl ClientKey {
    /// Who asked this.
    pub fn of(query: &LoggedQuery<'_>) -> Self {
        match (query.user, query.device) {
            (Some(user), _) => ClientKey::User(user),
            (None, Some(device)) => ClientKey::Device(device),
            (None, None) => ClientKey::Address(query.client),
        }
    }
}

/// What is counted of a day, or of several put together.
#[derive(Clone, Debug)]
pub struct DaySums {
    /// All queries.
    pub total: Counts,
    /// Those for names in a category that security reports count.
    pub threats: Counts,
    /// Queries for which a search engine was held to its filtered results; they count as allowed.
    pub safe_search: u64,
    /// By hour of the day.
    pub hours: [Counts; 24],
    /// By category number; a query counts for the category that blocked it, else for the first its name has.
    categories: [Counts; 64],
    /// By name.
    pub names: Tally<Box<str>>,
    /// By client.
    pub clients: Tally<ClientKey>,
    /// By id of the location.
    pub locations: Tally<u32>,
    /// By id of the customer.
    pub customers: Tally<u32>,
}

impl Default for DaySums {
    fn default() -> Self {
        DaySums::new(KEYS_OF_A_DAY)
    }
}

impl DaySums {
    fn new(keys_max: usize) -> Self {
        DaySums {
            total: Counts::default(),
            threats: Counts::default(),
            safe_search: 0,
            hours: [Counts::default(); 24],
            categories: [Counts::default(); 64],
            names: Tally::new(keys_max),
            clients: Tally::new(keys_max),
            locations: Tally::new(keys_max),
            customers: Tally::new(keys_max),
        }
    }

    pub(super) fn of_many_days() -> Self {
        DaySums::new(KEYS_OF_MANY_DAYS)
    }

    pub(super) fn count(&mut self, query: &LoggedQuery<'_>, hour: usize) {
        let outcome = query.outcome();
        self.total.count(outcome);
        self.safe_search += u64::from(query.safe_search());
        self.hours[hour.min(23)].count(outcome);
        if let Some(counts) = query.category.and_then(|number| self.categories.get_mut(usize::from(number))) {
            counts.count(outcome);
        }
        let categories: CategorySet = query.categories().filter_map(CategoryId::new).collect();
        if !categories.intersection(threats()).is_empty() {
            self.threats.count(outcome);
        }
        self.names.at(&*query.name, || query.name.as_ref().into()).count(outcome);
        let client = ClientKey::of(query);
        self.clients.at(&client, || client).count(outcome);
        self.customers.at(&query.customer, || query.customer).count(outcome);
        if let Some(location) = query.location {
            self.locations.at(&location, || location).count(outcome);
        }
    }

    pub(super) fn add(&mut self, other: &DaySums) {
        self.total.add(other.total);
        self.threats.add(other.threats);
        self.safe_search += other.safe_search;
        let hours = self.hours.iter_mut().zip(&other.hours);
        let categories = self.categories.iter_mut().zip(&other.categories);
        hours.chain(categories).for_each(|(sum, counts)| sum.add(*counts));
        self.names.add(&other.names);
        self.clients.add(&other.clients);
        self.locations.add(&other.locations);
        self.customers.add(&other.customers);
    }

    /// Categories with the most queries of a kind, most first, by name.
    pub fn top_categories(&self, measure: Measure, rows: usize) -> Vec<(&'static str, Counts)> {
        let named = Catalogue::get()
            .categories()
            .iter()
            .map(|category| (category.name.as_str(), self.categories[usize::from(category.id.number())]));
        let mut all: Vec<_> = named.filter(|(_, counts)| counts.of(measure) > 0).collect();
        all.sort_by(|one, two| two.1.of(measure).cmp(&one.1.of(measure)).then_with(|| one.0.cmp(two.0)));
        all.truncate(rows);
        all
    }

    /// Keys it holds, which is what it costs.
    pub(super) fn keys(&self) -> usize {
        self.names.counts.len() + self.clients.counts.len() + self.locations.counts.len() + self.customers.counts.len()
    }
}

/// The categories that security reports count.
fn threats() -> CategorySet {
    static THREATS: std::sync::LazyLock<CategorySet> = std::sync::LazyLock::new(|| Catalogue::get().threats());
    *THREATS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_gives_up_those_seen_least_and_knows_how_many() {
        let mut tally: Tally<u32> = Tally::new(10);
        for key in 0..5 {
            for _ in 0..10 {
                tally.at(&key, || key).count(Outcome::Blocked);
            }
        }
        for key in 100..1100 {
            tally.at(&key, || key).count(Outcome::Allowed);
        }
        assert!(tally.counts.len() <= 20);
        assert_eq!(tally.distinct(), 1005);
        let top = tally.top(Measure::Requests, 6);
        let expected = Counts { blocked: 10, ..Counts::default() };
        assert_eq!(top[..5], [(0, expected), (1, expected), (2, expected), (3, expected), (4, expected)]);
        assert_eq!(tally.top(Measure::Blocked, 100).len(), 5);
        assert!(tally.top(Measure::Bypassed, 100).is_empty());
    }

    #[test]
    fn bypassed_queries_are_allowed_ones() {
        let mut counts = Counts::default();
        for outcome in [Outcome::Allowed, Outcome::Bypassed, Outcome::Blocked] {
            counts.count(outcome);
        }
        assert_eq!(counts, Counts { allowed: 2, blocked: 1, bypassed: 1 });
        assert_eq!((counts.requests(), counts.of(Measure::Bypassed)), (3, 1));
    }
}
