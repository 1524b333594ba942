//! Keywords and regular expressions.

use crate::{
    api::{error::ApiError, input::choices},
    model::{Action, WordKind, WordRule},
    policy::{Words, regex_fault},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Words of a policy.
const WORDS_MAX: usize = 1_000;

choices! {
    /// How a word is read.
    pub(super) enum KindWord {
        /// Anywhere in the name.
        Keyword = "keyword",
        /// A regular expression.
        Regex = "regex",
    }
    /// What happens to names that have it.
    pub(super) enum ActionWord {
        /// Let through.
        Allow = "allow",
        /// Blocked.
        Block = "block",
    }
}

impl Serialize for KindWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            KindWord::Keyword => "keyword",
            KindWord::Regex => "regex",
        })
    }
}

impl Serialize for ActionWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            ActionWord::Allow => "allow",
            ActionWord::Block => "block",
        })
    }
}

impl From<ActionWord> for Action {
    fn from(word: ActionWord) -> Self {
        match word {
            ActionWord::Allow => Action::Allow,
            ActionWord::Block => Action::Block,
        }
    }
}

impl From<Action> for ActionWord {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => ActionWord::Allow,
            Action::Block => ActionWord::Block,
        }
    }
}

/// A keyword or regular expression.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    /// How `text` is read.
    kind: KindWord,
    /// A keyword of 3 to 63 characters, or a regular expression of at most 1,000.
    #[schemars(length(min = 1, max = 1_000))]
    text: String,
    /// What happens to names that have it.
    action: ActionWord,
}

impl From<&WordRule> for Word {
    fn from(rule: &WordRule) -> Self {
        let kind = match rule.kind {
            WordKind::Keyword => KindWord::Keyword,
            WordKind::Regex => KindWord::Regex,
        };
        Word { kind, text: rule.text.clone(), action: rule.action.into() }
    }
}

/// Reads the section.
pub(super) fn read(words: &[Word]) -> Result<Vec<WordRule>, ApiError> {
    if words.len() > WORDS_MAX {
        return Err(ApiError::field("words", format!("must have at most {WORDS_MAX} entries")));
    }
    let mut rules = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let field = format!("words[{index}].text");
        let text = word.text.trim();
        let rule = match word.kind {
            KindWord::Keyword => {
                let text = text.to_ascii_lowercase();
                let fits = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
                if !(3..=63).contains(&text.len()) || !fits {
                    let problem = "must have 3 to 63 letters, digits, hyphens, underscores and dots";
                    return Err(ApiError::field(&field, problem));
                }
                WordRule { kind: WordKind::Keyword, text, action: word.action.into() }
            }
            KindWord::Regex => {
                if text.is_empty() || text.chars().count() > 1_000 {
                    return Err(ApiError::field(&field, "must have 1 to 1,000 characters"));
                }
                if !text.is_ascii() {
                    let problem = "names are compared in their ASCII form: write xn--mnchen-3ya for m\u{fc}nchen";
                    return Err(ApiError::field(&field, problem));
                }
                if let Some(problem) = regex_fault(text) {
                    return Err(ApiError::field(&field, problem));
                }
                WordRule { kind: WordKind::Regex, text: text.to_owned(), action: word.action.into() }
            }
        };
        if rules.contains(&rule) {
            return Err(ApiError::field(&field, "stands there twice"));
        }
        rules.push(rule);
    }
    Words::compile(&rules).map_err(|error| ApiError::field(&format!("words[{}].text", error.index), error.reason))?;
    Ok(rules)
}
