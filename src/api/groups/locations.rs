//! Locations: where queries come from, and with which policy.

use super::{
    addresses::place,
    customers::set,
    location_shown::{KindFilter, KindWord, LocationReply, kind_of, show},
    policies::assigned,
};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{AccountRef, Both, Id, Label, NameOrUrl, Nullable, Page, PolicyRef, Range, Ranges, Text},
        operation::operations,
        reply::{Deleted, List, Single},
        scope::{OfAccount, OfCustomer, Own, Scope, View},
    },
    auth::random_hex,
    model::*,
    store::{Batch, Row},
};
use schemars::JsonSchema;
use serde::Deserialize;

operations! {
    customer_locations {
        /// Lists a customer's locations of a kind.
        GET "/users/{id}/locations/{locationtype}" for [System, Sales, Msp, Customer]
            => list_customer_locations = list::<OfCustomer>;
        /// Creates a location.
        POST "/users/{id}/locations/{locationtype}" for [System, Sales, Msp, Customer]
            => create_customer_location = create::<OfCustomer>;
        /// Shows a location whatever its kind.
        GET "/users/{id}/locations/{locationid}" for [System, Sales, Msp, Customer]
            => get_customer_location_any = get_any;
        /// Shows a location of a kind.
        GET "/users/{id}/locations/{locationtype}/{locationid}" for [System, Sales, Msp, Customer]
            => get_customer_location = get_of_kind;
        /// Changes a location; absent fields stay.
        POST or PUT "/users/{id}/locations/{locationtype}/{locationid}" for [System, Sales, Msp, Customer]
            => update_customer_location = update_of_kind;
        /// Deletes a location.
        DELETE "/users/{id}/locations/{locationtype}/{locationid}" for [System, Sales, Msp, Customer]
            => delete_customer_location = delete_of_kind;
    }
    locations {
        /// Lists locations of a kind.
        GET "/locations/{locationtype}" for [System, Sales, Msp, Customer] => list_locations = list::<OfAccount>;
        /// Creates a location for a customer.
        POST "/locations" for [System, Sales, Msp, Customer] => create_location = create::<OfAccount>;
        /// Shows a location.
        GET "/locations/{id}" for [System, Sales, Msp, Customer] => get_location = get;
        /// Changes a location; absent fields stay.
        POST or PUT "/locations/{id}" for [System, Sales, Msp, Customer] => update_location = update;
        /// Deletes a location.
        DELETE "/locations/{id}" for [System, Sales, Msp, Customer] => delete_location = delete;
    }
}

fn single<S>(call: &Call<S>, id: LocationId) -> Result<Single<LocationReply>, ApiError> {
    let row = call.view.find::<Location>(id.0, "location")?;
    Ok(Single::new(show(&call.view, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    locationtype: KindFilter,
    /// Only locations with this policy in force.
    #[serde(default)]
    #[schemars(extend("x-in" = "query"))]
    policyid: Option<PolicyRef>,
}

async fn list<S: Scope>(call: Call<S>, Both(which, page): Both<Which, Page>) -> Result<List<LocationReply>, ApiError> {
    let wanted = match which.policyid {
        Some(policy) => Some(super::policies::named(&call.view, policy)?.value),
        None => None,
    };
    let mut total = 0;
    let mut data = Vec::new();
    for row in call.view.all::<Location>() {
        let location = &row.value;
        let of_kind = match which.locationtype {
            KindFilter::All => true,
            KindFilter::StaticIp => kind_of(location) == KindWord::StaticIp,
            KindFilter::DynamicIp => kind_of(location) == KindWord::DynamicIp,
            KindFilter::DynamicDns => kind_of(location) == KindWord::DynamicDns,
            KindFilter::Roaming => kind_of(location) == KindWord::Roaming,
            KindFilter::Virtual => kind_of(location) == KindWord::Virtual,
        };
        let of_policy = wanted.as_ref().is_none_or(|policy| match location.policy {
            Some(own) => own == policy.id,
            None => policy.is_default && policy.owner == Account::Customer(location.customer),
        });
        if of_kind && of_policy {
            if total >= page.offset() && data.len() < page.limit() {
                data.push(show(&call.view, location));
            }
            total += 1;
        }
    }
    Ok(List::new(total, data))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    locationtype: KindWord,
    name: Label<250>,
    /// The policy; null or absent is the customer's default.
    #[serde(default)]
    policyid: Nullable<PolicyRef>,
    /// Static locations: one or several addresses or CIDR ranges, between commas or blanks.
    #[serde(default)]
    ip: Nullable<Ranges>,
    /// Text of these addresses.
    #[serde(default)]
    description: Text<250>,
    /// Dynamic DNS: the host name that is looked up.
    #[serde(default)]
    hostname: Option<NameOrUrl>,
    /// Roaming and virtual: the tag that agents send; made where absent.
    #[serde(default)]
    tag: Option<Label<64>>,
    /// The customer, where the path names none.
    #[serde(default)]
    #[expect(dead_code, reason = "read by the scope; here it is documented as a field of the body")]
    user_id: Option<AccountRef>,
}

impl Create {
    fn kind(&self) -> Result<LocationKind, ApiError> {
        let tag = || match &self.tag {
            Some(tag) => Ok(tag.0.clone()),
            None => random_hex(16).map_err(ApiError::from),
        };
        Ok(match self.locationtype {
            KindWord::StaticIp => LocationKind::StaticIp,
            KindWord::DynamicIp => LocationKind::DynamicIp { key: random_hex(32)?, access_time: None },
            KindWord::DynamicDns => {
                let hostname = self.hostname.as_ref().ok_or_else(|| ApiError::field("hostname", "is required"))?;
                LocationKind::DynamicDns { hostname: hostname.0.to_string() }
            }
            KindWord::Roaming => LocationKind::Roaming { tag: tag()? },
            KindWord::Virtual => LocationKind::Virtual { tag: tag()? },
        })
    }
}

async fn create<S: Scope>(call: Call<S>, input: Create) -> Result<Single<LocationReply>, ApiError> {
    let Account::Customer(customer) = call.view.account() else {
        return Err(ApiError::field("user_id", "is required: locations belong to customers"));
    };
    let ranges = match &input.ip {
        Nullable::Value(ranges) if input.locationtype == KindWord::StaticIp => ranges.0.as_slice(),
        Nullable::Value(_) => return Err(ApiError::field("ip", "only static locations are given addresses")),
        Nullable::Absent | Nullable::Null => &[],
    };
    let location = Location {
        id: LocationId(call.next_id::<Location>()),
        customer,
        kind: input.kind()?,
        name: input.name.0.clone(),
        policy: None,
        deletable: true,
        created: call.now,
    };
    let addresses: Vec<Address> = ranges
        .iter()
        .map(|&net| Address {
            id: AddressId(call.next_id::<Address>()),
            customer,
            location: location.id,
            net,
            description: input.description.0.clone(),
        })
        .collect();
    let _turn = if addresses.is_empty() { None } else { Some(call.address_turn().await) };
    call.write(|batch| {
        let batch = batch.expect(&call.view.customer(customer)?);
        let (batch, policy) = with_policy(&call, customer, &input.policyid, None, batch)?;
        let mut batch = batch.create(&Location { policy, ..location.clone() });
        for address in &addresses {
            batch = place(&call, address, None, batch)?.create(address);
        }
        Ok((batch, ()))
    })
    .await?;
    single(&call, location.id)
}

/// The policy a location gets, which must be there still when the batch is committed.
fn with_policy<S>(
    call: &Call<S>,
    customer: CustomerId,
    named: &Nullable<PolicyRef>,
    now: Option<PolicyId>,
    batch: Batch,
) -> Result<(Batch, Option<PolicyId>), ApiError> {
    match named {
        Nullable::Absent => Ok((batch, now)),
        Nullable::Null => Ok((batch, None)),
        Nullable::Value(policy) => match assigned(call, customer, *policy)? {
            Some(row) => Ok((batch.expect(&row), Some(row.value.id))),
            None => Ok((batch, None)),
        },
    }
}

/// A location named by its id alone.
#[derive(Deserialize, JsonSchema)]
struct ById {
    /// Id of the location.
    id: Id,
}

/// A location named below its customer.
#[derive(Deserialize, JsonSchema)]
struct OfAnyKind {
    /// Id of the location.
    locationid: Id,
}

/// The same, with its kind.
#[derive(Deserialize, JsonSchema)]
struct OfKind {
    locationtype: KindWord,
    /// Id of the location.
    locationid: Id,
}

impl OfKind {
    fn check(&self, view: &View) -> Result<LocationId, ApiError> {
        let row = view.find::<Location>(self.locationid.0, "location")?;
        if kind_of(&row.value) != self.locationtype {
            return Err(ApiError::not_found("location"));
        }
        Ok(row.value.id)
    }
}

async fn get(call: Call<Own>, at: ById) -> Result<Single<LocationReply>, ApiError> {
    single(&call, LocationId(at.id.0))
}

async fn get_any(call: Call<OfCustomer>, at: OfAnyKind) -> Result<Single<LocationReply>, ApiError> {
    single(&call, LocationId(at.locationid.0))
}

async fn get_of_kind(call: Call<OfCustomer>, at: OfKind) -> Result<Single<LocationReply>, ApiError> {
    single(&call, at.check(&call.view)?)
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    #[serde(default)]
    name: Option<Label<250>>,
    /// The single address of a static location, or the current one of a dynamic-IP location.
    #[serde(default)]
    ip: Nullable<Range>,
    /// Text of that address.
    #[serde(default)]
    description: Option<Text<250>>,
    /// The policy; null is the customer's default.
    #[serde(default)]
    policyid: Nullable<PolicyRef>,
    /// Dynamic DNS: the host name that is looked up.
    #[serde(default)]
    hostname: Option<NameOrUrl>,
    /// Roaming and virtual: the tag that agents send.
    #[serde(default)]
    tag: Option<Label<64>>,
}

async fn update(call: Call<Own>, Both(at, input): Both<ById, Update>) -> Result<Single<LocationReply>, ApiError> {
    change(&call, LocationId(at.id.0), &input).await
}

async fn update_of_kind(
    call: Call<OfCustomer>,
    Both(at, input): Both<OfKind, Update>,
) -> Result<Single<LocationReply>, ApiError> {
    change(&call, at.check(&call.view)?, &input).await
}

async fn change<S>(call: &Call<S>, id: LocationId, input: &Update) -> Result<Single<LocationReply>, ApiError> {
    let new_address = AddressId(call.next_id::<Address>());
    let _turn = if matches!(input.ip, Nullable::Value(_)) { Some(call.address_turn().await) } else { None };
    call.write(|batch| {
        let old = call.view.find::<Location>(id.0, "location")?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.name, input.name.as_ref().map(|name| &name.0));
        let (mut batch, policy) = with_policy(call, new.customer, &input.policyid, new.policy, batch)?;
        new.policy = policy;
        match (&mut new.kind, &input.hostname, &input.tag) {
            (_, None, None) => {}
            (LocationKind::DynamicDns { hostname }, Some(name), None) => *hostname = name.0.to_string(),
            (LocationKind::Roaming { tag } | LocationKind::Virtual { tag }, None, Some(label)) => {
                *tag = label.0.clone()
            }
            (_, Some(_), _) => return Err(ApiError::field("hostname", "this kind of location has none")),
            (_, None, Some(_)) => return Err(ApiError::field("tag", "this kind of location has none")),
        }
        let net = match &input.ip {
            Nullable::Value(range) => Some(range.0),
            Nullable::Absent | Nullable::Null => None,
        };
        if net.is_some() || input.description.is_some() {
            batch = set_single(call, &old.value, net, input.description.as_ref(), new_address, batch)?;
        }
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    single(call, id)
}

/// Sets the one address of a location, or its text.
pub(super) fn set_single<S>(
    call: &Call<S>,
    location: &Location,
    net: Option<ipnet::IpNet>,
    description: Option<&Text<250>>,
    new_id: AddressId,
    batch: Batch,
) -> Result<Batch, ApiError> {
    if !matches!(location.kind, LocationKind::StaticIp | LocationKind::DynamicIp { .. }) {
        return Err(ApiError::field("ip", "this kind of location has no addresses"));
    }
    let mut rows = call.view.under::<Address>(Account::Customer(location.customer), location.id.0);
    let first: Option<Row<Address>> = rows.next();
    if rows.next().is_some() {
        return Err(ApiError::conflict("ip: the location has several addresses; change them one by one"));
    }
    let description = description.map(|text| &text.0);
    match (first, net) {
        (Some(old), net) => {
            let mut new = old.value.clone();
            set(&mut new.net, net.as_ref());
            set(&mut new.description, description);
            let batch = place(call, &new, Some(&old.value), batch)?;
            Ok(if new == old.value { batch } else { batch.update(&old, &new) })
        }
        (None, Some(net)) => {
            let description = description.cloned().unwrap_or_default();
            let new = Address { id: new_id, customer: location.customer, location: location.id, net, description };
            Ok(place(call, &new, None, batch)?.create(&new))
        }
        (None, None) => Ok(batch),
    }
}

async fn delete(call: Call<Own>, at: ById) -> Result<Deleted, ApiError> {
    remove(&call, LocationId(at.id.0)).await
}

async fn delete_of_kind(call: Call<OfCustomer>, at: OfKind) -> Result<Deleted, ApiError> {
    remove(&call, at.check(&call.view)?).await
}

/// Its addresses go with it; devices that belong there belong nowhere then.
async fn remove<S>(call: &Call<S>, id: LocationId) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let since = call.revision();
        let row = call.view.find::<Location>(id.0, "location")?;
        call.check_match(&row)?;
        if !row.value.deletable {
            return Err(ApiError::conflict("This location cannot be deleted"));
        }
        let owner = Account::Customer(row.value.customer);
        let mut batch =
            batch.delete(&row).expect_unchanged::<Address>(owner, since).expect_unchanged::<Device>(owner, since);
        for address in call.view.under::<Address>(owner, id.0) {
            batch = batch.delete(&address);
        }
        for device in call.view.of::<Device>(owner).filter(|row| row.value.location == Some(id)) {
            batch = batch.update(&device, &Device { location: None, ..device.value.clone() });
        }
        Ok((batch, ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}
