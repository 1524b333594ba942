//! Settings of which an account has at most one.

use crate::{
    api::{call::Call, error::ApiError},
    model::*,
    store::{Batch, Record, Row},
};

/// The account's own row, for reading before a change; honours `If-Match`.
pub(super) fn own<S, R: Record>(call: &Call<S>) -> Result<Option<Row<R>>, ApiError> {
    let row = call.store().get::<R>(call.view.account(), 1);
    if let Some(row) = &row {
        call.check_match(row)?;
    }
    Ok(row)
}

/// Puts `new` in the place of the account's row, or makes it; conflicts if the account goes meanwhile.
pub(super) fn put<S, R: Record>(
    call: &Call<S>,
    batch: Batch,
    old: Option<&Row<R>>,
    new: &R,
) -> Result<Batch, ApiError> {
    match old {
        Some(old) if old.value == *new => Ok(batch),
        Some(old) => Ok(batch.update(old, new)),
        None => Ok(expect_owner(call, batch, new.owner())?.create(new)),
    }
}

fn expect_owner<S>(call: &Call<S>, batch: Batch, owner: Account) -> Result<Batch, ApiError> {
    Ok(match owner {
        Account::System => batch,
        Account::Msp(id) => batch.expect(&call.reach.msp(id)?),
        Account::Customer(id) => batch.expect(&call.reach.customer(id)?),
    })
}

/// Takes the account's own row away, so that what stands above it holds again.
pub(super) async fn reset<S, R: Record>(call: &Call<S>) -> Result<(), ApiError> {
    call.write(|batch| {
        let batch = match own::<S, R>(call)? {
            Some(row) => batch.delete(&row),
            None => batch,
        };
        Ok((batch, ()))
    })
    .await
}
