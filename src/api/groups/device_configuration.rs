//! What devices are told: policy and exception of new ones, and the configuration document of all or
//! of one. A document is a JSON object; a device without its own has the customer's template, and a
//! customer without one the built-in document.

use super::{devices::AtCustomer, in_force::given};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, JsonObject, Nothing, Nullable, PolicyRef},
        operation::operations,
        reply::{Object, Reset, Single},
        scope::{OfCustomer, View},
    },
    model::*,
    store::{Batch, Revision, Row},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

operations! {
    customer_devices {
        /// Shows the policy and the exception that newly enrolled devices get.
        GET "/users/{id}/devices/configuration/default" for [System, Sales, Msp, Customer]
            => get_device_default_configuration = get_defaults;
        /// Sets the policy and the exception that newly enrolled devices get; absent fields stay.
        POST or PUT "/users/{id}/devices/configuration/default" for [System, Sales, Msp, Customer]
            => update_device_default_configuration = update_defaults;
        /// Shows the configuration that all devices inherit.
        GET "/users/{id}/devices/configuration/advanced" for [System, Sales, Msp, Customer]
            => get_device_configuration_template = get_template;
        /// Replaces the configuration that all devices inherit.
        POST or PUT "/users/{id}/devices/configuration/advanced" for [System, Sales, Msp, Customer]
            => update_device_configuration_template = update_template;
        /// Restores the built-in configuration.
        DELETE "/users/{id}/devices/configuration/advanced" for [System, Sales, Msp, Customer]
            => reset_device_configuration_template = reset_template;
        /// Gives one device a configuration of its own.
        POST or PUT "/users/{id}/devices/{deviceid}/configuration/advanced" for [System, Sales, Msp, Customer]
            => update_device_configuration = update_one;
        /// Takes a device's own configuration away, so that it inherits again.
        DELETE "/users/{id}/devices/{deviceid}/configuration/advanced" for [System, Sales, Msp, Customer]
            => reset_device_configuration = reset_one;
    }
}

/// The customer's defaults; where nobody has set any, empty ones of revision 0.
fn defaults_of(view: &View, customer: CustomerId) -> Row<DeviceDefaults> {
    view.of::<DeviceDefaults>(Account::Customer(customer)).next().unwrap_or(Row {
        value: DeviceDefaults { customer, policy: None, exception: None, configuration: None },
        revision: Revision(0),
    })
}

/// The template's text.
pub(super) fn template_of(view: &View, customer: CustomerId) -> String {
    defaults_of(view, customer).value.configuration.unwrap_or_else(|| DEVICE_CONFIGURATION.to_owned())
}

/// Changes the customer's defaults, which need not be there yet.
async fn change(
    call: &Call<OfCustomer>,
    edit: impl Fn(Batch, &mut DeviceDefaults) -> Result<Batch, ApiError> + Send + Sync,
) -> Result<Row<DeviceDefaults>, ApiError> {
    let customer = call.scope.customer.value.id;
    call.write(|batch| {
        let old = defaults_of(&call.view, customer);
        call.check_match(&old)?;
        let mut new = old.value.clone();
        let batch = edit(batch, &mut new)?;
        let batch = match old.revision {
            _ if new == old.value => batch,
            Revision(0) => batch.expect(&call.view.customer(customer)?).create(&new),
            _ => batch.update(&old, &new),
        };
        Ok((batch, ()))
    })
    .await?;
    Ok(defaults_of(&call.view, customer))
}

/// What new devices get.
#[derive(Debug, Serialize, JsonSchema)]
struct DefaultsReply {
    /// Null leaves it to the location.
    policy_id: Option<u32>,
    device_exception_id: Option<u32>,
}

impl Object for DefaultsReply {
    fn object(&self) -> &'static str {
        "deviceconfiguration"
    }
}

fn show_defaults(row: &Row<DeviceDefaults>) -> Single<DefaultsReply> {
    let policy_id = row.value.policy.map(|id| id.0);
    let device_exception_id = row.value.exception.map(|id| id.0);
    Single::new(DefaultsReply { policy_id, device_exception_id }).at(row.revision)
}

async fn get_defaults(call: Call<OfCustomer>, _: Nothing) -> Result<Single<DefaultsReply>, ApiError> {
    Ok(show_defaults(&defaults_of(&call.view, call.scope.customer.value.id)))
}

#[derive(Deserialize, JsonSchema)]
struct Defaults {
    /// The policy; null and `default` leave it to the location.
    #[serde(default)]
    policy_id: Nullable<PolicyRef>,
    /// The exception; null is none.
    #[serde(default)]
    device_exception_id: Nullable<Id>,
}

async fn update_defaults(call: Call<OfCustomer>, input: Defaults) -> Result<Single<DefaultsReply>, ApiError> {
    let row = change(&call, |batch, defaults| {
        let policy = ("policy_id", &input.policy_id);
        let (batch, policy) = given(&call, defaults.customer, policy, defaults.policy, batch)?;
        defaults.policy = policy;
        match input.device_exception_id {
            Nullable::Absent => Ok(batch),
            Nullable::Null => {
                defaults.exception = None;
                Ok(batch)
            }
            Nullable::Value(id) => {
                let row = call.view.find::<DeviceException>(id.0, "device exception");
                let problem = |_| ApiError::field("device_exception_id", "the customer has no such device exception");
                let row = row.map_err(problem)?;
                defaults.exception = Some(row.value.id);
                Ok(batch.expect(&row))
            }
        }
    })
    .await?;
    Ok(show_defaults(&row))
}

/// A configuration.
#[derive(Debug, Serialize, JsonSchema)]
struct ConfigurationReply {
    /// The document.
    configuration: Map<String, Value>,
}

/// Its `object` word.
const ADVANCED: &str = "deviceconfiguration_advanced";

impl Object for ConfigurationReply {
    fn object(&self) -> &'static str {
        ADVANCED
    }
}

fn show(text: &str, revision: Revision) -> Result<Single<ConfigurationReply>, ApiError> {
    let configuration = serde_json::from_str(text).map_err(ApiError::internal)?;
    Ok(Single::new(ConfigurationReply { configuration }).at(revision))
}

async fn get_template(call: Call<OfCustomer>, _: Nothing) -> Result<Single<ConfigurationReply>, ApiError> {
    let row = defaults_of(&call.view, call.scope.customer.value.id);
    show(row.value.configuration.as_deref().unwrap_or(DEVICE_CONFIGURATION), row.revision)
}

#[derive(Deserialize, JsonSchema)]
struct Configuration {
    /// The document, a JSON object or its text; absent changes nothing.
    #[serde(default)]
    configuration: Option<JsonObject>,
}

async fn update_template(call: Call<OfCustomer>, input: Configuration) -> Result<Single<ConfigurationReply>, ApiError> {
    let row = change(&call, |batch, defaults| {
        if let Some(document) = &input.configuration {
            defaults.configuration = Some(document.text());
        }
        Ok(batch)
    })
    .await?;
    show(row.value.configuration.as_deref().unwrap_or(DEVICE_CONFIGURATION), row.revision)
}

async fn reset_template(call: Call<OfCustomer>, _: Nothing) -> Result<Reset, ApiError> {
    change(&call, |batch, defaults| {
        defaults.configuration = None;
        Ok(batch)
    })
    .await?;
    Ok(Reset::new(ADVANCED))
}

/// Changes one device's own document.
async fn change_one(
    call: &Call<OfCustomer>,
    id: DeviceId,
    edit: impl Fn(&mut Option<String>) + Send + Sync,
) -> Result<Row<Device>, ApiError> {
    call.write(|batch| {
        let old = call.view.find::<Device>(id.0, "device")?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        edit(&mut new.configuration);
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    call.view.find::<Device>(id.0, "device")
}

async fn update_one(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtCustomer, Configuration>,
) -> Result<Single<ConfigurationReply>, ApiError> {
    let row = change_one(&call, DeviceId(at.deviceid.0), |configuration| {
        if let Some(document) = &input.configuration {
            *configuration = Some(document.text());
        }
    })
    .await?;
    let text = row.value.configuration.unwrap_or_else(|| template_of(&call.view, row.value.customer));
    show(&text, row.revision)
}

async fn reset_one(call: Call<OfCustomer>, at: AtCustomer) -> Result<Reset, ApiError> {
    change_one(&call, DeviceId(at.deviceid.0), |configuration| *configuration = None).await?;
    Ok(Reset::new(ADVANCED))
}
