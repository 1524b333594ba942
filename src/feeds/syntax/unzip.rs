//! Zip archives as a stream: the text files in them, one after the other.
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>
//!
//! The members are read in their order from the front; the directory at the end is not looked at. What is understood is
//! what publishers of lists have: members that are stored, or packed with deflate, without encryption. All that is
//! unpacked counts towards the bound, also that of members that are no lists.

use super::unpack::too_large;
use flate2::{Crc, bufread::DeflateDecoder};
use std::io::{self, BufRead, Read};

/// How an archive begins.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";
/// How an archive begins that has nothing in it.
pub(super) const EMPTY_ZIP: &[u8] = b"PK\x05\x06";

const MEMBER: u32 = u32::from_le_bytes(*b"PK\x03\x04");
const DESCRIPTOR: u32 = u32::from_le_bytes(*b"PK\x07\x08");
/// What may stand behind the last member: directory, ends of two kinds, signature, extra data.
const ENDS: [u32; 6] = [
    u32::from_le_bytes(*b"PK\x01\x02"),
    u32::from_le_bytes(*b"PK\x05\x06"),
    u32::from_le_bytes(*b"PK\x06\x06"),
    u32::from_le_bytes(*b"PK\x06\x07"),
    u32::from_le_bytes(*b"PK\x05\x05"),
    u32::from_le_bytes(*b"PK\x06\x08"),
];
const ENCRYPTED: u16 = 1;
/// The lengths follow the member.
const LENGTHS_BEHIND: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The extra field of members of 4 GiB and more.
const ZIP64: u16 = 1;
/// Members of an archive.
const MEMBERS_MAX: u32 = 1_000;
/// Endings of files that are lists; a file without any may be one, too.
const LIST_ENDINGS: [&str; 16] = [
    "txt", "text", "list", "lst", "hosts", "host", "domains", "domain", "csv", "conf", "cfg", "zone", "rpz", "db",
    "filter", "json",
];
/// Files that are none, whatever their ending.
const OTHER_FILES: [&str; 8] = ["readme", "license", "licence", "copying", "changelog", "changes", "notice", "authors"];

/// Reads the text files of an archive, each ended by a line feed.
pub(super) struct Unzip<R> {
    state: State<R>,
    members: u32,
    lists: u32,
    octets_max: u64,
    /// Octets that may still be unpacked.
    left: u64,
}

enum State<R> {
    /// A header comes next, or the end.
    Between(R),
    /// In a member.
    Within(Packed<R>, Member),
    /// Nothing more comes.
    Over,
}

enum Packed<R> {
    Stored(io::Take<R>),
    Deflated(DeflateDecoder<R>),
}

/// What a header says of a member, and what was read of it.
struct Member {
    is_list: bool,
    lengths_behind: bool,
    zip64: bool,
    sum: u32,
    read: Crc,
    last: u8,
}

impl<R: BufRead> Unzip<R> {
    /// Reads an archive, of which at most so many octets come out.
    pub(super) fn new(inner: R, octets_max: u64) -> Self {
        Unzip { state: State::Between(inner), members: 0, lists: 0, octets_max, left: octets_max }
    }

    /// Goes to the next member; `None` where there is none.
    fn next(&mut self, mut inner: R) -> io::Result<Option<(Packed<R>, Member)>> {
        let signature = u32::from_le_bytes(octets(&mut inner)?);
        if ENDS.contains(&signature) {
            return if self.lists > 0 { Ok(None) } else { Err(bad("the zip archive has no text file")) };
        }
        if signature != MEMBER {
            return Err(bad("the zip archive is damaged"));
        }
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(bad("the zip archive has too many files"));
        }
        let header: [u8; 26] = octets(&mut inner)?;
        let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, method) = (short(2), short(4));
        let mut name = vec![0; usize::from(short(22))];
        inner.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(short(24))];
        inner.read_exact(&mut extra)?;
        if flags & ENCRYPTED != 0 {
            return Err(bad("the zip archive is encrypted"));
        }
        let lengths_behind = flags & LENGTHS_BEHIND != 0;
        let packed = match method {
            STORED if lengths_behind => return Err(bad("a file in the zip archive does not say how long it is")),
            STORED => {
                let length = long(14);
                if length == u32::MAX {
                    return Err(bad("a file in the zip archive is too large"));
                }
                Packed::Stored(inner.take(u64::from(length)))
            }
            DEFLATED => Packed::Deflated(DeflateDecoder::new(inner)),
            _ => return Err(bad("a file in the zip archive is packed in a way that is not read")),
        };
        let is_list = is_list(&name);
        self.lists += u32::from(is_list);
        let zip64 = has_extra(&extra, ZIP64);
        Ok(Some((packed, Member { is_list, lengths_behind, zip64, sum: long(10), read: Crc::new(), last: b'\n' })))
    }
}

impl Member {
    /// Reads what stands behind the member, and compares its checksum.
    fn end<R: BufRead>(self, packed: Packed<R>) -> io::Result<R> {
        let mut inner = match packed {
            Packed::Stored(taken) if taken.limit() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Packed::Stored(taken) => taken.into_inner(),
            Packed::Deflated(decoder) => decoder.into_inner(),
        };
        let mut sum = self.sum;
        if self.lengths_behind {
            sum = u32::from_le_bytes(octets(&mut inner)?);
            // The signature is optional, and no checksum is taken for it but by a member in four thousand million.
            if sum == DESCRIPTOR {
                sum = u32::from_le_bytes(octets(&mut inner)?);
            }
            match self.zip64 {
                true => drop(octets::<16>(&mut inner)?),
                false => drop(octets::<8>(&mut inner)?),
            }
        }
        if sum == self.read.sum() { Ok(inner) } else { Err(bad("the zip archive is damaged: a checksum is wrong")) }
    }
}

impl<R: BufRead> Read for Unzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(0),
                State::Between(inner) => {
                    if let Some((packed, member)) = self.next(inner)? {
                        self.state = State::Within(packed, member);
                    }
                }
                State::Within(mut packed, mut member) => {
                    let read = match &mut packed {
                        Packed::Stored(taken) => taken.read(buffer),
                        Packed::Deflated(decoder) => decoder.read(buffer),
                    }?;
                    let is_list = member.is_list;
                    if read > 0 {
                        self.left = self.left.checked_sub(read as u64).ok_or_else(|| too_large(self.octets_max))?;
                        member.read.update(&buffer[..read]);
                        member.last = buffer[read - 1];
                        self.state = State::Within(packed, member);
                        if is_list {
                            return Ok(read);
                        }
                    } else {
                        let ended = member.last == b'\n';
                        self.state = State::Between(member.end(packed)?);
                        if is_list && !ended {
                            buffer[0] = b'\n';
                            return Ok(1);
                        }
                    }
                }
            }
        }
    }
}

/// Whether a member is a list, by its name.
fn is_list(path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path).to_lowercase();
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.is_empty() || name.starts_with('.') || path.starts_with("__macosx/") {
        return false;
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
    LIST_ENDINGS.contains(&ending) && !OTHER_FILES.iter().any(|other| stem.starts_with(other))
}

/// Whether there is an extra field of this kind.
fn has_extra(mut extra: &[u8], kind: u16) -> bool {
    while let [a, b, c, d, rest @ ..] = extra {
        if u16::from_le_bytes([*a, *b]) == kind {
            return true;
        }
        extra = rest.get(usize::from(u16::from_le_bytes([*c, *d]))..).unwrap_or_default();
    }
    false
}

fn octets<const N: usize>(inner: &mut impl Read) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    inner.read_exact(&mut octets)?;
    Ok(octets)
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::syntax::{ParseError, ParseOptions, parse};
    use std::io::Write;

    /// How a member is packed.
    #[derive(Clone, Copy, PartialEq)]
    enum How {
        Stored,
        Deflated,
        /// Deflated by who did not know the length beforehand.
        Streamed,
    }

    fn member(name: &str, text: &[u8], how: How) -> Vec<u8> {
        let packed = match how {
            How::Stored => text.to_vec(),
            _ => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(text).expect("memory");
                encoder.finish().expect("memory")
            }
        };
        let mut crc = Crc::new();
        crc.update(text);
        let lengths = [crc.sum(), packed.len() as u32, text.len() as u32];
        let lengths: Vec<u8> = lengths.iter().flat_map(|number| number.to_le_bytes()).collect();
        let streamed = how == How::Streamed;
        let mut all = ZIP.to_vec();
        all.extend([20, 0, if streamed { 8 } else { 0 }, 0, if how == How::Stored { 0 } else { 8 }, 0, 0, 0, 0, 0]);
        all.extend(if streamed { vec![0; 12] } else { lengths.clone() });
        all.extend((name.len() as u16).to_le_bytes());
        all.extend([4, 0]);
        all.extend(name.as_bytes());
        all.extend([0xfe, 0xca, 0, 0]);
        all.extend(packed);
        if streamed {
            all.extend(b"PK\x07\x08");
            all.extend(lengths);
        }
        all
    }

    fn archive(members: &[(&str, &[u8], How)]) -> Vec<u8> {
        let mut all: Vec<u8> = members.iter().flat_map(|(name, text, how)| member(name, text, *how)).collect();
        all.extend(b"PK\x01\x02 and so on");
        all
    }

    fn unzip(octets: &[u8], octets_max: u64) -> Result<String, String> {
        let mut text = String::new();
        let read = Unzip::new(octets, octets_max).read_to_string(&mut text);
        read.map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_text_files_come_one_after_the_other_and_other_files_not_at_all() {
        let all = archive(&[
            ("lists/", b"", How::Stored),
            ("lists/a.txt", b"a.example", How::Streamed),
            ("README.txt", b"read me", How::Deflated),
            ("logo.png", b"\x89PNG", How::Stored),
            ("__MACOSX/a.txt", b"\0", How::Deflated),
            ("hosts", b"0.0.0.0 b.example\n", How::Stored),
            ("c.HOSTS", b"", How::Deflated),
        ]);
        assert_eq!(unzip(&all, 1_000), Ok("a.example\n0.0.0.0 b.example\n".to_owned()));
        let mut rules = 0;
        let report = parse(&*all, &ParseOptions::default(), &mut |_| rules += 1).expect("a list");
        assert_eq!((rules, report.invalid), (2, 0));
    }

    #[test]
    fn what_is_no_list_or_damaged_is_refused() {
        let (text, none) = (archive(&[("a.txt", b"a.example\n", How::Deflated)]), EMPTY_ZIP);
        let mut wrong = text.clone();
        wrong[14] ^= 1;
        let mut encrypted = text.clone();
        encrypted[6] |= 1;
        let mut bzip2 = text.clone();
        bzip2[8] = 12;
        for (octets, reason) in [
            (none, "no text file"),
            (&archive(&[("a.pdf", b"x", How::Stored)]), "no text file"),
            (&wrong, "checksum"),
            (&encrypted, "encrypted"),
            (&bzip2, "a way that is not read"),
            (&[&text[..text.len() - 14], b"rubbish"].concat(), "damaged"),
        ] {
            let error = unzip(octets, 1_000).expect_err(reason);
            assert!(error.contains(reason), "{error}: {reason}");
            assert!(matches!(parse(octets, &ParseOptions::default(), &mut |_| ()), Err(ParseError::Read(_))));
        }
        for length in 4..text.len() - 14 {
            assert!(unzip(&text[..length], 1_000).is_err(), "{length}");
        }
    }

    #[test]
    fn what_unpacks_to_more_than_allowed_is_refused_in_whatever_file_it_is() {
        let bomb = vec![b'\n'; 1 << 20];
        for name in ["a.txt", "a.png"] {
            let all = archive(&[(name, &bomb, How::Streamed), ("b.txt", b"b.example", How::Stored)]);
            assert!(all.len() < 2_000);
            let options = ParseOptions { octets_max: 500_000, ..ParseOptions::default() };
            assert!(matches!(parse(&*all, &options, &mut |_| ()), Err(ParseError::TooLarge(500_000))), "{name}");
        }
    }
}
