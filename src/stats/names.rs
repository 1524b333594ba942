//! Ids to what people call them.

use super::ClientKey;
use crate::{
    category::Catalogue,
    model::{CategoryId, Customer, Device, InternalUser, Location, Policy},
    store::{Record, Store},
};
use std::collections::HashMap;

/// Names as they are now. Each is looked up once; what is deleted goes by its number.
pub struct Names {
    store: Store,
    users: HashMap<u32, String>,
    devices: HashMap<u32, String>,
    locations: HashMap<u32, String>,
    policies: HashMap<u32, String>,
}

impl Names {
    pub(super) fn new(store: Store) -> Self {
        Names {
            store,
            users: HashMap::new(),
            devices: HashMap::new(),
            locations: HashMap::new(),
            policies: HashMap::new(),
        }
    }

    /// Who asked: the user, else the device, else the address.
    pub fn client(&mut self, client: ClientKey) -> String {
        let store = &self.store;
        match client {
            ClientKey::Address(address) => address.to_string(),
            ClientKey::User(id) => {
                let make = || of(store, id, "user", |user: InternalUser| user.name);
                self.users.entry(id).or_insert_with(make).clone()
            }
            ClientKey::Device(id) => {
                let make = || of(store, id, "device", |device: Device| device.name);
                self.devices.entry(id).or_insert_with(make).clone()
            }
        }
    }

    /// A location.
    pub fn location(&mut self, id: u32) -> String {
        let store = &self.store;
        let make = || of(store, id, "location", |location: Location| location.name);
        self.locations.entry(id).or_insert_with(make).clone()
    }

    /// A policy.
    pub fn policy(&mut self, id: u32) -> String {
        let store = &self.store;
        let make = || of(store, id, "policy", |policy: Policy| policy.name);
        self.policies.entry(id).or_insert_with(make).clone()
    }

    /// A customer.
    pub fn customer(&self, id: u32) -> String {
        of(&self.store, id, "customer", |customer: Customer| customer.name)
    }

    /// A category; empty for a number without one.
    pub fn category(number: u8) -> &'static str {
        let category = CategoryId::new(number).and_then(|id| Catalogue::get().by_id(id));
        category.map_or("", |category| category.name.as_str())
    }
}

fn of<R: Record>(store: &Store, id: u32, what: &str, name: impl FnOnce(R) -> String) -> String {
    store.find::<R>(id).map_or_else(|| format!("{what} {id}"), |row| name(row.value))
}
