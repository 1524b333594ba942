//! What a handler holds: the rows it may see, and the way to change them.

use super::{
    error::ApiError,
    filtering::Filtering,
    head::Head,
    scope::{Entered, Scope, View},
    serve::{Api, BASE, Within},
    services::Services,
    spool::Received,
};
use crate::{
    auth::{Asking, Caller, Ways},
    model::{Permissions, Role, Timestamp},
    policy::Presets,
    store::{Actor, Batch, CommitError, Record, Revision, Row, Store},
};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Map, Value};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// How often a change is decided anew because somebody else was faster.
const ATTEMPTS_MAX: u32 = 8;
/// How long a call waits for its change to reach the queries.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);

/// What all calls share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) services: Services,
    pub(super) ways: Ways,
    pub(super) names: Vec<String>,
    pub(super) presets: Presets,
    /// What the built-in roles allow.
    pub(super) built_in: [(Role, Permissions); 4],
    pub(super) copy_settings: bool,
    pub(super) address_turn: tokio::sync::Mutex<()>,
    pub(super) retry_turn: tokio::sync::Mutex<()>,
    pub(super) effect_turn: tokio::sync::Mutex<()>,
}

/// A request that was let in, before its operation looked at it.
#[derive(Clone)]
pub struct Arrival {
    pub(super) api: Api,
    pub(super) shared: Arc<Shared>,
    pub(super) operation: &'static str,
    pub(super) caller: Option<Caller>,
    pub(super) head: Head,
    pub(super) address: IpAddr,
    pub(super) now: Timestamp,
    pub(super) if_match: Option<Revision>,
    /// The file it brought, if the operation takes one.
    pub(super) received: Option<Arc<Received>>,
}

/// A call of an operation within a scope.
pub struct Call<S> {
    /// What the path or query named.
    pub scope: S,
    /// The rows that are named.
    pub view: View,
    /// Everything the caller reaches.
    pub reach: View,
    /// Where the request came from.
    pub address: IpAddr,
    /// When it came.
    pub now: Timestamp,
    actor: Actor,
    arrival: Arrival,
}

impl<S: Scope> Call<S> {
    /// Enters the scope that the fields name.
    pub(super) fn enter(arrival: Arrival, fields: &Value) -> Result<Self, ApiError> {
        let Entered { scope, view, reach, actor } = S::enter(&arrival.shared.store, arrival.caller.as_ref(), fields)?;
        Ok(Call { scope, view, reach, address: arrival.address, now: arrival.now, actor, arrival })
    }
}

impl<S> Call<S> {
    /// The query path.
    pub fn filtering(&self) -> &dyn Filtering {
        &*self.arrival.shared.services.filtering
    }

    /// The parts of the daemon beside the store.
    pub fn services(&self) -> &Services {
        &self.arrival.shared.services
    }

    /// Who calls; an operation for anyone has no caller.
    pub fn caller(&self) -> Result<&Caller, ApiError> {
        self.arrival
            .caller
            .as_ref()
            .ok_or_else(|| ApiError::internal("an operation without credentials asks who calls"))
    }

    /// What a built-in role allows.
    pub fn built_in(&self, role: Role) -> Permissions {
        let known = self.arrival.shared.built_in.iter().find(|(known, _)| *known == role);
        known.map_or(Permissions::NONE, |(_, permissions)| *permissions)
    }

    /// What of its role the caller may do.
    pub fn held(&self) -> Permissions {
        self.arrival.caller.as_ref().map_or(Permissions::NONE, |caller| caller.permissions)
    }

    /// Fails with 403 where somebody would be given what the caller does not have.
    pub fn check_grant(&self, granted: Permissions) -> Result<(), ApiError> {
        match self.held().lacks(granted) {
            None => Ok(()),
            Some(permission) => {
                Err(ApiError::forbidden(format!("You cannot give {permission}, which your role lacks")))
            }
        }
    }

    /// What the request says of itself beside its fields.
    pub fn head(&self) -> &Head {
        &self.arrival.head
    }

    /// The file that came with the request, if the operation takes one and it came as a file.
    pub fn received(&self) -> Option<&Received> {
        self.arrival.received.as_deref()
    }

    /// The ways in.
    pub fn ways(&self) -> &Ways {
        &self.arrival.shared.ways
    }

    /// Who asks for tokens here, with the server's address in `issuer`.
    pub fn asking<'a>(&self, issuer: &'a str) -> Asking<'a> {
        Asking { issuer, address: self.address, now: self.now }
    }

    /// Host names that are this server's for certain.
    pub fn server_names(&self) -> &[String] {
        &self.arrival.shared.names
    }

    /// The presets of the levels.
    pub fn presets(&self) -> &Presets {
        &self.arrival.shared.presets
    }

    /// Whether new accounts copy the settings above them instead of inheriting them live.
    pub fn copies_settings(&self) -> bool {
        self.arrival.shared.copy_settings
    }

    /// The revision of all rows read from now on, at least.
    pub fn revision(&self) -> Revision {
        self.arrival.shared.store.revision()
    }

    /// An id for a new row.
    pub fn next_id<R: Record>(&self) -> u32 {
        self.arrival.shared.store.next_id::<R>()
    }

    /// The store itself, to seal and unseal secrets. Rows are read through the views.
    pub fn store(&self) -> &Store {
        &self.arrival.shared.store
    }

    /// Fails with 412 if the request has an `If-Match` that is not this row's revision.
    pub fn check_match<R>(&self, row: &Row<R>) -> Result<(), ApiError> {
        match self.arrival.if_match {
            Some(expected) if expected != row.revision => Err(ApiError::precondition_failed()),
            _ => Ok(()),
        }
    }

    /// Changes rows and returns when queries see it.
    ///
    /// `decide` reads rows, adds changes to the batch and says what to answer. Where somebody else
    /// changes what it read before the batch is committed, it decides again, unless the request has
    /// an `If-Match`; so it must read anew each time and have no effects of its own. An empty
    /// batch is not committed.
    pub async fn write<T>(&self, decide: impl FnMut(Batch) -> Result<(Batch, T), ApiError>) -> Result<T, ApiError> {
        let (revision, answer) = self.write_part(decide).await?;
        self.published(revision).await?;
        Ok(answer)
    }

    /// The same for one of several batches: returns when it is durable, with its revision. The
    /// handler waits with `published` after the last one.
    pub async fn write_part<T>(
        &self,
        mut decide: impl FnMut(Batch) -> Result<(Batch, T), ApiError>,
    ) -> Result<(Revision, T), ApiError> {
        let store = &self.arrival.shared.store;
        let mut attempt = 1;
        let mut _turn = None;
        loop {
            let batch = Batch::new(self.actor, self.arrival.operation, self.arrival.now).from(self.address);
            let (batch, answer) = decide(batch)?;
            if batch.is_empty() {
                return Ok((store.revision(), answer));
            }
            match store.commit(batch).await {
                Ok(revision) => return Ok((revision, answer)),
                Err(CommitError::Conflict { .. }) if self.arrival.if_match.is_some() => {
                    return Err(ApiError::precondition_failed());
                }
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    // Whoever lost once queues: otherwise twenty callers of one object would need twenty rounds.
                    if _turn.is_none() {
                        _turn = Some(self.arrival.shared.retry_turn.lock().await);
                    }
                    // What was decided by an old snapshot is decided by the next one.
                    self.published(store.revision()).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Held while address ranges are changed, so that callers queue instead of conflicting.
    pub async fn address_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.arrival.shared.address_turn.lock().await
    }

    /// Held while a change is committed whose effect is outside the snapshot (certificate, upstreams), so that
    /// effects come in the order of their changes.
    pub async fn effect_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.arrival.shared.effect_turn.lock().await
    }

    /// The address under which a caller finds `path` of this API.
    pub fn url(&self, path: &str) -> String {
        let origin = &self.arrival.head.origin;
        // A caller that told no host finds it below the host it knows.
        if origin.authority.is_empty() { format!("/{BASE}{path}") } else { format!("{}/{BASE}{path}", origin.url()) }
    }

    /// Runs another operation with the rights of this call's caller, as one request of a batch.
    pub(super) async fn run_within(
        &self,
        method: Method,
        target: &str,
        parameters: Map<String, Value>,
    ) -> Response<Bytes> {
        let Arrival { api, caller, head, address, now, .. } = &self.arrival;
        let within = Within { caller: *caller, address: *address, head: head.bare(), now: *now };
        api.answer_within(within, method, target, parameters).await
    }

    /// Returns when queries see all changes up to `revision`.
    pub async fn published(&self, revision: Revision) -> Result<(), ApiError> {
        let wait = self.arrival.shared.services.filtering.published(revision);
        tokio::time::timeout(PUBLISH_PATIENCE, wait).await.map_err(|_| {
            ApiError::unavailable(
                "The change is saved, but queries do not see it yet",
                format!("revision {revision} was not published in time"),
            )
        })
    }
}
