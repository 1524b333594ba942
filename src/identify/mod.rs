//! Who asks.

mod origin;

pub use origin::*;
