//! Taking away all that an account owns, in batches of a bounded size.

use crate::{
    api::call::Call,
    model::*,
    store::{Batch, Record, Revision},
};

/// Rows deleted with one batch.
pub const ROWS_AT_ONCE: usize = 10_000;

/// Runs one macro for every table whose rows an MSP or customer can own: what filters first, who may
/// sign in last. Activities of administrators belong to the system and go with their administrator.
macro_rules! for_owned_tables {
    ($do:ident!($($argument:tt)*)) => {
        $do! { ($($argument)*)
            Address Device InternalUser Group Location ForwardZone LocalRecord PolicyFilter ListSource ListEntry Policy CloudKeyUse CloudKey DeviceExceptionRule
            DeviceException DeviceDefaults Recategorisation BlockPage SupportContact Branding ScheduledReportRun
            ScheduledReport Report PowerBi MailServer Session SecondFactor PasswordReset SignatureKeys ApiToken Admin CustomRole
        }
    };
}

/// Rows an account owns, itself not counted.
pub fn owned_count<S>(call: &Call<S>, account: Account) -> usize {
    macro_rules! count {
        (($store:expr) $($table:ident)*) => { 0 $(+ $store.count_rows::<$table>(account))* };
    }
    for_owned_tables!(count!(call.store()))
}

/// Adds the deletion of what an account owns, `ROWS_AT_ONCE` rows at most; true if that is all.
pub fn delete_owned<S>(call: &Call<S>, account: Account, batch: Batch) -> (Batch, bool) {
    let limit = batch.len() + ROWS_AT_ONCE;
    let mut batch = delete_activities(call, account, batch, limit);
    macro_rules! delete {
        (() $($table:ident)*) => { $(batch = delete_rows::<$table, S>(call, account, batch, limit);)* };
    }
    for_owned_tables!(delete!());
    let all = batch.len() < limit;
    (batch, all)
}

/// Lets the batch conflict if anything was made under the account after `since`.
pub fn expect_nothing_new(mut batch: Batch, account: Account, since: Revision) -> Batch {
    macro_rules! expect {
        (() $($table:ident)*) => { $(batch = batch.expect_unchanged::<$table>(account, since);)* };
    }
    for_owned_tables!(expect!());
    batch
}

fn delete_rows<R: Record, S>(call: &Call<S>, account: Account, mut batch: Batch, limit: usize) -> Batch {
    let room = limit.saturating_sub(batch.len());
    for row in call.view.of::<R>(account).take(room) {
        batch = batch.delete(&row);
    }
    batch
}

fn delete_activities<S>(call: &Call<S>, account: Account, mut batch: Batch, limit: usize) -> Batch {
    let room = limit.saturating_sub(batch.len());
    for admin in call.view.of::<Admin>(account).take(room) {
        if let Some(activity) = call.store().get::<AdminActivity>(Account::System, admin.value.id.0) {
            batch = batch.delete(&activity);
        }
    }
    batch
}
