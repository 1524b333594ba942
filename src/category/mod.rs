//! What a name is: the categories of every known domain, in one immutable, mapped table.
//!
//! The catalogue says which 53 categories there are and which lists feed them. `weir category build`
//! reads such lists and writes an index file: a hash table of keyed name fingerprints, each with the
//! number of its category set, about 12 bytes a name. The daemon maps that file, checks it, and looks
//! names up without locks or allocation; a name stands for itself and everything below it. A node
//! without a file uses a starter set that is compiled in.
//!
//! The query path touches `index` only, which is also the only file with `unsafe`; `build` alone reads
//! lists and writes files. In reading order: `catalogue` (the categories), `format` (the octets of the
//! index), `index` (looking names up), `encode` (writing it), `suffix` (names nobody owns), `starter`
//! (the names compiled in), `build` (lists to index), `report` (what `lookup` and `stats` show).

mod build;
mod catalogue;
mod encode;
mod format;
mod index;
mod report;
mod starter;
mod suffix;

pub use build::*;
pub use catalogue::*;
pub use format::FingerprintKey;
pub use index::*;
pub use report::*;
pub use suffix::{is_public_suffix, registrable};
