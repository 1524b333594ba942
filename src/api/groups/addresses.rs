//! Address ranges of static locations.
//!
//! The longest range that holds a client's address decides whose client it is. So ranges of two
//! customers may only overlap where one administrator answers for both; to anybody else the answer
//! names the range it asked for and nothing else.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, Page, Range, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single},
        scope::{OfCustomer, Own, View},
    },
    model::*,
    store::{Batch, Revision, Row},
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    customer_location_addresses {
        /// Lists the addresses of a static location.
        GET "/users/{id}/locations/{locationid}/addresses" also "/users/{id}/locations/staticip/{locationid}/addresses"
            for [System, Sales, Msp, Customer] => list_customer_location_addresses = list_of_customer;
        /// Adds an address.
        POST "/users/{id}/locations/{locationid}/addresses" also "/users/{id}/locations/staticip/{locationid}/addresses"
            for [System, Sales, Msp, Customer] => create_customer_location_address = create_of_customer;
        /// Shows an address.
        GET "/users/{id}/locations/{locationid}/addresses/{addressid}"
            also "/users/{id}/locations/staticip/{locationid}/addresses/{addressid}"
            for [System, Sales, Msp, Customer] => get_customer_location_address = get_of_customer;
        /// Changes an address; absent fields stay.
        POST or PUT "/users/{id}/locations/{locationid}/addresses/{addressid}"
            also "/users/{id}/locations/staticip/{locationid}/addresses/{addressid}"
            for [System, Sales, Msp, Customer] => update_customer_location_address = update_of_customer;
        /// Deletes an address.
        DELETE "/users/{id}/locations/{locationid}/addresses/{addressid}"
            also "/users/{id}/locations/staticip/{locationid}/addresses/{addressid}"
            for [System, Sales, Msp, Customer] => delete_customer_location_address = delete_of_customer;
    }
    location_addresses {
        /// Lists the addresses of a static location.
        GET "/locationaddresses" for [System, Sales, Msp, Customer] => list_location_addresses = list;
        /// Adds an address.
        POST "/locationaddresses" for [System, Sales, Msp, Customer] => create_location_address = create;
        /// Shows an address.
        GET "/locationaddresses/{id}" for [System, Sales, Msp, Customer] => get_location_address = get;
        /// Changes an address; absent fields stay.
        POST or PUT "/locationaddresses/{id}" for [System, Sales, Msp, Customer] => update_location_address = update;
        /// Deletes an address.
        DELETE "/locationaddresses/{id}" for [System, Sales, Msp, Customer] => delete_location_address = delete;
    }
}

/// An address as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AddressReply {
    id: u32,
    pub(super) description: String,
    /// An address, or a range in CIDR form.
    pub(super) ip: String,
}

impl AddressReply {
    pub(super) fn of(address: &Address) -> Self {
        AddressReply { id: address.id.0, description: address.description.clone(), ip: address_text(address.net) }
    }
}

impl Object for AddressReply {
    fn object(&self) -> &'static str {
        "address"
    }
}

/// A single address without the length of its prefix.
pub(super) fn address_text(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// Lets a batch put `address` where it says, in place of `old`: fails with 409 where somebody else
/// has the range, and lets the batch conflict if ranges change before it is committed.
pub(super) fn place<S>(
    call: &Call<S>,
    address: &Address,
    old: Option<&Address>,
    batch: Batch,
) -> Result<Batch, ApiError> {
    if old.is_some_and(|old| old.net == address.net) {
        return Ok(batch);
    }
    let snapshot = call.filtering().snapshot();
    for (range, location) in snapshot.ranges.overlapping(address.net) {
        let Some(location) = snapshot.locations.get(location.0) else { continue };
        let same_customer = location.customer == address.customer;
        if same_customer && range != address.net {
            continue;
        }
        let asked = address_text(address.net);
        if same_customer {
            return Err(ApiError::conflict(format!("ip: the customer has {asked} already")));
        }
        let manages_both = call.reach.reaches(Account::Customer(location.customer));
        if range == address.net || !manages_both {
            return Err(ApiError::conflict(format!("ip: {asked} overlaps a range of another customer")));
        }
    }
    Ok(batch.expect_table_unchanged::<Address>(Revision(snapshot.revision)))
}

/// The static location of an address to come.
fn static_location(view: &View, id: Id) -> Result<Row<Location>, ApiError> {
    view.find::<Location>(id.0, "location")
}

fn list_under<S>(call: &Call<S>, location: Id, page: &Page) -> Result<List<AddressReply>, ApiError> {
    let location = static_location(&call.view, location)?.value;
    let owner = Account::Customer(location.customer);
    let total = call.view.under::<Address>(owner, location.id.0).count();
    let rows = call.view.under::<Address>(owner, location.id.0).skip(page.offset()).take(page.limit());
    Ok(List::new(total, rows.map(|row| AddressReply::of(&row.value)).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// An IPv4 or IPv6 address, or a CIDR range; host bits are cut off.
    ip: Range,
    #[serde(default)]
    description: Text<250>,
}

async fn add<S>(call: &Call<S>, location: Id, input: Create) -> Result<Single<AddressReply>, ApiError> {
    let id = AddressId(call.next_id::<Address>());
    let _turn = call.address_turn().await;
    call.write(|batch| {
        let location = static_location(&call.view, location)?;
        if location.value.kind != LocationKind::StaticIp {
            return Err(ApiError::conflict("locationid: only static locations are given addresses"));
        }
        let address = Address {
            id,
            customer: location.value.customer,
            location: location.value.id,
            net: input.ip.0,
            description: input.description.0.clone(),
        };
        Ok((place(call, &address, None, batch)?.expect(&location).create(&address), ()))
    })
    .await?;
    single(call, id, None)
}

/// An address, which must belong to the location where one is named.
fn address(view: &View, id: AddressId, location: Option<Id>) -> Result<Row<Address>, ApiError> {
    let row = view.find::<Address>(id.0, "address")?;
    match location {
        Some(location) if row.value.location.0 != location.0 => Err(ApiError::not_found("address")),
        _ => Ok(row),
    }
}

fn single<S>(call: &Call<S>, id: AddressId, location: Option<Id>) -> Result<Single<AddressReply>, ApiError> {
    let row = address(&call.view, id, location)?;
    Ok(Single::new(AddressReply::of(&row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// An IPv4 or IPv6 address, or a CIDR range; host bits are cut off.
    #[serde(default)]
    ip: Option<Range>,
    #[serde(default)]
    description: Option<Text<250>>,
}

async fn change<S>(
    call: &Call<S>,
    id: AddressId,
    location: Option<Id>,
    input: Update,
) -> Result<Single<AddressReply>, ApiError> {
    let _turn = call.address_turn().await;
    call.write(|batch| {
        let old = address(&call.view, id, location)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        if let Some(range) = input.ip {
            new.net = range.0;
        }
        if let Some(text) = &input.description {
            new.description = text.0.clone();
        }
        let batch = place(call, &new, Some(&old.value), batch)?;
        Ok((if new == old.value { batch } else { batch.update(&old, &new) }, ()))
    })
    .await?;
    single(call, id, location)
}

async fn remove<S>(call: &Call<S>, id: AddressId, location: Option<Id>) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = address(&call.view, id, location)?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(id.0))
}

/// A location below its customer.
#[derive(Deserialize, JsonSchema)]
struct AtLocation {
    /// Id of the location.
    locationid: Id,
}

/// An address below its location.
#[derive(Deserialize, JsonSchema)]
struct AtAddress {
    /// Id of the location.
    locationid: Id,
    /// Id of the address.
    addressid: Id,
}

async fn list_of_customer(
    call: Call<OfCustomer>,
    Both(at, page): Both<AtLocation, Page>,
) -> Result<List<AddressReply>, ApiError> {
    list_under(&call, at.locationid, &page)
}

async fn create_of_customer(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtLocation, Create>,
) -> Result<Single<AddressReply>, ApiError> {
    add(&call, at.locationid, input).await
}

async fn get_of_customer(call: Call<OfCustomer>, at: AtAddress) -> Result<Single<AddressReply>, ApiError> {
    single(&call, AddressId(at.addressid.0), Some(at.locationid))
}

async fn update_of_customer(
    call: Call<OfCustomer>,
    Both(at, input): Both<AtAddress, Update>,
) -> Result<Single<AddressReply>, ApiError> {
    change(&call, AddressId(at.addressid.0), Some(at.locationid), input).await
}

async fn delete_of_customer(call: Call<OfCustomer>, at: AtAddress) -> Result<Deleted, ApiError> {
    remove(&call, AddressId(at.addressid.0), Some(at.locationid)).await
}

/// An address named by its id alone.
#[derive(Deserialize, JsonSchema)]
struct ById {
    /// Id of the address.
    id: Id,
}

async fn list(call: Call<Own>, Both(at, page): Both<AtLocation, Page>) -> Result<List<AddressReply>, ApiError> {
    list_under(&call, at.locationid, &page)
}

async fn create(call: Call<Own>, Both(at, input): Both<AtLocation, Create>) -> Result<Single<AddressReply>, ApiError> {
    add(&call, at.locationid, input).await
}

async fn get(call: Call<Own>, at: ById) -> Result<Single<AddressReply>, ApiError> {
    single(&call, AddressId(at.id.0), None)
}

async fn update(call: Call<Own>, Both(at, input): Both<ById, Update>) -> Result<Single<AddressReply>, ApiError> {
    change(&call, AddressId(at.id.0), None, input).await
}

async fn delete(call: Call<Own>, at: ById) -> Result<Deleted, ApiError> {
    remove(&call, AddressId(at.id.0), None).await
}
