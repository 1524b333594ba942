//! A daemon's life.

use super::{category, filtering::QueryPath, notify, parts};
use crate::{
    answer::{Parts, Plane},
    api::{self, Api, Rate},
    auth::{self, FirstStart},
    category::Index,
    certs::{CertSource, CertStore},
    config::{ApiTls, Config, Inheritance},
    feeds::{Fetcher, Library},
    jobs::{self, FeedParts, Feeds, ListParts, Lists, ReportParts, SafeSearch, SafeSearchParts, Shelf},
    listen::{Bound, Listeners},
    mail::Smtp,
    model::{Account, DnsSettings, Timestamp},
    publish::Publisher,
    querylog::QueryLog,
    resolve::{self, Resolver},
    rewrite::BlockPage,
    sightings::Sightings,
    stats::Stats,
    store::{self, Store},
    telemetry,
};
use arc_swap::ArcSwap;
use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long queries on their way may still be answered after SIGTERM.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// User name of the administrator made at the first start.
const FIRST_ADMIN: &str = "admin@weir.local";
/// How often gauges that nobody pushes are read.
const GAUGE_PAUSE: Duration = Duration::from_secs(5);

/// Why the daemon did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The first rows could not be made.
    #[error("the first start failed: {0}")]
    FirstStart(#[from] auth::FirstStartError),
    /// There is no key to sign access tokens with.
    #[error(transparent)]
    SigningKey(#[from] auth::SigningKeyError),
    /// There is no category index.
    #[error(transparent)]
    Category(#[from] category::CategoryError),
    /// The folder of subscribed lists cannot be used.
    #[error("subscribed lists: {0}")]
    Lists(#[from] crate::feeds::LibraryError),
    /// Lists cannot be fetched.
    #[error("subscribed lists cannot be fetched: {0}")]
    Fetcher(#[from] crate::feeds::FetcherError),
    /// An upstream cannot be used.
    #[error("the upstream {upstream:?} cannot be used: {source}")]
    Upstream {
        /// As configured.
        upstream: String,
        /// Why.
        source: resolve::UpstreamError,
    },
    /// The resolver cannot be built.
    #[error(transparent)]
    Resolver(#[from] resolve::ResolveError),
    /// The key that licences are checked with cannot be used.
    #[error("[license] public_key: {0}")]
    Licence(String),
    /// The client for embedded reports cannot be built.
    #[error("[powerbi] cannot be set up: {0}")]
    Embed(#[from] api::EmbedError),
    /// The API's certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] crate::certs::CertError),
    /// A socket cannot be had.
    #[error(transparent)]
    Bind(#[from] crate::listen::BindError),
    /// The API's socket cannot be had.
    #[error("cannot listen on {address} for the API: {source}")]
    BindApi {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Threads, signals or standard output.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> DaemonError {
    move |source| DaemonError::Io { doing, source }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Runs the daemon until SIGTERM or SIGINT. Logging must be set up and the TLS provider installed.
///
/// What listens where, and what was loaded in what time, goes to standard output; the last line
/// is `weir: ready`.
pub fn run(config: Config) -> Result<(), DaemonError> {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("weir")
        .build()
        .map_err(io_error("starting the runtime"))?;
    let result = runtime.block_on(serve(config, started));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: Config, started: Instant) -> Result<(), DaemonError> {
    let metrics = config.metrics.enabled.then(telemetry::install_metrics).flatten();
    let open = {
        let dir = config.data.dir.clone();
        move || Store::open(&dir, store::Options::default())
    };
    let store =
        tokio::task::spawn_blocking(open).await.map_err(io::Error::other).map_err(io_error("opening the store"))??;
    report(&store);
    let first = {
        let (store, dir) = (store.clone(), config.data.dir.clone());
        tokio::task::spawn_blocking(move || auth::first_start(&store, &dir, FIRST_ADMIN, now()))
            .await
            .map_err(io::Error::other)
            .map_err(io_error("the first start"))??
    };
    let index = category::open(&config)?;
    let index_names = index.len();
    let categories = Arc::new(ArcSwap::from_pointee(index));
    let list_options = parts::list_options(&config);
    let shelf = {
        let (store, dir) = (store.clone(), config.data.dir.clone());
        let bounds = list_options.bounds();
        tokio::task::spawn_blocking(move || Ok::<_, DaemonError>(Shelf::open(Library::open(&dir)?, &store, bounds)))
            .await
            .map_err(io::Error::other)
            .map_err(io_error("loading subscribed lists"))??
    };
    let own_names = parts::own_names(&config);
    let (publisher, publishing) =
        Publisher::start_with(&store, shelf.key(), parts::presets(), own_names, shelf.table())
            .map_err(io_error("starting the publisher"))?;
    let resolver = Resolver::new(&parts::resolver_options(&config)?)?;
    let lists = Lists::new(ListParts {
        store: store.clone(),
        publisher: publisher.clone(),
        shelf,
        fetcher: Fetcher::with_hosts(parts::fetch_options(&config), Some(parts::hosts(resolver.clone())))?,
        options: list_options,
        clock: now,
    });
    if let Some(row) = store.get::<DnsSettings>(Account::System, 1) {
        resolver.set_upstreams(Some(row.value.resolvers.into_iter().map(resolve::Upstream::Plain).collect()))?;
    }
    let querylog = match parts::querylog_options(&config) {
        Some(options) => QueryLog::start(options).map_err(io_error("starting the query log"))?,
        None => QueryLog::disabled(),
    };
    let counters = telemetry::QueryCounters::new();
    if let Some(metrics) = &metrics {
        metrics.show_queries(counters.clone());
    }
    let sightings = Sightings::open(&config.data.dir, ahash::RandomState::new().hash_one(0x7365_656e));
    let plane = Plane::new(Parts {
        snapshot: publisher.snapshot(),
        categories: categories.clone(),
        resolver: resolver.clone(),
        zones: parts::local_zones(&config),
        counters,
        events: querylog.sender(),
        sightings: sightings.clone(),
        unknown_clients: parts::unknown_clients(&config),
        block_page: BlockPage::default(),
        node: parts::node(),
        udp_octets_max: usize::from(config.dns.udp_payload),
        notices: Some(Arc::new({
            let lists = lists.clone();
            move |from, packet: &[u8]| lists.notified(from, packet)
        })),
    });
    let certificates = match CertSource::of_api(&config) {
        Some(source) => Some(CertStore::open(source)?),
        None => None,
    };
    if let Some(certificates) = &certificates {
        follow(certificates, &store);
    }

    // Everything that decides is in place: now the sockets.
    let (dns, api_listener) = sockets(&config)?;
    let listeners =
        Listeners::start(dns, plane.clone(), parts::listen_settings(&config), &tokio::runtime::Handle::current())
            .map_err(io_error("starting the listeners"))?;
    let api_address = api_listener.local_addr().map_err(io_error("the API's socket"))?;

    let cancel = CancellationToken::new();
    let tasks = TaskTracker::new();
    let path = QueryPath { plane: plane.clone(), publisher: publisher.clone() };
    let stats = Stats::new(parts::log_reader(&config), store.clone(), jiff::tz::TimeZone::system());
    let signing_key = {
        let store = store.clone();
        tokio::task::spawn_blocking(move || auth::SigningKey::open(&store))
            .await
            .map_err(io::Error::other)
            .map_err(io_error("opening the key of access tokens"))??
    };
    let (sign_ins, sign_in_trail) = auth::sign_in_trail(store.clone(), cancel.clone());
    tasks.spawn(sign_in_trail);
    let feeds = Feeds::new(FeedParts {
        dir: config.data.dir.join("feeds"),
        out: category::of_feeds(&config),
        feeds: parts::category_feeds(&config),
        fetcher: lists.fetcher().clone(),
        octets_max: config.lists.unpacked_max.0,
        categories: categories.clone(),
        clock: now,
    });
    let safe_search = SafeSearch::new(SafeSearchParts {
        resolver: resolver.clone(),
        fetcher: lists.fetcher().clone(),
        google_domains: config.safe_search.google_domains.clone(),
        file: config.data.dir.join("google-domains"),
        clock: now,
    });
    if let Some(metrics) = &metrics {
        let lists = lists.clone();
        metrics.show(move |page| lists.show(page));
    }
    let services = api::Services {
        filtering: Arc::new(path),
        metrics: metrics.clone(),
        stats: stats.clone(),
        lists: lists.clone(),
        feeds: feeds.clone(),
        safe_search: safe_search.clone(),
        signing_key: Arc::new(signing_key),
        sign_ins,
        mail: Arc::new(Smtp::new()),
        certificates: certificates.clone(),
        resolver: resolver.clone(),
        licence_key: parts::licence_key(&config)?,
        embed: parts::embed_tokens(&config)?,
    };
    let api = Api::new(store.clone(), services, api_options(&config), now);
    let tls = certificates.as_ref().map(|certificates| certificates.server_config(&[b"h2", b"http/1.1"]));
    tasks.spawn(api::serve(api_listener, tls, api, cancel.clone()));
    tasks.spawn(jobs::hourly_export(store.clone(), config.data.export_keep, cancel.clone()));
    tasks.spawn(feeds.keep(cancel.clone()));
    tasks.spawn(lists.keep(cancel.clone()));
    tasks.spawn(safe_search.keep(cancel.clone()));
    tasks.spawn(jobs::keep_image(store.clone(), cancel.clone()));
    tasks.spawn(jobs::keep_sightings(sightings, config.data.dir.clone(), cancel.clone()));
    tasks.spawn(jobs::delete_ended(store.clone(), publisher.clone(), now, cancel.clone()));
    let reports = ReportParts { store: store.clone(), stats, mailer: Arc::new(Smtp::new()), clock: now };
    tasks.spawn(jobs::mail_reports(reports, cancel.clone()));
    tasks.spawn(gauges(store.clone(), publisher.clone(), categories.clone(), metrics, cancel.clone()));
    tasks.spawn(notify::watchdog(listeners.local_addrs().first().copied(), cancel.clone()));

    // Whoever reads that it is ready may tell it to stop or to reload at once.
    let signals = Signals::listen().map_err(io_error("listening for signals"))?;
    announce(&config, &first, &listeners, api_address, index_names, &publisher, started)
        .map_err(io_error("writing to standard output"))?;
    notify::ready();

    wait(signals, &config, &store, &categories, certificates.as_ref()).await;

    notify::stopping();
    tracing::info!("stopping: queries and requests on their way are still answered");
    cancel.cancel();
    tasks.close();
    if !listeners.stop(DRAIN_PATIENCE).await {
        tracing::warn!("some queries were left unanswered");
    }
    let _ = tokio::time::timeout(DRAIN_PATIENCE, tasks.wait()).await;
    // Whoever asked has an answer or is gone: what upstreams still owe only fills the cache.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, resolver.drain()).await;
    querylog.close();
    store.close();
    drop(store);
    let _ = tokio::time::timeout(DRAIN_PATIENCE, tokio::task::spawn_blocking(move || publishing.join())).await;
    tracing::info!("stopped");
    Ok(())
}

/// Says what was unusual about opening the store.
fn report(store: &Store) {
    let report = store.open_report();
    if let Some(damaged) = &report.damaged_moved_to {
        tracing::error!(
            moved_to = %damaged.display(),
            imported_from = report.imported_from.as_ref().map(|path| path.display().to_string()),
            "the database was damaged; the newest good export serves in its place"
        );
    }
    if report.secret_key_created && report.rows > 0 {
        tracing::error!(
            data = %store.data_dir().display(),
            "secret.key was missing and a new one was made: signature keys made before do not work, until \
             the old file is back or the keys are made again"
        );
    }
}

/// The sockets the service manager handed over, or our own.
fn sockets(config: &Config) -> Result<(Vec<Bound>, TcpListener), DaemonError> {
    let threads = parts::udp_threads(config);
    let inherited = Bound::inherited(threads).map_err(io_error("taking over sockets"))?;
    let (api, mut dns): (Vec<_>, Vec<_>) = inherited
        .into_iter()
        .partition(|bound| bound.is_tcp_only() && bound.local_addr().port() == config.api.listen.port());
    if dns.is_empty() {
        for address in &config.dns.listen {
            dns.push(Bound::bind(*address, threads)?);
        }
    }
    let address = config.api.listen;
    let failed = |source| DaemonError::BindApi { address, source };
    let listener = match api.into_iter().find_map(Bound::into_tcp) {
        Some(listener) => listener,
        None => {
            let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
                .map_err(failed)?;
            socket.set_reuse_address(true).map_err(failed)?;
            socket.bind(&address.into()).map_err(failed)?;
            socket.listen(1024).map_err(failed)?;
            socket.into()
        }
    };
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((dns, TcpListener::from_std(listener).map_err(failed)?))
}

fn api_options(config: &Config) -> api::Options {
    api::Options {
        metrics_public: config.metrics.public,
        body_octets_max: usize::try_from(config.api.body_max.0).unwrap_or(usize::MAX),
        upload_octets_max: config.lists.upload_max.0,
        key_rate: Rate { per_second: config.api.key_rate, burst: config.api.key_rate.saturating_mul(2) },
        address_rate: Rate { per_second: config.api.address_rate, burst: config.api.address_rate.saturating_mul(4) },
        copy_settings: config.policy.inheritance == Inheritance::Copy,
        names: config.api.names.clone(),
    }
}

/// Tells people, and scripts, what listens where and what was loaded.
fn announce(
    config: &Config,
    first: &FirstStart,
    listeners: &Listeners,
    api: SocketAddr,
    names: u64,
    publisher: &Publisher,
    started: Instant,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let FirstStart::Made { credentials } = first {
        writeln!(out, "weir: first start: the administrator's credentials are in {}", credentials.display())?;
    }
    let loaded = publisher.loaded();
    writeln!(
        out,
        "weir: {names} categorised names, {} customers, {} policies, {} list entries, {} address ranges",
        loaded.customers, loaded.policies, loaded.entries, loaded.ranges
    )?;
    for address in listeners.local_addrs() {
        writeln!(out, "weir: dns udp {address}")?;
        writeln!(out, "weir: dns tcp {address}")?;
    }
    let scheme = if config.api.tls == ApiTls::Off { "http" } else { "https" };
    writeln!(out, "weir: api {scheme}://{api}/restapi")?;
    writeln!(out, "weir: ready after {} ms", started.elapsed().as_millis())?;
    out.flush()
}

/// What the daemon is told by signals, from here on: before, each of them would be its end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Signals { terminate, interrupt, hangup: signal(SignalKind::hangup())? })
    }
}

/// Waits for the end; reloads certificate and category file on SIGHUP.
async fn wait(
    signals: Signals,
    config: &Config,
    store: &Store,
    categories: &ArcSwap<Index>,
    certificates: Option<&CertStore>,
) {
    let Signals { mut terminate, mut interrupt, mut hangup } = signals;
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hangup.recv() => {
                notify::reloading();
                if let Some(certificates) = certificates {
                    match certificates.reload() {
                        Ok(()) => tracing::info!("the certificate was loaded again"),
                        Err(error) => tracing::error!(%error, "the certificate is refused; the one in use stays"),
                    }
                    follow(certificates, store);
                }
                let config = config.clone();
                if let Ok(Some(index)) = tokio::task::spawn_blocking(move || category::reload(&config)).await {
                    tracing::info!(names = index.len(), "the category file was loaded again");
                    categories.store(Arc::new(index));
                }
                notify::ready();
            }
        }
    }
}

/// Shows what the active certificate signs; where it cannot, the node's own serves and the log says why.
fn follow(certificates: &CertStore, store: &Store) {
    if let Err(error) = certificates.follow(store, now()) {
        tracing::error!(%error, "the active certificate cannot be shown; the one in use stays");
    }
}

/// Reads what nobody pushes into the gauges, and lets the recorder tidy up.
async fn gauges(
    store: Store,
    publisher: Publisher,
    categories: Arc<ArcSwap<Index>>,
    recorder: Option<telemetry::Metrics>,
    cancel: CancellationToken,
) {
    let snapshot = publisher.snapshot();
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let revision = snapshot.load().revision;
        if revision != seen {
            (seen, since) = (revision, Instant::now());
        }
        metrics::gauge!("weir_snapshot_age_seconds").set(since.elapsed().as_secs_f64());
        metrics::gauge!("weir_store_revision").set(store.revision().0 as f64);
        metrics::gauge!("weir_listed_names").set(categories.load().len() as f64);
        if let Some(recorder) = &recorder {
            recorder.run_upkeep();
        }
        if cancel.run_until_cancelled(tokio::time::sleep(GAUGE_PAUSE)).await.is_none() {
            return;
        }
    }
}
