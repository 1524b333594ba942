//! MSPs: providers that manage customers.

use super::{
    admins::has_second_factor,
    customers::{default_policy, main_admin, set},
    removal, statistics,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Date, Email, Label, Nothing, Page, Password, Text, UuidText},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfMsp, Own, Scope},
    },
    auth::{end_sessions, hash_password},
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

operations! {
    msps {
        /// Lists MSPs.
        /// MSPs and customers get their own one alone.
        GET "/msps" for [System, Sales, Msp, Customer] => list_msps = list;
        /// Creates an MSP.
        POST "/msps" for [System, Sales] => create_msp = create;
        /// Shows an MSP.
        GET "/msps/{id}" for [System, Sales, Msp] => get_msp = get;
        /// Changes an MSP; absent fields stay.
        POST or PUT "/msps/{id}" for [System, Sales, Msp] => update_msp = update;
        /// Deletes an MSP that has no customers.
        DELETE "/msps/{id}" for [System, Sales] => delete_msp = delete;
        /// Shows the totals of an MSP for a day.
        GET "/msps/{id}/stats" for [System, Sales, Msp] => get_msp_stats = stats;
    }
}

/// An MSP as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct MspReply {
    id: u32,
    name: String,
    email: String,
    description: String,
    /// Its default policy; absent for callers that cannot see it.
    policy_id: Option<u32>,
    #[schemars(with = "String")]
    uuid_str: Uuid,
    created_at: String,
    #[serde(rename = "2fa_enabled")]
    two_factors: bool,
}

impl Object for MspReply {
    fn object(&self) -> &'static str {
        "msp"
    }
}

fn show<S: Scope>(call: &Call<S>, msp: &Msp) -> MspReply {
    let admin = main_admin(&call.view, Account::Msp(msp.id)).map(|admin| admin.value.id);
    MspReply {
        id: msp.id.0,
        name: msp.name.clone(),
        email: msp.email.clone(),
        description: msp.description.clone(),
        policy_id: call.view.default_policy(Account::Msp(msp.id)).ok().map(|row| row.value.id.0),
        uuid_str: msp.uuid,
        created_at: time_text(msp.created),
        two_factors: admin.is_some_and(|admin| has_second_factor(call, admin)),
    }
}

async fn list(call: Call<Own>, page: Page) -> Result<List<MspReply>, ApiError> {
    let total = call.view.msps().count();
    let rows = call.view.msps().skip(page.offset()).take(page.limit());
    Ok(List::new(total, rows.map(|row| show(&call, &row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// Display name.
    name: Label<250>,
    /// Address of its administrator.
    email: Email,
    password: Password,
    #[serde(default)]
    description: Text<250>,
    /// A UUID of the caller's choice.
    #[serde(default)]
    uuid_str: Option<UuidText>,
}

async fn create(call: Call<Own>, input: Create) -> Result<Single<MspReply>, ApiError> {
    call.check_grant(call.built_in(Role::Msp))?;
    let password_hash = hash_password(input.password.0).await?;
    let msp = Msp {
        id: MspId(call.next_id::<Msp>()),
        name: input.name.0,
        email: input.email.0,
        description: input.description.0,
        uuid: input.uuid_str.map_or_else(Uuid::new_v4, |uuid| uuid.0),
        created: call.now,
    };
    let account = Account::Msp(msp.id);
    let policy = default_policy(&call, account, None);
    let admin = Admin {
        id: AdminId(call.next_id::<Admin>()),
        account,
        role: Role::Msp,
        email: msp.email.clone(),
        full_name: msp.name.clone(),
        description: String::new(),
        password_hash,
        custom_role: None,
        main: true,
        created: call.now,
    };
    call.write(|batch| Ok((batch.create(&msp).create(&policy).create(&admin), ()))).await?;
    let row = call.view.msp(msp.id)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

async fn get(call: Call<OfMsp>, _: Nothing) -> Result<Single<MspReply>, ApiError> {
    let row = &call.scope.msp;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Display name.
    #[serde(default)]
    name: Option<Label<250>>,
    /// Address of its administrator.
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    password: Option<Password>,
    #[serde(default)]
    description: Option<Text<250>>,
}

async fn update(call: Call<OfMsp>, input: Update) -> Result<Single<MspReply>, ApiError> {
    // Who sets its password or mail address can sign in as its administrator.
    if input.password.is_some() || input.email.is_some() {
        call.check_grant(call.built_in(Role::Msp))?;
    }
    let password_hash = match input.password {
        Some(password) => Some(hash_password(password.0).await?),
        None => None,
    };
    let id = call.scope.msp.value.id;
    call.write(|mut batch| {
        let old = call.view.msp(id)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.name, input.name.as_ref().map(|name| &name.0));
        set(&mut new.email, input.email.as_ref().map(|email| &email.0));
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        if new != old.value {
            batch = batch.update(&old, &new);
        }
        if let Some(admin) = main_admin(&call.view, Account::Msp(id)) {
            let mut changed = admin.value.clone();
            set(&mut changed.email, input.email.as_ref().map(|email| &email.0));
            set(&mut changed.password_hash, password_hash.as_ref());
            if changed != admin.value {
                batch = batch.update(&admin, &changed);
            }
            if password_hash.is_some() {
                batch = end_sessions(call.store(), batch, Account::Msp(id), changed.id);
            }
        }
        Ok((batch, ()))
    })
    .await?;
    let row = call.view.msp(id)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

async fn delete(call: Call<OfMsp>, _: Nothing) -> Result<Deleted, ApiError> {
    let id = call.scope.msp.value.id;
    let account = Account::Msp(id);
    loop {
        let done = call
            .write(|batch| {
                let since = call.revision();
                let row = call.view.msp(id)?;
                call.check_match(&row)?;
                if call.view.customers().next().is_some() {
                    return Err(ApiError::conflict("The MSP still has customers"));
                }
                let batch = batch.expect_unchanged::<Customer>(account, since);
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

#[derive(Deserialize, JsonSchema)]
struct Day {
    /// The day, by the system's clock.
    date: Date,
}

/// Queries of an MSP's customers on a day.
#[derive(Debug, Serialize, JsonSchema)]
struct Stats {
    date: String,
    allowed: u64,
    blocked: u64,
    /// Queries a customer, rounded.
    average: u64,
    malware_allowed: u64,
    malware_blocked: u64,
}

impl Object for Stats {
    fn object(&self) -> &'static str {
        "stats"
    }
}

async fn stats(call: Call<OfMsp>, day: Day) -> Result<Single<Stats>, ApiError> {
    let (sums, customers) = statistics::of_msp(&call, day.date.0).await?;
    Ok(Single::new(Stats {
        date: day.date.0.to_string(),
        allowed: sums.total.allowed,
        blocked: sums.total.blocked,
        average: (sums.total.requests() + customers / 2).checked_div(customers).unwrap_or_default(),
        malware_allowed: sums.threats.allowed,
        malware_blocked: sums.threats.blocked,
    }))
}
