//! Policies of the system, of MSPs and of customers.
//!
//! One resource with many paths: `/defaultpolicy` is the caller's level's own, `/users/{id}/policies`
//! a customer's, `/policies` any in reach. Values shown are the ones in force: a policy's own, or what
//! it inherits at this moment.

use super::{
    customers::{Preset, set},
    location_shown::{PolicyLocation, locations_of},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Label, OptionalEmail, Page, PolicyRef, Text, choices},
        operation::operations,
        reply::{Deleted, Item, List, Object, Single, time_text},
        scope::{OfAccount, OfCustomer, Own, Scope, View},
    },
    category::Catalogue,
    model::*,
    policy::Presets,
    store::{Batch, Row},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    default_policy {
        /// Reads the default policy of the caller's level: the global one, or an MSP's.
        GET "/defaultpolicy?policyid=default" for [System, Sales, Msp] => get_default_policy = get::<Own>;
        /// Changes the default policy of the caller's level; absent fields stay.
        POST or PUT "/defaultpolicy?policyid=default" for [System, Sales, Msp] => update_default_policy = update::<Own>;
    }
    customer_policies {
        /// Lists a customer's policies without the default one.
        GET "/users/{id}/policies" for [System, Sales, Msp, Customer] => list_customer_policies = list_of_customer;
        /// Creates a policy.
        POST "/users/{id}/policies" for [System, Sales, Msp, Customer] => create_customer_policy = create::<OfCustomer>;
        /// Shows a policy.
        GET "/users/{id}/policies/{policyid}" for [System, Sales, Msp, Customer] => get_customer_policy = get::<OfCustomer>;
        /// Changes a policy; absent fields stay.
        POST or PUT "/users/{id}/policies/{policyid}" for [System, Sales, Msp, Customer]
            => update_customer_policy = update::<OfCustomer>;
        /// Deletes a policy that nothing uses.
        DELETE "/users/{id}/policies/{policyid}" for [System, Sales, Msp, Customer]
            => delete_customer_policy = delete::<OfCustomer>;
    }
    customer_default_policy {
        /// Reads a customer's default policy.
        GET "/users/{id}/policies/default?policyid=default" for [System, Sales, Msp, Customer]
            => get_customer_default_policy = get::<OfCustomer>;
        /// Changes a customer's default policy; absent fields stay.
        POST or PUT "/users/{id}/policies/default?policyid=default" for [System, Sales, Msp, Customer]
            => update_customer_default_policy = update::<OfCustomer>;
    }
    policies {
        /// Lists policies in scope.
        GET "/policies" for [System, Sales, Msp, Customer] => list_policies = list;
        /// Creates a policy for a customer.
        POST "/policies" for [System, Sales, Msp, Customer] => create_policy = create::<OfAccount>;
        /// Shows a policy.
        GET "/policies/{policyid}" for [System, Sales, Msp, Customer] => get_policy = get::<OfAccount>;
        /// Changes a policy; absent fields stay.
        POST or PUT "/policies/{policyid}" for [System, Sales, Msp, Customer] => update_policy = update::<OfAccount>;
        /// Deletes a policy that nothing uses.
        DELETE "/policies/{policyid}" for [System, Sales, Msp, Customer] => delete_policy = delete::<OfAccount>;
    }
}

choices! {
    /// Search engines.
    enum SafeSearchWord {
        /// Held to their filtered results.
        On = "ON",
        /// Left alone.
        Off = "OFF",
    }
    /// Where a policy's categories come from.
    pub(super) enum LevelWord {
        /// Set one by one.
        C = "C",
        /// Low preset.
        L = "L",
        /// Moderate preset.
        M = "M",
        /// High preset.
        H = "H",
    }
}

impl From<LevelWord> for Level {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::C => Level::C,
            LevelWord::L => Level::L,
            LevelWord::M => Level::M,
            LevelWord::H => Level::H,
        }
    }
}

/// A policy as the API shows it, with the values in force.
#[derive(Debug, Serialize, JsonSchema)]
struct PolicyReply {
    id: u32,
    name: String,
    description: String,
    emailnotifications: String,
    /// `ON` or `OFF`.
    safesearch: &'static str,
    allowunclassified: bool,
    /// `C`, `L`, `M` or `H`.
    level: &'static str,
    last_updated: String,
    is_default: bool,
    belongs_to_msp: bool,
    belongs_to_customer: bool,
    inherit_default_allow_list: bool,
    inherit_default_block_list: bool,
    /// Locations the policy applies to; only for customers' policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    locations: Option<Vec<Item<PolicyLocation>>>,
}

impl Object for PolicyReply {
    fn object(&self) -> &'static str {
        "policy"
    }
}

/// The letter of a level.
pub(super) fn level_word(level: Level) -> &'static str {
    match level {
        Level::L => "L",
        Level::M => "M",
        Level::H => "H",
        Level::C => "C",
    }
}

fn show<S>(call: &Call<S>, policy: &Policy) -> PolicyReply {
    let settings = call.view.effective(policy, call.presets());
    let locations = match policy.owner {
        Account::Customer(_) => Some(locations_of(&call.view, policy).into_iter().map(Item::from).collect()),
        Account::System | Account::Msp(_) => None,
    };
    PolicyReply {
        id: policy.id.0,
        name: policy.name.clone(),
        description: policy.description.clone(),
        emailnotifications: settings.email_notifications,
        safesearch: if settings.safe_search == SafeSearch::On { "ON" } else { "OFF" },
        allowunclassified: settings.allow_unclassified,
        level: level_word(settings.level),
        last_updated: time_text(policy.updated),
        is_default: policy.is_default,
        belongs_to_msp: matches!(policy.owner, Account::Msp(_)),
        belongs_to_customer: matches!(policy.owner, Account::Customer(_)),
        inherit_default_allow_list: settings.inherit_default_allow_list,
        inherit_default_block_list: settings.inherit_default_block_list,
        locations,
    }
}

fn single<S>(call: &Call<S>, id: PolicyId) -> Result<Single<PolicyReply>, ApiError> {
    let row = call.view.find::<Policy>(id.0, "policy")?;
    Ok(Single::new(show(call, &row.value)).at(row.revision))
}

/// The policy a path names.
pub(super) fn named(view: &View, policy: PolicyRef) -> Result<Row<Policy>, ApiError> {
    match policy {
        PolicyRef::Default => view.default_policy(view.account()),
        PolicyRef::Id(id) => view.find::<Policy>(id, "policy"),
    }
}

/// Where a policy is named.
#[derive(Deserialize, JsonSchema)]
pub(super) struct At {
    /// Its id, or `default`.
    pub(super) policyid: PolicyRef,
}

async fn list_of_customer(call: Call<OfCustomer>, page: Page) -> Result<List<PolicyReply>, ApiError> {
    let total = call.view.own_count::<Policy>().saturating_sub(1);
    let custom = call.view.own::<Policy>().filter(|row| !row.value.is_default);
    let rows = custom.skip(page.offset()).take(page.limit());
    Ok(List::new(total, rows.map(|row| show(&call, &row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Include default policies.
    #[serde(default)]
    show_default: Option<Flag>,
    /// Include policies of the accounts below.
    #[serde(default)]
    include_children: Option<Flag>,
}

async fn list(call: Call<OfAccount>, Both(which, page): Both<Which, Page>) -> Result<List<PolicyReply>, ApiError> {
    let wanted = |flag: Option<Flag>| flag.is_some_and(|flag| flag.0);
    let (defaults, below) = (wanted(which.show_default), wanted(which.include_children));
    let rows: Box<dyn Iterator<Item = Row<Policy>> + Send> =
        if below { call.view.all::<Policy>() } else { Box::new(call.view.own::<Policy>()) };
    let mut total = 0;
    let mut data = Vec::new();
    for row in rows.filter(|row| defaults || !row.value.is_default) {
        if total >= page.offset() && data.len() < page.limit() {
            data.push(show(&call, &row.value));
        }
        total += 1;
    }
    Ok(List::new(total, data))
}

/// The settings that callers give, on create and on update.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// Notification address; empty for none.
    #[serde(default)]
    emailnotifications: Option<OptionalEmail>,
    /// Let uncategorised domains through.
    #[serde(default)]
    allowunclassified: Option<Flag>,
    #[serde(default)]
    safesearch: Option<SafeSearchWord>,
    /// Also apply the customer default policy's allow list.
    #[serde(default)]
    inherit_default_allow_list: Option<Flag>,
    /// Also apply the customer default policy's block list.
    #[serde(default)]
    inherit_default_block_list: Option<Flag>,
}

impl Settings {
    /// Sets what was given.
    pub(super) fn apply(&self, settings: &mut PolicySettings) {
        if let Some(email) = &self.emailnotifications {
            settings.email_notifications = Some(email.0.clone());
        }
        if let Some(flag) = self.allowunclassified {
            settings.allow_unclassified = Some(flag.0);
        }
        if let Some(word) = self.safesearch {
            settings.safe_search = Some(match word {
                SafeSearchWord::On => SafeSearch::On,
                SafeSearchWord::Off => SafeSearch::Off,
            });
        }
        if let Some(flag) = self.inherit_default_allow_list {
            settings.inherit_default_allow_list = Some(flag.0);
        }
        if let Some(flag) = self.inherit_default_block_list {
            settings.inherit_default_block_list = Some(flag.0);
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    name: Label<250>,
    description: Text<250>,
    /// Preset to start from; absent inherits the customer's default.
    #[serde(default)]
    level: Option<Preset>,
}

async fn create<S: Scope>(
    call: Call<S>,
    Both(input, settings): Both<Create, Settings>,
) -> Result<Single<PolicyReply>, ApiError> {
    let Account::Customer(customer) = call.view.account() else {
        return Err(ApiError::field("user_id", "is required: policies are made for customers"));
    };
    let mut policy = Policy {
        id: PolicyId(call.next_id::<Policy>()),
        owner: Account::Customer(customer),
        is_default: false,
        name: input.name.0,
        description: input.description.0,
        settings: PolicySettings { level: input.level.map(Level::from), ..PolicySettings::default() },
        created: call.now,
        updated: call.now,
    };
    settings.apply(&mut policy.settings);
    call.write(|batch| Ok((batch.expect(&call.view.customer(customer)?).create(&policy), ()))).await?;
    single(&call, policy.id)
}

async fn get<S: Scope>(call: Call<S>, at: At) -> Result<Single<PolicyReply>, ApiError> {
    let row = named(&call.view, at.policyid)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    #[serde(default)]
    name: Option<Label<250>>,
    #[serde(default)]
    description: Option<Text<250>>,
    /// A preset forgets categories set one by one; `C` keeps what is in force as a start.
    #[serde(default)]
    level: Option<LevelWord>,
}

async fn update<S: Scope>(
    call: Call<S>,
    Both(at, Both(input, settings)): Both<At, Both<Update, Settings>>,
) -> Result<Single<PolicyReply>, ApiError> {
    let id = change(&call, at.policyid, |policy| {
        set(&mut policy.name, input.name.as_ref().map(|name| &name.0));
        set(&mut policy.description, input.description.as_ref().map(|text| &text.0));
        settings.apply(&mut policy.settings);
        if let Some(level) = input.level {
            set_level(&mut policy.settings, level.into(), call.presets());
        }
        Ok(())
    })
    .await?;
    single(&call, id)
}

/// Changes one policy and returns when queries see it.
pub(super) async fn change<S>(
    call: &Call<S>,
    policy: PolicyRef,
    edit: impl Fn(&mut Policy) -> Result<(), ApiError> + Send + Sync,
) -> Result<PolicyId, ApiError> {
    call.write(|batch| {
        let old = named(&call.view, policy)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        edit(&mut new)?;
        if new == old.value {
            return Ok((batch, new.id));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), new.id))
    })
    .await
}

/// Sets the level: a preset decides every category and forgets what was set singly; `C` begins with
/// the categories of the policy's own former preset, and where it had none stays as the policy above.
pub(super) fn set_level(settings: &mut PolicySettings, level: Level, presets: &Presets) {
    let categories = &mut settings.categories;
    if level == Level::C {
        if let Some(blocked) = settings.level.and_then(|own| presets.blocked(own)) {
            categories.set = Catalogue::get().all();
            categories.blocked = blocked;
        } else if settings.level != Some(Level::C) {
            (categories.set, categories.blocked) = (CategorySet::EMPTY, CategorySet::EMPTY);
        }
    } else {
        (categories.set, categories.blocked) = (CategorySet::EMPTY, CategorySet::EMPTY);
    }
    settings.level = Some(level);
}

/// Fills a new customer's default policy with what it would inherit.
pub(super) fn copy_inherited<S>(call: &Call<S>, policy: &mut Policy, msp: Option<MspId>) {
    // The customer is not stored yet, so its chain is asked of its parent.
    let parent = msp.map_or(Account::System, Account::Msp);
    let Ok(above) = call.view.default_policy(parent) else { return };
    let above = call.view.effective(&above.value, call.presets());
    let own = &mut policy.settings;
    own.email_notifications.get_or_insert(above.email_notifications);
    own.allow_unclassified.get_or_insert(above.allow_unclassified);
    own.safe_search.get_or_insert(above.safe_search);
    own.block_answer.get_or_insert(above.block_answer);
    own.block_ttl_s.get_or_insert(above.block_ttl_s);
    own.block_text.get_or_insert(above.block_text);
    if own.level.is_none() {
        own.level = Some(above.level);
        if above.level == Level::C {
            (own.categories.set, own.categories.blocked) = (Catalogue::get().all(), above.blocked);
        }
    }
    (own.categories.notify_set, own.categories.notify) = (Catalogue::get().all(), above.notify);
}

/// Entries of a policy deleted with one batch.
const ENTRIES_AT_ONCE: usize = 10_000;

async fn delete<S: Scope>(call: Call<S>, at: At) -> Result<Deleted, ApiError> {
    let id = named(&call.view, at.policyid)?.value.id;
    loop {
        let done = call
            .write(|batch| {
                let since = call.revision();
                let row = call.view.find::<Policy>(id.0, "policy")?;
                call.check_match(&row)?;
                if row.value.is_default {
                    return Err(ApiError::conflict("The default policy cannot be deleted"));
                }
                let mut batch = unused(&call, &row.value, batch)?;
                let mut entries = 0;
                for entry in call.view.under::<ListEntry>(row.value.owner, id.0).take(ENTRIES_AT_ONCE) {
                    batch = batch.delete(&entry);
                    entries += 1;
                }
                for record in call.view.under::<LocalRecord>(row.value.owner, id.0).take(ENTRIES_AT_ONCE) {
                    batch = batch.delete(&record);
                }
                if entries == ENTRIES_AT_ONCE {
                    return Ok((batch, false));
                }
                if let Ok(filter) = call.view.find::<PolicyFilter>(id.0, "policy") {
                    batch = batch.delete(&filter);
                }
                let owner = row.value.owner;
                let batch = batch
                    .delete(&row)
                    .expect_unchanged::<ListEntry>(owner, since)
                    .expect_unchanged::<Location>(owner, since)
                    .expect_unchanged::<Group>(owner, since)
                    .expect_unchanged::<InternalUser>(owner, since)
                    .expect_unchanged::<Device>(owner, since)
                    .expect_unchanged::<DeviceDefaults>(owner, since);
                Ok((batch, true))
            })
            .await?;
        if done {
            return Ok(Deleted::new(id.0));
        }
    }
}

/// Fails with 409 where something uses the policy.
fn unused<S>(call: &Call<S>, policy: &Policy, batch: Batch) -> Result<Batch, ApiError> {
    let (owner, id) = (policy.owner, Some(policy.id));
    let view = &call.view;
    let user = view
        .of::<Location>(owner)
        .find(|row| row.value.policy == id)
        .map(|row| format!("location {} ({})", row.value.id, row.value.name))
        .or_else(|| {
            let group = view.of::<Group>(owner).find(|row| row.value.policy == id)?.value;
            Some(format!("group {} ({})", group.id, group.name))
        })
        .or_else(|| {
            let user = view.of::<InternalUser>(owner).find(|row| row.value.policy == id)?.value;
            Some(format!("internal user {} ({})", user.id, user.name))
        })
        .or_else(|| {
            let device = view.of::<Device>(owner).find(|row| row.value.policy == id)?.value;
            Some(format!("device {} ({})", device.id, device.name))
        })
        .or_else(|| {
            view.of::<DeviceDefaults>(owner).find(|row| row.value.policy == id)?;
            Some("the configuration of new devices".to_owned())
        });
    match user {
        Some(user) => Err(ApiError::conflict(format!("The policy is in use by {user}"))),
        None => Ok(batch),
    }
}

/// A policy that a location is given; null and the customer's default come to the same: none of its
/// own.
pub(super) fn assigned<S>(
    call: &Call<S>,
    customer: CustomerId,
    policy: PolicyRef,
) -> Result<Option<Row<Policy>>, ApiError> {
    let PolicyRef::Id(id) = policy else { return Ok(None) };
    let row = call.view.find::<Policy>(id, "policy").ok();
    let row = row.filter(|row| row.value.owner == Account::Customer(customer));
    let row = row.ok_or_else(|| ApiError::field("policyid", "the customer has no such policy"))?;
    Ok(if row.value.is_default { None } else { Some(row) })
}
