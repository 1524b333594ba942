//! DNS messages in place.
