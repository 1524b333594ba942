//! The upstream resolvers that an administrator chose in place of the node's configuration.

use super::singletons::{own, put};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Nothing, Nullable, Text},
        operation::operations,
        reply::{Object, Single},
        scope::Own,
    },
    model::*,
    resolve::Upstream,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

operations! {
    dns_settings {
        /// Shows the upstream resolvers in use.
        GET "/dns" for [System, Sales] => get_dns_settings = get;
        /// Chooses the upstream resolvers; absent fields stay.
        /// They are asked from the next query on, and answers of those before are forgotten. All null go back to
        /// the node's configuration.
        POST or PUT "/dns" for [System] => update_dns_settings = update;
    }
}

/// The first three upstream resolvers: addresses, with the port where it is not 53. What the
/// configuration says of encrypted ones is shown as it is written there.
#[derive(Debug, Serialize, JsonSchema)]
struct Dns {
    dns1: Option<String>,
    dns2: Option<String>,
    dns3: Option<String>,
}

impl Object for Dns {
    fn object(&self) -> &'static str {
        "dns"
    }
}

async fn get(call: Call<Own>, _: Nothing) -> Result<Single<Dns>, ApiError> {
    Ok(show(&call))
}

fn show(call: &Call<Own>) -> Single<Dns> {
    let mut names = call.services().resolver.upstreams().into_iter();
    let shown = Single::new(Dns { dns1: names.next(), dns2: names.next(), dns3: names.next() });
    match call.store().get::<DnsSettings>(Account::System, 1) {
        Some(row) => shown.at(row.revision),
        None => shown,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// An address, with or without a port; null or empty for none.
    #[serde(default)]
    dns1: Nullable<Text<64>>,
    #[serde(default)]
    dns2: Nullable<Text<64>>,
    #[serde(default)]
    dns3: Nullable<Text<64>>,
}

/// The address a field names: `None` where it is absent, `Some(None)` where it is null.
fn address(name: &str, field: &Nullable<Text<64>>) -> Result<Option<Option<SocketAddr>>, ApiError> {
    let text = match field {
        Nullable::Absent => return Ok(None),
        Nullable::Null => return Ok(Some(None)),
        Nullable::Value(text) => text.0.trim(),
    };
    let good = |address: &SocketAddr| !address.ip().is_unspecified() && !address.ip().is_multicast();
    match text.parse() {
        Ok(Upstream::Plain(address)) if good(&address) => Ok(Some(Some(address))),
        _ => Err(ApiError::field(name, "must be the address of a resolver, with or without a port")),
    }
}

async fn update(call: Call<Own>, input: Update) -> Result<Single<Dns>, ApiError> {
    let fields = [address("dns1", &input.dns1)?, address("dns2", &input.dns2)?, address("dns3", &input.dns3)?];
    let _turn = call.effect_turn().await;
    call.write(|batch| {
        let old = own::<_, DnsSettings>(&call)?;
        let known = old.as_ref().map_or(&[][..], |row| &row.value.resolvers);
        let places = (0..3).map(|place| fields[place].unwrap_or_else(|| known.get(place).copied()));
        let mut resolvers: Vec<SocketAddr> = Vec::new();
        for address in places.flatten() {
            if !resolvers.contains(&address) {
                resolvers.push(address);
            }
        }
        let batch = match (&old, resolvers.is_empty()) {
            (Some(old), true) => batch.delete(old),
            (None, true) => batch,
            (old, false) => put(&call, batch, old.as_ref(), &DnsSettings { resolvers })?,
        };
        Ok((batch, ()))
    })
    .await?;
    call.services().resolver.set_upstreams(chosen(&call)).map_err(ApiError::internal)?;
    Ok(show(&call))
}

/// What the rows say the resolver should ask.
fn chosen(call: &Call<Own>) -> Option<Vec<Upstream>> {
    let row = call.store().get::<DnsSettings>(Account::System, 1)?;
    Some(row.value.resolvers.into_iter().map(Upstream::Plain).collect())
}
