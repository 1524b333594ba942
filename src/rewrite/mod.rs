//! How an answer looks that is not the upstream's: blocked names and names of our own.
//!
//! A [`Shape`] says what goes into the reply without writing it; `answer` writes. The rules are
//! section 4 of the decision order.

mod block;
pub mod dns64;

pub use block::{BlockPage, Shape, block_ede, block_shape, block_text, own_shape};
