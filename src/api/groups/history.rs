//! A customer's logged queries, one by one.

use super::statistics::instant;
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Date, Page, Text, TimeOfDay, choices},
        operation::operations,
        reply::Listing,
        scope::OfCustomer,
    },
    stats::{Days, HistoryQuery, HistoryRow, Measure, OrderBy},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

operations! {
    history {
        /// Lists a customer's logged queries of a day.
        GET "/users/{id}/history/{action}" also "/users/{id}/history/{action}/{date}"
            for [System, Sales, Msp, Customer] => get_customer_history = history;
    }
}

choices! {
    /// Which queries are listed.
    pub enum Action {
        /// Not blocked, the bypassed among them.
        Allowed = "allowed",
        /// Blocked.
        Blocked = "blocked",
        /// Let past a block by a cloud key.
        Bypassed = "bypassed",
        /// All.
        All = "all",
    }

    /// What rows are sorted by.
    pub enum Order {
        /// Who asked.
        User = "user",
        /// The policy that decided.
        Policy = "policy",
        /// Where.
        Location = "location",
        /// When.
        Time = "time",
        /// The address the query came from.
        ExternalIp = "externalip",
        /// The address behind it.
        InternalIp = "internalip",
    }

    /// Which end is first.
    pub enum Direction {
        /// The lowest.
        Ascending = "asc",
        /// The highest.
        Descending = "desc",
    }
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Order::User => "user",
            Order::Policy => "policy",
            Order::Location => "location",
            Order::Time => "time",
            Order::ExternalIp => "externalip",
            Order::InternalIp => "internalip",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Outcome of the queries.
    action: Action,
    /// The day, by the customer's clock.
    date: Date,
    /// `desc` where it is absent.
    #[serde(default)]
    order_dir: Option<Direction>,
    /// `time` where it is absent.
    #[serde(default)]
    order_by: Option<Order>,
    /// From this minute on.
    #[serde(default)]
    starttime: Option<TimeOfDay>,
    /// To the end of this minute.
    #[serde(default)]
    endtime: Option<TimeOfDay>,
    /// A part of url, user, category, policy, location, reason or address, in any case.
    #[serde(default)]
    q: Text<253>,
}

/// A logged query.
#[derive(Debug, Serialize, JsonSchema)]
struct Query {
    /// Time of day, by the customer's clock.
    time: String,
    /// The internal user, else the device, else the address.
    user: String,
    /// The name asked for.
    url: String,
    /// The category that blocked it, else the first it has; empty for none.
    category: &'static str,
    /// What decided, in words, such as `list entry 12`, `subscribed list 3`, `service tiktok`; empty where nothing did.
    reason: String,
    /// `allowed`, `blocked` or `bypassed`.
    action: &'static str,
    #[schemars(with = "String")]
    externalip: IpAddr,
    /// Known where an agent tells it.
    internalip: Option<String>,
    policy: String,
    location: String,
    /// The type asked for.
    r#type: String,
    /// The response code.
    rcode: String,
    /// Microseconds from the query's arrival to its answer.
    took_us: Option<u32>,
}

impl From<HistoryRow> for Query {
    fn from(row: HistoryRow) -> Self {
        Query {
            time: row.time.strftime("%H:%M:%S").to_string(),
            user: row.user,
            url: row.name,
            category: row.category,
            reason: row.reason,
            action: row.action,
            externalip: row.address,
            internalip: None,
            policy: row.policy,
            location: row.location,
            r#type: row.qtype,
            rcode: row.rcode,
            took_us: row.took_us,
        }
    }
}

/// What the list is about.
#[derive(Debug, Serialize, JsonSchema)]
struct About {
    /// Rows there are without paging.
    total: usize,
    date: String,
    order_by: &'static str,
    order_dir: &'static str,
}

async fn history(
    call: Call<OfCustomer>,
    Both(which, page): Both<Which, Page>,
) -> Result<Listing<About, Query>, ApiError> {
    let stats = &call.services().stats;
    let customer = &call.scope.customer.value;
    let zone = stats.zone_of(customer);
    let date = which.date.0;
    if date > Days::today(&zone, instant(call.now)) {
        return Err(ApiError::field("date", "must not lie after today"));
    }
    let (from, to) = (which.starttime.map(|time| time.0), which.endtime.map(|time| time.0));
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::field("endtime", "must not lie before starttime"));
    }
    if page.offset() > HistoryQuery::OFFSET_MAX {
        let problem = format!("must be at most {} here; ask for a shorter time of day", HistoryQuery::OFFSET_MAX);
        return Err(ApiError::field("offset", problem));
    }
    let order = which.order_by.unwrap_or(Order::Time);
    let descending = which.order_dir != Some(Direction::Ascending);
    let query = HistoryQuery {
        customer: customer.id,
        zone,
        date,
        from,
        to,
        measure: match which.action {
            Action::All => Measure::Requests,
            Action::Allowed => Measure::Allowed,
            Action::Blocked => Measure::Blocked,
            Action::Bypassed => Measure::Bypassed,
        },
        text: which.q.0.trim().to_owned(),
        order_by: match order {
            Order::User => OrderBy::User,
            Order::Policy => OrderBy::Policy,
            Order::Location => OrderBy::Location,
            Order::Time => OrderBy::Time,
            Order::ExternalIp => OrderBy::ExternalIp,
            Order::InternalIp => OrderBy::InternalIp,
        },
        descending,
        offset: page.offset(),
        limit: page.limit(),
    };
    let found = stats.history(query).await?;
    let about = About {
        total: found.total,
        date: date.to_string(),
        order_by: order.name(),
        order_dir: if descending { "desc" } else { "asc" },
    };
    Ok(Listing::new(about, found.rows.into_iter().map(Query::from).collect()))
}
