//! The way to the API of the daemon on this machine.
//!
//! The daemon's certificate need not be for the address it listens on: the command line compares it
//! with the file the daemon has it from.

use crate::{
    certs::{ACTIVE_FILE, CertSource, SELF_SIGNED_CERTIFICATE_FILE},
    config::Config,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem, pem::PemObject},
};
use serde_json::Value;
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// The file in the data folder with the command line's token.
const TOKEN_FILE: &str = "cli-token";
/// A name that has to be resolved through a slow upstream takes a while.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalApiError {
    /// A file in the data folder cannot be read.
    #[error("cannot read {}: {source}; is this the daemon's data folder, and may you read it?", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The certificate's file is no certificate.
    #[error("{}: {source}", path.display())]
    Certificate { path: PathBuf, source: pem::Error },
    /// The request did not get through.
    #[error("cannot ask the daemon at {address}")]
    Request { address: SocketAddr, source: reqwest::Error },
    /// The daemon refused.
    #[error("the daemon at {address} answered {status}: {message}")]
    Refused { address: SocketAddr, status: String, message: String },
}

/// Sends a JSON body to a path of the API and gives the JSON reply.
pub(super) async fn post(config: &Config, path: &str, body: &Value) -> Result<Value, LocalApiError> {
    let address = reachable(config.api.listen);
    let token_file = config.data.dir.join(TOKEN_FILE);
    let token = fs::read_to_string(&token_file).map_err(|source| LocalApiError::File { path: token_file, source })?;
    let failed = |source| LocalApiError::Request { address, source };
    let mut client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
    let mut scheme = "http";
    if let Some(source) = CertSource::of_api(config) {
        client = client.tls_backend_preconfigured(tls(&source)?);
        scheme = "https";
    }
    let request = client.build().map_err(failed)?.post(format!("{scheme}://{address}/restapi/{path}"));
    let reply = request.bearer_auth(token.trim()).json(body).send().await.map_err(failed)?;
    let status = reply.status();
    let text = reply.text().await.map_err(failed)?;
    let refused = |message: String| LocalApiError::Refused { address, status: status.to_string(), message };
    match serde_json::from_str::<Value>(&text) {
        Ok(reply) if status.is_success() => Ok(reply),
        Ok(reply) => Err(refused(message(&reply))),
        Err(_) => Err(refused("no JSON".to_owned())),
    }
}

/// The message of an error reply, wherever it stands in it.
fn message(reply: &Value) -> String {
    let found = ["message", "error", "detail"].into_iter().find_map(|key| match &reply[key] {
        Value::String(text) => Some(text.clone()),
        Value::Object(inner) => inner.get("message")?.as_str().map(str::to_owned),
        _ => None,
    });
    found.unwrap_or_else(|| reply.to_string())
}

/// The address to connect to for one that is listened on.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn tls(source: &CertSource) -> Result<ClientConfig, LocalApiError> {
    let path = match source {
        CertSource::SelfSigned { dir, .. } => dir.join(SELF_SIGNED_CERTIFICATE_FILE),
        CertSource::Files { certificate, .. } => certificate.clone(),
    };
    let pem = fs::read(&path).map_err(|source| LocalApiError::File { path: path.clone(), source })?;
    let own = CertificateDer::from_pem_slice(&pem).map_err(|source| LocalApiError::Certificate { path, source })?;
    let mut expected = vec![own];
    if let CertSource::SelfSigned { dir, .. } = source {
        // There only while an administrator's certificate is active.
        let signed = fs::read(dir.join(ACTIVE_FILE)).unwrap_or_default();
        expected.extend(CertificateDer::from_pem_slice(&signed));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(SameCertificate { expected, provider: provider.clone() });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Trusts certificates of this node, whatever names they are for.
#[derive(Debug)]
struct SameCertificate {
    expected: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SameCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.expected.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let reason = "the daemon shows another certificate than the one in its file; was it reloaded?";
        Err(rustls::Error::General(reason.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::CertStore;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    /// Serves one HTTPS request with a certificate and gives the request's text.
    async fn serve_once(listener: TcpListener, certificates: CertStore, status: &str, body: &str) -> Option<String> {
        let (connection, _) = listener.accept().await.expect("a connection");
        let acceptor = TlsAcceptor::from(certificates.server_config(&[b"http/1.1"]));
        let mut connection = acceptor.accept(connection).await.ok()?;
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"}") {
            length += connection.read(&mut request[length..]).await.expect("a request");
        }
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        connection.write_all(reply.as_bytes()).await.expect("written");
        connection.shutdown().await.expect("closed");
        Some(String::from_utf8_lossy(&request[..length]).into_owned())
    }

    async fn node() -> (tempfile::TempDir, Config, TcpListener, CertStore) {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut config = Config::default();
        config.data.dir = folder.path().to_owned();
        config.api.listen = listener.local_addr().expect("an address");
        fs::write(folder.path().join(TOKEN_FILE), "secret\n").expect("written");
        let certificates = CertStore::open(CertSource::of_api(&config).expect("TLS is on")).expect("made");
        (folder, config, listener, certificates)
    }

    #[tokio::test]
    async fn a_request_carries_the_token_and_gives_the_reply() {
        let (_folder, config, listener, certificates) = node().await;
        let server = tokio::spawn(serve_once(listener, certificates, "200 OK", r#"{"verdict":"allowed"}"#));
        let reply = post(&config, "explain", &serde_json::json!({"name": "a.example"})).await.expect("a reply");
        assert_eq!(reply["verdict"], "allowed");
        let request = server.await.expect("served").expect("a handshake");
        assert!(request.starts_with("POST /restapi/explain HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
        assert!(request.ends_with(r#"{"name":"a.example"}"#), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_shows_the_daemons_message() {
        let (_folder, config, listener, certificates) = node().await;
        tokio::spawn(serve_once(listener, certificates, "401 Unauthorized", r#"{"message":"who are you"}"#));
        let error = post(&config, "explain", &serde_json::json!({})).await.expect_err("refused").to_string();
        assert!(error.ends_with("answered 401 Unauthorized: who are you"), "{error}");
    }

    #[tokio::test]
    async fn another_certificate_is_not_trusted() {
        let (_folder, config, listener, _) = node().await;
        let other = tempfile::tempdir().expect("a folder");
        let source = CertSource::SelfSigned { dir: other.path().to_owned(), names: Vec::new() };
        let other = CertStore::open(source).expect("made");
        let server = tokio::spawn(serve_once(listener, other, "200 OK", "{}"));
        let error = post(&config, "explain", &serde_json::json!({})).await.expect_err("not trusted");
        assert!(super::super::with_causes(&error).contains("another certificate"), "{error:?}");
        assert_eq!(server.await.expect("served"), None, "the token was not sent");
    }

    #[test]
    fn a_wildcard_is_reached_through_loopback() {
        for (listen, expected) in
            [("0.0.0.0:8443", "127.0.0.1:8443"), ("[::]:8443", "[::1]:8443"), ("192.0.2.1:8443", "192.0.2.1:8443")]
        {
            assert_eq!(reachable(listen.parse().expect("an address")).to_string(), expected);
        }
    }
}
