//! Cloud keys: codes that let a blocked person through for a while.
//!
//! A key is valid by days of the customer's time zone, the first and the last one included. Its row
//! keeps the moments these days begin and end; when the customer moves to another zone, so do they.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Date, Flag, Id, Label, Nullable, Number, Page, Text, choices},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfCustomer, View},
    },
    auth::random_hex,
    model::*,
    store::Batch,
};
use jiff::{ToSpan, civil, tz};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    cloud_keys {
        /// Lists a customer's cloud keys.
        GET "/users/{id}/cloudkeys" for [System, Sales, Msp, Customer] => list_cloud_keys = list;
        /// Creates a cloud key.
        POST "/users/{id}/cloudkeys" for [System, Sales, Msp, Customer] => create_cloud_key = create;
        /// Shows a cloud key.
        GET "/users/{id}/cloudkeys/{cloudkeyid}" for [System, Sales, Msp, Customer] => get_cloud_key = get;
        /// Changes a cloud key; absent fields stay.
        POST or PUT "/users/{id}/cloudkeys/{cloudkeyid}" for [System, Sales, Msp, Customer] => update_cloud_key = update;
        /// Deletes a cloud key.
        DELETE "/users/{id}/cloudkeys/{cloudkeyid}" for [System, Sales, Msp, Customer] => delete_cloud_key = delete;
    }
}

choices! {
    /// The unit of a session's length.
    enum Period {
        /// 24 hours.
        Days = "days",
        /// 60 minutes.
        Hours = "hours",
        /// 60 seconds.
        Mins = "mins",
    }
}

impl From<Period> for SessionUnit {
    fn from(period: Period) -> Self {
        match period {
            Period::Days => SessionUnit::Days,
            Period::Hours => SessionUnit::Hours,
            Period::Mins => SessionUnit::Minutes,
        }
    }
}

/// Digits of a generated code.
const CODE_DIGITS: usize = 13;
/// The longest session, seconds: a year.
const SESSION_S_MAX: u64 = 365 * 86_400;

/// A cloud key as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct CloudKeyReply {
    id: u32,
    /// Written to the history when the key is used.
    logname: String,
    /// The code that people type.
    keyid: String,
    /// How long one entry lets through.
    expiresafter: u32,
    /// `days`, `hours` or `mins`.
    expiresafterperiod: &'static str,
    /// Entries allowed; 0 is no limit.
    maxuse: u32,
    /// First valid day.
    validfrom: String,
    /// Last valid day; null is no end.
    validto: Option<String>,
    active: bool,
    comment: String,
    /// Entries so far.
    timeused: u32,
    created: String,
    lastused: Option<String>,
    lastip: Option<String>,
}

impl Object for CloudKeyReply {
    fn object(&self) -> &'static str {
        "cloudkey"
    }
}

/// The time zone of a customer; one without is in the system's.
fn zone_of(customer: &Customer) -> tz::TimeZone {
    tz::TimeZone::get(&customer.timezone).unwrap_or_else(|_| tz::TimeZone::system())
}

/// The first moment of a day.
fn begin_of(day: civil::Date, zone: &tz::TimeZone) -> Result<Timestamp, ApiError> {
    // Where clocks are set forward at midnight, the day begins after the gap.
    let moment = day.to_zoned(zone.clone()).map_err(ApiError::internal)?;
    Ok(Timestamp(moment.timestamp().as_second()))
}

/// The first moment after a day.
fn end_of(day: civil::Date, zone: &tz::TimeZone) -> Result<Timestamp, ApiError> {
    begin_of(day.checked_add(1.day()).map_err(|_| ApiError::field("validto", "is too far away"))?, zone)
}

/// The day on which a moment is.
fn day_of(time: Timestamp, zone: &tz::TimeZone) -> Result<civil::Date, ApiError> {
    let moment = jiff::Timestamp::from_second(time.0).map_err(ApiError::internal)?;
    Ok(moment.to_zoned(zone.clone()).date())
}

/// The last day before a moment.
fn day_before(time: Timestamp, zone: &tz::TimeZone) -> Result<civil::Date, ApiError> {
    day_of(Timestamp(time.0 - 1), zone)
}

/// Moves the keys' days into the zone a customer changes to.
pub(super) fn move_days<S>(
    call: &Call<S>,
    old: &Customer,
    new: &Customer,
    mut batch: Batch,
) -> Result<Batch, ApiError> {
    let (from, to) = (zone_of(old), zone_of(new));
    for row in call.view.of::<CloudKey>(Account::Customer(old.id)) {
        let key = &row.value;
        let valid_from = begin_of(day_of(key.valid_from, &from)?, &to)?;
        let valid_until = match key.valid_until {
            Some(until) => Some(end_of(day_before(until, &from)?, &to)?),
            None => None,
        };
        let moved = CloudKey { valid_from, valid_until, ..key.clone() };
        if moved != *key {
            batch = batch.update(&row, &moved);
        }
    }
    Ok(batch)
}

fn show(view: &View, zone: &tz::TimeZone, key: &CloudKey) -> Result<CloudKeyReply, ApiError> {
    let used = view.find::<CloudKeyUse>(key.id.0, "use").ok().map(|row| row.value);
    Ok(CloudKeyReply {
        id: key.id.0,
        logname: key.log_name.clone(),
        keyid: key.key.clone(),
        expiresafter: key.session_s / key.session_unit.seconds(),
        expiresafterperiod: match key.session_unit {
            SessionUnit::Days => "days",
            SessionUnit::Hours => "hours",
            SessionUnit::Minutes => "mins",
        },
        maxuse: key.uses_max,
        validfrom: day_of(key.valid_from, zone)?.to_string(),
        validto: match key.valid_until {
            Some(until) => Some(day_before(until, zone)?.to_string()),
            None => None,
        },
        active: key.active,
        comment: key.comment.clone(),
        timeused: used.as_ref().map_or(0, |used| used.uses),
        created: time_text(key.created),
        lastused: used.as_ref().and_then(|used| used.last_used).map(time_text),
        lastip: used.and_then(|used| used.last_address).map(|address| address.to_string()),
    })
}

async fn list(call: Call<OfCustomer>, page: Page) -> Result<List<CloudKeyReply>, ApiError> {
    let zone = zone_of(&call.scope.customer.value);
    let rows = call.view.own::<CloudKey>().skip(page.offset()).take(page.limit());
    let data: Result<Vec<_>, ApiError> = rows.map(|row| show(&call.view, &zone, &row.value)).collect();
    Ok(List::new(call.view.own_count::<CloudKey>(), data?))
}

/// What a key says, on create and on update.
#[derive(Deserialize, JsonSchema)]
struct Content {
    /// Written to the history when the key is used.
    #[serde(default)]
    logname: Option<Text<250>>,
    /// The code that people type; a new key without one gets a code of 13 random digits.
    #[serde(default)]
    keyid: Nullable<Label<64>>,
    /// How long one entry lets through; 1 where a new key has none.
    #[serde(default)]
    expiresafter: Option<Number<1, 525_600>>,
    /// The unit of `expiresafter`; hours where a new key has none.
    #[serde(default)]
    expiresafterperiod: Option<Period>,
    /// Entries allowed; 0 and null are no limit.
    #[serde(default)]
    maxuse: Nullable<Number<0, { i32::MAX as i64 }>>,
    /// First valid day; null, and absent for a new key, is today.
    #[serde(default)]
    validfrom: Nullable<Date>,
    /// Last valid day; null is no end.
    #[serde(default)]
    validto: Nullable<Date>,
    /// Whether the key is accepted; true where a new key says nothing.
    #[serde(default)]
    active: Option<Flag>,
    #[serde(default)]
    comment: Option<Text<250>>,
}

impl Content {
    /// Puts what was given into a key.
    fn apply(&self, key: &mut CloudKey, zone: &tz::TimeZone, now: Timestamp) -> Result<(), ApiError> {
        if let Some(name) = &self.logname {
            key.log_name = name.0.clone();
        }
        if let Nullable::Value(code) = &self.keyid {
            key.key = code.0.clone();
        }
        if self.expiresafter.is_some() || self.expiresafterperiod.is_some() {
            let length = self.expiresafter.map_or(key.session_s / key.session_unit.seconds(), |number| number.0 as u32);
            let unit = self.expiresafterperiod.map_or(key.session_unit, SessionUnit::from);
            let session_s = u64::from(length) * u64::from(unit.seconds());
            if session_s > SESSION_S_MAX {
                return Err(ApiError::field("expiresafter", "must be at most 365 days"));
            }
            (key.session_s, key.session_unit) = (session_s as u32, unit);
        }
        match self.maxuse {
            Nullable::Absent => {}
            Nullable::Null => key.uses_max = 0,
            Nullable::Value(number) => key.uses_max = number.0 as u32,
        }
        match self.validfrom {
            Nullable::Absent => {}
            Nullable::Null => key.valid_from = begin_of(day_of(now, zone)?, zone)?,
            Nullable::Value(day) => key.valid_from = begin_of(day.0, zone)?,
        }
        match self.validto {
            Nullable::Absent => {}
            Nullable::Null => key.valid_until = None,
            Nullable::Value(day) => key.valid_until = Some(end_of(day.0, zone)?),
        }
        if key.valid_until.is_some_and(|until| until <= key.valid_from) {
            return Err(ApiError::field("validto", "must not be before validfrom"));
        }
        if let Some(flag) = self.active {
            key.active = flag.0;
        }
        if let Some(comment) = &self.comment {
            key.comment = comment.0.clone();
        }
        Ok(())
    }
}

async fn create(call: Call<OfCustomer>, input: Content) -> Result<Single<CloudKeyReply>, ApiError> {
    let id = CloudKeyId(call.next_id::<CloudKey>());
    let code = random_hex(CODE_DIGITS)?.to_uppercase();
    call.write(|batch| {
        // The zone must be the one the days are reckoned in still when the key is there.
        let customer = call.view.customer(call.scope.customer.value.id)?;
        let zone = zone_of(&customer.value);
        let mut key = CloudKey {
            id,
            customer: customer.value.id,
            key: code.clone(),
            log_name: String::new(),
            session_s: SessionUnit::Hours.seconds(),
            session_unit: SessionUnit::Hours,
            uses_max: 0,
            valid_from: begin_of(day_of(call.now, &zone)?, &zone)?,
            valid_until: None,
            active: true,
            comment: String::new(),
            created: call.now,
        };
        input.apply(&mut key, &zone, call.now)?;
        Ok((batch.expect(&customer).create(&key), ()))
    })
    .await?;
    single(&call, id)
}

/// A key that the path names.
#[derive(Deserialize, JsonSchema)]
struct At {
    /// Id of the cloud key.
    cloudkeyid: Id,
}

fn single(call: &Call<OfCustomer>, id: CloudKeyId) -> Result<Single<CloudKeyReply>, ApiError> {
    let row = call.view.find::<CloudKey>(id.0, "cloud key")?;
    let zone = zone_of(&call.view.customer(row.value.customer)?.value);
    Ok(Single::new(show(&call.view, &zone, &row.value)?).at(row.revision))
}

async fn get(call: Call<OfCustomer>, at: At) -> Result<Single<CloudKeyReply>, ApiError> {
    single(&call, CloudKeyId(at.cloudkeyid.0))
}

#[derive(Deserialize, JsonSchema)]
struct Reset {
    /// True sets `timeused` to zero.
    #[serde(default)]
    reset: Option<Flag>,
}

async fn update(
    call: Call<OfCustomer>,
    Both(at, Both(reset, input)): Both<At, Both<Reset, Content>>,
) -> Result<Single<CloudKeyReply>, ApiError> {
    let id = CloudKeyId(at.cloudkeyid.0);
    call.write(|mut batch| {
        let old = call.view.find::<CloudKey>(id.0, "cloud key")?;
        call.check_match(&old)?;
        let customer = call.view.customer(old.value.customer)?;
        let mut new = old.value.clone();
        input.apply(&mut new, &zone_of(&customer.value), call.now)?;
        if reset.reset.is_some_and(|flag| flag.0)
            && let Ok(used) = call.view.find::<CloudKeyUse>(id.0, "use")
            && used.value.uses > 0
        {
            batch = batch.update(&used, &CloudKeyUse { uses: 0, ..used.value.clone() });
        }
        Ok((if new == old.value { batch } else { batch.expect(&customer).update(&old, &new) }, ()))
    })
    .await?;
    single(&call, id)
}

async fn delete(call: Call<OfCustomer>, at: At) -> Result<Deleted, ApiError> {
    let id = at.cloudkeyid.0;
    call.write(|batch| {
        let row = call.view.find::<CloudKey>(id, "cloud key")?;
        call.check_match(&row)?;
        let used = call.view.find::<CloudKeyUse>(id, "use").ok();
        let batch = used.iter().fold(batch, |batch, used| batch.delete(used));
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(id))
}
