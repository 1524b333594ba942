//! `[license]` and `[powerbi]`: whom this installation believes, and whom it asks.

use super::value::{parse_path, text};
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// The licence.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct License {
    /// The public key that licence files are checked with (Ed25519, PEM): a file, or the PEM text
    /// itself. Default none: the built-in community licence holds, and none can be imported.
    #[serde(deserialize_with = "public_key")]
    pub public_key: Option<PublicKey>,
}

/// Where a public key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// In the configuration itself.
    Pem(String),
    /// In a file.
    File(PathBuf),
}

/// Embedded Power BI reports: which services tokens come from. The requests carry a customer's secret,
/// so their hosts are the operator's word and nobody else's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerBi {
    /// Where tokens for the service are had, an https URL. Default
    /// `"https://login.microsoftonline.com"`.
    #[serde(deserialize_with = "endpoint")]
    pub login: String,
    /// The service, an https URL. Default `"https://api.powerbi.com"`.
    #[serde(deserialize_with = "endpoint")]
    pub api: String,
}

impl Default for PowerBi {
    fn default() -> Self {
        PowerBi { login: "https://login.microsoftonline.com".to_owned(), api: "https://api.powerbi.com".to_owned() }
    }
}

fn public_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PublicKey>, D::Error> {
    let read = |value: &str| match value.trim_start().starts_with("-----BEGIN") {
        true => Ok(PublicKey::Pem(value.to_owned())),
        false => parse_path(value).map(PublicKey::File),
    };
    text(deserializer, "the path of a PEM file, or PEM text", read).map(Some)
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "an https URL", |value| {
        let url: reqwest::Url = value.parse().map_err(|error| format!("{value:?} is no URL: {error}"))?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if url.scheme() != "https" || !bare || url.fragment().is_some() || url.host_str().is_none() {
            return Err(format!("{value:?} is no https URL without user, query and fragment"));
        }
        Ok(value.trim_end_matches('/').to_owned())
    })
}
