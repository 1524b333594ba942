//! Who asks: evidence about a query becomes a [`Client`], or the certainty that there is none.
//!
//! The order of evidence is fixed (client identification, section 6a). What is known so far is the
//! source address; each stronger kind of evidence, once presented, never falls back to a weaker one.
//!
//! Read `origin`, `client`, then `prefixes`.

mod client;
mod origin;
mod prefixes;

pub use client::{Client, Evidence, Identified, Supposed};
pub use origin::{Origin, Transport};
pub use prefixes::{PrefixTable, unmap};
