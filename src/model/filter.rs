//! What a policy does beyond lists and categories: mode, subscribed lists, words, search engines,
//! services, schedules, answers, resolving, detectors, and local records.

use super::{
    Account, Action, CategoryId, CustomerId, DomainName, FixedAnswer, ForwardZoneId, ListSourceId, LocalRecordId,
    PolicyId, Timestamp,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The filter settings of one policy. There is none where nothing was ever set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyFilter {
    /// The policy.
    pub policy: PolicyId,
    /// Whose the policy is.
    pub owner: Account,
    /// What it sets.
    pub settings: FilterSettings,
    /// Last change.
    pub updated: Timestamp,
}

/// What a policy has set itself. An absent section takes the value of the policy above, as the fields of
/// `PolicySettings` do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FilterSettings {
    /// What is done with names nothing decides on, or with decisions.
    pub mode: Option<FilterMode>,
    /// Nothing is blocked before this moment. Not inherited.
    pub paused_until: Option<Timestamp>,
    /// Subscribed lists, at most 256, zones among them in their order.
    pub lists: Option<Vec<ListSourceId>>,
    /// Keywords and regular expressions, at most 1,000.
    pub words: Option<Vec<WordRule>>,
    /// Search engines set one by one; the others follow the policy's safe search.
    pub engines: Option<Vec<EngineRule>>,
    /// Services, at most 500.
    pub services: Option<Vec<ServiceRule>>,
    /// What applies at some hours only, at most 64.
    pub schedules: Option<Vec<Schedule>>,
    /// What answers are searched for.
    pub answers: Option<AnswerSettings>,
    /// How names are resolved.
    pub resolving: Option<ResolvingSettings>,
    /// What is concluded from our own data.
    pub detectors: Option<DetectorSettings>,
    /// Whether ways around the filter are closed: the canaries speak. `None` at the top: where the category of
    /// anonymizers is blocked.
    pub close_bypasses: Option<bool>,
}

/// What a policy does with what it decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FilterMode {
    /// Blocks what is to be blocked.
    #[default]
    Normal,
    /// Lets through only what a list, a service or a word allows, and what the operator's lists say.
    AllowOnly,
    /// Lets everything through and logs what would be blocked.
    Permissive,
}

/// A keyword or regular expression of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WordRule {
    /// How `text` is read.
    pub kind: WordKind,
    /// A keyword: 3 to 63 characters of a name, in lower case. A regular expression: at most 1,000 characters.
    pub text: String,
    /// What happens to names that have it; an allowing word wins over a blocking one.
    pub action: Action,
}

/// How a word is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WordKind {
    /// Anywhere in the name.
    Keyword,
    /// As [`Pattern::Regex`](super::Pattern::Regex).
    Regex,
}

/// How a search engine is held to its filtered results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRule {
    /// The engine's id in `config/safe-search.toml`.
    pub engine: String,
    /// How far.
    pub level: SearchLevel,
}

/// How far a search engine is held to its filtered results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SearchLevel {
    /// Left alone.
    #[default]
    Off,
    /// Its moderate host, where it has one, else its strict one.
    Moderate,
    /// Its strict host.
    Strict,
}

/// What is done with a service or a group of services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRule {
    /// The id of a service in `config/services.toml`, or `group:` and the id of a group.
    pub service: String,
    /// Block or allow; one service's rule wins over its group's.
    pub action: Action,
}

/// What applies at some hours only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Display name, at most 250 characters; unique in the policy.
    pub name: String,
    /// When, in local time.
    pub spans: Vec<WeekSpan>,
    /// The time zone (IANA); `None`: the customer's.
    pub zone: Option<String>,
    /// What it does then.
    pub effect: ScheduleEffect,
    /// A disabled schedule does nothing.
    pub enabled: bool,
}

/// A stretch of local time that comes again every week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WeekSpan {
    /// Days it begins on: bit 0 is Monday, bit 6 Sunday.
    pub days: u8,
    /// Minute of the day it begins at, 0 to 1,439.
    pub from: u16,
    /// Minute of the day before which it ends, 0 to 1,440; at or before `from`: on the next day.
    pub to: u16,
}

/// What a schedule does in its hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleEffect {
    /// The whole policy is in this mode.
    Mode(FilterMode),
    /// Everything is blocked but what a list allows.
    BlockAll,
    /// Nothing is blocked.
    Pause,
    /// These categories are blocked or allowed.
    Categories(Vec<CategoryId>, Action),
    /// These services or groups (`group:…`) are blocked or allowed.
    Services(Vec<String>, Action),
    /// These subscribed lists apply.
    Lists(Vec<ListSourceId>),
    /// The policy's own block list applies in these hours only.
    OwnBlockList,
}

/// What answers are searched for, and what happens to what is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerSettings {
    /// Look at the answers at all (names they lead to and addresses).
    pub inspect: bool,
    /// What happens to an answer with something in it that is blocked.
    pub action: AnswerAction,
    /// Addresses that are blocked wherever they appear in answers, at most 1,000.
    pub blocked_nets: Vec<IpNet>,
    /// Private addresses in answers for public names are removed.
    pub rebinding: bool,
    /// Names, with all below, that may have private addresses, at most 1,000.
    pub rebinding_allowed: Vec<DomainName>,
    /// Take the ECH configuration out of HTTPS and SVCB records (RFC 9848).
    pub strip_ech: bool,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        AnswerSettings {
            inspect: true,
            action: AnswerAction::Block,
            blocked_nets: Vec::new(),
            rebinding: true,
            rebinding_allowed: Vec::new(),
            strip_ech: false,
        }
    }
}

/// What happens to an answer with something in it that is blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnswerAction {
    /// The whole answer is blocked.
    #[default]
    Block,
    /// The records that lead there are taken out.
    Remove,
}

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvingSettings {
    /// Upstreams as in `[resolver] upstreams`, at most 8; empty: those of the server.
    pub upstreams: Vec<String>,
    /// What upstreams hear of the client's network (RFC 7871).
    pub client_subnet: ClientSubnet,
    /// The prefix of DNS64 (RFC 6147), 32 to 96 bits long; `None`: no DNS64.
    pub dns64: Option<ipnet::Ipv6Net>,
}

/// What upstreams hear of the client's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClientSubnet {
    /// Nothing.
    #[default]
    Off,
    /// The client's address cut to 24 bits (IPv4) or 56 (IPv6).
    Truncated,
    /// These networks, whoever asks.
    Fixed {
        /// For clients with IPv4 addresses: network and prefix length.
        v4: Option<(Ipv4Addr, u8)>,
        /// For clients with IPv6 addresses.
        v6: Option<(Ipv6Addr, u8)>,
    },
}

/// What is concluded from our own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetectorSettings {
    /// Registrable domains nobody asked for before.
    pub newly_seen: DetectorAction,
    /// How long a domain counts as newly seen, hours, 1 to 720.
    pub newly_seen_hours: u16,
    /// Look-alikes of protected names.
    pub look_alike: DetectorAction,
    /// The names to protect, at most 200.
    pub protected: Vec<DomainName>,
    /// Names that look generated.
    pub generated: DetectorAction,
    /// More different names below one registrable domain than people ask for.
    pub tunnelling: DetectorAction,
}

/// What happens to a name a detector points at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DetectorAction {
    /// Nothing; the detector does not run.
    #[default]
    Off,
    /// It is noted in the query log.
    Log,
    /// It is noted, and the block page warns: blocked until the person goes on.
    Warn,
    /// It is blocked.
    Block,
}

/// A name a policy answers itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalRecord {
    /// Its id.
    pub id: LocalRecordId,
    /// Whose the policy is.
    pub owner: Account,
    /// The policy.
    pub policy: PolicyId,
    /// The name.
    pub name: DomainName,
    /// Names below are answered alike.
    pub subdomains: bool,
    /// The answer: records, an alias, or a denial.
    pub answer: FixedAnswer,
    /// TTL, seconds, 0 to 604,800.
    pub ttl_s: u32,
    /// Free text, at most 250 characters.
    pub comment: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A zone that a customer's queries are resolved for elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForwardZone {
    /// Its id.
    pub id: ForwardZoneId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The zone: the name and everything below it.
    pub zone: DomainName,
    /// Servers, `address` or `address:port`, 1 to 8.
    pub servers: Vec<String>,
    /// Free text, at most 250 characters.
    pub comment: String,
    /// When it was made.
    pub created: Timestamp,
}
