//! `[lists]`: how subscribed lists are fetched, and how much of them is kept.

use super::value::{ByteSize, between, networks, optional_path};
use ipnet::IpNet;
use serde::Deserialize;
use std::path::PathBuf;

/// Subscribed lists.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lists {
    /// Fetch by plain HTTP as well. Default false.
    pub allow_http: bool,
    /// Networks that are fetched from although they are private, as addresses or prefixes. Default none.
    #[serde(deserialize_with = "networks")]
    pub allow_private: Vec<IpNet>,
    /// Ports that lists of MSPs and customers may name in a URL, beside the usual one of its scheme; lists of the system may
    /// name any. Default `[8443]`.
    pub ports: Vec<u16>,
    /// Folder of the files that lists of the system may come from. Default none: no list comes from a file.
    #[serde(deserialize_with = "optional_path")]
    pub folder: Option<PathBuf>,
    /// Largest list as it comes over the network. Default `"256 MiB"`.
    pub fetch_max: ByteSize,
    /// Largest list that is uploaded, as it comes, 1 KiB to 4 GiB. Default `"128 MiB"`.
    pub upload_max: ByteSize,
    /// Largest list, unpacked. Default `"512 MiB"`.
    pub unpacked_max: ByteSize,
    /// Seconds that fetching one list may take, 5 to 3,600. Default 600.
    #[serde(deserialize_with = "between::<_, u64, 5, 3_600>")]
    pub timeout_s: u64,
    /// Rules of one list, 1 to 50,000,000. Default 10,000,000.
    #[serde(deserialize_with = "between::<_, u64, 1, 50_000_000>")]
    pub rules_max: u64,
    /// Rules of all lists of a customer together, 0 to 100,000,000. Default 1,000,000.
    #[serde(deserialize_with = "between::<_, u64, 0, 100_000_000>")]
    pub rules_max_per_customer: u64,
    /// Rules of all lists of an MSP together, 0 to 100,000,000. Default 5,000,000.
    #[serde(deserialize_with = "between::<_, u64, 0, 100_000_000>")]
    pub rules_max_per_msp: u64,
    /// Rules of all lists of the system together, 0 to 100,000,000. Default 30,000,000.
    #[serde(deserialize_with = "between::<_, u64, 0, 100_000_000>")]
    pub rules_max_of_system: u64,
}

impl Default for Lists {
    fn default() -> Self {
        Lists {
            allow_http: false,
            allow_private: Vec::new(),
            ports: vec![8443],
            folder: None,
            fetch_max: ByteSize::mib(256),
            upload_max: ByteSize::mib(128),
            unpacked_max: ByteSize::mib(512),
            timeout_s: 600,
            rules_max: 10_000_000,
            rules_max_per_customer: 1_000_000,
            rules_max_per_msp: 5_000_000,
            rules_max_of_system: 30_000_000,
        }
    }
}
