//! Stories told to the real daemon from outside: its own process, its own folder, real sockets.
//!
//! `daemon` starts and kills it, `client` calls the API with signed requests, `dns` asks and serves
//! names. Each story begins with a fresh daemon on ports of the system's choice.

#![expect(clippy::unwrap_used, reason = "a story ends where something is not as told")]

mod accounts;
mod admins;
mod answers;
mod branding;
mod bypass;
mod client;
mod daemon;
mod devices;
mod dns;
mod domains;
mod feeds;
mod filtering;
mod kill;
mod lists;
mod local;
mod locations;
mod mail;
mod node;
mod operation;
mod people;
mod policies;
mod recategorize;
mod relay;
mod resolving;
mod safe_search;
mod settings;
mod signing_in;
mod start;
mod statistics;
mod web;
mod wire;
mod zones;
