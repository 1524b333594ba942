//! `[policy]`: what holds for every policy of this installation.

use serde::Deserialize;

/// Rules above all policies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How settings come down from the policies above. Default `"live"`.
    pub inheritance: Inheritance,
}

/// How a policy takes what it does not set itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inheritance {
    /// `"live"`: a change above is visible below at once, until the field is set there.
    #[default]
    Live,
    /// `"copy"`: the values above are copied when an account is made, and never again.
    Copy,
}
