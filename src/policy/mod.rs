//! What is decided: rows become a [`Snapshot`], a snapshot and a question become a [`Decision`].
//!
//! [`World`] takes rows as they change and keeps the next snapshot ready, touching only what a
//! change touches; [`evaluate`] answers one question from a snapshot in the product's fixed order
//! and leaves its cause in the decision. Nothing here reads a clock, a file or a socket.
//!
//! Read `effective` and `filter` (whose value counts), `schedule` (what holds when), `suffixes`, `name_map`, `names`
//! and `records` (how a name is found), `routes` (where names are resolved), `search`, `services`, `bypass` and `known`
//! (names this program knows), `snapshot`, `choose` (which policy), `own` (names that are ours or special), `lists`
//! (lists that policies subscribe to), `subscriptions` (which of them count) and `subscribed` (step 5), `words`
//! (keywords and expressions of policies), `categorise`, `spelling` (names that are taken for others), `evaluate`,
//! `hold` (its steps for services and search engines), `detect` (what our own data tells of a name), `answer` (what an
//! answer leads to), `trace`, then `world`.

mod answer;
mod bypass;
mod categorise;
mod choose;
mod detect;
mod effective;
mod evaluate;
mod filter;
mod hold;
mod known;
mod lists;
mod name_map;
mod names;
mod own;
mod records;
mod routes;
mod schedule;
mod search;
mod services;
mod slab;
mod snapshot;
mod spelling;
mod subscribed;
mod subscriptions;
mod suffixes;
mod trace;
mod words;
mod world;

#[cfg(test)]
mod tests;

pub use answer::{CompiledAnswers, Inspected, Resolved, inspect, rule_for_address};
pub use bypass::{BypassGroup, BypassNames, Bypasses};
pub use categorise::{Categorised, Recategorised, Recategoriser, categorise};
pub use choose::{Chosen, PolicySource, choose};
pub use detect::{Detectors, Likeness, Observer, Protected, detect, looks_generated};
pub use effective::{EffectiveSettings, Presets, effective};
pub use evaluate::{
    Categories, Cause, Decision, Detector, Place, Question, Rewrite, Verdict, evaluate, evaluate_address,
    evaluate_name_server, evaluate_target,
};
pub use filter::{Active, CompiledFilter, effective_filter};
pub use known::KnownNames;
pub use lists::{
    CompiledList, Counted, LISTS_MAX, ListBuilder, ListEffect, ListFileError, ListHit, ListProfile, ListSelection,
    ListTable, Sought, Who, is_about,
};
pub use name_map::NameMap;
pub use names::{ListMatch, NameList, Rule};
pub use own::{OwnName, is_self_test, own_name};
pub use records::LocalRecords;
pub use routes::{RouteSet, Routing};
pub use schedule::{LocalTime, SCHEDULES_MAX, Schedules, Zones};
pub use search::{ENGINES_MAX, Engine, Held, SearchEngines, SearchLevels, SearchNames, SearchTarget, level_name};
pub use services::{
    SERVICES_MAX, Service, ServiceGroup, ServiceMatch, ServiceNames, ServiceSet, Services, apply as apply_services,
};
pub use slab::Slab;
pub use snapshot::{
    CompiledCustomer, CompiledDevice, CompiledLocation, CompiledMsp, CompiledPolicy, CompiledUser, Snapshot,
};
pub use subscribed::{CompiledSource, denied_by_rule, is_excepted, rule_for};
use subscriptions::Subscriptions;
pub use suffixes::{NameKey, Suffixes};
pub use trace::{NoTrace, Step, Trace, TraceSteps};
pub use words::{WordCache, WordError, WordFault, Words, regex_fault};
pub use world::{Row, World};
