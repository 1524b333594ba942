//! Work on a timer.
//!
//! Each job is one async function that runs until its token is cancelled; `daemon` starts them as
//! tracked tasks and waits for them at shutdown. A job that fails says so in the log and tries
//! again at its next turn.
//!
//! - `ended`: list entries that have ended, deleted;
//! - `export`: every hour the whole store as a file, so that a damaged database costs an hour;
//! - `image`: now and then all rows as one file, so that a start after a crash takes seconds;
//! - `reports`: reports that are due, made and mailed;
//! - `safe_search`: once a day, whether the filtered hosts of search engines are still there;
//! - `sightings`: what was asked for before, kept for the next start.

mod ended;
mod export;
mod image;
mod reports;
mod safe_search;
mod sightings;

pub use ended::delete_ended;
pub use export::hourly_export;
pub use image::keep_image;
pub use reports::{ReportParts, mail_reports};
pub use safe_search::check_safe_search;
pub use sightings::keep_sightings;
