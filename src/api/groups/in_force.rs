//! Which policy is in force for a group, a person or a device, from the rows: what `policy::choose`
//! makes of them when it knows no more about the client.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Nullable, PolicyRef},
        scope::View,
    },
    model::*,
    store::Batch,
};
use std::cmp::Reverse;

/// The enabled group that speaks for a person: with a policy before without, then the heaviest, then
/// the lowest id.
pub fn effective_group(view: &View, user: &InternalUser) -> Option<Group> {
    let groups = user.groups.iter().filter_map(|id| Some(view.find::<Group>(id.0, "group").ok()?.value));
    let enabled = groups.filter(|group| !group.disabled && group.customer == user.customer);
    enabled.min_by_key(|group| (group.policy.is_none(), Reverse(group.weight), group.id))
}

/// The policy of a person, of its own or of its group; `None` leaves it to device and location.
pub fn of_user(view: &View, user: &InternalUser) -> Option<PolicyId> {
    user.policy.or_else(|| effective_group(view, user)?.policy)
}

/// The policy of a device: of whoever uses it, its own, of its location; `None` is the customer's
/// default.
pub fn of_device(view: &View, device: &Device) -> Option<PolicyId> {
    let user = device.user.and_then(|id| Some(view.find::<InternalUser>(id.0, "internal user").ok()?.value));
    user.and_then(|user| of_user(view, &user))
        .or(device.policy)
        .or_else(|| view.find::<Location>(device.location?.0, "location").ok()?.value.policy)
}

/// Id and name of a policy; of the customer's default where there is none.
pub fn shown(view: &View, customer: CustomerId, policy: Option<PolicyId>) -> (Option<u32>, Option<String>) {
    let row = match policy {
        Some(id) => view.find::<Policy>(id.0, "policy"),
        None => view.default_policy(Account::Customer(customer)),
    };
    match row {
        Ok(row) => (Some(row.value.id.0), Some(row.value.name)),
        Err(_) => (None, None),
    }
}

/// The policy that a group, a person or a device is given, which must be there still when the batch is
/// committed. Absent leaves it as it is; null and `default` give none, so that the next in the order
/// decides; the id of the customer's default policy gives that one, whatever comes next.
pub fn given<S>(
    call: &Call<S>,
    customer: CustomerId,
    (field, named): (&str, &Nullable<PolicyRef>),
    now: Option<PolicyId>,
    batch: Batch,
) -> Result<(Batch, Option<PolicyId>), ApiError> {
    match named {
        Nullable::Absent => Ok((batch, now)),
        Nullable::Null | Nullable::Value(PolicyRef::Default) => Ok((batch, None)),
        Nullable::Value(PolicyRef::Id(id)) => {
            let row = call.view.find::<Policy>(*id, "policy").ok();
            let row = row.filter(|row| row.value.owner == Account::Customer(customer));
            let row = row.ok_or_else(|| ApiError::field(field, "the customer has no such policy"))?;
            Ok((batch.expect(&row), Some(row.value.id)))
        }
    }
}
