//! The lists on disk, so that a restart serves without a network.
//!
//! `<data>/lists/<id>/` holds of each list the last good copy (`raw.zst`), its compiled form (`compiled`), a version
//! that waits to be confirmed (`held.zst`), and how the list stands (`state.json`). Every file is written under
//! another name and renamed. `<data>/lists/key` is the secret that names are hashed under.

use super::{
    ImportReport, ListState, ParseError, ParseOptions, Progress, Recipe, Validators, Version, ZoneCopy, parse,
};
use crate::{
    model::{DomainName, ListSourceId},
    policy::{CompiledList, Counted, ListBuilder, ListFileError, NameKey},
};
use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const FOLDER: &str = "lists";
const KEY: &str = "key";
const RAW: &str = "raw.zst";
const COMPILED: &str = "compiled";
const HELD: &str = "held.zst";
const STATE: &str = "state.json";
/// What the names of uploads on their way begin with.
const UPLOAD: &str = "upload-";
/// What is being written, or came from the network and was not looked at yet.
const NEW: &str = "new";
const BUFFER_OCTETS: usize = 128 << 10;
/// How hard copies are packed.
const PACKING: i32 = 3;

/// Why a version does not serve.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Its text is no list, or larger than allowed.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It has no rule at all.
    #[error("the list has no rule that is understood")]
    Empty,
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The compiled form cannot be used.
    #[error(transparent)]
    Compiled(#[from] ListFileError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LibraryError + '_ {
    move |source| LibraryError::Io { path: path.to_owned(), source }
}

/// The folder of lists.
#[derive(Clone, Debug)]
pub struct Library {
    dir: PathBuf,
    key: NameKey,
}

/// Bounds of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Octets, unpacked.
    pub octets_max: u64,
    /// Rules.
    pub rules_max: u64,
}

/// A copy that was taken over from the network or an upload, not yet read.
#[derive(Debug)]
pub struct Copied {
    path: PathBuf,
    /// Its BLAKE3.
    pub digest: String,
    /// Its octets.
    pub octets: u64,
}

/// A copy that was read, ready to serve.
pub struct Draft {
    path: PathBuf,
    list: CompiledList,
    /// What is known of it.
    pub version: Version,
}

impl Library {
    /// Opens the folder below the data folder; makes it, and the key, where they are missing.
    pub fn open(data: &Path) -> Result<Self, LibraryError> {
        let dir = data.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(at(&dir))?;
        for entry in fs::read_dir(&dir).map_err(at(&dir))?.flatten() {
            // The upload of a process that is no more.
            if entry.file_name().to_string_lossy().starts_with(UPLOAD) {
                forget(&entry.path());
            }
        }
        let path = dir.join(KEY);
        let key = match fs::read(&path) {
            Ok(octets) => octets.try_into().ok().map(u64::from_le_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&path)(error)),
        };
        let key = match key {
            Some(key) => key,
            // Lists hashed under a key that is lost are compiled again from their copies.
            None => {
                let mut octets = [0; 8];
                aws_lc_rs::rand::fill(&mut octets)
                    .map_err(|_| at(&path)(io::Error::other("there are no random octets")))?;
                write_file(&path, &octets)?;
                u64::from_le_bytes(octets)
            }
        };
        Ok(Library { dir, key: NameKey(key) })
    }

    /// What names are hashed under.
    pub fn key(&self) -> NameKey {
        self.key
    }

    fn folder(&self, id: ListSourceId) -> PathBuf {
        self.dir.join(id.0.to_string())
    }

    /// A path in the folder of a list for what is on its way in; the folder is made.
    pub fn inbox(&self, id: ListSourceId) -> Result<PathBuf, LibraryError> {
        let folder = self.folder(id);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        Ok(folder.join("inbox"))
    }

    /// A new path for a list that is on its way in from a person, whose list is not known yet.
    pub fn upload_path(&self) -> PathBuf {
        self.dir.join(format!("{UPLOAD}{}", uuid::Uuid::new_v4().simple()))
    }

    /// How a list stands; as one nobody fetched where nothing readable is there.
    pub fn state(&self, id: ListSourceId) -> ListState {
        let octets = fs::read(self.folder(id).join(STATE)).unwrap_or_default();
        serde_json::from_slice(&octets).unwrap_or_default()
    }

    /// Keeps how a list stands.
    pub fn save_state(&self, id: ListSourceId, state: &ListState) -> Result<(), LibraryError> {
        self.inbox(id)?;
        let path = self.folder(id).join(STATE);
        let octets = serde_json::to_vec(state).map_err(|error| at(&path)(io::Error::other(error)))?;
        write_file(&path, &octets)
    }

    /// Packs what came in, octet for octet, as a copy to be read; at most `octets_max` octets of it.
    pub fn copy(
        &self,
        id: ListSourceId,
        from: impl Read,
        octets_max: u64,
        progress: &Progress,
    ) -> Result<Copied, LibraryError> {
        self.inbox(id)?;
        let path = self.folder(id).join(RAW).with_extension(NEW);
        let mut from = from.take(octets_max + 1);
        let file = BufWriter::with_capacity(BUFFER_OCTETS, create(&path)?);
        let mut packed = zstd::Encoder::new(file, PACKING).map_err(at(&path))?;
        let mut sum = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER_OCTETS];
        let mut octets = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ParseError::Read(error).into()),
            };
            octets += read as u64;
            if octets > octets_max {
                return Err(ParseError::TooLarge(octets_max).into());
            }
            sum.update(&buffer[..read]);
            packed.write_all(&buffer[..read]).map_err(at(&path))?;
            progress.advance(read as u64);
        }
        let file = packed.finish().and_then(|file| Ok(file.into_inner()?)).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        Ok(Copied { path, digest: sum.finalize().to_hex().to_string(), octets })
    }

    /// Reads a copy.
    pub fn read(
        &self,
        copied: Copied,
        recipe: Recipe,
        bounds: Bounds,
        validators: Validators,
        progress: &Progress,
    ) -> Result<Draft, LibraryError> {
        progress.begin("reading", copied.octets);
        let (list, counted, report) = self.compile(&copied.path, &recipe, bounds, progress)?;
        let Copied { path, digest, octets } = copied;
        Ok(Draft { path, list, version: Version { validators, digest, octets, recipe, report, counted } })
    }

    /// Reads the version that was held back.
    pub fn read_held(
        &self,
        id: ListSourceId,
        recipe: Recipe,
        bounds: Bounds,
        validators: Validators,
        progress: &Progress,
    ) -> Result<Draft, LibraryError> {
        let copied = self.copy(id, self.unpacked(id, HELD)?, bounds.octets_max, progress)?;
        self.read(copied, recipe, bounds, validators, progress)
    }

    /// Reads the last good copy again, as another recipe says.
    pub fn read_again(
        &self,
        id: ListSourceId,
        recipe: Recipe,
        bounds: Bounds,
        validators: Validators,
        progress: &Progress,
    ) -> Result<Draft, LibraryError> {
        let copied = self.copy(id, self.unpacked(id, RAW)?, bounds.octets_max, progress)?;
        self.read(copied, recipe, bounds, validators, progress)
    }

    fn unpacked(&self, id: ListSourceId, name: &str) -> Result<impl Read + use<>, LibraryError> {
        let path = self.folder(id).join(name);
        zstd::Decoder::new(File::open(&path).map_err(at(&path))?).map_err(at(&path))
    }

    /// Whether there is a last good copy.
    pub(super) fn has_copy(&self, id: ListSourceId) -> bool {
        self.folder(id).join(RAW).exists()
    }

    /// The last good copy, octet for octet as it came.
    pub(super) fn last_copy(&self, id: ListSourceId) -> Result<impl Read + use<>, LibraryError> {
        self.unpacked(id, RAW)
    }

    /// The records of a transferred zone, as they serve.
    pub fn zone(&self, id: ListSourceId) -> Result<ZoneCopy, LibraryError> {
        read_zone(self.unpacked(id, RAW)?, ParseOptions::OCTETS_MAX).map_err(LibraryError::from)
    }

    /// Writes the records of a transferred zone as what came in.
    pub fn write_zone(&self, id: ListSourceId, zone: &ZoneCopy) -> Result<PathBuf, LibraryError> {
        let path = self.inbox(id)?;
        let octets = postcard::to_allocvec(zone).map_err(|error| at(&path)(io::Error::other(error)))?;
        write_file(&path, &octets)?;
        Ok(path)
    }

    /// Lets a version serve from the next table on.
    pub fn adopt(&self, id: ListSourceId, draft: Draft) -> Result<Version, LibraryError> {
        let folder = self.folder(id);
        self.write_compiled(id, &draft.list)?;
        fs::rename(&draft.path, folder.join(RAW)).map_err(at(&draft.path))?;
        forget(&folder.join(HELD));
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
        Ok(draft.version)
    }

    /// Keeps a version that somebody has to confirm.
    pub fn hold(&self, id: ListSourceId, draft: Draft) -> Result<Version, LibraryError> {
        fs::rename(&draft.path, self.folder(id).join(HELD)).map_err(at(&draft.path))?;
        Ok(draft.version)
    }

    /// Throws away what was on its way in.
    pub fn clear(&self, id: ListSourceId) {
        let folder = self.folder(id);
        forget(&folder.join("inbox"));
        forget(&folder.join(RAW).with_extension(NEW));
        forget(&folder.join(COMPILED).with_extension(NEW));
    }

    fn write_compiled(&self, id: ListSourceId, list: &CompiledList) -> Result<(), LibraryError> {
        let path = self.folder(id).join(COMPILED);
        let new = path.with_extension(NEW);
        let mut file = BufWriter::with_capacity(BUFFER_OCTETS, create(&new)?);
        list.write(&mut file).map_err(at(&new))?;
        let file = file.into_inner().map_err(|error| at(&new)(error.into_error()))?;
        file.sync_all().map_err(at(&new))?;
        fs::rename(&new, &path).map_err(at(&path))
    }

    /// The compiled form of a list; one that is damaged, or hashed under another key, is made anew from the last good
    /// copy. `None`: there is no copy.
    pub fn load(
        &self,
        id: ListSourceId,
        recipe: &Recipe,
        bounds: Bounds,
    ) -> Result<Option<CompiledList>, LibraryError> {
        let folder = self.folder(id);
        let path = folder.join(COMPILED);
        let compiled = match fs::read(&path) {
            Ok(octets) => CompiledList::read(&octets, self.key).map_err(LibraryError::from),
            Err(error) => Err(at(&path)(error)),
        };
        let error = match compiled {
            Ok(list) => return Ok(Some(list)),
            Err(error) => error,
        };
        let raw = folder.join(RAW);
        if !raw.exists() {
            return Ok(None);
        }
        tracing::warn!(list = id.0, %error, "the compiled list cannot be used; it is made again from the copy");
        let (list, ..) = self.compile(&raw, recipe, bounds, &Progress::default())?;
        self.write_compiled(id, &list)?;
        Ok(Some(list))
    }

    /// Reads a packed copy.
    fn compile(
        &self,
        packed: &Path,
        recipe: &Recipe,
        bounds: Bounds,
        progress: &Progress,
    ) -> Result<(CompiledList, Counted, ImportReport), LibraryError> {
        let file = BufReader::with_capacity(BUFFER_OCTETS, File::open(packed).map_err(at(packed))?);
        let octets = Told { inner: zstd::Decoder::with_buffer(file).map_err(at(packed))?, progress };
        let options = options(recipe, bounds);
        let mut builder = ListBuilder::new(self.key);
        let report = match &options.zone {
            Some(zone) if recipe.zone.is_some() => {
                let copy = read_zone(octets, bounds.octets_max)?;
                copy.rules(zone, &options, &mut |rule| builder.push(rule))?
            }
            _ => parse(octets, &options, &mut |rule| builder.push(rule))?,
        };
        let (list, counted) = builder.finish();
        Ok((list, counted, report))
    }

    /// Removes all that is of a list.
    pub fn remove(&self, id: ListSourceId) -> Result<(), LibraryError> {
        let folder = self.folder(id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&folder)(error)),
            _ => Ok(()),
        }
    }

    /// Removes what is of no list any more; returns how many folders went.
    pub fn sweep(&self, known: &HashSet<ListSourceId>) -> Result<usize, LibraryError> {
        let mut swept = 0;
        for entry in fs::read_dir(&self.dir).map_err(at(&self.dir))? {
            let entry = entry.map_err(at(&self.dir))?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(ListSourceId);
            if let Some(id) = id.filter(|id| !known.contains(id)) {
                self.remove(id)?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl Draft {
    /// Whether it has no rule at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// How a list is read by its recipe.
pub(super) fn options(recipe: &Recipe, bounds: Bounds) -> ParseOptions {
    ParseOptions {
        syntax: recipe.syntax,
        reach: recipe.reach,
        hosts: recipe.hosts,
        zone: recipe.zone.as_deref().and_then(|zone| DomainName::from_text(zone).ok()),
        rules_max: bounds.rules_max,
        octets_max: bounds.octets_max,
        ..ParseOptions::default()
    }
}

/// The records of a transferred zone.
fn read_zone(octets: impl Read, octets_max: u64) -> Result<ZoneCopy, ParseError> {
    let mut all = Vec::new();
    octets.take(octets_max).read_to_end(&mut all).map_err(ParseError::Read)?;
    postcard::from_bytes(&all).map_err(|_| ParseError::NotAList("the copy of the zone is damaged".to_owned()))
}

/// Counts what is read.
struct Told<'a, R> {
    inner: R,
    progress: &'a Progress,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.advance(read as u64);
        Ok(read)
    }
}

fn create(path: &Path) -> Result<File, LibraryError> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(at(path))
}

/// Writes a small file whole or not at all.
fn write_file(path: &Path, octets: &[u8]) -> Result<(), LibraryError> {
    let new = path.with_extension(NEW);
    let mut file = create(&new)?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(at(&new))?;
    fs::rename(&new, path).map_err(at(path))
}

/// Removes a file that may not be there; one that stays is overwritten later.
fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests;
