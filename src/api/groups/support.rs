//! Where people turn for help.

use super::{
    customers::set,
    singletons::{own, put},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Flag, Link, OptionalEmail},
        operation::operations,
        reply::{Object, Single},
        scope::OfProvider,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    support {
        /// Shows the support contact.
        /// An MSP gets the one it turns to itself, and with `own` the one its customers turn to.
        GET "/support" for [System, Sales, Msp, Customer] => get_support = get;
        /// Sets the support contact; absent fields stay.
        POST or PUT "/support" for [System, Sales, Msp] => update_support = update;
    }
}

/// A support contact as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Support {
    /// Empty while nobody has set one.
    email: String,
    /// Empty while nobody has set one.
    link: String,
}

impl Object for Support {
    fn object(&self) -> &'static str {
        "support"
    }
}

/// Which of two records an MSP asks for.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Whose {
    /// For MSPs: true shows their own record instead of the one above them.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    own: Option<Flag>,
}

/// The account whose record is meant: an MSP that names nobody means the one above it.
pub(super) fn shown_for(call: &Call<OfProvider>, whose: &Whose) -> Account {
    let asks_for_above = !call.scope.named && !whose.own.is_some_and(|own| own.0);
    match call.view.account() {
        Account::Msp(_) if asks_for_above => Account::System,
        account => account,
    }
}

fn show(call: &Call<OfProvider>, account: Account) -> Single<Support> {
    let found = call.store().in_force::<SupportContact>(account);
    let own = found.as_ref().filter(|row| row.value.owner == account).map(|row| row.revision);
    let (email, link) = found.map(|row| (row.value.email, row.value.link)).unwrap_or_default();
    let shown = Single::new(Support { email, link });
    match own {
        Some(revision) => shown.at(revision),
        None => shown,
    }
}

async fn get(call: Call<OfProvider>, whose: Whose) -> Result<Single<Support>, ApiError> {
    Ok(show(&call, shown_for(&call, &whose)))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// E-mail address; empty for none.
    #[serde(default)]
    email: Option<OptionalEmail>,
    /// Web address; empty for none.
    #[serde(default)]
    link: Option<Link>,
    /// Set it for this MSP.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the scope; here it is documented as a field of the body")]
    msp_id: Option<AccountRef>,
}

async fn update(call: Call<OfProvider>, input: Update) -> Result<Single<Support>, ApiError> {
    let owner = call.view.account();
    call.write(|batch| {
        let old = own::<_, SupportContact>(&call)?;
        let above = call.store().in_force::<SupportContact>(owner).map(|row| row.value);
        let mut new = match above {
            Some(row) => SupportContact { owner, ..row },
            None => SupportContact { owner, email: String::new(), link: String::new() },
        };
        set(&mut new.email, input.email.as_ref().map(|email| &email.0));
        set(&mut new.link, input.link.as_ref().map(|link| &link.0));
        Ok((put(&call, batch, old.as_ref(), &new)?, ()))
    })
    .await?;
    Ok(show(&call, owner))
}
