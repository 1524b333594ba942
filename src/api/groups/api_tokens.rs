//! API tokens: named, scoped and expiring, for programs.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Id, Label, Number, Page, choices},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::Own,
    },
    auth::{Credential, keys},
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    tokens {
        /// Lists the caller's API tokens.
        GET "/tokens" for [System, Sales, Msp, Customer] => list_tokens = list;
        /// Makes an API token for the caller, to be sent as `Authorization: Bearer`.
        /// It does what the caller may do, or the reading part of it. The token is shown in this answer and never
        /// again. A token made with a token is good for no more and no longer than that one.
        POST "/tokens" for [System, Sales, Msp, Customer] => create_token = create;
        /// Takes away one of the caller's API tokens.
        DELETE "/tokens/{id}" for [System, Sales, Msp, Customer] => delete_token = delete;
    }
}

/// Tokens of one administrator.
const TOKENS_MAX: usize = 100;
const DAY_S: i64 = 86_400;
/// Days a token works where the caller does not say.
const DAYS: i64 = 90;

choices! {
    /// What a token is good for.
    pub enum Good {
        /// Operations that read.
        ReadOnly = "read-only",
        /// Everything the caller may do.
        All = "all",
    }
}

/// A token as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownToken {
    id: u32,
    name: String,
    /// `read-only` or `all`.
    scope: &'static str,
    created: String,
    /// Null where it works until it is taken away.
    expires: Option<String>,
    /// The token itself, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Object for ShownToken {
    fn object(&self) -> &'static str {
        "token"
    }
}

fn show(row: &ApiToken) -> ShownToken {
    ShownToken {
        id: row.id.0,
        name: row.name.clone(),
        scope: match row.scope {
            TokenScope::ReadOnly => "read-only",
            TokenScope::All => "all",
        },
        created: time_text(row.created),
        expires: row.expires.map(time_text),
        token: None,
    }
}

fn own(call: &Call<Own>) -> Result<impl Iterator<Item = Row<ApiToken>>, ApiError> {
    let caller = call.caller()?;
    Ok(call.view.under::<ApiToken>(caller.account, caller.admin.0))
}

async fn list(call: Call<Own>, page: Page) -> Result<List<ShownToken>, ApiError> {
    let rows: Vec<Row<ApiToken>> = own(&call)?.collect();
    let shown = rows.iter().skip(page.offset()).take(page.limit()).map(|row| show(&row.value));
    Ok(List::new(rows.len(), shown.collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// What it is for.
    name: Label<100>,
    /// `read-only` or `all`; absent is `read-only`.
    #[serde(default)]
    scope: Option<Good>,
    /// Days it works; absent is 90.
    #[serde(default)]
    days: Option<Number<1, 3650>>,
}

async fn create(call: Call<Own>, input: Create) -> Result<Single<ShownToken>, ApiError> {
    let caller = *call.caller()?;
    let scope = match input.scope {
        None | Some(Good::ReadOnly) => TokenScope::ReadOnly,
        Some(Good::All) => TokenScope::All,
    };
    let mut expires = Timestamp(call.now.0 + input.days.map_or(DAYS, |days| days.0) * DAY_S);
    if let Credential::ApiToken(id) = caller.credential {
        let limit = call.view.find::<ApiToken>(id.0, "token")?.value.expires;
        expires = limit.map_or(expires, |limit| limit.min(expires));
    }
    let owner = (caller.admin, caller.account);
    let (row, token) = keys::make_token(call.store(), owner, &input.name.0, scope, Some(expires), call.now)?;
    call.write(|batch| {
        let since = call.revision();
        let rows: Vec<Row<ApiToken>> = own(&call)?.collect();
        let (over, left): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.value.expires.is_some_and(|expires| expires <= call.now));
        if left.len() >= TOKENS_MAX {
            return Err(ApiError::conflict(format!("There are {TOKENS_MAX} tokens; take one away first")));
        }
        if left.iter().any(|known| known.value.name.to_lowercase() == row.name.to_lowercase()) {
            return Err(ApiError::conflict("name: this name is taken"));
        }
        let admin = call.view.find::<Admin>(caller.admin.0, "administrator")?;
        let batch = batch.expect(&admin).expect_unchanged::<ApiToken>(caller.account, since).create(&row);
        Ok((over.into_iter().fold(batch, |batch, row| batch.delete(row)), ()))
    })
    .await?;
    Ok(Single::new(ShownToken { token: Some(token), ..show(&row) }))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// The token.
    id: Id,
}

async fn delete(call: Call<Own>, which: Which) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = own(&call)?.find(|row| row.value.id.0 == which.id.0).ok_or_else(|| ApiError::not_found("token"))?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(which.id.0))
}
