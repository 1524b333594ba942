//! The reports there are: which queries, by what.

use crate::stats::Measure;
use std::{fmt, str::FromStr};

/// What the rows of a report are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Who asked.
    User,
    /// Categories.
    Category,
    /// Names.
    Domain,
    /// Locations.
    Location,
    /// Days.
    Day,
    /// Hours of the day.
    Hour,
}

/// A report by its key, such as `r_requests_category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportKey {
    /// Which queries its rows are sorted and chosen by.
    pub measure: Measure,
    /// What its rows are.
    pub subject: Subject,
}

const MEASURES: [(Measure, &str); 3] =
    [(Measure::Requests, "requests"), (Measure::Blocked, "blocked"), (Measure::Allowed, "allowed")];
const SUBJECTS: [(Subject, &str); 6] = [
    (Subject::User, "user"),
    (Subject::Category, "category"),
    (Subject::Domain, "domain"),
    (Subject::Location, "location"),
    (Subject::Day, "day"),
    (Subject::Hour, "hour"),
];

impl ReportKey {
    /// All of them.
    pub fn all() -> impl Iterator<Item = ReportKey> {
        let subjects = |measure| SUBJECTS.map(|(subject, _)| ReportKey { measure, subject });
        MEASURES.into_iter().flat_map(move |(measure, _)| subjects(measure))
    }

    /// What it is called in documents.
    pub fn title(self) -> &'static str {
        match (self.measure, self.subject) {
            (Measure::Blocked, Subject::User) => "Blocked requests by user",
            (Measure::Blocked, Subject::Category) => "Blocked requests by category",
            (Measure::Blocked, Subject::Domain) => "Blocked requests by domain",
            (Measure::Blocked, Subject::Location) => "Blocked requests by location",
            (Measure::Blocked, Subject::Day) => "Blocked requests by day",
            (Measure::Blocked, Subject::Hour) => "Blocked requests by hour of the day",
            (Measure::Allowed, Subject::User) => "Allowed requests by user",
            (Measure::Allowed, Subject::Category) => "Allowed requests by category",
            (Measure::Allowed, Subject::Domain) => "Allowed requests by domain",
            (Measure::Allowed, Subject::Location) => "Allowed requests by location",
            (Measure::Allowed, Subject::Day) => "Allowed requests by day",
            (Measure::Allowed, Subject::Hour) => "Allowed requests by hour of the day",
            (_, Subject::User) => "Requests by user",
            (_, Subject::Category) => "Requests by category",
            (_, Subject::Domain) => "Requests by domain",
            (_, Subject::Location) => "Requests by location",
            (_, Subject::Day) => "Requests by day",
            (_, Subject::Hour) => "Requests by hour of the day",
        }
    }
}

impl fmt::Display for ReportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure =
            MEASURES.iter().find(|(measure, _)| *measure == self.measure).map_or("requests", |(_, word)| word);
        let subject = SUBJECTS.iter().find(|(subject, _)| *subject == self.subject).map_or("domain", |(_, word)| word);
        write!(f, "r_{measure}_{subject}")
    }
}

impl FromStr for ReportKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        ReportKey::all().find(|key| key.to_string() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_as_itself() {
        assert_eq!(ReportKey::all().count(), 18);
        for key in ReportKey::all() {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for known in ["r_requests_user", "r_requests_category", "r_requests_domain"] {
            assert!(known.parse::<ReportKey>().is_ok());
        }
        assert!("r_requests".parse::<ReportKey>().is_err());
    }
}
