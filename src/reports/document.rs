//! What a report says.

use super::key::{ReportKey, Subject};
use crate::{
    model::{Customer, CustomerId},
    stats::{Counts, DaySums, Days, Measure, Names, Of, Stats, StatsError},
};
use jiff::Timestamp;

/// Rows of each section of the overview.
const OVERVIEW_ROWS: usize = 10;

/// A report's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is called.
    pub title: String,
    /// Labels and texts that stand above the tables.
    pub facts: Vec<(&'static str, String)>,
    /// The tables.
    pub sections: Vec<Section>,
}

/// A table: a name and its counts a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is called; empty where the document's title says it.
    pub title: &'static str,
    /// What its rows are.
    pub subject: &'static str,
    /// The rows.
    pub rows: Vec<(String, Counts)>,
}

/// One table of at most `records` rows.
pub async fn of_key(
    stats: &Stats,
    customer: &Customer,
    key: ReportKey,
    days: Days,
    records: usize,
    now: Timestamp,
) -> Result<Document, StatsError> {
    let sums = stats.sums(Of::Customer(customer.id), days.clone(), now).await?;
    let rows = match key.subject {
        Subject::Day => by_day(stats, customer.id, &days, records, now).await?,
        subject => rows(&mut stats.names(), &sums, subject, key.measure, records),
    };
    let section = Section { title: "", subject: heading(key.subject), rows };
    Ok(Document { title: key.title().to_owned(), facts: facts(customer, &days, &sums, now), sections: vec![section] })
}

/// Totals and the first rows of everything.
pub async fn overview(
    stats: &Stats,
    customer: &Customer,
    title: &str,
    days: Days,
    now: Timestamp,
) -> Result<Document, StatsError> {
    let sums = stats.sums(Of::Customer(customer.id), days.clone(), now).await?;
    let mut sections = Vec::new();
    if days.first != days.last {
        let rows = by_day(stats, customer.id, &days, usize::MAX, now).await?;
        sections.push(Section { title: "Requests by day", subject: heading(Subject::Day), rows });
    }
    let mut names = stats.names();
    for (title, subject, measure) in [
        ("Most blocked domains", Subject::Domain, Measure::Blocked),
        ("Most blocked categories", Subject::Category, Measure::Blocked),
        ("Most requested domains", Subject::Domain, Measure::Requests),
        ("Most requested categories", Subject::Category, Measure::Requests),
        ("Users with the most requests", Subject::User, Measure::Requests),
        ("Locations with the most requests", Subject::Location, Measure::Requests),
    ] {
        let rows = rows(&mut names, &sums, subject, measure, OVERVIEW_ROWS);
        sections.push(Section { title, subject: heading(subject), rows });
    }
    Ok(Document { title: title.to_owned(), facts: facts(customer, &days, &sums, now), sections })
}

fn heading(subject: Subject) -> &'static str {
    match subject {
        Subject::User => "User",
        Subject::Category => "Category",
        Subject::Domain => "Domain",
        Subject::Location => "Location",
        Subject::Day => "Day",
        Subject::Hour => "Hour",
    }
}

fn facts(customer: &Customer, days: &Days, sums: &DaySums, now: Timestamp) -> Vec<(&'static str, String)> {
    let period =
        if days.first == days.last { days.first.to_string() } else { format!("{} to {}", days.first, days.last) };
    let zone = days.zone.iana_name().unwrap_or("local time");
    let made = now.to_zoned(days.zone.clone()).strftime("%Y-%m-%d %H:%M");
    vec![
        ("Account", customer.name.clone()),
        ("Period", period),
        ("Made", format!("{made} ({zone})")),
        ("Requests", sums.total.requests().to_string()),
        ("Allowed", sums.total.allowed.to_string()),
        ("Blocked", sums.total.blocked.to_string()),
        ("Different domains", sums.names.distinct().to_string()),
        ("Users", sums.clients.distinct().to_string()),
    ]
}

async fn by_day(
    stats: &Stats,
    customer: CustomerId,
    days: &Days,
    records: usize,
    now: Timestamp,
) -> Result<Vec<(String, Counts)>, StatsError> {
    let by_day = stats.by_day(Of::Customer(customer), days.clone(), now).await?;
    Ok(by_day.into_iter().take(records).map(|(date, counts)| (date.to_string(), counts)).collect())
}

fn rows(
    names: &mut Names,
    sums: &DaySums,
    subject: Subject,
    measure: Measure,
    records: usize,
) -> Vec<(String, Counts)> {
    match subject {
        Subject::User => {
            let top = sums.clients.top(measure, records);
            top.into_iter().map(|(client, counts)| (names.client(client), counts)).collect()
        }
        Subject::Category => {
            let top = sums.top_categories(measure, records);
            top.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect()
        }
        Subject::Domain => {
            let top = sums.names.top(measure, records);
            top.into_iter().map(|(name, counts)| (name.into_string(), counts)).collect()
        }
        Subject::Location => {
            let top = sums.locations.top(measure, records);
            top.into_iter().map(|(id, counts)| (names.location(id), counts)).collect()
        }
        // Days are not in the sums of many: they are asked for one by one.
        Subject::Day => Vec::new(),
        Subject::Hour => {
            let hours = sums.hours.iter().enumerate().take(records);
            hours.map(|(hour, counts)| (format!("{hour:02}:00"), *counts)).collect()
        }
    }
}

impl Document {
    /// Its tables as CSV (RFC 4180), one after the other, each with a line of headings.
    pub fn csv(&self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(vec![]);
        let mut put = |fields: &[&str]| writer.write_record(fields).expect("texts into memory");
        for section in &self.sections {
            if !section.title.is_empty() {
                put(&[section.title]);
            }
            put(&[section.subject, "Requests", "Allowed", "Blocked"]);
            for (name, counts) in &section.rows {
                let numbers = [counts.requests(), counts.allowed, counts.blocked].map(|number| number.to_string());
                put(&[&no_formula(name), &numbers[0], &numbers[1], &numbers[2]]);
            }
        }
        writer.into_inner().expect("texts into memory")
    }
}

/// A spreadsheet runs what begins like a formula; an apostrophe makes it text.
fn no_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn document(rows: Vec<(String, Counts)>) -> Document {
        Document {
            title: "Requests by user".to_owned(),
            facts: vec![("Account", "Müller & Söhne".to_owned()), ("Period", "2025-01-15".to_owned())],
            sections: vec![Section { title: "", subject: "User", rows }],
        }
    }

    #[test]
    fn csv_has_a_line_a_row_and_no_formulas() {
        let counts = Counts { allowed: 3, blocked: 1, bypassed: 0 };
        let rows = vec![("Ada, \"the\" first".to_owned(), counts), ("=1+1".to_owned(), counts)];
        let expected = "User,Requests,Allowed,Blocked\r\n\"Ada, \"\"the\"\" first\",4,3,1\r\n'=1+1,4,3,1\r\n";
        assert_eq!(String::from_utf8(document(rows).csv()).expect("text"), expected);
    }
}
