//! Reports that are due, made and mailed.
//!
//! A run is written down when the relay has taken the mail, before anything else is sent: a restart
//! finds the report due still, or done. What fails is tried again ten minutes later, and the reason
//! stands in the run's row meanwhile.

use crate::{
    mail::{Attachment, Mail, MailError, Mailer, Relay},
    model::*,
    reports::{self, Document, ReportKey},
    stats::{Days, Stats, StatsError},
    store::{Actor, Batch, CommitError, Row, Store},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often it is looked for due reports.
const PERIOD: Duration = Duration::from_secs(10);
/// What failed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(600);
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

/// Reports that are not tried again before a time.
type Failed = HashMap<Which, Instant>;

/// Why a report did not go out.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("no mail server is set for this account")]
    NoServer,
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
        failed.retain(|_, again| *again > Instant::now());
        let (parts, now) = (self.clone(), instant((self.clock)()));
        let due = tokio::task::spawn_blocking(move || parts.due(now).collect::<Vec<Which>>()).await;
        for which in due.unwrap_or_default() {
            if failed.contains_key(&which) {
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
            if let Err(error) = outcome {
                let rest = if matches!(error, RunError::Commit(_)) { UNWRITTEN } else { AGAIN };
                failed.insert(which, Instant::now() + rest);
                tracing::warn!(report = ?which, %error, again_after_s = rest.as_secs(), "a report failed");
                self.note(which, &error).await;
            }
        }
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
        for attempt in 1.. {
            let Some(row) = self.store.find::<Report>(id.0) else { return Ok(()) };
            let runs = row.value.runs.saturating_add(1);
            let new = Report { runs, last_run: Some(started), ..row.value.clone() };
            let batch = Batch::new(Actor::Daemon, "mail_report", (self.clock)()).update(&row, &new);
            match self.store.commit(batch).await {
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {}
                outcome => return Ok(outcome.map(|_| ())?),
            }
        }
        Ok(())
    }

    /// Writes down why a scheduled report did not go out.
    async fn note(&self, which: Which, error: &RunError) {
        let Which::Scheduled(id) = which else { return };
        let mut reason = error.to_string();
        reason.truncate(reason.floor_char_boundary(REASON_OCTETS_MAX));
        let noted = self.record(id, |run| ScheduledReportRun { last_error: reason.clone(), ..run }).await;
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
