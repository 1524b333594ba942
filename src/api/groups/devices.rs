//! Roaming devices, and the key their agents enrol with.

use super::{
    customers::set,
    device_shown::{DeviceReply, show},
    in_force::{given, of_device, shown},
    policies::named,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, Label, Nothing, Nullable, Page, PolicyRef},
        operation::operations,
        reply::{Deleted, List, Object, Reset, Single},
        scope::{OfAccount, OfCustomer, Own, Scope},
    },
    model::*,
    store::Record,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

operations! {
    customer_devices {
        /// Lists a customer's devices.
        GET "/users/{id}/devices" for [System, Sales, Msp, Customer] => list_customer_devices = list::<OfCustomer>;
        /// Shows the key that a customer's agents enrol with.
        GET "/users/{id}/devices/otgkey" for [System, Sales, Msp, Customer] => get_otg_key = otg_key;
        /// Replaces the key that a customer's agents enrol with.
        /// The new key is read with the call above. Devices that have enrolled keep their own keys.
        POST or PUT "/users/{id}/devices/otgkey" for [System, Sales, Msp, Customer]
            => regenerate_otg_key = regenerate_otg_key;
        /// Shows a device.
        GET "/users/{id}/devices/{deviceid}" for [System, Sales, Msp, Customer] => get_customer_device = get_of_customer;
        /// Renames or moves a device, or gives it an exception or a policy; absent fields stay.
        POST or PUT "/users/{id}/devices/{deviceid}" for [System, Sales, Msp, Customer]
            => update_customer_device = update_of_customer;
        /// Deletes a device.
        DELETE "/users/{id}/devices/{deviceid}" for [System, Sales, Msp, Customer]
            => delete_customer_device = delete_of_customer;
    }
    general_devices {
        /// Lists the devices of an MSP's customers, or of one customer.
        GET "/devices" for [System, Sales, Msp, Customer] => list_devices = list::<OfAccount>;
        /// Shows a device.
        GET "/devices/{id}" for [System, Sales, Msp, Customer] => get_device = get;
        /// Renames or moves a device, or gives it an exception or a policy; absent fields stay.
        POST or PUT "/devices/{id}" for [System, Sales, Msp, Customer] => update_device = update;
        /// Deletes a device.
        DELETE "/devices/{id}" for [System, Sales, Msp, Customer] => delete_device = delete;
    }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Only devices with this policy in force.
    #[serde(default)]
    policyid: Option<PolicyRef>,
    /// Only devices that belong to this location.
    #[serde(default)]
    location_id: Option<Id>,
}

async fn list<S: Scope>(call: Call<S>, Both(which, page): Both<Which, Page>) -> Result<List<DeviceReply>, ApiError> {
    let view = &call.view;
    let policy = match which.policyid {
        Some(policy) => Some(named(view, policy)?.value),
        None => None,
    };
    let location = match which.location_id {
        Some(id) => Some(view.find::<Location>(id.0, "location")?.value.id),
        None => None,
    };
    let mut total = 0;
    let mut data = Vec::new();
    for row in view.all::<Device>() {
        let device = &row.value;
        let at_location = location.is_none() || device.location == location;
        let of_policy = policy.as_ref().is_none_or(|policy| match of_device(view, device) {
            Some(in_force) => in_force == policy.id,
            None => policy.is_default && policy.owner == device.owner(),
        });
        if at_location && of_policy {
            if total >= page.offset() && data.len() < page.limit() {
                data.push(show(view, device));
            }
            total += 1;
        }
    }
    Ok(List::new(total, data))
}

/// What agents enrol with.
#[derive(Debug, Serialize, JsonSchema)]
struct OtgKey {
    #[schemars(with = "String")]
    key: Uuid,
}

/// Its `object` word.
const OTG_KEY: &str = "otgkey";

impl Object for OtgKey {
    fn object(&self) -> &'static str {
        OTG_KEY
    }
}

async fn otg_key(call: Call<OfCustomer>, _: Nothing) -> Result<Single<OtgKey>, ApiError> {
    let row = &call.scope.customer;
    Ok(Single::new(OtgKey { key: row.value.install_key }).at(row.revision))
}

async fn regenerate_otg_key(call: Call<OfCustomer>, _: Nothing) -> Result<Reset, ApiError> {
    let id = call.scope.customer.value.id;
    call.write(|batch| {
        let old = call.view.customer(id)?;
        call.check_match(&old)?;
        Ok((batch.update(&old, &Customer { install_key: Uuid::new_v4(), ..old.value.clone() }), ()))
    })
    .await?;
    Ok(Reset::new(OTG_KEY))
}

/// A device named under its customer.
#[derive(Deserialize, JsonSchema)]
pub(super) struct AtCustomer {
    /// Id of the device.
    pub(super) deviceid: Id,
}

/// A device named by its id alone.
#[derive(Deserialize, JsonSchema)]
struct ById {
    /// Id of the device.
    id: Id,
}

fn single<S>(call: &Call<S>, id: DeviceId) -> Result<Single<DeviceReply>, ApiError> {
    let row = call.view.find::<Device>(id.0, "device")?;
    Ok(Single::new(show(&call.view, &row.value)).at(row.revision))
}

async fn get(call: Call<Own>, at: ById) -> Result<Single<DeviceReply>, ApiError> {
    single(&call, DeviceId(at.id.0))
}

async fn get_of_customer(call: Call<OfCustomer>, at: AtCustomer) -> Result<Single<DeviceReply>, ApiError> {
    single(&call, DeviceId(at.deviceid.0))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    #[serde(default)]
    name: Option<Label<250>>,
    /// The location it belongs to; null is none.
    #[serde(default)]
    location_id: Nullable<Id>,
    /// The exception it gets; null is none.
    #[serde(default)]
    device_exception_id: Nullable<Id>,
    /// Its own policy; null and `default` leave it to its location. The policy in force changes nothing, so
    /// that a device can be sent back as it was read.
    #[serde(default)]
    policyid: Nullable<PolicyRef>,
}

async fn update(call: Call<Own>, Both(at, input): Both<ById, Update>) -> Result<Single<DeviceReply>, ApiError> {
    change(&call, DeviceId(at.id.0), &input).await
}

async fn update_of_customer(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtCustomer, Update>,
) -> Result<Single<DeviceReply>, ApiError> {
    change(&call, DeviceId(at.deviceid.0), &input).await
}

async fn change<S>(call: &Call<S>, id: DeviceId, input: &Update) -> Result<Single<DeviceReply>, ApiError> {
    call.write(|mut batch| {
        let old = call.view.find::<Device>(id.0, "device")?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.name, input.name.as_ref().map(|name| &name.0));
        match input.location_id {
            Nullable::Absent => {}
            Nullable::Null => new.location = None,
            Nullable::Value(id) => {
                let row = call.view.find::<Location>(id.0, "location").ok();
                let row = row.filter(|row| row.value.customer == new.customer);
                let row = row.ok_or_else(|| ApiError::field("location_id", "the customer has no such location"))?;
                batch = batch.expect(&row);
                new.location = Some(row.value.id);
            }
        }
        match input.device_exception_id {
            Nullable::Absent => {}
            Nullable::Null => new.exception = None,
            Nullable::Value(id) => {
                let row = call.view.find::<DeviceException>(id.0, "device exception").ok();
                let row = row.filter(|row| row.value.customer == new.customer);
                let problem = || ApiError::field("device_exception_id", "the customer has no such device exception");
                let row = row.ok_or_else(problem)?;
                batch = batch.expect(&row);
                new.exception = Some(row.value.id);
            }
        }
        let (in_force, _) = shown(&call.view, new.customer, of_device(&call.view, &old.value));
        match input.policyid {
            Nullable::Value(PolicyRef::Id(id)) if Some(id) == in_force => {}
            _ => (batch, new.policy) = given(call, new.customer, ("policyid", &input.policyid), new.policy, batch)?,
        }
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    single(call, id)
}

async fn delete(call: Call<Own>, at: ById) -> Result<Deleted, ApiError> {
    remove(&call, DeviceId(at.id.0)).await
}

async fn delete_of_customer(call: Call<OfCustomer>, at: AtCustomer) -> Result<Deleted, ApiError> {
    remove(&call, DeviceId(at.deviceid.0)).await
}

async fn remove<S>(call: &Call<S>, id: DeviceId) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = call.view.find::<Device>(id.0, "device")?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}
