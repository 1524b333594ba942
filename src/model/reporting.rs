//! Reports: definitions, and schedules that mail them.

use super::{CustomerId, ReportId, ScheduledReportId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Frequency {
    /// After each day of the customer's time zone.
    Daily,
    /// After each week, which begins on Monday.
    Weekly,
    /// After each month.
    Monthly,
}

/// A report that is made a number of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its number in the store.
    pub id: ReportId,
    /// Its name outside; unique.
    pub uuid: Uuid,
    /// Whose it is.
    pub customer: CustomerId,
    /// Display name.
    pub name: String,
    /// How often it runs.
    pub frequency: Frequency,
    /// It also runs once as soon as it is saved.
    pub run_now: bool,
    /// How many times it runs; 0 means without end.
    pub times: u32,
    /// How many times it ran.
    pub runs: u32,
    /// The last time it went out.
    pub last_run: Option<Timestamp>,
    /// Why it did not go out since; empty if it did, or was not due.
    pub last_error: String,
    /// When it was made.
    pub created: Timestamp,
}

/// What a mailed report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReportFormat {
    /// A document.
    Pdf,
    /// A table.
    Csv,
}

/// The days a report covers, in the customer's time zone. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReportRange {
    /// The day so far.
    Today,
    /// The day before.
    Yesterday,
    /// The seven days before today.
    Last7Days,
    /// The fourteen days before today.
    Last14Days,
    /// The thirty days before today.
    Last30Days,
    /// The week so far.
    ThisWeek,
    /// The week before.
    LastWeek,
    /// The month so far.
    ThisMonth,
    /// The month before.
    LastMonth,
}

/// A report that goes out by mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledReport {
    /// Its id.
    pub id: ScheduledReportId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Which report (`r_requests_category`).
    pub report: String,
    /// From whom.
    pub sender: String,
    /// To whom, at most 100.
    pub recipients: Vec<String>,
    /// Subject of the mail.
    pub subject: String,
    /// Free text.
    pub description: String,
    /// PDF or CSV.
    pub format: ReportFormat,
    /// How often.
    pub frequency: Frequency,
    /// Rows in it.
    pub records: u32,
    /// Days it covers.
    pub range: ReportRange,
    /// Filter of the history search; empty means everything.
    pub filter: String,
    /// When it was made.
    pub created: Timestamp,
}

/// How far a scheduled report has got, apart from it so that a run does not collide with an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledReportRun {
    /// Which.
    pub report: ScheduledReportId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The last time it went out.
    pub last_run: Option<Timestamp>,
    /// Somebody asked for it to run as soon as possible, at this time.
    pub queued: Option<Timestamp>,
    /// Why the last run failed; empty if it did not.
    pub last_error: String,
}
