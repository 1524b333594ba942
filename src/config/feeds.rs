//! `[[feeds]]`: lists of names by category, kept fresh.

use super::value::{between, optional_path, text};
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// A list of names that belong to a category, or an archive of such lists.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Its name: 1 to 50 lower-case letters, digits and hyphens.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Address it is fetched from, by the rules of `[lists]`.
    #[serde(default)]
    pub url: Option<String>,
    /// File it is read from, where it has no address.
    #[serde(default, deserialize_with = "optional_path")]
    pub file: Option<PathBuf>,
    /// The category of its names, by name. Default none: it is an archive (tar, gzipped) of lists named by category, as UT1 and
    /// squidGuard have them.
    #[serde(default)]
    pub category: Option<String>,
    /// How it is written: `"hosts"`, `"domains"`, `"adblock"`, `"dnsmasq"`, `"unbound"` or `"rpz"`. Default none: found out.
    #[serde(default)]
    pub syntax: Option<FeedSyntax>,
    /// Seconds between refreshes, 300 to 2,592,000. Default a day.
    #[serde(default = "day", deserialize_with = "between::<_, u32, 300, 2_592_000>")]
    pub refresh_s: u32,
}

impl Feed {
    /// The slug of its category.
    pub fn category_slug(&self) -> Option<&'static str> {
        super::check::category_named(self.category.as_deref()?).map(|category| category.slug.as_str())
    }
}

/// How a feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedSyntax {
    /// `address name…`.
    Hosts,
    /// A name a line.
    Domains,
    /// Adblock for DNS.
    Adblock,
    /// dnsmasq's configuration.
    Dnsmasq,
    /// Unbound's configuration.
    Unbound,
    /// A response policy zone.
    Rpz,
}

fn day() -> u32 {
    86_400
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const NAME: &str = "1 to 50 lower-case letters, digits and hyphens";
    text(deserializer, NAME, |text| {
        let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        let good = (1..=50).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is not {NAME}")) }
    })
}
