//! Locations as the API shows them.

use super::addresses::AddressReply;
use crate::{
    api::{
        input::choices,
        reply::{Item, Object, time_text},
        scope::View,
    },
    model::*,
};
use schemars::JsonSchema;
use serde::Serialize;

choices! {
    /// A kind of location.
    pub enum KindWord {
        /// By address ranges.
        StaticIp = "staticip",
        /// By an address that a client keeps telling.
        DynamicIp = "dynamicip",
        /// By a host name's addresses.
        DynamicDns = "dynamicdns",
        /// By an agent's tag, anywhere.
        Roaming = "roaming",
        /// By a tag within another location.
        Virtual = "virtual",
    }
    /// A kind of location, or all.
    pub enum KindFilter {
        /// By address ranges.
        StaticIp = "staticip",
        /// By an address that a client keeps telling.
        DynamicIp = "dynamicip",
        /// By a host name's addresses.
        DynamicDns = "dynamicdns",
        /// By an agent's tag, anywhere.
        Roaming = "roaming",
        /// By a tag within another location.
        Virtual = "virtual",
        /// Every kind.
        All = "all",
    }
}

/// The kind of a location.
pub fn kind_of(location: &Location) -> KindWord {
    match location.kind {
        LocationKind::StaticIp => KindWord::StaticIp,
        LocationKind::DynamicIp { .. } => KindWord::DynamicIp,
        LocationKind::DynamicDns { .. } => KindWord::DynamicDns,
        LocationKind::Roaming { .. } => KindWord::Roaming,
        LocationKind::Virtual { .. } => KindWord::Virtual,
    }
}

/// The kind as paths and answers spell it.
pub fn kind_text(kind: KindWord) -> &'static str {
    match kind {
        KindWord::StaticIp => "staticip",
        KindWord::DynamicIp => "dynamicip",
        KindWord::DynamicDns => "dynamicdns",
        KindWord::Roaming => "roaming",
        KindWord::Virtual => "virtual",
    }
}

/// A location as the API shows it; fields of other kinds are left out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LocationReply {
    r#type: &'static str,
    id: u32,
    name: String,
    /// The policy in force: its own, else the customer's default.
    policy_id: Option<u32>,
    policy_name: Option<String>,
    deletable: bool,
    customer_id: u32,
    customer_name: String,
    /// Its first address.
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<Item<AddressReply>>>,
    /// What its update URL ends in.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// When its address was last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    accesstime: Option<Option<String>>,
    /// Text of its first address.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

impl Object for LocationReply {
    fn object(&self) -> &'static str {
        "location"
    }
}

/// A location as its policy shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyLocation {
    r#type: &'static str,
    id: u32,
    name: String,
    policy_id: u32,
    policy_name: String,
    addresses: Vec<Item<AddressReply>>,
}

impl Object for PolicyLocation {
    fn object(&self) -> &'static str {
        "location"
    }
}

fn addresses_of(view: &View, location: &Location) -> Vec<AddressReply> {
    let owner = Account::Customer(location.customer);
    view.under::<Address>(owner, location.id.0).map(|row| AddressReply::of(&row.value)).collect()
}

/// The locations a policy applies to.
pub fn locations_of(view: &View, policy: &Policy) -> Vec<PolicyLocation> {
    let applies = |location: &Location| match location.policy {
        Some(own) => own == policy.id,
        None => policy.is_default,
    };
    let rows = view.of::<Location>(policy.owner).filter(|row| applies(&row.value));
    rows.map(|row| PolicyLocation {
        r#type: kind_text(kind_of(&row.value)),
        id: row.value.id.0,
        name: row.value.name.clone(),
        policy_id: policy.id.0,
        policy_name: policy.name.clone(),
        addresses: addresses_of(view, &row.value).into_iter().map(Item::from).collect(),
    })
    .collect()
}

fn policy_in_force(view: &View, location: &Location) -> Option<Policy> {
    let policy = match location.policy {
        Some(id) => view.find::<Policy>(id.0, "policy"),
        None => view.default_policy(Account::Customer(location.customer)),
    };
    policy.ok().map(|row| row.value)
}

pub fn show(view: &View, location: &Location) -> LocationReply {
    let policy = policy_in_force(view, location);
    let addresses = addresses_of(view, location);
    let first = addresses.first();
    let by_address = matches!(location.kind, LocationKind::StaticIp | LocationKind::DynamicIp { .. });
    let mut reply = LocationReply {
        r#type: kind_text(kind_of(location)),
        id: location.id.0,
        name: location.name.clone(),
        policy_id: policy.as_ref().map(|policy| policy.id.0),
        policy_name: policy.map(|policy| policy.name),
        deletable: location.deletable,
        customer_id: location.customer.0,
        customer_name: view.customer(location.customer).map(|row| row.value.name).unwrap_or_default(),
        ip: first.map(|address| address.ip.clone()),
        description: by_address.then(|| first.map(|address| address.description.clone()).unwrap_or_default()),
        addresses: None,
        key: None,
        accesstime: None,
        hostname: None,
        tag: None,
    };
    match &location.kind {
        LocationKind::StaticIp => reply.addresses = Some(addresses.into_iter().map(Item::from).collect()),
        LocationKind::DynamicIp { key, access_time } => {
            reply.key = Some(key.clone());
            reply.accesstime = Some(access_time.map(time_text));
        }
        LocationKind::DynamicDns { hostname } => reply.hostname = Some(hostname.clone()),
        LocationKind::Roaming { tag } | LocationKind::Virtual { tag } => reply.tag = Some(tag.clone()),
    }
    reply
}
