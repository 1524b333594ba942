//! Category feeds, as the configuration has them: how they stand, and a refresh.
//!
//! What feeds there are is the operator's word in the file; nothing of it is changed here.

use super::list_fields::{HeldReply, ProgressReply, SampleReply, syntax_word};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Flag, Nothing, Text},
        operation::operations,
        reply::{Listing, Object, Single, time_text},
        scope::Own,
    },
    feeds::Far,
    jobs::{FeedHeld, FeedIndex, FeedOrigin, FeedReport, FeedStatus},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

operations! {
    category_feeds {
        /// Lists the category feeds and how they stand, and the index that is made of them.
        GET "/feeds" for [System] => list_category_feeds = list;
        /// Shows how a category feed stands: when it was fetched, what was understood of it.
        GET "/feeds/{name}" for [System] => get_category_feed = get;
        /// Fetches a category feed as soon as there is room.
        /// With `confirm` a version is taken that was held back because it lost more than half of the names.
        POST "/feeds/{name}/refresh" for [System] => refresh_category_feed = refresh;
    }
}

#[derive(Deserialize, JsonSchema)]
struct At {
    /// Which feed, by its name in the configuration.
    name: Text<50>,
}

#[derive(Deserialize, JsonSchema)]
struct Wish {
    /// Take a version that lost more than half of the names.
    #[serde(default)]
    confirm: Option<Flag>,
}

/// What was understood of a feed.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportReply {
    /// How it is written; `ut1`: an archive of lists by category.
    syntax: &'static str,
    /// Octets as it came.
    octets: u64,
    lines: u64,
    /// Different names.
    names: u64,
    duplicates: u64,
    invalid: u64,
    /// The first five of them.
    invalid_samples: Vec<SampleReply>,
    /// Rules that no category can say: exceptions, patterns, conditions.
    left_out: u64,
    /// Names of each category.
    categories: BTreeMap<String, u64>,
    /// Lists of an archive that belong to no category, at most fifty.
    unknown: Vec<String>,
}

/// A category feed.
#[derive(Debug, Serialize, JsonSchema)]
struct FeedReply {
    name: String,
    /// `url` or `file`.
    origin: &'static str,
    url: Option<String>,
    file: Option<String>,
    /// Slug of the category of all its names; `null`: an archive of lists named by category.
    category: Option<String>,
    /// `auto`, or the syntax that is configured.
    syntax: &'static str,
    refresh_s: u32,
    /// `pending`, `current`, `retrying`, `failing` (five errors in a row) or `held`. While there is a last good copy, it serves.
    state: &'static str,
    /// Whether its names are in the index.
    serving: bool,
    /// Names of the last good copy.
    names: u64,
    last_tried: Option<String>,
    /// When it was last known to be what its origin has.
    last_fetched: Option<String>,
    /// When its contents last changed.
    last_changed: Option<String>,
    next: Option<String>,
    /// Errors in a row.
    errors: u32,
    error: Option<String>,
    /// A version that lost more than half of the names: `refresh?confirm=true` takes it.
    held: Option<HeldReply>,
    /// What is being done at this moment.
    progress: Option<ProgressReply>,
    report: Option<ReportReply>,
}

impl Object for FeedReply {
    fn object(&self) -> &'static str {
        "category_feed"
    }
}

/// The index that is made of the feeds.
#[derive(Debug, Serialize, JsonSchema)]
struct IndexReply {
    /// Names in the index that serves.
    names: u64,
    /// When it was built.
    built: String,
    /// How far the building of the next one is.
    progress: Option<ProgressReply>,
    /// Why the last one could not be built; the one before serves.
    error: Option<String>,
}

/// What comes with the feeds.
#[derive(Debug, Serialize, JsonSchema)]
struct About {
    index: IndexReply,
}

fn far_reply(far: Far) -> ProgressReply {
    ProgressReply { doing: far.phase, done: far.done, total: far.total }
}

fn held_reply(held: FeedHeld) -> HeldReply {
    HeldReply { since: time_text(held.at), rules: held.version.report.names }
}

fn report_reply(report: FeedReport, octets: u64) -> ReportReply {
    let samples = report.samples.into_iter();
    ReportReply {
        syntax: report.syntax.map_or("ut1", syntax_word),
        octets,
        lines: report.lines,
        names: report.names,
        duplicates: report.duplicates,
        invalid: report.invalid,
        invalid_samples: samples
            .map(|sample| SampleReply { line: sample.line, text: sample.text, reason: sample.reason })
            .collect(),
        left_out: report.left_out,
        categories: report.categories,
        unknown: report.unknown,
    }
}

fn shown(status: FeedStatus) -> FeedReply {
    let FeedStatus { feed, standing, state, far, serving } = status;
    let (origin, url, file) = match feed.origin {
        FeedOrigin::Url(url) => ("url", Some(url), None),
        FeedOrigin::File(file) => ("file", None, Some(file.display().to_string())),
    };
    FeedReply {
        name: feed.name,
        origin,
        url,
        file,
        category: feed.category,
        syntax: feed.syntax.map_or("auto", syntax_word),
        refresh_s: feed.refresh_s,
        state: standing.name(),
        serving,
        names: state.names,
        last_tried: state.tried.map(time_text),
        last_fetched: state.fetched.map(time_text),
        last_changed: state.changed.map(time_text),
        next: state.next.map(time_text),
        errors: state.errors,
        error: state.error,
        held: state.held.map(held_reply),
        progress: far.map(far_reply),
        report: state.report.map(|report| report_reply(report, state.octets)),
    }
}

async fn list(call: Call<Own>, _: Nothing) -> Result<Listing<About, FeedReply>, ApiError> {
    let feeds = &call.services().feeds;
    let FeedIndex { names, built, far, error } = feeds.index();
    let index = IndexReply { names, built: time_text(built), progress: far.map(far_reply), error };
    Ok(Listing::new(About { index }, feeds.all().into_iter().map(shown).collect()))
}

async fn get(call: Call<Own>, at: At) -> Result<Single<FeedReply>, ApiError> {
    let status = call.services().feeds.status(&at.name.0);
    status.map(|status| Single::new(shown(status))).ok_or_else(|| ApiError::not_found("feed"))
}

async fn refresh(call: Call<Own>, Both(at, wish): Both<At, Wish>) -> Result<Single<FeedReply>, ApiError> {
    if !call.services().feeds.refresh(&at.name.0, wish.confirm.is_some_and(|flag| flag.0)) {
        return Err(ApiError::not_found("feed"));
    }
    get(call, at).await
}
