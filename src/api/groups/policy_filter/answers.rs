//! What answers are searched for.

use crate::{
    api::{
        error::ApiError,
        input::{choices, flag},
    },
    model::{AnswerAction, AnswerSettings, DomainName},
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::net::IpAddr;

/// Networks, and names, of a section.
const ENTRIES_MAX: usize = 1_000;

choices! {
    /// What happens to an answer with something in it that is blocked.
    pub(super) enum FoundWord {
        /// The whole answer is blocked.
        Block = "block",
        /// The records that lead there are taken out.
        Remove = "remove",
    }
}

impl Serialize for FoundWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            FoundWord::Block => "block",
            FoundWord::Remove => "remove",
        })
    }
}

/// What answers are searched for. Absent fields have their defaults.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Answers {
    /// Look at the names and addresses that answers lead to; `true` by default. The operator's lists count without it too.
    #[serde(deserialize_with = "flag")]
    inspect: bool,
    /// What happens to an answer with something in it that is blocked; `block` by default.
    action: FoundWord,
    /// Addresses and networks that are blocked wherever they appear in answers, at most 1,000.
    #[schemars(length(max = 1_000))]
    blocked_networks: Vec<String>,
    /// Remove private addresses from answers for public names (DNS rebinding); `true` by default.
    #[serde(deserialize_with = "flag")]
    rebinding_protection: bool,
    /// Names that may have private addresses, with all below, at most 1,000.
    #[schemars(length(max = 1_000))]
    rebinding_allowed: Vec<String>,
    /// Remove the ECH configuration from HTTPS and SVCB records; `false` by default.
    #[serde(deserialize_with = "flag")]
    strip_ech: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Answers::from(&AnswerSettings::default())
    }
}

impl From<&AnswerSettings> for Answers {
    fn from(settings: &AnswerSettings) -> Self {
        let network = |net: &IpNet| match net.prefix_len() == net.max_prefix_len() {
            true => net.addr().to_string(),
            false => net.to_string(),
        };
        Answers {
            inspect: settings.inspect,
            action: match settings.action {
                AnswerAction::Block => FoundWord::Block,
                AnswerAction::Remove => FoundWord::Remove,
            },
            blocked_networks: settings.blocked_nets.iter().map(network).collect(),
            rebinding_protection: settings.rebinding,
            rebinding_allowed: settings.rebinding_allowed.iter().map(ToString::to_string).collect(),
            strip_ech: settings.strip_ech,
        }
    }
}

/// Reads the section.
pub(super) fn read(section: &Answers) -> Result<AnswerSettings, ApiError> {
    Ok(AnswerSettings {
        inspect: section.inspect,
        action: match section.action {
            FoundWord::Block => AnswerAction::Block,
            FoundWord::Remove => AnswerAction::Remove,
        },
        blocked_nets: each(&section.blocked_networks, "blocked_networks", |text| {
            let net = text.parse::<IpNet>().map(|net| net.trunc());
            net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| "must be an IP address or a network (`192.0.2.0/24`)".to_owned())
        })?,
        rebinding: section.rebinding_protection,
        rebinding_allowed: each(&section.rebinding_allowed, "rebinding_allowed", |text| {
            let name = DomainName::from_text(text).map_err(|error| error.to_string())?;
            if name.as_name().is_root() { Err("must not be the root".into()) } else { Ok(name) }
        })?,
        strip_ech: section.strip_ech,
    })
}

/// Reads a list of texts; the error names the entry.
fn each<T: PartialEq>(
    texts: &[String],
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ApiError> {
    if texts.len() > ENTRIES_MAX {
        return Err(ApiError::field(&format!("answers.{name}"), format!("must have at most {ENTRIES_MAX} entries")));
    }
    let mut values = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let field = || format!("answers.{name}[{index}]");
        let value = read(text.trim()).map_err(|problem| ApiError::field(&field(), problem))?;
        if values.contains(&value) {
            return Err(ApiError::field(&field(), "stands there twice"));
        }
        values.push(value);
    }
    Ok(values)
}
