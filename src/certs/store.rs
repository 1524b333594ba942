//! The certificate in force.

use super::{
    authority::{active, sign_for},
    pem::{CertError, Loaded, load},
    self_signed,
};
use crate::{
    config::{ApiTls, Config},
    model::Timestamp,
    store::Store,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{fs, path::PathBuf, sync::Arc};

/// The file in the folder of certificates with the chain that the active authority signed, for the
/// command line to know the daemon by.
pub const ACTIVE_FILE: &str = "active.crt.pem";

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertSource {
    /// Made by the node.
    SelfSigned {
        /// The folder it is kept in.
        dir: PathBuf,
        /// Host names and addresses it is for, beside the machine's own.
        names: Vec<String>,
    },
    /// Two PEM files.
    Files {
        /// The chain, the node's certificate first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

impl CertSource {
    /// The source of the API's certificate; `None` where TLS is off.
    pub fn of_api(config: &Config) -> Option<CertSource> {
        match &config.api.tls {
            ApiTls::Off => None,
            ApiTls::SelfSigned => {
                Some(CertSource::SelfSigned { dir: config.data.dir.join("tls"), names: config.api.names.clone() })
            }
            ApiTls::Files { certificate, key } => {
                Some(CertSource::Files { certificate: certificate.clone(), key: key.clone() })
            }
        }
    }

    fn load(&self, now: Timestamp) -> Result<Loaded, CertError> {
        match self {
            CertSource::SelfSigned { dir, names } => self_signed::load_or_make(dir, names, now),
            CertSource::Files { certificate, key } => load(certificate, key),
        }
    }
}

/// A cheap handle to the certificate in force. Every listener holds one.
#[derive(Clone, Debug)]
pub struct CertStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: CertSource,
    current: ArcSwap<CertifiedKey>,
    /// Signed by the active authority; it goes first.
    signed: ArcSwapOption<CertifiedKey>,
    /// Held from reading the active row to showing its certificate.
    turn: Mutex<()>,
}

impl CertStore {
    /// Loads the certificate, making it where it is self-signed and there is none. Warns in the log
    /// of one that has expired or soon will.
    pub fn open(source: CertSource) -> Result<CertStore, CertError> {
        let loaded = load_and_warn(&source)?;
        Ok(CertStore(Arc::new(Inner {
            source,
            current: ArcSwap::from(loaded.certified),
            signed: ArcSwapOption::empty(),
            turn: Mutex::default(),
        })))
    }

    /// Shows a certificate signed by the store's active authority from the next connection on, or the
    /// source's own where there is no active one or it has expired. Where the source is files, they
    /// stay. After an error everything is as before. Blocks for a file.
    pub fn follow(&self, store: &Store, now: Timestamp) -> Result<(), CertError> {
        let CertSource::SelfSigned { dir, names } = &self.0.source else { return Ok(()) };
        let _turn = self.0.turn.lock();
        let file = dir.join(ACTIVE_FILE);
        match active(store) {
            Some(row) if row.value.expires > now => {
                let names = self_signed::all_names(names, self_signed::host_name().as_deref());
                let (signed, chain_pem) = sign_for(store, &row.value, &names, now)?;
                // Only the command line misses the file.
                if let Err(error) = self_signed::write_private(&file, &chain_pem) {
                    tracing::warn!(%error, "the command line will not know the daemon by its active certificate");
                }
                self.0.signed.store(Some(signed));
            }
            other => {
                if let Some(row) = other {
                    tracing::warn!(serial = row.value.serial, "the active certificate has expired and is not shown");
                }
                self.0.signed.store(None);
                // A file that stays names a certificate that nobody is shown.
                let _ = fs::remove_file(&file);
            }
        }
        Ok(())
    }

    /// The chain that the next connection is shown, the node's certificate first.
    pub fn shown(&self) -> Arc<CertifiedKey> {
        self.0.signed.load_full().unwrap_or_else(|| self.0.current.load_full())
    }

    /// Loads the certificate again; new connections get it, open ones stay. After an error the one
    /// before is still in force.
    pub fn reload(&self) -> Result<(), CertError> {
        let loaded = load_and_warn(&self.0.source)?;
        self.0.current.store(loaded.certified);
        Ok(())
    }

    /// TLS 1.2 and 1.3 with this certificate, speaking the given application protocols in order of
    /// preference; for HTTPS `[b"h2", b"http/1.1"]`.
    pub fn server_config(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

fn load_and_warn(source: &CertSource) -> Result<Loaded, CertError> {
    let now = Timestamp(jiff::Timestamp::now().as_second());
    let loaded = source.load(now)?;
    if let Some(warning) = loaded.warning(now) {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection, pki_types::ServerName};

    /// Shakes hands in memory; returns the server's certificate and the protocol agreed on.
    fn shake_hands(store: &CertStore, trusted: &CertifiedKey, name: &str) -> Result<(Vec<u8>, Vec<u8>), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.cert[0].clone()).expect("a certificate");
        let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let mut server = ServerConnection::new(store.server_config(&[b"h2", b"http/1.1"])).expect("a server");
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("memory");
            server.read_tls(&mut &wire[..]).expect("memory");
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).expect("memory");
            client.read_tls(&mut &wire[..]).expect("memory");
            client.process_new_packets()?;
        }
        let certificate = client.peer_certificates().expect("a chain")[0].to_vec();
        Ok((certificate, client.alpn_protocol().expect("a protocol").to_vec()))
    }

    #[test]
    fn a_client_that_trusts_the_self_signed_certificate_gets_through() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = CertSource::SelfSigned { dir: folder.path().join("tls"), names: vec!["dns.example".to_owned()] };
        let store = CertStore::open(source).expect("made");
        let trusted = store.0.current.load_full();
        for name in ["localhost", "127.0.0.1", "::1", "dns.example"] {
            let (_, protocol) = shake_hands(&store, &trusted, name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(protocol, b"h2");
        }
        assert!(shake_hands(&store, &trusted, "other.example").is_err(), "a name it is not for");
    }

    #[test]
    fn a_reload_swaps_the_certificate_and_a_failed_one_keeps_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let put = || {
            let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            std::fs::write(&certificate, pair.cert.pem()).expect("written");
            std::fs::write(&key, pair.signing_key.serialize_pem()).expect("written");
            pair.cert.der().to_vec()
        };
        let first = put();
        let source = CertSource::Files { certificate: certificate.clone(), key: key.clone() };
        let store = CertStore::open(source).expect("loaded");
        let shown = |store: &CertStore| {
            let current = store.0.current.load_full();
            shake_hands(store, &current, "localhost").expect("a connection").0
        };
        assert_eq!(shown(&store), first);
        std::fs::write(&key, "torn").expect("written");
        assert!(store.reload().is_err());
        assert_eq!(shown(&store), first);
        let second = put();
        store.reload().expect("loaded");
        assert_eq!(shown(&store), second);
    }
}
