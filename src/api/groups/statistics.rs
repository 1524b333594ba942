//! Sums of the query log: of the system or an MSP, of a customer, of a location.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, Number, Period, choices},
        operation::operations,
        reply::{Listing, Object, Single},
        scope::{OfCustomer, Own, Scope},
    },
    model::*,
    stats::{ClientKey, Counts, DaySums, Days, Measure, Of, StatsError},
};
use jiff::{ToSpan, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

operations! {
    system_stats {
        /// Shows the totals of the system or an MSP.
        GET "/stats" for [System, Sales, Msp] => get_system_stats = totals::<Own>;
        /// Lists the categories asked for most.
        GET "/stats/categories/{action}" for [System, Sales, Msp] => get_system_top_categories = categories::<Own>;
        /// Lists the names asked for most.
        GET "/stats/domains/{action}" for [System, Sales, Msp] => get_system_top_domains = domains::<Own>;
        /// Lists the customers that asked most.
        GET "/stats/users/{action}" for [System, Sales, Msp] => get_system_top_users = users::<Own>;
        /// Shows the totals of each of the days before today, newest first.
        GET "/stats/traffic/{days}" also "/stats/traffic" for [System, Sales, Msp]
            => get_system_traffic_history = traffic::<Own>;
        /// Shows the totals of each hour of today or yesterday.
        GET "/stats/recenttraffic/{day}" for [System, Sales, Msp]
            => get_system_recent_traffic = recent_traffic::<Own>;
    }
    customer_stats {
        /// Shows a customer's totals.
        GET "/users/{id}/stats" for [System, Sales, Msp, Customer] => get_customer_stats = totals::<OfCustomer>;
        /// Lists the categories asked for most.
        GET "/users/{id}/stats/categories/{action}" for [System, Sales, Msp, Customer]
            => get_customer_top_categories = categories::<OfCustomer>;
        /// Lists the names asked for most.
        GET "/users/{id}/stats/domains/{action}" for [System, Sales, Msp, Customer]
            => get_customer_top_domains = domains::<OfCustomer>;
        /// Lists who asked most: internal users, else devices, else addresses.
        GET "/users/{id}/stats/users/{action}" for [System, Sales, Msp, Customer]
            => get_customer_top_users = users::<OfCustomer>;
        /// Shows the totals of each of the days before today, newest first.
        GET "/users/{id}/stats/traffic/{days}" also "/users/{id}/stats/traffic" for [System, Sales, Msp, Customer]
            => get_customer_traffic_history = traffic::<OfCustomer>;
        /// Shows the totals of each hour of today or yesterday.
        GET "/users/{id}/stats/recenttraffic/{day}" for [System, Sales, Msp, Customer]
            => get_customer_recent_traffic = recent_traffic::<OfCustomer>;
    }
    location_stats {
        /// Shows a location's totals.
        GET "/users/{id}/locations/{locationid}/stats" for [System, Sales, Msp, Customer]
            => get_location_stats = location_totals;
        /// Lists the categories asked for most at a location.
        GET "/users/{id}/locations/{locationid}/stats/categories/{action}" for [System, Sales, Msp, Customer]
            => get_location_top_categories = location_categories;
        /// Lists the names asked for most at a location.
        GET "/users/{id}/locations/{locationid}/stats/domains/{action}" for [System, Sales, Msp, Customer]
            => get_location_top_domains = location_domains;
    }
}

impl From<StatsError> for ApiError {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::TooMuch => {
                ApiError::unavailable("There is more log to read than is read at once; ask for fewer days", error)
            }
            StatsError::Busy => ApiError::unavailable("Too many questions about the log are being answered", error),
            StatsError::Io(_) => ApiError::unavailable("The query log cannot be read at the moment", error),
        }
    }
}

/// An account whose queries are counted, by its clock.
struct Counted {
    of: Of,
    zone: TimeZone,
}

impl Counted {
    /// The account a call names.
    fn by<S: Scope>(call: &Call<S>) -> Result<Counted, ApiError> {
        let stats = &call.services().stats;
        Ok(match call.view.account() {
            Account::System => Counted { of: Of::All, zone: stats.zone() },
            Account::Msp(_) => Counted { of: customers_of(call), zone: stats.zone() },
            Account::Customer(id) => {
                let customer = call.view.customer(id)?.value;
                Counted { of: Of::Customer(id), zone: stats.zone_of(&customer) }
            }
        })
    }

    fn at(call: &Call<OfCustomer>, location: Id) -> Result<Counted, ApiError> {
        let customer = &call.scope.customer.value;
        let location = call.view.find::<Location>(location.0, "location")?.value.id;
        Ok(Counted { of: Of::Location(customer.id, location), zone: call.services().stats.zone_of(customer) })
    }

    async fn sums<S>(&self, call: &Call<S>, days: Days) -> Result<Arc<DaySums>, ApiError> {
        Ok(call.services().stats.sums(self.of.clone(), days, instant(call.now)).await?)
    }
}

/// All customers in the view, by rising id.
fn customers_of<S>(call: &Call<S>) -> Of {
    let mut ids: Vec<CustomerId> = call.view.customers().map(|row| row.value.id).collect();
    ids.sort_unstable();
    Of::Customers(ids.into())
}

/// The call's time as the log tells it.
pub(super) fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.0).unwrap_or_default()
}

/// Which days an answer is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Covered {
    /// The day, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    /// The first of several days.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// The last of several days.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

impl From<&Days> for Covered {
    fn from(days: &Days) -> Self {
        let text = |date: jiff::civil::Date| Some(date.to_string());
        if days.first == days.last {
            Covered { date: text(days.first), start: None, end: None }
        } else {
            Covered { date: None, start: text(days.first), end: text(days.last) }
        }
    }
}

/// Totals of queries.
#[derive(Debug, Serialize, JsonSchema)]
struct Totals {
    #[serde(flatten)]
    covered: Covered,
    requests: u64,
    /// Queries that were not blocked.
    allowed: u64,
    blocked: u64,
    /// Queries for which a search engine was held to its filtered results; they count as allowed.
    safe_search: u64,
    /// Different names asked for.
    unique_domains: u64,
    /// Customers that asked; of one customer: internal users, else devices, else addresses.
    users: u64,
    /// The one of them that asked most.
    top_user: Option<String>,
}

impl Object for Totals {
    fn object(&self) -> &'static str {
        "stats"
    }
}

async fn totals<S: Scope>(call: Call<S>, period: Period) -> Result<Single<Totals>, ApiError> {
    let counted = Counted::by(&call)?;
    let days = period.days(counted.zone.clone(), instant(call.now))?;
    let sums = counted.sums(&call, days.clone()).await?;
    let users = match counted.of {
        Of::All | Of::Customers(_) => sums.customers.distinct(),
        Of::Customer(_) | Of::Location(..) => sums.clients.distinct(),
    };
    let top_user = top_users(&call, &counted.of, &sums, Measure::Requests, 1).pop().map(|top| top.name);
    Ok(Single::new(Totals {
        covered: Covered::from(&days),
        requests: sums.total.requests(),
        allowed: sums.total.allowed,
        blocked: sums.total.blocked,
        safe_search: sums.safe_search,
        unique_domains: sums.names.distinct(),
        users,
        top_user,
    }))
}

/// Totals of a location's queries.
#[derive(Debug, Serialize, JsonSchema)]
struct LocationTotals {
    #[serde(flatten)]
    covered: Covered,
    allowed: u64,
    blocked: u64,
    requests: u64,
}

impl Object for LocationTotals {
    fn object(&self) -> &'static str {
        "stats"
    }
}

#[derive(Deserialize, JsonSchema)]
struct AtLocation {
    /// Id of the location.
    locationid: Id,
}

async fn location_totals(
    call: Call<OfCustomer>,
    Both(at, period): Both<AtLocation, Period>,
) -> Result<Single<LocationTotals>, ApiError> {
    let counted = Counted::at(&call, at.locationid)?;
    let days = period.days(counted.zone.clone(), instant(call.now))?;
    let total = counted.sums(&call, days.clone()).await?.total;
    let covered = Covered::from(&days);
    let Counts { allowed, blocked, .. } = total;
    Ok(Single::new(LocationTotals { covered, allowed, blocked, requests: total.requests() }))
}

choices! {
    /// Which queries a top list counts.
    pub enum Action {
        /// Not blocked.
        Allowed = "allowed",
        /// Blocked.
        Blocked = "blocked",
        /// Let past a block by a cloud key; old clients ask for it.
        Bypassed = "bypassed",
    }
}

impl From<Action> for Measure {
    fn from(action: Action) -> Self {
        match action {
            Action::Allowed => Measure::Allowed,
            Action::Blocked => Measure::Blocked,
            Action::Bypassed => Measure::Bypassed,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Outcome of the queries that count.
    action: Action,
    /// Rows; 10 where it is absent.
    #[serde(default)]
    limit: Option<Number<0, 1000>>,
}

impl Which {
    fn rows(&self) -> usize {
        self.limit.as_ref().map_or(10, |limit| usize::try_from(limit.0).unwrap_or_default())
    }
}

/// A row of a top list.
#[derive(Debug, Serialize, JsonSchema)]
struct Top {
    name: String,
    /// Queries.
    count: u64,
}

/// What a top list is about.
#[derive(Debug, Serialize, JsonSchema)]
struct TopOf {
    #[serde(flatten)]
    covered: Covered,
    /// Always `count`.
    order_by: &'static str,
    /// Always `desc`.
    order_dir: &'static str,
    /// Rows asked for.
    limit: usize,
}

type TopList = Listing<TopOf, Top>;

/// A top list of what `rows` picks from the sums.
async fn top<S>(
    call: &Call<S>,
    counted: &Counted,
    which: &Which,
    period: &Period,
    rows: impl FnOnce(&DaySums, Measure, usize) -> Vec<Top>,
) -> Result<TopList, ApiError> {
    let days = period.days(counted.zone.clone(), instant(call.now))?;
    let sums = counted.sums(call, days.clone()).await?;
    let data = rows(&sums, which.action.into(), which.rows());
    let of = TopOf { covered: Covered::from(&days), order_by: "count", order_dir: "desc", limit: which.rows() };
    Ok(Listing::new(of, data))
}

fn top_categories(sums: &DaySums, measure: Measure, rows: usize) -> Vec<Top> {
    let top = sums.top_categories(measure, rows).into_iter();
    top.map(|(name, counts)| Top { name: name.to_owned(), count: counts.of(measure) }).collect()
}

fn top_domains(sums: &DaySums, measure: Measure, rows: usize) -> Vec<Top> {
    let top = sums.names.top(measure, rows).into_iter();
    top.map(|(name, counts)| Top { name: name.into_string(), count: counts.of(measure) }).collect()
}

fn top_users<S>(call: &Call<S>, of: &Of, sums: &DaySums, measure: Measure, rows: usize) -> Vec<Top> {
    let mut names = call.services().stats.names();
    match of {
        Of::All | Of::Customers(_) => {
            let top = sums.customers.top(measure, rows).into_iter();
            top.map(|(id, counts)| Top { name: names.customer(id), count: counts.of(measure) }).collect()
        }
        Of::Customer(_) | Of::Location(..) => {
            let top: Vec<(ClientKey, Counts)> = sums.clients.top(measure, rows);
            top.into_iter().map(|(id, counts)| Top { name: names.client(id), count: counts.of(measure) }).collect()
        }
    }
}

async fn categories<S: Scope>(call: Call<S>, Both(which, period): Both<Which, Period>) -> Result<TopList, ApiError> {
    let counted = Counted::by(&call)?;
    top(&call, &counted, &which, &period, top_categories).await
}

async fn domains<S: Scope>(call: Call<S>, Both(which, period): Both<Which, Period>) -> Result<TopList, ApiError> {
    let counted = Counted::by(&call)?;
    top(&call, &counted, &which, &period, top_domains).await
}

async fn users<S: Scope>(call: Call<S>, Both(which, period): Both<Which, Period>) -> Result<TopList, ApiError> {
    let counted = Counted::by(&call)?;
    let pick = |sums: &DaySums, measure, rows| top_users(&call, &counted.of, sums, measure, rows);
    top(&call, &counted, &which, &period, pick).await
}

async fn location_categories(
    call: Call<OfCustomer>,
    Both(at, Both(which, period)): Both<AtLocation, Both<Which, Period>>,
) -> Result<TopList, ApiError> {
    let counted = Counted::at(&call, at.locationid)?;
    top(&call, &counted, &which, &period, top_categories).await
}

async fn location_domains(
    call: Call<OfCustomer>,
    Both(at, Both(which, period)): Both<AtLocation, Both<Which, Period>>,
) -> Result<TopList, ApiError> {
    let counted = Counted::at(&call, at.locationid)?;
    top(&call, &counted, &which, &period, top_domains).await
}

/// Queries of a day or an hour.
#[derive(Debug, Serialize, JsonSchema)]
struct Traffic {
    /// The day, or when the hour begins, by the account's clock.
    date: String,
    allowed: u64,
    blocked: u64,
}

/// How many rows there are.
#[derive(Debug, Serialize, JsonSchema)]
struct All {
    /// The same as `count`: there are no pages.
    total: usize,
}

fn all(data: Vec<Traffic>) -> Listing<All, Traffic> {
    Listing::new(All { total: data.len() }, data)
}

#[derive(Deserialize, JsonSchema)]
struct HowMany {
    /// Days back from yesterday; 0 is all there are.
    days: Number<0, 3660>,
}

async fn traffic<S: Scope>(call: Call<S>, how: HowMany) -> Result<Listing<All, Traffic>, ApiError> {
    let Counted { of, zone } = Counted::by(&call)?;
    let stats = &call.services().stats;
    let now = instant(call.now);
    let today = Days::today(&zone, now);
    let Some(begin) = stats.first_day(zone.clone()).await? else { return Ok(all(vec![])) };
    let first = match how.days.0 {
        0 => begin,
        days => begin.max(today.saturating_sub(days.days())),
    };
    let days = Days { zone, first, last: today.saturating_sub(1.day()) };
    if days.last < days.first {
        return Ok(all(vec![]));
    }
    let mut by_day = stats.by_day(of, days, now).await?;
    by_day.reverse();
    let rows = by_day.into_iter();
    Ok(all(rows.map(|(date, counts)| row(date.to_string(), counts)).collect()))
}

fn row(date: String, Counts { allowed, blocked, .. }: Counts) -> Traffic {
    Traffic { date, allowed, blocked }
}

choices! {
    /// A day close by.
    pub enum RecentDay {
        /// Today so far.
        Today = "today",
        /// The whole day before.
        Yesterday = "yesterday",
    }
}

#[derive(Deserialize, JsonSchema)]
struct OnDay {
    day: RecentDay,
}

async fn recent_traffic<S: Scope>(call: Call<S>, on: OnDay) -> Result<Listing<All, Traffic>, ApiError> {
    let counted = Counted::by(&call)?;
    let now = instant(call.now).to_zoned(counted.zone.clone());
    let (date, hours) = match on.day {
        RecentDay::Today => (now.date(), usize::from(now.hour().unsigned_abs()) + 1),
        RecentDay::Yesterday => (now.date().saturating_sub(1.day()), 24),
    };
    let sums = counted.sums(&call, Days::one(counted.zone.clone(), date)).await?;
    let rows = sums.hours.iter().enumerate().take(hours);
    Ok(all(rows.map(|(hour, counts)| row(format!("{date} {hour:02}:00:00"), *counts)).collect()))
}

/// The sums of an MSP's customers on a day, and how many customers it has.
pub(super) async fn of_msp<S>(call: &Call<S>, date: jiff::civil::Date) -> Result<(Arc<DaySums>, u64), ApiError> {
    let counted = Counted { of: customers_of(call), zone: call.services().stats.zone() };
    let sums = counted.sums(call, Days::one(counted.zone.clone(), date)).await?;
    Ok((sums, call.view.customer_count() as u64))
}
