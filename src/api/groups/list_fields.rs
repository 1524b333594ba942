//! Fields of a subscribed list, as they are given and shown.

use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Flag, Label, Number, Text, choices},
        reply::{Object, time_text},
    },
    feeds::{FetchError, ImportReport, Standing, Trust},
    jobs::{ListStatus, list_secret_context},
    model::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr};

/// Seconds between refreshes of a list that says nothing: a day.
const REFRESH_S: u32 = 86_400;

/// An enum of the model with a word for each of its values.
macro_rules! words {
    ($($(#[$doc:meta])* $word:ident for $model:ty { $($(#[$value_doc:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {
        choices! {$(
            $(#[$doc])*
            pub enum $word { $($(#[$value_doc])* $variant = $text),+ }
        )+}

        $(impl From<$word> for $model {
            fn from(word: $word) -> Self {
                match word { $($word::$variant => <$model>::$variant),+ }
            }
        }

        impl $word {
            /// The word for a value.
            fn of(value: $model) -> &'static str {
                match value { $(<$model>::$variant => $text),+ }
            }
        })+
    };
}

words! {
    /// What the names of a list are for.
    KindWord for ListKind {
        /// Blocked.
        Block = "block",
        /// Let through, whatever categories say.
        Allow = "allow",
    }
    /// How a list is written.
    SyntaxWord for ListSyntax {
        /// `address name…`.
        Hosts = "hosts",
        /// A name a line.
        Domains = "domains",
        /// Adblock for DNS.
        Adblock = "adblock",
        /// Pi-hole's regular expressions.
        Regex = "regex",
        /// dnsmasq's configuration.
        Dnsmasq = "dnsmasq",
        /// Unbound's configuration.
        Unbound = "unbound",
        /// A response policy zone.
        Rpz = "rpz",
        /// An archive of categories.
        Ut1 = "ut1",
        /// Comma-separated, with a header.
        Csv = "csv",
        /// JSON of other products.
        Json = "json",
        /// YAML of other products.
        Yaml = "yaml",
    }
    /// What a bare name stands for.
    ReachWord for NameReach {
        /// As the syntax has it.
        BySyntax = "syntax",
        /// The name alone.
        Exact = "exact",
        /// The name and everything below it.
        Suffix = "suffix",
    }
    /// What an address of a hosts file means that is no null or loopback address.
    HostsWord for HostsMeaning {
        /// The name is blocked.
        Block = "block",
        /// The name has this address.
        Record = "record",
        /// The line says nothing.
        Skip = "skip",
    }
    /// What all rules of a zone do instead of what they say.
    OverrideWord for ZoneOverride {
        /// Nothing: matches are logged only.
        Disabled = "disabled",
        /// Let through.
        Passthru = "passthru",
        /// NXDOMAIN.
        NxDomain = "nxdomain",
        /// NODATA.
        NoData = "nodata",
        /// No answer.
        Drop = "drop",
        /// As the policy's blocks look.
        Block = "block",
    }
}

choices! {
    /// Where a list comes from.
    pub enum OriginWord {
        /// From `url`.
        Url = "url",
        /// Sent by an administrator.
        Upload = "upload",
        /// From `file`; lists of the system only.
        File = "file",
        /// A zone transferred from `server`.
        Transfer = "transfer",
    }
    /// A syntax, or that it is found out.
    enum Auto {
        /// Found out from the first lines.
        Auto = "auto",
    }
    /// That a zone does what it says.
    enum Given {
        /// What the zone says.
        Given = "given",
    }
}

/// One of two sets of words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Either<A, B> {
    /// A word of the first.
    One(A),
    /// A word of the second.
    Other(B),
}

impl<A: JsonSchema, B: JsonSchema> JsonSchema for Either<A, B> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Or{}", A::schema_name(), B::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [A::json_schema(generator), B::json_schema(generator)] })
    }
}

/// The word for a syntax.
pub fn syntax_word(syntax: ListSyntax) -> &'static str {
    SyntaxWord::of(syntax)
}

/// What may be set of a list; absent fields stay, or have their defaults in a new list.
#[derive(Deserialize, JsonSchema)]
pub struct Fields {
    /// Free text.
    #[serde(default)]
    description: Option<Text<2000>>,
    /// `block` unless told otherwise.
    #[serde(default)]
    kind: Option<KindWord>,
    /// A disabled list decides nothing and is not refreshed.
    #[serde(default)]
    enabled: Option<Flag>,
    /// It applies to every policy of the account and below, subscribed or not.
    #[serde(default)]
    everywhere: Option<Flag>,
    /// Where it comes from; told by `url`, `file` and `server` where it is absent.
    #[serde(default)]
    origin: Option<OriginWord>,
    /// Address to fetch it from.
    #[serde(default)]
    url: Option<Text<2000>>,
    /// Path below the folder of lists, which the configuration names.
    #[serde(default)]
    file: Option<Text<500>>,
    /// Primary server of a zone: `address` or `address:port`.
    #[serde(default)]
    server: Option<Text<60>>,
    /// Name of the zone.
    #[serde(default)]
    zone: Option<Text<253>>,
    /// Name of the TSIG key, with its algorithm: `hmac-sha256:name`. Empty: none.
    #[serde(default)]
    key_name: Option<Text<300>>,
    /// Its secret, in base64. Never shown.
    #[serde(default)]
    key_secret: Option<Text<500>>,
    /// How it is written; `auto`: found out from its first lines.
    #[serde(default)]
    syntax: Option<Either<SyntaxWord, Auto>>,
    /// What a bare name stands for.
    #[serde(default)]
    reach: Option<ReachWord>,
    /// What an address of a hosts file means that is no null or loopback address.
    #[serde(default)]
    hosts: Option<HostsWord>,
    /// What all rules of a zone do instead of what they say; `given`: what they say.
    #[serde(default)]
    zone_override: Option<Either<OverrideWord, Given>>,
    /// Seconds between refreshes; a day unless told otherwise.
    #[serde(default)]
    refresh_s: Option<Number<300, 2_592_000>>,
}

/// The name of a new list.
#[derive(Deserialize, JsonSchema)]
pub struct Named {
    /// Display name, unique in the account.
    pub name: Label<250>,
}

/// A new name.
#[derive(Deserialize, JsonSchema)]
pub struct Renamed {
    /// Display name, unique in the account.
    #[serde(default)]
    pub name: Option<Label<250>>,
}

/// A list as a new one begins.
pub fn blank(id: ListSourceId, owner: Account, name: String, now: Timestamp) -> ListSource {
    ListSource {
        id,
        owner,
        name,
        description: String::new(),
        kind: ListKind::Block,
        enabled: true,
        everywhere: false,
        origin: ListOrigin::Upload,
        syntax: None,
        reach: NameReach::BySyntax,
        hosts: HostsMeaning::Block,
        zone_override: None,
        refresh_s: REFRESH_S,
        created: now,
        updated: now,
    }
}

impl Fields {
    /// Sets what was given.
    pub fn apply<S>(&self, call: &Call<S>, list: &mut ListSource) -> Result<(), ApiError> {
        if let Some(text) = &self.description {
            list.description = text.0.clone();
        }
        if let Some(kind) = self.kind {
            list.kind = kind.into();
        }
        if let Some(flag) = self.enabled {
            list.enabled = flag.0;
        }
        if let Some(flag) = self.everywhere {
            list.everywhere = flag.0;
        }
        match self.syntax {
            None => {}
            Some(Either::One(word)) => list.syntax = Some(word.into()),
            Some(Either::Other(Auto::Auto)) => list.syntax = None,
        }
        if let Some(word) = self.reach {
            list.reach = word.into();
        }
        if let Some(word) = self.hosts {
            list.hosts = word.into();
        }
        match self.zone_override {
            None => {}
            Some(Either::One(word)) => list.zone_override = Some(word.into()),
            Some(Either::Other(Given::Given)) => list.zone_override = None,
        }
        if let Some(seconds) = self.refresh_s {
            list.refresh_s = u32::try_from(seconds.0).unwrap_or(REFRESH_S);
        }
        self.apply_origin(call, list)
    }

    fn apply_origin<S>(&self, call: &Call<S>, list: &mut ListSource) -> Result<(), ApiError> {
        let told = match (&self.url, &self.file, &self.server) {
            (Some(_), _, _) => Some(OriginWord::Url),
            (_, Some(_), _) => Some(OriginWord::File),
            (_, _, Some(_)) => Some(OriginWord::Transfer),
            _ => None,
        };
        let before = match list.origin {
            ListOrigin::Url(_) => OriginWord::Url,
            ListOrigin::Upload => OriginWord::Upload,
            ListOrigin::File(_) => OriginWord::File,
            ListOrigin::Transfer { .. } => OriginWord::Transfer,
        };
        let lists = &call.services().lists;
        let system = list.owner == Account::System;
        list.origin = match self.origin.or(told).unwrap_or(before) {
            OriginWord::Upload => ListOrigin::Upload,
            OriginWord::Url => {
                let url = match (&self.url, &list.origin) {
                    (Some(url), _) => url.0.trim().to_owned(),
                    (None, ListOrigin::Url(url)) => url.clone(),
                    _ => return Err(ApiError::field("url", "is required")),
                };
                let trust = if system { Trust::Operator } else { Trust::Tenant };
                lists.fetcher().check(&url, trust).map_err(|error: FetchError| ApiError::field("url", error))?;
                ListOrigin::Url(url)
            }
            OriginWord::File => {
                if !system {
                    return Err(ApiError::forbidden("Only lists of the system come from files"));
                }
                if !lists.has_folder() {
                    return Err(ApiError::field("file", "the configuration names no folder of lists"));
                }
                let file = match (&self.file, &list.origin) {
                    (Some(file), _) => file.0.trim().to_owned(),
                    (None, ListOrigin::File(file)) => file.clone(),
                    _ => return Err(ApiError::field("file", "is required")),
                };
                let path = std::path::Path::new(&file);
                let plain = |part| matches!(part, std::path::Component::Normal(_));
                if file.is_empty() || !path.components().all(plain) {
                    return Err(ApiError::field("file", "must be a path below the folder of lists"));
                }
                ListOrigin::File(file)
            }
            OriginWord::Transfer => self.transfer(call, list)?,
        };
        Ok(())
    }

    fn transfer<S>(&self, call: &Call<S>, list: &ListSource) -> Result<ListOrigin, ApiError> {
        let (mut server, mut zone, mut key_name, mut key_secret) = match &list.origin {
            ListOrigin::Transfer { server, zone, key_name, key_secret } => {
                (server.clone(), zone.clone(), key_name.clone(), key_secret.clone())
            }
            _ => (String::new(), String::new(), None, None),
        };
        if let Some(text) = &self.server {
            server = text.0.trim().to_owned();
        }
        let address = server.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(server.parse().ok()?, 53)));
        let Some(address) = address else {
            return Err(ApiError::field("server", "must be an address, or an address with a port"));
        };
        let allowed = &call.services().lists.fetcher().options().allow_private;
        if let Some(what) = crate::feeds::refusal(address.ip(), allowed) {
            return Err(ApiError::field("server", format!("{} is {what}", address.ip())));
        }
        if let Some(text) = &self.zone {
            let name = DomainName::from_text(text.0.trim()).map_err(|error| ApiError::field("zone", error))?;
            zone = name.to_string();
        }
        if zone.is_empty() {
            return Err(ApiError::field("zone", "is required"));
        }
        if let Some(text) = &self.key_name {
            let text = text.0.trim();
            key_name = (!text.is_empty()).then(|| text.to_owned());
            if key_name.is_none() {
                key_secret = None;
            }
        }
        if let Some(text) = &self.key_secret {
            key_secret = Some(call.store().seal(&list_secret_context(list.id), text.0.trim().as_bytes()));
        }
        if key_name.is_some() != key_secret.is_some() {
            return Err(ApiError::field("key_secret", "a key has a name and a secret"));
        }
        Ok(ListOrigin::Transfer { server, zone, key_name, key_secret })
    }
}

/// A list as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListReply {
    id: u32,
    name: String,
    description: String,
    /// `block` or `allow`.
    kind: &'static str,
    enabled: bool,
    everywhere: bool,
    /// `system`, `msp` or `customer`.
    level: &'static str,
    /// `url`, `upload`, `file` or `transfer`.
    origin: &'static str,
    /// Shown to administrators of the list's own account and those above.
    url: Option<String>,
    file: Option<String>,
    server: Option<String>,
    zone: Option<String>,
    key_name: Option<String>,
    /// `auto`, or the syntax that was set.
    syntax: &'static str,
    /// `syntax`, `exact` or `suffix`.
    reach: &'static str,
    /// `block`, `record` or `skip`.
    hosts: &'static str,
    /// `given`, or what all rules do instead.
    zone_override: &'static str,
    refresh_s: u32,
    /// `pending`, `current`, `retrying`, `failing`, `held` or `disabled`.
    state: &'static str,
    /// Rules that serve.
    rules: u64,
    created: String,
    last_updated: String,
}

impl Object for ListReply {
    fn object(&self) -> &'static str {
        "subscribed_list"
    }
}

/// A list as its own administrators see it, or with `outside` those below who may subscribe to it.
pub fn show(list: &ListSource, status: &ListStatus, outside: bool) -> ListReply {
    let (origin, url, file, server, zone, key_name) = match &list.origin {
        ListOrigin::Url(url) => ("url", Some(url.clone()), None, None, None, None),
        ListOrigin::Upload => ("upload", None, None, None, None, None),
        ListOrigin::File(file) => ("file", None, Some(file.clone()), None, None, None),
        ListOrigin::Transfer { server, zone, key_name, .. } => {
            ("transfer", None, None, Some(server.clone()), Some(zone.clone()), key_name.clone())
        }
    };
    let inside = |text: Option<String>| text.filter(|_| !outside);
    ListReply {
        id: list.id.0,
        name: list.name.clone(),
        description: list.description.clone(),
        kind: KindWord::of(list.kind),
        enabled: list.enabled,
        everywhere: list.everywhere,
        level: match list.owner {
            Account::System => "system",
            Account::Msp(_) => "msp",
            Account::Customer(_) => "customer",
        },
        origin,
        url: inside(url),
        file: inside(file),
        server: inside(server),
        zone: inside(zone),
        key_name: inside(key_name),
        syntax: list.syntax.map_or("auto", SyntaxWord::of),
        reach: ReachWord::of(list.reach),
        hosts: HostsWord::of(list.hosts),
        zone_override: list.zone_override.map_or("given", OverrideWord::of),
        refresh_s: list.refresh_s,
        state: status.standing.name(),
        rules: status.state.rules,
        created: time_text(list.created),
        last_updated: time_text(list.updated),
    }
}

/// A line of a list that was not taken.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SampleReply {
    /// Its number, counted from 1.
    pub line: u64,
    /// Its beginning.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What was understood of a list.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportReply {
    /// How it is written.
    syntax: &'static str,
    title: Option<String>,
    version: Option<String>,
    expires: Option<String>,
    last_modified: Option<String>,
    homepage: Option<String>,
    /// Entries it claims to have.
    claimed: Option<u64>,
    /// Serial number of a zone.
    serial: Option<u32>,
    octets: u64,
    lines: u64,
    comments: u64,
    /// Rules without duplicates.
    rules: u64,
    names: u64,
    wildcards: u64,
    regexes: u64,
    addresses: u64,
    name_servers: u64,
    exceptions: u64,
    answers: u64,
    important: u64,
    conditional: u64,
    duplicates: u64,
    cancelled: u64,
    invalid: u64,
    /// The first five of them.
    invalid_samples: Vec<SampleReply>,
    /// URLs, which stand for pages and not for hosts.
    urls_skipped: u64,
    /// Rules left out, by the name of what they need.
    unsupported: BTreeMap<String, u64>,
    /// Rules that were taken, but not quite as written.
    warnings: BTreeMap<String, u64>,
    /// Rules that are not used, because they would cost too much.
    too_complex: u64,
    /// The first five of them.
    too_complex_samples: Vec<String>,
}

/// How far the work on a list is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProgressReply {
    /// `waiting`, `fetching`, `transferring`, `copying`, `reading`, `sorting` or `writing`.
    pub doing: &'static str,
    /// Octets done.
    pub done: u64,
    /// Octets there are; 0 where nobody knows.
    pub total: u64,
}

/// A version that waits to be confirmed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HeldReply {
    /// When it came.
    pub since: String,
    /// Rules it has; of a feed, names.
    pub rules: u64,
}

/// How a list stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusReply {
    id: u32,
    /// `pending`, `current`, `retrying`, `failing` (five errors in a row), `held` or `disabled`. While there is a last good
    /// copy, it serves.
    state: &'static str,
    /// Whether its rules decide.
    serving: bool,
    /// Rules that serve.
    rules: u64,
    /// Queries it decided since the daemon started.
    hits: u64,
    last_tried: Option<String>,
    /// When it was last known to be what its origin has.
    last_fetched: Option<String>,
    /// When its contents last changed.
    last_changed: Option<String>,
    next: Option<String>,
    /// Errors in a row.
    errors: u32,
    error: Option<String>,
    /// A version that lost more than half of the rules: `refresh?confirm=true` takes it.
    held: Option<HeldReply>,
    /// What is being done at this moment.
    progress: Option<ProgressReply>,
    report: Option<ReportReply>,
}

impl Object for StatusReply {
    fn object(&self) -> &'static str {
        "subscribed_list_status"
    }
}

/// How a list stands.
pub fn show_status(list: &ListSource, status: ListStatus) -> StatusReply {
    let ListStatus { standing, state, far, hits, in_table } = status;
    let counted = state.counted.unwrap_or_default();
    StatusReply {
        id: list.id.0,
        state: Standing::name(standing),
        serving: in_table,
        rules: state.rules,
        hits,
        last_tried: state.tried.map(time_text),
        last_fetched: state.fetched.map(time_text),
        last_changed: state.changed.map(time_text),
        next: state.next.filter(|_| list.enabled).map(time_text),
        errors: state.errors,
        error: state.error,
        held: state.held.map(|held| HeldReply { since: time_text(held.at), rules: held.rules }),
        progress: far.map(|far| ProgressReply { doing: far.phase, done: far.done, total: far.total }),
        report: state.report.map(|report| show_report(report, counted)),
    }
}

fn show_report(report: ImportReport, counted: crate::policy::Counted) -> ReportReply {
    let samples = report.invalid_samples.into_iter();
    ReportReply {
        syntax: report.syntax.map_or("auto", SyntaxWord::of),
        title: report.title,
        version: report.version,
        expires: report.expires,
        last_modified: report.last_modified,
        homepage: report.homepage,
        claimed: report.claimed,
        serial: report.serial,
        octets: report.octets,
        lines: report.lines,
        comments: report.comments,
        rules: report.rules.total(),
        names: report.rules.names,
        wildcards: report.rules.wildcards,
        regexes: report.rules.regexes,
        addresses: report.rules.addresses,
        name_servers: report.rules.name_servers,
        exceptions: report.rules.exceptions,
        answers: report.rules.answers,
        important: report.rules.important,
        conditional: report.rules.conditional,
        duplicates: report.duplicates,
        cancelled: report.cancelled,
        invalid: report.invalid,
        invalid_samples: samples
            .map(|sample| SampleReply { line: sample.line, text: sample.text, reason: sample.reason })
            .collect(),
        urls_skipped: report.urls_skipped,
        unsupported: report.unsupported,
        warnings: report.warnings,
        too_complex: counted.too_complex,
        too_complex_samples: counted.refused,
    }
}
