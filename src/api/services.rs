//! What handlers reach beside the store.

use super::filtering::Filtering;
use crate::{
    auth::{SignInHook, SigningKey},
    mail::Mailer,
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
}
