//! Domain names, as people write them.

use super::raw::{Raw, field_type};
use crate::model::DomainName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

/// A name of a list: any case, U-labels or A-labels. A leading dot or `*.` asks for the names below
/// it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedName {
    /// The name.
    pub name: DomainName,
    /// Whether the text itself asked for subdomains.
    pub subdomains: bool,
}

impl std::str::FromStr for ListedName {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let bare = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
        let name = DomainName::from_text(bare).map_err(|error| Cow::Owned(error.to_string()))?;
        if name.as_name().is_root() {
            return Err("the root is no domain to list".into());
        }
        if name.as_name().labels().any(|label| label.contains(&b'*')) {
            return Err("an asterisk may only stand for the whole first label".into());
        }
        Ok(ListedName { name, subdomains: bare.len() < text.len() })
    }
}

field_type!([] ListedName, "ListedName", { "type": "string", "examples": ["blocked.example"] }, |raw| {
    raw.text::<D::Error>()?.parse()
});

/// A name to try out, or a URL it is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOrUrl(pub DomainName);

field_type!([] NameOrUrl, "NameOrUrl", { "type": "string", "examples": ["www.example.com"] }, |raw| {
    let text = raw.text::<D::Error>()?;
    DomainName::from_text(host_of(text.trim())).map(NameOrUrl).map_err(|error| Cow::Owned(error.to_string()))
});

/// The host of a URL; anything else as it is.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}
