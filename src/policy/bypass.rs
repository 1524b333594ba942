//! Hosts that lead around this filter, for policies that close bypasses.
//!
//! `config/bypass.toml` is the table; it is compiled in and read once.

use super::{NameKey, NameMap, Suffixes, search::table_name};
use crate::model::DomainName;
use serde::Deserialize;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../config/bypass.toml");

/// Hosts of one kind.
#[derive(Debug)]
pub struct BypassGroup {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Names, meant with everything below.
    pub names: Vec<DomainName>,
    /// Names, meant as they stand.
    pub hosts: Vec<DomainName>,
}

/// All groups, immutable.
#[derive(Debug)]
pub struct Bypasses(Vec<BypassGroup>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    group: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    name: String,
    names: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

impl Bypasses {
    /// The groups of this program.
    pub fn get() -> &'static Bypasses {
        static BYPASSES: LazyLock<Bypasses> =
            LazyLock::new(|| Bypasses::read(TABLE).expect("the table is compiled in and a test reads it"));
        &BYPASSES
    }

    fn read(table: &str) -> Result<Bypasses, String> {
        let table: Table = toml::from_str(table).map_err(|fault| fault.to_string())?;
        let names = |texts: &[String]| texts.iter().map(|text| table_name(text)).collect::<Result<Vec<_>, _>>();
        let group = |row: &Row| {
            let (id, name) = (row.id.clone(), row.name.clone());
            Ok(BypassGroup { id, name, names: names(&row.names)?, hosts: names(&row.hosts)? })
        };
        table.group.iter().map(group).collect::<Result<_, String>>().map(Bypasses)
    }

    /// All.
    pub fn all(&self) -> &[BypassGroup] {
        &self.0
    }

    /// The group of this id.
    pub fn by_id(&self, id: &str) -> Option<&BypassGroup> {
        self.0.iter().find(|group| group.id == id)
    }
}

/// The names of all groups.
#[derive(Clone, Debug)]
pub struct BypassNames(NameMap<Bypass>);

#[derive(Clone, Copy, Debug)]
struct Bypass {
    group: u8,
    below: bool,
}

impl BypassNames {
    /// The names of the compiled-in table; hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        let mut names = NameMap::new(key);
        for (number, group) in Bypasses::get().all().iter().enumerate() {
            for (list, below) in [(&group.names, true), (&group.hosts, false)] {
                for name in list {
                    names.or_insert(name, Bypass { group: number as u8, below });
                }
            }
        }
        BypassNames(names)
    }

    /// The group that a name belongs to.
    pub fn find(&self, suffixes: &Suffixes<'_>) -> Option<&'static BypassGroup> {
        let count = suffixes.label_count();
        let found = (1..=count)
            .rev()
            .find_map(|labels| self.0.at(suffixes, labels).filter(|found| labels == count || found.below))?;
        Bypasses::get().all().get(usize::from(found.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_resolvers_vpns_and_proxies_are_known() {
        let names = BypassNames::new(NameKey(3));
        let group = |name: &str| {
            let name = DomainName::from_text(name).expect("a name");
            names.find(&Suffixes::new(name.as_name(), NameKey(3))).map(|group| group.id.as_str())
        };
        for (name, id) in [
            ("dns.google", Some("encrypted_dns")),
            ("cloudflare-dns.com", Some("encrypted_dns")),
            ("mozilla.cloudflare-dns.com", Some("encrypted_dns")),
            ("abc123.dns.nextdns.io", Some("encrypted_dns")),
            ("dns.quad9.net", Some("encrypted_dns")),
            ("doh.opendns.com", Some("encrypted_dns")),
            ("www.opendns.com", None),
            ("api.nordvpn.com", Some("vpn")),
            ("www.croxyproxy.com", Some("proxy")),
            ("www.torproject.org", Some("tor")),
            ("dns.cloudflare.com", Some("encrypted_dns")),
            ("x.dns.cloudflare.com", None),
            ("www.cloudflare.com", None),
            ("google.com", None),
        ] {
            assert_eq!(group(name), id, "{name}");
        }
        assert!(Bypasses::get().by_id("encrypted_dns").is_some_and(|group| group.names.len() >= 120));
    }
}
