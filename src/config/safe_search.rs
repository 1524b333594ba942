//! `[safe_search]`: what is asked of search engines themselves.

use super::value::text;
use serde::{Deserialize, Deserializer};

/// Search engines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SafeSearch {
    /// Where Google lists the domains it searches under, one a line; once a night they are compared with those this program leads
    /// to the filtered host. Fetched by the rules of `[lists]`. Default `"https://www.google.com/supported_domains"`; `""`: nothing
    /// is compared.
    #[serde(deserialize_with = "url")]
    pub google_domains: String,
}

impl Default for SafeSearch {
    fn default() -> Self {
        SafeSearch { google_domains: "https://www.google.com/supported_domains".to_owned() }
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a URL", |value| {
        let value = value.trim();
        let good = |url: reqwest::Url| matches!(url.scheme(), "https" | "http") && url.host_str().is_some();
        match value.is_empty() || value.parse().is_ok_and(good) {
            true => Ok(value.to_owned()),
            false => Err(format!("{value:?} is no URL; \"\" turns it off")),
        }
    })
}
