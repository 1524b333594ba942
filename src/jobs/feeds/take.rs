//! One feed, brought and read.

use super::{CategoryFeed, FeedOrigin, Feeds, build, state::Version};
use crate::{
    feeds::{FetchError, Fetched, ParseOptions, Progress, Trust, Validators, parse},
    model::{Effect, Pattern, Rule},
};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The last good copy, in the folder of its feed.
pub(super) const LISTS: &str = "lists";
/// A version that waits to be confirmed.
const HELD: &str = "held";
/// A version that is being read.
const NEXT: &str = "next";
/// The last good copy while it is exchanged.
const OLD: &str = "old";
/// What came from the network.
const INBOX: &str = "inbox";
/// What gzip begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How much larger than a list an archive may be, unpacked.
const ARCHIVE_FACTOR: u64 = 8;

/// What came of a feed.
pub(super) enum Brought {
    /// The origin has what serves; what it says of that now.
    Unchanged(Option<Validators>),
    /// A version serves from the next index on.
    Adopted(Box<Version>),
    /// A version waits to be confirmed.
    Held(Box<Version>),
}

/// Why a feed is not what its origin has.
pub(super) struct Failed {
    pub text: String,
    /// Seconds after which the server wants to be asked again.
    pub wait_s: Option<u64>,
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed { text: error.to_string(), wait_s: None }
    }
}

/// A feed as it came.
struct Arrived {
    path: PathBuf,
    gzipped: bool,
    ours: bool,
    validators: Validators,
}

impl Feeds {
    pub(super) async fn version(
        &self,
        feed: &CategoryFeed,
        confirm: bool,
        progress: &Arc<Progress>,
    ) -> Result<Brought, Failed> {
        let state = self.0.kept.lock().state(&feed.name);
        let folder = self.0.parts.dir.join(&feed.name);
        fs::create_dir_all(&folder)?;
        if let Some(held) = state.held.clone().filter(|_| confirm && folder.join(HELD).exists()) {
            let feeds = self.clone();
            let exchanged = tokio::task::spawn_blocking(move || feeds.exchange(&folder, HELD)).await?;
            return Ok(exchanged.map(|()| Brought::Adopted(Box::new(held.version)))?);
        }
        let known = if folder.join(LISTS).exists() { state.known() } else { Validators::default() };
        let Some(arrived) = self.arrive(feed, &folder, &known, progress).await? else {
            let _ = fs::remove_dir_all(folder.join(HELD));
            return Ok(Brought::Unchanged(None));
        };
        let (feeds, feed, told) = (self.clone(), feed.clone(), progress.clone());
        let work = move || {
            let ours = arrived.ours.then(|| arrived.path.clone());
            let there = folder.join(LISTS).exists();
            let outcome = feeds.read(&feed, &folder, arrived, &told, |digest| there && state.has(digest));
            // What stays is overwritten by the next one.
            ours.map(fs::remove_file);
            let _ = fs::remove_file(folder.join("check.weir"));
            let version = match outcome? {
                Ok(version) => version,
                Err(validators) => {
                    let _ = fs::remove_dir_all(folder.join(HELD));
                    return Ok(Brought::Unchanged(Some(validators)));
                }
            };
            if !confirm && there && state.holds_back(version.report.names) {
                replace(&folder.join(NEXT), &folder.join(HELD))?;
                return Ok(Brought::Held(Box::new(version)));
            }
            feeds.exchange(&folder, NEXT)?;
            let _ = fs::remove_dir_all(folder.join(HELD));
            Ok(Brought::Adopted(Box::new(version)))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the feed into a file; `None`: it is what it was.
    async fn arrive(
        &self,
        feed: &CategoryFeed,
        folder: &Path,
        known: &Validators,
        progress: &Progress,
    ) -> Result<Option<Arrived>, Failed> {
        match &feed.origin {
            FeedOrigin::Url(url) => {
                let path = folder.join(INBOX);
                let fetched = self.0.parts.fetcher.fetch(url, Trust::Operator, known, &path, progress).await;
                let fetched = fetched.map_err(|error| {
                    let wait_s = match &error {
                        FetchError::Status { retry_after_s, .. } => *retry_after_s,
                        _ => None,
                    };
                    Failed { text: error.to_string(), wait_s }
                })?;
                Ok(match fetched {
                    Fetched::Unchanged => None,
                    Fetched::Body { validators, gzipped, .. } => {
                        Some(Arrived { path, gzipped, ours: true, validators })
                    }
                })
            }
            FeedOrigin::File(file) => {
                let failed = |error: io::Error| Failed { text: format!("{}: {error}", file.display()), wait_s: None };
                let about = file.metadata().map_err(failed)?;
                let changed = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                let stamp = format!("{}-{}", changed.unwrap_or_default().as_nanos(), about.len());
                let validators = Validators { etag: Some(stamp), last_modified: None };
                let arrived =
                    Arrived { path: file.clone(), gzipped: false, ours: false, validators: validators.clone() };
                Ok((*known != validators).then_some(arrived))
            }
        }
    }

    /// Reads a feed into the folder of the next version; `Err`: it is the copy there is.
    fn read(
        &self,
        feed: &CategoryFeed,
        folder: &Path,
        arrived: Arrived,
        progress: &Progress,
        is_known: impl FnOnce(&str) -> bool,
    ) -> Result<Result<Version, Validators>, Failed> {
        let octets_max = self.0.parts.octets_max;
        let octets = arrived.path.metadata()?.len();
        progress.begin("copying", octets);
        let mut sum = blake3::Hasher::new();
        sum.update_reader(File::open(&arrived.path)?)?;
        let digest = sum.finalize().to_hex().to_string();
        if is_known(&digest) {
            return Ok(Err(arrived.validators));
        }
        let next = folder.join(NEXT);
        if next.exists() {
            fs::remove_dir_all(&next)?;
        }
        let file = unpacked(&arrived.path, arrived.gzipped)?;
        let mut report = build::Read::default();
        match &feed.category {
            Some(slug) => {
                fs::create_dir_all(next.join(slug))?;
                report = write_names(feed, file, &next.join(slug).join("domains"), octets_max)?;
            }
            None => {
                fs::create_dir_all(&next)?;
                let path = next.join("archive.tar.gz");
                let mut copy = File::create(&path)?;
                let copied = io::copy(&mut file.take(octets_max + 1), &mut copy)?;
                copy.sync_all()?;
                if copied > octets_max {
                    return Err(io::Error::other(format!("the archive has more than {octets_max} octets")).into());
                }
                check_archive(&path, octets_max.saturating_mul(ARCHIVE_FACTOR))?;
            }
        }
        let report = build::check(&next, &folder.join("check.weir"), report, progress)?;
        Ok(Ok(Version { validators: arrived.validators, digest, octets, report }))
    }

    /// Lets a version be the copy that the next index is built from.
    fn exchange(&self, folder: &Path, from: &str) -> io::Result<()> {
        let _turn = self.0.exchange.lock();
        let (lists, old) = (folder.join(LISTS), folder.join(OLD));
        if lists.exists() {
            replace(&lists, &old)?;
        }
        fs::rename(folder.join(from), &lists)?;
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
        Ok(())
    }
}

/// Puts the last good copy back where an exchange was cut off; false where there is none.
pub(super) fn mend(folder: &Path) -> bool {
    let (lists, old) = (folder.join(LISTS), folder.join(OLD));
    if old.exists() && !lists.exists() {
        // Where that fails too, the feed is fetched again.
        let _ = fs::rename(&old, &lists);
    }
    lists.exists()
}

/// Renames a folder over another.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::rename(from, to)
}

/// The octets as the origin has them. A server may say that it sent a packed file packed, and have packed it once only.
fn unpacked(path: &Path, gzipped: bool) -> io::Result<Box<dyn Read>> {
    let open = || File::open(path).map(BufReader::new);
    if !gzipped {
        return Ok(Box::new(open()?));
    }
    let mut first = Vec::new();
    flate2::bufread::MultiGzDecoder::new(open()?).take(2).read_to_end(&mut first)?;
    let twice = first == GZIP;
    let archive_as_it_is = !twice && is_tar(open()?)?;
    if archive_as_it_is { Ok(Box::new(open()?)) } else { Ok(Box::new(flate2::bufread::MultiGzDecoder::new(open()?))) }
}

/// Whether a gzipped file holds a tar archive.
fn is_tar(file: impl io::BufRead) -> io::Result<bool> {
    let mut head = Vec::new();
    flate2::bufread::MultiGzDecoder::new(file).take(262).read_to_end(&mut head)?;
    Ok(head.get(257..262) == Some(b"ustar"))
}

/// Writes the names of a list one a line.
fn write_names(feed: &CategoryFeed, octets: impl Read, path: &Path, octets_max: u64) -> io::Result<build::Read> {
    let mut out = BufWriter::new(File::create(path)?);
    let options = ParseOptions { syntax: feed.syntax, octets_max, ..ParseOptions::default() };
    let mut failed = None;
    let mut left_out = 0u64;
    let report = parse(octets, &options, &mut |rule| match &rule {
        Rule::Name(rule) if rule.effect == Effect::Block && rule.conditions.is_none() => match &rule.pattern {
            Pattern::Exact(name) | Pattern::Suffix(name) | Pattern::Below(name) if failed.is_none() => {
                failed = writeln!(out, "{name}").err();
            }
            _ => left_out += 1,
        },
        _ => left_out += 1,
    })
    .map_err(io::Error::other)?;
    if let Some(error) = failed {
        return Err(error);
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(build::Read { of_list: Some(report), left_out })
}

/// Reads an archive to its end, within bounds.
fn check_archive(path: &Path, octets_max: u64) -> io::Result<()> {
    let mut unpacked =
        flate2::bufread::MultiGzDecoder::new(BufReader::new(File::open(path)?)).take(octets_max.saturating_add(1));
    let files = files_of(&mut unpacked);
    // The bound looks like an end that came too early.
    if unpacked.limit() == 0 {
        return Err(io::Error::other(format!("the archive has more than {octets_max} octets, unpacked")));
    }
    if files? == 0 { Err(io::Error::other("the archive is empty")) } else { Ok(()) }
}

/// How many files an archive has, read to its last octet.
fn files_of(unpacked: &mut impl Read) -> io::Result<u64> {
    let mut files = 0;
    for entry in tar::Archive::new(&mut *unpacked).entries()? {
        io::copy(&mut entry?, &mut io::sink())?;
        files += 1;
    }
    // What comes after the end of the archive tells whether the file is whole: gzip's own sum is at its end.
    io::copy(unpacked, &mut io::sink())?;
    Ok(files)
}
