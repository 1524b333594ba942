//! How names are resolved.

use crate::{
    api::{error::ApiError, input::choices},
    model::{ClientSubnet, ResolvingSettings},
    resolve::Resolver,
};
use ipnet::{IpNet, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Upstreams of a policy.
const UPSTREAMS_MAX: usize = 8;

choices! {
    /// What upstreams hear of the client's network (RFC 7871).
    pub(super) enum SubnetWord {
        /// Nothing.
        Off = "off",
        /// The first 24 bits of an IPv4 address, 56 of an IPv6 address.
        Truncated = "truncated",
        /// The networks given, whoever asks.
        Fixed = "fixed",
    }
}

impl Serialize for SubnetWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            SubnetWord::Off => "off",
            SubnetWord::Truncated => "truncated",
            SubnetWord::Fixed => "fixed",
        })
    }
}

/// What upstreams hear of the client's network.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subnet {
    /// How it is found.
    mode: SubnetWord,
    /// With `fixed`: the network told for clients with IPv4 addresses, such as `192.0.2.0/24`; `null` for none.
    #[serde(default)]
    v4: Option<String>,
    /// With `fixed`: the network told for clients with IPv6 addresses.
    #[serde(default)]
    v6: Option<String>,
}

impl Default for Subnet {
    fn default() -> Self {
        Subnet { mode: SubnetWord::Off, v4: None, v6: None }
    }
}

/// The section.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolving {
    /// Servers asked instead of the node's, at most 8: an address with or without a port,
    /// `tls://192.0.2.1#name`, or `https://name/dns-query#192.0.2.1`. None: those of the node.
    #[serde(default)]
    #[schemars(length(max = 8))]
    upstreams: Vec<String>,
    /// What upstreams hear of the client's network.
    #[serde(default)]
    client_subnet: Subnet,
    /// The prefix of DNS64 (RFC 6147), 32, 40, 48, 56, 64 or 96 bits long, such as `64:ff9b::/96`; `null` for none.
    #[serde(default)]
    dns64: Option<String>,
}

impl From<&ResolvingSettings> for Resolving {
    fn from(settings: &ResolvingSettings) -> Self {
        let client_subnet = match settings.client_subnet {
            ClientSubnet::Off => Subnet::default(),
            ClientSubnet::Truncated => Subnet { mode: SubnetWord::Truncated, ..Subnet::default() },
            ClientSubnet::Fixed { v4, v6 } => Subnet {
                mode: SubnetWord::Fixed,
                v4: v4.map(|(address, length)| format!("{address}/{length}")),
                v6: v6.map(|(address, length)| format!("{address}/{length}")),
            },
        };
        Resolving {
            upstreams: settings.upstreams.clone(),
            client_subnet,
            dns64: settings.dns64.map(|prefix| prefix.to_string()),
        }
    }
}

/// Reads the section.
pub(super) fn read(section: &Resolving, resolver: &Resolver) -> Result<ResolvingSettings, ApiError> {
    if section.upstreams.len() > UPSTREAMS_MAX {
        return Err(ApiError::field("resolving.upstreams", format!("must have at most {UPSTREAMS_MAX} entries")));
    }
    let mut upstreams: Vec<String> = Vec::with_capacity(section.upstreams.len());
    for (index, text) in section.upstreams.iter().enumerate() {
        let field = format!("resolving.upstreams[{index}]");
        let upstream = resolver.tenant_upstream(text).map_err(|problem| ApiError::field(&field, problem))?;
        let shown = upstream.to_string();
        if upstreams.contains(&shown) {
            return Err(ApiError::field(&field, "stands there twice"));
        }
        upstreams.push(shown);
    }
    Ok(ResolvingSettings { upstreams, client_subnet: subnet(&section.client_subnet)?, dns64: dns64(section)? })
}

fn subnet(section: &Subnet) -> Result<ClientSubnet, ApiError> {
    let network = |field: &str, text: &Option<String>| match text.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => {
            let network = text.parse::<IpNet>().map(|network| network.trunc());
            network.map(Some).map_err(|_| ApiError::field(field, "must be a network such as 192.0.2.0/24"))
        }
    };
    let (v4_field, v6_field) = ("resolving.client_subnet.v4", "resolving.client_subnet.v6");
    let (v4, v6) = (network(v4_field, &section.v4)?, network(v6_field, &section.v6)?);
    let v4 = match v4 {
        None => None,
        Some(IpNet::V4(net)) if net.prefix_len() <= 24 => Some((net.network(), net.prefix_len())),
        Some(_) => return Err(ApiError::field(v4_field, "must be an IPv4 network of at most 24 bits")),
    };
    let v6 = match v6 {
        None => None,
        Some(IpNet::V6(net)) if net.prefix_len() <= 56 => Some((net.network(), net.prefix_len())),
        Some(_) => return Err(ApiError::field(v6_field, "must be an IPv6 network of at most 56 bits")),
    };
    match section.mode {
        SubnetWord::Fixed if v4.is_none() && v6.is_none() => {
            Err(ApiError::field("resolving.client_subnet", "needs v4 or v6 where it is fixed"))
        }
        SubnetWord::Fixed => Ok(ClientSubnet::Fixed { v4, v6 }),
        SubnetWord::Off => Ok(ClientSubnet::Off),
        SubnetWord::Truncated => Ok(ClientSubnet::Truncated),
    }
}

fn dns64(section: &Resolving) -> Result<Option<Ipv6Net>, ApiError> {
    let Some(text) = section.dns64.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let prefix = text.parse::<Ipv6Net>().ok().map(|prefix| prefix.trunc());
    // RFC 6052, section 2.2: octet 8 of the prefix is zero, which only 96 bits reach.
    let good = |prefix: &Ipv6Net| {
        matches!(prefix.prefix_len(), 32 | 40 | 48 | 56 | 64 | 96) && prefix.network().octets()[8] == 0
    };
    let wrong = "must be an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 6052)";
    prefix.filter(good).map(Some).ok_or_else(|| ApiError::field("resolving.dns64", wrong))
}
