//! One list, brought and read.

use super::Lists;
use crate::{
    feeds::{
        Bounds, Copied, Draft, FetchError, Fetched, LibraryError, ListState, Progress, Recipe, Trust, Validators,
        Version, origin_text,
    },
    model::{Account, ListOrigin, ListSource, ListSourceId, ListSyntax},
};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often long work says how far it is.
const TELL_PERIOD: Duration = Duration::from_secs(10);

/// Why a list is looked at, the weakest reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// It is time.
    Scheduled,
    /// It is to be read in another way.
    Reread,
    /// Somebody asked.
    Refresh,
    /// Somebody asked, and takes it even if it lost most of its rules.
    Confirm,
}

/// Why a list is not what its origin has.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It could not be read or kept.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Its file cannot be used.
    #[error("the file {file}: {reason}")]
    File {
        /// As the list names it.
        file: String,
        /// Why.
        reason: String,
    },
    /// The zone could not be transferred.
    #[error("the zone transfer failed: {0}")]
    Transfer(String),
    /// The lists of its account would have too many rules.
    #[error("the lists of the account would have {rules} rules; at most {rules_max} are allowed")]
    TooManyRules {
        /// With this list.
        rules: u64,
        /// What is allowed.
        rules_max: u64,
    },
    /// There is nothing to confirm, and nothing to read.
    #[error("there is no copy of the list")]
    NoCopy,
    /// What was uploaded is not taken.
    #[error("{0}")]
    Upload(String),
    /// The work broke off.
    #[error("the work stopped short: {0}")]
    Stopped(String),
}

/// What came of it.
pub(super) enum Brought {
    /// The origin has what serves.
    Unchanged,
    /// A version serves from the next table on.
    Adopted(Box<Version>),
    /// A version waits to be confirmed.
    Held(Box<Version>),
}

/// A list that lies in a file, as it came.
pub(super) struct Arrived {
    pub path: PathBuf,
    pub gzipped: bool,
    /// It is removed when it was read.
    pub ours: bool,
    pub validators: Validators,
}

impl Lists {
    /// Brings a list and notes what came of it.
    pub(super) async fn bring(&self, source: &ListSource, ask: Ask) {
        let progress = Arc::new(Progress::default());
        if let Some(shelved) = self.0.shelf.lock().get_mut(&source.id) {
            shelved.work = Some(progress.clone());
        }
        let own = self.own_turn(source.id);
        let _own = own.lock().await;
        let Ok(_turn) = self.0.turns.acquire().await else { return };
        let started = Instant::now();
        tracing::info!(list = source.id.0, name = ?source.name, why = ?ask, "a list is being refreshed");
        let work = self.version(source, ask, &progress);
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = tokio::time::sleep(TELL_PERIOD) => {
                    let far = progress.far();
                    let seconds = started.elapsed().as_secs();
                    tracing::info!(list = source.id.0, doing = far.phase, octets = far.done, of = far.total, seconds,
                        "a list is still being refreshed");
                }
            }
        };
        self.note(source, outcome, started);
    }

    /// Takes a list that somebody sent, and returns when queries are decided by it; `Ok(false)`: it waits to be confirmed,
    /// because it lost most of its rules.
    pub async fn upload(
        &self,
        source: &ListSource,
        contents: impl Read + Send + 'static,
        confirm: bool,
    ) -> Result<bool, RefreshError> {
        let own = self.own_turn(source.id);
        let _own = own.lock().await;
        let _turn = self.0.upload_turns.acquire().await.map_err(|error| RefreshError::Stopped(error.to_string()))?;
        let started = Instant::now();
        let state = self.state(source.id);
        let recipe = Recipe::of(source);
        let progress = Arc::new(Progress::default());
        progress.begin("copying", 0);
        if let Some(shelved) = self.0.shelf.lock().get_mut(&source.id) {
            shelved.work = Some(progress.clone());
        }
        let (lists, of) = (self.clone(), source.clone());
        let work = move || {
            let bounds = lists.bounds();
            let copied = lists.0.library.copy(of.id, contents, bounds.octets_max, &progress)?;
            lists.read(&of, &state, copied, recipe, Validators::default(), confirm, &progress)
        };
        let outcome = blocking(work).await;
        self.0.library.clear(source.id);
        let told = match &outcome {
            Ok(Brought::Held(_)) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.to_string()),
        };
        let change = self.note(source, outcome, started);
        match told {
            Err(reason) => Err(RefreshError::Upload(reason)),
            Ok(serves) => {
                if let Some(number) = change {
                    self.table_has(number).await;
                }
                Ok(serves)
            }
        }
    }

    fn state(&self, id: ListSourceId) -> ListState {
        self.0.shelf.lock().get(&id).map(|shelved| shelved.state.clone()).unwrap_or_default()
    }

    /// Bounds of any list.
    pub(super) fn bounds(&self) -> Bounds {
        self.0.options.bounds()
    }

    async fn version(&self, source: &ListSource, ask: Ask, progress: &Arc<Progress>) -> Result<Brought, RefreshError> {
        let state = self.state(source.id);
        let recipe = Recipe::of(source);
        let (lists, of, told) = (self.clone(), source.clone(), progress.clone());
        if ask == Ask::Confirm
            && let Some(held) = state.held.clone()
        {
            return blocking(move || {
                let library = &lists.0.library;
                let draft = library.read_held(of.id, recipe, lists.bounds(), held.validators, &told)?;
                lists.take(&of, &state, draft, true)
            })
            .await;
        }
        let made_otherwise = state.recipe.as_ref().is_some_and(|made| *made != recipe);
        let same_origin = state.origin == origin_text(&source.origin);
        if state.serves()
            && (ask == Ask::Reread && same_origin || source.origin == ListOrigin::Upload && made_otherwise)
        {
            return blocking(move || {
                let library = &lists.0.library;
                let draft = library.read_again(of.id, recipe, lists.bounds(), state.validators.clone(), &told)?;
                lists.take(&of, &state, draft, true)
            })
            .await;
        }
        let confirm = ask == Ask::Confirm;
        let Some(arrived) = self.arrive(source, &state, progress).await? else { return Ok(Brought::Unchanged) };
        let outcome = blocking(move || {
            let copied = lists.copy(&of, &arrived, &told)?;
            lists.read(&of, &state, copied, recipe, arrived.validators, confirm, &told)
        })
        .await;
        self.0.library.clear(source.id);
        outcome
    }

    /// Brings the list into a file; `None`: it is what it was.
    async fn arrive(
        &self,
        source: &ListSource,
        state: &ListState,
        progress: &Arc<Progress>,
    ) -> Result<Option<Arrived>, RefreshError> {
        let known = state.known(source);
        match &source.origin {
            ListOrigin::Upload => {
                if state.serves() {
                    Ok(None)
                } else {
                    Err(RefreshError::NoCopy)
                }
            }
            ListOrigin::Url(url) => {
                let trust = if source.owner == Account::System { Trust::Operator } else { Trust::Tenant };
                let path = self.0.library.inbox(source.id)?;
                match self.0.fetcher.fetch(url, trust, &known, &path, progress).await? {
                    Fetched::Unchanged => Ok(None),
                    Fetched::Body { validators, gzipped, .. } => {
                        Ok(Some(Arrived { path, gzipped, ours: true, validators }))
                    }
                }
            }
            ListOrigin::File(file) => {
                let (lists, file) = (self.clone(), file.clone());
                let (path, stamp) = blocking(move || lists.file(&file)).await?;
                let validators = Validators { etag: Some(stamp), last_modified: None };
                let same = known == validators;
                Ok((!same).then_some(Arrived { path, gzipped: false, ours: false, validators }))
            }
            ListOrigin::Transfer { .. } => self.transfer(source, &known, progress).await,
        }
    }

    /// A file below the folder, and what tells whether it has changed.
    fn file(&self, file: &str) -> Result<(PathBuf, String), RefreshError> {
        let refuse = |reason: &str| RefreshError::File { file: file.to_owned(), reason: reason.to_owned() };
        let folder = self.0.options.folder.as_ref().ok_or_else(|| refuse("the configuration names no folder"))?;
        let failed = |error: io::Error| refuse(&error.to_string());
        let folder = folder.canonicalize().map_err(failed)?;
        let path = folder.join(file).canonicalize().map_err(failed)?;
        if !path.starts_with(&folder) {
            return Err(refuse("it lies outside of the folder"));
        }
        let about = path.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(refuse("it is no file"));
        }
        Ok((path, format!("{}.{}-{}", about.mtime(), about.mtime_nsec(), about.len())))
    }

    /// Takes over what arrived, without what the transport packed it in.
    fn copy(&self, source: &ListSource, arrived: &Arrived, progress: &Progress) -> Result<Copied, RefreshError> {
        let failed = |error| LibraryError::Io { path: arrived.path.clone(), source: error };
        let file = BufReader::new(File::open(&arrived.path).map_err(failed)?);
        let octets: Box<dyn Read> =
            if arrived.gzipped { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) };
        let about = arrived.path.metadata().map_or(0, |about| about.len());
        progress.begin("copying", about);
        let copied = self.0.library.copy(source.id, octets, self.bounds().octets_max, progress)?;
        if arrived.ours {
            // It is overwritten by the next one where it stays.
            let _ = std::fs::remove_file(&arrived.path);
        }
        Ok(copied)
    }

    #[expect(clippy::too_many_arguments, reason = "what a version is made of, once")]
    fn read(
        &self,
        source: &ListSource,
        state: &ListState,
        copied: Copied,
        recipe: Recipe,
        validators: Validators,
        confirm: bool,
        progress: &Progress,
    ) -> Result<Brought, RefreshError> {
        if state.serves() && copied.digest == state.digest && state.recipe.as_ref() == Some(&recipe) {
            return Ok(Brought::Unchanged);
        }
        let draft = self.0.library.read(copied, recipe, self.bounds(), validators, progress)?;
        self.take(source, state, draft, confirm)
    }

    /// Lets a version serve, or holds it back.
    fn take(
        &self,
        source: &ListSource,
        state: &ListState,
        draft: Draft,
        confirm: bool,
    ) -> Result<Brought, RefreshError> {
        let rules = draft.version.rules();
        // A zone may be empty; a list without rules is something else that the server sent.
        let zone = draft.version.report.syntax == Some(ListSyntax::Rpz);
        if draft.is_empty() && !zone && !confirm && !state.serves() {
            return Err(LibraryError::Empty.into());
        }
        self.check_budget(source, rules)?;
        let library = &self.0.library;
        if !confirm && state.holds_back(source, rules) {
            return Ok(Brought::Held(Box::new(library.hold(source.id, draft)?)));
        }
        Ok(Brought::Adopted(Box::new(library.adopt(source.id, draft)?)))
    }

    /// Whether the lists of the account may have so many rules.
    fn check_budget(&self, source: &ListSource, rules: u64) -> Result<(), RefreshError> {
        let options = &self.0.options;
        let rules_max = match source.owner {
            Account::System => options.rules_max_of_system,
            Account::Msp(_) => options.rules_max_per_msp,
            Account::Customer(_) => options.rules_max_per_customer,
        };
        let shelf = self.0.shelf.lock();
        let siblings = self.0.store.rows::<ListSource>(source.owner).filter(|row| row.value.id != source.id);
        let others: u64 = siblings.filter_map(|row| Some(shelf.get(&row.value.id)?.state.rules)).sum();
        let rules = others.saturating_add(rules);
        if rules > rules_max { Err(RefreshError::TooManyRules { rules, rules_max }) } else { Ok(()) }
    }

    /// Notes what came of a list, on disk too; gives the number of the change where the table changes.
    fn note(&self, source: &ListSource, outcome: Result<Brought, RefreshError>, started: Instant) -> Option<u64> {
        let now = (self.0.clock)();
        let chance = uuid::Uuid::new_v4().as_u64_pair().0;
        let mut state = self.state(source.id);
        let mut changes = false;
        let word = match &outcome {
            Ok(Brought::Unchanged) => "unchanged",
            Ok(Brought::Adopted(_)) => "changed",
            Ok(Brought::Held(_)) => "held",
            Err(_) => "failed",
        };
        match outcome {
            Ok(Brought::Unchanged) => state.unchanged(source, now, chance),
            Ok(Brought::Adopted(version)) => {
                state.adopted(source, *version, now, chance);
                changes = true;
            }
            Ok(Brought::Held(version)) => {
                tracing::warn!(
                    list = source.id.0,
                    name = ?source.name,
                    rules = version.rules(),
                    before = state.rules,
                    "a list lost more than half of its rules and waits to be confirmed; the last good copy serves"
                );
                state.held_back(source, &version, now, chance);
            }
            Err(error) => {
                let text = error.to_string();
                let wait_s = match error {
                    RefreshError::Fetch(FetchError::Status { retry_after_s, .. }) => retry_after_s,
                    _ => None,
                };
                state.failed(source, &text, wait_s, now, chance);
                tracing::warn!(
                    list = source.id.0,
                    name = ?source.name,
                    error = text,
                    errors = state.errors,
                    serving = state.serves(),
                    "a list could not be refreshed; the last good copy serves, if there is one"
                );
            }
        }
        let took = started.elapsed();
        metrics::counter!("weir_list_refreshes_total", "outcome" => word).increment(1);
        metrics::histogram!("weir_list_refresh_seconds").record(took.as_secs_f64());
        if word != "failed" {
            tracing::info!(
                list = source.id.0,
                name = ?source.name,
                outcome = word,
                rules = state.rules,
                took_ms = took.as_millis() as u64,
                "a list was refreshed"
            );
        }
        // A list that went meanwhile leaves nothing behind.
        self.0.store.find::<ListSource>(source.id.0)?;
        if let Err(error) = self.0.library.save_state(source.id, &state) {
            tracing::error!(list = source.id.0, %error, "how a list stands could not be kept");
        }
        {
            let mut shelf = self.0.shelf.lock();
            let shelved = shelf.entry(source.id).or_insert_with(|| super::shelf::Shelved::new(ListState::default()));
            (shelved.state, shelved.work) = (state, None);
        }
        changes.then(|| self.table_changed())
    }
}

/// Runs what may take long where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RefreshError> + Send + 'static,
) -> Result<T, RefreshError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(RefreshError::Stopped(error.to_string())))
}
