//! Zones that a customer's queries are resolved for elsewhere, such as the names of its own network.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, ListedName, Many, Page, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::OfCustomer,
    },
    model::*,
    resolve::Upstream,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    forward_zones {
        /// Lists the zones of a customer that are resolved elsewhere.
        GET "/users/{id}/forwardzones" for [System, Sales, Msp, Customer] => list_forward_zones = list;
        /// Adds a zone: the customer's queries for it and for all names below it go to these servers.
        /// Answers from there are kept apart from those of everybody else, and are not validated.
        POST "/users/{id}/forwardzones" for [System, Sales, Msp, Customer] => create_forward_zone = create;
        /// Shows a zone.
        GET "/users/{id}/forwardzones/{zoneid}" for [System, Sales, Msp, Customer] => get_forward_zone = get;
        /// Changes a zone; absent fields stay.
        POST or PUT "/users/{id}/forwardzones/{zoneid}" for [System, Sales, Msp, Customer]
            => update_forward_zone = update;
        /// Deletes a zone.
        DELETE "/users/{id}/forwardzones/{zoneid}" for [System, Sales, Msp, Customer] => delete_forward_zone = delete;
    }
}

/// Zones of one customer.
const ZONES_MAX: usize = 100;
/// Servers of one zone.
const SERVERS_MAX: usize = 8;

/// A zone as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ZoneReply {
    id: u32,
    /// The zone: the name and everything below it.
    zone: String,
    /// Addresses with ports, in the order they are asked.
    servers: Vec<String>,
    comment: String,
    created: String,
}

impl Object for ZoneReply {
    fn object(&self) -> &'static str {
        "forward_zone"
    }
}

fn show(zone: &ForwardZone) -> ZoneReply {
    ZoneReply {
        id: zone.id.0,
        zone: zone.zone.to_string(),
        servers: zone.servers.clone(),
        comment: zone.comment.clone(),
        created: time_text(zone.created),
    }
}

/// A zone a path names.
#[derive(Deserialize, JsonSchema)]
struct Named {
    /// Id of the zone.
    zoneid: Id,
}

fn customer_of(call: &Call<OfCustomer>) -> Result<Row<Customer>, ApiError> {
    match call.view.account() {
        Account::Customer(id) => call.view.customer(id),
        _ => Err(ApiError::not_found("customer")),
    }
}

/// A zone of the customer that the path names.
fn zone(call: &Call<OfCustomer>, at: &Named) -> Result<Row<ForwardZone>, ApiError> {
    let row = call.view.find::<ForwardZone>(at.zoneid.0, "forwarded zone")?;
    if Account::Customer(row.value.customer) != call.view.account() {
        return Err(ApiError::not_found("forwarded zone"));
    }
    Ok(row)
}

async fn list(call: Call<OfCustomer>, page: Page) -> Result<List<ZoneReply>, ApiError> {
    let rows = call.view.own::<ForwardZone>().skip(page.offset()).take(page.limit());
    Ok(List::new(call.view.own_count::<ForwardZone>(), rows.map(|row| show(&row.value)).collect()))
}

/// Servers as they are kept; the error names the one that cannot be asked.
fn servers(call: &Call<OfCustomer>, texts: &Many<Text<64>>) -> Result<Vec<String>, ApiError> {
    if texts.0.is_empty() || texts.0.len() > SERVERS_MAX {
        return Err(ApiError::field("servers", format!("must have 1 to {SERVERS_MAX} entries")));
    }
    let mut servers: Vec<String> = Vec::with_capacity(texts.0.len());
    for (index, text) in texts.0.iter().enumerate() {
        let refused = |problem: String| ApiError::field(&format!("servers[{index}]"), problem);
        match call.services().resolver.tenant_upstream(&text.0).map_err(refused)? {
            Upstream::Plain(address) => {
                let server = address.to_string();
                if servers.contains(&server) {
                    return Err(refused("stands there twice".to_owned()));
                }
                servers.push(server);
            }
            _ => return Err(refused("must be the address of a server, with or without a port".to_owned())),
        }
    }
    Ok(servers)
}

fn apex(zone: &ListedName) -> Result<DomainName, ApiError> {
    if zone.subdomains {
        return Err(ApiError::field("zone", "must be a plain name; the names below it follow"));
    }
    Ok(zone.name.clone())
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// The zone, for example `corp.example` or `10.in-addr.arpa`.
    zone: ListedName,
    /// 1 to 8 addresses of servers, with the port where it is not 53.
    servers: Many<Text<64>>,
    #[serde(default)]
    comment: Text<250>,
}

async fn create(call: Call<OfCustomer>, input: Create) -> Result<Single<ZoneReply>, ApiError> {
    let (apex, servers) = (apex(&input.zone)?, servers(&call, &input.servers)?);
    let id = ForwardZoneId(call.next_id::<ForwardZone>());
    call.write(|batch| {
        let customer = customer_of(&call)?;
        if call.view.own_count::<ForwardZone>() >= ZONES_MAX {
            return Err(ApiError::conflict(format!("The customer has {ZONES_MAX} zones already")));
        }
        let zone = ForwardZone {
            id,
            customer: customer.value.id,
            zone: apex.clone(),
            servers: servers.clone(),
            comment: input.comment.0.clone(),
            created: call.now,
        };
        Ok((batch.expect(&customer).create(&zone), ()))
    })
    .await?;
    single(&call, id)
}

fn single(call: &Call<OfCustomer>, id: ForwardZoneId) -> Result<Single<ZoneReply>, ApiError> {
    let row = call.view.find::<ForwardZone>(id.0, "forwarded zone")?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

async fn get(call: Call<OfCustomer>, at: Named) -> Result<Single<ZoneReply>, ApiError> {
    let row = zone(&call, &at)?;
    Ok(Single::new(show(&row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// The zone.
    #[serde(default)]
    zone: Option<ListedName>,
    /// 1 to 8 addresses of servers, with the port where it is not 53.
    #[serde(default)]
    servers: Option<Many<Text<64>>>,
    #[serde(default)]
    comment: Option<Text<250>>,
}

async fn update(call: Call<OfCustomer>, Both(at, input): Both<Named, Update>) -> Result<Single<ZoneReply>, ApiError> {
    let apex = input.zone.as_ref().map(apex).transpose()?;
    let servers = input.servers.as_ref().map(|texts| servers(&call, texts)).transpose()?;
    let id = call
        .write(|batch| {
            let old = zone(&call, &at)?;
            call.check_match(&old)?;
            let mut new = old.value.clone();
            if let Some(apex) = &apex {
                new.zone = apex.clone();
            }
            if let Some(servers) = &servers {
                new.servers = servers.clone();
            }
            if let Some(comment) = &input.comment {
                new.comment = comment.0.clone();
            }
            Ok((if new == old.value { batch } else { batch.update(&old, &new) }, new.id))
        })
        .await?;
    single(&call, id)
}

async fn delete(call: Call<OfCustomer>, at: Named) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let row = zone(&call, &at)?;
        call.check_match(&row)?;
        Ok((batch.delete(&row), ()))
    })
    .await?;
    Ok(Deleted::new(at.zoneid.0))
}
