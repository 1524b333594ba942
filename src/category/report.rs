//! What `weir category lookup` and `weir category stats` show.

use super::{Catalogue, Index};
use crate::model::{CategoryId, CategorySet, DomainName, NameError, Timestamp};
use std::{fmt, path::PathBuf};

/// What the index says about one name that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The name as it was given.
    pub asked: String,
    /// Each stored name that speaks for it with its categories, shortest first; empty: unclassified.
    pub found: Result<Vec<(DomainName, CategorySet)>, NameError>,
}

impl Lookup {
    /// All categories of the name.
    pub fn set(&self) -> CategorySet {
        self.found.iter().flatten().fold(CategorySet::EMPTY, |all, &(_, set)| all.union(set))
    }
}

/// One line a name; the categories of each ancestor that is stored.
impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.asked.escape_debug())?;
        match &self.found {
            Err(error) => write!(f, "{error}"),
            Ok(found) if found.is_empty() => f.write_str("Unclassified"),
            Ok(found) => {
                for (index, (name, set)) in found.iter().enumerate() {
                    let categories: Vec<&str> = Catalogue::get().names(*set).collect();
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{} ({name})", categories.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

/// Lookups of several names, in the order they were asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupReport(pub Vec<Lookup>);

impl LookupReport {
    /// Whether something that was asked is no name.
    pub fn has_faults(&self) -> bool {
        self.0.iter().any(|lookup| lookup.found.is_err())
    }
}

impl fmt::Display for LookupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, lookup) in self.0.iter().enumerate() {
            write!(f, "{}{lookup}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// What an index holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The file; `None` for the starter set.
    pub source: Option<PathBuf>,
    /// When it was built.
    pub built_at: Timestamp,
    /// Different names.
    pub names: u64,
    /// (name, source) pairs they came from.
    pub listings: u64,
    /// Octets of the index.
    pub octets: u64,
    /// Different combinations of categories.
    pub sets: usize,
    /// Names of each category, by its number; a name counts in each of its categories.
    pub categories: Vec<(CategoryId, u64)>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built_at = jiff::Timestamp::from_second(self.built_at.0).map(|time| time.to_string());
        match &self.source {
            Some(path) => {
                writeln!(f, "{}, built {}", path.display(), built_at.as_deref().unwrap_or("at no known time"))?
            }
            None => writeln!(f, "the starter set")?,
        }
        for (id, names) in &self.categories {
            let category = Catalogue::get().by_id(*id);
            let level = category.map_or_else(String::new, |category| format!("{:?}", category.level));
            let name = category.map_or("(no category of this program)", |category| &category.name);
            writeln!(f, "{id:>3} {level:1} {name:26} {names:>10}")?;
        }
        let each = self.octets as f64 / self.names.max(1) as f64;
        write!(
            f,
            "{} entries, {} different names, {} combinations of categories, {} bytes, {each:.1} bytes a name",
            self.listings, self.names, self.sets, self.octets
        )
    }
}

impl Index {
    /// Looks up names as people write them.
    pub fn lookup_report(&self, names: impl IntoIterator<Item = impl Into<String>>) -> LookupReport {
        let lookups = names.into_iter().map(|asked| {
            let asked = asked.into();
            let found = DomainName::from_text(&asked).map(|name| self.explain(name.as_name()));
            Lookup { asked, found }
        });
        LookupReport(lookups.collect())
    }

    /// Counts what the index holds: every category of the catalogue, and any other number in use.
    pub fn stats(&self) -> Stats {
        let mut counts = [0; 64];
        let (mut sets, mut used) = (0, CategorySet::EMPTY);
        for (set, names) in self.sets() {
            sets += 1;
            used = used.union(set);
            set.iter().for_each(|id| counts[usize::from(id.number())] += names);
        }
        let categories = Catalogue::get().all().union(used).iter();
        Stats {
            source: self.source().map(Into::into),
            built_at: self.built_at(),
            names: self.len(),
            listings: self.listings(),
            octets: self.octets(),
            sets,
            categories: categories.map(|id| (id, counts[usize::from(id.number())])).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let names = [("example.com", 1u64 << 5), ("mail.example.com", 1 << 45 | 1 << 4), ("other.example", 1 << 40)];
        let names = names.map(|(text, bits)| (DomainName::from_text(text).expect("a valid name"), CategorySet(bits)));
        Index::from_names(names, [7; 16], Timestamp(1_790_000_000)).expect("a sound index")
    }

    #[test]
    fn a_lookup_shows_every_name_that_speaks_and_what_is_no_name() {
        let report = index().lookup_report(["IMAP.mail.example.com", "example.net", "a b"]);
        assert_eq!(
            report.to_string(),
            "IMAP.mail.example.com: Spyware and Malicious Sites (example.com); \
             Phishing/Fraud, Web-based Email (mail.example.com)\n\
             example.net: Unclassified\n\
             a b: the name contains ' '"
        );
        assert!(report.has_faults());
        assert_eq!(report.0[0].set(), CategorySet(1 << 5 | 1 << 45 | 1 << 4));
    }

    #[test]
    fn stats_count_every_category_and_numbers_this_program_does_not_know() {
        let stats = index().stats();
        assert_eq!((stats.names, stats.sets, stats.categories.len()), (3, 3, 54));
        let count = |number| stats.categories.iter().find(|(id, _)| id.number() == number).map(|&(_, names)| names);
        assert_eq!([count(4), count(5), count(45), count(40), count(0)], [Some(1), Some(1), Some(1), Some(1), Some(0)]);
        let text = stats.to_string();
        assert!(text.starts_with("the starter set\n  0 L Compromised"), "{text}");
        assert!(text.ends_with("bytes a name") && text.contains("\n 40   (no category of this program)"), "{text}");
    }
}
