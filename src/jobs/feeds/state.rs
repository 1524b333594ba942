//! How a feed stands: what was brought when, what went wrong, and when it is looked at again.
//!
//! Time is an argument, so that all of it can be tested as a table.

use crate::{
    feeds::{ERRORS_MAX, Sample, Standing, Validators},
    model::{ListSyntax, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds to the next try after the first error; doubled with each further one.
const BACK_OFF_S: i64 = 60;
/// The longest pause between tries, seconds.
const BACK_OFF_MAX_S: i64 = 86_400;
/// Names below which a feed may shrink as it likes.
const SHRINK_NAMES_MIN: u64 = 100;
/// Characters of an error's text that are kept.
const ERROR_CHARACTERS_MAX: usize = 500;

/// What is kept of all feeds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// How each stands, by name.
    pub feeds: BTreeMap<String, FeedState>,
    /// What the index is made of: the stamp of each copy, by the name of its feed.
    pub built: BTreeMap<String, String>,
}

impl Kept {
    pub(super) fn state(&self, name: &str) -> FeedState {
        self.feeds.get(name).cloned().unwrap_or_default()
    }
}

/// What of the configuration says how a feed becomes names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Made {
    /// The category of all its names; `None`: an archive.
    pub category: Option<String>,
    /// How it is written.
    pub syntax: Option<ListSyntax>,
}

/// What was understood of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedReport {
    /// How it is written; `None`: an archive.
    pub syntax: Option<ListSyntax>,
    /// Lines read, comments and blank ones included.
    pub lines: u64,
    /// Different names of each list, added up.
    pub names: u64,
    /// Names it has again.
    pub duplicates: u64,
    /// Lines that are no names.
    pub invalid: u64,
    /// The first five of them.
    pub samples: Vec<Sample>,
    /// Lines that cannot be said by a category: exceptions, patterns, conditions.
    pub left_out: u64,
    /// Names of each category, by its name.
    pub categories: BTreeMap<String, u64>,
    /// Lists of an archive that belong to no category, at most fifty.
    pub unknown: Vec<String>,
}

/// A version of a feed that somebody must look at before it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedHeld {
    /// When it came.
    pub at: Timestamp,
    /// What it is.
    pub version: Version,
}

/// A version that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// What the server said of it.
    pub validators: Validators,
    /// BLAKE3 of what came.
    pub digest: String,
    /// Octets of what came.
    pub octets: u64,
    /// What was understood of it.
    pub report: FeedReport,
}

/// How a feed stands. A damaged or missing state is that of a feed nobody fetched yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedState {
    /// Where it comes from.
    pub origin: String,
    /// The copy is of another origin, or was read in another way, than the configuration says.
    pub moved: bool,
    /// How the copy was read.
    pub made: Made,
    /// The last try.
    pub tried: Option<Timestamp>,
    /// When it was last known to be what its origin has.
    pub fetched: Option<Timestamp>,
    /// When its contents last changed.
    pub changed: Option<Timestamp>,
    /// When it is looked at again; `None`: at once.
    pub next: Option<Timestamp>,
    /// Errors in a row.
    pub errors: u32,
    /// What the last error said.
    pub error: Option<String>,
    /// What the server said of the copy.
    pub validators: Validators,
    /// BLAKE3 of the copy as it came; empty: there is none.
    pub digest: String,
    /// Octets of it.
    pub octets: u64,
    /// Names that serve.
    pub names: u64,
    /// What was understood of the copy.
    pub report: Option<FeedReport>,
    /// A version that lost too many names.
    pub held: Option<FeedHeld>,
}

impl FeedState {
    /// In a word.
    pub fn standing(&self) -> Standing {
        match self {
            state if state.errors >= ERRORS_MAX => Standing::Failing,
            state if state.errors > 0 => Standing::Retrying,
            state if state.held.is_some() => Standing::Held,
            state if state.digest.is_empty() => Standing::Pending,
            _ => Standing::Current,
        }
    }

    /// What tells this copy from others; `None`: there is none.
    pub fn stamp(&self) -> Option<String> {
        let category = self.made.category.as_deref().unwrap_or("(archive)");
        (!self.digest.is_empty()).then(|| format!("{category} {}", self.digest))
    }

    /// Takes over what the configuration says.
    pub(super) fn follow(&mut self, origin: &str, made: &Made) {
        let other = self.origin != origin || (self.made != *made && !self.digest.is_empty());
        if other && !(self.moved && self.origin == origin) {
            self.moved = true;
            (self.next, self.errors, self.error, self.held) = (None, 0, None, None);
        }
        self.origin = origin.to_owned();
    }

    /// The copy is not there any more.
    pub(super) fn lost(&mut self) {
        self.digest.clear();
        (self.next, self.held) = (None, None);
    }

    /// What the server may be asked to compare with.
    pub(super) fn known(&self) -> Validators {
        if self.moved || self.digest.is_empty() { Validators::default() } else { self.validators.clone() }
    }

    /// Whether this is the copy there is.
    pub(super) fn has(&self, digest: &str) -> bool {
        !self.moved && self.digest == digest
    }

    /// Whether a version with so many names must be confirmed.
    pub(super) fn holds_back(&self, names: u64) -> bool {
        !self.moved && self.names >= SHRINK_NAMES_MIN && names.saturating_mul(2) < self.names
    }

    /// The origin has what serves.
    pub(super) fn unchanged(&mut self, validators: Option<Validators>, refresh_s: u32, now: Timestamp) {
        self.tried = Some(now);
        self.fetched = Some(now);
        (self.errors, self.error, self.held) = (0, None, None);
        if let Some(validators) = validators {
            self.validators = validators;
        }
        self.next = Some(Timestamp(now.0 + i64::from(refresh_s)));
    }

    /// A version serves from the next index on.
    pub(super) fn adopted(&mut self, version: Version, made: Made, refresh_s: u32, now: Timestamp) {
        self.unchanged(Some(version.validators), refresh_s, now);
        self.changed = Some(now);
        self.moved = false;
        self.made = made;
        self.digest = version.digest;
        self.octets = version.octets;
        self.names = version.report.names;
        self.report = Some(version.report);
    }

    /// A version waits for somebody to confirm it; what served goes on serving.
    pub(super) fn held_back(&mut self, version: Version, refresh_s: u32, now: Timestamp) {
        self.tried = Some(now);
        (self.errors, self.error) = (0, None);
        let at = self.held.as_ref().map_or(now, |held| held.at);
        self.held = Some(FeedHeld { at, version });
        self.next = Some(Timestamp(now.0 + i64::from(refresh_s)));
    }

    /// The try failed. `wait_s`: what the server asked for.
    pub(super) fn failed(&mut self, error: &str, wait_s: Option<u64>, now: Timestamp) {
        self.tried = Some(now);
        self.errors = self.errors.saturating_add(1);
        self.error = Some(error.chars().take(ERROR_CHARACTERS_MAX).collect());
        let asked = wait_s.and_then(|wait| i64::try_from(wait).ok()).unwrap_or(0);
        let pause = (BACK_OFF_S << (self.errors - 1).min(16)).max(asked).min(BACK_OFF_MAX_S);
        self.next = Some(Timestamp(now.0 + pause));
    }
}
