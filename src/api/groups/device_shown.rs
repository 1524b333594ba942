//! Devices as the API shows them.

use super::{
    device_configuration::template_of,
    in_force::{of_device, shown},
};
use crate::{
    api::{
        reply::{Object, time_text},
        scope::View,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// A device as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeviceReply {
    id: u32,
    name: String,
    /// What it authenticates with.
    #[schemars(with = "String")]
    key: Uuid,
    /// Version of its agent.
    version: String,
    last_contact: Option<String>,
    /// State of its agent.
    status: String,
    /// Where it belongs.
    location: Option<String>,
    location_id: Option<u32>,
    /// Who uses it: an e-mail address, else a name.
    user: Option<String>,
    user_id: Option<u32>,
    /// What its agent tells about it, JSON as text.
    extra_info: String,
    /// Its configuration, JSON as text.
    configuration: String,
    /// Whether that is the customer's template.
    configuration_inherited: bool,
    /// The policy in force: of its user, its own, of its location, else the customer's default.
    policyid: Option<u32>,
    policyname: Option<String>,
    device_exception: Option<String>,
    device_exception_id: Option<u32>,
    created: String,
    modified: String,
}

impl Object for DeviceReply {
    fn object(&self) -> &'static str {
        "device"
    }
}

/// A device with what it refers to, as far as that is in view.
pub fn show(view: &View, device: &Device) -> DeviceReply {
    let location = device.location.and_then(|id| Some(view.find::<Location>(id.0, "location").ok()?.value.name));
    let user = device.user.and_then(|id| Some(view.find::<InternalUser>(id.0, "internal user").ok()?.value));
    let exception =
        device.exception.and_then(|id| Some(view.find::<DeviceException>(id.0, "device exception").ok()?.value.name));
    let (policyid, policyname) = shown(view, device.customer, of_device(view, device));
    DeviceReply {
        id: device.id.0,
        name: device.name.clone(),
        key: device.key,
        version: device.version.clone(),
        last_contact: device.last_contact.map(time_text),
        status: device.status.clone(),
        location,
        location_id: device.location.map(|id| id.0),
        user: user.map(|user| if user.email.is_empty() { user.name } else { user.email }),
        user_id: device.user.map(|id| id.0),
        extra_info: device.extra_info.clone(),
        configuration: device.configuration.clone().unwrap_or_else(|| template_of(view, device.customer)),
        configuration_inherited: device.configuration.is_none(),
        policyid,
        policyname,
        device_exception: exception,
        device_exception_id: device.exception.map(|id| id.0),
        created: time_text(device.created),
        modified: time_text(device.updated),
    }
}
