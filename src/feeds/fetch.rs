//! One list over HTTPS.
//!
//! Every hop of a redirect is checked like the first URL: scheme, port, and each address its host has
//! ([`guard`](super::guard)). The connection goes to the addresses that were checked, since they come from the
//! resolver the client was given and are asked for once.

use super::{Progress, guard::refusal};
use ipnet::IpNet;
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
        LOCATION, RETRY_AFTER,
    },
    redirect::Policy,
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{fs::File, io::AsyncWriteExt};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may be silent.
const SILENCE_PATIENCE: Duration = Duration::from_secs(30);
/// Octets of a URL.
const URL_OCTETS_MAX: usize = 2_000;
/// Octets of a validator that is kept; a longer one is not.
const VALIDATOR_OCTETS_MAX: usize = 1_000;
/// Addresses of a host that are looked at.
const ADDRESSES_MAX: usize = 64;

/// What may be fetched, and how much of it.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Plain HTTP as well.
    pub allow_http: bool,
    /// Networks that are fetched from although they are not public.
    pub allow_private: Vec<IpNet>,
    /// Ports that URLs of tenants may name, beside the usual one of their scheme; those of the system may name any.
    pub ports: Vec<u16>,
    /// Octets of a list, as they come.
    pub octets_max: u64,
    /// How long a list may take, redirects included.
    pub timeout: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions {
            allow_http: false,
            allow_private: Vec::new(),
            ports: vec![8443],
            octets_max: 256 << 20,
            timeout: Duration::from_secs(600),
        }
    }
}

/// Who named a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator: credentials in the URL, and any port.
    Operator,
    /// An MSP or a customer.
    Tenant,
}

/// What a server said of a list, by which it tells later whether it has changed (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// Its entity tag.
    pub etag: Option<String>,
    /// When it was changed.
    pub last_modified: Option<String>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The list is what it was.
    Unchanged,
    /// The list stands in the file.
    Body {
        /// What the server says of it.
        validators: Validators,
        /// The file holds it gzipped, because the server sent it so.
        gzipped: bool,
        /// Octets of the file.
        octets: u64,
    },
}

/// Why a list was not fetched. Texts name hosts, never paths and queries, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is not one that may be fetched from.
    #[error("{0}")]
    Refused(String),
    /// A redirect leads where nothing may be fetched from.
    #[error("it redirects to an address that is refused: {0}")]
    Redirect(String),
    /// More redirects than are followed.
    #[error("it redirects more than {REDIRECTS_MAX} times")]
    TooManyRedirects,
    /// The server answered something else than a list.
    #[error("{host} answered {status}")]
    Status {
        /// Who.
        host: String,
        /// The status, a number.
        status: u16,
        /// When it wants to be asked again, seconds.
        retry_after_s: Option<u64>,
    },
    /// The list is larger than allowed.
    #[error("the list has more than {0} octets")]
    TooLarge(u64),
    /// It took too long.
    #[error("{0} took too long")]
    TimedOut(String),
    /// The connection did not come about, or broke.
    #[error("{host}: {reason}")]
    Connection {
        /// With whom.
        host: String,
        /// What the client says, causes included.
        reason: String,
    },
    /// The file could not be written.
    #[error("the list could not be kept: {0}")]
    Keep(#[from] io::Error),
}

/// There is no client to fetch lists with.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// What finds the addresses of a host; none where it does not know any.
pub type Hosts = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send>> + Send + Sync>;

/// Fetches lists. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    options: Arc<FetchOptions>,
}

impl Fetcher {
    /// A fetcher that finds hosts by the system's resolver. Fails where the system has no certificates to trust.
    pub fn new(options: FetchOptions) -> Result<Self, FetcherError> {
        Self::with_hosts(options, None)
    }

    /// A fetcher that asks `hosts` first, and the system's resolver for what that does not know: so no policy, be it
    /// of this very server, takes away the host of a list.
    pub fn with_hosts(options: FetchOptions, hosts: Option<Hosts>) -> Result<Self, FetcherError> {
        let options = Arc::new(options);
        let client = Client::builder()
            .tls_backend_preconfigured(hickory_net::tls::client_config()?)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_PATIENCE)
            .read_timeout(SILENCE_PATIENCE)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Guarded { options: options.clone(), hosts })
            .build()?;
        Ok(Fetcher { client, options })
    }

    /// What is fetched, and how much of it.
    pub fn options(&self) -> &FetchOptions {
        &self.options
    }

    /// The same fetcher with smaller bounds.
    #[must_use]
    pub fn within(&self, octets_max: u64, timeout: Duration) -> Fetcher {
        let octets_max = octets_max.min(self.options.octets_max);
        let timeout = timeout.min(self.options.timeout);
        let options = FetchOptions { octets_max, timeout, ..FetchOptions::clone(&self.options) };
        Fetcher { client: self.client.clone(), options: Arc::new(options) }
    }

    /// The URL, if it may be fetched as far as its text tells; its host's addresses are checked when it is.
    pub fn check(&self, url: &str, trust: Trust) -> Result<Url, FetchError> {
        let refuse = |reason: String| Err(FetchError::Refused(reason));
        if url.len() > URL_OCTETS_MAX {
            return refuse(format!("a URL has at most {URL_OCTETS_MAX} octets"));
        }
        let Ok(url) = url.trim().parse::<Url>() else { return refuse("this is no URL".to_owned()) };
        match url.scheme() {
            "https" => {}
            "http" if self.options.allow_http => {}
            "http" => return refuse("plain HTTP is not allowed here".to_owned()),
            _ => return refuse("lists are fetched by https only".to_owned()),
        }
        let Some(host) = url.host_str() else { return refuse("the URL has no host".to_owned()) };
        if trust == Trust::Tenant {
            if !url.username().is_empty() || url.password().is_some() {
                return refuse("a URL with user name or password is not allowed here".to_owned());
            }
            let port = url.port_or_known_default().unwrap_or_default();
            let usual = url.port().is_none();
            if !usual && !self.options.ports.contains(&port) {
                return refuse(format!("port {port} is not allowed here"));
            }
        }
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && let Some(what) = refusal(address, &self.options.allow_private)
        {
            return refuse(format!("{address} is {what}"));
        }
        Ok(url)
    }

    /// Fetches a list into a new file, unless it is what it was. After an error the file may be there in part.
    pub async fn fetch(
        &self,
        url: &str,
        trust: Trust,
        known: &Validators,
        into: &Path,
        progress: &Progress,
    ) -> Result<Fetched, FetchError> {
        let url = self.check(url, trust)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let fetching = self.follow(url, trust, known, into, progress);
        tokio::time::timeout(self.options.timeout, fetching).await.unwrap_or(Err(FetchError::TimedOut(host)))
    }

    async fn follow(
        &self,
        mut url: Url,
        trust: Trust,
        known: &Validators,
        into: &Path,
        progress: &Progress,
    ) -> Result<Fetched, FetchError> {
        for _ in 0..=REDIRECTS_MAX {
            let host = url.host_str().unwrap_or_default().to_owned();
            let mut request = self.client.get(url.clone()).header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "gzip");
            if let Some(etag) = &known.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            if let Some(date) = &known.last_modified {
                request = request.header(IF_MODIFIED_SINCE, date);
            }
            let response = request.send().await.map_err(|error| of_client(&host, &error))?;
            match response.status() {
                StatusCode::OK => return self.keep(response, &host, into, progress).await,
                StatusCode::NOT_MODIFIED if *known != Validators::default() => return Ok(Fetched::Unchanged),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let Some(to) = text(&response, LOCATION).and_then(|to| url.join(&to).ok()) else {
                        return Err(FetchError::Redirect("it names none".to_owned()));
                    };
                    // A server that was reached safely does not lead to one that is not.
                    if url.scheme() == "https" && to.scheme() != "https" {
                        return Err(FetchError::Redirect("it is not https".to_owned()));
                    }
                    let checked = self.check(to.as_str(), trust);
                    let to = checked.map_err(|error| FetchError::Redirect(error.to_string()))?;
                    url = to;
                }
                status => {
                    let retry_after_s = text(&response, RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                    return Err(FetchError::Status { host, status: status.as_u16(), retry_after_s });
                }
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    /// Writes the body into the file.
    async fn keep(
        &self,
        mut response: Response,
        host: &str,
        into: &Path,
        progress: &Progress,
    ) -> Result<Fetched, FetchError> {
        let octets_max = self.options.octets_max;
        let announced = response.content_length();
        if announced.is_some_and(|octets| octets > octets_max) {
            return Err(FetchError::TooLarge(octets_max));
        }
        let gzipped = match text(&response, CONTENT_ENCODING).as_deref().map(str::trim) {
            None | Some("" | "identity") => false,
            Some("gzip" | "x-gzip") => true,
            Some(other) => {
                let reason = format!("it sends {other:?}, which was not asked for");
                return Err(FetchError::Connection { host: host.to_owned(), reason });
            }
        };
        progress.begin("fetching", announced.unwrap_or(0));
        let short = |name: HeaderName| text(&response, name).filter(|value| value.len() <= VALIDATOR_OCTETS_MAX);
        let validators = Validators { etag: short(ETAG), last_modified: short(LAST_MODIFIED) };
        let mut file = File::create(into).await?;
        let mut octets = 0;
        while let Some(piece) = response.chunk().await.map_err(|error| of_client(host, &error))? {
            octets += piece.len() as u64;
            if octets > octets_max {
                return Err(FetchError::TooLarge(octets_max));
            }
            file.write_all(&piece).await?;
            progress.advance(piece.len() as u64);
        }
        file.flush().await?;
        Ok(Fetched::Body { validators, gzipped, octets })
    }
}

/// The text of a header; `None` where there is none, or it is no text.
fn text(response: &Response, name: HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// What the client says, without the URL.
fn of_client(host: &str, error: &reqwest::Error) -> FetchError {
    let mut source = error.source();
    let mut reasons = Vec::new();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<AddressRefused>() {
            return FetchError::Refused(refused.to_string());
        }
        reasons.push(cause.to_string());
        source = cause.source();
    }
    if error.is_timeout() {
        return FetchError::TimedOut(host.to_owned());
    }
    // The outermost text has the URL in it; the causes below do not.
    let reason = if reasons.is_empty() { "the request failed".to_owned() } else { reasons.join(": ") };
    FetchError::Connection { host: host.to_owned(), reason }
}

/// A host whose address is not one that may be fetched from.
#[derive(Debug)]
struct AddressRefused {
    host: String,
    address: IpAddr,
    what: &'static str,
}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has the address {}, which is {}", self.host, self.address, self.what)
    }
}

impl Error for AddressRefused {}

/// Resolves hosts and lets addresses through that may be spoken to. One that may not be refuses the host: who mixes
/// addresses is up to something.
struct Guarded {
    options: Arc<FetchOptions>,
    hosts: Option<Hosts>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (options, hosts) = (self.options.clone(), self.hosts.clone());
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let mut found: Vec<SocketAddr> = match hosts {
                Some(hosts) => hosts(host.clone()).await.into_iter().map(|address| (address, 0).into()).collect(),
                None => Vec::new(),
            };
            if found.is_empty() {
                found = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            }
            found.truncate(ADDRESSES_MAX);
            for address in &found {
                if let Some(what) = refusal(address.ip(), &options.allow_private) {
                    return Err(AddressRefused { host, address: address.ip(), what }.into());
                }
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
