//! Alias administrators: further people who may sign in for an account.

use super::{customers::set, roles::to_assign};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Email, Flag, Id, Nullable, Number, Page, Password, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::OfAdmins,
    },
    auth::{end_sessions, hash_password, permissions_of},
    model::*,
    store::{Batch, Row},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    alias_admins {
        /// Lists the administrators of an account.
        /// Without `user_id` and `msp_id` it is the caller's own. Sales sees its own administrators alone.
        GET "/admins" for [System, Sales, Msp, Customer] => list_admins = list;
        /// Creates an administrator of an account.
        POST "/admins" for [System, Sales, Msp, Customer] => create_admin = create;
        /// Shows an administrator.
        GET "/admins/{id}" for [System, Sales, Msp, Customer] => get_admin = get;
        /// Changes an administrator; absent fields stay.
        /// A new password ends their sessions.
        POST or PUT "/admins/{id}" for [System, Sales, Msp, Customer] => update_admin = update;
        /// Deletes an administrator with their keys, tokens and sessions.
        /// The main administrator of an account goes with the account.
        DELETE "/admins/{id}" for [System, Sales, Msp, Customer] => delete_admin = delete;
    }
}

/// An administrator as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownAdmin {
    id: u32,
    username: String,
    email: String,
    description: String,
    /// Where they last signed in from.
    lastip: Option<String>,
    /// When they last signed in.
    lastlogin: Option<String>,
    fullname: String,
    #[serde(rename = "2fa_enabled")]
    two_factors: bool,
    /// `System Admin`, `Sales Admin`, `MSP Admin` or `Customer Admin`.
    account_type: &'static str,
    /// 1 system, 2 sales, 3 MSP, 4 customer.
    vue_role_id: u8,
    /// Whether they go with the account.
    main: bool,
    /// The role of the account's own making that they have; `null` is the built-in one.
    role_id: Option<u32>,
}

impl Object for ShownAdmin {
    fn object(&self) -> &'static str {
        "admin"
    }
}

fn show(call: &Call<OfAdmins>, admin: &Admin) -> ShownAdmin {
    let activity = call.store().find::<AdminActivity>(admin.id.0).map(|row| row.value);
    let (account_type, vue_role_id) = match admin.role {
        Role::System => ("System Admin", 1),
        Role::Sales => ("Sales Admin", 2),
        Role::Msp => ("MSP Admin", 3),
        Role::Customer => ("Customer Admin", 4),
    };
    ShownAdmin {
        id: admin.id.0,
        username: admin.email.clone(),
        email: admin.email.clone(),
        description: admin.description.clone(),
        lastip: activity.as_ref().and_then(|activity| activity.last_address).map(|address| address.to_string()),
        lastlogin: activity.and_then(|activity| activity.last_login).map(time_text),
        fullname: admin.full_name.clone(),
        two_factors: has_second_factor(call, admin.id),
        account_type,
        vue_role_id,
        main: admin.main,
        role_id: admin.custom_role.map(|id| id.0),
    }
}

/// Whether an administrator has a second factor.
pub(super) fn has_second_factor<S>(call: &Call<S>, admin: AdminId) -> bool {
    call.store().find::<SecondFactor>(admin.0).is_some()
}

async fn list(call: Call<OfAdmins>, page: Page) -> Result<List<ShownAdmin>, ApiError> {
    let rows: Vec<Row<Admin>> = call.view.own::<Admin>().filter(|row| call.scope.reaches(&row.value)).collect();
    let shown = rows.iter().skip(page.offset()).take(page.limit()).map(|row| show(&call, &row.value));
    Ok(List::new(rows.len(), shown.collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    #[serde(default)]
    fullname: Text<250>,
    /// The user name too.
    email: Email,
    #[serde(default)]
    description: Text<250>,
    password: Password,
    /// Which role: that of the account, or 2 (sales) for the system.
    #[serde(default)]
    vue_role_id: Option<Number<1, { i32::MAX as i64 }>>,
    /// A role of the account (`GET /roles`); absent is all that the account may do.
    #[serde(default)]
    role_id: Option<Id>,
}

async fn create(call: Call<OfAdmins>, input: Create) -> Result<Single<ShownAdmin>, ApiError> {
    let account = call.view.account();
    let asked = input.vue_role_id.map(|id| id.0);
    let role = match (account, asked) {
        _ if call.scope.caller.role == Role::Sales => Role::Sales,
        (Account::System, Some(2)) => Role::Sales,
        (Account::System, _) => Role::System,
        (Account::Msp(_), _) => Role::Msp,
        (Account::Customer(_), _) => Role::Customer,
    };
    let number = match role {
        Role::System => 1,
        Role::Sales => 2,
        Role::Msp => 3,
        Role::Customer => 4,
    };
    if asked.is_some_and(|asked| asked != number) {
        return Err(ApiError::field("vue_role_id", format!("must be {number} for this account")));
    }
    let admin = Admin {
        id: AdminId(call.next_id::<Admin>()),
        account,
        role,
        email: input.email.0,
        full_name: input.fullname.0,
        description: input.description.0,
        password_hash: hash_password(input.password.0).await?,
        custom_role: input.role_id.map(|id| RoleId(id.0)),
        main: false,
        created: call.now,
    };
    call.write(|batch| {
        // The account must be there still when the administrator comes.
        let batch = match account {
            Account::System => batch,
            Account::Msp(id) => batch.expect(&call.view.msp(id)?),
            Account::Customer(id) => batch.expect(&call.view.customer(id)?),
        };
        let batch = match input.role_id {
            None => {
                call.check_grant(call.built_in(admin.role))?;
                batch
            }
            // Its role too.
            Some(id) => batch.expect(&to_assign(&call, account, id)?),
        };
        Ok((batch.create(&admin), ()))
    })
    .await?;
    let row = find(&call, admin.id.0)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// The administrator.
    id: Id,
}

fn find(call: &Call<OfAdmins>, id: u32) -> Result<Row<Admin>, ApiError> {
    let row = call.reach.find::<Admin>(id, "administrator")?;
    if call.scope.reaches(&row.value) { Ok(row) } else { Err(ApiError::not_found("administrator")) }
}

async fn get(call: Call<OfAdmins>, which: Which) -> Result<Single<ShownAdmin>, ApiError> {
    let row = find(&call, which.id.0)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The administrator.
    id: Id,
    #[serde(default)]
    fullname: Option<Text<250>>,
    /// The user name too.
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    description: Option<Text<250>>,
    #[serde(default)]
    password: Option<Password>,
    /// A role of the account (`GET /roles`); `null` is all that the account may do.
    #[serde(default)]
    role_id: Nullable<Id>,
    /// False turns their second factor off, for whoever lost it; only they can turn one on.
    #[serde(default, rename = "2fa_enabled")]
    two_factors: Option<Flag>,
}

async fn update(call: Call<OfAdmins>, input: Update) -> Result<Single<ShownAdmin>, ApiError> {
    let id = input.id.0;
    find(&call, id)?;
    let password_hash = match input.password {
        Some(password) => Some(hash_password(password.0).await?),
        None => None,
    };
    call.write(|mut batch| {
        let old = find(&call, id)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.full_name, input.fullname.as_ref().map(|name| &name.0));
        set(&mut new.email, input.email.as_ref().map(|email| &email.0));
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        set(&mut new.password_hash, password_hash.as_ref());
        if new.id != call.scope.caller.admin {
            // Who can set a password, an address or a role can do what the administrator can.
            check_holds(&call, &old.value)?;
        }
        match &input.role_id {
            Nullable::Absent => {}
            _ if new.main => return Err(ApiError::field("role_id", "the main administrator may do everything")),
            Nullable::Null => {
                call.check_grant(call.built_in(new.role))?;
                new.custom_role = None;
            }
            Nullable::Value(id) => {
                let role = to_assign(&call, new.account, *id)?;
                batch = batch.expect(&role);
                new.custom_role = Some(role.value.id);
            }
        }
        if new != old.value {
            batch = batch.update(&old, &new);
        }
        if password_hash.is_some() {
            batch = end_sessions(call.store(), batch, new.account, new.id);
        }
        if input.two_factors == Some(Flag(false)) {
            let factor = call.store().find::<SecondFactor>(id);
            batch = factor.iter().fold(batch, |batch, row| batch.delete(row));
        }
        if new.main && new.email != old.value.email {
            batch = with_address(&call, batch, &new)?;
        }
        Ok((batch, ()))
    })
    .await?;
    let row = find(&call, id)?;
    Ok(Single::new(show(&call, &row.value)).at(row.revision))
}

/// Fails with 403 where an administrator may do what the caller may not.
fn check_holds(call: &Call<OfAdmins>, admin: &Admin) -> Result<(), ApiError> {
    let held = permissions_of(call.store(), admin);
    call.check_grant(call.built_in(admin.role).iter().filter(|permission| held.has(*permission)).collect())
}

/// The address of an account is the one of its main administrator.
fn with_address(call: &Call<OfAdmins>, batch: Batch, admin: &Admin) -> Result<Batch, ApiError> {
    let email = admin.email.clone();
    Ok(match admin.account {
        Account::System => batch,
        Account::Msp(id) => {
            let row = call.reach.msp(id)?;
            batch.update(&row, &Msp { email, ..row.value.clone() })
        }
        Account::Customer(id) => {
            let row = call.reach.customer(id)?;
            batch.update(&row, &Customer { email, ..row.value.clone() })
        }
    })
}

async fn delete(call: Call<OfAdmins>, which: Which) -> Result<Deleted, ApiError> {
    let id = which.id.0;
    call.write(|batch| {
        let since = call.revision();
        let row = find(&call, id)?;
        call.check_match(&row)?;
        if row.value.main {
            return Err(ApiError::conflict("The main administrator goes with its account"));
        }
        check_holds(&call, &row.value)?;
        let (store, account) = (call.store(), row.value.account);
        let mut batch = end_sessions(store, batch.delete(&row), account, row.value.id);
        macro_rules! delete_rows {
            ($($table:ident)*) => { $(
                for row in store.rows_under::<$table>(account, id) {
                    batch = batch.delete(&row);
                }
                batch = batch.expect_unchanged::<$table>(account, since);
            )* };
        }
        delete_rows!(SignatureKeys ApiToken);
        macro_rules! delete_own {
            ($($table:ident)*) => { $(
                if let Some(row) = store.find::<$table>(id) {
                    batch = batch.delete(&row);
                }
            )* };
        }
        delete_own!(SecondFactor PasswordReset AdminActivity);
        Ok((batch.expect_unchanged::<Session>(account, since), ()))
    })
    .await?;
    Ok(Deleted::new(id))
}
