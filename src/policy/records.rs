//! Names that a policy answers itself.

use super::{NameKey, NameMap, Suffixes};
use crate::model::{LocalRecord, LocalRecordId};
use std::sync::Arc;

/// The local records of a policy by name. Clones share nearly everything (see [`NameMap`]).
#[derive(Clone, Debug)]
pub struct LocalRecords(NameMap<Arc<LocalRecord>>);

impl LocalRecords {
    /// No records; hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        LocalRecords(NameMap::new(key))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The record of the longest matching name. `suffixes` must be hashed with this table's key.
    pub fn find(&self, suffixes: &Suffixes<'_>) -> Option<&Arc<LocalRecord>> {
        if self.0.is_empty() {
            return None;
        }
        let count = suffixes.label_count();
        (0..=count)
            .rev()
            .find_map(|labels| self.0.at(suffixes, labels).filter(|record| labels == count || record.subdomains))
    }

    /// Adds the record, or replaces that of its name.
    pub fn insert(&mut self, record: &LocalRecord) {
        let new = Arc::new(record.clone());
        let slot = self.0.or_insert(&record.name, new.clone());
        *slot = new;
    }

    /// Takes the record out, unless another one has taken its name over.
    pub fn remove(&mut self, record: &LocalRecord) {
        self.0.retain(record.name.as_name(), |kept| kept.id != record.id);
    }

    /// The record with this id at this name.
    pub fn get(&self, suffixes: &Suffixes<'_>, id: LocalRecordId) -> Option<&Arc<LocalRecord>> {
        self.find(suffixes).filter(|record| record.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, CustomerId, DomainName, FixedAnswer, PolicyId, Timestamp};

    fn record(id: u32, name: &str, subdomains: bool) -> LocalRecord {
        LocalRecord {
            id: LocalRecordId(id),
            owner: Account::Customer(CustomerId(1)),
            policy: PolicyId(1),
            name: DomainName::from_text(name).expect("a name"),
            subdomains,
            answer: FixedAnswer::NoData,
            ttl_s: 60,
            comment: String::new(),
            created: Timestamp(0),
        }
    }

    #[test]
    fn the_longest_name_answers_and_names_below_only_where_the_record_says_so() {
        let mut records = LocalRecords::new(NameKey(1));
        let find = |records: &LocalRecords, name: &str| {
            let name = DomainName::from_text(name).expect("a name");
            records.find(&Suffixes::new(name.as_name(), NameKey(1))).map(|record| record.id.0)
        };
        let wide = record(1, "home.test", true);
        records.insert(&wide);
        records.insert(&record(2, "nas.home.test", false));
        for (name, id) in
            [("home.test", Some(1)), ("nas.home.test", Some(2)), ("a.nas.home.test", Some(1)), ("test", None)]
        {
            assert_eq!(find(&records, name), id, "{name}");
        }
        records.insert(&record(3, "home.test", false));
        records.remove(&wide);
        assert_eq!((find(&records, "home.test"), find(&records, "x.home.test")), (Some(3), None));
    }
}
