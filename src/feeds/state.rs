//! How a list stands: what was fetched when, what went wrong, and when it is looked at again.
//!
//! Time and chance are arguments, so that all of it can be tested as a table.

use super::{ImportReport, Validators};
use crate::{
    model::{HostsMeaning, ListOrigin, ListSource, ListSyntax, NameReach, Timestamp},
    policy::Counted,
};
use serde::{Deserialize, Serialize};

/// Errors in a row after which a list counts as failing.
pub const ERRORS_MAX: u32 = 5;
/// Seconds to the next try after the first error; doubled with each further one.
const BACK_OFF_S: i64 = 60;
/// The longest pause between tries, seconds.
const BACK_OFF_MAX_S: i64 = 86_400;
/// Rules below which a list may shrink as it likes: short lists change a lot.
const SHRINK_RULES_MIN: u64 = 20;
/// Characters of an error's text that are kept.
const ERROR_CHARACTERS_MAX: usize = 500;

/// What of a source says how its text becomes rules. A compiled list made otherwise is made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// How it is written.
    pub syntax: Option<ListSyntax>,
    /// What a bare name stands for.
    pub reach: NameReach,
    /// What an address of a hosts file means.
    pub hosts: HostsMeaning,
    /// The zone, for transfers.
    pub zone: Option<String>,
}

impl Recipe {
    /// That of a source.
    pub fn of(source: &ListSource) -> Self {
        let (syntax, zone) = match &source.origin {
            ListOrigin::Transfer { zone, .. } => (Some(ListSyntax::Rpz), Some(zone.clone())),
            _ => (source.syntax, None),
        };
        Recipe { syntax, reach: source.reach, hosts: source.hosts, zone }
    }
}

/// A version of a list that somebody must look at before it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When it came.
    pub at: Timestamp,
    /// Rules it has.
    pub rules: u64,
    /// What the server said of it.
    pub validators: Validators,
}

/// How a list stands. Kept beside its copies; a damaged or missing file is that of a list nobody fetched yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListState {
    /// Where the copy is from: the text of the origin. Another origin is fetched at once and without validators.
    pub origin: String,
    /// How the copy was read.
    pub recipe: Option<Recipe>,
    /// The last try.
    pub tried: Option<Timestamp>,
    /// When it was last known to be what its origin has.
    pub fetched: Option<Timestamp>,
    /// When its contents last changed.
    pub changed: Option<Timestamp>,
    /// When it is looked at again; `None`: never by itself.
    pub next: Option<Timestamp>,
    /// Errors in a row.
    pub errors: u32,
    /// What the last error said.
    pub error: Option<String>,
    /// What the server said of the copy.
    pub validators: Validators,
    /// BLAKE3 of the copy, unpacked as far as the transport had packed it; empty: there is none.
    pub digest: String,
    /// Octets of it.
    pub octets: u64,
    /// Rules that serve.
    pub rules: u64,
    /// What was understood of the copy.
    pub report: Option<ImportReport>,
    /// What became of its rules.
    pub counted: Option<Counted>,
    /// A version that lost too many rules.
    pub held: Option<Held>,
}

/// A word for how a list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody fetched it yet.
    Pending,
    /// It is what its origin has.
    Current,
    /// The last tries failed; the last good copy serves, if there is one.
    Retrying,
    /// Five tries in a row failed; the last good copy serves, if there is one.
    Failing,
    /// A new version lost more than half of the rules and waits for somebody to confirm it.
    Held,
    /// It is switched off.
    Disabled,
}

impl Standing {
    /// Its name in the API and in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Standing::Pending => "pending",
            Standing::Current => "current",
            Standing::Retrying => "retrying",
            Standing::Failing => "failing",
            Standing::Held => "held",
            Standing::Disabled => "disabled",
        }
    }

    /// All of them.
    pub const ALL: [Standing; 6] = [
        Standing::Pending,
        Standing::Current,
        Standing::Retrying,
        Standing::Failing,
        Standing::Held,
        Standing::Disabled,
    ];
}

/// A version that was read and is to serve.
#[derive(Clone, Debug)]
pub struct Version {
    /// What the server said of it.
    pub validators: Validators,
    /// Its BLAKE3.
    pub digest: String,
    /// Its octets.
    pub octets: u64,
    /// How it was read.
    pub recipe: Recipe,
    /// What was understood of it.
    pub report: ImportReport,
    /// What became of its rules.
    pub counted: Counted,
}

impl Version {
    /// Its rules.
    pub fn rules(&self) -> u64 {
        self.report.rules.total()
    }
}

impl ListState {
    /// How the list stands.
    pub fn standing(&self, enabled: bool) -> Standing {
        match self {
            _ if !enabled => Standing::Disabled,
            _ if self.errors >= ERRORS_MAX => Standing::Failing,
            _ if self.errors > 0 => Standing::Retrying,
            _ if self.held.is_some() => Standing::Held,
            _ if self.fetched.is_some() => Standing::Current,
            _ => Standing::Pending,
        }
    }

    /// Whether a copy serves.
    pub fn serves(&self) -> bool {
        !self.digest.is_empty()
    }

    /// Whether the list is to be looked at now.
    pub fn is_due(&self, source: &ListSource, now: Timestamp) -> bool {
        if !source.enabled || source.origin == ListOrigin::Upload {
            return false;
        }
        self.origin != origin_text(&source.origin)
            || match self.next {
                Some(next) => next <= now,
                None => self.tried.is_none(),
            }
    }

    /// Validators to ask with: none where the copy is from elsewhere, or there is none.
    pub fn known(&self, source: &ListSource) -> Validators {
        let same = self.serves() && self.origin == origin_text(&source.origin);
        if same { self.validators.clone() } else { Validators::default() }
    }

    /// Whether a version has to be confirmed: it has less than half of the rules that serve, and these are from
    /// the same origin.
    pub fn holds_back(&self, source: &ListSource, rules: u64) -> bool {
        self.serves()
            && self.origin == origin_text(&source.origin)
            && self.rules >= SHRINK_RULES_MIN
            && rules.saturating_mul(2) < self.rules
    }

    /// The origin has what serves.
    pub fn unchanged(&mut self, source: &ListSource, now: Timestamp, chance: u64) {
        self.tried = Some(now);
        self.fetched = Some(now);
        self.errors = 0;
        self.error = None;
        self.held = None;
        self.next = next(source, now, chance);
    }

    /// A version serves from now on.
    pub fn adopted(&mut self, source: &ListSource, version: Version, now: Timestamp, chance: u64) {
        self.unchanged(source, now, chance);
        self.origin = origin_text(&source.origin);
        if self.digest != version.digest {
            self.changed = Some(now);
        }
        self.rules = version.rules();
        self.validators = version.validators;
        self.digest = version.digest;
        self.octets = version.octets;
        self.recipe = Some(version.recipe);
        self.report = Some(version.report);
        self.counted = Some(version.counted);
    }

    /// A version waits for somebody to confirm it; what served goes on serving.
    pub fn held_back(&mut self, source: &ListSource, version: &Version, now: Timestamp, chance: u64) {
        self.tried = Some(now);
        self.errors = 0;
        self.error = None;
        let at = self.held.as_ref().map_or(now, |held| held.at);
        self.held = Some(Held { at, rules: version.rules(), validators: version.validators.clone() });
        self.next = next(source, now, chance);
    }

    /// The try failed. `wait_s`: what the server asked for.
    pub fn failed(&mut self, source: &ListSource, error: &str, wait_s: Option<u64>, now: Timestamp, chance: u64) {
        self.tried = Some(now);
        self.errors = self.errors.saturating_add(1);
        self.error = Some(error.chars().take(ERROR_CHARACTERS_MAX).collect());
        if source.origin == ListOrigin::Upload {
            self.next = None;
            return;
        }
        let doubled = BACK_OFF_S << (self.errors - 1).min(16);
        let asked = wait_s.and_then(|wait| i64::try_from(wait).ok()).unwrap_or(0);
        let pause = doubled.max(asked).min(BACK_OFF_MAX_S);
        self.next = Some(Timestamp(now.0 + pause + spread(pause, chance)));
        // A copy from elsewhere is not fetched again and again because it is from elsewhere.
        if self.origin != origin_text(&source.origin) {
            self.origin = origin_text(&source.origin);
            self.validators = Validators::default();
            self.held = None;
        }
    }
}

/// The text that tells origins apart.
pub fn origin_text(origin: &ListOrigin) -> String {
    match origin {
        ListOrigin::Url(url) => url.clone(),
        ListOrigin::Upload => "upload".to_owned(),
        ListOrigin::File(path) => format!("file {path}"),
        ListOrigin::Transfer { server, zone, .. } => format!("transfer {zone} {server}"),
    }
}

fn next(source: &ListSource, now: Timestamp, chance: u64) -> Option<Timestamp> {
    let pause = i64::from(source.refresh_s);
    (source.origin != ListOrigin::Upload).then(|| Timestamp(now.0 + pause + spread(pause, chance)))
}

/// Up to a tenth of a pause, so that not all lists are fetched at once.
fn spread(pause_s: i64, chance: u64) -> i64 {
    i64::try_from(chance % (pause_s.unsigned_abs() / 10 + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feeds::RuleCounts,
        model::{Account, ListKind, ListSourceId},
    };

    fn source(url: &str) -> ListSource {
        ListSource {
            id: ListSourceId(1),
            owner: Account::System,
            name: "ads".into(),
            description: String::new(),
            kind: ListKind::Block,
            enabled: true,
            everywhere: false,
            origin: ListOrigin::Url(url.into()),
            syntax: None,
            reach: NameReach::BySyntax,
            hosts: HostsMeaning::Block,
            zone_override: None,
            refresh_s: 3_600,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    fn version(digest: &str, rules: u64) -> Version {
        let counts = RuleCounts { names: rules, ..RuleCounts::default() };
        Version {
            validators: Validators { etag: Some(digest.into()), last_modified: None },
            digest: digest.into(),
            octets: 10,
            recipe: Recipe::of(&source("a")),
            report: ImportReport { rules: counts, ..ImportReport::default() },
            counted: Counted::default(),
        }
    }

    #[test]
    fn a_list_goes_from_pending_to_current_to_failing_and_back() {
        let list = source("https://lists.test/a");
        let mut state = ListState::default();
        let now = |s: i64| Timestamp(1_000_000 + s);
        assert_eq!((state.standing(true), state.is_due(&list, now(0))), (Standing::Pending, true));
        state.adopted(&list, version("one", 100), now(0), 7);
        assert_eq!((state.standing(true), state.rules, state.changed), (Standing::Current, 100, Some(now(0))));
        assert_eq!(state.next, Some(now(3_607)), "the refresh and a little chance");
        assert!(!state.is_due(&list, now(3_606)) && state.is_due(&list, now(3_607)));
        state.unchanged(&list, now(4_000), 0);
        assert_eq!((state.changed, state.fetched), (Some(now(0)), Some(now(4_000))));
        for (errors, pause) in [(1, 60), (2, 120), (3, 240), (4, 480), (5, 960)] {
            state.failed(&list, "503", None, now(5_000), 0);
            assert_eq!((state.errors, state.next), (errors, Some(now(5_000 + pause))));
            let word = if errors < ERRORS_MAX { Standing::Retrying } else { Standing::Failing };
            assert_eq!(state.standing(true), word);
            assert!(state.serves(), "the last good copy");
        }
        for _ in 0..40 {
            state.failed(&list, "503", Some(u64::MAX), now(5_000), 0);
        }
        assert_eq!(state.next, Some(now(5_000 + BACK_OFF_MAX_S)), "a day at most");
        state.adopted(&list, version("two", 90), now(9_000), 0);
        assert_eq!((state.standing(true), state.errors, state.error), (Standing::Current, 0, None));
        assert_eq!(ListState::default().standing(false), Standing::Disabled);
    }

    #[test]
    fn a_list_that_loses_more_than_half_of_its_rules_is_held_until_confirmed() {
        let list = source("https://lists.test/a");
        let mut state = ListState::default();
        assert!(!state.holds_back(&list, 1), "the first copy");
        state.adopted(&list, version("one", 100), Timestamp(0), 0);
        for (rules, held) in [(100, false), (50, false), (49, true), (0, true)] {
            assert_eq!(state.holds_back(&list, rules), held, "{rules}");
        }
        assert!(!state.holds_back(&source("https://elsewhere.test/"), 0), "another list");
        state.held_back(&list, &version("two", 10), Timestamp(5), 0);
        state.held_back(&list, &version("two", 10), Timestamp(9), 0);
        assert_eq!((state.standing(true), state.rules), (Standing::Held, 100));
        assert_eq!(state.held.as_ref().map(|held| held.at), Some(Timestamp(5)), "since when");
        assert_eq!(state.known(&list).etag.as_deref(), Some("one"), "what serves is what is known");
        state.adopted(&list, version("two", 10), Timestamp(10), 0);
        assert_eq!((state.standing(true), state.rules), (Standing::Current, 10));
        state.adopted(&list, version("three", 19), Timestamp(10), 0);
        assert!(!state.holds_back(&list, 0), "short lists change a lot");
    }

    #[test]
    fn another_address_is_fetched_at_once_and_without_validators_but_only_once() {
        let (old, new) = (source("https://lists.test/a"), source("https://lists.test/b"));
        let mut state = ListState::default();
        state.adopted(&old, version("one", 100), Timestamp(0), 0);
        assert!(!state.is_due(&old, Timestamp(1)) && state.is_due(&new, Timestamp(1)));
        assert_eq!(state.known(&new), Validators::default());
        state.failed(&new, "404", None, Timestamp(1), 0);
        assert!(!state.is_due(&new, Timestamp(2)), "after a pause");
        assert_eq!(state.known(&new), Validators::default(), "the copy is still the old one");
    }

    #[test]
    fn an_uploaded_list_is_never_fetched() {
        let list = ListSource { origin: ListOrigin::Upload, ..source("") };
        let mut state = ListState::default();
        assert!(!state.is_due(&list, Timestamp(1)));
        state.adopted(&list, version("one", 100), Timestamp(0), 0);
        assert_eq!((state.next, state.is_due(&list, Timestamp(i64::MAX))), (None, false));
        let off = ListSource { enabled: false, ..source("https://lists.test/a") };
        assert!(!ListState::default().is_due(&off, Timestamp(0)));
    }
}
