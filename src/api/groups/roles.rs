//! Roles that accounts put together themselves, and the four that are built in.
//!
//! A role narrows what its administrators may do; whose rows they reach stays the account's matter.
//! Nobody gives what they do not have: not by a role, and not by making or taking over an account.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Id, Label, Many, Page, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfAccount, Own, View},
    },
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    permissions {
        /// Lists every permission with whether the caller holds it.
        GET "/permissions" for [System, Sales, Msp, Customer] => list_permissions = permissions;
    }
    roles {
        /// Lists the roles of an account: the built-in one and its own.
        GET "/roles" for [System, Sales, Msp, Customer] => list_roles = list;
        /// Creates a role.
        /// `permissions` are labels of `GET /permissions`; nobody gives what they do not hold.
        POST "/roles" for [System, Sales, Msp, Customer] => create_role = create;
        /// Shows a role.
        GET "/roles/{roleid}" for [System, Sales, Msp, Customer] => get_role = get;
        /// Changes a role; absent fields stay. It counts from the next request of those who have it.
        POST or PUT "/roles/{roleid}" for [System, Sales, Msp, Customer] => update_role = update;
        /// Deletes a role that no administrator has.
        DELETE "/roles/{roleid}" for [System, Sales, Msp, Customer] => delete_role = delete;
    }
}

/// One permission.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownPermission {
    /// `policy.<subject>.<view|manage>`.
    label: String,
    /// What it is about.
    subject: &'static str,
    description: &'static str,
    /// 1 to look, 5 to change too.
    level: u8,
    /// Whether the caller has it.
    held: bool,
}

impl Object for ShownPermission {
    fn object(&self) -> &'static str {
        "permission"
    }
}

async fn permissions(call: Call<Own>, page: Page) -> Result<List<ShownPermission>, ApiError> {
    let built_in = call.built_in(call.caller()?.role);
    let shown = |permission: Permission| ShownPermission {
        label: permission.to_string(),
        subject: permission.subject.name(),
        description: permission.subject.description(),
        level: if permission.manage { 5 } else { 1 },
        held: built_in.has(permission) && call.held().has(permission),
    };
    let rows = Permission::all().skip(page.offset()).take(page.limit()).map(shown).collect();
    Ok(List::new(Permission::all().count(), rows))
}

/// A role as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownRole {
    /// `null` for a built-in role.
    id: Option<u32>,
    name: String,
    description: String,
    built_in: bool,
    /// Labels, in the order of `GET /permissions`.
    permissions: Vec<String>,
    created: Option<String>,
    updated: Option<String>,
}

impl Object for ShownRole {
    fn object(&self) -> &'static str {
        "role"
    }
}

fn show(role: &CustomRole) -> ShownRole {
    ShownRole {
        id: Some(role.id.0),
        name: role.name.clone(),
        description: role.description.clone(),
        built_in: false,
        permissions: role.permissions.iter().map(|permission| permission.to_string()).collect(),
        created: Some(time_text(role.created)),
        updated: Some(time_text(role.updated)),
    }
}

/// The built-in roles of an account.
fn built_in_roles(account: Account) -> &'static [(Role, &'static str)] {
    match account {
        Account::System => &[(Role::System, "System"), (Role::Sales, "Sales")],
        Account::Msp(_) => &[(Role::Msp, "MSP")],
        Account::Customer(_) => &[(Role::Customer, "Customer")],
    }
}

async fn list(call: Call<OfAccount>, page: Page) -> Result<List<ShownRole>, ApiError> {
    let built_in = built_in_roles(call.view.account()).iter().map(|(role, name)| ShownRole {
        id: None,
        name: (*name).to_owned(),
        description: "Built in".to_owned(),
        built_in: true,
        permissions: call.built_in(*role).iter().map(|permission| permission.to_string()).collect(),
        created: None,
        updated: None,
    });
    let total = built_in.len() + call.view.own_count::<CustomRole>();
    let own = call.view.own::<CustomRole>().map(|row| show(&row.value));
    Ok(List::new(total, built_in.chain(own).skip(page.offset()).take(page.limit()).collect()))
}

/// Checks labels: known, of use in the account, and held by the caller.
fn read<S>(call: &Call<S>, account: Account, labels: &[Text<100>]) -> Result<Permissions, ApiError> {
    let of_use = built_in_roles(account).iter().flat_map(|(role, _)| call.built_in(*role).iter()).collect();
    let mut permissions = Permissions::NONE;
    for (index, label) in labels.iter().enumerate() {
        let field = format!("permissions[{index}]");
        let permission: Permission =
            label.0.trim().parse().map_err(|error| ApiError::field(&field, format!("{error}")))?;
        if !Permissions::has(of_use, permission) {
            return Err(ApiError::field(
                &field,
                format!("names {permission}, which this kind of account has no use for"),
            ));
        }
        permissions = permissions.with(permission);
    }
    call.check_grant(permissions)?;
    Ok(permissions)
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// Display name, unique in the account.
    name: Label<250>,
    #[serde(default)]
    description: Text<250>,
    /// Labels such as `policy.locations.manage`, which brings `policy.locations.view`.
    permissions: Many<Text<100>>,
}

async fn create(call: Call<OfAccount>, input: Create) -> Result<Single<ShownRole>, ApiError> {
    let owner = call.view.account();
    let role = CustomRole {
        id: RoleId(call.next_id::<CustomRole>()),
        owner,
        name: input.name.0,
        description: input.description.0,
        permissions: read(&call, owner, &input.permissions.0)?,
        created: call.now,
        updated: call.now,
    };
    if built_in_roles(owner).iter().any(|(_, name)| name.eq_ignore_ascii_case(&role.name)) {
        return Err(ApiError::field("name", "is the name of a built-in role"));
    }
    call.write(|batch| Ok((batch.create(&role), ()))).await?;
    let row = find(&call.view, role.id)?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct PathRole {
    /// The role.
    roleid: Id,
}

fn find(view: &View, id: RoleId) -> Result<Row<CustomRole>, ApiError> {
    view.find(id.0, "role")
}

async fn get(call: Call<Own>, path: PathRole) -> Result<Single<ShownRole>, ApiError> {
    let row = find(&call.view, RoleId(path.roleid.0))?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The role.
    roleid: Id,
    /// Display name, unique in the account.
    #[serde(default)]
    name: Option<Label<250>>,
    #[serde(default)]
    description: Option<Text<250>>,
    /// All labels it shall have.
    #[serde(default)]
    permissions: Option<Many<Text<100>>>,
}

async fn update(call: Call<Own>, input: Update) -> Result<Single<ShownRole>, ApiError> {
    let id = RoleId(input.roleid.0);
    call.write(|batch| {
        let old = find(&call.view, id)?;
        call.check_match(&old)?;
        // Who lacks what it has cannot judge what it should have.
        call.check_grant(old.value.permissions)?;
        let mut new = old.value.clone();
        super::customers::set(&mut new.name, input.name.as_ref().map(|name| &name.0));
        super::customers::set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        if let Some(labels) = &input.permissions {
            new.permissions = read(&call, new.owner, &labels.0)?;
        }
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    let row = find(&call.view, id)?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

async fn delete(call: Call<Own>, path: PathRole) -> Result<Deleted, ApiError> {
    let id = RoleId(path.roleid.0);
    call.write(|batch| {
        let since = call.revision();
        let row = find(&call.view, id)?;
        call.check_match(&row)?;
        call.check_grant(row.value.permissions)?;
        let owner = row.value.owner;
        if call.view.of::<Admin>(owner).any(|admin| admin.value.custom_role == Some(id)) {
            return Err(ApiError::conflict("An administrator has this role"));
        }
        Ok((batch.delete(&row).expect_unchanged::<Admin>(owner, since), ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}

/// The role an administrator of `account` gets, which the caller must be able to give.
pub(super) fn to_assign<S>(call: &Call<S>, account: Account, id: Id) -> Result<Row<CustomRole>, ApiError> {
    let known = call.view.of::<CustomRole>(account).find(|row| row.value.id.0 == id.0);
    let row = known.ok_or_else(|| ApiError::field("role_id", "is no role of this account"))?;
    call.check_grant(row.value.permissions)?;
    Ok(row)
}
