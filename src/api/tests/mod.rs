//! The API whole, without sockets: requests in, answers out, rows and snapshots behind it.

mod accounts;
mod admins;
mod audit;
mod auth;
mod cloud_keys;
mod device_exceptions;
mod devices;
mod directory;
mod domains;
mod golden;
mod harness;
mod locations;
mod oauth;
mod pages;
mod people;
mod policies;
mod policy_filter;
mod recategorize;
mod refusals;
mod reports;
mod requests;
mod roles;
mod settings;
mod statistics;
mod system;
mod tokens;
