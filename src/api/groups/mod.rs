//! The operations, group by group. Each file begins with its rows; what they share stands below.
//!
//! The order is the one of the documentation.

mod addresses;
mod categories;
mod customers;
mod domains;
mod explain;
mod history;
mod import;
mod location_shown;
mod location_update;
mod locations;
mod log_files;
mod msps;
mod policies;
mod removal;
mod reports;
mod scheduled_reports;
mod statistics;
mod try_out;

use super::operation::Operation;

/// Every operation.
pub fn operations() -> Vec<Operation> {
    [
        msps::operations,
        customers::operations,
        policies::operations,
        categories::operations,
        domains::operations,
        locations::operations,
        location_update::operations,
        addresses::operations,
        try_out::operations,
        explain::operations,
        history::operations,
        statistics::operations,
        log_files::operations,
        reports::operations,
        scheduled_reports::operations,
    ]
    .into_iter()
    .flat_map(|group| group())
    .collect()
}
