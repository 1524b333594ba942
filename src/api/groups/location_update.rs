//! Dynamic addresses: whoever has a location's key tells where it is.

use super::{addresses::address_text, locations::set_single};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::IpText,
        operation::operations,
        reply::{Object, Single, time_text},
        scope::OfLocationKey,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

operations! {
    locations {
        /// Sets the address of a dynamic-IP location to the caller's, or to `ip`.
        /// The key in the path is the credential.
        GET or POST "/locations/update/{key}" for [Anyone] => update_dynamic_ip = update_dynamic;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Told {
    /// The address; absent is the caller's own.
    #[serde(default)]
    ip: Option<IpText>,
}

/// What the update of a dynamic address answers: nothing that the key alone should not show.
#[derive(Debug, Serialize, JsonSchema)]
struct ToldReply {
    ip: String,
    accesstime: String,
}

impl Object for ToldReply {
    fn object(&self) -> &'static str {
        "location"
    }
}

/// An address told again within this time is not written again.
const TOLD_AGAIN_S: i64 = 60;

async fn update_dynamic(call: Call<OfLocationKey>, input: Told) -> Result<Single<ToldReply>, ApiError> {
    let address = input.ip.map_or(call.address, |ip| ip.0);
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255, 255, 255, 255]) {
        return Err(ApiError::field("ip", "must be an address that queries can come from"));
    }
    let id = call.scope.location.value.id;
    let new_address = AddressId(call.next_id::<Address>());
    let _turn = call.address_turn().await;
    call.write(|batch| {
        let old = call.view.find::<Location>(id.0, "location")?;
        let LocationKind::DynamicIp { key, access_time } = &old.value.kind else {
            return Err(ApiError::not_found("location"));
        };
        let mut batch = set_single(&call, &old.value, Some(address.into()), None, new_address, batch)?;
        if !batch.is_empty() || access_time.is_none_or(|time| call.now.0 - time.0 >= TOLD_AGAIN_S) {
            let kind = LocationKind::DynamicIp { key: key.clone(), access_time: Some(call.now) };
            batch = batch.update(&old, &Location { kind, ..old.value.clone() });
        }
        Ok((batch, ()))
    })
    .await?;
    Ok(Single::new(ToldReply { ip: address_text(address.into()), accesstime: time_text(call.now) }))
}
