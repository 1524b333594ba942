//! Answer cache and upstreams.
