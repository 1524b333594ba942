//! How lists stand, in figures.
//!
//! Lists of the system have rows of their own: there are a thousand at most. Those of MSPs and of customers stand together
//! in one row a level, because figures have no tenants.

use super::Lists;
use crate::{
    feeds::Standing,
    model::{Account, ListSource, ListSourceId},
    telemetry::write_rows,
};
use std::collections::HashMap;

/// The figures of lists with the same labels, added up.
#[derive(Clone, Copy, Default)]
struct Sums {
    rules: u64,
    hits: u64,
    /// The most errors in a row.
    errors: u32,
    /// Seconds since the oldest was what its origin has.
    age_s: Option<i64>,
}

impl Sums {
    fn add(&mut self, other: Sums) {
        self.rules += other.rules;
        self.hits += other.hits;
        self.errors = self.errors.max(other.errors);
        self.age_s = self.age_s.max(other.age_s);
    }
}

impl Lists {
    /// Tells how all lists stand.
    pub(super) fn figures(&self, sources: &HashMap<ListSourceId, ListSource>, busy: usize) {
        let mut counts = [0u32; Standing::ALL.len()];
        {
            let shelf = self.0.shelf.lock();
            for source in sources.values() {
                let standing = shelf.get(&source.id).map(|shelved| shelved.state.standing(source.enabled));
                let place = Standing::ALL.iter().position(|known| Some(*known) == standing);
                counts[place.unwrap_or(0)] += 1;
            }
        }
        for (standing, count) in Standing::ALL.iter().zip(counts) {
            metrics::gauge!("weir_list_sources", "state" => standing.name()).set(count);
        }
        let table = self.0.table.lock().clone();
        metrics::gauge!("weir_list_names").set(table.names() as f64);
        metrics::gauge!("weir_list_table_bytes").set(table.octets() as f64);
        metrics::gauge!("weir_list_left_out").set(table.left_out().len() as f64);
        metrics::gauge!("weir_list_refreshing").set(busy as f64);
    }

    /// Writes what changes with the lists there are onto the page of figures.
    pub fn show(&self, page: &mut String) {
        let now = (self.0.clock)();
        let table = self.0.table.lock().clone();
        let hits: HashMap<ListSourceId, u64> = table.hits().collect();
        let mut rows: Vec<(String, Sums)> = Vec::new();
        let (mut of_msps, mut of_customers) = (Sums::default(), Sums::default());
        for source in self.0.store.all::<ListSource>().map(|row| row.value).filter(|source| source.enabled) {
            let shelf = self.0.shelf.lock();
            let Some(state) = shelf.get(&source.id).map(|shelved| &shelved.state) else { continue };
            let sums = Sums {
                rules: state.rules,
                hits: hits.get(&source.id).copied().unwrap_or(0),
                errors: state.errors,
                age_s: state.fetched.map(|fetched| (now.0 - fetched.0).max(0)),
            };
            match source.owner {
                Account::System => rows.push((format!("level=\"system\",list=\"{}\"", source.id.0), sums)),
                Account::Msp(_) => of_msps.add(sums),
                Account::Customer(_) => of_customers.add(sums),
            }
        }
        rows.push(("level=\"msp\",list=\"\"".to_owned(), of_msps));
        rows.push(("level=\"customer\",list=\"\"".to_owned(), of_customers));
        let each = |value: fn(&Sums) -> Option<f64>| {
            rows.iter().filter_map(move |(labels, sums)| Some((labels.as_str(), value(sums)?)))
        };
        write_rows(page, "weir_list_rules", each(|sums| Some(sums.rules as f64)));
        write_rows(page, "weir_list_hits_total", each(|sums| Some(sums.hits as f64)));
        write_rows(page, "weir_list_errors", each(|sums| Some(f64::from(sums.errors))));
        write_rows(page, "weir_list_age_seconds", each(|sums| sums.age_s.map(|age| age as f64)));
    }
}
