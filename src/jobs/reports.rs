//! Reports that are due, made and mailed.
//!
//! A run is written down when the relay has taken the mail, before anything else is sent: a restart
//! finds the report due still, or done. What fails is tried again ten minutes later, then more and more rarely. What
//! cannot go out as things are (no address, no mail server) waits until they are changed. The reason stands in the
//! report's row meanwhile, and is told in the log once.

use crate::{
    mail::{Attachment, Mail, MailError, Mailer, Relay},
    model::*,
    reports::{self, Document, ReportKey},
    stats::{Days, Stats, StatsError},
    store::{Actor, Batch, CommitError, Revision, Row, Store},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often it is looked for due reports.
const PERIOD: Duration = Duration::from_secs(10);
/// What failed is tried again after this time, which doubles with each failure.
const AGAIN: Duration = Duration::from_secs(600);
/// The longest of these times.
const AGAIN_MAX: Duration = Duration::from_secs(6 * 3600);
/// What went out but could not be written down rests so long: a full disk does not make it go out twice.
const UNWRITTEN: Duration = Duration::from_secs(86_400);
/// How often a run is written down anew because somebody else was faster.
const ATTEMPTS_MAX: u32 = 8;
/// Octets of a reason that are kept.
const REASON_OCTETS_MAX: usize = 500;

/// What mailing reports takes.
#[derive(Clone)]
pub struct ReportParts {
    /// Schedules, runs, mail servers.
    pub store: Store,
    /// What the reports say.
    pub stats: Stats,
    /// Who hands them over.
    pub mailer: Arc<dyn Mailer>,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// Makes and mails reports as they become due, one after the other.
pub async fn mail_reports(parts: ReportParts, stop: CancellationToken) {
    let mut failed = Failed::default();
    // A report under way is finished: only the pause is cut short.
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        parts.turn(&mut failed, &stop).await;
    }
}

/// A report of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    Scheduled(ScheduledReportId),
    Defined(ReportId),
}

/// Reports that are not tried again at once.
type Failed = HashMap<Which, Rest>;

/// How long a report is not tried again.
#[derive(Debug)]
struct Rest {
    /// Failures in a row.
    failures: u32,
    /// Not before this time; `None`: not before something has changed.
    until: Option<Instant>,
    /// What was there when it failed.
    circumstances: Circumstances,
}

/// Revisions of the rows that a run depends on, and when somebody asked for it.
type Circumstances = ([Option<Revision>; 4], Option<Timestamp>);

/// Why a report did not go out.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("no mail server is set for this account")]
    NoServer,
    #[error("the customer has no e-mail address")]
    NoAddress,
    #[error("there is no report {0}")]
    NoReport(String),
    #[error("the query log could not be read: {0}")]
    Stats(#[from] StatsError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("the mail went out, but that could not be written down: {0}")]
    Commit(#[from] CommitError),
}

impl ReportParts {
    /// Looks at every report once.
    async fn turn(&self, failed: &mut Failed, stop: &CancellationToken) {
        let (parts, now) = (self.clone(), instant((self.clock)()));
        let due = tokio::task::spawn_blocking(move || parts.due(now).collect::<Vec<Which>>()).await;
        let due = due.unwrap_or_default();
        // Whatever was done about the others, they are not due any more.
        let still: HashSet<Which> = due.iter().copied().collect();
        failed.retain(|which, _| still.contains(which));
        for which in due {
            let rests = failed.get(&which).is_some_and(|rest| match rest.until {
                Some(until) => Instant::now() < until,
                None => rest.circumstances == self.circumstances(which),
            });
            if rests {
                continue;
            }
            if stop.is_cancelled() {
                return;
            }
            let outcome = match which {
                Which::Scheduled(id) => self.run_scheduled(id).await,
                Which::Defined(id) => self.run_defined(id).await,
            };
            let word = if outcome.is_ok() { "sent" } else { "failed" };
            metrics::counter!("weir_reports_total", "outcome" => word).increment(1);
            match outcome {
                Ok(()) => {
                    failed.remove(&which);
                }
                Err(error) => {
                    self.note(which, &error).await;
                    let failures = failed.get(&which).map_or(0, |rest| rest.failures).saturating_add(1);
                    let until = match error {
                        RunError::NoServer | RunError::NoAddress | RunError::NoReport(_) => None,
                        RunError::Commit(_) => Some(UNWRITTEN),
                        RunError::Stats(_) | RunError::Mail(_) => {
                            Some(AGAIN.saturating_mul(1 << (failures - 1).min(16)).min(AGAIN_MAX))
                        }
                    };
                    let until = until.map(|rest| Instant::now() + rest);
                    // As they are after the reason was written down.
                    failed.insert(which, Rest { failures, until, circumstances: self.circumstances(which) });
                }
            }
        }
    }

    /// What has to change before a report is tried again that cannot go out as things are.
    fn circumstances(&self, which: Which) -> Circumstances {
        let (report, id, queued) = match which {
            Which::Scheduled(id) => match self.store.find::<ScheduledReport>(id.0) {
                None => return Circumstances::default(),
                Some(row) => {
                    let queued = self.run_of(&row.value).and_then(|run| run.value.queued);
                    (row.revision, row.value.customer, queued)
                }
            },
            Which::Defined(id) => match self.store.find::<Report>(id.0) {
                None => return Circumstances::default(),
                Some(row) => (row.revision, row.value.customer, None),
            },
        };
        let customer = self.store.find::<Customer>(id.0);
        let server = |owner| self.store.get::<MailServer>(owner, 1).map(|row| row.revision);
        let above = customer.as_ref().and_then(|row| server(row.value.parent()));
        ([Some(report), customer.map(|row| row.revision), above, server(Account::System)], queued)
    }

    fn due(&self, now: jiff::Timestamp) -> impl Iterator<Item = Which> + '_ {
        let scheduled = self.store.all::<ScheduledReport>().filter_map(move |row| {
            let (report, customer) = (&row.value, self.customer(row.value.customer)?);
            let run = self.run_of(report);
            let since = run.as_ref().and_then(|run| run.value.last_run).unwrap_or(report.created);
            let queued = run.is_some_and(|run| run.value.queued.is_some());
            let due = queued || reports::is_due(report.frequency, instant(since), now, &self.stats.zone_of(&customer));
            due.then_some(Which::Scheduled(report.id))
        });
        let defined = self.store.all::<Report>().filter_map(move |row| {
            let (report, customer) = (&row.value, self.customer(row.value.customer)?);
            let first = report.run_now && report.runs == 0;
            let since = report.last_run.unwrap_or(report.created);
            let left = report.times == 0 || report.runs < report.times.saturating_add(u32::from(report.run_now));
            let zone = self.stats.zone_of(&customer);
            let due = first || left && reports::is_due(report.frequency, instant(since), now, &zone);
            due.then_some(Which::Defined(report.id))
        });
        scheduled.chain(defined)
    }

    /// A customer that is served.
    fn customer(&self, id: CustomerId) -> Option<Customer> {
        self.store.find::<Customer>(id.0).map(|row| row.value).filter(|customer| !customer.suspended)
    }

    fn run_of(&self, report: &ScheduledReport) -> Option<Row<ScheduledReportRun>> {
        self.store.get(Account::Customer(report.customer), report.id.0)
    }

    /// The relay of the customer's MSP, else the system's.
    fn mail_server(&self, customer: &Customer) -> Result<MailServer, RunError> {
        let of = |owner| self.store.get::<MailServer>(owner, 1).map(|row| row.value);
        of(customer.parent()).or_else(|| of(Account::System)).ok_or(RunError::NoServer)
    }

    async fn run_scheduled(&self, id: ScheduledReportId) -> Result<(), RunError> {
        let Some(report) = self.store.find::<ScheduledReport>(id.0).map(|row| row.value) else { return Ok(()) };
        let Some(customer) = self.customer(report.customer) else { return Ok(()) };
        let started = (self.clock)();
        let server = self.mail_server(&customer)?;
        let key: ReportKey = report.report.parse().map_err(|()| RunError::NoReport(report.report.clone()))?;
        let days = self.covered(&customer, report.range, started);
        let records = usize::try_from(report.records).unwrap_or(usize::MAX);
        let document = reports::of_key(&self.stats, &customer, key, days, records, instant(started)).await?;
        let relay = Relay { server: server.server, sender: report.sender.clone() };
        let mut text = report.description.clone();
        if !text.is_empty() {
            text.push_str("\r\n\r\n");
        }
        text.push_str(&summary(&document));
        let attachment = attachment(document, &report.report, report.format);
        let mail = Mail { to: report.recipients, subject: report.subject, text, attachments: vec![attachment] };
        self.mailer.send(relay, mail).await?;
        self.record(id, |run| ScheduledReportRun {
            last_run: Some(started),
            // Somebody may have asked for another run in the meantime.
            queued: run.queued.filter(|queued| *queued > started),
            last_error: String::new(),
            ..run
        })
        .await
    }

    /// Writes down how far a scheduled report is, if it is still there.
    async fn record(
        &self,
        id: ScheduledReportId,
        change: impl Fn(ScheduledReportRun) -> ScheduledReportRun,
    ) -> Result<(), RunError> {
        for attempt in 1.. {
            let Some(report) = self.store.find::<ScheduledReport>(id.0) else { return Ok(()) };
            let batch = Batch::new(Actor::Daemon, "mail_scheduled_report", (self.clock)());
            let batch = match self.run_of(&report.value) {
                Some(row) => batch.update(&row, &change(row.value.clone())),
                None => {
                    let customer = report.value.customer;
                    let new = ScheduledReportRun {
                        report: id,
                        customer,
                        last_run: None,
                        queued: None,
                        last_error: String::new(),
                    };
                    // Not for a report that goes at this moment.
                    batch.expect(&report).create(&change(new))
                }
            };
            match self.store.commit(batch).await {
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {}
                outcome => return Ok(outcome.map(|_| ())?),
            }
        }
        Ok(())
    }

    async fn run_defined(&self, id: ReportId) -> Result<(), RunError> {
        let Some(report) = self.store.find::<Report>(id.0).map(|row| row.value) else { return Ok(()) };
        let Some(customer) = self.customer(report.customer) else { return Ok(()) };
        let started = (self.clock)();
        if customer.email.is_empty() {
            return Err(RunError::NoAddress);
        }
        let server = self.mail_server(&customer)?;
        let range = match report.frequency {
            Frequency::Daily => ReportRange::Yesterday,
            Frequency::Weekly => ReportRange::LastWeek,
            Frequency::Monthly => ReportRange::LastMonth,
        };
        let days = self.covered(&customer, range, started);
        let title = if report.name.is_empty() { "Report" } else { report.name.as_str() };
        let document = reports::overview(&self.stats, &customer, title, days, instant(started)).await?;
        let relay = Relay { server: server.server, sender: server.sender };
        let mail = Mail {
            to: vec![customer.email],
            subject: title.to_owned(),
            text: summary(&document),
            attachments: vec![attachment(document, "report", ReportFormat::Pdf)],
        };
        self.mailer.send(relay, mail).await?;
        self.record_defined(id, |report| Report {
            runs: report.runs.saturating_add(1),
            last_run: Some(started),
            last_error: String::new(),
            ..report
        })
        .await
    }

    /// Writes down how far a report is, if it is still there.
    async fn record_defined(&self, id: ReportId, change: impl Fn(Report) -> Report) -> Result<(), RunError> {
        for attempt in 1.. {
            let Some(row) = self.store.find::<Report>(id.0) else { return Ok(()) };
            let new = change(row.value.clone());
            let batch = Batch::new(Actor::Daemon, "mail_report", (self.clock)()).update(&row, &new);
            match self.store.commit(batch).await {
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {}
                outcome => return Ok(outcome.map(|_| ())?),
            }
        }
        Ok(())
    }

    /// Writes down why a report did not go out, and tells it, where that is not known already.
    async fn note(&self, which: Which, error: &RunError) {
        let mut reason = error.to_string();
        reason.truncate(reason.floor_char_boundary(REASON_OCTETS_MAX));
        let known = match which {
            Which::Scheduled(id) => {
                let report = self.store.find::<ScheduledReport>(id.0);
                report.and_then(|report| self.run_of(&report.value)).map(|run| run.value.last_error)
            }
            Which::Defined(id) => self.store.find::<Report>(id.0).map(|row| row.value.last_error),
        };
        if known.as_deref() == Some(&reason) {
            tracing::debug!(report = ?which, %error, "a report failed again");
            return;
        }
        tracing::warn!(report = ?which, %error, "a report failed");
        let noted = match which {
            Which::Scheduled(id) => {
                self.record(id, |run| ScheduledReportRun { last_error: reason.clone(), ..run }).await
            }
            Which::Defined(id) => {
                self.record_defined(id, |report| Report { last_error: reason.clone(), ..report }).await
            }
        };
        if let Err(error) = noted {
            tracing::error!(report = ?which, %error, "the reason could not be written down");
        }
    }

    fn covered(&self, customer: &Customer, range: ReportRange, now: Timestamp) -> Days {
        let zone = self.stats.zone_of(customer);
        let (first, last) = reports::covered(range, Days::today(&zone, instant(now)));
        Days { zone, first, last }
    }
}

fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.0).unwrap_or_default()
}

/// What stands in the mail itself.
fn summary(document: &Document) -> String {
    let facts = document.facts.iter().map(|(label, text)| format!("{label}: {text}\r\n"));
    format!("{}\r\n\r\n{}", document.title, facts.collect::<String>())
}

fn attachment(document: Document, name: &str, format: ReportFormat) -> Attachment {
    match format {
        ReportFormat::Pdf => {
            Attachment { file_name: format!("{name}.pdf"), content_type: "application/pdf", octets: document.pdf() }
        }
        ReportFormat::Csv => Attachment {
            file_name: format!("{name}.csv"),
            content_type: "text/csv; charset=utf-8",
            octets: document.csv(),
        },
    }
}

#[cfg(test)]
mod tests;
