//! Writing an index: names sorted by fingerprint go in, buckets come out, in one pass.

use super::format::{
    BUCKET_OCTETS, CHECKSUM_AT, FingerprintKey, Fingerprinter, HEADER_OCTETS, Header, SET_OCTETS, SETS_MAX, SLOTS,
    home_bucket, home_buckets_for, tag,
};
use crate::model::{CategorySet, DomainName, Timestamp};
use std::{
    collections::{HashMap, VecDeque},
    io::{self, Cursor, Seek, SeekFrom, Write},
};

/// What a writer must know before the first name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) built_at: Timestamp,
    pub(super) key: FingerprintKey,
    /// Different fingerprints that will be pushed.
    pub(super) names: u64,
    pub(super) listings: u64,
    pub(super) labels_min: u8,
    pub(super) labels_max: u8,
}

/// Writes one index. Holds the names that ran over their bucket, the category sets, and nothing else.
pub(super) struct Writer<W> {
    out: W,
    outline: Outline,
    hasher: blake3::Hasher,
    home_buckets: u64,
    bucket: u64,
    /// (home bucket, slot) of names that wait for room, oldest first.
    waiting: VecDeque<(u64, u64)>,
    probe_max: u64,
    sets: Vec<(CategorySet, u64)>,
    numbers: HashMap<CategorySet, u16>,
    pushed: u64,
    last: u64,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(mut out: W, outline: Outline) -> io::Result<Self> {
        out.write_all(&[0; HEADER_OCTETS])?;
        Ok(Writer {
            out,
            outline,
            hasher: blake3::Hasher::new(),
            home_buckets: home_buckets_for(outline.names),
            bucket: 0,
            waiting: VecDeque::new(),
            probe_max: 0,
            sets: Vec::new(),
            numbers: HashMap::new(),
            pushed: 0,
            last: 0,
        })
    }

    /// Adds a name; fingerprints come in rising order, each once.
    pub(super) fn push(&mut self, fingerprint: u64, set: CategorySet) -> io::Result<()> {
        debug_assert!(self.pushed == 0 || fingerprint > self.last, "fingerprints rise");
        self.last = fingerprint;
        self.pushed += 1;
        let number = self.number(set)?;
        let home = home_bucket(fingerprint, self.home_buckets);
        while self.bucket < home {
            self.write_bucket()?;
        }
        self.waiting.push_back((home, tag(fingerprint) << 16 | u64::from(number)));
        Ok(())
    }

    /// Writes the rest, the category sets and the header, and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        debug_assert_eq!(self.pushed, self.outline.names, "as many names as announced");
        while self.bucket < self.home_buckets || !self.waiting.is_empty() {
            self.write_bucket()?;
        }
        let sets = std::mem::take(&mut self.sets);
        for (set, names) in &sets {
            self.write(&set.0.to_le_bytes())?;
            self.write(&names.to_le_bytes())?;
        }
        let octets = HEADER_OCTETS + self.bucket as usize * BUCKET_OCTETS + sets.len() * SET_OCTETS;
        let mut header = Header {
            labels_min: self.outline.labels_min,
            labels_max: self.outline.labels_max,
            octets: octets as u64,
            built_at: self.outline.built_at,
            key: self.outline.key,
            names: self.pushed,
            listings: self.outline.listings,
            home_buckets: self.home_buckets,
            buckets: self.bucket,
            sets: sets.len() as u32,
            probe_max: self.probe_max as u32,
            checksum: [0; 32],
        };
        self.hasher.update(&header.encode()[..CHECKSUM_AT]);
        header.checksum = self.hasher.finalize().into();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header.encode())?;
        Ok(self.out)
    }

    fn number(&mut self, set: CategorySet) -> io::Result<u16> {
        let number = match self.numbers.get(&set) {
            Some(&number) => number,
            None if self.sets.len() == SETS_MAX => {
                return Err(io::Error::other(format!("more than {SETS_MAX} different combinations of categories")));
            }
            None => {
                self.sets.push((set, 0));
                let number = self.sets.len() as u16;
                self.numbers.insert(set, number);
                number
            }
        };
        self.sets[usize::from(number) - 1].1 += 1;
        Ok(number)
    }

    fn write_bucket(&mut self) -> io::Result<()> {
        let mut octets = [0; BUCKET_OCTETS];
        for slot in octets.as_chunks_mut::<8>().0.iter_mut().take(SLOTS) {
            let Some((home, value)) = self.waiting.pop_front() else { break };
            *slot = value.to_le_bytes();
            self.probe_max = self.probe_max.max(self.bucket - home + 1);
        }
        self.bucket += 1;
        self.write(&octets)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.hasher.update(octets);
        self.out.write_all(octets)
    }
}

/// An index of these names in memory; a name given twice has the categories of both. Names that are
/// public suffixes are not looked for here.
pub(super) fn encode_names(
    names: impl IntoIterator<Item = (DomainName, CategorySet)>,
    key: FingerprintKey,
    built_at: Timestamp,
) -> io::Result<Vec<u8>> {
    let fingerprinter = Fingerprinter::new(&key);
    let (mut labels_min, mut labels_max) = (u8::MAX, 0);
    let mut records: Vec<(u64, CategorySet)> = names
        .into_iter()
        .map(|(name, set)| {
            let labels = name.as_name().label_count() as u8;
            (labels_min, labels_max) = (labels_min.min(labels), labels_max.max(labels));
            (fingerprinter.of(name.as_name()), set)
        })
        .collect();
    records.sort_unstable_by_key(|&(fingerprint, _)| fingerprint);
    let listings = records.len() as u64;
    records.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 = first.1.union(later.1);
        }
        same
    });
    let outline = Outline {
        built_at,
        key,
        names: records.len() as u64,
        listings,
        labels_min: labels_min.min(labels_max),
        labels_max,
    };
    let mut writer = Writer::new(Cursor::new(Vec::new()), outline)?;
    for (fingerprint, set) in records {
        writer.push(fingerprint, set)?;
    }
    Ok(writer.finish()?.into_inner())
}
