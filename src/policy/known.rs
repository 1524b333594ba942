//! The names this program knows by itself: search engines, services, ways around the filter.

use super::{BypassNames, NameKey, SearchNames, ServiceNames};

/// Tables that every policy shares.
#[derive(Clone, Debug)]
pub struct KnownNames {
    /// Search engines.
    pub search: SearchNames,
    /// Services.
    pub services: ServiceNames,
    /// Ways around the filter.
    pub bypass: BypassNames,
}

impl KnownNames {
    /// The tables, whose hashes start from `key`.
    pub fn new(key: NameKey) -> Self {
        KnownNames { search: SearchNames::new(key), services: ServiceNames::new(key), bypass: BypassNames::new(key) }
    }
}
