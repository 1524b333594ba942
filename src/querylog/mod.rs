//! The record of queries.
