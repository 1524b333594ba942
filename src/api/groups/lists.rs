//! Subscribed lists of the system, of MSPs and of customers.
//!
//! A list belongs to an account; policies of it and of the accounts below subscribe to it by its id, in the
//! `lists` section of their filter. Its contents are fetched, or uploaded here; how it stands is another document,
//! because it changes without anybody changing the list.

use super::list_fields::{Fields, ListReply, Named, Renamed, StatusReply, blank, show, show_status};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Id, Page, Upload, Words},
        operation::operations,
        reply::{Deleted, List, Listing, Single},
        scope::{OfAccount, OfCustomer, OfMsp, Scope},
    },
    feeds::Sought,
    jobs::SearchError,
    model::*,
    store::{Batch, Row},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{Cursor, Read};

operations! {
    lists {
        /// Lists the subscribed lists of the account.
        GET "/lists" for [System, Sales, Msp, Customer] => list_lists = list::<OfAccount>;
        /// Makes a list that policies of the account and below may subscribe to.
        /// It is fetched at once, and then as often as `refresh_s` says.
        POST "/lists" for [System, Sales, Msp, Customer] => create_list = create::<OfAccount>;
        /// Lists all lists that policies of the account may subscribe to, those of the accounts above included.
        GET "/lists/available" for [System, Sales, Msp, Customer] => list_available_lists = available::<OfAccount>;
        /// Shows a list.
        GET "/lists/{listid}" for [System, Sales, Msp, Customer] => get_list = get::<OfAccount>;
        /// Changes a list; absent fields stay.
        POST or PUT "/lists/{listid}" for [System, Sales, Msp, Customer] => update_list = update::<OfAccount>;
        /// Deletes a list.
        /// While policies subscribe to it, that is refused, unless `force` is true: then the subscriptions go with it.
        DELETE "/lists/{listid}" for [System, Sales, Msp, Customer] => delete_list = delete::<OfAccount>;
        /// Gives a list its contents: a file, plain or packed with gzip, zstd, xz or zip.
        /// The answer comes when queries are decided by it.
        POST "/lists/{listid}/upload" up to 1024 MiB with file for [System, Sales, Msp, Customer]
            => upload_list = upload::<OfAccount>;
        /// Fetches a list as soon as there is room.
        /// With `confirm` a version is taken that was held back because it lost more than half of the rules.
        POST "/lists/{listid}/refresh" for [System, Sales, Msp, Customer] => refresh_list = refresh::<OfAccount>;
        /// Shows how a list stands: when it was fetched, what was understood of it, what it decided.
        GET "/lists/{listid}/status" for [System, Sales, Msp, Customer] => get_list_status = status::<OfAccount>;
        /// Shows the rules of a list as they are written in its last good copy, with their lines.
        /// With `search` those that contain a text; where it is a name or an address, also those that match it. The list is
        /// looked through until the page is full, for ten seconds at most; `complete` says whether that was to its end.
        GET "/lists/{listid}/rules" for [System, Sales, Msp, Customer] => list_list_rules = rules::<OfAccount>;
    }
    customer_lists {
        /// Lists a customer's subscribed lists.
        GET "/users/{id}/lists" for [System, Sales, Msp, Customer] => list_customer_lists = list::<OfCustomer>;
        /// Makes a list for a customer.
        POST "/users/{id}/lists" for [System, Sales, Msp, Customer] => create_customer_list = create::<OfCustomer>;
        /// Lists all lists that a customer's policies may subscribe to.
        GET "/users/{id}/lists/available" for [System, Sales, Msp, Customer]
            => list_available_customer_lists = available::<OfCustomer>;
        /// Shows a customer's list.
        GET "/users/{id}/lists/{listid}" for [System, Sales, Msp, Customer] => get_customer_list = get::<OfCustomer>;
        /// Changes a customer's list; absent fields stay.
        POST or PUT "/users/{id}/lists/{listid}" for [System, Sales, Msp, Customer]
            => update_customer_list = update::<OfCustomer>;
        /// Deletes a customer's list.
        DELETE "/users/{id}/lists/{listid}" for [System, Sales, Msp, Customer]
            => delete_customer_list = delete::<OfCustomer>;
        /// Gives a customer's list its contents.
        POST "/users/{id}/lists/{listid}/upload" up to 1024 MiB with file for [System, Sales, Msp, Customer]
            => upload_customer_list = upload::<OfCustomer>;
        /// Fetches a customer's list as soon as there is room.
        POST "/users/{id}/lists/{listid}/refresh" for [System, Sales, Msp, Customer]
            => refresh_customer_list = refresh::<OfCustomer>;
        /// Shows how a customer's list stands.
        GET "/users/{id}/lists/{listid}/status" for [System, Sales, Msp, Customer]
            => get_customer_list_status = status::<OfCustomer>;
        /// Shows the rules of a customer's list as they are written.
        GET "/users/{id}/lists/{listid}/rules" for [System, Sales, Msp, Customer]
            => list_customer_list_rules = rules::<OfCustomer>;
    }
    msp_lists {
        /// Lists an MSP's subscribed lists.
        GET "/msps/{id}/lists" for [System, Sales, Msp] => list_msp_lists = list::<OfMsp>;
        /// Makes a list for an MSP.
        POST "/msps/{id}/lists" for [System, Sales, Msp] => create_msp_list = create::<OfMsp>;
        /// Lists all lists that an MSP's default policy may subscribe to.
        GET "/msps/{id}/lists/available" for [System, Sales, Msp] => list_available_msp_lists = available::<OfMsp>;
        /// Shows an MSP's list.
        GET "/msps/{id}/lists/{listid}" for [System, Sales, Msp] => get_msp_list = get::<OfMsp>;
        /// Changes an MSP's list; absent fields stay.
        POST or PUT "/msps/{id}/lists/{listid}" for [System, Sales, Msp] => update_msp_list = update::<OfMsp>;
        /// Deletes an MSP's list.
        DELETE "/msps/{id}/lists/{listid}" for [System, Sales, Msp] => delete_msp_list = delete::<OfMsp>;
        /// Gives an MSP's list its contents.
        POST "/msps/{id}/lists/{listid}/upload" up to 1024 MiB with file for [System, Sales, Msp]
            => upload_msp_list = upload::<OfMsp>;
        /// Fetches an MSP's list as soon as there is room.
        POST "/msps/{id}/lists/{listid}/refresh" for [System, Sales, Msp] => refresh_msp_list = refresh::<OfMsp>;
        /// Shows how an MSP's list stands.
        GET "/msps/{id}/lists/{listid}/status" for [System, Sales, Msp] => get_msp_list_status = status::<OfMsp>;
        /// Shows the rules of an MSP's list as they are written.
        GET "/msps/{id}/lists/{listid}/rules" for [System, Sales, Msp] => list_msp_list_rules = rules::<OfMsp>;
    }
}

/// Lists of one customer.
const CUSTOMER_LISTS_MAX: usize = 50;
/// Lists of one MSP.
const MSP_LISTS_MAX: usize = 200;
/// Lists of the system.
const SYSTEM_LISTS_MAX: usize = 1_000;
/// Subscriptions that go with one list.
const SUBSCRIPTIONS_MAX: usize = 10_000;

#[derive(Deserialize, JsonSchema)]
struct At {
    /// Which list.
    listid: Id,
}

/// The list, if it is in reach.
fn named<S>(call: &Call<S>, at: &At) -> Result<Row<ListSource>, ApiError> {
    call.view.find::<ListSource>(at.listid.0, "list")
}

fn single<S>(call: &Call<S>, row: &Row<ListSource>) -> Single<ListReply> {
    let status = call.services().lists.status(&row.value);
    Single::new(show(&row.value, &status, false)).at(row.revision)
}

async fn list<S: Scope>(call: Call<S>, page: Page) -> Result<List<ListReply>, ApiError> {
    let rows = call.view.own::<ListSource>().skip(page.offset()).take(page.limit());
    let shown = rows.map(|row| show(&row.value, &call.services().lists.status(&row.value), false)).collect();
    Ok(List::new(call.view.own_count::<ListSource>(), shown))
}

async fn available<S: Scope>(call: Call<S>, page: Page) -> Result<List<ListReply>, ApiError> {
    let own = call.view.account();
    let accounts = call.store().account_and_above(own);
    let all: Vec<ListSource> = accounts
        .into_iter()
        .flat_map(|account| call.store().rows::<ListSource>(account))
        .map(|row| row.value)
        .filter(|list| list.enabled || list.owner == own)
        .collect();
    let shown = all.iter().skip(page.offset()).take(page.limit());
    let shown = shown.map(|list| show(list, &call.services().lists.status(list), !call.reach.reaches(list.owner)));
    Ok(List::new(all.len(), shown.collect()))
}

async fn create<S: Scope>(
    call: Call<S>,
    Both(Named { name }, fields): Both<Named, Fields>,
) -> Result<Single<ListReply>, ApiError> {
    let owner = call.view.account();
    let id = ListSourceId(call.next_id::<ListSource>());
    let mut new = blank(id, owner, name.0, call.now);
    fields.apply(&call, &mut new)?;
    let lists_max = match owner {
        Account::System => SYSTEM_LISTS_MAX,
        Account::Msp(_) => MSP_LISTS_MAX,
        Account::Customer(_) => CUSTOMER_LISTS_MAX,
    };
    call.write(|batch| {
        let batch = match owner {
            Account::System => batch,
            Account::Msp(id) => batch.expect(&call.view.msp(id)?),
            Account::Customer(id) => batch.expect(&call.view.customer(id)?),
        };
        if call.view.own_count::<ListSource>() >= lists_max {
            return Err(ApiError::conflict(format!("The account has {lists_max} lists, which is all it may have")));
        }
        Ok((batch.create(&new), ()))
    })
    .await?;
    call.services().lists.look();
    Ok(single(&call, &call.view.find::<ListSource>(id.0, "list")?))
}

async fn get<S: Scope>(call: Call<S>, at: At) -> Result<Single<ListReply>, ApiError> {
    Ok(single(&call, &named(&call, &at)?))
}

async fn update<S: Scope>(
    call: Call<S>,
    Both(at, Both(renamed, fields)): Both<At, Both<Renamed, Fields>>,
) -> Result<Single<ListReply>, ApiError> {
    call.write(|batch| {
        let old = named(&call, &at)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        if let Some(name) = &renamed.name {
            new.name = name.0.clone();
        }
        fields.apply(&call, &mut new)?;
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    call.services().lists.look();
    Ok(single(&call, &named(&call, &at)?))
}

#[derive(Deserialize, JsonSchema)]
struct Forced {
    /// Delete the list although policies subscribe to it; the subscriptions go with it.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    force: Option<Flag>,
}

async fn delete<S: Scope>(call: Call<S>, Both(at, forced): Both<At, Forced>) -> Result<Deleted, ApiError> {
    let force = forced.force.is_some_and(|flag| flag.0);
    call.write(|batch| {
        let row = named(&call, &at)?;
        call.check_match(&row)?;
        let (batch, subscriptions) = without_subscriptions(&call, batch, row.value.id)?;
        if subscriptions > 0 && !force {
            return Err(ApiError::conflict(format!(
                "{subscriptions} policies subscribe to the list; with force=true their subscriptions go with it"
            )));
        }
        Ok((batch.delete(&row), ()))
    })
    .await?;
    call.services().lists.look();
    Ok(Deleted::new(at.listid.0))
}

/// Takes a list out of the policies that subscribe to it; says how many these are.
fn without_subscriptions<S>(call: &Call<S>, mut batch: Batch, list: ListSourceId) -> Result<(Batch, usize), ApiError> {
    let mut count = 0;
    for row in call.store().all::<PolicyFilter>() {
        let mut new = row.value.clone();
        if let Some(lists) = &mut new.settings.lists {
            lists.retain(|id| *id != list);
        }
        for schedule in new.settings.schedules.iter_mut().flatten() {
            if let ScheduleEffect::Lists(lists) = &mut schedule.effect {
                lists.retain(|id| *id != list);
            }
        }
        if new != row.value {
            count += 1;
            if count > SUBSCRIPTIONS_MAX {
                return Err(ApiError::conflict("Too many policies subscribe to the list; disable it instead"));
            }
            new.updated = call.now;
            batch = batch.update(&row, &new);
        }
    }
    Ok((batch, count))
}

#[derive(Deserialize, JsonSchema)]
struct Contents {
    /// The file, as a part of a form.
    #[serde(default)]
    file: Option<Upload>,
    /// The file, as the body of a request of type `text/plain`.
    #[serde(default)]
    csv: Option<Upload>,
    /// Take it even if it has less than half of the rules that serve.
    #[serde(default)]
    confirm: Option<Flag>,
}

async fn upload<S: Scope>(
    call: Call<S>,
    Both(at, contents): Both<At, Contents>,
) -> Result<Single<StatusReply>, ApiError> {
    let row = named(&call, &at)?;
    call.check_match(&row)?;
    if row.value.origin != ListOrigin::Upload {
        return Err(ApiError::conflict("The contents of this list are fetched; set its origin to upload first"));
    }
    let octets: Box<dyn Read + Send> = match (call.received(), contents.file.or(contents.csv)) {
        (Some(file), _) => Box::new(file.open().map_err(ApiError::internal)?),
        (None, Some(file)) => Box::new(Cursor::new(file.0)),
        (None, None) => return Err(ApiError::field("file", "is required")),
    };
    let confirm = contents.confirm.is_some_and(|flag| flag.0);
    let lists = &call.services().lists;
    lists.upload(&row.value, octets, confirm).await.map_err(|error| ApiError::unprocessable(error.to_string()))?;
    Ok(Single::new(show_status(&row.value, lists.status(&row.value))))
}

#[derive(Deserialize, JsonSchema)]
struct Wish {
    /// Take a version that lost more than half of the rules.
    #[serde(default)]
    confirm: Option<Flag>,
}

async fn refresh<S: Scope>(call: Call<S>, Both(at, wish): Both<At, Wish>) -> Result<Single<StatusReply>, ApiError> {
    let row = named(&call, &at)?;
    if !row.value.enabled {
        return Err(ApiError::conflict("The list is disabled"));
    }
    let lists = &call.services().lists;
    lists.refresh(row.value.id, wish.confirm.is_some_and(|flag| flag.0));
    Ok(Single::new(show_status(&row.value, lists.status(&row.value))))
}

async fn status<S: Scope>(call: Call<S>, at: At) -> Result<Single<StatusReply>, ApiError> {
    let row = named(&call, &at)?;
    Ok(Single::new(show_status(&row.value, call.services().lists.status(&row.value))))
}

/// Rules of a page; more make no page.
const RULES_MAX: usize = 1_000;

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// What is looked for, at most 253 characters; without it, all rules.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    search: Option<Words<1, 253>>,
}

/// A page of rules.
#[derive(Serialize, JsonSchema)]
struct RulesShown {
    /// Rules found, up to where the search ended.
    total: usize,
    /// Lines looked at, comments not counted.
    lines: u64,
    /// The whole list was looked through: `total` is all there is. Else more may follow behind the page.
    complete: bool,
}

/// A rule of a list.
#[derive(Serialize, JsonSchema)]
struct RuleShown {
    /// Always `list_rule`.
    object: &'static str,
    /// Its line, counted from 1; of a transferred zone, its number among the records; null for lists without lines.
    line: Option<u64>,
    /// The line as it is written, at most 1,000 characters of it.
    text: String,
}

async fn rules<S: Scope>(
    call: Call<S>,
    Both(at, Both(search, page)): Both<At, Both<Search, Page>>,
) -> Result<Listing<RulesShown, RuleShown>, ApiError> {
    let row = named(&call, &at)?;
    let sought = Sought::new(search.search.as_ref().map_or("", |search| &search.0));
    let limit = page.limit().min(RULES_MAX);
    let found = call.services().lists.search(&row.value, sought, page.offset(), limit).await;
    let found = found.map_err(|error| match error {
        SearchError::Busy(retry_after_s) => ApiError::too_many_requests(retry_after_s),
        error => ApiError::unavailable("The copy of the list cannot be read", error),
    })?;
    let about = RulesShown { total: found.total, lines: found.lines, complete: found.complete };
    let shown = found.rules.into_iter();
    Ok(Listing::new(
        about,
        shown.map(|rule| RuleShown { object: "list_rule", line: rule.line, text: rule.text }).collect(),
    ))
}
