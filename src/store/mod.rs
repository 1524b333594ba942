//! The rows, in sled.
