//! Search engines set one by one.

use crate::{
    api::{error::ApiError, input::choices},
    model::{EngineRule, SearchLevel},
    policy::{SearchEngines, level_name},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

choices! {
    /// How far a search engine is held to its filtered results.
    pub(super) enum LevelWord {
        /// Left alone.
        Off = "off",
        /// Its moderate host where it has one, else its strict one.
        Moderate = "moderate",
        /// Its strict host; blocked where it has none.
        Strict = "strict",
    }
}

impl Serialize for LevelWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(level_name(SearchLevel::from(*self)))
    }
}

impl From<LevelWord> for SearchLevel {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Off => SearchLevel::Off,
            LevelWord::Moderate => SearchLevel::Moderate,
            LevelWord::Strict => SearchLevel::Strict,
        }
    }
}

impl From<SearchLevel> for LevelWord {
    fn from(level: SearchLevel) -> Self {
        match level {
            SearchLevel::Off => LevelWord::Off,
            SearchLevel::Moderate => LevelWord::Moderate,
            SearchLevel::Strict => LevelWord::Strict,
        }
    }
}

/// A search engine set on its own; the others follow the policy's `safesearch`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Engine {
    /// An id of `GET /safesearch`.
    #[schemars(length(min = 1, max = 64))]
    engine: String,
    /// How far it is held.
    level: LevelWord,
}

impl From<&EngineRule> for Engine {
    fn from(rule: &EngineRule) -> Self {
        Engine { engine: rule.engine.clone(), level: rule.level.into() }
    }
}

/// Reads the section.
pub(super) fn read(engines: &[Engine]) -> Result<Vec<EngineRule>, ApiError> {
    let known = SearchEngines::get();
    if engines.len() > known.all().len() {
        return Err(ApiError::field("engines", format!("must have at most {} entries", known.all().len())));
    }
    let mut rules: Vec<EngineRule> = Vec::with_capacity(engines.len());
    for (index, engine) in engines.iter().enumerate() {
        let field = format!("engines[{index}].engine");
        let id = engine.engine.trim().to_ascii_lowercase();
        if known.by_id(&id).is_none() {
            let shown: String = id.chars().take(64).collect();
            return Err(ApiError::field(&field, format!("there is no engine {shown:?}")));
        }
        if rules.iter().any(|rule| rule.engine == id) {
            return Err(ApiError::field(&field, format!("{id:?} stands there twice")));
        }
        rules.push(EngineRule { engine: id, level: engine.level.into() });
    }
    Ok(rules)
}
