//! The management API.
//!
//! One row declares an operation: documentation, method, path, roles, name, handler (`groups`). From
//! the rows come the router, the OpenAPI document and the tests that try every operation with every
//! wrong caller. `serve` does for all rows what is the same for all: size limit, credentials, rate,
//! role, fields, and the envelope of errors. A handler gets a [`Call`], whose view shows only the rows
//! at and below the account that the request names, and whose `write` returns when queries see the
//! change.
//!
//! Read `operation` (what a row is), `permissions` (what of it a custom role may call), `scope` (whose rows),
//! `call` (what a handler holds), `input`, `head`, `reply` and `pages` (what goes in and out), `picture` (uploaded logos), `services`, `embed` (tokens for
//! embedded reports), `body` and
//! `fields`, `replay` (requests sent again), `router`, `serve`, `openapi` and `docs`, `app`, `listener`, then a
//! group.

mod app;
mod body;
mod call;
mod docs;
mod embed;
mod error;
mod examples;
mod fields;
mod filtering;
mod groups;
mod head;
mod input;
mod limit;
mod listener;
mod openapi;
mod operation;
mod pages;
mod permissions;
mod picture;
mod replay;
mod reply;
mod router;
mod scope;
mod serve;
mod services;
mod spool;
#[cfg(test)]
mod tests;

pub use app::app;
pub use call::Call;
pub use embed::{EmbedError, EmbedTokens, Endpoints};
pub use error::ApiError;
pub use filtering::{Explained, Filtering, Resolved};
pub use limit::Rate;
pub use listener::serve;
pub use operation::{Operation, Who};
pub use serve::{Api, BASE, Connection, Options, system_clock};
pub use services::Services;
