//! The operations, group by group. Each file begins with its rows; what they share stands below.
//!
//! The order is the one of the documentation.

mod addresses;
mod admins;
mod api_tokens;
mod audit;
mod auth;
mod batch;
mod block_page;
mod categories;
mod cloud_keys;
mod customers;
mod device_configuration;
mod device_exceptions;
mod device_rules;
mod device_shown;
mod devices;
mod directory;
mod dns_settings;
mod domains;
mod explain;
mod feeds;
mod forward_zones;
mod history;
mod import;
mod in_force;
mod interface;
mod known;
mod license;
mod list_fields;
mod lists;
mod local_records;
mod location_shown;
mod location_update;
mod locations;
mod log_files;
mod logos;
mod mail_server;
mod msps;
mod oauth;
mod oauth_authorize;
mod passwords;
mod policies;
mod policy_filter;
mod powerbi;
mod recategorize;
mod removal;
mod reports;
mod roles;
mod scheduled_reports;
mod sessions;
mod singletons;
mod ssl_certificates;
mod statistics;
mod support;
mod try_out;
mod what_if;

use super::operation::Operation;

/// The name of the operation that runs others.
pub(super) const BATCH: &str = "batch_request";

/// Every operation.
pub fn operations() -> Vec<Operation> {
    [
        oauth::operations,
        auth::operations,
        passwords::operations,
        sessions::operations,
        api_tokens::operations,
        admins::operations,
        batch::operations,
        ssl_certificates::operations,
        msps::operations,
        customers::operations,
        policies::operations,
        policy_filter::operations,
        local_records::operations,
        forward_zones::operations,
        what_if::operations,
        categories::operations,
        known::operations,
        domains::operations,
        lists::operations,
        feeds::operations,
        locations::operations,
        location_update::operations,
        addresses::operations,
        directory::operations,
        device_configuration::operations,
        devices::operations,
        device_exceptions::operations,
        device_rules::operations,
        cloud_keys::operations,
        recategorize::operations,
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
        audit::operations,
        roles::operations,
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
