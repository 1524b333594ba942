//! Services that a policy blocks or allows by name.
//!
//! `config/services.toml` is the table; it is compiled in and read once. Names are found in one table for
//! all policies; a policy is two sets of services.

use super::{BypassGroup, Bypasses, NameKey, NameMap, Suffixes, search::table_name};
use crate::{
    model::{Action, DomainName, ServiceRule},
    wire::parse_type,
};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

const TABLE: &str = include_str!("../../config/services.toml");

const WORDS: usize = 6;
/// Services there may be.
pub const SERVICES_MAX: usize = WORDS * 64;
/// In front of a group's id where a service may stand.
const GROUP: &str = "group:";

/// Services by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceSet([u64; WORDS]);

impl ServiceSet {
    /// No service.
    pub const EMPTY: ServiceSet = ServiceSet([0; WORDS]);

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    /// Whether the service is one of them.
    #[inline]
    pub fn contains(&self, service: u16) -> bool {
        self.0.get(usize::from(service / 64)).is_some_and(|word| word >> (service % 64) & 1 == 1)
    }

    /// Puts a service in; numbers of [`SERVICES_MAX`] and more are left out.
    pub fn insert(&mut self, service: u16) {
        if let Some(word) = self.0.get_mut(usize::from(service / 64)) {
            *word |= 1 << (service % 64);
        }
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: ServiceSet) -> ServiceSet {
        ServiceSet(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: ServiceSet) -> ServiceSet {
        ServiceSet(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }

    /// Their numbers, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..SERVICES_MAX as u16).filter(|service| self.contains(*service))
    }
}

/// A group of services.
#[derive(Debug)]
pub struct ServiceGroup {
    /// Its id in the API.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its services.
    pub services: ServiceSet,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its id in the API.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The number of its group.
    pub group: usize,
    /// What else depends on its names; may be empty.
    pub also: String,
    /// Types of questions for which no name is its own.
    except_types: Vec<u16>,
    names: Vec<(DomainName, Part)>,
}

impl Service {
    /// Its names as people write them: `name` with everything below, `=name` alone, `*.name` all below, `!name`
    /// not.
    pub fn covers(&self) -> impl Iterator<Item = String> + '_ {
        self.names.iter().map(|(name, part)| match part {
            Part::Suffix => name.to_string(),
            Part::Host => format!("={name}"),
            Part::Below => format!("*.{name}"),
            Part::Except => format!("!{name}"),
        })
    }
}

/// What a name is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// With everything below.
    Suffix,
    /// As it stands.
    Host,
    /// Everything below.
    Below,
    /// Not its own, with everything below.
    Except,
}

/// All services, immutable. A service's number is its place.
#[derive(Debug)]
pub struct Services {
    groups: Vec<ServiceGroup>,
    services: Vec<Service>,
    by_id: HashMap<String, u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    group: Vec<GroupRow>,
    service: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRow {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    name: String,
    group: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    below: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    except_types: Vec<String>,
    #[serde(default)]
    bypass: Vec<String>,
    #[serde(default)]
    also: String,
}

impl Services {
    /// The services of this program.
    pub fn get() -> &'static Services {
        static SERVICES: LazyLock<Services> =
            LazyLock::new(|| Services::read(TABLE).expect("the table is compiled in and a test reads it"));
        &SERVICES
    }

    fn read(table: &str) -> Result<Services, String> {
        let table: Table = toml::from_str(table).map_err(|fault| fault.to_string())?;
        if table.service.len() > SERVICES_MAX {
            return Err(format!("more than {SERVICES_MAX} services"));
        }
        let mut groups: Vec<ServiceGroup> = Vec::with_capacity(table.group.len());
        for GroupRow { id, name } in table.group {
            if groups.iter().any(|group| group.id == id) {
                return Err(format!("two groups are called {id}"));
            }
            groups.push(ServiceGroup { id, name, services: ServiceSet::EMPTY });
        }
        let (mut services, mut by_id) = (Vec::with_capacity(table.service.len()), HashMap::new());
        for row in table.service {
            let number = services.len() as u16;
            let group = groups.iter().position(|group| group.id == row.group);
            let group = group.ok_or_else(|| format!("{}: no group is called {}", row.id, row.group))?;
            groups[group].services.insert(number);
            if by_id.insert(row.id.clone(), number).is_some() {
                return Err(format!("two services are called {}", row.id));
            }
            let service = row.read(group)?;
            services.push(service);
        }
        Ok(Services { groups, services, by_id })
    }

    /// All, by number.
    pub fn all(&self) -> &[Service] {
        &self.services
    }

    /// All groups.
    pub fn groups(&self) -> &[ServiceGroup] {
        &self.groups
    }

    /// The service of this number.
    pub fn by_number(&self, number: u16) -> Option<&Service> {
        self.services.get(usize::from(number))
    }

    /// The id of a number, for logs and texts.
    pub fn id_of(&self, number: u16) -> &str {
        self.by_number(number).map_or("", |service| &service.id)
    }

    /// What an id stands for, a service's or `group:` and a group's.
    pub fn named(&self, id: &str) -> Option<ServiceSet> {
        if let Some(group) = id.strip_prefix(GROUP) {
            return self.groups.iter().find(|known| known.id == group).map(|group| group.services);
        }
        let mut set = ServiceSet::EMPTY;
        set.insert(*self.by_id.get(id)?);
        Some(set)
    }

    /// What ids stand for together. Ids that nothing has are left out.
    pub fn set<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> ServiceSet {
        ids.into_iter().filter_map(|id| self.named(id)).fold(ServiceSet::EMPTY, ServiceSet::union)
    }

    /// Services that rules block, and services that they allow: one service's rule wins over its group's, a later
    /// rule over an earlier one of the same kind. No service is in both.
    pub fn rules(&self, rules: &[ServiceRule]) -> (ServiceSet, ServiceSet) {
        let (mut blocked, mut allowed) = (ServiceSet::EMPTY, ServiceSet::EMPTY);
        for groups in [true, false] {
            for rule in rules.iter().filter(|rule| rule.service.starts_with(GROUP) == groups) {
                let Some(set) = self.named(&rule.service) else { continue };
                apply(&mut blocked, &mut allowed, set, rule.action);
            }
        }
        (blocked, allowed)
    }
}

/// Blocks or allows more services, whatever was said of them before.
pub fn apply(blocked: &mut ServiceSet, allowed: &mut ServiceSet, set: ServiceSet, action: Action) {
    let (into, out) = match action {
        Action::Block => (blocked, allowed),
        Action::Allow => (allowed, blocked),
    };
    *into = into.union(set);
    *out = out.without(set);
}

impl Row {
    fn read(self, group: usize) -> Result<Service, String> {
        let mut names = Vec::new();
        let mut add = |texts: &[String], part| -> Result<(), String> {
            for text in texts {
                names.push((table_name(text)?, part));
            }
            Ok(())
        };
        add(&self.names, Part::Suffix)?;
        add(&self.hosts, Part::Host)?;
        add(&self.below, Part::Below)?;
        add(&self.except, Part::Except)?;
        for id in &self.bypass {
            let BypassGroup { names: suffixes, hosts, .. } =
                Bypasses::get().by_id(id).ok_or_else(|| format!("{}: no bypass group is called {id}", self.id))?;
            names.extend(suffixes.iter().map(|name| (name.clone(), Part::Suffix)));
            names.extend(hosts.iter().map(|name| (name.clone(), Part::Host)));
        }
        let mut seen = HashSet::new();
        if let Some((name, _)) = names.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(format!("{}: {name} stands there twice", self.id));
        }
        if names.is_empty() {
            return Err(format!("{} has no names", self.id));
        }
        let mut except_types = Vec::with_capacity(self.except_types.len());
        for text in &self.except_types {
            except_types.push(parse_type(text).ok_or_else(|| format!("{}: {text} is no type", self.id))?);
        }
        Ok(Service { id: self.id, name: self.name, group, also: self.also, except_types, names })
    }
}

/// What a policy says of a name by its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceMatch {
    /// The service's number.
    pub service: u16,
    /// What is done.
    pub action: Action,
    /// Labels of the name that matched.
    pub labels: u8,
}

/// The names of all services, for all policies.
#[derive(Clone, Debug)]
pub struct ServiceNames(NameMap<Vec<(u16, Part)>>);

impl ServiceNames {
    /// The names of the compiled-in table; hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        let mut names = NameMap::new(key);
        for (number, service) in Services::get().all().iter().enumerate() {
            for (name, part) in &service.names {
                names.or_insert(name, Vec::with_capacity(1)).push((number as u16, *part));
            }
        }
        ServiceNames(names)
    }

    /// The service that decides about a question where these are blocked and those allowed: that with the
    /// longest matching name; of equal ones an allowed one.
    pub fn find(
        &self,
        suffixes: &Suffixes<'_>,
        qtype: u16,
        blocked: &ServiceSet,
        allowed: &ServiceSet,
    ) -> Option<ServiceMatch> {
        let mut excepted = ServiceSet::EMPTY;
        let count = suffixes.label_count();
        for labels in (1..=count).rev() {
            let Some(parts) = self.0.at(suffixes, labels) else { continue };
            let mut found = None;
            for &(service, part) in parts {
                let action = match (allowed.contains(service), blocked.contains(service)) {
                    (true, _) => Action::Allow,
                    (false, true) => Action::Block,
                    (false, false) => continue,
                };
                match part {
                    Part::Except => {
                        excepted.insert(service);
                        continue;
                    }
                    Part::Host if labels < count => continue,
                    Part::Below if labels == count => continue,
                    Part::Suffix | Part::Host | Part::Below => {}
                }
                let other_type =
                    Services::get().by_number(service).is_none_or(|service| service.except_types.contains(&qtype));
                if excepted.contains(service) || other_type {
                    continue;
                }
                if action == Action::Allow || found.is_none() {
                    found = Some(ServiceMatch { service, action, labels: labels as u8 });
                }
                if action == Action::Allow {
                    break;
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtype;

    const IDS: &str = "chatgpt claude copilot deepseek gemini grok manus meta_ai perplexity cloudflare grindr \
        plenty_of_fish tinder wizz betano betfair betway blaze fdj_united activision_blizzard battle_net \
        blizzard_entertainment electronic_arts epic_games gog io_interactive leagueoflegends minecraft nintendo origin \
        playstation riot_games roblox rockstar_games shell_shockers steam ubisoft valorant wargaming warnerbrosgames \
        xboxlive box dropbox flickr imgur kakaotalk kik max microsoft_teams olvid signal skype slack telegram viber \
        wechat whatsapp icloud_private_relay privacy proton aliexpress amazon coolapk ebay lazada mercado_libre shein \
        shopee temu xiaohongshu 4chan 500px 9gag amino bluesky clubhouse discord douban facebook instagram kook line \
        linkedin mail_ru mastodon odysee ok onlyfans pinterest reddit snapchat tiktok tumblr twitter vk zhihu nvidia \
        playstore amazon_streaming apple_streaming bigo_live bilibili canais_globo claro crunchyroll dailymotion deezer \
        directvgo discoveryplus disneyplus espn fifa globoplay hbomax hulu iheartradio iqiyi lionsgateplus looke nebula \
        netflix paramountplus peacock_tv plex pluto_tv qq rakuten_viki samsung_tv_plus soundcloud spotify spotify_video \
        tidal twitch vimeo vivo_play voot weibo youtube yy";
    const FOR_BUSINESS: &str = "microsoft_consumer microsoft_365 google_workspace_admin gmail zoom webex goto anydesk \
        teamviewer wetransfer upload_sites pastebins url_shorteners vpn residential_proxies encrypted_dns tor mistral \
        huggingface poe crypto_exchanges paysites uk_bookmakers us_sportsbooks roblox_voice steam_chat telemetry_apple \
        telemetry_windows telemetry_alexa telemetry_samsung telemetry_xiaomi telemetry_huawei telemetry_roku \
        telemetry_sonos";
    const KEY: NameKey = NameKey(5);

    fn rules(rules: &[(&str, Action)]) -> (ServiceSet, ServiceSet) {
        let rules: Vec<_> =
            rules.iter().map(|(id, action)| ServiceRule { service: (*id).to_owned(), action: *action }).collect();
        Services::get().rules(&rules)
    }

    fn find(sets: (ServiceSet, ServiceSet), name: &str, qtype: u16) -> Option<(&'static str, Action)> {
        static NAMES: LazyLock<ServiceNames> = LazyLock::new(|| ServiceNames::new(KEY));
        let name = DomainName::from_text(name).expect("a name");
        let found = NAMES.find(&Suffixes::new(name.as_name(), KEY), qtype, &sets.0, &sets.1)?;
        Some((Services::get().id_of(found.service), found.action))
    }

    #[test]
    fn the_ids_that_others_use_and_those_of_businesses_are_there() {
        let services = Services::get();
        assert_eq!(IDS.split_whitespace().count(), 139);
        for id in IDS.split_whitespace().chain(FOR_BUSINESS.split_whitespace()) {
            assert!(services.named(id).is_some(), "{id}");
        }
        for group in
            "ai cdn dating gambling gaming hosting messenger privacy shopping social_network software streaming"
                .split_whitespace()
        {
            assert!(services.named(&format!("group:{group}")).is_some_and(|set| !set.is_empty()), "{group}");
        }
        for group in services.groups() {
            assert!(!group.services.is_empty(), "{}", group.id);
        }
        assert_eq!((services.named("geocities"), services.named("group:geocities")), (None, None));
    }

    #[test]
    fn a_name_belongs_to_its_service_by_label_with_what_lies_below() {
        let sets = rules(&[("facebook", Action::Block), ("qq", Action::Block), ("amazon_aws", Action::Block)]);
        for (name, qtype, expected) in [
            ("facebook.com", rtype::A, Some("facebook")),
            ("scontent.xx.fbcdn.net", rtype::AAAA, Some("facebook")),
            ("notfacebook.com", rtype::A, None),
            ("fbcdn-a.akamaihd.net", rtype::A, Some("facebook")),
            ("x.fbcdn-a.akamaihd.net", rtype::A, None),
            ("akamaihd.net", rtype::A, None),
            ("www.qq.com", rtype::A, Some("qq")),
            ("wx.qq.com", rtype::A, None),
            ("res.wx.qq.com", rtype::A, None),
            ("s3.amazonaws.com", rtype::A, Some("amazon_aws")),
            ("s3.amazonaws.com", rtype::CNAME, None),
            ("www.instagram.com", rtype::A, None),
        ] {
            assert_eq!(find(sets, name, qtype).map(|(id, _)| id), expected, "{name}");
        }
    }

    #[test]
    fn a_services_rule_wins_over_its_groups_and_an_allowed_service_over_a_blocked_one() {
        let sets = rules(&[("spotify", Action::Allow), ("group:streaming", Action::Block)]);
        assert_eq!(find(sets, "www.netflix.com", 1), Some(("netflix", Action::Block)));
        assert_eq!(find(sets, "open.spotify.com", 1), Some(("spotify", Action::Allow)));
        // Both name it: threads.net is Instagram's and Threads'.
        let sets = rules(&[("instagram", Action::Block), ("threads", Action::Allow)]);
        assert_eq!(find(sets, "www.threads.net", 1), Some(("threads", Action::Allow)));
        assert_eq!(find(sets, "www.instagram.com", 1), Some(("instagram", Action::Block)));
        // The longer name decides.
        let sets = rules(&[("amazon_streaming", Action::Allow), ("amazon", Action::Block)]);
        assert_eq!(find(sets, "music.amazon.com", 1), Some(("amazon_streaming", Action::Allow)));
        assert_eq!(find(sets, "www.amazon.com", 1), Some(("amazon", Action::Block)));
    }

    #[test]
    fn more_services_replace_what_was_said_of_them() {
        let (mut blocked, mut allowed) = rules(&[("group:social_network", Action::Block)]);
        let tiktok = Services::get().set(["tiktok"]);
        apply(&mut blocked, &mut allowed, tiktok, Action::Allow);
        assert_eq!(find((blocked, allowed), "www.tiktok.com", 1), Some(("tiktok", Action::Allow)));
        apply(&mut blocked, &mut allowed, tiktok, Action::Block);
        assert!(allowed.is_empty());
        assert_eq!(blocked, rules(&[("group:social_network", Action::Block)]).0);
        assert_eq!(tiktok.iter().count(), 1);
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let group = "[[group]]\nid = \"g\"\nname = \"G\"\n";
        let service = "[[service]]\nid = \"s\"\nname = \"S\"\ngroup = \"g\"\nnames = [\"s.test\"]\n";
        assert!(Services::read(&format!("{group}{service}")).is_ok());
        for table in [
            format!("{group}{group}{service}"),
            format!("{group}{service}{service}"),
            format!("{group}{}", service.replace("group = \"g\"", "group = \"h\"")),
            format!("{group}{}", service.replace("\"s.test\"", "")),
            format!("{group}{}", service.replace("\"s.test\"", "\"s.test\", \"s.test\"")),
            format!("{group}{service}except_types = [\"NOTYPE\"]\n"),
            format!("{group}{service}bypass = [\"h\"]\n"),
        ] {
            assert!(Services::read(&table).is_err(), "{table}");
        }
    }
}
