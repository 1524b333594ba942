//! Whose rows a call sees.
//!
//! The path or the query names an account; a scope checks that the caller reaches it and gives a
//! [`View`] bound to it. Handlers read rows through the view only, so a row of another tenant is not
//! forbidden to them but unreachable, and answers 404 like one that does not exist.

use super::{
    error::ApiError,
    input::{AccountRef, Input},
};
use crate::{
    auth::Caller,
    model::*,
    policy::{EffectiveSettings, Presets, effective},
    store::{Actor, Record, Row, Store, Unique},
};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// The rows at and below one account.
#[derive(Clone)]
pub struct View {
    store: Store,
    account: Account,
}

impl View {
    /// Bound to `account`.
    pub(super) fn new(store: Store, account: Account) -> Self {
        View { store, account }
    }

    /// The account at its top.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Whether `owner` is the account at the top or below it.
    pub fn reaches(&self, owner: Account) -> bool {
        match (self.account, owner) {
            (Account::System, _) => true,
            (Account::Msp(own), Account::Msp(other)) => own == other,
            (Account::Msp(own), Account::Customer(customer)) => {
                self.store.find::<Customer>(customer.0).is_some_and(|row| row.value.msp == Some(own))
            }
            (Account::Customer(own), Account::Customer(other)) => own == other,
            (Account::Msp(_) | Account::Customer(_), Account::System) | (Account::Customer(_), Account::Msp(_)) => {
                false
            }
        }
    }

    /// The row of this id, if it is in reach; else 404, naming it as `what`.
    pub fn find<R: Record>(&self, id: u32, what: &str) -> Result<Row<R>, ApiError> {
        let row = self.store.find::<R>(id).filter(|row| self.reaches(row.value.owner()));
        row.ok_or_else(|| ApiError::not_found(what))
    }

    /// The customer of this id, if it is in reach.
    pub fn customer(&self, id: CustomerId) -> Result<Row<Customer>, ApiError> {
        let row = self.store.find::<Customer>(id.0).filter(|_| self.reaches(Account::Customer(id)));
        row.ok_or_else(|| ApiError::not_found("customer"))
    }

    /// The customer that a caller names by id or UUID, if it is in reach.
    pub fn customer_named(&self, named: AccountRef) -> Result<Row<Customer>, ApiError> {
        customer_of(&self.store, self, named)
    }

    /// The MSP of this id, if it is in reach.
    pub fn msp(&self, id: MspId) -> Result<Row<Msp>, ApiError> {
        let row = self.store.find::<Msp>(id.0).filter(|_| self.reaches(Account::Msp(id)));
        row.ok_or_else(|| ApiError::not_found("MSP"))
    }

    /// Rows of the account itself.
    pub fn own<R: Record>(&self) -> impl Iterator<Item = Row<R>> + use<R> {
        self.store.rows::<R>(self.account)
    }

    /// Number of rows of the account itself.
    pub fn own_count<R: Record>(&self) -> usize {
        self.store.count_rows::<R>(self.account)
    }

    /// Rows of `owner`, if it is in reach; else none.
    pub fn of<R: Record>(&self, owner: Account) -> impl Iterator<Item = Row<R>> + use<R> {
        let reached = self.reaches(owner).then(|| self.store.rows::<R>(owner));
        reached.into_iter().flatten()
    }

    /// Rows of `owner` under one parent row, if it is in reach; else none.
    pub fn under<R: Record>(&self, owner: Account, parent: u32) -> impl Iterator<Item = Row<R>> + use<R> {
        let reached = self.reaches(owner).then(|| self.store.rows_under::<R>(owner, parent));
        reached.into_iter().flatten()
    }

    /// Customers in reach, by id within their MSP.
    pub fn customers(&self) -> Box<dyn Iterator<Item = Row<Customer>> + Send> {
        match self.account {
            Account::System => Box::new(self.store.all::<Customer>()),
            Account::Msp(_) => Box::new(self.store.rows::<Customer>(self.account)),
            Account::Customer(id) => Box::new(self.store.find::<Customer>(id.0).into_iter()),
        }
    }

    /// Number of customers in reach.
    pub fn customer_count(&self) -> usize {
        match self.account {
            Account::System => self.store.count_all::<Customer>(),
            Account::Msp(_) => self.store.count_rows::<Customer>(self.account),
            Account::Customer(_) => 1,
        }
    }

    /// MSPs in reach; a customer's own one too.
    pub fn msps(&self) -> Box<dyn Iterator<Item = Row<Msp>> + Send> {
        match self.account {
            Account::System => Box::new(self.store.all::<Msp>()),
            Account::Msp(id) => Box::new(self.store.find::<Msp>(id.0).into_iter()),
            Account::Customer(id) => {
                let msp = self.store.find::<Customer>(id.0).and_then(|row| row.value.msp);
                Box::new(msp.and_then(|id| self.store.find::<Msp>(id.0)).into_iter())
            }
        }
    }

    /// Every row of the table in reach, by id where the account is the system's.
    pub fn all<R: Record>(&self) -> Box<dyn Iterator<Item = Row<R>> + Send> {
        match self.account {
            Account::System => Box::new(self.store.all::<R>()),
            Account::Customer(_) => Box::new(self.store.rows::<R>(self.account)),
            Account::Msp(_) => {
                let store = self.store.clone();
                let below = self.customers().flat_map(move |row| store.rows::<R>(Account::Customer(row.value.id)));
                Box::new(self.store.rows::<R>(self.account).chain(below))
            }
        }
    }

    /// The row with this unique value, if it is in reach.
    pub fn unique<R: Record>(&self, unique: Unique, key: &[u8]) -> Option<Row<R>> {
        self.store.find_unique::<R>(unique, key).filter(|row| self.reaches(row.value.owner()))
    }

    /// The default policy of an account in reach.
    pub fn default_policy(&self, owner: Account) -> Result<Row<Policy>, ApiError> {
        let found = self.of::<Policy>(owner).find(|row| row.value.is_default);
        found.ok_or_else(|| ApiError::not_found("policy"))
    }

    /// The settings of a policy in reach with everything it inherits from above. That the policies
    /// above may be out of reach is no matter: their effect is what the caller's queries get.
    pub fn effective(&self, policy: &Policy, presets: &Presets) -> EffectiveSettings {
        let above = self.above(policy);
        let chain: Vec<&PolicySettings> =
            std::iter::once(&policy.settings).chain(above.iter().map(|policy| &policy.settings)).collect();
        effective(&chain, presets)
    }

    /// The filter settings that a policy inherits from, the nearest first.
    pub fn filters_above(&self, policy: &Policy) -> Vec<FilterSettings> {
        let filters = self.above(policy).into_iter().filter_map(|policy| self.store.find::<PolicyFilter>(policy.id.0));
        filters.map(|row| row.value.settings).collect()
    }

    /// The list, if policies of `owner` may subscribe to it: it is the owner's or an account's above.
    pub fn subscribable(&self, owner: Account, list: ListSourceId) -> Option<ListSourceId> {
        let source = self.store.find::<ListSource>(list.0)?.value;
        let msp = match owner {
            Account::Customer(id) => self.store.find::<Customer>(id.0).and_then(|row| row.value.msp),
            Account::Msp(id) => Some(id),
            Account::System => None,
        };
        let visible = [Some(owner), msp.map(Account::Msp), Some(Account::System)].contains(&Some(source.owner));
        visible.then_some(source.id)
    }

    /// The default policies a policy inherits from, the nearest first.
    fn above(&self, policy: &Policy) -> Vec<Policy> {
        let mut above: Vec<Policy> = Vec::with_capacity(3);
        let mut push_default_of = |owner: Account| {
            let found = self.store.rows::<Policy>(owner).find(|row| row.value.is_default);
            above.extend(found.map(|row| row.value));
        };
        if !policy.is_default {
            push_default_of(policy.owner);
        }
        if let Account::Customer(id) = policy.owner
            && let Some(msp) = self.store.find::<Customer>(id.0).and_then(|row| row.value.msp)
        {
            push_default_of(Account::Msp(msp));
        }
        if policy.owner != Account::System {
            push_default_of(Account::System);
        }
        above
    }
}

/// A parameter that a scope reads, for OpenAPI.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// In the path, else in the query.
    pub in_path: bool,
    /// What it says.
    pub description: &'static str,
    /// Its type.
    pub schema: Schema,
}

impl Parameter {
    fn account(name: &'static str, in_path: bool, description: &'static str) -> Self {
        let schema = json_schema!({ "type": ["integer", "string"], "minimum": 1, "maximum": ID_MAX, "format": "uuid" });
        Parameter { name, in_path, description, schema }
    }
}

/// What a request names: an account within the caller's reach, and the view bound to it.
pub trait Scope: Sized + Send + Sync + 'static {
    /// Checks that the caller reaches what the fields name.
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError>;
    /// The fields it reads.
    fn parameters() -> Vec<Parameter>;
}

/// A scope that was entered.
pub struct Entered<S> {
    /// What the handler may want to know of it.
    pub scope: S,
    /// The rows named.
    pub view: View,
    /// All rows the caller reaches.
    pub reach: View,
    /// Who acts, for the audit trail.
    pub actor: Actor,
}

fn reach(store: &Store, caller: Option<&Caller>) -> Result<(View, Actor), ApiError> {
    let caller = caller.ok_or_else(|| ApiError::internal("an operation without credentials uses a caller's scope"))?;
    Ok((View::new(store.clone(), caller.account), Actor::Admin(caller.admin)))
}

fn customer_of(store: &Store, reach: &View, named: AccountRef) -> Result<Row<Customer>, ApiError> {
    let id = match named {
        AccountRef::Id(id) => Some(CustomerId(id)),
        AccountRef::Uuid(uuid) => {
            store.find_unique::<Customer>(Unique::CustomerUuid, uuid.as_bytes()).map(|row| row.value.id)
        }
    };
    reach.customer(id.ok_or_else(|| ApiError::not_found("customer"))?)
}

fn msp_of(store: &Store, reach: &View, named: AccountRef) -> Result<Row<Msp>, ApiError> {
    let id = match named {
        AccountRef::Id(id) => Some(MspId(id)),
        AccountRef::Uuid(uuid) => store.find_unique::<Msp>(Unique::MspUuid, uuid.as_bytes()).map(|row| row.value.id),
    };
    reach.msp(id.ok_or_else(|| ApiError::not_found("MSP"))?)
}

#[derive(Deserialize, JsonSchema)]
struct PathId {
    id: AccountRef,
}

/// The caller's own account and all below; rows named by their own id.
pub struct Own;

impl Scope for Own {
    fn enter(store: &Store, caller: Option<&Caller>, _: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        Ok(Entered { scope: Own, view: reach.clone(), reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![]
    }
}

/// The customer that `{id}` of the path names.
pub struct OfCustomer {
    /// Its row when the call came.
    pub customer: Row<Customer>,
}

impl Scope for OfCustomer {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let customer = customer_of(store, &reach, PathId::read(fields)?.id)?;
        let view = View::new(store.clone(), Account::Customer(customer.value.id));
        Ok(Entered { scope: OfCustomer { customer }, view, reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![Parameter::account("id", true, "The customer, by id or UUID.")]
    }
}

/// The customer that `{uuid}` of the path names.
pub struct OfUuid {
    /// Its row when the call came.
    pub customer: Row<Customer>,
}

#[derive(Deserialize, JsonSchema)]
struct PathUuid {
    uuid: AccountRef,
}

impl Scope for OfUuid {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let customer = customer_of(store, &reach, PathUuid::read(fields)?.uuid)?;
        let view = View::new(store.clone(), Account::Customer(customer.value.id));
        Ok(Entered { scope: OfUuid { customer }, view, reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![Parameter::account("uuid", true, "The customer, by UUID or id.")]
    }
}

/// The MSP that `{id}` of the path names.
pub struct OfMsp {
    /// Its row when the call came.
    pub msp: Row<Msp>,
}

impl Scope for OfMsp {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let msp = msp_of(store, &reach, PathId::read(fields)?.id)?;
        let view = View::new(store.clone(), Account::Msp(msp.value.id));
        Ok(Entered { scope: OfMsp { msp }, view, reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![Parameter::account("id", true, "The MSP, by id or UUID.")]
    }
}

/// The account that `user_id` or `msp_id` names; neither is the caller's own level, both are 400.
pub struct OfAccount;

#[derive(Deserialize, JsonSchema)]
struct QueryAccount {
    #[serde(default)]
    user_id: Option<AccountRef>,
    #[serde(default)]
    msp_id: Option<AccountRef>,
}

impl Scope for OfAccount {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let QueryAccount { user_id, msp_id } = QueryAccount::read(fields)?;
        let account = match (user_id, msp_id) {
            (Some(_), Some(_)) => return Err(ApiError::field("msp_id", "cannot stand beside user_id")),
            (Some(customer), None) => Account::Customer(customer_of(store, &reach, customer)?.value.id),
            (None, Some(msp)) => Account::Msp(msp_of(store, &reach, msp)?.value.id),
            (None, None) => reach.account(),
        };
        Ok(Entered { scope: OfAccount, view: View::new(store.clone(), account), reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![
            Parameter::account("user_id", false, "Scope to this customer, by id or UUID."),
            Parameter::account("msp_id", false, "Scope to this MSP, by id or UUID."),
        ]
    }
}

/// The MSP that `msp_id` names; without it the caller's own level.
pub struct OfProvider {
    /// Whether an MSP was named.
    pub named: bool,
}

#[derive(Deserialize, JsonSchema)]
struct QueryMsp {
    #[serde(default)]
    msp_id: Option<AccountRef>,
}

impl Scope for OfProvider {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let msp = QueryMsp::read(fields)?.msp_id;
        let account = match msp {
            Some(msp) => Account::Msp(msp_of(store, &reach, msp)?.value.id),
            None => reach.account(),
        };
        let scope = OfProvider { named: msp.is_some() };
        Ok(Entered { scope, view: View::new(store.clone(), account), reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![Parameter::account("msp_id", false, "The settings of this MSP, by id or UUID.")]
    }
}

/// What the system shows everybody, without credentials. Its handlers see all rows and choose with care.
pub struct Shown;

impl Scope for Shown {
    fn enter(store: &Store, _: Option<&Caller>, _: &Value) -> Result<Entered<Self>, ApiError> {
        let view = View::new(store.clone(), Account::System);
        Ok(Entered { scope: Shown, reach: view.clone(), view, actor: Actor::Anonymous })
    }

    fn parameters() -> Vec<Parameter> {
        vec![]
    }
}

/// The location whose secret update key stands in the path; no other credentials are needed.
pub struct OfLocationKey {
    /// Its row when the call came.
    pub location: Row<Location>,
}

#[derive(Deserialize, JsonSchema)]
struct PathKey {
    key: String,
}

impl Scope for OfLocationKey {
    fn enter(store: &Store, _: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let key = PathKey::read(fields)?.key.to_ascii_lowercase();
        let found = store.find_unique::<Location>(Unique::DynamicIpKey, key.as_bytes());
        let location = found.ok_or_else(|| ApiError::not_found("location"))?;
        let suspended = store.find::<Customer>(location.value.customer.0).is_none_or(|row| row.value.suspended);
        if suspended {
            return Err(ApiError::forbidden("The account is suspended"));
        }
        let view = View::new(store.clone(), Account::Customer(location.value.customer));
        let actor = Actor::Location(location.value.id);
        Ok(Entered { scope: OfLocationKey { location }, reach: view.clone(), view, actor })
    }

    fn parameters() -> Vec<Parameter> {
        vec![Parameter {
            name: "key",
            in_path: true,
            description: "The location's update key.",
            schema: json_schema!({ "type": "string" }),
        }]
    }
}

/// No account: for operations without credentials. Its views reach nothing.
pub struct Public;

impl Scope for Public {
    fn enter(store: &Store, _: Option<&Caller>, _: &Value) -> Result<Entered<Self>, ApiError> {
        // Ids begin at 1: nothing is this customer's.
        let view = View::new(store.clone(), Account::Customer(CustomerId(0)));
        Ok(Entered { scope: Public, reach: view.clone(), view, actor: Actor::Anonymous })
    }

    fn parameters() -> Vec<Parameter> {
        vec![]
    }
}

/// The account whose administrators are meant: as `OfAccount`, but `user_id` and `msp_id` may stand
/// together, and sales reaches no account but its own.
pub struct OfAdmins {
    /// Who calls.
    pub caller: Caller,
}

impl OfAdmins {
    /// Whether the caller may deal with this administrator: in reach, and for sales one of its own.
    pub fn reaches(&self, admin: &Admin) -> bool {
        self.caller.role != Role::Sales || admin.account == Account::System && admin.role == Role::Sales
    }
}

impl Scope for OfAdmins {
    fn enter(store: &Store, caller: Option<&Caller>, fields: &Value) -> Result<Entered<Self>, ApiError> {
        let (reach, actor) = reach(store, caller)?;
        let caller = *caller.ok_or_else(|| ApiError::internal("administrators without a caller"))?;
        let QueryAccount { user_id, msp_id } = QueryAccount::read(fields)?;
        if caller.role == Role::Sales && (user_id.is_some() || msp_id.is_some()) {
            return Err(ApiError::not_found(if user_id.is_some() { "customer" } else { "MSP" }));
        }
        let msp = msp_id.map(|msp| msp_of(store, &reach, msp)).transpose()?.map(|row| row.value.id);
        let account = match (user_id, msp) {
            (Some(customer), msp) => {
                let customer = customer_of(store, &reach, customer)?.value;
                if msp.is_some() && customer.msp != msp {
                    return Err(ApiError::not_found("customer"));
                }
                Account::Customer(customer.id)
            }
            (None, Some(msp)) => Account::Msp(msp),
            (None, None) => reach.account(),
        };
        Ok(Entered { scope: OfAdmins { caller }, view: View::new(store.clone(), account), reach, actor })
    }

    fn parameters() -> Vec<Parameter> {
        OfAccount::parameters()
    }
}
