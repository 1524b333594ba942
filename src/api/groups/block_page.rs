//! What a blocked person reads.

use super::{
    logos::{self, Place},
    singletons::{own, put, reset as take_away},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Nothing, Text, Words},
        operation::operations,
        picture::LogoField,
        reply::{Object, Reset, Single},
        scope::OfAccount,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    block_page {
        /// Shows the block page in force.
        GET "/blockpage" for [System, Sales, Msp, Customer] => get_block_page = get;
        /// Restores the block page above, or the built-in one.
        DELETE "/blockpage" for [System, Sales, Msp, Customer] => reset_block_page = reset;
        /// Changes the block page.
        /// An absent logo or footer stays; the logo null takes it away.
        POST or PUT "/blockpage" for [System, Sales, Msp, Customer] => update_block_page = update;
    }
}

const TITLE: &str = "Blocked";
const MESSAGE: &str = "Access to this site is denied";

/// A block page as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Page {
    title: String,
    access_denied_message: String,
    /// Address of the logo.
    logo: Option<String>,
    footer: String,
}

impl Object for Page {
    fn object(&self) -> &'static str {
        "blockpage"
    }
}

/// The page of the account or of the nearest above, whoever's it is then.
fn in_force(call: &Call<OfAccount>) -> BlockPage {
    let built_in = || BlockPage {
        owner: Account::System,
        title: TITLE.to_owned(),
        access_denied_message: MESSAGE.to_owned(),
        logo: None,
        footer: String::new(),
    };
    call.store().in_force::<BlockPage>(call.view.account()).map_or_else(built_in, |row| row.value)
}

fn show(call: &Call<OfAccount>) -> Single<Page> {
    let page = in_force(call);
    let logo = page.logo.as_ref().map(|logo| logos::address(call, Place::BlockPage, page.owner, logo));
    let shown = Single::new(Page {
        title: page.title,
        access_denied_message: page.access_denied_message,
        logo,
        footer: page.footer,
    });
    match call.store().get::<BlockPage>(call.view.account(), 1) {
        Some(row) => shown.at(row.revision),
        None => shown,
    }
}

async fn get(call: Call<OfAccount>, _: Nothing) -> Result<Single<Page>, ApiError> {
    Ok(show(&call))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Heading.
    title: Words<4, 250>,
    /// What happened.
    access_denied_message: Words<10, 250>,
    /// A PNG, JPEG, GIF, BMP or SVG picture of at most 256 KiB and 4,096 pixels a side.
    #[serde(default)]
    logo: LogoField,
    /// Last line.
    #[serde(default)]
    footer: Option<Text<1000>>,
}

async fn update(call: Call<OfAccount>, input: Update) -> Result<Single<Page>, ApiError> {
    let owner = call.view.account();
    let logo = logos::keep(&call, input.logo, in_force(&call).logo.as_ref()).await?;
    call.write(|batch| {
        let old = own::<_, BlockPage>(&call)?;
        let there = in_force(&call);
        let new = BlockPage {
            owner,
            title: input.title.0.clone(),
            access_denied_message: input.access_denied_message.0.clone(),
            logo: logo.clone().unwrap_or(there.logo),
            footer: input.footer.as_ref().map_or(there.footer, |footer| footer.0.clone()),
        };
        Ok((put(&call, batch, old.as_ref(), &new)?, ()))
    })
    .await?;
    Ok(show(&call))
}

async fn reset(call: Call<OfAccount>, _: Nothing) -> Result<Reset, ApiError> {
    take_away::<_, BlockPage>(&call).await?;
    Ok(Reset::new("blockpage"))
}
