//! How an answer looks that is not the upstream's: blocked names, names of our own, and answers without some of their
//! records.
//!
//! A [`Shape`] says what goes into the reply without writing it; `answer` writes. The rules are
//! section 4 of the decision order. [`remove`] makes an answer's octets anew without what a policy does not let
//! through.

mod block;
pub mod dns64;
mod remove;

pub use block::{BlockPage, Shape, block_ede, block_shape, block_text, own_shape};
pub use remove::{Remainder, remove};
