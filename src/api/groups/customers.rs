//! Customers: the tenants whose networks are filtered. The contract calls them users.

use super::{admins::has_second_factor, removal};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Email, Label, Nothing, Page, Password, Text, TimeZone, UuidText, choices},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfAccount, OfCustomer, Scope, View},
    },
    auth::{ClientKeys, end_sessions, hash_password, keys},
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

operations! {
    customers {
        /// Lists customers.
        /// A customer gets its own account alone.
        GET "/users" for [System, Sales, Msp, Customer] => list_users = list;
        /// Creates a customer with its API keys.
        /// The secrets of the keys are shown in this answer and never again.
        POST "/users" for [System, Sales, Msp] => create_user = create;
        /// Shows a customer.
        GET "/users/{id}" for [System, Sales, Msp] => get_user = get;
        /// Changes a customer; absent fields stay.
        POST or PUT "/users/{id}" for [System, Sales, Msp] => update_user = update;
        /// Deletes a customer and all it owns.
        DELETE "/users/{id}" for [System, Sales, Msp] => delete_user = delete;
        /// Suspends a customer: its queries are refused and its keys do not work.
        POST or PUT "/users/{id}/suspend" for [System, Sales, Msp] => suspend_user = suspend;
        /// Lifts a suspension.
        POST or PUT "/users/{id}/reinstate" for [System, Sales, Msp] => reinstate_user = reinstate;
    }
}

choices! {
    /// A preset a policy can start from.
    pub enum Preset {
        /// Low.
        L = "L",
        /// Moderate.
        M = "M",
        /// High.
        H = "H",
    }
}

impl From<Preset> for Level {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::L => Level::L,
            Preset::M => Level::M,
            Preset::H => Level::H,
        }
    }
}

/// A customer as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct User {
    id: u32,
    created: String,
    accountname: String,
    description: String,
    /// IANA zone; empty is the system's.
    timezone: String,
    email: String,
    license: String,
    /// Last sign-in of its main administrator.
    lastlogin: Option<String>,
    /// What roaming agents enrol with.
    #[schemars(with = "String")]
    install_key: Uuid,
    #[serde(rename = "2fa_enabled")]
    two_factors: bool,
    suspended: bool,
    #[schemars(with = "String")]
    uuid_str: Uuid,
    /// The MSP above it.
    msp_id: Option<u32>,
    #[serde(flatten)]
    keys: Option<ShownKeys>,
}

impl User {
    /// The same with keys that are shown once.
    pub(super) fn with_keys(self, keys: ClientKeys) -> Self {
        User { keys: Some(keys.into()), ..self }
    }
}

impl Object for User {
    fn object(&self) -> &'static str {
        "user"
    }
}

/// API keys in clear.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownKeys {
    consumer_key: String,
    consumer_secret: String,
    access_token: String,
    access_token_secret: String,
}

impl From<ClientKeys> for ShownKeys {
    fn from(keys: ClientKeys) -> Self {
        ShownKeys {
            consumer_key: keys.consumer_key,
            consumer_secret: keys.consumer_secret,
            access_token: keys.access_token,
            access_token_secret: keys.access_token_secret,
        }
    }
}

/// A customer as the API shows it, without keys.
pub(super) fn show<S: Scope>(call: &Call<S>, customer: &Customer) -> User {
    let admin = main_admin(&call.view, Account::Customer(customer.id)).map(|admin| admin.value.id);
    let activity = admin.and_then(|admin| call.store().find::<AdminActivity>(admin.0));
    User {
        id: customer.id.0,
        created: time_text(customer.created),
        accountname: customer.name.clone(),
        description: customer.description.clone(),
        timezone: customer.timezone.clone(),
        email: customer.email.clone(),
        license: customer.license.clone(),
        lastlogin: activity.and_then(|row| row.value.last_login).map(time_text),
        install_key: customer.install_key,
        two_factors: admin.is_some_and(|admin| has_second_factor(call, admin)),
        suspended: customer.suspended,
        uuid_str: customer.uuid,
        msp_id: customer.msp.map(|id| id.0),
        keys: None,
    }
}

/// The administrator that comes and goes with an account.
pub(super) fn main_admin(view: &View, account: Account) -> Option<Row<Admin>> {
    view.of::<Admin>(account).find(|row| row.value.main)
}

async fn list(call: Call<OfAccount>, page: Page) -> Result<List<User>, ApiError> {
    let rows = call.view.customers().skip(page.offset()).take(page.limit());
    Ok(List::new(call.view.customer_count(), rows.map(|row| show(&call, &row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// Display name.
    accountname: Label<250>,
    /// Address of its administrator.
    email: Email,
    #[serde(default)]
    description: Text<250>,
    /// The operator's own reference.
    license: Text<250>,
    password: Password,
    /// IANA zone; empty or absent is the system's.
    #[serde(default)]
    timezone: Option<TimeZone>,
    /// Preset of the new default policy; absent inherits from above.
    #[serde(default)]
    policy_level: Option<Preset>,
    /// Create under this MSP.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the scope; here it is documented as a field of the body")]
    msp_id: Option<AccountRef>,
    /// A UUID of the caller's choice.
    #[serde(default)]
    uuid_str: Option<UuidText>,
}

async fn create(call: Call<OfAccount>, input: Create) -> Result<Single<User>, ApiError> {
    let msp = match call.view.account() {
        Account::System => None,
        Account::Msp(id) => Some(id),
        Account::Customer(_) => return Err(ApiError::field("user_id", "has no meaning here")),
    };
    call.check_grant(call.built_in(Role::Customer))?;
    let password_hash = hash_password(input.password.0).await?;
    let customer = Customer {
        id: CustomerId(call.next_id::<Customer>()),
        msp,
        name: input.accountname.0,
        email: input.email.0,
        description: input.description.0,
        license: input.license.0,
        timezone: input.timezone.map_or(String::new(), |zone| zone.0),
        uuid: input.uuid_str.map_or_else(Uuid::new_v4, |uuid| uuid.0),
        install_key: Uuid::new_v4(),
        created: call.now,
        suspended: false,
    };
    let account = Account::Customer(customer.id);
    let mut policy = default_policy(&call, account, input.policy_level.map(Level::from));
    if call.copies_settings() {
        super::policies::copy_inherited(&call, &mut policy, msp);
    }
    let admin = Admin {
        id: AdminId(call.next_id::<Admin>()),
        account,
        role: Role::Customer,
        email: customer.email.clone(),
        full_name: customer.name.clone(),
        description: String::new(),
        password_hash,
        custom_role: None,
        main: true,
        created: call.now,
    };
    let (key_row, client) = keys::make(call.store(), admin.id, account, call.now)?;
    call.write(|batch| {
        let batch = match msp {
            Some(id) => batch.expect(&call.view.msp(id)?),
            None => batch,
        };
        Ok((batch.create(&customer).create(&policy).create(&admin).create(&key_row), ()))
    })
    .await?;
    let row = call.view.customer(customer.id)?;
    Ok(Single::new(show(&call, &row.value).with_keys(client)).at(row.revision))
}

/// The default policy that every account begins with.
pub(super) fn default_policy<S>(call: &Call<S>, owner: Account, level: Option<Level>) -> Policy {
    Policy {
        id: PolicyId(call.next_id::<Policy>()),
        owner,
        is_default: true,
        name: "Default".to_owned(),
        description: "Default policy".to_owned(),
        settings: PolicySettings { level, ..PolicySettings::default() },
        created: call.now,
        updated: call.now,
    }
}

async fn get(call: Call<OfCustomer>, _: Nothing) -> Result<Single<User>, ApiError> {
    let row = &call.scope.customer;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Display name.
    #[serde(default)]
    accountname: Option<Label<250>>,
    /// Address of its administrator.
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    description: Option<Text<250>>,
    /// The operator's own reference.
    #[serde(default)]
    license: Option<Text<250>>,
    #[serde(default)]
    password: Option<Password>,
    /// IANA zone; empty is the system's.
    #[serde(default)]
    timezone: Option<TimeZone>,
    /// Preset of the default policy.
    #[serde(default)]
    policy_level: Option<Preset>,
}

async fn update(call: Call<OfCustomer>, input: Update) -> Result<Single<User>, ApiError> {
    // Who sets its password or mail address can sign in as its administrator.
    if input.password.is_some() || input.email.is_some() {
        call.check_grant(call.built_in(Role::Customer))?;
    }
    let password_hash = match input.password {
        Some(password) => Some(hash_password(password.0).await?),
        None => None,
    };
    let id = call.scope.customer.value.id;
    let account = Account::Customer(id);
    call.write(|mut batch| {
        let old = call.view.customer(id)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.name, input.accountname.as_ref().map(|name| &name.0));
        set(&mut new.email, input.email.as_ref().map(|email| &email.0));
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        set(&mut new.license, input.license.as_ref().map(|text| &text.0));
        set(&mut new.timezone, input.timezone.as_ref().map(|zone| &zone.0));
        if new != old.value {
            batch = batch.update(&old, &new);
        }
        if new.timezone != old.value.timezone {
            batch = super::cloud_keys::move_days(&call, &old.value, &new, batch)?;
        }
        if let Some(admin) = main_admin(&call.view, account) {
            let mut changed = admin.value.clone();
            set(&mut changed.email, input.email.as_ref().map(|email| &email.0));
            set(&mut changed.password_hash, password_hash.as_ref());
            if changed != admin.value {
                batch = batch.update(&admin, &changed);
            }
            if password_hash.is_some() {
                batch = end_sessions(call.store(), batch, account, changed.id);
            }
        }
        if let Some(preset) = input.policy_level {
            let policy = call.view.default_policy(account)?;
            let mut changed = policy.value.clone();
            super::policies::set_level(&mut changed.settings, preset.into(), call.presets());
            if changed != policy.value {
                changed.updated = call.now;
                batch = batch.update(&policy, &changed);
            }
        }
        Ok((batch, ()))
    })
    .await?;
    let row = call.view.customer(id)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

/// Replaces a value where a new one is given.
pub(super) fn set<T: Clone>(value: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        *value = new.clone();
    }
}

/// `{object, code, id, suspended}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Suspension {
    id: u32,
    suspended: bool,
}

impl Object for Suspension {
    fn object(&self) -> &'static str {
        "user"
    }
}

async fn suspend(call: Call<OfCustomer>, _: Nothing) -> Result<Single<Suspension>, ApiError> {
    set_suspended(call, true).await
}

async fn reinstate(call: Call<OfCustomer>, _: Nothing) -> Result<Single<Suspension>, ApiError> {
    set_suspended(call, false).await
}

async fn set_suspended(call: Call<OfCustomer>, suspended: bool) -> Result<Single<Suspension>, ApiError> {
    let id = call.scope.customer.value.id;
    call.write(|batch| {
        let old = call.view.customer(id)?;
        call.check_match(&old)?;
        let new = Customer { suspended, ..old.value.clone() };
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    let row = call.view.customer(id)?;
    Ok(Single::new(Suspension { id: id.0, suspended: row.value.suspended }).at(row.revision))
}

async fn delete(call: Call<OfCustomer>, _: Nothing) -> Result<Deleted, ApiError> {
    let id = call.scope.customer.value.id;
    let account = Account::Customer(id);
    call.check_match(&call.scope.customer)?;
    // What goes in several batches is suspended first and its row goes last: a crash in between
    // leaves a suspended customer that can be deleted again.
    if removal::owned_count(&call, account) > removal::ROWS_AT_ONCE {
        call.write(|batch| {
            let old = call.view.customer(id)?;
            let new = Customer { suspended: true, ..old.value.clone() };
            Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
        })
        .await?;
    }
    loop {
        let done = call
            .write(|batch| {
                let since = call.revision();
                let row = call.view.customer(id)?;
                let (batch, all) = removal::delete_owned(&call, account, batch);
                if !all {
                    return Ok((batch, false));
                }
                Ok((removal::expect_nothing_new(batch.delete(&row), account, since), true))
            })
            .await?;
        if done {
            return Ok(Deleted::new(id.0));
        }
    }
}
