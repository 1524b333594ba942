//! What happens once for every request, whatever its operation: size limit, credentials, rate, role,
//! fields, run, answer, count.

use super::{
    body::{Incoming, Rooms},
    call::{Arrival, Shared},
    docs,
    error::ApiError,
    fields::{self, Content},
    groups,
    head::Head,
    limit::{Limit, Rate},
    openapi,
    operation::Operation,
    permissions::{of_role, permission_of},
    replay::{self, Pending, Replays, Turn},
    reply::revision_of_tag,
    router::{NoRoute, Router},
    services::Services,
    spool::{self, Sending},
};
use crate::{
    auth::{Authenticator, Caller, Credential, Refusal, SignedRequest, Ways, form},
    category::Catalogue,
    model::{Level, Role, Timestamp},
    policy::Presets,
    store::Store,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::Body;
use serde_json::{Map, Value};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

/// Where the operations stand.
pub const BASE: &str = "restapi";
/// Where standards look for what a server says of itself.
const WELL_KNOWN: &str = ".well-known";
/// How long an operation may take.
const OPERATION_PATIENCE: Duration = Duration::from_secs(120);
/// Octets of a form that is read before the caller is known, because its signature covers it.
const UNKNOWN_CALLER_OCTETS_MAX: usize = 1024 * 1024;

/// How the API is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests of one key.
    pub key_rate: Rate,
    /// Requests of one address (of one /64, for IPv6), before its caller is known. Loopback is not counted.
    pub address_rate: Rate,
    /// Whether `/metrics` answers others than loopback.
    pub metrics_public: bool,
    /// Octets of the largest body any operation takes.
    pub body_octets_max: usize,
    /// Octets of the largest list that is uploaded.
    pub upload_octets_max: u64,
    /// Whether new accounts copy the settings above them instead of inheriting them live.
    pub copy_settings: bool,
    /// Host names and addresses of this server, for links in mails.
    pub names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            key_rate: Rate { per_second: 500, burst: 1000 },
            address_rate: Rate { per_second: 500, burst: 2000 },
            metrics_public: false,
            body_octets_max: 16 * 1024 * 1024,
            upload_octets_max: 128 * 1024 * 1024,
            copy_settings: false,
            names: Vec::new(),
        }
    }
}

/// What a listener knows about a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end.
    pub peer: IpAddr,
    /// Whether it is encrypted: the scheme that signatures cover.
    pub tls: bool,
}

/// The management API. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    authenticator: Authenticator,
    operations: Vec<Operation>,
    router: Router,
    /// Names of the fields of each operation.
    known_fields: Vec<Vec<String>>,
    replays: Arc<Replays>,
    sending: Sending,
    by_key: Limit<Credential>,
    by_address: Limit<IpAddr>,
    rooms: Rooms,
    openapi: Bytes,
    docs: Bytes,
    options: Options,
    clock: fn() -> Timestamp,
}

/// The time by the system's clock.
pub fn system_clock() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_second())
}

impl Api {
    /// Puts the API together.
    pub fn new(store: Store, services: Services, options: Options, clock: fn() -> Timestamp) -> Self {
        let catalogue = Catalogue::get();
        let presets = Presets {
            low: catalogue.preset(Level::L),
            moderate: catalogue.preset(Level::M),
            high: catalogue.preset(Level::H),
        };
        let operations = groups::operations();
        let mut router = Router::default();
        for (index, operation) in operations.iter().enumerate() {
            for method in &operation.methods {
                for path in &operation.paths {
                    let new = router.add(method.clone(), path, index);
                    debug_assert!(new, "{method} {path} is declared twice");
                }
            }
        }
        let built_in =
            [Role::System, Role::Sales, Role::Msp, Role::Customer].map(|role| (role, of_role(&operations, role)));
        let document = openapi::document(&operations);
        let now = clock();
        Api(Arc::new(Inner {
            docs: docs::page(&document).unwrap_or_default(),
            openapi: Bytes::from(document.to_string()),
            authenticator: Authenticator::new(store.clone(), services.signing_key.clone(), now),
            replays: Arc::new(Replays::open(store.clone(), now)),
            shared: Arc::new(Shared {
                ways: Ways::new(store.clone(), services.signing_key.clone(), services.sign_ins.clone(), now),
                names: options.names.clone(),
                store,
                services,
                presets,
                built_in,
                copy_settings: options.copy_settings,
                address_turn: tokio::sync::Mutex::default(),
                retry_turn: tokio::sync::Mutex::default(),
                effect_turn: tokio::sync::Mutex::default(),
            }),
            known_fields: openapi::field_names(&operations),
            rooms: Rooms::new(options.body_octets_max),
            sending: Sending::default(),
            operations,
            router,
            by_key: Limit::new(options.key_rate),
            by_address: Limit::new(options.address_rate),
            options,
            clock,
        }))
    }

    /// All operations, in the order of the documentation.
    pub fn operations(&self) -> &[Operation] {
        &self.0.operations
    }

    /// The OpenAPI document.
    pub fn openapi(&self) -> Bytes {
        self.0.openapi.clone()
    }

    /// Answers one request. Never fails: whatever goes wrong is an answer too.
    pub async fn handle<B>(&self, request: Request<B>, connection: Connection) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let request_id = request_id(&head.headers);
        let mut operation = None;
        let mut body = Incoming::new(body, &head.headers);
        let outcome = self.answer(&head, &mut body, connection, &mut operation).await;
        if outcome.is_err() {
            body.discard().await;
        }
        let mut response = outcome.unwrap_or_else(|error| {
            if let Some(cause) = error.cause() {
                tracing::error!(request_id, operation, cause, "the operation failed: {}", error.message());
            }
            error.into_response()
        });
        let operation = operation.unwrap_or("none");
        let status = response.status().as_u16();
        let took = started.elapsed();
        metrics::counter!("weir_api_requests_total", "operation" => operation, "status" => status_label(status))
            .increment(1);
        metrics::histogram!("weir_api_request_seconds").record(took.as_secs_f64());
        tracing::debug!(
            request_id,
            method = %head.method,
            operation,
            status,
            took_us = took.as_micros() as u64,
            peer = %connection.peer,
            "request answered"
        );
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(value) = HeaderValue::try_from(request_id) {
            headers.insert("x-request-id", value);
        }
        response
    }

    async fn answer<B>(
        &self,
        head: &request::Parts,
        body: &mut Incoming<'_, B>,
        connection: Connection,
        called: &mut Option<&'static str>,
    ) -> Result<Response<Bytes>, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let inner = &*self.0;
        let address = connection.peer.to_canonical();
        let path = segments(head.uri.path())?;
        let reading = matches!(head.method, Method::GET | Method::HEAD);
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["healthz"] if reading => return Ok(page("text/plain; charset=utf-8", Bytes::from_static(b"ok\n"))),
            ["metrics"] if reading && (inner.options.metrics_public || address.is_loopback()) => {
                let metrics = inner.shared.services.metrics.as_ref().ok_or_else(|| ApiError::not_found("page"))?;
                return Ok(page("text/plain; version=0.0.4; charset=utf-8", Bytes::from(metrics.render())));
            }
            // What standards look for at the root (RFC 8615) is served below the base path too.
            [BASE | WELL_KNOWN, ..] => {}
            _ => return Err(ApiError::not_found("page")),
        }
        if !address.is_loopback() {
            inner.by_address.check(&network(address)).map_err(ApiError::too_many_requests)?;
        }
        let path = if path[0] == BASE { &path[1..] } else { &path[..] };
        if *path == ["openapi.json"] && reading {
            return Ok(page("application/json", self.openapi()));
        }
        if *path == ["docs"] && reading {
            return Ok(docs::response(inner.docs.clone()));
        }

        let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
        let route = match inner.router.find(method, path) {
            Ok(route) => route,
            Err(NoRoute::Path) => return Err(ApiError::not_found("operation")),
            Err(NoRoute::Method(methods)) => return not_this_method(&head.method, methods),
        };
        let operation = &inner.operations[route.operation];
        *called = Some(operation.id);

        let content = Content::of(head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        let octets_max = operation.body_octets_max.min(inner.options.body_octets_max);
        if head.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(ApiError::packed_body());
        }
        let mut read = None;
        if content == Content::Form && !operation.is_public() {
            read = Some(body.read(octets_max.min(UNKNOWN_CALLER_OCTETS_MAX), &inner.rooms.unknown).await?);
        }
        let now = (inner.clock)();
        let caller = if operation.is_public() {
            None
        } else {
            let caller = self.authenticate(head, connection, read.as_deref(), now)?;
            inner.by_key.check(&caller.credential).map_err(ApiError::too_many_requests)?;
            check_rights(&caller, operation)?;
            Some(caller)
        };
        let mut file = None;
        let (octets, of_body) = match (read, &caller) {
            (Some(octets), _) => (octets, None),
            (None, Some(caller)) if operation.takes_file && spool::is_file(&content) => {
                let _place = inner.sending.enter(caller.admin)?;
                let path = inner.shared.services.lists.upload_path();
                let (received, fields) = spool::receive(body, &content, &path, inner.options.upload_octets_max).await?;
                // Its digest stands for it where a request is told from another.
                let octets = received.as_ref().map(|file| Bytes::copy_from_slice(file.digest()));
                file = received;
                (octets.unwrap_or_default(), Some(fields))
            }
            (None, None) => (body.read(octets_max, &inner.rooms.unknown).await?, None),
            (None, Some(_)) => (body.read(octets_max, &inner.rooms.known).await?, None),
        };
        let replay = match (&caller, replay::key_of(&head.headers)?) {
            (Some(caller), Some(key)) if head.method == Method::POST => {
                let fingerprint = replay::fingerprint("POST", &head.uri.to_string(), &octets);
                let (replays, admin, key) = (inner.replays.clone(), caller.admin, key.to_owned());
                let begin = move || replays.begin(admin, &key, fingerprint, now);
                match tokio::task::spawn_blocking(begin).await.map_err(ApiError::internal)?? {
                    Turn::Again(answer) => return Ok(*answer),
                    Turn::First(pending) => Some(pending),
                }
            }
            _ => None,
        };
        let query = fields::of_form(head.uri.query().unwrap_or_default().as_bytes())?;
        let of_body = match of_body {
            Some(fields) => fields,
            None => fields::of_body(&content, octets).await?,
        };
        if of_body.contains_key(fields::ROOT)
            && !inner.known_fields[route.operation].iter().any(|name| name == fields::ROOT)
        {
            return Err(ApiError::bad_request("The body must be a JSON object"));
        }
        let strict = prefers_strict(&head.headers);
        if strict {
            fields::refuse_unknown(&of_body, &inner.known_fields[route.operation])?;
        }
        // What names the object, should it have to be shown.
        let named = fields::merge(Map::new(), query.clone(), route.parameters.clone());
        let fields = fields::merge(of_body, query, route.parameters);
        let arrival = Arrival {
            api: self.clone(),
            shared: inner.shared.clone(),
            operation: operation.id,
            caller,
            head: Head::new(connection.tls, authority(head), head.headers.clone()),
            address,
            now,
            if_match: if_match(&head.headers)?,
            received: file,
        };
        let mut answer = match run(operation, arrival.clone(), fields, replay).await {
            Err(error) if is_late(error.status()) => Err(self.with_current(error, arrival, path, named).await),
            answer => answer,
        }?;
        if strict {
            answer.headers_mut().insert("preference-applied", HeaderValue::from_static("handling=strict"));
        }
        Ok(answer)
    }

    /// Tells a caller that was too late the object as it is now, if the caller may see it.
    async fn with_current(
        &self,
        error: ApiError,
        arrival: Arrival,
        path: &[String],
        fields: serde_json::Value,
    ) -> ApiError {
        let inner = &*self.0;
        let Ok(route) = inner.router.find(&Method::GET, path) else { return error };
        let operation = &inner.operations[route.operation];
        if arrival.caller.as_ref().is_none_or(|caller| check_rights(caller, operation).is_err()) {
            return error;
        }
        let arrival = Arrival { operation: operation.id, if_match: None, ..arrival };
        let current = run(operation, arrival, fields, None).await.ok();
        let current = current.and_then(|answer| serde_json::from_slice(answer.body()).ok());
        // A list is not the object in question.
        match current.filter(|current: &serde_json::Value| current["object"] != "list") {
            Some(current) => error.with_current(current),
            None => error,
        }
    }

    /// Answers one request of a batch. Rate, role and reach are those of the batch's caller.
    pub(super) async fn answer_within(
        &self,
        within: Within,
        method: Method,
        target: &str,
        parameters: Map<String, Value>,
    ) -> Response<Bytes> {
        let mut operation = None;
        let outcome = self.route_within(within, method, target, parameters, &mut operation).await;
        let response = outcome.unwrap_or_else(|error| {
            if let Some(cause) = error.cause() {
                tracing::error!(operation, cause, "the operation failed within a batch: {}", error.message());
            }
            error.into_response()
        });
        let (operation, status) = (operation.unwrap_or("none"), status_label(response.status().as_u16()));
        metrics::counter!("weir_api_requests_total", "operation" => operation, "status" => status).increment(1);
        response
    }

    async fn route_within(
        &self,
        within: Within,
        method: Method,
        target: &str,
        parameters: Map<String, Value>,
        called: &mut Option<&'static str>,
    ) -> Result<Response<Bytes>, ApiError> {
        let inner = &*self.0;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = segments(path)?;
        let path = path.strip_prefix(&[BASE.to_owned()]).unwrap_or(&path);
        let route = match inner.router.find(&method, path) {
            Ok(route) => route,
            Err(NoRoute::Path) => return Err(ApiError::not_found("operation")),
            Err(NoRoute::Method(methods)) => return not_this_method(&method, methods),
        };
        let operation = &inner.operations[route.operation];
        *called = Some(operation.id);
        if operation.id == groups::BATCH {
            return Err(ApiError::bad_request("A batch cannot stand within a batch"));
        }
        // Operations without credentials count as well: a batch is no way around the rate.
        let caller = within.caller.ok_or_else(|| ApiError::internal("a batch has no caller"))?;
        inner.by_key.check(&caller.credential).map_err(ApiError::too_many_requests)?;
        let caller = Some(caller).filter(|_| !operation.is_public());
        if let Some(caller) = &caller {
            check_rights(caller, operation)?;
        }
        let octets_max = operation.body_octets_max.min(inner.options.body_octets_max);
        if serde_json::to_vec(&parameters).map_err(ApiError::internal)?.len() > octets_max {
            return Err(ApiError::too_large(octets_max));
        }
        let fields = fields::merge(parameters, fields::of_form(query.as_bytes())?, route.parameters);
        let arrival = Arrival {
            api: self.clone(),
            shared: inner.shared.clone(),
            operation: operation.id,
            caller,
            head: within.head,
            address: within.address,
            now: within.now,
            if_match: None,
            received: None,
        };
        run(operation, arrival, fields, None).await
    }

    fn authenticate(
        &self,
        head: &request::Parts,
        connection: Connection,
        form: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Caller, ApiError> {
        let text = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request = SignedRequest {
            method: head.method.as_str(),
            scheme: if connection.tls { "https" } else { "http" },
            authority: authority(head),
            path: head.uri.path(),
            query: head.uri.query(),
            form,
            authorization: text(header::AUTHORIZATION),
        };
        self.0.authenticator.authenticate(&request, now).map_err(|refusal| match refusal {
            Refusal::Suspended => ApiError::forbidden("The account is suspended"),
            Refusal::Busy => ApiError::too_many_requests(60),
            Refusal::Broken => ApiError::internal("stored credentials cannot be opened"),
            other => ApiError::unauthorized(sentence(&other.to_string())),
        })
    }
}

/// Host and port as the caller named them.
fn authority(head: &request::Parts) -> &str {
    let host = || head.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    head.uri.authority().map(|authority| authority.as_str()).or_else(host).unwrap_or_default()
}

/// Fails with 403 where a caller may not call an operation at all, whoever's rows it is about.
fn check_rights(caller: &Caller, operation: &Operation) -> Result<(), ApiError> {
    if !operation.admits(caller.role) {
        return Err(ApiError::forbidden("Your role does not allow this operation"));
    }
    if let Some(permission) = permission_of(operation).filter(|wanted| !caller.permissions.has(*wanted)) {
        return Err(ApiError::forbidden(format!("Your role lacks {permission}")));
    }
    if caller.reads_only && !operation.reads() {
        return Err(ApiError::forbidden("This token may only read"));
    }
    Ok(())
}

/// What the requests of a batch have in common with it.
pub(super) struct Within {
    pub(super) caller: Option<Caller>,
    pub(super) address: IpAddr,
    pub(super) head: Head,
    pub(super) now: Timestamp,
}

/// Runs the operation on a task of its own: a caller that hangs up does not stop it half-way, and a
/// fault in it is an answer and no more.
async fn run(
    operation: &Operation,
    arrival: Arrival,
    fields: serde_json::Value,
    replay: Option<Pending>,
) -> Result<Response<Bytes>, ApiError> {
    let work = operation.handler.run(arrival, fields);
    let task = tokio::spawn(async move {
        let answer = work.await;
        if let Some(replay) = replay {
            replay.done(&answer);
        }
        answer
    });
    match tokio::time::timeout(OPERATION_PATIENCE, task).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(ApiError::internal(format!("the operation stopped: {error}"))),
        Err(_) => Err(ApiError::unavailable("This takes too long; it may still go on", "timed out")),
    }
}

/// Whether a refusal means that somebody else was faster.
fn is_late(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
}

/// Whether a request asks that nothing in it is ignored (RFC 7240).
fn prefers_strict(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split([',', ';']));
    preferences.any(|preference| preference.trim().eq_ignore_ascii_case("handling=strict"))
}

/// The decoded segments of a path, empty ones left out.
fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let decoded = segments.map(|segment| form::decode(segment.as_bytes(), false));
    decoded.collect::<Result<_, _>>().map_err(|error| ApiError::bad_request(error.to_string()))
}

fn not_this_method(method: &Method, mut methods: Vec<Method>) -> Result<Response<Bytes>, ApiError> {
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    methods.push(Method::OPTIONS);
    let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    if method != Method::OPTIONS {
        return Err(ApiError::method_not_allowed(allow));
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().extend(HeaderValue::try_from(allow).ok().map(|value| (header::ALLOW, value)));
    Ok(response)
}

fn page(content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The revision of `If-Match`; `*` and absence ask for none.
fn if_match(headers: &HeaderMap) -> Result<Option<crate::store::Revision>, ApiError> {
    match headers.get(header::IF_MATCH).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(text)) if text.trim() == "*" => Ok(None),
        // A tag that is none of ours matches nothing.
        Some(text) => Ok(Some(text.ok().and_then(revision_of_tag).ok_or_else(ApiError::precondition_failed)?)),
    }
}

/// The caller's request id where it is a plain short word, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    match given.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_graphic())) {
        Some(id) => id.to_owned(),
        None => uuid::Uuid::new_v4().simple().to_string(),
    }
}

/// What a rate is counted by: an IPv4 address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Bounded labels for the metric.
fn status_label(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        409 => "409",
        429 => "429",
        _ if status < 500 => "4xx",
        503 => "503",
        _ => "5xx",
    }
}
