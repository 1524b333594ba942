//! Which policy decides for a client.

use super::{CompiledPolicy, Snapshot};
use crate::identify::Client;
use crate::model::PolicyId;
use std::sync::Arc;

/// Where a policy comes from, closest to the person first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// Set on the internal user.
    User,
    /// Of the user's enabled group with the highest weight.
    Group,
    /// Set on the device.
    Device,
    /// Set on the location.
    Location,
    /// What `unknown_clients` names.
    UnknownClients,
    /// The customer's default.
    CustomerDefault,
}

/// A policy and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'s> {
    /// The policy.
    pub policy: &'s Arc<CompiledPolicy>,
    /// Its source.
    pub source: PolicySource,
}

/// Exactly one policy, the closest to the person (decision order, section 2):
///
/// 1. the policy set on the internal user;
/// 2. the policy of the user's enabled group with the highest weight, lowest id among equals;
/// 3. the policy of the device, else of the location;
/// 4. the customer's default policy.
///
/// `None` when the customer is suspended or not there: the client is refused.
pub fn choose<'s>(snapshot: &'s Snapshot, client: &Client) -> Option<Chosen<'s>> {
    let customer = snapshot.customers.get(client.customer.0).filter(|customer| !customer.suspended)?;
    let chosen = |id: Option<PolicyId>, source: PolicySource| {
        let policy = snapshot.policies.get(id?.0).filter(|policy| policy.customer == Some(client.customer))?;
        Some(Chosen { policy, source })
    };
    let user = client.user.and_then(|id| snapshot.users.get(id.0)).filter(|user| user.customer == client.customer);
    user.and_then(|user| chosen(user.own, PolicySource::User))
        .or_else(|| user.and_then(|user| chosen(user.group, PolicySource::Group)))
        .or_else(|| {
            let device = snapshot.devices.get(client.device?.0).filter(|device| device.customer == client.customer)?;
            chosen(device.policy, PolicySource::Device)
        })
        .or_else(|| chosen(snapshot.locations.get(client.location?.0)?.policy, PolicySource::Location))
        .or_else(|| chosen(client.policy, PolicySource::UnknownClients))
        .or_else(|| chosen(Some(customer.default_policy), PolicySource::CustomerDefault))
}
