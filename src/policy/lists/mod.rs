//! Subscribed lists, compiled for lookup.
//!
//! A list comes in as [`Rule`](crate::model::Rule)s and becomes a [`CompiledList`]: hashes of its names in order, each with the
//! number of what the list says of it, and beside them what few rules have (conditions, answers, patterns,
//! addresses). It can be written to a file and read back without parsing the list again. All lists of the
//! server together become one [`ListTable`]: a name that many lists have is in it once, with the number of a set
//! of lists. A policy is a [`ListSelection`]: which of the lists count for it. So ten thousand policies that choose
//! among fifty lists cost the union of the lists, and ten thousand small sets.
//!
//! Names are found by hash: about one cache line a label, no allocation, no lock. Patterns and regular expressions
//! are tried only where a literal they cannot do without is in the name; one automaton finds the literals of all.
//!
//! Read `rules` (what a list says, in few octets), `runs`, `builder`, `compiled` and `file`; `wildcard`, `required` and
//! `matcher` (rules that are no names); then `union`, `patterns`, `build`, `selection`, `conditions`, `search`, `table`
//! and `describe`; `single` asks one rule about one name.

mod build;
mod builder;
mod compiled;
mod conditions;
mod describe;
mod file;
mod matcher;
mod patterns;
mod required;
mod rules;
mod runs;
mod search;
mod selection;
mod single;
mod table;
mod union;
mod wildcard;

#[cfg(test)]
mod tests;

pub use builder::{Counted, ListBuilder};
pub use compiled::CompiledList;
pub use conditions::Who;
pub use file::ListFileError;
pub use search::Sought;
pub use selection::ListSelection;
pub use single::is_about;
pub use table::{LISTS_MAX, ListEffect, ListHit, ListProfile, ListTable};

pub(super) use matcher::compile_regex;
pub(super) use search::text;
