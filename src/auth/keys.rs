//! Keys and tokens: making them, and opening the sealed ones.

use super::{
    oauth1::ClientKeys,
    secret::{self, SecretError, random_hex},
};
use crate::{
    model::{Account, AdminId, ApiToken, CredentialId, SignatureKeys, Timestamp, TokenScope},
    store::{Store, UnsealError},
};

/// Where a sealed secret belongs, so that one cannot be put in another's place.
fn context(id: CredentialId, field: &str) -> Vec<u8> {
    format!("signature_keys/{id}/{field}").into_bytes()
}

/// New signature keys of an administrator: the row to store, and the values to show once.
pub fn make(
    store: &Store,
    admin: AdminId,
    account: Account,
    now: Timestamp,
) -> Result<(SignatureKeys, ClientKeys), SecretError> {
    let id = CredentialId(store.next_id::<SignatureKeys>());
    let keys = ClientKeys {
        consumer_key: random_hex(41)?,
        consumer_secret: random_hex(32)?,
        access_token: random_hex(41)?,
        access_token_secret: random_hex(32)?,
    };
    let row = SignatureKeys {
        id,
        admin,
        account,
        consumer_key: keys.consumer_key.clone(),
        consumer_secret: store.seal(&context(id, "consumer_secret"), keys.consumer_secret.as_bytes()),
        access_token: keys.access_token.clone(),
        access_token_secret: store.seal(&context(id, "access_token_secret"), keys.access_token_secret.as_bytes()),
        created: now,
    };
    Ok((row, keys))
}

/// The values of stored keys.
pub fn open(store: &Store, row: &SignatureKeys) -> Result<ClientKeys, UnsealError> {
    let open = |field: &str, sealed| {
        let plain = store.unseal(&context(row.id, field), sealed)?;
        Ok(String::from_utf8_lossy(&plain).into_owned())
    };
    Ok(ClientKeys {
        consumer_key: row.consumer_key.clone(),
        consumer_secret: open("consumer_secret", &row.consumer_secret)?,
        access_token: row.access_token.clone(),
        access_token_secret: open("access_token_secret", &row.access_token_secret)?,
    })
}

/// A new bearer token of an administrator and its account: the row to store, and the token itself.
pub fn make_token(
    store: &Store,
    (admin, account): (AdminId, Account),
    name: &str,
    scope: TokenScope,
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<(ApiToken, String), SecretError> {
    let token = random_hex(64)?;
    let row = ApiToken {
        id: CredentialId(store.next_id::<ApiToken>()),
        admin,
        account,
        name: name.to_owned(),
        scope,
        digest: secret::digest(&token),
        created: now,
        expires,
    };
    Ok((row, token))
}
