//! Reports: overviews that are made a number of times and mailed to the customer.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Label, Number, Page, UuidText, choices},
        operation::operations,
        reply::{Deleted, Listing, Object, Single, time_text},
        scope::OfCustomer,
    },
    model::{Frequency, Report, ReportId},
    store::{Row, Unique},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

operations! {
    reports {
        /// Lists the ids of a customer's reports.
        GET "/users/{id}/reports" for [System, Sales, Msp, Customer] => list_reports = list;
        /// Creates a report.
        /// Each time it runs, an overview of the day, week or month before goes to the customer's address.
        POST "/users/{id}/reports" for [System, Sales, Msp, Customer] => create_report = create;
        /// Shows a report.
        GET "/users/{id}/reports/{reportid}" for [System, Sales, Msp, Customer] => get_report = get;
        /// Changes a report; absent fields stay.
        POST or PUT "/users/{id}/reports/{reportid}" for [System, Sales, Msp, Customer] => update_report = update;
        /// Deletes a report.
        DELETE "/users/{id}/reports/{reportid}" for [System, Sales, Msp, Customer] => delete_report = delete;
    }
}

/// Reports of one customer.
const REPORTS_MAX: usize = 1000;

choices! {
    /// How often something runs.
    pub enum FrequencyWord {
        /// After each day.
        Daily = "daily",
        /// After each Sunday.
        Weekly = "weekly",
        /// After each month.
        Monthly = "monthly",
    }
}

impl From<FrequencyWord> for Frequency {
    fn from(word: FrequencyWord) -> Self {
        match word {
            FrequencyWord::Daily => Frequency::Daily,
            FrequencyWord::Weekly => Frequency::Weekly,
            FrequencyWord::Monthly => Frequency::Monthly,
        }
    }
}

/// The contract's word for a frequency.
pub(super) fn frequency_word(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Daily => "daily",
        Frequency::Weekly => "weekly",
        Frequency::Monthly => "monthly",
    }
}

/// A report as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportReply {
    #[schemars(with = "String")]
    id: Uuid,
    name: String,
    scheduled_frequency: &'static str,
    /// It also runs once as soon as it is saved.
    scheduled_run_now: bool,
    /// The same under the name old clients know.
    scheduled_run_once: bool,
    /// How often it runs; 0 is without end.
    scheduled_times: u32,
    /// When it last went out, UTC.
    last_run: Option<String>,
    /// Why it does not go out, such as a customer without an address; empty where it does.
    last_error: String,
}

impl Object for ReportReply {
    fn object(&self) -> &'static str {
        "report"
    }
}

fn single(row: &Row<Report>) -> Single<ReportReply> {
    let report = &row.value;
    let reply = ReportReply {
        id: report.uuid,
        name: report.name.clone(),
        scheduled_frequency: frequency_word(report.frequency),
        scheduled_run_now: report.run_now,
        scheduled_run_once: report.run_now,
        scheduled_times: report.times,
        last_run: report.last_run.map(time_text),
        last_error: report.last_error.clone(),
    };
    Single::new(reply).at(row.revision)
}

/// Rows there are.
#[derive(Debug, Serialize, JsonSchema)]
struct Total {
    total: usize,
}

async fn list(call: Call<OfCustomer>, page: Page) -> Result<Listing<Total, Uuid>, ApiError> {
    let rows = call.view.own::<Report>().skip(page.offset()).take(page.limit());
    Ok(Listing::new(Total { total: call.view.own_count::<Report>() }, rows.map(|row| row.value.uuid).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Fields {
    #[serde(default)]
    name: Option<Label<250>>,
    /// `daily` where a new report has none.
    #[serde(default)]
    scheduled_frequency: Option<FrequencyWord>,
    /// Run once as soon as it is saved, before what is scheduled.
    #[serde(default)]
    scheduled_run_now: Option<Flag>,
    /// How often it runs; 0, or absent in a new report, is without end.
    #[serde(default)]
    scheduled_times: Option<Number<0, 100_000>>,
}

impl Fields {
    fn put_into(&self, report: &mut Report) {
        if let Some(name) = &self.name {
            report.name.clone_from(&name.0);
        }
        if let Some(frequency) = self.scheduled_frequency {
            report.frequency = frequency.into();
        }
        if let Some(times) = &self.scheduled_times {
            report.times = u32::try_from(times.0).unwrap_or_default();
            report.runs = 0;
        }
        if let Some(now) = self.scheduled_run_now {
            report.run_now = now.0;
            report.runs = 0;
        }
    }
}

async fn create(call: Call<OfCustomer>, input: Fields) -> Result<Single<ReportReply>, ApiError> {
    let customer = call.scope.customer.value.id;
    let mut report = Report {
        id: ReportId(call.next_id::<Report>()),
        uuid: Uuid::new_v4(),
        customer,
        name: String::new(),
        frequency: Frequency::Daily,
        run_now: false,
        times: 0,
        runs: 0,
        last_run: None,
        last_error: String::new(),
        created: call.now,
    };
    input.put_into(&mut report);
    call.write(|batch| {
        if call.view.own_count::<Report>() >= REPORTS_MAX {
            return Err(ApiError::conflict(format!("The customer has {REPORTS_MAX} reports already")));
        }
        Ok((batch.expect(&call.view.customer(customer)?).create(&report), ()))
    })
    .await?;
    Ok(single(&find(&call, report.uuid)?))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Id of the report.
    reportid: UuidText,
}

fn find(call: &Call<OfCustomer>, uuid: Uuid) -> Result<Row<Report>, ApiError> {
    let found = call.view.unique::<Report>(Unique::ReportUuid, uuid.as_bytes());
    found.ok_or_else(|| ApiError::not_found("report"))
}

async fn get(call: Call<OfCustomer>, which: Which) -> Result<Single<ReportReply>, ApiError> {
    Ok(single(&find(&call, which.reportid.0)?))
}

async fn update(
    call: Call<OfCustomer>,
    Both(which, input): Both<Which, Fields>,
) -> Result<Single<ReportReply>, ApiError> {
    call.write(|batch| {
        let old = find(&call, which.reportid.0)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        input.put_into(&mut new);
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    Ok(single(&find(&call, which.reportid.0)?))
}

async fn delete(call: Call<OfCustomer>, which: Which) -> Result<Deleted<Uuid>, ApiError> {
    call.write(|batch| {
        let row = find(&call, which.reportid.0)?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(which.reportid.0))
}
