//! What handlers reach beside the store.

use super::{embed::EmbedTokens, filtering::Filtering};
use crate::{
    auth::{LicenceKey, SignInHook, SigningKey},
    certs::CertStore,
    jobs::{Feeds, Lists, SafeSearch},
    mail::Mailer,
    resolve::Resolver,
    stats::Stats,
    telemetry::Metrics,
};
use std::sync::Arc;

/// The parts of the daemon that operations act on. Tests give the API parts of their own.
#[derive(Clone)]
pub struct Services {
    /// The query path.
    pub filtering: Arc<dyn Filtering>,
    /// What `/metrics` shows; without it there is no such page.
    pub metrics: Option<Metrics>,
    /// What hands over mail.
    pub mail: Arc<dyn Mailer>,
    /// What signs access tokens.
    pub signing_key: Arc<SigningKey>,
    /// Is told of every attempt to sign in.
    pub sign_ins: SignInHook,
    /// The API's own certificate; none where it is served without TLS.
    pub certificates: Option<CertStore>,
    /// The resolver, whose upstreams an administrator may choose.
    pub resolver: Resolver,
    /// What licence files are checked with; without it none is taken.
    pub licence_key: Option<LicenceKey>,
    /// Where tokens for embedded reports come from.
    pub embed: EmbedTokens,
    /// Subscribed lists.
    pub lists: Lists,
    /// Category feeds.
    pub feeds: Feeds,
    /// What is known of search engines beyond this program's own table.
    pub safe_search: SafeSearch,
    /// What the query log knows; empty where there is none.
    pub stats: Stats,
}
