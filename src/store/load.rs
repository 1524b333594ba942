//! From the disk to the view, at open.

use super::changelog;
use super::disk::{Disk, DiskError};
use super::image::Image;
use super::keys::{self, IdKey, RowKey};
use super::record::Revision;
use super::stage::{Counters, replay};
use super::tables::AnyRow;
use super::view::{Fingerprints, Pending, UniqueKey, View};
use std::path::Path;
use std::sync::Arc;

/// Rows with what the view needs to know of them.
#[derive(Default)]
struct Rows {
    rows: Vec<(RowKey, Arc<[u8]>)>,
    uniques: Vec<(UniqueKey, IdKey)>,
    /// The highest id of each table.
    ids: Vec<(usize, u32)>,
}

impl Rows {
    /// Takes a row, checking that it can be read.
    fn take(&mut self, key: RowKey, octets: &[u8], fingerprints: &Fingerprints) -> Result<(), DiskError> {
        let unreadable = |what: &dyn std::fmt::Display| DiskError::Unreadable(format!("row {key:?}: {what}"));
        let table = key.table().ok_or_else(|| unreadable(&"an unknown table"))?;
        let row = AnyRow::decode(table, octets).map_err(|e| unreadable(&e))?;
        for (unique, value) in row.value.unique() {
            self.uniques.push((fingerprints.of(unique, &value), key.id_key()));
        }
        let table = table as usize;
        match self.ids.iter_mut().find(|(number, _)| *number == table) {
            Some((_, highest)) => *highest = key.id().max(*highest),
            None => self.ids.push((table, key.id())),
        }
        self.rows.push((key, Arc::from(octets)));
        Ok(())
    }

    /// Rows of a later part follow.
    fn append(&mut self, mut later: Rows) {
        self.rows.append(&mut later.rows);
        self.uniques.append(&mut later.uniques);
        self.ids.append(&mut later.ids);
    }

    fn into_view(self, revision: Revision, counters: &mut Counters) -> View {
        for (table, highest) in self.ids {
            counters[table] = counters[table].max(highest.saturating_add(1));
        }
        let mut view = View::default();
        view.load(revision, self.rows, self.uniques);
        view
    }
}

/// What is known after reading everything.
pub(super) struct Loaded {
    pub(super) view: View,
    /// The lowest id never given out, by table number.
    pub(super) counters: Counters,
    /// The revision of the image; 0 if there is no good one.
    pub(super) imaged: Revision,
}

/// Reads every row of the last revision.
pub(super) fn load(disk: &Disk, dir: &Path, fingerprints: &Fingerprints) -> Result<Loaded, DiskError> {
    let mut counters = disk.counters()?;
    let revision = disk.revision()?;
    if let Some((view, imaged)) = from_image(disk, dir, revision, fingerprints, &mut counters)? {
        return Ok(Loaded { view, counters, imaged });
    }
    let mut rows = Rows::default();
    let mut pieces = disk.scan(keys::ROWS).peekable();
    let mut octets = Vec::new();
    while let Some(item) = pieces.next() {
        let (key, first) = item?;
        let Some((place, 0)) = RowKey::from_octets(&key) else {
            return Err(DiskError::Unreadable(format!("a row has the key {key:02x?}")));
        };
        octets.clear();
        octets.extend_from_slice(&first);
        let follows = |next: &Result<(sled::IVec, sled::IVec), DiskError>| {
            let next = next.as_ref().ok().and_then(|(key, _)| RowKey::from_octets(key));
            next.is_some_and(|(next, number)| next == place && number > 0)
        };
        while let Some(Ok((_, piece))) = pieces.next_if(follows) {
            octets.extend_from_slice(&piece);
        }
        rows.take(place, &octets, fingerprints)?;
    }
    let view = rows.into_view(revision, &mut counters);
    Ok(Loaded { view, counters, imaged: Revision(0) })
}

/// The view from the image and the changes since, if there is a good image and the log reaches
/// back to it.
fn from_image(
    disk: &Disk,
    dir: &Path,
    revision: Revision,
    fingerprints: &Fingerprints,
    counters: &mut Counters,
) -> Result<Option<(View, Revision)>, DiskError> {
    let Some(image) = Image::read(dir, disk.identity()?) else { return Ok(None) };
    if image.revision > revision {
        tracing::error!(image = %image.revision, database = %revision, "the database has lost changes it had");
        return Ok(None);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(parts) = image.parts(threads) else { return Ok(None) };
    let read: Vec<Result<Rows, DiskError>> = std::thread::scope(|scope| {
        let readers: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(move || {
                    let mut rows = Rows::default();
                    rows.rows.reserve_exact(part.len());
                    part.into_iter().try_for_each(|(key, octets)| rows.take(key, octets, fingerprints))?;
                    Ok(rows)
                })
            })
            .collect();
        let gave_up = || Err(DiskError::Unreadable("a row of the image cannot be read".to_owned()));
        readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| gave_up())).collect()
    });
    let mut rows = Rows::default();
    for part in read {
        rows.append(part?);
    }
    let mut view = rows.into_view(image.revision, counters);
    let mut pending = Pending::default();
    let mut reached = image.revision;
    for entry in changelog::entries(disk, image.revision) {
        let (next, entry) = entry?;
        if next != reached.next() {
            return Ok(None);
        }
        let (effects, _) = replay(next, entry, fingerprints)?;
        effects.merge_into(&mut pending);
        reached = next;
    }
    view.apply(pending);
    Ok((reached == revision).then_some((view, image.revision)))
}
