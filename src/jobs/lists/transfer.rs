//! Zones that are transferred.

use super::{
    Lists, RefreshError,
    refresh::{Arrived, blocking},
};
use crate::{
    feeds::{Primary, Progress, Transfer, TransferKey, TransferLimits, Validators, refusal, transfer},
    model::{DomainName, ListOrigin, ListSource, ListSourceId},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The port of name servers.
const PORT: u16 = 53;
/// How long a transfer may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the sealed secret of a list's transfer key belongs to.
pub fn list_secret_context(id: ListSourceId) -> Vec<u8> {
    format!("list_source {id} key_secret").into_bytes()
}

/// The key of a transfer: `hmac-sha256:name`, or a name alone, and the secret in base64. The error says which of both is
/// at fault, and why.
pub fn transfer_key(name: &str, secret: &[u8]) -> Result<TransferKey, (&'static str, String)> {
    let (algorithm, name) = name.split_once(':').unwrap_or(("hmac-sha256", name));
    let name = DomainName::from_text(name).map_err(|error| ("key_name", error.to_string()))?;
    let secret = STANDARD.decode(secret).map_err(|_| ("key_secret", "is no base64".to_owned()))?;
    if secret.is_empty() {
        return Err(("key_secret", "is empty".to_owned()));
    }
    let known = "must be a name, after hmac-sha256:, hmac-sha384: or hmac-sha512: where it is not the first of these";
    TransferKey::new(algorithm, &name, secret).map_err(|_| ("key_name", known.to_owned()))
}

impl Lists {
    /// Transfers a zone into a file; `None`: its serial number is what it was.
    pub(super) async fn transfer(
        &self,
        source: &ListSource,
        known: &Validators,
        progress: &Arc<Progress>,
    ) -> Result<Option<Arrived>, RefreshError> {
        let primary = self.primary(source)?;
        let (lists, id) = (self.clone(), source.id);
        // A copy that is of another origin, or damaged, is no ground for an incremental transfer.
        let copy = match known.etag {
            Some(_) => blocking(move || Ok(lists.0.library.zone(id).ok())).await?,
            None => None,
        };
        progress.begin("transferring", 0);
        let limits = TransferLimits {
            octets_max: self.0.options.octets_max,
            records_max: usize::try_from(self.0.options.rules_max).unwrap_or(usize::MAX),
            time: PATIENCE,
        };
        let brought = transfer(&primary, copy.as_ref(), &limits, (self.0.clock)()).await;
        let zone = match brought.map_err(|error| RefreshError::Transfer(error.to_string()))? {
            Transfer::Unchanged => return Ok(None),
            Transfer::Changed(zone) | Transfer::Whole(zone) => zone,
        };
        if copy.is_some_and(|copy| copy == zone) {
            return Ok(None);
        }
        let validators = Validators { etag: Some(zone.serial.to_string()), last_modified: None };
        let (lists, id) = (self.clone(), source.id);
        let path = blocking(move || Ok(lists.0.library.write_zone(id, &zone)?)).await?;
        Ok(Some(Arrived { path, gzipped: false, ours: true, validators }))
    }

    /// Whom to ask, and with which key.
    fn primary(&self, source: &ListSource) -> Result<Primary, RefreshError> {
        let refuse = |reason: &str| RefreshError::Transfer(reason.to_owned());
        let ListOrigin::Transfer { server, zone, key_name, key_secret } = &source.origin else {
            return Err(refuse("the list is no zone"));
        };
        let server = server.parse().ok().or_else(|| Some(SocketAddr::new(server.parse().ok()?, PORT)));
        let server: SocketAddr = server.ok_or_else(|| refuse("the server is no address"))?;
        if let Some(what) = refusal(server.ip(), &self.0.fetcher.options().allow_private) {
            return Err(RefreshError::Transfer(format!("{} is {what}", server.ip())));
        }
        let zone = DomainName::from_text(zone).map_err(|_| refuse("the zone is no name"))?;
        let key = match (key_name, key_secret) {
            (Some(name), Some(sealed)) => {
                let secret = self.0.store.unseal(&list_secret_context(source.id), sealed);
                let secret = secret.map_err(|_| refuse("the key's secret cannot be opened"))?;
                Some(transfer_key(name, &secret).map_err(|(field, problem)| refuse(&format!("{field} {problem}")))?)
            }
            _ => None,
        };
        Ok(Primary { server, zone, key })
    }
}
