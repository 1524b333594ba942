//! Who signs in.
