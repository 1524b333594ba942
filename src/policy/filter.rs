//! What a policy does beyond lists and categories, with everything inherited filled in.

use super::{
    CompiledAnswers, Detectors, EffectiveSettings, ListSelection, Schedules, SearchLevels, ServiceSet, Services, Words,
};
use crate::model::{CategorySet, FilterMode, FilterSettings, ResolvingSettings, Timestamp, WordRule};

/// A policy's filter settings with those of the policies above filled in: `chain` goes from the policy up. A
/// section counts as a whole, the nearest wins; a pause is the policy's own.
pub fn effective_filter(chain: &[&FilterSettings]) -> FilterSettings {
    fn first<T: Clone>(chain: &[&FilterSettings], section: impl Fn(&FilterSettings) -> &Option<T>) -> Option<T> {
        chain.iter().find_map(|settings| section(settings).clone())
    }

    FilterSettings {
        mode: first(chain, |s| &s.mode),
        paused_until: chain.first().and_then(|s| s.paused_until),
        lists: first(chain, |s| &s.lists),
        words: first(chain, |s| &s.words),
        engines: first(chain, |s| &s.engines),
        services: first(chain, |s| &s.services),
        schedules: first(chain, |s| &s.schedules),
        answers: first(chain, |s| &s.answers),
        resolving: first(chain, |s| &s.resolving),
        detectors: first(chain, |s| &s.detectors),
        close_bypasses: first(chain, |s| &s.close_bypasses),
    }
}

/// What holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// What is done with decisions.
    pub mode: FilterMode,
    /// Nothing is blocked but by the operator's lists.
    pub paused: bool,
    /// Everything is blocked but what a list allows.
    pub block_all: bool,
    /// Blocked categories.
    pub blocked: CategorySet,
    /// The policy's own block list applies.
    pub own_block_list: bool,
    /// Schedules whose subscribed lists apply besides the policy's own: bit `n` for the schedule of that number
    /// ([`Schedules::lists`]).
    pub lists: u64,
    /// Blocked services.
    pub services_blocked: ServiceSet,
    /// Allowed services; none is blocked as well.
    pub services_allowed: ServiceSet,
}

/// Filter settings compiled for the query path.
#[derive(Clone, Debug)]
pub struct CompiledFilter {
    /// What holds when no pause or schedule says otherwise.
    base: Active,
    /// First moment at which the pause is over; 0 for none.
    paused_until: Timestamp,
    /// What applies at some hours only.
    pub schedules: Schedules,
    /// How far each search engine is held to its filtered results.
    pub search: SearchLevels,
    /// Keywords and regular expressions.
    pub words: Words,
    /// Ways around the filter are closed.
    pub close_bypasses: bool,
    /// What answers are searched for.
    pub answers: CompiledAnswers,
    /// How names are resolved.
    pub resolving: ResolvingSettings,
    /// What is concluded from our own data.
    pub detectors: Detectors,
    /// Subscribed lists that count, those that apply everywhere included.
    pub lists: ListSelection,
    /// The same with the lists of a schedule besides, by the schedule's number.
    pub timed_lists: Box<[(u8, ListSelection)]>,
}

impl CompiledFilter {
    /// Compiles the effective filter settings of a policy with these other settings, its schedules and its detectors. The
    /// subscribed lists are for the caller to fill in: which of them count depends on rows of other accounts.
    pub fn new(
        filter: &FilterSettings,
        settings: &EffectiveSettings,
        schedules: Schedules,
        detectors: Detectors,
    ) -> Self {
        let (services_blocked, services_allowed) = match filter.services.as_deref() {
            Some(rules) if !rules.is_empty() => Services::get().rules(rules),
            _ => (ServiceSet::EMPTY, ServiceSet::EMPTY),
        };
        CompiledFilter {
            base: Active {
                mode: filter.mode.unwrap_or_default(),
                paused: false,
                block_all: false,
                blocked: settings.blocked,
                own_block_list: true,
                lists: 0,
                services_blocked,
                services_allowed,
            },
            paused_until: filter.paused_until.unwrap_or_default(),
            schedules,
            search: SearchLevels::new(settings.safe_search, filter.engines.as_deref().unwrap_or_default()),
            // Words are checked before they are stored. Should some not be usable all the same, the others are not lost.
            words: usable(filter.words.as_deref().unwrap_or_default()),
            close_bypasses: filter.close_bypasses.unwrap_or(settings.blocked.contains(super::own::ANONYMIZER)),
            answers: CompiledAnswers::new(&filter.answers.clone().unwrap_or_default()),
            resolving: filter.resolving.clone().unwrap_or_default(),
            detectors,
            lists: ListSelection::default(),
            timed_lists: Box::default(),
        }
    }

    /// Whether some subscribed list may count at some time.
    #[inline]
    pub fn has_lists(&self) -> bool {
        !self.lists.is_empty() || !self.timed_lists.is_empty()
    }

    /// Whether one of them may be about what this says.
    #[inline]
    pub fn some_list(&self, is: impl Fn(&ListSelection) -> bool) -> bool {
        is(&self.lists) || self.timed_lists.iter().any(|(_, lists)| is(lists))
    }

    /// The subscribed lists that count: one choice, or one for each schedule that brings lists at this moment.
    #[inline]
    pub fn lists_at(&self, active: &Active) -> impl Iterator<Item = &ListSelection> + Clone {
        let timed = self.timed_lists.iter().filter(|(number, _)| active.lists >> number & 1 == 1);
        let base = (active.lists == 0).then_some(&self.lists);
        base.into_iter().chain(timed.map(|(_, lists)| lists))
    }

    /// Whether what holds depends on the moment: then [`active`](Self::active) wants the time.
    #[inline]
    pub fn is_timed(&self) -> bool {
        self.paused_until != Timestamp(0) || !self.schedules.is_empty() || self.detectors.is_timed()
    }

    /// First moment at which the pause with a timer is over; `None` where there is none.
    pub fn paused_until(&self) -> Option<Timestamp> {
        Some(self.paused_until).filter(|until| *until != Timestamp(0))
    }

    /// What holds at `at`, which is not looked at where nothing depends on it. Allocates nothing.
    #[inline]
    pub fn active(&self, at: Timestamp) -> Active {
        if !self.is_timed() {
            return self.base;
        }
        let base = Active { paused: at < self.paused_until, ..self.base };
        if self.schedules.is_empty() { base } else { self.schedules.apply(at, base) }
    }
}

/// All words but those that cannot be used.
fn usable(words: &[WordRule]) -> Words {
    let mut words = words.to_vec();
    loop {
        match Words::compile(&words) {
            Ok(words) => return words,
            Err(error) => {
                words.remove(error.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListSourceId;

    #[test]
    fn a_section_counts_as_a_whole_and_the_nearest_wins_but_a_pause_is_the_policys_own() {
        let own = FilterSettings { mode: Some(FilterMode::Permissive), ..FilterSettings::default() };
        let above = FilterSettings {
            mode: Some(FilterMode::AllowOnly),
            paused_until: Some(Timestamp(9)),
            lists: Some(vec![ListSourceId(1)]),
            ..FilterSettings::default()
        };
        let filter = effective_filter(&[&own, &above]);
        assert_eq!((filter.mode, filter.paused_until), (Some(FilterMode::Permissive), None));
        assert_eq!(filter.lists, Some(vec![ListSourceId(1)]));
        assert_eq!(effective_filter(&[&above]).paused_until, Some(Timestamp(9)));
    }
}
