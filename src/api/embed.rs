//! Tokens for embedded Power BI reports, from the services that the node's configuration names.
//!
//! The account's secret goes to those hosts only, over TLS, without following redirects; what comes
//! back is read up to a bound.

use super::error::ApiError;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of the largest answer read.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// Tokens asked for at once.
const AT_ONCE_MAX: usize = 16;
/// What the token for the service is asked for.
const SCOPE: &str = "https://analysis.windows.net/powerbi/api/.default";

/// The services, as https URLs without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where tokens for the service are had.
    pub login: String,
    /// The service.
    pub api: String,
}

/// Asks for tokens. Cheap to clone.
#[derive(Clone)]
pub struct EmbedTokens {
    endpoints: Endpoints,
    client: reqwest::Client,
    turns: Arc<Semaphore>,
}

/// Why the services cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The authorities of the system cannot be used.
    #[error("the certificate authorities cannot be loaded: {0}")]
    Tls(#[from] rustls::Error),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// Who asks, and for what.
pub(super) struct Wanted<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) client_secret: &'a str,
    pub(super) workspace: &'a str,
    pub(super) report: &'a str,
    /// Whom the report is shown to, for its rules about rows.
    pub(super) viewer: &'a str,
    /// The role those rules know them by.
    pub(super) role: &'a str,
}

#[derive(Deserialize)]
struct AccessToken {
    access_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    dataset_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dataset {
    #[serde(default)]
    is_effective_identity_required: bool,
}

#[derive(Deserialize)]
struct EmbedToken {
    token: String,
}

impl EmbedTokens {
    /// `roots` are the authorities to trust instead of the system's.
    pub fn new(endpoints: Endpoints, roots: Option<RootCertStore>) -> Result<EmbedTokens, EmbedError> {
        let config = match roots {
            None => hickory_net::tls::client_config()?,
            Some(roots) => ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .timeout(PATIENCE)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(EmbedTokens { endpoints, client, turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) })
    }

    /// A token that shows one report.
    pub(super) async fn token(&self, wanted: &Wanted<'_>) -> Result<String, ApiError> {
        let _turn = self.turns.try_acquire().map_err(|_| ApiError::too_many_requests(5))?;
        let Endpoints { login, api } = &self.endpoints;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", wanted.client),
            ("client_secret", wanted.client_secret),
            ("scope", SCOPE),
        ];
        let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
        let request = self
            .client
            .post(format!("{login}/{}/oauth2/v2.0/token", wanted.tenant))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        let AccessToken { access_token } = answer(request).await?;
        let get = |path: String| self.client.get(format!("{api}/v1.0/myorg/{path}")).bearer_auth(&access_token);
        let (workspace, report) = (wanted.workspace, wanted.report);
        let Report { dataset_id } = answer(get(format!("groups/{workspace}/reports/{report}"))).await?;
        if !dataset_id.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            return Err(unusable("the dataset's id is none"));
        }
        let dataset: Dataset = answer(get(format!("groups/{workspace}/datasets/{dataset_id}"))).await?;
        let mut body = json!({ "datasets": [{ "id": dataset_id }], "reports": [{ "id": report }] });
        if dataset.is_effective_identity_required {
            // The dataset's own rules decide which rows this viewer sees.
            body["identities"] =
                json!([{ "username": wanted.viewer, "roles": [wanted.role], "datasets": [dataset_id] }]);
        }
        let request = self.client.post(format!("{api}/v1.0/myorg/GenerateToken")).bearer_auth(&access_token);
        let EmbedToken { token } = answer(request.json::<Value>(&body)).await?;
        Ok(token)
    }
}

fn unusable(cause: impl std::fmt::Display) -> ApiError {
    ApiError::unavailable("Power BI did not give a token", cause)
}

/// Sends a request and reads the JSON it is answered with.
async fn answer<T: for<'de> Deserialize<'de>>(request: reqwest::RequestBuilder) -> Result<T, ApiError> {
    // The URL names the tenant, which is no secret; the error of a request never holds its body.
    let mut response = request.send().await.map_err(unusable)?;
    let status = response.status();
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unusable)? {
        if octets.len() + chunk.len() > ANSWER_OCTETS_MAX {
            return Err(unusable("the answer is too long"));
        }
        octets.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        return Err(unusable(format!("{} answered {status}", response.url().host_str().unwrap_or_default())));
    }
    serde_json::from_slice(&octets).map_err(|_| unusable("the answer cannot be read"))
}

/// A value of a form (WHATWG URL, application/x-www-form-urlencoded).
fn form_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(octet)),
            octet => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}
