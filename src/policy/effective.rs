//! Whose value counts: a policy's settings with everything it inherits filled in.

use crate::model::{BlockAnswer, CategorySet, Level, PolicySettings, SafeSearch};

/// TTL of blocked answers where no policy says otherwise, seconds.
pub const BLOCK_TTL_S: u32 = 60;

/// The categories each preset blocks. `L` is within `M`, `M` within `H`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presets {
    /// Blocked at low.
    pub low: CategorySet,
    /// Blocked at moderate.
    pub moderate: CategorySet,
    /// Blocked at high.
    pub high: CategorySet,
}

impl Presets {
    /// The blocked categories of a preset; `None` for the custom level, which has none.
    pub fn blocked(&self, level: Level) -> Option<CategorySet> {
        match level {
            Level::L => Some(self.low),
            Level::M => Some(self.moderate),
            Level::H => Some(self.high),
            Level::C => None,
        }
    }
}

/// Settings without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveSettings {
    /// Where notifications go; empty means nowhere.
    pub email_notifications: String,
    /// Names without a category pass.
    pub allow_unclassified: bool,
    /// Search engines.
    pub safe_search: SafeSearch,
    /// The level the blocked categories come from; `C` once any was set singly.
    pub level: Level,
    /// Blocked categories.
    pub blocked: CategorySet,
    /// Categories that notify.
    pub notify: CategorySet,
    /// The customer's default allow list applies too. The policy's own word only, else false.
    pub inherit_default_allow_list: bool,
    /// The customer's default block list applies too. The policy's own word only, else false.
    pub inherit_default_block_list: bool,
    /// How a block looks.
    pub block_answer: BlockAnswer,
    /// TTL of blocked answers, seconds.
    pub block_ttl_s: u32,
    /// Blocked answers carry the reason as EDE text.
    pub block_text: bool,
}

/// Fills in a policy's settings from the policies above it.
///
/// `chain` runs from the policy itself upwards: a customer's policy, the customer's default, the
/// MSP's default, the global default; any of the middle ones may be missing. What none of them
/// sets is: level L, unclassified names pass, safe search off, block page, 60 s, text on.
pub fn effective(chain: &[&PolicySettings], presets: &Presets) -> EffectiveSettings {
    fn first<T: Clone>(chain: &[&PolicySettings], field: impl Fn(&PolicySettings) -> Option<T>) -> Option<T> {
        chain.iter().find_map(|settings| field(settings))
    }

    let mut level = Level::L;
    let mut blocked = presets.low;
    let mut notify = CategorySet::EMPTY;
    for settings in chain.iter().rev() {
        let own = &settings.categories;
        match settings.level {
            Some(Level::C) => {
                level = Level::C;
                blocked = CategorySet(blocked.0 & !own.set.0 | own.blocked.0 & own.set.0);
            }
            Some(preset) => {
                level = preset;
                blocked = presets.blocked(preset).unwrap_or(blocked);
            }
            None => {}
        }
        notify = CategorySet(notify.0 & !own.notify_set.0 | own.notify.0 & own.notify_set.0);
    }

    let own = chain.first();
    EffectiveSettings {
        email_notifications: first(chain, |s| s.email_notifications.clone()).unwrap_or_default(),
        allow_unclassified: first(chain, |s| s.allow_unclassified).unwrap_or(true),
        safe_search: first(chain, |s| s.safe_search).unwrap_or(SafeSearch::Off),
        level,
        blocked,
        notify,
        inherit_default_allow_list: own.and_then(|s| s.inherit_default_allow_list).unwrap_or(false),
        inherit_default_block_list: own.and_then(|s| s.inherit_default_block_list).unwrap_or(false),
        block_answer: first(chain, |s| s.block_answer).unwrap_or(BlockAnswer::Page),
        block_ttl_s: first(chain, |s| s.block_ttl_s).unwrap_or(BLOCK_TTL_S),
        block_text: first(chain, |s| s.block_text).unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CategoryId, CategorySettings};

    const PRESETS: Presets =
        Presets { low: CategorySet(0b0001), moderate: CategorySet(0b0011), high: CategorySet(0b0111) };

    fn level(level: Level) -> PolicySettings {
        PolicySettings { level: Some(level), ..PolicySettings::default() }
    }

    #[test]
    fn an_unset_field_takes_the_value_above_live() {
        let own = PolicySettings::default();
        let mut above = level(Level::M);
        above.safe_search = Some(SafeSearch::On);
        let settings = effective(&[&own, &above], &PRESETS);
        assert_eq!(
            (settings.level, settings.blocked, settings.safe_search),
            (Level::M, CategorySet(0b11), SafeSearch::On)
        );
        above.level = Some(Level::H);
        assert_eq!(effective(&[&own, &above], &PRESETS).blocked, CategorySet(0b111));
    }

    #[test]
    fn a_set_field_stands_whatever_is_above() {
        let settings = effective(&[&level(Level::L), &level(Level::H)], &PRESETS);
        assert_eq!((settings.level, settings.blocked), (Level::L, CategorySet(0b1)));
    }

    #[test]
    fn a_single_category_overrides_one_bit_and_the_rest_follows_above() {
        let mut categories = CategorySettings::default();
        categories.allow(CategoryId::new(0).expect("below 64"), true);
        categories.allow(CategoryId::new(5).expect("below 64"), false);
        let own = PolicySettings { level: Some(Level::C), categories, ..PolicySettings::default() };
        assert_eq!(effective(&[&own, &level(Level::M)], &PRESETS).blocked, CategorySet(0b10_0010));
        assert_eq!(effective(&[&own, &level(Level::H)], &PRESETS).blocked, CategorySet(0b10_0110));
        assert_eq!(effective(&[&own, &level(Level::H)], &PRESETS).level, Level::C);
    }

    #[test]
    fn list_inheritance_is_never_inherited_itself() {
        let above = PolicySettings { inherit_default_allow_list: Some(true), ..PolicySettings::default() };
        assert!(!effective(&[&PolicySettings::default(), &above], &PRESETS).inherit_default_allow_list);
        assert!(effective(&[&above], &PRESETS).inherit_default_allow_list);
    }
}
