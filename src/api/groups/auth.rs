//! The caller's own account: signing out, second factor, and keys for customers that have none.

use super::customers::{self, User};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Email, Nothing, Text},
        operation::operations,
        reply::{Done, Single},
        scope::Own,
    },
    auth::{Credential, TurnOnError, keys, turn_on},
    model::*,
    store::{Row, Unique},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    auth {
        /// Makes OAuth 1.0a keys for a customer.
        /// Name it by `id` or by the `email` of its main administrator. The secrets are shown in this answer and
        /// never again. The newest five sets of keys work.
        POST "/auth/adminregister" for [System, Sales, Msp] => auth_register = register;
        /// Signs out: the session or token that made this call ends.
        /// OAuth 1.0a keys are no session and stay.
        POST or GET "/auth/logout" for [System, Sales, Msp, Customer] => logout = logout;
        /// Turns on the caller's second factor.
        /// The caller makes the secret; the code proves that the device has it. The ten backup codes are shown once.
        POST "/auth/2fa" for [System, Sales, Msp, Customer] => enable_2fa = enable;
        /// Turns off the caller's second factor.
        DELETE "/auth/2fa" for [System, Sales, Msp, Customer] => disable_2fa = disable;
    }
}

/// Sets of keys of one administrator that work.
const KEYS_MAX: usize = 5;

#[derive(Deserialize, JsonSchema)]
struct Register {
    /// The customer.
    #[serde(default)]
    id: Option<AccountRef>,
    /// Address of its main administrator.
    #[serde(default)]
    email: Option<Email>,
}

async fn register(call: Call<Own>, input: Register) -> Result<Single<User>, ApiError> {
    let customer = match (&input.id, &input.email) {
        (Some(id), _) => call.view.customer_named(*id)?.value.id,
        (None, Some(email)) => {
            let admin = call.view.unique::<Admin>(Unique::AdminEmail, &Unique::admin_email(&email.0));
            let account = admin.filter(|row| row.value.main).map(|row| row.value.account);
            let Some(Account::Customer(id)) = account else { return Err(ApiError::not_found("customer")) };
            id
        }
        (None, None) => return Err(ApiError::field("id", "is required, or email")),
    };
    let account = Account::Customer(customer);
    let admin = customers::main_admin(&call.view, account).ok_or_else(|| ApiError::not_found("customer"))?.value;
    if input.email.is_some_and(|email| !email.0.eq_ignore_ascii_case(&admin.email)) {
        return Err(ApiError::not_found("customer"));
    }
    // Who holds the keys can do what the customer's administrator can.
    call.check_grant(call.built_in(admin.role))?;
    let (key_row, client) = keys::make(call.store(), admin.id, account, call.now)?;
    call.write(|batch| {
        let since = call.revision();
        let row = call.view.customer(customer)?;
        let mut sets: Vec<Row<SignatureKeys>> = call.view.under(account, admin.id.0).collect();
        sets.sort_by_key(|row| (row.value.created, row.value.id));
        let surplus = (sets.len() + 1).saturating_sub(KEYS_MAX);
        let batch = batch.expect(&row).expect_unchanged::<SignatureKeys>(account, since).create(&key_row);
        Ok((sets.iter().take(surplus).fold(batch, |batch, row| batch.delete(row)), ()))
    })
    .await?;
    let row = call.view.customer(customer)?;
    Ok(Single::new(customers::show(&call, &row.value).with_keys(client)).at(row.revision))
}

/// Signed out.
#[derive(Debug, Serialize, JsonSchema)]
struct LoggedOut {
    /// Always true.
    logout: bool,
    /// The administrator.
    id: u32,
}

async fn logout(call: Call<Own>, _: Nothing) -> Result<Done<LoggedOut>, ApiError> {
    let caller = *call.caller()?;
    call.write(|batch| {
        let batch = match caller.credential {
            Credential::SignatureKeys(_) => batch,
            Credential::Session(id) => match call.view.find::<Session>(id.0, "session") {
                Ok(row) => batch.delete(&row),
                Err(_) => batch,
            },
            Credential::ApiToken(id) => match call.view.find::<ApiToken>(id.0, "token") {
                Ok(row) => batch.delete(&row),
                Err(_) => batch,
            },
        };
        Ok((batch, ()))
    })
    .await?;
    Ok(Done::new(LoggedOut { logout: true, id: caller.admin.0 }))
}

#[derive(Deserialize, JsonSchema)]
struct Enable {
    /// The six digits the device shows now.
    code: Text<16>,
    /// Base32, at least 16 characters.
    secret: Text<256>,
}

/// A second factor that is on.
#[derive(Debug, Serialize, JsonSchema)]
struct Enabled {
    /// Always true.
    created: bool,
    /// Whether there are backup codes.
    recovery: bool,
    /// Each signs in once, in place of a one-time code. Shown here and never again.
    #[serde(rename = "backupCodes")]
    backup_codes: Vec<String>,
}

async fn enable(call: Call<Own>, input: Enable) -> Result<Done<Enabled>, ApiError> {
    let admin = call.view.find::<Admin>(call.caller()?.admin.0, "administrator")?;
    let made = turn_on(call.store(), &admin.value, &input.secret.0, &input.code.0, call.now);
    let (row, backup_codes) = made.map_err(|error| match error {
        TurnOnError::Secret => ApiError::field("secret", "must be base32 of 16 to 205 characters"),
        TurnOnError::Code => ApiError::field("code", "is not the current one of this secret"),
        TurnOnError::Random(error) => error.into(),
    })?;
    call.write(|batch| {
        if call.store().find::<SecondFactor>(row.admin.0).is_some() {
            return Err(ApiError::conflict("A second factor is on already; turn it off first"));
        }
        Ok((batch.expect(&admin).create(&row), ()))
    })
    .await?;
    Ok(Done::new(Enabled { created: true, recovery: true, backup_codes }))
}

/// A second factor that is off.
#[derive(Debug, Serialize, JsonSchema)]
struct Disabled {
    /// Always true.
    disabled: bool,
}

async fn disable(call: Call<Own>, _: Nothing) -> Result<Done<Disabled>, ApiError> {
    let admin = call.caller()?.admin;
    call.write(|batch| {
        let row = call.store().find::<SecondFactor>(admin.0);
        Ok((row.iter().fold(batch, |batch, row| batch.delete(row)), ()))
    })
    .await?;
    Ok(Done::new(Disabled { disabled: true }))
}
