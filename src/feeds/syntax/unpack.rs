//! Packed lists: gzip, zstd, xz and zip, told apart by their first octets, and never more than the bound.

use super::{
    ParseError,
    unzip::{EMPTY_ZIP, Unzip, ZIP},
};
use std::{
    fmt,
    io::{self, BufRead, BufReader, Chain, Cursor, Read},
};

/// Octets at the beginning of a list that its syntax is found out from.
const START_OCTETS: usize = 256 << 10;
/// Memory of a decoder: windows larger than that are refused. RFC 8878 asks for 8 MiB; xz -9 needs 65 MiB.
const WINDOW_LOG_MAX: u32 = 27;
const XZ_KIBIBYTES_MAX: u32 = 128 << 10;
const BUFFER_OCTETS: usize = 64 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// More octets came out of a list than allowed.
#[derive(Debug)]
struct BoundReached(u64);

impl fmt::Display for BoundReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are more than {} octets", self.0)
    }
}

impl std::error::Error for BoundReached {}

/// The bound an error of reading tells of, if it does.
pub(super) fn bound_reached(error: &io::Error) -> Option<u64> {
    error.get_ref()?.downcast_ref::<BoundReached>().map(|bound| bound.0)
}

/// The error of a reader that was about to give more octets than allowed.
pub(super) fn too_large(octets_max: u64) -> io::Error {
    io::Error::other(BoundReached(octets_max))
}

/// A reader that fails where more octets come than allowed.
struct Bounded<R> {
    inner: R,
    left: u64,
    octets_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(too_large(self.octets_max)),
        }
        Ok(read)
    }
}

/// An unpacked list.
pub(super) struct Octets<'a> {
    start: Vec<u8>,
    rest: Box<dyn Read + 'a>,
}

/// All octets of a list.
pub(super) type All<'a> = BufReader<Chain<Cursor<Vec<u8>>, Box<dyn Read + 'a>>>;

impl<'a> Octets<'a> {
    /// The beginning, up to 256 KiB, which stays to be read.
    pub(super) fn start(&mut self) -> io::Result<&[u8]> {
        if self.start.is_empty() {
            (&mut self.rest).take(START_OCTETS as u64).read_to_end(&mut self.start)?;
        }
        Ok(&self.start)
    }

    /// All of it.
    pub(super) fn into_read(self) -> All<'a> {
        BufReader::with_capacity(BUFFER_OCTETS, Cursor::new(self.start).chain(self.rest))
    }
}

/// Unpacks a list, with a bound on what comes out (and on what goes in).
pub(super) fn open<'a>(octets: impl Read + 'a, octets_max: u64) -> Result<Octets<'a>, ParseError> {
    let packed = Bounded { inner: octets, left: octets_max, octets_max };
    let mut packed = BufReader::with_capacity(BUFFER_OCTETS, packed);
    // A reader may give fewer octets than there are; the longest magic number has six.
    let mut magic = Vec::new();
    (&mut packed).take(XZ.len() as u64).read_to_end(&mut magic)?;
    let head = magic.clone();
    let packed = Cursor::new(magic).chain(packed);
    let inner: Box<dyn Read + 'a> = if head.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(packed))
    } else if head.starts_with(ZSTD) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Box::new(decoder)
    } else if head.starts_with(XZ) {
        Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_KIBIBYTES_MAX))
    } else if head.starts_with(ZIP) || head.starts_with(EMPTY_ZIP) {
        return Ok(Octets { start: Vec::new(), rest: Box::new(Unzip::new(packed, octets_max)) });
    } else {
        return Ok(Octets { start: Vec::new(), rest: Box::new(packed) });
    };
    Ok(Octets { start: Vec::new(), rest: Box::new(Bounded { inner, left: octets_max, octets_max }) })
}

/// Whether octets are packed in a way that is read here.
pub(super) fn is_packed(start: &[u8]) -> bool {
    [GZIP, ZSTD, XZ, ZIP].iter().any(|magic| start.starts_with(magic))
}

/// Reads to the end of a document that must be had whole.
pub(super) fn whole(mut octets: impl BufRead, octets_max: u64) -> Result<Vec<u8>, ParseError> {
    let mut all = Vec::new();
    (&mut octets).take(octets_max + 1).read_to_end(&mut all)?;
    if all.len() as u64 > octets_max { Err(ParseError::TooLarge(octets_max)) } else { Ok(all) }
}
