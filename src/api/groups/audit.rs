//! The audit trail: who changed what, when, from where, and who tried to sign in.
//!
//! It is the store's change log, read from its end. A caller sees what concerns the rows it reaches:
//! of a change to its rows made from above, it learns that it was the provider's or the system's, not by whom.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Date, Id, Nothing, Number, Page, Text},
        operation::operations,
        reply::{Object, Single, json, time_text},
        scope::{OfAccount, OfCustomer, OfMsp, Own, Scope, View},
    },
    model::*,
    store::{Actor, AnyRow, Change, Committed, HistoryError, Revision, Store, Table},
};
use bytes::Bytes;
use http::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Log entries one call looks at, at most.
const ENTRIES_MAX: usize = if cfg!(test) { 200 } else { 200_000 };
/// Rows an entry of the trail shows of one change, at most; an import has 100,000.
const ROWS_SHOWN_MAX: usize = 100;

operations! {
    audit {
        /// Lists who did what, newest first.
        /// Changes with the fields before and after (never a secret), sign-ins and failed ones. `user_id` or `msp_id` names the account.
        GET "/audit" for [System, Sales, Msp, Customer] => list_audit = list;
        /// Lists who did what to a customer.
        GET "/users/{id}/audit" for [System, Sales, Msp, Customer] => list_user_audit = list_of_customer;
        /// Lists who did what to an MSP and its customers.
        GET "/msps/{id}/audit" for [System, Sales, Msp] => list_msp_audit = list_of_msp;
        /// Checks that the trail was not changed afterwards.
        /// Each entry carries the hash of the one before. Compare `head` with one kept elsewhere to notice a trail written anew.
        GET or POST "/audit/verify" for [System] => verify_audit = verify;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Filter {
    /// Only of this day (UTC) or later.
    #[serde(default)]
    start: Option<Date>,
    /// Only of this day (UTC) or before.
    #[serde(default)]
    end: Option<Date>,
    /// Only of this operation, such as `update_policy`.
    #[serde(default)]
    operation: Option<Text<100>>,
    /// Only of this administrator.
    #[serde(default)]
    admin_id: Option<Id>,
    /// Only with rows of this kind, such as `policy`.
    #[serde(default)]
    kind: Option<Text<100>>,
    /// Only entries of a lower revision: `next` of the answer before.
    #[serde(default)]
    before: Option<Number<1, { i64::MAX }>>,
}

/// A filter that can be tried on entries.
struct Wanted {
    since: Option<i64>,
    before: Option<i64>,
    operation: Option<String>,
    admin: Option<AdminId>,
    table: Option<Table>,
    /// The revision behind the newest that is looked at.
    behind: Option<u64>,
}

impl Filter {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let table = match &self.kind {
            None => None,
            Some(kind) => {
                let unknown = || ApiError::field("kind", "is no kind of row");
                Some(Table::from_name(kind.0.trim()).ok_or_else(unknown)?)
            }
        };
        let midnight = |date: jiff::civil::Date| {
            date.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp().as_second()).ok()
        };
        if let (Some(start), Some(end)) = (&self.start, &self.end)
            && end.0 < start.0
        {
            return Err(ApiError::field("end", "is before start"));
        }
        Ok(Wanted {
            since: self.start.as_ref().and_then(|start| midnight(start.0)),
            before: self.end.as_ref().and_then(|end| end.0.tomorrow().ok()).and_then(midnight),
            operation: self.operation.as_ref().map(|text| text.0.trim().to_owned()).filter(|text| !text.is_empty()),
            admin: self.admin_id.map(|id| AdminId(id.0)),
            table,
            behind: self.before.as_ref().map(|before| before.0.unsigned_abs()),
        })
    }
}

impl Wanted {
    fn admits(&self, entry: &Committed) -> bool {
        self.before.is_none_or(|before| entry.time.0 < before)
            && self.since.is_none_or(|since| entry.time.0 >= since)
            && self.operation.as_deref().is_none_or(|operation| *entry.operation == *operation)
            && self.admin.is_none_or(|admin| entry.actor == Actor::Admin(admin))
            && self.table.is_none_or(|table| entry.changes.iter().any(|change| change.table() == Some(table)))
    }
}

/// One entry of the trail.
#[derive(Debug, Serialize, JsonSchema)]
struct AuditEntry {
    /// Always `audit_entry`.
    object: &'static str,
    /// Its number, which grows by one with each change anywhere.
    revision: u64,
    time: String,
    /// The operation, such as `update_policy`.
    operation: String,
    actor: ShownActor,
    /// Where the request came from.
    address: Option<String>,
    changes: Vec<ShownChange>,
    /// Rows changed; more than `changes` shows if there were more than a hundred.
    changes_count: usize,
    /// What happened, where that is no change of rows.
    incident: Option<ShownIncident>,
}

/// Who did it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownActor {
    /// `admin`, `daemon`, `command_line`, `device`, `location`, `anonymous`; `system` and `msp` stand for
    /// administrators above the caller.
    kind: &'static str,
    id: Option<u32>,
    email: Option<String>,
}

/// What happened to a row.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownChange {
    /// Kind of the row.
    kind: &'static str,
    id: u32,
    /// `created`, `updated`, `deleted`.
    action: &'static str,
    /// Fields before; of an update only those that changed.
    before: Option<Map<String, Value>>,
    /// Fields after; of an update only those that changed.
    after: Option<Map<String, Value>>,
}

/// Something that changed no row.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownIncident {
    subject: String,
    detail: String,
}

/// A page of the trail.
#[derive(Debug, Serialize, JsonSchema)]
struct Trail {
    /// `list`.
    object: &'static str,
    /// HTTP status.
    code: u16,
    /// Entries in `data`.
    count: usize,
    /// Entries that match.
    total: usize,
    /// Whether the log was looked at to its beginning; else `total` counts what the part has that was looked at.
    complete: bool,
    /// Where the next call goes on, as its `before`: behind the last entry shown where more of them match, else behind
    /// the last that was looked at. `null` where there is no more.
    next: Option<u64>,
    data: Vec<AuditEntry>,
}

impl crate::api::reply::Reply for Trail {
    fn into_response(self) -> Result<Response<Bytes>, ApiError> {
        json(&self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

async fn list(call: Call<OfAccount>, Both(filter, page): Both<Filter, Page>) -> Result<Trail, ApiError> {
    trail(&call, &filter, &page).await
}

async fn list_of_customer(call: Call<OfCustomer>, Both(filter, page): Both<Filter, Page>) -> Result<Trail, ApiError> {
    trail(&call, &filter, &page).await
}

async fn list_of_msp(call: Call<OfMsp>, Both(filter, page): Both<Filter, Page>) -> Result<Trail, ApiError> {
    trail(&call, &filter, &page).await
}

async fn trail<S: Scope>(call: &Call<S>, filter: &Filter, page: &Page) -> Result<Trail, ApiError> {
    let wanted = filter.wanted()?;
    let (store, view, reach) = (call.store().clone(), call.view.clone(), call.reach.clone());
    let (offset, limit) = (page.offset(), page.limit());
    let read = move || read(&store, &view, &reach, &wanted, offset, limit);
    tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)?
}

fn read(
    store: &Store,
    view: &View,
    reach: &View,
    wanted: &Wanted,
    offset: usize,
    limit: usize,
) -> Result<Trail, ApiError> {
    let mut trail = Trail { object: "list", code: 200, count: 0, total: 0, complete: true, next: None, data: vec![] };
    let newest = store.revision().0;
    let mut revision = Revision(wanted.behind.map_or(newest, |behind| newest.min(behind - 1)));
    let mut last_shown = None;
    for looked_at in 0.. {
        if looked_at == ENTRIES_MAX {
            trail.complete = false;
            trail.next = Some(revision.0 + 1);
            break;
        }
        let Some(entry) = store.change(revision).map_err(unreadable)? else { break };
        if wanted.admits(&entry) {
            let seen: Vec<&Change> = entry.changes.iter().filter(|change| visible(view, change)).collect();
            let incident = entry.incident.as_ref().filter(|incident| view.reaches(incident.account));
            if !seen.is_empty() || incident.is_some() {
                if trail.total >= offset && trail.data.len() < limit {
                    let incident = incident.map(|incident| ShownIncident {
                        subject: incident.subject.clone(),
                        detail: incident.detail.clone(),
                    });
                    last_shown = Some(entry.revision.0);
                    trail.data.push(show(store, reach, &entry, &seen, incident));
                }
                trail.total += 1;
            }
        }
        revision = Revision(revision.0 - 1);
    }
    trail.count = trail.data.len();
    if last_shown.is_some() && trail.total > offset + trail.count {
        trail.next = last_shown;
    }
    Ok(trail)
}

fn unreadable(error: HistoryError) -> ApiError {
    ApiError::unavailable("The audit trail cannot be read now", error)
}

fn visible(view: &View, change: &Change) -> bool {
    // What an administrator last did and how far a schedule has got are no acts of anybody.
    let told = !matches!(
        change.table(),
        Some(Table::AdminActivity | Table::CloudKeyUse | Table::ScheduledReportRun | Table::PasswordReset) | None
    );
    told && change.after.iter().chain(&change.before).any(|row| {
        // The row of an account is kept by the one above, and yet tells of the account itself.
        view.reaches(row.owner())
            || match row {
                AnyRow::Customer(customer) => view.reaches(Account::Customer(customer.id)),
                AnyRow::Msp(msp) => view.reaches(Account::Msp(msp.id)),
                _ => false,
            }
    })
}

fn show(
    store: &Store,
    reach: &View,
    entry: &Committed,
    changes: &[&Change],
    incident: Option<ShownIncident>,
) -> AuditEntry {
    let actor = shown_actor(store, reach, entry.actor);
    AuditEntry {
        object: "audit_entry",
        revision: entry.revision.0,
        time: time_text(entry.time),
        operation: entry.operation.to_string(),
        address: entry.address.filter(|_| !matches!(actor.kind, "system" | "msp")).map(|address| address.to_string()),
        actor,
        changes: changes.iter().take(ROWS_SHOWN_MAX).map(|change| shown_change(change)).collect(),
        changes_count: changes.len(),
        incident,
    }
}

fn shown_actor(store: &Store, reach: &View, actor: Actor) -> ShownActor {
    let plain = |kind| ShownActor { kind, id: None, email: None };
    match actor {
        Actor::Daemon => plain("daemon"),
        Actor::CommandLine => plain("command_line"),
        Actor::Anonymous => plain("anonymous"),
        Actor::Device(id) => ShownActor { id: Some(id.0), ..plain("device") },
        Actor::Location(id) => ShownActor { id: Some(id.0), ..plain("location") },
        Actor::Admin(id) => match store.find::<Admin>(id.0).map(|row| row.value) {
            // Whose it was cannot be told any more.
            None => ShownActor { id: Some(id.0), ..plain("admin") },
            Some(admin) if reach.reaches(admin.account) => {
                ShownActor { id: Some(id.0), email: Some(admin.email), ..plain("admin") }
            }
            Some(Admin { account: Account::System, .. }) => plain("system"),
            Some(_) => plain("msp"),
        },
    }
}

fn shown_change(change: &Change) -> ShownChange {
    let fields = |row: &Option<AnyRow>| row.as_ref().map(fields);
    let (mut before, mut after) = (fields(&change.before), fields(&change.after));
    if let (Some(before), Some(after)) = (&mut before, &mut after) {
        let same: Vec<String> = before
            .iter()
            .filter(|(name, value)| after.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            before.remove(&name);
            after.remove(&name);
        }
    }
    for side in [&mut before, &mut after].into_iter().flatten() {
        for (_, value) in side.iter_mut().filter(|(name, _)| is_secret(change.table(), name)) {
            *value = Value::from("(secret)");
        }
    }
    let row = change.after.as_ref().or(change.before.as_ref());
    ShownChange {
        kind: change.table().map_or("", Table::name),
        id: row.map_or(0, AnyRow::id),
        action: match (&change.before, &change.after) {
            (None, _) => "created",
            (_, None) => "deleted",
            _ => "updated",
        },
        before,
        after,
    }
}

fn fields(row: &AnyRow) -> Map<String, Value> {
    match row.to_json() {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Whether a field is a secret, sealed or hashed: none of its forms is for people to see.
fn is_secret(table: Option<Table>, name: &str) -> bool {
    matches!(
        name,
        "password_hash"
            | "consumer_secret"
            | "access_token"
            | "access_token_secret"
            | "client_secret"
            | "secret"
            | "digest"
            | "refresh_digest"
            | "backup_digests"
            | "otg_key"
            | "install_key"
    ) || matches!((table, name), (Some(Table::Certificate | Table::CloudKey), "key"))
}

/// The result of a check.
#[derive(Debug, Serialize, JsonSchema)]
struct Verification {
    /// True where every entry follows from the one before.
    whole: bool,
    /// The oldest entry kept.
    first: Option<u64>,
    /// The newest entry looked at.
    last: Option<u64>,
    /// The hash of the newest entry, hexadecimal.
    head: Option<String>,
    /// Where and how the trail is broken.
    fault: Option<String>,
}

impl Object for Verification {
    fn object(&self) -> &'static str {
        "audit_verification"
    }
}

async fn verify(call: Call<Own>, _: Nothing) -> Result<Single<Verification>, ApiError> {
    let store = call.store().clone();
    let verified = tokio::task::spawn_blocking(move || store.verify_changes()).await.map_err(ApiError::internal)?;
    let verification = match verified {
        Ok(verified) => Verification {
            whole: true,
            first: Some(verified.first.0),
            last: Some(verified.last.0),
            head: Some(verified.head.iter().map(|octet| format!("{octet:02x}")).collect()),
            fault: None,
        },
        Err(broken @ HistoryError::Broken { .. }) => {
            Verification { whole: false, first: None, last: None, head: None, fault: Some(broken.to_string()) }
        }
        Err(error) => return Err(unreadable(error)),
    };
    Ok(Single::new(verification))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sealed_or_hashed_field_of_any_row_is_shown() {
        let sealed = || SealedSecret(vec![1, 2, 3]);
        let account = Account::System;
        let rows = [
            AnyRow::SignatureKeys(SignatureKeys {
                id: CredentialId(1),
                admin: AdminId(1),
                account,
                consumer_key: "public".into(),
                consumer_secret: sealed(),
                access_token: "hush".into(),
                access_token_secret: sealed(),
                created: Timestamp(0),
            }),
            AnyRow::SecondFactor(SecondFactor {
                admin: AdminId(1),
                account,
                secret: sealed(),
                backup_digests: vec![[9; 32]],
                last_step: 0,
                created: Timestamp(0),
            }),
        ];
        for row in rows {
            let shown = shown_change(&Change { before: None, after: Some(row) });
            let text = serde_json::to_string(&shown).expect("JSON");
            assert!(!text.contains("[1,2,3]") && !text.contains("9,9") && !text.contains("hush"), "{text}");
            assert!(text.contains("(secret)"), "{text}");
        }
    }
}
