//! Opening lists and archives, and cutting them into lines.

use super::{
    BuildError, Intake, Progress,
    walk::{Input, InputRole, Packing, Role, role},
};
use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path, PathBuf},
    rc::Rc,
};

/// Octets of the longest line kept; a name has at most 253, a hosts line a few of them.
const LINE_OCTETS_MAX: usize = 4096;
/// Octets a list may unpack to.
const LIST_OCTETS_MAX: u64 = 4 << 30;
/// Octets an archive may unpack to.
const ARCHIVE_OCTETS_MAX: u64 = 16 << 30;
/// Lines between two notes to the progress bar.
const LINES_BETWEEN_NOTES: u64 = 8192;
const BUFFER_OCTETS: usize = 128 << 10;

/// Reads one input into the intake.
pub(super) fn read(input: &Input, intake: &mut Intake<'_>, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let failed = |cause| BuildError::Read { path: input.path.clone(), cause };
    let count = Rc::new(Cell::new(0));
    let file = Counted { inner: File::open(&input.path).map_err(failed)?, count: Rc::clone(&count) };
    let file = BufReader::with_capacity(BUFFER_OCTETS, file);
    let mut note = Note { progress, count, noted: 0 };
    match input.role {
        InputRole::List(source) => {
            note.progress.source(&intake.ledger.at(source).name);
            let list = unpack(file, input.packing, LIST_OCTETS_MAX).map_err(failed)?;
            lines(list, source, intake, &mut note, &failed)?;
        }
        InputRole::Archive => {
            let octets = unpack(file, input.packing, ARCHIVE_OCTETS_MAX).map_err(failed)?;
            archive(octets, intake, &mut note, &failed)?;
        }
    }
    note.tell();
    Ok(())
}

/// Reads the lists of a tar archive; links between them are aliases.
fn archive(
    octets: impl Read,
    intake: &mut Intake<'_>,
    note: &mut Note<'_>,
    failed: &dyn Fn(io::Error) -> BuildError,
) -> Result<(), BuildError> {
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(octets);
    for entry in archive.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            links.extend(entry.link_name().map_err(failed)?.map(|to| (path.clone(), resolved(&path, &to))));
        } else if kind.is_hard_link() {
            links.extend(entry.link_name().map_err(failed)?.map(|to| (path.clone(), to.into_owned())));
        } else if kind.is_file() {
            match role(&path) {
                Role::List(names, packing) => {
                    let source = intake.ledger.number(&names);
                    // A list nobody knows is read: a link further on may say what it is.
                    if intake.ledger.at(source).ignored.is_none() {
                        note.progress.source(&intake.ledger.at(source).name);
                        let list = unpack(BufReader::new(entry), packing, LIST_OCTETS_MAX).map_err(failed)?;
                        lines(list, source, intake, note, failed)?;
                    }
                }
                Role::Companion => intake.skipped.companions += 1,
                Role::Archive(_) | Role::Other => intake.skipped.other(&path),
            }
        }
    }
    intake.ledger.aliases(&links);
    Ok(())
}

/// Where a symbolic link leads inside its archive.
fn resolved(link: &Path, to: &Path) -> PathBuf {
    let mut target = link.parent().map(Path::to_owned).unwrap_or_default();
    for component in to.components() {
        match component {
            Component::ParentDir => {
                target.pop();
            }
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    target
}

fn lines(
    list: impl BufRead,
    source: u32,
    intake: &mut Intake<'_>,
    note: &mut Note<'_>,
    failed: &dyn Fn(io::Error) -> BuildError,
) -> Result<(), BuildError> {
    let mut lines = Lines::new(list);
    let mut count = 0;
    while let Some(line) = lines.next().map_err(failed)? {
        intake.line(source, line)?;
        count += 1;
        if count % LINES_BETWEEN_NOTES == 0 {
            note.tell();
        }
    }
    Ok(())
}

/// The unpacked octets; reading more of them than `octets_max` is an error.
fn unpack<'a>(packed: impl BufRead + 'a, packing: Packing, octets_max: u64) -> io::Result<Box<dyn BufRead + 'a>> {
    let plain: Box<dyn Read + 'a> = match packing {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_OCTETS, Capped { inner: plain, left: octets_max, octets_max })))
}

/// Octets of the file read so far, and who wants to know.
struct Note<'a> {
    progress: &'a mut dyn Progress,
    count: Rc<Cell<u64>>,
    noted: u64,
}

impl Note<'_> {
    fn tell(&mut self) {
        let count = self.count.get();
        self.progress.advance(count - self.noted);
        self.noted = count;
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Fails where `take` would end.
struct Capped<R> {
    inner: R,
    left: u64,
    octets_max: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("it unpacks to more than {} octets", self.octets_max))
        })?;
        Ok(read)
    }
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    /// Longer than a line may be; its beginning.
    TooLong(&'a [u8]),
}

/// Cuts octets at LF, CR LF and CR. A byte-order mark at the start is dropped.
struct Lines<R> {
    inner: R,
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(inner: R) -> Self {
        Lines { inner, line: Vec::with_capacity(LINE_OCTETS_MAX), after_cr: false, started: false }
    }

    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut octets, mut ended) = (0, false);
        while !ended {
            let buffer = match self.inner.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                if octets == 0 {
                    return Ok(None);
                }
                break;
            }
            if std::mem::take(&mut self.after_cr) && buffer[0] == b'\n' {
                self.inner.consume(1);
                continue;
            }
            let end = buffer.iter().position(|&octet| matches!(octet, b'\n' | b'\r'));
            let part = &buffer[..end.unwrap_or(buffer.len())];
            self.line.extend_from_slice(&part[..part.len().min(LINE_OCTETS_MAX - self.line.len())]);
            octets += part.len();
            let used = part.len() + usize::from(end.is_some());
            self.after_cr = end.is_some_and(|end| buffer[end] == b'\r');
            ended = end.is_some();
            self.inner.consume(used);
        }
        let start = if self.started { 0 } else { self.line.starts_with(b"\xef\xbb\xbf").into() };
        self.started = true;
        let line = &self.line[3 * start..];
        Ok(Some(if octets > LINE_OCTETS_MAX { Line::TooLong(line) } else { Line::Text(line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(octets: &[u8], buffer: usize) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, octets));
        let mut all = Vec::new();
        while let Some(line) = lines.next().expect("memory does not fail") {
            all.push(match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong(start) => format!("too long, {} kept", start.len()),
            });
        }
        all
    }

    #[test]
    fn lines_end_in_any_of_the_three_ways_whatever_the_buffer() {
        for buffer in 1..8 {
            assert_eq!(cut(b"a\nbc\r\nd\re\n\nf", buffer), ["a", "bc", "d", "e", "", "f"], "buffer of {buffer}");
            assert_eq!(cut(b"\xef\xbb\xbfa\r\n", buffer), ["a"]);
            assert_eq!(cut(b"", buffer), [""; 0]);
        }
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let octets = [vec![b'a'; 100_000], b"\nb".to_vec()].concat();
        assert_eq!(cut(&octets, 999), ["too long, 4096 kept", "b"]);
    }

    #[test]
    fn octets_over_the_cap_are_an_error_and_not_an_end() {
        let read = |octets: u64| io::copy(&mut unpack(&[7u8; 100][..], Packing::Plain, octets)?, &mut io::sink());
        assert_eq!(read(100).expect("as many as allowed"), 100);
        assert_eq!(read(99).expect_err("one too many").kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn links_of_an_archive_are_followed_lexically() {
        for (link, to, expected) in [
            ("bl/porn", "adult", "bl/adult"),
            ("bl/porn/domains", "../adult/domains", "bl/adult/domains"),
            ("porn", "../../../etc/adult", "etc/adult"),
        ] {
            assert_eq!(resolved(Path::new(link), Path::new(to)), Path::new(expected));
        }
    }
}
