//! Work on a timer.
//!
//! Each job is one async function that runs until its token is cancelled; `daemon` starts them as
//! tracked tasks and waits for them at shutdown. A job that fails says so in the log and tries
//! again at its next turn.
//!
//! - `ended`: list entries that have ended, deleted;
//! - `export`: every hour the whole store as a file, so that a damaged database costs an hour;
//! - `feeds`: lists of names by category fetched, and the index made of them;
//! - `image`: now and then all rows as one file, so that a start after a crash takes seconds;
//! - `lists`: subscribed lists fetched, read and put into one table;
//! - `reports`: reports that are due, made and mailed;
//! - `safe_search`: once a day, whether the filtered hosts of search engines are still there, and whether Google has new names;
//! - `sightings`: what was asked for before, kept for the next start.

mod ended;
mod export;
mod feeds;
mod image;
mod lists;
mod reports;
mod safe_search;
mod sightings;

pub use ended::delete_ended;
pub use export::hourly_export;
pub use feeds::{CategoryFeed, FeedHeld, FeedIndex, FeedOrigin, FeedParts, FeedReport, FeedState, FeedStatus, Feeds};
pub use image::keep_image;
pub use lists::{ListOptions, ListParts, ListStatus, Lists, RefreshError, SearchError, Shelf, list_secret_context};
pub use reports::{ReportParts, mail_reports};
pub use safe_search::{GoogleDomains, SafeSearch, SafeSearchParts};
pub use sightings::keep_sightings;
