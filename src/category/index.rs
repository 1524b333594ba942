//! Looking names up in an index. This is the part the query path touches.
//!
//! A lookup hashes the name and each of its ancestors that could be stored, fetches their buckets from
//! memory side by side, and unites what it finds: about one cache line a label, no allocation, no lock.
//!
//! An index file is replaced by renaming a new one over it, never written in place: the mapping keeps
//! the old file readable after a rename or removal, but an octet read behind the end of a file that
//! was cut short kills the process (SIGBUS). `build` writes beside the file and renames.

use super::{
    encode::encode_names,
    format::{
        BUCKET_OCTETS, FingerprintKey, Fingerprinter, HEADER_OCTETS, Header, SET_OCTETS, SLOT_OCTETS, home_bucket, tag,
        u64_at,
    },
};
use crate::model::{CategorySet, DomainName, LABELS_MAX, Name, Timestamp};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a file is not used as an index. The caller keeps the one it has.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be opened or mapped.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as an index does.
    #[error("this is no category index")]
    Magic,
    /// It is of another format version.
    #[error("the index has format version {0}; this program reads version {version}", version = super::format::VERSION)]
    Version(u32),
    /// It was cut short, or something was added.
    #[error("the index is damaged: it has {given} octets where {expected} are expected")]
    Length {
        /// Octets of the file.
        given: u64,
        /// Octets it says it has.
        expected: u64,
    },
    /// Its octets changed after it was built.
    #[error("the index is damaged: its checksum is wrong")]
    Checksum,
    /// Its checksum is right, but no build writes such a file.
    #[error("the index is malformed: {0}")]
    Layout(&'static str),
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CategoryMatch {
    /// The categories of the name and all its ancestors; empty: the name is unclassified.
    pub set: CategorySet,
    /// Labels of the longest ancestor that is stored (the name's own count if it is); 0: none is.
    pub labels: u8,
}

/// An open index: a cheap handle to something immutable.
#[derive(Clone)]
pub struct Index(Arc<Inner>);

struct Inner {
    octets: Octets,
    header: Header,
    fingerprinter: Fingerprinter,
    /// The category set of each number; number 0 has none.
    sets: Box<[CategorySet]>,
    source: Option<PathBuf>,
}

enum Octets {
    Mapped(memmap2::Mmap, #[expect(dead_code, reason = "held open so that the mapped file stays")] File),
    Owned(Vec<u8>),
}

impl Octets {
    #[inline]
    fn get(&self) -> &[u8] {
        match self {
            Octets::Mapped(map, _) => map,
            Octets::Owned(octets) => octets,
        }
    }
}

impl Index {
    /// Maps the file and checks all of it. Reads it once, at the speed of the disk.
    pub fn open(path: &Path) -> Result<Index, IndexError> {
        // Asked first: opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(IndexError::Magic);
        }
        let file = File::open(path)?;
        // SAFETY: the mapping is private and read-only, and lives no longer than the file held beside
        // it. Index files are replaced by rename and not changed in place (the module's rule, kept by
        // `build`). Nothing read from the map is trusted for memory safety: slots are plain integers,
        // every access is bounds-checked, and set numbers are looked up with `get`.
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? };
        Self::from_octets(Octets::Mapped(map, file), Some(path.to_owned()))
    }

    /// An index of the given names, in memory.
    pub fn from_names(
        names: impl IntoIterator<Item = (DomainName, CategorySet)>,
        key: FingerprintKey,
        built_at: Timestamp,
    ) -> Result<Index, IndexError> {
        Self::from_octets(Octets::Owned(encode_names(names, key, built_at)?), None)
    }

    #[cfg(test)]
    fn from_vec(octets: Vec<u8>) -> Result<Index, IndexError> {
        Self::from_octets(Octets::Owned(octets), None)
    }

    fn from_octets(octets: Octets, source: Option<PathBuf>) -> Result<Index, IndexError> {
        let header = Header::check(octets.get())?;
        let rows = octets.get()[header.sets_at()..].chunks_exact(SET_OCTETS);
        let sets = [CategorySet::EMPTY].into_iter().chain(rows.map(|row| CategorySet(u64_at(row, 0)))).collect();
        let fingerprinter = Fingerprinter::new(&header.key);
        Ok(Index(Arc::new(Inner { octets, header, fingerprinter, sets, source })))
    }

    /// The categories of a name: its own and those of every ancestor.
    #[inline]
    pub fn categories(&self, name: Name<'_>) -> CategoryMatch {
        let mut found = CategoryMatch::default();
        self.0.probe(name, |labels, set| {
            found.set = found.set.union(set);
            found.labels = labels;
        });
        found
    }

    /// The same in two parts: the categories of ancestors of at most `labels` labels, and of longer
    /// names.
    pub fn categories_around(&self, name: Name<'_>, labels: usize) -> (CategorySet, CategorySet) {
        let (mut above, mut below) = (CategorySet::EMPTY, CategorySet::EMPTY);
        self.0.probe(name, |at, set| {
            let part = if usize::from(at) <= labels { &mut above } else { &mut below };
            *part = part.union(set);
        });
        (above, below)
    }

    /// The stored names that say something about this one, with their categories, shortest first.
    pub fn explain(&self, name: Name<'_>) -> Vec<(DomainName, CategorySet)> {
        let mut found = Vec::new();
        let depth = name.label_count();
        self.0.probe(name, |labels, set| {
            found.extend(name.ancestors().nth(depth - usize::from(labels)).map(|stored| (stored.to_owned(), set)));
        });
        found
    }

    /// How many names it holds.
    pub fn len(&self) -> u64 {
        self.0.header.names
    }

    /// Whether it holds no name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many (name, source) pairs the names came from.
    pub fn listings(&self) -> u64 {
        self.0.header.listings
    }

    /// Octets of the whole index.
    pub fn octets(&self) -> u64 {
        self.0.header.octets
    }

    /// The whole file, as `build` writes it.
    pub fn as_octets(&self) -> &[u8] {
        self.0.octets.get()
    }

    /// When it was built.
    pub fn built_at(&self) -> Timestamp {
        self.0.header.built_at
    }

    /// The file it is mapped from; `None` for one in memory.
    pub fn source(&self) -> Option<&Path> {
        self.0.source.as_deref()
    }

    /// Each different category set with the number of names that have exactly it.
    pub fn sets(&self) -> impl Iterator<Item = (CategorySet, u64)> + '_ {
        let rows = self.0.octets.get()[self.0.header.sets_at()..].chunks_exact(SET_OCTETS);
        rows.map(|row| (CategorySet(u64_at(row, 0)), u64_at(row, 8)))
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("source", &self.0.source).field("names", &self.len()).finish_non_exhaustive()
    }
}

/// Ancestors hashed before the first bucket is read. Most names have fewer labels.
const BATCH: usize = 8;

impl Inner {
    /// Calls `found` for each stored ancestor, shortest first, with its labels and categories.
    #[inline]
    fn probe(&self, name: Name<'_>, mut found: impl FnMut(u8, CategorySet)) {
        let wire = name.as_wire();
        let mut starts = [0u8; LABELS_MAX + 1];
        let (mut depth, mut at) = (0, 0);
        while wire[at] != 0 {
            starts[depth] = at as u8;
            depth += 1;
            at += 1 + usize::from(wire[at]);
        }
        // No stored name has fewer labels than `labels_min` or more than `labels_max`.
        let mut labels = usize::from(self.header.labels_min).max(1);
        let deepest = usize::from(self.header.labels_max).min(depth);
        while labels <= deepest {
            let mut fingerprints = [0; BATCH];
            let batch = BATCH.min(deepest - labels + 1);
            for (index, fingerprint) in fingerprints[..batch].iter_mut().enumerate() {
                let start = usize::from(starts[depth - labels - index]);
                *fingerprint = self.fingerprinter.of_wire(&wire[start..]);
                self.prefetch(*fingerprint);
            }
            for (index, &fingerprint) in fingerprints[..batch].iter().enumerate() {
                if let Some(&set) = self.set_number(fingerprint).and_then(|number| self.sets.get(usize::from(number))) {
                    found((labels + index) as u8, set);
                }
            }
            labels += batch;
        }
    }

    /// The set number stored for a fingerprint.
    #[inline]
    fn set_number(&self, fingerprint: u64) -> Option<u16> {
        let wanted = tag(fingerprint);
        let first = self.bucket_at(fingerprint);
        let buckets = self.octets.get()[first..self.header.sets_at()].chunks_exact(BUCKET_OCTETS);
        for bucket in buckets.take(self.header.probe_max as usize) {
            let mut slot = 0;
            let mut number = 0;
            for octets in bucket.as_chunks::<SLOT_OCTETS>().0 {
                slot = u64::from_le_bytes(*octets);
                // No early exit: eight comparisons without a branch beat a branch nobody can predict.
                number = if slot >> 16 == wanted { slot as u16 } else { number };
            }
            if number != 0 {
                return Some(number);
            }
            // Slots fill from the front: an empty last one says that nothing ran over.
            if slot == 0 {
                return None;
            }
        }
        None
    }

    /// Where the home bucket of a fingerprint begins.
    #[inline]
    fn bucket_at(&self, fingerprint: u64) -> usize {
        HEADER_OCTETS + home_bucket(fingerprint, self.header.home_buckets) as usize * BUCKET_OCTETS
    }

    /// Starts the home bucket of a fingerprint on its way from memory.
    #[inline]
    fn prefetch(&self, fingerprint: u64) {
        #[cfg(target_arch = "x86_64")]
        if let Some(first) = self.octets.get().get(self.bucket_at(fingerprint)) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every x86-64 processor has the instruction (SSE); it has no effect a program can
            // see, whatever the address, and this one is inside the index.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(first).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = fingerprint;
    }
}

#[cfg(test)]
mod tests;
