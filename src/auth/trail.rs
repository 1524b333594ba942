//! Attempts to sign in, in the audit trail.

use super::event::{Outcome, SignInEvent, SignInHook, Way};
use crate::{
    model::Account,
    store::{Actor, Batch, Incident, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Attempts that wait to be written; more are counted and not written.
const WAITING_MAX: usize = 256;
/// Time between two of them: who guesses passwords does not fill the trail with a thousand a second.
const PAUSE: Duration = Duration::from_millis(50);

/// The hook that takes attempts, and the task that writes them until `cancel`.
pub fn sign_in_trail(store: Store, cancel: CancellationToken) -> (SignInHook, impl Future<Output = ()> + Send) {
    let (sender, receiver) = mpsc::channel::<SignInEvent>(WAITING_MAX);
    let hook: SignInHook = Arc::new(move |event: &SignInEvent| {
        // A renewed access token is no sign-in, unless it is refused.
        let routine = event.outcome == Outcome::Admitted && event.way == Way::Refresh;
        if !routine && sender.try_send(event.clone()).is_err() {
            metrics::counter!("weir_sign_ins_untold_total").increment(1);
        }
    });
    (hook, write(store, receiver, cancel))
}

async fn write(store: Store, mut events: mpsc::Receiver<SignInEvent>, cancel: CancellationToken) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = cancel.cancelled() => return,
        };
        let Some(event) = event else { return };
        let operation = if event.outcome == Outcome::Admitted { "sign_in" } else { "sign_in_failed" };
        let incident = Incident {
            account: event.account.unwrap_or(Account::System),
            subject: event.user_name.chars().take(250).collect(),
            detail: format!("{}: {}", event.way.label(), event.outcome.label()),
        };
        let actor = match (event.outcome, event.admin) {
            (Outcome::Admitted, Some(admin)) => Actor::Admin(admin),
            // Whoever fails is not known to be who they say.
            _ => Actor::Anonymous,
        };
        let batch = Batch::new(actor, operation, event.at).from(event.address).note(incident);
        if let Err(error) = store.commit(batch).await {
            tracing::warn!(%error, "an attempt to sign in is missing from the audit trail");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AdminId, Timestamp},
        store::{Options, Revision},
    };

    #[tokio::test]
    async fn attempts_reach_the_trail_and_renewals_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options::default()).expect("opens");
        let cancel = CancellationToken::new();
        let (hook, task) = sign_in_trail(store.clone(), cancel.clone());
        let event = SignInEvent {
            at: Timestamp(5),
            way: Way::Page,
            user_name: "a@weir.test".into(),
            admin: Some(AdminId(1)),
            account: Some(Account::System),
            address: [192, 0, 2, 1].into(),
            outcome: Outcome::Wrong,
        };
        hook(&event);
        hook(&SignInEvent { outcome: Outcome::Admitted, way: Way::Refresh, ..event.clone() });
        hook(&SignInEvent { outcome: Outcome::Admitted, ..event });
        let task = tokio::spawn(task);
        while store.revision() < Revision(2) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
        task.await.expect("ends");
        let told: Vec<_> = store.changes_since(Revision(0)).map(|entry| entry.expect("reads")).collect();
        assert_eq!(told.len(), 2);
        assert_eq!((&*told[0].operation, told[0].actor), ("sign_in_failed", Actor::Anonymous));
        assert_eq!(told[0].incident.as_ref().map(|incident| incident.detail.as_str()), Some("page: wrong"));
        assert_eq!((&*told[1].operation, told[1].actor), ("sign_in", Actor::Admin(AdminId(1))));
        assert_eq!(told[1].address, Some([192, 0, 2, 1].into()));
    }
}
