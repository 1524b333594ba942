//! How the console looks: logo, title, footer and who runs it.

use super::{
    logos::{self, Place},
    singletons::{own, put},
    support::{Whose, shown_for},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Nothing, Text},
        operation::operations,
        picture::LogoField,
        reply::{Object, Single},
        scope::OfProvider,
    },
    model::*,
    store::Batch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    interface {
        /// Shows logo, title and footer.
        /// Each is that of the nearest account above which has set it. An MSP gets what it sees itself, and
        /// with `own` what its customers see.
        GET "/interface" for [System, Sales, Msp, Customer] => get_interface = get;
        /// Sets the branding; absent fields stay.
        POST or PUT "/interface" for [System, Sales, Msp] => update_interface = update;
        /// Removes the custom logo.
        DELETE "/interface/logo" for [System, Sales, Msp] => delete_interface_logo = delete_logo;
        /// Removes the custom title.
        DELETE "/interface/title" for [System, Sales, Msp] => delete_interface_title = delete_title;
    }
}

const NAME: &str = "Weir";

/// Branding as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Interface {
    /// Address of the logo.
    logo: Option<String>,
    title: String,
    powered_by: String,
    footer: String,
}

impl Object for Interface {
    fn object(&self) -> &'static str {
        "interface"
    }
}

fn show(call: &Call<OfProvider>, account: Account) -> Single<Interface> {
    let chain = call.store().account_and_above(account);
    let rows: Vec<_> = chain.iter().filter_map(|owner| call.store().get::<Branding>(*owner, 1)).collect();
    let text = |of: fn(&Branding) -> Option<&String>| rows.iter().find_map(|row| of(&row.value)).cloned();
    let logo = rows.iter().find_map(|row| {
        let logo = row.value.logo.as_ref()?;
        Some(logos::address(call, Place::Interface, row.value.owner, logo))
    });
    let shown = Single::new(Interface {
        logo,
        title: text(|row| row.title.as_ref()).unwrap_or_else(|| NAME.to_owned()),
        powered_by: text(|row| row.powered_by.as_ref()).unwrap_or_else(|| NAME.to_owned()),
        footer: text(|row| row.footer.as_ref()).unwrap_or_default(),
    });
    match rows.iter().find(|row| row.value.owner == account) {
        Some(row) => shown.at(row.revision),
        None => shown,
    }
}

async fn get(call: Call<OfProvider>, whose: Whose) -> Result<Single<Interface>, ApiError> {
    Ok(show(&call, shown_for(&call, &whose)))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// A PNG, JPEG, GIF, BMP or SVG picture of at most 256 KiB and 4,096 pixels a side; null takes it away.
    #[serde(default)]
    logo: LogoField,
    /// Title; empty takes it away.
    #[serde(default)]
    title: Option<Text<250>>,
    /// Who runs it.
    #[serde(default)]
    powered_by: Option<Text<50>>,
    /// Last line.
    #[serde(default)]
    footer: Option<Text<1000>>,
    /// Set it for this MSP.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the scope; here it is documented as a field of the body")]
    msp_id: Option<AccountRef>,
}

fn nothing(owner: Account) -> Branding {
    Branding { owner, logo: None, title: None, powered_by: None, footer: None }
}

async fn update(call: Call<OfProvider>, input: Update) -> Result<Single<Interface>, ApiError> {
    let owner = call.view.account();
    let shown = call.store().get::<Branding>(owner, 1).and_then(|row| row.value.logo);
    let logo = logos::keep(&call, input.logo, shown.as_ref()).await?;
    change(&call, |row| {
        if let Some(logo) = &logo {
            row.logo = logo.clone();
        }
        if let Some(title) = &input.title {
            row.title = Some(title.0.trim().to_owned()).filter(|title| !title.is_empty());
        }
        if let Some(text) = &input.powered_by {
            row.powered_by = Some(text.0.clone());
        }
        if let Some(text) = &input.footer {
            row.footer = Some(text.0.clone());
        }
    })
    .await?;
    Ok(show(&call, owner))
}

/// Changes the account's own row; one that says nothing any more goes.
async fn change(call: &Call<OfProvider>, change: impl Fn(&mut Branding)) -> Result<(), ApiError> {
    let owner = call.view.account();
    call.write(|batch: Batch| {
        let old = own::<_, Branding>(call)?;
        let mut new = old.as_ref().map_or_else(|| nothing(owner), |row| row.value.clone());
        change(&mut new);
        let batch = match (&old, new == nothing(owner)) {
            (Some(old), true) => batch.delete(old),
            (None, true) => batch,
            (old, false) => put(call, batch, old.as_ref(), &new)?,
        };
        Ok((batch, ()))
    })
    .await
}

/// `{object, code, deleted: true}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    /// Always true.
    deleted: bool,
}

impl Object for Removed {
    fn object(&self) -> &'static str {
        "interface"
    }
}

async fn delete_logo(call: Call<OfProvider>, _: Nothing) -> Result<Single<Removed>, ApiError> {
    change(&call, |row| row.logo = None).await?;
    Ok(Single::new(Removed { deleted: true }))
}

async fn delete_title(call: Call<OfProvider>, _: Nothing) -> Result<Single<Removed>, ApiError> {
    change(&call, |row| row.title = None).await?;
    Ok(Single::new(Removed { deleted: true }))
}
