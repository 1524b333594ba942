//! How mail goes out: one relay for the installation, and others for MSPs that have their own.

use super::{
    customers::set,
    singletons::{own, put, reset as take_away},
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Email, Nothing, Number, Text},
        operation::operations,
        reply::{Object, Reset, Single},
        scope::OfProvider,
    },
    mail::RelayHost,
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    mail_server {
        /// Shows the mail settings in force.
        /// Those of the MSP, where it has its own, or of the system.
        GET "/mailserver" for [System, Sales, Msp] => get_mail_server = get;
        /// Changes the mail settings; absent fields stay.
        PUT "/mailserver" for [System, Sales, Msp] => update_mail_server = change;
        /// Sets the mail settings; the same as changing them.
        POST "/mailserver" for [System, Sales, Msp] => create_mail_server = change;
        /// Restores the settings above, or the defaults.
        DELETE "/mailserver" for [System, Sales, Msp] => reset_mail_server = reset;
    }
}

/// Minutes between two notifications where nobody said otherwise.
const PERIOD_MIN: u32 = 60;
/// Ports of relays that an MSP may name: those that mail is handed over on. A port of anything else within
/// reach of this node is none of its business.
const PORTS: [u16; 4] = [25, 465, 587, 2525];

/// Mail settings as the API shows them.
#[derive(Debug, Serialize, JsonSchema)]
struct Mail {
    /// Relay host; empty while nobody has set one.
    server: String,
    /// Minutes between two notifications about the same policy.
    notification_period: u32,
    /// From address; empty while nobody has set one.
    sender: String,
}

impl Object for Mail {
    fn object(&self) -> &'static str {
        "mail"
    }
}

fn in_force(call: &Call<OfProvider>) -> MailServer {
    let owner = call.view.account();
    let found = call.store().in_force::<MailServer>(owner).map(|row| MailServer { owner, ..row.value });
    let none =
        || MailServer { owner, server: String::new(), notification_period_min: PERIOD_MIN, sender: String::new() };
    found.unwrap_or_else(none)
}

fn show(call: &Call<OfProvider>) -> Single<Mail> {
    let MailServer { server, notification_period_min, sender, .. } = in_force(call);
    let shown = Single::new(Mail { server, notification_period: notification_period_min, sender });
    match call.store().get::<MailServer>(call.view.account(), 1) {
        Some(row) => shown.at(row.revision),
        None => shown,
    }
}

async fn get(call: Call<OfProvider>, _: Nothing) -> Result<Single<Mail>, ApiError> {
    Ok(show(&call))
}

#[derive(Deserialize, JsonSchema)]
struct Change {
    /// Relay host, with or without `:port`; empty for none.
    #[serde(default)]
    mail_server: Option<Text<259>>,
    /// Minutes between two notifications about the same policy.
    #[serde(default)]
    notification_period: Option<Number<1, 10_080>>,
    /// From address.
    #[serde(default)]
    sender: Option<Email>,
}

async fn change(call: Call<OfProvider>, input: Change) -> Result<Single<Mail>, ApiError> {
    let server = match &input.mail_server {
        None => None,
        Some(text) if text.0.trim().is_empty() => Some(String::new()),
        Some(text) => {
            let relay: RelayHost = text.0.parse().map_err(|error| ApiError::field("mail_server", error))?;
            if call.reach.account() != Account::System && !PORTS.contains(&relay.port) {
                return Err(ApiError::field("mail_server", "must have one of the ports 25, 465, 587 and 2525"));
            }
            Some(text.0.trim().to_owned())
        }
    };
    call.write(|batch| {
        let old = own::<_, MailServer>(&call)?;
        let mut new = in_force(&call);
        set(&mut new.server, server.as_ref());
        set(&mut new.sender, input.sender.as_ref().map(|sender| &sender.0));
        let period = input.notification_period.as_ref().and_then(|period| u32::try_from(period.0).ok());
        set(&mut new.notification_period_min, period.as_ref());
        Ok((put(&call, batch, old.as_ref(), &new)?, ()))
    })
    .await?;
    Ok(show(&call))
}

async fn reset(call: Call<OfProvider>, _: Nothing) -> Result<Reset, ApiError> {
    take_away::<_, MailServer>(&call).await?;
    Ok(Reset::new("mail"))
}
