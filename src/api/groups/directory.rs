//! Groups and internal users: the people behind a customer's networks. A directory or an agent makes
//! them; here they get their policies.

use super::in_force::{effective_group, given, of_user, shown};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        groups::customers::set,
        input::{Both, Id, Nullable, Page, PolicyRef, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfCustomer, View},
    },
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

operations! {
    groups {
        /// Lists a customer's groups.
        GET "/users/{id}/groups" for [System, Sales, Msp, Customer] => list_groups = list_groups;
        /// Shows a group.
        GET "/users/{id}/groups/{groupid}" for [System, Sales, Msp, Customer] => get_group = get_group;
        /// Gives a group a policy or a description; absent fields stay.
        POST or PUT "/users/{id}/groups/{groupid}" for [System, Sales, Msp, Customer] => update_group = update_group;
    }
    internal_users {
        /// Lists a customer's internal users.
        GET "/users/{id}/users" for [System, Sales, Msp, Customer] => list_internal_users = list_users;
        /// Shows an internal user.
        GET "/users/{id}/users/{userid}" for [System, Sales, Msp, Customer] => get_internal_user = get_user;
        /// Gives an internal user a policy or a description; absent fields stay.
        POST or PUT "/users/{id}/users/{userid}" for [System, Sales, Msp, Customer]
            => update_internal_user = update_user;
        /// Deletes an internal user.
        /// Its devices stay and are nobody's then. Users the system made itself cannot be deleted.
        DELETE "/users/{id}/users/{userid}" for [System, Sales, Msp, Customer] => delete_internal_user = delete_user;
    }
}

/// A group as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct GroupReply {
    id: u32,
    name: String,
    description: String,
    /// Its policy, else the customer's default.
    policy_id: Option<u32>,
    policy_name: Option<String>,
    /// Internal users in it.
    users: usize,
    /// Disabled groups decide nothing.
    disabled: bool,
    /// The enabled group of the highest weight decides for its users.
    weight: u32,
    last_updated: String,
}

impl Object for GroupReply {
    fn object(&self) -> &'static str {
        "group"
    }
}

fn show_group(view: &View, group: &Group, users: usize) -> GroupReply {
    let (policy_id, policy_name) = shown(view, group.customer, group.policy);
    GroupReply {
        id: group.id.0,
        name: group.name.clone(),
        description: group.description.clone(),
        policy_id,
        policy_name,
        users,
        disabled: group.disabled,
        weight: group.weight,
        last_updated: time_text(group.updated),
    }
}

async fn list_groups(call: Call<OfCustomer>, page: Page) -> Result<List<GroupReply>, ApiError> {
    let mut users: HashMap<GroupId, usize> = HashMap::new();
    for user in call.view.own::<InternalUser>() {
        for group in user.value.groups {
            *users.entry(group).or_default() += 1;
        }
    }
    let rows = call.view.own::<Group>().skip(page.offset()).take(page.limit());
    let show = |group: &Group| show_group(&call.view, group, users.get(&group.id).copied().unwrap_or_default());
    Ok(List::new(call.view.own_count::<Group>(), rows.map(|row| show(&row.value)).collect()))
}

/// A group that the path names.
#[derive(Deserialize, JsonSchema)]
struct AtGroup {
    /// Id of the group.
    groupid: Id,
}

fn single_group(call: &Call<OfCustomer>, id: GroupId) -> Result<Single<GroupReply>, ApiError> {
    let row = call.view.find::<Group>(id.0, "group")?;
    let users = call.view.own::<InternalUser>().filter(|user| user.value.groups.contains(&id)).count();
    Ok(Single::new(show_group(&call.view, &row.value, users)).at(row.revision))
}

async fn get_group(call: Call<OfCustomer>, at: AtGroup) -> Result<Single<GroupReply>, ApiError> {
    single_group(&call, GroupId(at.groupid.0))
}

/// What can be given to a group or a person.
#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The policy; null and `default` leave it to the next in the order.
    #[serde(default)]
    policyid: Nullable<PolicyRef>,
    #[serde(default)]
    description: Option<Text<250>>,
}

async fn update_group(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtGroup, Update>,
) -> Result<Single<GroupReply>, ApiError> {
    let id = GroupId(at.groupid.0);
    call.write(|batch| {
        let old = call.view.find::<Group>(id.0, "group")?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        let (batch, policy) = given(&call, new.customer, ("policyid", &input.policyid), new.policy, batch)?;
        new.policy = policy;
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    single_group(&call, id)
}

/// An internal user as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct InternalUserReply {
    id: u32,
    name: String,
    email: String,
    description: String,
    /// Its own policy, else that of its effective group, else the customer's default.
    policyid: Option<u32>,
    policyname: Option<String>,
    /// The group whose policy it gets.
    effective_group: Option<String>,
    deletable: bool,
}

impl Object for InternalUserReply {
    fn object(&self) -> &'static str {
        "internaluser"
    }
}

fn show_user(view: &View, user: &InternalUser) -> InternalUserReply {
    let (policyid, policyname) = shown(view, user.customer, of_user(view, user));
    InternalUserReply {
        id: user.id.0,
        name: user.name.clone(),
        email: user.email.clone(),
        description: user.description.clone(),
        policyid,
        policyname,
        effective_group: effective_group(view, user).map(|group| group.name),
        deletable: user.deletable,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Only members of this group.
    #[serde(default)]
    group_id: Option<Id>,
}

async fn list_users(
    call: Call<OfCustomer>,
    Both(which, page): Both<Which, Page>,
) -> Result<List<InternalUserReply>, ApiError> {
    let group = match which.group_id {
        Some(id) => Some(call.view.find::<Group>(id.0, "group")?.value.id),
        None => None,
    };
    let mut total = 0;
    let mut data = Vec::new();
    for row in call.view.own::<InternalUser>() {
        if group.is_none_or(|group| row.value.groups.contains(&group)) {
            if total >= page.offset() && data.len() < page.limit() {
                data.push(show_user(&call.view, &row.value));
            }
            total += 1;
        }
    }
    Ok(List::new(total, data))
}

/// An internal user that the path names.
#[derive(Deserialize, JsonSchema)]
struct AtUser {
    /// Id of the internal user.
    userid: Id,
}

fn single_user(call: &Call<OfCustomer>, id: InternalUserId) -> Result<Single<InternalUserReply>, ApiError> {
    let row = call.view.find::<InternalUser>(id.0, "internal user")?;
    Ok(Single::new(show_user(&call.view, &row.value)).at(row.revision))
}

async fn get_user(call: Call<OfCustomer>, at: AtUser) -> Result<Single<InternalUserReply>, ApiError> {
    single_user(&call, InternalUserId(at.userid.0))
}

async fn update_user(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtUser, Update>,
) -> Result<Single<InternalUserReply>, ApiError> {
    let id = InternalUserId(at.userid.0);
    call.write(|batch| {
        let old = call.view.find::<InternalUser>(id.0, "internal user")?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        let (batch, policy) = given(&call, new.customer, ("policyid", &input.policyid), new.policy, batch)?;
        new.policy = policy;
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    single_user(&call, id)
}

async fn delete_user(call: Call<OfCustomer>, at: AtUser) -> Result<Deleted, ApiError> {
    let id = InternalUserId(at.userid.0);
    call.write(|batch| {
        let since = call.revision();
        let row = call.view.find::<InternalUser>(id.0, "internal user")?;
        call.check_match(&row)?;
        if !row.value.deletable {
            return Err(ApiError::conflict("This internal user cannot be deleted"));
        }
        let mut batch = batch.delete(&row).expect_unchanged::<Device>(Account::Customer(row.value.customer), since);
        for device in call.view.own::<Device>().filter(|device| device.value.user == Some(id)) {
            batch = batch.update(&device, &Device { user: None, ..device.value.clone() });
        }
        Ok((batch, ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}
