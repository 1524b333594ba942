//! The nouns: typed ids, domain names, accounts, policies, lists, locations, people and devices.
//!
//! Values only: no I/O, no clock, no configuration. Every other room imports this one and this one
//! imports none. Read `ids`, `name`, `category`, then `account`, `policy`, `list`, `location`,
//! `directory`.

mod account;
mod category;
mod directory;
mod ids;
mod list;
mod location;
mod name;
mod policy;
mod time;

pub use account::*;
pub use category::*;
pub use directory::*;
pub use ids::*;
pub use list::*;
pub use location::*;
pub use name::*;
pub use policy::*;
pub use time::*;
