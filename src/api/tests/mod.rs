//! The API whole, without sockets: requests in, answers out, rows and snapshots behind it.

mod accounts;
mod admins;
mod audit;
mod auth;
mod domains;
mod golden;
mod harness;
mod locations;
mod oauth;
mod pages;
mod policies;
mod refusals;
mod requests;
mod roles;
mod tokens;
