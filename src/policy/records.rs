//! Names that a policy answers itself.

use super::{NameKey, NameMap, Suffixes};
use crate::model::{FixedAnswer, LocalRecord, LocalRecordId};
use std::sync::Arc;

/// Type CNAME (RFC 1035, section 3.2.2).
const CNAME: u16 = 5;

type Rows = Arc<[Arc<LocalRecord>]>;

/// The local records of a policy by name, and those of its customer's default policy behind them. Clones share nearly
/// everything (see [`NameMap`]).
#[derive(Clone, Debug)]
pub struct LocalRecords {
    own: NameMap<Rows>,
    inherited: NameMap<Rows>,
}

impl LocalRecords {
    /// No records; hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        LocalRecords { own: NameMap::new(key), inherited: NameMap::new(key) }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.inherited.is_empty()
    }

    /// The same records with those of `default` behind them: they answer names that none of these do.
    pub fn over(&self, default: &LocalRecords) -> Self {
        LocalRecords { own: self.own.clone(), inherited: default.own.clone() }
    }

    /// The record that answers questions for this type: of the longest matching name a denial, else an alias, else
    /// the records of the type, else any, whose answer then has nothing of the type. `suffixes` must be hashed with
    /// this table's key.
    pub fn find(&self, suffixes: &Suffixes<'_>, qtype: u16) -> Option<&Arc<LocalRecord>> {
        [&self.own, &self.inherited].into_iter().find_map(|names| {
            applicable(names, suffixes).find_map(|(rows, whole)| {
                let rows = rows.iter().filter(|record| whole || record.subdomains);
                rows.min_by_key(|record| (rank(&record.answer, qtype), record.id))
            })
        })
    }

    /// The record with this id, at this name or above it.
    pub fn get(&self, suffixes: &Suffixes<'_>, id: LocalRecordId) -> Option<&Arc<LocalRecord>> {
        [&self.own, &self.inherited].into_iter().find_map(|names| {
            applicable(names, suffixes).find_map(|(rows, _)| rows.iter().find(|record| record.id == id))
        })
    }

    /// Adds the record beside those of its name.
    pub fn insert(&mut self, record: &LocalRecord) {
        let rows = self.own.or_insert(&record.name, Rows::default());
        let others = rows.iter().filter(|kept| kept.id != record.id).cloned();
        *rows = others.chain([Arc::new(record.clone())]).collect();
    }

    /// Takes the record out.
    pub fn remove(&mut self, record: &LocalRecord) {
        self.own.retain(record.name.as_name(), |rows| {
            *rows = rows.iter().filter(|kept| kept.id != record.id).cloned().collect();
            !rows.is_empty()
        });
    }
}

/// Rows at the name and at names above it, longest first, and whether they stand at the whole name.
fn applicable<'t>(names: &'t NameMap<Rows>, suffixes: &Suffixes<'_>) -> impl Iterator<Item = (&'t Rows, bool)> {
    let count = if names.is_empty() { None } else { Some(suffixes.label_count()) };
    count
        .into_iter()
        .flat_map(|count| (0..=count).rev().map(move |labels| (labels, labels == count)))
        .filter_map(move |(labels, whole)| Some((names.at(suffixes, labels)?, whole)))
}

/// How well an answer suits a question for this type; less is better.
fn rank(answer: &FixedAnswer, qtype: u16) -> u8 {
    match answer {
        FixedAnswer::Records(records) => match records.first().map_or(0, |record| record.rtype) {
            CNAME => 1,
            rtype if rtype == qtype => 2,
            _ => 3,
        },
        FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, CustomerId, DomainName, PolicyId, RecordData, Timestamp};

    fn record(id: u32, name: &str, subdomains: bool, rtype: u16) -> LocalRecord {
        let data = RecordData { rtype, rdata: Box::default() };
        LocalRecord {
            id: LocalRecordId(id),
            owner: Account::Customer(CustomerId(1)),
            policy: PolicyId(1),
            name: DomainName::from_text(name).expect("a name"),
            subdomains,
            answer: if rtype == 0 { FixedAnswer::NxDomain } else { FixedAnswer::Records(vec![data]) },
            ttl_s: 60,
            comment: String::new(),
            created: Timestamp(0),
        }
    }

    fn find(records: &LocalRecords, name: &str, qtype: u16) -> Option<u32> {
        let name = DomainName::from_text(name).expect("a name");
        records.find(&Suffixes::new(name.as_name(), NameKey(1)), qtype).map(|record| record.id.0)
    }

    #[test]
    fn the_longest_name_answers_and_names_below_only_where_the_record_says_so() {
        let mut records = LocalRecords::new(NameKey(1));
        let wide = record(1, "home.test", true, 1);
        records.insert(&wide);
        records.insert(&record(2, "nas.home.test", false, 1));
        for (name, id) in
            [("home.test", Some(1)), ("nas.home.test", Some(2)), ("a.nas.home.test", Some(1)), ("test", None)]
        {
            assert_eq!(find(&records, name, 1), id, "{name}");
        }
        records.insert(&record(3, "home.test", false, 1));
        records.remove(&wide);
        assert_eq!((find(&records, "home.test", 1), find(&records, "x.home.test", 1)), (Some(3), None));
        records.remove(&record(3, "home.test", false, 1));
        records.remove(&record(2, "nas.home.test", false, 1));
        assert!(records.is_empty());
    }

    #[test]
    fn of_several_records_of_a_name_the_one_of_the_type_answers_an_alias_or_denial_before_it() {
        let mut records = LocalRecords::new(NameKey(1));
        records.insert(&record(1, "a.test", false, 16));
        records.insert(&record(2, "a.test", true, 1));
        assert_eq!(find(&records, "a.test", 1), Some(2));
        assert_eq!(find(&records, "a.test", 16), Some(1));
        assert_eq!(find(&records, "a.test", 28), Some(1), "a record of another type says that there is none");
        assert_eq!(find(&records, "b.a.test", 16), Some(2));
        records.insert(&record(3, "a.test", false, CNAME));
        assert_eq!(find(&records, "a.test", 1), Some(3));
        records.insert(&record(4, "a.test", false, 0));
        assert_eq!(find(&records, "a.test", 1), Some(4));
    }

    #[test]
    fn inherited_records_answer_what_the_own_ones_do_not() {
        let (mut own, mut default) = (LocalRecords::new(NameKey(1)), LocalRecords::new(NameKey(1)));
        own.insert(&record(1, "home.test", true, 1));
        default.insert(&record(2, "nas.home.test", false, 1));
        default.insert(&record(3, "office.test", false, 1));
        let both = own.over(&default);
        assert_eq!(find(&both, "nas.home.test", 1), Some(1));
        assert_eq!(find(&both, "office.test", 1), Some(3));
        let name = DomainName::from_text("office.test").expect("a name");
        let suffixes = Suffixes::new(name.as_name(), NameKey(1));
        assert_eq!(both.get(&suffixes, LocalRecordId(3)).map(|record| record.ttl_s), Some(60));
        assert_eq!(find(&own, "office.test", 1), None);
    }
}
