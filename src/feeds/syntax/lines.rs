//! Lines of a list: ended by LF, CR or both, of bounded length, decoded as UTF-8.

use std::io::{self, BufRead};

/// Octets of the longest line: rules with hundreds of names are written in one.
pub(super) const LINE_OCTETS_MAX: usize = 64 << 10;
/// Octets of an over-long line that are kept to be shown.
const SHOWN_OCTETS: usize = 1024;

/// Cuts octets into lines.
pub(super) struct Lines<R> {
    inner: R,
    line: Vec<u8>,
    /// Of the line read last, counted from 1.
    pub(super) number: u64,
    /// Octets read.
    pub(super) octets: u64,
    after_cr: bool,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without its end and without a byte order mark.
    Text(&'a str),
    /// One that cannot be read: what can be shown of it, and why.
    Bad(String, &'static str),
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        Lines { inner, line: Vec::new(), number: 0, octets: 0, after_cr: false }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut any, mut long) = (false, false);
        loop {
            let buffer = match self.inner.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                break;
            }
            // The LF of a CRLF: the line before it has ended already.
            if std::mem::take(&mut self.after_cr) && buffer[0] == b'\n' {
                self.inner.consume(1);
                self.octets += 1;
                continue;
            }
            any = true;
            let end = memchr::memchr2(b'\n', b'\r', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if self.line.len() + part.len() > LINE_OCTETS_MAX {
                long = true;
                let room = SHOWN_OCTETS.saturating_sub(self.line.len()).min(part.len());
                self.line.extend_from_slice(&part[..room]);
                self.line.truncate(SHOWN_OCTETS);
            } else if !long {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.after_cr = end.is_some_and(|end| buffer[end] == b'\r');
            self.inner.consume(used);
            self.octets += used as u64;
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let line = match self.number {
            1 => self.line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line),
            _ => &self.line,
        };
        Ok(Some(match std::str::from_utf8(line) {
            _ if long => Line::Bad(String::from_utf8_lossy(line).into_owned(), "the line is too long"),
            Ok(text) => Line::Text(text),
            Err(_) => {
                let shown = &line[..line.len().min(SHOWN_OCTETS)];
                Line::Bad(String::from_utf8_lossy(shown).into_owned(), "the line is not UTF-8")
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(octets: &[u8], capacity: usize) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, octets));
        let mut all = Vec::new();
        while let Some(line) = lines.next().expect("octets in memory") {
            all.push(match line {
                Line::Text(text) => text.to_owned(),
                Line::Bad(_, reason) => format!("({reason})"),
            });
        }
        assert_eq!((lines.number, lines.octets), (all.len() as u64, octets.len() as u64));
        all
    }

    #[test]
    fn lines_end_with_lf_cr_or_both_wherever_the_buffer_ends() {
        for capacity in [1, 2, 3, 7, 64] {
            assert_eq!(lines(b"\xef\xbb\xbfa\r\nb\rc\n\nd\r\r\n", capacity), ["a", "b", "c", "", "d", ""]);
            assert_eq!(lines(b"a\nb", capacity), ["a", "b"]);
            assert_eq!(lines(b"", capacity), [""; 0]);
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_no_utf_8_is_told_and_the_next_one_read() {
        let mut octets = vec![b'a'; LINE_OCTETS_MAX + 1];
        octets.extend_from_slice(b"\nb\n\xff\nc");
        assert_eq!(lines(&octets, 4096), ["(the line is too long)", "b", "(the line is not UTF-8)", "c"]);
        assert_eq!(lines(&vec![b'a'; LINE_OCTETS_MAX], 4096)[0].len(), LINE_OCTETS_MAX);
    }
}
