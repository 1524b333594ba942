//! The nouns: typed ids, domain names, accounts, policies, lists, locations, people and devices,
//! and the settings, pages and reports around them.
//!
//! Values only: no I/O, no clock, no configuration. Every other room imports this one and this one
//! imports none. Read `ids`, `name`, `category`, then `account`, `role`, `session`, `policy`, `list`,
//! `location`, `directory`, `rule`, `source`,
//! `filter`, `filtering`, `branding`, `reporting`, `settings`.

mod account;
mod branding;
mod category;
mod directory;
mod filter;
mod filtering;
mod ids;
mod list;
mod location;
mod name;
mod policy;
mod reporting;
mod role;
mod rule;
mod session;
mod settings;
mod source;
mod time;

pub use account::*;
pub use branding::*;
pub use category::*;
pub use directory::*;
pub use filter::*;
pub use filtering::*;
pub use ids::*;
pub use list::*;
pub use location::*;
pub use name::*;
pub use policy::*;
pub use reporting::*;
pub use role::*;
pub use rule::*;
pub use session::*;
pub use settings::*;
pub use source::*;
pub use time::*;
