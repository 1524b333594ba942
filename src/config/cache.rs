//! `[cache]`: answers kept for the next one who asks.

use super::value::{ByteSize, between};
use serde::Deserialize;

/// Bounds of the answer cache.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Memory for answers, octets or text with a unit. The least used answers make room. 0 keeps
    /// none. Default `"64 MiB"`.
    pub size: ByteSize,
    /// Seconds an answer is kept at least, 0 to 3,600, whatever its TTL says. Default 0.
    #[serde(deserialize_with = "between::<_, u32, 0, 3_600>")]
    pub ttl_min_s: u32,
    /// Seconds an answer is kept at most, 1 to 604,800. Default 86400.
    #[serde(deserialize_with = "between::<_, u32, 1, 604_800>")]
    pub ttl_max_s: u32,
    /// Seconds that "no such name" and "no such type" are kept at most, 1 to 86,400 (RFC 2308,
    /// section 5). Default 3600.
    #[serde(deserialize_with = "between::<_, u32, 1, 86_400>")]
    pub negative_ttl_max_s: u32,
}

impl Default for Cache {
    fn default() -> Self {
        Cache { size: ByteSize::mib(64), ttl_min_s: 0, ttl_max_s: 86_400, negative_ttl_max_s: 3_600 }
    }
}
