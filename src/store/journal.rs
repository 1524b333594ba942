//! Journals: what is remembered for minutes or a day, and need not be a row.
//!
//! A file of records, one behind the other, that is read once, at a start. A record is its length (four octets, the
//! lowest first), the first eight octets of its BLAKE3, and itself. What a crash cut off, and everything behind it, is
//! not there. Records are in the system's hands when [`Journal::append`] returns, so that they outlive the process;
//! [`Journal::handle`] is for those that must outlive the machine.

use super::Store;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

const HEAD_OCTETS: usize = 12;
/// Octets of a record, at most.
const RECORD_OCTETS_MAX: usize = 256 * 1024;
/// Octets of a journal that are read, at most; whoever writes one begins it anew long before.
const JOURNAL_OCTETS_MAX: u64 = 512 * 1024 * 1024;

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// `None` once writing failed: a journal with a gap is worse than none.
    file: Option<Arc<File>>,
    octets: u64,
}

impl Store {
    /// Opens the journal `<data>/<name>`, for one writer, and reads what it has, oldest first. Whether it was there
    /// at all is the second value.
    pub fn journal(&self, name: &str) -> io::Result<(Journal, bool, Vec<Vec<u8>>)> {
        Journal::open(&self.data_dir().join(name))
    }
}

impl Journal {
    /// Opens a journal, made if it is not there, and reads what it has, oldest first.
    fn open(path: &Path) -> io::Result<(Journal, bool, Vec<Vec<u8>>)> {
        let octets = match fs::metadata(path) {
            Ok(metadata) if metadata.len() > JOURNAL_OCTETS_MAX => Some(Vec::new()),
            _ => match fs::read(path) {
                Ok(octets) => Some(octets),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        let (mut records, mut at) = (Vec::new(), 0);
        let all = octets.as_deref().unwrap_or_default();
        while let Some((record, end)) = record_at(all, at) {
            records.push(record.to_vec());
            at = end;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_len(at as u64)?;
        let journal = Journal { path: path.to_owned(), file: Some(Arc::new(file)), octets: at as u64 };
        Ok((journal, octets.is_some(), records))
    }

    /// Adds a record. After a failure, which is reported once, the file is gone and nothing is written until
    /// [`Journal::rewrite`] succeeds: the next start knows that it knows nothing.
    pub fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let framed = framed(record)?;
        if let Err(error) = (&**file).write_all(&framed) {
            self.file = None;
            let _ = fs::remove_file(&self.path);
            return Err(error);
        }
        self.octets += framed.len() as u64;
        Ok(())
    }

    /// The file, to make durable what was appended. Not for the time a lock is held.
    pub fn handle(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    /// Octets written.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Begins it anew with these records, whole or not at all, and durably.
    pub fn rewrite<R: AsRef<[u8]>>(&mut self, records: impl IntoIterator<Item = R>) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        let mut octets = Vec::new();
        for record in records {
            octets.extend_from_slice(&framed(record.as_ref())?);
        }
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&octets)?;
        file.sync_data()?;
        fs::rename(&draft, &self.path)?;
        (self.file, self.octets) = (Some(Arc::new(file)), octets.len() as u64);
        Ok(())
    }
}

fn framed(record: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(record.len()).ok().filter(|_| record.len() <= RECORD_OCTETS_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the record is too long"))?;
    let mut framed = Vec::with_capacity(HEAD_OCTETS + record.len());
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(&blake3::hash(record).as_bytes()[..8]);
    framed.extend_from_slice(record);
    Ok(framed)
}

fn record_at(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let head = octets.get(at..at + HEAD_OCTETS)?;
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    let end = at + HEAD_OCTETS + Some(length).filter(|length| *length <= RECORD_OCTETS_MAX)?;
    let record = octets.get(at + HEAD_OCTETS..end)?;
    (blake3::hash(record).as_bytes()[..8] == head[4..]).then_some((record, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_again_and_what_was_cut_off_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let read = |path: &Path| {
            let (journal, was_there, records) = Journal::open(path).expect("opens");
            (journal.octets(), was_there, records.concat())
        };
        assert_eq!(read(&path), (0, false, vec![]));
        let (mut journal, _, _) = Journal::open(&path).expect("opens");
        for record in ["one", "", "three"] {
            journal.append(record.as_bytes()).expect("writes");
        }
        assert_eq!(read(&path), (3 * 12 + 8, true, b"onethree".to_vec()));
        let whole = fs::read(&path).expect("is there");
        for cut in [whole.len() - 1, whole.len() - 5, whole.len() - 13] {
            fs::write(&path, &whole[..cut]).expect("writes");
            assert!(matches!(read(&path), (15 | 27, true, read) if read == b"one"), "{cut}");
        }
        let mut changed = whole.clone();
        changed[13] ^= 1;
        fs::write(&path, &changed).expect("writes");
        assert_eq!(read(&path), (0, true, vec![]), "what follows a damaged record is not trusted");
        journal.rewrite(["new", "er"]).expect("writes");
        journal.append(b"!").expect("writes");
        assert_eq!(read(&path).2, b"newer!");
        assert!(journal.append(&[0; RECORD_OCTETS_MAX + 1]).is_err());
    }
}
