//! Local records: names that a policy of a customer answers itself.
//!
//! A row is a name with records of one type, an alias, or a denial. A policy answers with its own records first, then
//! with those of the customer's default policy.

mod values;

use super::policies::named;
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Id, ListedName, Many, Number, Page, PolicyRef, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfAccount, OfCustomer, Scope, View},
    },
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use values::TypeWord;

operations! {
    local_records {
        /// Lists the local records of a policy.
        GET "/policies/{policyid}/records" for [System, Sales, Msp, Customer] => list_local_records = list::<OfAccount>;
        /// Adds a local record: a name that the policy answers itself.
        /// A name with records of some type has none of the other types. A denial outranks an alias, an alias the
        /// rest. The records of the customer's default policy answer in its other policies too.
        POST "/policies/{policyid}/records" for [System, Sales, Msp, Customer]
            => create_local_record = create::<OfAccount>;
        /// Shows a local record.
        GET "/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => get_local_record = get::<OfAccount>;
        /// Changes a local record; absent fields stay.
        POST or PUT "/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => update_local_record = update::<OfAccount>;
        /// Deletes a local record.
        DELETE "/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => delete_local_record = delete::<OfAccount>;
        /// Lists the local records of a customer's policy.
        GET "/users/{id}/policies/{policyid}/records" for [System, Sales, Msp, Customer]
            => list_customer_local_records = list::<OfCustomer>;
        /// Adds a local record to a customer's policy.
        POST "/users/{id}/policies/{policyid}/records" for [System, Sales, Msp, Customer]
            => create_customer_local_record = create::<OfCustomer>;
        /// Shows a local record of a customer's policy.
        GET "/users/{id}/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => get_customer_local_record = get::<OfCustomer>;
        /// Changes a local record of a customer's policy; absent fields stay.
        POST or PUT "/users/{id}/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => update_customer_local_record = update::<OfCustomer>;
        /// Deletes a local record of a customer's policy.
        DELETE "/users/{id}/policies/{policyid}/records/{recordid}" for [System, Sales, Msp, Customer]
            => delete_customer_local_record = delete::<OfCustomer>;
    }
}

/// Records of one policy.
const RECORDS_MAX: usize = 1_000;
/// TTL where none is given, seconds.
const TTL_DEFAULT_S: u32 = 300;

/// A local record as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordReply {
    id: u32,
    policyid: u32,
    name: String,
    /// Whether names below it are answered alike.
    subdomains: bool,
    /// The record type, or `NXDOMAIN`, `NODATA`, `REFUSED`, `NULL`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The data in master-file form; none for denials.
    values: Vec<String>,
    /// Seconds.
    ttl: u32,
    comment: String,
    created: String,
}

impl Object for RecordReply {
    fn object(&self) -> &'static str {
        "local_record"
    }
}

fn show(record: &LocalRecord) -> RecordReply {
    let (kind, values) = values::show(&record.answer);
    RecordReply {
        id: record.id.0,
        policyid: record.policy.0,
        name: record.name.to_string(),
        subdomains: record.subdomains,
        kind,
        values,
        ttl: record.ttl_s,
        comment: record.comment.clone(),
        created: time_text(record.created),
    }
}

/// Where a policy is named.
#[derive(Deserialize, JsonSchema)]
struct Place {
    /// The policy, or `default`.
    policyid: PolicyRef,
}

/// A record a path names.
#[derive(Deserialize, JsonSchema)]
struct Named {
    /// Id of the record.
    recordid: Id,
}

/// The policy of a path, which must be a customer's.
fn policy_of(view: &View, place: &Place) -> Result<Row<Policy>, ApiError> {
    let policy = named(view, place.policyid)?;
    match policy.value.owner {
        Account::Customer(_) => Ok(policy),
        _ => Err(ApiError::field("policyid", "only policies of customers have local records")),
    }
}

/// A record that stands in the policy the path names.
fn record(view: &View, place: &Place, at: &Named) -> Result<Row<LocalRecord>, ApiError> {
    let policy = named(view, place.policyid)?;
    let row = view.find::<LocalRecord>(at.recordid.0, "local record")?;
    if row.value.policy != policy.value.id {
        return Err(ApiError::not_found("local record"));
    }
    Ok(row)
}

async fn list<S: Scope>(call: Call<S>, Both(place, page): Both<Place, Page>) -> Result<List<RecordReply>, ApiError> {
    let policy = named(&call.view, place.policyid)?.value;
    let rows = || call.view.under::<LocalRecord>(policy.owner, policy.id.0);
    let data = rows().skip(page.offset()).take(page.limit()).map(|row| show(&row.value)).collect();
    Ok(List::new(rows().count(), data))
}

type Ttl = Number<0, 604_800>;

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// The name; `*.` in front asks for the names below it too.
    name: ListedName,
    /// Answer names below it alike; false where absent.
    #[serde(default)]
    subdomains: Option<Flag>,
    /// The record type, or a denial of every type.
    #[serde(rename = "type")]
    kind: TypeWord,
    /// The data in master-file form, at most 64; none for denials.
    #[serde(default)]
    values: Many<Text<4096>>,
    /// Seconds; 300 where absent.
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    comment: Text<250>,
}

fn texts(values: &Many<Text<4096>>) -> Vec<String> {
    values.0.iter().map(|text| text.0.clone()).collect()
}

async fn create<S: Scope>(
    call: Call<S>,
    Both(place, input): Both<Place, Create>,
) -> Result<Single<RecordReply>, ApiError> {
    let answer = values::read(input.kind, &texts(&input.values))?;
    let id = LocalRecordId(call.next_id::<LocalRecord>());
    call.write(|batch| {
        let policy = policy_of(&call.view, &place)?;
        if call.view.under::<LocalRecord>(policy.value.owner, policy.value.id.0).count() >= RECORDS_MAX {
            return Err(ApiError::conflict(format!("The policy has {RECORDS_MAX} local records already")));
        }
        let record = LocalRecord {
            id,
            owner: policy.value.owner,
            policy: policy.value.id,
            name: input.name.name.clone(),
            subdomains: input.subdomains.map_or(input.name.subdomains, |flag| flag.0),
            answer: answer.clone(),
            ttl_s: input.ttl.map_or(TTL_DEFAULT_S, |ttl| ttl.0 as u32),
            comment: input.comment.0.clone(),
            created: call.now,
        };
        Ok((batch.expect(&policy).create(&record), ()))
    })
    .await?;
    single(&call, id)
}

fn single<S>(call: &Call<S>, id: LocalRecordId) -> Result<Single<RecordReply>, ApiError> {
    let row = call.view.find::<LocalRecord>(id.0, "local record")?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

async fn get<S: Scope>(call: Call<S>, Both(place, at): Both<Place, Named>) -> Result<Single<RecordReply>, ApiError> {
    let row = record(&call.view, &place, &at)?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The name; `*.` in front asks for the names below it too.
    #[serde(default)]
    name: Option<ListedName>,
    /// Answer names below it alike.
    #[serde(default)]
    subdomains: Option<Flag>,
    /// The record type, or a denial of every type; needs `values` where they no longer suit.
    #[serde(default, rename = "type")]
    kind: Option<TypeWord>,
    /// The data in master-file form, at most 64.
    #[serde(default)]
    values: Option<Many<Text<4096>>>,
    /// Seconds.
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    comment: Option<Text<250>>,
}

async fn update<S: Scope>(
    call: Call<S>,
    Both(Both(place, at), input): Both<Both<Place, Named>, Update>,
) -> Result<Single<RecordReply>, ApiError> {
    let id = call
        .write(|batch| {
            let old = record(&call.view, &place, &at)?;
            call.check_match(&old)?;
            let mut new = old.value.clone();
            if let Some(name) = &input.name {
                new.name = name.name.clone();
                new.subdomains |= name.subdomains;
            }
            if let Some(flag) = input.subdomains {
                new.subdomains = flag.0;
            }
            if input.kind.is_some() || input.values.is_some() {
                let (kind, known) = values::show(&old.value.answer);
                let kind = match input.kind {
                    Some(kind) => kind,
                    None => TypeWord::named(kind).ok_or_else(|| ApiError::internal("a record of no known type"))?,
                };
                let given = input.values.as_ref().map(texts);
                let values = given.unwrap_or_else(|| if kind.is_denial() { Vec::new() } else { known });
                new.answer = values::read(kind, &values)?;
            }
            if let Some(ttl) = input.ttl {
                new.ttl_s = ttl.0 as u32;
            }
            if let Some(comment) = &input.comment {
                new.comment = comment.0.clone();
            }
            Ok((if new == old.value { batch } else { batch.update(&old, &new) }, new.id))
        })
        .await?;
    single(&call, id)
}

async fn delete<S: Scope>(call: Call<S>, Both(place, at): Both<Place, Named>) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = record(&call.view, &place, &at)?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(at.recordid.0))
}
