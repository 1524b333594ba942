//! Documents from sums: what a mailed report says, as a table and as pages.
//!
//! Read `calendar` (when a report is due and what days it covers), `key` (the reports there are),
//! `document` (their contents, and CSV), `pdf`.

mod calendar;
mod document;
mod key;
mod pdf;

pub use calendar::{covered, is_due};
pub use document::{Document, Section, of_key, overview};
pub use key::ReportKey;
