//! The hot path.

mod seam;

pub use seam::*;
