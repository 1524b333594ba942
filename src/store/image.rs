//! All rows of one revision in one file, beside the database: for a quick start.
//!
//! Collecting a million rows from sled takes seconds, for they lie about its file in small pieces.
//! Reading the image and the changes logged since takes a fraction. It is written at close and
//! every hour, and is only ever a copy: one that is missing, torn, of another database or older
//! than the change log is ignored.
//!
//! | octets | |
//! |---|---|
//! | 8 | `weirimg1` |
//! | 16 | identity of the database |
//! | 8, 8 | revision, number of rows |
//! | 14, 4, n | for each row: its place, its length, its octets |
//! | 32 | BLAKE3 of everything before |

use super::keys::{OCTETS, RowKey};
use super::record::Revision;
use super::view::View;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MAGIC: &[u8; 8] = b"weirimg1";
const NAME: &str = "image";
const HEAD: usize = 40;
const HASH: usize = 32;

/// A run of rows in an image.
pub(super) type Part<'a> = Vec<(RowKey, &'a [u8])>;

/// An image as it was read: sound, of the right database.
pub(super) struct Image {
    octets: Vec<u8>,
    pub(super) revision: Revision,
    pub(super) rows: usize,
}

impl Image {
    /// Reads the image in a database's folder, if there is a good one.
    pub(super) fn read(dir: &Path, identity: [u8; 16]) -> Option<Image> {
        let octets = fs::read(dir.join(NAME)).ok()?;
        let (body, hash) = octets.split_last_chunk::<HASH>()?;
        let head = body.get(..HEAD)?;
        if head[..8] != MAGIC[..] || head[8..24] != identity {
            return None;
        }
        if blake3::hash(body).as_bytes() != hash {
            tracing::warn!("the image of the rows is damaged; collecting them from the database");
            return None;
        }
        let number = |at: usize| head[at..].first_chunk().map(|octets| u64::from_be_bytes(*octets));
        let revision = Revision(number(24)?);
        let rows = usize::try_from(number(32)?).ok()?;
        Some(Image { octets, revision, rows })
    }

    /// The rows in key order, cut into about this many parts.
    pub(super) fn parts(&self, parts: usize) -> Option<Vec<Part<'_>>> {
        let mut rest = &self.octets[HEAD..self.octets.len() - HASH];
        let each = self.rows.div_ceil(parts.max(1)).max(1);
        let mut cut = vec![Vec::with_capacity(each)];
        while !rest.is_empty() {
            let (place, after) = rest.split_first_chunk::<OCTETS>()?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (octets, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            if cut.last()?.len() == each {
                cut.push(Vec::with_capacity(each));
            }
            cut.last_mut()?.push((RowKey::from_bare_octets(*place), octets));
        }
        (cut.iter().map(Vec::len).sum::<usize>() == self.rows).then_some(cut)
    }
}

/// Writes the image of a view in place of the one before.
pub(super) fn write(dir: &Path, identity: [u8; 16], rows: Snapshot) -> io::Result<()> {
    let draft = dir.join("image.new");
    let written = (|| {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let mut out = Hashing { out: BufWriter::with_capacity(1 << 20, file), hasher: blake3::Hasher::new() };
        out.write(MAGIC)?;
        out.write(&identity)?;
        out.write(&rows.revision.0.to_be_bytes())?;
        out.write(&(rows.rows.len() as u64).to_be_bytes())?;
        for (key, octets) in &rows.rows {
            out.write(&key.bare_octets())?;
            out.write(&(octets.len() as u32).to_be_bytes())?;
            out.write(octets)?;
        }
        let hash = out.hasher.finalize();
        out.out.write_all(hash.as_bytes())?;
        out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&draft, dir.join(NAME))?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // What failed is reported; the draft would only take room.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The rows of a view, held while it goes on changing.
pub(super) struct Snapshot {
    pub(super) revision: Revision,
    pub(super) rows: Vec<(RowKey, std::sync::Arc<[u8]>)>,
}

impl Snapshot {
    pub(super) fn of(view: &View) -> Self {
        Snapshot { revision: view.revision, rows: view.all().map(|(key, octets)| (key, octets.clone())).collect() }
    }
}

/// Hashes what it passes on.
struct Hashing<W: Write> {
    out: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.hasher.update(octets);
        self.out.write_all(octets)
    }
}
