//! A compiled list as a file: a restart reads it instead of parsing the list again.
//!
//! Numbers are little-endian. The file begins with a magic, the version, a token of the key the names are hashed under
//! (not the key), and three lengths; then come the hashes in ascending order, the number of what is said of each, and all
//! else in postcard; a BLAKE3 checksum of everything before it ends the file.

use super::{
    compiled::{CompiledList, Numbers},
    matcher::Matcher,
    rules::{Act, ListRules, Written},
};
use crate::policy::NameKey;
use std::{
    io::{self, Write},
    sync::Arc,
};

const MAGIC: &[u8; 8] = b"weirlist";
const VERSION: u32 = 2;
const HEADER_OCTETS: usize = 8 + 4 + 4 + 8 + 8 + 8;
const CHECKSUM_OCTETS: usize = 32;
/// Hashes written at once.
const BATCH: usize = 4_096;

/// Why octets are not used as a compiled list. The caller parses the list again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListFileError {
    /// They do not begin as such a file does.
    #[error("this is no compiled list")]
    Magic,
    /// Another format version.
    #[error("the compiled list has format version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// Its names are hashed under another key.
    #[error("the compiled list belongs to another key")]
    Key,
    /// It was cut short, or something was added.
    #[error("the compiled list is damaged: its length is wrong")]
    Length,
    /// Its octets changed after it was written.
    #[error("the compiled list is damaged: its checksum is wrong")]
    Checksum,
    /// Its checksum is right, but no build writes such a file.
    #[error("the compiled list is malformed: {0}")]
    Layout(&'static str),
}

impl CompiledList {
    /// Writes the list. Errors are those of `to`, which is best buffered.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let rules = postcard::to_allocvec(&self.rules.written).map_err(io::Error::other)?;
        let mut to = Summing { to, sum: blake3::Hasher::new() };
        to.put(MAGIC)?;
        to.put(&VERSION.to_le_bytes())?;
        to.put(&(self.numbers.width as u32).to_le_bytes())?;
        to.put(&token(self.key))?;
        to.put(&(self.fingerprints.len() as u64).to_le_bytes())?;
        to.put(&(rules.len() as u64).to_le_bytes())?;
        let mut octets = Vec::with_capacity(BATCH * 8);
        for batch in self.fingerprints.chunks(BATCH) {
            octets.clear();
            octets.extend(batch.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()));
            to.put(&octets)?;
        }
        to.put(&self.numbers.octets)?;
        to.put(&rules)?;
        let Summing { mut to, sum } = to;
        to.write_all(sum.finalize().as_bytes())?;
        to.flush()
    }

    /// Reads what [`write`](Self::write) wrote; all of it is checked.
    pub fn read(octets: &[u8], key: NameKey) -> Result<Self, ListFileError> {
        if !octets.starts_with(MAGIC) {
            return Err(ListFileError::Magic);
        }
        let Some(body) = octets.len().checked_sub(CHECKSUM_OCTETS).filter(|length| *length >= HEADER_OCTETS) else {
            return Err(ListFileError::Length);
        };
        let version = u32::from_le_bytes(four(octets, 8));
        if version != VERSION {
            return Err(ListFileError::Version(version));
        }
        let (body, sum) = octets.split_at(body);
        if blake3::hash(body) != *<&[u8; 32]>::try_from(sum).map_err(|_| ListFileError::Length)? {
            return Err(ListFileError::Checksum);
        }
        if eight(octets, 16) != token(key) {
            return Err(ListFileError::Key);
        }
        let width = u32::from_le_bytes(four(octets, 12)) as usize;
        let names = usize::try_from(u64::from_le_bytes(eight(octets, 24))).map_err(|_| ListFileError::Length)?;
        let rules = usize::try_from(u64::from_le_bytes(eight(octets, 32))).map_err(|_| ListFileError::Length)?;
        if !matches!(width, 0 | 1 | 2 | 4) {
            return Err(ListFileError::Layout("numbers of an odd width"));
        }
        let rest = &body[HEADER_OCTETS..];
        let expected = names.checked_mul(8 + width).and_then(|names| names.checked_add(rules));
        if expected != Some(rest.len()) {
            return Err(ListFileError::Length);
        }
        let (fingerprints, rest) = rest.split_at(names * 8);
        let (numbers, rules) = rest.split_at(names * width);
        let fingerprints: Vec<u64> =
            fingerprints.as_chunks::<8>().0.iter().map(|octets| u64::from_le_bytes(*octets)).collect();
        let numbers = Numbers { width, octets: numbers.to_owned() };
        let written: Written = postcard::from_bytes(rules).map_err(|_| ListFileError::Layout("its rules"))?;
        check(&fingerprints, &numbers, &written)?;
        let matchers = matchers(&written).ok_or(ListFileError::Layout("a pattern"))?;
        Ok(CompiledList { key, fingerprints, numbers, rules: Arc::new(ListRules { written, matchers }) })
    }
}

/// Whether every number leads somewhere.
fn check(fingerprints: &[u64], numbers: &Numbers, written: &Written) -> Result<(), ListFileError> {
    if !fingerprints.is_sorted_by(|a, b| a < b) {
        return Err(ListFileError::Layout("names out of order"));
    }
    let says = &written.says;
    if !says.is_sound() || numbers.width != Numbers::width_for(says.len()) {
        return Err(ListFileError::Layout("what it says of names"));
    }
    if (0..fingerprints.len()).any(|index| numbers.get(index) as usize >= says.len()) {
        return Err(ListFileError::Layout("a name it says nothing of"));
    }
    let consequences = written.consequences.len();
    let loose = written.loose.iter().map(|rule| rule.consequence);
    if says.items().iter().copied().chain(loose).any(|number| number as usize >= consequences) {
        return Err(ListFileError::Layout("a rule without consequence"));
    }
    let acts = written.consequences.iter().map(|consequence| consequence.act);
    let mut acts = acts.chain(written.nets.iter().map(|rule| rule.act));
    if acts.any(|act| matches!(act, Act::Answer(number) if number as usize >= written.answers.len())) {
        return Err(ListFileError::Layout("a rule without answer"));
    }
    let mut conditions = written.consequences.iter().filter_map(|consequence| consequence.conditions);
    if conditions.any(|number| number as usize >= written.conditions.len()) {
        return Err(ListFileError::Layout("a rule without conditions"));
    }
    Ok(())
}

fn matchers(written: &Written) -> Option<Vec<Matcher>> {
    let inverts = |number: u32| {
        let conditions = written.consequences[number as usize].conditions;
        conditions.is_some_and(|number| written.conditions[number as usize].invert)
    };
    written.loose.iter().map(|rule| Matcher::new(&rule.pattern, inverts(rule.consequence))).collect()
}

/// Tells keys apart without giving them away.
fn token(key: NameKey) -> [u8; 8] {
    let hash = blake3::derive_key("weir compiled list: token of the name key", &key.0.to_le_bytes());
    eight(&hash, 0)
}

fn four(octets: &[u8], at: usize) -> [u8; 4] {
    [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]
}

fn eight(octets: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|index| octets[at + index])
}

struct Summing<W> {
    to: W,
    sum: blake3::Hasher,
}

impl<W: Write> Summing<W> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.sum.update(octets);
        self.to.write_all(octets)
    }
}
