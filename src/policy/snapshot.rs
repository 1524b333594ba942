//! What the query path reads: everything that decides, at one revision of the store.

use super::{
    CompiledFilter, CompiledSource, EffectiveSettings, KnownNames, ListTable, LocalRecords, NameKey, NameList, NameMap,
    Recategorised, RouteSet, Slab,
};
use crate::{
    identify::{Client, Evidence, Identified, PrefixTable, Supposed},
    model::{
        BlockAnswer, CategorySet, CustomerId, DomainName, EntryId, InternalUserId, LocationId, MspId, PolicyId,
        SafeSearch, Timestamp,
    },
};
use std::{net::IpAddr, sync::Arc};

/// A provider as the query path sees it.
#[derive(Clone, Debug)]
pub struct CompiledMsp {
    /// Its name.
    pub name: String,
    /// The list ahead of its customers' own.
    pub list: NameList,
    /// Names it put into other categories.
    pub recategorised: NameMap<Recategorised>,
}

/// A customer as the query path sees it.
#[derive(Clone, Debug)]
pub struct CompiledCustomer {
    /// Its name.
    pub name: String,
    /// The provider above it.
    pub msp: Option<MspId>,
    /// Its default policy.
    pub default_policy: PolicyId,
    /// Suspended customers are refused.
    pub suspended: bool,
    /// Names it put into other categories.
    pub recategorised: NameMap<Recategorised>,
}

/// A policy with everything it inherits filled in.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    /// Its id.
    pub id: PolicyId,
    /// Its name, for EDE texts and traces.
    pub name: String,
    /// Whose it is; `None` for the defaults of the system and of MSPs.
    pub customer: Option<CustomerId>,
    /// Blocked categories.
    pub blocked: CategorySet,
    /// Names without a category pass.
    pub allow_unclassified: bool,
    /// Search engines.
    pub safe_search: SafeSearch,
    /// The customer's default allow list applies too.
    pub inherit_allow: bool,
    /// The customer's default block list applies too.
    pub inherit_block: bool,
    /// How a block looks.
    pub block_answer: BlockAnswer,
    /// TTL of blocked answers, seconds.
    pub block_ttl_s: u32,
    /// Blocked answers carry the reason as EDE text.
    pub block_text: bool,
    /// The policy's own list.
    pub list: NameList,
    /// What it does beyond lists and categories.
    pub filter: CompiledFilter,
    /// Names it answers itself.
    pub records: LocalRecords,
    /// Where its names are resolved; `None`: by the server's own upstreams.
    pub routes: Option<Arc<RouteSet>>,
}

impl CompiledPolicy {
    /// Puts a policy together.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the policy, compiled on its own")]
    pub fn new(
        id: PolicyId,
        name: &str,
        customer: Option<CustomerId>,
        settings: &EffectiveSettings,
        list: NameList,
        filter: CompiledFilter,
        records: LocalRecords,
        routes: Option<Arc<RouteSet>>,
    ) -> Self {
        CompiledPolicy {
            id,
            name: name.to_owned(),
            customer,
            blocked: settings.blocked,
            allow_unclassified: settings.allow_unclassified,
            safe_search: settings.safe_search,
            inherit_allow: settings.inherit_default_allow_list,
            inherit_block: settings.inherit_default_block_list,
            block_answer: settings.block_answer,
            block_ttl_s: settings.block_ttl_s,
            block_text: settings.block_text,
            list,
            filter,
            records,
            routes,
        }
    }
}

/// A location as the query path sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledLocation {
    /// Its name, for traces.
    pub name: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// Its own policy, if any.
    pub policy: Option<PolicyId>,
}

/// An internal user with the policy that is closest to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledUser {
    /// Whose it is.
    pub customer: CustomerId,
    /// The policy set on the user.
    pub own: Option<PolicyId>,
    /// The policy of the enabled group with the highest weight.
    pub group: Option<PolicyId>,
    /// Its name, for rules of lists.
    pub name: Box<str>,
    /// Names of the enabled groups it is in, for rules of lists.
    pub groups: Box<[Arc<str>]>,
}

/// A device with its policy, its place and its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledDevice {
    /// Whose it is.
    pub customer: CustomerId,
    /// The policy set on the device.
    pub policy: Option<PolicyId>,
    /// Where it belongs.
    pub location: Option<LocationId>,
    /// Who uses it.
    pub user: Option<InternalUserId>,
    /// Its name, for rules of lists.
    pub name: Box<str>,
}

/// Everything that decides. Immutable; a change makes another one that shares nearly all of it.
#[derive(Clone)]
pub struct Snapshot {
    /// The store's revision it was made from.
    pub revision: u64,
    /// What name hashes start from.
    pub key: NameKey,
    /// The list ahead of all others.
    pub system_list: NameList,
    /// Names the system put into other categories.
    pub system_recategorised: NameMap<Recategorised>,
    /// Providers by id.
    pub msps: Slab<CompiledMsp>,
    /// Customers by id.
    pub customers: Slab<CompiledCustomer>,
    /// Policies by id.
    pub policies: Slab<CompiledPolicy>,
    /// Locations by id.
    pub locations: Slab<CompiledLocation>,
    /// Internal users by id.
    pub users: Slab<CompiledUser>,
    /// Devices by id.
    pub devices: Slab<CompiledDevice>,
    /// Address ranges of locations.
    pub ranges: Arc<PrefixTable<LocationId>>,
    /// Names this program knows by itself.
    pub known: Arc<KnownNames>,
    /// Hosts of this installation: nothing takes them away, and no category, service or subscribed list what lies below.
    pub own_hosts: NameMap<()>,
    /// Below which name the self-tests are; `None`: there are none.
    pub self_test: Option<DomainName>,
    /// Entries of all lists together.
    pub entries: usize,
    /// Subscribed lists, all in one table.
    pub lists: Arc<ListTable>,
    /// Whose these are, by id.
    pub sources: Slab<CompiledSource>,
    /// The entries that end next, soonest first, with the moments: at most 1,000.
    pub ending: Arc<[(Timestamp, EntryId)]>,
    /// Policies that want to know which domains are newly seen.
    pub watching: usize,
}

impl Snapshot {
    /// A snapshot that knows nobody.
    pub fn empty(key: NameKey) -> Self {
        Snapshot {
            revision: 0,
            key,
            system_list: NameList::new(key),
            system_recategorised: NameMap::new(key),
            msps: Slab::default(),
            customers: Slab::default(),
            policies: Slab::default(),
            locations: Slab::default(),
            users: Slab::default(),
            devices: Slab::default(),
            ranges: Arc::default(),
            known: Arc::new(KnownNames::new(key)),
            own_hosts: NameMap::new(key),
            self_test: None,
            entries: 0,
            lists: Arc::new(ListTable::empty()),
            sources: Slab::default(),
            ending: Arc::default(),
            watching: 0,
        }
    }

    /// Whether decisions of this policy depend on the moment. Where any list has an entry that ends, all do: whose
    /// list it is costs more to find out than the time. So do all where anybody wants to know what is new.
    #[inline]
    pub fn is_timed(&self, policy: &CompiledPolicy) -> bool {
        policy.filter.is_timed() || !self.ending.is_empty() || self.watching > 0
    }

    /// Who asks from this address (decision order, section 1).
    pub fn identify(&self, address: IpAddr) -> Identified {
        match self.ranges.longest_match(address) {
            Some((range, &location)) => match self.locations.get(location.0) {
                Some(compiled) => Identified::Known(Client {
                    customer: compiled.customer,
                    location: Some(location),
                    device: None,
                    user: None,
                    policy: None,
                    evidence: Evidence::SourceAddress { address, range },
                }),
                None => Identified::Unknown,
            },
            None => Identified::Unknown,
        }
    }

    /// The client at this address, supposing that it is a device or a person. Where the address is a
    /// location's of the same customer, the client is there; a device that belongs to a location
    /// stays with that one. `None` when there is no such device or person.
    pub fn suppose(&self, address: IpAddr, supposed: Supposed) -> Option<Client> {
        let (customer, home, device, user) = match supposed {
            Supposed::Device(id) => {
                let device = self.devices.get(id.0)?;
                (device.customer, device.location, Some(id), device.user)
            }
            Supposed::User(id) => (self.users.get(id.0)?.customer, None, None, Some(id)),
        };
        let here = match self.identify(address) {
            Identified::Known(client) if client.customer == customer => client.location,
            _ => None,
        };
        let evidence = Evidence::Supposed { address };
        Some(Client { customer, location: home.or(here), device, user, policy: None, evidence })
    }

    /// The client that `unknown_clients = { policy = id }` stands for; `None` when the policy does
    /// not exist or is no customer's.
    pub fn unknown_as(&self, address: IpAddr, policy: PolicyId) -> Option<Client> {
        let customer = self.policies.get(policy.0)?.customer?;
        Some(Client {
            customer,
            location: None,
            device: None,
            user: None,
            policy: Some(policy),
            evidence: Evidence::UnknownClients { address },
        })
    }
}
