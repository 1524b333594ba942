//! The query log as files: one a customer and hour, and a day's together.

use super::statistics::instant;
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Both, Date, Label, Number, Text},
        operation::operations,
        reply::{Labelled, Spooled},
        scope::{OfUuid, Own, Scope},
    },
    model::*,
    stats::Spool,
};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

operations! {
    log_files {
        /// Lists the files of a customer's query log.
        /// Each is named `uuid/date/filename`. Days begin at midnight UTC, and a file holds the hour of its name.
        GET "/logs" for [System, Sales, Msp, Customer] => list_log_files = list;
        /// Downloads all files of a customer's day, as a tar.gz.
        GET "/logs/{uuid}/{date}" for [System, Sales, Msp, Customer] => download_customer_logs_for_date = day_of;
        /// Downloads all files of a day of the caller's own, as a tar.gz.
        GET "/logs/{date}" for [System, Sales, Msp, Customer] => download_own_logs_for_date = own_day;
        /// Downloads one file of a customer: lines of JSON, compressed with gzip.
        GET "/logs/{uuid}/{date}/{filename}" for [System, Sales, Msp, Customer]
            => download_customer_log_file = file_of;
        /// Downloads one file of the caller's own.
        GET "/logs/{date}/{filename}" for [System, Sales, Msp, Customer] => download_own_log_file = own_file;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Always 2.
    #[serde(default)]
    #[expect(dead_code, reason = "old clients send it; only its value is checked")]
    list_type: Option<Number<2, 2>>,
    /// `uuid` of a customer or `uuid/YYYY-MM-DD`; a customer may leave it out.
    #[serde(default)]
    prefix: Text<64>,
}

async fn list(call: Call<Own>, which: Which) -> Result<Labelled<String>, ApiError> {
    let (customer, date) = match which.prefix.0.trim().trim_end_matches('/') {
        "" => (own(&call, "prefix")?, None),
        prefix => {
            let (uuid, date) = match prefix.split_once('/') {
                Some((uuid, date)) => (uuid, Some(date)),
                None => (prefix, None),
            };
            let problem =
                || ApiError::field("prefix", "must be the UUID of a customer, or that and a day as YYYY-MM-DD");
            let uuid: Uuid = uuid.parse().map_err(|_| problem())?;
            let date = date.map(|date| jiff::civil::Date::strptime("%Y-%m-%d", date)).transpose();
            let date = date.map_err(|_| problem())?;
            (call.reach.customer_named(AccountRef::Uuid(uuid))?.value, date)
        }
    };
    let files = call.services().stats.log_files(customer.id, date, instant(call.now)).await?;
    let names = files.into_iter().flat_map(|(date, names)| {
        let uuid = customer.uuid;
        names.into_iter().map(move |name| format!("{uuid}/{date}/{name}"))
    });
    Ok(Labelled::new("logs", names.collect()))
}

/// The caller's own account, which must be a customer's.
fn own<S: Scope>(call: &Call<S>, field: &str) -> Result<Customer, ApiError> {
    match call.reach.account() {
        Account::Customer(id) => Ok(call.reach.customer(id)?.value),
        _ => Err(ApiError::field(field, "cannot be empty: your account is no customer, so one has to be named")),
    }
}

#[derive(Deserialize, JsonSchema)]
struct OnDay {
    /// The day, UTC.
    date: Date,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    /// A name from the list.
    filename: Label<64>,
}

fn download(found: Option<Spool>, file_name: String) -> Result<Spooled, ApiError> {
    let spool = found.ok_or_else(|| ApiError::not_found("log file"))?;
    Ok(Spooled { file_name, spool })
}

async fn whole_day<S>(call: &Call<S>, customer: &Customer, day: OnDay) -> Result<Spooled, ApiError> {
    let found = call.services().stats.log_day(customer.id, day.date.0).await?;
    download(found, format!("{}-{}.tar.gz", customer.uuid, day.date.0))
}

async fn one_file<S>(call: &Call<S>, customer: &Customer, day: OnDay, file: File) -> Result<Spooled, ApiError> {
    let name = file.filename.0;
    let found = call.services().stats.log_file(customer.id, day.date.0, &name).await?;
    download(found, name)
}

async fn day_of(call: Call<OfUuid>, day: OnDay) -> Result<Spooled, ApiError> {
    whole_day(&call, &call.scope.customer.value, day).await
}

async fn own_day(call: Call<Own>, day: OnDay) -> Result<Spooled, ApiError> {
    let customer = own(&call, "uuid")?;
    whole_day(&call, &customer, day).await
}

async fn file_of(call: Call<OfUuid>, Both(day, file): Both<OnDay, File>) -> Result<Spooled, ApiError> {
    one_file(&call, &call.scope.customer.value, day, file).await
}

async fn own_file(call: Call<Own>, Both(day, file): Both<OnDay, File>) -> Result<Spooled, ApiError> {
    let customer = own(&call, "uuid")?;
    one_file(&call, &customer, day, file).await
}
