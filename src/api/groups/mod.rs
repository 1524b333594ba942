//! The operations, group by group. Each file begins with its rows; what they share stands below.
//!
//! The order is the one of the documentation.

mod addresses;
mod batch;
mod block_page;
mod categories;
mod customers;
mod dns_settings;
mod domains;
mod explain;
mod import;
mod interface;
mod license;
mod location_shown;
mod location_update;
mod locations;
mod logos;
mod mail_server;
mod msps;
mod policies;
mod powerbi;
mod removal;
mod singletons;
mod ssl_certificates;
mod support;
mod try_out;

use super::operation::Operation;

/// The name of the operation that runs others.
pub(super) const BATCH: &str = "batch_request";

/// Every operation.
pub fn operations() -> Vec<Operation> {
    [
        batch::operations,
        ssl_certificates::operations,
        msps::operations,
        customers::operations,
        policies::operations,
        categories::operations,
        domains::operations,
        locations::operations,
        location_update::operations,
        addresses::operations,
        block_page::operations,
        support::operations,
        mail_server::operations,
        dns_settings::operations,
        license::operations,
        interface::operations,
        logos::operations,
        try_out::operations,
        powerbi::operations,
        explain::operations,
    ]
    .into_iter()
    .flat_map(|group| group())
    .collect()
}
