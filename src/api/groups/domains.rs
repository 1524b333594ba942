//! Allow and block lists: of the system, of an MSP, of a customer's policy.
//!
//! A list has many paths. `/domains/{action}` is the list of the caller's own level, of the system or
//! an MSP; the default policy of these stands for the same list. A row's `object` is its action.

use super::{
    import::{import, import_global},
    policies::named,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Expiry, Flag, Id, ListedName, Nullable, Page, PolicyRef, Text, choices},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfAccount, OfCustomer, Own, Scope, View},
    },
    model::*,
    store::Row,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

operations! {
    global_domains {
        /// Lists the entries of the caller's level: of the system, or of an MSP.
        GET "/domains/{action}?policyid=default" for [System, Sales, Msp] => list_global_domains = list::<Own>;
        /// Adds an entry.
        POST "/domains/{action}?policyid=default"
            also "/whitelist?policyid=default&action=allow" also "/blacklist?policyid=default&action=block"
            for [System, Sales, Msp] => create_global_domain = create::<Own>;
        /// Shows an entry.
        GET "/domains/{action}/{domainid}?policyid=default" for [System, Sales, Msp] => get_global_domain = get::<Own>;
        /// Changes an entry; absent fields stay.
        POST or PUT "/domains/{action}/{domainid}?policyid=default" for [System, Sales, Msp]
            => update_global_domain = update::<Own>;
        /// Deletes an entry.
        DELETE "/domains/{action}/{domainid}?policyid=default" for [System, Sales, Msp]
            => delete_global_domain = delete::<Own>;
        /// Adds many entries from a JSON array or a CSV file.
        /// The good ones are added; an entry that exists is left alone unless `overwrite` is true. The answer is
        /// an array of the entries added.
        POST "/domains/{action}/import?policyid=default" up to 16 MiB for [System, Sales, Msp]
            => import_global_domains = import_global;
    }
    customer_domains {
        /// Lists the entries of all policies of a customer.
        GET "/users/{id}/domains/{action}" for [System, Sales, Msp, Customer] => list_customer_domains = list_of_customer;
        /// Lists the entries of a customer's default policy.
        GET "/users/{id}/policies/default/domains/{action}?policyid=default" for [System, Sales, Msp, Customer]
            => list_customer_default_domains = list::<OfCustomer>;
        /// Adds an entry to a customer's default policy.
        POST "/users/{id}/policies/default/domains/{action}?policyid=default" for [System, Sales, Msp, Customer]
            => create_customer_default_domain = create::<OfCustomer>;
        /// Shows an entry of a customer's default policy.
        GET "/users/{id}/policies/default/domains/{action}/{domainid}?policyid=default"
            for [System, Sales, Msp, Customer] => get_customer_default_domain = get::<OfCustomer>;
        /// Changes an entry of a customer's default policy; absent fields stay.
        POST or PUT "/users/{id}/policies/default/domains/{action}/{domainid}?policyid=default"
            for [System, Sales, Msp, Customer] => update_customer_default_domain = update::<OfCustomer>;
        /// Deletes an entry of a customer's default policy.
        DELETE "/users/{id}/policies/default/domains/{action}/{domainid}?policyid=default"
            for [System, Sales, Msp, Customer] => delete_customer_default_domain = delete::<OfCustomer>;
        /// Adds many entries to a customer's default policy from a CSV file.
        /// The good lines are added, the bad ones reported with their numbers.
        POST "/users/{id}/policies/default/domains/{action}/import?policyid=default" up to 16 MiB
            for [System, Sales, Msp, Customer] => import_customer_default_domains = import::<OfCustomer>;
        /// Adds many entries to a policy from a CSV file.
        /// The good lines are added, the bad ones reported with their numbers.
        POST "/users/{id}/policies/{policyid}/domains/{action}/import" up to 16 MiB
            for [System, Sales, Msp, Customer] => import_customer_policy_domains = import::<OfCustomer>;
        /// Lists the entries of a policy.
        GET "/users/{id}/policies/{policyid}/domains/{action}" for [System, Sales, Msp, Customer]
            => list_customer_policy_domains = list::<OfCustomer>;
        /// Shows an entry of a policy.
        GET "/users/{id}/policies/{policyid}/domains/{action}/{domainid}" for [System, Sales, Msp, Customer]
            => get_customer_policy_domain = get::<OfCustomer>;
        /// Changes an entry of a policy; absent fields stay.
        POST or PUT "/users/{id}/policies/{policyid}/domains/{action}/{domainid}"
            for [System, Sales, Msp, Customer] => update_customer_policy_domain = update::<OfCustomer>;
        /// Deletes an entry of a policy.
        DELETE "/users/{id}/policies/{policyid}/domains/{action}/{domainid}" for [System, Sales, Msp, Customer]
            => delete_customer_policy_domain = delete::<OfCustomer>;
        /// Adds an entry to a policy.
        POST "/users/{id}/policies/{policyid}/domains/{action}" for [System, Sales, Msp, Customer]
            => create_customer_policy_domain = create::<OfCustomer>;
    }
    policy_domains {
        /// Lists the entries of a policy.
        /// `default` is the customer's default policy with `user_id`, the MSP's list with `msp_id`, else the list
        /// of the caller's own level.
        GET "/policies/{policyid}/domains/{action}" for [System, Sales, Msp, Customer]
            => list_policy_domains = list::<OfAccount>;
        /// Adds an entry.
        POST "/policies/{policyid}/domains/{action}" for [System, Sales, Msp, Customer]
            => create_policy_domain = create::<OfAccount>;
        /// Shows an entry.
        GET "/policies/{policyid}/domains/{action}/{domainid}" for [System, Sales, Msp, Customer]
            => get_policy_domain = get::<OfAccount>;
        /// Changes an entry; absent fields stay.
        POST or PUT "/policies/{policyid}/domains/{action}/{domainid}" for [System, Sales, Msp, Customer]
            => update_policy_domain = update::<OfAccount>;
        /// Deletes an entry.
        DELETE "/policies/{policyid}/domains/{action}/{domainid}" for [System, Sales, Msp, Customer]
            => delete_policy_domain = delete::<OfAccount>;
        /// Adds many entries from a CSV file.
        /// The good lines are added, the bad ones reported with their numbers.
        POST "/policies/{policyid}/domains/{action}/import" up to 16 MiB for [System, Sales, Msp, Customer]
            => import_policy_domains = import::<OfAccount>;
    }
}

choices! {
    /// One of the two lists.
    pub(super) enum ActionWord {
        /// The allow list.
        Allow = "allow",
        /// The block list.
        Block = "block",
    }
    /// One of the two lists, or both.
    pub(super) enum ActionFilter {
        /// The allow list.
        Allow = "allow",
        /// The block list.
        Block = "block",
        /// Both.
        All = "all",
    }
}

impl From<ActionWord> for Action {
    fn from(word: ActionWord) -> Self {
        match word {
            ActionWord::Allow => Action::Allow,
            ActionWord::Block => Action::Block,
        }
    }
}

impl ActionFilter {
    fn admits(self, action: Action) -> bool {
        match self {
            ActionFilter::Allow => action == Action::Allow,
            ActionFilter::Block => action == Action::Block,
            ActionFilter::All => true,
        }
    }
}

/// An entry as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EntryReply {
    #[serde(skip)]
    #[schemars(skip)]
    action: &'static str,
    id: u32,
    domain: String,
    /// Whether names below it match too.
    subdomains: bool,
    /// Whether queries it decides are logged.
    log_requests: bool,
    comment: String,
    /// From this moment on it decides nothing; `null` where it stays.
    expires: Option<String>,
    policyid: Option<u32>,
    policyname: Option<String>,
}

impl Object for EntryReply {
    fn object(&self) -> &'static str {
        self.action
    }
}

pub(super) fn show(entry: &ListEntry, policy: Option<&Policy>) -> EntryReply {
    EntryReply {
        action: match entry.action {
            Action::Allow => "allow",
            Action::Block => "block",
        },
        id: entry.id.0,
        domain: entry.domain.to_string(),
        subdomains: entry.subdomains,
        log_requests: entry.log_requests,
        comment: entry.comment.clone(),
        expires: entry.expires.map(time_text),
        policyid: policy.map(|policy| policy.id.0),
        policyname: policy.map(|policy| policy.name.clone()),
    }
}

/// The list that a policy stands for.
pub(super) fn list_of(policy: &Policy) -> ListId {
    match policy.owner {
        Account::System => ListId::System,
        Account::Msp(id) => ListId::Msp(id),
        Account::Customer(_) => ListId::Policy(policy.id),
    }
}

fn parent_of(list: ListId) -> u32 {
    match list {
        ListId::System | ListId::Msp(_) => 0,
        ListId::Policy(id) => id.0,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Listing {
    /// The policy, or `default`.
    policyid: PolicyRef,
    action: ActionFilter,
}

async fn list<S: Scope>(call: Call<S>, Both(at, page): Both<Listing, Page>) -> Result<List<EntryReply>, ApiError> {
    let policy = named(&call.view, at.policyid)?.value;
    let rows = call.view.under::<ListEntry>(policy.owner, parent_of(list_of(&policy)));
    Ok(page_of(rows, at.action, &page, |entry| show(entry, Some(&policy))))
}

fn page_of(
    rows: impl Iterator<Item = Row<ListEntry>>,
    action: ActionFilter,
    page: &Page,
    mut show: impl FnMut(&ListEntry) -> EntryReply,
) -> List<EntryReply> {
    let mut total = 0;
    let mut data = Vec::new();
    for row in rows.filter(|row| action.admits(row.value.action)) {
        if total >= page.offset() && data.len() < page.limit() {
            data.push(show(&row.value));
        }
        total += 1;
    }
    List::new(total, data)
}

#[derive(Deserialize, JsonSchema)]
struct OfAllPolicies {
    action: ActionFilter,
}

async fn list_of_customer(
    call: Call<OfCustomer>,
    Both(which, page): Both<OfAllPolicies, Page>,
) -> Result<List<EntryReply>, ApiError> {
    let mut policies: HashMap<ListId, Policy> = HashMap::new();
    for row in call.view.own::<Policy>() {
        policies.insert(list_of(&row.value), row.value);
    }
    let rows = call.view.own::<ListEntry>();
    Ok(page_of(rows, which.action, &page, |entry| show(entry, policies.get(&entry.list))))
}

/// The list a path names.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Place {
    /// The policy, or `default`.
    pub(super) policyid: PolicyRef,
    pub(super) action: ActionWord,
}

/// An entry a path names.
#[derive(Deserialize, JsonSchema)]
struct Named {
    /// Id of the entry.
    domainid: Id,
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// The domain; a leading dot or `*.` is tolerated.
    domain: ListedName,
    /// Also match every name below it; true where absent.
    #[serde(default)]
    subdomains: Option<Flag>,
    /// When false, queries it decides are neither logged nor counted; true where absent.
    #[serde(default)]
    log_requests: Option<Flag>,
    #[serde(default)]
    comment: Text<250>,
    /// When it ends; absent or null: never.
    #[serde(default)]
    expires: Nullable<Expiry>,
}

/// The moment an entry ends; `stays` where nothing was said.
fn end_of(expires: Nullable<Expiry>, stays: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match expires {
        Nullable::Absent => Ok(stays),
        Nullable::Null => Ok(None),
        Nullable::Value(expiry) => expiry.at(now).map(Some).map_err(|problem| ApiError::field("expires", problem)),
    }
}

async fn create<S: Scope>(
    call: Call<S>,
    Both(place, input): Both<Place, Create>,
) -> Result<Single<EntryReply>, ApiError> {
    let made = make(&call, &place, &input, false).await;
    let id = match made {
        // One that has ended is deleted within a minute; it must not stand in the way until then.
        Err(error) if error.status() == StatusCode::CONFLICT => {
            make(&call, &place, &input, true).await.map_err(|_| error)?
        }
        made => made?,
    };
    single(&call, &place, id)
}

/// Makes an entry, or with `renew` makes it of the one for the same name that has ended.
async fn make<S: Scope>(call: &Call<S>, place: &Place, input: &Create, renew: bool) -> Result<EntryId, ApiError> {
    let id = EntryId(call.next_id::<ListEntry>());
    call.write(|batch| {
        let policy = named(&call.view, place.policyid)?;
        let mut entry = ListEntry {
            id,
            owner: policy.value.owner,
            list: list_of(&policy.value),
            action: place.action.into(),
            domain: input.domain.name.clone(),
            subdomains: input.subdomains.is_none_or(|flag| flag.0),
            log_requests: input.log_requests.is_none_or(|flag| flag.0),
            comment: input.comment.0.clone(),
            expires: end_of(input.expires, None, call.now)?,
            created: call.now,
        };
        let batch = batch.expect(&policy);
        if !renew {
            return Ok((batch.create(&entry), id));
        }
        let ended = |row: &Row<ListEntry>| {
            let old = &row.value;
            old.expires.is_some_and(|end| end <= call.now) && old.action == entry.action && old.domain == entry.domain
        };
        let mut rows = call.view.under::<ListEntry>(policy.value.owner, parent_of(entry.list));
        let old = rows.find(ended).ok_or_else(|| ApiError::not_found("domain"))?;
        entry.id = old.value.id;
        Ok((batch.update(&old, &entry), entry.id))
    })
    .await
}

fn single<S>(call: &Call<S>, place: &Place, id: EntryId) -> Result<Single<EntryReply>, ApiError> {
    let (row, policy) = entry(&call.view, place, id)?;
    Ok(Single::new(show(&row.value, Some(&policy.value))).at(row.revision))
}

/// An entry that stands in the list the path names.
fn entry(view: &View, place: &Place, id: EntryId) -> Result<(Row<ListEntry>, Row<Policy>), ApiError> {
    let policy = named(view, place.policyid)?;
    let row = view.find::<ListEntry>(id.0, "domain")?;
    if row.value.list != list_of(&policy.value) || row.value.action != place.action.into() {
        return Err(ApiError::not_found("domain"));
    }
    Ok((row, policy))
}

async fn get<S: Scope>(call: Call<S>, Both(place, at): Both<Place, Named>) -> Result<Single<EntryReply>, ApiError> {
    single(&call, &place, EntryId(at.domainid.0))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The domain; a leading dot or `*.` asks for subdomains.
    #[serde(default)]
    domain: Option<ListedName>,
    /// Also match every name below it.
    #[serde(default)]
    subdomains: Option<Flag>,
    /// When false, queries it decides are neither logged nor counted.
    #[serde(default)]
    log_requests: Option<Flag>,
    #[serde(default)]
    comment: Option<Text<250>>,
    /// When it ends; null: never.
    #[serde(default)]
    expires: Nullable<Expiry>,
}

async fn update<S: Scope>(
    call: Call<S>,
    Both(Both(place, at), input): Both<Both<Place, Named>, Update>,
) -> Result<Single<EntryReply>, ApiError> {
    let id = EntryId(at.domainid.0);
    call.write(|batch| {
        let (old, _) = entry(&call.view, &place, id)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        if let Some(domain) = &input.domain {
            new.domain = domain.name.clone();
            new.subdomains |= domain.subdomains;
        }
        if let Some(flag) = input.subdomains {
            new.subdomains = flag.0;
        }
        if let Some(flag) = input.log_requests {
            new.log_requests = flag.0;
        }
        if let Some(comment) = &input.comment {
            new.comment = comment.0.clone();
        }
        new.expires = end_of(input.expires, new.expires, call.now)?;
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    single(&call, &place, id)
}

async fn delete<S: Scope>(call: Call<S>, Both(place, at): Both<Place, Named>) -> Result<Deleted, ApiError> {
    let id = EntryId(at.domainid.0);
    call.write(|batch| {
        let (row, _) = entry(&call.view, &place, id)?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}
