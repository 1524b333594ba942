//! Where the names of a policy are resolved, when not by the server's own upstreams alone.

use crate::model::{DomainName, Name};
use std::{collections::HashMap, sync::Arc};

/// Sets kept before those that no policy uses are looked for.
const SETS_MIN: usize = 64;

/// Servers other than the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Routing {
    /// Upstreams of everything no zone has, as operators write them; empty: those of the server.
    pub upstreams: Vec<String>,
    /// Zones with servers of their own, in the order of their names.
    pub zones: Vec<(DomainName, Vec<String>)>,
}

impl Routing {
    /// Whether everything is resolved by the server's own upstreams.
    pub fn is_default(&self) -> bool {
        self.upstreams.is_empty() && self.zones.is_empty()
    }
}

/// A routing with its number. Policies with equal routings share one.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteSet {
    /// What keeps its answers apart from all others: never 0 and never given to another routing.
    pub partition: u32,
    /// Where names go.
    pub routing: Routing,
}

impl RouteSet {
    /// Whether one of its zones has the name.
    pub fn has_zone_of(&self, name: Name<'_>) -> bool {
        self.routing.zones.iter().any(|(zone, _)| name.is_at_or_below(zone.as_name()))
    }
}

/// Every routing in use.
#[derive(Default)]
pub(super) struct RouteSets {
    sets: HashMap<Routing, Arc<RouteSet>>,
    last: u32,
    tidy_at: usize,
}

impl RouteSets {
    /// The set of this routing; `None` where that is the server's own.
    pub(super) fn of(&mut self, routing: Routing) -> Option<Arc<RouteSet>> {
        if routing.is_default() {
            return None;
        }
        if let Some(set) = self.sets.get(&routing) {
            return Some(set.clone());
        }
        if self.sets.len() >= self.tidy_at.max(SETS_MIN) {
            self.sets.retain(|_, set| Arc::strong_count(set) > 1);
            self.tidy_at = self.sets.len() * 2;
        }
        // Numbers are not given twice, so that an answer of a set that is gone is nobody's.
        self.last = self.last.checked_add(1)?;
        let set = Arc::new(RouteSet { partition: self.last, routing: routing.clone() });
        self.sets.insert(routing, set.clone());
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing(server: &str) -> Routing {
        Routing { upstreams: vec![server.to_owned()], zones: Vec::new() }
    }

    #[test]
    fn equal_routings_share_a_number_and_numbers_are_not_given_twice() {
        let mut sets = RouteSets::default();
        assert_eq!(sets.of(Routing::default()), None);
        let one = sets.of(routing("192.0.2.1:53")).expect("a set");
        assert_eq!(sets.of(routing("192.0.2.1:53")).expect("a set").partition, one.partition);
        let mut seen = vec![one.partition];
        for n in 0..300 {
            let set = sets.of(routing(&format!("192.0.2.{n}:54"))).expect("a set");
            assert!(!seen.contains(&set.partition));
            seen.push(set.partition);
        }
        assert!(sets.sets.len() < 200, "sets that nobody uses go");
        assert_eq!(sets.of(routing("192.0.2.1:53")).expect("a set").partition, one.partition, "one in use stays");
    }
}
