//! What was seen, as a file: a head, the slots in use, and a checksum over both. Little-endian.

use super::seen::{SLOTS, Seen};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The first octets; the last is the version of the format.
const MAGIC: &[u8; 8] = b"weirsee\x01";
const HEAD_OCTETS: usize = 8 + 8 + 4 + 4;
const ENTRY_OCTETS: usize = 4 + 8;
const SUM_OCTETS: usize = 32;

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("seen.bin")
}

/// The table and the key of its hashes; `None` where there is no file.
pub(super) fn read(data_dir: &Path) -> io::Result<Option<(Seen, u64)>> {
    let damaged = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, format!("seen.bin: {problem}"));
    let path = path(data_dir);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(meta) if meta.len() > (HEAD_OCTETS + SLOTS * ENTRY_OCTETS + SUM_OCTETS) as u64 => {
            return Err(damaged("the file is too long"));
        }
        Ok(_) => {}
    }
    let octets = fs::read(&path)?;
    let (content, sum) = octets.split_last_chunk::<SUM_OCTETS>().ok_or_else(|| damaged("the file is too short"))?;
    if blake3::hash(content).as_bytes() != sum {
        return Err(damaged("the checksum is wrong"));
    }
    let (head, entries) = content.split_at_checked(HEAD_OCTETS).ok_or_else(|| damaged("the file is too short"))?;
    if !head.starts_with(MAGIC) || entries.len() % ENTRY_OCTETS != 0 {
        return Err(damaged("this is no such file, or of another version"));
    }
    let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four octets"));
    let key = u64::from_le_bytes(head[8..16].try_into().expect("eight octets"));
    let entries = entries.chunks_exact(ENTRY_OCTETS).map(|entry| {
        let (index, bits) = entry.split_at(4);
        let index = u32::from_le_bytes(index.try_into().expect("four octets"));
        (index, u64::from_le_bytes(bits.try_into().expect("eight octets")))
    });
    Ok(Some((Seen::restore(entries, number(16), number(20)), key)))
}

/// Writes the file beside the old one and puts it in its place.
pub(super) fn write(data_dir: &Path, seen: &Seen, key: u64) -> io::Result<()> {
    let (entries, learned_at, last_hour) = seen.entries();
    let mut octets = Vec::with_capacity(HEAD_OCTETS + entries.len() * ENTRY_OCTETS + SUM_OCTETS);
    octets.extend_from_slice(MAGIC);
    octets.extend_from_slice(&key.to_le_bytes());
    octets.extend_from_slice(&learned_at.to_le_bytes());
    octets.extend_from_slice(&last_hour.to_le_bytes());
    for (index, bits) in entries {
        octets.extend_from_slice(&index.to_le_bytes());
        octets.extend_from_slice(&bits.to_le_bytes());
    }
    let sum = blake3::hash(&octets);
    octets.extend_from_slice(sum.as_bytes());
    let new = data_dir.join("seen.bin.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(&octets)?;
    file.sync_data()?;
    fs::rename(&new, path(data_dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{DomainName, Timestamp},
        sightings::Sightings,
    };

    #[test]
    fn what_was_seen_survives_a_restart_and_a_damaged_file_is_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let name = |text: &str| DomainName::from_text(text).expect("a name");
        let (known, new) = (name("known.example"), name("new.example"));
        let hour = |hour: i64| Timestamp(1_768_348_800 + hour * 3600);
        let first = Sightings::open(dir.path(), 7);
        first.see(known.as_name(), hour(0));
        assert_eq!(first.see(new.as_name(), hour(168)), Some(0));
        first.keep(dir.path()).expect("writes");
        let second = Sightings::open(dir.path(), 8);
        assert_eq!(second.see(new.as_name(), hour(170)), Some(2));
        assert_eq!(second.see(known.as_name(), hour(170)), None);
        assert_eq!(second.figures().domains, 2);
        let mut octets = fs::read(path(dir.path())).expect("reads");
        octets[30] ^= 1;
        fs::write(path(dir.path()), octets).expect("writes");
        let third = Sightings::open(dir.path(), 9);
        assert_eq!((third.figures().domains, third.see(new.as_name(), hour(171))), (0, None), "it is learned anew");
    }
}
