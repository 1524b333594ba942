//! The API whole, without sockets: requests in, answers out, rows and snapshots behind it.

mod accounts;
mod domains;
mod golden;
mod harness;
mod locations;
mod policies;
mod refusals;
mod reports;
mod requests;
mod statistics;
