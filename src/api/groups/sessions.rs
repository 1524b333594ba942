//! The caller's sessions: where it is signed in.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Id, Page},
        operation::operations,
        reply::{Deleted, List, Object, time_text},
        scope::Own,
    },
    auth::Credential,
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    sessions {
        /// Lists the caller's sessions.
        GET "/sessions" for [System, Sales, Msp, Customer] => list_sessions = list;
        /// Ends one of the caller's sessions: its tokens do not work any more.
        DELETE "/sessions/{id}" for [System, Sales, Msp, Customer] => delete_session = delete;
    }
}

/// A session as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownSession {
    id: u32,
    /// The program it was opened for.
    client: String,
    /// Where it was opened from.
    address: Option<String>,
    created: String,
    renewed: String,
    /// When it ends unless it is renewed.
    expires: String,
    /// Whether it makes this call.
    current: bool,
}

impl Object for ShownSession {
    fn object(&self) -> &'static str {
        "session"
    }
}

fn own(call: &Call<Own>) -> Result<impl Iterator<Item = Row<Session>>, ApiError> {
    let (caller, now) = (call.caller()?, call.now);
    Ok(call.view.under::<Session>(caller.account, caller.admin.0).filter(move |row| row.value.expires > now))
}

async fn list(call: Call<Own>, page: Page) -> Result<List<ShownSession>, ApiError> {
    let current = call.caller()?.credential;
    let rows: Vec<Row<Session>> = own(&call)?.collect();
    let shown = rows.iter().skip(page.offset()).take(page.limit()).map(|row| ShownSession {
        id: row.value.id.0,
        client: row.value.client.clone(),
        address: row.value.address.map(|address| address.to_string()),
        created: time_text(row.value.created),
        renewed: time_text(row.value.renewed),
        expires: time_text(row.value.expires),
        current: current == Credential::Session(row.value.id),
    });
    Ok(List::new(rows.len(), shown.collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// The session.
    id: Id,
}

async fn delete(call: Call<Own>, which: Which) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = own(&call)?.find(|row| row.value.id.0 == which.id.0);
        let row = row.ok_or_else(|| ApiError::not_found("session"))?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(which.id.0))
}
