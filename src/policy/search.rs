//! Search engines, the names they are found at, and how far a policy holds each to its filtered results.
//!
//! `config/safe-search.toml` is the table of engines; it is compiled in and read once. Names are found in one
//! table for all policies; a policy is a level for each engine.

use super::{NameKey, NameMap, Suffixes};
use crate::{
    model::{DomainName, EngineRule, FixedAnswer, SafeSearch, SearchLevel},
    wire::rtype,
};
use serde::Deserialize;
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

const TABLE: &str = include_str!("../../config/safe-search.toml");

/// Engines there may be.
pub const ENGINES_MAX: usize = 64;

/// A host whose results are filtered.
#[derive(Debug)]
pub struct SearchTarget {
    /// Its name.
    pub name: DomainName,
    /// The answer that leads there.
    pub answer: FixedAnswer,
    /// Addresses that stand in while it does not resolve; may be empty.
    pub fallback: Vec<IpAddr>,
}

/// A search engine, or a collection of small ones.
#[derive(Debug)]
pub struct Engine {
    /// Its id in the API.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What a policy's safe search ON means for it.
    pub on: SearchLevel,
    strict: Option<SearchTarget>,
    moderate: Option<SearchTarget>,
    names: Vec<(DomainName, Kind)>,
}

impl Engine {
    /// Where its names lead at this level; `None`: nowhere.
    pub fn target(&self, level: SearchLevel) -> Option<&SearchTarget> {
        match level {
            SearchLevel::Off => None,
            SearchLevel::Moderate => self.moderate.as_ref().or(self.strict.as_ref()),
            SearchLevel::Strict => self.strict.as_ref(),
        }
    }

    /// The targets it has, the strict one first.
    pub fn targets(&self) -> impl Iterator<Item = (SearchLevel, &SearchTarget)> {
        let strict = self.strict.as_ref().map(|target| (SearchLevel::Strict, target));
        strict.into_iter().chain(self.moderate.as_ref().map(|target| (SearchLevel::Moderate, target)))
    }

    /// Whether it has a level of its own between off and strict.
    pub fn has_moderate(&self) -> bool {
        self.moderate.is_some()
    }

    /// Names that lead to its target, each meant alone.
    pub fn hosts(&self) -> impl Iterator<Item = &DomainName> {
        self.names.iter().filter(|(_, kind)| matches!(kind, Kind::Host | Kind::Site)).map(|(name, _)| name)
    }

    /// Names that are blocked at level strict.
    pub fn blocked(&self) -> impl Iterator<Item = &DomainName> {
        self.names.iter().filter(|(_, kind)| matches!(kind, Kind::Blocked | Kind::BlockedHost)).map(|(name, _)| name)
    }
}

/// What a name is to its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A host that leads to the target.
    Host,
    /// The same, but a domain that keeps its mail.
    Site,
    /// Blocked with everything below.
    Blocked,
    /// Blocked as it stands.
    BlockedHost,
}

/// All engines, immutable. An engine's number is its place.
#[derive(Debug)]
pub struct SearchEngines(Vec<Engine>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    engine: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    name: String,
    #[serde(default)]
    on: On,
    strict: Option<TargetRow>,
    moderate: Option<TargetRow>,
    #[serde(default)]
    sites: Vec<String>,
    #[serde(default)]
    endings: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    blocked: Vec<String>,
    #[serde(default)]
    blocked_hosts: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    Off,
    Moderate,
    #[default]
    Strict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRow {
    name: String,
    #[serde(default)]
    v4: Vec<Ipv4Addr>,
    #[serde(default)]
    v6: Vec<Ipv6Addr>,
}

/// A name of a table that is compiled in.
pub(super) fn table_name(text: &str) -> Result<DomainName, String> {
    DomainName::from_text(text).map_err(|error| format!("{text}: {error}"))
}

impl SearchEngines {
    /// The engines of this program.
    pub fn get() -> &'static SearchEngines {
        static ENGINES: LazyLock<SearchEngines> =
            LazyLock::new(|| SearchEngines::read(TABLE).expect("the table is compiled in and a test reads it"));
        &ENGINES
    }

    fn read(table: &str) -> Result<SearchEngines, String> {
        let table: Table = toml::from_str(table).map_err(|fault| fault.to_string())?;
        if table.engine.len() > ENGINES_MAX {
            return Err(format!("more than {ENGINES_MAX} engines"));
        }
        let (mut ids, mut seen) = (HashSet::new(), HashSet::new());
        let mut engines = Vec::with_capacity(table.engine.len());
        for row in table.engine {
            if !ids.insert(row.id.clone()) {
                return Err(format!("two engines are called {}", row.id));
            }
            let mut names = Vec::new();
            for site in &row.sites {
                let sites = match row.endings.is_empty() {
                    true => vec![site.clone()],
                    false => row.endings.iter().map(|ending| format!("{site}.{ending}")).collect(),
                };
                for site in sites {
                    names.push((table_name(&format!("www.{site}"))?, Kind::Host));
                    names.push((table_name(&site)?, Kind::Site));
                }
            }
            for (rows, kind) in
                [(&row.hosts, Kind::Host), (&row.blocked, Kind::Blocked), (&row.blocked_hosts, Kind::BlockedHost)]
            {
                for name in rows {
                    names.push((table_name(name)?, kind));
                }
            }
            if let Some((name, _)) = names.iter().find(|(name, _)| !seen.insert(name.clone())) {
                return Err(format!("{name} stands there twice"));
            }
            if row.strict.is_none() && names.iter().any(|(_, kind)| matches!(kind, Kind::Host | Kind::Site)) {
                return Err(format!("{} has hosts that lead nowhere", row.id));
            }
            let target = |row: Option<TargetRow>| row.map(TargetRow::read).transpose();
            engines.push(Engine {
                id: row.id,
                name: row.name,
                on: match row.on {
                    On::Off => SearchLevel::Off,
                    On::Moderate => SearchLevel::Moderate,
                    On::Strict => SearchLevel::Strict,
                },
                strict: target(row.strict)?,
                moderate: target(row.moderate)?,
                names,
            });
        }
        let targets = engines.iter().flat_map(|engine: &Engine| engine.targets().map(|(_, target)| &target.name));
        let led = targets.into_iter().find(|name| seen.contains(*name)).map(|name| format!("{name} leads and is led"));
        if let Some(fault) = led {
            return Err(fault);
        }
        Ok(SearchEngines(engines))
    }

    /// All, by number.
    pub fn all(&self) -> &[Engine] {
        &self.0
    }

    /// The engine of this number.
    pub fn by_number(&self, number: u8) -> Option<&Engine> {
        self.0.get(usize::from(number))
    }

    /// The engine of this id, with its number.
    pub fn by_id(&self, id: &str) -> Option<(u8, &Engine)> {
        let at = self.0.iter().position(|engine| engine.id == id)?;
        Some((at as u8, &self.0[at]))
    }
}

impl TargetRow {
    fn read(self) -> Result<SearchTarget, String> {
        let name = table_name(&self.name)?;
        let fallback = self.v4.into_iter().map(IpAddr::from).chain(self.v6.into_iter().map(IpAddr::from)).collect();
        Ok(SearchTarget { answer: FixedAnswer::Alias(name.clone()), name, fallback })
    }
}

/// How far a policy holds each engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLevels {
    levels: [SearchLevel; ENGINES_MAX],
    any: bool,
}

impl SearchLevels {
    /// The levels of a policy with this switch and these engines set one by one. Ids that no engine has are
    /// left out.
    pub fn new(switch: SafeSearch, rules: &[EngineRule]) -> Self {
        let mut levels = [SearchLevel::Off; ENGINES_MAX];
        let engines = SearchEngines::get();
        if switch == SafeSearch::On {
            for (level, engine) in levels.iter_mut().zip(engines.all()) {
                *level = engine.on;
            }
        }
        for rule in rules {
            if let Some((number, _)) = engines.by_id(&rule.engine) {
                levels[usize::from(number)] = rule.level;
            }
        }
        SearchLevels { levels, any: levels.iter().any(|level| *level != SearchLevel::Off) }
    }

    /// Whether every engine is left alone.
    #[inline]
    pub fn is_off(&self) -> bool {
        !self.any
    }

    /// The level of one engine.
    pub fn of(&self, engine: u8) -> SearchLevel {
        self.levels.get(usize::from(engine)).copied().unwrap_or_default()
    }
}

/// What is done with a name of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The engine's number.
    pub engine: u8,
    /// How far it is held.
    pub level: SearchLevel,
    /// It has no filtered results under this name: it is blocked.
    pub blocked: bool,
}

/// The names of all engines, for all policies.
#[derive(Clone, Debug)]
pub struct SearchNames(NameMap<(u8, Kind)>);

impl SearchNames {
    /// The names of the compiled-in table; hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        let mut names = NameMap::new(key);
        for (number, engine) in SearchEngines::get().all().iter().enumerate() {
            for (name, kind) in &engine.names {
                names.or_insert(name, (number as u8, *kind));
            }
        }
        SearchNames(names)
    }

    /// What a policy with these levels does with a question, if anything. Questions about a zone (NS, SOA) go
    /// on as they are, and those about the mail of a domain.
    pub fn held(&self, levels: &SearchLevels, suffixes: &Suffixes<'_>, qtype: u16) -> Option<Held> {
        let count = suffixes.label_count();
        let (engine, kind) = match self.0.at(suffixes, count) {
            Some(found) => *found,
            None => (1..count)
                .rev()
                .find_map(|labels| self.0.at(suffixes, labels).copied().filter(|(_, kind)| *kind == Kind::Blocked))?,
        };
        let level = levels.of(engine);
        let blocked = match (kind, level) {
            (_, SearchLevel::Off) => return None,
            (Kind::Blocked | Kind::BlockedHost, SearchLevel::Moderate) => return None,
            (Kind::Blocked | Kind::BlockedHost, SearchLevel::Strict) => true,
            (Kind::Host | Kind::Site, _) => false,
        };
        let of_zone = matches!(qtype, rtype::NS | rtype::SOA);
        let of_domain = matches!(qtype, rtype::MX | rtype::TXT | rtype::DS | rtype::DNSKEY | rtype::CAA);
        if !blocked && (of_zone || of_domain && kind == Kind::Site) {
            return None;
        }
        Some(Held { engine, level, blocked })
    }
}

/// A level's name in the API and the log.
pub const fn level_name(level: SearchLevel) -> &'static str {
    match level {
        SearchLevel::Off => "off",
        SearchLevel::Moderate => "moderate",
        SearchLevel::Strict => "strict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = "ad ae al am as at az ba be bf bg bi bj bs bt by ca cat cd cf cg ch ci cl cm cn co co.ao \
        co.bw co.ck co.cr co.id co.il co.in co.jp co.ke co.kr co.ls co.ma co.mz co.nz co.th co.tz co.ug co.uk co.uz \
        co.ve co.vi co.za co.zm co.zw com.af com.ag com.ai com.ar com.au com.bd com.bh com.bn com.bo com.br com.bz \
        com.co com.cu com.cy com.do com.ec com.eg com.et com.fj com.gh com.gi com.gt com.hk com.jm com.kh com.kw \
        com.lb com.ly com.mm com.mt com.mx com.my com.na com.nf com.ng com.ni com.np com.om com.pa com.pe com.pg \
        com.ph com.pk com.pr com.py com.qa com.sa com.sb com.sg com.sl com.sv com.tj com.tr com.tw com.ua com.uy \
        com.vc com.vn com cv cz de dj dk dm dz ee es fi fm fr ga ge gg gl gm gp gr gy hn hr ht hu ie im iq is it je \
        jo kg ki kz la li lk lt lu lv md me mg mk ml mn ms mu mv mw ne nl no nr nu pl pn ps pt ro rs ru rw sc se sh \
        si sk sm sn so sr st td tg tk tl tm tn to tt vg vu ws";
    const YANDEX: &str = "xn--d1acpjx3f.xn--p1ai ya.ru yandex.az yandex.by yandex.co.il yandex.com yandex.com.am \
        yandex.com.ge yandex.com.ru yandex.com.tr yandex.de yandex.ee yandex.eu yandex.fi yandex.fr yandex.kz \
        yandex.lt yandex.lv yandex.md yandex.net yandex.org yandex.pl yandex.ru yandex.tj yandex.tm yandex.uz";
    const KEY: NameKey = NameKey(11);

    fn held(levels: &SearchLevels, name: &str, qtype: u16) -> Option<(String, SearchLevel, bool)> {
        static NAMES: LazyLock<SearchNames> = LazyLock::new(|| SearchNames::new(KEY));
        let name = DomainName::from_text(name).expect("a name");
        let held = NAMES.held(levels, &Suffixes::new(name.as_name(), KEY), qtype)?;
        let engine = SearchEngines::get().by_number(held.engine).expect("an engine");
        Some((engine.id.clone(), held.level, held.blocked))
    }

    fn on() -> SearchLevels {
        SearchLevels::new(SafeSearch::On, &[])
    }

    fn set(engine: &str, level: SearchLevel) -> SearchLevels {
        SearchLevels::new(SafeSearch::Off, &[EngineRule { engine: engine.to_owned(), level }])
    }

    #[test]
    fn every_country_of_google_and_of_yandex_is_held_with_and_without_www() {
        let google: Vec<&str> = GOOGLE.split_whitespace().collect();
        let yandex: Vec<&str> = YANDEX.split_whitespace().collect();
        assert_eq!((google.len(), yandex.len()), (194, 26));
        for (engine, name) in google
            .iter()
            .map(|ending| ("google", format!("google.{ending}")))
            .chain(yandex.iter().map(|name| ("yandex", (*name).to_owned())))
        {
            for name in [format!("www.{name}"), name] {
                assert_eq!(
                    held(&on(), &name, rtype::A),
                    Some((engine.to_owned(), SearchLevel::Strict, false)),
                    "{name}"
                );
            }
        }
        for (id, count) in [("google", 388), ("yandex", 52)] {
            let (_, engine) = SearchEngines::get().by_id(id).expect("an engine");
            assert_eq!(engine.hosts().count(), count, "{id}");
        }
    }

    #[test]
    fn engines_lead_to_their_filtered_hosts_and_nothing_else_of_them_does() {
        use SearchLevel::{Moderate, Strict};
        for (engine, level, target, hosts) in [
            ("google", Strict, "forcesafesearch.google.com", "www.google.com google.de"),
            (
                "youtube",
                Moderate,
                "restrictmoderate.youtube.com",
                "www.youtube.com m.youtube.com youtubei.googleapis.com youtube.googleapis.com \
                 www.youtube-nocookie.com youtube.com",
            ),
            ("youtube", Strict, "restrict.youtube.com", "www.youtube.com m.youtube.com youtube.com"),
            ("bing", Strict, "strict.bing.com", "www.bing.com bing.com edgeservices.bing.com"),
            (
                "duckduckgo",
                Strict,
                "safe.duckduckgo.com",
                "duckduckgo.com www.duckduckgo.com start.duckduckgo.com duck.com",
            ),
            ("brave", Strict, "forcesafe.search.brave.com", "search.brave.com"),
            ("ecosia", Strict, "strict-safe-search.ecosia.org", "www.ecosia.org"),
            ("pixabay", Strict, "safesearch.pixabay.com", "pixabay.com www.pixabay.com"),
            ("yandex", Strict, "familysearch.yandex.ru", "ya.ru www.ya.ru yandex.com"),
            ("qwant", Strict, "safeapi.qwant.com", "api.qwant.com"),
            ("startpage", Strict, "safe.startpage.com", "startpage.com www.startpage.com"),
        ] {
            let levels = set(engine, level);
            let (_, row) = SearchEngines::get().by_id(engine).expect("an engine");
            assert_eq!(row.target(level).expect("a target").name.to_string(), target);
            for host in hosts.split_whitespace() {
                assert_eq!(held(&levels, host, rtype::A), Some((engine.to_owned(), level, false)), "{host}");
            }
            assert_eq!(held(&levels, target, rtype::A), None, "{target}");
        }
        for name in [
            "mail.google.com",
            "a.www.google.com",
            "google.example",
            "imgs.search.brave.com",
            "cdn.search.brave.com",
            "external-content.duckduckgo.com",
            "i.ytimg.com",
            "mail.yandex.ru",
            "cn.bing.net",
            "com",
        ] {
            assert_eq!(held(&on(), name, rtype::A), None, "{name}");
        }
    }

    #[test]
    fn on_means_strict_but_for_youtube_and_leaves_page_proxies_to_the_policy() {
        let levels = on();
        for (number, engine) in SearchEngines::get().all().iter().enumerate() {
            let expected = match engine.id.as_str() {
                "youtube" => SearchLevel::Moderate,
                "page_proxies" => SearchLevel::Off,
                _ => SearchLevel::Strict,
            };
            assert_eq!(levels.of(number as u8), expected, "{}", engine.id);
        }
        assert!(SearchLevels::new(SafeSearch::Off, &[]).is_off());
        let rules = [
            EngineRule { engine: "bing".into(), level: SearchLevel::Off },
            EngineRule { engine: "page_proxies".into(), level: SearchLevel::Strict },
            EngineRule { engine: "altavista".into(), level: SearchLevel::Strict },
        ];
        let levels = SearchLevels::new(SafeSearch::On, &rules);
        assert_eq!(held(&levels, "www.bing.com", rtype::A), None);
        assert_eq!(
            held(&levels, "example-com.translate.goog", rtype::A),
            Some(("page_proxies".to_owned(), SearchLevel::Strict, true))
        );
        assert!(held(&levels, "www.google.fr", rtype::A).is_some());
    }

    #[test]
    fn an_engine_without_a_filtered_host_is_blocked_at_strict_and_left_alone_at_moderate() {
        for name in ["search.yahoo.com", "de.search.yahoo.com", "searx.be", "www.mojeek.com", "gibiru.com", "yep.com"] {
            let found = held(&on(), name, rtype::AAAA).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.1, found.2), (SearchLevel::Strict, true), "{name}");
        }
        assert_eq!(held(&on(), "mail.yahoo.com", rtype::A), None);
        assert_eq!(held(&on(), "pan.baidu.com", rtype::A), None);
        assert_eq!(held(&set("yahoo", SearchLevel::Moderate), "search.yahoo.com", rtype::A), None);
        let google = Some(("google".to_owned(), SearchLevel::Moderate, false));
        assert_eq!(held(&set("google", SearchLevel::Moderate), "www.google.com", rtype::A), google);
    }

    #[test]
    fn every_type_is_held_but_those_of_the_zone_and_of_a_domains_mail() {
        for qtype in [rtype::A, rtype::AAAA, rtype::CNAME, rtype::HTTPS, rtype::SVCB, rtype::TXT, rtype::ANY, 257] {
            assert!(held(&on(), "www.google.com", qtype).is_some(), "{qtype}");
        }
        for (name, qtype) in [
            ("www.google.com", rtype::NS),
            ("www.google.com", rtype::SOA),
            ("google.com", rtype::SOA),
            ("google.com", rtype::MX),
            ("google.com", rtype::TXT),
        ] {
            assert_eq!(held(&on(), name, qtype), None, "{name} {qtype}");
        }
        assert!(held(&on(), "search.yahoo.com", rtype::NS).is_some(), "what is blocked is blocked");
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let google = "[[engine]]\nid = \"g\"\nname = \"G\"\nstrict = { name = \"t.test\" }\nhosts = [\"h.test\"]\n";
        assert!(SearchEngines::read(google).is_ok());
        for table in [
            google.repeat(2),
            google.replace("h.test", "t.test"),
            google.replace("h.test\"", "h.test\", \"h.test\""),
            google.replace("strict = { name = \"t.test\" }\n", ""),
            google.replace("h.test", "h..test"),
            google.replace("hosts", "host"),
        ] {
            assert!(SearchEngines::read(&table).is_err(), "{table}");
        }
    }
}
