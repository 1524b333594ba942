//! Reports that go out by mail when they are due.

use super::{
    customers::set,
    history::Direction,
    reports::{FrequencyWord, frequency_word},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Email, Emails, Id, Label, Number, Page, Text, choices},
        operation::operations,
        reply::{Deleted, List, Object, Reply, Single},
        scope::OfCustomer,
    },
    model::{Frequency, ReportFormat, ReportRange, ScheduledReport, ScheduledReportId, ScheduledReportRun, Timestamp},
    reports::ReportKey,
    store::{Batch, Row},
};
use bytes::Bytes;
use http::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;

operations! {
    scheduled_reports {
        /// Lists a customer's schedules.
        GET "/users/{id}/scheduledreports" for [System, Sales, Msp, Customer] => list_scheduled_reports = list;
        /// Creates a schedule.
        /// It goes out after each day, week or month that follows, by the customer's clock.
        POST "/users/{id}/scheduledreports" for [System, Sales, Msp, Customer] => create_scheduled_report = create;
        /// Shows a schedule.
        GET "/users/{id}/scheduledreports/{scheduledreportid}" for [System, Sales, Msp, Customer]
            => get_scheduled_report = get;
        /// Changes a schedule; absent fields stay.
        POST or PUT "/users/{id}/scheduledreports/{scheduledreportid}" for [System, Sales, Msp, Customer]
            => update_scheduled_report = update;
        /// Deletes a schedule.
        DELETE "/users/{id}/scheduledreports/{scheduledreportid}" for [System, Sales, Msp, Customer]
            => delete_scheduled_report = delete;
        /// Runs a schedule as soon as possible.
        POST "/users/{id}/scheduledreports/{scheduledreportid}/queue" for [System, Sales, Msp, Customer]
            => queue_scheduled_report = queue;
    }
}

/// Schedules of one customer.
const SCHEDULES_MAX: usize = 1000;
/// Rows of a report where nothing is said.
const RECORDS: u32 = 20;

choices! {
    /// What a report looks like.
    pub enum FormatWord {
        /// Pages.
        Pdf = "pdf",
        /// A table.
        Csv = "csv",
    }

    /// The days a report covers, by the customer's clock. Weeks begin on Monday.
    pub enum RangeWord {
        /// The day so far.
        Today = "today",
        /// The day before.
        Yesterday = "yesterday",
        /// The seven days before today.
        Last7Days = "last7days",
        /// The fourteen days before today.
        Last14Days = "last14days",
        /// The thirty days before today.
        Last30Days = "last30days",
        /// The week so far.
        ThisWeek = "thisweek",
        /// The week before.
        LastWeek = "lastweek",
        /// The month so far.
        ThisMonth = "thismonth",
        /// The month before.
        LastMonth = "lastmonth",
    }
}

impl From<FormatWord> for ReportFormat {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Pdf => ReportFormat::Pdf,
            FormatWord::Csv => ReportFormat::Csv,
        }
    }
}

/// Ranges by their words.
const RANGES: [(RangeWord, ReportRange, &str); 9] = [
    (RangeWord::Today, ReportRange::Today, "today"),
    (RangeWord::Yesterday, ReportRange::Yesterday, "yesterday"),
    (RangeWord::Last7Days, ReportRange::Last7Days, "last7days"),
    (RangeWord::Last14Days, ReportRange::Last14Days, "last14days"),
    (RangeWord::Last30Days, ReportRange::Last30Days, "last30days"),
    (RangeWord::ThisWeek, ReportRange::ThisWeek, "thisweek"),
    (RangeWord::LastWeek, ReportRange::LastWeek, "lastweek"),
    (RangeWord::ThisMonth, ReportRange::ThisMonth, "thismonth"),
    (RangeWord::LastMonth, ReportRange::LastMonth, "lastmonth"),
];

impl From<RangeWord> for ReportRange {
    fn from(word: RangeWord) -> Self {
        RANGES.iter().find(|(known, ..)| *known == word).map_or(ReportRange::Yesterday, |(_, range, _)| *range)
    }
}

fn range_word(range: ReportRange) -> &'static str {
    RANGES.iter().find(|(_, known, _)| *known == range).map_or("yesterday", |(.., word)| word)
}

/// The key of a report.
#[derive(Clone, Copy, Debug)]
struct KeyWord(ReportKey);

impl<'de> Deserialize<'de> for KeyWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<64>::deserialize(deserializer)?.0;
        text.trim().to_ascii_lowercase().parse().map(KeyWord).map_err(|()| {
            let known: Vec<String> = ReportKey::all().map(|key| key.to_string()).collect();
            de::Error::custom(format!("must be one of: {}", known.join(" ")))
        })
    }
}

impl JsonSchema for KeyWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ReportKey".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known: Vec<String> = ReportKey::all().map(|key| key.to_string()).collect();
        json_schema!({ "type": "string", "enum": known })
    }
}

/// A schedule as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Schedule {
    id: u32,
    report: String,
    /// Addresses between commas.
    recipients: String,
    sender: String,
    subject: String,
    description: String,
    format: &'static str,
    frequency: &'static str,
    /// Rows in it, at most.
    records: u32,
    range: &'static str,
    has_filter: bool,
    /// When it last went out, UTC.
    last_run: Option<String>,
    /// Why it did not go out the last time; empty where it did.
    last_error: String,
}

impl Object for Schedule {
    fn object(&self) -> &'static str {
        "scheduledreport"
    }
}

fn run_of(call: &Call<OfCustomer>, report: &ScheduledReport) -> Option<Row<ScheduledReportRun>> {
    call.view.find::<ScheduledReportRun>(report.id.0, "schedule").ok()
}

fn show(call: &Call<OfCustomer>, report: &ScheduledReport) -> Schedule {
    let run = run_of(call, report).map(|row| row.value);
    Schedule {
        id: report.id.0,
        report: report.report.clone(),
        recipients: report.recipients.join(","),
        sender: report.sender.clone(),
        subject: report.subject.clone(),
        description: report.description.clone(),
        format: match report.format {
            ReportFormat::Pdf => "pdf",
            ReportFormat::Csv => "csv",
        },
        frequency: frequency_word(report.frequency),
        records: report.records,
        range: range_word(report.range),
        has_filter: !report.filter.is_empty(),
        last_run: run.as_ref().and_then(|run| run.last_run).map(crate::api::reply::time_text),
        last_error: run.map_or(String::new(), |run| run.last_error),
    }
}

fn find(call: &Call<OfCustomer>, id: ScheduledReportId) -> Result<Row<ScheduledReport>, ApiError> {
    call.view.find(id.0, "schedule")
}

fn single(call: &Call<OfCustomer>, id: ScheduledReportId) -> Result<Single<Schedule>, ApiError> {
    let row = find(call, id)?;
    Ok(Single::new(show(call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Sorted {
    /// By id; `desc`, the newest first, where it is absent.
    #[serde(default)]
    order_dir: Option<Direction>,
}

async fn list(call: Call<OfCustomer>, Both(sorted, page): Both<Sorted, Page>) -> Result<List<Schedule>, ApiError> {
    let mut rows: Vec<ScheduledReport> = call.view.own::<ScheduledReport>().map(|row| row.value).collect();
    if sorted.order_dir != Some(Direction::Ascending) {
        rows.reverse();
    }
    let data = rows.iter().skip(page.offset()).take(page.limit()).map(|report| show(&call, report)).collect();
    Ok(List::new(rows.len(), data))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// Which report.
    report: KeyWord,
    /// From whom the mail is.
    sender: Email,
    /// Addresses between commas.
    recipients: Emails,
    subject: Label<250>,
}

/// What may be left out.
#[derive(Deserialize, JsonSchema)]
struct Rest {
    /// Stands at the top of the mail.
    #[serde(default)]
    description: Option<Text<1000>>,
    /// `pdf` where it is absent.
    #[serde(default)]
    format: Option<FormatWord>,
    /// `daily` where it is absent.
    #[serde(default)]
    frequency: Option<FrequencyWord>,
    /// Rows in the report; 20 where it is absent.
    #[serde(default)]
    records: Option<Number<1, 1000>>,
    /// `yesterday` where it is absent.
    #[serde(default)]
    range: Option<RangeWord>,
}

impl Rest {
    fn put_into(&self, report: &mut ScheduledReport) {
        set(&mut report.description, self.description.as_ref().map(|text| &text.0));
        set(&mut report.format, self.format.map(ReportFormat::from).as_ref());
        set(&mut report.frequency, self.frequency.map(Frequency::from).as_ref());
        let records = self.records.as_ref().and_then(|records| u32::try_from(records.0).ok());
        set(&mut report.records, records.as_ref());
        set(&mut report.range, self.range.map(ReportRange::from).as_ref());
    }
}

async fn create(call: Call<OfCustomer>, Both(input, rest): Both<Create, Rest>) -> Result<Single<Schedule>, ApiError> {
    let customer = call.scope.customer.value.id;
    let mut report = ScheduledReport {
        id: ScheduledReportId(call.next_id::<ScheduledReport>()),
        customer,
        report: input.report.0.to_string(),
        sender: input.sender.0,
        recipients: input.recipients.0,
        subject: input.subject.0,
        description: String::new(),
        format: ReportFormat::Pdf,
        frequency: Frequency::Daily,
        records: RECORDS,
        range: ReportRange::Yesterday,
        filter: String::new(),
        created: call.now,
    };
    rest.put_into(&mut report);
    let run = not_run(&report, None);
    call.write(|batch| {
        if call.view.own_count::<ScheduledReport>() >= SCHEDULES_MAX {
            return Err(ApiError::conflict(format!("The customer has {SCHEDULES_MAX} schedules already")));
        }
        Ok((batch.expect(&call.view.customer(customer)?).create(&report).create(&run), ()))
    })
    .await?;
    single(&call, report.id)
}

/// Where a schedule begins.
fn not_run(report: &ScheduledReport, queued: Option<Timestamp>) -> ScheduledReportRun {
    let ScheduledReport { id, customer, .. } = *report;
    ScheduledReportRun { report: id, customer, last_run: None, queued, last_error: String::new() }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Id of the schedule.
    scheduledreportid: Id,
}

impl Which {
    fn id(&self) -> ScheduledReportId {
        ScheduledReportId(self.scheduledreportid.0)
    }
}

async fn get(call: Call<OfCustomer>, which: Which) -> Result<Single<Schedule>, ApiError> {
    single(&call, which.id())
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Which report.
    #[serde(default)]
    report: Option<KeyWord>,
    /// From whom the mail is.
    #[serde(default)]
    sender: Option<Email>,
    /// Addresses between commas.
    #[serde(default)]
    recipients: Option<Emails>,
    #[serde(default)]
    subject: Option<Label<250>>,
}

async fn update(
    call: Call<OfCustomer>,
    Both(which, Both(input, rest)): Both<Which, Both<Update, Rest>>,
) -> Result<Single<Schedule>, ApiError> {
    call.write(|batch| {
        let old = find(&call, which.id())?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.report, input.report.map(|key| key.0.to_string()).as_ref());
        set(&mut new.sender, input.sender.as_ref().map(|email| &email.0));
        set(&mut new.recipients, input.recipients.as_ref().map(|emails| &emails.0));
        set(&mut new.subject, input.subject.as_ref().map(|label| &label.0));
        rest.put_into(&mut new);
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    single(&call, which.id())
}

async fn delete(call: Call<OfCustomer>, which: Which) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = find(&call, which.id())?;
        call.check_match(&row)?;
        let batch: Batch = batch.delete(&row);
        Ok(match run_of(&call, &row.value) {
            Some(run) => (batch.delete(&run), ()),
            None => (batch, ()),
        })
    })
    .await?;
    Ok(Deleted::new(which.scheduledreportid.0))
}

/// `{code, queued: true, id}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Queued {
    /// HTTP status.
    code: u16,
    /// Always true.
    queued: bool,
    /// Of which schedule.
    id: u32,
}

impl Reply for Queued {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        crate::api::reply::json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

async fn queue(call: Call<OfCustomer>, which: Which) -> Result<Queued, ApiError> {
    call.write(|batch| {
        let row = find(&call, which.id())?;
        let queued = Some(call.now);
        let batch = match run_of(&call, &row.value) {
            Some(run) => batch.update(&run, &ScheduledReportRun { queued, ..run.value.clone() }),
            None => batch.create(&not_run(&row.value, queued)),
        };
        Ok((batch.expect(&row), ()))
    })
    .await?;
    Ok(Queued { code: 200, queued: true, id: which.scheduledreportid.0 })
}
