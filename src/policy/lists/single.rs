//! One rule against one name, for those who look for rules; a table is for those who look for names.

use super::{matcher::Matcher, search::text};
use crate::{
    model::{NameRule, Pattern},
    policy::Suffixes,
};

/// Whether a rule may decide about a name, for some client and type. Patterns and expressions are made ready for this one
/// name, which costs up to a few hundred microseconds.
pub fn is_about(rule: &NameRule, suffixes: &Suffixes<'_>) -> bool {
    let name = suffixes.name();
    let (mut inverts, mut excepted) = (false, false);
    if let Some(conditions) = &rule.conditions {
        inverts = conditions.invert;
        excepted = conditions.names_except.iter().any(|except| name.is_at_or_below(except.as_name()));
    }
    let found = match &rule.pattern {
        Pattern::Exact(own) => name == own.as_name(),
        Pattern::Suffix(own) => name.is_at_or_below(own.as_name()),
        Pattern::Below(own) => name != own.as_name() && name.is_at_or_below(own.as_name()),
        Pattern::Wildcard(_) | Pattern::Regex(_) => {
            let mut buffer = [0; 256];
            let matcher = Matcher::new(&rule.pattern.clone().into(), false);
            matcher.is_some_and(|matcher| matcher.matches(suffixes, text(name, &mut buffer)))
        }
    };
    found != inverts && !excepted
}
