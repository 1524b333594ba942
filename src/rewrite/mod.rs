//! How an answer looks.
