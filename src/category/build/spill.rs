//! Sorting more records than memory should hold: full batches are sorted and written to unnamed
//! temporary files beside the output, and the sorted runs are merged while they are read back.

use crate::model::CategorySet;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// A name's fingerprint and the number of a source that has it.
type Record = (u64, u32);

const RECORD_OCTETS: usize = 12;
/// Runs kept before they are merged into one; bounds open files and read buffers.
const RUNS_MAX: usize = 64;
/// Octets of each run's read buffer.
const RUN_BUFFER_OCTETS: usize = 64 << 10;
/// Smallest budget used, octets.
const BUDGET_MIN: usize = 1 << 20;

/// Sorts records by fingerprint, then source, in bounded memory.
pub(super) struct Sorter {
    records: Vec<Record>,
    records_max: usize,
    runs: Vec<File>,
    beside: PathBuf,
}

impl Sorter {
    /// A sorter that holds at most `budget` octets of records and spills to files in the folder of `beside`.
    pub(super) fn new(beside: &Path, budget: usize) -> Self {
        Self::with_records_max(beside, budget.max(BUDGET_MIN) / size_of::<Record>())
    }

    fn with_records_max(beside: &Path, records_max: usize) -> Self {
        Sorter { records: Vec::new(), records_max, runs: Vec::new(), beside: beside.to_owned() }
    }

    /// Adds a record.
    pub(super) fn push(&mut self, fingerprint: u64, source: u32) -> io::Result<()> {
        if self.records.is_empty() {
            // All at once: growing would need one and a half times the budget. Pages cost when touched.
            self.records.reserve_exact(self.records_max);
        }
        self.records.push((fingerprint, source));
        if self.records.len() == self.records_max { self.spill() } else { Ok(()) }
    }

    /// Ends the input. Records that all fit stay in memory.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.runs.is_empty() {
            self.records.sort_unstable();
            return Ok(());
        }
        self.spill()?;
        self.records = Vec::new();
        Ok(())
    }

    /// Calls `group` once for each fingerprint in rising order, with the union of its sources'
    /// categories and how many of them have any, and `duplicate` for each repetition of a record.
    /// Fingerprints without categories are left out. May be called again.
    pub(super) fn groups(
        &mut self,
        sets: &[CategorySet],
        mut duplicate: impl FnMut(u32),
        mut group: impl FnMut(u64, CategorySet, u32) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut last: Option<Record> = None;
        let (mut union, mut listings) = (CategorySet::EMPTY, 0);
        self.merged(|record| {
            if last == Some(record) {
                duplicate(record.1);
                return Ok(());
            }
            if let Some((fingerprint, _)) = last.filter(|last| last.0 != record.0) {
                if !union.is_empty() {
                    group(fingerprint, union, listings)?;
                }
                (union, listings) = (CategorySet::EMPTY, 0);
            }
            let set = sets[record.1 as usize];
            union = union.union(set);
            listings += u32::from(!set.is_empty());
            last = Some(record);
            Ok(())
        })?;
        match last {
            Some((fingerprint, _)) if !union.is_empty() => group(fingerprint, union, listings),
            _ => Ok(()),
        }
    }

    /// Calls `take` for each record in order.
    fn merged(&mut self, mut take: impl FnMut(Record) -> io::Result<()>) -> io::Result<()> {
        if self.runs.is_empty() {
            return self.records.iter().try_for_each(|&record| take(record));
        }
        let mut runs = Vec::with_capacity(self.runs.len());
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for (index, run) in self.runs.iter_mut().enumerate() {
            run.rewind()?;
            let mut reader = BufReader::with_capacity(RUN_BUFFER_OCTETS, &*run);
            heads.extend(read_record(&mut reader)?.map(|record| Reverse((record, index))));
            runs.push(reader);
        }
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((record, index)) = *head;
            take(record)?;
            match read_record(&mut runs[index])? {
                Some(next) => *head = Reverse((next, index)),
                None => {
                    std::collections::binary_heap::PeekMut::pop(head);
                }
            }
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.runs.len() == RUNS_MAX {
            let mut out = BufWriter::with_capacity(RUN_BUFFER_OCTETS, unnamed_file(&self.beside)?);
            self.merged(|record| write_record(&mut out, record))?;
            self.runs = vec![out.into_inner().map_err(io::IntoInnerError::into_error)?];
        }
        self.records.sort_unstable();
        let mut out = BufWriter::with_capacity(RUN_BUFFER_OCTETS, unnamed_file(&self.beside)?);
        self.records.iter().try_for_each(|&record| write_record(&mut out, record))?;
        self.runs.push(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.records.clear();
        Ok(())
    }
}

/// A file that is gone as soon as it is closed, whatever ends the process.
fn unnamed_file(beside: &Path) -> io::Result<File> {
    let temporary = super::Temporary::beside(beside)?;
    let file = File::options().read(true).write(true).create_new(true).open(&temporary.0)?;
    fs::remove_file(&temporary.0)?;
    Ok(file)
}

fn write_record(out: &mut impl Write, (fingerprint, source): Record) -> io::Result<()> {
    let mut octets = [0; RECORD_OCTETS];
    octets[..8].copy_from_slice(&fingerprint.to_le_bytes());
    octets[8..].copy_from_slice(&source.to_le_bytes());
    out.write_all(&octets)
}

fn read_record(run: &mut impl Read) -> io::Result<Option<Record>> {
    let mut octets = [0; RECORD_OCTETS];
    match run.read_exact(&mut octets) {
        Ok(()) => {
            let (fingerprint, source) = octets.split_first_chunk::<8>().expect("12 octets");
            let source = u32::from_le_bytes(source.try_into().expect("4 octets"));
            Ok(Some((u64::from_le_bytes(*fingerprint), source)))
        }
        // Runs are whole records, so the end comes between two.
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn check(records: &[Record], records_max: usize) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sorter = Sorter::with_records_max(&folder.path().join("out"), records_max);
        for &(fingerprint, source) in records {
            sorter.push(fingerprint, source).expect("a writable folder");
        }
        sorter.finish().expect("a writable folder");
        // Source 0 is unknown; the others have the category of their number.
        let sets: Vec<_> = (0..4).map(|n| CategorySet(if n == 0 { 0 } else { 1 << n })).collect();

        let mut expected: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        let mut repeated = 0;
        for &(fingerprint, source) in records {
            repeated += usize::from(!expected.entry(fingerprint).or_default().insert(source));
        }
        let expected: Vec<_> = (expected.into_iter())
            .map(|(fingerprint, mut sources)| {
                sources.remove(&0);
                let set = sources.iter().fold(CategorySet::EMPTY, |all, &n| all.union(sets[n as usize]));
                (fingerprint, set, sources.len() as u32)
            })
            .filter(|(_, set, _)| !set.is_empty())
            .collect();

        for _pass in 0..2 {
            let (mut groups, mut duplicates) = (Vec::new(), 0);
            let done = sorter.groups(
                &sets,
                |_| duplicates += 1,
                |fingerprint, set, listings| {
                    groups.push((fingerprint, set, listings));
                    Ok(())
                },
            );
            done.expect("a readable file");
            assert_eq!((&groups, duplicates), (&expected, repeated));
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a readable folder").count(), 0, "no file is left");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn runs_merge_to_what_one_map_holds(
            records in prop::collection::vec((0u64..60, 0u32..4), 0..300),
            records_max in 1usize..400,
        ) {
            check(&records, records_max);
        }
    }

    #[test]
    fn many_runs_are_merged_on_the_way() {
        let records: Vec<Record> = (0..700u64).map(|n| (n * 7919 % 701, (n % 4) as u32)).collect();
        check(&records, 3);
    }
}
