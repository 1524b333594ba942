//! Rows as they change, and the next snapshot kept ready.

mod touch;

use super::{
    CompiledCustomer, CompiledDevice, CompiledFilter, CompiledLocation, CompiledMsp, CompiledPolicy, CompiledUser,
    Detectors, ListTable, LocalRecords, NameKey, NameList, NameMap, Presets, Recategorised, Routing, Schedules,
    Snapshot, Subscriptions, Zones, effective, effective_filter, routes::RouteSets,
};
use crate::model::{
    Account, Address, Customer, CustomerId, DetectorSettings, Device, DomainName, EntryId, FilterSettings, ForwardZone,
    ForwardZoneId, Group, GroupId, InternalUser, InternalUserId, ListEntry, ListId, ListSource, ListSourceId,
    LocalRecord, Location, Msp, MspId, Policy, PolicyFilter, PolicyId, PolicySettings, Recategorisation, Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// Entries a snapshot tells the end of, at most: those that end first.
const ENDING_MAX: usize = 1_000;

/// Different settings of detectors kept compiled, at most. What policies hold stays whole beyond.
const DETECTORS_MAX: usize = 1_000;

/// A row that bears on decisions.
#[derive(Clone, Debug)]
pub enum Row {
    /// A provider.
    Msp(Msp),
    /// A customer.
    Customer(Customer),
    /// A policy.
    Policy(Policy),
    /// A list entry.
    Entry(ListEntry),
    /// A location.
    Location(Location),
    /// An address range of a location.
    Address(Address),
    /// A group of internal users.
    Group(Group),
    /// An internal user.
    User(InternalUser),
    /// A device.
    Device(Device),
    /// A name put into other categories.
    Recategorisation(Recategorisation),
    /// What a policy does beyond lists and categories.
    Filter(PolicyFilter),
    /// A name a policy answers itself.
    Record(LocalRecord),
    /// A zone that a customer's queries are resolved for elsewhere.
    Zone(ForwardZone),
    /// A list that policies subscribe to.
    Source(ListSource),
}

#[derive(Clone, Debug)]
struct CustomerRow {
    name: String,
    msp: Option<MspId>,
    suspended: bool,
    timezone: String,
}

#[derive(Clone, Debug)]
struct PolicyRow {
    owner: Account,
    is_default: bool,
    name: String,
    settings: PolicySettings,
}

#[derive(Clone, Debug)]
struct GroupRow {
    customer: CustomerId,
    policy: Option<PolicyId>,
    disabled: bool,
    weight: u32,
    name: Arc<str>,
}

#[derive(Clone, Debug)]
struct UserRow {
    customer: CustomerId,
    policy: Option<PolicyId>,
    groups: Vec<GroupId>,
    name: Box<str>,
}

/// What must be compiled again before the next snapshot.
#[derive(Default)]
struct Dirty {
    msps: HashSet<MspId>,
    customers: HashSet<CustomerId>,
    policies: HashSet<PolicyId>,
    users: HashSet<InternalUserId>,
    all_policies: bool,
    ending: bool,
}

/// The rows behind a snapshot, as far as they are needed to make the next one.
///
/// [`upsert`](Self::upsert) and [`remove`](Self::remove) note what a change touches;
/// [`snapshot`](Self::snapshot) compiles just that. Rows of one batch may come in any order. A row
/// whose owner is missing decides nothing until the owner comes.
pub struct World {
    presets: Presets,
    snapshot: Snapshot,
    policies: HashMap<PolicyId, PolicyRow>,
    policies_of: HashMap<Account, BTreeSet<PolicyId>>,
    customers: HashMap<CustomerId, CustomerRow>,
    customers_of: HashMap<MspId, BTreeSet<CustomerId>>,
    groups: HashMap<GroupId, GroupRow>,
    users: HashMap<InternalUserId, UserRow>,
    users_of: HashMap<GroupId, BTreeSet<InternalUserId>>,
    lists: HashMap<ListId, NameList>,
    recategorised: HashMap<Account, NameMap<Recategorised>>,
    filters: HashMap<PolicyId, (Account, FilterSettings)>,
    records: HashMap<PolicyId, LocalRecords>,
    forwarded: HashMap<CustomerId, BTreeMap<DomainName, (ForwardZoneId, Vec<String>)>>,
    routes: RouteSets,
    subscriptions: Subscriptions,
    zones: Zones,
    detectors: HashMap<DetectorSettings, Detectors>,
    /// Entries that end, by the moment they do.
    ending: BTreeSet<(Timestamp, EntryId)>,
    dirty: Dirty,
}

static NO_FILTER: FilterSettings = FilterSettings {
    mode: None,
    paused_until: None,
    lists: None,
    words: None,
    engines: None,
    services: None,
    schedules: None,
    answers: None,
    resolving: None,
    detectors: None,
    close_bypasses: None,
};

impl World {
    /// A world without rows. `presets` are the category sets of the levels.
    pub fn new(key: NameKey, presets: Presets) -> Self {
        World {
            presets,
            snapshot: Snapshot::empty(key),
            policies: HashMap::new(),
            policies_of: HashMap::new(),
            customers: HashMap::new(),
            customers_of: HashMap::new(),
            groups: HashMap::new(),
            users: HashMap::new(),
            users_of: HashMap::new(),
            lists: HashMap::new(),
            recategorised: HashMap::new(),
            filters: HashMap::new(),
            records: HashMap::new(),
            forwarded: HashMap::new(),
            routes: RouteSets::default(),
            subscriptions: Subscriptions::default(),
            zones: Zones::default(),
            detectors: HashMap::new(),
            ending: BTreeSet::new(),
            dirty: Dirty::default(),
        }
    }

    /// Takes the presets of another catalogue: every policy is compiled again.
    pub fn set_presets(&mut self, presets: Presets) {
        self.presets = presets;
        self.dirty.all_policies = true;
    }

    /// Takes another table of subscribed lists; policies choose among its lists anew.
    pub fn set_lists(&mut self, lists: Arc<ListTable>) {
        self.snapshot.lists = lists;
        self.subscriptions.forget();
        let with_lists = self.snapshot.policies.iter().filter(|(_, policy)| policy.filter.has_lists());
        let chosen: Vec<_> = with_lists.map(|(id, policy)| (id, policy.clone())).collect();
        for (id, mut policy) in chosen {
            let filter = &mut Arc::make_mut(&mut policy).filter;
            for lists in std::iter::once(&mut filter.lists).chain(filter.timed_lists.iter_mut().map(|(_, lists)| lists))
            {
                *lists = self.subscriptions.select(&self.snapshot.lists, lists.ids());
            }
            self.snapshot.policies.set(id, Some(policy));
        }
    }

    /// Takes the time zones that schedules go by, instead of those compiled in: every policy is compiled again.
    pub fn set_zones(&mut self, zones: Zones) {
        self.zones = zones;
        self.dirty.all_policies = true;
    }

    /// Takes the hosts of this installation: nothing blocks them, and no category, service, subscribed list or missing
    /// category what lies below.
    pub fn set_own_hosts(&mut self, hosts: &[DomainName]) {
        let mut names = NameMap::new(self.snapshot.key);
        for host in hosts {
            names.or_insert(host, ());
        }
        self.snapshot.own_hosts = names;
    }

    /// Takes the name below which the self-tests are; `None` for none.
    pub fn set_self_test(&mut self, base: Option<DomainName>) {
        self.snapshot.self_test = base;
    }

    /// Takes over what `live` has that comes from no row: subscribed lists, hosts of this installation, self-tests.
    /// `live` must have the key of this world.
    pub fn set_like(&mut self, live: &Snapshot) {
        self.set_lists(live.lists.clone());
        self.snapshot.own_hosts = live.own_hosts.clone();
        self.snapshot.self_test = live.self_test.clone();
    }

    /// Takes a new or changed row; `before` is the row it replaces.
    pub fn upsert(&mut self, before: Option<&Row>, row: &Row) {
        match row {
            Row::Entry(entry) => {
                if let Some(Row::Entry(old)) = before {
                    self.remove_entry(old);
                }
                self.list(entry.list).insert(entry);
                self.snapshot.entries += 1;
                if let Some(expires) = entry.expires {
                    self.dirty.ending |= self.ending.insert((expires, entry.id));
                }
                self.touch_list(entry.list);
            }
            Row::Address(address) => {
                if let Some(Row::Address(old)) = before {
                    self.remove_address(old);
                }
                Arc::make_mut(&mut self.snapshot.ranges).insert(address.net, address.location);
            }
            Row::Location(location) => {
                let compiled = CompiledLocation {
                    name: location.name.clone(),
                    customer: location.customer,
                    policy: location.policy,
                };
                self.snapshot.locations.set(location.id.0, Some(Arc::new(compiled)));
            }
            Row::Policy(policy) => {
                if let Some(Row::Policy(old)) = before
                    && old.owner != policy.owner
                {
                    self.policies_of.entry(old.owner).or_default().remove(&old.id);
                }
                self.policies_of.entry(policy.owner).or_default().insert(policy.id);
                self.policies.insert(
                    policy.id,
                    PolicyRow {
                        owner: policy.owner,
                        is_default: policy.is_default,
                        name: policy.name.clone(),
                        settings: policy.settings.clone(),
                    },
                );
                self.touch_policy(policy.id, policy.owner, policy.is_default);
            }
            Row::Customer(customer) => {
                if let Some(Row::Customer(old)) = before
                    && let Some(msp) = old.msp
                {
                    self.customers_of.entry(msp).or_default().remove(&old.id);
                }
                if let Some(msp) = customer.msp {
                    self.customers_of.entry(msp).or_default().insert(customer.id);
                }
                let row = CustomerRow {
                    name: customer.name.clone(),
                    msp: customer.msp,
                    suspended: customer.suspended,
                    timezone: customer.timezone.clone(),
                };
                let old = self.customers.insert(customer.id, row);
                self.dirty.customers.insert(customer.id);
                if old.is_none_or(|old| old.msp != customer.msp || old.timezone != customer.timezone) {
                    self.touch_policies_of(Account::Customer(customer.id));
                }
            }
            Row::Msp(msp) => {
                self.compile_msp(msp.id, msp.name.clone());
            }
            Row::Group(group) => {
                self.groups.insert(
                    group.id,
                    GroupRow {
                        customer: group.customer,
                        policy: group.policy,
                        disabled: group.disabled,
                        weight: group.weight,
                        name: group.name.as_str().into(),
                    },
                );
                self.touch_users_of(group.id);
            }
            Row::User(user) => {
                if let Some(old) = self.users.get(&user.id) {
                    for group in &old.groups {
                        self.users_of.entry(*group).or_default().remove(&user.id);
                    }
                }
                for group in &user.groups {
                    self.users_of.entry(*group).or_default().insert(user.id);
                }
                let row = UserRow {
                    customer: user.customer,
                    policy: user.policy,
                    groups: user.groups.clone(),
                    name: user.name.as_str().into(),
                };
                self.users.insert(user.id, row);
                self.dirty.users.insert(user.id);
            }
            Row::Device(device) => {
                let compiled = CompiledDevice {
                    customer: device.customer,
                    policy: device.policy,
                    location: device.location,
                    user: device.user,
                    name: device.name.as_str().into(),
                };
                self.snapshot.devices.set(device.id.0, Some(Arc::new(compiled)));
            }
            Row::Recategorisation(row) => {
                if let Some(Row::Recategorisation(old)) = before {
                    self.remove_recategorisation(old);
                }
                let key = self.snapshot.key;
                let names = self.recategorised.entry(row.owner).or_insert_with(|| NameMap::new(key));
                let value = Recategorised { row: row.id, categories: row.categories };
                *names.or_insert(&row.domain, value) = value;
                self.touch_account(row.owner);
            }
            Row::Filter(filter) => {
                self.filters.insert(filter.policy, (filter.owner, filter.settings.clone()));
                self.touch_filter(filter);
            }
            Row::Record(record) => {
                if let Some(Row::Record(old)) = before {
                    self.records(old.policy).remove(old);
                    self.touch_records(old);
                }
                self.records(record.policy).insert(record);
                self.touch_records(record);
            }
            Row::Zone(zone) => {
                if let Some(Row::Zone(old)) = before {
                    self.remove_zone(old);
                }
                let zones = self.forwarded.entry(zone.customer).or_default();
                zones.insert(zone.zone.clone(), (zone.id, zone.servers.clone()));
                self.touch_policies_of(Account::Customer(zone.customer));
            }
            Row::Source(source) => {
                let compiled = self.subscriptions.insert(source);
                self.snapshot.sources.set(source.id.0, Some(Arc::new(compiled)));
                let unchanged = matches!(before, Some(Row::Source(old))
                    if (old.owner, old.enabled, old.everywhere) == (source.owner, source.enabled, source.everywhere));
                if !unchanged {
                    self.touch_subscribers(source.owner);
                }
            }
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: &Row) {
        match row {
            Row::Entry(entry) => self.remove_entry(entry),
            Row::Address(address) => self.remove_address(address),
            Row::Location(location) => self.snapshot.locations.set(location.id.0, None),
            Row::Policy(policy) => {
                self.policies.remove(&policy.id);
                if let Some(siblings) = self.policies_of.get_mut(&policy.owner) {
                    siblings.remove(&policy.id);
                    if siblings.is_empty() {
                        self.policies_of.remove(&policy.owner);
                    }
                }
                self.touch_policy(policy.id, policy.owner, policy.is_default);
            }
            Row::Customer(customer) => {
                self.customers.remove(&customer.id);
                if let Some(msp) = customer.msp {
                    self.customers_of.entry(msp).or_default().remove(&customer.id);
                }
                self.dirty.customers.insert(customer.id);
            }
            Row::Msp(msp) => {
                self.snapshot.msps.set(msp.id.0, None);
                self.lists.remove(&ListId::Msp(msp.id));
                self.customers_of.remove(&msp.id);
            }
            Row::Group(group) => {
                self.groups.remove(&group.id);
                self.touch_users_of(group.id);
            }
            Row::User(user) => {
                if let Some(old) = self.users.remove(&user.id) {
                    for group in &old.groups {
                        self.users_of.entry(*group).or_default().remove(&user.id);
                    }
                }
                self.dirty.users.insert(user.id);
            }
            Row::Device(device) => self.snapshot.devices.set(device.id.0, None),
            Row::Recategorisation(row) => self.remove_recategorisation(row),
            Row::Filter(filter) => {
                self.filters.remove(&filter.policy);
                self.touch_filter(filter);
            }
            Row::Record(record) => {
                let records = self.records(record.policy);
                records.remove(record);
                if records.is_empty() {
                    self.records.remove(&record.policy);
                }
                self.touch_records(record);
            }
            Row::Zone(zone) => self.remove_zone(zone),
            Row::Source(source) => {
                self.subscriptions.remove(source);
                self.snapshot.sources.set(source.id.0, None);
                self.touch_subscribers(source.owner);
            }
        }
    }

    /// Compiles what was touched and gives a snapshot of `revision`.
    pub fn snapshot(&mut self, revision: u64) -> Arc<Snapshot> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.all_policies {
            for id in self.policies.keys().copied().collect::<Vec<_>>() {
                self.compile_policy(id);
            }
        }
        for id in dirty.policies {
            if !(dirty.all_policies && self.policies.contains_key(&id)) {
                self.compile_policy(id);
            }
        }
        for id in dirty.customers {
            self.compile_customer(id);
        }
        for id in dirty.msps {
            if let Some(msp) = self.snapshot.msps.get(id.0) {
                self.compile_msp(id, msp.name.clone());
            }
        }
        for id in dirty.users {
            self.compile_user(id);
        }
        if let Some(list) = self.lists.get(&ListId::System) {
            self.snapshot.system_list = list.clone();
        }
        self.snapshot.system_recategorised = self.recategorised_of(Account::System);
        if dirty.ending {
            self.snapshot.ending = self.ending.iter().take(ENDING_MAX).copied().collect();
        }
        self.snapshot.revision = revision;
        Arc::new(self.snapshot.clone())
    }

    /// The policies a policy inherits from, itself first (see [`effective`]).
    fn chain(&self, id: PolicyId) -> Vec<PolicyId> {
        let Some(policy) = self.policies.get(&id) else { return Vec::new() };
        let mut chain = vec![id];
        let mut above = Vec::with_capacity(3);
        if let Account::Customer(customer) = policy.owner {
            above.push(policy.owner);
            if let Some(msp) = self.customers.get(&customer).and_then(|customer| customer.msp) {
                above.push(Account::Msp(msp));
            }
        } else {
            above.push(policy.owner);
        }
        above.push(Account::System);
        above.dedup();
        for account in above {
            if let Some(default) = self.default_of(account)
                && default != id
            {
                chain.push(default);
            }
        }
        chain
    }

    fn default_of(&self, account: Account) -> Option<PolicyId> {
        let policies = self.policies_of.get(&account)?;
        policies.iter().copied().find(|id| self.policies.get(id).is_some_and(|policy| policy.is_default))
    }

    fn compile_policy(&mut self, id: PolicyId) {
        let Some(policy) = self.policies.get(&id) else {
            self.watch(id, false);
            self.snapshot.policies.set(id.0, None);
            // Entries may come before their policy, or go after it.
            if self.lists.get(&ListId::Policy(id)).is_some_and(NameList::is_empty) {
                self.lists.remove(&ListId::Policy(id));
            }
            return;
        };
        let chain = self.chain(id);
        let above: Vec<&PolicySettings> =
            chain.iter().filter_map(|id| Some(&self.policies.get(id)?.settings)).collect();
        let settings = effective(&above, &self.presets);
        let filters: Vec<&FilterSettings> =
            chain.iter().map(|id| self.filters.get(id).map_or(&NO_FILTER, |(_, filter)| filter)).collect();
        let customer = match policy.owner {
            Account::Customer(customer) => Some(customer),
            _ => None,
        };
        let wanted = effective_filter(&filters);
        let timezone = customer.and_then(|id| self.customers.get(&id)).map_or("", |customer| &customer.timezone);
        let local = self.zones.of_customer(timezone);
        let detectors =
            wanted.detectors.as_ref().map(|settings| shared(&mut self.detectors, settings)).unwrap_or_default();
        let schedules = Schedules::compile(wanted.schedules.as_deref().unwrap_or_default(), &mut self.zones, &local);
        let mut filter = CompiledFilter::new(&wanted, &settings, schedules, detectors);
        let msp = match policy.owner {
            Account::Customer(id) => self.customers.get(&id).and_then(|customer| customer.msp),
            Account::Msp(id) => Some(id),
            Account::System => None,
        };
        let accounts = [Some(Account::System), msp.map(Account::Msp), Some(policy.owner)];
        let own = wanted.lists.unwrap_or_default();
        let mut select = |besides: &[ListSourceId]| {
            let ids = self.subscriptions.counting(&accounts, &[&own[..], besides].concat());
            self.subscriptions.select(&self.snapshot.lists, &ids)
        };
        filter.lists = select(&[]);
        filter.timed_lists = filter.schedules.lists().map(|(number, lists)| (number, select(lists))).collect();
        let list = self.lists.get(&ListId::Policy(id)).cloned().unwrap_or_else(|| NameList::new(self.snapshot.key));
        let records = self.records_over_default(id, policy.owner);
        let routes = self.routes.of(Routing {
            upstreams: filter.resolving.upstreams.clone(),
            zones: customer.and_then(|customer| self.forwarded.get(&customer)).map_or_else(Vec::new, |zones| {
                zones.iter().map(|(zone, (_, servers))| (zone.clone(), servers.clone())).collect()
            }),
        });
        let compiled = CompiledPolicy::new(id, &policy.name, customer, &settings, list, filter, records, routes);
        if policy.is_default
            && let Some(customer) = customer
        {
            self.dirty.customers.remove(&customer);
            self.compile_customer(customer);
        }
        self.watch(id, compiled.filter.detectors.wants_newly_seen());
        self.snapshot.policies.set(id.0, Some(Arc::new(compiled)));
    }

    fn compile_customer(&mut self, id: CustomerId) {
        let compiled = self.customers.get(&id).and_then(|customer| {
            let default_policy = self.default_of(Account::Customer(id))?;
            Some(Arc::new(CompiledCustomer {
                name: customer.name.clone(),
                msp: customer.msp,
                default_policy,
                suspended: customer.suspended,
                recategorised: self.recategorised_of(Account::Customer(id)),
            }))
        });
        self.snapshot.customers.set(id.0, compiled);
    }

    fn compile_msp(&mut self, id: MspId, name: String) {
        let list = self.list(ListId::Msp(id)).clone();
        let recategorised = self.recategorised_of(Account::Msp(id));
        self.snapshot.msps.set(id.0, Some(Arc::new(CompiledMsp { name, list, recategorised })));
    }

    fn compile_user(&mut self, id: InternalUserId) {
        let compiled = self.users.get(&id).map(|user| {
            let groups = user.groups.iter().filter_map(|group| Some((*group, self.groups.get(group)?)));
            let enabled = || groups.clone().filter(|(_, group)| !group.disabled && group.customer == user.customer);
            let ranked = enabled().filter(|(_, group)| group.policy.is_some());
            let first = ranked.min_by_key(|(id, group)| (std::cmp::Reverse(group.weight), *id));
            Arc::new(CompiledUser {
                customer: user.customer,
                own: user.policy,
                group: first.and_then(|(_, group)| group.policy),
                name: user.name.clone(),
                groups: enabled().map(|(_, group)| group.name.clone()).collect(),
            })
        });
        self.snapshot.users.set(id.0, compiled);
    }

    fn list(&mut self, id: ListId) -> &mut NameList {
        let key = self.snapshot.key;
        self.lists.entry(id).or_insert_with(|| NameList::new(key))
    }

    /// The records of a policy with those of its customer's default policy behind them.
    fn records_over_default(&self, id: PolicyId, owner: Account) -> LocalRecords {
        let none = || LocalRecords::new(self.snapshot.key);
        let default = matches!(owner, Account::Customer(_)).then(|| self.default_of(owner)).flatten();
        let default = default.filter(|default| *default != id).and_then(|default| self.records.get(&default));
        match (self.records.get(&id), default) {
            (None, None) => none(),
            (Some(own), None) => own.clone(),
            (own, Some(default)) => own.cloned().unwrap_or_else(none).over(default),
        }
    }

    fn remove_zone(&mut self, zone: &ForwardZone) {
        let Some(zones) = self.forwarded.get_mut(&zone.customer) else { return };
        // Another row may have taken the name over within the same batch.
        if zones.get(&zone.zone).is_some_and(|(id, _)| *id == zone.id) {
            zones.remove(&zone.zone);
        }
        if zones.is_empty() {
            self.forwarded.remove(&zone.customer);
        }
        self.touch_policies_of(Account::Customer(zone.customer));
    }

    fn records(&mut self, policy: PolicyId) -> &mut LocalRecords {
        let key = self.snapshot.key;
        self.records.entry(policy).or_insert_with(|| LocalRecords::new(key))
    }

    fn recategorised_of(&self, account: Account) -> NameMap<Recategorised> {
        self.recategorised.get(&account).cloned().unwrap_or_else(|| NameMap::new(self.snapshot.key))
    }

    /// Counts the policies that want to know which domains are newly seen.
    fn watch(&mut self, id: PolicyId, watches: bool) {
        let watched = self.snapshot.policies.get(id.0).is_some_and(|old| old.filter.detectors.wants_newly_seen());
        self.snapshot.watching += usize::from(watches);
        self.snapshot.watching -= usize::from(watched);
    }

    fn remove_entry(&mut self, entry: &ListEntry) {
        self.list(entry.list).remove(entry);
        self.snapshot.entries -= 1;
        if let Some(expires) = entry.expires {
            self.dirty.ending |= self.ending.remove(&(expires, entry.id));
        }
        self.touch_list(entry.list);
    }

    fn remove_recategorisation(&mut self, row: &Recategorisation) {
        let Some(names) = self.recategorised.get_mut(&row.owner) else { return };
        // Another row may have taken the name over within the same batch.
        names.retain(row.domain.as_name(), |value| value.row != row.id);
        if names.is_empty() {
            self.recategorised.remove(&row.owner);
        }
        self.touch_account(row.owner);
    }

    fn remove_address(&mut self, address: &Address) {
        // Another location may have taken the range over within the same batch.
        if self.snapshot.ranges.get(address.net) == Some(&address.location) {
            Arc::make_mut(&mut self.snapshot.ranges).remove(address.net);
        }
    }
}

/// Detectors of equal settings, compiled once: many policies inherit the same.
fn shared(known: &mut HashMap<DetectorSettings, Detectors>, settings: &DetectorSettings) -> Detectors {
    if known.len() >= DETECTORS_MAX && !known.contains_key(settings) {
        known.clear();
    }
    known.entry(settings.clone()).or_insert_with(|| Detectors::new(settings)).clone()
}
