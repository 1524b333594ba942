//! Name servers that tell of a change (NOTIFY, RFC 1996).
//!
//! A notice counts where it comes from the address that a list's zone is transferred from, and names that zone. What it says beside
//! that is not believed: all it does is that the list is looked at, as often as once in [`PAUSE`]. So a forged one costs a
//! question for the serial number.

use super::Lists;
use crate::{
    feeds::notice,
    model::{DomainName, ListOrigin, ListSource, ListSourceId},
};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// From one look that a notice caused to the next.
const PAUSE: Duration = Duration::from_secs(10);

/// Who may tell of which zones.
#[derive(Default)]
pub(super) struct Zones {
    /// The list that is transferred, by server and zone.
    lists: HashMap<(IpAddr, DomainName), Vec<ListSourceId>>,
    /// When a list was last looked at because of a notice, and whether another came since.
    heard: HashMap<ListSourceId, (Instant, bool)>,
}

impl Lists {
    /// Hears a packet that may be a notice; gives the octets of its header and question where it is one that counts.
    pub fn notified(&self, from: IpAddr, packet: &[u8]) -> Option<usize> {
        if self.0.zones.lock().lists.is_empty() {
            return None;
        }
        let (zone, octets) = notice(packet)?;
        let now = Instant::now();
        let mut zones = self.0.zones.lock();
        let lists = zones.lists.get(&(from.to_canonical(), zone))?.clone();
        for list in lists {
            match zones.heard.get_mut(&list) {
                // Another change may have come after the look: there is one more when the pause is over.
                Some((last, again)) if now.duration_since(*last) < PAUSE => *again = true,
                _ => {
                    zones.heard.insert(list, (now, false));
                    tracing::info!(list = list.0, %from, "a name server tells that a zone has changed");
                    self.refresh(list, false);
                }
            }
        }
        Some(octets)
    }

    /// Looks at what notices came too soon for.
    pub(super) fn catch_up(&self) {
        let now = Instant::now();
        for (list, (last, again)) in &mut self.0.zones.lock().heard {
            if *again && now.duration_since(*last) >= PAUSE {
                (*last, *again) = (now, false);
                self.refresh(*list, false);
            }
        }
    }

    /// Takes over who may tell of which zones.
    pub(super) fn follow_zones(&self, sources: &HashMap<ListSourceId, ListSource>) {
        let mut lists: HashMap<_, Vec<ListSourceId>> = HashMap::new();
        for source in sources.values().filter(|source| source.enabled) {
            let ListOrigin::Transfer { server, zone, .. } = &source.origin else { continue };
            let address = server.parse::<SocketAddr>().map(|server| server.ip()).or_else(|_| server.parse::<IpAddr>());
            if let (Ok(address), Ok(zone)) = (address, DomainName::from_text(zone)) {
                lists.entry((address.to_canonical(), zone)).or_default().push(source.id);
            }
        }
        let mut zones = self.0.zones.lock();
        zones.heard.retain(|list, _| sources.contains_key(list));
        zones.lists = lists;
    }
}
