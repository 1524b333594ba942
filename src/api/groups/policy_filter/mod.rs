//! What a policy does beyond lists and categories: one document of sections, each of its own or of the
//! policy above.
//!
//! A section that is absent from a change stays; `null` gives it back to the policy above. Each section's
//! form stands in a file of its own.

mod answers;
mod detectors;
mod engines;
mod resolving;
mod schedules;
mod services;
mod words;

use super::policies::{At, named};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Id, Number, choices},
        operation::operations,
        reply::{Object, Single, time_text},
        scope::{OfAccount, OfCustomer, Scope, View},
    },
    model::*,
    policy::effective_filter,
    resolve::Resolver,
    store::Row,
};
use answers::Answers;
use detectors::Detectors;
use engines::Engine;
use resolving::Resolving;
use schedules::ScheduleItem;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use services::ServiceEntry;
use words::Word;

operations! {
    policy_filter {
        /// Shows what a policy does beyond lists and categories, with the values in force.
        /// `own` names the sections that the policy sets itself; the others are those of the policy above.
        GET "/policies/{policyid}/filter" for [System, Sales, Msp, Customer] => get_policy_filter = get::<OfAccount>;
        /// Changes what a policy does beyond lists and categories.
        /// Absent sections stay; `null` gives a section back to the policy above.
        POST or PUT "/policies/{policyid}/filter" for [System, Sales, Msp, Customer]
            => update_policy_filter = update::<OfAccount>;
        /// Shows what a customer's policy does beyond lists and categories.
        GET "/users/{id}/policies/{policyid}/filter" for [System, Sales, Msp, Customer]
            => get_customer_policy_filter = get::<OfCustomer>;
        /// Changes what a customer's policy does beyond lists and categories.
        POST or PUT "/users/{id}/policies/{policyid}/filter" for [System, Sales, Msp, Customer]
            => update_customer_policy_filter = update::<OfCustomer>;
    }
}

choices! {
    /// What a policy does with what it decides.
    enum ModeWord {
        /// Blocks what is to be blocked.
        Normal = "normal",
        /// Lets through only what a list, a service or a word allows.
        AllowOnly = "allow_only",
        /// Lets everything through and logs what would be blocked.
        Permissive = "permissive",
    }
}

impl ModeWord {
    fn name(self) -> &'static str {
        match self {
            ModeWord::Normal => "normal",
            ModeWord::AllowOnly => "allow_only",
            ModeWord::Permissive => "permissive",
        }
    }
}

impl Serialize for ModeWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl From<ModeWord> for FilterMode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Normal => FilterMode::Normal,
            ModeWord::AllowOnly => FilterMode::AllowOnly,
            ModeWord::Permissive => FilterMode::Permissive,
        }
    }
}

impl From<FilterMode> for ModeWord {
    fn from(mode: FilterMode) -> Self {
        match mode {
            FilterMode::Normal => ModeWord::Normal,
            FilterMode::AllowOnly => ModeWord::AllowOnly,
            FilterMode::Permissive => ModeWord::Permissive,
        }
    }
}

/// The document.
#[derive(Debug, Serialize, JsonSchema)]
struct FilterReply {
    policyid: u32,
    /// Sections the policy sets itself.
    own: Vec<&'static str>,
    /// `normal`, `allow_only` or `permissive`.
    mode: &'static str,
    /// Nothing is blocked before this moment; `null` when the policy is not paused.
    paused_until: Option<String>,
    /// Seconds of the pause that are left.
    pause_left: i64,
    /// Whether canaries speak and known ways around the filter are closed; `null`: where anonymizers are blocked.
    close_bypasses: Option<bool>,
    /// Ids of subscribed lists; the order counts for response policy zones.
    lists: Vec<u32>,
    /// Keywords and regular expressions.
    words: Vec<Word>,
    /// What answers are searched for.
    answers: Answers,
    /// How names are resolved.
    resolving: Resolving,
    /// What applies at some hours only.
    schedules: Vec<ScheduleItem>,
    /// What is concluded from our own data.
    detectors: Detectors,
    /// Search engines set one by one; the others follow the policy's `safesearch`.
    engines: Vec<Engine>,
    /// Services and groups that are blocked or let through.
    services: Vec<ServiceEntry>,
    last_updated: Option<String>,
}

impl Object for FilterReply {
    fn object(&self) -> &'static str {
        "policy_filter"
    }
}

/// A section that was given: `null` is a value here.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A change.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Change {
    /// What is done with decisions.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<ModeWord>")]
    mode: Option<Option<ModeWord>>,
    /// Pause for this many seconds from now, at most 604,800; `null` or 0 ends a pause.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u32>", range(max = 604_800))]
    pause: Option<Option<Number<0, { PAUSE_S_MAX }>>>,
    /// Let canaries speak and close known ways around the filter.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Flag>")]
    close_bypasses: Option<Option<Flag>>,
    /// Ids of subscribed lists, at most 256; the order counts for response policy zones.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<Id>>", length(max = 256))]
    lists: Option<Option<Vec<Id>>>,
    /// Keywords and regular expressions, at most 1,000.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<Word>>", length(max = 1_000))]
    words: Option<Option<Vec<Word>>>,
    /// What answers are searched for; the section counts as a whole.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Answers>")]
    answers: Option<Option<Answers>>,
    /// How names are resolved; the section counts as a whole.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Resolving>")]
    resolving: Option<Option<Resolving>>,
    /// What applies at some hours only, at most 64.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<ScheduleItem>>", length(max = 64))]
    schedules: Option<Option<Vec<ScheduleItem>>>,
    /// What is concluded from our own data.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Detectors>")]
    detectors: Option<Option<Detectors>>,
    /// Search engines set one by one.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<Engine>>", length(max = 64))]
    engines: Option<Option<Vec<Engine>>>,
    /// Services and groups that are blocked or let through, at most 500.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<ServiceEntry>>", length(max = 500))]
    services: Option<Option<Vec<ServiceEntry>>>,
}

/// Pauses last a week at most, seconds.
const PAUSE_S_MAX: i64 = 604_800;
/// Lists a policy may subscribe to.
const LISTS_MAX: usize = 256;

impl Change {
    /// Applies the sections that were given; the error names the section.
    pub(super) fn apply(
        &self,
        settings: &mut FilterSettings,
        policy: &Policy,
        view: &View,
        resolver: &Resolver,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if let Some(mode) = self.mode {
            settings.mode = mode.map(FilterMode::from);
        }
        if let Some(pause) = self.pause {
            let seconds = pause.map_or(0, |pause| pause.0);
            settings.paused_until = (seconds > 0).then_some(Timestamp(now.0 + seconds));
        }
        if let Some(flag) = self.close_bypasses {
            settings.close_bypasses = flag.map(|flag| flag.0);
        }
        if let Some(lists) = &self.lists {
            settings.lists = lists.as_ref().map(|lists| subscribed("lists", lists, policy, view)).transpose()?;
        }
        if let Some(words) = &self.words {
            settings.words = words.as_ref().map(|words| words::read(words)).transpose()?;
        }
        if let Some(section) = &self.resolving {
            settings.resolving = section.as_ref().map(|section| resolving::read(section, resolver)).transpose()?;
        }
        if let Some(items) = &self.schedules {
            settings.schedules = items.as_ref().map(|items| schedules::read(items, policy, view)).transpose()?;
        }
        if let Some(answers) = &self.answers {
            settings.answers = answers.as_ref().map(answers::read).transpose()?;
        }
        if let Some(form) = &self.detectors {
            settings.detectors = form.as_ref().map(detectors::read).transpose()?;
        }
        if let Some(engines) = &self.engines {
            settings.engines = engines.as_ref().map(|engines| engines::read(engines)).transpose()?;
        }
        if let Some(services) = &self.services {
            settings.services = services.as_ref().map(|services| services::read(services)).transpose()?;
        }
        Ok(())
    }
}

/// Lists that the policy may subscribe to: those of its account and of the accounts above.
fn subscribed(field: &str, ids: &[Id], policy: &Policy, view: &View) -> Result<Vec<ListSourceId>, ApiError> {
    if ids.len() > LISTS_MAX {
        return Err(ApiError::field(field, format!("must have at most {LISTS_MAX} entries")));
    }
    let mut lists = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let source = view.subscribable(policy.owner, ListSourceId(id.0));
        let source = source.ok_or_else(|| ApiError::field(&field, "there is no such list"))?;
        if lists.contains(&source) {
            return Err(ApiError::field(&field, "stands there twice"));
        }
        lists.push(source);
    }
    Ok(lists)
}

fn own_sections(settings: &FilterSettings) -> Vec<&'static str> {
    [
        ("mode", settings.mode.is_some()),
        ("lists", settings.lists.is_some()),
        ("words", settings.words.is_some()),
        ("engines", settings.engines.is_some()),
        ("services", settings.services.is_some()),
        ("schedules", settings.schedules.is_some()),
        ("answers", settings.answers.is_some()),
        ("resolving", settings.resolving.is_some()),
        ("detectors", settings.detectors.is_some()),
        ("close_bypasses", settings.close_bypasses.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_own)| is_own.then_some(name))
    .collect()
}

/// The row of a policy's filter, if it ever set anything.
fn row_of(view: &View, policy: PolicyId) -> Option<Row<PolicyFilter>> {
    view.find::<PolicyFilter>(policy.0, "policy").ok()
}

/// What a policy's filter sets itself.
pub(super) fn own_settings(view: &View, policy: PolicyId) -> FilterSettings {
    row_of(view, policy).map(|row| row.value.settings).unwrap_or_default()
}

fn show<S>(call: &Call<S>, policy: &Policy) -> Single<FilterReply> {
    let row = row_of(&call.view, policy.id);
    let own = row.as_ref().map(|row| row.value.settings.clone()).unwrap_or_default();
    let above = call.view.filters_above(policy);
    let chain: Vec<&FilterSettings> = std::iter::once(&own).chain(&above).collect();
    let filter = effective_filter(&chain);
    let pause_left = filter.paused_until.map_or(0, |until| (until.0 - call.now.0).max(0));
    let reply = FilterReply {
        policyid: policy.id.0,
        own: own_sections(&own),
        mode: ModeWord::from(filter.mode.unwrap_or_default()).name(),
        paused_until: filter.paused_until.filter(|_| pause_left > 0).map(time_text),
        pause_left,
        close_bypasses: filter.close_bypasses,
        lists: filter.lists.unwrap_or_default().iter().map(|id| id.0).collect(),
        words: filter.words.unwrap_or_default().iter().map(Word::from).collect(),
        answers: Answers::from(&filter.answers.unwrap_or_default()),
        resolving: Resolving::from(&filter.resolving.unwrap_or_default()),
        schedules: filter.schedules.unwrap_or_default().iter().map(ScheduleItem::from).collect(),
        detectors: Detectors::from(&filter.detectors.unwrap_or_default()),
        engines: filter.engines.unwrap_or_default().iter().map(Engine::from).collect(),
        services: filter.services.unwrap_or_default().iter().map(ServiceEntry::from).collect(),
        last_updated: row.as_ref().map(|row| time_text(row.value.updated)),
    };
    match row {
        Some(row) => Single::new(reply).at(row.revision),
        None => Single::new(reply),
    }
}

async fn get<S: Scope>(call: Call<S>, at: At) -> Result<Single<FilterReply>, ApiError> {
    let policy = named(&call.view, at.policyid)?.value;
    Ok(show(&call, &policy))
}

async fn update<S: Scope>(call: Call<S>, Both(at, change): Both<At, Change>) -> Result<Single<FilterReply>, ApiError> {
    let policy = call
        .write(|batch| {
            let policy = named(&call.view, at.policyid)?;
            let old = row_of(&call.view, policy.value.id);
            if let Some(old) = &old {
                call.check_match(old)?;
            }
            let mut settings = old.as_ref().map(|row| row.value.settings.clone()).unwrap_or_default();
            change.apply(&mut settings, &policy.value, &call.view, &call.services().resolver, call.now)?;
            let new = PolicyFilter { policy: policy.value.id, owner: policy.value.owner, settings, updated: call.now };
            let batch = match &old {
                Some(old) if old.value.settings == new.settings => batch,
                Some(old) => batch.update(old, &new),
                None => batch.expect(&policy).create(&new),
            };
            Ok((batch, policy.value))
        })
        .await?;
    Ok(show(&call, &policy))
}
