//! What a name is.
