//! What is concluded from our own data.

use crate::{
    api::{
        error::ApiError,
        input::{choices, whole},
    },
    category::is_public_suffix,
    model::{DetectorAction, DetectorSettings, DomainName},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Names a policy may protect.
const PROTECTED_MAX: usize = 200;
/// Hours for which a domain may count as newly seen.
const HOURS_MAX: u16 = 720;
/// Hours where a policy says nothing of them.
const HOURS: u16 = 24;

choices! {
    /// What happens to a name a detector points at.
    pub(super) enum DetectorWord {
        /// Nothing; the detector does not run.
        Off = "off",
        /// It is noted in the query log.
        Log = "log",
        /// It is blocked with a warning.
        Warn = "warn",
        /// It is blocked.
        Block = "block",
    }
}

impl Serialize for DetectorWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            DetectorWord::Off => "off",
            DetectorWord::Log => "log",
            DetectorWord::Warn => "warn",
            DetectorWord::Block => "block",
        })
    }
}

impl From<DetectorWord> for DetectorAction {
    fn from(word: DetectorWord) -> Self {
        match word {
            DetectorWord::Off => DetectorAction::Off,
            DetectorWord::Log => DetectorAction::Log,
            DetectorWord::Warn => DetectorAction::Warn,
            DetectorWord::Block => DetectorAction::Block,
        }
    }
}

impl From<DetectorAction> for DetectorWord {
    fn from(action: DetectorAction) -> Self {
        match action {
            DetectorAction::Off => DetectorWord::Off,
            DetectorAction::Log => DetectorWord::Log,
            DetectorAction::Warn => DetectorWord::Warn,
            DetectorAction::Block => DetectorWord::Block,
        }
    }
}

fn off() -> DetectorWord {
    DetectorWord::Off
}

fn hours() -> u16 {
    HOURS
}

/// The detectors; each is off where nothing is said of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Detectors {
    /// Registrable domains that nobody on this server asked for before.
    #[serde(default = "off")]
    newly_seen: DetectorWord,
    /// How long a domain counts as newly seen, hours.
    #[serde(default = "hours", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 720))]
    newly_seen_hours: u16,
    /// Look-alikes of `protected`.
    #[serde(default = "off")]
    look_alike: DetectorWord,
    /// Names to protect, registrable domains among them.
    #[serde(default)]
    #[schemars(length(max = 200))]
    protected: Vec<String>,
    /// Names that look as if a program made them up.
    #[serde(default = "off")]
    generated: DetectorWord,
    /// More different long names below one domain than people ask for.
    #[serde(default = "off")]
    tunnelling: DetectorWord,
}

impl From<&DetectorSettings> for Detectors {
    fn from(settings: &DetectorSettings) -> Self {
        Detectors {
            newly_seen: settings.newly_seen.into(),
            newly_seen_hours: if settings.newly_seen_hours == 0 { HOURS } else { settings.newly_seen_hours },
            look_alike: settings.look_alike.into(),
            protected: settings.protected.iter().map(ToString::to_string).collect(),
            generated: settings.generated.into(),
            tunnelling: settings.tunnelling.into(),
        }
    }
}

/// Reads the section.
pub(super) fn read(form: &Detectors) -> Result<DetectorSettings, ApiError> {
    if !(1..=HOURS_MAX).contains(&form.newly_seen_hours) {
        return Err(ApiError::field("detectors.newly_seen_hours", format!("must be 1 to {HOURS_MAX}")));
    }
    if form.protected.len() > PROTECTED_MAX {
        return Err(ApiError::field("detectors.protected", format!("must have at most {PROTECTED_MAX} entries")));
    }
    let mut protected: Vec<DomainName> = Vec::with_capacity(form.protected.len());
    for (index, text) in form.protected.iter().enumerate() {
        let fault = |problem: String| ApiError::field(&format!("detectors.protected[{index}]"), problem);
        let name = DomainName::from_text(text).map_err(|error| fault(error.to_string()))?;
        if is_public_suffix(name.as_name()) {
            return Err(fault("is nobody's own name".to_owned()));
        }
        if !protected.contains(&name) {
            protected.push(name);
        }
    }
    if form.look_alike != DetectorWord::Off && protected.is_empty() {
        let problem = "must have at least one name for look_alike to compare with";
        return Err(ApiError::field("detectors.protected", problem));
    }
    Ok(DetectorSettings {
        newly_seen: form.newly_seen.into(),
        newly_seen_hours: form.newly_seen_hours,
        look_alike: form.look_alike.into(),
        protected,
        generated: form.generated.into(),
        tunnelling: form.tunnelling.into(),
    })
}
