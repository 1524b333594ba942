//! A store with two MSPs and four customers, and an API over it.

use crate::{
    api::{Api, Connection, EmbedTokens, Endpoints, Explained, Filtering, Options, Resolved, Services, system_clock},
    auth::{ClientKeys, SignInEvent, SigningKey, first_start, keys},
    category::{Catalogue, Index},
    certs::{CertSource, CertStore},
    feeds::{Fetcher, Library},
    identify::{Identified, Supposed},
    jobs::{
        CategoryFeed, FeedOrigin, FeedParts, Feeds, ListOptions, ListParts, Lists, SafeSearch, SafeSearchParts, Shelf,
    },
    mail::{Mail, MailError, Mailer, Relay},
    model::*,
    policy::{
        CompiledPolicy, Decision, NoTrace, Presets, Question, Snapshot, Suffixes, Verdict, categorise, choose, evaluate,
    },
    publish::Publisher,
    querylog::{LogReader, QueryEvent, QueryLog},
    resolve::{self, Resolver, Upstream},
    stats::{Spool, Stats},
    store::{Actor, Batch, Revision, Store},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{cell::Cell, net::IpAddr, sync::Arc};
use tempfile::TempDir;

thread_local! {
    static LATER_S: Cell<i64> = const { Cell::new(0) };
}

/// The house's clock: the system's, and what `House::advance` added.
fn house_clock() -> Timestamp {
    Timestamp(system_clock().0 + LATER_S.get())
}

/// Keeps what would be sent.
#[derive(Clone, Default)]
pub struct Mailbox(pub Arc<Mutex<Vec<(Relay, Mail)>>>);

impl Mailer for Mailbox {
    fn send(&self, relay: Relay, mail: Mail) -> BoxFuture<'static, Result<(), MailError>> {
        self.0.lock().push((relay, mail));
        Box::pin(async { Ok(()) })
    }
}

/// Decides as the query path does, without listeners and upstreams.
struct Deciding {
    publisher: Publisher,
    snapshot: Arc<ArcSwap<Snapshot>>,
    categories: Index,
}

impl Filtering for Deciding {
    fn published(&self, revision: Revision) -> BoxFuture<'_, ()> {
        Box::pin(self.publisher.wait_for(revision))
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn categories(&self, account: Account, name: &DomainName) -> CategorySet {
        let snapshot = self.snapshot();
        categorise(&snapshot, account, &Suffixes::new(name.as_name(), snapshot.key), &self.categories).set
    }

    fn decide(&self, snapshot: &Snapshot, policy: &Arc<CompiledPolicy>, question: &Question<'_>) -> Decision {
        evaluate(snapshot, policy, question, &self.categories, &mut NoTrace)
    }

    fn explain<'a>(
        &'a self,
        address: IpAddr,
        supposed: Option<Supposed>,
        name: &'a DomainName,
        _: u16,
        _: bool,
    ) -> BoxFuture<'a, Explained> {
        let snapshot = self.snapshot();
        let client = match (supposed, snapshot.identify(address)) {
            (Some(supposed), _) => snapshot.suppose(address, supposed),
            (None, Identified::Known(client)) => Some(client),
            _ => None,
        };
        let chosen = client.as_ref().and_then(|client| choose(&snapshot, client));
        let verdict = match chosen {
            None => "refused",
            Some(chosen) => {
                let suffixes = Suffixes::new(name.as_name(), snapshot.key);
                let client = client.as_ref().expect("a policy was chosen");
                let question = Question { suffixes: &suffixes, qtype: 1, client, at: Timestamp(0), stream: false };
                match evaluate(&snapshot, chosen.policy, &question, &self.categories, &mut NoTrace).verdict {
                    Verdict::Block => "blocked",
                    _ => "allowed",
                }
            }
        };
        let account = client.as_ref().map_or(Account::System, |client| Account::Customer(client.customer));
        let explained = Explained {
            customer: client.map(|client| client.customer),
            blocked: verdict != "allowed",
            categories: Catalogue::get().names(self.categories(account, name)).map(str::to_owned).collect(),
            details: json!({ "verdict": verdict, "policy": chosen.map(|chosen| chosen.policy.id.0) }),
        };
        Box::pin(async move { explained })
    }

    fn resolve<'a>(&'a self, name: &'a DomainName, qtype: u16) -> BoxFuture<'a, Resolved> {
        let addresses = match (name.to_string().as_str(), qtype) {
            ("strict.bing.com", _) => Vec::new(),
            (_, 1) => vec![IpAddr::from([216, 239, 38, 120])],
            _ => vec![IpAddr::from([0x2001, 0x4860, 0x4802, 0x32, 0, 0, 0, 0x78])],
        };
        Box::pin(async move { Resolved { rcode: if addresses.is_empty() { 3 } else { 0 }, addresses } })
    }

    fn dig<'a>(&'a self, name: &'a DomainName, _: u16) -> BoxFuture<'a, String> {
        Box::pin(async move { format!(";; {name}") })
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum As {
    /// Nobody.
    Nobody,
    /// The system's administrator.
    System,
    /// Sales.
    Sales,
    /// The MSP that has customers `one` and `two`.
    Msp,
    /// The other MSP, with customer `other`.
    OtherMsp,
    /// Customer `one`.
    One,
    /// Customer `other`.
    Other,
    /// A suspended customer of the first MSP.
    Suspended,
}

/// Everybody who has a token.
pub const CALLERS: [As; 7] = [As::System, As::Sales, As::Msp, As::OtherMsp, As::One, As::Other, As::Suspended];

impl As {
    pub fn role(self) -> Option<Role> {
        match self {
            As::Nobody => None,
            As::System => Some(Role::System),
            As::Sales => Some(Role::Sales),
            As::Msp | As::OtherMsp => Some(Role::Msp),
            As::One | As::Other | As::Suspended => Some(Role::Customer),
        }
    }
}

/// The house.
pub struct House {
    pub api: Api,
    pub store: Store,
    pub services: Services,
    pub msp: u32,
    pub other_msp: u32,
    pub one: u32,
    pub two: u32,
    pub other: u32,
    pub suspended: u32,
    /// OAuth keys of the system's administrator.
    pub keys: ClientKeys,
    /// Mail that went out.
    pub mailbox: Mailbox,
    /// Attempts to sign in.
    pub sign_ins: Arc<Mutex<Vec<SignInEvent>>>,
    tokens: Vec<(As, String)>,
    folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub json: Value,
    /// The file that goes with it.
    pub spool: Option<Spool>,
}

impl Answer {
    /// The body, if the call went through.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        // A bare array has its codes inside.
        let code = if self.json.is_array() { &Value::from(200) } else { &self.json["code"] };
        assert_eq!(*code, 200, "{}", self.json);
        self.json
    }

    /// The message, if the call was refused with this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.json);
        assert_eq!(self.json["code"], status, "{}", self.json);
        let message = self.json["error"].as_str().expect("an error has a text");
        message.strip_prefix("Error: ").expect("errors begin with the word").to_owned()
    }
}

pub const LOOPBACK: Connection = Connection { peer: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), tls: true };

impl House {
    /// Where its data lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub async fn new() -> House {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> House {
        Self::with_services(options, |_| {}).await
    }

    /// With parts of the daemon of one's own.
    pub async fn with_services(options: Options, change: impl FnOnce(&mut Services)) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), crate::store::Options::default()).expect("opens");
        let path = folder.path().to_owned();
        let opened = store.clone();
        let blocking = move || first_start(&opened, &path, "admin@weir.local", system_clock()).expect("starts");
        tokio::task::spawn_blocking(blocking).await.expect("runs");
        let catalogue = Catalogue::get();
        let presets = Presets {
            low: catalogue.preset(Level::L),
            moderate: catalogue.preset(Level::M),
            high: catalogue.preset(Level::H),
        };
        let options_of_lists = ListOptions::default();
        let library = Library::open(folder.path()).expect("a folder");
        let shelf = Shelf::open(library, &store, options_of_lists.bounds());
        let (publisher, _) =
            Publisher::start_with(&store, shelf.key(), presets, crate::publish::OwnNames::default(), shelf.table())
                .expect("publishes");
        let lists = Lists::new(ListParts {
            store: store.clone(),
            publisher: publisher.clone(),
            shelf,
            fetcher: Fetcher::new(Default::default()).expect("a client"),
            options: options_of_lists,
            clock: house_clock,
        });
        tokio::spawn(lists.clone().keep(Default::default()));
        let snapshot = publisher.snapshot();
        let filtering = Arc::new(Deciding { publisher, snapshot, categories: Index::built_in() });
        LATER_S.set(0);
        let (mailbox, sign_ins) = (Mailbox::default(), Arc::<Mutex<Vec<SignInEvent>>>::default());
        let heard = sign_ins.clone();
        let source = CertSource::SelfSigned { dir: folder.path().join("tls"), names: vec![] };
        let nobody = Upstream::Plain(([127, 0, 0, 1], 9).into());
        let reader = LogReader::new(folder.path().join("querylog"));
        let resolver =
            Resolver::new(&resolve::Options { upstreams: vec![nobody], ..Default::default() }).expect("set up");
        let feeds = Feeds::new(FeedParts {
            dir: folder.path().join("feeds"),
            out: folder.path().join("feeds.weir"),
            feeds: vec![CategoryFeed {
                name: "names".into(),
                origin: FeedOrigin::File(folder.path().join("names.txt")),
                category: Some("gambling".into()),
                syntax: None,
                refresh_s: 3_600,
            }],
            fetcher: lists.fetcher().clone(),
            octets_max: 1 << 20,
            categories: Arc::new(ArcSwap::from_pointee(Index::built_in())),
            clock: house_clock,
        });
        let safe_search = SafeSearch::new(SafeSearchParts {
            resolver: resolver.clone(),
            fetcher: lists.fetcher().clone(),
            google_domains: String::new(),
            file: folder.path().join("google-domains"),
            clock: house_clock,
        });
        let mut services = Services {
            stats: Stats::new(reader, store.clone(), jiff::tz::TimeZone::UTC),
            filtering,
            feeds,
            safe_search,
            lists,
            metrics: None,
            mail: Arc::new(mailbox.clone()),
            signing_key: Arc::new(SigningKey::open(&store).expect("makes a key")),
            sign_ins: Arc::new(move |event| heard.lock().push(event.clone())),
            certificates: Some(CertStore::open(source).expect("a certificate")),
            resolver,
            licence_key: None,
            embed: EmbedTokens::new(Endpoints { login: String::new(), api: String::new() }, None).expect("a client"),
        };
        change(&mut services);
        let api = Api::new(store.clone(), services.clone(), options, house_clock);
        let admin = store.all::<Admin>().next().expect("the first administrator").value;
        let (row, keys) = keys::make(&store, admin.id, admin.account, system_clock()).expect("random");
        let mut house = House {
            api,
            keys,
            mailbox,
            sign_ins,
            msp: 0,
            other_msp: 0,
            one: 0,
            two: 0,
            other: 0,
            suspended: 0,
            tokens: vec![],
            folder,
            services,
            store,
        };
        let batch = Batch::new(Actor::Daemon, "test", system_clock()).create(&row);
        house.store.commit(batch).await.expect("commits");
        house.admit(As::System, admin.id.0).await;
        house.furnish().await;
        house
    }

    /// Makes the accounts, through the API itself.
    async fn furnish(&mut self) {
        let sales = Admin {
            id: AdminId(self.store.next_id::<Admin>()),
            role: Role::Sales,
            email: "sales@weir.local".into(),
            main: false,
            ..self.store.all::<Admin>().next().expect("is there").value
        };
        let batch = Batch::new(Actor::Daemon, "test", system_clock()).create(&sales);
        self.store.commit(batch).await.expect("commits");
        self.admit(As::Sales, sales.id.0).await;
        self.msp = self.make_msp("Msp").await;
        self.other_msp = self.make_msp("OtherMsp").await;
        self.admit(As::Msp, self.admin_of(Account::Msp(MspId(self.msp)))).await;
        self.admit(As::OtherMsp, self.admin_of(Account::Msp(MspId(self.other_msp)))).await;
        self.one = self.make_customer("one", Some(self.msp)).await;
        self.two = self.make_customer("two", Some(self.msp)).await;
        self.suspended = self.make_customer("suspended", Some(self.msp)).await;
        self.other = self.make_customer("other", Some(self.other_msp)).await;
        self.admit(As::One, self.admin_of(Account::Customer(CustomerId(self.one)))).await;
        self.admit(As::Other, self.admin_of(Account::Customer(CustomerId(self.other)))).await;
        self.admit(As::Suspended, self.admin_of(Account::Customer(CustomerId(self.suspended)))).await;
        self.call(As::System, Method::POST, &format!("/users/{}/suspend", self.suspended), json!({})).await.ok();
    }

    async fn make_msp(&self, name: &str) -> u32 {
        let body = json!({ "name": name, "email": format!("{name}@weir.test"), "password": "secret1" });
        id(&self.call(As::System, Method::POST, "/msps", body).await.ok())
    }

    pub async fn make_customer(&self, name: &str, msp: Option<u32>) -> u32 {
        let email = format!("{name}@weir.test");
        let mut body = json!({ "accountname": name, "email": email, "license": "x", "password": "secret1" });
        if let Some(msp) = msp {
            body["msp_id"] = json!(msp);
        }
        id(&self.call(As::System, Method::POST, "/users", body).await.ok())
    }

    fn admin_of(&self, account: Account) -> u32 {
        self.store.rows::<Admin>(account).next().expect("has an administrator").value.id.0
    }

    async fn admit(&mut self, caller: As, admin: u32) {
        let row = self.store.find::<Admin>(admin).expect("is there").value;
        let (token_row, token) =
            keys::make_token(&self.store, (row.id, row.account), "test", TokenScope::All, None, system_clock())
                .expect("random");
        let batch = Batch::new(Actor::Daemon, "test", system_clock()).create(&token_row);
        self.store.commit(batch).await.expect("commits");
        self.tokens.push((caller, token));
    }

    /// The administrator a caller is.
    pub fn admin_id(&self, caller: As) -> u32 {
        let digest = crate::auth::digest(self.token(caller));
        let row = self.store.find_unique::<ApiToken>(crate::store::Unique::ApiToken, &digest);
        row.expect("a token").value.admin.0
    }

    /// Changes a row behind the API's back.
    pub async fn change<R: crate::store::Record>(&self, id: u32, change: impl FnOnce(&mut R)) {
        let old = self.store.find::<R>(id).expect("is there");
        let mut new = old.value.clone();
        change(&mut new);
        let batch = Batch::new(Actor::Daemon, "test", system_clock()).update(&old, &new);
        self.store.commit(batch).await.expect("commits");
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        LATER_S.set(LATER_S.get() + seconds);
    }

    /// The house's time.
    pub fn now(&self) -> Timestamp {
        house_clock()
    }

    pub fn token(&self, caller: As) -> &str {
        &self.tokens.iter().find(|(known, _)| *known == caller).expect("has a token").1
    }

    /// Sends JSON (nothing, where it is null) to a path below the base path.
    pub async fn call(&self, caller: As, method: Method, path: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/restapi{path}")).header("host", "weir.test");
        if caller != As::Nobody {
            request = request.header("authorization", format!("Bearer {}", self.token(caller)));
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        request = request.header("content-type", "application/json");
        self.send(request.body(Full::new(body)).expect("a request")).await
    }

    pub async fn get(&self, caller: As, path: &str) -> Answer {
        self.call(caller, Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, caller: As, path: &str, body: Value) -> Answer {
        self.call(caller, Method::POST, path, body).await
    }

    pub async fn delete(&self, caller: As, path: &str) -> Answer {
        self.call(caller, Method::DELETE, path, Value::Null).await
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response: Response<Bytes> = self.api.handle(request, LOOPBACK).await;
        let (head, body) = response.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let spool = head.extensions.get::<Spool>().cloned();
        Answer { status: head.status.as_u16(), headers: head.headers, json, spool }
    }

    /// Writes queries into the log, oldest first.
    pub fn log(&self, queries: impl IntoIterator<Item = QueryEvent>) {
        let dir = self.folder.path().join("querylog");
        let log = QueryLog::start(crate::querylog::Options { dir, retention_days: 60 }).expect("a thread");
        queries.into_iter().for_each(|query| log.sender().send(query));
        log.close();
    }

    /// The same with an `If-Match`.
    pub async fn post_if(&self, caller: As, path: &str, body: Value, tag: &str) -> Answer {
        let request = Request::post(format!("/restapi{path}")).header("host", "weir.test").header("if-match", tag);
        let request = request.header("authorization", format!("Bearer {}", self.token(caller)));
        let body = Full::new(Bytes::from(body.to_string()));
        self.send(request.header("content-type", "application/json").body(body).expect("a request")).await
    }

    /// What a client at this address gets for a name: `Allowed`, `Blocked` or `Refused`.
    pub async fn verdict(&self, address: &str, name: &str) -> String {
        let body = json!({ "domain": name, "ip": address });
        let answer = self.post(As::System, "/test/filtering", body).await.ok();
        answer["result"].as_str().expect("text").to_owned()
    }
}

/// The id of an object.
#[track_caller]
pub fn id(object: &Value) -> u32 {
    object["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("has an id")
}
